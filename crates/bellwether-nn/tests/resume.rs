//! A training that goes on where another stood ends with the bits of one that was never interrupted; one that starts from the
//! weights of another knows what that has learnt.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use std::ops::ControlFlow;
use std::sync::Arc;

use bellwether_core::window::Windows;
use bellwether_nn::{
    Activation, Checkpoint, Framing, Head, LayerKind, LayerSpec, NetworkSpec, Optimiser, Progress, Recurrent,
    Schedule, Start, TrainEnd, TrainError, TrainReport, TrainSpec, Weights, train, train_forecaster,
    train_layered,
};

const LEN: usize = 12;
const N_ROWS: usize = 260;

/// What is trained: its weights, and how it went.
type Trained = Result<(Weights, TrainReport), TrainError>;
/// Trains as a specification says, and hears of it.
type Train<'a> = &'a dyn Fn(&TrainSpec, &mut dyn FnMut(&Progress<'_>) -> ControlFlow<()>) -> Trained;

fn rows() -> Vec<f64> {
    let row = |t: usize| {
        let phase = t as f64 / 5.0;
        [0.5 + 0.4 * phase.sin(), 0.5 + 0.4 * (1.1 * phase).cos()]
    };
    (0..N_ROWS).flat_map(row).collect()
}

fn framing() -> Framing {
    Framing::new(2, vec![0, 1], true).unwrap()
}

fn small() -> TrainSpec {
    TrainSpec {
        encoder: vec![10, 3],
        decoder: vec![10],
        n_epochs: Some(5),
        learning_rate: 1e-2,
        patience: 2,
        ..TrainSpec::default()
    }
}

fn autoencoder(spec: &TrainSpec, observe: &mut dyn FnMut(&Progress<'_>) -> ControlFlow<()>) -> Trained {
    let rows = rows();
    let starts: Vec<usize> = (0..=N_ROWS - LEN).collect();
    let windows = Windows::new(&rows, None, 2, LEN, &starts);
    let (network, report) = train(&[windows], framing(), spec, observe)?;
    Ok((network.weights().clone(), report))
}

fn forecaster(spec: &TrainSpec, observe: &mut dyn FnMut(&Progress<'_>) -> ControlFlow<()>) -> Trained {
    let rows = rows();
    let starts: Vec<usize> = (0..=N_ROWS - LEN).collect();
    let windows = Windows::new(&rows, None, 2, LEN, &starts);
    let (network, report) = train_forecaster(&[windows], framing(), spec, observe)?;
    Ok((network.weights().clone(), report))
}

/// Layers that draw in training and that keep statistics.
fn layered(spec: &TrainSpec, observe: &mut dyn FnMut(&Progress<'_>) -> ControlFlow<()>) -> Trained {
    let kinds = [
        LayerKind::Gru(Recurrent {
            units: 9,
            bidirectional: false,
            last: false,
            recurrent_dropout: 0.0,
        }),
        LayerKind::BatchNorm,
        LayerKind::Dropout { rate: 0.2 },
        LayerKind::Dense {
            units: 6,
            activation: Activation::Tanh,
        },
    ];
    let network = NetworkSpec {
        head: Head::Reconstruction,
        layers: kinds.map(|kind| LayerSpec { name: None, kind }).into(),
    };
    let rows = rows();
    let starts: Vec<usize> = (0..=N_ROWS - LEN).collect();
    let windows = Windows::new(&rows, None, 2, LEN, &starts);
    let (trained, report) = train_layered(&[windows], framing(), &network, spec, observe)?;
    Ok((trained.weights().clone(), report))
}

fn go_on(_: &Progress<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// All checkpoints of a training, and what it ends with.
fn all_of(train: Train<'_>, spec: &TrainSpec) -> (Vec<Checkpoint>, (Weights, TrainReport)) {
    let mut kept = Vec::new();
    let mut observe = |progress: &Progress<'_>| {
        assert_eq!(progress.checkpoint.is_some(), progress.epoch_report.is_some());
        kept.extend(progress.checkpoint.cloned());
        ControlFlow::Continue(())
    };
    let trained = train(spec, &mut observe).unwrap();
    (kept, trained)
}

fn bits(weights: &Weights) -> Vec<u32> {
    let values = weights.tensors().iter().flat_map(|tensor| &tensor.values);
    values.map(|value| value.to_bits()).collect()
}

#[test]
fn a_training_that_goes_on_from_any_epoch_ends_with_the_same_bits() {
    let plateau = Schedule::Plateau {
        factor: 0.5,
        patience: 0,
    };
    let trainings: [(Train<'_>, &str); 3] = [
        (&autoencoder, "autoencoder"),
        (&forecaster, "forecaster"),
        (&layered, "layers"),
    ];
    for (train, name) in trainings {
        for (optimiser, schedule) in [
            (Optimiser::Adam, Schedule::Cosine),
            (Optimiser::Sgd { momentum: 0.9 }, plateau),
        ] {
            let spec = TrainSpec {
                optimiser,
                schedule,
                ..small()
            };
            let (kept, (weights, report)) = all_of(train, &spec);
            assert_eq!(kept.len(), report.epochs.len(), "{name}");
            for (epoch, checkpoint) in kept.into_iter().enumerate() {
                // Threads are none of its business.
                let again = TrainSpec {
                    start: Start::Checkpoint(Arc::new(checkpoint)),
                    n_threads: 1 + epoch % 3,
                    ..spec.clone()
                };
                let (weights_again, report_again) = train(&again, &mut go_on).unwrap();
                assert_eq!(report_again, report, "{name}, {optimiser:?}, after epoch {epoch}");
                assert!(
                    bits(&weights_again) == bits(&weights),
                    "{name}, {optimiser:?}, after epoch {epoch}"
                );
            }
        }
    }
}

#[test]
fn an_early_stop_is_one_after_the_interruption_too() {
    // Nothing is learnt at such a rate: the first epochs are the best.
    let spec = TrainSpec {
        n_epochs: Some(40),
        learning_rate: 1e-12,
        patience: 1,
        ..small()
    };
    let (kept, (weights, report)) = all_of(&autoencoder, &spec);
    assert_eq!(report.end, TrainEnd::EarlyStop);
    let last = TrainSpec {
        start: Start::Checkpoint(Arc::new(kept.last().unwrap().clone())),
        ..spec
    };
    let again = autoencoder(&last, &mut |_| panic!("there is nothing left to do")).unwrap();
    assert_eq!(again, (weights, report));
}

#[test]
fn weights_of_another_training_are_a_head_start() {
    let long = TrainSpec {
        n_epochs: Some(30),
        patience: 30,
        ..small()
    };
    let (parent, _) = autoencoder(&long, &mut go_on).unwrap();
    let short = TrainSpec {
        n_epochs: Some(1),
        ..small()
    };
    let (_, fresh) = autoencoder(&short, &mut go_on).unwrap();
    let tuned = TrainSpec {
        start: Start::Weights(Arc::new(parent.clone())),
        ..short.clone()
    };
    let (weights, report) = autoencoder(&tuned, &mut go_on).unwrap();
    assert!(
        report.epochs[0].train_loss < 0.6 * fresh.epochs[0].train_loss,
        "{} after {} from the start",
        report.epochs[0].train_loss,
        fresh.epochs[0].train_loss
    );
    assert_ne!(weights, parent);
}

#[test]
fn what_is_of_another_network_or_another_training_is_refused() {
    let (kept, (weights, _)) = all_of(&autoencoder, &small());
    let whole = kept[1].clone();
    let refused = |start: Start, train: Train<'_>| {
        let spec = TrainSpec { start, ..small() };
        let got = train(&spec, &mut go_on).map(|(_, report)| report);
        assert!(matches!(got, Err(TrainError::Start { .. })), "{got:?}");
    };
    refused(Start::Weights(Arc::new(weights)), &forecaster);
    refused(Start::Checkpoint(Arc::new(whole.clone())), &forecaster);
    let changes: [fn(&mut Checkpoint); 11] = [
        |kept| kept.weights.truncate(3),
        |kept| kept.first.push(0.0),
        |kept| kept.second.clear(),
        |kept| kept.best.push(1.0),
        |kept| kept.best.truncate(1),
        |kept| kept.weights[0] = f32::NAN,
        |kept| kept.epochs.clear(),
        |kept| kept.best_epoch = 2,
        |kept| kept.epochs[1].epoch = 7,
        |kept| kept.learning_rate = -0.0,
        |kept| kept.n_updates = -1,
    ];
    for change in changes {
        let mut changed = whole.clone();
        change(&mut changed);
        refused(Start::Checkpoint(Arc::new(changed)), &autoencoder);
    }
    // More epochs than the settings ask for.
    let spec = TrainSpec {
        n_epochs: Some(1),
        start: Start::Checkpoint(Arc::new(whole)),
        ..small()
    };
    let got = autoencoder(&spec, &mut go_on).map(|(_, report)| report);
    assert!(matches!(got, Err(TrainError::Start { .. })), "{got:?}");
}
