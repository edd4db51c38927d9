//! A session judges one device's samples as they come. The same row step, the same arithmetic and the same state
//! machine as for a file: stream and batch give the same bits.
//!
//! [`Session::push`] takes one sample; [`judge`] takes samples of many devices and asks the model about all their
//! windows at once. [`SessionState`] is a session as plain data, to be kept while nothing comes.

mod judged;
mod recent;
mod state;
mod turn;

use std::sync::Arc;

use crate::detect::{Detector, Mode, Top};
use crate::event::{Event, EventChange, EventId, EventTracker};
use crate::frame::{Channel, Sample, Schema, SeriesId};
use crate::model::ModelError;
use crate::score::CausalSmoother;
use crate::threshold::Level;
use crate::time::Timestamp;
use crate::transform::{ApplyError, Outside, PipelineState};
pub use judged::Judged;
use recent::Recent;
pub use state::{SessionState, StateError};
pub use turn::{Scratch, Turn, judge};

/// What a sample made known.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// When the sample was measured.
    pub time: Timestamp,
    /// At least 0, 1.0 is the threshold; `None` where too little of the window was observed.
    pub score: Option<f64>,
    /// The channel with the largest share of the score.
    pub top: Option<Top>,
    /// What the sample did to the series' events.
    pub change: EventChange,
    /// The event that a gap before the sample ended, or the sample that does not count.
    pub ended: Option<Event>,
    /// Why the sample does not count as operation; it has no score then.
    pub outside: Option<Outside>,
}

impl Verdict {
    /// Whether the score is at or above the threshold; `None` where there is none.
    pub fn is_anomaly(&self) -> Option<bool> {
        self.score.map(|score| score >= 1.0)
    }

    /// The event the sample lies in, as known now.
    pub fn event(&self) -> Option<EventId> {
        self.change.event()
    }

    /// The event that is over, as is known now; never more than one.
    pub fn closed(&self) -> Option<&Event> {
        match &self.change {
            EventChange::Closed(event) => Some(event),
            _ => self.ended.as_ref(),
        }
    }
}

/// Why a sample is refused, or gets no score.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// A sample of that time was taken already; this one is dropped.
    #[error("the sample of {time} was taken already")]
    Duplicate {
        /// Its time.
        time: Timestamp,
    },
    /// The sample lies before the last one taken; it is dropped.
    #[error("the sample of {time} comes after that of {last}: late samples are dropped")]
    Late {
        /// Its time.
        time: Timestamp,
        /// Time of the last sample taken.
        last: Timestamp,
    },
    /// The sample does not have the channels that were announced; it is dropped.
    #[error("a sample of {n_values} values where {n_channels} channels were announced")]
    Shape {
        /// Values of the sample.
        n_values: usize,
        /// Channels of the schema.
        n_channels: usize,
    },
    /// A value is infinite; the sample is dropped.
    #[error("channel {channel:?} of the sample of {time} is infinite; send NaN for a missing value")]
    Infinite {
        /// The channel.
        channel: String,
        /// Time of the sample.
        time: Timestamp,
    },
    /// The model gave no answer; the sample is taken and has no score.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl Detector {
    /// Begins to judge samples of `series` laid out as `schema` says.
    ///
    /// # Errors
    /// [`ApplyError`] where channels are missing or samples are spaced otherwise.
    pub fn session(self: &Arc<Self>, series: SeriesId, schema: &Schema) -> Result<Session, ApplyError> {
        let columns = self.pipeline().check(schema)?;
        let n = self.pipeline().n_channels();
        Ok(Session {
            state: PipelineState::new(self.pipeline(), columns),
            channels: schema.channels().into(),
            recent: Recent::default(),
            smoothers: self
                .members()
                .iter()
                .map(|member| {
                    let calibrated = &member.parts().causal;
                    CausalSmoother::new(calibrated.smoothing, &calibrated.calibration.prior)
                })
                .collect(),
            level: self.level(Mode::Causal),
            tracker: EventTracker::new(self.parts().events, series, Arc::clone(self.watched())),
            ended: None,
            shares: vec![0.0; n],
            members: vec![0.0; self.members().len() + 1],
            detector: Arc::clone(self),
        })
    }
}

/// The state of one device's stream: its last window, its smoothed errors, its open event. A few kilobytes.
#[derive(Debug, Clone)]
pub struct Session {
    detector: Arc<Detector>,
    state: PipelineState,
    channels: Arc<[Channel]>,
    recent: Recent,
    /// One for each member.
    smoothers: Vec<CausalSmoother>,
    /// The threshold of the next row.
    level: Level,
    tracker: EventTracker,
    /// An event that a gap ended, kept until a verdict tells it: the model may fail on the sample after the gap.
    ended: Option<Event>,
    shares: Vec<f64>,
    /// Each member's share of the last score, and that of the training ranges.
    members: Vec<f64>,
}

impl Session {
    /// Takes the next sample; `None` while the first window fills and nothing else is to be said.
    ///
    /// # Errors
    /// [`PushError`]; samples that are refused leave the session as it was.
    pub fn push(&mut self, sample: Sample<'_>) -> Result<Option<Verdict>, PushError> {
        let mut answer = Ok(None);
        let mut turn = [Turn {
            session: self,
            samples: &[sample],
            filled: &[],
        }];
        judge(&mut turn, &mut Scratch::default(), &mut |judged| {
            answer = judged.answer
        });
        answer
    }

    /// What judges.
    pub fn detector(&self) -> &Arc<Detector> {
        &self.detector
    }

    /// Time of the last sample taken.
    pub fn last_time(&self) -> Option<Timestamp> {
        self.state.last_time()
    }

    /// Each channel's share of the last score, `[n_channels]`, summing to 1.
    pub fn shares(&self) -> &[f64] {
        &self.shares
    }

    /// The event that is open, as far as it is known.
    pub fn open_event(&self) -> Option<Event> {
        self.tracker.open_event()
    }

    /// The stream ends: returns the event that is open.
    pub fn finish(mut self) -> Option<Event> {
        self.tracker.finish()
    }
}

#[cfg(test)]
mod tests;
