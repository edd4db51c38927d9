//! `train`: learn what is normal, publish it as a version of a model.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bellwether_core::detect::ModeReport;
use bellwether_core::frame::Frame;
use bellwether_core::threshold::ThresholdRule;
use bellwether_core::time::{Timestamp, humane};
use bellwether_nn::{Progress, TrainReport};
use bellwether_store::bundle::manifest::{Manifest, SeriesRecord, fingerprint};
use bellwether_store::read::Recording;
use bellwether_store::registry::{ModelName, Registry, Version};
use bellwether_store::write::AtomicFile;
use serde_json::{Value, json};

use crate::cli::TrainArgs;
use crate::commands::calendar::Calendar;
use crate::commands::looking::sample_labels;
use crate::commands::{read, refuse_overwriting, registry};
use crate::failure::Failure;
use crate::fitting::{self, Family, FitSpec, Fitted};
use crate::output::{Output, Rows};
use crate::publishing::{Unpublished, series_record};

pub(crate) fn run(mut args: TrainArgs, output: &Output) -> Result<(), Failure> {
    let spec = FitSpec::from_args(&args.fit, args.threads.n())?;
    let calendar = args
        .calendar
        .as_deref()
        .map(|file| Calendar::read(file, args.data.reading.timezone.as_ref()))
        .transpose()?
        .unwrap_or_default();
    refuse_overwriting(&args.data.data, [("--log", args.log.as_ref())])?;
    if let Some(column) = &args.group_by {
        args.data.reading.series_column = Some(column.clone());
    }
    // Opened before the work: a registry that cannot be used is no surprise for the end of it.
    let registry = registry(&args.registry)?;
    let recordings = read(&args.data, output)?;
    let mut jobs: Vec<(ModelName, Vec<Recording>)> = Vec::new();
    if args.group_by.is_some() {
        for recording in recordings {
            let name = group_name(&args.name, &recording.name)?;
            if let Some((_, others)) = jobs.iter().find(|(taken, _)| *taken == name) {
                return Err(Failure::message(format!(
                    "--group-by: the groups {:?} and {:?} would both make the model {name}: rename one",
                    others[0].name, recording.name
                )));
            }
            jobs.push((name, vec![recording]));
        }
    } else {
        jobs.push((args.name.clone(), recordings));
    }
    let interrupt = interrupt_flag();
    let mut log = args.log.as_deref().map(AtomicFile::create).transpose()?;
    let (mut rows, mut answers) = (Rows::new(&KEYS), Vec::new());
    for (name, recordings) in jobs {
        let job = Job {
            name: &name,
            args: &args,
            spec: &spec,
            calendar: &calendar,
            registry: &registry,
            interrupt: &interrupt,
        };
        let published = job.run(recordings, log.as_mut(), output)?;
        rows.push(published.row());
        answers.push(published.json());
        if interrupt.load(Ordering::Relaxed) {
            break;
        }
    }
    if let Some(log) = log {
        log.commit()?;
    }
    match answers.as_slice() {
        [only] => output.answer(only, &rows)?,
        _ => output.answer(&answers, &rows)?,
    }
    if interrupt.load(Ordering::Relaxed) {
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

/// `NAME-VALUE` with what a name may not hold replaced.
fn group_name(name: &ModelName, group: &str) -> Result<ModelName, Failure> {
    let tidy = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let text = format!("{name}-{}", group.chars().map(tidy).collect::<String>());
    text.parse().map_err(|error| {
        Failure::Usage(format!(
            "--group-by: the group {group:?} makes no model name: {error}"
        ))
    })
}

/// One model to train.
struct Job<'a> {
    name: &'a ModelName,
    args: &'a TrainArgs,
    spec: &'a FitSpec,
    calendar: &'a Calendar,
    registry: &'a Registry,
    interrupt: &'a AtomicBool,
}

/// A version as it was published.
struct Published {
    name: ModelName,
    version: Version,
    /// Why the window is as long as it is, where that was left to the data.
    window_auto: Option<String>,
    manifest: Manifest,
    family: Family,
    /// `None` without a network.
    val_loss: Option<f64>,
    seconds: f64,
}

impl Job<'_> {
    fn run(
        &self,
        recordings: Vec<Recording>,
        log: Option<&mut AtomicFile>,
        output: &Output,
    ) -> Result<Published, Failure> {
        let mut series = Vec::new();
        let mut records = Vec::new();
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
            let frames = self.pieces(recording, n_rows, output);
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
        if series.is_empty() {
            return Err(Failure::message(
                "no training rows are left: look at --until, --rows, --exclude and --calendar",
            ));
        }
        let n_labelled = labels.iter().filter(|label| **label).count();
        let asks_labels = matches!(self.spec.threshold, ThresholdRule::BestF1(_));
        if n_labelled > 0 && !asks_labels {
            output.note(&format!(
                "note: {n_labelled} training rows are labelled anomalous; labels are never learnt from: \
                 leave such rows out with --exclude or --rows"
            ));
        }
        let data_fingerprint = fingerprint(series.iter().flatten());
        let labels = Some(&labels[..]).filter(|_| asks_labels && has_labels);
        let (fitted, seconds) = self.fit(series, labels, log, output)?;
        self.publish(fitted, data_fingerprint, records, seconds, output)
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
    fn pieces(&self, recording: Recording, n_rows: usize, output: &Output) -> Vec<Frame> {
        let Recording { name, frame, .. } = recording;
        let n_samples = frame.n_samples();
        let Some(frame) = frame.split_at(n_rows).0 else {
            output.note(&format!(
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
        output.note(&format!("note: {name}: {} rows excluded", n_samples - n_left));
        pieces
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "training time is told and may be limited"
    )]
    fn fit(
        &self,
        series: Vec<Vec<Frame>>,
        labels: Option<&[bool]>,
        mut log: Option<&mut AtomicFile>,
        output: &Output,
    ) -> Result<(Fitted, f64), Failure> {
        let start = Instant::now();
        let bar = output.progress(0, "training");
        let mut log_error = None;
        let fitted = fitting::fit(series, labels, self.spec, &mut |progress: &Progress| {
            bar.set_length((progress.n_epochs * progress.n_steps) as u64);
            bar.set_position((progress.epoch * progress.n_steps + progress.n_steps_done) as u64);
            if let Some(epoch) = &progress.epoch_report {
                bar.set_message(format!("epoch {} loss {:.2e}", epoch.epoch + 1, epoch.val_loss));
                let line = json!({
                    "model": self.name.to_string(),
                    "epoch": epoch.epoch,
                    "train_loss": epoch.train_loss,
                    "val_loss": epoch.val_loss,
                    "learning_rate": epoch.learning_rate,
                    "gradient_norm": epoch.gradient_norm,
                    "is_best": epoch.is_best,
                    "windows": progress.n_windows_done,
                    "seconds": start.elapsed().as_secs_f64(),
                });
                output.detail(&line.to_string());
                if let Some(log) = log.as_mut() {
                    log_error = writeln!(log, "{line}").err();
                }
            }
            let is_late = self.args.fit.max_time.is_some_and(|most| start.elapsed() >= most);
            if is_late || log_error.is_some() || self.interrupt.load(Ordering::Relaxed) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        bar.finish_and_clear();
        match (log_error, &self.args.log) {
            (Some(error), Some(path)) => Err(cannot_log(path, &error)),
            _ => Ok((fitted, start.elapsed().as_secs_f64())),
        }
    }

    fn publish(
        &self,
        fitted: Fitted,
        data_fingerprint: String,
        series: Vec<SeriesRecord>,
        seconds: f64,
        output: &Output,
    ) -> Result<Published, Failure> {
        for note in &fitted.notes {
            output.note(&format!("note: {note}"));
        }
        let learnt = Unpublished {
            name: self.name,
            fitted: &fitted,
            spec: self.spec,
            data_fingerprint,
            series,
            seconds,
            settings: self.settings(&fitted),
            command: typed(),
            alignment: self.args.data.reading.align.wish(),
        };
        let (version, manifest) = learnt.publish(self.registry)?;
        let best = |report: &TrainReport| Some(report.epochs.get(report.best_epoch)?.val_loss);
        let val_loss = fitted.training.as_ref().and_then(best);
        output.note(&said_of_threshold(&fitted.calibration.causal));
        let seconds_text = humane(Duration::from_secs_f64(seconds));
        output.note(&format!("published {}@{version} after {seconds_text}", self.name));
        if version != self.registry.show(self.name)?.champion() {
            output.note(&format!(
                "{0} still stands for the version promoted before; `bellwether models promote {0}@{version}` \
                 makes this one its champion",
                self.name
            ));
        }
        Ok(Published {
            name: self.name.clone(),
            version,
            window_auto: fitted.window_why,
            manifest,
            family: self.spec.family,
            val_loss,
            seconds,
        })
    }

    /// What was asked for, as it was understood.
    fn settings(&self, fitted: &Fitted) -> Value {
        let fit = &self.args.fit;
        json!({
            "data": self.args.data.data.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(),
            "model_family": fit.model_family.name(),
            "architecture": fit.architecture,
            "window_auto": fitted.window_why,
            "stride": fit.stride,
            "scaler": fit.scaler.name(),
            "channels": fit.channels.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "batch": fit.batch,
            "lr": fit.lr,
            "schedule": format!("{:?}", fit.schedule),
            "optimizer": format!("{:?}", fit.optimizer),
            "loss": format!("{:?}", fit.loss),
            "val_share": fit.val_share,
            "rows": self.args.rows,
            "until": self.args.until.map(|at| at.to_string()),
            "features": self.spec.derivation.features.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "mode_when": self.spec.derivation.mode_when.as_ref().map(ToString::to_string),
            "blank_after_start": self.spec.derivation.blank_after_start.map(humane),
            "calendar": self.args.calendar.as_ref().map(|path| path.display().to_string()),
            "timezone": self.args.data.reading.timezone.as_ref().map(ToString::to_string),
            "align": self.args.data.reading.align.wish().map(|align| align.to_string()),
            "exclude": self.args.exclude.iter().map(|(from, to)| format!("{from}/{to}")).collect::<Vec<_>>(),
        })
    }
}

fn cannot_log(path: &Path, error: &std::io::Error) -> Failure {
    Failure::message(format!(
        "cannot write the log {}: {error}; free space or give another --log",
        path.display()
    ))
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

impl Published {
    fn json(&self) -> Value {
        let calibration = &self.manifest.calibration.causal;
        json!({
            "model": format!("{}@{}", self.name, self.version),
            "name": self.name.to_string(),
            "version": self.version.to_string(),
            "channels": self.manifest.detector.pipeline.n_channels(),
            "family": self.family.name(),
            "window": self.manifest.window_len(),
            "members": self.manifest.models.iter().map(|model| model.architecture()).collect::<Vec<_>>(),
            "weights": self.manifest.n_weights(),
            "epochs": self.manifest.training.epochs.len(),
            "val_loss": self.val_loss,
            "threshold": self.manifest.detector.causal.error(),
            "threshold_rule": self.manifest.calibration.rule,
            "threshold_support": calibration.support,
            "alarms_per_week": calibration.alarms_per_week,
            "predicted_per_week": calibration.predicted_per_week,
            "seconds": self.seconds,
            "window_auto": self.window_auto,
        })
    }

    fn row(&self) -> Vec<Value> {
        let json = self.json();
        KEYS.iter().map(|key| json[*key].clone()).collect()
    }
}
