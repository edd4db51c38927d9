//! `models compare`: two versions side by side, and what they say of the same data.

use std::time::Duration;

use bellwether_core::detect::Mode;
use bellwether_core::quantile::quantile_sorted;
use bellwether_store::registry::ModelRef;
use serde_json::{Value, json};

use crate::artifact::{self, Loaded};
use crate::assessment::{AssessSpec, METRIC_KEYS, assess, means, row_truth, truth};
use crate::cli::{CompareVersionsArgs, ModelArgs, RegistryArgs};
use crate::commands::judge::{Judged, judge};
use crate::commands::read_from;
use crate::failure::Failure;
use crate::output::{Output, Rows, object};

/// Where the distribution of scores is looked at.
const QUANTILES: [(f64, &str); 5] = [
    (0.5, "score_median"),
    (0.9, "score_q90"),
    (0.99, "score_q99"),
    (0.999, "score_q999"),
    (1.0, "score_max"),
];

/// Facts by key, in their order.
type Facts = Vec<(&'static str, Value)>;

pub(super) fn run(
    args: &CompareVersionsArgs,
    registry: &RegistryArgs,
    output: &Output,
) -> Result<(), Failure> {
    let load = |model: &ModelRef| {
        let of_model = ModelArgs {
            model: model.clone(),
            registry: registry.clone(),
        };
        artifact::load(&of_model, args.threads.n())
    };
    let models = [load(&args.first)?, load(&args.second)?];
    let mut facts = models.each_ref().map(about);
    let mut agreement = Vec::new();
    if !args.data.is_empty() {
        let [first, second] = models.each_ref().map(|model| {
            let recordings = read_from(&args.data, &args.reading, model.manifest.alignment, output)?;
            judge(model, recordings, Mode::Causal, output)
        });
        let judged = [first?, second?];
        for ((facts, model), judged) in facts.iter_mut().zip(&models).zip(&judged) {
            facts.extend(said(judged));
            facts.extend(metrics(model, judged, output)?);
        }
        agreement = agreed(&judged[0], &judged[1]);
    }
    answer(&models, facts, agreement, output)
}

/// What a version is, as its manifest says.
fn about(model: &Loaded) -> Facts {
    let manifest = &model.manifest;
    let training = &manifest.training;
    let names: Vec<&str> = manifest.models.iter().map(|of| of.architecture()).collect();
    let n_weights: usize = manifest
        .models
        .iter()
        .filter_map(|of| of.network())
        .map(|of| of.n_weights)
        .sum();
    let val_loss = training
        .epochs
        .get(training.best_epoch)
        .map(|epoch| epoch.val_loss);
    vec![
        ("architecture", json!(names.join("+"))),
        ("channels", json!(manifest.detector.pipeline.n_channels())),
        ("window", json!(model.detector.window_len())),
        ("network_weights", json!(n_weights)),
        ("weights_bytes", json!(model.weights_bytes)),
        ("threshold", json!(model.detector.threshold(Mode::Causal).error())),
        ("rule", json!(manifest.calibration.rule)),
        (
            "alarms_per_week",
            json!(manifest.calibration.causal.predicted_per_week),
        ),
        ("val_loss", json!(val_loss)),
        ("training_samples", json!(training.n_samples)),
        ("data_fingerprint", json!(training.data_fingerprint)),
        ("seed", json!(training.seed)),
        ("created_at", json!(manifest.created_at.to_string())),
        ("bellwether_version", json!(manifest.bellwether_version)),
    ]
}

/// How its causal scores are distributed.
fn said(judged: &[Judged]) -> Facts {
    let scores = judged.iter().flat_map(|series| &series.scores.score);
    let mut sorted: Vec<f64> = scores.copied().filter(|score| !score.is_nan()).collect();
    sorted.sort_by(f64::total_cmp);
    let n_alarms = sorted.len() - sorted.partition_point(|score| *score < 1.0);
    let n_events: usize = judged.iter().map(|series| series.scores.events.len()).sum();
    let mut facts: Facts = vec![("scored", json!(sorted.len()))];
    let at = |share: f64| (!sorted.is_empty()).then(|| quantile_sorted(&sorted, share));
    facts.extend(QUANTILES.map(|(share, key)| (key, json!(at(share)))));
    let share = (!sorted.is_empty()).then(|| n_alarms as f64 / sorted.len() as f64);
    facts.push(("share_above_threshold", json!(share)));
    facts.push(("events", json!(n_events)));
    facts
}

/// The figures against the labels of the data; none where they have no labels.
fn metrics(model: &Loaded, judged: &[Judged], output: &Output) -> Result<Facts, Failure> {
    let spec = AssessSpec {
        vus_window: None,
        n_resamples: 0,
        seed: 0,
        lead_horizon: Duration::ZERO,
        is_adjusted: false,
    };
    let recordings: Vec<_> = judged.iter().map(|series| series.recording.clone()).collect();
    let Some(known) = truth(None, None, &recordings, output)? else {
        return Ok(Facts::new());
    };
    let mut results = Vec::new();
    for (series, known) in judged.iter().zip(&known) {
        let rows = row_truth(&series.recording, &known.rows, 0);
        let scores = rows
            .samples
            .iter()
            .map(|&sample| series.scores.score[sample])
            .collect();
        let name = &series.recording.name;
        results.push(assess(&model.reference, name, (known, &rows), scores, &spec)?);
    }
    let mean = means(&results, &spec).into_iter().next();
    let values = mean.map(|mean| mean.values);
    let values = values.into_iter().flatten().map(|value| json!(value));
    Ok(METRIC_KEYS.into_iter().zip(values).collect())
}

/// How far the two say the same: the rank correlation of their scores, and what share of the rows that one of them calls
/// anomalous both do. Over the rows that both have scored.
fn agreed(first: &[Judged], second: &[Judged]) -> Facts {
    let mut pairs: Vec<(f64, f64)> = Vec::new();
    for (a, b) in first.iter().zip(second) {
        // On different grids rows do not stand for the same instants.
        if a.scores.time == b.scores.time {
            let both = a.scores.score.iter().zip(&b.scores.score);
            let both = both.map(|(a, b)| (*a, *b));
            pairs.extend(both.filter(|(a, b)| !a.is_nan() && !b.is_nan()));
        }
    }
    let either = pairs.iter().filter(|(a, b)| *a >= 1.0 || *b >= 1.0).count();
    let both = pairs.iter().filter(|(a, b)| *a >= 1.0 && *b >= 1.0).count();
    let (a, b): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    vec![
        ("rows", json!(pairs.len())),
        ("rank_correlation", json!(correlation(&ranks(&a), &ranks(&b)))),
        ("anomalous_in_both", json!(both)),
        ("anomalous_in_either", json!(either)),
    ]
}

/// Ranks from 0; equal values share the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    for run in order.chunk_by(|&a, &b| values[a].total_cmp(&values[b]).is_eq()) {
        let first = order.partition_point(|&at| values[at].total_cmp(&values[run[0]]).is_lt());
        let rank = first as f64 + (run.len() - 1) as f64 / 2.0;
        run.iter().for_each(|&at| ranks[at] = rank);
    }
    ranks
}

/// Pearson's correlation; `None` where one of the two does not vary.
fn correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    let n = a.len() as f64;
    let (mean_a, mean_b) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        ab += (a - mean_a) * (b - mean_b);
        aa += (a - mean_a) * (a - mean_a);
        bb += (b - mean_b) * (b - mean_b);
    }
    (aa > 0.0 && bb > 0.0).then(|| ab / (aa * bb).sqrt())
}

fn answer(models: &[Loaded; 2], facts: [Facts; 2], agreement: Facts, output: &Output) -> Result<(), Failure> {
    let [first, second] = facts;
    let mut rows = Rows::new(&["fact", "first", "second", "differs"]);
    rows.push(vec![
        json!("model"),
        json!(models[0].reference),
        json!(models[1].reference),
        Value::Null,
    ]);
    for ((key, a), (_, b)) in first.iter().zip(&second) {
        let differs = if a == b { "" } else { "≠" };
        rows.push(vec![json!(key), a.clone(), b.clone(), json!(differs)]);
    }
    for (key, value) in &agreement {
        rows.push(vec![json!(key), value.clone(), value.clone(), json!("")]);
    }
    let of = |model: &Loaded, facts: Facts| {
        object(std::iter::once(("model", json!(model.reference))).chain(facts))
    };
    let agreement = if agreement.is_empty() {
        Value::Null
    } else {
        object(agreement)
    };
    let document = object([
        ("first", of(&models[0], first)),
        ("second", of(&models[1], second)),
        ("agreement", agreement),
    ]);
    output.answer(&document, &rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_testkit::assert_close;

    /// By hand: 3, 1, 1, 2 has the ranks 3, ½, ½, 2.
    #[test]
    fn equal_values_share_a_rank() {
        assert_eq!(ranks(&[3.0, 1.0, 1.0, 2.0]), [3.0, 0.5, 0.5, 2.0]);
        assert!(ranks(&[]).is_empty());
    }

    /// Spearman's coefficient of 1, 2, 3, 4, 5 and 5, 6, 7, 8, 7: 0.8207826816681233 (scipy 1.18, `spearmanr`).
    #[test]
    fn the_rank_correlation_is_spearmans() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0, 5.0], [5.0, 6.0, 7.0, 8.0, 7.0]);
        let got = correlation(&ranks(&a), &ranks(&b)).unwrap();
        assert_close(got, 0.820_782_681_668_123_3, 1e-12, "spearman");
        assert_eq!(correlation(&ranks(&[1.0, 1.0]), &ranks(&[1.0, 2.0])), None);
    }
}
