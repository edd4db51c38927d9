//! Training rows under one pipeline: from frames to folds, and from fitted members to a calibrated detector.

use bellwether_core::detect::{CalibrationSpec, Detector};
use bellwether_core::drift::Baseline;
use bellwether_core::frame::Frame;
use bellwether_core::score::NamedRule;
use bellwether_core::transform::{ChannelKind, Pipeline, PipelineSpec};

use super::family::Plan;
use super::folds::Folds;
use super::{Candidates, FitSpec, Fitted, Outline};
use crate::failure::Failure;

/// Rows that are scaled and calibrated together.
#[derive(Debug)]
pub(crate) struct Part {
    pub(super) pipeline: Pipeline,
    pub(super) folds: Folds,
    labels: Option<Vec<bool>>,
    baseline: Baseline,
    notes: Vec<String>,
}

impl Part {
    /// Fits the pipeline and cuts the folds.
    pub(super) fn prepare(
        series: Vec<Vec<Frame>>,
        labels: Option<&[bool]>,
        plan: &Plan,
        spec: &FitSpec,
    ) -> Result<Self, Failure> {
        let n_rows_all: usize = series.iter().flatten().map(Frame::n_samples).sum();
        let pipeline_spec = PipelineSpec {
            scaler: spec.scaler,
            derivation: spec.derivation.clone(),
            ..PipelineSpec::for_window(plan.longest_window())
        };
        let n_frames: Vec<usize> = series.iter().map(Vec::len).collect();
        let frames: Vec<Frame> = series.into_iter().flatten().collect();
        let pipeline = pipeline_spec.fit(&frames)?;
        // Said before the work.
        NamedRule::resolve(&spec.channels, &pipeline)?;
        let Learning {
            raw,
            derived,
            n_pieces,
            labels,
        } = in_operation(frames, &n_frames, labels, &pipeline)?;
        let baseline = Baseline::of(raw.as_ref().unwrap_or(&derived));
        drop(raw);
        let mut notes = about_channels(&pipeline);
        notes.extend(about_operation(&pipeline, &derived, n_rows_all));
        let folds = Folds::cut(
            derived,
            &n_pieces,
            &pipeline.after_derivation(),
            plan.has_network(),
        )?;
        Ok(Self {
            pipeline,
            folds,
            labels,
            baseline,
            notes,
        })
    }

    /// The detector that the members make for these rows.
    pub(super) fn calibrate(
        self,
        outline: &Outline,
        members: &Candidates,
        spec: &FitSpec,
    ) -> Result<Fitted, Failure> {
        let calibration_spec = CalibrationSpec {
            threshold: spec.threshold,
            combination: spec.combination,
            events: spec.events,
            range_weight: outline.plan.range_weight,
            rules: NamedRule::resolve(&spec.channels, &self.pipeline)?,
            labels: self.labels.as_deref().map(|labels| self.folds.in_order(labels)),
        };
        let (detector, calibration) = Detector::calibrate(
            self.pipeline,
            members.candidates.clone(),
            self.folds.into_prepared(),
            &calibration_spec,
        )?;
        let notes = [
            outline.window_why.iter().cloned().collect(),
            self.notes,
            members.notes.clone(),
        ];
        Ok(Fitted {
            baseline: self.baseline.with_scores(&calibration.scores),
            detector,
            learnt: members.learnt.clone(),
            training: members.training.clone(),
            calibration,
            notes: notes.concat(),
            window_why: outline.window_why.clone(),
        })
    }
}

/// The rows that a model learns from.
struct Learning {
    /// As they were measured; `None` where nothing is derived.
    raw: Option<Vec<Frame>>,
    /// As derived of them.
    derived: Vec<Frame>,
    /// Frames of each series.
    n_pieces: Vec<usize>,
    labels: Option<Vec<bool>>,
}

/// The stretches in operation of all series, `n_frames` frames each, with what is worked out of their channels.
fn in_operation(
    frames: Vec<Frame>,
    n_frames: &[usize],
    labels: Option<&[bool]>,
    pipeline: &Pipeline,
) -> Result<Learning, Failure> {
    if pipeline.parts().derivation.is_empty() {
        return Ok(Learning {
            raw: None,
            derived: frames,
            n_pieces: n_frames.to_vec(),
            labels: labels.map(<[bool]>::to_vec),
        });
    }
    let (mut raw, mut derived, mut n_pieces) = (Vec::new(), Vec::new(), Vec::new());
    let mut kept = labels.map(|_| Vec::new());
    let mut frames = frames.into_iter();
    let mut n_before = 0;
    for &n in n_frames {
        let n_of_others = derived.len();
        for frame in frames.by_ref().take(n) {
            let whole = pipeline.derive(&frame)?;
            for rows in whole.stretches() {
                if let (Some(kept), Some(labels)) = (&mut kept, labels) {
                    kept.extend_from_slice(&labels[n_before + rows.start..n_before + rows.end]);
                }
                raw.extend(frame.slice(rows));
            }
            n_before += frame.n_samples();
            derived.extend(whole.pieces());
        }
        n_pieces.push(derived.len() - n_of_others);
    }
    Ok(Learning {
        raw: Some(raw),
        derived,
        n_pieces,
        labels: kept,
    })
}

fn about_operation(pipeline: &Pipeline, derived: &[Frame], n_rows: usize) -> Option<String> {
    let operation = pipeline.operation()?;
    let n_inside: usize = derived.iter().map(Frame::n_samples).sum();
    Some(format!(
        "{n_inside} of {n_rows} training rows are in operation ({operation})"
    ))
}

fn about_channels(pipeline: &Pipeline) -> Vec<String> {
    let mut notes = Vec::new();
    let n_constant = pipeline.n_of_kind(ChannelKind::Constant);
    if n_constant > 0 {
        let n = pipeline.n_channels();
        notes.push(format!(
            "{n_constant} of {n} channels never change in the training part: any change of them counts as unusual"
        ));
    }
    let unseen: Vec<&str> = pipeline.unseen_channels().map(|channel| channel.name()).collect();
    if !unseen.is_empty() {
        notes.push(format!(
            "no value in the training part, left out of the score: {}",
            unseen.join(", ")
        ));
    }
    notes
}
