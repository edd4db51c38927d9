//! The part of a manifest that says what the training rows looked like.

use bellwether_core::drift::distribution::Distribution;
use bellwether_core::drift::{Baseline, BaselineParts, ChannelBaseline};
use serde::{Deserialize, Serialize};

use super::ManifestError;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BaselineV1 {
    n_rows: usize,
    channels: Vec<ChannelBaselineV1>,
    /// Of pairs, upper triangle row by row; null where one of the two does not vary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlations: Option<Vec<Option<f64>>>,
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
        let channels = parts.channels.iter().map(|channel| ChannelBaselineV1 {
            name: channel.channel.clone(),
            n_missing: channel.n_missing,
            mean: channel.mean,
            std: channel.std,
            autocorrelation_time: channel.autocorrelation_time,
            values: channel.distribution.values.clone(),
            n_below: channel.distribution.n_below.clone(),
            n_upto: channel.distribution.n_upto.clone(),
        });
        Self {
            n_rows: parts.n_rows,
            channels: channels.collect(),
            correlations: parts.correlations.clone(),
        }
    }
}

impl BaselineV1 {
    pub(super) fn baseline(self) -> Result<Baseline, ManifestError> {
        let channels = self.channels.into_iter().map(|channel| ChannelBaseline {
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
        });
        Ok(Baseline::from_parts(BaselineParts {
            n_rows: self.n_rows,
            channels: channels.collect(),
            correlations: self.correlations,
        })?)
    }
}
