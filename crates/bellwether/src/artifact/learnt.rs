//! What a member has learnt: its model in memory, in words for the manifest, and as tensors.

use std::sync::Arc;

use bellwether_core::classic::knn::{KnnParts, NearestWindows};
use bellwether_core::classic::pca::{PcaParts, WindowPca};
use bellwether_core::classic::var::{VarParts, VectorAutoregression};
use bellwether_core::model::Model;
use bellwether_nn::{Architecture, Autoencoder, Forecaster, Framing, Kernels, Weights};
use bellwether_store::bundle::manifest::{ModelManifest, NetworkManifest};

use super::tensors::Tensors;
use crate::failure::Failure;

/// A fitted model of a kind that a bundle can hold.
#[derive(Debug, Clone)]
pub(crate) enum Learnt {
    Autoencoder(Arc<Autoencoder>),
    Forecaster(Arc<Forecaster>),
    Pca(Arc<WindowPca>),
    Var(Arc<VectorAutoregression>),
    Knn(Arc<NearestWindows>),
}

impl Learnt {
    pub(crate) fn model(&self) -> Arc<dyn Model> {
        match self {
            Self::Autoencoder(model) => Arc::clone(model) as Arc<dyn Model>,
            Self::Forecaster(model) => Arc::clone(model) as Arc<dyn Model>,
            Self::Pca(model) => Arc::clone(model) as Arc<dyn Model>,
            Self::Var(model) => Arc::clone(model) as Arc<dyn Model>,
            Self::Knn(model) => Arc::clone(model) as Arc<dyn Model>,
        }
    }

    /// What the manifest says of it.
    pub(crate) fn describe(&self) -> ModelManifest {
        match self {
            Self::Autoencoder(model) => ModelManifest::LstmAe(network(model.architecture(), model.framing())),
            Self::Forecaster(model) => {
                ModelManifest::LstmForecast(network(model.architecture(), model.framing()))
            }
            Self::Pca(model) => {
                let parts = model.parts();
                ModelManifest::Pca {
                    window_len: parts.window_len,
                    active: parts.active.clone(),
                    rank: parts.rank,
                }
            }
            Self::Var(model) => {
                let parts = model.parts();
                ModelManifest::Var {
                    window_len: parts.lags + 1,
                    active: parts.active.clone(),
                }
            }
            Self::Knn(model) => {
                let parts = model.parts();
                ModelManifest::Knn {
                    window_len: parts.window_len,
                    active: parts.active.clone(),
                    n_windows: parts.memory.len() / (parts.window_len * parts.active.len()),
                    n_neighbours: parts.n_neighbours,
                }
            }
        }
    }

    /// In a few words, for people: `16×38 → 64-16 | 64 → 16×19`, `rank 62`.
    pub(crate) fn in_words(&self) -> String {
        match self {
            Self::Autoencoder(model) => model.architecture().to_string(),
            Self::Forecaster(model) => model.architecture().to_string(),
            Self::Pca(model) => format!("rank {}", model.parts().rank),
            Self::Var(model) => format!("{} lags", model.parts().lags),
            Self::Knn(model) => format!("{} neighbours", model.parts().n_neighbours),
        }
    }

    /// Its numbers as a safetensors file.
    pub(crate) fn to_safetensors(&self) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Autoencoder(model) => Ok(model.weights().to_safetensors()?),
            Self::Forecaster(model) => Ok(model.weights().to_safetensors()?),
            Self::Pca(model) => {
                let parts = model.parts();
                Tensors::default()
                    .with("mean", &parts.mean)
                    .with("components", &parts.components)
                    .to_safetensors()
            }
            Self::Var(model) => {
                let parts = model.parts();
                Tensors::default()
                    .with("mean_before", &parts.mean_before)
                    .with("mean_last", &parts.mean_last)
                    .with("coefficients", &parts.coefficients)
                    .to_safetensors()
            }
            Self::Knn(model) => {
                let parts = model.parts();
                Tensors::default()
                    .with("scales", &parts.scales)
                    .with("memory", &parts.memory)
                    .to_safetensors()
            }
        }
    }

    /// The model that the manifest describes, with the numbers of a safetensors file.
    ///
    /// # Errors
    /// Where they do not belong together or are not usable.
    pub(crate) fn read(
        manifest: &ModelManifest,
        n_channels: usize,
        weights: &[u8],
        n_threads: usize,
    ) -> Result<Self, Failure> {
        let kernels = Kernels::detect();
        let parts = |of: &NetworkManifest, architecture: &Architecture| -> Result<_, Failure> {
            let framing = Framing::new(n_channels, of.active.clone(), of.with_level)?;
            Ok((framing, Weights::from_safetensors(weights, architecture)?))
        };
        Ok(match manifest {
            ModelManifest::LstmAe(of) => {
                let (encoder, decoder) = (&of.encoder, &of.decoder);
                let architecture =
                    Architecture::new(of.window_len, of.n_inputs, of.n_outputs, encoder, decoder)?;
                let (framing, weights) = parts(of, &architecture)?;
                let model = Autoencoder::new(architecture, framing, weights, kernels, n_threads)?;
                Self::Autoencoder(Arc::new(model))
            }
            ModelManifest::LstmForecast(of) => {
                let architecture =
                    Architecture::forecaster(of.window_len, of.n_inputs, of.n_outputs, &of.encoder)?;
                let (framing, weights) = parts(of, &architecture)?;
                let model = Forecaster::new(architecture, framing, weights, kernels, n_threads)?;
                Self::Forecaster(Arc::new(model))
            }
            ModelManifest::Pca {
                window_len,
                active,
                rank,
            } => {
                let tensors = Tensors::read(weights)?;
                Self::Pca(Arc::new(WindowPca::from_parts(PcaParts {
                    window_len: *window_len,
                    n_channels,
                    active: active.clone(),
                    mean: tensors.get("mean")?,
                    rank: *rank,
                    components: tensors.get("components")?,
                })?))
            }
            ModelManifest::Var { window_len, active } => {
                let tensors = Tensors::read(weights)?;
                Self::Var(Arc::new(VectorAutoregression::from_parts(VarParts {
                    lags: window_len - 1,
                    n_channels,
                    active: active.clone(),
                    mean_before: tensors.get("mean_before")?,
                    mean_last: tensors.get("mean_last")?,
                    coefficients: tensors.get("coefficients")?,
                })?))
            }
            ModelManifest::Knn {
                window_len,
                active,
                n_neighbours,
                ..
            } => {
                let tensors = Tensors::read(weights)?;
                Self::Knn(Arc::new(NearestWindows::from_parts(KnnParts {
                    window_len: *window_len,
                    n_channels,
                    active: active.clone(),
                    scales: tensors.get("scales")?,
                    n_neighbours: *n_neighbours,
                    memory: tensors.get("memory")?,
                })?))
            }
        })
    }
}

fn network(architecture: &Architecture, framing: &Framing) -> NetworkManifest {
    NetworkManifest {
        kernels: Kernels::detect().name().to_owned(),
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
