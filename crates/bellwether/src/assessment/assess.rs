//! One detector on one series: its figures, how far they could be off by luck, and what a shift would have had of it.

use std::time::Duration;

use bellwether_core::eval::bootstrap::{self, Blocks, Judged};
use bellwether_core::eval::interval::{self, Interval};
use bellwether_core::eval::operation::{self, Lead};
use bellwether_core::eval::{self, EvalError, delay, point_adjusted, vus};
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use serde_json::{Map, Value, json};

use super::figures::{METRIC_KEYS, Values, column_means, intervals_json, metric_values, metrics_json};
use super::truth::{SeriesTruth, Truth};
use crate::failure::Failure;

/// How answers are judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct AssessSpec {
    /// Window of the volume under the curve; `None` for the median length of the events.
    pub(crate) vus_window: Option<usize>,
    /// Resamples behind an interval; 0 for no intervals.
    pub(crate) n_resamples: usize,
    pub(crate) seed: u64,
    /// How long before an event an alarm still counts as a warning of it.
    pub(crate) lead_horizon: Duration,
    /// Point-adjusted figures as well.
    pub(crate) is_adjusted: bool,
}

/// One detector on one series.
#[derive(Debug)]
pub(crate) struct Assessed {
    pub(crate) model: String,
    pub(crate) series: String,
    pub(crate) values: Values,
    /// Figures of resamples; empty without intervals, and where the series is too short for them.
    replicates: Vec<Values>,
    operation: Operation,
    /// Point-adjusted F1, and the area under that of PA%K.
    adjusted: Option<[f64; 2]>,
    /// What was judged: the truth and the scores of each sample.
    pub(crate) judged: Judged,
}

/// What a shift would have had.
#[derive(Debug, Clone, Copy)]
struct Operation {
    n_events: usize,
    n_missed: usize,
    lead: Lead,
    hours_in_alarm_per_week: f64,
}

/// Judges the scores of the samples of `truth`, of which 1.0 is the threshold. A series without a labelled anomaly has
/// false alarms and nothing to find.
pub(crate) fn assess(
    model: &str,
    series: &str,
    known: (&SeriesTruth, &Truth),
    scores: Vec<f64>,
    spec: &AssessSpec,
) -> Result<Assessed, Failure> {
    let (of_series, truth) = known;
    let refused = |error: EvalError| Failure::from(error).in_context(&format!("{series} cannot be judged"));
    let judged = Judged {
        predicted: scores.iter().map(|&score| score >= 1.0).collect(),
        labels: truth.labels.clone(),
        time: truth.time.clone(),
        scores,
    };
    let window = spec
        .vus_window
        .unwrap_or_else(|| vus::default_window(&judged.labels));
    let values = figures(&judged, window).map_err(refused)?;
    let adjusted = || -> Result<[f64; 2], EvalError> {
        let Judged {
            labels, predicted, ..
        } = &judged;
        Ok([
            point_adjusted::point_adjusted_f1(labels, predicted, 0.0)?.f1,
            point_adjusted::pa_k_area(labels, predicted)?,
        ])
    };
    let adjusted = (spec.is_adjusted && judged.labels.contains(&true))
        .then(adjusted)
        .transpose()
        .map_err(refused)?;
    Ok(Assessed {
        model: model.to_owned(),
        series: series.to_owned(),
        values,
        replicates: replicates(&judged, window, spec).map_err(refused)?,
        operation: operation(&judged, &truth.onsets(&of_series.run_ups), spec).map_err(refused)?,
        adjusted,
        judged,
    })
}

/// The metrics of what was judged; NaN for all but the false alarms where nothing is labelled.
fn figures(judged: &Judged, window: usize) -> Result<Values, EvalError> {
    let Judged {
        labels,
        scores,
        predicted,
        time,
    } = judged;
    if labels.contains(&true) {
        return Ok(metric_values(&eval::evaluate(
            labels, scores, predicted, time, window,
        )?));
    }
    let mut values = [f64::NAN; METRIC_KEYS.len()];
    let alarms = delay::false_alarms(labels, predicted, time)?;
    values[METRIC_KEYS.len() - 1] = alarms.per_week().unwrap_or(f64::NAN);
    Ok(values)
}

/// Figures of the resamples, side by side on the threads of the pool that this runs in.
fn replicates(judged: &Judged, window: usize, spec: &AssessSpec) -> Result<Vec<Values>, EvalError> {
    if spec.n_resamples == 0 {
        return Ok(Vec::new());
    }
    let Some(blocks) = Blocks::new(judged)? else {
        return Ok(Vec::new());
    };
    let replicate = |idx: usize| {
        let resample = blocks.resample(spec.seed, idx);
        match figures(&resample, window) {
            // Nothing but events was drawn.
            Err(EvalError::NothingNormal { .. }) => Ok([f64::NAN; METRIC_KEYS.len()]),
            other => other,
        }
    };
    (0..spec.n_resamples).into_par_iter().map(replicate).collect()
}

fn operation(
    judged: &Judged,
    onsets: &[bellwether_core::time::Timestamp],
    spec: &AssessSpec,
) -> Result<Operation, EvalError> {
    let Judged {
        labels,
        predicted,
        time,
        ..
    } = judged;
    let events = eval::runs(labels);
    let is_missed = |event: &&std::ops::Range<usize>| !predicted[(*event).clone()].contains(&true);
    Ok(Operation {
        n_events: events.len(),
        n_missed: events.iter().filter(is_missed).count(),
        lead: operation::lead(predicted, time, onsets, spec.lead_horizon)?,
        hours_in_alarm_per_week: operation::hours_in_alarm(predicted, time)?.unwrap_or(f64::NAN),
    })
}

impl Operation {
    fn json(&self) -> Value {
        json!({
            "events": self.n_events,
            "missed_events": self.n_missed,
            "announced_events": self.lead.n_announced,
            "lead_time_s": self.lead.mean_s,
            "alarm_hours_per_week": self.hours_in_alarm_per_week,
        })
    }

    /// Of all series: counts added up, times averaged over what they are times of.
    fn sum(all: &[Self]) -> Self {
        let total = |of: fn(&Self) -> usize| all.iter().map(of).sum::<usize>();
        let n_announced = total(|one| one.lead.n_announced);
        let lead_s: f64 = all
            .iter()
            .map(|one| one.lead.mean_s.unwrap_or(0.0) * one.lead.n_announced as f64)
            .sum();
        let hours = all.iter().map(|one| one.hours_in_alarm_per_week);
        let known: Vec<f64> = hours.filter(|hours| !hours.is_nan()).collect();
        Self {
            n_events: total(|one| one.n_events),
            n_missed: total(|one| one.n_missed),
            lead: Lead {
                mean_s: (n_announced > 0).then(|| lead_s / n_announced as f64),
                n_announced,
                n: total(|one| one.lead.n),
            },
            hours_in_alarm_per_week: known.iter().sum::<f64>() / known.len() as f64,
        }
    }
}

impl Assessed {
    /// An entry of `series` in JSON.
    pub(crate) fn json(&self, dataset: Option<&str>, spec: &AssessSpec) -> Value {
        let mut entry = Map::new();
        entry.insert("dataset".to_owned(), json!(dataset));
        entry.insert("series".to_owned(), json!(self.series));
        entry.insert("model".to_owned(), json!(self.model));
        entry.insert("metrics".to_owned(), metrics_json(&self.values));
        if spec.n_resamples > 0 {
            entry.insert(
                "intervals".to_owned(),
                intervals_json(&intervals(&self.replicates)),
            );
        }
        entry.insert("operation".to_owned(), self.operation.json());
        if let Some([f1, area]) = self.adjusted {
            entry.insert(
                "point_adjusted".to_owned(),
                json!({ "f1_point_adjusted": f1, "f1_pa_k_area": area, "warning": point_adjusted::WARNING }),
            );
        }
        Value::Object(entry)
    }
}

/// Means of one detector over the series.
#[derive(Debug, Clone)]
pub(crate) struct Mean {
    pub(crate) model: String,
    pub(crate) values: Values,
    pub(crate) intervals: [Option<Interval>; METRIC_KEYS.len()],
    pub(crate) operation: Value,
    /// Point-adjusted F1 and the area under PA%K, over the series with an event.
    pub(crate) adjusted: Option<[f64; 2]>,
}

/// Means over the series, by model in their order.
pub(crate) fn means(results: &[Assessed], spec: &AssessSpec) -> Vec<Mean> {
    let mut models: Vec<&str> = Vec::new();
    for result in results {
        if !models.contains(&result.model.as_str()) {
            models.push(&result.model);
        }
    }
    let mean_of = |model: &str| {
        let of_model: Vec<&Assessed> = results.iter().filter(|result| result.model == model).collect();
        let values: Vec<Values> = of_model.iter().map(|result| result.values).collect();
        let replicates: Vec<Vec<Values>> = of_model.iter().map(|result| result.drawn()).collect();
        let is_resampled = of_model.iter().any(|result| !result.replicates.is_empty());
        let drawn = if spec.n_resamples > 0 && (is_resampled || of_model.len() > 1) {
            bootstrap::resampled_means(&replicates, spec.n_resamples, spec.seed)
        } else {
            Vec::new()
        };
        let operations: Vec<Operation> = of_model.iter().map(|result| result.operation).collect();
        let adjusted: Vec<[f64; 2]> = of_model.iter().filter_map(|result| result.adjusted).collect();
        let mean =
            |column: usize| adjusted.iter().map(|row| row[column]).sum::<f64>() / adjusted.len() as f64;
        Mean {
            model: model.to_owned(),
            values: column_means(&values),
            intervals: intervals(&drawn),
            operation: Operation::sum(&operations).json(),
            adjusted: (!adjusted.is_empty()).then(|| [mean(0), mean(1)]),
        }
    };
    models.into_iter().map(mean_of).collect()
}

impl Mean {
    /// Of a detector on one series.
    pub(crate) fn of_one(assessed: &Assessed, spec: &AssessSpec) -> Self {
        let one = |replicates: &[Values]| {
            if spec.n_resamples > 0 {
                intervals(replicates)
            } else {
                [None; METRIC_KEYS.len()]
            }
        };
        Self {
            model: assessed.model.clone(),
            values: assessed.values,
            intervals: one(&assessed.replicates),
            operation: assessed.operation.json(),
            adjusted: assessed.adjusted,
        }
    }
}

impl Assessed {
    /// Its resamples, or its figures as they are.
    fn drawn(&self) -> Vec<Values> {
        if self.replicates.is_empty() {
            vec![self.values]
        } else {
            self.replicates.clone()
        }
    }

    /// Intervals were wanted, but the series is too short for them.
    pub(crate) fn is_too_short(&self, spec: &AssessSpec) -> bool {
        spec.n_resamples > 0 && self.replicates.is_empty()
    }
}

fn intervals(replicates: &[Values]) -> [Option<Interval>; METRIC_KEYS.len()] {
    std::array::from_fn(|column| {
        let of_metric: Vec<f64> = replicates.iter().map(|row| row[column]).collect();
        interval::percentile(&of_metric)
    })
}
