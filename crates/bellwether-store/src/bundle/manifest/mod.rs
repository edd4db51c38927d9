//! What a bundle's `manifest.json` says: all of a detector but its weights, and where it comes from.
//!
//! The JSON is made to be read by people too; every number in it is the shortest text that reads back bit for bit.
//! What cannot be kept so (a number that is not finite) is refused on writing, what contradicts itself on reading.

mod baseline;
mod check;
mod fingerprint;
mod model;
mod record;
mod wire;

use bellwether_core::detect::DetectorParts;
use bellwether_core::drift::{Baseline, BaselineError};
use bellwether_core::event::EventRuleError;
use bellwether_core::time::Timestamp;
use bellwether_core::transform::{Align, FitError};

pub use fingerprint::fingerprint;
pub use model::{ClassicManifest, LayersManifest, ModelManifest, NetworkManifest};
pub use record::{CalibrationRecord, EpochRecord, ModeRecord, ParentRecord, SeriesRecord, TrainingRecord};

use super::BundleError;

/// A detector without its weights, and its history.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Name of the model.
    pub name: String,
    /// Version of bellwether that wrote the manifest.
    pub bellwether_version: String,
    /// When.
    pub created_at: Timestamp,
    /// All but the models, ready for [`bellwether_core::detect::Detector::from_parts`].
    pub detector: DetectorParts,
    /// The models whose weights lie beside the manifest: one for each of `detector.members`, in their order.
    pub models: Vec<ModelManifest>,
    /// What it learnt from, and how.
    pub training: TrainingRecord,
    /// How its threshold was chosen, and what that rests on.
    pub calibration: CalibrationRecord,
    /// What the training rows looked like; `None` in bundles that were made before it was kept.
    pub baseline: Option<Baseline>,
    /// The grid that its training rows were brought to, and what it judges has to be; `None`: rows are taken as they come.
    pub alignment: Option<Align>,
}

impl Manifest {
    /// The kinds of its models, such as `lstm-ae+pca`.
    pub fn architecture(&self) -> String {
        let kinds: Vec<&str> = self.models.iter().map(ModelManifest::architecture).collect();
        kinds.join("+")
    }

    /// Samples in the longest window of its models.
    pub fn window_len(&self) -> usize {
        let lens = self.models.iter().map(ModelManifest::window_len);
        lens.max().unwrap_or(0)
    }

    /// Its networks, in the order of its models.
    pub fn networks(&self) -> impl Iterator<Item = &NetworkManifest> {
        self.models.iter().filter_map(ModelManifest::network)
    }

    /// Trainable weights of its networks.
    pub fn n_weights(&self) -> usize {
        self.networks().map(|network| network.n_weights).sum()
    }

    /// The manifest as JSON of the newest format version, for people and programs, ending in a line feed; the same for
    /// equal manifests.
    ///
    /// # Errors
    /// Where [`from_json_bytes`](Self::from_json_bytes) would refuse the result.
    pub fn to_json_bytes(&self) -> Result<Vec<u8>, ManifestError> {
        check::check_lens(self)?;
        let bytes = wire::write(self);
        // Reading it back is cheap, and the only proof that nobody will find the bundle broken later.
        Self::from_json_bytes(&bytes)?;
        Ok(bytes)
    }

    /// The manifest in this JSON, of any format version so far: one of version 1 has a single member.
    ///
    /// # Errors
    /// [`ManifestError`] naming the field that is absent, unknown, out of range or at odds with another.
    pub fn from_json_bytes(bytes: &[u8]) -> Result<Self, ManifestError> {
        let format_version =
            super::format_version(bytes).map_err(|source| ManifestError::Format(Box::new(source)))?;
        // From here on it is known that nothing follows the object.
        let manifest = wire::read(format_version, bytes)?;
        check::check(&manifest)?;
        Ok(manifest)
    }
}

/// Bytes are no manifest, or a manifest would make no sense to a reader.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// No JSON object with a `format_version` that this version of bellwether reads.
    #[error(transparent)]
    Format(Box<BundleError>),
    /// A field is absent, unknown or of another type.
    #[error("manifest.json: {path} cannot be read; get the original file")]
    Json {
        /// The field, as in `training.epochs[0].val_loss`.
        path: String,
        /// What was found and where.
        #[source]
        source: serde_json::Error,
    },
    /// A field is out of range or at odds with another.
    #[error("manifest.json: {path} is {found}, wanted {want}; get the original file")]
    Value {
        /// The field.
        path: String,
        /// What it says.
        found: String,
        /// What it should say.
        want: String,
    },
    /// The pipeline is none.
    #[error("manifest.json: detector.pipeline is not usable; get the original file")]
    Pipeline(#[from] FitError),
    /// The event rule is none.
    #[error("manifest.json: detector.events is not usable; get the original file")]
    Events(#[from] EventRuleError),
    /// The baseline is none.
    #[error("manifest.json: baseline is not usable; get the original file")]
    Baseline(#[from] BaselineError),
}

impl ManifestError {
    fn value(path: impl Into<String>, found: impl ToString, want: impl Into<String>) -> Self {
        Self::Value {
            path: path.into(),
            found: found.to_string(),
            want: want.into(),
        }
    }
}

#[cfg(test)]
mod tests;
