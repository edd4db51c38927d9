//! `evaluate`: how good the detection is, against labels or, where nobody has any, by injected faults and stability. Trivial
//! baselines always stand beside the model.

use std::path::PathBuf;

use bellwether_core::detect::Mode;
use bellwether_core::eval::cost::Prices;
use bellwether_core::eval::point_adjusted;
use bellwether_core::frame::Frame;
use bellwether_store::read::Recording;
use serde_json::{Map, Value, json};

use crate::artifact::Loaded;
use crate::assessment::{
    AssessSpec, Assessed, Contender, Costs, Judge, METRIC_KEYS, Mean, SeriesTruth, UNLABELLED_KEYS,
    Unlabelled, assess, intervals_json, means, metrics_json, row_truth, truth, unlabelled, unlabelled_mean,
};
use crate::cli::{AssessArgs, EvaluateArgs, Format};
use crate::commands::judge::{Judged, common_model, judge_by, models};
use crate::commands::rates::Rates;
use crate::commands::{looking, pool, read_for, refuse_overwriting};
use crate::failure::Failure;
use crate::output::{Output, Rows};
use crate::report::{MetricsRow, MetricsTable};

/// Seed of the baseline that knows nothing.
const RANDOM_SEED: u64 = 1;

pub(crate) fn run(mut args: EvaluateArgs, output: &Output) -> Result<(), Failure> {
    args.data.group_by(args.devices.group_by.as_ref());
    let args = &args;
    let inputs = [args.data.data.as_slice(), args.assess.labels.as_slice()].concat();
    refuse_overwriting(&inputs, [("--report", args.assess.report.as_ref())])?;
    let (loaded, own) = models(&args.model, args.devices.group_by.as_deref(), args.threads.n())?;
    let recordings = read_for(&loaded.manifest, &args.data, output)?;
    let known = truth(
        args.assess.labels.as_deref(),
        args.data.reading.timezone.as_ref(),
        &recordings,
        output,
    )?;
    let judged = judge_by(&loaded, own.as_ref(), None, recordings, args.assess.mode, output)?;
    let subject = Subject {
        name: match common_model(&loaded, &judged) {
            Some(reference) => reference.to_owned(),
            // The name alone: each device has the champion of its own.
            None => args.model.model.to_string(),
        },
        loaded: &loaded,
        judged: &judged,
        // What one model has promised says nothing of the others.
        is_promised: own.is_none(),
    };
    let pool = pool(&args.threads)?;
    pool.install(|| match &known {
        Some(known) => against_labels(args, &subject, known, output),
        None => without_labels(args, &subject, output),
    })
}

/// What is evaluated.
struct Subject<'a> {
    /// What the model, or those of the devices together, are called.
    name: String,
    loaded: &'a Loaded,
    judged: &'a [Judged],
    /// Whether the budget of the model is one for these series.
    is_promised: bool,
}

impl Subject<'_> {
    fn rates(&self, mode: Mode) -> Rates {
        Rates::new(&self.loaded.manifest, mode, self.judged, self.is_promised)
    }
}

/// How to judge, as the flags say.
pub(super) fn spec(args: &AssessArgs, seed: u64, output: &Output) -> AssessSpec {
    if args.point_adjusted {
        output.note(&format!("warning: {}", point_adjusted::WARNING));
    }
    AssessSpec {
        vus_window: args.vus_window,
        n_resamples: args.intervals,
        seed,
        lead_horizon: args.lead_horizon,
        is_adjusted: args.point_adjusted,
    }
}

fn against_labels(
    args: &EvaluateArgs,
    subject: &Subject<'_>,
    known: &[SeriesTruth],
    output: &Output,
) -> Result<(), Failure> {
    let (loaded, judged) = (subject.loaded, subject.judged);
    let spec = spec(&args.assess, args.seed, output);
    let mut results = Vec::new();
    for (series, known) in judged.iter().zip(known) {
        let name = &series.recording.name;
        if first_row(args, &series.recording) >= series.recording.rows.n_rows() {
            output.note(&format!(
                "note: {name}: left out, it ends before --from or --skip-rows"
            ));
            continue;
        }
        let of_series = assess_all(args, &subject.name, series, known, &spec)?;
        note_of(name, &of_series[0], &spec, output);
        results.extend(of_series);
    }
    check_labelled(&results)?;
    let means = means(&results, &spec);
    let costs = match (args.cost_miss, args.cost_false_alarm) {
        (Some(miss), Some(false_alarm)) => {
            let is_model = |one: &&Assessed| one.model == subject.name;
            let of_model: Vec<&Assessed> = results.iter().filter(is_model).collect();
            Some(Costs::of(&of_model, Prices { miss, false_alarm })?)
        }
        _ => None,
    };
    if let Some(costs) = &costs {
        output.note(&costs.sentence());
    }
    if let Some(path) = &args.assess.report {
        let sample_labels: Vec<Vec<bool>> = judged
            .iter()
            .zip(known)
            .map(|(series, known)| looking::sample_labels(&series.recording, &known.rows))
            .collect();
        let table = metrics_table(&means, |model| model != subject.name);
        let mut report = looking::report(
            loaded,
            judged,
            args.assess.mode,
            &subject.rates(args.assess.mode),
            Some(&sample_labels),
            Some(table),
        )?;
        report.costs = costs.as_ref().map(Costs::to_report);
        looking::write(path, &report)?;
        output.note(&format!("report: {}", path.display()));
    }
    answer(&results, &means, costs.as_ref(), args, &spec, output)
}

/// What the reader should know of a series besides its figures; `assessed` is the model's.
pub(super) fn note_of(name: &str, assessed: &Assessed, spec: &AssessSpec, output: &Output) {
    if assessed.values[0].is_nan() {
        output.note(&format!(
            "note: {name}: no labelled anomaly: it counts towards the false alarms only"
        ));
    }
    if assessed.is_too_short(spec) {
        output.note(&format!(
            "note: {name}: too short for intervals: fewer than eight stretches of it are independent"
        ));
    }
}

/// Something must have gone wrong somewhere.
pub(super) fn check_labelled(results: &[Assessed]) -> Result<(), Failure> {
    if results.iter().all(|result| result.values[0].is_nan()) {
        return Err(Failure::message(
            "no labelled anomaly in the part that is judged: evaluate where something went wrong",
        ));
    }
    Ok(())
}

/// The first input row that is judged.
fn first_row(args: &EvaluateArgs, recording: &Recording) -> usize {
    match (args.from, args.skip_rows) {
        (Some(from), _) => row_of(recording, recording.frame.time().partition_point(|&at| at < from)),
        (_, Some(skip)) => skip.min(recording.rows.n_rows()),
        _ => 0,
    }
}

/// The first input row of a sample or, where that is behind the last one, the number of rows.
pub(super) fn row_of(recording: &Recording, sample: usize) -> usize {
    let n_rows = recording.rows.n_rows();
    (0..n_rows)
        .find(|&row| recording.rows.sample_idx(row) >= sample)
        .unwrap_or(n_rows)
}

/// What the baselines learn from: the samples before the first judged one or, where there are none, all.
fn learnt_from(first_row: usize, recording: &Recording) -> Result<Frame, Failure> {
    let frame = &recording.frame;
    let first = if first_row < recording.rows.n_rows() {
        recording.rows.sample_idx(first_row)
    } else {
        frame.n_samples()
    };
    if first >= 2 {
        Ok(frame.slice(0..first)?)
    } else {
        Ok(frame.clone())
    }
}

/// The model first, then the baselines.
fn assess_all(
    args: &EvaluateArgs,
    model: &str,
    judged: &Judged,
    known: &SeriesTruth,
    spec: &AssessSpec,
) -> Result<Vec<Assessed>, Failure> {
    let Judged {
        recording, scores, ..
    } = judged;
    let first = first_row(args, recording);
    let truth = row_truth(recording, &known.rows, first);
    let of_samples = |scores: &[f64]| truth.samples.iter().map(|&sample| scores[sample]).collect();
    let name = &recording.name;
    let assessed =
        |model: &str, scores: &[f64]| assess(model, name, (known, &truth), of_samples(scores), spec);
    let mut results = vec![assessed(model, &scores.score)?];
    let train = learnt_from(first, recording)?;
    for contender in Contender::BASELINES {
        let judge = Judge::baseline(contender, &train, RANDOM_SEED)?;
        results.push(assessed(
            contender.name(),
            &judge.score(name, &recording.frame, 0)?,
        )?);
    }
    Ok(results)
}

/// A row of figures per detector.
pub(super) fn metrics_table(means: &[Mean], is_baseline: impl Fn(&str) -> bool) -> MetricsTable {
    let rows = means.iter().map(|mean| MetricsRow {
        model: mean.model.clone(),
        is_baseline: is_baseline(&mean.model),
        values: mean.values.to_vec(),
        intervals: mean
            .intervals
            .map(|interval| interval.map(|interval| [interval.low, interval.high]))
            .to_vec(),
    });
    MetricsTable::new(&METRIC_KEYS, rows.collect())
}

/// A value for people: with its interval where there is one.
pub(super) fn with_interval(
    value: f64,
    interval: Option<bellwether_core::eval::interval::Interval>,
) -> Value {
    match interval {
        Some(interval) => json!(format!("{value:.3} ({:.3}–{:.3})", interval.low, interval.high)),
        None => json!(value),
    }
}

fn answer(
    results: &[Assessed],
    means: &[Mean],
    costs: Option<&Costs>,
    args: &EvaluateArgs,
    spec: &AssessSpec,
    output: &Output,
) -> Result<(), Failure> {
    let mut keys = vec!["series", "model"];
    keys.extend(METRIC_KEYS);
    if spec.is_adjusted {
        keys.extend(ADJUSTED_KEYS);
    }
    let is_for_people = output.format() == Format::Table;
    let mut rows = Rows::new(&keys);
    let mut push = |series: &str, mean: &Mean| {
        let mut row = vec![json!(series), json!(mean.model)];
        row.extend(mean.values.iter().map(|value| json!(value)));
        if is_for_people {
            row[2] = with_interval(mean.values[0], mean.intervals[0]);
        }
        if spec.is_adjusted {
            row.extend(mean.adjusted.unwrap_or([f64::NAN; 2]).map(|value| json!(value)));
        }
        rows.push(row);
    };
    for result in results {
        push(&result.series, &Mean::of_one(result, spec));
    }
    if results.len() > means.len() {
        for mean in means {
            push("mean", mean);
        }
    }
    let dataset = dataset(args);
    let series: Vec<Value> = results
        .iter()
        .map(|result| result.json(dataset.as_deref(), spec))
        .collect();
    let (model, baselines) = means.split_first().expect("the model stands first");
    let by_model = |of: &dyn Fn(&Mean) -> Value| -> Map<String, Value> {
        baselines
            .iter()
            .map(|mean| (mean.model.clone(), of(mean)))
            .collect()
    };
    let mut document = json!({
        "mode": args.assess.mode.to_string(),
        "series": series,
        "mean": metrics_json(&model.values),
        "mean_of_baselines": by_model(&|mean| metrics_json(&mean.values)),
        "operation": model.operation,
        "lead_horizon_s": spec.lead_horizon.as_secs_f64(),
    });
    if spec.n_resamples > 0 {
        document["mean_intervals"] = intervals_json(&model.intervals);
        document["mean_intervals_of_baselines"] =
            Value::Object(by_model(&|mean| intervals_json(&mean.intervals)));
    }
    if let Some(costs) = costs {
        document["cost"] = costs.json();
    }
    output.answer(&document, &rows)
}

/// Columns that are there where somebody insists.
pub(super) const ADJUSTED_KEYS: [&str; 2] = ["f1_point_adjusted", "f1_pa_k_area"];

fn dataset(args: &EvaluateArgs) -> Option<String> {
    args.data.data.first().map(|path| path.display().to_string())
}

fn without_labels(args: &EvaluateArgs, subject: &Subject<'_>, output: &Output) -> Result<(), Failure> {
    let (loaded, judged) = (subject.loaded, subject.judged);
    output.note(
        "note: no labels: alarms to expect, stability and recall of injected faults instead; give --labels FILE, or a \
         column is_anomaly of 0 and 1, to judge by the truth",
    );
    let bar = output.progress(judged.len() as u64, "injecting");
    let mut results = Vec::new();
    for Judged {
        recording, detector, ..
    } in judged
    {
        let first = first_row(args, recording);
        if first >= recording.rows.n_rows() {
            output.note(&format!("note: {}: no row is left to judge", recording.name));
            continue;
        }
        let from = recording.rows.sample_idx(first);
        let train = learnt_from(first, recording)?;
        let one = |model: &str, judge: &Judge<'_>| {
            unlabelled(model, &recording.name, judge, &recording.frame, from, args.seed)
        };
        results.push(one(&subject.name, &Judge::Detector(detector, args.assess.mode))?);
        for contender in Contender::BASELINES {
            results.push(one(
                contender.name(),
                &Judge::baseline(contender, &train, RANDOM_SEED)?,
            )?);
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    if results.is_empty() {
        return Err(Failure::message(
            "no row is left to judge: look at --from and --skip-rows",
        ));
    }
    let means = unlabelled_means(&results);
    if let Some(path) = &args.assess.report {
        let rates = subject.rates(args.assess.mode);
        let mut report = looking::report(loaded, judged, args.assess.mode, &rates, None, None)?;
        report.notes.push(said(&subject.name, &means[0].1));
        looking::write(path, &report)?;
        output.note(&format!("report: {}", path.display()));
    }
    let mut keys = vec!["series", "model"];
    keys.extend(UNLABELLED_KEYS);
    let mut rows = Rows::new(&keys);
    let mut push = |series: &str, model: &str, figures: &[f64; UNLABELLED_KEYS.len()]| {
        let mut row = vec![json!(series), json!(model)];
        row.extend(figures.iter().map(|value| json!(value)));
        rows.push(row);
    };
    for result in &results {
        push(&result.series, &result.model, &result.figures());
    }
    if results.len() > means.len() {
        for (model, figures) in &means {
            push("mean", model, figures);
        }
    }
    let (model, baselines) = means.split_first().expect("the model stands first");
    let mut document = unlabelled_document(args.assess.mode, &args.data.data, &results);
    document["mean"] = unlabelled_json(&model.1);
    document["mean_of_baselines"] = unlabelled_by_model(baselines);
    output.answer(&document, &rows)
}

/// What `evaluate` and `compare` say of series without labels, before any mean.
pub(super) fn unlabelled_document(mode: Mode, data: &[PathBuf], results: &[Unlabelled]) -> Value {
    let dataset = data.first().map(|path| path.display().to_string());
    let series = results.iter().map(|result| result.json(dataset.as_deref()));
    json!({
        "mode": mode.to_string(),
        "labels": false,
        "series": series.collect::<Vec<_>>(),
    })
}

/// Means under the names of their detectors.
pub(super) fn unlabelled_by_model(means: &[UnlabelledMean<'_>]) -> Value {
    let means = means.iter();
    Value::Object(
        means
            .map(|(model, figures)| ((*model).to_owned(), unlabelled_json(figures)))
            .collect(),
    )
}

/// A detector, and the means of its figures.
type UnlabelledMean<'a> = (&'a str, [f64; UNLABELLED_KEYS.len()]);

/// One sentence for the page.
fn said(model: &str, figures: &[f64; UNLABELLED_KEYS.len()]) -> String {
    format!(
        "No labels: {model} raised {:.2} alarms a week (95 % interval {:.2} to {:.2}) and would have found {:.0} % of the faults \
         that were put into copies of the data.",
        figures[0],
        figures[1],
        figures[2],
        100.0 * figures[3]
    )
}

/// Means over the series by model, in their order.
pub(super) fn unlabelled_means(results: &[Unlabelled]) -> Vec<UnlabelledMean<'_>> {
    let mut models: Vec<&str> = Vec::new();
    for result in results {
        if !models.contains(&result.model.as_str()) {
            models.push(&result.model);
        }
    }
    let mean_of = |model: &str| {
        let of_model: Vec<&Unlabelled> = results.iter().filter(|result| result.model == model).collect();
        unlabelled_mean(&of_model)
    };
    models.into_iter().map(|model| (model, mean_of(model))).collect()
}

/// The figures under their names.
fn unlabelled_json(figures: &[f64; UNLABELLED_KEYS.len()]) -> Value {
    let pairs = UNLABELLED_KEYS.iter().zip(figures);
    Value::Object(
        pairs
            .map(|(key, value)| ((*key).to_owned(), json!(value)))
            .collect(),
    )
}
