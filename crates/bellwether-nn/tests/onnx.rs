//! ONNX files against ONNX Runtime: the same answers for a thousand windows of each network.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use bellwether_core::model::Model;
use bellwether_core::window::Windows;
use bellwether_nn::{
    Activation, Architecture, Autoencoder, Conv, Forecaster, Framing, Head, Kernels, LayerKind, LayerSpec,
    Layered, NetworkSpec, Padding, Recurrent, Weights, to_onnx,
};
use bellwether_testkit::onnx::{Answered, judge, windows_of};
use bellwether_testkit::peer::python_with;

const TEST: &str = "onnx_runtime_answers_as_we_do";

const N_WINDOWS: usize = 1000;

/// Both sides compute the network in single precision, in another order.
const TOLERANCE: f64 = 1e-5;

/// Numbers between -1 and 1 that hardly repeat (Weyl's sequence of the golden ratio).
fn spread(idx: usize) -> f64 {
    2.0 * (idx as f64 * 0.618_033_988_749_894_9).fract() - 1.0
}

/// Weights that drive the gates out of their linear middle, and a head that says something. Statistics are those of a
/// training: variances above zero.
fn weights(architecture: &Architecture) -> Weights {
    let mut weights = Weights::random(architecture, 5);
    let n = weights.tensors().len();
    for (tensor_idx, tensor) in weights.tensors_mut().iter_mut().enumerate() {
        let is_head = tensor_idx + 2 >= n;
        for (idx, value) in tensor.values.iter_mut().enumerate() {
            let drawn = spread(idx + tensor_idx) as f32;
            *value = match tensor.name.rsplit('.').next().unwrap_or_default() {
                _ if is_head => 0.5 * drawn,
                "variance" => 1.0 + 0.75 * drawn,
                // What is zero or one before training is not after it.
                "mean" | "b" if *value == 0.0 => 0.5 * drawn,
                "w" if tensor.shape.len() == 1 => 1.0 + 0.5 * drawn,
                _ if architecture.spec().is_some() => *value,
                _ => 2.0 * *value,
            };
        }
    }
    weights
}

struct Case {
    name: &'static str,
    architecture: Architecture,
    framing: Framing,
    has_gaps: bool,
}

fn cases() -> Vec<Case> {
    let case = |name, len, framing: Framing, encoder: &[usize], decoder: &[usize], has_gaps| {
        let (n_inputs, n_outputs) = (framing.n_inputs(), framing.n_outputs());
        let architecture = if decoder.is_empty() {
            Architecture::forecaster(len, n_inputs, n_outputs, encoder)
        } else {
            Architecture::new(len, n_inputs, n_outputs, encoder, decoder)
        };
        Case {
            name,
            architecture: architecture.unwrap(),
            framing,
            has_gaps,
        }
    };
    let some = |with_level| Framing::new(6, vec![0, 2, 3, 5], with_level).unwrap();
    let all = |n: usize, with_level| Framing::new(n, (0..n).collect(), with_level).unwrap();
    vec![
        case("as train makes it", 16, some(true), &[64, 16], &[64], true),
        case("one layer", 8, all(3, false), &[12], &[7], false),
        case("shape M", 64, all(25, true), &[64, 32], &[32, 64], true),
        case("forecaster", 16, some(true), &[20], &[], true),
        case("deep forecaster", 9, all(4, false), &[17, 11, 5], &[], false),
    ]
}

/// Every layer with each of its settings, in networks of a few.
fn networks() -> Vec<(&'static str, Head, Vec<LayerKind>)> {
    let rnn = |units, bidirectional, last| Recurrent {
        units,
        bidirectional,
        last,
        recurrent_dropout: 0.1,
    };
    let conv = |units, kernel, dilation, padding, activation| {
        LayerKind::Conv(Conv {
            units,
            kernel,
            dilation,
            padding,
            activation,
        })
    };
    let dense = |units, activation| LayerKind::Dense { units, activation };
    let from = |name: &str| LayerKind::Residual {
        from: name.to_owned(),
    };
    let both = Head::Both { forecast_weight: 0.5 };
    use Activation::{Elu, LeakyRelu, Linear, Relu, Sigmoid, Tanh};
    vec![
        (
            "lstm both ways",
            Head::Reconstruction,
            vec![
                LayerKind::Lstm(rnn(9, true, false)),
                LayerKind::Lstm(rnn(7, true, true)),
                LayerKind::Repeat,
                LayerKind::Lstm(rnn(12, false, false)),
            ],
        ),
        (
            "gru both ways",
            both,
            vec![
                LayerKind::Gru(rnn(9, true, false)),
                LayerKind::Gru(rnn(7, true, true)),
                LayerKind::Repeat,
                LayerKind::Gru(rnn(12, false, false)),
            ],
        ),
        (
            "gru that foresees",
            Head::Forecast,
            vec![
                LayerKind::Gru(rnn(10, false, false)),
                LayerKind::BatchNorm,
                LayerKind::Dropout { rate: 0.3 },
                LayerKind::Last,
            ],
        ),
        (
            "convolutions",
            Head::Reconstruction,
            vec![
                conv(8, 3, 1, Padding::Causal, Relu),
                conv(9, 3, 2, Padding::Causal, LeakyRelu),
                conv(7, 4, 3, Padding::Same, Elu),
                LayerKind::BatchNorm,
                conv(6, 2, 1, Padding::Same, Tanh),
                LayerKind::Flatten,
                LayerKind::Latent {
                    units: 5,
                    activation: Sigmoid,
                    l1: 0.1,
                    l2: 0.1,
                },
                LayerKind::Expand {
                    units: 6,
                    activation: Elu,
                },
                LayerKind::Activation(Relu),
            ],
        ),
        (
            "attention",
            Head::Reconstruction,
            vec![
                dense(12, Linear),
                LayerKind::Position,
                LayerKind::Attention { heads: 3 },
                from("placed"),
                LayerKind::LayerNorm,
                from("input"),
                LayerKind::Attention { heads: 1 },
                dense(10, LeakyRelu),
                LayerKind::LayerNorm,
            ],
        ),
        (
            "variational",
            both,
            vec![
                LayerKind::Lstm(rnn(10, false, true)),
                LayerKind::Variational { units: 4, kl: 0.1 },
                LayerKind::Expand {
                    units: 5,
                    activation: Linear,
                },
                LayerKind::Gru(rnn(8, true, false)),
            ],
        ),
    ]
}

/// They read twelve inputs, so that what enters can be added to what twelve units give.
fn layered() -> Vec<Case> {
    let networks = networks().into_iter().enumerate();
    let case = |(idx, (name, head, kinds)): (usize, (&'static str, Head, Vec<LayerKind>))| {
        let layer = |kind: LayerKind| LayerSpec {
            name: (kind == LayerKind::Position).then(|| "placed".to_owned()),
            kind,
        };
        let spec = NetworkSpec {
            head,
            layers: kinds.into_iter().map(layer).collect(),
        };
        let framing = Framing::new(8, vec![0, 1, 3, 4, 6, 7], true).unwrap();
        Case {
            name,
            architecture: Architecture::of_layers(&spec, 11, 12, 6).unwrap(),
            framing,
            has_gaps: idx % 2 == 0,
        }
    };
    networks.map(case).collect()
}

#[test]
fn onnx_runtime_answers_as_we_do() {
    let Some(python) = python_with(TEST, "onnxruntime") else {
        return;
    };
    for case in cases().into_iter().chain(layered()) {
        check(python, &case);
    }
}

fn check(python: &str, case: &Case) {
    let Case {
        name,
        architecture,
        framing,
        has_gaps,
    } = case;
    let (len, n_channels) = (architecture.window_len(), framing.n_channels());
    let weights = weights(architecture);
    let notes = [("note", "what the caller says")];
    let bytes = to_onnx(architecture, framing, &weights, &notes);
    assert_eq!(bytes, to_onnx(architecture, framing, &weights, &notes));

    // Beyond the range that enters, here and there, and a stretch without a single measured value.
    let rows: Vec<f64> = (0..(N_WINDOWS + len) * n_channels)
        .map(|idx| 0.5 + 1.5 * spread(idx))
        .collect();
    let marks: Vec<bool> = (0..rows.len())
        .map(|idx| !has_gaps || (idx % 7 != 3 && !(100 * n_channels..160 * n_channels).contains(&idx)))
        .collect();
    let starts: Vec<usize> = (0..N_WINDOWS).collect();
    let windows = Windows::new(&rows, has_gaps.then_some(&marks[..]), n_channels, len, &starts);
    let expected = expected(architecture, framing, weights, windows);
    let values = windows_of(&rows, N_WINDOWS, len, n_channels);
    let observed = windows_of(&marks, N_WINDOWS, len, n_channels);
    let answered = Answered {
        values: &values,
        observed: &observed,
        expected: &expected,
    };
    let (n, off) = judge(python, &bytes, &answered);
    assert_eq!(n, N_WINDOWS, "{name}");
    eprintln!("{name}: {off:.1e}");
    assert!(off <= TOLERANCE, "{name}: off by {off:e}");
    // The answers are none that any network would give.
    let spread = expected.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    assert!(spread > 0.5, "{name}: {spread}");
}

fn expected(
    architecture: &Architecture,
    framing: &Framing,
    weights: Weights,
    windows: Windows<'_>,
) -> Vec<f64> {
    let kernels = Kernels::detect();
    let (of, cut) = (architecture.clone(), framing.clone());
    let model: Box<dyn Model> = if architecture.spec().is_some() {
        Box::new(Layered::new(of, cut, weights, kernels, 1).unwrap())
    } else if architecture.decoder().is_empty() {
        Box::new(Forecaster::new(of, cut, weights, kernels, 1).unwrap())
    } else {
        Box::new(Autoencoder::new(of, cut, weights, kernels, 1).unwrap())
    };
    let mut out = vec![0.0; windows.n_windows() * architecture.n_answers() * framing.n_channels()];
    model.expected(windows, &mut out).unwrap();
    out
}
