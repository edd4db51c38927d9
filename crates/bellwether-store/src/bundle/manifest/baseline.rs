//! The part of a manifest that says what the training rows looked like.

use std::time::Duration;

use bellwether_core::drift::distribution::Distribution;
use bellwether_core::drift::{Baseline, BaselineParts, ChannelBaseline, Correlation};
use serde::{Deserialize, Serialize};

use super::ManifestError;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BaselineV1 {
    n_rows: usize,
    cadence: Duration,
    channels: Vec<ChannelBaselineV1>,
    /// Of pairs, upper triangle row by row: the correlation, and the rows that it was measured on; null where there is
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlations: Option<Vec<Option<(f64, u64)>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scores: Option<ChannelBaselineV1>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChannelBaselineV1 {
    name: String,
    n_missing: usize,
    mean: f64,
    std: f64,
    autocorrelation_time: f64,
    values: Vec<f64>,
    n_below: Vec<u64>,
    n_upto: Vec<u64>,
}

impl From<&Baseline> for BaselineV1 {
    fn from(baseline: &Baseline) -> Self {
        let parts = baseline.parts();
        let pair = |of: &Correlation| (of.value, of.n_joint);
        let correlations = parts.correlations.as_ref();
        Self {
            n_rows: parts.n_rows,
            cadence: parts.cadence,
            channels: parts.channels.iter().map(ChannelBaselineV1::from).collect(),
            correlations: correlations.map(|all| all.iter().map(|of| of.as_ref().map(pair)).collect()),
            scores: parts.scores.as_ref().map(ChannelBaselineV1::from),
        }
    }
}

impl From<&ChannelBaseline> for ChannelBaselineV1 {
    fn from(channel: &ChannelBaseline) -> Self {
        Self {
            name: channel.channel.clone(),
            n_missing: channel.n_missing,
            mean: channel.mean,
            std: channel.std,
            autocorrelation_time: channel.autocorrelation_time,
            values: channel.distribution.values.clone(),
            n_below: channel.distribution.n_below.clone(),
            n_upto: channel.distribution.n_upto.clone(),
        }
    }
}

impl BaselineV1 {
    pub(super) fn baseline(self) -> Result<Baseline, ManifestError> {
        let correlation = |(value, n_joint)| Correlation { value, n_joint };
        let correlations = self.correlations.map(|all| {
            let of_pairs = all.into_iter().map(|of| of.map(correlation));
            of_pairs.collect()
        });
        Ok(Baseline::from_parts(BaselineParts {
            n_rows: self.n_rows,
            cadence: self.cadence,
            channels: self.channels.into_iter().map(ChannelBaseline::from).collect(),
            correlations,
            scores: self.scores.map(ChannelBaseline::from),
        })?)
    }
}

impl From<ChannelBaselineV1> for ChannelBaseline {
    fn from(channel: ChannelBaselineV1) -> Self {
        Self {
            channel: channel.name,
            n_missing: channel.n_missing,
            mean: channel.mean,
            std: channel.std,
            autocorrelation_time: channel.autocorrelation_time,
            distribution: Distribution {
                values: channel.values,
                n_below: channel.n_below,
                n_upto: channel.n_upto,
            },
        }
    }
}
