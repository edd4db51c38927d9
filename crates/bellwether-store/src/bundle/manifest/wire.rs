//! Format version 1: the JSON of a manifest, and the way from and to the types of the domain.

use std::time::Duration;

use bellwether_core::detect::{Calibrated, DetectorParts};
use bellwether_core::event::EventRule;
use bellwether_core::frame::Channel;
use bellwether_core::score::{Calibration, CalibrationError, Smoothing};
use bellwether_core::threshold::Threshold;
use bellwether_core::time::Timestamp;
use bellwether_core::transform::{ChannelKind, ChannelScale, Pipeline, PipelineParts, ScalerKind};
use serde::{Deserialize, Serialize};

use super::baseline::BaselineV1;
use super::{CalibrationRecord, Manifest, ManifestError, ModelManifest, TrainingRecord};

/// Unknown keys are refused: whoever wrote them meant something that we would not do.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ManifestV1 {
    format_version: u64,
    name: String,
    bellwether_version: String,
    #[serde(with = "rfc_3339")]
    created_at: Timestamp,
    model: ModelManifest,
    detector: DetectorV1,
    calibration: CalibrationRecord,
    training: TrainingRecord,
    /// Absent in bundles that were made before there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    baseline: Option<BaselineV1>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DetectorV1 {
    pipeline: PipelineV1,
    causal: CalibratedV1,
    retrospective: CalibratedV1,
    events: EventRuleV1,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PipelineV1 {
    scaler: String,
    cadence: Duration,
    gap_max: Duration,
    fill_len_max: usize,
    channels: Vec<ChannelScaleV1>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChannelScaleV1 {
    name: String,
    kind: String,
    offset: f64,
    divisor: f64,
    fill: f64,
    min: f64,
    max: f64,
    n_observed: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CalibratedV1 {
    threshold: f64,
    smoothing_span: f64,
    /// In the order of the pipeline's.
    channels: Vec<ChannelCalibrationV1>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChannelCalibrationV1 {
    weight: f64,
    scale: f64,
    prior: f64,
    residual: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventRuleV1 {
    n: usize,
    m: usize,
    clear_ratio: f64,
    merge_gap: usize,
    len_min: usize,
}

impl From<&Manifest> for ManifestV1 {
    fn from(manifest: &Manifest) -> Self {
        Self {
            format_version: 1,
            name: manifest.name.clone(),
            bellwether_version: manifest.bellwether_version.clone(),
            created_at: manifest.created_at,
            model: manifest.model.clone(),
            detector: (&manifest.detector).into(),
            calibration: manifest.calibration.clone(),
            training: manifest.training.clone(),
            baseline: manifest.baseline.as_ref().map(BaselineV1::from),
        }
    }
}

impl From<&DetectorParts> for DetectorV1 {
    fn from(parts: &DetectorParts) -> Self {
        let events = &parts.events;
        Self {
            pipeline: parts.pipeline.parts().into(),
            causal: (&parts.causal).into(),
            retrospective: (&parts.retrospective).into(),
            events: EventRuleV1 {
                n: events.n(),
                m: events.m(),
                clear_ratio: events.clear_ratio(),
                merge_gap: events.merge_gap(),
                len_min: events.len_min(),
            },
        }
    }
}

impl From<&PipelineParts> for PipelineV1 {
    fn from(parts: &PipelineParts) -> Self {
        Self {
            scaler: parts.scaler.name().to_owned(),
            cadence: parts.cadence,
            gap_max: parts.gap_max,
            fill_len_max: parts.fill_len_max,
            channels: parts.channels.iter().map(ChannelScaleV1::from).collect(),
        }
    }
}

impl From<&ChannelScale> for ChannelScaleV1 {
    fn from(scale: &ChannelScale) -> Self {
        Self {
            name: scale.channel.name().to_owned(),
            kind: scale.kind.name().to_owned(),
            offset: scale.offset,
            divisor: scale.divisor,
            fill: scale.fill,
            min: scale.range.0,
            max: scale.range.1,
            n_observed: scale.n_observed,
        }
    }
}

impl From<&Calibrated> for CalibratedV1 {
    fn from(calibrated: &Calibrated) -> Self {
        let of = &calibrated.calibration;
        // Their lengths are alike: the calibration was checked before it came here.
        let numbers = of.weights.iter().zip(&of.scale).zip(&of.prior).zip(&of.residual);
        Self {
            threshold: calibrated.threshold.error(),
            smoothing_span: calibrated.smoothing.span,
            channels: numbers
                .map(|(((&weight, &scale), &prior), &residual)| ChannelCalibrationV1 {
                    weight,
                    scale,
                    prior,
                    residual,
                })
                .collect(),
        }
    }
}

impl ManifestV1 {
    /// The manifest, its detector made by the domain's own constructors.
    pub(super) fn manifest(self) -> Result<Manifest, ManifestError> {
        Ok(Manifest {
            name: self.name,
            bellwether_version: self.bellwether_version,
            created_at: self.created_at,
            detector: self.detector.parts()?,
            model: self.model,
            training: self.training,
            calibration: self.calibration,
            baseline: self.baseline.map(BaselineV1::baseline).transpose()?,
        })
    }
}

impl DetectorV1 {
    fn parts(self) -> Result<DetectorParts, ManifestError> {
        let pipeline = self.pipeline.pipeline()?;
        let n_channels = pipeline.n_channels();
        let events = &self.events;
        Ok(DetectorParts {
            causal: self.causal.calibrated("detector.causal", n_channels)?,
            retrospective: self
                .retrospective
                .calibrated("detector.retrospective", n_channels)?,
            events: EventRule::new(
                events.n,
                events.m,
                events.clear_ratio,
                events.merge_gap,
                events.len_min,
            )?,
            pipeline,
        })
    }
}

impl PipelineV1 {
    fn pipeline(self) -> Result<Pipeline, ManifestError> {
        let scaler = ScalerKind::from_name(&self.scaler).ok_or_else(|| {
            let found = format!("{:?}", self.scaler);
            ManifestError::value("detector.pipeline.scaler", found, "minmax, standard or robust")
        })?;
        let channels = self.channels.into_iter().enumerate();
        let channels = channels
            .map(|(idx, channel)| channel.scale(idx))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Pipeline::from_parts(PipelineParts {
            scaler,
            cadence: self.cadence,
            gap_max: self.gap_max,
            fill_len_max: self.fill_len_max,
            channels,
        })?)
    }
}

impl ChannelScaleV1 {
    fn scale(self, channel_idx: usize) -> Result<ChannelScale, ManifestError> {
        let kind = ChannelKind::from_name(&self.kind).ok_or_else(|| {
            let path = format!("detector.pipeline.channels[{channel_idx}].kind");
            let found = format!("{:?}", self.kind);
            ManifestError::value(path, found, "constant, discrete or continuous")
        })?;
        Ok(ChannelScale {
            channel: Channel::new(self.name),
            kind,
            offset: self.offset,
            divisor: self.divisor,
            fill: self.fill,
            range: (self.min, self.max),
            n_observed: self.n_observed,
        })
    }
}

impl CalibratedV1 {
    fn calibrated(self, path: &str, n_channels: usize) -> Result<Calibrated, ManifestError> {
        let column = |number: fn(&ChannelCalibrationV1) -> f64| self.channels.iter().map(number).collect();
        let calibration = Calibration {
            weights: column(|channel| channel.weight),
            scale: column(|channel| channel.scale),
            prior: column(|channel| channel.prior),
            residual: column(|channel| channel.residual),
        };
        check_calibration(path, &calibration, n_channels)?;
        let threshold = Threshold::new(self.threshold).ok_or_else(|| {
            ManifestError::value(format!("{path}.threshold"), self.threshold, "a number above zero")
        })?;
        let smoothing = Smoothing {
            span: self.smoothing_span,
        };
        if !smoothing.is_valid() {
            let path = format!("{path}.smoothing_span");
            return Err(ManifestError::value(path, smoothing.span, "1 to 1000000 samples"));
        }
        Ok(Calibrated {
            calibration,
            smoothing,
            threshold,
        })
    }
}

/// Whether the calibration at `path` is usable, or else which field makes it not so.
pub(super) fn check_calibration(
    path: &str,
    calibration: &Calibration,
    n_channels: usize,
) -> Result<(), ManifestError> {
    let Err(error) = calibration.check(n_channels) else {
        return Ok(());
    };
    Err(match error {
        CalibrationError::Len {
            n_values, n_channels, ..
        } => ManifestError::value(
            format!("{path}.channels"),
            format!("a list of {n_values}"),
            format!("{n_channels}: one for each channel of detector.pipeline"),
        ),
        CalibrationError::Value {
            name,
            channel_idx,
            got,
        } => {
            let path = format!("{path}.channels[{channel_idx}].{name}");
            let want = match name {
                "scale" => "a number above zero",
                _ => "a number not below zero",
            };
            ManifestError::value(path, got, want)
        }
        CalibrationError::NoWeight => ManifestError::value(
            format!("{path}.channels"),
            "without any weight above zero",
            "at least one",
        ),
        other => ManifestError::value(format!("{path}.channels"), other, "usable numbers"),
    })
}

/// Instants as RFC 3339 text, to the nanosecond.
pub(super) mod rfc_3339 {
    use bellwether_core::time::Timestamp;
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    pub(in super::super) fn serialize<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(time)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(from)?;
        let instant: jiff::Timestamp = text.parse().map_err(D::Error::custom)?;
        let nanos = i64::try_from(instant.as_nanosecond())
            .map_err(|_| D::Error::custom(format!("{text} is not within the years 1677 to 2262")))?;
        Ok(Timestamp::from_nanos(nanos))
    }
}
