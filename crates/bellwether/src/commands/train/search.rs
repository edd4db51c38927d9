//! `train --search`: trials until the budget is used up, one after the other, each kept; then the settings of the best.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bellwether_core::threshold::ThresholdRule;
use bellwether_core::time::humane;
use bellwether_store::bundle::manifest::fingerprint;
use bellwether_store::checkpoint::remove_checkpoints;
use serde_json::{Value, json};

use super::{Training, TrainingRows, no_rows};
use crate::cli::{Format, TrainArgs};
use crate::failure::Failure;
use crate::fitting::{Checkpoints, FitSpec};
use crate::output::{Output, Rows};
use crate::search::{Candidate, Kept, Search, Trial};

/// Time for trials where none is given.
const BUDGET: Duration = Duration::from_secs(600);

const KEYS: [&str; 9] = [
    "trial",
    "window",
    "architecture",
    "lr",
    "epochs",
    "weights",
    "vus_pr",
    "recall",
    "note",
];

/// A search that is over.
#[derive(Debug)]
pub(super) struct Searched {
    /// What was chosen, in place of what was asked for.
    settings: Candidate,
    record: Value,
}

/// Refuses what cannot be searched, before the work.
pub(super) fn check(args: &TrainArgs) -> Result<(), Failure> {
    let family = args.fit.model_family;
    if !family.has_network() {
        return Err(Failure::Usage(format!(
            "--search: --model-family {} has no network whose settings could be searched",
            family.name()
        )));
    }
    if matches!(args.fit.threshold, Some(ThresholdRule::BestF1(_))) {
        return Err(Failure::Usage(
            "--search looks at no labels, and --threshold best-f1 goes by them: give another rule, or train without --search".to_owned(),
        ));
    }
    Ok(())
}

/// Refuses to go on with a training that is of the other kind, with a search or without.
pub(super) fn refuse_other(training: &Training<'_>, folder: &Path) -> Result<(), Failure> {
    let (is_search, is_resumed) = (training.args.search.is_on, training.args.resume);
    if is_resumed && !is_search && Kept::is_in(folder) {
        return Err(Failure::message(
            "--resume: what was interrupted was a search: give --search as well, or train without --resume, from the start",
        ));
    }
    if is_resumed && is_search && !Kept::is_in(folder) && Checkpoints::are_in(folder) {
        return Err(Failure::message(
            "--resume: what was interrupted was a training without --search: leave it out, or train without --resume, from the start",
        ));
    }
    Ok(())
}

/// Searches, and gives the training the settings that it is to go on with.
pub(super) fn choose(training: &mut Training<'_>, rows: &TrainingRows) -> Result<(), Failure> {
    if rows.series.is_empty() {
        return Err(no_rows());
    }
    let args = training.args;
    let names: Vec<String> = rows.records.iter().map(|record| record.name.clone()).collect();
    let search = Search::new(&args.fit, args.threads.n(), &rows.series, &names)?;
    let limit = match args.search.n_trials {
        Some(n) => json!({ "trials": n }),
        None => json!({ "seconds": args.search.budget.unwrap_or(BUDGET).as_secs_f64() }),
    };
    let of = search.identity(&fingerprint(rows.series.iter().flatten()), &limit.to_string())?;
    let folder = training.checkpoint_folder();
    refuse_other(training, &folder)?;
    let mut kept = if args.resume && Kept::is_in(&folder) {
        Kept::read(&folder, of)?
    } else {
        remove_checkpoints(&folder)?;
        Kept::new(&folder, of)
    };
    if !search.has_begun_with(kept.trials()) {
        return Err(kept.damaged("its trials are not those of this search"));
    }
    for (idx, trial) in kept.trials().iter().enumerate() {
        tell(training, idx, trial);
    }
    if !kept.is_over() {
        try_all(training, &search, &mut kept)?;
        kept.end()?;
    }
    let ranked = search.ranked(kept.trials());
    let settings = ranked
        .first()
        .map_or_else(Candidate::default, |best| best.settings.clone());
    training
        .output
        .note(&said(kept.trials(), ranked.first().copied()));
    training.fit = settings.applied(&args.fit);
    training.spec = FitSpec::from_args(&training.fit, args.threads.n())?;
    training.searched = Some(Searched {
        settings,
        record: search.record(kept.trials(), &limit),
    });
    Ok(())
}

/// Makes the trials that are missing.
#[expect(clippy::disallowed_methods, reason = "a search may be limited in time")]
fn try_all(training: &Training<'_>, search: &Search<'_>, kept: &mut Kept) -> Result<(), Failure> {
    let asked = &training.args.search;
    let budget = match asked.n_trials {
        Some(_) => Duration::MAX,
        None => asked.budget.unwrap_or(BUDGET),
    };
    let n_most = asked.n_trials.map_or(usize::MAX, |n| n.get());
    let before = Duration::try_from_secs_f64(kept.seconds()).unwrap_or(Duration::MAX);
    let start = Instant::now();
    let is_late = || before.saturating_add(start.elapsed()) >= budget;
    let is_interrupted = || training.interrupt.load(Ordering::Relaxed);
    let bar = training.output.progress(0, "searching");
    while kept.trials().len() < n_most && !is_late() {
        let begun = Instant::now();
        bar.set_message(format!("trial {}", kept.trials().len() + 1));
        let trial = search.try_next(kept.trials(), &mut |progress| {
            bar.set_length((progress.n_epochs * progress.n_steps) as u64);
            bar.set_position((progress.epoch * progress.n_steps + progress.n_steps_done) as u64);
            if is_late() || is_interrupted() {
                std::ops::ControlFlow::Break(())
            } else {
                std::ops::ControlFlow::Continue(())
            }
        })?;
        if is_interrupted() {
            bar.finish_and_clear();
            return Err(Failure::Interrupted(format!(
                "interrupted: {} trials are kept, nothing was published; the same command with --resume goes on",
                kept.trials().len()
            )));
        }
        let Some(mut trial) = trial else { break };
        trial.seconds = begun.elapsed().as_secs_f64();
        bar.suspend(|| tell(training, kept.trials().len(), &trial));
        kept.push(trial)?;
        training.refuse_lost_log()?;
    }
    bar.finish_and_clear();
    Ok(())
}

/// Tells of a trial, on stderr and in the log.
fn tell(training: &Training<'_>, idx: usize, trial: &Trial) {
    let n = idx + 1;
    let worth = match (trial.vus_pr, &trial.error) {
        (Some(vus_pr), _) => format!("vus_pr {vus_pr:.4}"),
        (None, Some(error)) => error.clone(),
        (None, None) => "no figure".to_owned(),
    };
    let window = trial
        .window
        .map_or_else(String::new, |rows| format!("window {rows}, "));
    training.output.note(&format!(
        "trial {n}: {window}{}, lr {}, {} epochs: {worth}, {}",
        trial.architecture,
        trial.lr,
        trial.epochs,
        humane(Duration::try_from_secs_f64(trial.seconds).unwrap_or_default())
    ));
    if let Some(log) = &training.log {
        let mut facts = trial.facts(n);
        facts.insert("model".to_owned(), json!(training.args.name.to_string()));
        facts.insert("seconds".to_owned(), json!(trial.seconds));
        log.tell_trial(&Value::Object(facts));
    }
}

/// What came of it, in a sentence.
fn said(trials: &[Trial], best: Option<&Trial>) -> String {
    let Some(best) = best else {
        return "search: the budget was used up before the first trial was made; the settings stay as asked for: give a \
                longer --budget"
            .to_owned();
    };
    let n = trials.len();
    let is_any_full = trials.iter().any(|trial| trial.is_full && trial.candidate > 0);
    if !is_any_full {
        return format!(
            "search: in {n} trials no drawn candidate came to be trained in full; the settings stay as asked for: give a longer \
             --budget, or more --search-trials"
        );
    }
    if best.candidate == 0 {
        return format!("search: of {n} trials none was better than the settings as asked for; they stay");
    }
    let asked = trials[0].vus_pr.unwrap_or(f64::NAN);
    let worth = best.vus_pr.unwrap_or(f64::NAN);
    format!(
        "search: the best of {n} trials has vus_pr {worth:.4} on held-out rows; the settings as asked for have {asked:.4}"
    )
}

impl Searched {
    /// What the manifest says of it.
    pub(super) fn record(&self) -> &Value {
        &self.record
    }

    /// The command that trains with what was chosen, without a search: `typed` without what belongs to it.
    pub(super) fn command(&self, typed: Vec<String>) -> Vec<String> {
        let Candidate {
            window,
            architecture,
            lr,
        } = &self.settings;
        // Flags with a value that go, or are given anew.
        let is_out = |flag: &str| match flag {
            "--budget" | "--search-trials" => true,
            "--window" | "--window-size" => window.is_some(),
            "--architecture" => architecture.is_some(),
            "--lr" => lr.is_some(),
            _ => false,
        };
        let mut words = Vec::with_capacity(typed.len());
        let mut typed = typed.into_iter();
        while let Some(word) = typed.next() {
            let flag = word.split('=').next().unwrap_or_default();
            if word == "--search" || word == "--resume" {
                continue;
            }
            if is_out(flag) {
                if !word.contains('=') {
                    typed.next();
                }
                continue;
            }
            words.push(word);
        }
        let flags = [
            ("--window", window.map(|rows| rows.to_string())),
            ("--architecture", architecture.clone()),
            ("--lr", lr.map(|lr| lr.to_string())),
        ];
        for (flag, value) in flags {
            words.extend(value.into_iter().flat_map(|value| [flag.to_owned(), value]));
        }
        words
    }

    /// The table of trials for people; programs find it in the answer.
    pub(super) fn show(&self, output: &Output) -> Result<(), Failure> {
        if output.format() != Format::Table {
            return Ok(());
        }
        let mut rows = Rows::new(&KEYS);
        for trial in self.record["trials"].as_array().into_iter().flatten() {
            let cell = |key: &str| match key {
                // Not rounded to three digits.
                "lr" => json!(trial["lr"].to_string()),
                "note" if trial["is_chosen"] == true => json!("chosen"),
                "note" => trial["error"].clone(),
                key => trial[key].clone(),
            };
            rows.push(KEYS.iter().map(|key| cell(key)).collect());
        }
        output.answer(&self.record, &rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn the_command_repeats_the_training_without_a_search() {
        let check = |settings: &Candidate, typed: &str, want: &str| {
            let searched = Searched {
                settings: settings.clone(),
                record: Value::Null,
            };
            assert_eq!(searched.command(words(typed)), words(want));
        };
        let chosen = Candidate {
            window: Some(12),
            architecture: Some("gru".to_owned()),
            lr: Some(0.001),
        };
        check(
            &chosen,
            "train a.csv --search --budget 10m --name a --resume",
            "train a.csv --name a --window 12 --architecture gru --lr 0.001",
        );
        check(
            &chosen,
            "train --search-trials=6 --lr=0.003 --architecture lstm --search a.csv --name a",
            "train a.csv --name a --window 12 --architecture gru --lr 0.001",
        );
        check(
            &Candidate {
                window: None,
                ..chosen
            },
            "train a.csv --window 9 --search --name a",
            "train a.csv --window 9 --name a --architecture gru --lr 0.001",
        );
        check(
            &Candidate::default(),
            "train a.csv --architecture lstm --search --budget=5s --name a",
            "train a.csv --architecture lstm --name a",
        );
    }
}
