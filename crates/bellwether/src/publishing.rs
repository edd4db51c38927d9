//! From a fitted detector to a version in the registry: the one way of `train` and of training jobs.

use bellwether_core::frame::Frame;
use bellwether_nn::{Kernels, TrainEnd};
use bellwether_store::bundle::manifest::{
    CalibrationRecord, EpochRecord, Manifest, SeriesRecord, TrainingRecord,
};
use bellwether_store::registry::{ModelName, Registry, Version};
use serde_json::{Value, json};

use crate::artifact;
use crate::commands::now;
use crate::failure::Failure;
use crate::fitting::{FitSpec, Fitted};

/// A fitted detector, with what the manifest says of its data.
#[derive(Debug)]
pub(crate) struct Learnt<'a> {
    pub(crate) name: &'a ModelName,
    pub(crate) fitted: &'a Fitted,
    pub(crate) spec: &'a FitSpec,
    /// What `fingerprint` makes of the frames.
    pub(crate) data_fingerprint: String,
    pub(crate) series: Vec<SeriesRecord>,
    pub(crate) seconds: f64,
    /// What was asked for, as it was understood.
    pub(crate) settings: Value,
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

impl Learnt<'_> {
    /// Publishes it.
    ///
    /// # Errors
    /// Where the registry does not take it; nothing is published then.
    pub(crate) fn publish(self, registry: &Registry) -> Result<(Version, Manifest), Failure> {
        let (name, fitted) = (self.name, self.fitted);
        let manifest = self.manifest();
        let bundle = artifact::bundle(&manifest, fitted.model.weights())?;
        let summary = json!({
            "architecture": manifest.model.architecture,
            "network": fitted.model.architecture().to_string(),
            "channels": fitted.detector.pipeline().n_channels(),
            "window": manifest.model.window_len,
            "threshold": fitted.detector.parts().causal.threshold.error(),
            "rule": manifest.calibration.rule,
            "samples": manifest.training.n_samples,
        });
        let version = registry.publish(name, &bundle, summary, manifest.created_at)?;
        Ok((version, manifest))
    }

    fn manifest(self) -> Manifest {
        let report = &self.fitted.training;
        let epochs = report.epochs.iter().map(|epoch| EpochRecord {
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
            model: artifact::describe(&self.fitted.model, Kernels::detect()),
            training: TrainingRecord {
                data_fingerprint: self.data_fingerprint,
                n_samples: self.series.iter().map(|series| series.n_samples).sum(),
                series: self.series,
                n_train_windows: report.n_train_windows,
                n_val_windows: report.n_val_windows,
                epochs: epochs.collect(),
                best_epoch: report.best_epoch,
                end: match report.end {
                    TrainEnd::Done => "done",
                    TrainEnd::EarlyStop => "early stop",
                    TrainEnd::Stopped => "stopped",
                }
                .to_owned(),
                seed: self.spec.train.seed,
                settings: self.settings,
                seconds: Some(self.seconds),
            },
            calibration: CalibrationRecord::new(&self.spec.threshold, &self.fitted.calibration),
            baseline: Some(self.fitted.baseline.clone()),
        }
    }
}
