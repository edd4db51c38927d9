//! Peaks over threshold: a level for a risk smaller than the held-out rows show (Siffer et al., KDD 2017).

use super::gpd::Gpd;
use crate::quantile::quantile_sorted;

/// The tail is the highest 2 % of the errors, and at least ten of them.
const TAIL_SHARE: f64 = 0.02;
const N_PEAKS_MIN: usize = 10;

/// A level from the tail of errors, and the tail it came from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PotLevel {
    /// The error exceeded by a share `risk` of rows.
    pub level: f64,
    /// Shape of the fitted tail.
    pub xi: f64,
    /// Errors in the tail.
    pub n_peaks: usize,
}

/// The level that a share `risk` of rows exceeds, by a generalised Pareto tail above the 98 % quantile of ascending
/// `sorted` errors (lower where that leaves fewer than ten); `None` where ties leave fewer than ten.
///
/// Equation 1 of the paper: t + σ/ξ ((risk · n / n_peaks)^(−ξ) − 1). A risk greater than the tail's own share is
/// answered by the quantile.
pub fn pot_level(sorted: &[f64], risk: f64) -> Option<PotLevel> {
    let n = sorted.len();
    let tail_share = TAIL_SHARE.max(N_PEAKS_MIN as f64 / n.max(1) as f64);
    let start = quantile_sorted(sorted, 1.0 - tail_share);
    let peaks = &sorted[sorted.partition_point(|error| *error <= start)..];
    if peaks.len() < N_PEAKS_MIN {
        return None;
    }
    let excesses: Vec<f64> = peaks.iter().map(|peak| peak - start).collect();
    let tail = Gpd::fit(&excesses)?;
    let of_tail = risk * n as f64 / peaks.len() as f64;
    let level = if of_tail < 1.0 {
        start + tail.excess_at(of_tail)
    } else {
        quantile_sorted(sorted, 1.0 - risk)
    };
    Some(PotLevel {
        level,
        xi: tail.shape,
        n_peaks: peaks.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_testkit::assert_close;

    #[test]
    fn an_exponential_tail_is_followed_beyond_the_data() {
        // Quantiles of the unit exponential at (i − ½)/n: the level of risk q is −ln q. Relative 5 %: the fit sees
        // 100 of 5000 points and the answer lies twice as deep as the data.
        let n = 5000;
        let sorted: Vec<f64> = (0..n)
            .map(|i| -(1.0 - (f64::from(i) + 0.5) / f64::from(n)).ln())
            .collect();
        let found = pot_level(&sorted, 1e-5).unwrap();
        assert_close(found.level, 1e-5_f64.ln().abs(), 0.05, "level");
        assert_eq!(found.n_peaks, 100);
        assert!(found.xi.abs() < 0.05, "{found:?}");
    }

    #[test]
    fn a_risk_within_the_data_is_a_quantile() {
        let sorted: Vec<f64> = (0..=100).map(f64::from).collect();
        assert_close(pot_level(&sorted, 0.25).unwrap().level, 75.0, 1e-12, "level");
    }

    #[test]
    fn ties_leave_no_tail() {
        let mut sorted = vec![1.0; 1000];
        sorted.extend([2.0; 5]);
        assert_eq!(pot_level(&sorted, 1e-4), None);
        assert_eq!(pot_level(&[1.0; 3], 1e-4), None);
    }
}
