//! What is known to have gone wrong, and when it began to matter.

use std::path::Path;

use bellwether_core::eval::operation;
use bellwether_core::time::Timestamp;
use bellwether_core::zone::Zone;
use bellwether_store::read::{Interval, Labels, Recording, labels_file};

use crate::failure::Failure;
use crate::output::Output;

/// The truth of one series.
#[derive(Debug, Clone, Default)]
pub(crate) struct SeriesTruth {
    /// One label per input row.
    pub(crate) rows: Vec<bool>,
    /// Spans that end in a failure, as first and last instant.
    pub(crate) run_ups: Vec<(Timestamp, Timestamp)>,
}

/// Kinds of intervals that are the time before a failure: it is their end that an alarm should come before.
const RUN_UP_KINDS: [&str; 4] = ["before-failure", "pre-failure", "run-to-failure", "degradation"];

/// The truth of every series, from the file (whose times without an offset are of `zone`) or, without one, from the data's own labels; `None` where nobody has told it.
pub(crate) fn truth(
    file: Option<&Path>,
    zone: Option<&Zone>,
    recordings: &[Recording],
    output: &Output,
) -> Result<Option<Vec<SeriesTruth>>, Failure> {
    let told = file
        .map(|path| Ok::<_, Failure>((path, labels_file(path, zone)?)))
        .transpose()?;
    if let Some((path, Labels::Intervals(spans))) = &told {
        note_strangers(path, spans, recordings, output);
    }
    if told.is_none() && recordings.iter().all(|recording| recording.labels.is_none()) {
        return Ok(None);
    }
    let of_recording = |recording: &Recording| match (&told, &recording.labels) {
        (Some((path, labels)), _) => {
            let rows = labels
                .of_rows(recording)
                .map_err(|error| Failure::from(error).in_context(&path.display().to_string()))?;
            Ok(SeriesTruth {
                rows,
                run_ups: run_ups(labels, recording),
            })
        }
        (None, Some(labels)) => Ok(SeriesTruth {
            rows: labels.clone(),
            run_ups: Vec::new(),
        }),
        (None, None) => Err(Failure::message(format!(
            "{}: no labels to judge by, but other series have some: give --labels FILE, or a column is_anomaly of 0 and 1",
            recording.name
        ))),
    };
    recordings
        .iter()
        .map(of_recording)
        .collect::<Result<_, _>>()
        .map(Some)
}

/// Labels of series that are not there are likely a slip in the name, or the labels of many data sets in one file.
fn note_strangers(path: &Path, spans: &[Interval], recordings: &[Recording], output: &Output) {
    const N_NAMED_MAX: usize = 3;
    let is_there = |name: &String| recordings.iter().any(|recording| recording.name == *name);
    let named = |span: &'_ Interval| span.series.clone().filter(|name| !is_there(name));
    let mut strangers: Vec<String> = spans.iter().filter_map(named).collect();
    let n_spans = strangers.len();
    strangers.dedup();
    let path = path.display();
    if strangers.len() > N_NAMED_MAX {
        output.note(&format!(
            "note: {path}: {n_spans} intervals are of {} series that are not in the data, such as {:?}: they are left out",
            strangers.len(),
            strangers[0]
        ));
        return;
    }
    for span in spans {
        if let Some(name) = named(span) {
            output.note(&format!(
                "note: {path}: the interval from {} is of {name:?}, which is not in the data: it is left out",
                span.start
            ));
        }
    }
}

fn run_ups(labels: &Labels, recording: &Recording) -> Vec<(Timestamp, Timestamp)> {
    let Labels::Intervals(spans) = labels else {
        return Vec::new();
    };
    let is_ours = |span: &&Interval| {
        span.series
            .as_ref()
            .is_none_or(|series| *series == recording.name)
    };
    let is_run_up = |span: &&Interval| {
        let kind = span.kind.as_deref().unwrap_or_default();
        RUN_UP_KINDS
            .iter()
            .any(|run_up| kind.eq_ignore_ascii_case(run_up))
    };
    let run_ups = spans.iter().filter(is_ours).filter(is_run_up);
    run_ups.map(|span| (span.start, span.end)).collect()
}

/// The samples that are judged, each once, with their truth.
pub(crate) struct Truth {
    pub(crate) samples: Vec<usize>,
    pub(crate) time: Vec<Timestamp>,
    pub(crate) labels: Vec<bool>,
}

/// Truth per sample from the input row `first` on: a sample is anomalous where any of its rows is.
pub(crate) fn row_truth(recording: &Recording, labels: &[bool], first: usize) -> Truth {
    let mut truth = Truth {
        samples: Vec::new(),
        time: Vec::new(),
        labels: Vec::new(),
    };
    for (row, &label) in labels.iter().enumerate().skip(first) {
        let sample = recording.rows.sample_idx(row);
        match truth.labels.last_mut() {
            Some(last) if truth.samples.last() == Some(&sample) => *last |= label,
            _ => {
                truth.samples.push(sample);
                truth.time.push(recording.frame.time()[sample]);
                truth.labels.push(label);
            }
        }
    }
    truth
}

impl Truth {
    /// The instants that an alarm should come before: starts of events, but the end of those that run up to a failure.
    pub(crate) fn onsets(&self, run_ups: &[(Timestamp, Timestamp)]) -> Vec<Timestamp> {
        let starts = operation::onsets(&self.labels, &self.time);
        let is_in_run_up = |at: &Timestamp| run_ups.iter().any(|(start, end)| start <= at && at <= end);
        let mut onsets: Vec<Timestamp> = starts.into_iter().filter(|at| !is_in_run_up(at)).collect();
        onsets.extend(run_ups.iter().map(|(_, end)| *end));
        onsets.sort_unstable();
        onsets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_up_is_to_be_announced_before_its_end() {
        let at = Timestamp::from_secs;
        let truth = Truth {
            samples: (0..8).collect(),
            time: (0..8).map(at).collect(),
            labels: [0, 1, 1, 0, 0, 1, 1, 1].map(|label| label == 1).to_vec(),
        };
        assert_eq!(truth.onsets(&[]), [at(1), at(5)]);
        assert_eq!(truth.onsets(&[(at(5), at(7))]), [at(1), at(7)]);
    }
}
