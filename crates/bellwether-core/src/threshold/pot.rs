//! Peaks over threshold: a level for a risk smaller than the held-out rows show (Siffer et al., KDD 2017), its tail
//! checked, and checked on rows that are nearly independent.

use std::fmt;
use std::time::Duration;

use super::gpd::{CheckedTail, Gpd};
use super::peaks::Peaks;
use super::{Fallback, HeldOut};
use crate::quantile::quantile_sorted;
use crate::time::humane;

/// The tail is the highest 2 % of the errors, and at least ten of them.
const TAIL_SHARE: f64 = 0.02;
const N_PEAKS_MIN: usize = 10;

/// What a level by peaks over threshold rests on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PotSupport {
    /// The share of rows that may exceed the level.
    pub risk: f64,
    /// Shape of the fitted tail; `None` where the rows themselves show the risk.
    pub xi: Option<f64>,
    /// Anderson-Darling statistic of the tail; `None` where none was fitted.
    pub statistic: Option<f64>,
    /// Errors in the tail.
    pub n_above: usize,
    /// Separate peaks they make: the extremal index is `n_peaks / n_above`.
    pub n_peaks: usize,
    /// Scored held-out time: rows times cadence.
    pub held_out_span: Duration,
    /// Peaks above the level to be expected in that time; no more alarms than so many.
    pub predicted: f64,
}

impl PotSupport {
    /// Alarms to be expected in `span`, at most.
    pub fn predicted_in(&self, span: Duration) -> f64 {
        self.predicted * span.as_secs_f64() / self.held_out_span.as_secs_f64()
    }
}

/// One sentence, for people.
impl fmt::Display for PotSupport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (risk, span) = (self.risk, humane(self.held_out_span));
        match (self.xi, self.statistic) {
            (Some(xi), Some(statistic)) => write!(
                f,
                "{risk} of the rows: extrapolated from {} rows in {} separate peaks in {span} of held-out data (tail shape \
                 {xi:.2}, Anderson-Darling {statistic:.2}, extremal index {:.2})",
                self.n_above,
                self.n_peaks,
                self.n_peaks as f64 / self.n_above as f64
            ),
            _ => write!(f, "{risk} of the rows: a quantile of {span} of held-out data"),
        }
    }
}

/// The level that a share `risk` of rows exceeds, by a generalised Pareto tail above the 98 % quantile of the errors
/// (lower where that leaves fewer than ten).
///
/// Equation 1 of the paper: t + σ/ξ ((risk · n / n_above)^(−ξ) − 1). A risk greater than the tail's own share is
/// answered by the quantile. All errors above t fit the tail, because it is a share of rows that is asked for; rows of
/// one peak, at most `apart` samples from each other, are not independent, so that the tail is believed only where
/// there are ten peaks and about one row of each follows a generalised Pareto distribution.
///
/// `sorted`: the errors that are there, ascending, at least one.
///
/// # Errors
/// [`Fallback`] where there is no tail to believe in.
pub(super) fn pot_level(
    risk: f64,
    held_out: &HeldOut<'_>,
    apart: usize,
    sorted: &[f64],
) -> Result<(f64, PotSupport), Fallback> {
    let n = sorted.len() as f64;
    let tail_share = TAIL_SHARE.max(N_PEAKS_MIN as f64 / n);
    let start = quantile_sorted(sorted, 1.0 - tail_share);
    let peaks = Peaks::above(held_out.errors, held_out, start, apart);
    let (n_above, n_peaks) = (peaks.above.len(), peaks.highest.len());
    let of_tail = risk * n / n_above.max(1) as f64;
    let mut support = PotSupport {
        risk,
        xi: None,
        statistic: None,
        n_above,
        n_peaks,
        held_out_span: held_out.cadence.mul_f64(n),
        predicted: of_tail * n_peaks as f64,
    };
    if n_above >= N_PEAKS_MIN && of_tail >= 1.0 {
        let level = quantile_sorted(sorted, 1.0 - risk);
        let at_level = Peaks::above(held_out.errors, held_out, level, apart);
        support.predicted = at_level.highest.len() as f64;
        return Ok((level, support));
    }
    let few = Fallback::FewPeaks { n_peaks };
    if n_peaks < N_PEAKS_MIN {
        return Err(few);
    }
    let checked = CheckedTail::fit(&peaks.thinned_excesses()).ok_or(few)?;
    if !checked.is_believed() {
        return Err(Fallback::BadTail {
            n_peaks,
            statistic: checked.statistic,
            most: checked.most,
        });
    }
    let excesses: Vec<f64> = peaks.above.iter().map(|error| error - start).collect();
    let tail = Gpd::fit(&excesses).ok_or(few)?;
    support.xi = Some(tail.shape);
    support.statistic = Some(checked.statistic);
    Ok((start + tail.excess_at(of_tail), support))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantile::sorted_finite;
    use bellwether_testkit::assert_close;

    fn level(errors: &[f64], risk: f64) -> Result<(f64, PotSupport), Fallback> {
        let held_out = HeldOut {
            errors,
            segment_starts: &[0],
            cadence: Duration::from_secs(1),
            labels: None,
        };
        pot_level(risk, &held_out, 5, &sorted_finite(errors.iter().copied()))
    }

    /// The quantiles (i − ½)/n of a distribution, in an irregular order.
    fn quantiles(n: usize, of: impl Fn(f64) -> f64) -> Vec<f64> {
        // Odd, no multiple of 5, and near the golden ratio: neighbours in value lie far apart.
        let step = (n as f64 * 0.618) as usize / 10 * 10 + 1;
        (0..n)
            .map(|i| of(((i * step) % n) as f64 / n as f64 + 0.5 / n as f64))
            .collect()
    }

    #[test]
    fn an_exponential_tail_is_followed_beyond_the_data() {
        // The level of risk q of the unit exponential is −ln q. Relative 5 %: the fit sees 100 of 5000 points and the
        // answer lies twice as deep as the data.
        let (found, support) = level(&quantiles(5000, |share| -(1.0 - share).ln()), 1e-5).unwrap();
        assert_close(found, 1e-5_f64.ln().abs(), 0.05, "level");
        assert!(support.n_above == 100 && support.n_peaks > 60, "{support:?}");
        assert!(support.xi.unwrap().abs() < 0.05, "{support:?}");
        // A thousandth of the 100 rows above.
        assert_close(
            support.predicted,
            5e-4 * support.n_peaks as f64,
            1e-9,
            "predicted",
        );
    }

    #[test]
    fn a_risk_within_the_data_is_a_quantile() {
        let errors: Vec<f64> = (0..=100).map(f64::from).collect();
        let (found, support) = level(&errors, 0.25).unwrap();
        assert_close(found, 75.0, 1e-12, "level");
        // From 76 to 100 in one go.
        assert_close(support.predicted, 1.0, 1e-12, "predicted");
    }

    #[test]
    fn ties_and_one_long_peak_leave_no_tail() {
        let mut errors = vec![1.0; 1000];
        errors.extend([2.0; 5]);
        assert!(matches!(
            level(&errors, 1e-4),
            Err(Fallback::FewPeaks { n_peaks: 1 })
        ));
        // The whole tail in one stretch is one observation, however many rows it has.
        let mut rising = quantiles(5000, |share| -(1.0 - share).ln());
        rising.sort_unstable_by(f64::total_cmp);
        assert!(matches!(
            level(&rising, 1e-4),
            Err(Fallback::FewPeaks { n_peaks: 1 })
        ));
    }

    #[test]
    fn a_tail_of_another_kind_is_not_believed() {
        // Two levels far apart: no generalised Pareto distribution has such a hole.
        let errors = quantiles(10_000, |share| match share {
            share if share > 0.99 => 50.0 + share,
            share if share > 0.98 => 2.0 + share,
            share => share,
        });
        let fallback = level(&errors, 1e-5).unwrap_err();
        assert!(
            matches!(fallback, Fallback::BadTail { n_peaks, .. } if n_peaks >= 50),
            "{fallback:?}"
        );
    }
}
