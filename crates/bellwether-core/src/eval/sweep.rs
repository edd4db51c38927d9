//! The best threshold for a metric of predictions, out of a hundred.
//!
//! What the benchmarks report as "event F1", "range F1" or "affiliation F1" of a *score* is the best over such a
//! sweep: it uses the labels to choose, so it bounds what a detector can do and is never what it does in service.

use super::ranked;

/// The best value of a sweep.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Best {
    /// The highest value found.
    pub value: f64,
    /// The first threshold that reaches it; the rule is `score > threshold`.
    pub threshold: f64,
}

/// `n` thresholds evenly spaced from the lowest to the highest finite score, both included; empty where no score
/// is finite. One far outlier wastes nearly all of them: then [`rank_thresholds`] says more.
pub fn even_thresholds(scores: &[f64], n: usize) -> Vec<f64> {
    let finite = || scores.iter().copied().filter(|score| score.is_finite());
    let low = finite().fold(f64::INFINITY, f64::min);
    let high = finite().fold(f64::NEG_INFINITY, f64::max);
    if low > high {
        return Vec::new();
    }
    let step = (high - low) / n.saturating_sub(1).max(1) as f64;
    (0..n)
        .map(|idx| {
            if idx > 0 && idx + 1 == n {
                high
            } else {
                idx as f64 * step + low
            }
        })
        .collect()
}

/// `n` thresholds at evenly spaced ranks of the scores (truncated), from the highest down; NaN counts as −∞.
pub fn rank_thresholds(scores: &[f64], n: usize) -> Vec<f64> {
    let mut descending: Vec<f64> = scores.iter().map(|&score| ranked(score)).collect();
    descending.sort_unstable_by(|a, b| b.total_cmp(a));
    even_ranks(scores.len(), n).map(|rank| descending[rank]).collect()
}

/// `n` indices from 0 to `len - 1`, evenly spaced and truncated; none where `len` is 0.
///
/// The product is taken in floating point on purpose: that decides which way exact ties truncate, as in the
/// reference.
pub(super) fn even_ranks(len: usize, n: usize) -> impl Iterator<Item = usize> {
    let last = len.saturating_sub(1);
    let step = last as f64 / n.saturating_sub(1).max(1) as f64;
    let n = if len == 0 { 0 } else { n };
    (0..n).map(move |idx| {
        if idx > 0 && idx + 1 == n {
            last
        } else {
            (idx as f64 * step) as usize
        }
    })
}

/// The highest value that `metric` gives to the predictions `score > threshold`, over `thresholds`.
///
/// `metric` gets one flag per score. `None` where there is no threshold.
///
/// # Errors
/// Whatever `metric` fails with, at the first threshold where it does.
pub fn best<E>(
    scores: &[f64],
    thresholds: &[f64],
    mut metric: impl FnMut(&[bool]) -> Result<f64, E>,
) -> Result<Option<Best>, E> {
    let mut best: Option<Best> = None;
    let mut predicted = vec![false; scores.len()];
    for &threshold in thresholds {
        for (marked, &score) in predicted.iter_mut().zip(scores) {
            *marked = score > threshold;
        }
        let value = metric(&predicted)?;
        if best.is_none_or(|best| value > best.value) {
            best = Some(Best { value, threshold });
        }
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_span_the_finite_scores() {
        let scores = [2.0, f64::NAN, -1.0, f64::INFINITY, 0.5];
        assert_eq!(even_thresholds(&scores, 4), [-1.0, 0.0, 1.0, 2.0]);
        assert_eq!(even_thresholds(&scores, 1), [-1.0]);
        assert_eq!(even_thresholds(&[f64::NAN], 3), [0.0; 0]);
        assert_eq!(
            rank_thresholds(&scores, 3),
            [f64::INFINITY, 0.5, f64::NEG_INFINITY]
        );
        assert_eq!(rank_thresholds(&[], 3), [0.0; 0]);
    }

    #[test]
    fn best_takes_the_first_threshold_of_the_highest_value() {
        let count = |predicted: &[bool]| -> Result<f64, ()> {
            Ok(f64::from(u8::from(
                predicted.iter().filter(|&&marked| marked).count() == 2,
            )))
        };
        let scores = [1.0, 2.0, 3.0];
        let found = best(&scores, &[0.0, 1.0, 1.5, 2.5], count).unwrap();
        assert_eq!(
            found,
            Some(Best {
                value: 1.0,
                threshold: 1.0
            })
        );
        assert_eq!(best(&scores, &[], count).unwrap(), None);
    }
}
