//! Who moved first: a change point for each channel on its calibrated errors.
//!
//! Page's cumulative sum (Biometrika 41, 1954) of the log likelihood ratio between an ordinary deviation and one three
//! times as wide, both Gaussian: with x = c / f over its usual level,
//!
//! g ← max(0, g + ½ (x (1 − 1/9) − ln 9)).
//! The change point is the row after the last at which g was 0.
//! A channel has moved where g comes above a height that its own rows before do not come near.

use std::ops::Range;

/// The variance after a change over the one before that the sum is most sensitive to: three times the usual deviation. Less
/// would name channels that wander a little.
const VARIANCE_RATIO: f64 = 9.0;

/// An error counts at most so much, in ordinary ones: ten usual deviations say all that one row can say.
const ERROR_MAX: f64 = 100.0;

/// Chance of one wrong change point among all channels, were errors independent and Gaussian: e^−g bounds it (Wald).
const CHANCE: f64 = 0.01;

/// What the rows before reached by themselves must be exceeded so many times: neighbouring errors are not independent.
const MARGIN: f64 = 2.0;

/// The sum stops at so many heights, so that it comes down soon after a large deviation ends.
const CEILING: f64 = 2.0;

/// The mean of a squared Gaussian deviation over its median: the level of a channel in the light of its median, which a
/// few wild rows do not move.
const MEAN_PER_MEDIAN: f64 = 1.0 / 0.454_936;

/// A channel that moved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Onset {
    /// Position in the pipeline's channels.
    pub channel_idx: usize,
    /// The first row at which its error is no longer ordinary.
    pub row_idx: usize,
    /// How sure: the largest sum over the height that it needs, above 1.
    pub strength: f64,
}

/// The channels that moved, first movers first, of equals the stronger first.
///
/// # Shapes
/// `errors: [n_rows, n_channels]`, c / f, NaN where there is none; `is_quiet: [n_rows]`: rows before the search that are
/// ordinary. Changes are sought in `search`; they count where the deviation still goes on, or begins, within `stretch`.
pub fn onsets(
    errors: &[f64],
    n_channels: usize,
    is_quiet: &[bool],
    search: Range<usize>,
    stretch: Range<usize>,
) -> Vec<Onset> {
    let chances = (n_channels * search.len().max(1)) as f64 / CHANCE;
    let height_min = chances.ln();
    let mut moved: Vec<Onset> = (0..n_channels)
        .filter_map(|channel_idx| {
            let column: Vec<f64> = errors
                .iter()
                .skip(channel_idx)
                .step_by(n_channels)
                .copied()
                .collect();
            let before: Vec<f64> = (0..search.start)
                .filter(|&row| is_quiet[row])
                .map(|row| column[row])
                .collect();
            let level = level(&before);
            let height = height_min.max(MARGIN * highest(&before, level));
            let (row_idx, strength) = change(&column, level, height, search.clone(), &stretch)?;
            Some(Onset {
                channel_idx,
                row_idx,
                strength,
            })
        })
        .collect();
    sort(&mut moved);
    moved
}

/// First movers first, of equals the stronger first.
pub(super) fn sort(onsets: &mut [Onset]) {
    onsets.sort_by(|a, b| a.row_idx.cmp(&b.row_idx).then(b.strength.total_cmp(&a.strength)));
}

/// The usual error of a channel as its rows before have it, at least the calibrated one.
fn level(before: &[f64]) -> f64 {
    let sorted = crate::quantile::sorted_finite(before.iter().copied());
    if sorted.is_empty() {
        return 1.0;
    }
    (MEAN_PER_MEDIAN * crate::quantile::median_sorted(&sorted)).max(1.0)
}

/// One row's log likelihood ratio; a row without an error says nothing.
fn step(error: f64, level: f64) -> f64 {
    if error.is_nan() {
        return 0.0;
    }
    let x = (error / level).min(ERROR_MAX);
    0.5 * (x * (1.0 - 1.0 / VARIANCE_RATIO) - VARIANCE_RATIO.ln())
}

/// The highest sum over ordinary rows.
fn highest(before: &[f64], level: f64) -> f64 {
    let (mut sum, mut most) = (0.0_f64, 0.0_f64);
    for &error in before {
        sum = (sum + step(error, level)).max(0.0);
        most = most.max(sum);
    }
    most
}

/// The first row of the first run above zero that comes above the height and touches the stretch.
fn change(
    column: &[f64],
    level: f64,
    height: f64,
    search: Range<usize>,
    stretch: &Range<usize>,
) -> Option<(usize, f64)> {
    let ceiling = CEILING * height;
    let (mut sum, mut most, mut first) = (0.0_f64, 0.0_f64, search.start);
    for row in search.clone() {
        sum = (sum + step(column[row], level)).clamp(0.0, ceiling);
        if sum <= 0.0 {
            if most >= height && row > stretch.start {
                return Some((first, most / height));
            }
            (most, first) = (0.0, row + 1);
        }
        most = most.max(sum);
    }
    (most >= height).then_some((first, most / height))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_core::{Rng, SeedableRng};

    /// Squared Gaussian deviations, of one channel after the other a column: Box and Muller.
    fn noise(n_rows: usize, n_channels: usize, seed: u64) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut uniform = || ((rng.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        (0..n_rows * n_channels)
            .map(|_| -2.0 * uniform().ln() * (std::f64::consts::TAU * uniform()).cos().powi(2))
            .collect()
    }

    #[test]
    fn channels_that_move_are_named_in_their_order_and_no_other() {
        let (n_rows, n) = (400, 4);
        let mut wrong = 0;
        for seed in 0..50 {
            let mut errors = noise(n_rows, n, seed);
            for row in 300..n_rows {
                errors[row * n + 2] *= 16.0;
                if row >= 320 {
                    errors[row * n] *= 36.0;
                }
            }
            let moved = onsets(&errors, n, &vec![true; n_rows], 200..n_rows, 310..n_rows);
            let names: Vec<usize> = moved.iter().map(|onset| onset.channel_idx).collect();
            assert_eq!(names[..2], [2, 0], "seed {seed}");
            wrong += names.len() - 2;
            assert!(moved[0].row_idx.abs_diff(300) <= 8, "seed {seed}: {moved:?}");
            assert!(moved[1].row_idx.abs_diff(320) <= 8, "seed {seed}: {moved:?}");
        }
        // The chance is one in a hundred for each of fifty.
        assert!(wrong <= 2, "{wrong} channels named that never moved");
    }

    #[test]
    fn a_deviation_that_was_over_before_the_stretch_is_another_matter() {
        let n_rows = 400;
        let mut errors = vec![1.0; n_rows];
        errors[220..225].fill(50.0);
        assert_eq!(
            onsets(&errors, 1, &vec![true; n_rows], 200..n_rows, 300..n_rows),
            []
        );
        errors[350..353].fill(50.0);
        let moved = onsets(&errors, 1, &vec![true; n_rows], 200..n_rows, 300..n_rows);
        assert_eq!(moved.iter().map(|onset| onset.row_idx).collect::<Vec<_>>(), [350]);
    }

    #[test]
    fn what_a_channel_does_anyway_is_no_movement_and_missing_rows_say_nothing() {
        let n_rows = 300;
        // Wild by itself: every fifth row ten times off.
        let mut errors: Vec<f64> = (0..n_rows)
            .map(|row| if row % 5 < 2 { 12.0 } else { 0.1 })
            .collect();
        assert_eq!(
            onsets(&errors, 1, &vec![true; n_rows], 200..n_rows, 220..n_rows),
            []
        );
        errors.fill(f64::NAN);
        assert_eq!(
            onsets(&errors, 1, &vec![true; n_rows], 200..n_rows, 220..n_rows),
            []
        );
    }
}
