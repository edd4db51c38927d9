//! Format version 1: one network, whose errors stood for themselves. It is read for ever and written no more.

use bellwether_core::detect::{Calibrated, Combination, DetectorParts, MemberParts};
use bellwether_core::time::Timestamp;
use serde::Deserialize;

use super::calibration::{ChannelCalibrationV1, calibration, smoothing};
use super::pipeline::PipelineV1;
use super::{EventRuleV1, rfc_3339, threshold};
use crate::bundle::manifest::baseline::BaselineV1;
use crate::bundle::manifest::{
    CalibrationRecord, Manifest, ManifestError, ModelManifest, TrainingRecord, check,
};

/// Unknown keys are refused: whoever wrote them meant something that we would not do.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ManifestV1 {
    #[serde(rename = "format_version")]
    _format_version: u64,
    name: String,
    bellwether_version: String,
    #[serde(with = "rfc_3339")]
    created_at: Timestamp,
    model: ModelManifest,
    detector: DetectorV1,
    calibration: CalibrationRecord,
    training: TrainingRecord,
    /// Absent in bundles that were made before there was one.
    #[serde(default)]
    baseline: Option<BaselineV1>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DetectorV1 {
    pipeline: PipelineV1,
    causal: CalibratedV1,
    retrospective: CalibratedV1,
    events: EventRuleV1,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CalibratedV1 {
    threshold: f64,
    smoothing_span: f64,
    /// In the order of the pipeline's.
    channels: Vec<ChannelCalibrationV1>,
}

impl ManifestV1 {
    /// The manifest, its detector made by the domain's own constructors: the network is the only member.
    pub(super) fn manifest(self) -> Result<Manifest, ManifestError> {
        let detector = self.detector.parts()?;
        check::check_model("model", &self.model, detector.pipeline.n_channels())?;
        Ok(Manifest {
            name: self.name,
            bellwether_version: self.bellwether_version,
            created_at: self.created_at,
            detector,
            models: vec![self.model],
            training: self.training,
            calibration: self.calibration,
            baseline: self.baseline.map(BaselineV1::baseline).transpose()?,
            alignment: None,
        })
    }
}

impl DetectorV1 {
    fn parts(self) -> Result<DetectorParts, ManifestError> {
        let pipeline = self.pipeline.pipeline()?;
        let n_channels = pipeline.n_channels();
        let (causal, retrospective) = (&self.causal, &self.retrospective);
        Ok(DetectorParts {
            members: vec![MemberParts {
                weight: 1.0,
                causal: causal.calibrated("detector.causal", n_channels)?,
                retrospective: retrospective.calibrated("detector.retrospective", n_channels)?,
            }],
            combination: Combination::Mean,
            range_weight: 0.0,
            causal: threshold("detector.causal.threshold", causal.threshold)?,
            retrospective: threshold("detector.retrospective.threshold", retrospective.threshold)?,
            events: self.events.rule()?,
            drifting: None,
            rarity: None,
            rules: Vec::new(),
            pipeline,
        })
    }
}

impl CalibratedV1 {
    fn calibrated(&self, path: &str, n_channels: usize) -> Result<Calibrated, ManifestError> {
        Ok(Calibrated {
            calibration: calibration(path, &self.channels, n_channels)?,
            smoothing: smoothing(path, self.smoothing_span)?,
            norm: None,
            tail: None,
        })
    }
}
