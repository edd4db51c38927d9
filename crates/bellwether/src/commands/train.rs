//! `train`: learn what is normal, publish it as a version of a model; of one model for all series, or of one for each device.

mod groups;
mod log;
mod search;
mod settings;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bellwether_core::detect::ModeReport;
use bellwether_core::frame::Frame;
use bellwether_core::threshold::ThresholdRule;
use bellwether_core::time::{Timestamp, humane};
use bellwether_nn::{Progress, TrainEnd};
use bellwether_store::bundle::manifest::{Manifest, SeriesRecord, fingerprint};
use bellwether_store::read::Recording;
use bellwether_store::registry::{LookupError, ModelName, ModelRef, NamedRef, Pick, Registry, Version};
use indicatif::ProgressBar;
use serde_json::{Value, json};

use crate::artifact;
use crate::cli::{FitArgs, GroupModels, TrainArgs};
use crate::commands::calendar::Calendar;
use crate::commands::looking::sample_labels;
use crate::commands::{read, refuse_overwriting, registry};
use crate::failure::Failure;
use crate::fitting::{self, Checkpoints, FitSpec, Fitted, Foreign, Parent};
use crate::output::{Output, Rows};
use crate::publishing::{STOPPED, Unpublished, series_record};
use log::Log;
use search::Searched;

pub(crate) fn run(mut args: TrainArgs, output: &Output) -> Result<(), Failure> {
    let mut spec = FitSpec::from_args(&args.fit, args.threads.n())?;
    if args.search.is_on {
        search::check(&args)?;
    }
    if let Some(from) = &args.from {
        spec.from = Some(Parent::read(from, &args.registry)?);
    }
    if let Some(file) = &args.weights {
        spec.weights = Some(Foreign::read(file)?);
        spec.train.n_epochs = Some(spec.train.n_epochs.unwrap_or(0));
    }
    let calendar = args
        .calendar
        .as_deref()
        .map(|file| Calendar::read(file, args.data.reading.timezone.as_ref()))
        .transpose()?
        .unwrap_or_default();
    refuse_overwriting(&args.data.data, [("--log", args.log.as_ref())])?;
    args.data.group_by(args.group_by.as_ref());
    let mut training = Training {
        // Opened before the work: a registry that cannot be used is no surprise for the end of it.
        registry: registry(&args.registry)?,
        log: args.log.as_deref().map(Log::create).transpose()?,
        interrupt: interrupt_flag(),
        args: &args,
        fit: args.fit.clone(),
        spec,
        searched: None,
        calendar,
        output,
    };
    let recordings = read(&args.data, output)?;
    let outcome = match args.group_by {
        Some(_) => match args.group_models {
            GroupModels::Own => groups::train_own(&training, recordings),
            GroupModels::Shared => groups::train_shared(&training, recordings),
        },
        None => training.one(recordings),
    };
    let is_interrupted = training.interrupt.load(Ordering::Relaxed);
    // What was logged until something failed is worth having.
    let logged = training.log.map_or(Ok(()), Log::commit);
    logged.and(outcome)?;
    if is_interrupted {
        return Err(Failure::Interrupted(
            "interrupted: the best weights so far were published".to_owned(),
        ));
    }
    Ok(())
}

const KEYS: [&str; 8] = [
    "model",
    "channels",
    "window",
    "weights",
    "epochs",
    "val_loss",
    "threshold",
    "alarms_per_week",
];

/// A flag that Ctrl-C raises; a second Ctrl-C ends the program at once.
fn interrupt_flag() -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let raised = flag.clone();
    // Without a handler Ctrl-C ends the program as it always does.
    let _ = ctrlc::set_handler(move || {
        if raised.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    });
    flag
}

/// What was typed behind `bellwether`.
fn typed() -> Vec<String> {
    let words = std::env::args_os().skip(1);
    words.map(|word| word.to_string_lossy().into_owned()).collect()
}

/// What all models that a command trains have in common.
struct Training<'a> {
    args: &'a TrainArgs,
    /// As typed, or as a search has chosen.
    fit: FitArgs,
    spec: FitSpec,
    searched: Option<Searched>,
    calendar: Calendar,
    registry: Registry,
    interrupt: Arc<AtomicBool>,
    log: Option<Log>,
    output: &'a Output,
}

/// The rows that a model learns from.
struct TrainingRows {
    /// Frames of each series in the order of time.
    series: Vec<Vec<Frame>>,
    records: Vec<SeriesRecord>,
    /// Of all samples, one after the other, where the threshold asks for them.
    labels: Option<Vec<bool>>,
    notes: Vec<String>,
}

/// What was learnt, before it is published.
struct Learning {
    fitted: Fitted,
    records: Vec<SeriesRecord>,
    data_fingerprint: String,
    seconds: f64,
    notes: Vec<String>,
    checkpoints: Option<Arc<Checkpoints>>,
}

/// A version as it was published.
struct Published {
    version: Version,
    /// What is said of the threshold, in a sentence.
    threshold: String,
    json: Value,
}

impl Training<'_> {
    /// One model of all series.
    fn one(&mut self, recordings: Vec<Recording>) -> Result<(), Failure> {
        let rows = self.rows_of(recordings);
        rows.notes.iter().for_each(|note| self.output.note(note));
        if self.args.search.is_on {
            search::choose(self, &rows)?;
        }
        let bar = self.output.progress(0, "training");
        let learning = self.learn(
            &self.args.name,
            &self.spec,
            true,
            TrainingRows {
                notes: Vec::new(),
                ..rows
            },
            &bar,
        )?;
        bar.finish_and_clear();
        learning.notes.iter().for_each(|note| self.output.note(note));
        let name = &self.args.name;
        let seconds = humane(Duration::from_secs_f64(learning.seconds));
        let published = self.publish(name, learning)?;
        let version = published.version;
        self.output.note(&published.threshold);
        self.output
            .note(&format!("published {name}@{version} after {seconds}"));
        if version != self.registry.show(name)?.champion() {
            self.output.note(&format!(
                "{0} still stands for the version promoted before; `bellwether models promote {0}@{version}` \
                 makes this one its champion",
                name
            ));
        }
        let mut rows = Rows::new(&KEYS);
        rows.push(KEYS.iter().map(|key| published.json[*key].clone()).collect());
        if let Some(searched) = &self.searched {
            searched.show(self.output)?;
        }
        self.output.answer(&published.json, &rows)
    }

    /// The training part of each recording.
    fn rows_of(&self, recordings: Vec<Recording>) -> TrainingRows {
        let (mut series, mut records, mut notes) = (Vec::new(), Vec::new(), Vec::new());
        let (mut has_labels, mut labels) = (false, Vec::new());
        for recording in recordings {
            let name = recording.name.clone();
            let n_rows = self.n_training_rows(&recording);
            has_labels |= recording.labels.is_some();
            let of_samples = recording
                .labels
                .as_ref()
                .map(|labels| sample_labels(&recording, labels));
            let time = recording.frame.time().to_vec();
            let frames = self.pieces(recording, n_rows, &mut notes);
            // Pieces hold samples of the recording: each has its label where its time is.
            let label = |at: &Timestamp| {
                let of_samples = of_samples.as_ref();
                of_samples.is_some_and(|labels| labels[time.partition_point(|time| time < at)])
            };
            labels.extend(frames.iter().flat_map(Frame::time).map(label));
            if let Some(record) = series_record(&name, &frames) {
                records.push(record);
                series.push(frames);
            }
        }
        let n_labelled = labels.iter().filter(|label| **label).count();
        let asks_labels = matches!(self.spec.threshold, ThresholdRule::BestF1(_));
        if n_labelled > 0 && !asks_labels {
            notes.push(format!(
                "note: {n_labelled} training rows are labelled anomalous; labels are never learnt from: \
                 leave such rows out with --exclude or --rows"
            ));
        }
        TrainingRows {
            series,
            records,
            labels: (asks_labels && has_labels).then_some(labels),
            notes,
        }
    }

    fn n_training_rows(&self, recording: &Recording) -> usize {
        let time = recording.frame.time();
        match (self.args.until, self.args.rows) {
            (Some(until), _) => time.partition_point(|&at| at < until),
            // Rows are those of the file; rows that repeat a time share a sample.
            (_, Some(rows)) if rows.get() < recording.rows.n_rows() => recording.rows.sample_idx(rows.get()),
            _ => time.len(),
        }
    }

    /// The training part without what is excluded, as frames in the order of time.
    fn pieces(&self, recording: Recording, n_rows: usize, notes: &mut Vec<String>) -> Vec<Frame> {
        let Recording { name, frame, .. } = recording;
        let n_samples = frame.n_samples();
        let Some(frame) = frame.split_at(n_rows).0 else {
            notes.push(format!(
                "note: {name}: none of its {n_samples} rows is in the training part"
            ));
            return Vec::new();
        };
        let calendar = self.calendar.of(&name);
        if self.args.exclude.is_empty() && calendar.is_empty() {
            return vec![frame];
        }
        let n_samples = frame.n_samples();
        let of_calendar = calendar.iter().map(|of| (of.start, of.end));
        let excluded: Vec<_> = self.args.exclude.iter().copied().chain(of_calendar).collect();
        let is_excluded = |at: Timestamp| excluded.iter().any(|&(from, to)| from <= at && at < to);
        let pieces = frame.without(is_excluded);
        let n_left: usize = pieces.iter().map(Frame::n_samples).sum();
        notes.push(format!("note: {name}: {} rows excluded", n_samples - n_left));
        pieces
    }

    /// Learns from these rows. What fails here is the fault of the rows, unless the log says otherwise. Where it `is_kept`, the
    /// training can be resumed.
    #[expect(
        clippy::disallowed_methods,
        reason = "training time is told and may be limited"
    )]
    fn learn(
        &self,
        name: &ModelName,
        spec: &FitSpec,
        is_kept: bool,
        rows: TrainingRows,
        bar: &ProgressBar,
    ) -> Result<Learning, Failure> {
        if rows.series.is_empty() {
            return Err(no_rows());
        }
        let data_fingerprint = fingerprint(rows.series.iter().flatten());
        let start = Instant::now();
        let spec = match is_kept {
            true => &self.kept(&data_fingerprint)?,
            false => spec,
        };
        let fitted = fitting::fit(rows.series, rows.labels.as_deref(), spec, &mut |progress| {
            self.observe(name, progress, start.elapsed(), bar)
        })?;
        self.refuse_lost_log()?;
        let notes = fitted.notes.iter().map(|note| format!("note: {note}"));
        Ok(Learning {
            notes: rows.notes.into_iter().chain(notes).collect(),
            records: rows.records,
            data_fingerprint,
            seconds: start.elapsed().as_secs_f64(),
            checkpoints: spec.checkpoints.clone(),
            fitted,
        })
    }

    /// What is asked of a fit on these data, kept so that it can be resumed.
    fn kept(&self, data_fingerprint: &str) -> Result<FitSpec, Failure> {
        let folder = self.checkpoint_folder();
        search::refuse_other(self, &folder)?;
        // A search has looked after what was there before it.
        let is_resumed = self.args.resume || self.searched.is_some();
        let every = self.args.checkpoint_every;
        let checkpoints = Checkpoints::new(&folder, data_fingerprint, &self.spec, is_resumed, every)?;
        Ok(FitSpec {
            checkpoints: Some(Arc::new(checkpoints)),
            ..self.spec.clone()
        })
    }

    /// Where it is kept how far the training of the model is.
    fn checkpoint_folder(&self) -> PathBuf {
        let all = self.registry.dir().join(".checkpoints");
        all.join(self.args.name.as_str())
    }

    /// A training that was broken off because nobody can follow it is none.
    fn refuse_lost_log(&self) -> Result<(), Failure> {
        match self.log.as_ref().is_some_and(Log::has_failed) {
            true => Err(Failure::message(
                "the training was broken off: its log cannot be written",
            )),
            false => Ok(()),
        }
    }

    /// Tells of a mini-batch, and says whether there is to be another.
    fn observe(
        &self,
        name: &ModelName,
        progress: &Progress,
        elapsed: Duration,
        bar: &ProgressBar,
    ) -> ControlFlow<()> {
        bar.set_length((progress.n_epochs * progress.n_steps) as u64);
        bar.set_position((progress.epoch * progress.n_steps + progress.n_steps_done) as u64);
        if let Some(epoch) = &progress.epoch_report {
            bar.set_message(format!("epoch {} loss {:.2e}", epoch.epoch + 1, epoch.val_loss));
            let line = json!({
                "model": name.to_string(),
                "epoch": epoch.epoch,
                "train_loss": epoch.train_loss,
                "val_loss": epoch.val_loss,
                "learning_rate": epoch.learning_rate,
                "gradient_norm": epoch.gradient_norm,
                "is_best": epoch.is_best,
                "windows": progress.n_windows_done,
                "seconds": elapsed.as_secs_f64(),
            });
            self.output.detail(&line.to_string());
            if let Some(log) = &self.log {
                log.tell(&line);
            }
        }
        let is_late = self.args.fit.max_time.is_some_and(|most| elapsed >= most);
        let is_lost = self.log.as_ref().is_some_and(Log::has_failed);
        if is_late || is_lost || self.interrupt.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn publish(&self, name: &ModelName, learning: Learning) -> Result<Published, Failure> {
        let fitted = &learning.fitted;
        let learnt = Unpublished {
            name,
            fitted,
            spec: &self.spec,
            settings: self.settings(fitted, &learning.data_fingerprint),
            data_fingerprint: learning.data_fingerprint,
            series: learning.records,
            seconds: learning.seconds,
            command: match &self.searched {
                Some(searched) => searched.command(typed()),
                None => typed(),
            },
            alignment: self.args.data.reading.align.wish(),
        };
        let (version, manifest) = learnt.publish(&self.registry)?;
        let is_over = fitted
            .training
            .as_ref()
            .is_none_or(|report| report.end != TrainEnd::Stopped);
        if let (Some(checkpoints), true) = (&learning.checkpoints, is_over) {
            checkpoints.clear()?;
        }
        Ok(Published {
            version,
            threshold: said_of_threshold(&fitted.calibration.causal),
            json: told(name, version, &manifest),
        })
    }

    /// What is told of the newest version of that name, if it is what these rows and settings would make again.
    fn made_before(&self, name: &ModelName, rows: &TrainingRows) -> Result<Option<Value>, Failure> {
        // Labels are no part of what a training is known by.
        if !self.args.resume || rows.labels.is_some() {
            return Ok(None);
        }
        let newest = match self.registry.show(name) {
            Ok(index) => index.versions().last().map(|entry| entry.version),
            Err(LookupError::UnknownModel { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let Some(version) = newest else { return Ok(None) };
        let reference = ModelRef::Named(NamedRef {
            name: name.clone(),
            pick: Pick::Version(version),
        });
        let (_, manifest) = artifact::manifest(&reference, &self.args.registry)?;
        let wanted = self.spec.fingerprint(&fingerprint(rows.series.iter().flatten()));
        let training = &manifest.training;
        let is_same = training.settings["training_fingerprint"] == wanted && training.end != STOPPED;
        Ok(is_same.then(|| told(name, version, &manifest)))
    }
}

/// What is told of a version.
fn told(name: &ModelName, version: Version, manifest: &Manifest) -> Value {
    let (training, calibration) = (&manifest.training, &manifest.calibration.causal);
    let best = training.epochs.get(training.best_epoch);
    json!({
        "model": format!("{name}@{version}"),
        "name": name.to_string(),
        "version": version.to_string(),
        "channels": manifest.detector.pipeline.n_channels(),
        "family": training.settings["model_family"],
        "window": manifest.window_len(),
        "members": manifest.models.iter().map(|model| model.architecture()).collect::<Vec<_>>(),
        "weights": manifest.n_weights(),
        "epochs": training.epochs.len(),
        // Without a network there is none.
        "val_loss": best.map(|epoch| epoch.val_loss),
        "threshold": manifest.detector.causal.error(),
        "threshold_rule": manifest.calibration.rule,
        "threshold_support": calibration.support,
        "alarms_per_week": calibration.alarms_per_week,
        "predicted_per_week": calibration.predicted_per_week,
        "seconds": training.seconds,
        "window_auto": training.settings["window_auto"],
        "search": training.settings["search"],
    })
}

fn no_rows() -> Failure {
    Failure::message("no training rows are left: look at --until, --rows, --exclude and --calendar")
}

/// One sentence on where the threshold comes from.
fn said_of_threshold(report: &ModeReport) -> String {
    let threshold = &report.threshold;
    let mut text = format!(
        "threshold {:.3} on {} held-out rows",
        threshold.threshold.error(),
        report.n_scored
    );
    if let Some(support) = &threshold.support {
        text += &format!("; {support}");
    }
    if let Some(fallback) = &threshold.fallback {
        text += &format!("; {fallback}");
    }
    text
}
