//! The JSON of a manifest, and the way from and to the types of the domain: a file per format version.
//!
//! A struct carries the version that brought it; what a later one did not change, it shares.

mod alignment;
mod calibration;
mod derivation;
mod pipeline;
mod rules;
mod v1;
mod v2;

use bellwether_core::event::EventRule;
use bellwether_core::threshold::Threshold;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub(super) use calibration::check_calibration;

use super::{Manifest, ManifestError};
use v1::ManifestV1;
use v2::ManifestV2;

/// The manifest as JSON of the newest format version.
///
/// As many models as members, and as many numbers in each calibration as channels, are the caller's to check.
pub(super) fn write(manifest: &Manifest) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(&ManifestV2::from(manifest))
        .expect("text keys and plain values always have a JSON form");
    bytes.push(b'\n');
    bytes
}

/// The manifest in JSON of that format version, behind which nothing follows.
pub(super) fn read(format_version: u64, bytes: &[u8]) -> Result<Manifest, ManifestError> {
    match format_version {
        1 => parsed::<ManifestV1>(bytes)?.manifest(),
        _ => parsed::<ManifestV2>(bytes)?.manifest(),
    }
}

fn parsed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ManifestError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let source = error.into_inner();
        ManifestError::Json { path, source }
    })
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

impl From<&EventRule> for EventRuleV1 {
    fn from(events: &EventRule) -> Self {
        Self {
            n: events.n(),
            m: events.m(),
            clear_ratio: events.clear_ratio(),
            merge_gap: events.merge_gap(),
            len_min: events.len_min(),
        }
    }
}

impl EventRuleV1 {
    fn rule(&self) -> Result<EventRule, ManifestError> {
        Ok(EventRule::new(
            self.n,
            self.m,
            self.clear_ratio,
            self.merge_gap,
            self.len_min,
        )?)
    }
}

/// The threshold that stands at `path`.
fn threshold(path: &str, error: f64) -> Result<Threshold, ManifestError> {
    Threshold::new(error).ok_or_else(|| ManifestError::value(path, error, "a number above zero"))
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
