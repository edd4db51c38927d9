//! Answers against scikit-learn.

use bellwether_core::classic::cross::CrossSpec;
use bellwether_core::classic::knn::KnnSpec;
use bellwether_core::classic::pca::PcaSpec;
use bellwether_core::classic::var::VarSpec;
use bellwether_core::model::Model;
use bellwether_core::window::Windows;
use bellwether_testkit::assert_close;
use serde_json::Value;

use crate::{errors, expected};

/// Relative, for f64: another order of sums and another decomposition differ by far less.
const TOLERANCE: f64 = 1e-9;
/// Neighbours are remembered in f32, 24 bits of mantissa.
const TOLERANCE_F32: f64 = 1e-6;

struct Case {
    name: String,
    n_channels: usize,
    active: Vec<usize>,
    window_len: usize,
    lags: usize,
    weights: Vec<f64>,
    train: Vec<f64>,
    test: Vec<f64>,
}

impl Case {
    fn read(case: &Value) -> Self {
        let active = numbers(&case["active"]).into_iter().map(|idx| idx as usize);
        Self {
            name: case["name"].as_str().unwrap().to_owned(),
            n_channels: count(&case["n_channels"]),
            active: active.collect(),
            window_len: count(&case["window_len"]),
            lags: count(&case["lags"]),
            weights: numbers(&case["weights"]),
            train: numbers(&case["train"]),
            test: numbers(&case["test"]),
        }
    }

    /// Fits with windows from every training row on, and compares what `answer` says of the test rows.
    fn check<M: Model>(
        &self,
        what: &str,
        len: usize,
        fit: impl FnOnce(Windows<'_>) -> M,
        tolerance: f64,
        answers: &[(Answer, &Value)],
    ) {
        let starts = |values: &[f64]| -> Vec<usize> { (0..=values.len() / self.n_channels - len).collect() };
        let (of_train, of_test) = (starts(&self.train), starts(&self.test));
        let model = fit(Windows::new(&self.train, None, self.n_channels, len, &of_train));
        let windows = Windows::new(&self.test, None, self.n_channels, len, &of_test);
        for (answer, want) in answers {
            let got = answer(&model, windows);
            let rows = got.chunks_exact(self.n_channels);
            let got: Vec<f64> = rows
                .flat_map(|row| self.active.iter().map(|&channel| row[channel]))
                .collect();
            let want = numbers(want);
            assert_eq!(got.len(), want.len(), "{}: {what}", self.name);
            for (got, want) in got.iter().zip(want) {
                assert_close(*got, want, tolerance, &format!("{}: {what}", self.name));
            }
        }
    }
}

type Answer = fn(&dyn Model, Windows<'_>) -> Vec<f64>;

fn cases() -> Vec<Value> {
    let golden: Value = serde_json::from_str(include_str!("../golden/classic.json")).unwrap();
    golden["cases"].as_array().unwrap().clone()
}

pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    let numbers = value.as_array().unwrap();
    numbers.iter().map(|number| number.as_f64().unwrap()).collect()
}

pub(crate) fn count(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

#[test]
fn window_pca_rebuilds_as_the_reference_does() {
    for golden in cases() {
        let case = Case::read(&golden);
        let fit = |windows: Windows<'_>| {
            let spec = PcaSpec {
                window_len: case.window_len,
                ..PcaSpec::default()
            };
            let model = spec.fit(&[windows], case.n_channels, &case.active).unwrap();
            assert_eq!(model.parts().rank, count(&golden["pca"]["rank"]), "{}", case.name);
            model
        };
        let answers: &[(Answer, &Value)] = &[(expected, &golden["pca"]["expected"])];
        case.check("window PCA", case.window_len, fit, TOLERANCE, answers);
    }
}

#[test]
fn vector_autoregression_forecasts_as_the_reference_does() {
    for golden in cases() {
        let case = Case::read(&golden);
        let fit = |windows: Windows<'_>| {
            let spec = VarSpec {
                lags: case.lags,
                ..VarSpec::default()
            };
            spec.fit(&[windows], case.n_channels, &case.active).unwrap()
        };
        let answers: &[(Answer, &Value)] = &[(expected, &golden["var"]["expected"])];
        case.check("vector autoregression", case.lags + 1, fit, TOLERANCE, answers);
    }
}

#[test]
fn cross_regression_tells_each_channel_as_the_reference_does() {
    for golden in cases() {
        let case = Case::read(&golden);
        if golden["cross"].is_null() {
            continue;
        }
        let fit = |windows: Windows<'_>| {
            let spec = CrossSpec {
                window_len: case.window_len,
                ..CrossSpec::default()
            };
            spec.fit(&[windows], case.n_channels, &case.active).unwrap()
        };
        let answers: &[(Answer, &Value)] = &[(expected, &golden["cross"]["expected"])];
        case.check("cross regression", case.window_len, fit, TOLERANCE, answers);
    }
}

#[test]
fn nearest_windows_are_those_of_the_reference() {
    for golden in cases() {
        let case = Case::read(&golden);
        let fit = |windows: Windows<'_>| {
            let spec = KnnSpec {
                window_len: case.window_len,
                ..KnnSpec::default()
            };
            spec.fit(&[windows], case.n_channels, &case.active, &case.weights)
                .unwrap()
        };
        let answers: &[(Answer, &Value)] = &[
            (expected, &golden["knn"]["expected"]),
            (errors, &golden["knn"]["errors"]),
        ];
        case.check("nearest windows", case.window_len, fit, TOLERANCE_F32, answers);
    }
}
