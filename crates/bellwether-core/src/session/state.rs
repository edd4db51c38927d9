//! A session as plain data: taken out while a device is quiet, or before the program ends, and put back exactly.

use std::sync::Arc;

use super::Session;
use crate::detect::{Detector, Mode};
use crate::event::{Event, TrackerState};
use crate::frame::SeriesId;
use crate::score::CausalSmoother;
use crate::threshold::Level;
use crate::time::Timestamp;
use crate::transform::{DerivationMemory, PipelineMemory, PipelineState};

/// Everything that a session remembers, without its detector.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionState {
    /// Time of the last sample.
    pub last_time: Option<Timestamp>,
    /// The last value of each channel, scaled, `[n_channels]`.
    pub last_value: Vec<f64>,
    /// Rows since each was observed, `[n_channels]`; `usize::MAX`: never in this segment.
    pub age: Vec<usize>,
    /// Rows in a row that brought nothing new of each, `[n_channels]`.
    pub still: Vec<usize>,
    /// What features and modes remember of raw rows.
    pub derivation: DerivationMemory,
    /// The last prepared rows, oldest first, at most a window: `[n_rows, n_channels]`.
    pub recent: Vec<f64>,
    /// Which of their cells were observed.
    pub observed: Vec<bool>,
    /// For each member, the contributions of the rows that its smoothing remembers, oldest first, `[n_channels]` each;
    /// `None`: no score.
    pub contributions: Vec<Vec<Option<Vec<f64>>>>,
    /// What a threshold that follows the rows before remembers of them: their errors, oldest first, NaN where a row does not
    /// count. Empty where the threshold stays.
    pub level: Vec<f64>,
    /// The events of the series.
    pub tracker: TrackerState,
    /// An event that ended and has not been told.
    pub ended: Option<Event>,
}

/// The state is none of this detector: damaged, or of another model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stored state of a session does not fit its model: {problem}")]
pub struct StateError {
    /// What does not fit.
    pub problem: &'static str,
}

impl Session {
    /// What the session remembers.
    pub fn state(&self) -> SessionState {
        let memory = self.state.memory(self.detector.pipeline());
        SessionState {
            last_time: memory.last_time,
            last_value: memory.last_value,
            age: memory.age,
            still: memory.still,
            derivation: memory.derivation,
            recent: self.recent.values.clone(),
            observed: self.recent.observed.clone(),
            contributions: self.smoothers.iter().map(CausalSmoother::rows).collect(),
            level: self.level.rows(),
            tracker: self.tracker.state(),
            ended: self.ended.clone(),
        }
    }
}

impl Detector {
    /// Goes on with a session where its state was taken. Samples are laid out as the pipeline's inputs.
    ///
    /// # Errors
    /// [`StateError`] where the state was not taken from a session of this detector.
    pub fn resume(self: &Arc<Self>, series: SeriesId, state: SessionState) -> Result<Session, StateError> {
        let fits = |fits: bool, problem| if fits { Ok(()) } else { Err(StateError { problem }) };
        let (len, n) = (self.window_len(), self.pipeline().n_channels());
        fits(
            state.last_value.len() == n && state.age.len() == n && state.still.len() == n,
            "it has another number of channels",
        )?;
        fits(
            state.recent.len() == state.observed.len()
                && state.recent.len().is_multiple_of(n)
                && state.recent.len() <= len * n,
            "its rows do not fill a window",
        )?;
        fits(
            state
                .last_value
                .iter()
                .chain(&state.recent)
                .all(|value| value.is_finite()),
            "a value is not finite",
        )?;
        fits(
            state.contributions.len() == self.members().len(),
            "it has another number of members",
        )?;
        let are_contributions = |row: &Vec<f64>| row.len() == n && row.iter().all(|part| part.is_finite());
        for (member, rows) in self.members().iter().zip(&state.contributions) {
            fits(
                rows.len() <= member.parts().causal.smoothing.memory(),
                "it remembers more rows than smoothing does",
            )?;
            fits(
                rows.iter().flatten().all(are_contributions),
                "its contributions are not those of its channels",
            )?;
        }
        let schema = self.pipeline().inputs();
        let mut session = self.session(series.clone(), schema).map_err(|_| StateError {
            problem: "the pipeline does not accept its own channels",
        })?;
        let memory = PipelineMemory {
            last_time: state.last_time,
            last_value: state.last_value,
            age: state.age,
            still: state.still,
            derivation: state.derivation,
        };
        session.state = PipelineState::resume(self.pipeline(), session.state, memory).ok_or(StateError {
            problem: "its features remember other rows",
        })?;
        session.recent.replace(&state.recent, &state.observed);
        let members = self.members().iter().zip(&state.contributions);
        session.smoothers = members
            .map(|(member, rows)| {
                let calibrated = &member.parts().causal;
                CausalSmoother::resume(calibrated.smoothing, &calibrated.calibration.prior, rows)
            })
            .collect();
        session.level = Level::resume(self.threshold(Mode::Causal), self.parts().drifting, state.level)
            .ok_or(StateError {
                problem: "its threshold follows other rows",
            })?;
        session.tracker = state
            .tracker
            .resume(
                self.parts().events,
                series,
                Arc::clone(self.watched()),
                (n, self.members().len()),
            )
            .ok_or(StateError {
                problem: "its events contradict the event rule",
            })?;
        let n_said = self.members().len() + 1;
        let is_ours = |event: &Event| event.shares.len() == n && event.members.len() == n_said;
        session.ended = state.ended.filter(is_ours);
        Ok(session)
    }
}
