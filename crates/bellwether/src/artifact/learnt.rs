//! What a member has learnt: its model in memory, in words for the manifest, and as tensors.

use std::path::Path;
use std::sync::Arc;

use bellwether_core::classic::{Classic, Parts};
use bellwether_core::model::Model;
use bellwether_nn::{Architecture, Autoencoder, Forecaster, Framing, Kernels, Layered, Weights, to_onnx};
use bellwether_store::bundle::manifest::{ClassicManifest, LayersManifest, ModelManifest, NetworkManifest};

use super::tensors;
use crate::architecture;
use crate::failure::Failure;

/// A fitted model of a kind that a bundle can hold.
#[derive(Debug, Clone)]
pub(crate) enum Learnt {
    Autoencoder(Arc<Autoencoder>),
    Forecaster(Arc<Forecaster>),
    Network(Arc<Layered>),
    Classic(Arc<dyn Classic>),
}

impl Learnt {
    pub(crate) fn model(&self) -> Arc<dyn Model> {
        match self {
            Self::Autoencoder(model) => Arc::clone(model) as Arc<dyn Model>,
            Self::Forecaster(model) => Arc::clone(model) as Arc<dyn Model>,
            Self::Network(model) => Arc::clone(model) as Arc<dyn Model>,
            Self::Classic(model) => Arc::clone(model) as Arc<dyn Model>,
        }
    }

    /// Whether it was trained.
    pub(crate) fn is_network(&self) -> bool {
        !matches!(self, Self::Classic(_))
    }

    /// What the manifest says of it.
    pub(crate) fn describe(&self) -> ModelManifest {
        match self {
            Self::Autoencoder(model) => ModelManifest::LstmAe(network(model.architecture(), model.framing())),
            Self::Forecaster(model) => {
                ModelManifest::LstmForecast(network(model.architecture(), model.framing()))
            }
            Self::Network(model) => ModelManifest::Network(LayersManifest {
                network: network(model.architecture(), model.framing()),
                layers: architecture::write(model.spec()),
            }),
            Self::Classic(model) => {
                let parts = model.to_parts();
                ModelManifest::Classic(ClassicManifest {
                    kind: model.kind(),
                    window_len: parts.window_len,
                    active: parts.active,
                    settings: parts.settings,
                })
            }
        }
    }

    /// In a few words, for people: `16×38 → 64-16 | 64 → 16×19`, `10 rows, rank 62`.
    pub(crate) fn in_words(&self) -> String {
        match self {
            Self::Autoencoder(model) => model.architecture().to_string(),
            Self::Forecaster(model) => model.architecture().to_string(),
            Self::Network(model) => model.architecture().to_string(),
            Self::Classic(model) => {
                let parts = model.to_parts();
                let plural = if parts.window_len == 1 { "" } else { "s" };
                let mut words = format!("{} row{plural}", parts.window_len);
                for (name, n) in parts.settings {
                    words += &match name.strip_prefix("n_") {
                        Some(of) => format!(", {n} {of}"),
                        None => format!(", {name} {n}"),
                    };
                }
                words
            }
        }
    }

    /// Its numbers as a safetensors file.
    pub(crate) fn to_safetensors(&self) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Autoencoder(model) => Ok(model.weights().to_safetensors()?),
            Self::Forecaster(model) => Ok(model.weights().to_safetensors()?),
            Self::Network(model) => Ok(model.weights().to_safetensors()?),
            Self::Classic(model) => tensors::write(&model.to_parts().tensors),
        }
    }

    /// The network as an ONNX file with notes; `None` where it is none.
    pub(crate) fn to_onnx(&self, notes: &[(&str, &str)]) -> Option<Vec<u8>> {
        let (architecture, framing, weights) = match self {
            Self::Autoencoder(model) => (model.architecture(), model.framing(), model.weights()),
            Self::Forecaster(model) => (model.architecture(), model.framing(), model.weights()),
            Self::Network(model) => (model.architecture(), model.framing(), model.weights()),
            Self::Classic(_) => return None,
        };
        Some(to_onnx(architecture, framing, weights, notes))
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
            ModelManifest::Network(LayersManifest { network: of, layers }) => {
                let spec = architecture::of_bytes(Path::new("layers"), layers.as_bytes());
                let spec = spec.map_err(|error| {
                    Failure::message(format!("the manifest's layers are not usable: {error}"))
                })?;
                let architecture = Architecture::of_layers(&spec, of.window_len, of.n_inputs, of.n_outputs)?;
                let (framing, weights) = parts(of, &architecture)?;
                let model = Layered::new(architecture, framing, weights, kernels, n_threads)?;
                Self::Network(Arc::new(model))
            }
            ModelManifest::Classic(of) => Self::Classic(of.kind.from_parts(&Parts {
                window_len: of.window_len,
                n_channels,
                active: of.active.clone(),
                settings: of.settings.clone(),
                tensors: tensors::read(weights)?,
            })?),
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

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_core::classic::{Kind, Training};
    use bellwether_core::window::Windows;

    /// Manifest and tensors as a bundle holds them, for every classic detector.
    #[test]
    fn classic_detectors_come_back_from_a_bundle_bit_for_bit() {
        let (n_channels, n_rows) = (3, 120);
        let value =
            |at: usize| ((at / 3) as f64 / (2 + at % 3) as f64).sin() + ((at * 7919) % 101) as f64 / 500.0;
        let rows: Vec<f64> = (0..n_rows * n_channels).map(value).collect();
        for kind in Kind::ALL {
            let len = kind.window_len(n_rows, n_channels);
            let starts: Vec<usize> = (0..=n_rows - len).collect();
            let windows = Windows::new(&rows, None, n_channels, len, &starts);
            let training = Training {
                windows: &[windows],
                n_channels,
                active: &[0, 2],
                weights: &[1.0; 3],
                seed: 42,
            };
            let learnt = Learnt::Classic(kind.fit(len, &training).unwrap());
            let json = serde_json::to_string(&learnt.describe()).unwrap();
            let manifest: ModelManifest = serde_json::from_str(&json).unwrap();
            let weights = learnt.to_safetensors().unwrap();
            let again = Learnt::read(&manifest, n_channels, &weights, 1).unwrap();
            assert_eq!(again.describe(), learnt.describe());
            let bits = |learnt: &Learnt| {
                let model = learnt.model();
                let mut errors = vec![0.0; windows.n_windows() * model.n_answers() * n_channels];
                model.errors(windows, &mut errors).unwrap();
                errors.iter().map(|error| error.to_bits()).collect::<Vec<_>>()
            };
            assert_eq!(bits(&again), bits(&learnt), "{json}");
        }
    }
}
