//! Layers, losses and optimisers against PyTorch, on every table of kernels.
//!
//! `golden/layers.py` wrote the values with torch 2.15.0 in float64, and says what they are. We compute in float32, with
//! exponentials that are good to 4e-6 at worst: hence [`TOLERANCE`].
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use bellwether_nn::{
    Activation, Architecture, Conv, Head, Kernels, LayerKind, LayerSpec, Loss, NetworkSpec, Optimiser,
    Padding, Recurrent, Scorer, Slot, Trainer, Update, Weights,
};
use serde_json::Value;

/// Of the largest value of a tensor.
const TOLERANCE: f64 = 1e-5;
const BATCH: usize = 5;
const LEN: usize = 6;
const N_IN: usize = 4;
const N_OUT: usize = 3;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/layers.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f32> {
    let number = |value: &Value| value.as_f64().unwrap() as f32;
    value.as_array().unwrap().iter().map(number).collect()
}

fn whole(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

fn activation(name: &str) -> Activation {
    let mut all = Activation::ALL.into_iter();
    all.find(|of| of.name() == name).unwrap()
}

/// The network of a case.
fn network(of: &Value) -> NetworkSpec {
    let units = whole(&of["units"]);
    let dense = |activation| LayerKind::Dense { units, activation };
    let recurrent = |units, bidirectional, last| Recurrent {
        units,
        bidirectional,
        last,
        recurrent_dropout: 0.0,
    };
    let kind = of["kind"].as_str().unwrap();
    let both = || of["both"].as_bool().unwrap();
    let linear = dense(Activation::Linear);
    let kinds = match kind {
        "lstm" => vec![LayerKind::Lstm(recurrent(units, both(), false))],
        "gru" => vec![LayerKind::Gru(recurrent(units, both(), false))],
        "lstm-bottleneck" => vec![
            LayerKind::Lstm(recurrent(units, both(), true)),
            LayerKind::Repeat,
            LayerKind::Lstm(recurrent(4, false, false)),
        ],
        "gru-bottleneck" => vec![
            LayerKind::Gru(recurrent(units, both(), true)),
            LayerKind::Repeat,
            LayerKind::Gru(recurrent(4, false, false)),
        ],
        "conv" => vec![LayerKind::Conv(Conv {
            units,
            kernel: whole(&of["kernel"]),
            dilation: whole(&of["dilation"]),
            padding: match of["causal"].as_bool().unwrap() {
                true => Padding::Causal,
                false => Padding::Same,
            },
            activation: Activation::Linear,
        })],
        "dense" => vec![dense(activation(of["activation"].as_str().unwrap()))],
        "batch-norm" => vec![linear, LayerKind::BatchNorm],
        "layer-norm" => vec![linear, LayerKind::LayerNorm],
        "attention" => vec![
            linear,
            LayerKind::Attention {
                heads: whole(&of["heads"]),
            },
        ],
        other => panic!("no network for {other}"),
    };
    NetworkSpec {
        head: Head::Reconstruction,
        layers: kinds
            .into_iter()
            .map(|kind| LayerSpec { name: None, kind })
            .collect(),
    }
}

fn architecture(of: &Value) -> Architecture {
    Architecture::of_layers(&network(of), LEN, N_IN, N_OUT).unwrap()
}

fn weights(architecture: &Architecture, tensors: &Value) -> Weights {
    let mut weights = Weights::zeroed(architecture);
    let tensors = tensors.as_array().unwrap();
    assert_eq!(weights.tensors().len(), tensors.len());
    for (tensor, values) in weights.tensors_mut().iter_mut().zip(tensors) {
        let values = numbers(values);
        assert_eq!(tensor.values.len(), values.len(), "{}", tensor.name);
        tensor.values = values;
    }
    weights
}

fn check(got: &[f32], want: &[f32], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    // A gradient that is zero (of a shift before a norm) is the rounding of a sum of numbers near one.
    let most = want.iter().fold(2e-2_f64, |most, x| most.max(f64::from(x.abs())));
    for (at, (got, want)) in got.iter().zip(want).enumerate() {
        let off = (f64::from(*got) - f64::from(*want)).abs();
        assert!(off <= TOLERANCE * most, "{what}, at {at}: got {got}, want {want}");
    }
}

/// The windows of a case.
struct Batch {
    x: Vec<f32>,
    target: Vec<f32>,
    observed: Option<Vec<f32>>,
}

impl Batch {
    fn of(case: &Value) -> Self {
        Self {
            x: numbers(&case["x"]),
            target: numbers(&case["target"]),
            observed: None,
        }
    }

    fn fill(&self, window: usize, slot: &mut Slot<'_>) {
        for step in 0..LEN {
            let at = window * LEN + step;
            slot.input(step).copy_from_slice(&self.x[at * N_IN..][..N_IN]);
            slot.target(step)
                .copy_from_slice(&self.target[at * N_OUT..][..N_OUT]);
            if let Some(observed) = &self.observed {
                slot.observed(step)
                    .copy_from_slice(&observed[at * N_OUT..][..N_OUT]);
            }
        }
    }

    fn answers(&self, architecture: &Architecture, weights: &Weights, kernels: &'static Kernels) -> Vec<f32> {
        let mut out = vec![0.0; BATCH * LEN * N_OUT];
        Scorer::new(architecture, weights, kernels, 1).run(
            &mut out,
            LEN * N_OUT,
            |window, step, x| x.copy_from_slice(&self.x[(window * LEN + step) * N_IN..][..N_IN]),
            |_, answer, y, out| out[answer * N_OUT..][..N_OUT].copy_from_slice(y),
        );
        out
    }
}

#[test]
fn every_layer_answers_and_learns_as_that_of_pytorch() {
    let golden = golden();
    let cases = golden["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 24);
    for case in cases {
        let (architecture, batch) = (architecture(&case["spec"]), Batch::of(case));
        let weights = weights(&architecture, &case["tensors"]);
        for kernels in Kernels::available() {
            let what = |part: &str| format!("{}: {part} on {}", case["name"], kernels.name());
            let mut trainer = Trainer::new(architecture.clone(), &weights, kernels, 1);
            let fill = |window: usize, slot: &mut Slot<'_>| batch.fill(window, slot);
            let (report, gradient) = trainer.gradient(BATCH, fill, Loss::Mse);
            check(
                &[report.loss as f32],
                &[case["loss"].as_f64().unwrap() as f32],
                &what("loss"),
            );
            let tensors = gradient
                .tensors()
                .iter()
                .zip(case["gradients"].as_array().unwrap());
            for (tensor, want) in tensors {
                check(&tensor.values, &numbers(want), &what(&tensor.name));
            }
            if case["eval"].is_null() {
                let answers = batch.answers(&architecture, &weights, kernels);
                check(&answers, &numbers(&case["output"]), &what("output"));
                continue;
            }
            let update = Update {
                learning_rate: 0.0,
                clip_norm: None,
            };
            trainer.step(BATCH, fill, Loss::Mse, update);
            let answers = batch.answers(&architecture, &trainer.weights(), kernels);
            check(&answers, &numbers(&case["eval"]), &what("evaluation"));
        }
    }
}

#[test]
fn every_optimiser_moves_weights_as_that_of_pytorch() {
    let golden = golden();
    let cases = golden["cases"].as_array().unwrap();
    let case = cases.iter().find(|case| case["name"] == "dense tanh").unwrap();
    let (architecture, batch) = (architecture(&case["spec"]), Batch::of(case));
    let update = Update {
        learning_rate: 1e-2,
        clip_norm: None,
    };
    for (name, optimiser) in [
        ("adam", Optimiser::Adam),
        ("adamw", Optimiser::AdamW { decay: 0.1 }),
        ("rmsprop", Optimiser::RmsProp),
        ("sgd", Optimiser::Sgd { momentum: 0.9 }),
        ("adagrad", Optimiser::Adagrad),
    ] {
        let wants = golden["optimisers"].as_array().unwrap();
        let want = wants.iter().find(|want| want["name"] == name).unwrap();
        for kernels in Kernels::available() {
            let start = weights(&architecture, &case["tensors"]);
            let trainer = Trainer::new(architecture.clone(), &start, kernels, 1);
            let mut trainer = trainer.with_optimiser(optimiser);
            for _ in 0..5 {
                trainer.step(BATCH, |window, slot| batch.fill(window, slot), Loss::Mse, update);
            }
            let tensors = want["tensors"].as_array().unwrap();
            for (tensor, want) in trainer.weights().tensors().iter().zip(tensors) {
                let what = format!("{name}: {} on {}", tensor.name, kernels.name());
                check(&tensor.values, &numbers(want), &what);
            }
        }
    }
}

#[test]
fn every_loss_has_the_value_and_the_slope_of_pytorch() {
    let golden = golden();
    let losses = golden["losses"].as_array().unwrap();
    let of = |name: &str| losses.iter().find(|loss| loss["name"] == name).unwrap();
    let given = of("given");
    let spec = serde_json::json!({ "kind": "dense", "units": 1, "activation": "linear" });
    let architecture = architecture(&spec);
    let mut weights = Weights::zeroed(&architecture);
    weights.tensors_mut()[3].values = numbers(&given["bias"]);
    let batch = Batch {
        x: vec![0.0; BATCH * LEN * N_IN],
        target: numbers(&given["target"]),
        observed: Some(numbers(&given["observed"])),
    };
    for (name, loss) in [
        ("mse", Loss::Mse),
        ("mae", Loss::Mae),
        ("huber", Loss::Huber { delta: 0.5 }),
        ("log-cosh", Loss::LogCosh),
        ("quantile", Loss::Quantile { level: 0.9 }),
    ] {
        let want = of(name);
        let mut trainer = Trainer::new(architecture.clone(), &weights, Kernels::detect(), 1);
        let (report, gradient) = trainer.gradient(BATCH, |window, slot| batch.fill(window, slot), loss);
        check(
            &[report.loss as f32],
            &[want["loss"].as_f64().unwrap() as f32],
            name,
        );
        check(
            &gradient.tensors()[3].values,
            &numbers(&want["bias_gradient"]),
            name,
        );
    }
}
