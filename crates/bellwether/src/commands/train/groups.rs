//! A model for each device: many small trainings side by side.
//!
//! Each training has one thread where there are more devices than threads, and the rows of a device are dropped with its
//! training: beside the data there are never more than as many trainings in memory as threads. What a model learns depends on
//! neither.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bellwether_core::threshold::ThresholdRule;
use bellwether_core::time::humane;
use bellwether_store::bundle::manifest::fingerprint;
use bellwether_store::read::Recording;
use bellwether_store::registry::ModelName;
use indicatif::ProgressBar;
use rayon::prelude::*;
use serde_json::{Value, json};

use super::{KEYS, Learning, Training, no_rows};
use crate::commands::{per_minute, pool};
use crate::failure::Failure;
use crate::fitting::{Device, fit_fleet};
use crate::output::Rows;
use crate::per_device;

/// Devices without a model that the last word names.
const NAMED_MAX: usize = 10;

/// A device and what became of it.
struct Outcome {
    /// `None`: the fleet as one.
    device: Option<String>,
    /// What was published, or why nothing was.
    model: Result<Value, String>,
}

/// A model for each recording, by itself. A device whose rows do not suffice is named and does not hold up the others.
#[expect(clippy::disallowed_methods, reason = "training time is told")]
pub(super) fn train_own(training: &Training<'_>, recordings: Vec<Recording>) -> Result<(), Failure> {
    let jobs = named(&training.args.name, recordings)?;
    let (start, n_devices) = (Instant::now(), jobs.len());
    let mut spec = training.spec.clone();
    spec.train.n_threads = (training.args.threads.n() / n_devices.max(1)).max(1);
    let outcomes = side_by_side(training, jobs, |name, recording, bar| {
        let device = recording.name.clone();
        let rows = training.rows_of(vec![recording]);
        if let Some(model) = training.made_before(name, &rows)? {
            training
                .output
                .detail(&format!("{device} has its model already: {}", model["model"]));
            return Ok(Outcome {
                device: Some(device),
                model: Ok(model),
            });
        }
        let learnt = training.learn(name, &spec, false, rows, &ProgressBar::hidden());
        outcome(training, name, device, learnt, bar)
    })?;
    answer(training, &outcomes, n_devices, start.elapsed())
}

/// Members learnt from all recordings, under the scales of each; a model of the whole, and one calibrated for each recording.
#[expect(clippy::disallowed_methods, reason = "training time is told")]
pub(super) fn train_shared(training: &Training<'_>, recordings: Vec<Recording>) -> Result<(), Failure> {
    if matches!(training.spec.threshold, ThresholdRule::BestF1(_)) {
        return Err(Failure::Usage(
            "--threshold best-f1 takes the labels of one device: give --group-models own".to_owned(),
        ));
    }
    let (start, n_devices) = (Instant::now(), recordings.len());
    let (mut devices, mut of_devices) = (Vec::new(), Vec::new());
    let mut outcomes = Vec::new();
    for (name, recording) in named(&training.args.name, recordings)? {
        let device = recording.name.clone();
        let mut rows = training.rows_of(vec![recording]);
        match rows.series.pop() {
            Some(frames) => {
                of_devices.push((name, rows.records, fingerprint(frames.iter()), rows.notes));
                devices.push(Device { name: device, frames });
            }
            None => outcomes.push(refused(training, device, &no_rows(), None)),
        }
    }
    let data_fingerprint = fingerprint(devices.iter().flat_map(|device| &device.frames));
    let records = of_devices
        .iter()
        .flat_map(|(_, records, _, _)| records.clone())
        .collect();
    let bar = training.output.progress(0, "training");
    let name = &training.args.name;
    let spec = training.kept(&data_fingerprint)?;
    let (whole, fleet) = fit_fleet(devices, &spec, &mut |progress| {
        training.observe(name, progress, start.elapsed(), &bar)
    })?;
    training.refuse_lost_log()?;
    bar.finish_and_clear();
    let notes = whole.notes.iter().map(|note| format!("note: {note}")).collect();
    let learning = Learning {
        fitted: whole,
        records,
        data_fingerprint,
        seconds: start.elapsed().as_secs_f64(),
        notes,
        checkpoints: spec.checkpoints.clone(),
    };
    learning.notes.iter().for_each(|note| training.output.note(note));
    let published = training.publish(name, learning)?;
    training.output.note(&published.threshold);
    outcomes.insert(
        0,
        Outcome {
            device: None,
            model: Ok(published.json),
        },
    );
    let (parts, calibrate) = fleet.into_devices(&training.spec);
    let jobs = of_devices.into_iter().zip(parts);
    let jobs = jobs.map(|((name, records, data_fingerprint, notes), (device, part))| {
        (name, (device, part, records, data_fingerprint, notes))
    });
    outcomes.extend(side_by_side(training, jobs.collect(), |name, job, bar| {
        let (device, part, records, data_fingerprint, notes) = job;
        let start = Instant::now();
        let learning = part.and_then(&calibrate).map(|fitted| Learning {
            notes: notes
                .into_iter()
                .chain(fitted.notes.iter().map(|note| format!("note: {note}")))
                .collect(),
            records,
            data_fingerprint,
            seconds: start.elapsed().as_secs_f64(),
            checkpoints: None,
            fitted,
        });
        outcome(training, name, device, learning, bar)
    })?);
    answer(training, &outcomes, n_devices, start.elapsed())
}

/// Does `work` with each job, as many at a time as there are threads; in the order of the jobs. The first error, and an
/// interrupt, ends it: jobs whose turn has not come then are not among the outcomes.
fn side_by_side<T: Send>(
    training: &Training<'_>,
    jobs: Vec<(ModelName, T)>,
    work: impl Fn(&ModelName, T, &ProgressBar) -> Result<Outcome, Failure> + Sync,
) -> Result<Vec<Outcome>, Failure> {
    let bar = training.output.progress(jobs.len() as u64, "devices");
    let outcomes: Vec<Option<Outcome>> = pool(&training.args.threads)?.install(|| {
        jobs.into_par_iter()
            .with_max_len(1)
            .map(|(name, job)| {
                if training.interrupt.load(Ordering::Relaxed) {
                    return Ok(None);
                }
                let outcome = work(&name, job, &bar)?;
                bar.inc(1);
                Ok(Some(outcome))
            })
            .collect::<Result<_, Failure>>()
    })?;
    bar.finish_and_clear();
    Ok(outcomes.into_iter().flatten().collect())
}

/// Publishes what was learnt of a device, or says why nothing was. What the registry or the log refuses is an error.
fn outcome(
    training: &Training<'_>,
    name: &ModelName,
    device: String,
    learning: Result<Learning, Failure>,
    bar: &ProgressBar,
) -> Result<Outcome, Failure> {
    training.refuse_lost_log()?;
    let learning = match learning {
        Ok(learning) => learning,
        Err(failure) => return Ok(refused(training, device, &failure, Some(bar))),
    };
    for note in &learning.notes {
        training.output.detail(&format!("{name}: {note}"));
    }
    let published = training.publish(name, learning)?;
    let version = published.version;
    training
        .output
        .detail(&format!("published {name}@{version}: {}", published.threshold));
    Ok(Outcome {
        device: Some(device),
        model: Ok(published.json),
    })
}

fn refused(training: &Training<'_>, device: String, failure: &Failure, bar: Option<&ProgressBar>) -> Outcome {
    let why = failure.text();
    let say = || training.output.note(&format!("no model for {device}: {why}"));
    match bar {
        Some(bar) => bar.suspend(say),
        None => say(),
    }
    Outcome {
        device: Some(device),
        model: Err(why),
    }
}

/// Each device with the name of its model.
fn named(of: &ModelName, recordings: Vec<Recording>) -> Result<Vec<(ModelName, Recording)>, Failure> {
    let mut taken: HashMap<ModelName, String> = HashMap::with_capacity(recordings.len());
    let mut jobs = Vec::with_capacity(recordings.len());
    for recording in recordings {
        let device = &recording.name;
        let name = per_device::name(of, device).map_err(|why| {
            Failure::Usage(format!(
                "--group-by: the group {device:?} makes no model name: {why}"
            ))
        })?;
        if let Some(other) = taken.insert(name.clone(), device.clone()) {
            return Err(Failure::message(format!(
                "--group-by: the groups {other:?} and {device:?} would both make the model {name}: rename one"
            )));
        }
        jobs.push((name, recording));
    }
    Ok(jobs)
}

/// The table of what was trained; an error where a device has no model.
fn answer(
    training: &Training<'_>,
    outcomes: &[Outcome],
    n_devices: usize,
    elapsed: Duration,
) -> Result<(), Failure> {
    let of_devices = || {
        outcomes
            .iter()
            .filter_map(|outcome| Some((outcome.device.as_ref()?, &outcome.model)))
    };
    let failed: Vec<&str> = of_devices()
        .filter(|(_, model)| model.is_err())
        .map(|(device, _)| device.as_str())
        .collect();
    let n = of_devices().count() - failed.len();
    training.output.note(&format!(
        "{n} of {n_devices} devices have a model after {}, {}",
        humane(elapsed),
        per_minute(n, elapsed)
    ));
    let keys: Vec<&'static str> = ["device"].into_iter().chain(KEYS).chain(["error"]).collect();
    let (mut rows, mut documents) = (Rows::new(&keys), Vec::with_capacity(outcomes.len()));
    for Outcome { device, model } in outcomes {
        let mut document = match model {
            Ok(published) => published.clone(),
            Err(why) => json!({ "model": null, "error": why }),
        };
        document["device"] = json!(device);
        rows.push(keys.iter().map(|key| document[*key].clone()).collect());
        documents.push(document);
    }
    training.output.answer(&documents, &rows)?;
    if failed.is_empty() {
        return Ok(());
    }
    let more = match failed.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Err(Failure::message(format!(
        "no model for {} of {n_devices} devices: {}{more}; the others have theirs",
        failed.len(),
        failed[..failed.len().min(NAMED_MAX)].join(", ")
    )))
}
