//! Split conformal prediction on stretches of held-out rows: a risk that holds whatever errors are distributed like
//! (Vovk, Gammerman and Shafer 2005; Angelopoulos and Bates 2023, section 1).

use std::fmt;
use std::time::Duration;

use super::peaks::opening_levels;
use super::{AlarmBudget, HeldOut};
use crate::drift::autocorrelation::autocorrelation_time;
use crate::event::EventRule;
use crate::quantile::sorted_finite;
use crate::time::humane;

/// A stretch is so many autocorrelation times long: its highest level then says little about that of the next.
const STRETCH_TIMES: f64 = 2.0;

/// What is allowed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Allowance {
    /// The chance that a normal stretch raises an alarm, in (0, 1).
    Risk(f64),
    /// Alarms in a time.
    Rate(AlarmBudget),
}

/// `0.01`, or `1/week`.
impl fmt::Display for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Risk(risk) => write!(f, "{risk}"),
            Self::Rate(budget) => write!(f, "{budget}"),
        }
    }
}

/// What a conformal threshold rests on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConformalSupport {
    /// What was asked for.
    pub asked: Allowance,
    /// The chance of an alarm that was asked for, for each stretch; at most 1.
    pub risk: f64,
    /// The lowest chance that so few stretches can vouch for; at least `1 / (n + 1)`.
    pub supported: f64,
    /// Rows in a stretch, as many as depend on each other.
    pub stretch_len: usize,
    /// How long that is.
    pub stretch: Duration,
    /// Stretches of held-out rows.
    pub n_stretches: usize,
}

impl ConformalSupport {
    /// Whether there are stretches enough for what was asked.
    pub fn is_met(&self) -> bool {
        self.supported <= self.risk * (1.0 + 1e-9)
    }

    /// Alarms per time that the supported risk allows at most.
    pub fn predicted_in(&self, span: Duration) -> f64 {
        self.supported * span.as_secs_f64() / self.stretch.as_secs_f64()
    }
}

/// One sentence, for people.
impl fmt::Display for ConformalSupport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (asked, n, stretch) = (self.asked, self.n_stretches, humane(self.stretch));
        if self.is_met() {
            return write!(
                f,
                "{asked}: a normal stretch of {stretch} raises an alarm with a chance of at most {:.2e}, by {n} such \
                 stretches of held-out data",
                self.supported
            );
        }
        write!(
            f,
            "{asked} was asked for, a chance of {:.2e} for each stretch of {stretch}, but {n} such stretches of held-out \
             data vouch for no less than {:.2e}: expect more alarms than asked, or train on more data",
            self.risk, self.supported
        )
    }
}

/// The level that the highest opening level of another normal stretch reaches with at most the chance allowed.
///
/// Rows that follow one another are not exchangeable, stretches as long as they depend on each other nearly are. So
/// held-out rows are cut into such stretches, one value each, and a shorter rest is left out.
pub(super) fn conformal_level(
    asked: Allowance,
    held_out: &HeldOut<'_>,
    rule: &EventRule,
) -> (f64, ConformalSupport) {
    let levels = opening_levels(held_out, rule);
    let times = held_out.segments().map(|segment| &levels[segment]);
    let time = autocorrelation_time(times);
    let stretch_len = ((STRETCH_TIMES * time).ceil() as usize).max(rule.merge_gap());
    let stretch = held_out.cadence.mul_f64(stretch_len as f64);
    let highest = |levels: &[f64]| levels.iter().fold(0.0, |one: f64, other| one.max(*other));
    let stretches = held_out.segments().flat_map(|segment| {
        let whole = levels[segment].chunks_exact(stretch_len);
        whole.map(highest).collect::<Vec<_>>()
    });
    let sorted = sorted_finite(stretches);
    let risk = match asked {
        Allowance::Risk(risk) => risk,
        Allowance::Rate(budget) => budget.events_in(stretch).min(1.0),
    };
    let n = sorted.len();
    let (level, supported) = match conformal_rank(n, risk) {
        Some(rank) => (sorted[rank - 1], (n + 1 - rank) as f64 / (n + 1) as f64),
        // No stretch was ever higher than the highest; that is all there is to say.
        None => (highest(&levels), 1.0 / (n + 1) as f64),
    };
    let support = ConformalSupport {
        asked,
        risk,
        supported,
        stretch_len,
        stretch,
        n_stretches: n,
    };
    (super::just_above(level), support)
}

/// Which of `n` values, ascending and counted from 1, another one exceeds with a chance of at most `risk`:
/// ⌈(n + 1)(1 − risk)⌉, at least the first; `None` where it lies beyond the last.
pub fn conformal_rank(n: usize, risk: f64) -> Option<usize> {
    // A product that is whole but for rounding stays whole.
    let rank = ((n + 1) as f64 * (1.0 - risk) - 1e-9).ceil().max(1.0) as usize;
    (rank <= n).then_some(rank)
}
