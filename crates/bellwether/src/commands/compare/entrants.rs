//! Entrants: detectors fitted once, asked about every series, what that takes, and how much they owe to the seed.

use std::time::{Duration, Instant};

use bellwether_core::detect::Mode;
use bellwether_core::eval::stability::{Agreement, mean_agreement};
use bellwether_core::time::humane;
use serde_json::{Map, Value, json};

use super::Part;
use crate::assessment::{Contender, Fit, Judge};
use crate::failure::Failure;
use crate::fitting::FitSpec;
use crate::output::Output;

/// What it took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effort {
    pub(super) train_s: f64,
    pub(super) rows_per_s: f64,
}

/// A detector that could learn from these data.
struct Entrant {
    contender: Contender,
    fit: Fit,
    train_s: f64,
}

/// All of them, in the order of the command line.
pub(super) struct Entrants<'a> {
    entrants: Vec<Entrant>,
    spec: &'a FitSpec,
}

/// Takes the scores of one entrant for the samples of one series from the first judged one on: `(name, series, judge, scores)`.
type Visit<'a> = &'a mut dyn FnMut(&str, &Part<'_>, &Judge<'_>, Vec<f64>) -> Result<(), Failure>;

impl<'a> Entrants<'a> {
    /// Fits every contender; one that cannot learn from these data is left out with a note.
    pub(super) fn fitted(
        contenders: &[Contender],
        parts: &[Part<'_>],
        spec: &'a FitSpec,
        output: &Output,
    ) -> Result<Self, Failure> {
        let bar = output.progress(contenders.len() as u64, "training");
        let mut entrants = Vec::new();
        let mut refused = None;
        for &contender in contenders {
            bar.set_message(contender.name());
            let (fit, took) = timed(|| fit(contender, parts, spec));
            match fit {
                Ok(fit) => entrants.push(Entrant {
                    contender,
                    fit,
                    train_s: took.as_secs_f64(),
                }),
                Err(failure) => {
                    output.note(&format!("note: without {}: {}", contender.name(), failure.text()));
                    refused = Some(failure);
                }
            }
            output.detail(&format!("{}: fitted after {}", contender.name(), humane(took)));
            bar.inc(1);
        }
        bar.finish_and_clear();
        match refused {
            Some(failure) if entrants.is_empty() => Err(failure),
            _ => Ok(Self { entrants, spec }),
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.entrants.len()
    }

    /// Whether the contender is among them.
    pub(super) fn has(&self, contender: Contender) -> bool {
        self.entrants.iter().any(|entrant| entrant.contender == contender)
    }

    /// Asks each about each series, in order.
    pub(super) fn each(
        &self,
        parts: &[Part<'_>],
        mode: Mode,
        output: &Output,
        visit: Visit<'_>,
    ) -> Result<Efforts, Failure> {
        let bar = output.progress((self.entrants.len() * parts.len()) as u64, "judging");
        let mut efforts = Efforts::default();
        for entrant in &self.entrants {
            let name = entrant.contender.name();
            bar.set_message(name);
            let (mut n_rows, mut took) = (0, Duration::ZERO);
            for part in parts {
                let judge = entrant.fit.judge(&part.train, mode, self.spec.train.seed)?;
                let (scores, of_series) = timed(|| judge.score(part.name(), part.frame(), part.from));
                let scores = scores?;
                n_rows += scores.len();
                took += of_series;
                visit(name, part, &judge, scores)?;
                bar.inc(1);
            }
            let effort = Effort {
                train_s: entrant.train_s,
                rows_per_s: n_rows as f64 / took.as_secs_f64(),
            };
            efforts.push(name, effort);
        }
        bar.finish_and_clear();
        Ok(efforts)
    }

    /// How alike the scores are of `n` detectors of each kind that differ in their seed alone; the baselines have none that
    /// is learnt with.
    pub(super) fn over_seeds(
        &self,
        n: usize,
        parts: &[Part<'_>],
        mode: Mode,
        output: &Output,
    ) -> Result<Vec<(String, Agreement)>, Failure> {
        if n < 2 {
            return Ok(Vec::new());
        }
        let learning = self
            .entrants
            .iter()
            .filter(|entrant| !entrant.contender.is_baseline());
        let learning: Vec<&Entrant> = learning.collect();
        let bar = output.progress((learning.len() * n) as u64, "other seeds");
        let mut agreements = Vec::new();
        for entrant in learning {
            bar.set_message(entrant.contender.name());
            // The scores of all series one behind the other: alarms count alike wherever they are.
            let mut runs = vec![Vec::new(); n];
            for (seed, run) in runs.iter_mut().enumerate() {
                let other;
                let fit = if seed == 0 {
                    &entrant.fit
                } else {
                    let mut spec = self.spec.clone();
                    spec.train.seed = spec.train.seed.wrapping_add(seed as u64);
                    other = fit(entrant.contender, parts, &spec)?;
                    &other
                };
                for part in parts {
                    let judge = fit.judge(&part.train, mode, self.spec.train.seed)?;
                    run.extend(judge.score(part.name(), part.frame(), part.from)?);
                }
                bar.inc(1);
            }
            agreements.push((entrant.contender.name().to_owned(), mean_agreement(&runs)?));
        }
        bar.finish_and_clear();
        Ok(agreements)
    }
}

fn fit(contender: Contender, parts: &[Part<'_>], spec: &FitSpec) -> Result<Fit, Failure> {
    let train = parts.iter().map(|part| vec![part.train.clone()]).collect();
    Fit::new(contender, train, spec)
}

/// What each detector took, and what it owes to its seed: the last columns of the table.
#[derive(Debug, Default)]
pub(super) struct Efforts {
    efforts: Vec<(String, Effort)>,
    /// Empty where one seed was enough.
    seeds: Vec<(String, Agreement)>,
}

impl Efforts {
    pub(super) fn push(&mut self, model: &str, effort: Effort) {
        self.efforts.push((model.to_owned(), effort));
    }

    pub(super) fn over_seeds(&mut self, seeds: Vec<(String, Agreement)>) {
        self.seeds = seeds;
    }

    /// The columns.
    pub(super) fn keys(&self) -> Vec<&'static str> {
        let mut keys = vec!["train_s", "rows_per_s"];
        if !self.seeds.is_empty() {
            keys.extend(["seeds_rank_correlation", "seeds_alarms_kept"]);
        }
        keys
    }

    /// Their cells for a detector.
    pub(super) fn cells(&self, model: &str) -> Vec<Value> {
        let found = self.efforts.iter().find(|(name, _)| name == model);
        let effort = found.expect("whatever was judged took its time").1;
        let mut cells = vec![json!(effort.train_s), json!(effort.rows_per_s)];
        if !self.seeds.is_empty() {
            let of_model = self
                .seeds
                .iter()
                .find(|(name, _)| name == model)
                .map(|(_, of)| of);
            cells.push(json!(of_model.map(|of| of.rank_correlation)));
            cells.push(json!(of_model.map(|of| of.alarms_kept)));
        }
        cells
    }

    /// Adds them to the document.
    pub(super) fn describe(&self, document: &mut Value) {
        let efforts = self.efforts.iter().map(|(model, of)| {
            let of = json!({ "train_s": of.train_s, "rows_per_s": of.rows_per_s });
            (model.clone(), of)
        });
        document["effort"] = Value::Object(efforts.collect::<Map<String, Value>>());
        if !self.seeds.is_empty() {
            let seeds = self.seeds.iter().map(|(model, of)| {
                let of = json!({ "rank_correlation": of.rank_correlation, "alarms_kept": of.alarms_kept });
                (model.clone(), of)
            });
            document["seeds"] = Value::Object(seeds.collect::<Map<String, Value>>());
        }
    }
}

/// The result, and how long it took.
#[expect(
    clippy::disallowed_methods,
    reason = "what detectors take is part of the answer"
)]
pub(super) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}
