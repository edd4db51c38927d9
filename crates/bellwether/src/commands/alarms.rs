//! `bench alarms`: alarms asked for against alarms raised while all is well.

use std::ops::ControlFlow;
use std::time::Duration;

use bellwether_core::detect::Mode;
use bellwether_core::eval::interval;
use bellwether_core::frame::{Frame, SeriesId};
use bellwether_core::synth::{self, PlantSpec, Template};
use bellwether_core::threshold::{AlarmBudget, ThresholdRule};
use bellwether_store::read::{self, ReadOptions};
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use serde::Serialize;
use serde_json::json;

use crate::cli::AlarmsArgs;
use crate::commands::pool;
use crate::commands::quality::all_series;
use crate::failure::Failure;
use crate::fitting::{self, FitSpec};
use crate::output::{Output, Rows};

/// Samples of a made-up week.
const WEEK: usize = 7 * 24 * 60;

/// Allowed alarms from which a count tells whether a rate is kept: with ten expected, chance alone leaves a factor of two in
/// one of fifty cases.
const TELLING: f64 = 10.0;

/// The share of a training part that is learnt from; the rest is as normal, and is judged.
const LEARNT_SHARE: f64 = 0.75;

/// A series without a fault, and where its judged part begins.
struct Healthy {
    /// Plant or data set.
    source: String,
    series: String,
    load: Load,
}

enum Load {
    /// Made up: the plant, and the samples to learn from.
    Plant(PlantSpec, usize),
    /// The first rows of a file.
    File(std::path::PathBuf, usize),
}

/// What one budget came to on one series.
struct Kept {
    span: Duration,
    n_events: usize,
    /// Alarms at the rate that the held-out rows bear out; at that asked for, where they are long enough.
    promised: f64,
    /// Whether the held-out rows know that rate to a factor of two.
    is_telling: bool,
}

/// Budget and outcome over all series of a plant or data set.
#[derive(Debug, Serialize)]
struct Outcome {
    source: String,
    n_series: usize,
    budget: String,
    days: f64,
    /// Alarms that the budget allows in that time.
    allowed: f64,
    /// Alarms at the rates that the detectors promised, where their training rows are too few for the budget.
    promised: f64,
    raised: usize,
    /// Raised per allowed, with the interval that holds the true ratio in 95 of 100 cases, if alarms come by chance.
    ratio: f64,
    ratio_low: f64,
    ratio_high: f64,
    verdict: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    /// Within a factor of two.
    Kept,
    TooMany,
    TooFew,
    /// Too short a time to tell.
    TooShort,
    /// The training part is too short for that budget; the tool said so.
    NotPromised,
}

pub(crate) fn run(args: &AlarmsArgs, output: &Output) -> Result<(), Failure> {
    // Side by side is faster than threads within one fit, and the figures do not depend on either.
    let spec = FitSpec::from_args(&args.fit, 1)?;
    let healthy = match &args.dir {
        Some(dir) => files(dir)?,
        None => plants(args),
    };
    let bar = output.progress(healthy.len() as u64, "series");
    let judge = |healthy: &Healthy| -> Result<Vec<Kept>, Failure> {
        let named = |failure: Failure| failure.in_context(&format!("{}/{}", healthy.source, healthy.series));
        let (frame, n_learnt) = healthy.load().map_err(named)?;
        let kept = args
            .budgets
            .iter()
            .map(|&budget| keep(&frame, n_learnt, budget, &spec));
        let kept: Result<Vec<Kept>, Failure> = kept.collect();
        bar.inc(1);
        kept.map_err(named)
    };
    let pool = pool(&args.threads)?;
    let kept: Vec<Vec<Kept>> = pool.install(|| healthy.par_iter().map(&judge).collect::<Result<_, _>>())?;
    bar.finish_and_clear();
    answer(&outcomes(&healthy, &kept, &args.budgets), output)
}

fn plants(args: &AlarmsArgs) -> Vec<Healthy> {
    let plant = |&template: &Template| Healthy {
        source: template.to_string(),
        series: format!("{} weeks", args.weeks),
        load: Load::Plant(
            PlantSpec {
                template,
                n_samples: (args.train_weeks.get() + args.weeks.get()) * WEEK,
                seed: args.fit.seed,
                ..PlantSpec::default()
            },
            args.train_weeks.get() * WEEK,
        ),
    };
    args.templates.iter().map(plant).collect()
}

/// The training parts of all series, those without test rows too.
fn files(dir: &std::path::Path) -> Result<Vec<Healthy>, Failure> {
    let series = all_series(dir)?.into_iter().map(|series| Healthy {
        load: Load::File(series.path, series.train.end),
        source: series.dataset,
        series: series.series,
    });
    Ok(series.collect())
}

impl Healthy {
    /// All rows without a fault, and how many of them are learnt from.
    fn load(&self) -> Result<(Frame, usize), Failure> {
        match &self.load {
            Load::Plant(plant, n_learnt) => {
                let device = synth::generate(plant)?.pop();
                let device = device.ok_or_else(|| Failure::message("a plant of no device"))?;
                Ok((device.frame, *n_learnt))
            }
            Load::File(path, n_rows) => {
                let mut recordings = read::read(std::slice::from_ref(path), &ReadOptions::default())?;
                let recording = recordings.pop().filter(|_| recordings.is_empty());
                let recording = recording.ok_or_else(|| Failure::message("wanted one series in the file"))?;
                let last = n_rows.saturating_sub(1).min(recording.rows.n_rows() - 1);
                let n = recording.rows.sample_idx(last) + 1;
                let frame = recording.frame.slice(0..n)?;
                Ok((frame, (n as f64 * LEARNT_SHARE) as usize))
            }
        }
    }
}

/// Learns from the first rows and counts the events that begin in the others.
fn keep(frame: &Frame, n_learnt: usize, budget: AlarmBudget, spec: &FitSpec) -> Result<Kept, Failure> {
    let spec = FitSpec {
        threshold: ThresholdRule::Budget(budget),
        ..spec.clone()
    };
    let learnt = frame.slice(0..n_learnt)?;
    let fitted = fitting::fit(
        vec![vec![learnt]],
        None,
        &spec,
        &mut |_| ControlFlow::Continue(()),
    )?;
    let first = n_learnt.saturating_sub(fitted.detector.context_len());
    let judged = frame.slice(first..frame.n_samples())?;
    let begin = frame.time()[n_learnt];
    let cadence = judged.schema().cadence();
    let scores = fitted
        .detector
        .score(&SeriesId::new("healthy"), judged, Mode::Causal)
        .map_err(Failure::misfit)?;
    let span = cadence * (frame.n_samples() - n_learnt) as u32;
    let support = fitted.calibration.causal.threshold.support;
    let supported = support.and_then(|support| support.supported_in(span));
    let is_telling = support.and_then(|support| support.is_telling()).unwrap_or(true);
    Ok(Kept {
        span,
        n_events: scores.events.iter().filter(|event| event.start >= begin).count(),
        promised: supported.unwrap_or_else(|| budget.events_in(span)),
        is_telling,
    })
}

fn outcomes(healthy: &[Healthy], kept: &[Vec<Kept>], budgets: &[AlarmBudget]) -> Vec<Outcome> {
    let mut sources: Vec<&str> = Vec::new();
    for of in healthy {
        if !sources.contains(&of.source.as_str()) {
            sources.push(&of.source);
        }
    }
    let mut outcomes = Vec::new();
    for source in sources {
        for (budget_idx, budget) in budgets.iter().enumerate() {
            let of_source = healthy.iter().zip(kept).filter(|(of, _)| of.source == source);
            let kept: Vec<&Kept> = of_source.map(|(_, kept)| &kept[budget_idx]).collect();
            outcomes.push(Outcome::of(source, *budget, &kept));
        }
    }
    outcomes
}

impl Outcome {
    fn of(source: &str, budget: AlarmBudget, kept: &[&Kept]) -> Self {
        let allowed: f64 = kept.iter().map(|kept| budget.events_in(kept.span)).sum();
        let promised: f64 = kept.iter().map(|kept| kept.promised).sum();
        let raised: usize = kept.iter().map(|kept| kept.n_events).sum();
        let is_telling = kept.iter().all(|kept| kept.is_telling);
        let interval = interval::poisson_mean(raised);
        let ratio = raised as f64 / allowed;
        Self {
            source: source.to_owned(),
            n_series: kept.len(),
            budget: budget.to_string(),
            days: kept.iter().map(|kept| kept.span.as_secs_f64()).sum::<f64>() / 86_400.0,
            allowed,
            promised,
            raised,
            ratio,
            ratio_low: interval.low / allowed,
            ratio_high: interval.high / allowed,
            verdict: if allowed < TELLING {
                Verdict::TooShort
            } else if promised <= 1.001 * allowed && (0.5..=2.0).contains(&ratio) {
                Verdict::Kept
            } else if promised > 1.001 * allowed || !is_telling {
                Verdict::NotPromised
            } else if ratio > 2.0 {
                Verdict::TooMany
            } else {
                Verdict::TooFew
            },
        }
    }
}

fn answer(outcomes: &[Outcome], output: &Output) -> Result<(), Failure> {
    let mut rows = Rows::new(&[
        "source", "series", "budget", "days", "allowed", "promised", "raised", "ratio", "from", "to",
        "verdict",
    ]);
    for of in outcomes {
        rows.push(vec![
            json!(of.source),
            json!(of.n_series),
            json!(of.budget),
            json!(of.days),
            json!(of.allowed),
            json!(of.promised),
            json!(of.raised),
            json!(of.ratio),
            json!(of.ratio_low),
            json!(of.ratio_high),
            json!(of.verdict),
        ]);
    }
    output.answer(&json!({ "outcomes": outcomes }), &rows)
}
