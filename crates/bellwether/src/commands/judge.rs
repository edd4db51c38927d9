//! Series judged by a model, for `detect`, `evaluate` and `explain` alike.

use std::cmp::Reverse;
use std::sync::Arc;

use bellwether_core::detect::{Detector, Mode, Scores};
use bellwether_core::frame::SeriesId;
use bellwether_core::threshold::Threshold;
use bellwether_core::threshold::drifting::in_words;
use bellwether_store::read::Recording;

use crate::artifact::{self, Loaded};
use crate::cli::ModelArgs;
use crate::commands::calendar::Calendar;
use crate::failure::Failure;
use crate::output::Output;
use crate::per_device::DeviceModels;

/// A series with what was found in it.
pub(crate) struct Judged {
    pub(crate) recording: Recording,
    pub(crate) scores: Scores,
    /// The error that scores of 1 stand for.
    pub(crate) threshold: Threshold,
    /// What judged it, under the calendar of the series.
    pub(crate) detector: Arc<Detector>,
    /// Which model that is.
    pub(crate) reference: String,
}

impl Judged {
    /// Why samples do not count as operation, with how many there are of each; the most frequent first.
    pub(crate) fn outside(&self) -> Vec<(String, usize)> {
        outside(&self.scores, &self.detector)
    }

    /// Why a sample does not count.
    pub(super) fn reason(&self, sample_idx: usize) -> Option<String> {
        let outside = self.scores.outside.get(sample_idx).copied().flatten()?;
        let operation = self.detector.pipeline().operation()?;
        Some(operation.reason(outside))
    }
}

fn outside(scores: &Scores, detector: &Detector) -> Vec<(String, usize)> {
    let Some(operation) = detector.pipeline().operation() else {
        return Vec::new();
    };
    let mut counts: Vec<(String, usize)> = Vec::new();
    let mut last = (None, 0);
    for outside in scores.outside.iter().flatten() {
        if last.0 != Some(*outside) {
            let reason = operation.reason(*outside);
            let known = counts.iter().position(|(known, _)| *known == reason);
            let idx = known.unwrap_or_else(|| {
                counts.push((reason, 0));
                counts.len() - 1
            });
            last = (Some(*outside), idx);
        }
        counts[last.1].1 += 1;
    }
    counts.sort_by_key(|(_, n)| Reverse(*n));
    counts
}

/// The model that judged all of them; `None` where devices have their own.
pub(crate) fn common_model<'a>(loaded: &'a Loaded, judged: &[Judged]) -> Option<&'a str> {
    let is_common = judged.iter().all(|series| series.reference == loaded.reference);
    is_common.then_some(loaded.reference.as_str())
}

/// The model that the flags name, and where devices have their own those beside it. `None` is what judges all series alike.
pub(super) fn models<'a>(
    args: &'a ModelArgs,
    group_by: Option<&str>,
    n_threads: usize,
) -> Result<(Loaded, Option<DeviceModels<'a>>), Failure> {
    if group_by.is_none() {
        return Ok((artifact::load(args, n_threads)?, None));
    }
    let own = DeviceModels::new(args, n_threads)?;
    Ok((own.lead()?, Some(own)))
}

/// Scores every series.
pub(crate) fn judge(
    loaded: &Loaded,
    recordings: Vec<Recording>,
    mode: Mode,
    output: &Output,
) -> Result<Vec<Judged>, Failure> {
    judge_by(loaded, None, None, recordings, mode, output)
}

/// The same where devices have models of their `own`, and a calendar says what does not count besides.
pub(super) fn judge_by(
    loaded: &Loaded,
    own: Option<&DeviceModels>,
    calendar: Option<&Calendar>,
    recordings: Vec<Recording>,
    mode: Mode,
    output: &Output,
) -> Result<Vec<Judged>, Failure> {
    let drifting = loaded.detector.parts().drifting.filter(|_| mode == Mode::Causal);
    if let Some(drifting) = drifting {
        let told = in_words(&drifting, loaded.detector.threshold(mode));
        output.note(&format!("note: {}: {told}", loaded.reference));
    }
    let bar = output.progress(recordings.len() as u64, "scoring");
    let mut judged = Vec::new();
    for recording in recordings {
        bar.set_message(recording.name.clone());
        let series = SeriesId::new(recording.name.as_str());
        let own = own
            .map(|own| own.of(&recording.name, loaded))
            .transpose()?
            .flatten();
        let loaded = own.as_ref().unwrap_or(loaded);
        let detector = match calendar {
            Some(calendar) => Arc::new(calendar.over(&loaded.detector, &recording.name)),
            None => Arc::clone(&loaded.detector),
        };
        let scores = detector
            .score(&series, recording.frame.clone(), mode)
            .map_err(|error| {
                Failure::misfit(error)
                    .in_context(&format!("{} does not fit {}", recording.name, loaded.reference))
            })?;
        for note in about(&recording, &scores, &detector) {
            output.note(&note);
        }
        judged.push(Judged {
            recording,
            scores,
            threshold: detector.threshold(mode),
            detector,
            reference: loaded.reference.clone(),
        });
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(judged)
}

/// What a reader of the scores should know besides.
fn about(recording: &Recording, scores: &Scores, detector: &Detector) -> Vec<String> {
    let name = &recording.name;
    let mut notes = Vec::new();
    if !scores.ignored.is_empty() {
        let ignored: Vec<_> = scores.ignored.iter().map(|channel| channel.name()).collect();
        notes.push(format!(
            "note: {name}: columns that the model does not know are left out: {}",
            ignored.join(", ")
        ));
    }
    let unscored = scores.unscored;
    if unscored.n_missing > 0 {
        notes.push(format!(
            "note: {name}: {} samples have no score, less than half of their window was measured",
            unscored.n_missing
        ));
    }
    for (reason, n) in outside(scores, detector) {
        notes.push(format!(
            "note: {name}: {n} samples are outside of operation and have no score: {reason}"
        ));
    }
    if unscored.n_filling + unscored.n_outside == recording.frame.n_samples() {
        notes.push(format!(
            "note: {name}: no sample has a score: the {} samples do not fill a window of {} without a gap",
            recording.frame.n_samples(),
            detector.window_len()
        ));
    }
    notes
}
