//! The least a detector must beat: chance, and how far the strangest channel lies from its median.

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
    centre_and_spread(&sorted_finite(column.copied()))
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
}
