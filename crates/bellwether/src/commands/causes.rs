//! `bench causes`: generated plants with known faults; how often the faulty channel stands at the front of the causes.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use bellwether_core::detect::{Detector, Mode};
use bellwether_core::eval::causes::{hit_rate, ndcg};
use bellwether_core::explain::shares::ranked;
use bellwether_core::explain::{Stretch, ranking};
use bellwether_core::frame::{Frame, SeriesId};
use bellwether_core::synth::{AnomalyKind, AnomalySpec, Fault, Start, Template, generate, inject};
use serde_json::{Value, json};

use crate::cli::CausesArgs;
use crate::commands::plants;
use crate::failure::Failure;
use crate::fitting::{self, FitSpec};
use crate::output::{Output, Rows, object};

/// Samples to learn from: a week of minutes.
const N_TRAIN: usize = 10_080;

/// Samples that are judged: two days.
const N_JUDGED: usize = 2_880;

/// The fault begins so many samples into the judged part, and some more by seed.
const FIRST_FAULT: usize = 400;

/// What came of one fault.
#[derive(Debug, Clone)]
struct Outcome {
    template: Template,
    kind: AnomalyKind,
    seed: u64,
    /// `None` where no event touches it.
    found: Option<Found>,
}

/// Where the faulty channels stand among the causes of the event.
#[derive(Debug, Clone, Copy)]
struct Found {
    hit_1: f64,
    hit_3: f64,
    ndcg_3: f64,
    /// The same for the shares alone, as `detect` writes them.
    share_hit_1: f64,
    share_hit_3: f64,
    /// What a ranking by chance hits.
    chance_3: f64,
}

pub(crate) fn run(args: &CausesArgs, output: &Output) -> Result<(), Failure> {
    // Side by side is faster than threads within one fit, and the figures do not depend on either.
    let spec = FitSpec::from_args(&args.fit, 1)?;
    let judge = |template, seed| plant(template, seed, args.mode, &spec);
    let (templates, seed) = (plants::templates(&args.templates), args.fit.seed);
    let outcomes = plants::judge_each(&templates, seed, args.seeds, &args.threads, output, judge)?;
    for outcome in &outcomes {
        let Outcome {
            template,
            kind,
            seed,
            found,
        } = outcome;
        output.detail(&match found {
            Some(found) => format!(
                "{template} {kind} {seed}: {:.0} {:.0} {:.2}",
                found.hit_1, found.hit_3, found.ndcg_3
            ),
            None => format!("{template} {kind} {seed}: not detected"),
        });
    }
    answer(args, &outcomes, output)
}

/// One healthy plant learnt from, and each kind of fault put into its last two days.
fn plant(template: Template, seed: u64, mode: Mode, spec: &FitSpec) -> Result<Vec<Outcome>, Failure> {
    let healthy = plants::healthy(template, seed, N_TRAIN + N_JUDGED);
    let device = generate(&healthy)?.remove(0);
    let train = device.frame.slice(0..N_TRAIN)?;
    let fitted = fitting::fit(vec![vec![train]], None, spec, &mut |_| ControlFlow::Continue(()))?;
    let first = N_TRAIN - fitted.detector.surroundings(mode).0.min(N_TRAIN);
    let mut outcomes = Vec::new();
    for (kind_idx, kind) in AnomalyKind::ALL.into_iter().enumerate() {
        // Another seed for each kind: other channels, lengths and directions.
        let of_kind = seed
            .wrapping_mul(AnomalyKind::ALL.len() as u64)
            .wrapping_add(kind_idx as u64);
        let start = N_TRAIN + FIRST_FAULT + (of_kind as usize * 131) % (N_JUDGED / 2);
        let fault = AnomalySpec {
            start: Some(Start::Sample(start)),
            ..AnomalySpec::new(kind)
        };
        // A fault that would change nothing, such as a stuck channel that stands anyway, is none.
        let Ok((frame, faults)) = inject(&device.frame, &[fault], of_kind) else {
            continue;
        };
        let frame = frame.slice(first..frame.n_samples())?;
        outcomes.push(Outcome {
            template,
            kind,
            seed,
            found: judge(&fitted.detector, &frame, first, &faults[0], mode)?,
        });
    }
    Ok(outcomes)
}

/// The causes of the strongest event that touches the fault, against its channels. `first` is where the frame begins in
/// the data that the fault was put into.
fn judge(
    detector: &Detector,
    frame: &Frame,
    first: usize,
    fault: &Fault,
    mode: Mode,
) -> Result<Option<Found>, Failure> {
    let scores = detector
        .score(&SeriesId::new("plant"), frame.clone(), mode)
        .map_err(Failure::misfit)?;
    let (begin, end) = (
        fault.first_idx - first,
        fault.last_idx - first + detector.window_len(),
    );
    let touches = scores.events.iter().filter_map(|event| {
        let stretch = Stretch::of_event(frame, event)?;
        (stretch.rows.start <= end && stretch.rows.end > begin).then_some((event, stretch))
    });
    let Some((event, stretch)) = touches.max_by(|a, b| a.0.peak_score.total_cmp(&b.0.peak_score)) else {
        return Ok(None);
    };
    let ranking = ranking(detector, frame, &stretch, mode).map_err(Failure::misfit)?;
    let channels = detector.pipeline().schema().channels();
    let causes: Vec<usize> = (0..channels.len())
        .filter(|&idx| fault.channels.iter().any(|name| name == channels[idx].name()))
        .collect();
    let by_share = ranked(&event.shares);
    Ok(Some(Found {
        hit_1: hit_rate(&ranking, &causes, 1),
        hit_3: hit_rate(&ranking, &causes, 3),
        ndcg_3: ndcg(&ranking, &causes, 3),
        share_hit_1: hit_rate(&by_share, &causes, 1),
        share_hit_3: hit_rate(&by_share, &causes, 3),
        chance_3: (3.0 / channels.len() as f64).min(1.0),
    }))
}

/// Columns of the table.
const KEYS: [&str; 9] = [
    "of",
    "faults",
    "detected",
    "hit_rate_1",
    "hit_rate_3",
    "ndcg_3",
    "share_hit_rate_1",
    "share_hit_rate_3",
    "chance_hit_rate_3",
];

/// Figures of some faults.
fn figures(of: &[&Outcome]) -> [(&'static str, Value); 8] {
    let found: Vec<Found> = of.iter().filter_map(|outcome| outcome.found).collect();
    let mean = |value: fn(&Found) -> f64| {
        let sum: f64 = found.iter().map(value).sum();
        json!((!found.is_empty()).then(|| sum / found.len() as f64))
    };
    [
        ("faults", json!(of.len())),
        ("detected", json!(found.len())),
        ("hit_rate_1", mean(|found| found.hit_1)),
        ("hit_rate_3", mean(|found| found.hit_3)),
        ("ndcg_3", mean(|found| found.ndcg_3)),
        ("share_hit_rate_1", mean(|found| found.share_hit_1)),
        ("share_hit_rate_3", mean(|found| found.share_hit_3)),
        ("chance_hit_rate_3", mean(|found| found.chance_3)),
    ]
}

fn answer(args: &CausesArgs, outcomes: &[Outcome], output: &Output) -> Result<(), Failure> {
    let mut rows = Rows::new(&KEYS);
    let mut by = BTreeMap::new();
    let mut add = |of: &str, name: &str, some: Vec<&Outcome>| {
        let figures = figures(&some);
        let mut row = vec![json!(name)];
        row.extend(figures.iter().map(|(_, value)| value.clone()));
        rows.push(row);
        by.entry(of.to_owned())
            .or_insert_with(serde_json::Map::new)
            .insert(name.to_owned(), object(figures));
    };
    for kind in AnomalyKind::ALL {
        add(
            "kinds",
            kind.name(),
            outcomes.iter().filter(|outcome| outcome.kind == kind).collect(),
        );
    }
    for template in Template::ALL {
        let some: Vec<&Outcome> = outcomes
            .iter()
            .filter(|outcome| outcome.template == template)
            .collect();
        if !some.is_empty() {
            add("templates", template.name(), some);
        }
    }
    let all: Vec<&Outcome> = outcomes.iter().collect();
    add("all", "all", all.clone());
    let document = json!({
        "mode": args.mode.to_string(),
        "model_family": args.fit.model_family.name(),
        "seeds": args.seeds,
        "kinds": by.get("kinds"),
        "templates": by.get("templates"),
        "all": object(figures(&all)),
    });
    output.answer(&document, &rows)
}
