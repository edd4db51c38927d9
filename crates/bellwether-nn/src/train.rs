//! Training: mini-batches shuffled by seed, early stopping on the last part of the training time, best weights kept.

pub(crate) mod checkpoint;
mod choice;
pub(crate) mod report;
pub(crate) mod schedule;
pub(crate) mod spec;

use std::ops::ControlFlow;

use bellwether_core::window::Windows;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use self::checkpoint::{Best, Checkpoint, Start, are_alike};
use self::choice::{At, least, split};
use self::report::{EpochReport, Progress, TrainEnd, TrainError, TrainReport};
use self::schedule::Schedule;
use self::spec::{TrainSpec, default_epochs};
use crate::autoencoder::Autoencoder;
use crate::forecaster::Forecaster;
use crate::framing::{Framing, FramingError, View};
use crate::kernels::Kernels;
use crate::layered::Layered;
use crate::network::architecture::{Architecture, ArchitectureError};
use crate::network::block::Slot;
use crate::network::spec::NetworkSpec;
use crate::network::trainer::{Trainer, Update, WindowLoss};
use crate::network::weights::Weights;
use crate::predictor::{Kind, Predictor};

/// Tries at a smaller learning rate before training gives up.
const RESTARTS_MAX: usize = 4;

/// Trains an autoencoder on the windows of one or several series, each in the order of time.
///
/// `observe` hears of every mini-batch and may stop the training: the best weights so far are kept.
///
/// # Errors
/// [`TrainError`] without a window, with a setting out of range, or where training diverges.
///
/// # Panics
/// Where the series differ in window length, or have other channels than the framing: the caller's mistake.
pub fn train(
    series: &[Windows<'_>],
    framing: Framing,
    spec: &TrainSpec,
    observe: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<(Autoencoder, TrainReport), TrainError> {
    let shape = |window_len, n_inputs, n_outputs| {
        Architecture::new(window_len, n_inputs, n_outputs, &spec.encoder, &spec.decoder)
    };
    let (network, report) = fit(Kind::Autoencoder, &shape, series, framing, spec, observe)?;
    Ok((Autoencoder(network), report))
}

/// Trains a forecaster on the windows of one or several series, each in the order of time: from all samples of a window
/// but the last it learns the step to the last. The units of its layers are `spec.encoder`, see
/// [`TrainSpec::forecaster`].
///
/// A value of the last sample that was not observed counts nothing in the loss. All else is as in [`train()`].
///
/// # Errors
/// As [`train()`]; also where windows of a single sample leave nothing to see.
///
/// # Panics
/// As [`train()`].
pub fn train_forecaster(
    series: &[Windows<'_>],
    framing: Framing,
    spec: &TrainSpec,
    observe: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<(Forecaster, TrainReport), TrainError> {
    let shape = |window_len, n_inputs, n_outputs| {
        Architecture::forecaster(window_len, n_inputs, n_outputs, &spec.encoder)
    };
    let (network, report) = fit(Kind::Forecaster, &shape, series, framing, spec, observe)?;
    Ok((Forecaster(network), report))
}

/// Trains a network of any layers on the windows of one or several series, each in the order of time. The sizes in `spec`
/// are not looked at; all else is as in [`train()`].
///
/// # Errors
/// As [`train()`]; also [`FramingError::Kind`] where the layers are no more than LSTM stacks, which [`train()`] and
/// [`train_forecaster`] train.
///
/// # Panics
/// As [`train()`].
pub fn train_layered(
    series: &[Windows<'_>],
    framing: Framing,
    network: &NetworkSpec,
    spec: &TrainSpec,
    observe: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<(Layered, TrainReport), TrainError> {
    let shape =
        |window_len, n_inputs, n_outputs| Architecture::of_layers(network, window_len, n_inputs, n_outputs);
    let (network, report) = fit(Kind::Layers, &shape, series, framing, spec, observe)?;
    Ok((Layered(network), report))
}

/// The architecture for windows of a length, with so many inputs and outputs per sample.
type Shape<'a> = &'a dyn Fn(usize, usize, usize) -> Result<Architecture, ArchitectureError>;

/// Trains a network of a kind and shape.
fn fit(
    kind: Kind,
    shape: Shape<'_>,
    series: &[Windows<'_>],
    framing: Framing,
    spec: &TrainSpec,
    observe: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<(Predictor, TrainReport), TrainError> {
    spec.check()?;
    let window_len = series.first().map_or(0, Windows::window_len);
    let fits = |windows: &Windows<'_>| {
        windows.window_len() == window_len && windows.n_channels() == framing.n_channels()
    };
    assert!(
        series.iter().all(fits),
        "windows of one length, channels of the framing"
    );
    let (train, mut val) = split(series, spec.val_share);
    if train.is_empty() {
        return Err(TrainError::NoWindow { window_len });
    }
    let architecture =
        shape(window_len, framing.n_inputs(), framing.n_outputs()).map_err(FramingError::from)?;
    // A judge that saw nothing would find every epoch perfect.
    val.retain(|at| {
        framing
            .view(&series[at.series], at.window, architecture.head())
            .has_observed()
    });
    let kernels = Kernels::detect();
    let weights = match &spec.start {
        Start::Weights(weights) => (**weights).clone(),
        _ => Weights::random(&architecture, spec.seed),
    };
    if !are_alike(&weights, &Weights::zeroed(&architecture)) {
        return Err(TrainError::Start {
            what: "is of another network",
        });
    }
    let mut run = Run {
        series,
        framing: &framing,
        architecture: &architecture,
        spec,
        trainer: trainer(&architecture, &weights, kernels, spec),
        // A stream of its own: the order does not move when the initial weights take another number of draws.
        rng: ChaCha8Rng::seed_from_u64(spec.seed ^ 0x5eed_0f0d_e2b1_7c55),
        learning_rate: spec.learning_rate,
        n_windows_done: 0,
        n_drops: 0,
    };
    let (mut weights, report) = run.epochs(kernels, &train, &val, observe)?;
    // Here, so that scores are calibrated with the weights that will be kept.
    weights.round(spec.precision);
    let network = Predictor::new(kind, architecture, framing, weights, kernels, spec.n_threads)?;
    Ok((network, report))
}

/// A trainer as the settings say, at those weights.
fn trainer(
    architecture: &Architecture,
    weights: &Weights,
    kernels: &'static Kernels,
    spec: &TrainSpec,
) -> Trainer {
    Trainer::new(architecture.clone(), weights, kernels, spec.n_threads)
        .with_optimiser(spec.optimiser)
        .with_noise(spec.seed)
}

/// A training run under way.
struct Run<'a> {
    series: &'a [Windows<'a>],
    framing: &'a Framing,
    architecture: &'a Architecture,
    spec: &'a TrainSpec,
    trainer: Trainer,
    rng: ChaCha8Rng,
    learning_rate: f64,
    n_windows_done: usize,
    /// How often a plateau has lowered the learning rate.
    n_drops: i32,
}

impl<'a> Run<'a> {
    fn epochs(
        &mut self,
        kernels: &'static Kernels,
        train: &[At],
        val: &[At],
        observe: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<(Weights, TrainReport), TrainError> {
        let n_train = train.len().min(self.spec.epoch_len_max);
        let n_epochs = self.spec.n_epochs.unwrap_or_else(|| default_epochs(n_train));
        let mut best = Best {
            weights: self.trainer.weights(),
            val_loss: f64::INFINITY,
            epoch: 0,
        };
        let mut n_flat = 0;
        let mut report = TrainReport {
            epochs: Vec::new(),
            best_epoch: 0,
            n_train_windows: n_train,
            n_val_windows: val.len(),
            end: TrainEnd::Done,
            n_restarts: 0,
        };
        if let Start::Checkpoint(kept) = &self.spec.start {
            kept.check(n_epochs)?;
            best = kept.best(&best.weights)?;
            n_flat = kept.n_flat;
            report.epochs.clone_from(&kept.epochs);
            report.n_restarts = kept.n_restarts;
            self.restore(kept)?;
        }
        loop {
            let epoch = report.epochs.len();
            if epoch - best.epoch > self.spec.patience {
                report.end = TrainEnd::EarlyStop;
                break;
            }
            if epoch == n_epochs {
                break;
            }
            let mut order = self.shuffle(train, n_train);
            // Weights that know nothing yet cannot say which windows are odd.
            if epoch > 0 || matches!(self.spec.start, Start::Weights(_)) {
                order = self.trimmed(order);
            }
            match self.epoch(epoch, n_epochs, &order, val, &best, observe) {
                Outcome::Finished(progress, done) => {
                    if done.is_best {
                        best = Best {
                            weights: self.trainer.weights(),
                            val_loss: done.val_loss,
                            epoch,
                        };
                    }
                    report.epochs.push(done);
                    n_flat = if done.is_best { 0 } else { n_flat + 1 };
                    if let Schedule::Plateau { patience, .. } = self.spec.schedule
                        && n_flat > patience
                    {
                        self.n_drops = self.n_drops.saturating_add(1);
                        n_flat = 0;
                    }
                    let checkpoint = self.checkpoint(&best, n_flat, &report);
                    let progress = Progress {
                        checkpoint: Some(&checkpoint),
                        ..progress
                    };
                    if observe(&progress).is_break() {
                        report.end = TrainEnd::Stopped;
                        break;
                    }
                }
                Outcome::Stopped => {
                    report.end = TrainEnd::Stopped;
                    break;
                }
                Outcome::NotFinite => {
                    if report.n_restarts == RESTARTS_MAX {
                        return Err(TrainError::Diverged {
                            epoch,
                            n_restarts: report.n_restarts,
                            learning_rate: self.learning_rate,
                        });
                    }
                    report.n_restarts += 1;
                    self.learning_rate *= 0.25;
                    self.trainer = trainer(self.architecture, &best.weights, kernels, self.spec);
                }
            }
        }
        report.best_epoch = best.epoch;
        // Stopped within the first epoch: what was learnt so far beats the untrained start.
        let weights = if report.epochs.is_empty() {
            self.trainer.weights()
        } else {
            best.weights
        };
        Ok((weights, report))
    }

    /// Where the training stands, at the end of an epoch.
    fn checkpoint(&self, best: &Best, n_flat: usize, report: &TrainReport) -> Checkpoint {
        let (weights, first, second, n_updates) = self.trainer.kept();
        let tensors = best.weights.tensors().iter();
        Checkpoint {
            weights: weights.to_vec(),
            first: first.to_vec(),
            second: second.to_vec(),
            best: tensors.flat_map(|tensor| &tensor.values).copied().collect(),
            n_updates,
            random_at: u64::try_from(self.rng.get_word_pos()).expect("no training draws so many numbers"),
            learning_rate: self.learning_rate,
            n_drops: self.n_drops,
            n_flat,
            n_restarts: report.n_restarts,
            n_windows_done: self.n_windows_done,
            best_epoch: best.epoch,
            epochs: report.epochs.clone(),
        }
    }

    /// Goes on where another training stood.
    fn restore(&mut self, kept: &Checkpoint) -> Result<(), TrainError> {
        let of_trainer = (
            &kept.weights[..],
            &kept.first[..],
            &kept.second[..],
            kept.n_updates,
        );
        if !self.trainer.restore(of_trainer) {
            return Err(TrainError::Start {
                what: "is of another network, or of other kernels",
            });
        }
        self.rng.set_word_pos(u128::from(kept.random_at));
        self.learning_rate = kept.learning_rate;
        self.n_drops = kept.n_drops;
        self.n_windows_done = kept.n_windows_done;
        Ok(())
    }

    /// `n` windows, one at a random place of each of `n` equal stretches of time, in random order.
    fn shuffle(&mut self, windows: &[At], n: usize) -> Vec<At> {
        let mut order: Vec<At> = (0..n)
            .map(|idx| {
                let (from, to) = (idx * windows.len() / n, (idx + 1) * windows.len() / n);
                windows[from + self.below(to - from)]
            })
            .collect();
        for idx in (1..n).rev() {
            order.swap(idx, self.below(idx + 1));
        }
        order
    }

    /// A whole number in 0..n, by the multiply-shift of Lemire (2019) without its rejection: n is tiny beside 2^64.
    fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.rng.next_u64()) * n as u128) >> 64) as usize
    }

    fn epoch(
        &mut self,
        epoch: usize,
        n_epochs: usize,
        order: &[At],
        val: &[At],
        best: &Best,
        observe: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Outcome<'static> {
        let n_steps = order.len().div_ceil(self.spec.batch_len);
        let (mut loss, mut norm) = (0.0, 0.0);
        for (step, batch) in order.chunks(self.spec.batch_len).enumerate() {
            let progress = (epoch as f64 + step as f64 / n_steps as f64) / n_epochs as f64;
            let share = self.spec.schedule.share(progress, epoch, self.n_drops);
            let rate = self.learning_rate * share;
            let update = Update {
                learning_rate: rate as f32,
                clip_norm: Some(self.spec.clip_norm),
            };
            let (view, architecture) = (self.views(), self.architecture);
            let fill = |row: usize, slot: &mut Slot<'_>| view(batch[row]).fill(architecture, slot);
            let report = self.trainer.step(batch.len(), fill, self.spec.loss, update);
            if !report.loss.is_finite() || !report.gradient_norm.is_finite() {
                return Outcome::NotFinite;
            }
            self.n_windows_done += batch.len();
            loss += report.loss * batch.len() as f64;
            norm += report.gradient_norm;
            let is_last = step + 1 == n_steps;
            let mut progress = Progress {
                epoch,
                n_epochs,
                n_steps_done: step + 1,
                n_steps,
                n_windows_done: self.n_windows_done,
                epoch_report: None,
                checkpoint: None,
            };
            if !is_last {
                if observe(&progress).is_break() {
                    return Outcome::Stopped;
                }
                continue;
            }
            let train_loss = loss / order.len() as f64;
            let val_loss = if val.is_empty() {
                train_loss
            } else {
                self.validate(val)
            };
            if !val_loss.is_finite() {
                return Outcome::NotFinite;
            }
            let report = EpochReport {
                epoch,
                train_loss,
                val_loss,
                learning_rate: rate,
                gradient_norm: norm / n_steps as f64,
                is_best: val_loss < best.val_loss,
            };
            progress.epoch_report = Some(report);
            return Outcome::Finished(progress, report);
        }
        unreachable!("an epoch has a mini-batch")
    }

    /// Mean loss over the validation windows that are not taken for faults.
    fn validate(&self, val: &[At]) -> f64 {
        let losses = self.losses(val);
        let kept = least(&losses, self.spec.contamination);
        WindowLoss::mean(kept.into_iter().map(|idx| &losses[idx]))
    }

    /// Without the windows that are taken for faults at the weights as they stand.
    fn trimmed(&self, windows: Vec<At>) -> Vec<At> {
        if self.spec.contamination <= 0.0 {
            return windows;
        }
        let kept = least(&self.losses(&windows), self.spec.contamination);
        kept.into_iter().map(|idx| windows[idx]).collect()
    }

    /// What windows lose at the weights as they stand.
    fn losses(&self, windows: &[At]) -> Vec<WindowLoss> {
        let view = self.views();
        let n_outputs = self.framing.n_outputs();
        let mut means = vec![0.0; windows.len() * n_outputs];
        for (&at, means) in windows.iter().zip(means.chunks_exact_mut(n_outputs)) {
            view(at).means(means);
        }
        let means = |window: usize| &means[window * n_outputs..(window + 1) * n_outputs];
        self.trainer.losses(
            windows.len(),
            |window, step, input| view(windows[window]).input(step, means(window), input),
            |window, answer, target, marks| {
                view(windows[window]).target(answer, means(window), target);
                view(windows[window]).marks(answer, marks);
            },
            self.spec.loss,
        )
    }

    /// Windows as the network sees them.
    fn views(&self) -> impl Fn(At) -> View<'a> + Sync + use<'a> {
        let (series, framing, head) = (self.series, self.framing, self.architecture.head());
        move |at| framing.view(&series[at.series], at.window, head)
    }
}

enum Outcome<'a> {
    /// The last mini-batch is done, and nobody has heard of it yet.
    Finished(Progress<'a>, EpochReport),
    Stopped,
    NotFinite,
}
