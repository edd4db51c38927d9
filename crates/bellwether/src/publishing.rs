//! From a fitted detector to a version in the registry: the one way of `train` and of training jobs.

use bellwether_core::detect::Mode;
use bellwether_core::frame::Frame;
use bellwether_core::transform::Align;
use bellwether_nn::TrainEnd;
use bellwether_store::bundle::manifest::{
    CalibrationRecord, EpochRecord, Manifest, ParentRecord, SeriesRecord, TrainingRecord,
};
use bellwether_store::registry::{LookupError, ModelName, Pick, Registry, Version};
use serde_json::{Value, json};

use crate::artifact::{self, Learnt};
use crate::commands::now;
use crate::failure::Failure;
use crate::fitting::{FitSpec, Fitted};

/// How a training ended that was not let to its end, as the manifest says it.
pub(crate) const STOPPED: &str = "stopped";

/// A fitted detector, with what the manifest says of its data.
#[derive(Debug)]
pub(crate) struct Unpublished<'a> {
    pub(crate) name: &'a ModelName,
    pub(crate) fitted: &'a Fitted,
    pub(crate) spec: &'a FitSpec,
    /// What `fingerprint` makes of the frames.
    pub(crate) data_fingerprint: String,
    pub(crate) series: Vec<SeriesRecord>,
    pub(crate) seconds: f64,
    /// What was asked for, as it was understood.
    pub(crate) settings: Value,
    /// What was typed behind `bellwether`; empty where nobody typed it.
    pub(crate) command: Vec<String>,
    /// The grid that its rows were brought to.
    pub(crate) alignment: Option<Align>,
}

/// What the manifest says of the frames of one series; `None` where there are none.
pub(crate) fn series_record(name: &str, frames: &[Frame]) -> Option<SeriesRecord> {
    let (first, last) = (frames.first()?, frames.last()?);
    Some(SeriesRecord {
        name: name.to_owned(),
        n_samples: frames.iter().map(Frame::n_samples).sum(),
        start: first.time()[0],
        end: last.time()[last.n_samples() - 1],
    })
}

/// The champion of that name, which a new version may follow.
fn parent(registry: &Registry, name: &ModelName) -> Result<Option<ParentRecord>, Failure> {
    let index = match registry.show(name) {
        Ok(index) => index,
        Err(LookupError::UnknownModel { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let champion = index.find(&Pick::Version(index.champion()))?;
    Ok(Some(ParentRecord {
        model: format!("{name}@{}", champion.version),
        sha256: champion.sha256.to_string(),
    }))
}

impl Unpublished<'_> {
    /// Publishes it.
    ///
    /// # Errors
    /// Where the registry does not take it; nothing is published then.
    pub(crate) fn publish(self, registry: &Registry) -> Result<(Version, Manifest), Failure> {
        let (name, fitted) = (self.name, self.fitted);
        let family = self.spec.family.name();
        let parent = match &self.spec.from {
            Some(from) => Some(from.record.clone()),
            None => parent(registry, name)?,
        };
        let manifest = self.manifest(parent);
        let bundle = artifact::bundle(&manifest, &fitted.learnt)?;
        let members: Vec<String> = fitted
            .learnt
            .iter()
            .map(|learnt| format!("{} {}", learnt.describe().architecture(), learnt.in_words()))
            .collect();
        let summary = json!({
            "architecture": family,
            "members": members,
            "channels": fitted.detector.pipeline().n_channels(),
            "window": fitted.detector.window_len(),
            "threshold": fitted.detector.threshold(Mode::Causal).error(),
            "rule": manifest.calibration.rule,
            "samples": manifest.training.n_samples,
        });
        let version = registry.publish(name, &bundle, summary, manifest.created_at)?;
        Ok((version, manifest))
    }

    fn manifest(self, parent: Option<ParentRecord>) -> Manifest {
        let report = self.fitted.training.as_ref();
        let epochs = report
            .iter()
            .flat_map(|report| &report.epochs)
            .map(|epoch| EpochRecord {
                epoch: epoch.epoch,
                train_loss: epoch.train_loss,
                val_loss: epoch.val_loss,
                learning_rate: epoch.learning_rate,
            });
        Manifest {
            name: self.name.to_string(),
            bellwether_version: env!("CARGO_PKG_VERSION").to_owned(),
            created_at: now(),
            detector: self.fitted.detector.parts().clone(),
            models: self.fitted.learnt.iter().map(Learnt::describe).collect(),
            training: TrainingRecord {
                data_fingerprint: self.data_fingerprint,
                n_samples: self.series.iter().map(|series| series.n_samples).sum(),
                series: self.series,
                n_train_windows: report.map_or(0, |report| report.n_train_windows),
                n_val_windows: report.map_or(0, |report| report.n_val_windows),
                epochs: epochs.collect(),
                best_epoch: report.map_or(0, |report| report.best_epoch),
                end: match report.map(|report| report.end) {
                    None | Some(TrainEnd::Done) => "done",
                    Some(TrainEnd::EarlyStop) => "early stop",
                    Some(TrainEnd::Stopped) => STOPPED,
                }
                .to_owned(),
                seed: self.spec.train.seed,
                settings: self.settings,
                command: self.command,
                parent,
                seconds: Some(self.seconds),
            },
            calibration: CalibrationRecord::new(&self.spec.threshold, &self.fitted.calibration),
            baseline: Some(self.fitted.baseline.clone()),
            alignment: self.alignment,
        }
    }
}
