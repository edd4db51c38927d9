//! From raw rows to derived ones: which rows count as operation, and what is worked out of the channels.
//!
//! A derivation takes a row of the data and says whether the machine was in [operation] at it; if so, it
//! gives the row of the model: the channels themselves, and [features](feature) that people wished for. Both look back
//! at a bounded number of rows and nowhere else, so that a file, a stream and a part of a file give the same bits.
//!
//! # Missing values, gaps, rows outside
//! A feature is missing where a value that it needs is. A rolling figure needs as many rows of the segment as it is long,
//! and values in at least half of them. A gap, and a row outside of operation, end the segment: nothing behind them
//! looks at what lies before.

pub mod feature;
mod fit;
pub mod operation;
mod state;
mod value;
mod wish;

use std::collections::HashMap;
use std::time::Duration;

use crate::condition::BoundCondition;
use crate::frame::{Channel, Frame, Schema};
use crate::time::Timestamp;

pub use feature::{Feature, FeatureKind};
pub use fit::DerivationSpec;
pub(super) use fit::Training;
pub use operation::{Interval, Operation, Outside};
pub use state::{DerivationMemory, DerivationState};
pub use wish::{FeatureWish, WishError};

use super::columns::{ApplyError, Columns};
use super::pipeline::FitError;

/// Features of one model at most.
pub const FEATURES_MAX: usize = 1024;

/// What is derived, as plain data.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DerivationParts {
    /// What is worked out of the channels.
    pub features: Vec<Feature>,
    /// Which rows count; `None`: all.
    pub operation: Option<Operation>,
}

impl DerivationParts {
    /// Whether rows are taken as they come.
    pub fn is_empty(&self) -> bool {
        self.features.is_empty() && self.operation.is_none()
    }
}

/// Where a channel of the model comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// Position among the inputs.
    Input(usize),
    /// Position among the features.
    Feature(usize),
}

/// The fitted way from raw rows to rows of the model's channels, not yet scaled.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Derivation {
    parts: DerivationParts,
    /// The channels of the model.
    channels: Schema,
    /// The channels that data must have: those of the model that are no feature, and what else is looked at.
    inputs: Schema,
    /// For each channel of the model.
    sources: Vec<Source>,
    /// For each feature, the positions of what it reads among the inputs.
    reads: Vec<Vec<usize>>,
    /// The condition on rows of the inputs.
    when: Option<BoundCondition>,
    /// For each input, rows that are looked at, the newest included; 0: only the newest.
    reach: Vec<usize>,
}

impl Derivation {
    /// A derivation of the channels of a model.
    pub(super) fn new(channels: &Schema, parts: DerivationParts) -> Result<Self, FitError> {
        if parts.features.len() > FEATURES_MAX {
            return Err(FitError::feature(
                "",
                format!("more than {FEATURES_MAX} features"),
            ));
        }
        let mut inputs: Vec<Channel> = Vec::new();
        let mut places: HashMap<Channel, usize> = HashMap::new();
        let mut add = |channel: &Channel| {
            *places.entry(channel.clone()).or_insert_with(|| {
                inputs.push(channel.clone());
                inputs.len() - 1
            })
        };
        let features = parts.features.iter().enumerate();
        let features: HashMap<&Channel, usize> =
            features.map(|(idx, feature)| (&feature.channel, idx)).collect();
        let mut sources = Vec::with_capacity(channels.n_channels());
        for channel in channels.channels() {
            sources.push(match features.get(channel) {
                Some(&idx) => Source::Feature(idx),
                None => Source::Input(add(channel)),
            });
        }
        let mut reads = Vec::with_capacity(parts.features.len());
        for feature in &parts.features {
            feature.check()?;
            reads.push(feature.inputs.iter().map(&mut add).collect::<Vec<_>>());
        }
        if let Some(operation) = &parts.operation {
            operation.check()?;
            for name in operation.channels() {
                add(&Channel::new(name));
            }
        }
        // A feature of the time of day alone reads nothing, and a row of nothing has no place in data.
        if inputs.is_empty() {
            return Err(FitError::feature(
                "",
                "no channel is left that data have to have".to_owned(),
            ));
        }
        let when = match parts
            .operation
            .as_ref()
            .and_then(|operation| operation.when.as_ref())
        {
            Some(condition) => Some(condition.bind(&inputs)?),
            None => None,
        };
        let mut reach = vec![0; inputs.len()];
        for (feature, reads) in parts.features.iter().zip(&reads) {
            for &input in reads {
                reach[input] = feature.kind.rows().max(reach[input]);
            }
        }
        if let (Some(when), Some(operation)) = (&when, &parts.operation) {
            for &input in when.channels() {
                reach[input] = (operation.fill_len + 1).max(reach[input]);
            }
        }
        Ok(Self {
            inputs: Schema::new(inputs, channels.cadence())?,
            channels: channels.clone(),
            parts,
            sources,
            reads,
            when,
            reach,
        })
    }

    pub(super) fn parts(&self) -> &DerivationParts {
        &self.parts
    }

    /// The channels that data must have.
    pub(super) fn inputs(&self) -> &Schema {
        &self.inputs
    }

    /// Where a channel of the model stands among the inputs; `None` for a feature.
    pub(super) fn input_idx(&self, channel_idx: usize) -> Option<usize> {
        match self.sources[channel_idx] {
            Source::Input(idx) => Some(idx),
            Source::Feature(_) => None,
        }
    }

    /// Positions of the inputs that a channel of the model is, or is worked out of at the same row.
    pub(super) fn sources_of(&self, channel_idx: usize) -> &[usize] {
        match &self.sources[channel_idx] {
            Source::Input(idx) => std::slice::from_ref(idx),
            Source::Feature(idx) => &self.reads[*idx],
        }
    }

    /// Whether rows are taken as they come.
    pub(super) fn is_identity(&self) -> bool {
        self.parts.is_empty()
    }

    /// All rows of a frame: a loop over the row step.
    pub(super) fn apply(&self, frame: &Frame, gap_max: Duration) -> Result<Derived, ApplyError> {
        let columns = Columns::matching(self.inputs.channels(), frame.schema())?;
        let n = self.sources.len();
        let mut state = DerivationState::new(self);
        let mut values = vec![f64::NAN; frame.n_samples() * n];
        let (mut outside, mut raw) = (Vec::with_capacity(frame.n_samples()), Vec::new());
        let (n_data, mut filled) = (frame.n_channels(), Vec::new());
        let mut last: Option<Timestamp> = None;
        for (row_idx, out) in values.chunks_exact_mut(n).enumerate() {
            let sample = frame.sample(row_idx);
            raw.clear();
            raw.extend(columns.order().iter().map(|&idx| sample.values[idx]));
            let row = RawRow {
                time: sample.time,
                is_after_gap: last.is_none_or(|last| sample.time.since(last) > gap_max),
                values: &raw,
            };
            let why = state.step(self, row, out);
            if why.is_some() {
                let inputs = out.iter_mut().zip(&self.sources);
                for (out, source) in inputs {
                    if let Source::Input(idx) = *source {
                        *out = raw[idx];
                    }
                }
            }
            let filled_row = frame.filled().get(row_idx * n_data..(row_idx + 1) * n_data);
            filled.extend(filled_row.into_iter().flat_map(|marks| {
                let is_filled = |input: &usize| marks[columns.order()[*input]];
                (0..n).map(move |channel_idx| self.sources_of(channel_idx).iter().any(is_filled))
            }));
            outside.push(why);
            last = Some(sample.time);
        }
        if outside.iter().all(Option::is_none) {
            outside.clear();
        }
        let derived = frame.with_channels(self.channels.clone(), values);
        Ok(Derived {
            frame: if filled.is_empty() {
                derived
            } else {
                derived.with_filled(filled)
            },
            outside,
        })
    }

    /// Raw values that are kept at hand.
    pub(super) fn n_remembered(&self) -> usize {
        self.reach.iter().sum()
    }

    /// Rows before a row that what is derived of it may depend on.
    pub(super) fn memory(&self) -> usize {
        let features = self.parts.features.iter().map(|feature| feature.kind.rows());
        let look_back = features.max().unwrap_or(0).saturating_sub(1);
        let operation = self.parts.operation.as_ref();
        let of_operation = operation.map_or(0, |of| of.fill_len + of.blank_len + 1);
        look_back + of_operation
    }

    pub(super) fn set_calendar(&mut self, calendar: Vec<Interval>) {
        match &mut self.parts.operation {
            Some(operation) => operation.calendar = calendar,
            None if calendar.is_empty() => {}
            None => {
                self.parts.operation = Some(Operation {
                    calendar,
                    ..Operation::default()
                });
            }
        }
    }
}

/// A frame of the model's channels, not yet scaled.
#[derive(Debug, Clone, PartialEq)]
pub struct Derived {
    /// All rows of the data; NaN is missing. Rows outside of operation have no features.
    pub frame: Frame,
    /// Why a row is outside of operation, `[n_samples]`; empty where every row counts.
    pub outside: Vec<Option<Outside>>,
}

impl Derived {
    /// The rows of the stretches in operation, in order.
    pub fn stretches(&self) -> Vec<std::ops::Range<usize>> {
        if self.outside.is_empty() {
            return std::iter::once(0..self.frame.n_samples()).collect();
        }
        stretches(&self.outside)
    }

    /// The stretches in operation, in the order of time.
    pub fn pieces(self) -> Vec<Frame> {
        if self.outside.is_empty() {
            return vec![self.frame];
        }
        stretches(&self.outside)
            .into_iter()
            .filter_map(|rows| self.frame.slice(rows).ok())
            .collect()
    }
}

/// The runs of rows that are in operation.
pub(super) fn stretches(outside: &[Option<Outside>]) -> Vec<std::ops::Range<usize>> {
    let mut runs = Vec::new();
    let mut start = 0;
    for (idx, why) in outside.iter().enumerate() {
        if why.is_some() {
            if start < idx {
                runs.push(start..idx);
            }
            start = idx + 1;
        }
    }
    if start < outside.len() {
        runs.push(start..outside.len());
    }
    runs
}

/// A row of raw values at an instant.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawRow<'a> {
    pub(super) time: Timestamp,
    /// Nothing of the rows before it may be used with it.
    pub(super) is_after_gap: bool,
    /// Of the inputs, `[n_inputs]`.
    pub(super) values: &'a [f64],
}

#[cfg(test)]
mod tests;
