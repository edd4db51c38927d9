//! A job in memory and in the database.

use bellwether_core::time::Timestamp;
use bellwether_store::database::{Job, JobState};
use bellwether_stream::clock;
use serde::{Deserialize, Serialize};

use crate::wire::Time;

/// A training job.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TrainJob {
    pub(crate) id: String,
    pub(crate) state: JobState,
    /// The model that gets a version.
    pub(crate) name: String,
    pub(crate) made_by: String,
    pub(crate) created_at: Timestamp,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) error: Option<String>,
    pub(crate) detail: Detail,
}

/// What the database keeps of a job as JSON.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Detail {
    pub(crate) asked: Asked,
    /// Passes done.
    pub(crate) epoch: usize,
    /// Passes at most; unknown before the first.
    pub(crate) epochs: Option<usize>,
    pub(crate) loss: Vec<EpochLoss>,
    /// The version that it became.
    pub(crate) model: Option<String>,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    /// Patterns of device names.
    pub(crate) devices: Vec<String>,
    pub(crate) from: Option<Time>,
    pub(crate) to: Option<Time>,
    /// A table was sent; it is not kept.
    pub(crate) is_table: bool,
    pub(crate) epochs: Option<usize>,
    pub(crate) window: Option<usize>,
    /// Such as `1/week`.
    pub(crate) alarm_budget: Option<String>,
    pub(crate) seed: Option<u64>,
}

/// Losses of one pass.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct EpochLoss {
    /// From 1.
    pub(crate) epoch: usize,
    pub(crate) train_loss: Option<f64>,
    pub(crate) val_loss: Option<f64>,
}

/// The kind of job that this is.
pub(crate) const TRAIN: &str = "train";

impl TrainJob {
    pub(super) fn new(id: String, name: String, asked: Asked, made_by: &str) -> Self {
        Self {
            id,
            state: JobState::Waiting,
            name,
            made_by: made_by.to_owned(),
            created_at: clock::now(),
            started_at: None,
            ended_at: None,
            error: None,
            detail: Detail {
                asked,
                ..Detail::default()
            },
        }
    }

    /// As it is stored. A detail that cannot be read is one that nobody knows anything of.
    pub(super) fn read(job: Job) -> Self {
        Self {
            id: job.id,
            state: job.state,
            name: job.name,
            made_by: job.made_by,
            created_at: job.created_at,
            started_at: job.started_at,
            ended_at: job.ended_at,
            error: job.error,
            detail: serde_json::from_str(&job.detail).unwrap_or_default(),
        }
    }

    /// As it is to be stored.
    pub(super) fn record(&self) -> Job {
        Job {
            id: self.id.clone(),
            kind: TRAIN.to_owned(),
            state: self.state,
            name: self.name.clone(),
            made_by: self.made_by.clone(),
            created_at: self.created_at,
            started_at: self.started_at,
            ended_at: self.ended_at,
            error: self.error.clone(),
            detail: serde_json::to_string(&self.detail).expect("texts and finite numbers have a JSON form"),
        }
    }

    pub(super) fn end(&mut self, state: JobState, error: Option<String>) {
        self.state = state;
        self.ended_at = Some(clock::now());
        self.error = error;
    }
}
