//! `bench quality`: train on each series' first rows, judge on the rest, one table for all detectors.

mod contamination;
mod protocol;

use std::collections::BTreeMap;
use std::ops::Range;

use bellwether_core::detect::Mode;
use bellwether_core::eval::{self, Metrics};
use bellwether_store::read::{self, ReadOptions, Recording};
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use serde::Serialize;
use serde_json::{Value, json};

use crate::assessment::{
    Contender, Fit, METRIC_KEYS, Values, column_means, metric_values, metrics_json, row_truth,
};
use crate::cli::QualityArgs;
use crate::commands::pool;
use crate::failure::Failure;
use crate::fitting::FitSpec;
use crate::output::{Output, Rows};
use protocol::{Counts, Series};
pub(crate) use protocol::{Protocol, all_series};

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
    /// By model and data set, all rows of all its series in one pot.
    pooled: Value,
    /// Mean VUS-PR over the series, by method, as others have published it for this protocol.
    published: BTreeMap<String, f64>,
}

/// What a contender, by its name, achieved on a series.
type Judged<'a> = (&'a Series, &'a str, Metrics, Counts);

pub(crate) fn run(args: &QualityArgs, output: &Output) -> Result<(), Failure> {
    let QualityArgs {
        dir,
        models,
        mode,
        protocol,
        datasets,
        contaminate,
        fit,
        threads,
    } = args;
    let (mode, protocol, contaminate) = (*mode, *protocol, contaminate.unwrap_or(0.0));
    let contenders = models
        .iter()
        .map(|name| Ok((name.as_str(), Contender::from_name(name)?)))
        .collect::<Result<Vec<_>, Failure>>()?;
    // Side by side is faster than threads within one fit, and the figures do not depend on either.
    let spec = FitSpec::from_args(fit, 1)?;
    Fit::check(&spec)?;
    let mut wanted = protocol.series(dir)?;
    wanted.retain(|series| datasets.is_empty() || datasets.contains(&series.dataset));
    if wanted.is_empty() {
        return Err(Failure::message(format!(
            "{}: no series with test rows to judge on",
            dir.display()
        )));
    }
    let bar = output.progress((wanted.len() * contenders.len()) as u64, "series");
    let judge = |series| {
        judge_all(
            series,
            &contenders,
            &How {
                mode,
                contaminate,
                spec: &spec,
            },
            &|told| {
                bar.set_message(told.to_owned());
            },
            &|done| {
                output.detail(done);
                bar.inc(1);
            },
        )
    };
    let pool = pool(threads)?;
    let results: Vec<Vec<Judged<'_>>> =
        pool.install(|| wanted.par_iter().map(&judge).collect::<Result<_, _>>())?;
    let results: Vec<Judged<'_>> = results.into_iter().flatten().collect();
    bar.finish_and_clear();
    answer(models, mode, protocol, &results, output)
}

/// How all contenders are fitted and asked.
struct How<'a> {
    mode: Mode,
    /// Share of the rows learnt from that have faults put into them.
    contaminate: f64,
    spec: &'a FitSpec,
}

/// All contenders on one series; `begin` and `end` hear of each.
fn judge_all<'a>(
    series: &'a Series,
    contenders: &[(&'a str, Contender)],
    how: &How<'_>,
    begin: &dyn Fn(&str),
    end: &dyn Fn(&str),
) -> Result<Vec<Judged<'a>>, Failure> {
    let case = Case::load(series)?;
    let mut judged = Vec::with_capacity(contenders.len());
    for (name, contender) in contenders {
        let said = format!("{}/{} {name}", series.dataset, series.series);
        begin(&said);
        let (metrics, counts) = case.judge(*contender, how)?;
        end(&format!("{said}: VUS-PR {:.3}", metrics.vus_pr));
        judged.push((series, *name, metrics, counts));
    }
    Ok(judged)
}

/// A series, cut where the training part ends.
struct Case<'a> {
    series: &'a Series,
    /// The whole series, with labels.
    recording: Recording,
    labels: Vec<bool>,
    /// Samples to learn from.
    train: Range<usize>,
}

impl<'a> Case<'a> {
    fn load(series: &'a Series) -> Result<Self, Failure> {
        let path = &series.path;
        let mut recordings = read::read(std::slice::from_ref(path), &ReadOptions::default())?;
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
        let n_rows = recording.rows.n_rows();
        if series.judged_from >= n_rows || series.train.start >= n_rows {
            return Err(Failure::message(format!(
                "{}: {n_rows} rows, and the list of series counts on more: get the whole file",
                path.display()
            )));
        }
        let sample = |row: usize| recording.rows.sample_idx(row.min(recording.rows.n_rows() - 1));
        let train = sample(series.train.start)..sample(series.train.end);
        Ok(Self {
            series,
            train,
            labels,
            recording,
        })
    }

    fn judge(&self, contender: Contender, how: &How<'_>) -> Result<(Metrics, Counts), Failure> {
        let How {
            mode,
            contaminate,
            spec,
        } = *how;
        let frame = &self.recording.frame;
        let train = frame.slice(self.train.clone())?;
        let train = contamination::contaminated(&train, contaminate, spec.train.seed);
        let judged_from = self.recording.rows.sample_idx(self.series.judged_from);
        let fit = Fit::new(contender, vec![vec![train.clone()]], spec)?;
        let judge = fit.judge(&train, mode, spec.train.seed)?;
        // The last training rows are the context of the first judged ones, where they come before them; what was before the
        // training part is not.
        let first = judged_from
            .saturating_sub(judge.context_len())
            .max(self.train.start);
        let rows = frame.slice(first..frame.n_samples())?;
        let scores = judge.score(&self.recording.name, &rows, judged_from - first)?;
        let predicted: Vec<bool> = scores.iter().map(|&score| score >= 1.0).collect();
        self.metrics(&scores, &predicted, judged_from)
    }

    /// Judges per input row: a row that repeats a time has its sample's score.
    fn metrics(
        &self,
        scores: &[f64],
        predicted: &[bool],
        judged_from: usize,
    ) -> Result<(Metrics, Counts), Failure> {
        let truth = row_truth(&self.recording, &self.labels, self.series.judged_from);
        let scores: Vec<f64> = truth.samples.iter().map(|&at| scores[at - judged_from]).collect();
        let predicted: Vec<bool> = truth
            .samples
            .iter()
            .map(|&at| predicted[at - judged_from])
            .collect();
        let counts = Counts::of(&truth.labels, &predicted);
        let window = self.series.vus_window;
        let metrics = eval::evaluate(&truth.labels, &scores, &predicted, &truth.time, window)?;
        Ok((metrics, counts))
    }
}

/// Columns of the table.
const KEYS: [&str; 13] = [
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
    "pooled_f1",
    "pooled_far",
    "pooled_mar",
];

fn answer(
    models: &[String],
    mode: Mode,
    protocol: Protocol,
    results: &[Judged<'_>],
    output: &Output,
) -> Result<(), Failure> {
    let mut datasets: Vec<&str> = Vec::new();
    for (series, _, _, _) in results {
        if !datasets.contains(&series.dataset.as_str()) {
            datasets.push(&series.dataset);
        }
    }
    let mut rows = Rows::new(&KEYS);
    let pooled = pooled(results);
    let (mut means, mut by_dataset) = (serde_json::Map::new(), serde_json::Map::new());
    for model in models {
        let mut dataset_means = Vec::new();
        let mut entry = serde_json::Map::new();
        for dataset in &datasets {
            let of_dataset: Vec<Values> = results
                .iter()
                .filter(|(series, name, _, _)| name == model && series.dataset == *dataset)
                .map(|(_, _, metrics, _)| metric_values(metrics))
                .collect();
            let mean = column_means(&of_dataset);
            let pot = pooled[model][*dataset];
            rows.push(row(model, dataset, of_dataset.len(), &mean, Some(pot)));
            entry.insert((*dataset).to_owned(), metrics_json(&mean));
            dataset_means.push(mean);
        }
        if protocol == Protocol::TsbAdM {
            let of_model = results.iter().filter(|(_, name, _, _)| name == model);
            let all: Vec<_> = of_model
                .map(|(_, _, metrics, _)| metric_values(metrics))
                .collect();
            rows.push(row(model, "mean of series", all.len(), &column_means(&all), None));
        }
        let mean = column_means(&dataset_means);
        rows.push(row(
            model,
            "mean of data sets",
            results.len() / models.len(),
            &mean,
            None,
        ));
        means.insert(model.clone(), metrics_json(&mean));
        by_dataset.insert(model.clone(), Value::Object(entry));
    }
    let published = protocol::published(results.iter().map(|(series, _, _, _)| *series));
    for (method, vus_pr) in &published {
        let mut cells = vec![
            json!(format!("published {method}")),
            json!("mean of series"),
            Value::Null,
        ];
        cells.push(json!(vus_pr));
        cells.resize(KEYS.len(), Value::Null);
        rows.push(cells);
    }
    let series = results.iter().map(|(series, model, metrics, _)| SeriesResult {
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
        pooled: json!(pooled),
        published,
    };
    output.answer(&report, &rows)
}

/// Counts of each model on each data set.
fn pooled(results: &[Judged<'_>]) -> BTreeMap<String, BTreeMap<String, Counts>> {
    let mut pooled: BTreeMap<String, BTreeMap<String, Counts>> = BTreeMap::new();
    for (series, model, _, counts) in results {
        let of_model = pooled.entry((*model).to_owned()).or_default();
        of_model.entry(series.dataset.clone()).or_default().add(*counts);
    }
    pooled
}

fn row(model: &str, dataset: &str, n: usize, mean: &Values, pot: Option<Counts>) -> Vec<Value> {
    let of = |key: &str| {
        let at = METRIC_KEYS.iter().position(|known| *known == key);
        at.map_or(Value::Null, |at| json!(mean[at]))
    };
    let rate = |rate: fn(Counts) -> f64| pot.map_or(Value::Null, |pot| json!(rate(pot)));
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
        rate(Counts::f1),
        rate(Counts::false_alarm_rate),
        rate(Counts::missed_alarm_rate),
    ]
}
