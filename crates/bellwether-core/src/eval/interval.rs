//! Intervals that hold the truth 95 times in a hundred: of resampled figures, of a rate, of a share.

use crate::quantile::{quantile_sorted, sorted_finite};

/// How often an interval holds the truth.
pub const LEVEL: f64 = 0.95;

/// The quantile of the normal distribution that leaves half of 1 − [`LEVEL`] above.
const NORMAL_QUANTILE: f64 = 1.959_963_984_540_054;

/// A range of values in which the truth is believed to lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// The middle 95 % of resampled values (Efron's percentile interval); NaN is a resample in which the figure is not
/// defined. `None` where that is so in more than half of them: the rest would tell of lucky draws only.
pub fn percentile(values: &[f64]) -> Option<Interval> {
    let sorted = sorted_finite(values.iter().copied());
    if sorted.is_empty() || 2 * sorted.len() < values.len() {
        return None;
    }
    let tail = (1.0 - LEVEL) / 2.0;
    Some(Interval {
        low: quantile_sorted(&sorted, tail),
        high: quantile_sorted(&sorted, 1.0 - tail),
    })
}

/// The exact interval for the mean of a Poisson count of which `n` was seen (Garwood 1936). It holds for counts of
/// 0 too: then up to 3.7 were to be expected.
pub fn poisson_mean(n: usize) -> Interval {
    let tail = (1.0 - LEVEL) / 2.0;
    let low = if n == 0 {
        0.0
    } else {
        // The mean at which n or more are as rare as the tail.
        mean_where(n, |mean| 1.0 - poisson_at_most(n - 1, mean) < tail)
    };
    Interval {
        low,
        high: mean_where(n, |mean| poisson_at_most(n, mean) > tail),
    }
}

/// The largest mean for which `is_below` still holds, by bisection.
fn mean_where(n: usize, is_below: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 20.0 + 4.0 * n as f64);
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if is_below(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// Probability of at most `n` events where `mean` are expected.
fn poisson_at_most(n: usize, mean: f64) -> f64 {
    if mean <= 0.0 {
        return 1.0;
    }
    let mut log_term = -mean;
    let mut sum = libm::exp(log_term);
    for k in 1..=n {
        log_term += libm::log(mean) - libm::log(k as f64);
        sum += libm::exp(log_term);
    }
    sum.min(1.0)
}

/// The interval of a share of which `n_hits` in `n` were seen (Wilson 1927); `None` where nothing was tried.
pub fn share(n_hits: usize, n: usize) -> Option<Interval> {
    if n == 0 {
        return None;
    }
    let (hits, n) = (n_hits as f64, n as f64);
    let z2 = NORMAL_QUANTILE * NORMAL_QUANTILE;
    let middle = (hits + z2 / 2.0) / (n + z2);
    let reach = NORMAL_QUANTILE / (n + z2) * (hits * (n - hits) / n + z2 / 4.0).sqrt();
    Some(Interval {
        low: (middle - reach).max(0.0),
        high: (middle + reach).min(1.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_leave_out_what_is_not_defined() {
        let values: Vec<f64> = (0..=1000).map(f64::from).collect();
        let got = percentile(&values).unwrap();
        assert!(
            (got.low - 25.0).abs() < 1e-9 && (got.high - 975.0).abs() < 1e-9,
            "{got:?}"
        );
        assert_eq!(percentile(&[f64::NAN, f64::NAN, 1.0]), None);
        assert_eq!(
            percentile(&[f64::NAN, 1.0]),
            Some(Interval { low: 1.0, high: 1.0 })
        );
        assert_eq!(percentile(&[]), None);
    }

    #[test]
    fn rates_and_shares_agree_with_scipy() {
        let check = |got: Interval, low: f64, high: f64| {
            assert!(
                (got.low - low).abs() < 1e-9 && (got.high - high).abs() < 1e-9,
                "{got:?}"
            );
        };
        // scipy 1.17: chi2.ppf(0.025, 2 n) / 2 and chi2.ppf(0.975, 2 n + 2) / 2.
        check(poisson_mean(0), 0.000000000000, 3.688879454114);
        check(poisson_mean(1), 0.025317807984, 5.571643390939);
        check(poisson_mean(7), 2.814363051520, 14.422675361702);
        check(poisson_mean(150), 126.956161301245, 176.017166097074);
        check(poisson_mean(2000), 1_913.298_709_625_63, 2089.617439445828);
        // scipy 1.17: binomtest(k, n).proportion_ci(method="wilson").
        check(share(0, 9).unwrap(), 0.000000000000, 0.299145048420);
        check(share(3, 9).unwrap(), 0.120583818387, 0.645797864420);
        check(share(9, 9).unwrap(), 0.700854951580, 1.000000000000);
        check(share(41, 63).unwrap(), 0.527514607737, 0.756740109848);
        assert_eq!(share(0, 0), None);
    }
}
