//! `bench faults`: generated plants with known faults; how many are found, how soon, and what is raised beside them.

use std::ops::ControlFlow;

use bellwether_core::detect::{Detector, Scores};
use bellwether_core::eval::interval;
use bellwether_core::frame::{Frame, SeriesId};
use bellwether_core::synth::{AnomalyKind, AnomalySpec, Fault, Template, generate, inject_scaled};
use serde_json::{Value, json};

use crate::cli::FaultsArgs;
use crate::commands::plants::{self, CADENCE};
use crate::failure::Failure;
use crate::fitting::{self, FitSpec};
use crate::output::{Output, Rows, object};

/// Samples of a week.
const WEEK: usize = 7 * 24 * 60;

/// One fault in a week that was healthy without it, and what the detector made of that week.
#[derive(Debug, Clone)]
struct Outcome {
    template: Template,
    /// The fault as asked for.
    spec: String,
    seed: u64,
    fault: Fault,
    /// Samples from its start to the first row that is in an event because of it; `None` where it is not found.
    delay: Option<usize>,
    /// Events of the week that the fault has no part in.
    n_false: usize,
}

pub(crate) fn run(args: &FaultsArgs, output: &Output) -> Result<(), Failure> {
    // Side by side is faster than threads within one fit, and the figures do not depend on either.
    let spec = FitSpec::from_args(&args.fit, 1)?;
    let templates = plants::templates(&args.templates);
    let faults = match args.anomalies.as_slice() {
        [] => AnomalyKind::ALL.map(AnomalySpec::new).to_vec(),
        some => some.to_vec(),
    };
    let judge = |template, seed| {
        let outcomes = plant(template, seed, &faults, args, &spec)?;
        for outcome in &outcomes {
            output.detail(&outcome.line());
        }
        Ok(outcomes)
    };
    let (seed, threads) = (args.fit.seed, &args.threads);
    let outcomes = plants::judge_each(&templates, seed, args.seeds, threads, output, judge)?;
    answer(args, &templates, &faults, &outcomes, output)
}

/// Learns from the first weeks of one healthy plant, and judges the week behind them once with each fault in it.
fn plant(
    template: Template,
    seed: u64,
    faults: &[AnomalySpec],
    args: &FaultsArgs,
    spec: &FitSpec,
) -> Result<Vec<Outcome>, Failure> {
    let n_train = args.train_weeks.get() * WEEK;
    let healthy = plants::healthy(template, seed, n_train + WEEK);
    let whole = generate(&healthy)?.remove(0).frame;
    let train = whole.slice(0..n_train)?;
    let fitted = fitting::fit(vec![vec![train]], None, spec, &mut |_| ControlFlow::Continue(()))?;
    // Rows before the week fill the windows.
    let n_before = fitted.detector.surroundings(args.mode).0.min(n_train);
    let before = whole.slice(n_train - n_before..n_train)?;
    let week = whole.slice(n_train..n_train + WEEK)?;
    let judge = |week: &Frame| -> Result<Scores, Failure> {
        let frame = joined(&before, week)?;
        let scores = fitted
            .detector
            .score(&SeriesId::new(template.name()), frame, args.mode);
        scores.map_err(Failure::misfit)
    };
    let quiet = judge(&week)?;
    let mut outcomes = Vec::with_capacity(faults.len());
    for (fault_idx, anomaly) in faults.iter().enumerate() {
        // Another seed for each template and kind: other places, channels, lengths and directions.
        let template_idx = Template::ALL.iter().position(|one| *one == template);
        let of_kind = seed
            .wrapping_mul(10_000)
            .wrapping_add(100 * template_idx.unwrap_or(0) as u64)
            .wrapping_add(fault_idx as u64);
        let (ill, mut truth) = inject_scaled(&week, &whole, std::slice::from_ref(anomaly), of_kind)
            .map_err(|error| Failure::message(error.to_string()))?;
        let fault = truth.remove(0);
        let scores = judge(&ill)?;
        outcomes.push(Outcome {
            template,
            spec: anomaly.to_string(),
            seed,
            delay: delay(&fitted.detector, &fault, n_before, &scores, &quiet),
            n_false: n_false(&fitted.detector, &fault, &week, &scores),
            fault,
        });
    }
    Ok(outcomes)
}

fn joined(before: &Frame, after: &Frame) -> Result<Frame, Failure> {
    let time = [before.time(), after.time()].concat();
    let values = [before.values(), after.values()].concat();
    Ok(Frame::new(after.schema().channels().to_vec(), time, values)?)
}

/// Samples from the start of the fault to the first row that lies in an event and would not without the fault. The rows
/// of one window behind its end count: the last of them still sees it.
fn delay(
    detector: &Detector,
    fault: &Fault,
    n_before: usize,
    scores: &Scores,
    quiet: &Scores,
) -> Option<usize> {
    let start = n_before + fault.first_idx;
    let end = (n_before + fault.last_idx + detector.window_len()).min(scores.event.len());
    (start..end)
        .find(|&row| scores.event[row].is_some() && quiet.event[row].is_none())
        .map(|row| row - start)
}

/// Events of the week that do not touch the fault, nor the rows behind it that still depend on it.
fn n_false(detector: &Detector, fault: &Fault, week: &Frame, scores: &Scores) -> usize {
    let first = week.time()[0];
    let last_idx = (fault.last_idx + detector.context_len()).min(week.n_samples() - 1);
    let last = week.time()[last_idx];
    let events = scores.events.iter().filter(|event| event.end >= first);
    events
        .filter(|event| event.end < fault.start || event.start > last)
        .count()
}

impl Outcome {
    fn line(&self) -> String {
        let Fault {
            channels,
            first_idx,
            last_idx,
            ..
        } = &self.fault;
        let found = self
            .delay
            .map_or("not found".to_owned(), |delay| format!("found after {delay}"));
        format!(
            "{} {} {}: {} at {first_idx} to {last_idx}: {found}, {} false",
            self.template,
            self.spec,
            self.seed,
            channels.join(";"),
            self.n_false
        )
    }
}

/// Columns of the table.
const KEYS: [&str; 7] = [
    "of",
    "faults",
    "found",
    "recall",
    "recall_low",
    "false_per_week",
    "delay_s",
];

/// Figures of some faults: how many, found, the share with the lower end of its interval, false events per generated
/// week, and the median delay.
fn figures(of: &[&Outcome]) -> [(&'static str, Value); 6] {
    let n_found = of.iter().filter(|outcome| outcome.delay.is_some()).count();
    let mut delays: Vec<usize> = of.iter().filter_map(|outcome| outcome.delay).collect();
    delays.sort_unstable();
    let n_false: usize = of.iter().map(|outcome| outcome.n_false).sum();
    let per = |count: usize| (!of.is_empty()).then(|| count as f64 / of.len() as f64);
    let median = delays.get(delays.len().saturating_sub(1) / 2);
    [
        ("faults", json!(of.len())),
        ("found", json!(n_found)),
        ("recall", json!(per(n_found))),
        (
            "recall_low",
            json!(interval::share(n_found, of.len()).map(|share| share.low)),
        ),
        ("false_per_week", json!(per(n_false))),
        (
            "delay_s",
            json!(median.map(|&samples| samples as f64 * CADENCE.as_secs_f64())),
        ),
    ]
}

fn answer(
    args: &FaultsArgs,
    templates: &[Template],
    faults: &[AnomalySpec],
    outcomes: &[Outcome],
    output: &Output,
) -> Result<(), Failure> {
    let mut rows = Rows::new(&KEYS);
    let mut row = |name: &str, some: &[&Outcome]| {
        let figures = figures(some);
        let mut row = vec![json!(name)];
        row.extend(figures.iter().map(|(_, value)| value.clone()));
        rows.push(row);
        let mut facts = serde_json::Map::new();
        facts.insert("of".to_owned(), json!(name));
        facts.extend(figures.map(|(key, value)| (key.to_owned(), value)));
        Value::Object(facts)
    };
    let mut kinds = Vec::new();
    for anomaly in faults {
        let name = anomaly.to_string();
        let some: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.spec == name).collect();
        let mut facts = row(&name, &some);
        let by_template = templates.iter().map(|template| {
            let some: Vec<&Outcome> = some
                .iter()
                .copied()
                .filter(|outcome| outcome.template == *template)
                .collect();
            (template.name(), object(figures(&some)))
        });
        facts["templates"] = object(by_template);
        kinds.push(facts);
    }
    let mut of_templates = Vec::new();
    for template in templates {
        let some: Vec<&Outcome> = outcomes
            .iter()
            .filter(|outcome| outcome.template == *template)
            .collect();
        of_templates.push(row(template.name(), &some));
    }
    let all = row("all", &outcomes.iter().collect::<Vec<_>>());
    let document = json!({
        "mode": args.mode.to_string(),
        "model_family": args.fit.model_family.name(),
        "seeds": args.seeds,
        "train_weeks": args.train_weeks,
        "kinds": kinds,
        "templates": of_templates,
        "all": all,
    });
    output.answer(&document, &rows)
}
