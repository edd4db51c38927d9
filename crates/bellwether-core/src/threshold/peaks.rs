//! Separate peaks of errors that follow one another: what is counted and fitted where rows are not independent.

use std::ops::Range;

use super::HeldOut;
use crate::event::EventRule;

impl HeldOut<'_> {
    /// Runs of rows without a gap.
    pub(super) fn segments(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let ends = self.segment_starts.iter().skip(1).copied();
        let ends = ends.chain(std::iter::once(self.errors.len()));
        self.segment_starts
            .iter()
            .copied()
            .zip(ends)
            .map(|(start, end)| start..end)
    }

    /// Events that open at that threshold.
    pub(super) fn count_events(&self, rule: &EventRule, level: f64) -> usize {
        let starts_segment = |row_idx: usize| self.segment_starts.binary_search(&row_idx).is_ok();
        rule.count(self.errors, level, starts_segment)
    }
}

/// For each row the highest threshold at which the rule's votes suffice: the n-th highest of the last m errors of
/// the segment; 0 where there are fewer.
pub(super) fn opening_levels(held_out: &HeldOut<'_>, rule: &EventRule) -> Vec<f64> {
    let mut levels = Vec::with_capacity(held_out.errors.len());
    let mut recent = Vec::with_capacity(rule.m());
    for segment in held_out.segments() {
        for row_idx in segment.clone() {
            let first = (row_idx + 1).saturating_sub(rule.m()).max(segment.start);
            recent.clear();
            recent.extend(
                held_out.errors[first..=row_idx]
                    .iter()
                    .copied()
                    .filter(|error| !error.is_nan()),
            );
            recent.sort_unstable_by(|one, other| other.total_cmp(one));
            levels.push(recent.get(rule.n() - 1).copied().unwrap_or(0.0));
        }
    }
    levels
}

/// What rises above a base level, told apart by runs declustering (Coles 2001, 5.3): what lies at most `apart` samples
/// from the last that was above belongs to the same peak.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Peaks {
    pub(super) base: f64,
    /// The highest of each run, all above the base.
    pub(super) highest: Vec<f64>,
    /// The row where each run begins.
    pub(super) begins: Vec<usize>,
    /// Everything above the base, in order.
    pub(super) above: Vec<f64>,
}

/// Stretches that peaks are counted in, to see whether they come alone or in hordes.
const N_STRETCHES: usize = 16;

impl Peaks {
    /// `levels: [n_rows]`; NaN is never above.
    pub(super) fn above(levels: &[f64], held_out: &HeldOut<'_>, base: f64, apart: usize) -> Self {
        let (mut highest, mut above): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
        let mut begins = Vec::new();
        for segment in held_out.segments() {
            let mut last_above: Option<usize> = None;
            let levels = segment.clone().zip(&levels[segment]);
            for (row_idx, &level) in levels.filter(|(_, level)| **level > base) {
                match (last_above, highest.last_mut()) {
                    (Some(last), Some(peak)) if row_idx - last <= apart => *peak = peak.max(level),
                    _ => {
                        highest.push(level);
                        begins.push(row_idx);
                    }
                }
                above.push(level);
                last_above = Some(row_idx);
            }
        }
        Self {
            base,
            highest,
            begins,
            above,
        }
    }

    /// The index of dispersion (Fano factor) of the number of peaks in each sixteenth of `n_rows` rows: variance over mean. 1 where
    /// they come independently of each other, more where a busy day brings many; 0 where there are none.
    pub(super) fn dispersion(&self, n_rows: usize) -> f64 {
        let mut counts = [0.0; N_STRETCHES];
        for begin in &self.begins {
            counts[(begin * N_STRETCHES / n_rows.max(1)).min(N_STRETCHES - 1)] += 1.0;
        }
        let mean = self.begins.len() as f64 / N_STRETCHES as f64;
        if mean <= 0.0 {
            return 0.0;
        }
        let squares: f64 = counts.iter().map(|count| (count - mean) * (count - mean)).sum();
        squares / (N_STRETCHES - 1) as f64 / mean
    }

    /// The runs estimator of the extremal index, in (0, 1]: one over the rows of a peak. 1 where nothing is above.
    pub(super) fn extremal_index(&self) -> f64 {
        self.highest.len().max(1) as f64 / self.above.len().max(1) as f64
    }

    /// How far the highest of each run lies above the base.
    pub(super) fn excesses(&self) -> Vec<f64> {
        self.highest.iter().map(|peak| peak - self.base).collect()
    }

    /// As many of all excesses as there are peaks, evenly spaced: about one for each run, and of the same distribution
    /// as all.
    pub(super) fn thinned_excesses(&self) -> Vec<f64> {
        let step = self.above.len().div_ceil(self.highest.len().max(1)).max(1);
        let thinned = self.above.iter().skip(step / 2).step_by(step);
        thinned.map(|level| level - self.base).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_testkit::assert_close;
    use std::time::Duration;

    #[test]
    fn what_lies_close_together_is_one_peak_and_a_gap_parts() {
        let errors = [0.0, 3.0, 0.0, 4.0, 0.0, 0.0, 0.0, 2.0, f64::NAN, 5.0];
        let held_out = |segment_starts| HeldOut {
            errors: &errors,
            segment_starts,
            cadence: Duration::from_secs(1),
            labels: None,
        };
        let check = |starts: &'static [usize], apart, highest: &[f64], index: f64| {
            let peaks = Peaks::above(&errors, &held_out(starts), 1.0, apart);
            assert_eq!(peaks.highest, highest);
            assert_eq!(peaks.above, [3.0, 4.0, 2.0, 5.0]);
            assert_close(peaks.extremal_index(), index, 1e-12, "extremal index");
        };
        check(&[0], 2, &[4.0, 5.0], 0.5);
        check(&[0], 1, &[3.0, 4.0, 2.0, 5.0], 1.0);
        check(&[0], 4, &[5.0], 0.25);
        check(&[0, 8], 4, &[4.0, 5.0], 0.5);
        let peaks = Peaks::above(&errors, &held_out(&[0]), 1.0, 2);
        assert_eq!(
            (peaks.excesses(), peaks.thinned_excesses()),
            (vec![3.0, 4.0], vec![3.0, 4.0])
        );
    }

    #[test]
    fn peaks_that_come_in_hordes_are_more_dispersed_than_by_chance() {
        let dispersion = |begins: Vec<usize>| {
            let peaks = Peaks {
                base: 0.0,
                highest: vec![1.0; begins.len()],
                above: vec![1.0; begins.len()],
                begins,
            };
            peaks.dispersion(1600)
        };
        // One in each sixteenth; four in each; all 32 in one: a variance of (30² + 15 · 2²) / 15 over a mean of 2.
        assert_close(
            dispersion((0..16).map(|idx| 100 * idx).collect()),
            0.0,
            1e-12,
            "evenly",
        );
        assert_close(
            dispersion((0..64).map(|idx| 25 * idx).collect()),
            0.0,
            1e-12,
            "evenly",
        );
        assert_close(dispersion((700..732).collect()), 32.0, 1e-12, "one horde");
        // Without memory the numbers are Poisson's: about 1.
        let mut state = 42_u64;
        let mut mean = 0.0;
        for _ in 0..200 {
            let begins = (0..64).map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) as usize % 1600
            });
            mean += dispersion(begins.collect()) / 200.0;
        }
        assert_close(mean, 1.0, 0.1, "by chance");
        assert_close(dispersion(Vec::new()), 0.0, 1e-12, "none");
    }
}
