//! `bench quality`: train on each series' first rows, judge on the rest, one table for all detectors.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use bellwether_core::classic::baseline;
use bellwether_core::detect::Mode;
use bellwether_core::eval::{self, Metrics};
use bellwether_core::frame::{Frame, SeriesId};
use bellwether_core::quantile::{quantile_sorted, sorted_finite};
use bellwether_store::read::{self, ReadOptions, Recording};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cli::{FitArgs, ThreadArgs};
use crate::commands::evaluate::{METRIC_KEYS, column_means, metric_values, metrics_json, row_truth};
use crate::failure::Failure;
use crate::fitting::{self, Family, FitSpec};
use crate::output::{Output, Rows};

/// What `manifest.json` says of a series; other keys are of no concern here.
#[derive(Debug, Deserialize)]
struct ManifestSeries {
    dataset: String,
    series: String,
    file: PathBuf,
    train_rows: usize,
    test_rows: usize,
    vus_window: usize,
}

#[derive(Debug, Deserialize)]
struct Manifest {
    series: Vec<ManifestSeries>,
}

/// One detector on one series.
#[derive(Debug, Serialize)]
struct SeriesResult {
    dataset: String,
    series: String,
    model: String,
    metrics: Value,
}

#[derive(Debug, Serialize)]
struct QualityReport {
    mode: String,
    series: Vec<SeriesResult>,
    /// By model: means of data-set means.
    mean: Value,
    /// By model and data set.
    datasets: Value,
}

/// A detector by its name on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Contender {
    /// One that `train` can make.
    Family(Family),
    Random,
    MaxZ,
}

/// The contender that `--models` calls so. `default` is what `train` makes when told nothing.
fn contender(name: &str) -> Result<Contender, Failure> {
    match name {
        "random" => return Ok(Contender::Random),
        "max-z" => return Ok(Contender::MaxZ),
        _ => {}
    }
    Family::from_name(name).map(Contender::Family).ok_or_else(|| {
        let names: Vec<&str> = Family::ALL.iter().map(|family| family.name()).collect();
        Failure::Usage(format!(
            "--models {name}: no such detector; there are {}, random, max-z",
            names.join(", ")
        ))
    })
}

pub(crate) fn run(
    dir: &Path,
    models: &[String],
    mode: Mode,
    datasets: &[String],
    fit: &FitArgs,
    threads: &ThreadArgs,
    output: &Output,
) -> Result<(), Failure> {
    let contenders = models
        .iter()
        .map(|name| Ok((name.as_str(), contender(name)?)))
        .collect::<Result<Vec<_>, Failure>>()?;
    let spec = FitSpec::from_args(fit, threads.n())?;
    let manifest = manifest(dir)?;
    let is_wanted = |series: &&ManifestSeries| {
        series.test_rows > 0 && (datasets.is_empty() || datasets.contains(&series.dataset))
    };
    let wanted: Vec<_> = manifest.series.iter().filter(is_wanted).collect();
    if wanted.is_empty() {
        return Err(Failure::message(format!(
            "{}: no series with test rows to judge on",
            dir.display()
        )));
    }
    let bar = output.progress((wanted.len() * contenders.len()) as u64, "series");
    let mut results = Vec::new();
    for series in wanted {
        let case = Case::load(dir, series)?;
        for (name, contender) in &contenders {
            bar.set_message(format!("{}/{} {name}", series.dataset, series.series));
            let metrics = case.judge(*contender, mode, &spec)?;
            output.detail(&format!(
                "{}/{} {name}: VUS-PR {:.3}",
                series.dataset, series.series, metrics.vus_pr
            ));
            results.push((series, *name, metrics));
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    answer(models, mode, &results, output)
}

fn manifest(dir: &Path) -> Result<Manifest, Failure> {
    let path = dir.join("manifest.json");
    let bytes = bellwether_store::disk::read_bounded(&path, 64 << 20)?;
    serde_json::from_slice(&bytes).map_err(|error| Failure::message(format!("{}: {error}", path.display())))
}

/// A series, cut where the training part ends.
struct Case {
    train: Frame,
    /// The whole series, labels and windows of its test rows.
    recording: Recording,
    labels: Vec<bool>,
    n_train_rows: usize,
    vus_window: usize,
}

impl Case {
    fn load(dir: &Path, series: &ManifestSeries) -> Result<Self, Failure> {
        let path = dir.join(&series.file);
        let mut recordings = read::read(std::slice::from_ref(&path), &ReadOptions::default())?;
        let (Some(recording), true) = (recordings.pop(), recordings.is_empty()) else {
            return Err(Failure::message(format!(
                "{}: wanted one series in the file",
                path.display()
            )));
        };
        let labels = recording.labels.clone().ok_or_else(|| {
            Failure::message(format!(
                "{}: no column is_anomaly: nothing to judge by",
                path.display()
            ))
        })?;
        let n_train = recording
            .rows
            .sample_idx(series.train_rows.min(recording.rows.n_rows() - 1));
        let train = recording.frame.slice(0..n_train)?;
        Ok(Self {
            train,
            labels,
            recording,
            n_train_rows: series.train_rows,
            vus_window: series.vus_window,
        })
    }

    fn judge(&self, contender: Contender, mode: Mode, spec: &FitSpec) -> Result<Metrics, Failure> {
        let frame = &self.recording.frame;
        let n_train = self.train.n_samples();
        let (scores, predicted): (Vec<f64>, Vec<bool>) = match contender {
            Contender::Family(family) => {
                let spec = FitSpec {
                    family,
                    ..spec.clone()
                };
                let fitted = fitting::fit(vec![vec![self.train.clone()]], &spec, &mut |_| {
                    ControlFlow::Continue(())
                })?;
                // The last training rows are the context of the first test rows.
                let first = n_train.saturating_sub(fitted.detector.context_len());
                let judged = frame.slice(first..frame.n_samples())?;
                let name = SeriesId::new(self.recording.name.as_str());
                let scores = fitted
                    .detector
                    .score(&name, judged, mode)
                    .map_err(Failure::misfit)?;
                let score = scores.score[n_train - first..].to_vec();
                let predicted = score.iter().map(|&score| score >= 1.0).collect();
                (score, predicted)
            }
            Contender::Random => {
                let score = baseline::random(frame.n_samples() - n_train, spec.train.seed);
                let predicted = score.iter().map(|&score| score >= 0.99).collect();
                (score, predicted)
            }
            Contender::MaxZ => {
                let test = frame.slice(n_train..frame.n_samples())?;
                let score = baseline::max_z(&self.train, &test).map_err(Failure::misfit)?;
                let in_sample = baseline::max_z(&self.train, &self.train).map_err(Failure::misfit)?;
                let threshold = quantile_sorted(&sorted_finite(in_sample), 0.99);
                let predicted = score.iter().map(|&score| score >= threshold).collect();
                (score, predicted)
            }
        };
        self.metrics(&scores, &predicted, n_train)
    }

    /// Judges per input row: a row that repeats a time has its sample's score.
    fn metrics(&self, scores: &[f64], predicted: &[bool], n_train: usize) -> Result<Metrics, Failure> {
        let truth = row_truth(&self.recording, &self.labels, self.n_train_rows);
        let scores: Vec<f64> = truth.samples.iter().map(|&at| scores[at - n_train]).collect();
        let predicted: Vec<bool> = truth.samples.iter().map(|&at| predicted[at - n_train]).collect();
        Ok(eval::evaluate(
            &truth.labels,
            &scores,
            &predicted,
            &truth.time,
            self.vus_window,
        )?)
    }
}

fn answer(
    models: &[String],
    mode: Mode,
    results: &[(&ManifestSeries, &str, Metrics)],
    output: &Output,
) -> Result<(), Failure> {
    let mut datasets: Vec<&str> = Vec::new();
    for (series, _, _) in results {
        if !datasets.contains(&series.dataset.as_str()) {
            datasets.push(&series.dataset);
        }
    }
    let mut rows = Rows::new(&[
        "model",
        "dataset",
        "series",
        "vus_pr",
        "vus_roc",
        "auc_pr",
        "auc_roc",
        "f1",
        "event_f1",
        "false_alarms_per_week",
    ]);
    let (mut means, mut by_dataset) = (serde_json::Map::new(), serde_json::Map::new());
    for model in models {
        let mut dataset_means = Vec::new();
        let mut entry = serde_json::Map::new();
        for dataset in &datasets {
            let of_dataset: Vec<[f64; METRIC_KEYS.len()]> = results
                .iter()
                .filter(|(series, name, _)| name == model && series.dataset == *dataset)
                .map(|(_, _, metrics)| metric_values(metrics))
                .collect();
            let mean = column_means(&of_dataset);
            rows.push(row(model, dataset, of_dataset.len(), &mean));
            entry.insert((*dataset).to_owned(), metrics_json(&mean));
            dataset_means.push(mean);
        }
        let mean = column_means(&dataset_means);
        rows.push(row(
            model,
            "mean of data sets",
            results.len() / models.len(),
            &mean,
        ));
        means.insert(model.clone(), metrics_json(&mean));
        by_dataset.insert(model.clone(), Value::Object(entry));
    }
    let series = results.iter().map(|(series, model, metrics)| SeriesResult {
        dataset: series.dataset.clone(),
        series: series.series.clone(),
        model: (*model).to_owned(),
        metrics: metrics_json(&metric_values(metrics)),
    });
    let mean = match models {
        [only] => means.remove(only).unwrap_or_default(),
        _ => Value::Object(means),
    };
    let report = QualityReport {
        mode: mode.to_string(),
        series: series.collect(),
        mean,
        datasets: Value::Object(by_dataset),
    };
    output.answer(&report, &rows)
}

fn row(model: &str, dataset: &str, n: usize, mean: &[f64; METRIC_KEYS.len()]) -> Vec<Value> {
    let of = |key: &str| {
        let at = METRIC_KEYS.iter().position(|known| *known == key);
        at.map_or(Value::Null, |at| json!(mean[at]))
    };
    vec![
        json!(model),
        json!(dataset),
        json!(n),
        of("vus_pr"),
        of("vus_roc"),
        of("auc_pr"),
        of("auc_roc"),
        of("f1"),
        of("event_f1"),
        of("false_alarms_per_week"),
    ]
}
