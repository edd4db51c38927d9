//! The classic detectors against their references, and against what every one of them owes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod golden;
mod kinds;
mod more;
mod parts;

use bellwether_core::classic::FitClassicError;
use bellwether_core::classic::knn::{KnnSpec, NearestWindows};
use bellwether_core::classic::pca::{PcaSpec, WindowPca};
use bellwether_core::classic::var::{VarSpec, VectorAutoregression};
use bellwether_core::model::{Answers, Model, ModelError};
use bellwether_core::window::Windows;
use proptest::prelude::*;

const N_CHANNELS: usize = 4;
const ACTIVE: [usize; 3] = [0, 1, 3];
const LEN: usize = 6;

/// Rows of all channels, finite, the same every time; channel 2 is constant.
fn rows(n_rows: usize) -> Vec<f64> {
    let value = |at: usize| {
        let (row, channel) = (at / N_CHANNELS, at % N_CHANNELS);
        let noise = ((at * 7919) % 1009) as f64 / 1009.0 - 0.5;
        let wave = (row as f64 / (2.0 + channel as f64)).sin();
        if channel == 2 {
            0.0
        } else {
            0.5 + 0.3 * wave + 0.1 * noise
        }
    };
    (0..n_rows * N_CHANNELS).map(value).collect()
}

fn starts(values: &[f64], len: usize) -> Vec<usize> {
    (0..=values.len() / N_CHANNELS - len).collect()
}

fn pca(values: &[f64]) -> Result<WindowPca, FitClassicError> {
    let starts = starts(values, LEN);
    let windows = Windows::new(values, None, N_CHANNELS, LEN, &starts);
    let spec = PcaSpec {
        window_len: LEN,
        ..PcaSpec::default()
    };
    spec.fit(&[windows], N_CHANNELS, &ACTIVE)
}

fn var(values: &[f64]) -> Result<VectorAutoregression, FitClassicError> {
    let starts = starts(values, LEN);
    let windows = Windows::new(values, None, N_CHANNELS, LEN, &starts);
    let spec = VarSpec {
        lags: LEN - 1,
        ..VarSpec::default()
    };
    spec.fit(&[windows], N_CHANNELS, &ACTIVE)
}

fn knn(values: &[f64]) -> Result<NearestWindows, FitClassicError> {
    let starts = starts(values, LEN);
    let windows = Windows::new(values, None, N_CHANNELS, LEN, &starts);
    let spec = KnnSpec {
        window_len: LEN,
        memory_max: 50,
        ..KnnSpec::default()
    };
    spec.fit(&[windows], N_CHANNELS, &ACTIVE, &[1.0, 0.5, 1.0, 2.0])
}

/// One of each, fitted on `values`.
fn all(values: &[f64]) -> [Box<dyn Model>; 3] {
    [
        Box::new(pca(values).unwrap()),
        Box::new(var(values).unwrap()),
        Box::new(knn(values).unwrap()),
    ]
}

fn errors(model: &dyn Model, windows: Windows<'_>) -> Vec<f64> {
    let mut errors = vec![f64::NAN; windows.n_windows() * model.n_answers() * model.n_channels()];
    model.errors(windows, &mut errors).unwrap();
    errors
}

fn expected(model: &dyn Model, windows: Windows<'_>) -> Vec<f64> {
    let mut expected = vec![f64::NAN; windows.n_windows() * model.n_answers() * model.n_channels()];
    model.expected(windows, &mut expected).unwrap();
    expected
}

fn bits(numbers: &[f64]) -> Vec<u64> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

proptest! {
    #[test]
    fn the_answer_for_a_window_does_not_depend_on_its_neighbours(
        values in prop::collection::vec(-1.0e3..1.0e3, N_CHANNELS * 60),
        order in prop::collection::vec(0..=60 - LEN, 1..80),
    ) {
        let windows = Windows::new(&values, None, N_CHANNELS, LEN, &order);
        for model in all(&rows(100)) {
            let cells = model.n_answers() * N_CHANNELS;
            let together = [expected(&*model, windows), errors(&*model, windows)];
            for at in 0..order.len() {
                let alone = windows.subset(at..at + 1);
                let own = at * cells..(at + 1) * cells;
                prop_assert_eq!(bits(&together[0][own.clone()]), bits(&expected(&*model, alone)));
                prop_assert_eq!(bits(&together[1][own]), bits(&errors(&*model, alone)));
            }
        }
    }

    #[test]
    fn errors_rise_with_an_injected_fault(start in 0..40_usize, channel in 0..3_usize, size in 5.0..50.0) {
        let normal = rows(100);
        let of = |model: &dyn Model, fault: f64| -> f64 {
            let mut values = normal.clone();
            values[(start + LEN - 1) * N_CHANNELS + ACTIVE[channel]] += fault;
            errors(model, Windows::new(&values, None, N_CHANNELS, LEN, &[start])).iter().sum()
        };
        for model in all(&normal) {
            prop_assert!(of(&*model, 2.0 * size) > of(&*model, size), "{:?}", model);
            prop_assert!(of(&*model, size) > of(&*model, 0.0), "{:?}", model);
        }
    }

    #[test]
    fn any_finite_training_part_can_be_learnt(
        values in prop::collection::vec(
            prop_oneof![Just(0.0), Just(1.0), -1.0..1.0, -1.0e6..1.0e6, Just(1.0e-300)],
            N_CHANNELS * LEN..N_CHANNELS * 40,
        ),
    ) {
        let values = &values[..values.len() / N_CHANNELS * N_CHANNELS];
        let starts = starts(values, LEN);
        for model in all(values) {
            errors(&*model, Windows::new(values, None, N_CHANNELS, LEN, &starts));
        }
    }
}

#[test]
fn fits_repeat_bit_for_bit() {
    let values = rows(200);
    assert_eq!(pca(&values).unwrap().parts(), pca(&values).unwrap().parts());
    assert_eq!(var(&values).unwrap().parts(), var(&values).unwrap().parts());
    assert_eq!(knn(&values).unwrap().parts(), knn(&values).unwrap().parts());
}

#[test]
fn every_model_says_what_it_wants_and_answers_for() {
    let models = all(&rows(100));
    let said = models
        .each_ref()
        .map(|model| (model.answers(), model.n_answers()));
    assert_eq!(
        said,
        [
            (Answers::Window, LEN),
            (Answers::LastRow, 1),
            (Answers::Window, LEN)
        ]
    );
    for model in models {
        assert_eq!((model.window().len.get(), model.n_channels()), (LEN, N_CHANNELS));
        let values = rows(10);
        let got = model.errors(Windows::new(&values, None, N_CHANNELS, LEN - 1, &[]), &mut []);
        let shape = ModelError::Shape {
            want_len: LEN,
            want_channels: N_CHANNELS,
            len: LEN - 1,
            channels: N_CHANNELS,
        };
        assert_eq!(got, Err(shape));
    }
}

#[test]
fn zero_is_expected_of_inactive_channels_and_filled_values_have_no_error() {
    let mut values = rows(LEN);
    let last = (LEN - 1) * N_CHANNELS;
    values[last + 2] = 3.0;
    let mut observed = vec![true; values.len()];
    observed[last] = false;
    let windows = Windows::new(&values, Some(&observed), N_CHANNELS, LEN, &[0]);
    for model in all(&rows(100)) {
        let expected = expected(&*model, windows);
        let answer = &expected[expected.len() - N_CHANNELS..];
        assert_eq!((answer[2], answer[0] == 0.0), (0.0, false));
        let errors = errors(&*model, windows);
        let last = &errors[errors.len() - N_CHANNELS..];
        assert_eq!((last[0], last[2], last[1] > 0.0), (0.0, 9.0, true));
    }
}

#[test]
fn values_far_outside_are_an_error_never_an_infinity() {
    for model in all(&rows(100)) {
        for huge in [1e200, 1e308] {
            let mut values = rows(2 * LEN);
            for row in LEN..2 * LEN {
                // Signs alternate, so that means stay small and the centred values do not.
                values[row * N_CHANNELS] = if row % 2 == 0 { huge } else { -huge };
            }
            let windows = Windows::new(&values, None, N_CHANNELS, LEN, &[0, LEN]);
            let mut out = vec![0.0; 2 * model.n_answers() * N_CHANNELS];
            let far = ModelError::NotFinite { window_idx: 1 };
            assert_eq!(model.errors(windows, &mut out).err().unwrap_or(far.clone()), far);
            assert!(
                out[..model.n_answers() * N_CHANNELS]
                    .iter()
                    .all(|error| error.is_finite())
            );
        }
    }
}

#[test]
fn one_window_is_expected_again() {
    let values = rows(LEN);
    let windows = Windows::new(&values, None, N_CHANNELS, LEN, &[0]);
    assert_eq!(pca(&values).unwrap().parts().rank, 0);
    for model in all(&values) {
        // A shape is remembered in f32.
        assert!(
            errors(&*model, windows).iter().all(|error| *error < 1e-12),
            "{model:?}"
        );
    }
}

#[test]
fn constant_training_parts_have_no_direction() {
    let values = vec![0.1; 50 * N_CHANNELS];
    let model = pca(&values).unwrap();
    assert_eq!((model.parts().rank, model.parts().components.len()), (0, 0));
    let var = var(&values).unwrap();
    assert!(var.parts().coefficients.iter().all(|number| number.abs() < 1e-12));
}

#[test]
fn windows_wider_than_what_is_decomposed_are_learnt_from_fewer() {
    // 100 channels × 20 rows: 2000 cells.
    let n_channels = 100;
    let values: Vec<f64> = rows(25 * 100).into_iter().take(60 * n_channels).collect();
    let active: Vec<usize> = (0..n_channels).collect();
    let starts: Vec<usize> = (0..40).collect();
    let windows = Windows::new(&values, None, n_channels, 20, &starts);
    let spec = PcaSpec {
        window_len: 20,
        ..PcaSpec::default()
    };
    let model = spec.fit(&[windows], n_channels, &active).unwrap();
    assert!((1..40).contains(&model.parts().rank));
    WindowPca::from_parts(model.parts().clone()).unwrap();
}

#[test]
fn fits_that_cannot_be_say_why() {
    let values = rows(20);
    let starts = starts(&values, LEN);
    let windows = [Windows::new(&values, None, N_CHANNELS, LEN, &starts)];
    let spec = PcaSpec {
        window_len: LEN,
        ..PcaSpec::default()
    };
    let check = |spec: PcaSpec, windows: &[Windows<'_>], active: &[usize], expect: &str| {
        let got = spec.fit(windows, N_CHANNELS, active).unwrap_err().to_string();
        assert!(got.contains(expect), "{got}, want {expect}");
    };
    check(spec, &[], &ACTIVE, "no window to learn from");
    check(spec, &windows, &[], "at least one");
    check(spec, &windows, &[1, 0], "rise");
    check(spec, &windows, &[4], "below 4");
    let bad = |spec: PcaSpec, expect| check(spec, &windows, &ACTIVE, expect);
    bad(
        PcaSpec {
            window_len: LEN + 1,
            ..spec
        },
        "wants windows of 7 samples",
    );
    bad(
        PcaSpec {
            window_len: 0,
            ..spec
        },
        "at least one row",
    );
    bad(
        PcaSpec {
            window_len: usize::MAX,
            ..spec
        },
        "choose shorter windows",
    );
    bad(
        PcaSpec {
            variance_share: f64::NAN,
            ..spec
        },
        "variance_share must be in (0, 1]",
    );
    bad(PcaSpec { rank_max: 0, ..spec }, "rank_max must be at least 1");
    bad(
        PcaSpec {
            n_windows_max: 0,
            ..spec
        },
        "n_windows_max must be at least 1",
    );

    let var = VarSpec {
        lags: LEN - 1,
        ..VarSpec::default()
    };
    let bad = |spec: VarSpec, expect: &str| {
        let got = spec.fit(&windows, N_CHANNELS, &ACTIVE).unwrap_err().to_string();
        assert!(got.contains(expect), "{got}, want {expect}");
    };
    bad(VarSpec { lags: 0, ..var }, "lags must be at least 1");
    bad(
        VarSpec {
            lags: usize::MAX,
            ..var
        },
        "choose shorter windows",
    );
    bad(
        VarSpec {
            penalty_share: -1.0,
            ..var
        },
        "penalty_share must be",
    );
    bad(
        VarSpec {
            n_windows_max: 0,
            ..var
        },
        "n_windows_max must be",
    );

    let knn = KnnSpec {
        window_len: LEN,
        ..KnnSpec::default()
    };
    let bad = |spec: KnnSpec, weights: &[f64], expect: &str| {
        let got = spec
            .fit(&windows, N_CHANNELS, &ACTIVE, weights)
            .unwrap_err()
            .to_string();
        assert!(got.contains(expect), "{got}, want {expect}");
    };
    bad(KnnSpec { memory_max: 0, ..knn }, &[1.0; 4], "memory_max must be");
    bad(
        KnnSpec {
            n_neighbours: 65,
            ..knn
        },
        &[1.0; 4],
        "n_neighbours must be",
    );
    bad(knn, &[1.0; 3], "weights must be 4 positive");
    bad(knn, &[1.0, 0.0, 1.0, 1.0], "weights must be 4 positive");
    bad(knn, &[1.0, f64::NAN, 1.0, 1.0], "weights must be 4 positive");
    let huge: Vec<f64> = values.iter().map(|value| value * 1e300).collect();
    assert_eq!(pca(&huge).unwrap_err(), FitClassicError::NotFinite);
    assert_eq!(crate::var(&huge).unwrap_err(), FitClassicError::NotFinite);
}

#[test]
fn the_draw_keeps_order_and_follows_its_seed() {
    let values = rows(400);
    let starts = starts(&values, LEN);
    let windows = Windows::new(&values, None, N_CHANNELS, LEN, &starts);
    let memory = |seed| {
        let spec = KnnSpec {
            window_len: LEN,
            memory_max: 40,
            seed,
            ..KnnSpec::default()
        };
        let model = spec.fit(&[windows], N_CHANNELS, &ACTIVE, &[1.0; 4]).unwrap();
        model.parts().memory.clone()
    };
    assert_eq!(memory(1).len(), 40 * LEN * ACTIVE.len());
    assert_eq!(memory(1), memory(1));
    assert_ne!(memory(1), memory(2));
}
