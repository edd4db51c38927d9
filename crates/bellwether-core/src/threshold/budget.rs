//! Thresholds from how many alarms people can bear: `1/week`.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use super::gpd::Gpd;
use super::{Fallback, HeldOut};
use crate::event::EventRule;
use crate::quantile::{quantile_sorted, sorted_finite};
use crate::time::humane;

/// The tail is believed out to this many times the held-out span, no further.
const REACH_MAX: f64 = 10.0;

/// Peaks below which no tail is fitted.
const N_PEAKS_MIN: usize = 10;

/// Where peaks are sought, as quantiles: the highest that leaves enough of them.
const PEAK_QUANTILES: [f64; 5] = [0.95, 0.9, 0.8, 0.7, 0.5];

/// However many alarms are allowed, the threshold is not below this quantile: an allowance of alarms is none for a
/// standing one.
const LEVEL_QUANTILE_MIN: f64 = 0.95;

/// Where peaks are too few, the 99 % quantile times this: between 1.5 and 2 point F1 was best on labelled series.
const FEW_PEAKS_FACTOR: f64 = 1.75;

/// At most so many alarms in a time, for each series: `1/week`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AlarmBudget {
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
    /// The threshold lies beyond what was observed, on a fitted tail.
    pub extrapolated: bool,
    /// Shape of that tail, where one was fitted.
    pub xi: Option<f64>,
    /// Peaks of separate held-out exceedances it was fitted to, or would have been.
    pub n_peaks: usize,
}

impl BudgetSupport {
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
        match self.xi {
            Some(xi) if self.extrapolated => {
                let n_peaks = self.n_peaks;
                write!(
                    f,
                    "{asked}: extrapolated from {n_peaks} peaks in {span} of held-out data (tail shape {xi:.2})"
                )
            }
            _ => write!(f, "{asked}: counted on {span} of held-out data"),
        }
    }
}

/// A threshold for `budget`, what it rests on, and why it is not the rule's own where it is not.
///
/// Where the held-out rows cover one or more alarms of the budget, events are counted on them, exactly as the event
/// rule would open them. Where they do not, the peaks of separate exceedances are given a generalised Pareto tail,
/// and the level is the one that so few of them reach, at most ten times beyond the held-out span.
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
        extrapolated: false,
        xi: None,
        n_peaks: 0,
    };
    if allowed >= 1.0 {
        return (counted_level(allowed, held_out, rule, sorted), support, None);
    }
    let levels = opening_levels(held_out, rule);
    let highest = levels.iter().fold(0.0, |one: f64, other| one.max(*other));
    let (base, peaks) = separate_peaks(&levels, held_out, rule.merge_gap());
    support.n_peaks = peaks.len();
    let excesses: Vec<f64> = peaks.iter().map(|peak| peak - base).collect();
    let tail = if peaks.len() >= N_PEAKS_MIN {
        Gpd::fit(&excesses)
    } else {
        None
    };
    let Some(tail) = tail.map(|tail| tail.drawn_to_exponential(peaks.len())) else {
        support.supported = budget.same_unit(1.0, span);
        let level = FEW_PEAKS_FACTOR * quantile_sorted(sorted, 0.99);
        let fallback = Fallback::FewPeaks { n_peaks: peaks.len() };
        return (level.max(just_above(highest)), support, Some(fallback));
    };
    let reached = allowed.max(1.0 / REACH_MAX);
    if reached > allowed {
        support.supported = budget.same_unit(reached, span);
    }
    support.extrapolated = true;
    support.xi = Some(tail.shape);
    let level = base + tail.excess_at(reached / peaks.len() as f64);
    (level.max(just_above(highest)), support, None)
}

/// The lowest threshold that opens at most `allowed` events, sought downwards from the highest error.
///
/// Downwards, because far down all exceedances merge into few events again.
fn counted_level(allowed: f64, held_out: &HeldOut<'_>, rule: &EventRule, sorted: &[f64]) -> f64 {
    const N_STEPS: i32 = 40;
    let n_events = |level: f64| {
        let starts_segment = |row_idx: usize| held_out.segment_starts.binary_search(&row_idx).is_ok();
        rule.count(held_out.errors, level, starts_segment) as f64
    };
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

/// For each row the highest threshold at which the rule's votes suffice: the n-th highest of the last m errors of
/// the segment; 0 where there are fewer.
fn opening_levels(held_out: &HeldOut<'_>, rule: &EventRule) -> Vec<f64> {
    let mut levels = Vec::with_capacity(held_out.errors.len());
    let mut recent = Vec::with_capacity(rule.m());
    for segment in held_out.segments() {
        for row_idx in segment.clone() {
            let first = (row_idx + 1).saturating_sub(rule.m()).max(segment.start);
            recent.clear();
            recent.extend(
                held_out.errors[first..=row_idx]
                    .iter()
                    .copied()
                    .filter(|error| !error.is_nan()),
            );
            recent.sort_unstable_by(|one, other| other.total_cmp(one));
            levels.push(recent.get(rule.n() - 1).copied().unwrap_or(0.0));
        }
    }
    levels
}

/// Peaks of runs above a base level that lie at least `apart` samples from each other (runs declustering, Coles
/// 2001, 5.3), at the highest base that leaves ten; the base, and the peaks, all above it.
fn separate_peaks(levels: &[f64], held_out: &HeldOut<'_>, apart: usize) -> (f64, Vec<f64>) {
    let sorted = sorted_finite(levels.iter().copied().filter(|level| *level > 0.0));
    let mut best = (0.0, Vec::new());
    for quantile in PEAK_QUANTILES {
        let base = quantile_sorted(&sorted, quantile);
        let mut peaks = Vec::new();
        for segment in held_out.segments() {
            run_peaks(&levels[segment], base, apart, &mut peaks);
        }
        if peaks.len() > best.1.len() {
            best = (base, peaks);
        }
        if best.1.len() >= N_PEAKS_MIN {
            break;
        }
    }
    best
}

fn run_peaks(levels: &[f64], base: f64, apart: usize, peaks: &mut Vec<f64>) {
    let mut last_above: Option<usize> = None;
    for (idx, &level) in levels.iter().enumerate().filter(|(_, level)| **level > base) {
        match (last_above, peaks.last_mut()) {
            (Some(last), Some(peak)) if idx - last <= apart => *peak = peak.max(level),
            _ => peaks.push(level),
        }
        last_above = Some(idx);
    }
}

/// A little more, so that what was observed stays below a score of 1.
fn just_above(level: f64) -> f64 {
    level * (1.0 + 1e-9)
}

impl HeldOut<'_> {
    fn segments(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let ends = self.segment_starts.iter().skip(1).copied();
        let ends = ends.chain(std::iter::once(self.errors.len()));
        self.segment_starts
            .iter()
            .copied()
            .zip(ends)
            .map(|(start, end)| start..end)
    }
}
