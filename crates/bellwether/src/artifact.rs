//! Between a detector in memory and a bundle: the manifest says what it is, the weights what it learnt.

use std::sync::Arc;

use bellwether_core::detect::Detector;
use bellwether_core::model::Model;
use bellwether_nn::{Architecture, Autoencoder, Framing, Kernels, Weights};
use bellwether_store::bundle::Bundle;
use bellwether_store::bundle::manifest::{Manifest, ModelManifest};
use bellwether_store::registry::{ModelRef, Resolved};

use crate::cli::{ModelArgs, RegistryArgs};
use crate::commands;
use crate::failure::Failure;

/// The one architecture there is so far.
pub(crate) const LSTM_AE: &str = "lstm-ae";

/// A model as it is used: read, verified, ready to score.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// `press@3`, or the bundle file.
    pub(crate) reference: String,
    pub(crate) detector: Arc<Detector>,
    pub(crate) manifest: Manifest,
}

/// What the manifest says of a network.
pub(crate) fn describe(model: &Autoencoder, kernels: &Kernels) -> ModelManifest {
    let (architecture, framing) = (model.architecture(), model.framing());
    ModelManifest {
        architecture: LSTM_AE.to_owned(),
        kernels: kernels.name().to_owned(),
        window_len: architecture.window_len(),
        n_inputs: architecture.n_inputs(),
        n_outputs: architecture.n_outputs(),
        encoder: architecture.encoder().to_vec(),
        decoder: architecture.decoder().to_vec(),
        active: framing.active().to_vec(),
        with_level: framing.with_level(),
        n_weights: architecture.n_weights(),
    }
}

/// The bundle of a manifest and the weights that go with it.
pub(crate) fn bundle(manifest: &Manifest, weights: &Weights) -> Result<Bundle, Failure> {
    Ok(Bundle {
        manifest: manifest.to_json_bytes()?,
        weights: weights.to_safetensors()?,
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
    let (reference, manifest, weights) = open(&args.model, &args.registry)?;
    let detector = detector(&manifest, &weights, n_threads, wrap)
        .map_err(|failure| failure.in_context(&format!("the model {reference} cannot be used")))?;
    Ok(Loaded {
        reference,
        detector: Arc::new(detector),
        manifest,
    })
}

/// What a model is called, and what is said of it; nothing is made ready to score.
pub(crate) fn manifest(model: &ModelRef, registry: &RegistryArgs) -> Result<(String, Manifest), Failure> {
    let (reference, manifest, _) = open(model, registry)?;
    Ok((reference, manifest))
}

/// Name, manifest and weights of a bundle.
fn open(model: &ModelRef, registry: &RegistryArgs) -> Result<(String, Manifest, Vec<u8>), Failure> {
    let loaded = commands::registry(registry)?.load(model)?;
    let reference = match &loaded.from {
        Resolved::Version { name, entry, .. } => format!("{name}@{}", entry.version),
        Resolved::File(path) => path.display().to_string(),
    };
    let manifest = Manifest::from_json_bytes(&loaded.bundle.manifest)?;
    Ok((reference, manifest, loaded.bundle.weights))
}

fn detector(
    manifest: &Manifest,
    weights: &[u8],
    n_threads: usize,
    wrap: Wrap<'_>,
) -> Result<Detector, Failure> {
    let model = &manifest.model;
    if model.architecture != LSTM_AE {
        let found = &model.architecture;
        return Err(Failure::message(format!(
            "its architecture {found:?} is not known to this version of bellwether: upgrade"
        )));
    }
    let architecture = Architecture::new(
        model.window_len,
        model.n_inputs,
        model.n_outputs,
        &model.encoder,
        &model.decoder,
    )?;
    let n_channels = manifest.detector.pipeline.n_channels();
    let framing = Framing::new(n_channels, model.active.clone(), model.with_level)?;
    let weights = Weights::from_safetensors(weights, &architecture)?;
    let model = Autoencoder::new(architecture, framing, weights, Kernels::detect(), n_threads)?;
    Ok(Detector::from_parts(
        manifest.detector.clone(),
        wrap(Arc::new(model)),
    )?)
}
