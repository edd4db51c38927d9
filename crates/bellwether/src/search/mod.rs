//! `train --search`: which window, sizes or preset, and learning rate the networks of a detector should have, judged without labels.
//!
//! [`space`] says what may be chosen and draws candidates, [`strategy`] whose turn it is, [`criterion`] what a detector is worth,
//! [`record`] keeps every trial. A search never ends with settings that are worse by its criterion than those that were asked for: they
//! are the first trial. No clock is read here: whoever runs it says when it is over.

mod criterion;
mod record;
mod space;
mod strategy;

use std::ops::ControlFlow;

use bellwether_core::frame::Frame;
use bellwether_nn::Progress;
use bellwether_store::bundle::Sha256;
use serde_json::{Value, json};

use crate::cli::FitArgs;
use crate::failure::Failure;
use crate::fitting::{self, Family, FitSpec, Fitted};
use criterion::{HeldOut, Worth};
pub(crate) use record::{Kept, Trial};
pub(crate) use space::Candidate;
use space::Space;
use strategy::{KEEP_ONE_OF, Next};

/// A search on the training rows of one model.
#[derive(Debug)]
pub(crate) struct Search<'a> {
    args: &'a FitArgs,
    n_threads: usize,
    held_out: HeldOut,
    space: Space,
    candidates: Vec<Candidate>,
}

impl<'a> Search<'a> {
    /// A search of all that `args` leave open, on the frames of each series with its name.
    ///
    /// # Errors
    /// Where the family has no network, nothing is open, or the rows do not suffice.
    pub(crate) fn new(
        args: &'a FitArgs,
        n_threads: usize,
        series: &[Vec<Frame>],
        names: &[String],
    ) -> Result<Self, Failure> {
        let held_out = HeldOut::of(series, names, args.seed)?;
        let space = Space::of(args, held_out.n_rows());
        if space.is_empty() {
            return Err(Failure::Usage(
                "--search: --window, --architecture (or --model-family) and --lr are all given: leave out what is to be searched"
                    .to_owned(),
            ));
        }
        let candidates = space.candidates(args.seed);
        Ok(Self {
            args,
            n_threads,
            held_out,
            space,
            candidates,
        })
    }

    /// What it is a search of, in one text: data, settings, space, limit and program. `limit` is what ends it.
    pub(crate) fn identity(&self, data_fingerprint: &str, limit: &str) -> Result<String, Failure> {
        let spec = FitSpec::from_args(self.args, self.n_threads)?;
        let training = spec.fingerprint(data_fingerprint);
        let all = format!("{training} {:?} {limit}", self.space);
        Ok(Sha256::of(all.as_bytes()).to_string())
    }

    /// Whether these trials are the first of this search.
    pub(crate) fn has_begun_with(&self, trials: &[Trial]) -> bool {
        (0..trials.len()).all(|n| {
            let trial = &trials[n];
            let turn = Next {
                candidate: trial.candidate,
                is_full: trial.is_full,
            };
            self.next(&trials[..n]) == Some(turn) && self.candidates[trial.candidate] == trial.settings
        })
    }

    /// Makes the trial that follows on those so far; `None` where all candidates are done with, or `observe` stopped it. Its time is
    /// for the caller to tell.
    ///
    /// # Errors
    /// Where the settings as they were asked for cannot be trained. Those of any other candidate then make a trial that failed.
    pub(crate) fn try_next(
        &self,
        trials: &[Trial],
        observe: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Option<Trial>, Failure> {
        let Some(Next { candidate, is_full }) = self.next(trials) else {
            return Ok(None);
        };
        let settings = self.candidates[candidate].clone();
        let args = settings.applied(self.args);
        // Of the first trial, which is a full one.
        let n_short = trials.first().map(|trial| trial.epochs.div_ceil(KEEP_ONE_OF));
        let mut n_planned = 0;
        let outcome = self.fit(&args, n_short.filter(|_| !is_full), &mut |progress| {
            n_planned = n_planned.max(progress.n_epochs);
            observe(progress)
        });
        let mut trial = Trial {
            candidate,
            settings,
            is_full,
            architecture: match args.model_family {
                Family::Network(preset) => preset.name.to_owned(),
                _ => args.architecture,
            },
            lr: args.lr,
            window: None,
            epochs: n_planned,
            weights: 0,
            vus_pr: None,
            recall: None,
            error: None,
            seconds: 0.0,
        };
        match outcome {
            Ok(None) => return Ok(None),
            Ok(Some((fitted, worth))) => {
                let networks = fitted.learnt.iter().filter(|of| of.is_network());
                let described: Vec<_> = networks.map(|of| of.describe()).collect();
                trial.window = described.iter().map(|of| of.window_len()).max();
                trial.weights = described
                    .iter()
                    .filter_map(|of| of.network())
                    .map(|of| of.n_weights)
                    .sum();
                trial.vus_pr = Some(worth.vus_pr);
                trial.recall = Some(worth.recall);
            }
            Err(failure) if candidate == 0 => {
                return Err(failure
                    .in_context("--search: the first three quarters of the rows cannot be learnt from"));
            }
            Err(failure) => {
                trial.window = trial.settings.window;
                trial.error = Some(failure.text());
            }
        }
        Ok(Some(trial))
    }

    /// Trials in their order of merit, the chosen one first where any is full.
    pub(crate) fn ranked<'t>(&self, trials: &'t [Trial]) -> Vec<&'t Trial> {
        let mut ranked: Vec<&Trial> = trials.iter().collect();
        ranked.sort_by(|a, b| strategy::best_first(&a.standing(), &b.standing()));
        ranked
    }

    /// What the manifest says of it; `limit` is what ended it.
    pub(crate) fn record(&self, trials: &[Trial], limit: &Value) -> Value {
        let ranked = self.ranked(trials);
        let of_trial = |(place, trial): (usize, &&Trial)| {
            // As they came.
            let idx = trials.iter().position(|of| std::ptr::eq(of, *trial));
            let mut facts = trial.facts(idx.expect("it is one of them") + 1);
            facts.insert("is_chosen".to_owned(), json!(place == 0));
            facts
        };
        json!({
            "criterion": criterion::IN_WORDS,
            "strategy": "settings as asked for; then random ones for a third of the epochs, and the best third of them for all",
            "space": self.space.json(),
            "limit": limit,
            "trials": ranked.iter().enumerate().map(of_trial).collect::<Vec<_>>(),
        })
    }

    fn next(&self, trials: &[Trial]) -> Option<Next> {
        let standings: Vec<_> = trials.iter().map(Trial::standing).collect();
        strategy::next(&standings, self.candidates.len())
    }

    /// `None` where `observe` stopped it.
    fn fit(
        &self,
        args: &FitArgs,
        n_epochs: Option<usize>,
        observe: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Option<(Fitted, Worth)>, Failure> {
        let mut spec = FitSpec::from_args(args, self.n_threads)?;
        spec.train.n_epochs = n_epochs.or(spec.train.n_epochs);
        let mut is_stopped = false;
        let fitted = fitting::fit(self.held_out.train.clone(), None, &spec, &mut |progress| {
            let flow = observe(progress);
            is_stopped |= flow.is_break();
            flow
        })?;
        if is_stopped {
            return Ok(None);
        }
        let worth = self.held_out.judge(&fitted.detector)?;
        Ok(Some((fitted, worth)))
    }
}
