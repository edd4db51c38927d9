//! The forecaster: what it expects and of what alone, that it learns, and that nothing unseen moves it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use std::ops::ControlFlow;

use bellwether_core::model::{Answers, Model, ModelError};
use bellwether_core::window::Windows;
use bellwether_nn::{
    Architecture, Autoencoder, Forecaster, Framing, FramingError, Kernels, TrainEnd, TrainError, TrainReport,
    TrainSpec, Weights, train_forecaster,
};

const LEN: usize = 17;

/// Two waves and a constant channel between them that is not read, `[n, 3]`.
fn waves(n: usize) -> Vec<f64> {
    let row = |t: usize| {
        let t = t as f64;
        [0.5 + 0.4 * (t / 2.0).sin(), 0.25, 0.5 + 0.3 * (t / 3.0).cos()]
    };
    (0..n).flat_map(row).collect()
}

fn framing() -> Framing {
    Framing::new(3, vec![0, 2], true).unwrap()
}

/// Starts of the windows of `n_rows`, `stride` apart.
fn starts(n_rows: usize, stride: usize) -> Vec<usize> {
    (0..=n_rows - LEN).step_by(stride).collect()
}

fn forecaster(change: impl FnOnce(&mut Weights), kernels: &'static Kernels, n_threads: usize) -> Forecaster {
    let architecture = Architecture::forecaster(LEN, 4, 2, &[20, 9]).unwrap();
    let mut weights = Weights::random(&architecture, 7);
    change(&mut weights);
    Forecaster::new(architecture, framing(), weights, kernels, n_threads).unwrap()
}

/// Draws the head: a network that is not trained, and says something.
fn spread_head(weights: &mut Weights) {
    for tensor in weights.tensors_mut().iter_mut().rev().take(2) {
        let spread = (0..).map(|idx| (idx as f32 * 0.7).sin());
        let values = tensor.values.iter_mut();
        values.zip(spread).for_each(|(value, x)| *value = x);
    }
}

fn expected(network: &Forecaster, values: &[f64]) -> Vec<f64> {
    let starts = starts(values.len() / 3, 1);
    let mut out = vec![f64::NAN; starts.len() * 3];
    let windows = Windows::new(values, None, 3, LEN, &starts);
    network.expected(windows, &mut out).unwrap();
    out
}

fn mean_square(network: &Forecaster, values: &[f64]) -> f64 {
    let starts = starts(values.len() / 3, 1);
    let mut errors = vec![f64::NAN; starts.len() * 3];
    let windows = Windows::new(values, None, 3, LEN, &starts);
    network.errors(windows, &mut errors).unwrap();
    // The middle channel is not read: its error is not the network's.
    let active = errors.iter().enumerate().filter(|(idx, _)| idx % 3 != 1);
    active.map(|(_, error)| error).sum::<f64>() / (starts.len() * 2) as f64
}

fn small() -> TrainSpec {
    TrainSpec {
        encoder: vec![12],
        n_epochs: Some(3),
        learning_rate: 1e-2,
        ..TrainSpec::forecaster()
    }
}

fn fit(
    values: &[f64],
    observed: Option<&[bool]>,
    stride: usize,
    spec: &TrainSpec,
) -> Result<(Forecaster, TrainReport), TrainError> {
    let starts = starts(values.len() / 3, stride);
    let windows = Windows::new(values, observed, 3, LEN, &starts);
    train_forecaster(&[windows], framing(), spec, &mut |_| ControlFlow::Continue(()))
}

#[test]
fn an_untrained_network_expects_the_last_sample_seen_and_nothing_where_it_does_not_look() {
    let network = forecaster(|_| {}, Kernels::detect(), 1);
    assert_eq!(network.answers(), Answers::LastRow);
    assert_eq!((network.window().len.get(), network.n_answers()), (LEN, 1));
    let values = waves(40);
    let before = |shift: [f64; 2]| -> Vec<f64> {
        let rows = values[(LEN - 2) * 3..values.len() - 3].chunks_exact(3);
        rows.flat_map(|row| [row[0] + shift[0], 0.0, row[2] + shift[1]])
            .collect()
    };
    assert_eq!(expected(&network, &values), before([0.0, 0.0]));
    // What the head adds, it adds to that.
    let shifted = |weights: &mut Weights| weights.tensors_mut()[7].values.copy_from_slice(&[0.25, -2.0]);
    let network = forecaster(shifted, Kernels::detect(), 1);
    assert_eq!(expected(&network, &values), before([0.25, -2.0]));
}

#[test]
fn the_last_sample_does_not_move_what_is_expected_and_every_other_one_does() {
    let network = forecaster(spread_head, Kernels::detect(), 1);
    let values = waves(LEN);
    let want = expected(&network, &values);
    for row in 0..LEN {
        for channel in 0..3 {
            let mut changed = values.clone();
            changed[row * 3 + channel] += 0.125;
            let moves = row + 1 < LEN && channel != 1;
            let is_same = expected(&network, &changed) == want;
            assert_eq!(is_same, !moves, "row {row}, channel {channel}");
        }
    }
}

#[test]
fn errors_of_a_window_are_the_same_bits_alone_in_company_and_on_any_number_of_threads() {
    const N_WINDOWS: usize = 301;
    let values = waves(N_WINDOWS + LEN - 1);
    let observed: Vec<bool> = (0..values.len()).map(|idx| idx % 11 != 3).collect();
    let starts = starts(N_WINDOWS + LEN - 1, 1);
    let windows = Windows::new(&values, Some(&observed), 3, LEN, &starts);
    let errors = |network: &Forecaster, batch: usize| {
        let mut all: Vec<u64> = Vec::new();
        for first in (0..N_WINDOWS).step_by(batch) {
            let some = windows.subset(first..(first + batch).min(N_WINDOWS));
            let mut out = vec![f64::NAN; some.n_windows() * 3];
            network.errors(some, &mut out).unwrap();
            all.extend(out.into_iter().map(f64::to_bits));
        }
        all
    };
    for kernels in Kernels::available() {
        let alone = errors(&forecaster(spread_head, kernels, 1), 1);
        assert!(alone.iter().any(|&bits| f64::from_bits(bits) > 1e-3));
        for (idx, &bits) in alone.iter().enumerate() {
            let is_observed = observed[(LEN - 1) * 3 + idx];
            assert_eq!(bits == 0, !is_observed, "cell {idx}: {}", f64::from_bits(bits));
        }
        for n_threads in [1, 2] {
            let network = forecaster(spread_head, kernels, n_threads);
            for batch in [2, 5, 33, 300, N_WINDOWS] {
                let same = errors(&network, batch) == alone;
                assert!(
                    same,
                    "{}: batches of {batch}, {n_threads} threads",
                    kernels.name()
                );
            }
        }
    }
}

#[test]
fn networks_that_do_not_fit_are_refused() {
    let autoencoder = Architecture::new(LEN, 4, 2, &[5], &[5]).unwrap();
    let forecaster = Architecture::forecaster(LEN, 4, 2, &[5]).unwrap();
    let narrow = Architecture::forecaster(LEN, 2, 2, &[5]).unwrap();
    let new = |architecture: &Architecture| {
        let weights = Weights::zeroed(architecture);
        Forecaster::new(architecture.clone(), framing(), weights, Kernels::detect(), 1).err()
    };
    let (an_autoencoder, a_forecaster) = ("an autoencoder", "a forecaster");
    let kind = |got, want| Some(FramingError::Kind { got, want });
    assert_eq!(new(&forecaster), None);
    assert_eq!(new(&autoencoder), kind(an_autoencoder, a_forecaster));
    let widths = FramingError::Network {
        inputs: 2,
        outputs: 2,
        want_inputs: 4,
        want_outputs: 2,
    };
    assert_eq!(new(&narrow), Some(widths));
    let weights = Weights::zeroed(&forecaster);
    let got = Autoencoder::new(forecaster, framing(), weights, Kernels::detect(), 1).err();
    assert_eq!(got, kind(a_forecaster, an_autoencoder));
    for (window_len, stack) in [(0, &[5][..]), (1, &[5]), (4098, &[5]), (17, &[]), (17, &[0])] {
        let got = Architecture::forecaster(window_len, 4, 2, stack);
        assert!(got.is_err(), "{window_len} samples, layers {stack:?}");
    }
}

#[test]
fn windows_of_another_shape_are_refused() {
    let network = forecaster(|_| {}, Kernels::detect(), 1);
    let values = vec![0.0; 120];
    for (n_channels, len) in [(3, LEN - 1), (2, LEN)] {
        let windows = Windows::new(&values, None, n_channels, len, &[0]);
        let got = network.expected(windows, &mut vec![0.0; n_channels]);
        let expect = ModelError::Shape {
            want_len: LEN,
            want_channels: 3,
            len,
            channels: n_channels,
        };
        assert_eq!(got, Err(expect));
    }
}

#[test]
fn an_answer_that_is_not_finite_is_an_error_of_its_window() {
    // Each unit says the more, the higher the level of the first channel, and at level 0 nothing; the head multiplies
    // what they say beyond f32.
    let overflows = |weights: &mut Weights| {
        for tensor in weights.tensors_mut() {
            tensor.values.fill(0.0);
        }
        let (lower, upper) = weights.tensors_mut().split_at_mut(3);
        // Rows 2 n_units..3 n_units are those of the cell's input.
        lower[0].values[2 * 20 * 4..3 * 20 * 4]
            .iter_mut()
            .step_by(4)
            .for_each(|w| *w = 5.0);
        upper[0].values[2 * 9 * 20..3 * 9 * 20].fill(5.0);
        upper[3].values.fill(f32::MAX);
    };
    let network = forecaster(overflows, Kernels::detect(), 1);
    let mut values = vec![0.0; 2 * LEN * 3];
    values[LEN * 3..].fill(1.0);
    let windows = Windows::new(&values, None, 3, LEN, &[0, LEN]);
    let got = network.expected(windows, &mut [0.0; 6]);
    assert_eq!(got, Err(ModelError::NotFinite { window_idx: 1 }));
    let calm = Windows::new(&values, None, 3, LEN, &[0]);
    assert_eq!(network.expected(calm, &mut [0.0; 3]), Ok(()));
}

#[test]
fn a_sine_is_foreseen_far_better_than_as_before() {
    let spec = TrainSpec {
        n_epochs: Some(25),
        ..small()
    };
    let (network, report) = fit(&waves(900), None, 1, &spec).unwrap();
    let fresh = waves(1300).split_off(3 * 1000);
    let (as_before, trained) = (
        mean_square(&forecaster(|_| {}, Kernels::detect(), 1), &fresh),
        mean_square(&network, &fresh),
    );
    assert!(
        trained < 0.01 * as_before,
        "trained {trained}, as before {as_before}"
    );
    let best = report.epochs[report.best_epoch];
    assert!(best.val_loss < 0.01 * as_before, "{best:?}");
    assert_eq!(report.end, TrainEnd::Done);
}

#[test]
fn the_same_seed_gives_the_same_bits_on_any_number_of_threads() {
    let run = |n_threads, seed| {
        let spec = TrainSpec {
            batch_len: 50,
            n_threads,
            seed,
            ..small()
        };
        let (network, report) = fit(&waves(500), None, 1, &spec).unwrap();
        (network.weights().clone(), report)
    };
    let alone = run(1, 42);
    for n_threads in [1, 2, 3] {
        assert_eq!(run(n_threads, 42), alone, "{n_threads} threads");
    }
    assert_ne!(run(1, 43).0, alone.0, "another seed");
}

#[test]
fn a_target_that_was_not_observed_counts_nothing() {
    // Windows side by side: a filler in a last row is a target only. Without validation windows, which see it too.
    let spec = TrainSpec {
        val_share: 0.0,
        ..small()
    };
    let n_rows = 60 * LEN;
    let is_missing = |idx: usize| {
        let (row, channel) = (idx / 3, idx % 3);
        row % LEN == LEN - 1 && (channel == 0 || row % (2 * LEN) == LEN - 1)
    };
    let run = |filler: f64, is_marked: bool| {
        let mut values = waves(n_rows);
        for (idx, value) in values.iter_mut().enumerate().filter(|(idx, _)| is_missing(*idx)) {
            *value = if idx % 3 == 1 { *value } else { filler };
        }
        let observed: Vec<bool> = (0..values.len()).map(|idx| !is_missing(idx)).collect();
        let (network, report) = fit(&values, is_marked.then_some(&observed[..]), LEN, &spec).unwrap();
        (network.weights().clone(), report)
    };
    let modest = run(0.5, true);
    assert!(modest.1.epochs.iter().all(|epoch| epoch.train_loss > 0.0));
    for filler in [50.0, 1e30, -1e200] {
        assert_eq!(run(filler, true), modest, "{filler:e}");
    }
    assert_ne!(
        run(50.0, false),
        run(0.5, false),
        "were it observed, it would count"
    );
}

#[test]
fn a_window_without_an_observed_target_does_not_judge() {
    let values = waves(300);
    // Whatever is read of the last 30 rows is missing; the other channel does not make a judge.
    let observed: Vec<bool> = (0..values.len())
        .map(|idx| idx < 3 * 270 || idx % 3 == 1)
        .collect();
    let (_, report) = fit(&values, Some(&observed), 1, &small()).unwrap();
    // Of 284 windows the last 35 end in the rows 265 and later: five of them before row 270.
    assert_eq!(report.n_val_windows, 5);
}

#[test]
fn the_decoder_is_not_read_and_the_stack_is_checked() {
    let values = waves(200);
    let with_decoder = TrainSpec {
        decoder: vec![0, 9999],
        ..small()
    };
    let plain = fit(&values, None, 1, &small()).unwrap();
    let same = fit(&values, None, 1, &with_decoder).unwrap();
    assert_eq!(same.0.weights(), plain.0.weights());
    assert_eq!(plain.0.architecture().to_string(), "16×4 → 12 → 1×2");
    for encoder in [vec![], vec![0], vec![5000]] {
        let spec = TrainSpec { encoder, ..small() };
        let got = fit(&values, None, 1, &spec).map(|(_, report)| report);
        assert!(matches!(got, Err(TrainError::Framing(_))), "{spec:?}: {got:?}");
    }
}

#[test]
fn nothing_to_see_and_nothing_to_learn_from_are_refused() {
    let values = waves(50);
    let starts: Vec<usize> = (0..50).collect();
    let train = |series: &[Windows<'_>]| {
        let go_on = &mut |_: &bellwether_nn::Progress<'_>| ControlFlow::Continue(());
        let got = train_forecaster(series, framing(), &small(), go_on);
        got.map(|(_, report)| report).unwrap_err()
    };
    let single = Windows::new(&values, None, 3, 1, &starts);
    let message = train(&[single]).to_string();
    assert_eq!(message, "samples before the one to foresee: 0 is not in 1..=4096");
    let none = Windows::new(&values, None, 3, LEN, &[]);
    assert_eq!(train(&[none]), TrainError::NoWindow { window_len: LEN });
    assert_eq!(train(&[]), TrainError::NoWindow { window_len: 0 });
}
