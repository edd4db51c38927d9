//! What a manifest says of a model: its kind, and how much room its weights take.
//!
//! [`ModelManifest`] is written as it stands; it is read by way of [`ModelFields`], one struct of all fields there are:
//! a tag inside of an object would hide from errors which of the other fields is wrong.

use serde::{Deserialize, Deserializer, Serialize};

/// A model, as far as the manifest knows: enough to make room for its weights.
///
/// These types are the JSON of the format: a field renamed here is a format changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "architecture", try_from = "ModelFields")]
pub enum ModelManifest {
    /// A network of LSTM layers that reconstructs windows.
    #[serde(rename = "lstm-ae")]
    LstmAe(NetworkManifest),
    /// A network of LSTM layers that forecasts the last row of a window: no decoder.
    #[serde(rename = "lstm-forecast")]
    LstmForecast(NetworkManifest),
    /// Principal components of windows.
    #[serde(rename = "pca")]
    Pca {
        /// Samples in a window.
        window_len: usize,
        /// Positions of the pipeline's channels that the model reads, rising.
        active: Vec<usize>,
        /// Components kept.
        rank: usize,
    },
    /// A linear forecast of a row from those before it.
    #[serde(rename = "var")]
    Var {
        /// Samples in a window.
        window_len: usize,
        /// Positions of the pipeline's channels that the model reads, rising.
        active: Vec<usize>,
    },
    /// Distance to the nearest of the windows kept.
    #[serde(rename = "knn")]
    Knn {
        /// Samples in a window.
        window_len: usize,
        /// Positions of the pipeline's channels that the model reads, rising.
        active: Vec<usize>,
        /// Windows kept.
        n_windows: usize,
        /// The nearest of them that count.
        n_neighbours: usize,
    },
}

/// The shape of a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NetworkManifest {
    /// Instruction set it was trained on: another rounds otherwise.
    pub kernels: String,
    /// Samples in a window.
    pub window_len: usize,
    /// Values that enter per sample: one for each active channel, two with its level.
    pub n_inputs: usize,
    /// Values that leave per sample: one for each active channel.
    pub n_outputs: usize,
    /// Units of each encoder layer.
    pub encoder: Vec<usize>,
    /// Units of each decoder layer; none in a network that forecasts.
    pub decoder: Vec<usize>,
    /// Positions of the pipeline's channels that the network reads, rising.
    pub active: Vec<usize>,
    /// Whether the level of a channel enters beside its deviation from the window's mean.
    pub with_level: bool,
    /// Trainable weights.
    pub n_weights: usize,
}

impl ModelManifest {
    /// The shape of the network, where it is one.
    pub fn network(&self) -> Option<&NetworkManifest> {
        match self {
            Self::LstmAe(network) | Self::LstmForecast(network) => Some(network),
            Self::Pca { .. } | Self::Var { .. } | Self::Knn { .. } => None,
        }
    }

    /// Kind of model, as in the JSON.
    pub fn architecture(&self) -> &'static str {
        match self {
            Self::LstmAe(_) => "lstm-ae",
            Self::LstmForecast(_) => "lstm-forecast",
            Self::Pca { .. } => "pca",
            Self::Var { .. } => "var",
            Self::Knn { .. } => "knn",
        }
    }

    /// Samples in a window.
    pub fn window_len(&self) -> usize {
        match self {
            Self::LstmAe(network) | Self::LstmForecast(network) => network.window_len,
            Self::Pca { window_len, .. } | Self::Var { window_len, .. } | Self::Knn { window_len, .. } => {
                *window_len
            }
        }
    }

    /// Positions of the pipeline's channels that the model reads, rising.
    pub fn active(&self) -> &[usize] {
        match self {
            Self::LstmAe(network) | Self::LstmForecast(network) => &network.active,
            Self::Pca { active, .. } | Self::Var { active, .. } | Self::Knn { active, .. } => active,
        }
    }
}

/// All fields of all models.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelFields {
    architecture: String,
    window_len: usize,
    active: Vec<usize>,
    #[serde(default, deserialize_with = "given")]
    kernels: Option<String>,
    #[serde(default, deserialize_with = "given")]
    n_inputs: Option<usize>,
    #[serde(default, deserialize_with = "given")]
    n_outputs: Option<usize>,
    #[serde(default, deserialize_with = "given")]
    encoder: Option<Vec<usize>>,
    #[serde(default, deserialize_with = "given")]
    decoder: Option<Vec<usize>>,
    #[serde(default, deserialize_with = "given")]
    with_level: Option<bool>,
    #[serde(default, deserialize_with = "given")]
    n_weights: Option<usize>,
    #[serde(default, deserialize_with = "given")]
    rank: Option<usize>,
    #[serde(default, deserialize_with = "given")]
    n_windows: Option<usize>,
    #[serde(default, deserialize_with = "given")]
    n_neighbours: Option<usize>,
}

/// A field that is there has a value: null is none.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// Why fields are no model.
#[derive(Debug, thiserror::Error)]
enum FieldsError {
    #[error(
        "unknown architecture {found:?}, this version of bellwether knows lstm-ae, lstm-forecast, pca, var and knn"
    )]
    Architecture { found: String },
    #[error("missing field `{name}`")]
    Missing { name: &'static str },
    #[error("unknown field `{name}` of the architecture {architecture}")]
    Unknown {
        name: &'static str,
        architecture: &'static str,
    },
}

impl TryFrom<ModelFields> for ModelManifest {
    type Error = FieldsError;

    fn try_from(mut fields: ModelFields) -> Result<Self, FieldsError> {
        let window_len = fields.window_len;
        let active = std::mem::take(&mut fields.active);
        let model = match &*fields.architecture {
            "lstm-ae" => Self::LstmAe(fields.network(active)?),
            "lstm-forecast" => Self::LstmForecast(fields.network(active)?),
            "pca" => Self::Pca {
                window_len,
                active,
                rank: taken("rank", &mut fields.rank)?,
            },
            "var" => Self::Var { window_len, active },
            "knn" => Self::Knn {
                window_len,
                active,
                n_windows: taken("n_windows", &mut fields.n_windows)?,
                n_neighbours: taken("n_neighbours", &mut fields.n_neighbours)?,
            },
            _ => {
                let found = fields.architecture.chars().take(80).collect();
                return Err(FieldsError::Architecture { found });
            }
        };
        match fields.left() {
            None => Ok(model),
            Some(name) => Err(FieldsError::Unknown {
                name,
                architecture: model.architecture(),
            }),
        }
    }
}

impl ModelFields {
    fn network(&mut self, active: Vec<usize>) -> Result<NetworkManifest, FieldsError> {
        Ok(NetworkManifest {
            kernels: taken("kernels", &mut self.kernels)?,
            window_len: self.window_len,
            n_inputs: taken("n_inputs", &mut self.n_inputs)?,
            n_outputs: taken("n_outputs", &mut self.n_outputs)?,
            encoder: taken("encoder", &mut self.encoder)?,
            decoder: taken("decoder", &mut self.decoder)?,
            active,
            with_level: taken("with_level", &mut self.with_level)?,
            n_weights: taken("n_weights", &mut self.n_weights)?,
        })
    }

    /// A field that no one has asked for.
    fn left(&self) -> Option<&'static str> {
        [
            ("kernels", self.kernels.is_some()),
            ("n_inputs", self.n_inputs.is_some()),
            ("n_outputs", self.n_outputs.is_some()),
            ("encoder", self.encoder.is_some()),
            ("decoder", self.decoder.is_some()),
            ("with_level", self.with_level.is_some()),
            ("n_weights", self.n_weights.is_some()),
            ("rank", self.rank.is_some()),
            ("n_windows", self.n_windows.is_some()),
            ("n_neighbours", self.n_neighbours.is_some()),
        ]
        .into_iter()
        .find_map(|(name, is_left)| is_left.then_some(name))
    }
}

fn taken<T>(name: &'static str, field: &mut Option<T>) -> Result<T, FieldsError> {
    field.take().ok_or(FieldsError::Missing { name })
}
