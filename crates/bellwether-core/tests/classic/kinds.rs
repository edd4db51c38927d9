//! What every kind of detector owes: answers of its own, exact copies, and an error in words where it cannot be fitted.

use std::num::NonZeroUsize;
use std::sync::Arc;

use bellwether_core::classic::{Classic, FitClassicError, Kind, Tensor, Training};
use bellwether_core::detect::{CalibrationSpec, Candidate, Detector, Mode};
use bellwether_core::frame::{Channel, Frame, Sample, SeriesId};
use bellwether_core::model::Answers;
use bellwether_core::time::Timestamp;
use bellwether_core::transform::PipelineSpec;
use bellwether_core::window::Windows;
use proptest::prelude::*;

use crate::{ACTIVE, N_CHANNELS, bits, errors, expected, rows};

const WEIGHTS: [f64; N_CHANNELS] = [1.0, 0.5, 1.0, 2.0];

/// Rows of a window in these tests.
fn len(kind: Kind) -> usize {
    match kind {
        // A spectrum of few rows has little to tell.
        Kind::SpectralResidual => 30,
        kind if kind.is_pointwise() => 1,
        _ => 8,
    }
}

fn starts(values: &[f64], len: usize) -> Vec<usize> {
    (0..(values.len() / N_CHANNELS + 1).saturating_sub(len)).collect()
}

fn fit_with(
    kind: Kind,
    values: &[f64],
    observed: Option<&[bool]>,
    active: &[usize],
) -> Result<Arc<dyn Classic>, FitClassicError> {
    let starts = starts(values, len(kind));
    let training = Training {
        windows: &[Windows::new(values, observed, N_CHANNELS, len(kind), &starts)],
        n_channels: N_CHANNELS,
        active,
        weights: &WEIGHTS,
        seed: 7,
    };
    kind.fit(len(kind), &training)
}

fn fit(kind: Kind, values: &[f64]) -> Arc<dyn Classic> {
    fit_with(kind, values, None, &ACTIVE).unwrap()
}

#[test]
fn names_are_told_apart_and_found_again() {
    for kind in Kind::ALL {
        assert_eq!(Kind::from_name(kind.name()), Some(kind));
    }
    assert_eq!(Kind::from_name("robust"), None);
}

#[test]
fn parts_come_back_as_the_same_detector_bit_for_bit() {
    let (train, test) = (rows(150), rows(40));
    for kind in Kind::ALL {
        let model = fit(kind, &train);
        let parts = model.to_parts();
        assert_eq!(parts, fit(kind, &train).to_parts(), "{kind:?} fitted again");
        let names: Vec<&str> = parts.settings.iter().map(|(name, _)| *name).collect();
        let declared: Vec<&str> = kind.settings().iter().map(|(name, _)| *name).collect();
        assert_eq!((model.kind(), names), (kind, declared));
        let again = kind.from_parts(&parts).unwrap();
        let starts = starts(&test, len(kind));
        let windows = Windows::new(&test, None, N_CHANNELS, len(kind), &starts);
        assert_eq!(
            bits(&errors(&*model, windows)),
            bits(&errors(&*again, windows)),
            "{kind:?}"
        );
        assert_eq!(
            bits(&expected(&*model, windows)),
            bits(&expected(&*again, windows)),
            "{kind:?}"
        );
    }
}

/// Every list shortened, emptied, of another type or gone, every number spoilt, every setting changed: a refusal, or a model
/// that answers; never a panic.
#[test]
fn damaged_parts_are_refused_or_harmless() {
    let values = rows(60);
    for kind in Kind::ALL {
        let good = fit(kind, &values).to_parts();
        let check = |parts| {
            if let Ok(model) = kind.from_parts(&parts) {
                let starts = starts(&values, model.window().len.get());
                let windows = Windows::new(&values, None, N_CHANNELS, model.window().len.get(), &starts);
                let mut out = vec![0.0; windows.n_windows() * model.n_answers() * N_CHANNELS];
                // Whatever it says, it comes back.
                let _ = model.errors(windows, &mut out);
                let _ = model.expected(windows, &mut out);
            }
        };
        for at in 0..good.tensors.len() {
            let mut gone = good.clone();
            let (name, tensor) = gone.tensors.remove(at);
            assert!(kind.from_parts(&gone).is_err(), "{kind:?} without {name}");
            let n = match &tensor {
                Tensor::F64(numbers) => numbers.len(),
                Tensor::F32(numbers) => numbers.len(),
                Tensor::U32(numbers) => numbers.len(),
            };
            let spoilt = |change: &dyn Fn(&mut Tensor)| {
                let mut parts = good.clone();
                change(&mut parts.tensors[at].1);
                parts
            };
            assert!(
                kind.from_parts(&spoilt(&|tensor| *tensor = Tensor::U32(vec![u32::MAX])))
                    .is_err()
            );
            if n > 0 {
                let shorter = spoilt(&|tensor| match tensor {
                    Tensor::F64(numbers) => numbers.truncate(n - 1),
                    Tensor::F32(numbers) => numbers.truncate(n - 1),
                    Tensor::U32(numbers) => numbers.truncate(n - 1),
                });
                assert!(
                    kind.from_parts(&shorter).is_err(),
                    "{kind:?} with a shorter {name}"
                );
            }
            for number in [f64::NAN, -1.0, 0.0, 1e300] {
                for place in [0, n / 2, n.saturating_sub(1)] {
                    check(spoilt(&|tensor| match tensor {
                        Tensor::F64(numbers) if n > 0 => numbers[place] = number,
                        Tensor::F32(numbers) if n > 0 => numbers[place] = number as f32,
                        Tensor::U32(numbers) if n > 0 => numbers[place] = number as u32,
                        _ => {}
                    }));
                    let is_double = matches!(tensor, Tensor::F64(_));
                    if is_double && n > 0 && number.is_nan() {
                        let nan = spoilt(&|tensor| {
                            if let Tensor::F64(numbers) = tensor {
                                numbers[place] = number;
                            }
                        });
                        assert!(kind.from_parts(&nan).is_err(), "{kind:?} with NaN in {name}");
                    }
                }
            }
        }
        for at in 0..good.settings.len() {
            for n in [0, 1, usize::MAX] {
                let mut parts = good.clone();
                parts.settings[at].1 = n;
                check(parts);
            }
            let mut gone = good.clone();
            gone.settings.remove(at);
            // How many windows are remembered shows in their numbers as well.
            assert!(kind.from_parts(&gone).is_err() || kind == Kind::Knn, "{kind:?}");
        }
        for window_len in [0, 1, 2, 9, usize::MAX] {
            let mut parts = good.clone();
            parts.window_len = window_len;
            check(parts);
        }
        let mut parts = good.clone();
        parts.active = vec![1, 0];
        assert!(kind.from_parts(&parts).is_err());
        parts.active.clear();
        assert!(kind.from_parts(&parts).is_err());
    }
}

#[test]
fn what_cannot_be_learnt_from_says_why() {
    for kind in Kind::ALL {
        let error =
            |values: &[f64], active: &[usize]| fit_with(kind, values, None, active).unwrap_err().to_string();
        assert!(error(&rows(60), &[]).contains("at least one"), "{kind:?}");
        assert!(
            error(&[], &ACTIVE).contains("no window to learn from"),
            "{kind:?}"
        );
        let nothing = vec![false; 60 * N_CHANNELS];
        let got = fit_with(kind, &rows(60), Some(&nothing), &ACTIVE).unwrap_err();
        assert!(got.to_string().contains("has any value"), "{kind:?}: {got}");
        let huge: Vec<f64> = rows(60).iter().map(|value| value * 1e300).collect();
        if let Ok(model) = fit_with(kind, &huge, None, &ACTIVE) {
            kind.from_parts(&model.to_parts()).unwrap();
        }
    }
}

#[test]
fn one_window_and_constant_channels_are_enough_to_fit() {
    for kind in Kind::ALL {
        let one = rows(len(kind));
        let constant = vec![0.3; 60 * N_CHANNELS];
        for values in [&one, &constant] {
            let model = fit(kind, values);
            kind.from_parts(&model.to_parts()).unwrap();
            let starts = starts(values, len(kind));
            let windows = Windows::new(values, None, N_CHANNELS, len(kind), &starts);
            let of_active = errors(&*model, windows);
            assert!(of_active.iter().all(|error| *error >= 0.0), "{kind:?}: {model:?}");
        }
    }
}

#[test]
fn inactive_channels_count_as_they_are_and_filled_values_have_no_error() {
    for kind in Kind::ALL {
        let model = fit(kind, &rows(150));
        let mut values = rows(len(kind));
        let last = values.len() - N_CHANNELS;
        values[last + 2] = 3.0;
        values[last + 1] += 5.0;
        let mut observed = vec![true; values.len()];
        observed[last] = false;
        let windows = Windows::new(&values, Some(&observed), N_CHANNELS, len(kind), &[0]);
        let errors = errors(&*model, windows);
        let last = &errors[errors.len() - N_CHANNELS..];
        assert_eq!((last[0], last[2]), (0.0, 9.0), "{kind:?}");
        assert!(last[1] > 0.0, "{kind:?}");
        let expected = expected(&*model, windows);
        let inactive = expected[expected.len() - N_CHANNELS + 2];
        assert_eq!(inactive.to_bits(), 0, "{kind:?}");
    }
}

/// The channel of a spike is the one with the largest part, for every kind but those that say nothing of one row.
#[test]
fn a_spike_is_strange_and_belongs_to_its_channel() {
    let train = rows(400);
    for kind in Kind::ALL {
        let model = fit(kind, &train);
        let len = len(kind);
        for channel in ACTIVE {
            let mut spiked = train[100 * N_CHANNELS..(100 + len) * N_CHANNELS].to_vec();
            let plain = spiked.clone();
            spiked[(len - 1) * N_CHANNELS + channel] += 3.0;
            let of = |values: &[f64]| {
                let errors = errors(&*model, Windows::new(values, None, N_CHANNELS, len, &[0]));
                let mut sums = [0.0; N_CHANNELS];
                for row in errors.chunks_exact(N_CHANNELS) {
                    sums.iter_mut().zip(row).for_each(|(sum, error)| *sum += error);
                }
                sums
            };
            let (before, after) = (of(&plain), of(&spiked));
            let total = |parts: [f64; N_CHANNELS]| parts.iter().sum::<f64>();
            assert!(total(after) > total(before), "{kind:?}, channel {channel}");
            let largest = (0..N_CHANNELS).max_by(|&a, &b| after[a].total_cmp(&after[b]));
            assert_eq!(largest, Some(channel), "{kind:?}: {after:?}");
        }
    }
}

#[test]
fn errors_that_are_squared_residuals_are_that_and_no_others_claim_to_be() {
    let (train, test) = (rows(150), rows(400)[300 * N_CHANNELS..].to_vec());
    for kind in Kind::ALL {
        let model = fit(kind, &train);
        let starts = starts(&test, len(kind));
        let windows = Windows::new(&test, None, N_CHANNELS, len(kind), &starts);
        let (errors, expected) = (errors(&*model, windows), expected(&*model, windows));
        let n = model.n_answers() * N_CHANNELS;
        let mut largest: f64 = 0.0;
        for at in 0..windows.n_windows() {
            let values = windows.values(at);
            let values = &values[values.len() - n..];
            for (cell, value) in values.iter().enumerate() {
                let off = value - expected[at * n + cell];
                largest = largest.max((off * off - errors[at * n + cell]).abs());
            }
        }
        assert_eq!(model.squares_residuals(), largest < 1e-9, "{kind:?}: {largest}");
    }
}

#[test]
fn windows_are_shorter_where_rows_are_few_and_bounded_where_they_are_many() {
    for kind in Kind::ALL {
        for n_rows in [0, 1, 10, 100, 100_000, usize::MAX] {
            for n_channels in [0, 1, 38, 1000] {
                let len = kind.window_len(n_rows, n_channels);
                assert!((1..=289).contains(&len), "{kind:?}: {len}");
            }
        }
    }
    assert_eq!(Kind::SeasonalNaive.window_len(100_000, 38), 289);
    assert_eq!(Kind::SeasonalNaive.window_len(100_000, 1000), 16);
}

/// Calibrated on rows that it has not seen, judged row by row and as a file: the same bits, and a fault is found.
#[test]
fn every_kind_makes_a_detector_that_says_the_same_in_a_stream_and_in_a_file() {
    let frame = |from: usize, fault: bool| {
        let mut values = rows(1200)[from * N_CHANNELS..(from + 400) * N_CHANNELS].to_vec();
        if fault {
            for row in 200..230 {
                values[row * N_CHANNELS] += if row % 2 == 0 { 6.0 } else { 5.0 };
            }
        }
        let channels = ["a", "b", "c", "d"].map(Channel::new).to_vec();
        let times = (from..from + 400).map(|row| Timestamp::from_secs(row as i64));
        Frame::new(channels, times.collect(), values).unwrap()
    };
    for kind in Kind::ALL {
        let len = kind.window_len(400, N_CHANNELS);
        let spec = PipelineSpec::for_window(NonZeroUsize::new(len).unwrap());
        let pipeline = spec.fit(&[frame(0, false)]).unwrap();
        let prepared = pipeline.apply(frame(0, false)).unwrap();
        let starts = prepared.window_starts(len, 1);
        let training = Training {
            windows: &[prepared.windows(len, &starts)],
            n_channels: N_CHANNELS,
            active: &ACTIVE,
            weights: &pipeline.channel_weights(),
            seed: 42,
        };
        let model = kind.fit(len, &training).unwrap();
        let folds = vec![vec![pipeline.apply(frame(400, false)).unwrap()]];
        let candidates = vec![Candidate::alone(model)];
        let spec = CalibrationSpec::default();
        let (detector, _) = Detector::calibrate(pipeline, candidates, folds, &spec).unwrap();
        let detector = Arc::new(detector);
        let judged = frame(800, true);
        let series = SeriesId::new("pump-1");
        let scores = detector.score(&series, judged.clone(), Mode::Causal).unwrap();
        let mut session = detector.session(series, judged.schema()).unwrap();
        for (row, values) in judged.values().chunks_exact(N_CHANNELS).enumerate() {
            let time = judged.time()[row];
            let verdict = session.push(Sample { time, values }).unwrap();
            let score = verdict.and_then(|verdict| verdict.score).unwrap_or(f64::NAN);
            assert_eq!(
                score.to_bits(),
                scores.score[row].to_bits(),
                "{kind:?}, row {row}"
            );
        }
        let largest = |rows: std::ops::Range<usize>| scores.score[rows].iter().copied().fold(0.0, f64::max);
        assert!(
            largest(200..250) > largest(100..200),
            "{kind:?}: {}",
            largest(200..250)
        );
        detector.expected(&judged, 350..400, Mode::Causal).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn an_answer_is_the_same_alone_and_in_company(
        values in prop::collection::vec(prop_oneof![Just(0.5), -2.0..2.0, -1.0e3..1.0e3], N_CHANNELS * 50),
        order in prop::collection::vec(0..=20_usize, 1..80),
    ) {
        for kind in Kind::ALL {
            let model = fit(kind, &rows(60));
            let windows = Windows::new(&values, None, N_CHANNELS, len(kind), &order);
            let together = errors(&*model, windows);
            prop_assert!(together.iter().all(|error| *error >= 0.0), "{:?}", kind);
            let cells = model.n_answers() * N_CHANNELS;
            for at in [0, order.len() / 2, order.len() - 1] {
                let alone = errors(&*model, windows.subset(at..at + 1));
                prop_assert_eq!(bits(&together[at * cells..(at + 1) * cells]), bits(&alone), "{:?}", kind);
            }
            prop_assert!(model.answers() == Answers::Window || model.n_answers() == 1);
        }
    }

    #[test]
    fn any_finite_training_part_can_be_learnt(
        values in prop::collection::vec(
            prop_oneof![Just(0.0), Just(1.0), -1.0..1.0, -1.0e6..1.0e6, Just(1.0e-300)],
            N_CHANNELS * 30..N_CHANNELS * 50,
        ),
    ) {
        let values = &values[..values.len() / N_CHANNELS * N_CHANNELS];
        for kind in Kind::ALL {
            let model = fit(kind, values);
            let starts = starts(values, len(kind));
            let windows = Windows::new(values, None, N_CHANNELS, len(kind), &starts);
            let of_model = errors(&*model, windows);
            prop_assert!(of_model.iter().all(|error| *error >= 0.0), "{:?}", kind);
        }
    }
}
