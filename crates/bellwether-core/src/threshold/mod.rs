//! The raw error that is an alarm: rules over the smoothed errors of held-out normal rows, never of what is judged.
//!
//! [`budget`] counts or extrapolates alarms per time; [`pot`] takes a risk per row; [`spread`] the middle and the
//! width; [`gpd`] is the tail that the first two share.

pub mod budget;
pub mod gpd;
pub mod pot;
pub mod spread;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

pub use budget::{AlarmBudget, AlarmBudgetError, BudgetSupport, Period};

use crate::event::EventRule;
use crate::quantile::{quantile_sorted, sorted_finite};

/// Fewer held-out errors than this support no rule.
const N_ERRORS_MIN: usize = 10;

/// The raw error at which the score is 1: finite and above zero.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Threshold(f64);

impl Threshold {
    /// A threshold; `None` unless it is finite and above zero.
    pub fn new(error: f64) -> Option<Self> {
        (error.is_finite() && error > 0.0).then_some(Self(error))
    }

    /// The raw error.
    pub fn error(self) -> f64 {
        self.0
    }
}

/// How a threshold is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ThresholdRule {
    /// At most so many events per time; the default, because it is the one number an operator can name.
    Budget(AlarmBudget),
    /// The quantile of the errors, in (0, 1).
    Quantile(f64),
    /// Median plus so many median absolute deviations (× 1.4826).
    Mad(f64),
    /// Mean plus so many standard deviations.
    Sigma(f64),
    /// Peaks over threshold: the error exceeded by this share of rows, in (0, 1).
    Pot(f64),
    /// This raw error. An ordinary row has about 1 where all channels move, less where some never do.
    Value(f64),
}

impl Default for ThresholdRule {
    fn default() -> Self {
        Self::Budget(AlarmBudget::default())
    }
}

/// Held-out errors of normal rows, in order.
#[derive(Debug, Clone, Copy)]
pub struct HeldOut<'a> {
    /// Smoothed error of each row; NaN where a row has none.
    pub errors: &'a [f64],
    /// Rows that follow a gap, ascending; the first row among them.
    pub segment_starts: &'a [usize],
    /// Time between rows.
    pub cadence: Duration,
}

/// A threshold, and what is to be said about it.
#[derive(Debug, Clone, PartialEq)]
pub struct FittedThreshold {
    /// The threshold.
    pub threshold: Threshold,
    /// What an alarm budget rests on; `None` for other rules.
    pub support: Option<BudgetSupport>,
    /// Why the threshold is not the rule's own; `None` where it is.
    pub fallback: Option<Fallback>,
}

/// Why a rule could not be followed, and what was done instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fallback {
    /// Fewer than ten errors: twice the largest of them; 1 where that is 0.
    FewErrors {
        /// How many there are.
        n: usize,
    },
    /// All errors are alike: twice that; 1 where that is 0.
    NoSpread,
    /// Fewer than ten separate peaks: 1.75 times the 99 % quantile of the errors, and above all peaks.
    FewPeaks {
        /// How many there are.
        n_peaks: usize,
    },
}

impl fmt::Display for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FewErrors { n } => write!(
                f,
                "only {n} held-out rows have a score: the threshold is twice the highest error among them"
            ),
            Self::NoSpread => f.write_str("all held-out errors are alike: the threshold is twice that error"),
            Self::FewPeaks { n_peaks } => write!(
                f,
                "only {n_peaks} separate peaks in the held-out errors: the threshold is 1.75 times their 99 % quantile"
            ),
        }
    }
}

impl ThresholdRule {
    /// Chooses the threshold. Errors that are NaN or infinite are passed over.
    ///
    /// # Errors
    /// [`ThresholdRuleError`] where the rule's own number is out of its range.
    pub fn fit(
        &self,
        held_out: &HeldOut<'_>,
        events: &EventRule,
    ) -> Result<FittedThreshold, ThresholdRuleError> {
        self.check()?;
        let sorted = sorted_finite(held_out.errors.iter().copied().filter(|error| error.is_finite()));
        let largest = sorted.last().copied().unwrap_or(0.0);
        let spread = largest - sorted.first().copied().unwrap_or(0.0);
        let (mut support, mut fallback) = (None, None);
        let level = match *self {
            Self::Value(error) => error,
            _ if sorted.len() < N_ERRORS_MIN => {
                fallback = Some(Fallback::FewErrors { n: sorted.len() });
                apart_from(largest)
            }
            _ if spread <= 1e-12 * largest => {
                fallback = Some(Fallback::NoSpread);
                apart_from(largest)
            }
            Self::Quantile(share) => quantile_sorted(&sorted, share),
            Self::Mad(k) => spread::mad_level(&sorted, k),
            Self::Sigma(k) => spread::sigma_level(&sorted, k),
            Self::Pot(risk) => match pot::pot_level(&sorted, risk) {
                Some(found) => found.level,
                None => {
                    fallback = Some(Fallback::FewPeaks { n_peaks: 0 });
                    (1.75 * quantile_sorted(&sorted, 0.99)).max(largest)
                }
            },
            Self::Budget(budget) => {
                let (level, rests_on, instead) = budget::budget_level(budget, held_out, events, &sorted);
                (support, fallback) = (Some(rests_on), instead);
                level
            }
        };
        let threshold = Threshold::new(level).unwrap_or_else(|| {
            fallback = Some(Fallback::NoSpread);
            Threshold(apart_from(largest))
        });
        Ok(FittedThreshold {
            threshold,
            support,
            fallback,
        })
    }

    /// Whether the rule's own number is in its range.
    ///
    /// # Errors
    /// [`ThresholdRuleError`] naming the rule where it is not.
    pub fn check(&self) -> Result<(), ThresholdRuleError> {
        let is_good = match *self {
            Self::Budget(_) => true,
            Self::Quantile(share) | Self::Pot(share) => 0.0 < share && share < 1.0,
            Self::Mad(k) | Self::Sigma(k) => (0.0..=1e6).contains(&k),
            Self::Value(error) => Threshold::new(error).is_some(),
        };
        if is_good {
            Ok(())
        } else {
            Err(ThresholdRuleError {
                text: self.to_string(),
            })
        }
    }
}

/// The threshold where errors say nothing about their spread: twice the largest. Errors of about 0 say no more than
/// that nothing moved; 1 is then what a channel at its ordinary error in every cell would make.
fn apart_from(largest: f64) -> f64 {
    if largest > 1e-6 { 2.0 * largest } else { 1.0 }
}

/// The text that [`ThresholdRule::from_str`] reads.
impl fmt::Display for ThresholdRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Budget(budget) => write!(f, "budget:{budget}"),
            Self::Quantile(share) => write!(f, "quantile:{share}"),
            Self::Mad(k) => write!(f, "mad:{k}"),
            Self::Sigma(k) => write!(f, "sigma:{k}"),
            Self::Pot(risk) => write!(f, "pot:{risk}"),
            Self::Value(error) => write!(f, "value:{error}"),
        }
    }
}

/// The text is no threshold rule, or its number is out of range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "threshold rule {text:?}: wanted budget:1/week, quantile:Q or pot:Q with Q between 0 and 1, mad:K or sigma:K \
     with K from 0 up, or value:X with X above 0"
)]
pub struct ThresholdRuleError {
    /// What was given.
    pub text: String,
}

/// `budget`, `quantile`, `mad`, `sigma`, `pot` or `value`, a colon and a number (`budget:1/week`). Without one:
/// 1/week, 0.995, 6, 3 and 1e-4; `value` needs its number.
impl FromStr for ThresholdRule {
    type Err = ThresholdRuleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, number) = match text.split_once(':') {
            Some((name, number)) => (name.trim(), Some(number.trim())),
            None => (text.trim(), None),
        };
        let number_or = |default: Option<f64>| match number {
            Some(text) => text.parse::<f64>().ok(),
            None => default,
        };
        let rule = match name {
            "budget" => match number {
                Some(text) => text.parse().ok().map(Self::Budget),
                None => Some(Self::default()),
            },
            "quantile" => number_or(Some(0.995)).map(Self::Quantile),
            "mad" => number_or(Some(6.0)).map(Self::Mad),
            "sigma" => number_or(Some(3.0)).map(Self::Sigma),
            "pot" => number_or(Some(1e-4)).map(Self::Pot),
            "value" => number_or(None).map(Self::Value),
            _ => None,
        };
        rule.filter(|rule| rule.check().is_ok())
            .ok_or_else(|| ThresholdRuleError {
                text: text.to_owned(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classic::baseline::random;
    use bellwether_testkit::assert_close;

    const NAN: f64 = f64::NAN;

    fn fit(rule: &str, errors: &[f64], cadence_secs: u64) -> FittedThreshold {
        let held_out = HeldOut {
            errors,
            segment_starts: &[0],
            cadence: Duration::from_secs(cadence_secs),
        };
        let events = EventRule::new(1, 1, 0.8, 5, 1).unwrap();
        rule.parse::<ThresholdRule>()
            .unwrap()
            .fit(&held_out, &events)
            .unwrap()
    }

    #[test]
    fn rules_read_and_print_alike() {
        let check = |text: &str, expect: &str| {
            let rule: ThresholdRule = text.parse().unwrap();
            assert_eq!(rule.to_string(), expect);
            assert_eq!(expect.parse(), Ok(rule));
        };
        check("budget", "budget:1/week");
        check("budget:0.5/month", "budget:0.5/month");
        check("budget: 20 / hour", "budget:20/hour");
        check("quantile:0.99", "quantile:0.99");
        check("mad", "mad:6");
        check("sigma:3", "sigma:3");
        check("pot:1e-4", "pot:0.0001");
        check("value:2.5", "value:2.5");
        let refuse = |text: &str| {
            assert!(
                text.parse::<ThresholdRule>()
                    .unwrap_err()
                    .to_string()
                    .contains(text)
            )
        };
        for text in [
            "",
            "value",
            "value:0",
            "quantile:1",
            "quantile:NaN",
            "pot:0",
            "sigma:-1",
            "budget:1",
            "3",
        ] {
            refuse(text);
        }
        for text in ["budget:0/week", "budget:inf/day", "budget:1/fortnight", "mad:x"] {
            refuse(text);
        }
    }

    #[test]
    fn simple_rules_on_a_hundred_errors() {
        let mut errors: Vec<f64> = (0..=100).map(f64::from).collect();
        errors.insert(3, NAN);
        let check = |rule: &str, expect: f64| {
            let fitted = fit(rule, &errors, 60);
            assert_close(fitted.threshold.error(), expect, 1e-12, rule);
            assert_eq!((fitted.support, fitted.fallback), (None, None));
        };
        check("quantile:0.9", 90.0);
        check("mad:2", 50.0 + 2.0 * 25.0 * crate::quantile::MAD_TO_SIGMA);
        // Population variance of 0..=100 is (101² − 1) / 12 = 850.
        check("sigma:2", 50.0 + 2.0 * 850.0_f64.sqrt());
        check("value:2.5", 2.5);
    }

    #[test]
    fn errors_that_say_nothing_give_a_threshold_apart_from_them() {
        let check = |errors: &[f64], level: f64, fallback: Fallback| {
            for rule in ["budget", "quantile", "mad", "sigma", "pot"] {
                let fitted = fit(rule, errors, 60);
                assert_close(fitted.threshold.error(), level, 1e-12, rule);
                assert_eq!(fitted.fallback, Some(fallback), "{rule}");
            }
        };
        check(&[], 1.0, Fallback::FewErrors { n: 0 });
        check(&[NAN; 50], 1.0, Fallback::FewErrors { n: 0 });
        check(&[0.5, 3.0, 1.0], 6.0, Fallback::FewErrors { n: 3 });
        check(&[0.0; 50], 1.0, Fallback::NoSpread);
        check(&[2.0; 50], 4.0, Fallback::NoSpread);
    }

    #[test]
    fn a_budget_that_the_rows_cover_is_counted() {
        // A thousand hours of noise below 1 and seven spikes 50 h apart, 1.1 to 1.7 high: 41.7 days.
        let mut errors: Vec<f64> = random(1000, 1).iter().map(|error| 0.5 * error).collect();
        for spike in 1..=7 {
            errors[spike * 50] = 1.0 + 0.1 * spike as f64;
        }
        let check = |budget: &str, between: (f64, f64)| {
            let fitted = fit(budget, &errors, 3600);
            let (level, support) = (fitted.threshold.error(), fitted.support.unwrap());
            assert!(between.0 <= level && level <= between.1, "{budget}: {level}");
            assert!(support.is_met() && !support.extrapolated);
            assert!(
                support
                    .to_string()
                    .ends_with("counted on 41.7 days of held-out data"),
                "{support}"
            );
        };
        // 1.39 allowed: one event, so above the second highest; 5.95: five.
        check("budget:1/month", (1.6, 1.601));
        check("budget:1/week", (1.2, 1.201));
        // 42 in all would let noise in: the 95 % quantile ends it.
        check("budget:1/hour", (0.4, 0.5));
    }

    #[test]
    fn a_budget_beyond_the_rows_is_extrapolated_ten_times_at_most() {
        // Exponential noise, a sample a minute for 5.6 days.
        let errors: Vec<f64> = random(8000, 1).iter().map(|u| -(1.0 - u).ln()).collect();
        let largest = errors.iter().fold(0.0, |one: f64, other| one.max(*other));
        let check = |budget: &str, is_met: bool, words: &str| {
            let fitted = fit(budget, &errors, 60);
            let support = fitted.support.unwrap();
            assert!(fitted.threshold.error() > largest);
            assert!(support.extrapolated && support.n_peaks >= 10, "{support:?}");
            assert_eq!(support.is_met(), is_met);
            assert!(support.to_string().contains(words), "{support}");
            fitted.threshold.error()
        };
        let week = check("budget:1/week", true, "peaks in 5.6 days");
        let month = check("budget:1/month", true, "extrapolated");
        let year = check("budget:1/year", false, "bear out no less than 6.57/year");
        let decade = check("budget:0.1/year", false, "6.57/year");
        assert!(largest < week && week <= month && month < year && (year - decade).abs() < 1e-9);
    }

    #[test]
    fn a_hundred_rows_give_a_sensible_threshold() {
        let errors: Vec<f64> = random(100, 1).iter().map(|error| 0.5 + error).collect();
        let sorted = sorted_finite(errors.iter().copied());
        let held_out = HeldOut {
            errors: &errors,
            segment_starts: &[0],
            cadence: Duration::from_secs(1),
        };
        let rule = EventRule::for_window(30);
        let fitted = ThresholdRule::default().fit(&held_out, &rule).unwrap();
        assert!(
            matches!(fitted.fallback, Some(Fallback::FewPeaks { .. })),
            "{fitted:?}"
        );
        assert_close(
            fitted.threshold.error(),
            1.75 * quantile_sorted(&sorted, 0.99),
            1e-9,
            "threshold",
        );
        let text = fitted.support.unwrap().to_string();
        assert!(
            text.contains("but 100 s of held-out data bear out no less than 6048/week"),
            "{text}"
        );
    }

    #[test]
    fn pot_falls_back_where_ties_leave_no_tail() {
        let mut errors = vec![1.0; 1000];
        errors.push(5.0);
        let fitted = fit("pot:1e-4", &errors, 60);
        assert_close(fitted.threshold.error(), 5.0, 1e-12, "threshold");
        assert!(fitted.fallback.is_some());
    }
}
