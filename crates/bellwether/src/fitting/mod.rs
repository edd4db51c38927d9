//! From frames of normal operation to a calibrated detector: the one way that `train`, `bench quality` and `demo` go.
//!
//! The training part is cut into four folds, each a quarter of every series. A network is fitted on the first three (of
//! which the last eighth decides when to stop) and judges the fourth unseen. A classic detector is fast: it is fitted
//! five times, each time but the last without the fold that it then judges, and once on all of them. What the members
//! make of rows that they have not seen calibrates them; the folds unseen by members of at least half of the weight decide the threshold. The scaler is fitted on
//! all of the training part.

mod checkpoints;
mod family;
mod fleet;
mod folds;
mod foreign;
mod members;
mod parent;
mod part;

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::Arc;

use bellwether_core::detect::{CalibrationReport, Candidate, Combination, Detector};
use bellwether_core::drift::Baseline;
use bellwether_core::event::EventWish;
use bellwether_core::frame::Frame;
use bellwether_core::rhythm::{Period, Rhythm};
use bellwether_core::score::NamedRule;
use bellwether_core::threshold::{ThresholdError, ThresholdRule};
use bellwether_core::transform::{DerivationSpec, Pipeline, PipelineSpec, ScalerKind};
use bellwether_nn::{
    Architecture, Kernels, NetworkSpec, Progress, TrainEnd, TrainError, TrainReport, TrainSpec,
};
use bellwether_store::bundle::Sha256;

use crate::architecture;
use crate::artifact::Learnt;
use crate::cli::FitArgs;
use crate::failure::Failure;
pub(crate) use checkpoints::Checkpoints;
pub(crate) use family::Family;
use family::Plan;
pub(crate) use fleet::{Device, fit_fleet};
pub(crate) use foreign::Foreign;
use members::Members;
pub(crate) use parent::Parent;
use part::Part;

/// How long a window is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WindowWish {
    /// So many rows.
    Rows(NonZeroUsize),
    /// As many as the rhythm of the training rows suggests.
    Auto,
}

impl std::str::FromStr for WindowWish {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "auto" {
            Ok(Self::Auto)
        } else {
            text.parse().map(Self::Rows)
        }
    }
}

/// The rows of a window that was wished for, and what is to be said of it.
fn window_len<'a>(
    wish: WindowWish,
    frames: impl Iterator<Item = &'a Frame>,
    spec: &FitSpec,
) -> Result<(Option<NonZeroUsize>, Option<String>), Failure> {
    if let WindowWish::Rows(rows) = wish {
        return Ok((Some(rows), None));
    }
    let mut frames: Vec<Frame> = frames.cloned().collect();
    if spec.derivation != DerivationSpec::default() {
        // What the model will see, whatever its window: how far gaps are bridged hardly matters here.
        let pipeline_spec = PipelineSpec {
            derivation: spec.derivation.clone(),
            ..PipelineSpec::for_window(NonZeroUsize::MIN)
        };
        let pipeline = pipeline_spec.fit(&frames)?;
        let derived = frames.iter().map(|frame| Ok(pipeline.derive(frame)?.pieces()));
        frames = derived
            .collect::<Result<Vec<_>, Failure>>()?
            .into_iter()
            .flatten()
            .collect();
    }
    let Some(rhythm) = Rhythm::of(&frames) else {
        let text =
            "--window auto: too few rows, or none that vary, to tell what repeats; the usual window is taken";
        return Ok((None, Some(text.to_owned())));
    };
    let rows = rhythm.window_len();
    let why = match rhythm.period {
        Some(Period {
            rows,
            strength,
            n_channels,
        }) => format!("{n_channels} channels repeat every {rows} rows (autocorrelation {strength:.2})"),
        None => "nothing repeats".to_owned(),
    };
    let decay = rhythm.decay;
    let text = format!("--window auto: {rows} rows; {why}, and rows forget after {decay}");
    Ok((NonZeroUsize::new(rows), Some(text)))
}

/// What is asked of a fit.
#[derive(Debug, Clone)]
pub(crate) struct FitSpec {
    pub(crate) family: Family,
    pub(crate) window: Option<WindowWish>,
    pub(crate) stride: NonZeroUsize,
    pub(crate) scaler: ScalerKind,
    pub(crate) threshold: ThresholdRule,
    /// Who speaks for the members.
    pub(crate) combination: Combination,
    /// What is known of channels beforehand.
    pub(crate) channels: Vec<NamedRule>,
    pub(crate) events: EventWish,
    /// Which rows count, and what is worked out of the channels.
    pub(crate) derivation: DerivationSpec,
    pub(crate) train: TrainSpec,
    /// Layers of the network, where they were chosen: it is then the only one.
    pub(crate) layers: Option<NetworkSpec>,
    /// The model whose networks are trained further.
    pub(crate) from: Option<Arc<Parent>>,
    /// What another program learnt, for the one network that there is.
    pub(crate) weights: Option<Arc<Foreign>>,
    /// Where it is kept how far the training is.
    pub(crate) checkpoints: Option<Arc<Checkpoints>>,
}

impl FitSpec {
    /// As the flags say.
    pub(crate) fn from_args(args: &FitArgs, n_threads: usize) -> Result<Self, Failure> {
        let (sizes, layers) = wanted(&args.architecture)?;
        let (encoder, decoder) = sizes.unwrap_or_else(default_sizes);
        if layers.is_some() && !args.model_family.has_network() {
            return Err(Failure::Usage(format!(
                "--architecture {}: --model-family {} has no network",
                args.architecture,
                args.model_family.name()
            )));
        }
        let budget = args.alarm_budget.map(ThresholdRule::Budget);
        let spec = Self {
            family: args.model_family,
            window: args.window,
            stride: args.stride,
            scaler: args.scaler,
            threshold: args.threshold.or(budget).unwrap_or_default(),
            combination: args.combination,
            channels: args.channels.clone(),
            events: args.event_rule.unwrap_or_default(),
            derivation: args.pipeline.spec()?,
            train: TrainSpec {
                encoder,
                decoder,
                n_epochs: args.epochs.map(NonZeroUsize::get),
                batch_len: args.batch.get(),
                learning_rate: args.lr,
                val_share: args.val_share,
                loss: args.loss,
                contamination: args.contamination,
                precision: args.precision,
                optimiser: args.optimizer,
                schedule: args.schedule,
                seed: args.seed,
                n_threads,
                ..TrainSpec::default()
            },
            layers,
            from: None,
            weights: None,
            checkpoints: None,
        };
        spec.train.check().map_err(refused)?;
        Ok(spec)
    }

    /// One word for a training on such data with these settings, by this program on this kind of processor: two of the same
    /// word have the same outcome.
    pub(crate) fn fingerprint(&self, data_fingerprint: &str) -> String {
        let mut settings = self.clone();
        // Weights do not depend on threads.
        settings.train.n_threads = 0;
        let all = format!(
            "{data_fingerprint} {settings:?} {} {}",
            Kernels::detect().name(),
            env!("CARGO_PKG_VERSION")
        );
        Sha256::of(all.as_bytes()).to_string()
    }
}

/// A setting out of range, under the name of its option.
fn refused(error: TrainError) -> Failure {
    match error {
        TrainError::Setting { name, got, want } => {
            let option = match name {
                "learning rate" => "lr",
                "huber delta" | "quantile" => "loss",
                "weight decay" | "momentum" => "optimizer",
                "warm-up share" | "epochs of a step" | "schedule factor" => "schedule",
                other => other,
            };
            Failure::Usage(format!("--{option} {got}: wanted {want}"))
        }
        other => other.into(),
    }
}

/// Sizes of the encoder's and the decoder's layers.
type Sizes = (Vec<usize>, Vec<usize>);

fn default_sizes() -> Sizes {
    let spec = TrainSpec::default();
    (spec.encoder, spec.decoder)
}

/// `lstm`, sizes such as `64-16/64`, the name of a preset, or a file: sizes, or layers; `lstm` is neither.
fn wanted(text: &str) -> Result<(Option<Sizes>, Option<NetworkSpec>), Failure> {
    if text == "lstm" {
        return Ok((None, None));
    }
    if !text.starts_with(|c: char| c.is_ascii_digit()) || std::path::Path::new(text).is_file() {
        return Ok((None, Some(architecture::named(text)?)));
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
            let want = "wanted a name, a file, or the sizes of encoder and decoder such as 64-16/64";
            Failure::Usage(format!("--architecture {text:?}: {want}"))
        })?;
    // The sizes are judged by themselves: window and channels are not known before the data.
    Architecture::new(1, 1, 1, &encoder, &decoder)
        .map_err(|error| Failure::Usage(format!("--architecture {text:?}: {error}")))?;
    Ok((Some((encoder, decoder)), None))
}

/// A detector, and how it came to be.
#[derive(Debug)]
pub(crate) struct Fitted {
    pub(crate) detector: Detector,
    /// What its members have learnt, in their order.
    pub(crate) learnt: Vec<Learnt>,
    /// How the first network was trained; `None` without one.
    pub(crate) training: Option<TrainReport>,
    pub(crate) calibration: CalibrationReport,
    /// What all of the training part looks like, and what the scores of its held-out rows are, for later comparison.
    pub(crate) baseline: Baseline,
    pub(crate) notes: Vec<String>,
    /// Why the window is as long as it is, where that was left to the data.
    pub(crate) window_why: Option<String>,
}

/// Fits a detector on the training part of one or several series; a series that is interrupted comes as several
/// frames in the order of time. `labels` says which samples of all frames, one after the other, are known to be
/// anomalous; a threshold rule may ask for them, nothing else does.
pub(crate) fn fit(
    series: Vec<Vec<Frame>>,
    labels: Option<&[bool]>,
    spec: &FitSpec,
    observe: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Fitted, Failure> {
    let outline = Outline::of(&series, labels.is_some(), spec)?;
    let part = Part::prepare(series, labels, &outline.plan, spec)?;
    let candidates = learn(&outline.plan, &part.pipeline, &[&part], spec, observe)?;
    part.calibrate(&outline, &candidates, spec)
}

/// What is decided before any row is learnt from.
#[derive(Debug)]
struct Outline {
    plan: Plan,
    /// Why the window is as long as it is, where that was left to the data.
    window_why: Option<String>,
}

impl Outline {
    fn of(series: &[Vec<Frame>], has_labels: bool, spec: &FitSpec) -> Result<Self, Failure> {
        // Said before the work.
        if matches!(spec.threshold, ThresholdRule::BestF1(_)) && !has_labels {
            return Err(ThresholdError::NoLabels.into());
        }
        let n_rows = |frames: &Vec<Frame>| frames.iter().map(Frame::n_samples).sum();
        let (window, window_why) = match spec.window {
            Some(wish) => window_len(wish, series.iter().flatten(), spec)?,
            None => (None, None),
        };
        let mut plan = spec.family.plan(
            series.iter().map(n_rows).max().unwrap_or(0),
            series.iter().flatten().map(Frame::n_channels).max().unwrap_or(1),
            window,
            spec.layers.is_some(),
        );
        if let Some(parent) = &spec.from {
            parent.shape(&mut plan)?;
        }
        if let Some(foreign) = &spec.weights {
            foreign.check(&plan)?;
        }
        Ok(Self { plan, window_why })
    }
}

/// The members of a detector before they are calibrated.
struct Candidates {
    candidates: Vec<Candidate>,
    learnt: Vec<Learnt>,
    training: Option<TrainReport>,
    notes: Vec<String>,
}

/// Fits the members of the plan on the rows of all parts. `pipeline` says which channels there are to look at.
fn learn(
    plan: &Plan,
    pipeline: &Pipeline,
    parts: &[&Part],
    spec: &FitSpec,
    observe: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Candidates, Failure> {
    let mut notes = Vec::new();
    let folds = parts.iter().map(|part| &part.folds).collect();
    let mut members = Members::new(pipeline, folds, spec);
    let mut candidates = Vec::with_capacity(plan.members.len());
    let mut refused = None;
    for planned in &plan.members {
        match members.fit(*planned, observe) {
            Ok(candidate) => candidates.push(candidate),
            // What one simple model cannot learn from must not cost the others.
            Err(failure) if !planned.kind.is_network() && plan.members.len() > 1 => {
                let name = planned.kind.name();
                notes.push(format!("without the member {name}: {}", failure.text()));
                refused = Some(failure);
            }
            Err(failure) => return Err(failure),
        }
    }
    if candidates.is_empty()
        && let Some(failure) = refused
    {
        return Err(failure);
    }
    let Members {
        learnt,
        mut training,
        is_stopped,
        ..
    } = members;
    if is_stopped {
        if let Some(report) = &mut training {
            report.end = TrainEnd::Stopped;
        }
        notes.push("training was stopped early; the best weights so far are kept".to_owned());
    }
    Ok(Candidates {
        candidates,
        learnt,
        training,
        notes,
    })
}
