//! Fits the members of a detector, one after the other.

use std::ops::ControlFlow;
use std::sync::Arc;

use bellwether_core::classic::{self, Training};
use bellwether_core::detect::Candidate;
use bellwether_core::model::Model;
use bellwether_core::transform::{ChannelKind, ChannelScale, Pipeline};
use bellwether_core::window::Windows;
use bellwether_nn::{Framing, NetworkSpec, Progress, Start, TrainEnd, TrainReport, TrainSpec};

use super::FitSpec;
use super::family::{Family, Kind, Planned};
use super::folds::{Folds, N_FOLDS, with_windows};
use crate::artifact::Learnt;
use crate::failure::Failure;

/// The fold that networks never see.
const HELD_OUT: usize = N_FOLDS - 1;

/// Members fitted so far.
pub(super) struct Members<'a> {
    pipeline: &'a Pipeline,
    folds: Vec<&'a Folds>,
    spec: &'a FitSpec,
    active: Vec<usize>,
    pub(super) learnt: Vec<Learnt>,
    /// How the first network was trained.
    pub(super) training: Option<TrainReport>,
    /// A training was stopped before its end.
    pub(super) is_stopped: bool,
}

impl<'a> Members<'a> {
    pub(super) fn new(pipeline: &'a Pipeline, folds: Vec<&'a Folds>, spec: &'a FitSpec) -> Self {
        Self {
            active: active_channels(pipeline),
            pipeline,
            folds,
            spec,
            learnt: Vec::new(),
            training: None,
            is_stopped: false,
        }
    }

    /// Fits the next member.
    pub(super) fn fit(
        &mut self,
        planned: Planned,
        observe: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Candidate, Failure> {
        let (learnt, held_out) = match planned.kind {
            Kind::LstmAe | Kind::LstmForecast | Kind::Network => {
                let learnt = self.train(planned, observe)?;
                let model = learnt.model();
                let held_out = (0..N_FOLDS).map(|fold| (fold == HELD_OUT).then(|| Arc::clone(&model)));
                (learnt, held_out.collect())
            }
            Kind::Classic(kind) => {
                let held_out = (0..N_FOLDS).map(|fold| {
                    // Too few rows without that fold: then another fold has to do.
                    let learnt = self.learn(kind, planned, Some(fold)).ok();
                    learnt.map(|learnt| learnt.model())
                });
                let held_out: Vec<Option<Arc<dyn Model>>> = held_out.collect();
                (self.learn(kind, planned, None)?, held_out)
            }
        };
        let candidate = Candidate {
            weight: planned.weight,
            model: learnt.model(),
            held_out,
        };
        self.learnt.push(learnt);
        Ok(candidate)
    }

    /// Trains a network on all folds but the last.
    fn train(
        &mut self,
        planned: Planned,
        observe: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Learnt, Failure> {
        let network_idx = self.learnt.iter().filter(|of| of.is_network()).count();
        let parent = self.spec.from.as_ref();
        let parent = parent
            .map(|parent| parent.network(network_idx, self.pipeline))
            .transpose()?;
        let mut framing = match &parent {
            Some(parent) => parent.framing.clone(),
            None => Framing::new(self.pipeline.n_channels(), self.active.clone(), true)?,
        };
        let mut spec = self.spec.train.clone();
        let mut layers = match (planned.kind, self.spec.family) {
            (Kind::Network, Family::Network(preset)) => Some(preset.spec()),
            (Kind::Network, _) => self.spec.layers.clone(),
            _ => None,
        };
        if planned.kind == Kind::LstmForecast {
            // One layer is enough: nothing has to pass a bottleneck.
            spec.encoder.truncate(1);
            spec.epoch_len_max = TrainSpec::forecaster().epoch_len_max;
        }
        if let Some(parent) = parent {
            layers = parent.architecture.spec().cloned();
            spec.encoder = parent.architecture.encoder().to_vec();
            spec.decoder = parent.architecture.decoder().to_vec();
            spec.start = Start::Weights(parent.weights);
        }
        if let Some(foreign) = &self.spec.weights {
            let (cut, weights) =
                foreign.network(&planned, self.pipeline, &self.active, layers.as_ref(), &spec)?;
            framing = cut;
            spec.start = Start::Weights(weights);
        }
        let kept = self.spec.checkpoints.as_deref();
        if let Some(checkpoint) = kept.map(|kept| kept.last(network_idx)).transpose()?.flatten() {
            spec.start = Start::Checkpoint(Arc::new(checkpoint));
        }
        let mut lost = None;
        let observe = &mut |progress: &Progress<'_>| {
            if let (Some(kept), Some(checkpoint)) = (kept, progress.checkpoint)
                && let Err(failure) = kept.keep(network_idx, checkpoint)
            {
                lost = Some(failure);
                return ControlFlow::Break(());
            }
            observe(progress)
        };
        let rows: Vec<_> = self.folds.iter().flat_map(|folds| folds.heads()).collect();
        let stride = self.spec.stride.get();
        let train = |windows: &[Windows<'_>]| -> Result<(Learnt, TrainReport), Failure> {
            if let Some(layers) = layers {
                return train_layers(windows, framing, &layers, &spec, observe);
            }
            if planned.kind == Kind::LstmForecast || spec.decoder.is_empty() {
                let (model, report) = bellwether_nn::train_forecaster(windows, framing, &spec, observe)?;
                return Ok((Learnt::Forecaster(Arc::new(model)), report));
            }
            let (model, report) = bellwether_nn::train(windows, framing, &spec, observe)?;
            Ok((Learnt::Autoencoder(Arc::new(model)), report))
        };
        let (learnt, report) = with_windows(&rows, planned.len.get(), stride, train)?;
        if let Some(failure) = lost {
            return Err(failure);
        }
        self.is_stopped |= report.end == TrainEnd::Stopped;
        self.training.get_or_insert(report);
        Ok(learnt)
    }

    /// Fits a classic detector on all folds but one, or on all.
    fn learn(
        &self,
        kind: classic::Kind,
        planned: Planned,
        without: Option<usize>,
    ) -> Result<Learnt, Failure> {
        let weights = self.pipeline.channel_weights();
        let window_len = planned.len.get();
        let learn = |windows: &[Windows<'_>]| {
            let training = Training {
                windows,
                n_channels: self.pipeline.n_channels(),
                active: &self.active,
                weights: &weights,
                seed: self.spec.train.seed,
            };
            Ok(Learnt::Classic(kind.fit(window_len, &training)?))
        };
        let rows: Vec<_> = self
            .folds
            .iter()
            .flat_map(|folds| folds.without(without))
            .collect();
        with_windows(&rows, window_len, 1, learn)
    }
}

/// Trains a network of those layers. Stacks of LSTM layers have kernels of their own, and are models by themselves.
fn train_layers(
    windows: &[Windows<'_>],
    framing: Framing,
    layers: &NetworkSpec,
    train: &TrainSpec,
    observe: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<(Learnt, TrainReport), Failure> {
    let Some((encoder, decoder)) = layers.as_stacks() else {
        let (model, report) = bellwether_nn::train_layered(windows, framing, layers, train, observe)?;
        return Ok((Learnt::Network(Arc::new(model)), report));
    };
    let spec = TrainSpec {
        encoder,
        decoder,
        ..train.clone()
    };
    if spec.decoder.is_empty() {
        let (model, report) = bellwether_nn::train_forecaster(windows, framing, &spec, observe)?;
        return Ok((Learnt::Forecaster(Arc::new(model)), report));
    }
    let (model, report) = bellwether_nn::train(windows, framing, &spec, observe)?;
    Ok((Learnt::Autoencoder(Arc::new(model)), report))
}

/// The channels that vary; where none does, the first that was seen, so that there is something to watch.
fn active_channels(pipeline: &Pipeline) -> Vec<usize> {
    let varies = |(idx, scale): (usize, &ChannelScale)| (scale.kind != ChannelKind::Constant).then_some(idx);
    let active: Vec<usize> = pipeline.scales().iter().enumerate().filter_map(varies).collect();
    if !active.is_empty() {
        return active;
    }
    let seen = pipeline.scales().iter().position(|scale| !scale.is_unseen());
    vec![seen.unwrap_or(0)]
}
