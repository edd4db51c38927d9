//! Models as plain data: what is kept comes back, what is wrong is refused.

use bellwether_core::classic::PartsError;
use bellwether_core::classic::cross::{CrossParts, CrossRegression, CrossSpec};
use bellwether_core::classic::knn::{KnnParts, NearestWindows};
use bellwether_core::classic::pca::{PcaParts, WindowPca};
use bellwether_core::classic::var::{VarParts, VectorAutoregression};
use bellwether_core::model::Model;
use bellwether_core::window::Windows;

use crate::{ACTIVE, LEN, N_CHANNELS, all, bits, errors, knn, pca, rows, starts, var};

#[test]
fn parts_come_back_as_the_same_model() {
    let values = rows(100);
    let again: [Box<dyn Model>; 3] = [
        Box::new(WindowPca::from_parts(pca(&values).unwrap().parts().clone()).unwrap()),
        Box::new(VectorAutoregression::from_parts(var(&values).unwrap().parts().clone()).unwrap()),
        Box::new(NearestWindows::from_parts(knn(&values).unwrap().parts().clone()).unwrap()),
    ];
    let starts = starts(&values, LEN);
    let windows = Windows::new(&values, None, N_CHANNELS, LEN, &starts);
    for (model, again) in all(&values).iter().zip(&again) {
        assert_eq!(bits(&errors(&**model, windows)), bits(&errors(&**again, windows)));
    }
}

/// What is done to good parts, and what the refusal says.
type Change<P> = (fn(&mut P), &'static str);

/// Applies each change to good parts and expects the message to hold the text beside it.
fn check<P: Clone, M: std::fmt::Debug>(
    good: &P,
    from: impl Fn(P) -> Result<M, PartsError>,
    changes: &[Change<P>],
) {
    for (change, expect) in changes {
        let mut parts = good.clone();
        change(&mut parts);
        let got = from(parts).unwrap_err().to_string();
        assert!(got.contains(expect), "{got}, want {expect}");
    }
}

#[test]
fn wrong_parts_of_a_window_pca_are_refused() {
    let good = pca(&rows(100)).unwrap().parts().clone();
    let changes: &[Change<PcaParts>] = &[
        (|parts| parts.window_len = 0, "at least one row"),
        (|parts| parts.window_len = usize::MAX, "choose shorter windows"),
        (|parts| parts.n_channels = 3, "below 3"),
        (|parts| parts.n_channels = usize::MAX, "choose shorter windows"),
        (|parts| parts.active.clear(), "at least one"),
        (|parts| parts.active[0] = 1, "rise"),
        (
            |parts| parts.mean.truncate(5),
            "mean holds 5 numbers, its shape wants 18",
        ),
        (|parts| parts.mean[3] = f64::NAN, "mean[3] is not finite"),
        (|parts| parts.rank = usize::MAX, "rank[0] is beyond the cells"),
        (|parts| parts.rank += 1, "components holds"),
        (
            |parts| parts.components[2] = f64::INFINITY,
            "components[2] is not finite",
        ),
        (
            |parts| parts.components[20] = 1e200,
            "components[18] is the start of a vector not of unit",
        ),
    ];
    check(&good, WindowPca::from_parts, changes);
}

#[test]
fn wrong_parts_of_a_vector_autoregression_are_refused() {
    let good = var(&rows(100)).unwrap().parts().clone();
    let changes: &[Change<VarParts>] = &[
        (|parts| parts.lags = 0, "lags[0] is 0"),
        (|parts| parts.lags = usize::MAX, "choose shorter windows"),
        (
            |parts| parts.lags += 1,
            "mean_before holds 15 numbers, its shape wants 18",
        ),
        (|parts| parts.active[2] = 4, "below 4"),
        (
            |parts| parts.mean_last.clear(),
            "mean_last holds 0 numbers, its shape wants 3",
        ),
        (
            |parts| parts.coefficients.push(0.0),
            "coefficients holds 46 numbers, its shape wants 45",
        ),
        (
            |parts| parts.coefficients[9] = f64::NEG_INFINITY,
            "coefficients[9] is not finite",
        ),
    ];
    check(&good, VectorAutoregression::from_parts, changes);
}

#[test]
fn wrong_parts_of_a_cross_regression_are_refused() {
    let values = rows(100);
    let spec = CrossSpec {
        window_len: LEN,
        ..CrossSpec::default()
    };
    let starts = starts(&values, LEN);
    let windows = Windows::new(&values, None, N_CHANNELS, LEN, &starts);
    let good = spec.fit(&[windows], N_CHANNELS, &ACTIVE).unwrap();
    let changes: &[Change<CrossParts>] = &[
        (|parts| parts.window_len = 1, "window_len[0] is below 2"),
        (|parts| parts.window_len = usize::MAX, "choose shorter windows"),
        (|parts| parts.active[2] = 4, "below 4"),
        (
            |parts| parts.mean.clear(),
            "mean holds 0 numbers, its shape wants 9",
        ),
        (
            |parts| parts.coefficients.push(0.0),
            "coefficients holds 28 numbers, its shape wants 27",
        ),
        (
            |parts| parts.coefficients[9] = f64::NAN,
            "coefficients[9] is not finite",
        ),
    ];
    check(good.parts(), CrossRegression::from_parts, changes);
}

#[test]
fn wrong_parts_of_nearest_windows_are_refused() {
    let good = knn(&rows(100)).unwrap().parts().clone();
    let changes: &[Change<KnnParts>] = &[
        (|parts| parts.window_len = usize::MAX, "choose shorter windows"),
        (|parts| parts.window_len = 513, "window_len[0] is beyond 512"),
        (|parts| parts.n_channels = 1, "below 1"),
        (|parts| parts.scales[1] = 0.0, "scales[1] is out of"),
        (|parts| parts.scales[1] = f64::NAN, "scales[1] is not finite"),
        (
            |parts| parts.scales.truncate(1),
            "scales holds 1 numbers, its shape wants 3",
        ),
        (|parts| parts.n_neighbours = 0, "n_neighbours[0] is out of 1..=64"),
        (
            |parts| parts.n_neighbours = usize::MAX,
            "n_neighbours[0] is out of 1..=64",
        ),
        (
            |parts| parts.memory.clear(),
            "memory[0] is the start of no window",
        ),
        (
            |parts| parts.memory.truncate(10),
            "memory holds 10 numbers, its shape wants 18",
        ),
        (|parts| parts.memory[7] = f32::NAN, "memory[7] is not finite"),
        (
            |parts| parts.memory[7] = 1e20,
            "memory[7] is not finite, or beyond 1e15",
        ),
    ];
    check(&good, NearestWindows::from_parts, changes);
}
