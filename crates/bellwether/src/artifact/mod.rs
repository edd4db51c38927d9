//! Between a detector in memory and a bundle: the manifest says what it is, the weights what it learnt.

use std::path::PathBuf;
use std::sync::Arc;

mod learnt;
mod tensors;

use bellwether_core::detect::Detector;
use bellwether_core::model::Model;
use bellwether_core::transform::Align;
use bellwether_store::bundle::manifest::Manifest;
use bellwether_store::bundle::{Bundle, Sha256, join_weights};
use bellwether_store::registry::{self, ModelRef, Resolved};
use bellwether_store::signature::{PublicKey, Trust};

use crate::cli::{ModelArgs, RegistryArgs};
use crate::commands;
use crate::failure::Failure;
pub(crate) use learnt::Learnt;

/// A model as it is used: read, verified, ready to score.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// `press@3`, or the bundle file.
    pub(crate) reference: String,
    pub(crate) detector: Arc<Detector>,
    pub(crate) manifest: Manifest,
    /// Of what its members have learnt.
    pub(crate) weights_bytes: u64,
}

impl Loaded {
    /// Refuses a model of rows on a grid where rows are judged as a request brings them.
    pub(crate) fn refuse_grid(&self) -> Result<(), Failure> {
        match &self.manifest.alignment {
            None => Ok(()),
            Some(align) => Err(Failure::misfit(GridError {
                model: self.reference.clone(),
                align: *align,
            })),
        }
    }
}

/// A model of rows on a grid is to judge rows as they stand.
#[derive(Debug, thiserror::Error)]
#[error(
    "{model} learnt from rows on a grid ({align}), and rows of a request are not brought to one: send them to the live \
     system as samples, or bring them to the grid where they come from and train a model on such data without --align"
)]
struct GridError {
    model: String,
    align: Align,
}

/// The bundle of a manifest and what its members have learnt.
pub(crate) fn bundle(manifest: &Manifest, learnt: &[Learnt]) -> Result<Bundle, Failure> {
    let weights = learnt
        .iter()
        .map(Learnt::to_safetensors)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Bundle {
        manifest: manifest.to_json_bytes()?,
        weights: join_weights(&weights)?,
    })
}

/// What is put around a model before it judges.
pub(crate) type Wrap<'a> = &'a dyn Fn(Arc<dyn Model>) -> Arc<dyn Model>;

/// Finds, reads and verifies the model that the flags name.
pub(crate) fn load(args: &ModelArgs, n_threads: usize) -> Result<Loaded, Failure> {
    load_wrapped(args, n_threads, &|model| model)
}

/// The same, with something around the model.
pub(crate) fn load_wrapped(args: &ModelArgs, n_threads: usize, wrap: Wrap<'_>) -> Result<Loaded, Failure> {
    let opened = open(&args.model, &args.registry)?;
    let weights_bytes = opened.weights.iter().map(|of| of.len() as u64).sum();
    let detector = opened.detector(n_threads, wrap)?;
    Ok(Loaded {
        reference: opened.reference,
        detector: Arc::new(detector),
        manifest: opened.manifest,
        weights_bytes,
    })
}

/// What a model is called, and what is said of it; nothing is made ready to score.
pub(crate) fn manifest(model: &ModelRef, registry: &RegistryArgs) -> Result<(String, Manifest), Failure> {
    let opened = open(model, registry)?;
    Ok((opened.reference, opened.manifest))
}

/// A bundle that was read and verified.
pub(crate) struct Opened {
    pub(crate) reference: String,
    /// Of its file.
    pub(crate) sha256: Sha256,
    pub(crate) manifest: Manifest,
    /// Of each member.
    weights: Vec<Vec<u8>>,
}

/// Finds, reads and verifies a bundle.
pub(crate) fn open(model: &ModelRef, registry: &RegistryArgs) -> Result<Opened, Failure> {
    let loaded = commands::registry(registry)?.load(model)?;
    trusted(&loaded, &registry.trust)?;
    let manifest = Manifest::from_json_bytes(&loaded.bundle.manifest)?;
    Ok(Opened {
        reference: reference(&loaded.from),
        sha256: loaded.sha256,
        weights: loaded.bundle.weights_of_members(manifest.models.len())?,
        manifest,
    })
}

impl Opened {
    /// What its members have learnt, in their order.
    pub(crate) fn learnt(&self, n_threads: usize) -> Result<Vec<Learnt>, Failure> {
        let n_channels = self.manifest.detector.pipeline.n_channels();
        let members = self.manifest.models.iter().zip(&self.weights);
        let learnt = members.map(|(model, weights)| Learnt::read(model, n_channels, weights, n_threads));
        let learnt: Result<Vec<Learnt>, Failure> = learnt.collect();
        learnt.map_err(|failure| self.unusable(failure))
    }

    fn detector(&self, n_threads: usize, wrap: Wrap<'_>) -> Result<Detector, Failure> {
        let models = self
            .learnt(n_threads)?
            .iter()
            .map(|of| wrap(of.model()))
            .collect();
        Detector::from_parts(self.manifest.detector.clone(), models)
            .map_err(|error| self.unusable(error.into()))
    }

    fn unusable(&self, failure: Failure) -> Failure {
        failure.in_context(&format!("the model {} cannot be used", self.reference))
    }
}

/// `press@3`, or the bundle file.
pub(crate) fn reference(from: &Resolved) -> String {
    match from {
        Resolved::Version { name, entry, .. } => format!("{name}@{}", entry.version),
        Resolved::File(path) => path.display().to_string(),
    }
}

/// Refuses a model that none of the keys in these files signed; takes all where there is no file.
pub(crate) fn trusted(loaded: &registry::Loaded, keys: &[PathBuf]) -> Result<Option<PublicKey>, Failure> {
    let trust = Trust::read(keys.iter().map(PathBuf::as_path))?;
    trust
        .check(&loaded.sha256, &loaded.signatures)
        .map_err(|error| Failure::from(error).in_context(&format!("{} is refused", reference(&loaded.from))))
}
