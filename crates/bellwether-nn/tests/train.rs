//! Training: it learns, it repeats itself to the bit, it stops when told, and no data spoil its weights.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use std::ops::ControlFlow;

use bellwether_core::model::Model;
use bellwether_core::window::Windows;
use bellwether_nn::{
    Autoencoder, Framing, Loss, Progress, TrainEnd, TrainError, TrainReport, TrainSpec, Weights,
    default_epochs, train,
};

const LEN: usize = 16;

/// Rows of two channels, and the marks of what was observed.
#[derive(Clone)]
struct Data {
    values: Vec<f64>,
    observed: Option<Vec<bool>>,
}

impl Data {
    /// Two waves that belong together: the second is the first a quarter of a turn later.
    fn smooth(n_rows: usize) -> Self {
        let row = |t: usize| {
            let phase = t as f64 / 5.0;
            [0.5 + 0.4 * phase.sin(), 0.5 + 0.4 * phase.cos()]
        };
        Self {
            values: (0..n_rows).flat_map(row).collect(),
            observed: None,
        }
    }

    /// Nothing to learn.
    fn noise(n_rows: usize) -> Self {
        let mut state = 1_u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f64 / (1 << 24) as f64
        };
        Self {
            values: (0..2 * n_rows).map(|_| next()).collect(),
            observed: None,
        }
    }

    /// Windows of `LEN` rows, `stride` apart.
    fn windows<R>(&self, stride: usize, read: impl FnOnce(Windows<'_>) -> R) -> R {
        let n_rows = self.values.len() / 2;
        let starts: Vec<usize> = (0..(n_rows + 1).saturating_sub(LEN)).step_by(stride).collect();
        read(Windows::new(
            &self.values,
            self.observed.as_deref(),
            2,
            LEN,
            &starts,
        ))
    }

    fn train(&self, spec: &TrainSpec) -> Result<(Autoencoder, TrainReport), TrainError> {
        self.train_until(spec, |_| false)
    }

    fn train_until(
        &self,
        spec: &TrainSpec,
        is_enough: impl Fn(&Progress) -> bool,
    ) -> Result<(Autoencoder, TrainReport), TrainError> {
        let mut observe = |progress: &Progress| match is_enough(progress) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        self.windows(1, |windows| train(&[windows], framing(), spec, &mut observe))
    }

    fn mean_error(&self, network: &Autoencoder) -> f64 {
        self.windows(1, |windows| {
            let mut errors = vec![0.0; windows.n_windows() * LEN * 2];
            network.errors(windows, &mut errors).unwrap();
            errors.iter().sum::<f64>() / errors.len() as f64
        })
    }
}

fn framing() -> Framing {
    Framing::new(2, vec![0, 1], true).unwrap()
}

fn small() -> TrainSpec {
    TrainSpec {
        encoder: vec![12, 4],
        decoder: vec![12],
        n_epochs: Some(6),
        learning_rate: 1e-2,
        ..TrainSpec::default()
    }
}

fn is_finite(weights: &Weights) -> bool {
    let mut values = weights.tensors().iter().flat_map(|tensor| &tensor.values);
    values.all(|value| value.is_finite())
}

#[test]
fn training_lowers_the_loss_and_broken_windows_stand_out() {
    let (network, report) = Data::smooth(600)
        .train(&TrainSpec {
            n_epochs: Some(25),
            ..small()
        })
        .unwrap();
    let (first, best) = (report.epochs[0], report.epochs[report.best_epoch]);
    assert!(best.val_loss < 0.2 * first.val_loss, "{first:?} → {best:?}");
    assert!(best.train_loss < 0.2 * first.train_loss, "{first:?} → {best:?}");
    // Each channel stays within its normal range: only their belonging together is broken.
    let mut broken = Data::smooth(200);
    broken
        .values
        .iter_mut()
        .skip(1)
        .step_by(2)
        .for_each(|value| *value = 1.0 - *value);
    let (normal, broken) = (
        Data::smooth(200).mean_error(&network),
        broken.mean_error(&network),
    );
    assert!(broken > 5.0 * normal, "normal {normal}, broken {broken}");
}

#[test]
fn the_same_seed_gives_the_same_bits_on_any_number_of_threads() {
    let run = |n_threads, seed| {
        let spec = TrainSpec {
            n_epochs: Some(2),
            batch_len: 50,
            n_threads,
            seed,
            ..small()
        };
        let (network, report) = Data::smooth(500).train(&spec).unwrap();
        (network.weights().clone(), report)
    };
    let alone = run(1, 42);
    for n_threads in [1, 2, 3] {
        assert_eq!(run(n_threads, 42), alone, "{n_threads} threads");
    }
    assert_ne!(run(1, 43).0, alone.0, "another seed");
}

#[test]
fn early_stopping_keeps_the_best_epoch() {
    let spec = TrainSpec {
        n_epochs: Some(60),
        patience: 2,
        learning_rate: 3e-2,
        ..small()
    };
    let data = Data::noise(150);
    let (network, report) = data.train(&spec).unwrap();
    assert_eq!(report.end, TrainEnd::EarlyStop);
    assert_eq!(report.epochs.len(), report.best_epoch + 1 + spec.patience);
    let losses = report.epochs.iter().map(|epoch| epoch.val_loss);
    let least = losses.fold(f64::INFINITY, f64::min);
    assert_eq!(
        report.epochs[report.best_epoch].val_loss.to_bits(),
        least.to_bits()
    );
    let best = report
        .epochs
        .iter()
        .rfind(|epoch| epoch.is_best)
        .map(|epoch| epoch.epoch);
    assert_eq!(best, Some(report.best_epoch));
    // Stopped right after that epoch, training leaves just those weights.
    let is_best = |progress: &Progress| {
        progress
            .epoch_report
            .is_some_and(|epoch| epoch.epoch == report.best_epoch)
    };
    let (stopped, _) = data.train_until(&spec, is_best).unwrap();
    assert_eq!(network.weights(), stopped.weights());
}

#[test]
fn a_request_to_stop_keeps_the_best_weights_so_far() {
    let data = Data::smooth(300);
    let after = |epoch: usize, n_steps: usize| {
        data.train_until(&small(), |progress| {
            (progress.epoch, progress.n_steps_done) == (epoch, n_steps)
        })
        .unwrap()
    };
    let (within, report) = after(2, 1);
    assert_eq!((report.end, report.epochs.len()), (TrainEnd::Stopped, 2));
    assert!(report.epochs[report.best_epoch].is_best);
    let n_steps = report.n_train_windows.div_ceil(small().batch_len);
    let (at_the_best, _) = after(report.best_epoch, n_steps);
    assert_eq!(within.weights(), at_the_best.weights());
    // Before any epoch has ended, what was learnt so far is all there is.
    let (early, report) = after(0, 1);
    assert_eq!(
        (report.end, report.epochs.len(), report.best_epoch),
        (TrainEnd::Stopped, 0, 0)
    );
    assert_ne!(
        early.weights(),
        &Weights::random(early.architecture(), small().seed)
    );
    assert!(is_finite(early.weights()));
}

#[test]
fn windows_taken_for_faults_are_not_learnt() {
    // In the middle of the history the second channel goes the other way for a twentieth of it.
    let (mut history, mut fault) = (Data::smooth(1200), Data::smooth(200));
    let reverse = |value: &mut f64| *value = 1.0 - *value;
    history.values[1200..1320]
        .iter_mut()
        .skip(1)
        .step_by(2)
        .for_each(reverse);
    fault.values.iter_mut().skip(1).step_by(2).for_each(reverse);
    let contrast = |contamination: f64| {
        let spec = TrainSpec {
            n_epochs: Some(25),
            contamination,
            ..small()
        };
        let (network, _) = history.train(&spec).unwrap();
        fault.mean_error(&network) / Data::smooth(200).mean_error(&network)
    };
    let (all, trimmed) = (contrast(0.0), contrast(0.1));
    assert!(trimmed > 1.5 * all, "all {all}, trimmed {trimmed}");
}

#[test]
fn progress_counts_every_mini_batch() {
    let mut seen = Vec::new();
    let spec = TrainSpec {
        n_epochs: Some(2),
        ..small()
    };
    let report = Data::smooth(300).windows(1, |windows| {
        let mut observe = |progress: &Progress| {
            seen.push((
                progress.epoch,
                progress.n_steps_done,
                progress.epoch_report.is_some(),
            ));
            assert_eq!(progress.n_epochs, 2);
            ControlFlow::Continue(())
        };
        train(&[windows], framing(), &spec, &mut observe).unwrap().1
    });
    let n_steps = report.n_train_windows.div_ceil(spec.batch_len);
    let expect = (0..2).flat_map(|epoch| (1..=n_steps).map(move |step| (epoch, step, step == n_steps)));
    assert_eq!(seen, expect.collect::<Vec<_>>());
}

#[test]
fn windows_that_share_rows_with_a_judge_do_not_train() {
    // (rows, stride, val_share) → (windows that train, windows that judge)
    for (n_rows, stride, val_share, expect) in [
        // 285 windows, the last 35 judge, the 15 before them overlap the first of those.
        (300, 1, 0.125, (235, 35)),
        (300, 1, 0.0, (285, 0)),
        // 36 windows 8 rows apart: 4 judge, and only the one before reaches into their rows.
        (300, 8, 0.125, (31, 4)),
        // Windows side by side share nothing.
        (320, 16, 0.125, (18, 2)),
        // Too few for a gap: all of them train.
        (20, 1, 0.5, (5, 0)),
    ] {
        let spec = TrainSpec {
            n_epochs: Some(1),
            val_share,
            ..small()
        };
        let data = Data::smooth(n_rows);
        let report = data.windows(stride, |windows| {
            let (_, report) =
                train(&[windows], framing(), &spec, &mut |_| ControlFlow::Continue(())).unwrap();
            report
        });
        let got = (report.n_train_windows, report.n_val_windows);
        assert_eq!(got, expect, "{n_rows} rows, stride {stride}, share {val_share}");
    }
}

#[test]
fn several_series_train_together_and_long_ones_are_sampled() {
    let (a, b) = (Data::smooth(200), Data::smooth(100));
    let spec = TrainSpec {
        n_epochs: Some(1),
        val_share: 0.0,
        ..small()
    };
    let n_train = |epoch_len_max| {
        let spec = TrainSpec {
            epoch_len_max,
            ..spec.clone()
        };
        let go_on = &mut |_: &Progress| ControlFlow::Continue(());
        let both = a.windows(1, |a| b.windows(1, |b| train(&[a, b], framing(), &spec, go_on)));
        both.unwrap().1.n_train_windows
    };
    assert_eq!(n_train(3000), 185 + 85);
    assert_eq!(n_train(100), 100);
}

#[test]
fn extreme_values_never_spoil_the_weights() {
    let losses = [Loss::Mse, Loss::Mae, Loss::Huber { delta: 1.0 }];
    for extreme in [1e10, 1e30, -1e30, 1e200, f64::MAX] {
        for is_whole_channel in [false, true] {
            let mut data = Data::smooth(200);
            let channel = data.values.iter_mut().step_by(2);
            match is_whole_channel {
                true => channel.skip(20).step_by(3).for_each(|value| *value = extreme),
                false => channel.skip(60).take(1).for_each(|value| *value = extreme),
            }
            for loss in losses {
                let spec = TrainSpec {
                    loss,
                    n_epochs: Some(2),
                    ..small()
                };
                match data.train(&spec) {
                    Ok((network, report)) => {
                        assert!(is_finite(network.weights()), "{extreme:e}, {loss:?}");
                        assert!(report.epochs.iter().all(|epoch| epoch.val_loss.is_finite()));
                    }
                    Err(TrainError::Diverged {
                        n_restarts,
                        learning_rate,
                        ..
                    }) => {
                        assert!(n_restarts > 0 && learning_rate < spec.learning_rate);
                    }
                    Err(other) => panic!("{extreme:e}, {loss:?}: {other}"),
                }
            }
        }
    }
}

#[test]
fn one_window_out_of_the_finite_numbers_ends_in_divergence_not_in_a_network() {
    let mut data = Data::smooth(200);
    data.values[120] = 1e30;
    let got = data.train(&small()).map(|(_, report)| report);
    assert!(
        matches!(
            got,
            Err(TrainError::Diverged {
                epoch: 0,
                n_restarts: 4,
                ..
            })
        ),
        "{got:?}"
    );
}

#[test]
fn fillers_of_missing_values_move_nothing_beyond_the_input() {
    // Both fillers enter the network at the edge of its range; as targets they would differ beyond f32.
    let run = |filler: f64| {
        let mut data = Data::smooth(200);
        let observed: Vec<bool> = (0..data.values.len()).map(|idx| idx % 7 != 2).collect();
        for (value, observed) in data.values.iter_mut().zip(&observed) {
            if !observed {
                *value = filler;
            }
        }
        data.observed = Some(observed);
        let (network, report) = data.train(&small()).unwrap();
        (network.weights().clone(), report)
    };
    let modest = run(50.0);
    assert_eq!(run(1e30), modest);
    assert_eq!(run(1e200), modest);
}

#[test]
fn a_window_without_an_observed_value_does_not_judge() {
    let mut data = Data::smooth(300);
    let n_seen = 2 * 240;
    data.observed = Some((0..data.values.len()).map(|idx| idx < n_seen).collect());
    let (_, report) = data.train(&small()).unwrap();
    // Of the 35 last windows all begin at row 250 or later.
    assert_eq!(report.n_val_windows, 0);
    assert!(report.epochs.iter().all(|epoch| epoch.val_loss > 0.0));
}

#[test]
fn settings_out_of_range_are_refused() {
    type Change = fn(&mut TrainSpec);
    let changes: [(Change, &str); 18] = [
        (|spec| spec.n_epochs = Some(0), "epochs"),
        (|spec| spec.batch_len = 0, "batch"),
        (|spec| spec.batch_len = 4097, "batch"),
        (|spec| spec.learning_rate = 0.0, "learning rate"),
        (|spec| spec.learning_rate = 1.5, "learning rate"),
        (|spec| spec.learning_rate = f64::NAN, "learning rate"),
        (|spec| spec.clip_norm = 0.0, "clip norm"),
        (|spec| spec.clip_norm = f64::NAN, "clip norm"),
        (|spec| spec.val_share = -0.1, "val-share"),
        (|spec| spec.val_share = 0.6, "val-share"),
        (|spec| spec.val_share = f64::NAN, "val-share"),
        (|spec| spec.contamination = 0.5, "contamination"),
        (|spec| spec.contamination = f64::NAN, "contamination"),
        (|spec| spec.epoch_len_max = 0, "windows per epoch"),
        (|spec| spec.patience = 0, "patience"),
        (|spec| spec.loss = Loss::Huber { delta: 0.0 }, "huber delta"),
        (|spec| spec.loss = Loss::Huber { delta: f32::NAN }, "huber delta"),
        (
            |spec| spec.loss = Loss::Huber { delta: f32::INFINITY },
            "huber delta",
        ),
    ];
    for (change, expect) in changes {
        let mut spec = small();
        change(&mut spec);
        let got = Data::smooth(100).train(&spec).map(|(_, report)| report);
        assert!(
            matches!(&got, Err(TrainError::Setting { name, .. }) if *name == expect),
            "{expect}: {got:?}"
        );
    }
    for (encoder, decoder) in [
        (vec![], vec![4]),
        (vec![4], vec![]),
        (vec![0], vec![4]),
        (vec![5000], vec![4]),
    ] {
        let spec = TrainSpec {
            encoder,
            decoder,
            ..small()
        };
        let got = Data::smooth(100).train(&spec).map(|(_, report)| report);
        assert!(matches!(got, Err(TrainError::Framing(_))), "{spec:?}: {got:?}");
    }
}

#[test]
fn boundless_patience_and_clipping_are_fine() {
    let spec = TrainSpec {
        patience: usize::MAX,
        clip_norm: f64::INFINITY,
        ..small()
    };
    let (_, report) = Data::smooth(100).train(&spec).unwrap();
    assert_eq!((report.end, report.epochs.len()), (TrainEnd::Done, 6));
}

#[test]
fn without_a_window_there_is_no_training() {
    let got = Data::smooth(LEN - 1).train(&small()).map(|(_, report)| report);
    assert_eq!(got, Err(TrainError::NoWindow { window_len: LEN }));
    let got = train(&[], framing(), &small(), &mut |_| ControlFlow::Continue(()));
    assert_eq!(got.err(), Some(TrainError::NoWindow { window_len: 0 }));
}

#[test]
fn few_windows_are_seen_more_often() {
    for (n_windows, expect) in [(0, 60), (1, 60), (300, 60), (900, 20), (1500, 12), (100_000, 12)] {
        assert_eq!(default_epochs(n_windows), expect, "{n_windows} windows");
    }
}
