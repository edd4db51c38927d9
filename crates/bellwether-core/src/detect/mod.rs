//! A detector: pipeline, members, thresholds and event rule as one thing that scores rows.
//!
//! [`Detector::calibrate`] makes one from held-out normal rows, [`Detector::from_parts`] from stored numbers.
//! [`Detector::score`] judges a frame; [`crate::session`] judges a stream, with the same bits.

mod blocks;
mod calibrate;
mod combination;
mod expected;
mod held_out;
mod joined;
mod member;
mod mode;
mod rarity;
mod ruled;
mod scores;
mod unsmoothed;

use std::sync::Arc;

pub(crate) use blocks::{BLOCK_WINDOWS, last_row_errors};
pub use calibrate::{CalibrateError, CalibrationReport, CalibrationSpec, Candidate, ModeReport};
pub(crate) use combination::Buckets;
pub use combination::Combination;
pub use expected::Expected;
pub use joined::Top;
pub(crate) use joined::{Joined, finish_members, finish_row, top_share};
pub use member::{Calibrated, Member, MemberParts};
pub use mode::{Mode, ModeError};
pub use rarity::Rarity;
pub use scores::{ScoredRow, Scores, Unscored};

use crate::event::{EventRule, Watched};
use crate::frame::{Frame, SeriesId};
use crate::model::{Answers, Model, ModelError};
use crate::score::{CalibrationError, ChannelRule, Ranges, Tail, ValidRanges, add_stopped, ruled_weights};
use crate::threshold::{Drifting, Level, Threshold};
use crate::transform::{ApplyError, Interval, Pipeline};

/// No weight is larger: what is added up stays finite.
const WEIGHT_MAX: f64 = 1e6;

/// Everything of a detector but its models, as plain data.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectorParts {
    /// From raw rows to prepared ones.
    pub pipeline: Pipeline,
    /// From errors of each model to its surprise, at least one.
    pub members: Vec<MemberParts>,
    /// How surprises become one.
    pub combination: Combination,
    /// What all channels far outside of their training ranges add to the surprise of the members; not below zero.
    pub range_weight: f64,
    /// The joined causal error at which the score is 1.
    pub causal: Threshold,
    /// The joined retrospective error at which the score is 1.
    pub retrospective: Threshold,
    /// How the causal threshold follows the level of the rows before; `None` where it stays.
    pub drifting: Option<Drifting>,
    /// How rare scores are among normal rows; `None` in detectors made before it was kept.
    pub rarity: Option<Rarity>,
    /// From scores to events.
    pub events: EventRule,
    /// What people know of the channels beforehand: one for each channel of the pipeline, or none at all.
    pub rules: Vec<ChannelRule>,
}

/// Judges rows of one kind of machine. Nothing in it changes with what it judges; one serves many threads.
#[derive(Debug, Clone)]
pub struct Detector {
    parts: DetectorParts,
    members: Vec<Member>,
    ranges: Ranges,
    valid: ValidRanges,
    /// Whether a channel counts at all, `[n_channels]`.
    counts: Vec<bool>,
    watched: Arc<Watched>,
    weight: f64,
    window_len: usize,
}

impl Detector {
    /// A detector of stored numbers and the models of its members, in their order.
    ///
    /// # Errors
    /// [`PartsError`] where they do not belong together or are not usable.
    pub fn from_parts(parts: DetectorParts, models: Vec<Arc<dyn Model>>) -> Result<Self, PartsError> {
        if parts.members.is_empty() || parts.members.len() != models.len() {
            return Err(PartsError::Members {
                n_members: parts.members.len(),
                n_models: models.len(),
            });
        }
        if !(0.0..=WEIGHT_MAX).contains(&parts.range_weight) {
            return Err(PartsError::RangeWeight {
                weight: parts.range_weight,
            });
        }
        let rarity = parts.rarity.iter().flat_map(|of| [&of.causal, &of.retrospective]);
        if !rarity.into_iter().all(Tail::is_valid) {
            return Err(PartsError::Rarity);
        }
        check_rules(&parts.pipeline, &parts.rules)?;
        let mut members = Vec::with_capacity(models.len());
        for (member_idx, (of, model)) in parts.members.iter().zip(models).enumerate() {
            check_model(&parts.pipeline, &*model)?;
            of.check(member_idx, parts.pipeline.n_channels())?;
            members.push(Member {
                parts: of.clone(),
                model: ruled::ruled(model, &parts.pipeline, &parts.rules),
            });
        }
        let window_len = members.iter().map(|member| member.model.window().len.get());
        let window_len = window_len.max().unwrap_or(1);
        // What is known before an event reaches no further than a score does.
        let reach = window_len + memory(&members) - 1;
        let channel_weights = ruled_weights(&parts.pipeline, &parts.rules);
        Ok(Self {
            watched: Arc::new(Watched::new(&parts.pipeline, reach)),
            ranges: Ranges::new(&parts.pipeline, &channel_weights, parts.range_weight),
            valid: ValidRanges::new(&parts.pipeline, &parts.rules),
            counts: channel_weights.iter().map(|weight| *weight > 0.0).collect(),
            weight: members.iter().map(|member| member.parts.weight).sum(),
            window_len,
            members,
            parts,
        })
    }

    /// All but the models, as plain data.
    pub fn parts(&self) -> &DetectorParts {
        &self.parts
    }

    /// From raw rows to prepared ones.
    pub fn pipeline(&self) -> &Pipeline {
        &self.parts.pipeline
    }

    /// What knows normal windows, at least one.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The names of its members in their order, and last `ranges`, the training ranges: whose shares
    /// [`Event::members`](crate::event::Event::members) are.
    pub fn member_names(&self) -> impl Iterator<Item = &'static str> + '_ {
        let names = self.members.iter().map(|member| member.model.name());
        names.chain(std::iter::once("ranges"))
    }

    /// The member that is asked what was expected: the first that answers for whole windows, or else the first.
    pub fn lead(&self) -> &Member {
        let answers_for_windows = |member: &&Member| member.model.answers() == Answers::Window;
        self.members
            .iter()
            .find(answers_for_windows)
            .unwrap_or(&self.members[0])
    }

    /// The joined error at which the score of that mode is 1; where it follows a level, where that is the usual one.
    pub fn threshold(&self, mode: Mode) -> Threshold {
        match mode {
            Mode::Causal => self.parts.causal,
            Mode::Retrospective => self.parts.retrospective,
        }
    }

    /// The same detector with another threshold of that mode.
    pub fn with_threshold(mut self, mode: Mode, threshold: Threshold) -> Self {
        match mode {
            Mode::Causal => (self.parts.causal, self.parts.drifting) = (threshold, None),
            Mode::Retrospective => self.parts.retrospective = threshold,
        }
        self
    }

    /// The threshold of the first row of a series, and of those behind it as it takes them.
    pub(crate) fn level(&self, mode: Mode) -> Level {
        let drifting = self.parts.drifting.filter(|_| mode == Mode::Causal);
        Level::new(self.threshold(mode), drifting)
    }

    /// The same detector for which some stretches of time do not count as operation, in place of those it had.
    #[must_use]
    pub fn with_calendar(mut self, calendar: Vec<Interval>) -> Self {
        self.parts.pipeline = self.parts.pipeline.with_calendar(calendar);
        self
    }

    /// Weight of all members.
    pub(crate) fn weight(&self) -> f64 {
        self.weight
    }

    /// Adds to a row's parts what needs no model: values outside of the training rows, and outside of what is valid; and
    /// channels that have `stopped`. Returns the error that a level may follow: without the two last, NaN where there are any.
    ///
    /// # Shapes
    /// `row`, scaled, and `observed` (`None`: all): `[n_channels]`.
    pub(crate) fn add_outside(
        &self,
        threshold: Threshold,
        (row, observed): (&[f64], Option<&[bool]>),
        stopped: impl Iterator<Item = usize> + Clone,
        joined: &mut Joined<'_>,
    ) -> f64 {
        let of_ranges = self.ranges.add(row, observed, joined.parts);
        let plain: f64 = joined.parts.iter().sum();
        let of_valid = self.valid.add(row, observed, threshold, joined.parts);
        let stopped = stopped.filter(|&channel_idx| self.counts[channel_idx]);
        let of_stopped = add_stopped(stopped, threshold, joined.parts);
        if let Some(added) = joined.members.last_mut() {
            *added = of_ranges + of_valid + of_stopped;
        }
        if of_valid + of_stopped > 0.0 {
            f64::NAN
        } else {
            plain
        }
    }

    /// What events know of the channels.
    pub(crate) fn watched(&self) -> &Arc<Watched> {
        &self.watched
    }

    /// Rows in the longest window of its members: the first causal score comes with the last of so many rows.
    pub fn window_len(&self) -> usize {
        self.window_len
    }

    /// Rows that a causal score depends on, its own included: a file cut with `context_len() - 1` rows before the
    /// first one wanted gives the same bits as the whole.
    ///
    /// A score joins `memory` windows; the first of these may hold values carried forward from before it, and features
    /// that look back further. A threshold that follows the rows before asks for so many scores more.
    pub fn context_len(&self) -> usize {
        let followed = self.parts.drifting.map_or(0, |of| of.depth());
        self.window_len() + memory(&self.members) - 1 + self.pipeline().memory() + followed
    }

    /// Rows before and after a stretch that its scores of that mode depend on: a frame cut so far from it on both sides
    /// gives the same bits for it as the whole.
    pub fn surroundings(&self, mode: Mode) -> (usize, usize) {
        match mode {
            Mode::Causal => (self.context_len() - 1, 0),
            Mode::Retrospective => {
                let memory = self
                    .members
                    .iter()
                    .map(|member| member.parts.retrospective.smoothing.memory());
                // A row's windows, those of the rows that are smoothed with it, and what was carried forward into them.
                let after = 2 * self.window_len() + memory.max().unwrap_or(1);
                (after + self.pipeline().memory(), after)
            }
        }
    }

    /// Scores a frame of `series`, in memory about twice the frame's own.
    ///
    /// # Errors
    /// [`DetectError`] where the frame does not fit or the model gives no answer.
    pub fn score(&self, series: &SeriesId, frame: Frame, mode: Mode) -> Result<Scores, DetectError> {
        self.score_with(series, frame, mode, &mut |_| {})
    }

    /// As [`Detector::score`], and shows each scored row with the shares of all channels as it comes.
    ///
    /// # Errors
    /// As [`Detector::score`].
    pub fn score_with(
        &self,
        series: &SeriesId,
        frame: Frame,
        mode: Mode,
        visit: &mut dyn FnMut(ScoredRow<'_>),
    ) -> Result<Scores, DetectError> {
        let prepared = self.pipeline().apply(frame)?;
        Ok(scores::score_rows(
            self,
            series,
            prepared,
            mode,
            blocks::BLOCK_WINDOWS,
            visit,
        )?)
    }
}

/// Rows that the longest causal smoothing remembers.
fn memory(members: &[Member]) -> usize {
    let memory = members
        .iter()
        .map(|member| member.parts.causal.smoothing.memory());
    memory.max().unwrap_or(1)
}

/// Whether the model's windows are the pipeline's rows.
fn check_model(pipeline: &Pipeline, model: &dyn Model) -> Result<(), PartsError> {
    if pipeline.n_channels() == model.n_channels() {
        return Ok(());
    }
    Err(PartsError::Channels {
        pipeline: pipeline.n_channels(),
        model: model.n_channels(),
    })
}

/// Whether there is a usable rule for each channel, or none at all.
fn check_rules(pipeline: &Pipeline, rules: &[ChannelRule]) -> Result<(), PartsError> {
    let n_channels = pipeline.n_channels();
    if !(rules.is_empty() || rules.len() == n_channels) {
        return Err(PartsError::Rules {
            n_rules: rules.len(),
            n_channels,
        });
    }
    match rules.iter().position(|rule| !rule.is_valid()) {
        None => Ok(()),
        Some(channel_idx) => Err(PartsError::Rule { channel_idx }),
    }
}

/// Why parts make no [`Detector`].
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PartsError {
    /// Pipeline and model are of different machines.
    #[error("the pipeline has {pipeline} channels, the model {model}: they do not belong together")]
    Channels {
        /// Channels of the pipeline.
        pipeline: usize,
        /// Channels of the model.
        model: usize,
    },
    /// Not one model for each member, or no member.
    #[error("{n_members} members and {n_models} models: wanted one model for each of at least one member")]
    Members {
        /// Members described.
        n_members: usize,
        /// Models given.
        n_models: usize,
    },
    /// A weight is out of range.
    #[error(
        "the weight {weight} of member {member_idx} is not usable: wanted a number above zero, at most 1000000"
    )]
    Weight {
        /// Position of the member.
        member_idx: usize,
        /// Its weight.
        weight: f64,
    },
    /// The weight of the training ranges is out of range.
    #[error(
        "the weight {weight} of the training ranges is not usable: wanted a number not below zero, at most 1000000"
    )]
    RangeWeight {
        /// The weight.
        weight: f64,
    },
    /// Not one rule for each channel.
    #[error("{n_rules} rules for {n_channels} channels: wanted one for each, or none at all")]
    Rules {
        /// Rules given.
        n_rules: usize,
        /// Channels of the pipeline.
        n_channels: usize,
    },
    /// The rule of a channel is out of range.
    #[error(
        "the rule of channel {channel_idx} is not usable: wanted a least deviation not below zero, a range that \
         ends above its start, and a weight from 0 to 1000000"
    )]
    Rule {
        /// Position of the channel.
        channel_idx: usize,
    },
    /// A calibration does not fit or holds unusable numbers.
    #[error("the {mode} calibration of member {member_idx} is not usable")]
    Calibration {
        /// Position of the member.
        member_idx: usize,
        /// Which.
        mode: Mode,
        /// What is wrong with it.
        source: CalibrationError,
    },
    /// A span is out of range.
    #[error(
        "the {mode} smoothing span {span} of member {member_idx} is not usable: wanted 1 to 1000000 samples"
    )]
    Smoothing {
        /// Position of the member.
        member_idx: usize,
        /// Which.
        mode: Mode,
        /// The span.
        span: f64,
    },
    /// The tails of scores hold unusable numbers.
    #[error(
        "the rarity of scores is not usable: wanted 99 rising quantiles and a slope above zero for each mode"
    )]
    Rarity,
    /// A norm holds unusable numbers.
    #[error(
        "the {mode} norm of member {member_idx} is not usable: wanted a number above zero for each channel"
    )]
    Norm {
        /// Position of the member.
        member_idx: usize,
        /// Which.
        mode: Mode,
    },
    /// A tail holds unusable numbers.
    #[error(
        "the {mode} tail of member {member_idx} is not usable: wanted 99 rising quantiles and a slope above zero"
    )]
    Tail {
        /// Position of the member.
        member_idx: usize,
        /// Which.
        mode: Mode,
    },
}

/// Why a frame gets no scores.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DetectError {
    /// The data do not fit the pipeline.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The model gave no answer.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Rows were asked for that are not there.
    #[error("rows {start} to {end} were asked for; the data have {n_samples}")]
    NoSuchRows {
        /// First row.
        start: usize,
        /// Row after the last.
        end: usize,
        /// Rows there are.
        n_samples: usize,
    },
}

#[cfg(test)]
pub(crate) mod tests;
