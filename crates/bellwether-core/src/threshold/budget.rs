//! Thresholds from how many alarms people can bear: `1/week`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::gpd::CheckedTail;
use super::peaks::{Peaks, opening_levels};
use super::{FEW_PEAKS_FACTOR, Fallback, HeldOut, just_above};
use crate::event::EventRule;
use crate::quantile::{quantile_sorted, sorted_finite};
use crate::time::humane;

/// The tail is believed out to this many times the held-out span, no further.
const REACH_MAX: f64 = 10.0;

/// A rate that is known to this factor is known well enough to say nothing of it.
const TELLING_FACTOR: f64 = 2.0;

/// So many allowed alarms are counted. Of fewer, their number alone would hardly tell: the tail knows more.
const N_COUNTED_ENOUGH: f64 = 10.0;

/// Alarms are at least so much more variable than by chance, whatever few peaks look like.
const DISPERSION_MIN: f64 = 2.0;

/// Events of new rows for each of held-out ones. What is held out lies within the history, with rows on both sides that were learnt
/// from; what comes after it does not.
const NEWS: f64 = 1.1;

/// Peaks below which no tail is fitted.
const N_PEAKS_MIN: usize = 10;

/// So many peaks know their tail; above a lower base there would be more, but less of them tail.
const N_PEAKS_ENOUGH: usize = 60;

/// Where peaks are sought, as quantiles: the highest that leaves enough of them.
const PEAK_QUANTILES: [f64; 7] = [0.99, 0.98, 0.95, 0.9, 0.8, 0.7, 0.5];

/// However many alarms are allowed, the threshold is not below this quantile: an allowance of alarms is none for a
/// standing one.
pub(super) const LEVEL_QUANTILE_MIN: f64 = 0.95;

/// At most so many alarms in a time, for each series: `1/week`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AlarmBudget {
    /// Above zero where it was asked for; a rate that was counted may be zero.
    events: f64,
    per: Period,
}

/// A time that people count alarms in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// 60 minutes.
    Hour,
    /// 24 hours.
    Day,
    /// 7 days.
    Week,
    /// 30 days.
    Month,
    /// 365 days.
    Year,
}

impl Period {
    const ALL: [Self; 5] = [Self::Hour, Self::Day, Self::Week, Self::Month, Self::Year];

    /// The name as in `1/week`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// How long it is.
    pub fn duration(self) -> Duration {
        let hours = match self {
            Self::Hour => 1,
            Self::Day => 24,
            Self::Week => 7 * 24,
            Self::Month => 30 * 24,
            Self::Year => 365 * 24,
        };
        Duration::from_secs(hours * 3600)
    }
}

impl AlarmBudget {
    /// At most `events` alarms per `per`; `None` unless that is a finite number above zero.
    pub fn new(events: f64, per: Period) -> Option<Self> {
        (events.is_finite() && events > 0.0).then_some(Self { events, per })
    }

    /// Alarms per [`AlarmBudget::per`].
    pub fn events(&self) -> f64 {
        self.events
    }

    /// The time they are counted in.
    pub fn per(&self) -> Period {
        self.per
    }

    /// Alarms allowed in `span`.
    pub fn events_in(&self, span: Duration) -> f64 {
        self.events * span.as_secs_f64() / self.per.duration().as_secs_f64()
    }

    /// `events` in `span` as a rate, in the period of this budget.
    fn same_unit(&self, events: f64, span: Duration) -> Self {
        let per_period = events * self.per.duration().as_secs_f64() / span.as_secs_f64();
        Self {
            events: per_period,
            per: self.per,
        }
    }
}

/// One alarm a week for each series: what a person who has other work will look at.
impl Default for AlarmBudget {
    fn default() -> Self {
        Self {
            events: 1.0,
            per: Period::Week,
        }
    }
}

impl fmt::Display for AlarmBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.events <= 0.0 {
            return write!(f, "0/{}", self.per.name());
        }
        // Three digits are enough for a rate, and keep 0.1 from printing as the binary fraction that it is.
        let digits = (2.0 - self.events.log10().floor()).clamp(0.0, 12.0) as usize;
        let text = format!("{:.digits$}", self.events);
        let text = if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.')
        } else {
            &text
        };
        write!(f, "{text}/{}", self.per.name())
    }
}

/// The text is no alarm budget.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "alarm budget {text:?}: wanted a number above zero per hour, day, week, month or year, such as 1/week"
)]
pub struct AlarmBudgetError {
    /// What was given.
    pub text: String,
}

impl FromStr for AlarmBudget {
    type Err = AlarmBudgetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (events, per) = text.split_once('/')?;
            let per = Period::ALL
                .into_iter()
                .find(|period| period.name() == per.trim())?;
            Self::new(events.trim().parse().ok()?, per)
        };
        parse().ok_or_else(|| AlarmBudgetError {
            text: text.to_owned(),
        })
    }
}

/// What an alarm budget rests on: how far the held-out rows bear it out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BudgetSupport {
    /// The budget asked for.
    pub asked: AlarmBudget,
    /// Scored held-out time: rows times cadence.
    pub held_out_span: Duration,
    /// The lowest rate the threshold was chosen for; above `asked` where the held-out time is too short.
    pub supported: AlarmBudget,
    /// The rate to be expected of rows like the held-out ones: counted on them, or from the tail.
    pub predicted: AlarmBudget,
    /// The tail, where the threshold lies beyond what was observed.
    pub tail: Option<TailSupport>,
    /// Peaks of separate held-out exceedances it was fitted to, or would have been.
    pub n_peaks: usize,
    /// How far the true rate of such rows may be from the predicted one, either way, in 95 of 100 cases: a factor of at least
    /// 1, infinite where nothing was to be counted.
    pub factor: f64,
}

/// A tail that a threshold lies on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TailSupport {
    /// Its shape.
    pub xi: f64,
    /// Anderson-Darling statistic of the peaks.
    pub statistic: f64,
    /// Peaks for each row above the base: 1 where rows rise one by one, less where they depend on each other.
    pub extremal_index: f64,
}

/// Variance of the logarithm of the rate at a level that `k` of `n` peaks exceed: see [`budget_level`].
fn log_variance(n: f64, k: f64) -> f64 {
    (1.0 + (n / k).ln().powi(2)) / n
}

/// The factor within which a rate is known, where its logarithm has that variance.
fn factor_within(log_variance: f64) -> f64 {
    (1.96 * log_variance.sqrt()).exp()
}

impl BudgetSupport {
    /// Whether the held-out rows are enough to know the rate to a factor of two.
    pub fn is_telling(&self) -> bool {
        self.is_met() && self.factor <= TELLING_FACTOR
    }

    /// Whether the threshold was chosen for the rate asked for.
    pub fn is_met(&self) -> bool {
        self.supported.events <= self.asked.events * (1.0 + 1e-9)
    }
}

/// One sentence, for people.
impl fmt::Display for BudgetSupport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (asked, span) = (self.asked, humane(self.held_out_span));
        if !self.is_met() {
            return write!(
                f,
                "{asked} was asked for, but {span} of held-out data bear out no less than {}: expect more alarms \
                 than asked, or train on more data",
                self.supported
            );
        }
        match self.tail {
            Some(tail) => write!(
                f,
                "{asked}: from the tail of {} peaks in {span} of held-out data (tail shape {:.2}, Anderson-Darling \
                 {:.2}, extremal index {:.2})",
                self.n_peaks, tail.xi, tail.statistic, tail.extremal_index
            )?,
            None => write!(f, "{asked}: counted on {span} of held-out data")?,
        }
        if self.factor > TELLING_FACTOR {
            write!(
                f,
                "; so few rows know that rate to a factor of {:.1} only: train on more data to be surer",
                self.factor
            )?;
        }
        Ok(())
    }
}

/// A threshold for `budget`, what it rests on, and why it is not the rule's own where it is not.
///
/// Where the held-out rows cover ten or more alarms of the budget, events are counted on them, exactly as the event
/// rule would open them. Where they do not, the peaks of separate exceedances are given a generalised Pareto tail,
/// and the level is the one that so few of them reach, at most ten times beyond the held-out span.
///
/// How well a rate is known: of n peaks beyond a base, k are beyond the level. The number of peaks in the held-out time is known
/// to 1 / n (variance of the logarithm), the scale of their tail too, and at the level an error of the scale counts
/// ln(n / k) times. That is exact for an exponential tail of independent peaks.
///
/// A budget is meant on average over what the rate may be: of a logarithm of variance v that is e^(v/2) times the middle. Alarms
/// come in hordes, which makes the variance of their number D times that of chance: so the level aims at e^(−D v / 2) of what is
/// allowed. D is the index of dispersion of the peaks, at least 2. And new rows are met as if they brought [`NEWS`] times the events
/// of held-out ones.
///
/// `sorted`: the errors that are there, ascending, at least one.
pub(super) fn budget_level(
    budget: AlarmBudget,
    held_out: &HeldOut<'_>,
    rule: &EventRule,
    sorted: &[f64],
) -> (f64, BudgetSupport, Option<Fallback>) {
    let span = held_out.cadence.mul_f64(sorted.len() as f64);
    let allowed = budget.events_in(span);
    let mut support = BudgetSupport {
        asked: budget,
        held_out_span: span,
        supported: budget,
        predicted: budget,
        tail: None,
        n_peaks: 0,
        // Of k events by chance, the logarithm of their rate has a variance of 1 / k.
        factor: factor_within(1.0 / allowed),
    };
    let counted = |mut support: BudgetSupport| {
        let level = counted_level(allowed / NEWS, held_out, rule, sorted);
        support.predicted = budget.same_unit(NEWS * held_out.count_events(rule, level) as f64, span);
        (level, support, None)
    };
    if allowed >= N_COUNTED_ENOUGH {
        return counted(support);
    }
    let levels = opening_levels(held_out, rule);
    let highest = levels.iter().fold(0.0, |one: f64, other| one.max(*other));
    let believed = believed_tail(&levels, held_out, rule.merge_gap());
    if allowed >= 1.0 && believed.is_err() {
        return counted(support);
    }
    let (peaks, checked) = match believed {
        Ok(believed) => believed,
        Err(fallback) => {
            support.supported = budget.same_unit(1.0, span);
            support.factor = f64::INFINITY;
            support.predicted = support.supported;
            if let Fallback::FewPeaks { n_peaks } | Fallback::BadTail { n_peaks, .. } = fallback {
                support.n_peaks = n_peaks;
            }
            let level = FEW_PEAKS_FACTOR * quantile_sorted(sorted, 0.99);
            return (level.max(just_above(highest)), support, Some(fallback));
        }
    };
    let n_peaks = peaks.highest.len();
    let tail = checked.tail.predictive(n_peaks);
    let dispersion = peaks.dispersion(levels.len()).max(DISPERSION_MIN);
    let aimed = allowed / NEWS * (-0.5 * dispersion * log_variance(n_peaks as f64, allowed)).exp();
    let reached = aimed.max(1.0 / REACH_MAX);
    if reached > allowed {
        support.supported = budget.same_unit(reached, span);
    }
    let level = peaks.base + tail.excess_at(reached / n_peaks as f64);
    let level = if allowed >= 1.0 {
        level
    } else {
        level.max(just_above(highest))
    };
    let beyond = n_peaks as f64 * tail.survival(level - peaks.base);
    support.predicted = budget.same_unit(NEWS * beyond, span);
    support.n_peaks = n_peaks;
    support.factor = factor_within(log_variance(n_peaks as f64, beyond));
    support.tail = Some(TailSupport {
        xi: tail.shape,
        statistic: checked.statistic,
        extremal_index: peaks.extremal_index(),
    });
    (level, support, None)
}

/// Separate peaks at the highest base that leaves enough of them, or else at that which leaves most, with a tail to
/// believe in.
///
/// # Errors
/// [`Fallback`] where no base leaves ten, or none of their tails is one.
fn believed_tail(
    levels: &[f64],
    held_out: &HeldOut<'_>,
    apart: usize,
) -> Result<(Peaks, CheckedTail), Fallback> {
    let sorted = sorted_finite(levels.iter().copied().filter(|level| *level > 0.0));
    let (mut n_peaks_max, mut misfit) = (0, None);
    let mut best: Option<(Peaks, CheckedTail)> = None;
    for quantile in PEAK_QUANTILES {
        let base = quantile_sorted(&sorted, quantile);
        let peaks = Peaks::above(levels, held_out, base, apart);
        let n_peaks = peaks.highest.len();
        n_peaks_max = n_peaks_max.max(n_peaks);
        let n_best = best
            .as_ref()
            .map_or(N_PEAKS_MIN - 1, |(best, _)| best.highest.len());
        if n_peaks <= n_best {
            continue;
        }
        let Some(checked) = CheckedTail::fit(&peaks.excesses()) else {
            continue;
        };
        if checked.is_believed() {
            best = Some((peaks, checked));
        } else {
            misfit = Some(Fallback::BadTail {
                n_peaks,
                statistic: checked.statistic,
                most: checked.most,
            });
        }
        if n_peaks >= N_PEAKS_ENOUGH && best.is_some() {
            break;
        }
    }
    let none = misfit.unwrap_or(Fallback::FewPeaks { n_peaks: n_peaks_max });
    best.ok_or(none)
}

/// A threshold that opens as many events as are allowed: half way, by ratio, between the lowest that opens no more and
/// the lowest that opens one fewer.
///
/// The lowest itself lies just above the next peak. Of other rows so many more peaks would reach it that one allowed
/// alarm became two: between the k-th and the next of n peaks lie, on average, k and k + 1 of n others.
fn counted_level(allowed: f64, held_out: &HeldOut<'_>, rule: &EventRule, sorted: &[f64]) -> f64 {
    let lowest = lowest_level(allowed, held_out, rule, sorted);
    let one_fewer = lowest_level(allowed.floor() - 1.0, held_out, rule, sorted);
    (lowest * one_fewer.max(lowest)).sqrt()
}

/// The lowest threshold that opens at most `allowed` events, sought downwards from the highest error.
///
/// Downwards, because far down all exceedances merge into few events again.
fn lowest_level(allowed: f64, held_out: &HeldOut<'_>, rule: &EventRule, sorted: &[f64]) -> f64 {
    const N_STEPS: i32 = 40;
    let n_events = |level: f64| held_out.count_events(rule, level) as f64;
    let top = just_above(sorted[sorted.len() - 1]);
    let bottom = quantile_sorted(sorted, LEVEL_QUANTILE_MIN).max(1e-9 * top);
    let step = (bottom / top).powf(1.0 / f64::from(N_STEPS));
    let (mut good, mut bad) = (top, None);
    for idx in 1..=N_STEPS {
        let level = (top * step.powi(idx)).max(bottom);
        if n_events(level) > allowed {
            bad = Some(level);
            break;
        }
        good = level;
    }
    if let Some(mut bad) = bad {
        for _ in 0..16 {
            let middle = 0.5 * (good + bad);
            if n_events(middle) > allowed {
                bad = middle;
            } else {
                good = middle;
            }
        }
    }
    good
}
