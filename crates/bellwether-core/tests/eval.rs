//! The metrics against their references, and against what every metric owes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use bellwether_core::eval::affiliation::affiliation_f1;
use bellwether_core::eval::event::event_f1;
use bellwether_core::eval::point::point_f1;
use bellwether_core::eval::point_adjusted::{pa_k_area, point_adjusted_f1};
use bellwether_core::eval::range::range_f1;
use bellwether_core::eval::ranking::Ranking;
use bellwether_core::eval::sweep::{best, even_thresholds, rank_thresholds};
use bellwether_core::eval::vus::vus;
use bellwether_core::eval::{EvalError, F1, evaluate};
use bellwether_core::time::Timestamp;
use bellwether_testkit::real_data;
use proptest::prelude::*;
use serde_json::Value;

/// Relative, for statistics in f64: sums in another order differ by far less, another definition by far more.
const TOLERANCE: f64 = 1e-9;

/// For references kept to six digits: half a unit of the last one, and the above.
const SIX_DIGITS: f64 = 0.5e-6 + TOLERANCE;

/// One labelled series with scores, and what is asked of it.
struct Case {
    name: String,
    labels: Vec<bool>,
    scores: Vec<f64>,
    vus_window: usize,
}

impl Case {
    /// The value of a metric of the scores, by its name in the golden files.
    fn of_scores(&self, metric: &str) -> f64 {
        let ranking = Ranking::new(&self.labels, &self.scores).unwrap();
        let volume = || vus(&self.labels, &self.scores, self.vus_window).unwrap();
        match metric {
            "auc_pr" | "AUC-PR" => ranking.auc_pr(),
            "auc_roc" | "AUC-ROC" => ranking.auc_roc(),
            "vus_pr" | "VUS-PR" => volume().pr,
            "vus_roc" | "VUS-ROC" => volume().roc,
            "f1_best" | "best_point_f1_tsbad" | "Best-F1" => ranking.best_f1().f1,
            "f1_best_threshold" => ranking.best_f1().threshold,
            "event_f1_best" | "event_f1_linspace100" | "Event-F1" => self.best_even(event_f1),
            "range_f1_best" | "range_f1_linspace100" | "Range-F1" => self.best_even(range_f1),
            "affiliation_f1_best" | "affiliation_f1_linspace100" | "Affiliation-F1" => {
                self.best_even(affiliation_f1)
            }
            "pa_f1_linspace100" => self.best_even(adjusted),
            "Event-F1-q" => self.best_ranked(event_f1),
            "Range-F1-q" => self.best_ranked(range_f1),
            "Affiliation-F1-q" => self.best_ranked(affiliation_f1),
            _ => panic!("{}: unknown metric {metric}", self.name),
        }
    }

    /// The value of a metric of the predictions `score > threshold`, by its name in the golden files.
    fn of_predictions(&self, metric: &str, threshold: f64) -> f64 {
        let predicted: Vec<bool> = self.scores.iter().map(|&score| score > threshold).collect();
        let judge = |metric: Judge| metric(&self.labels, &predicted).unwrap();
        match metric {
            "precision" => judge(point_f1).precision,
            "recall" => judge(point_f1).recall,
            "f1" | "point_f1" => judge(point_f1).f1,
            "event_f1" => judge(event_f1).f1,
            "pa_f1" => judge(adjusted).f1,
            "range_f1" => judge(range_f1).f1,
            "affiliation_precision" => judge(affiliation_f1).precision,
            "affiliation_recall" => judge(affiliation_f1).recall,
            "affiliation_f1" => judge(affiliation_f1).f1,
            _ => panic!("{}: unknown metric {metric}", self.name),
        }
    }

    fn best_even(&self, metric: Judge) -> f64 {
        self.best(&even_thresholds(&self.scores, 100), metric)
    }

    fn best_ranked(&self, metric: Judge) -> f64 {
        self.best(&rank_thresholds(&self.scores, 100), metric)
    }

    fn best(&self, thresholds: &[f64], metric: Judge) -> f64 {
        let f1 = |predicted: &[bool]| metric(&self.labels, predicted).map(|got| got.f1);
        best(&self.scores, thresholds, f1).unwrap().unwrap().value
    }
}

fn adjusted(labels: &[bool], predicted: &[bool]) -> Result<F1, EvalError> {
    point_adjusted_f1(labels, predicted, 0.0)
}

type Judge = fn(&[bool], &[bool]) -> Result<F1, EvalError>;

/// Compares every metric of `expect` (an object of numbers) but those in `except` with what `got` says.
fn check(case: &Case, expect: &Value, except: &[&str], tolerance: f64, got: impl Fn(&str) -> f64) -> usize {
    let mut n_compared = 0;
    for (metric, want) in expect.as_object().unwrap() {
        if except.contains(&metric.as_str()) {
            continue;
        }
        // Null: the reference has no number where nothing is predicted; ours is 0.
        let want = if want.is_null() {
            0.0
        } else {
            want.as_f64().unwrap()
        };
        let got = got(metric);
        assert!(
            (got - want).abs() <= tolerance * want.abs().max(1.0),
            "{}: {metric} is {got}, reference {want}",
            case.name
        );
        n_compared += 1;
    }
    n_compared
}

fn numbers(array: &Value) -> Vec<f64> {
    let array = array.as_array().unwrap();
    array.iter().map(|number| number.as_f64().unwrap()).collect()
}

fn count(number: &Value) -> usize {
    usize::try_from(number.as_u64().unwrap()).unwrap()
}

#[test]
fn every_metric_equals_the_reference_to_1e_9() {
    let golden: Value = serde_json::from_str(include_str!("golden/metrics.json")).unwrap();
    let mut n_compared = 0;
    for entry in golden["cases"].as_array().unwrap() {
        let case = Case {
            name: entry["name"].as_str().unwrap().to_owned(),
            labels: entry["labels"]
                .as_str()
                .unwrap()
                .chars()
                .map(|c| c == '1')
                .collect(),
            scores: numbers(&entry["scores"]),
            vus_window: count(&entry["vus_window"]),
        };
        n_compared += check(&case, &entry["of_scores"], &[], TOLERANCE, |metric| {
            case.of_scores(metric)
        });
        let at = &entry["of_predictions"];
        let threshold = at["threshold"].as_f64().unwrap();
        n_compared += check(&case, at, &["threshold"], TOLERANCE, |metric| {
            case.of_predictions(metric, threshold)
        });
    }
    assert_eq!(n_compared, 36 * 17);
}

#[test]
fn metrics_equal_the_six_digit_references_of_small_cases() {
    let Some(dir) = real_data("metrics_equal_the_six_digit_references_of_small_cases") else {
        return;
    };
    let golden: Value = serde_json::from_str(&read(&dir.join("golden_metrics.json"))).unwrap();
    let except = ["threshold", "rule"];
    let mut n_compared = 0;
    for entry in golden["cases"].as_array().unwrap() {
        let case = Case {
            name: entry["name"].as_str().unwrap().to_owned(),
            labels: numbers(&entry["label"])
                .iter()
                .map(|&label| label > 0.5)
                .collect(),
            scores: numbers(&entry["score"]),
            vus_window: count(&entry["vus_window"]),
        };
        n_compared += check(&case, &entry["metrics"], &except, SIX_DIGITS, |metric| {
            case.of_scores(metric)
        });
        let at = &entry["at_threshold"];
        let threshold = at["threshold"].as_f64().unwrap();
        n_compared += check(&case, at, &except, SIX_DIGITS, |metric| {
            case.of_predictions(metric, threshold)
        });
    }
    assert_eq!(n_compared, 18 * (9 + 9));
}

#[test]
fn metrics_equal_the_six_digit_references_of_long_real_scores() {
    let Some(dir) = real_data("metrics_equal_the_six_digit_references_of_long_real_scores") else {
        return;
    };
    let dir = dir.join("golden_scores");
    let golden: Value = serde_json::from_str(&read(&dir.join("metrics.json"))).unwrap();
    let mut n_compared = 0;
    for entry in golden["cases"].as_array().unwrap() {
        let name = entry["file"].as_str().unwrap().to_owned();
        let text = read(&dir.join(&name));
        let rows: Vec<(&str, &str)> = text
            .lines()
            .skip(1)
            .map(|row| row.split_once(',').unwrap())
            .collect();
        assert_eq!(rows.len(), count(&entry["n"]), "{name}");
        let case = Case {
            name,
            labels: rows.iter().map(|row| row.0 == "1").collect(),
            scores: rows.iter().map(|row| row.1.parse().unwrap()).collect(),
            vus_window: count(&entry["vus_window"]),
        };
        n_compared += check(&case, &entry["metrics"], &[], SIX_DIGITS, |metric| {
            case.of_scores(metric)
        });
    }
    assert_eq!(n_compared, 6 * 11);
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test reads its golden file; core itself never does"
)]
fn read(path: &std::path::Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|err| panic!("{}: {err}", path.display()))
}

/// A series with a quarter labelled in runs and scores that know a little; from a linear congruence, no entropy.
fn synthetic(n_samples: usize) -> (Vec<bool>, Vec<f64>) {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut uniform = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let labels: Vec<bool> = (0..n_samples).map(|idx| idx % 200 >= 150).collect();
    let scores = labels
        .iter()
        .map(|&label| uniform() + 0.3 * f64::from(u8::from(label)))
        .collect();
    (labels, scores)
}

#[test]
fn all_metrics_of_a_hundred_thousand_samples_agree_with_one_another() {
    let (labels, scores) = synthetic(100_000);
    let predicted: Vec<bool> = scores.iter().map(|&score| score > 1.0).collect();
    let time: Vec<Timestamp> = (0..100_000).map(Timestamp::from_secs).collect();
    let got = evaluate(&labels, &scores, &predicted, &time, 100).unwrap();
    // A uniform score lifted by 0.3: P(normal < labelled) = 1 − 0.7²/2.
    assert!((got.auc_roc - 0.755).abs() < 0.005, "{got:?}");
    // Above 1.0 only labelled samples score, 0.3 of them: precision 1, and some in each of the 500 events.
    assert!((got.f1 - 0.6 / 1.3).abs() < 0.01, "{got:?}");
    assert!(
        got.event_f1 > 0.999 && got.false_alarms_per_week.abs() < 1e-12,
        "{got:?}"
    );
    // Waiting for the first success at 0.3 per second takes 0.7 / 0.3 s.
    assert!(
        (got.detection_delay_s.unwrap() - 7.0 / 3.0).abs() < 0.3,
        "{got:?}"
    );
    // Buffers forgive what lies beside an event, and no threshold beats the best one.
    assert!(got.vus_pr > got.auc_pr && got.f1 <= got.f1_best, "{got:?}");
}

/// Labels of both kinds with small integer scores, hence many ties.
fn labelled_scores() -> impl Strategy<Value = (Vec<bool>, Vec<f64>)> {
    prop::collection::vec((any::<bool>(), -20..20_i8), 2..120)
        .prop_map(|samples| {
            let labels = samples.iter().map(|sample| sample.0).collect::<Vec<_>>();
            (labels, samples.iter().map(|sample| f64::from(sample.1)).collect())
        })
        .prop_filter("both kinds", |(labels, _)| {
            labels.contains(&true) && labels.contains(&false)
        })
}

/// The bits of a metric: for what must not change at all.
fn bits(metrics: [f64; 5]) -> [u64; 5] {
    metrics.map(f64::to_bits)
}

fn rank_metrics(labels: &[bool], scores: &[f64]) -> [f64; 5] {
    let ranking = Ranking::new(labels, scores).unwrap();
    let volume = vus(labels, scores, labels.len() / 3).unwrap();
    [
        ranking.auc_pr(),
        ranking.auc_roc(),
        ranking.best_f1().f1,
        volume.pr,
        volume.roc,
    ]
}

fn assert_all_close(got: &[f64], want: &[f64]) -> Result<(), TestCaseError> {
    for (got, want) in got.iter().zip(want) {
        prop_assert!((got - want).abs() < 1e-12, "{got} is not {want}");
    }
    Ok(())
}

#[test]
fn point_adjustment_flatters_chance() {
    // Random scores, one sample in ten marked, events of 100: hardly any is missed once one hit is enough.
    let (labels, _) = synthetic(20_000);
    let predicted: Vec<bool> = (0..20_000_u64)
        .map(|idx| idx.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 60 < 2)
        .collect();
    let honest = point_f1(&labels, &predicted).unwrap().f1;
    let flattered = adjusted(&labels, &predicted).unwrap().f1;
    let area = pa_k_area(&labels, &predicted).unwrap();
    assert!(
        flattered > honest + 0.4 && honest < area && area < flattered,
        "{honest} {area} {flattered}"
    );
}

proptest! {
    #[test]
    fn rank_metrics_depend_on_the_order_of_scores_only((labels, scores) in labelled_scores()) {
        let want = rank_metrics(&labels, &scores);
        let maps: [fn(f64) -> f64; 3] = [|x| 3.0 * x - 7.0, f64::exp, |x| x * x * x * 1e200];
        for map in maps {
            let mapped: Vec<f64> = scores.iter().map(|&score| map(score)).collect();
            prop_assert_eq!(bits(rank_metrics(&labels, &mapped)), bits(want));
        }
        // An unscored sample is one with the lowest score.
        let unscored: Vec<f64> = scores.iter().map(|&s| if s < 0.0 { f64::NAN } else { s }).collect();
        let lowest: Vec<f64> = scores.iter().map(|&s| if s < 0.0 { -1.0 } else { s }).collect();
        prop_assert_eq!(bits(rank_metrics(&labels, &unscored)), bits(rank_metrics(&labels, &lowest)));
    }

    #[test]
    fn pointwise_metrics_do_not_depend_on_the_order_of_samples(
        ((labels, scores), order) in labelled_scores().prop_flat_map(|series| {
            let order: Vec<usize> = (0..series.0.len()).collect();
            (Just(series), Just(order).prop_shuffle())
        }),
    ) {
        let moved_labels: Vec<bool> = order.iter().map(|&idx| labels[idx]).collect();
        let moved_scores: Vec<f64> = order.iter().map(|&idx| scores[idx]).collect();
        let (got, want) = (rank_metrics(&moved_labels, &moved_scores), rank_metrics(&labels, &scores));
        assert_all_close(&got[..3], &want[..3])?;
    }

    #[test]
    fn metrics_are_ratios_and_the_same_backwards((labels, scores) in labelled_scores()) {
        let judge = |labels: &[bool], scores: &[f64]| -> Vec<f64> {
            let predicted: Vec<bool> = scores.iter().map(|&score| score > 5.0).collect();
            // Not event F1: it overlooks the last sample, as its reference does, so it has a direction.
            let judges: [Judge; 3] = [point_f1, range_f1, affiliation_f1];
            let f1 = judges.map(|judge| judge(labels, &predicted).unwrap());
            let parts = f1.iter().flat_map(|f1| [f1.precision, f1.recall, f1.f1]);
            rank_metrics(labels, scores).into_iter().chain(parts).collect()
        };
        let want = judge(&labels, &scores);
        prop_assert!(want.iter().all(|value| (-1e-12..=1.0 + 1e-12).contains(value)), "{:?}", want);
        let backwards = |values: &[f64]| values.iter().rev().copied().collect::<Vec<_>>();
        let labels_backwards: Vec<bool> = labels.iter().rev().copied().collect();
        assert_all_close(&judge(&labels_backwards, &backwards(&scores)), &want)?;
    }
}
