//! VUS-PR and VUS-ROC: the areas under the curves when near misses earn something, averaged over how near is near.
//!
//! Paparrizos et al., "Volume Under the Surface" (VLDB 2022), in the form that TSB-AD computes. For each buffer `w`
//! from 0 to the window, an unlabelled sample `d ≤ w/2` samples from an event weighs `√(1 − d/w)` of a labelled one
//! (1 at most, where several events reach it); 250 thresholds at evenly spaced ranks give one curve per buffer; recall
//! is scaled by the share of (merged, buffered) events that the threshold finds at all.
//!
//! Weights within reach are at least `√½`, so two events always add up to 1: a buffered sample is either alone at its
//! distance or saturated. Counting the samples by distance and by the first threshold that marks them therefore
//! replaces the walk over the series for every buffer and threshold: `n log n + 62 window²` steps in all.

use std::ops::Range;

use super::{EvalError, check_scores, ranked, runs, sweep};

/// Thresholds per curve, as in the published figures.
const N_THRESHOLDS: usize = 250;

/// The longest window that [`vus`] takes, in samples: some seconds of work, far beyond any published one.
pub const WINDOW_MAX: usize = 10_000;

/// The longest window that [`default_window`] gives; longer buffers blur what they measure.
const DEFAULT_WINDOW_MAX: usize = 300;

/// One value for each threshold, from the highest (fewest marked) to the lowest (all marked).
type PerThreshold = [f64; N_THRESHOLDS];

/// Volumes under both surfaces, in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Vus {
    /// Under precision over recall and buffer.
    pub pr: f64,
    /// Under true positive rate over false positive rate and buffer.
    pub roc: f64,
}

/// The volumes of `scores` against `labels`, both `[n_samples]`, over buffers of 0 to `window` samples.
///
/// # Errors
/// Lengths that differ, no samples, no labelled or no normal sample, or a window longer than [`WINDOW_MAX`].
pub fn vus(labels: &[bool], scores: &[f64], window: usize) -> Result<Vus, EvalError> {
    check_scores(labels, scores)?;
    if window > WINDOW_MAX {
        return Err(EvalError::WindowTooLong {
            window,
            window_max: WINDOW_MAX,
        });
    }
    let events = runs(labels);
    let levels = levels(scores);
    let marked = Marked::count(labels, &levels);
    let mut buffer = Buffer::new(&events, &levels, window / 2);
    let mut regions = Regions::new(&events, &levels);
    let mut found = regions.share_found();
    let mut sum = Vus { pr: 0.0, roc: 0.0 };
    for width in 0..=window {
        let reach = width / 2;
        if reach > 0 && width % 2 == 0 {
            buffer.saturate(reach);
            regions.grow(reach);
            found = regions.share_found();
        }
        let area = marked.areas(&buffer.weights(width), &found);
        sum.pr += area.pr;
        sum.roc += area.roc;
    }
    let n_widths = (window + 1) as f64;
    Ok(Vus {
        pr: sum.pr / n_widths,
        roc: sum.roc / n_widths,
    })
}

/// A window for callers that have none: the median length of a labelled event (the upper one of two), at most 300
/// samples; 0 without events. A property of the labels alone, so detectors compare.
///
/// # Units
/// Samples.
pub fn default_window(labels: &[bool]) -> usize {
    let mut lens: Vec<usize> = runs(labels).iter().map(Range::len).collect();
    lens.sort_unstable();
    lens.get(lens.len() / 2)
        .map_or(0, |&len| len.min(DEFAULT_WINDOW_MAX))
}

/// For each sample, the first threshold that marks it (`score >= threshold`); the last one marks all.
fn levels(scores: &[f64]) -> Vec<u8> {
    let thresholds = sweep::rank_thresholds(scores, N_THRESHOLDS);
    scores
        .iter()
        .map(|&score| {
            let level = thresholds.partition_point(|&threshold| threshold > ranked(score));
            u8::try_from(level).expect("250 thresholds have levels 0 to 249")
        })
        .collect()
}

/// What each threshold marks, before any buffer.
struct Marked {
    all: PerThreshold,
    labelled: PerThreshold,
    n_samples: f64,
    n_labelled: f64,
}

impl Marked {
    fn count(labels: &[bool], levels: &[u8]) -> Self {
        let mut all = [0.0; N_THRESHOLDS];
        let mut labelled = [0.0; N_THRESHOLDS];
        for (&label, &level) in labels.iter().zip(levels) {
            all[usize::from(level)] += 1.0;
            labelled[usize::from(level)] += f64::from(u8::from(label));
        }
        accumulate(&mut all);
        accumulate(&mut labelled);
        Self {
            n_samples: labels.len() as f64,
            n_labelled: labelled[N_THRESHOLDS - 1],
            all,
            labelled,
        }
    }

    /// Areas under both curves of one buffer: `buffered` is the weight of buffered samples that each threshold
    /// marks, `found` the share of regions in which it marks anything.
    fn areas(&self, buffered: &PerThreshold, found: &PerThreshold) -> Vus {
        let mut area = Vus { pr: 0.0, roc: 0.0 };
        let (mut recall_before, mut fall_out_before) = (0.0, 0.0);
        for threshold in 0..N_THRESHOLDS {
            let hits = self.labelled[threshold] + buffered[threshold];
            // The mean of the labelled weight with and without the buffer, so that recall is neither flattered nor
            // crushed by it (the authors' choice).
            let positives = self.n_labelled + buffered[threshold] / 2.0;
            let recall = (hits / positives).min(1.0) * found[threshold];
            let fall_out = (self.all[threshold] - hits) / (self.n_samples - positives);
            let precision = hits / self.all[threshold];
            area.pr += (recall - recall_before) * precision;
            area.roc += (fall_out - fall_out_before) * f64::midpoint(recall, recall_before);
            (recall_before, fall_out_before) = (recall, fall_out);
        }
        // The ROC curve ends at (1, 1), whatever the last threshold reached.
        area.roc += (1.0 - fall_out_before) * f64::midpoint(1.0, recall_before);
        area
    }
}

/// The unlabelled samples within reach of an event, counted by distance and level.
struct Buffer {
    /// `[distance - 1][level]`: samples whose nearest event is that far, while no second one reaches them.
    alone: Vec<PerThreshold>,
    /// `[reach - 1]`: (distance, level) of the samples that a second event reaches from there on.
    joined: Vec<Vec<(usize, u8)>>,
    /// Samples that two events reach.
    saturated: PerThreshold,
}

impl Buffer {
    fn new(events: &[Range<usize>], levels: &[u8], reach_max: usize) -> Self {
        let mut buffer = Self {
            alone: vec![[0.0; N_THRESHOLDS]; reach_max],
            joined: vec![Vec::new(); reach_max],
            saturated: [0.0; N_THRESHOLDS],
        };
        // Gap `k` lies before event `k`, the last one after all of them.
        for gap_idx in 0..=events.len() {
            let start = gap_idx.checked_sub(1).map_or(0, |before| events[before].end);
            let end = events.get(gap_idx).map_or(levels.len(), |event| event.start);
            for (offset, &level) in levels[start..end].iter().enumerate() {
                let (nearest, second) = two_nearest(events, gap_idx, start + offset);
                if nearest > reach_max {
                    continue;
                }
                buffer.alone[nearest - 1][usize::from(level)] += 1.0;
                if second <= reach_max {
                    buffer.joined[second - 1].push((nearest, level));
                }
            }
        }
        buffer
    }

    /// Moves the samples that a second event reaches at `reach`, to be called for each reach in turn.
    fn saturate(&mut self, reach: usize) {
        for &(nearest, level) in &self.joined[reach - 1] {
            self.alone[nearest - 1][usize::from(level)] -= 1.0;
            self.saturated[usize::from(level)] += 1.0;
        }
    }

    /// Summed weight of the buffered samples that each threshold marks, for a buffer `width`.
    fn weights(&self, width: usize) -> PerThreshold {
        let mut sum = self.saturated;
        for (idx, counts) in self.alone[..width / 2].iter().enumerate() {
            let weight = (1.0 - (idx + 1) as f64 / width as f64).sqrt();
            for (sum, &count) in sum.iter_mut().zip(counts) {
                *sum += weight * count;
            }
        }
        accumulate(&mut sum);
        sum
    }
}

/// Distances from the unlabelled sample `at`, just before event `next`, to its nearest and second nearest event.
fn two_nearest(events: &[Range<usize>], next: usize, at: usize) -> (usize, usize) {
    let left = |back: usize| {
        next.checked_sub(back)
            .map_or(usize::MAX, |idx| at + 1 - events[idx].end)
    };
    let right = |ahead: usize| {
        events
            .get(next + ahead)
            .map_or(usize::MAX, |event| event.start - at)
    };
    let mut distances = [left(1), left(2), right(0), right(1)];
    distances.sort_unstable();
    (distances[0], distances[1])
}

/// The events widened by the reach of a buffer; those that then overlap are one region.
struct Regions<'a> {
    events: &'a [Range<usize>],
    levels: &'a [u8],
    /// First threshold that marks anything within reach of each event.
    first_levels: Vec<u8>,
    reach: usize,
}

impl<'a> Regions<'a> {
    fn new(events: &'a [Range<usize>], levels: &'a [u8]) -> Self {
        let first_levels = events
            .iter()
            .map(|event| levels[event.clone()].iter().copied().fold(u8::MAX, u8::min))
            .collect();
        Self {
            events,
            levels,
            first_levels,
            reach: 0,
        }
    }

    /// Widens every event to `reach`, one more than before.
    fn grow(&mut self, reach: usize) {
        debug_assert_eq!(reach, self.reach + 1);
        self.reach = reach;
        for (event, first_level) in self.events.iter().zip(&mut self.first_levels) {
            let before = event
                .start
                .checked_sub(reach)
                .map_or(u8::MAX, |at| self.levels[at]);
            let after = self.levels.get(event.end - 1 + reach).copied().unwrap_or(u8::MAX);
            *first_level = (*first_level).min(before).min(after);
        }
    }

    /// Share of the regions in which each threshold marks anything.
    fn share_found(&self) -> PerThreshold {
        let mut found = [0.0; N_THRESHOLDS];
        let mut n_regions = 0.0;
        let mut first_level = u8::MAX;
        for (idx, event) in self.events.iter().enumerate() {
            first_level = first_level.min(self.first_levels[idx]);
            let next = self.events.get(idx + 1);
            let is_last_of_region = next.is_none_or(|next| event.end - 1 + 2 * self.reach < next.start);
            if is_last_of_region {
                found[usize::from(first_level)] += 1.0;
                n_regions += 1.0;
                first_level = u8::MAX;
            }
        }
        accumulate(&mut found);
        found.map(|count| count / n_regions)
    }
}

/// Running sums in place.
fn accumulate(values: &mut PerThreshold) {
    let mut sum = 0.0;
    for value in values {
        sum += *value;
        *value = sum;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, word for word: every buffer, every threshold, every sample.
    fn by_definition(labels: &[bool], scores: &[f64], window: usize) -> Vus {
        let events = runs(labels);
        let thresholds = sweep::rank_thresholds(scores, N_THRESHOLDS);
        let mut sum = Vus { pr: 0.0, roc: 0.0 };
        for width in 0..=window {
            let reach = width / 2;
            let weight = |at: usize| {
                let near = events.iter().filter_map(|event| {
                    let d = event.start.saturating_sub(at) + (at + 1).saturating_sub(event.end);
                    (d <= reach).then(|| {
                        if d == 0 {
                            1.0
                        } else {
                            (1.0 - d as f64 / width as f64).sqrt()
                        }
                    })
                });
                near.sum::<f64>().min(1.0)
            };
            let regions = runs(&(0..labels.len()).map(|at| weight(at) > 0.0).collect::<Vec<_>>());
            // Regions that only touch stay apart: cut where the reach of one event ends and the next begins.
            let mut cuts = Vec::new();
            for pair in events.windows(2) {
                if pair[0].end + reach == pair[1].start.saturating_sub(reach) {
                    cuts.push(pair[0].end + reach);
                }
            }
            let n_regions = regions.len() + cuts.len();
            let (mut recall_before, mut fall_out_before) = (0.0, 0.0);
            for &threshold in &thresholds {
                let marked: Vec<usize> = (0..labels.len()).filter(|&at| scores[at] >= threshold).collect();
                let hits: f64 = marked.iter().map(|&at| weight(at)).sum();
                let n_labelled = labels.iter().filter(|&&label| label).count() as f64;
                let extra: f64 = marked
                    .iter()
                    .filter(|&&at| !labels[at])
                    .map(|&at| weight(at))
                    .sum();
                let mut found: Vec<_> = marked
                    .iter()
                    .filter(|&&at| weight(at) > 0.0)
                    .map(|&at| {
                        (
                            regions.partition_point(|r| r.end <= at),
                            cuts.partition_point(|&c| c <= at),
                        )
                    })
                    .collect();
                found.dedup();
                let positives = n_labelled + extra / 2.0;
                let recall = (hits / positives).min(1.0) * found.len() as f64 / n_regions as f64;
                let fall_out = (marked.len() as f64 - hits) / (labels.len() as f64 - positives);
                sum.pr += (recall - recall_before) * hits / marked.len() as f64;
                sum.roc += (fall_out - fall_out_before) * f64::midpoint(recall, recall_before);
                (recall_before, fall_out_before) = (recall, fall_out);
            }
            sum.roc += (1.0 - fall_out_before) * f64::midpoint(1.0, recall_before);
        }
        let n_widths = (window + 1) as f64;
        Vus {
            pr: sum.pr / n_widths,
            roc: sum.roc / n_widths,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn counting_by_distance_equals_the_definition(
            samples in prop::collection::vec((prop::bool::weighted(0.3), 0..20_u8), 2..40),
            share in 0.0..=1.0,
        ) {
            let labels: Vec<bool> = samples.iter().map(|sample| sample.0).collect();
            let scores: Vec<f64> = samples.iter().map(|sample| f64::from(sample.1)).collect();
            prop_assume!(labels.contains(&true) && labels.contains(&false));
            let window = (1.5 * share * labels.len() as f64) as usize;
            let (got, want) = (vus(&labels, &scores, window).unwrap(), by_definition(&labels, &scores, window));
            prop_assert!((got.pr - want.pr).abs() < 1e-12, "{got:?} {want:?}");
            prop_assert!((got.roc - want.roc).abs() < 1e-12, "{got:?} {want:?}");
        }
    }

    #[test]
    fn default_window_is_the_median_event_length() {
        let check = |lens: &[usize], expect: usize| {
            let labels: Vec<bool> = lens
                .iter()
                .flat_map(|&len| [vec![true; len], vec![false]].concat())
                .collect();
            assert_eq!(default_window(&labels), expect);
        };
        check(&[], 0);
        check(&[7], 7);
        check(&[1, 5, 100], 5);
        check(&[2, 4], 4);
        check(&[1000], DEFAULT_WINDOW_MAX);
    }
}
