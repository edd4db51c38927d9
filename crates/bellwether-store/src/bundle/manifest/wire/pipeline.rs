//! The way from raw rows to prepared ones, as every format version has it.

use std::time::Duration;

use bellwether_core::frame::Channel;
use bellwether_core::transform::{ChannelKind, ChannelScale, Pipeline, PipelineParts, ScalerKind};
use serde::{Deserialize, Serialize};

use super::derivation::{self, FeatureV2, OperationV2};
use crate::bundle::manifest::ManifestError;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PipelineV1 {
    scaler: String,
    cadence: Duration,
    gap_max: Duration,
    fill_len_max: usize,
    channels: Vec<ChannelScaleV1>,
    /// Absent where no channel is worked out of others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    features: Vec<FeatureV2>,
    /// Absent where every row counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    operation: Option<OperationV2>,
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
    /// Absent where nobody counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    still_len_max: Option<usize>,
}

impl From<&PipelineParts> for PipelineV1 {
    fn from(parts: &PipelineParts) -> Self {
        Self {
            scaler: parts.scaler.name().to_owned(),
            cadence: parts.cadence,
            gap_max: parts.gap_max,
            fill_len_max: parts.fill_len_max,
            channels: parts.channels.iter().map(ChannelScaleV1::from).collect(),
            features: parts.derivation.features.iter().map(FeatureV2::from).collect(),
            operation: parts.derivation.operation.as_ref().map(OperationV2::from),
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
            still_len_max: scale.still_len_max,
        }
    }
}

impl PipelineV1 {
    pub(super) fn pipeline(self) -> Result<Pipeline, ManifestError> {
        let scaler = ScalerKind::from_name(&self.scaler).ok_or_else(|| {
            let found = format!("{:?}", self.scaler);
            ManifestError::value(
                "detector.pipeline.scaler",
                found,
                "minmax, standard, robust or quantile",
            )
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
            derivation: derivation::read(self.features, self.operation)?,
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
            still_len_max: self.still_len_max,
        })
    }
}
