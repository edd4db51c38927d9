//! What is learnt from training rows before any model: which channels, their scales, the spacing, the longest gap.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::columns::{ApplyError, Columns};
use super::derive::{Derivation, DerivationParts, DerivationSpec, Derived, Interval, Operation, Training};
use super::scale::{ChannelKind, ChannelScale, ScalerKind};
use super::still::longest_still;
use crate::frame::{Channel, Frame, Schema};
use crate::quantile::{quantile_sorted, sorted_finite};
use crate::time::{Timestamp, humane};

/// Spacings may differ from the trained one by this factor before the data are refused: less than the doubling that a
/// logger set to another rate makes, more than what irregular data vary by.
const CADENCE_FACTOR_MAX: f64 = 1.9;

/// However rarely a channel reports, its last value stands for it during no more samples than this.
const FILL_LEN_MAX: usize = 1024;

/// Fewer samples than this do not tell how they are spaced: one gap among them may be the median.
const CADENCE_SAMPLES_MIN: usize = 10;

/// What a [`Pipeline`] is to learn.
#[derive(Debug, Clone, PartialEq)]
pub struct PipelineSpec {
    /// How channels are scaled.
    pub scaler: ScalerKind,
    /// Samples in a window of the model: decides which gaps can be bridged.
    pub window_len: NonZeroUsize,
    /// Which rows count, and what is worked out of the channels.
    pub derivation: DerivationSpec,
}

impl PipelineSpec {
    /// The default for windows of that length: min-max scaling of the channels as they are, all rows count.
    pub fn for_window(window_len: NonZeroUsize) -> Self {
        Self {
            scaler: ScalerKind::default(),
            window_len,
            derivation: DerivationSpec::default(),
        }
    }

    /// Learns from normal rows of one series or, where several share a model, of several.
    ///
    /// The first frame decides the order of channels; the others need the same ones, in any order.
    ///
    /// # Errors
    /// [`FitError`] where the frames do not belong together or hold too little.
    pub fn fit(&self, train: &[Frame]) -> Result<Pipeline, FitError> {
        let first = train.first().ok_or(FitError::TooFewSamples { n_samples: 0 })?;
        for (frame_idx, frame) in train.iter().enumerate() {
            same_channels(first, frame, frame_idx)?;
        }
        let (cadence, gap_max) = self.spacing(train)?;
        let parts = |channels, fill_len_max, derivation| PipelineParts {
            scaler: self.scaler,
            cadence,
            gap_max,
            fill_len_max,
            channels,
            derivation,
        };
        if self.derivation == DerivationSpec::default() {
            let (channels, fill_len_max) = self.scales(train, gap_max)?;
            return Pipeline::from_parts(parts(channels, fill_len_max, DerivationParts::default()));
        }
        let (schema, derivation) = self.derivation.fit(&Training {
            frames: train,
            cadence,
            gap_max,
            window_len: self.window_len.get(),
        })?;
        let derived = Derivation::new(&schema, derivation.clone())?;
        let mut pieces = Vec::new();
        for frame in train {
            let whole = derived.apply(frame, gap_max);
            pieces.extend(
                whole
                    .map_err(|_| FitError::TooFewSamples { n_samples: 0 })?
                    .pieces(),
            );
        }
        let (channels, fill_len_max) = self.scales(&pieces, gap_max)?;
        Pipeline::from_parts(parts(channels, fill_len_max, derivation))
    }

    /// The scale of each channel, and rows that its last value stands for missing ones.
    fn scales(&self, train: &[Frame], gap_max: Duration) -> Result<(Vec<ChannelScale>, usize), FitError> {
        let first = train.first().ok_or(FitError::TooFewSamples { n_samples: 0 })?;
        let orders = train
            .iter()
            .enumerate()
            .map(|(frame_idx, frame)| same_channels(first, frame, frame_idx))
            .collect::<Result<Vec<_>, _>>()?;
        let mut channels = Vec::with_capacity(first.n_channels());
        for (channel_idx, channel) in first.schema().channels().iter().enumerate() {
            let observed = train.iter().zip(&orders).flat_map(|(frame, order)| {
                let column = frame.values().iter().skip(order[channel_idx]);
                column.step_by(frame.n_channels()).copied()
            });
            let scale = ChannelScale::fit(channel.clone(), self.scaler, &sorted_finite(observed));
            if !scale.is_valid() {
                return Err(FitError::Range {
                    channel: channel.name().to_owned(),
                });
            }
            channels.push(scale);
        }
        if channels.iter().all(ChannelScale::is_unseen) {
            return Err(FitError::NothingObserved);
        }
        let mut longest = vec![0; channels.len()];
        for (frame, order) in train.iter().zip(&orders) {
            longest_still(frame, order, gap_max, &mut longest);
        }
        for (scale, len) in channels.iter_mut().zip(longest) {
            scale.still_len_max = Some(len);
        }
        let silence = train.iter().map(|frame| longest_silence(frame, gap_max)).max();
        let window_len = self.window_len.get();
        Ok((channels, silence.unwrap_or(0).min(FILL_LEN_MAX).max(window_len)))
    }

    /// Cadence (median of the frames' own) and longest bridged spacing of all frames together.
    fn spacing(&self, train: &[Frame]) -> Result<(Duration, Duration), FitError> {
        let steps = train.iter().flat_map(|frame| {
            let pairs = frame.time().windows(2);
            pairs.map(|pair| pair[1].since(pair[0]).as_secs_f64())
        });
        let steps = sorted_finite(steps);
        if steps.is_empty() {
            let n_samples = train.iter().map(Frame::n_samples).sum();
            return Err(FitError::TooFewSamples { n_samples });
        }
        let mut cadences: Vec<Duration> = train.iter().map(|frame| frame.schema().cadence()).collect();
        cadences.sort_unstable();
        let cadence = cadences[cadences.len() / 2];
        for (frame_idx, frame) in train.iter().enumerate() {
            let found = frame.schema().cadence();
            if !cadences_agree(cadence, found) {
                return Err(FitError::Cadence {
                    frame_idx,
                    found,
                    wanted: cadence,
                });
            }
        }
        let window = cadence.saturating_mul(u32::try_from(self.window_len.get()).unwrap_or(u32::MAX));
        let usual = Duration::from_secs_f64(2.0 * quantile_sorted(&steps, 0.99));
        Ok((cadence, window.max(usual)))
    }
}

/// Where each channel of the first frame stands in `frame`.
fn same_channels(first: &Frame, frame: &Frame, frame_idx: usize) -> Result<Vec<usize>, FitError> {
    let wanted = first.schema().channels();
    let order: Vec<usize> = wanted
        .iter()
        .filter_map(|channel| frame.schema().channel_idx(channel.name()))
        .collect();
    if order.len() == wanted.len() && frame.n_channels() == wanted.len() {
        return Ok(order);
    }
    let lacking = |of: &Schema, from: &Schema| {
        let names = from.channels().iter().map(Channel::name);
        let absent = names.filter(|name| of.channel_idx(name).is_none());
        absent.map(str::to_owned).collect()
    };
    Err(FitError::Channels {
        frame_idx,
        missing: lacking(frame.schema(), first.schema()),
        extra: lacking(first.schema(), frame.schema()),
    })
}

/// The longest run of missing cells between two observed ones of a channel, gaps apart.
///
/// Runs at the end of a frame do not count: nothing shows that the channel came back.
fn longest_silence(frame: &Frame, gap_max: Duration) -> usize {
    let mut last_seen = vec![None; frame.n_channels()];
    let mut longest = 0;
    for (sample_idx, row) in frame.values().chunks_exact(frame.n_channels()).enumerate() {
        let time = frame.time();
        if sample_idx > 0 && time[sample_idx].since(time[sample_idx - 1]) > gap_max {
            last_seen.fill(None);
        }
        for (value, last_seen) in row.iter().zip(&mut last_seen) {
            if !value.is_nan() {
                let silence = last_seen.map_or(0, |seen: usize| sample_idx - seen - 1);
                longest = longest.max(silence);
                *last_seen = Some(sample_idx);
            }
        }
    }
    longest
}

/// Whether two spacings are the same for a model; an unknown one (zero) agrees with any.
fn cadences_agree(one: Duration, other: Duration) -> bool {
    let (one, other) = (one.as_secs_f64(), other.as_secs_f64());
    one <= 0.0 || other <= 0.0 || (one / other).max(other / one) <= CADENCE_FACTOR_MAX
}

/// Everything a [`Pipeline`] knows, as plain data.
#[derive(Debug, Clone, PartialEq)]
pub struct PipelineParts {
    /// How the scales were found.
    pub scaler: ScalerKind,
    /// Median spacing of the training rows.
    pub cadence: Duration,
    /// A longer spacing than this starts a new segment, which knows nothing of the rows before it.
    ///
    /// The longer of a window and twice the 99 % quantile of the training spacings: less is jitter that windows
    /// bridge, more would make a window claim that what lies far apart was neighbouring.
    pub gap_max: Duration,
    /// Samples during which the last observed value stands for missing ones; afterwards the training median does.
    ///
    /// The longest silence between two values of any channel in training, at least one window and at most 1024
    /// samples. Bounded, so that a row's score depends on a bounded past, wherever a file was cut.
    pub fill_len_max: usize,
    /// The channels in the order of prepared rows.
    pub channels: Vec<ChannelScale>,
    /// Which rows count, and which of the channels are worked out of others.
    pub derivation: DerivationParts,
}

/// The fitted way from raw rows to prepared ones; never refitted on what is being judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Pipeline {
    parts: PipelineParts,
    schema: Schema,
    derivation: Derivation,
}

impl Pipeline {
    /// A pipeline of plain data, as read from a bundle.
    ///
    /// # Errors
    /// [`FitError`] where there is no channel, a name stands twice, or a scale is not usable.
    pub fn from_parts(parts: PipelineParts) -> Result<Self, FitError> {
        if let Some(bad) = parts.channels.iter().find(|scale| !scale.is_valid()) {
            return Err(FitError::Range {
                channel: bad.channel.name().to_owned(),
            });
        }
        if parts.channels.iter().all(ChannelScale::is_unseen) {
            return Err(FitError::NothingObserved);
        }
        let channels: Vec<Channel> = parts.channels.iter().map(|scale| scale.channel.clone()).collect();
        let schema = Schema::new(channels, parts.cadence)?;
        let derivation = Derivation::new(&schema, parts.derivation.clone())?;
        Ok(Self {
            parts,
            schema,
            derivation,
        })
    }

    /// All it knows, as plain data.
    pub fn parts(&self) -> &PipelineParts {
        &self.parts
    }

    /// Channels and cadence of the training rows.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The channels that data must have, in the order of the samples of a live system: those of the rows that are not
    /// worked out of others, and what else features and modes look at.
    pub fn inputs(&self) -> &Schema {
        self.derivation.inputs()
    }

    /// Where a channel of prepared rows stands among the [inputs](Self::inputs); `None` for a feature.
    pub fn input_idx(&self, channel_idx: usize) -> Option<usize> {
        self.derivation.input_idx(channel_idx)
    }

    /// Which rows count as operation; `None`: all.
    pub fn operation(&self) -> Option<&Operation> {
        self.derivation.parts().operation.as_ref()
    }

    /// The same pipeline for which some stretches of time do not count, in place of those it had.
    #[must_use]
    pub fn with_calendar(mut self, calendar: Vec<Interval>) -> Self {
        self.derivation.set_calendar(calendar);
        self.parts.derivation = self.derivation.parts().clone();
        self
    }

    /// The rest of the way for rows that are [derived](Self::derive) already.
    pub fn after_derivation(&self) -> Self {
        let parts = PipelineParts {
            derivation: DerivationParts::default(),
            ..self.parts.clone()
        };
        Self::from_parts(parts).expect("a pipeline without features is a pipeline")
    }

    /// Rows of the model's channels in their own units, features worked out, and which of them count.
    ///
    /// # Errors
    /// [`ApplyError`] where the data do not fit.
    pub fn derive(&self, frame: &Frame) -> Result<Derived, ApplyError> {
        self.check_frame(frame)?;
        self.derivation.apply(frame, self.parts.gap_max)
    }

    /// Rows before a row that its prepared values may depend on.
    pub fn memory(&self) -> usize {
        let stopped_after = self.scales().iter().filter_map(ChannelScale::stopped_after).max();
        self.parts.fill_len_max.max(stopped_after.unwrap_or(0)) + self.derivation.memory()
    }

    /// Raw values that features and modes keep at hand.
    pub fn n_remembered(&self) -> usize {
        self.derivation.n_remembered()
    }

    pub(super) fn derivation(&self) -> &Derivation {
        &self.derivation
    }

    /// Rows of a frame with these times that begin a segment: the first, and each after a gap that is not bridged.
    pub fn segment_starts(&self, time: &[Timestamp]) -> Vec<usize> {
        let is_start = |row: &usize| *row == 0 || time[*row].since(time[*row - 1]) > self.parts.gap_max;
        (0..time.len()).filter(is_start).collect()
    }

    /// How many channels prepared rows have.
    pub fn n_channels(&self) -> usize {
        self.parts.channels.len()
    }

    /// The scales, one per channel.
    pub fn scales(&self) -> &[ChannelScale] {
        &self.parts.channels
    }

    /// Channels that no training row held a value of: they are left out of every score.
    pub fn unseen_channels(&self) -> impl Iterator<Item = &Channel> {
        let unseen = self.parts.channels.iter().filter(|scale| scale.is_unseen());
        unseen.map(|scale| &scale.channel)
    }

    /// How much each channel counts in an error; mean 1.
    ///
    /// Continuous and constant channels count alike; all discrete ones share the weight of one, because command
    /// bits come by the dozen and say much the same; unseen channels count nothing.
    pub fn channel_weights(&self) -> Vec<f64> {
        let n_discrete = self.n_of_kind(ChannelKind::Discrete).max(1) as f64;
        let mut weights: Vec<f64> = self
            .scales()
            .iter()
            .map(|scale| match scale.kind {
                _ if scale.is_unseen() => 0.0,
                ChannelKind::Discrete => 1.0 / n_discrete,
                ChannelKind::Constant | ChannelKind::Continuous => 1.0,
            })
            .collect();
        let mean = weights.iter().sum::<f64>() / weights.len() as f64;
        for weight in &mut weights {
            *weight /= mean;
        }
        weights
    }

    /// Independent channels, roughly: the continuous ones, and one for all discrete ones together; at least 1.
    pub fn n_effective(&self) -> usize {
        let n_discrete = self.n_of_kind(ChannelKind::Discrete);
        (self.n_of_kind(ChannelKind::Continuous) + usize::from(n_discrete > 0)).max(1)
    }

    /// How many channels are of `kind`.
    pub fn n_of_kind(&self, kind: ChannelKind) -> usize {
        self.scales().iter().filter(|scale| scale.kind == kind).count()
    }

    /// Whether data of `schema` fit, and where each channel stands in them. Matched by name; the order is free, and a
    /// schema without a cadence (zero) has none to disagree with.
    ///
    /// # Errors
    /// [`ApplyError`] where a channel is missing or the samples are spaced otherwise.
    pub fn check(&self, schema: &Schema) -> Result<Columns, ApplyError> {
        if !cadences_agree(self.parts.cadence, schema.cadence()) {
            return Err(ApplyError::Cadence {
                found: schema.cadence(),
                trained: self.parts.cadence,
            });
        }
        Columns::matching(self.inputs().channels(), schema)
    }

    /// As [`Pipeline::check`], but the spacing of fewer than ten samples is taken as it is.
    pub(super) fn check_frame(&self, frame: &Frame) -> Result<Columns, ApplyError> {
        if frame.n_samples() < CADENCE_SAMPLES_MIN {
            return Columns::matching(self.inputs().channels(), frame.schema());
        }
        self.check(frame.schema())
    }
}

/// Why a [`Pipeline`] cannot be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FitError {
    /// No spacing can be found.
    #[error("{n_samples} training samples: at least two of one series are needed")]
    TooFewSamples {
        /// Samples of all frames.
        n_samples: usize,
    },
    /// Frames of different machines.
    #[error(
        "training series {frame_idx} lacks channels {missing:?} and adds {extra:?}: series that share a model need the same channels"
    )]
    Channels {
        /// Position of the frame in the call.
        frame_idx: usize,
        /// Channels of the first frame that it lacks.
        missing: Vec<String>,
        /// Channels that the first frame lacks.
        extra: Vec<String>,
    },
    /// Frames of different spacing.
    #[error(
        "training series {frame_idx} has a sample every {}, most every {}: series that share a model \
         need one spacing",
        humane(*.found), humane(*.wanted)
    )]
    Cadence {
        /// Position of the frame in the call.
        frame_idx: usize,
        /// Its spacing.
        found: Duration,
        /// The median spacing of all.
        wanted: Duration,
    },
    /// A channel's scale is not a usable number.
    #[error("channel {channel:?} has no usable range: its training values lie too far apart for arithmetic")]
    Range {
        /// The channel.
        channel: String,
    },
    /// Every cell is missing.
    #[error("no training sample holds a value: every cell is missing")]
    NothingObserved,
    /// The channels are unusable.
    #[error(transparent)]
    Schema(#[from] crate::frame::SchemaError),
    /// A feature cannot be worked out.
    #[error("the feature {feature:?} cannot be: {problem}")]
    Feature {
        /// Its name.
        feature: String,
        /// Why.
        problem: String,
    },
    /// The condition of the mode names channels that are not there.
    #[error("the condition of the mode cannot be told")]
    Mode(#[from] crate::condition::UnknownChannels),
    /// Blanking is too long.
    #[error("blanking takes {rows} rows, wanted at most {rows_max}: shorten it")]
    Blanking {
        /// Rows wanted.
        rows: usize,
        /// Rows there may be.
        rows_max: usize,
    },
    /// No row counts.
    #[error(
        "no training row is in operation ({operation}): look at the condition of the mode and the blanking"
    )]
    NeverInOperation {
        /// What would be.
        operation: String,
    },
}

impl FitError {
    pub(super) fn feature(feature: &str, problem: String) -> Self {
        Self::Feature {
            feature: feature.to_owned(),
            problem,
        }
    }
}

#[cfg(test)]
mod tests;
