//! The raw error that is an alarm: rules over the smoothed errors of held-out normal rows, never of what is judged.
//!
//! [`budget`] counts or extrapolates alarms per time; [`pot`] takes a risk per row, [`conformal`] one per stretch;
//! [`drifting`] one per row above a level that follows slow change; [`spread`] the middle and the width; [`best_f1`] asks labels. [`gpd`] is the tail that the first two share, `peaks`
//! what it is fitted to. [`dynamic`] alone looks at what is judged; it is no rule of a detector.

pub mod best_f1;
pub mod budget;
pub mod conformal;
pub mod drifting;
pub mod dynamic;
pub mod gpd;
mod peaks;
pub mod pot;
pub mod spread;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

pub use best_f1::{F1Of, F1Support};
pub use budget::{AlarmBudget, AlarmBudgetError, BudgetSupport, Period};
pub use conformal::{Allowance, ConformalSupport};
pub use drifting::{Drifting, DriftingSupport, Level};
pub use dynamic::{Dynamic, dynamic_threshold};
pub use pot::PotSupport;

use crate::event::EventRule;
use crate::quantile::{quantile_sorted, sorted_finite};

/// Fewer held-out errors than this support no rule.
const N_ERRORS_MIN: usize = 10;

/// Where there is no tail to go by, the 99 % quantile times this: between 1.5 and 2 point F1 was best on labelled series,
/// and of those the highest has the fewest false alarms. A surprise is the logarithm of how rare an error is: twice that of
/// one row in a hundred is one in ten thousand.
const FEW_PEAKS_FACTOR: f64 = 1.75;

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
    /// The same, above a level that follows the mean of so many normal rows before, in 10..=10000; causal scores alone.
    Dspot {
        /// In (0, 1).
        risk: f64,
        /// Rows of the mean.
        depth: usize,
    },
    /// Split conformal: a chance of an alarm for each normal stretch of rows, or alarms in a time.
    Conformal(Allowance),
    /// Where labels are told best from the other rows.
    BestF1(F1Of),
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
    /// Which rows are known to be anomalous, `[n_rows]`; only a rule that says so looks at them.
    pub labels: Option<&'a [bool]>,
}

/// A threshold, and what is to be said about it.
#[derive(Debug, Clone, PartialEq)]
pub struct FittedThreshold {
    /// The threshold.
    pub threshold: Threshold,
    /// What it rests on; `None` for rules that rest on nothing but the errors.
    pub support: Option<Support>,
    /// Why the threshold is not the rule's own; `None` where it is.
    pub fallback: Option<Fallback>,
    /// How it follows the level of the rows before; `None` where it stays.
    pub drifting: Option<Drifting>,
}

/// What a threshold rests on.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Support {
    /// An alarm budget.
    Budget(BudgetSupport),
    /// A risk for each row.
    Pot(PotSupport),
    /// A risk for each row above a level that moves.
    Drifting(DriftingSupport),
    /// A risk for each stretch, or a budget.
    Conformal(ConformalSupport),
    /// Labels.
    BestF1(F1Support),
}

impl Support {
    /// Whether the held-out rows are enough to know the rate of alarms to a factor of two; `None` where no rate was asked for.
    pub fn is_telling(&self) -> Option<bool> {
        match self {
            Self::Budget(of) => Some(of.is_telling()),
            _ => None,
        }
    }

    /// Alarms that the threshold was chosen for in `span`; `None` where the rule names no rate.
    pub fn supported_in(&self, span: Duration) -> Option<f64> {
        match self {
            Self::Budget(of) => Some(of.supported.events_in(span)),
            Self::Conformal(of) => Some(of.predicted_in(span)),
            Self::Pot(_) | Self::Drifting(_) | Self::BestF1(_) => None,
        }
    }

    /// Alarms to be expected in `span` of rows like the held-out ones; `None` where the rule does not say.
    pub fn predicted_in(&self, span: Duration) -> Option<f64> {
        match self {
            Self::Budget(of) => Some(of.predicted.events_in(span)),
            Self::Conformal(of) => Some(of.predicted_in(span)),
            Self::Pot(of) => Some(of.predicted_in(span)),
            Self::Drifting(of) => Some(of.pot.predicted_in(span)),
            Self::BestF1(_) => None,
        }
    }
}

/// One sentence, for people.
impl fmt::Display for Support {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Budget(of) => of.fmt(f),
            Self::Pot(of) => of.fmt(f),
            Self::Drifting(of) => of.fmt(f),
            Self::Conformal(of) => of.fmt(f),
            Self::BestF1(of) => of.fmt(f),
        }
    }
}

/// Why a rule could not be followed, and what was done instead.
#[derive(Debug, Clone, Copy, PartialEq)]
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
    /// The peaks follow no generalised Pareto distribution: 1.75 times the 99 % quantile of the errors, and above all
    /// peaks.
    BadTail {
        /// How many there are.
        n_peaks: usize,
        /// Their Anderson-Darling statistic.
        statistic: f64,
        /// The highest that is believed: one good sample in a hundred has a higher one.
        most: f64,
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
                "only {n_peaks} separate peaks in the held-out errors: the threshold is 1.75 times their 99 % quantile, and \
                 above all peaks"
            ),
            Self::BadTail {
                n_peaks,
                statistic,
                most,
            } => write!(
                f,
                "the {n_peaks} separate peaks in the held-out errors follow no generalised Pareto tail (Anderson-Darling \
                 {statistic:.2}, believed up to {most:.2}): the threshold is 1.75 times the 99 % quantile of the errors, \
                 and above all peaks"
            ),
        }
    }
}

impl ThresholdRule {
    /// Chooses the threshold. Errors that are NaN or infinite are passed over.
    ///
    /// # Errors
    /// [`ThresholdError`] where the rule's own number is out of its range, or it wants labels that are not there.
    pub fn fit(&self, held_out: &HeldOut<'_>, events: &EventRule) -> Result<FittedThreshold, ThresholdError> {
        self.check()?;
        if matches!(self, Self::BestF1(_)) && held_out.labels.is_none() {
            return Err(ThresholdError::NoLabels);
        }
        let sorted = sorted_finite(held_out.errors.iter().copied().filter(|error| error.is_finite()));
        let largest = sorted.last().copied().unwrap_or(0.0);
        let spread = largest - sorted.first().copied().unwrap_or(0.0);
        let (mut support, mut fallback, mut drifting) = (None, None, None);
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
            Self::Pot(risk) => match pot::pot_level(risk, held_out, events.merge_gap(), &sorted) {
                Ok((level, rests_on)) => {
                    support = Some(Support::Pot(rests_on));
                    level
                }
                Err(instead) => {
                    fallback = Some(instead);
                    no_tail_level(&sorted)
                }
            },
            Self::Dspot { risk, depth } => {
                match drifting::drifting_level((risk, depth), held_out, events.merge_gap(), &sorted) {
                    Ok((level, rests_on)) => {
                        drifting = Some(rests_on.drifting);
                        support = Some(Support::Drifting(rests_on));
                        level
                    }
                    Err(instead) => {
                        fallback = Some(instead);
                        no_tail_level(&sorted)
                    }
                }
            }
            Self::Budget(budget) => {
                let (level, rests_on, instead) = budget::budget_level(budget, held_out, events, &sorted);
                (support, fallback) = (Some(Support::Budget(rests_on)), instead);
                level
            }
            Self::Conformal(asked) => {
                let (level, rests_on) = conformal::conformal_level(asked, held_out, events);
                support = Some(Support::Conformal(rests_on));
                // An allowance of alarms is none for a standing one.
                level.max(quantile_sorted(&sorted, budget::LEVEL_QUANTILE_MIN))
            }
            Self::BestF1(of) => {
                let (level, rests_on) = best_f1::best_f1_level(of, held_out)?;
                support = Some(Support::BestF1(rests_on));
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
            drifting,
        })
    }

    /// The rule for scores that look back: there is no level before a row that it could follow.
    #[must_use]
    pub fn looking_back(self) -> Self {
        match self {
            Self::Dspot { risk, .. } => Self::Pot(risk),
            rule => rule,
        }
    }

    /// Whether the rule's own number is in its range.
    ///
    /// # Errors
    /// [`ThresholdRuleError`] naming the rule where it is not.
    pub fn check(&self) -> Result<(), ThresholdRuleError> {
        let is_good = match *self {
            Self::Budget(_) | Self::Conformal(Allowance::Rate(_)) | Self::BestF1(_) => true,
            Self::Quantile(share) | Self::Pot(share) | Self::Conformal(Allowance::Risk(share)) => {
                0.0 < share && share < 1.0
            }
            Self::Dspot { risk, depth } => 0.0 < risk && risk < 1.0 && drifting::DEPTH_RANGE.contains(&depth),
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

/// The threshold where no tail can be believed: well above all that was seen.
fn no_tail_level(sorted: &[f64]) -> f64 {
    let largest = sorted.last().copied().unwrap_or(0.0);
    (FEW_PEAKS_FACTOR * quantile_sorted(sorted, 0.99)).max(just_above(largest))
}

/// The threshold where errors say nothing about their spread: twice the largest. Errors of about 0 say no more than
/// that nothing moved; 1 is then what a channel at its ordinary error in every cell would make.
fn apart_from(largest: f64) -> f64 {
    if largest > 1e-6 { 2.0 * largest } else { 1.0 }
}

/// A little more, so that what was observed stays below a score of 1.
fn just_above(level: f64) -> f64 {
    level * (1.0 + 1e-9)
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
            Self::Dspot { risk, depth } => write!(f, "dspot:{risk},{depth}"),
            Self::Conformal(asked) => write!(f, "conformal:{asked}"),
            Self::BestF1(of) => write!(f, "best-f1:{}", of.name()),
            Self::Value(error) => write!(f, "value:{error}"),
        }
    }
}

/// Why no threshold can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ThresholdError {
    /// The rule's own number is out of its range.
    #[error(transparent)]
    Rule(#[from] ThresholdRuleError),
    /// Labels are wanted, and there are none.
    #[error(
        "threshold rule best-f1: the training rows have no labels; give them a column is_anomaly, or choose a rule that \
         needs none, such as budget:1/week"
    )]
    NoLabels,
    /// No labelled row is among those that decide.
    #[error(
        "threshold rule best-f1: none of the {n_rows} held-out rows that have a score is labelled anomalous; train on rows \
         whose last part holds labelled events, or choose a rule that needs none, such as budget:1/week"
    )]
    NoneLabelled {
        /// Held-out rows.
        n_rows: usize,
    },
}

/// The text is no threshold rule, or its number is out of range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "threshold rule {text:?}: wanted budget:1/week, conformal:Q or conformal:1/week, quantile:Q or pot:Q with Q between 0 \
     and 1, dspot:Q or dspot:Q,DEPTH with DEPTH from 10 to 10000, mad:K or sigma:K with K from 0 up, best-f1:event or best-f1:point, or value:X with X above 0{}",
    if text.starts_with("dynamic") { "; dynamic looks at what it judges: it is for detect --mode retrospective" } else { "" }
)]
pub struct ThresholdRuleError {
    /// What was given.
    pub text: String,
}

/// `budget`, `conformal`, `quantile`, `mad`, `sigma`, `pot`, `best-f1` or `value`, a colon and a number
/// (`budget:1/week`). Without one: 1/week, 0.01, 0.995, 6, 3, 1e-4 and `event`; `value` needs its number. `dspot` has two:
/// `dspot:1e-4,1000`.
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
            "conformal" => match number {
                Some(rate) if rate.contains('/') => rate
                    .parse()
                    .ok()
                    .map(|rate| Self::Conformal(Allowance::Rate(rate))),
                _ => number_or(Some(0.01)).map(|risk| Self::Conformal(Allowance::Risk(risk))),
            },
            "best-f1" => match number {
                None => Some(F1Of::default()),
                Some(name) => [F1Of::Point, F1Of::Event]
                    .into_iter()
                    .find(|of| of.name() == name),
            }
            .map(Self::BestF1),
            "quantile" => number_or(Some(0.995)).map(Self::Quantile),
            "mad" => number_or(Some(6.0)).map(Self::Mad),
            "sigma" => number_or(Some(3.0)).map(Self::Sigma),
            "pot" => number_or(Some(1e-4)).map(Self::Pot),
            "dspot" => {
                let (risk, depth) = match number.and_then(|text| text.split_once(',')) {
                    Some((risk, depth)) => (risk.trim().parse().ok(), depth.trim().parse().ok()),
                    None => (number_or(Some(1e-4)), Some(drifting::DEPTH)),
                };
                risk.zip(depth).map(|(risk, depth)| Self::Dspot { risk, depth })
            }
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
mod tests;
