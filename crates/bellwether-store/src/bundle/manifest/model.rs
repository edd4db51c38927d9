//! What a manifest says of a model: its kind, and how much room its weights take.
//!
//! A [`ModelManifest`] is read by way of [`ModelFields`], one struct of all fields there are: a tag inside of an object
//! would hide from errors which of the other fields is wrong.

use bellwether_core::classic::Kind;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A model, as far as the manifest knows: enough to make room for its weights.
///
/// These types are the JSON of the format: a field renamed here is a format changed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "ModelFields")]
pub enum ModelManifest {
    /// A network of LSTM layers that reconstructs windows.
    LstmAe(NetworkManifest),
    /// A network of LSTM layers that forecasts the last row of a window: no decoder.
    LstmForecast(NetworkManifest),
    /// A network of any layers.
    Network(LayersManifest),
    /// Any other.
    Classic(ClassicManifest),
}

/// The shape of a detector without a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassicManifest {
    /// Its kind, whose name is the architecture in the JSON.
    pub kind: Kind,
    /// Samples in a window.
    pub window_len: usize,
    /// Positions of the pipeline's channels that the model reads, rising.
    pub active: Vec<usize>,
    /// The whole numbers that [`Kind::settings`] names, in that order; fields beside the others in the JSON.
    pub settings: Vec<(&'static str, usize)>,
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

/// A network whose layers somebody has chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LayersManifest {
    /// Its widths; without stacks.
    #[serde(flatten)]
    pub network: NetworkManifest,
    /// Its layers as a specification in TOML, which the reader of the network knows.
    pub layers: String,
}

impl ModelManifest {
    /// The shape of the network, where it is one.
    pub fn network(&self) -> Option<&NetworkManifest> {
        match self {
            Self::LstmAe(network) | Self::LstmForecast(network) => Some(network),
            Self::Network(of) => Some(&of.network),
            Self::Classic(_) => None,
        }
    }

    /// Kind of model, as in the JSON.
    pub fn architecture(&self) -> &'static str {
        match self {
            Self::LstmAe(_) => "lstm-ae",
            Self::LstmForecast(_) => "lstm-forecast",
            Self::Network(_) => "network",
            Self::Classic(classic) => classic.kind.name(),
        }
    }

    /// Samples in a window.
    pub fn window_len(&self) -> usize {
        match self {
            Self::LstmAe(network) | Self::LstmForecast(network) => network.window_len,
            Self::Network(of) => of.network.window_len,
            Self::Classic(classic) => classic.window_len,
        }
    }

    /// Positions of the pipeline's channels that the model reads, rising.
    pub fn active(&self) -> &[usize] {
        match self {
            Self::LstmAe(network) | Self::LstmForecast(network) => &network.active,
            Self::Network(of) => &of.network.active,
            Self::Classic(classic) => &classic.active,
        }
    }
}

impl Serialize for ModelManifest {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Tagged<'a, T> {
            architecture: &'static str,
            #[serde(flatten)]
            network: &'a T,
        }
        let architecture = self.architecture();
        match self {
            Self::LstmAe(network) | Self::LstmForecast(network) => Tagged {
                architecture,
                network,
            }
            .serialize(to),
            Self::Network(network) => Tagged {
                architecture,
                network,
            }
            .serialize(to),
            Self::Classic(classic) => {
                let mut map = to.serialize_map(None)?;
                map.serialize_entry("architecture", architecture)?;
                map.serialize_entry("window_len", &classic.window_len)?;
                map.serialize_entry("active", &classic.active)?;
                for (name, n) in &classic.settings {
                    map.serialize_entry(name, n)?;
                }
                map.end()
            }
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
    layers: Option<String>,
    #[serde(default, deserialize_with = "given")]
    rank: Option<usize>,
    #[serde(default, deserialize_with = "given")]
    n_windows: Option<usize>,
    #[serde(default, deserialize_with = "given")]
    n_neighbours: Option<usize>,
    #[serde(default, deserialize_with = "given")]
    n_clusters: Option<usize>,
    #[serde(default, deserialize_with = "given")]
    n_trees: Option<usize>,
}

/// A field that is there has a value: null is none.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// Why fields are no model.
#[derive(Debug, thiserror::Error)]
enum FieldsError {
    #[error(
        "unknown architecture {found:?}, this version of bellwether knows {}",
        known()
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
        let architecture = std::mem::take(&mut fields.architecture);
        let model = match &*architecture {
            "lstm-ae" => Self::LstmAe(fields.network(active)?),
            "lstm-forecast" => Self::LstmForecast(fields.network(active)?),
            "network" => Self::Network(LayersManifest {
                network: fields.network(active)?,
                layers: taken("layers", &mut fields.layers)?,
            }),
            name => {
                let Some(kind) = Kind::from_name(name) else {
                    let found = name.chars().take(80).collect();
                    return Err(FieldsError::Architecture { found });
                };
                let names = kind.settings().iter();
                let settings = names.map(|&(name, _)| Ok((name, fields.setting(name)?)));
                Self::Classic(ClassicManifest {
                    kind,
                    window_len,
                    active,
                    settings: settings.collect::<Result<_, FieldsError>>()?,
                })
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

    /// The fields of classic detectors.
    fn settings(&mut self) -> [(&'static str, &mut Option<usize>); 5] {
        [
            ("rank", &mut self.rank),
            ("n_windows", &mut self.n_windows),
            ("n_neighbours", &mut self.n_neighbours),
            ("n_clusters", &mut self.n_clusters),
            ("n_trees", &mut self.n_trees),
        ]
    }

    fn setting(&mut self, name: &'static str) -> Result<usize, FieldsError> {
        let field = self.settings().into_iter().find(|(of, _)| *of == name);
        let (_, field) = field.ok_or(FieldsError::Missing { name })?;
        taken(name, field)
    }

    /// A field that no one has asked for.
    fn left(&mut self) -> Option<&'static str> {
        let of_networks = [
            ("kernels", self.kernels.is_some()),
            ("n_inputs", self.n_inputs.is_some()),
            ("n_outputs", self.n_outputs.is_some()),
            ("encoder", self.encoder.is_some()),
            ("decoder", self.decoder.is_some()),
            ("with_level", self.with_level.is_some()),
            ("n_weights", self.n_weights.is_some()),
            ("layers", self.layers.is_some()),
        ];
        let settings = self.settings().map(|(name, field)| (name, field.is_some()));
        let mut all = of_networks.into_iter().chain(settings);
        all.find_map(|(name, is_left)| is_left.then_some(name))
    }
}

/// The architectures there are, as in `a, b and c`.
fn known() -> String {
    let mut names = vec!["lstm-ae", "lstm-forecast", "network"];
    names.extend(Kind::ALL.map(Kind::name));
    let last = names.pop().unwrap_or_default();
    format!("{} and {last}", names.join(", "))
}

fn taken<T>(name: &'static str, field: &mut Option<T>) -> Result<T, FieldsError> {
    field.take().ok_or(FieldsError::Missing { name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_any_layers_comes_back_with_them_and_not_without() {
        let json = serde_json::json!({
            "architecture": "network", "kernels": "avx2", "window_len": 5, "n_inputs": 2, "n_outputs": 1, "encoder": [],
            "decoder": [], "active": [0], "with_level": true, "n_weights": 7, "layers": "version = 1\n",
        });
        let read: ModelManifest = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(
            (read.architecture(), read.window_len(), read.active()),
            ("network", 5, &[0][..])
        );
        assert_eq!(serde_json::to_value(&read).unwrap(), json);
        let refused = |change: fn(&mut serde_json::Value)| {
            let mut json = json.clone();
            change(&mut json);
            serde_json::from_value::<ModelManifest>(json)
                .unwrap_err()
                .to_string()
        };
        let without = refused(|json| drop(json.as_object_mut().unwrap().remove("layers")));
        assert!(without.contains("missing field `layers`"), "{without}");
        let other = refused(|json| json["architecture"] = "lstm-ae".into());
        assert!(
            other.contains("unknown field `layers` of the architecture lstm-ae"),
            "{other}"
        );
    }

    #[test]
    fn every_setting_of_every_kind_has_its_field() {
        for kind in Kind::ALL {
            let mut json = serde_json::json!({ "architecture": kind.name(), "window_len": 5, "active": [0] });
            for (name, least) in kind.settings() {
                json[*name] = (*least).into();
            }
            let read: ModelManifest = serde_json::from_value(json.clone()).unwrap();
            assert_eq!(read.architecture(), kind.name());
            assert_eq!(serde_json::to_value(read).unwrap(), json);
        }
    }
}
