//! How rare a score is among normal rows.

use super::{Detector, Mode};
use crate::score::Tail;

/// No p-value is smaller: it is a chance, and none is certain.
const P_MIN: f64 = 1e-300;

/// How often held-out rows reach a joined error: counted within their body, by a Pareto tail beyond their 98 % quantile.
#[derive(Debug, Clone, PartialEq)]
pub struct Rarity {
    /// Of causal errors.
    pub causal: Tail,
    /// Of retrospective ones.
    pub retrospective: Tail,
}

impl Rarity {
    /// That of a mode.
    pub fn of(&self, mode: Mode) -> &Tail {
        match mode {
            Mode::Causal => &self.causal,
            Mode::Retrospective => &self.retrospective,
        }
    }
}

impl Detector {
    /// The chance that a normal row has a score of at least `score`, in (0, 1]: p, as far as the held-out rows tell. `None` where
    /// the row has no score (NaN), or the detector was made before this was kept.
    ///
    /// A row by itself: rows that follow one another have high scores together, so that p is no rate of alarms.
    pub fn p_value(&self, mode: Mode, score: f64) -> Option<f64> {
        let tail = self.parts().rarity.as_ref()?.of(mode);
        let error = score * self.threshold(mode).error();
        (!error.is_nan()).then(|| (-tail.surprise(error)).exp().max(P_MIN))
    }
}
