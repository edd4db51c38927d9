//! The least a detector must beat: chance, how far the strangest channel lies from its median, and how far from its last value.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use crate::frame::Frame;
use crate::quantile::{MAD_TO_SIGMA, mean_std, median_abs_deviation, median_sorted, sorted_finite};
use crate::transform::{ApplyError, Columns};

/// `n` scores drawn evenly from [0, 1): the same for the same seed, on every platform.
pub fn random(n: usize, seed: u64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // The upper 53 bits are the mantissa.
    (0..n)
        .map(|_| (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64)
        .collect()
}

/// The largest robust z-score of each row of `test`: max over channels of |x − median| / spread, both of `train`.
///
/// The spread is 1.4826 · the median absolute deviation; the population standard deviation where that is 0; 1 where
/// both are, so that a constant channel counts in its own unit. Missing values are passed over, as are channels
/// never observed in training; a row with nothing else has no score (NaN).
///
/// # Errors
/// [`ApplyError`] where `test` lacks a channel of `train`.
pub fn max_z(train: &Frame, test: &Frame) -> Result<Vec<f64>, ApplyError> {
    let columns = Columns::matching(train.schema().channels(), test.schema())?;
    let centres: Vec<(f64, f64)> = (0..train.n_channels()).map(|idx| centre(train, idx)).collect();
    let rows = test.values().chunks_exact(test.n_channels());
    Ok(rows
        .map(|row| largest_z(row, columns.order(), &centres))
        .collect())
}

/// The largest robust step of each row of `test`: max over channels of |x − the last value before it| / spread, where the spread is
/// that of the steps of `train`, measured as in [`max_z`] about their median. What persistence ("all stays as it is")
/// did not expect.
///
/// A missing value makes no step; the next one is measured from the last that was observed. Rows without a step have no score
/// (NaN), so has the first.
///
/// # Errors
/// [`ApplyError`] where `test` lacks a channel of `train`.
pub fn last_value(train: &Frame, test: &Frame) -> Result<Vec<f64>, ApplyError> {
    let columns = Columns::matching(train.schema().channels(), test.schema())?;
    let in_order: Vec<usize> = (0..train.n_channels()).collect();
    let steps = steps(train, &in_order);
    let centres: Vec<(f64, f64)> = (0..train.n_channels())
        .map(|idx| centre_of(steps.iter().skip(idx).step_by(train.n_channels()).copied()))
        .collect();
    let tested = self::steps(test, columns.order());
    let in_place: Vec<usize> = (0..centres.len()).collect();
    let rows = tested.chunks_exact(train.n_channels());
    Ok(rows.map(|row| largest_z(row, &in_place, &centres)).collect())
}

/// Differences from the last observed value, `[n_samples, order.len()]`; NaN where there is none.
fn steps(frame: &Frame, order: &[usize]) -> Vec<f64> {
    let mut last = vec![f64::NAN; order.len()];
    let mut steps = Vec::with_capacity(frame.n_samples() * order.len());
    for row in frame.values().chunks_exact(frame.n_channels()) {
        for (&channel_idx, last) in order.iter().zip(&mut last) {
            let value = row[channel_idx];
            steps.push(value - *last);
            if !value.is_nan() {
                *last = value;
            }
        }
    }
    steps
}

fn largest_z(row: &[f64], order: &[usize], centres: &[(f64, f64)]) -> f64 {
    let z = order
        .iter()
        .zip(centres)
        .map(|(&idx, (median, spread))| (row[idx] - median).abs() / spread);
    // `f64::max` prefers a number to NaN, on either side.
    z.fold(f64::NAN, f64::max)
}

/// Median and spread of one channel of the training rows; NaN where it was never observed.
fn centre(train: &Frame, channel_idx: usize) -> (f64, f64) {
    let column = train
        .values()
        .iter()
        .skip(channel_idx)
        .step_by(train.n_channels());
    centre_of(column.copied())
}

fn centre_of(values: impl Iterator<Item = f64>) -> (f64, f64) {
    centre_and_spread(&sorted_finite(values))
}

/// Median and spread of sorted values: 1.4826 · the median absolute deviation; the population standard deviation where
/// that is 0; 1 where both are. The median of no value is NaN.
pub(super) fn centre_and_spread(sorted: &[f64]) -> (f64, f64) {
    let median = median_sorted(sorted);
    let spreads = [
        MAD_TO_SIGMA * median_abs_deviation(sorted, median),
        mean_std(sorted).1,
        1.0,
    ];
    let spread = spreads.into_iter().find(|spread| *spread > 0.0).unwrap_or(1.0);
    (median, spread)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Channel;
    use crate::time::Timestamp;
    use bellwether_testkit::assert_close;

    const NAN: f64 = f64::NAN;

    fn frame(names: &[&str], rows: &[&[f64]]) -> Frame {
        let channels: Vec<Channel> = names.iter().map(|&name| Channel::new(name)).collect();
        let time = (0..rows.len()).map(|i| Timestamp::from_secs(i as i64)).collect();
        Frame::new(channels, time, rows.concat()).unwrap()
    }

    #[test]
    fn random_scores_repeat_with_their_seed_and_fill_the_unit_interval() {
        let scores = random(10_000, 7);
        assert_eq!(scores, random(10_000, 7));
        assert_ne!(scores, random(10_000, 8));
        assert!(scores.iter().all(|score| (0.0..1.0).contains(score)));
        // The mean of 10⁴ uniform numbers has a standard deviation of 0.0029.
        assert_close(mean_std(&scores).0, 0.5, 0.015, "mean");
    }

    #[test]
    fn the_strangest_channel_decides() {
        // a: median 3, MAD 1. b: median 1, MAD 0, mean 3, standard deviation 4. c: constant 5. d: never observed.
        let train = frame(
            &["a", "b", "c", "d"],
            &[
                &[1.0, 1.0, 5.0, NAN],
                &[2.0, 1.0, 5.0, NAN],
                &[3.0, 1.0, 5.0, NAN],
                &[4.0, 1.0, 5.0, NAN],
                &[100.0, 11.0, 5.0, NAN],
            ],
        );
        let test = frame(
            &["d", "c", "b", "a"],
            &[
                &[9.0, 5.0, 1.0, 6.0],
                &[9.0, 5.0, 9.0, NAN],
                &[9.0, 7.5, NAN, 3.0],
                &[9.0, NAN, NAN, NAN],
            ],
        );
        let scores = max_z(&train, &test).unwrap();
        assert_close(scores[0], 3.0 / MAD_TO_SIGMA, 1e-12, "a");
        assert_close(scores[1], 2.0, 1e-12, "b");
        assert_close(scores[2], 2.5, 1e-12, "c");
        assert!(scores[3].is_nan());
        assert!(max_z(&test, &frame(&["a"], &[&[1.0]])).is_err());
    }

    #[test]
    fn a_step_is_measured_from_the_last_observed_value() {
        // a steps by 1, 1, 1, 3: median 1, MAD 0, population standard deviation √0.75. b by 2, -1, 2, -1: median ½, MAD 1.5.
        let train = frame(
            &["a", "b"],
            &[&[0.0, 0.0], &[1.0, 2.0], &[2.0, 1.0], &[3.0, 3.0], &[6.0, 2.0]],
        );
        let test = frame(
            &["b", "a"],
            &[&[0.0, 5.0], &[0.5, 7.0], &[NAN, NAN], &[NAN, 8.0], &[6.5, 9.0]],
        );
        let scores = last_value(&train, &test).unwrap();
        assert!(scores[0].is_nan() && scores[2].is_nan());
        assert_close(scores[1], 1.0 / 0.75_f64.sqrt(), 1e-12, "a");
        assert_close(scores[3], 0.0, 1e-12, "a over a gap");
        assert_close(scores[4], 5.5 / (1.5 * MAD_TO_SIGMA), 1e-12, "b over a gap");
        assert!(last_value(&test, &frame(&["a"], &[&[1.0]])).is_err());
    }
}
