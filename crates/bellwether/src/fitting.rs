//! From frames of normal operation to a calibrated detector: the one way that `train`, `bench quality` and `demo` go.
//!
//! The first three quarters of the training part fit the network (of which the last eighth decides when to stop);
//! the last quarter, unseen, calibrates residuals and threshold. The scaler is fitted on all of the training part.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::Arc;

use bellwether_core::detect::{CalibrationReport, CalibrationSpec, Detector};
use bellwether_core::drift::Baseline;
use bellwether_core::frame::Frame;
use bellwether_core::threshold::ThresholdRule;
use bellwether_core::transform::{ChannelKind, Pipeline, PipelineSpec, Prepared, ScalerKind};
use bellwether_nn::{
    Architecture, Autoencoder, Framing, Loss, Progress, TrainEnd, TrainError, TrainReport, TrainSpec,
};

use crate::cli::{FitArgs, LossName};
use crate::failure::Failure;

/// Share of the training part, the last in time, that the network never sees.
const HELD_OUT_SHARE: f64 = 0.25;
/// Window where the data are enough: short windows did best on most machines.
const WINDOW_LEN: usize = 16;
/// Rows to fit on below which the window shrinks, to a twelfth of them.
const FEW_ROWS: usize = 96;
/// A window is never shorter.
const WINDOW_LEN_MIN: usize = 4;

/// What is asked of a fit.
#[derive(Debug, Clone)]
pub(crate) struct FitSpec {
    pub(crate) window: Option<NonZeroUsize>,
    pub(crate) stride: NonZeroUsize,
    pub(crate) scaler: ScalerKind,
    pub(crate) threshold: ThresholdRule,
    pub(crate) train: TrainSpec,
}

impl FitSpec {
    /// As the flags say.
    pub(crate) fn from_args(args: &FitArgs, n_threads: usize) -> Result<Self, Failure> {
        let (encoder, decoder) = sizes(&args.architecture)?;
        let budget = args.alarm_budget.map(ThresholdRule::Budget);
        let spec = Self {
            window: args.window,
            stride: args.stride,
            scaler: args.scaler,
            threshold: args.threshold.or(budget).unwrap_or_default(),
            train: TrainSpec {
                encoder,
                decoder,
                n_epochs: args.epochs.map(NonZeroUsize::get),
                batch_len: args.batch.get(),
                learning_rate: args.lr,
                val_share: args.val_share,
                loss: match args.loss {
                    LossName::Mse => Loss::Mse,
                    LossName::Mae => Loss::Mae,
                    // Half the training range: beyond it a deviation is no longer noise.
                    LossName::Huber => Loss::Huber { delta: 0.5 },
                },
                seed: args.seed,
                n_threads,
                ..TrainSpec::default()
            },
        };
        spec.train.check().map_err(refused)?;
        Ok(spec)
    }
}

/// A setting out of range, under the name of its option.
fn refused(error: TrainError) -> Failure {
    match error {
        TrainError::Setting { name, got, want } => {
            let option = if name == "learning rate" { "lr" } else { name };
            Failure::Usage(format!("--{option} {got}: wanted {want}"))
        }
        other => other.into(),
    }
}

/// `lstm`, or `64-16/64`: sizes of the encoder's and the decoder's layers.
fn sizes(text: &str) -> Result<(Vec<usize>, Vec<usize>), Failure> {
    if text == "lstm" {
        let spec = TrainSpec::default();
        return Ok((spec.encoder, spec.decoder));
    }
    let stack = |text: &str| {
        text.split('-')
            .map(|size| size.trim().parse().ok())
            .collect::<Option<Vec<_>>>()
    };
    let (encoder, decoder) = text
        .split_once('/')
        .and_then(|(encoder, decoder)| Some((stack(encoder)?, stack(decoder)?)))
        .ok_or_else(|| {
            let want = "wanted `lstm`, or the sizes of encoder and decoder such as 64-16/64";
            Failure::Usage(format!("--architecture {text:?}: {want}"))
        })?;
    // The sizes are judged by themselves: window and channels are not known before the data.
    Architecture::new(1, 1, 1, &encoder, &decoder)
        .map_err(|error| Failure::Usage(format!("--architecture {text:?}: {error}")))?;
    Ok((encoder, decoder))
}

/// A detector, and how it came to be.
#[derive(Debug)]
pub(crate) struct Fitted {
    pub(crate) detector: Detector,
    pub(crate) model: Arc<Autoencoder>,
    pub(crate) training: TrainReport,
    pub(crate) calibration: CalibrationReport,
    /// What all of the training part looks like, and what the scores of its held-out rows are, for later comparison.
    pub(crate) baseline: Baseline,
    pub(crate) notes: Vec<String>,
}

/// Fits a detector on the training part of one or several series; a series that is interrupted comes as several
/// frames in the order of time.
pub(crate) fn fit(
    series: Vec<Vec<Frame>>,
    spec: &FitSpec,
    observe: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Fitted, Failure> {
    let mut notes = Vec::new();
    let n_fit = series.iter().map(|frames| n_to_fit(frames)).max().unwrap_or(0);
    let window_len = spec.window.unwrap_or_else(|| default_window(n_fit));
    let pipeline_spec = PipelineSpec {
        scaler: spec.scaler,
        ..PipelineSpec::for_window(window_len)
    };
    let n_frames: Vec<usize> = series.iter().map(Vec::len).collect();
    let frames: Vec<Frame> = series.into_iter().flatten().collect();
    let pipeline = pipeline_spec.fit(&frames)?;
    let baseline = Baseline::of(&frames);
    let (fit_part, held_out) = split(frames, &n_frames);
    notes.extend(about_channels(&pipeline));
    let prepared = fit_part
        .into_iter()
        .map(|frame| pipeline.apply(frame))
        .collect::<Result<Vec<Prepared>, _>>()
        .map_err(Failure::misfit)?;
    let len = window_len.get();
    let starts: Vec<Vec<usize>> = prepared
        .iter()
        .map(|prepared| prepared.window_starts(len, spec.stride.get()))
        .collect();
    let windows: Vec<_> = prepared
        .iter()
        .zip(&starts)
        .map(|(prepared, starts)| prepared.windows(len, starts))
        .collect();
    let framing = Framing::new(pipeline.n_channels(), active_channels(&pipeline), true)?;
    let (model, training) = bellwether_nn::train(&windows, framing, &spec.train, observe)?;
    drop(prepared);
    if training.end == TrainEnd::Stopped {
        notes.push("training was stopped early; the best weights so far are kept".to_owned());
    }
    let model = Arc::new(model);
    let calibration_spec = CalibrationSpec {
        threshold: spec.threshold,
        events: None,
    };
    let (detector, calibration) = Detector::calibrate(pipeline, model.clone(), held_out, &calibration_spec)?;
    let baseline = baseline.with_scores(&calibration.scores);
    Ok(Fitted {
        detector,
        model,
        training,
        calibration,
        baseline,
        notes,
    })
}

fn n_to_fit(frames: &[Frame]) -> usize {
    let n: usize = frames.iter().map(Frame::n_samples).sum();
    n - (n as f64 * HELD_OUT_SHARE) as usize
}

fn default_window(n_fit: usize) -> NonZeroUsize {
    let len = if n_fit < FEW_ROWS {
        (n_fit / 12).max(WINDOW_LEN_MIN)
    } else {
        WINDOW_LEN
    };
    NonZeroUsize::new(len).unwrap_or(NonZeroUsize::MIN)
}

/// The rows to fit on and the rows held out: each series, `n_frames` frames of it, cut at its own three quarters.
fn split(frames: Vec<Frame>, n_frames: &[usize]) -> (Vec<Frame>, Vec<Frame>) {
    let (mut fit_part, mut held_out) = (Vec::new(), Vec::new());
    let mut frames = frames.into_iter();
    for &n in n_frames {
        let series: Vec<Frame> = frames.by_ref().take(n).collect();
        let mut left = n_to_fit(&series);
        for frame in series {
            let n = left.min(frame.n_samples());
            left -= n;
            let (head, tail) = frame.split_at(n);
            fit_part.extend(head);
            held_out.extend(tail);
        }
    }
    (fit_part, held_out)
}

/// The channels that vary; where none does, the first, so that there is something to watch.
fn active_channels(pipeline: &Pipeline) -> Vec<usize> {
    let varies = |(idx, scale): (usize, &bellwether_core::transform::ChannelScale)| {
        (scale.kind != ChannelKind::Constant).then_some(idx)
    };
    let active: Vec<usize> = pipeline.scales().iter().enumerate().filter_map(varies).collect();
    if active.is_empty() { vec![0] } else { active }
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
