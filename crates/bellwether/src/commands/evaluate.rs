//! `evaluate`: how good the detection is where the truth is known; trivial baselines always stand beside it.

use bellwether_core::classic::baseline;
use bellwether_core::eval::{self, EvalError, Metrics, delay, vus};
use bellwether_core::frame::Frame;
use bellwether_core::quantile::{quantile_sorted, sorted_finite};
use bellwether_core::time::Timestamp;
use bellwether_store::read::{Labels, Recording, labels_file};
use serde_json::{Map, Value, json};

use crate::artifact::{self, Loaded};
use crate::cli::EvaluateArgs;
use crate::commands::detect::{Judged, judge};
use crate::commands::rates::Rates;
use crate::commands::{looking, read, refuse_overwriting};
use crate::failure::Failure;
use crate::output::{Output, Rows};
use crate::report::{MetricsRow, MetricsTable};

/// Keys of the metrics in JSON, in order.
pub(crate) const METRIC_KEYS: [&str; 11] = [
    "vus_pr",
    "vus_roc",
    "auc_pr",
    "auc_roc",
    "f1_best",
    "f1",
    "event_f1",
    "range_f1",
    "affiliation_f1",
    "detection_delay_s",
    "false_alarms_per_week",
];

/// The metrics in the order of [`METRIC_KEYS`]; NaN where one is not defined.
pub(crate) fn metric_values(m: &Metrics) -> [f64; METRIC_KEYS.len()] {
    [
        m.vus_pr,
        m.vus_roc,
        m.auc_pr,
        m.auc_roc,
        m.f1_best,
        m.f1,
        m.event_f1,
        m.range_f1,
        m.affiliation_f1,
        m.detection_delay_s.unwrap_or(f64::NAN),
        m.false_alarms_per_week,
    ]
}

/// The metrics as a JSON object; null where one is not defined.
pub(crate) fn metrics_json(values: &[f64; METRIC_KEYS.len()]) -> Value {
    let pairs = METRIC_KEYS
        .iter()
        .zip(values)
        .map(|(key, value)| ((*key).to_owned(), json!(value)));
    Value::Object(pairs.collect::<Map<_, _>>())
}

pub(crate) fn run(args: &EvaluateArgs, output: &Output) -> Result<(), Failure> {
    let inputs = [args.data.data.as_slice(), args.labels.as_slice()].concat();
    refuse_overwriting(&inputs, [("--report", args.report.as_ref())])?;
    let loaded = artifact::load(&args.model, args.threads.n())?;
    let recordings = read(&args.data, output)?;
    let labels = labels(args, &recordings, output)?;
    let judged = judge(&loaded, recordings, args.mode, output)?;
    let mut results = Vec::new();
    for (series, labels) in judged.iter().zip(&labels) {
        let first = first_row(args, &series.recording);
        let case = Case {
            judged: series,
            labels,
            first,
            vus_window: args.vus_window,
        };
        let name = &series.recording.name;
        let judged = case.all(&loaded)?;
        if judged.iter().all(|(_, values)| values[0].is_nan()) {
            output.note(&format!(
                "note: {name}: no labelled anomaly: it counts towards the false alarms only"
            ));
        }
        results.extend(judged.into_iter().map(|(model, values)| SeriesMetrics {
            series: name.clone(),
            model,
            values,
        }));
    }
    if results.iter().all(|result| result.values[0].is_nan()) {
        return Err(Failure::message(
            "no labelled anomaly in the part that is judged: evaluate where something went wrong",
        ));
    }
    if let Some(path) = &args.report {
        let sample_labels: Vec<Vec<bool>> = judged
            .iter()
            .zip(&labels)
            .map(|(series, labels)| looking::sample_labels(&series.recording, labels))
            .collect();
        let table = metrics_table(&results, &loaded);
        let report = {
            let rates = Rates::new(&loaded.manifest, args.mode, &judged, true);
            looking::report(
                &loaded,
                &judged,
                args.mode,
                &rates,
                Some(&sample_labels),
                Some(table),
            )?
        };
        looking::write(path, &report)?;
        output.note(&format!("report: {}", path.display()));
    }
    answer(&results, &loaded, args, output)
}

/// Metrics in the order of [`METRIC_KEYS`]; NaN where one is not defined.
type Values = [f64; METRIC_KEYS.len()];

/// One detector on one series.
struct SeriesMetrics {
    series: String,
    model: String,
    values: Values,
}

/// The truth per input row of every series.
fn labels(args: &EvaluateArgs, recordings: &[Recording], output: &Output) -> Result<Vec<Vec<bool>>, Failure> {
    let told = args.labels.as_deref();
    let told = told
        .map(|path| Ok::<_, Failure>((path, labels_file(path)?)))
        .transpose()?;
    if let Some((path, Labels::Intervals(spans))) = &told {
        for span in spans {
            let is_there = |name: &String| recordings.iter().any(|recording| recording.name == *name);
            if let Some(name) = span.series.as_ref().filter(|name| !is_there(name)) {
                let path = path.display();
                output.note(&format!(
                    "note: {path}: the interval from {} is of {name:?}, which is not in the data: it is left out",
                    span.start
                ));
            }
        }
    }
    let of_recording = |recording: &Recording| match (&told, &recording.labels) {
        (Some((path, labels)), _) => labels
            .of_rows(recording)
            .map_err(|error| Failure::from(error).in_context(&path.display().to_string())),
        (None, Some(labels)) => Ok(labels.clone()),
        (None, None) => Err(Failure::message(format!(
            "{}: no labels to judge by: give --labels FILE, or a column is_anomaly of 0 and 1",
            recording.name
        ))),
    };
    recordings.iter().map(of_recording).collect()
}

/// The first input row that is judged.
fn first_row(args: &EvaluateArgs, recording: &Recording) -> usize {
    match (args.from, args.skip_rows) {
        (Some(from), _) => {
            let sample = recording.frame.time().partition_point(|&at| at < from);
            (0..recording.rows.n_rows())
                .find(|&row| recording.rows.sample_idx(row) >= sample)
                .unwrap_or(recording.rows.n_rows())
        }
        (_, Some(skip)) => skip.min(recording.rows.n_rows()),
        _ => 0,
    }
}

/// A series, its truth and the part of it that is judged.
struct Case<'a> {
    judged: &'a Judged,
    labels: &'a [bool],
    first: usize,
    vus_window: Option<usize>,
}

impl Case<'_> {
    /// The model first, then the baselines, which learn from the samples before the first judged one, or, where
    /// there are none, from all.
    fn all(&self, loaded: &Loaded) -> Result<Vec<(String, Values)>, Failure> {
        let Judged { recording, scores } = self.judged;
        let frame = &recording.frame;
        let n = frame.n_samples();
        let mut results = vec![(loaded.reference.clone(), self.metrics(&scores.score, 1.0)?)];
        let random = baseline::random(n, 1);
        results.push(("random".to_owned(), self.metrics(&random, 0.99)?));
        let first = if self.first < recording.rows.n_rows() {
            recording.rows.sample_idx(self.first)
        } else {
            n
        };
        let train: Frame = if first >= 2 {
            frame.slice(0..first)?
        } else {
            frame.clone()
        };
        let max_z = baseline::max_z(&train, frame).map_err(Failure::misfit)?;
        let in_sample = sorted_finite(max_z[..train.n_samples()].iter().copied());
        results.push((
            "max-z".to_owned(),
            self.metrics(&max_z, quantile_sorted(&in_sample, 0.99))?,
        ));
        Ok(results)
    }

    /// Metrics of scores per sample; what lies at or above the threshold is predicted. A series without a labelled
    /// anomaly has false alarms and nothing to find.
    fn metrics(&self, scores: &[f64], threshold: f64) -> Result<Values, Failure> {
        let truth = row_truth(&self.judged.recording, self.labels, self.first);
        let score: Vec<f64> = truth.samples.iter().map(|&sample| scores[sample]).collect();
        let predicted: Vec<bool> = score.iter().map(|&score| score >= threshold).collect();
        let refused = |error: EvalError| {
            Failure::from(error).in_context(&format!("{} cannot be judged", self.judged.recording.name))
        };
        if !truth.labels.contains(&true) {
            let alarms = delay::false_alarms(&truth.labels, &predicted, &truth.time).map_err(refused)?;
            let mut values = [f64::NAN; METRIC_KEYS.len()];
            values[METRIC_KEYS.len() - 1] = alarms.per_week().unwrap_or(f64::NAN);
            return Ok(values);
        }
        let window = self
            .vus_window
            .unwrap_or_else(|| vus::default_window(&truth.labels));
        let metrics =
            eval::evaluate(&truth.labels, &score, &predicted, &truth.time, window).map_err(refused)?;
        Ok(metric_values(&metrics))
    }
}

/// The samples that are judged, each once, with their truth.
pub(crate) struct Truth {
    pub(crate) samples: Vec<usize>,
    pub(crate) time: Vec<Timestamp>,
    pub(crate) labels: Vec<bool>,
}

/// Truth per sample from the input row `first` on: a sample is anomalous where any of its rows is.
pub(crate) fn row_truth(recording: &Recording, labels: &[bool], first: usize) -> Truth {
    let mut truth = Truth {
        samples: Vec::new(),
        time: Vec::new(),
        labels: Vec::new(),
    };
    for (row, &label) in labels.iter().enumerate().skip(first) {
        let sample = recording.rows.sample_idx(row);
        match truth.labels.last_mut() {
            Some(last) if truth.samples.last() == Some(&sample) => *last |= label,
            _ => {
                truth.samples.push(sample);
                truth.time.push(recording.frame.time()[sample]);
                truth.labels.push(label);
            }
        }
    }
    truth
}

/// Means over the series, by model.
fn means(results: &[SeriesMetrics]) -> Vec<(&str, [f64; METRIC_KEYS.len()])> {
    let mut models: Vec<&str> = Vec::new();
    for result in results {
        if !models.contains(&result.model.as_str()) {
            models.push(&result.model);
        }
    }
    let mean_of = |model: &str| {
        let rows: Vec<_> = results
            .iter()
            .filter(|result| result.model == model)
            .map(|result| result.values)
            .collect();
        column_means(&rows)
    };
    models.into_iter().map(|model| (model, mean_of(model))).collect()
}

/// Means of the columns; what is not defined for a row does not count.
pub(crate) fn column_means(rows: &[[f64; METRIC_KEYS.len()]]) -> [f64; METRIC_KEYS.len()] {
    std::array::from_fn(|column| {
        let defined: Vec<f64> = rows
            .iter()
            .map(|row| row[column])
            .filter(|value| !value.is_nan())
            .collect();
        defined.iter().sum::<f64>() / defined.len() as f64
    })
}

fn metrics_table(results: &[SeriesMetrics], loaded: &Loaded) -> MetricsTable {
    let rows = means(results).into_iter().map(|(model, values)| MetricsRow {
        model: model.to_owned(),
        is_baseline: model != loaded.reference,
        values: values.to_vec(),
    });
    MetricsTable::new(&METRIC_KEYS, rows.collect())
}

fn answer(
    results: &[SeriesMetrics],
    loaded: &Loaded,
    args: &EvaluateArgs,
    output: &Output,
) -> Result<(), Failure> {
    let mut keys = vec!["series", "model"];
    keys.extend(METRIC_KEYS);
    let mut rows = Rows::new(&keys);
    let mut push = |series: &str, model: &str, values: &[f64; METRIC_KEYS.len()]| {
        let mut row = vec![json!(series), json!(model)];
        row.extend(values.iter().map(|value| json!(value)));
        rows.push(row);
    };
    for result in results {
        push(&result.series, &result.model, &result.values);
    }
    let means = means(results);
    if results.len() > means.len() {
        for (model, values) in &means {
            push("mean", model, values);
        }
    }
    let series: Vec<Value> = results
        .iter()
        .map(|result| {
            json!({
                "dataset": args.data.data.first().map(|path| path.display().to_string()),
                "series": result.series,
                "model": result.model,
                "metrics": metrics_json(&result.values),
            })
        })
        .collect();
    let baselines: Map<String, Value> = means
        .iter()
        .filter(|(model, _)| *model != loaded.reference)
        .map(|(model, values)| ((*model).to_owned(), metrics_json(values)))
        .collect();
    let mean = means.first().map(|(_, values)| metrics_json(values));
    output.answer(
        &json!({ "mode": args.mode.to_string(), "series": series, "mean": mean, "mean_of_baselines": baselines }),
        &rows,
    )
}
