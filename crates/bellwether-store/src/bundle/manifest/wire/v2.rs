//! Format version 2: any number of members, each with its model, and thresholds that belong to all of them.

use bellwether_core::detect::{Calibrated, Combination, DetectorParts, MemberParts, Rarity};
use bellwether_core::score::{Norm, Tail};
use bellwether_core::threshold::Drifting;
use bellwether_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::alignment::AlignmentV2;
use super::calibration::{self, ChannelCalibrationV1, smoothing};
use super::pipeline::PipelineV1;
use super::rules::{self, ChannelRuleV2};
use super::{EventRuleV1, rfc_3339, threshold};
use crate::bundle::manifest::baseline::BaselineV1;
use crate::bundle::manifest::{
    CalibrationRecord, Manifest, ManifestError, ModelManifest, TrainingRecord, check,
};

/// Unknown keys are refused: whoever wrote them meant something that we would not do.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ManifestV2 {
    format_version: u64,
    name: String,
    bellwether_version: String,
    #[serde(with = "rfc_3339")]
    created_at: Timestamp,
    detector: DetectorV2,
    calibration: CalibrationRecord,
    training: TrainingRecord,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    baseline: Option<BaselineV1>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alignment: Option<AlignmentV2>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DetectorV2 {
    pipeline: PipelineV1,
    members: Vec<MemberV2>,
    /// Absent where each member speaks for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    combination: Option<String>,
    range_weight: f64,
    causal_threshold: f64,
    retrospective_threshold: f64,
    /// Absent where the causal threshold stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    drifting: Option<DriftingV2>,
    /// Absent in what was made before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rarity: Option<RarityV2>,
    events: EventRuleV1,
    /// Absent where nobody said anything of a channel.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rules: Vec<ChannelRuleV2>,
}

/// How the causal threshold follows the rows before.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DriftingV2 {
    depth: usize,
    usual: f64,
}

/// How rare scores are among normal rows.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RarityV2 {
    causal: TailV2,
    retrospective: TailV2,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberV2 {
    model: ModelManifest,
    weight: f64,
    causal: CalibratedV2,
    retrospective: CalibratedV2,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CalibratedV2 {
    smoothing_span: f64,
    /// What is high for each channel, where channels are joined by their norm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    high: Option<Vec<f64>>,
    /// Null in what was made before there were tails. It may not be left out: scores would change without a word.
    #[serde(deserialize_with = "Option::deserialize")]
    tail: Option<TailV2>,
    /// In the order of the pipeline's.
    channels: Vec<ChannelCalibrationV1>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TailV2 {
    knots: Vec<f64>,
    slope: f64,
}

impl From<&Manifest> for ManifestV2 {
    fn from(manifest: &Manifest) -> Self {
        Self {
            format_version: 2,
            name: manifest.name.clone(),
            bellwether_version: manifest.bellwether_version.clone(),
            created_at: manifest.created_at,
            detector: DetectorV2::new(&manifest.detector, &manifest.models),
            calibration: manifest.calibration.clone(),
            training: manifest.training.clone(),
            baseline: manifest.baseline.as_ref().map(BaselineV1::from),
            alignment: manifest.alignment.as_ref().map(AlignmentV2::from),
        }
    }
}

impl DetectorV2 {
    fn new(parts: &DetectorParts, models: &[ModelManifest]) -> Self {
        // As many models as members: that was checked before they came here.
        let members = parts.members.iter().zip(models);
        Self {
            pipeline: parts.pipeline.parts().into(),
            members: members
                .map(|(member, model)| MemberV2 {
                    model: model.clone(),
                    weight: member.weight,
                    causal: (&member.causal).into(),
                    retrospective: (&member.retrospective).into(),
                })
                .collect(),
            combination: (parts.combination != Combination::Mean)
                .then(|| parts.combination.name().to_owned()),
            range_weight: parts.range_weight,
            causal_threshold: parts.causal.error(),
            retrospective_threshold: parts.retrospective.error(),
            drifting: parts.drifting.map(|of| DriftingV2 {
                depth: of.depth(),
                usual: of.usual(),
            }),
            rarity: parts.rarity.as_ref().map(|of| RarityV2 {
                causal: (&of.causal).into(),
                retrospective: (&of.retrospective).into(),
            }),
            events: (&parts.events).into(),
            rules: rules::written(&parts.pipeline, &parts.rules),
        }
    }
}

impl From<&Tail> for TailV2 {
    fn from(tail: &Tail) -> Self {
        Self {
            knots: tail.knots.clone(),
            slope: tail.slope,
        }
    }
}

impl TailV2 {
    fn tail(self, path: &str) -> Result<Tail, ManifestError> {
        let tail = Tail {
            knots: self.knots,
            slope: self.slope,
        };
        check::check_tail(path, &tail)?;
        Ok(tail)
    }
}

impl RarityV2 {
    fn rarity(self) -> Result<Rarity, ManifestError> {
        Ok(Rarity {
            causal: self.causal.tail("detector.rarity.causal")?,
            retrospective: self.retrospective.tail("detector.rarity.retrospective")?,
        })
    }
}

impl From<&Calibrated> for CalibratedV2 {
    fn from(calibrated: &Calibrated) -> Self {
        Self {
            smoothing_span: calibrated.smoothing.span,
            high: calibrated.norm.as_ref().map(|norm| norm.high.clone()),
            tail: calibrated.tail.as_ref().map(TailV2::from),
            channels: calibration::channels(&calibrated.calibration),
        }
    }
}

impl ManifestV2 {
    /// The manifest, its detector made by the domain's own constructors.
    pub(super) fn manifest(self) -> Result<Manifest, ManifestError> {
        let (detector, models) = self.detector.parts()?;
        Ok(Manifest {
            name: self.name,
            bellwether_version: self.bellwether_version,
            created_at: self.created_at,
            detector,
            models,
            training: self.training,
            calibration: self.calibration,
            baseline: self.baseline.map(BaselineV1::baseline).transpose()?,
            alignment: self.alignment.map(AlignmentV2::align).transpose()?,
        })
    }
}

impl DetectorV2 {
    /// The detector's parts, and the model of each member.
    fn parts(self) -> Result<(DetectorParts, Vec<ModelManifest>), ManifestError> {
        let pipeline = self.pipeline.pipeline()?;
        let n_channels = pipeline.n_channels();
        check::check_n_members(self.members.len())?;
        check::check_range_weight(self.range_weight)?;
        let (mut members, mut models) = (Vec::new(), Vec::new());
        for (member_idx, member) in self.members.into_iter().enumerate() {
            let path = format!("detector.members[{member_idx}]");
            check::check_model(&format!("{path}.model"), &member.model, n_channels)?;
            check::check_weight(&format!("{path}.weight"), member.weight)?;
            members.push(MemberParts {
                weight: member.weight,
                causal: member.causal.calibrated(&format!("{path}.causal"), n_channels)?,
                retrospective: member
                    .retrospective
                    .calibrated(&format!("{path}.retrospective"), n_channels)?,
            });
            models.push(member.model);
        }
        let parts = DetectorParts {
            rules: rules::read(&pipeline, self.rules)?,
            pipeline,
            members,
            combination: self
                .combination
                .map_or(Ok(Combination::Mean), |name| combination(&name))?,
            range_weight: self.range_weight,
            causal: threshold("detector.causal_threshold", self.causal_threshold)?,
            retrospective: threshold("detector.retrospective_threshold", self.retrospective_threshold)?,
            drifting: self.drifting.map(DriftingV2::drifting).transpose()?,
            rarity: self.rarity.map(RarityV2::rarity).transpose()?,
            events: self.events.rule()?,
        };
        Ok((parts, models))
    }
}

fn combination(name: &str) -> Result<Combination, ManifestError> {
    Combination::from_name(name)
        .ok_or_else(|| ManifestError::value("detector.combination", format!("{name:?}"), "mean, max or aom"))
}

impl DriftingV2 {
    fn drifting(self) -> Result<Drifting, ManifestError> {
        Drifting::new(self.depth, self.usual).ok_or_else(|| {
            let want = "a depth from 10 to 10000 rows, and a usual error not below zero";
            ManifestError::value("detector.drifting", self.usual, want)
        })
    }
}

impl CalibratedV2 {
    fn calibrated(self, path: &str, n_channels: usize) -> Result<Calibrated, ManifestError> {
        let tail = self.tail.map(|of| of.tail(&format!("{path}.tail"))).transpose()?;
        let norm = self.high.map(|high| Norm { high });
        if let Some(norm) = &norm {
            check::check_norm(path, norm, n_channels)?;
        }
        Ok(Calibrated {
            calibration: calibration::calibration(path, &self.channels, n_channels)?,
            smoothing: smoothing(path, self.smoothing_span)?,
            norm,
            tail,
        })
    }
}
