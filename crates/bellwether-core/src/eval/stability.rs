//! How far scores can be trusted where nobody knows the truth: over time, and when the data shake a little.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use super::bootstrap::ranks;
use super::{EvalError, check_len};
use crate::frame::{Frame, FrameError};
use crate::quantile::{mean_std, sorted_finite};

/// A channel of at most so many values switches: a little more than one of them is no value of it.
const N_DISCRETE_MAX: usize = 5;

/// What one stretch of the scores says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stretch {
    /// Scored samples.
    pub n_scored: usize,
    /// Share of them at or above the threshold.
    pub share_anomalous: f64,
    /// Their median score.
    pub median_score: f64,
}

/// How alike two lists of scores of the same samples are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// Spearman's rank correlation, over samples that both score; NaN where either does not vary.
    pub rank_correlation: f64,
    /// Samples above the threshold in both, as a share of those in either (Jaccard); 1 where there are none.
    pub alarms_kept: f64,
}

/// Cuts `scores` into `n` stretches of equal length (the last ones shorter by at most one) that say how much the scores move over
/// time; a stretch without a score is left out. 1.0 is the threshold.
pub fn stretches(scores: &[f64], n: usize) -> Vec<Stretch> {
    let bounds = |idx: usize| scores.len() * idx / n.max(1);
    let stretch = |idx: usize| {
        let of_stretch = &scores[bounds(idx)..bounds(idx + 1)];
        let sorted = sorted_finite(of_stretch.iter().copied());
        let n_above = sorted.len() - sorted.partition_point(|&score| score < 1.0);
        (!sorted.is_empty()).then(|| Stretch {
            n_scored: sorted.len(),
            share_anomalous: super::ratio(n_above, sorted.len()),
            median_score: crate::quantile::median_sorted(&sorted),
        })
    };
    (0..n).filter_map(stretch).collect()
}

/// Compares the scores of the same samples, both `[n_samples]`. 1.0 is the threshold.
///
/// # Errors
/// Lengths that differ, or no samples.
pub fn agreement(scores: &[f64], others: &[f64]) -> Result<Agreement, EvalError> {
    check_len(&vec![false; scores.len()], "scores", others.len())?;
    let pairs = scores.iter().zip(others);
    let (mine, theirs): (Vec<f64>, Vec<f64>) = pairs
        .filter(|(a, b)| !a.is_nan() && !b.is_nan())
        .map(|(a, b)| (*a, *b))
        .unzip();
    let (mut n_both, mut n_either) = (0, 0);
    for (a, b) in mine.iter().zip(&theirs) {
        n_both += usize::from(*a >= 1.0 && *b >= 1.0);
        n_either += usize::from(*a >= 1.0 || *b >= 1.0);
    }
    Ok(Agreement {
        rank_correlation: correlation(&ranks(&mine), &ranks(&theirs)),
        alarms_kept: if n_either == 0 {
            1.0
        } else {
            super::ratio(n_both, n_either)
        },
    })
}

/// The mean [`agreement`] of all pairs of several lists of scores of the same samples, such as those of detectors that differ in
/// their seed alone. Pairs without a rank correlation do not count in its mean; NaN and 1 where there are fewer than two lists.
///
/// # Errors
/// As [`agreement`].
pub fn mean_agreement(runs: &[Vec<f64>]) -> Result<Agreement, EvalError> {
    let (mut correlations, mut kept) = (Vec::new(), Vec::new());
    for (idx, one) in runs.iter().enumerate() {
        for other in &runs[idx + 1..] {
            let of_pair = agreement(one, other)?;
            if !of_pair.rank_correlation.is_nan() {
                correlations.push(of_pair.rank_correlation);
            }
            kept.push(of_pair.alarms_kept);
        }
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    Ok(Agreement {
        rank_correlation: mean(&correlations),
        alarms_kept: if kept.is_empty() { 1.0 } else { mean(&kept) },
    })
}

/// A copy of `frame` with noise added to each channel that is not discrete: even, with a standard deviation of `share` of the channel's
/// own. Missing values stay missing.
///
/// # Errors
/// None for a frame as it is made elsewhere: times and channels stay as they are.
pub fn shaken(frame: &Frame, share: f64, seed: u64) -> Result<Frame, FrameError> {
    let n = frame.n_channels();
    let reach: Vec<f64> = (0..n)
        .map(|channel_idx| {
            let column = frame.values().iter().skip(channel_idx).step_by(n).copied();
            let mut sorted = sorted_finite(column);
            let std = mean_std(&sorted).1;
            sorted.dedup_by(|a, b| *a <= *b);
            // An even distribution over ±r has the standard deviation r / √3.
            if sorted.len() > N_DISCRETE_MAX {
                share * std * 3.0_f64.sqrt()
            } else {
                0.0
            }
        })
        .collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut values = frame.values().to_vec();
    for row in values.chunks_exact_mut(n) {
        for (value, reach) in row.iter_mut().zip(&reach) {
            let unit = (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
            *value += reach * (2.0 * unit - 1.0);
        }
    }
    Frame::new(frame.schema().channels().to_vec(), frame.time().to_vec(), values)
}

/// Pearson's correlation; NaN where either side does not vary.
fn correlation(left: &[f64], right: &[f64]) -> f64 {
    let n = left.len() as f64;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / n;
    let (mean_left, mean_right) = (mean(left), mean(right));
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in left.iter().zip(right) {
        let (dx, dy) = (x - mean_left, y - mean_right);
        xx += dx * dx;
        xy += dx * dy;
        yy += dy * dy;
    }
    xy / (xx * yy).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAN: f64 = f64::NAN;

    #[test]
    fn agreement_is_of_ranks_and_of_alarms() {
        let check = |a: &[f64], b: &[f64], rank_correlation: f64, alarms_kept: f64| {
            let got = agreement(a, b).unwrap();
            assert!((got.rank_correlation - rank_correlation).abs() < 1e-12, "{got:?}");
            assert!((got.alarms_kept - alarms_kept).abs() < 1e-12, "{got:?}");
        };
        check(&[0.1, 0.2, 3.0, NAN], &[0.2, 0.3, 900.0, 5.0], 1.0, 1.0);
        check(&[0.1, 0.2, 0.3], &[0.9, 0.8, 0.7], -1.0, 1.0);
        // scipy 1.17: spearmanr([1, 2, 3, 4, 5], [5, 6, 7, 8, 7]) = 0.8207826816681233.
        check(
            &[1.0, 2.0, 3.0, 4.0, 5.0],
            &[5.0, 6.0, 7.0, 8.0, 7.0],
            0.820_782_681_668_123_3,
            1.0,
        );
        // Above the threshold: samples 1 and 2 here, 2 and 3 there.
        check(&[0.0, 1.0, 2.0, 0.5], &[0.0, 0.9, 2.0, 1.5], 0.8, 1.0 / 3.0);
        assert!(
            agreement(&[0.5; 3], &[1.0, 2.0, 3.0])
                .unwrap()
                .rank_correlation
                .is_nan()
        );
        assert!(agreement(&[0.5; 3], &[1.0]).is_err());
    }

    #[test]
    fn several_runs_agree_as_their_pairs_do() {
        let runs = [vec![0.1, 0.2, 3.0], vec![0.2, 0.3, 900.0], vec![3.0, 0.2, 0.1]];
        // Ranks agree in one pair and are reversed in two; one alarm is kept in the first pair, none in the others.
        let got = mean_agreement(&runs).unwrap();
        assert!((got.rank_correlation + 1.0 / 3.0).abs() < 1e-12, "{got:?}");
        assert!((got.alarms_kept - 1.0 / 3.0).abs() < 1e-12, "{got:?}");
        // What does not vary has no ranks; one run agrees with itself.
        let got = mean_agreement(&[vec![0.5; 3], vec![0.1, 0.2, 0.3], vec![0.1, 0.2, 0.4]]).unwrap();
        assert!((got.rank_correlation - 1.0).abs() < 1e-12);
        assert!((mean_agreement(&runs[..1]).unwrap().alarms_kept - 1.0).abs() < 1e-15);
        assert!(mean_agreement(&[vec![0.5], vec![0.5, 0.6]]).is_err());
    }

    #[test]
    fn noise_is_a_share_of_what_a_channel_does_by_itself() {
        use crate::frame::Channel;
        use crate::time::Timestamp;
        let n = 4000;
        let rows = (0..n).flat_map(|idx| {
            [
                f64::from(idx % 100),
                f64::from(idx % 2),
                if idx == 3 { NAN } else { 5.0 },
            ]
        });
        let channels = ["saw", "switch", "still"].map(Channel::new).to_vec();
        let time = (0..i64::from(n)).map(Timestamp::from_secs).collect();
        let frame = Frame::new(channels, time, rows.collect()).unwrap();
        let got = shaken(&frame, 0.01, 7).unwrap();
        let change = |channel_idx: usize| -> Vec<f64> {
            let pairs = got
                .values()
                .iter()
                .zip(frame.values())
                .skip(channel_idx)
                .step_by(3);
            pairs
                .map(|(a, b)| a - b)
                .filter(|change| !change.is_nan())
                .collect()
        };
        // A saw over 0 to 99 has a standard deviation of 28.866.
        let (mean, std) = mean_std(&change(0));
        assert!(
            mean.abs() < 0.02 && (std / 0.28866 - 1.0).abs() < 0.03,
            "{mean} {std}"
        );
        assert!(
            change(1)
                .iter()
                .chain(&change(2))
                .all(|change| change.abs() <= 0.0)
        );
        assert_eq!(change(2).len(), 3999);
        assert_eq!(
            got.values()[0].to_bits(),
            shaken(&frame, 0.01, 7).unwrap().values()[0].to_bits()
        );
    }

    #[test]
    fn stretches_share_the_samples() {
        let scores = [NAN, NAN, 0.5, 1.0, 2.0, 3.0, 0.1];
        let got = stretches(&scores, 3);
        let n: Vec<usize> = got.iter().map(|stretch| stretch.n_scored).collect();
        assert_eq!(n, [2, 3]);
        assert!((got[0].share_anomalous - 0.5).abs() < 1e-15 && (got[0].median_score - 0.75).abs() < 1e-15);
        assert_eq!(stretches(&[], 3), []);
    }
}
