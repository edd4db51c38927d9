//! Lists of layers: gradients against finite differences, stacks against the kernels made for them, and that a window is
//! judged by itself alone.

use super::*;
use crate::crew::Crew;
use crate::network::block::Found;
use crate::network::layers::Noise;
use crate::network::layers::block::LayerBlock;
use crate::network::scorer::Scorer;
use crate::network::spec::{Activation, Conv, Head, LayerKind, LayerSpec, NetworkSpec, Padding, Recurrent};

const LEN: usize = 6;

fn layer(kind: LayerKind) -> LayerSpec {
    LayerSpec { name: None, kind }
}

fn named(name: &str, kind: LayerKind) -> LayerSpec {
    LayerSpec {
        name: Some(name.to_owned()),
        kind,
    }
}

fn rnn(units: usize) -> Recurrent {
    Recurrent {
        units,
        bidirectional: false,
        last: false,
        recurrent_dropout: 0.0,
    }
}

fn dense(units: usize, activation: Activation) -> LayerKind {
    LayerKind::Dense { units, activation }
}

fn conv(kernel: usize, dilation: usize, padding: Padding) -> LayerKind {
    LayerKind::Conv(Conv {
        units: 18,
        kernel,
        dilation,
        padding,
        activation: Activation::Tanh,
    })
}

fn rebuilds(layers: Vec<LayerSpec>) -> NetworkSpec {
    NetworkSpec {
        head: Head::Reconstruction,
        layers,
    }
}

/// A network for every layer, and for what a layer can be told.
fn networks() -> Vec<(&'static str, NetworkSpec)> {
    let both_ways = Recurrent {
        bidirectional: true,
        ..rnn(5)
    };
    let last = |units| Recurrent {
        last: true,
        ..rnn(units)
    };
    let deaf = |rnn: Recurrent| Recurrent {
        recurrent_dropout: 0.4,
        ..rnn
    };
    let alone = |kind| rebuilds(vec![layer(kind)]);
    let mut all = vec![
        ("lstm", alone(LayerKind::Lstm(rnn(18)))),
        ("gru", alone(LayerKind::Gru(rnn(18)))),
        ("lstm, both ways", alone(LayerKind::Lstm(both_ways))),
        ("gru, both ways", alone(LayerKind::Gru(both_ways))),
        ("lstm, deaf", alone(LayerKind::Lstm(deaf(both_ways)))),
        ("gru, deaf", alone(LayerKind::Gru(deaf(both_ways)))),
        (
            "gru to gru",
            rebuilds(vec![
                layer(LayerKind::Gru(Recurrent {
                    last: true,
                    ..both_ways
                })),
                layer(LayerKind::Repeat),
                layer(LayerKind::Gru(rnn(7))),
            ]),
        ),
        (
            "lstm to lstm, both ways",
            rebuilds(vec![
                layer(LayerKind::Lstm(Recurrent {
                    last: true,
                    ..both_ways
                })),
                layer(LayerKind::Repeat),
                layer(LayerKind::Lstm(both_ways)),
            ]),
        ),
        ("causal", alone(conv(3, 2, Padding::Causal))),
        ("same", alone(conv(4, 1, Padding::Same))),
        ("longer than the window", alone(conv(5, 3, Padding::Causal))),
        (
            "batch norm",
            rebuilds(vec![
                layer(dense(7, Activation::Tanh)),
                layer(LayerKind::BatchNorm),
            ]),
        ),
        (
            "layer norm",
            rebuilds(vec![
                layer(dense(7, Activation::Tanh)),
                layer(LayerKind::LayerNorm),
            ]),
        ),
        (
            "dropout",
            rebuilds(vec![
                layer(dense(7, Activation::Tanh)),
                layer(LayerKind::Dropout { rate: 0.3 }),
            ]),
        ),
        (
            "residual",
            rebuilds(vec![
                named("a", dense(7, Activation::Tanh)),
                layer(LayerKind::Gru(rnn(7))),
                layer(LayerKind::Residual { from: "a".to_owned() }),
                layer(dense(4, Activation::Sigmoid)),
                layer(LayerKind::Residual {
                    from: "input".to_owned(),
                }),
            ]),
        ),
        (
            "attention",
            rebuilds(vec![
                layer(dense(8, Activation::Linear)),
                layer(LayerKind::Position),
                layer(LayerKind::Attention { heads: 2 }),
            ]),
        ),
        (
            "latent",
            rebuilds(vec![
                layer(LayerKind::Flatten),
                layer(LayerKind::Latent {
                    units: 5,
                    activation: Activation::Tanh,
                    l1: 0.0,
                    l2: 0.2,
                }),
                // The absolute value has a kink at zero: where it is held against differences nothing is below.
                layer(LayerKind::Latent {
                    units: 5,
                    activation: Activation::Sigmoid,
                    l1: 0.1,
                    l2: 0.0,
                }),
                layer(LayerKind::Expand {
                    units: 6,
                    activation: Activation::Tanh,
                }),
            ]),
        ),
        (
            "variational",
            rebuilds(vec![
                layer(LayerKind::Gru(last(9))),
                layer(LayerKind::Variational { units: 5, kl: 0.3 }),
                layer(LayerKind::Repeat),
                layer(dense(6, Activation::Tanh)),
            ]),
        ),
        (
            "forecast",
            NetworkSpec {
                head: Head::Forecast,
                layers: vec![layer(conv(3, 1, Padding::Causal)), layer(LayerKind::Last)],
            },
        ),
        (
            "both",
            NetworkSpec {
                head: Head::Both { forecast_weight: 0.4 },
                layers: vec![
                    layer(LayerKind::Lstm(last(6))),
                    layer(LayerKind::Repeat),
                    layer(LayerKind::Lstm(rnn(6))),
                ],
            },
        ),
    ];
    for of in Activation::ALL {
        let name = of.name();
        all.push((
            name,
            rebuilds(vec![layer(dense(9, of)), layer(LayerKind::Activation(of))]),
        ));
    }
    all
}

fn architecture(spec: &NetworkSpec) -> Architecture {
    // Stacks of LSTM layers, too, are computed layer by layer here.
    Architecture::as_layers(spec, LEN, 4, 3).unwrap()
}

#[test]
fn gradients_of_every_layer_equal_finite_differences() {
    for (name, spec) in networks() {
        for kernels in Kernels::available() {
            check_layer(name, &architecture(&spec), kernels);
        }
    }
}

/// As for stacks; what is drawn in training is the same at each of the places.
fn check_layer(name: &str, architecture: &Architecture, kernels: &'static Kernels) {
    let (weights, batch) = (random_weights(architecture, 3), Batch::new(architecture, 19));
    let loss = Loss::Mse;
    let trainer = |weights: &Weights| Trainer::new(architecture.clone(), weights, kernels, 1).with_noise(9);
    let mean_loss = |weights: &Weights| {
        trainer(weights)
            .differentiate(19, |window, slot| batch.fill(window, slot), loss)
            .loss
    };
    let (_, gradient) = trainer(&weights).gradient(19, |window, slot| batch.fill(window, slot), loss);
    let step = 2e-3_f32;
    for tensor in 0..weights.tensors().len() {
        let direction = &gradient.tensors()[tensor].values;
        let norm = norm_of(direction).max(1e-15);
        let moved = |sign: f32| {
            let mut moved = weights.clone();
            for (value, d) in moved.tensors_mut()[tensor].values.iter_mut().zip(direction) {
                *value += sign * step * d / norm as f32;
            }
            mean_loss(&moved)
        };
        let slope = (moved(1.0) - moved(-1.0)) / (2.0 * f64::from(step));
        let tensor = &weights.tensors()[tensor].name;
        assert!(
            (slope - norm).abs() < 3e-3 * norm + 3e-5,
            "{name}, {tensor} on {}: {slope} against {norm}",
            kernels.name()
        );
    }
}

#[test]
fn gradients_of_what_enters_equal_finite_differences() {
    for (name, spec) in networks() {
        let architecture = architecture(&spec);
        let compiled = Compiled::new(&architecture, Kernels::detect());
        let Compiled::Layers(net) = &compiled else {
            unreachable!("a list of layers")
        };
        let (mut batch, n) = (Batch::new(&architecture, 7), 7);
        let weights = compiled.pack(&random_weights(&architecture, 3));
        let mut transposed = vec![0.0; compiled.n_transposed()];
        compiled.transpose(&Crew::new(1), &weights, &mut transposed);
        let noise = Noise {
            seed: 9,
            update: 0,
            first_window: 0,
        };
        let run = |batch: &Batch| {
            let mut block = LayerBlock::new(net, n);
            block.fill(net, |row, slot| batch.fill(row, slot));
            let mut found = Found::new(net.n_weights);
            block.differentiate(net, &weights, &transposed, Loss::Mse, noise, &mut found);
            (block, found.loss)
        };
        let (block, _) = run(&batch);
        let n_seen = architecture.n_seen();
        let lines = (0..n).flat_map(|row| (0..n_seen).map(move |step| (step, row)));
        let direction: Vec<f32> = lines
            .flat_map(|(step, row)| block.input_gradient(step, row).to_vec())
            .collect();
        let norm = norm_of(&direction);
        let x = batch.x.clone();
        let mut moved = |sign: f32| {
            for ((to, x), d) in batch.x.iter_mut().zip(&x).zip(&direction) {
                *to = x + sign * 2e-3 * d / norm as f32;
            }
            run(&batch).1
        };
        let slope = (moved(1.0) - moved(-1.0)) / 4e-3;
        assert!(
            (slope - norm).abs() < 3e-3 * norm + 3e-3,
            "{name}: {slope} against {norm}"
        );
    }
}

#[test]
fn stacks_layer_by_layer_answer_as_the_kernels_made_for_them() {
    let of = |units, last| layer(LayerKind::Lstm(Recurrent { last, ..rnn(units) }));
    let spec = rebuilds(vec![
        of(20, false),
        of(5, true),
        layer(LayerKind::Repeat),
        of(5, false),
        of(20, false),
    ]);
    let stacks = Architecture::of_layers(&spec, LEN, 4, 3).unwrap();
    assert_eq!(stacks, Architecture::new(LEN, 4, 3, &[20, 5], &[5, 20]).unwrap());
    let layers = architecture(&spec);
    let weights = random_weights(&stacks, 3);
    let mut same = Weights::zeroed(&layers);
    for (to, from) in same.tensors_mut().iter_mut().zip(weights.tensors()) {
        assert_eq!(to.shape, from.shape);
        to.values.clone_from(&from.values);
    }
    let batch = Batch::new(&stacks, 19);
    for kernels in Kernels::available() {
        let gradient = |architecture: &Architecture, weights: &Weights| {
            Trainer::new(architecture.clone(), weights, kernels, 1).gradient(
                19,
                |window, slot| batch.fill(window, slot),
                Loss::Mse,
            )
        };
        let (report, want) = gradient(&stacks, &weights);
        let (other, got) = gradient(&layers, &same);
        assert!((report.loss - other.loss).abs() < 1e-6 * report.loss);
        for (got, want) in got.tensors().iter().zip(want.tensors()) {
            let most = want.values.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
            for (got_one, want_one) in got.values.iter().zip(&want.values) {
                assert!((got_one - want_one).abs() < 1e-5 * most, "{}", want.name);
            }
        }
    }
}

/// Answers for the windows of a batch, so many at a time.
fn answers(architecture: &Architecture, scorer: &Scorer, batch: &Batch, at_a_time: usize) -> Vec<u32> {
    let n_seen = architecture.n_seen();
    let cells = architecture.n_answers() * 3;
    let n = batch.x.len() / (n_seen * 4);
    let mut all = Vec::new();
    for first in (0..n).step_by(at_a_time) {
        let mut out = vec![0.0_f32; at_a_time.min(n - first) * cells];
        scorer.run(
            &mut out,
            cells,
            |window, step, x| {
                x.copy_from_slice(&batch.x[((first + window) * n_seen + step) * 4..][..4]);
            },
            |_, answer, y, out| out[answer * 3..][..3].copy_from_slice(y),
        );
        all.extend(out.into_iter().map(f32::to_bits));
    }
    all
}

#[test]
fn trained_weights_and_answers_are_the_same_bits_for_any_threads_and_company() {
    for (name, spec) in networks() {
        let architecture = architecture(&spec);
        let (weights, batch) = (random_weights(&architecture, 5), Batch::new(&architecture, 70));
        let train = |n_threads, seed| {
            let trainer = Trainer::new(architecture.clone(), &weights, Kernels::detect(), n_threads);
            let mut trainer = trainer.with_noise(seed);
            let update = Update {
                learning_rate: 1e-2,
                clip_norm: Some(1.0),
            };
            for _ in 0..3 {
                trainer.step(70, |window, slot| batch.fill(window, slot), Loss::Mse, update);
            }
            trainer.weights()
        };
        let trained = train(1, 9);
        assert_ne!(trained, weights, "{name}");
        assert_eq!(train(3, 9), trained, "{name}: threads");
        let draws = ["deaf", "dropout", "variational"]
            .iter()
            .any(|part| name.contains(part));
        assert_eq!(train(1, 10) != trained, draws, "{name}: another seed");
        for kernels in Kernels::available() {
            let scorer = |n_threads| Scorer::new(&architecture, &trained, kernels, n_threads);
            let together = answers(&architecture, &scorer(1), &batch, 70);
            assert!(together.iter().all(|&bits| f32::from_bits(bits).is_finite()));
            assert_eq!(answers(&architecture, &scorer(3), &batch, 70), together, "{name}");
            for at_a_time in [1, 2, 7, 33] {
                let some = answers(&architecture, &scorer(1), &batch, at_a_time);
                assert_eq!(some, together, "{name}: {at_a_time} at a time");
            }
        }
    }
}
