//! What a derivation remembers from row to row, and its row step.

use super::operation::Outside;
use super::value::value;
use super::{Derivation, RawRow, Source};

/// What a derivation remembers, as plain data: put away with a session and taken up exactly.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DerivationMemory {
    /// For each input the last values since a gap, oldest first, NaN where missing: no more than are looked at.
    pub history: Vec<Vec<f64>>,
    /// Rows in operation since the last start, those of the start included; 0: out of operation.
    pub since_start: usize,
    /// Rows of the segment so far; 0: out of operation.
    pub n_rows: usize,
}

/// What a derivation remembers from row to row.
#[derive(Debug, Clone)]
pub struct DerivationState {
    /// May be up to twice as long as is looked at, to spare moves.
    history: Vec<Vec<f64>>,
    since_start: usize,
    n_rows: usize,
    /// Memory for a row of inputs.
    inputs: Vec<f64>,
}

impl DerivationState {
    /// Before the first row.
    pub(in crate::transform) fn new(derivation: &Derivation) -> Self {
        Self {
            history: vec![Vec::new(); derivation.reach.len()],
            since_start: 0,
            n_rows: 0,
            inputs: Vec::with_capacity(derivation.reach.len()),
        }
    }

    /// What is to be kept.
    pub(in crate::transform) fn memory(&self, derivation: &Derivation) -> DerivationMemory {
        let last =
            |(values, reach): (&Vec<f64>, &usize)| values[values.len().saturating_sub(*reach)..].to_vec();
        DerivationMemory {
            history: self.history.iter().zip(&derivation.reach).map(last).collect(),
            since_start: self.since_start,
            n_rows: self.n_rows,
        }
    }

    /// The state that left this behind; `None` where it is none of this derivation. What was kept before there were
    /// derivations has no history: nothing that is derived of now looks back then.
    pub(in crate::transform) fn resume(derivation: &Derivation, memory: DerivationMemory) -> Option<Self> {
        let mut state = Self::new(derivation);
        if memory.history.is_empty() && derivation.is_identity() {
            state.n_rows = memory.n_rows;
            state.since_start = memory.since_start;
            return Some(state);
        }
        let fits = |(values, reach): (&Vec<f64>, &usize)| {
            values.len() <= *reach && values.iter().all(|value| !value.is_infinite())
        };
        let is_ours = memory.history.len() == derivation.reach.len()
            && memory.history.iter().zip(&derivation.reach).all(fits)
            && memory.n_rows <= memory.since_start;
        is_ours.then_some(Self {
            history: memory.history,
            since_start: memory.since_start,
            n_rows: memory.n_rows,
            ..state
        })
    }

    /// Whether the last row began a segment.
    pub(in crate::transform) fn starts_segment(&self) -> bool {
        self.n_rows == 1
    }

    /// Takes the next row and writes what is derived of it, `[n_channels]`; a row that does not count gives its reason
    /// and writes nothing.
    pub(in crate::transform) fn step(
        &mut self,
        derivation: &Derivation,
        row: RawRow<'_>,
        out: &mut [f64],
    ) -> Option<Outside> {
        if row.is_after_gap {
            self.history.iter_mut().for_each(Vec::clear);
            (self.since_start, self.n_rows) = (0, 0);
        }
        for ((values, &reach), &newest) in self.history.iter_mut().zip(&derivation.reach).zip(row.values) {
            push(values, reach, newest);
        }
        if let Some(outside) = self.outside(derivation, row) {
            self.n_rows = 0;
            return Some(outside);
        }
        self.n_rows = self.n_rows.saturating_add(1);
        for (out, source) in out.iter_mut().zip(&derivation.sources) {
            *out = match *source {
                Source::Input(idx) => row.values[idx],
                Source::Feature(idx) => self.feature(derivation, idx, row),
            };
        }
        None
    }

    fn outside(&mut self, derivation: &Derivation, row: RawRow<'_>) -> Option<Outside> {
        let Some(operation) = &derivation.parts.operation else {
            self.since_start = self.since_start.saturating_add(1);
            return None;
        };
        let mut outside = operation.excluded(row.time);
        if let (None, Some(when)) = (outside, &derivation.when) {
            self.inputs.clear();
            self.inputs.extend_from_slice(row.values);
            for &input in when.channels() {
                let values = &self.history[input];
                let first = values.len().saturating_sub(operation.fill_len + 1);
                let known = values[first..].iter().rev().find(|value| !value.is_nan());
                self.inputs[input] = known.copied().unwrap_or(f64::NAN);
            }
            outside = match when.holds(&self.inputs) {
                Some(true) => None,
                Some(false) => Some(Outside::Mode),
                None => Some(Outside::Unknown),
            };
        }
        if outside.is_some() {
            self.since_start = 0;
            return outside;
        }
        self.since_start = self.since_start.saturating_add(1);
        (self.since_start <= operation.blank_len).then_some(Outside::Start)
    }

    fn feature(&self, derivation: &Derivation, feature_idx: usize, row: RawRow<'_>) -> f64 {
        let kind = &derivation.parts.features[feature_idx].kind;
        let reads = &derivation.reads[feature_idx];
        let mut now = [f64::NAN; 2];
        for (now, &input) in now.iter_mut().zip(reads) {
            *now = row.values[input];
        }
        let n_back = kind.rows().min(self.n_rows);
        let back = match reads.first() {
            Some(&input) => {
                let values = &self.history[input];
                &values[values.len().saturating_sub(n_back)..]
            }
            None => &[],
        };
        value(kind, row.time, &now[..reads.len()], back)
    }
}

/// Adds a value and forgets those that nobody looks at any more, once they are as many as those that are looked at.
fn push(values: &mut Vec<f64>, reach: usize, newest: f64) {
    if reach == 0 {
        return;
    }
    if values.len() >= 2 * reach {
        let gone = values.len() - (reach - 1);
        values.drain(..gone);
    }
    values.push(newest);
}
