//! `explain`: why a stretch of time was judged as it was, and what would have been normal.

mod document;
mod past;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bellwether_core::detect::Mode;
use bellwether_core::event::Event;
use bellwether_core::explain::sentence::sentence;
use bellwether_core::explain::{Effort, Explanation, Stretch, explain};
use bellwether_core::frame::Frame;
use bellwether_store::write::AtomicFile;

use crate::artifact::Loaded;
use crate::cli::Format;
use crate::cli::explain::{ExplainArgs, History};
use crate::commands::detect::channel_names;
use crate::commands::judge::{Judged, judge_by, models};
use crate::commands::sensor_fault::fault_sentence;
use crate::commands::{read_for, refuse_overwriting};
use crate::failure::Failure;
use crate::output::Output;
use crate::report::causes::Causes;

/// A stretch of a series with its explanation.
pub(crate) struct Explained<'a> {
    pub(crate) loaded: &'a Loaded,
    pub(crate) judged: &'a Judged,
    pub(crate) explanation: Explanation,
    pub(crate) sentence: String,
    pub(crate) mode: Mode,
}

pub(crate) fn run(mut args: ExplainArgs, output: &Output) -> Result<(), Failure> {
    args.data.group_by(args.devices.group_by.as_ref());
    let args = &args;
    let history = args.history.iter().filter_map(|history| match history {
        History::File(path) => Some(path),
        History::Database(_) => None,
    });
    let inputs: Vec<PathBuf> = args.data.data.iter().chain(history).cloned().collect();
    refuse_overwriting(&inputs, [("--report", args.report.as_ref())])?;
    let (lead, own) = models(&args.model, args.devices.group_by.as_deref(), args.threads.n())?;
    let mut recordings = read_for(&lead.manifest, &args.data, output)?;
    if let Some(wanted) = &args.series {
        let names: BTreeSet<String> = recordings
            .iter()
            .map(|recording| recording.name.clone())
            .collect();
        recordings.retain(|recording| recording.name == *wanted);
        if recordings.is_empty() {
            let names: Vec<String> = names.into_iter().take(10).collect();
            return Err(Failure::Usage(format!(
                "--series {wanted}: the data have no such series; they have {}",
                names.join(", ")
            )));
        }
    }
    let judged = judge_by(&lead, own.as_ref(), None, recordings, args.mode, output)?;
    let (subject, stretch) = subject(args, &judged)?;
    let of_device = own
        .map(|own| own.of(&subject.recording.name, &lead))
        .transpose()?;
    let loaded = of_device.flatten().unwrap_or(lead);
    let past = past::past(&judged, args.history.as_ref(), stretch.event)?;
    let frame = &subject.recording.frame;
    let effort = Effort {
        baseline: loaded.manifest.baseline.as_ref(),
        n_orders: args.orders.get(),
        seed: args.seed,
    };
    let explanation =
        explain(&loaded.detector, frame, &stretch, args.mode, &effort).map_err(Failure::misfit)?;
    let event = stretch
        .event
        .and_then(|id| subject.scores.events.iter().find(|event| event.id == id));
    let fault = event.map_or(String::new(), |event| {
        fault_sentence(event, &channel_names(&loaded.detector))
    });
    let explained = Explained {
        sentence: sentence(&loaded.detector, frame, &explanation) + &fault,
        loaded: &loaded,
        judged: subject,
        explanation,
        mode: args.mode,
    };
    let causes = document::causes(&explained, &past);
    if let Some(path) = &args.report {
        write(path, &causes)?;
        output.note(&format!("report: {}", path.display()));
    }
    if output.format() == Format::Table {
        output.write(&format!("{}\n", causes.sentence))?;
    }
    output.answer(&causes, &document::rows(&causes))
}

/// Writes the page, whole or not at all; a path that ends in `.json` gets the same facts as JSON.
fn write(path: &Path, causes: &Causes) -> Result<(), Failure> {
    let mut file = AtomicFile::create(path)?;
    if path.extension().is_some_and(|ending| ending == "json") {
        serde_json::to_writer(&mut file, causes)?;
    } else {
        causes.write_html(&mut file)?;
    }
    Ok(file.commit()?)
}

/// The stretch that the flags name, and the series that it is of.
fn subject<'a>(args: &ExplainArgs, judged: &'a [Judged]) -> Result<(&'a Judged, Stretch), Failure> {
    let all = || {
        judged
            .iter()
            .flat_map(|series| series.scores.events.iter().map(move |event| (series, event)))
    };
    let strongest = |wanted: &dyn Fn(&Event) -> bool| {
        all()
            .filter(|(_, event)| wanted(event))
            .max_by(|a, b| a.1.peak_score.total_cmp(&b.1.peak_score))
    };
    let found = match (args.event, args.at) {
        (Some(id), _) => strongest(&|event| event.id == id),
        (None, Some(at)) => strongest(&|event| event.start <= at && at <= event.end),
        (None, None) => strongest(&|_| true),
    };
    if let Some((series, event)) = found {
        let stretch = Stretch::of_event(&series.recording.frame, event)
            .ok_or_else(|| Failure::message(format!("the event {} holds no sample of the data", event.id)))?;
        return Ok((series, stretch));
    }
    match (args.event, args.at, judged) {
        (None, Some(_), [series]) => {
            let row_idx = row_at(args, &series.recording.frame)?;
            Ok((series, Stretch::of_row(&series.detector, row_idx)))
        }
        (None, Some(at), _) => Err(Failure::message(format!(
            "no event at {at}, and {} series: say with --series which one is meant",
            judged.len()
        ))),
        (Some(id), _, _) => {
            let some: Vec<String> = all().take(5).map(|(_, event)| event.id.to_string()).collect();
            let there = if some.is_empty() {
                "there is none".to_owned()
            } else {
                format!("there are {}: {}", all().count(), some.join(", "))
            };
            Err(Failure::message(format!(
                "no {} event {id} in the data; {there}. Ids differ between --mode causal and retrospective",
                args.mode
            )))
        }
        (None, None, _) => Err(Failure::message(format!(
            "no event in the data{}: name a sample with --at TIME",
            highest(judged)
        ))),
    }
}

/// The last sample that is not after the time asked for.
fn row_at(args: &ExplainArgs, frame: &Frame) -> Result<usize, Failure> {
    let time = frame.time();
    let outside = |at| {
        let (first, last) = (time[0], time[time.len() - 1]);
        Failure::message(format!("--at {at}: the data reach from {first} to {last}"))
    };
    let at = args.at.unwrap_or(time[0]);
    match time.partition_point(|sample| *sample <= at) {
        0 => Err(outside(at)),
        n if n == time.len() && at > time[n - 1].plus(frame.schema().cadence()) => Err(outside(at)),
        n => Ok(n - 1),
    }
}

/// Where the highest score was, for those who want to know of it.
fn highest(judged: &[Judged]) -> String {
    let scores = judged.iter().flat_map(|series| {
        let scores = series.scores.score.iter().zip(&series.scores.time);
        scores.filter(|(score, _)| !score.is_nan())
    });
    scores
        .max_by(|a, b| a.0.total_cmp(b.0))
        .map_or_else(String::new, |(score, time)| {
            format!(" (the highest score is {score:.2}, at {time})")
        })
}
