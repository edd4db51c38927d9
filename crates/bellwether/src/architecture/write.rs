//! From a network specification to a file: what bundles hold. Every setting is said, so that a default may change.

use std::fmt::Write as _;

use bellwether_nn::{Conv, Head, LayerKind, NetworkSpec, Padding};

use super::VERSION;

/// The text that [`super::of_bytes`] reads as `spec`.
pub(crate) fn write(spec: &NetworkSpec) -> String {
    let mut text = format!("version = {VERSION}\n");
    let (head, weight) = match spec.head {
        Head::Reconstruction => ("reconstruction", None),
        Head::Forecast => ("forecast", None),
        Head::Both { forecast_weight } => ("both", Some(forecast_weight)),
    };
    line(&mut text, "head", &quoted(head));
    if let Some(weight) = weight {
        line(&mut text, "forecast_weight", &number(weight));
    }
    for layer in &spec.layers {
        text += "\n[[layers]]\n";
        line(&mut text, "kind", &quoted(layer.kind.name()));
        if let Some(name) = &layer.name {
            line(&mut text, "name", &quoted(name));
        }
        for (key, value) in settings(&layer.kind) {
            line(&mut text, key, &value);
        }
    }
    text
}

fn line(text: &mut String, key: &str, value: &str) {
    writeln!(text, "{key} = {value}").expect("text takes all that is written");
}

fn settings(kind: &LayerKind) -> Vec<(&'static str, String)> {
    match kind {
        LayerKind::Lstm(of) | LayerKind::Gru(of) => vec![
            ("units", of.units.to_string()),
            ("bidirectional", of.bidirectional.to_string()),
            ("last", of.last.to_string()),
            ("recurrent_dropout", number(of.recurrent_dropout)),
        ],
        LayerKind::Dense { units, activation } | LayerKind::Expand { units, activation } => vec![
            ("units", units.to_string()),
            ("activation", quoted(activation.name())),
        ],
        LayerKind::Conv(Conv {
            units,
            kernel,
            dilation,
            padding,
            activation,
        }) => vec![
            ("units", units.to_string()),
            ("kernel", kernel.to_string()),
            ("dilation", dilation.to_string()),
            (
                "padding",
                quoted(match padding {
                    Padding::Causal => "causal",
                    Padding::Same => "same",
                }),
            ),
            ("activation", quoted(activation.name())),
        ],
        LayerKind::Dropout { rate } => vec![("rate", number(*rate))],
        LayerKind::Activation(activation) => vec![("activation", quoted(activation.name()))],
        LayerKind::Residual { from } => vec![("from", quoted(from))],
        LayerKind::Attention { heads } => vec![("heads", heads.to_string())],
        LayerKind::Latent {
            units,
            activation,
            l1,
            l2,
        } => vec![
            ("units", units.to_string()),
            ("activation", quoted(activation.name())),
            ("l1", number(*l1)),
            ("l2", number(*l2)),
        ],
        LayerKind::Variational { units, kl } => vec![("units", units.to_string()), ("kl", number(*kl))],
        LayerKind::BatchNorm
        | LayerKind::LayerNorm
        | LayerKind::Position
        | LayerKind::Last
        | LayerKind::Repeat
        | LayerKind::Flatten => Vec::new(),
    }
}

/// With a point, so that TOML has it as a number that need not be whole; all its digits.
fn number(number: f64) -> String {
    format!("{number:?}")
}

/// A basic string of TOML: what has a meaning there is escaped.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                write!(quoted, "\\u{:04X}", u32::from(c)).expect("text takes all that is written");
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
