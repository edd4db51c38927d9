//! A session judges one device's samples as they come. The same row step, the same arithmetic and the same state
//! machine as for a file: stream and batch give the same bits.

use std::sync::Arc;

use crate::detect::{Detector, Top, finish_row, top_share};
use crate::event::{Event, EventChange, EventId, EventTracker};
use crate::frame::{Channel, Sample, Schema, SeriesId};
use crate::model::ModelError;
use crate::score::{CausalSmoother, window_errors};
use crate::time::Timestamp;
use crate::transform::{ApplyError, PipelineState};
use crate::window::Windows;

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
    /// The event that a gap before the sample ended.
    pub ended: Option<Event>,
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
        let calibrated = &self.parts().causal;
        let (n, len) = (self.pipeline().n_channels(), self.window_len());
        Ok(Session {
            state: PipelineState::new(self.pipeline(), columns),
            channels: schema.channels().to_vec(),
            recent: Recent::new(len, n),
            smoother: CausalSmoother::new(calibrated.smoothing, &calibrated.calibration.prior),
            tracker: EventTracker::new(self.parts().events, series),
            ended: None,
            row: vec![0.0; n],
            marks: vec![true; n],
            errors: vec![0.0; len * n],
            parts: vec![0.0; n],
            shares: vec![0.0; n],
            detector: Arc::clone(self),
        })
    }
}

/// The state of one device's stream: its last window, its smoothed errors, its open event. A few kilobytes.
#[derive(Debug, Clone)]
pub struct Session {
    detector: Arc<Detector>,
    state: PipelineState,
    channels: Vec<Channel>,
    recent: Recent,
    smoother: CausalSmoother,
    tracker: EventTracker,
    ended: Option<Event>,
    // What a push computes with, kept to spare an allocation for each sample.
    row: Vec<f64>,
    marks: Vec<bool>,
    errors: Vec<f64>,
    parts: Vec<f64>,
    shares: Vec<f64>,
}

impl Session {
    /// Takes the next sample; `None` while the first window fills and nothing else is to be said.
    ///
    /// # Errors
    /// [`PushError`]; samples that are refused leave the session as it was.
    pub fn push(&mut self, sample: Sample<'_>) -> Result<Option<Verdict>, PushError> {
        self.check(sample)?;
        let time = sample.time;
        let pipeline = self.detector.pipeline();
        let step = self
            .state
            .step(pipeline, time, sample.values, &mut self.row, &mut self.marks);
        if step.starts_segment {
            self.recent.clear();
            self.smoother.restart();
            // Kept until a verdict tells it: the model may fail on this very sample.
            self.ended = self.tracker.restart();
        }
        self.recent.push(&self.row, &self.marks);
        let is_full = self.recent.is_full();
        let score = if is_full { self.score()? } else { None };
        let change = self.tracker.push(time, score.unwrap_or(f64::NAN), &self.shares);
        let ended = self.ended.take();
        if !is_full && ended.is_none() && change == EventChange::Quiet {
            return Ok(None);
        }
        let top = score.and_then(|_| top_share(&self.shares));
        Ok(Some(Verdict {
            time,
            score,
            top,
            change,
            ended,
        }))
    }

    /// Each channel's share of the last score, `[n_channels]`, summing to 1.
    pub fn shares(&self) -> &[f64] {
        &self.shares
    }

    /// The stream ends: returns the event that is open.
    pub fn finish(mut self) -> Option<Event> {
        self.tracker.finish()
    }

    fn check(&self, sample: Sample<'_>) -> Result<(), PushError> {
        let time = sample.time;
        if sample.values.len() != self.channels.len() {
            return Err(PushError::Shape {
                n_values: sample.values.len(),
                n_channels: self.channels.len(),
            });
        }
        match self.state.last_time() {
            Some(last) if time == last => return Err(PushError::Duplicate { time }),
            Some(last) if time < last => return Err(PushError::Late { time, last }),
            _ => {}
        }
        if let Some(idx) = sample.values.iter().position(|value| value.is_infinite()) {
            let channel = self.channels[idx].name().to_owned();
            return Err(PushError::Infinite { channel, time });
        }
        Ok(())
    }

    /// The score of the window that is full now; its shares go to `self.shares`.
    fn score(&mut self) -> Result<Option<f64>, PushError> {
        let calibrated = &self.detector.parts().causal;
        let calibration = &calibrated.calibration;
        let (windows, marks) = self.recent.window();
        if let Err(error) = answer(&self.detector, windows, &mut self.errors) {
            self.smoother.push(None);
            return Err(error.into());
        }
        let is_scored = window_errors(&self.errors, marks, &calibration.weights, &mut self.row);
        if is_scored {
            calibration.contributions(&self.row, &mut self.parts);
        }
        let smoothed = self.smoother.push(is_scored.then_some(&self.parts[..]));
        Ok(smoothed.map(|smoothed| finish_row(smoothed, calibrated.threshold, &mut self.shares)))
    }
}

/// The model's errors for one window, refused where they are not finite.
fn answer(detector: &Detector, windows: Windows<'_>, errors: &mut [f64]) -> Result<(), ModelError> {
    detector.model().errors(windows, errors)?;
    if errors.iter().all(|error| error.is_finite()) {
        return Ok(());
    }
    Err(ModelError::NotFinite { window_idx: 0 })
}

/// The last rows, one after the other in memory: twice a window's room, moved to its front when it is full.
#[derive(Debug, Clone)]
struct Recent {
    len: usize,
    n_channels: usize,
    values: Vec<f64>,
    observed: Vec<bool>,
    start: usize,
    n_rows: usize,
}

impl Recent {
    fn new(len: usize, n_channels: usize) -> Self {
        Self {
            len,
            n_channels,
            values: vec![0.0; 2 * len * n_channels],
            observed: vec![true; 2 * len * n_channels],
            start: 0,
            n_rows: 0,
        }
    }

    fn clear(&mut self) {
        (self.start, self.n_rows) = (0, 0);
    }

    fn is_full(&self) -> bool {
        self.n_rows == self.len
    }

    fn push(&mut self, row: &[f64], marks: &[bool]) {
        let n = self.n_channels;
        if self.is_full() {
            self.start += 1;
            self.n_rows -= 1;
        }
        if self.start + self.n_rows == 2 * self.len {
            let kept = self.start * n..(self.start + self.n_rows) * n;
            self.values.copy_within(kept.clone(), 0);
            self.observed.copy_within(kept, 0);
            self.start = 0;
        }
        let at = (self.start + self.n_rows) * n;
        self.values[at..at + n].copy_from_slice(row);
        self.observed[at..at + n].copy_from_slice(marks);
        self.n_rows += 1;
    }

    /// The full window, and which of its cells were observed (`None`: all).
    fn window(&self) -> (Windows<'_>, Option<&[bool]>) {
        let cells = self.start * self.n_channels..(self.start + self.len) * self.n_channels;
        let marks = Some(&self.observed[cells.clone()]).filter(|marks| marks.contains(&false));
        let windows = Windows::new(&self.values[cells], marks, self.n_channels, self.len, &[0]);
        (windows, marks)
    }
}
