//! From a file to a network specification.

use std::path::Path;

use bellwether_nn::{Activation, Conv, Head, LayerKind, LayerSpec, NetworkSpec, Padding, Recurrent};

use super::VERSION;
use crate::config::Text;
use crate::config::error::{ConfigError, did_you_mean};
use crate::config::place::below;
use crate::config::strict::{self, Part, Reader};
use crate::config::tree::{Node, Value};

/// Reads a specification.
///
/// # Errors
/// [`ConfigError`] with every mistake that was found.
pub(super) fn read(path: &Path) -> Result<NetworkSpec, ConfigError> {
    of_bytes(path, &Text::read(path)?.bytes)
}

/// The same where the file is at hand.
pub(crate) fn of_bytes(path: &Path, bytes: &[u8]) -> Result<NetworkSpec, ConfigError> {
    strict::read(path, bytes, Reader::network)
}

/// What kinds of layers there are, and their keys beside `kind` and `name`.
const KINDS: [(&str, &[&str]); 17] = [
    ("lstm", &["units", "bidirectional", "last", "recurrent_dropout"]),
    ("gru", &["units", "bidirectional", "last", "recurrent_dropout"]),
    ("dense", &["units", "activation"]),
    ("conv", &["units", "kernel", "dilation", "padding", "activation"]),
    ("batch-norm", &[]),
    ("layer-norm", &[]),
    ("dropout", &["rate"]),
    ("activation", &["activation"]),
    ("residual", &["from"]),
    ("attention", &["heads"]),
    ("position", &[]),
    ("last", &[]),
    ("repeat", &[]),
    ("flatten", &[]),
    ("expand", &["units", "activation"]),
    ("latent", &["units", "activation", "l1", "l2"]),
    ("variational", &["units", "kl"]),
];

impl Reader {
    fn network(&mut self, root: &Node) -> NetworkSpec {
        let mut spec = NetworkSpec {
            head: Head::Reconstruction,
            layers: Vec::new(),
        };
        let known = ["version", "head", "forecast_weight", "layers"];
        let Some(part) = self.part(root, String::new(), &known) else {
            return spec;
        };
        self.version(&part, VERSION, "network specifications");
        let heads = ["reconstruction", "forecast", "both"];
        let weight = self.number(&part, "forecast_weight");
        spec.head = match self.choice(&part, "head", &heads) {
            Some(1) => Head::Forecast,
            Some(2) => Head::Both {
                forecast_weight: weight.unwrap_or(0.5),
            },
            _ => Head::Reconstruction,
        };
        if let (Some((origin, _)), Head::Reconstruction | Head::Forecast) =
            (part.table.get("forecast_weight"), spec.head)
        {
            self.wrong(
                origin,
                "forecast_weight",
                "only head = \"both\" has a weight for the forecast",
            );
        }
        match part.table.get("layers") {
            None => self.wrong(
                part.origin,
                "",
                "layers are missing: write [[layers]], and under it kind = \"lstm\" and units = 64",
            ),
            Some((_, node)) => match &node.value {
                Value::List(nodes) => {
                    let layers = nodes.iter().enumerate();
                    spec.layers = layers.filter_map(|(idx, node)| self.layer(idx, node)).collect();
                    if nodes.is_empty() {
                        self.wrong(&node.origin, "layers", "a network has at least one layer");
                    }
                }
                _ => self.wrong(
                    &node.origin,
                    "layers",
                    "a list is wanted: [[layers]] for each layer",
                ),
            },
        }
        spec
    }

    fn layer(&mut self, idx: usize, node: &Node) -> Option<LayerSpec> {
        let at = format!("layers[{idx}]");
        let Value::Table(table) = &node.value else {
            self.wrong(&node.origin, &at, "a table is wanted");
            return None;
        };
        let any = Part {
            table,
            origin: &node.origin,
            at: at.clone(),
        };
        let Some((origin, kind)) = table.get("kind") else {
            let kinds = KINDS.map(|(kind, _)| kind).join(", ");
            self.wrong(
                &node.origin,
                &at,
                format!("kind is missing: write one of {kinds}"),
            );
            return None;
        };
        let found = match &kind.value {
            Value::Text(text) => KINDS.iter().find(|(kind, _)| kind == text).copied(),
            _ => None,
        };
        let Some((kind, keys)) = found else {
            let kinds = KINDS.map(|(kind, _)| kind);
            let near = match &kind.value {
                Value::Text(text) => did_you_mean(text, kinds.iter().copied()),
                _ => None,
            };
            let near = near.map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
            let problem = format!("there is no such layer{near} There are {}", kinds.join(", "));
            self.wrong(origin, &below(&any.at, "kind"), problem);
            return None;
        };
        let known: Vec<&str> = ["kind", "name"].into_iter().chain(keys.iter().copied()).collect();
        let part = self.part(node, at, &known)?;
        let kind = self.kind(&part, kind)?;
        Some(LayerSpec {
            name: self.text(&part, "name"),
            kind,
        })
    }

    fn kind(&mut self, part: &Part<'_>, kind: &str) -> Option<LayerKind> {
        Some(match kind {
            "lstm" => LayerKind::Lstm(self.recurrent(part)?),
            "gru" => LayerKind::Gru(self.recurrent(part)?),
            "dense" => LayerKind::Dense {
                activation: self.activation(part),
                units: self.needed(part, "units")?,
            },
            "conv" => LayerKind::Conv(Conv {
                activation: self.activation(part),
                dilation: self.whole(part, "dilation").unwrap_or(1),
                padding: match self.choice(part, "padding", &["causal", "same"]) {
                    Some(1) => Padding::Same,
                    _ => Padding::Causal,
                },
                kernel: self.needed(part, "kernel")?,
                units: self.needed(part, "units")?,
            }),
            "batch-norm" => LayerKind::BatchNorm,
            "layer-norm" => LayerKind::LayerNorm,
            "dropout" => LayerKind::Dropout {
                rate: match self.number(part, "rate") {
                    Some(rate) => rate,
                    None => return self.missing(part, "rate", "rate = 0.1"),
                },
            },
            "activation" => match part.table.get("activation") {
                Some(_) => LayerKind::Activation(self.activation(part)),
                None => return self.missing(part, "activation", "activation = \"relu\""),
            },
            "residual" => LayerKind::Residual {
                from: match self.text(part, "from") {
                    Some(from) => from,
                    None => {
                        return self.missing(part, "from", "from = \"NAME\" of a layer above, or \"input\"");
                    }
                },
            },
            "attention" => LayerKind::Attention {
                heads: self.whole(part, "heads").unwrap_or(1),
            },
            "position" => LayerKind::Position,
            "last" => LayerKind::Last,
            "repeat" => LayerKind::Repeat,
            "flatten" => LayerKind::Flatten,
            "expand" => LayerKind::Expand {
                activation: self.activation(part),
                units: self.needed(part, "units")?,
            },
            "latent" => LayerKind::Latent {
                activation: self.activation(part),
                l1: self.number(part, "l1").unwrap_or(0.0),
                l2: self.number(part, "l2").unwrap_or(0.0),
                units: self.needed(part, "units")?,
            },
            _ => LayerKind::Variational {
                kl: self.number(part, "kl").unwrap_or(1e-4),
                units: self.needed(part, "units")?,
            },
        })
    }

    fn recurrent(&mut self, part: &Part<'_>) -> Option<Recurrent> {
        Some(Recurrent {
            bidirectional: self.flag(part, "bidirectional").unwrap_or(false),
            last: self.flag(part, "last").unwrap_or(false),
            recurrent_dropout: self.number(part, "recurrent_dropout").unwrap_or(0.0),
            units: self.needed(part, "units")?,
        })
    }

    fn activation(&mut self, part: &Part<'_>) -> Activation {
        let names = Activation::ALL.map(Activation::name);
        let chosen = self.choice(part, "activation", &names);
        chosen.map_or(Activation::Linear, |idx| Activation::ALL[idx])
    }

    /// A whole number that has no default.
    fn needed(&mut self, part: &Part<'_>, key: &str) -> Option<usize> {
        if part.table.contains_key(key) {
            return self.whole(part, key);
        }
        self.missing(part, key, &format!("{key} = 8, or another number"))
    }

    /// Says that a key is missing, where nothing was said of it yet.
    fn missing<T>(&mut self, part: &Part<'_>, key: &str, example: &str) -> Option<T> {
        if !part.table.contains_key(key) {
            self.wrong(
                part.origin,
                &part.at,
                format!("{key} is missing: write {example}"),
            );
        }
        None
    }

    fn whole(&mut self, part: &Part<'_>, key: &str) -> Option<usize> {
        self.value(part, key, "a whole number above 0", |value| match value {
            Value::Integer(number) => usize::try_from(*number).ok().filter(|number| *number > 0),
            _ => None,
        })
    }
}
