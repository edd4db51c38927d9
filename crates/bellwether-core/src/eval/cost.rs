//! What missed events and false alarms cost together, over thresholds: which threshold is the cheapest.

use super::{EvalError, check_event, check_len, ranked, runs};

/// Prices in any unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prices {
    /// Of an event without an alarm.
    pub miss: f64,
    /// Of an alarm without an event.
    pub false_alarm: f64,
}

/// One threshold and what it costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CostPoint {
    /// The rule is `score >= threshold`; ∞ is never an alarm.
    pub threshold: f64,
    /// Events without a marked sample.
    pub n_missed: usize,
    /// Marked runs that touch no event.
    pub n_false_alarms: usize,
    /// Both at their price.
    pub cost: f64,
}

/// Thresholds between the highest score and the lowest: ranks grow by about a tenth from one to the next, because few
/// samples decide how many alarms there are.
const RANK_GROWTH: f64 = 1.1;

/// The cost of each threshold, from ∞ down, summed over `series`: (labels, scores), each `[n_samples]`. Always among the
/// thresholds is `present`, the one in use.
///
/// # Errors
/// Lengths that differ, no samples, or no labelled sample in any series.
pub fn cost_curve(
    series: &[(&[bool], &[f64])],
    prices: Prices,
    present: f64,
) -> Result<Vec<CostPoint>, EvalError> {
    for (labels, scores) in series {
        check_len(labels, "scores", scores.len())?;
    }
    if series.iter().all(|(labels, _)| check_event(labels).is_err()) {
        return Err(EvalError::NoEvent {
            n_samples: series.iter().map(|(labels, _)| labels.len()).sum(),
        });
    }
    let cost_at = |threshold: f64| {
        let (mut n_missed, mut n_false_alarms) = (0, 0);
        for (labels, scores) in series {
            let marked: Vec<bool> = scores.iter().map(|&score| score >= threshold).collect();
            n_missed += without(&runs(labels), &marked);
            n_false_alarms += without(&runs(&marked), labels);
        }
        CostPoint {
            threshold,
            n_missed,
            n_false_alarms,
            cost: prices.miss * n_missed as f64 + prices.false_alarm * n_false_alarms as f64,
        }
    };
    Ok(thresholds(series, present).into_iter().map(cost_at).collect())
}

/// The cheapest point of a curve that falls from ∞; of several alike, the highest threshold: fewer alarms for the same price. `None` of an
/// empty curve.
pub fn cheapest(curve: &[CostPoint]) -> Option<CostPoint> {
    let mut points = curve.iter().copied();
    let first = points.next()?;
    Some(points.fold(
        first,
        |best, point| if point.cost < best.cost { point } else { best },
    ))
}

/// ∞, `present`, and scores at growing ranks, from the highest down, each once.
fn thresholds(series: &[(&[bool], &[f64])], present: f64) -> Vec<f64> {
    let all = series.iter().flat_map(|(_, scores)| scores.iter());
    let mut descending: Vec<f64> = all.map(|&score| ranked(score)).collect();
    descending.sort_unstable_by(|a, b| b.total_cmp(a));
    let mut thresholds = vec![f64::INFINITY, present];
    let mut rank = 0;
    while let Some(&score) = descending.get(rank) {
        thresholds.push(score);
        rank = (rank + 1).max((rank as f64 * RANK_GROWTH) as usize);
    }
    thresholds.retain(|&threshold| threshold > f64::NEG_INFINITY);
    thresholds.sort_unstable_by(|a, b| b.total_cmp(a));
    thresholds.dedup_by(|a, b| *a >= *b);
    thresholds
}

/// How many of `ranges` hold no `true` of `flags`.
fn without(ranges: &[std::ops::Range<usize>], flags: &[bool]) -> usize {
    let is_bare = |range: &&std::ops::Range<usize>| !flags[(*range).clone()].contains(&true);
    ranges.iter().filter(is_bare).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_price_of_a_miss_moves_the_cheapest_threshold() {
        let labels = [1, 2, 5].iter().fold([false; 10], |mut labels, &at: &usize| {
            labels[at] = true;
            labels
        });
        let scores = [0.1, 0.9, 2.0, 0.2, 1.5, 0.5, 0.7, f64::NAN, 0.1, 0.6];
        // From ∞ down: two misses; 2.0 one miss; 1.5, 0.7 and 0.6 add a false alarm each; 0.5 finds the second event, and
        // the alarms on both sides of it become one with it.
        let check = |miss: f64, false_alarm: f64, threshold: f64, cost: f64| {
            let prices = Prices { miss, false_alarm };
            let curve = cost_curve(&[(&labels, &scores)], prices, 1.0).unwrap();
            assert!(curve.iter().any(|point| (point.threshold - 1.0).abs() < 1e-15));
            let best = cheapest(&curve).unwrap();
            assert_eq!(best.threshold.to_bits(), threshold.to_bits(), "{best:?}");
            assert!((best.cost - cost).abs() < 1e-12, "{best:?}");
        };
        check(1.0, 2.0, 2.0, 1.0);
        check(10.0, 1.0, 0.5, 1.0);
        check(0.0, 1.0, f64::INFINITY, 0.0);
        let prices = Prices {
            miss: 1.0,
            false_alarm: 1.0,
        };
        let curve = cost_curve(&[(&labels, &scores), (&[false, false], &[3.0, 0.0])], prices, 1.0).unwrap();
        let at = |threshold: f64| {
            let point = curve
                .iter()
                .find(|point| (point.threshold - threshold).abs() < 1e-15);
            point.map(|point| (point.n_missed, point.n_false_alarms))
        };
        assert_eq!(at(3.0), Some((2, 1)));
        assert_eq!(at(1.0), Some((1, 2)));
        assert!(curve.windows(2).all(|pair| pair[0].threshold > pair[1].threshold));
        assert!(cost_curve(&[(&[false], &[1.0])], prices, 1.0).is_err());
    }

    #[test]
    fn a_hundred_thousand_samples_need_few_thresholds() {
        let labels: Vec<bool> = (0..100_000).map(|idx| idx == 7).collect();
        let scores: Vec<f64> = (0..100_000).map(|idx| f64::from(idx % 1009)).collect();
        let n = thresholds(&[(&labels, &scores)], 1.0).len();
        assert!((50..150).contains(&n), "{n}");
    }
}
