//! Answers against the references of `golden/classic_more.py`.

use std::sync::Arc;

use bellwether_core::classic::{Classic, Kind, Parts, Tensor, Training};
use bellwether_core::window::Windows;
use bellwether_testkit::assert_close;
use serde_json::Value;

use crate::errors;
use crate::golden::{count, numbers};

/// Relative, for f64: another order of sums and another decomposition differ by far less.
const TOLERANCE: f64 = 1e-9;

fn golden() -> Value {
    serde_json::from_str(include_str!("../golden/classic_more.json")).unwrap()
}

/// The rows of a golden file and the channels that are read of them.
struct Case {
    n_channels: usize,
    active: Vec<usize>,
    train: Vec<f64>,
    test: Vec<f64>,
}

impl Case {
    fn new(golden: &Value) -> Self {
        Self {
            n_channels: count(&golden["n_channels"]),
            active: numbers(&golden["active"])
                .into_iter()
                .map(|idx| idx as usize)
                .collect(),
            train: numbers(&golden["train"]),
            test: numbers(&golden["test"]),
        }
    }

    fn fit(&self, kind: Kind, len: usize) -> Arc<dyn Classic> {
        let starts: Vec<usize> = (0..=self.train.len() / self.n_channels - len).collect();
        let training = Training {
            windows: &[Windows::new(&self.train, None, self.n_channels, len, &starts)],
            n_channels: self.n_channels,
            active: &self.active,
            weights: &vec![1.0; self.n_channels],
            seed: 42,
        };
        kind.fit(len, &training).unwrap()
    }

    fn made_of(
        &self,
        kind: Kind,
        window_len: usize,
        settings: &[(&'static str, usize)],
        tensors: Vec<(&str, Tensor)>,
    ) -> Arc<dyn Classic> {
        let parts = Parts {
            window_len,
            n_channels: self.n_channels,
            active: self.active.clone(),
            settings: settings.to_vec(),
            tensors: tensors
                .into_iter()
                .map(|(name, of)| (name.to_owned(), of))
                .collect(),
        };
        kind.from_parts(&parts).unwrap()
    }

    /// Errors of active channels for every window of `rows`.
    fn errors(&self, model: &dyn Classic, rows: &[f64]) -> Vec<f64> {
        let len = model.window().len.get();
        let starts: Vec<usize> = (0..=rows.len() / self.n_channels - len).collect();
        let all = errors(model, Windows::new(rows, None, self.n_channels, len, &starts));
        let rows = all.chunks_exact(self.n_channels);
        rows.flat_map(|row| self.active.iter().map(|&channel| row[channel]))
            .collect()
    }

    fn check(&self, kind: Kind, model: &dyn Classic, want: &Value, tolerance: f64) {
        all_close(
            &self.errors(model, &self.test),
            &numbers(want),
            tolerance,
            kind.name(),
        );
    }
}

/// Close relative to the number, or to a thousandth where it is smaller.
fn all_close(got: &[f64], want: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (at, (got, want)) in got.iter().zip(want).enumerate() {
        let off = (got - want).abs() / want.abs().max(1e-3);
        assert!(off <= tolerance, "{what}[{at}]: {got}, want {want}");
    }
}

fn sums(errors: &[f64], n: usize) -> Vec<f64> {
    errors.chunks_exact(n).map(|of| of.iter().sum()).collect()
}

/// Spearman's rank correlation of scores without ties to speak of.
fn rank_correlation(a: &[f64], b: &[f64]) -> f64 {
    let ranks = |of: &[f64]| {
        let mut order: Vec<usize> = (0..of.len()).collect();
        order.sort_by(|&x, &y| of[x].total_cmp(&of[y]));
        let mut ranks = vec![0.0; of.len()];
        order
            .iter()
            .enumerate()
            .for_each(|(rank, &at)| ranks[at] = rank as f64);
        ranks
    };
    let (a, b) = (ranks(a), ranks(b));
    let n = a.len() as f64;
    let squares: f64 = a.iter().zip(&b).map(|(a, b)| (a - b) * (a - b)).sum();
    1.0 - 6.0 * squares / (n * (n * n - 1.0))
}

#[test]
fn robust_z_is_that_of_the_reference() {
    let golden = golden();
    let case = Case::new(&golden);
    let model = case.fit(Kind::RobustZ, 1);
    case.check(Kind::RobustZ, &*model, &golden["robust_z"]["errors"], TOLERANCE);
}

#[test]
fn mahalanobis_distances_and_their_parts_are_those_of_the_reference() {
    let golden = golden();
    let case = Case::new(&golden);
    let model = case.fit(Kind::Mahalanobis, 1);
    case.check(
        Kind::Mahalanobis,
        &*model,
        &golden["mahalanobis"]["errors"],
        TOLERANCE,
    );
    let distances = sums(&case.errors(&*model, &case.test), case.active.len());
    let want = numbers(&golden["mahalanobis"]["distances"]);
    all_close(&distances, &want, TOLERANCE, "squared distances");
}

#[test]
fn t2_and_q_are_those_of_the_reference_and_their_parts_sum_to_them() {
    let golden = golden();
    let case = Case::new(&golden);
    let of = &golden["pca_t2"];
    let model = case.fit(Kind::PcaT2, count(&golden["window_len"]));
    let rank = count(&of["rank"]);
    assert_eq!(model.to_parts().settings, [("rank", rank)]);
    case.check(Kind::PcaT2, &*model, &of["errors"], TOLERANCE);
    let n_cells = count(&golden["window_len"]) * case.active.len();
    let (t2, q) = (numbers(&of["t2"]), numbers(&of["q"]));
    let mean_q = of["mean_q"].as_f64().unwrap();
    let joined: Vec<f64> = t2
        .iter()
        .zip(&q)
        .map(|(t2, q)| t2 / rank as f64 + q / mean_q)
        .collect();
    all_close(
        &sums(&case.errors(&*model, &case.test), n_cells),
        &joined,
        TOLERANCE,
        "T² and Q",
    );
}

/// The reference is the best of ten runs; k-means++ of one run has to come close.
#[test]
fn clusters_are_about_as_tight_as_those_of_the_reference() {
    let golden = golden();
    let case = Case::new(&golden);
    let model = case.fit(Kind::KMeans, count(&golden["window_len"]));
    assert_eq!(model.to_parts().settings, [("n_clusters", 64)]);
    let inertia: f64 = case.errors(&*model, &case.train).iter().sum();
    let best = golden["kmeans"]["inertia_of_64"].as_f64().unwrap();
    assert!(
        inertia < 1.1 * best,
        "{inertia}, the best of the reference is {best}"
    );
}

fn u32s(value: &Value) -> Tensor {
    Tensor::U32(numbers(value).into_iter().map(|number| number as u32).collect())
}

/// The trees of a reference, as parts.
fn trees(of: &Value) -> Vec<(&'static str, Tensor)> {
    vec![
        ("roots", u32s(&of["roots"])),
        ("n_rows", u32s(&of["n_rows"])),
        ("channel", u32s(&of["channel"])),
        ("threshold", Tensor::F64(numbers(&of["threshold"]))),
        ("children", u32s(&of["children"])),
        ("median", Tensor::F64(vec![0.0; 3])),
    ]
}

#[test]
fn isolation_scores_on_the_trees_of_the_reference_are_its_scores() {
    let golden = golden();
    let case = Case::new(&golden);
    let of = &golden["isolation_forest"];
    let n_trees = numbers(&of["roots"]).len();
    let model = case.made_of(Kind::IsolationForest, 1, &[("n_trees", n_trees)], trees(of));
    let squares = sums(&case.errors(&*model, &case.test), case.active.len());
    let scores: Vec<f64> = squares.iter().map(|square| square.sqrt()).collect();
    all_close(&scores, &numbers(&of["scores"]), TOLERANCE, "scores");
}

/// Two forests of one library rank these rows with a correlation of 0.96 or more.
#[test]
fn an_isolation_forest_ranks_rows_as_the_reference_does() {
    let golden = golden();
    let case = Case::new(&golden);
    let model = case.fit(Kind::IsolationForest, 1);
    let squares = sums(&case.errors(&*model, &case.test), case.active.len());
    let want = numbers(&golden["isolation_forest"]["scores_of_another"]);
    let correlation = rank_correlation(&squares, &want);
    assert!(correlation > 0.9, "{correlation}");
}

/// The reference inserts at random: its mean over 4000 insertions lies within five standard errors of the expectation.
#[test]
fn expected_displacements_are_the_mean_of_random_insertions() {
    let golden = golden();
    let of = &golden["rrcf"];
    let case = Case {
        n_channels: 3,
        active: vec![0, 1, 2],
        ..Case::new(&golden)
    };
    let mut tensors = trees(of);
    tensors.push(("points", Tensor::F64(numbers(&of["points"]))));
    let model = case.made_of(Kind::Rrcf, 1, &[("n_trees", 1)], tensors);
    let got = sums(&case.errors(&*model, &numbers(&of["rows"])), 3);
    let (means, errors) = (numbers(&of["means"]), numbers(&of["standard_errors"]));
    for ((got, mean), error) in got.iter().zip(&means).zip(&errors) {
        assert!(
            (got - mean).abs() <= 5.0 * error + 1e-9,
            "{got}, the mean is {mean} ± {error}"
        );
    }
}

/// The reference's distances are roots; ours are squared, of windows that are remembered in f32.
#[test]
fn the_left_matrix_profile_is_that_of_the_reference() {
    let golden = golden();
    let case = Case::new(&golden);
    let len = count(&golden["window_len"]);
    let n_active = case.active.len();
    let model = case.fit(Kind::MatrixProfile, len);
    let all = case.errors(&*model, &case.test);
    let mut got = Vec::new();
    for window in all.chunks_exact(len * n_active) {
        for channel in 0..n_active {
            let square: f64 = window.iter().skip(channel).step_by(n_active).sum();
            got.push(square.sqrt());
        }
    }
    for (got, want) in got.iter().zip(numbers(&golden["matrix_profile"]["distances"])) {
        assert!((got - want).abs() < 1e-5, "{got}, want {want}");
    }
}

#[test]
fn spectral_residuals_are_those_of_the_paper() {
    let golden = golden();
    let case = Case {
        active: vec![0, 3],
        ..Case::new(&golden)
    };
    let of = &golden["spectral_residual"];
    for (len, want) in numbers(&of["lengths"])
        .into_iter()
        .zip(of["errors"].as_array().unwrap())
    {
        let model = case.fit(Kind::SpectralResidual, len as usize);
        case.check(Kind::SpectralResidual, &*model, want, 1e-7);
    }
}

#[test]
fn periods_are_the_peaks_of_the_reference() {
    let golden = golden();
    let of = &golden["seasonal_naive"];
    let case = Case {
        n_channels: 3,
        active: vec![0, 1, 2],
        train: numbers(&of["train"]),
        test: Vec::new(),
    };
    let model = case.fit(Kind::SeasonalNaive, 41);
    let (name, found) = &model.to_parts().tensors[0];
    assert_eq!((&**name, found), ("periods", &u32s(&of["periods"])));
    // And a forecast is the value so long ago.
    let errors = case.errors(&*model, &case.train);
    let value = |row: usize, channel: usize| case.train[row * 3 + channel];
    assert_close(
        errors[0],
        (value(40, 0) - value(28, 0)).powi(2),
        1e-12,
        "twelve rows ago",
    );
}

#[test]
fn likelihood_ratios_are_those_of_the_reference() {
    let golden = golden();
    let case = Case::new(&golden);
    let floor = vec![("floor", Tensor::F64(vec![1e-6; 3]))];
    let model = case.made_of(Kind::Changepoint, count(&golden["window_len"]), &[], floor);
    case.check(Kind::Changepoint, &*model, &golden["changepoint"]["errors"], 1e-8);
}
