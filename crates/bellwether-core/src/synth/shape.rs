//! What each kind of anomaly does to the values of one channel.

use super::AnomalyKind;
use super::random::Draw;

/// One channel of a frame before anything was done to it.
#[derive(Debug)]
pub(super) struct Column {
    /// All values, `[n_samples]`; NaN is missing.
    pub(super) values: Vec<f64>,
    /// Population standard deviation of the values that are there; zero where none are.
    pub(super) std: f64,
    /// Decimal steps per unit that all values keep to (100 for two decimals); `None` for free numbers.
    steps: Option<f64>,
}

impl Column {
    pub(super) fn new(values: Vec<f64>) -> Self {
        Self {
            std: moments(&values).1,
            steps: decimal_steps(&values),
            values,
        }
    }

    /// The values of samples `first_idx..` after the anomaly, given those `before` it.
    ///
    /// `strength` is the signed magnitude in the channel's unit; kinds without a magnitude ignore it. Missing values
    /// stay missing.
    pub(super) fn altered(
        &self,
        kind: AnomalyKind,
        before: &[f64],
        first_idx: usize,
        strength: f64,
        draw: &mut Draw,
    ) -> Vec<f64> {
        let len = before.len() as f64;
        let added = |offset: &mut dyn FnMut(f64) -> f64| -> Vec<f64> {
            let values = before.iter().enumerate();
            values
                .map(|(idx, &value)| self.rounded(value + strength * offset(idx as f64), strength))
                .collect()
        };
        match kind {
            AnomalyKind::Spike => added(&mut |idx| 1.0 - idx / len),
            AnomalyKind::LevelShift => added(&mut |_| 1.0),
            AnomalyKind::Drift => added(&mut |idx| (idx + 1.0) / len),
            AnomalyKind::Noise => added(&mut |_| draw.normal()),
            AnomalyKind::Dropout => vec![f64::NAN; before.len()],
            AnomalyKind::Stuck => {
                let held = before.iter().copied().find(|value| !value.is_nan());
                let hold = |&value: &f64| {
                    if value.is_nan() {
                        value
                    } else {
                        held.unwrap_or(value)
                    }
                };
                before.iter().map(hold).collect()
            }
            AnomalyKind::CorrelationBreak => self.values_of_another_time(before, first_idx, draw),
            AnomalyKind::FrequencyChange => {
                let faster = (0..before.len()).map(|idx| self.at(first_idx + SPEED * idx));
                keeping_missing(before, faster)
            }
            AnomalyKind::Contextual => self.values_of_the_wrong_time(before, first_idx, draw),
            AnomalyKind::Collective => {
                let order = shuffled(before.len(), draw);
                keeping_missing(before, order.into_iter().map(|idx| before[idx]))
            }
            AnomalyKind::Degradation => added(&mut |idx| {
                let worn = wear((idx + 1.0) / len);
                worn * (1.0 + 0.2 * draw.normal())
            }),
        }
    }

    /// Keeps to the channel's decimals, so that an anomaly does not betray itself by its digits; not where that
    /// would swallow it.
    fn rounded(&self, value: f64, strength: f64) -> f64 {
        match self.steps {
            Some(steps) if strength.abs() * steps >= 1.0 => (value * steps).round() / steps + 0.0,
            _ => value,
        }
    }

    /// Values of this channel from the time that goes least with the present one, of some that `draw` proposes.
    ///
    /// Of 48 times (the data are taken as a ring, so that there always are some) it takes the one whose values
    /// correlate least with the true ones; differences of mean and spread and missing values count against a time.
    fn values_of_another_time(&self, before: &[f64], first_idx: usize, draw: &mut Draw) -> Vec<f64> {
        const N_PROPOSALS: usize = 48;
        let n_samples = self.values.len();
        let truth = &self.values[first_idx..first_idx + before.len()];
        let (mean, std) = moments(truth);
        let mut best = (f64::INFINITY, 0);
        for _ in 0..N_PROPOSALS {
            let shift = if n_samples > 1 {
                1 + draw.below(n_samples - 1)
            } else {
                0
            };
            let donor = self.ring(first_idx + shift, before.len());
            let (donor_mean, donor_std) = moments(&donor);
            let n_missing = donor.iter().filter(|value| value.is_nan()).count();
            let spread_ratio =
                (donor_std.max(1e-3 * self.std) / std.max(1e-3 * self.std)).max(f64::MIN_POSITIVE);
            let unlike = correlation(truth, &donor).abs()
                + 0.25 * (donor_mean - mean).abs() / self.std
                + 0.25 * libm::log(spread_ratio).abs()
                + 2.0 * n_missing as f64 / before.len() as f64;
            if unlike < best.0 {
                best = (unlike, shift);
            }
        }
        keeping_missing(before, self.ring(first_idx + best.1, before.len()).into_iter())
    }

    /// Values of this channel from the time whose mean is farthest from the present one, of 48 that `draw` proposes;
    /// missing values count against a time.
    fn values_of_the_wrong_time(&self, before: &[f64], first_idx: usize, draw: &mut Draw) -> Vec<f64> {
        const N_PROPOSALS: usize = 48;
        let n_samples = self.values.len();
        let (mean, _) = moments(&self.values[first_idx..first_idx + before.len()]);
        let mut best = (f64::NEG_INFINITY, 0);
        for _ in 0..N_PROPOSALS {
            let shift = draw.below(n_samples);
            let donor = self.ring(first_idx + shift, before.len());
            let n_missing = donor.iter().filter(|value| value.is_nan()).count();
            let unlike =
                (moments(&donor).0 - mean).abs() / self.std - 4.0 * n_missing as f64 / before.len() as f64;
            if unlike > best.0 {
                best = (unlike, shift);
            }
        }
        keeping_missing(before, self.ring(first_idx + best.1, before.len()).into_iter())
    }

    /// `len` values from `from_idx` on, beginning again at the first after the last.
    fn ring(&self, from_idx: usize, len: usize) -> Vec<f64> {
        (from_idx..from_idx + len).map(|idx| self.at(idx)).collect()
    }

    fn at(&self, idx: usize) -> f64 {
        self.values[idx % self.values.len()]
    }
}

/// How many times as fast a channel runs whose frequency changes. A whole number: its noise stays what it was.
const SPEED: usize = 3;

/// What takes the place of the values `before`: missing ones stay missing, and where nothing is given they stay.
fn keeping_missing(before: &[f64], given: impl Iterator<Item = f64>) -> Vec<f64> {
    let pairs = before.iter().zip(given);
    let kept = pairs.map(|(&value, given)| {
        if value.is_nan() || given.is_nan() {
            value
        } else {
            given
        }
    });
    kept.collect()
}

/// `0..n` in an order by `draw`, each equally likely (Fisher and Yates).
fn shuffled(n: usize, draw: &mut Draw) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    for last in (1..n).rev() {
        order.swap(last, draw.below(last + 1));
    }
    order
}

/// How worn something is after a share of its last days, from 0 to 1: damage that feeds itself grows exponentially, here by
/// e³ from beginning to failure.
fn wear(share: f64) -> f64 {
    const GROWTH: f64 = 3.0;
    (libm::exp(GROWTH * share) - 1.0) / (libm::exp(GROWTH) - 1.0)
}

/// Mean and population standard deviation of the values that are there; zeros where none are.
fn moments(values: &[f64]) -> (f64, f64) {
    let present = || values.iter().filter(|value| !value.is_nan());
    let n = present().count().max(1) as f64;
    let mean = present().sum::<f64>() / n;
    let square = present()
        .map(|value| (value - mean) * (value - mean))
        .sum::<f64>()
        / n;
    (mean, square.sqrt())
}

/// Pearson correlation over the samples where both have values; zero where either does not vary.
pub(super) fn correlation(left: &[f64], right: &[f64]) -> f64 {
    let pairs = || {
        let all = left.iter().copied().zip(right.iter().copied());
        all.filter(|(x, y)| !x.is_nan() && !y.is_nan())
    };
    let n = pairs().count().max(1) as f64;
    let (sum_x, sum_y) = pairs().fold((0.0, 0.0), |(sum_x, sum_y), (x, y)| (sum_x + x, sum_y + y));
    let (mean_x, mean_y) = (sum_x / n, sum_y / n);
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in pairs() {
        let (dx, dy) = (x - mean_x, y - mean_y);
        xx += dx * dx;
        xy += dx * dy;
        yy += dy * dy;
    }
    let scale = (xx * yy).sqrt();
    if scale > 0.0 { xy / scale } else { 0.0 }
}

/// The fewest decimals, up to six, that write every value exactly, as steps per unit.
fn decimal_steps(values: &[f64]) -> Option<f64> {
    const STEPS: [f64; 7] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6];
    let mut level = 0;
    for value in values.iter().filter(|value| !value.is_nan()) {
        let is_exact = |steps: f64| (value * steps).round() / steps - value == 0.0;
        while !is_exact(*STEPS.get(level)?) {
            level += 1;
        }
    }
    STEPS.get(level).copied()
}

#[cfg(test)]
mod tests {
    use super::super::random::Purpose;
    use super::*;

    #[test]
    fn decimals_are_found() {
        let check =
            |values: &[f64], expect: Option<f64>| assert_eq!(decimal_steps(values), expect, "{values:?}");
        check(&[1.0, -2.0, f64::NAN], Some(1.0));
        check(&[0.1, 20.37, 5.0], Some(100.0));
        check(&[1.0 / 3.0], None);
        check(&[], Some(1.0));
    }

    /// By hand, on 0, 10, … 70 with strength 8 over four samples from the third.
    #[test]
    fn shapes_are_as_documented() {
        let column = Column::new((0..8).map(|i| f64::from(i) * 10.0).collect());
        let check = |kind, before: &[f64], expect: &[f64]| {
            let mut draw = Draw::new(0, Purpose::AnomalyValues, 0, 0);
            let got = column.altered(kind, before, 2, 8.0, &mut draw);
            assert_eq!(format!("{got:?}"), format!("{expect:?}"), "{kind}");
        };
        let nan = f64::NAN;
        let before = [20.0, 30.0, nan, 50.0];
        check(AnomalyKind::Spike, &before, &[28.0, 36.0, nan, 52.0]);
        check(AnomalyKind::LevelShift, &before, &[28.0, 38.0, nan, 58.0]);
        check(AnomalyKind::Drift, &before, &[22.0, 34.0, nan, 58.0]);
        check(AnomalyKind::Stuck, &before, &[20.0, 20.0, nan, 20.0]);
        check(AnomalyKind::Dropout, &before, &[nan, nan, nan, nan]);
        // Every third from the third on, past the last again from the first.
        check(AnomalyKind::FrequencyChange, &before, &[20.0, 50.0, nan, 30.0]);
        // Means of four in a row lie between 15 (samples 0 to 3) and 55; that of 20, 30, 40, 50 is 35. Around the end of the
        // ring 70, 0, 10, 20 have 25.
        let mut draw = Draw::new(0, Purpose::AnomalyValues, 0, 0);
        let moved = column.altered(
            AnomalyKind::Contextual,
            &[20.0, 30.0, 40.0, 50.0],
            2,
            0.0,
            &mut draw,
        );
        assert!(
            [[0.0, 10.0, 20.0, 30.0], [40.0, 50.0, 60.0, 70.0]]
                .iter()
                .any(|want| moved == *want),
            "{moved:?}"
        );
    }

    #[test]
    fn wear_is_convex_and_complete_at_the_end() {
        assert!(wear(0.0).abs() < 1e-15 && (wear(1.0) - 1.0).abs() < 1e-15);
        // (e^1.5 - 1) / (e^3 - 1)
        assert!((wear(0.5) - 0.182_425_523_806_356).abs() < 1e-12);
    }

    #[test]
    fn a_collective_anomaly_moves_samples_and_invents_none() {
        let column = Column::new((0..50).map(f64::from).collect());
        let before: Vec<f64> = (10..40).map(f64::from).collect();
        let shuffle = || {
            let mut draw = Draw::new(1, Purpose::AnomalyValues, 0, 0);
            column.altered(AnomalyKind::Collective, &before, 10, 0.0, &mut draw)
        };
        let mut after = shuffle();
        assert_ne!(after, before);
        assert_eq!(after, shuffle(), "the same order for the next channel");
        after.sort_by(f64::total_cmp);
        assert_eq!(after, before);
    }

    #[test]
    fn correlation_ignores_missing_pairs() {
        let nan = f64::NAN;
        let check = |left: &[f64], right: &[f64], expect: f64| {
            let got = correlation(left, right);
            assert!((got - expect).abs() < 1e-12, "{got}");
        };
        check(&[1.0, 2.0, nan, 3.0], &[2.0, 4.0, 9.0, 6.0], 1.0);
        check(&[1.0, 2.0, 3.0], &[1.0, 0.0, -1.0], -1.0);
        check(&[1.0, 1.0], &[1.0, 2.0], 0.0);
        check(&[nan], &[nan], 0.0);
    }
}
