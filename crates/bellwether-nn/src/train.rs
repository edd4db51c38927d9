//! Training: mini-batches shuffled by seed, early stopping on the last part of the training time, best weights kept.

use std::ops::ControlFlow;

use bellwether_core::window::Windows;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use crate::autoencoder::{Autoencoder, Framing, FramingError};
use crate::kernels::Kernels;
use crate::network::architecture::Architecture;
use crate::network::loss::Loss;
use crate::network::trainer::{Trainer, Update};
use crate::network::weights::Weights;

/// How a network is trained.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainSpec {
    /// Units of each encoder layer; the last is the bottleneck.
    pub encoder: Vec<usize>,
    /// Units of each decoder layer.
    pub decoder: Vec<usize>,
    /// Passes over the windows; `None` = [`default_epochs`].
    pub n_epochs: Option<usize>,
    /// Windows of a mini-batch.
    pub batch_len: usize,
    /// Learning rate at the start; it falls along a half cosine to a twentieth.
    pub learning_rate: f64,
    /// Gradients of a larger norm are scaled down to it.
    pub clip_norm: f64,
    /// Share of the windows, the last in time, that judges the epochs.
    pub val_share: f64,
    /// Epochs without a better validation loss before training stops.
    pub patience: usize,
    /// Most windows of an epoch: longer data are sampled evenly, at other places in each epoch.
    pub epoch_len_max: usize,
    /// What is minimised.
    pub loss: Loss,
    /// Seeds the weights and the order of the windows.
    pub seed: u64,
    /// Worker threads; the weights do not depend on them.
    pub n_threads: usize,
}

impl Default for TrainSpec {
    /// Small bottleneck, few epochs: what did best on average over many machines.
    fn default() -> Self {
        Self {
            encoder: vec![64, 16],
            decoder: vec![64],
            n_epochs: None,
            batch_len: 64,
            learning_rate: 3e-3,
            clip_norm: 1.0,
            val_share: 0.125,
            patience: 5,
            epoch_len_max: 3000,
            loss: Loss::Mse,
            seed: 42,
            n_threads: 1,
        }
    }
}

impl TrainSpec {
    /// Whether the settings are in range, without any data.
    ///
    /// # Errors
    /// [`TrainError::Setting`] naming the first that is not.
    pub fn check(&self) -> Result<(), TrainError> {
        let setting = |name, got, is_fine: bool, want| {
            if is_fine {
                Ok(())
            } else {
                Err(TrainError::Setting { name, got, want })
            }
        };
        let n_epochs = self.n_epochs.unwrap_or(1);
        setting("epochs", n_epochs as f64, n_epochs > 0, "at least 1")?;
        setting(
            "batch",
            self.batch_len as f64,
            (1..=4096).contains(&self.batch_len),
            "1 to 4096",
        )?;
        let rate = self.learning_rate;
        setting(
            "learning rate",
            rate,
            0.0 < rate && rate <= 1.0,
            "above 0 and at most 1",
        )?;
        if let Loss::Huber { delta } = self.loss {
            let is_fine = 0.0 < delta && delta.is_finite();
            setting("huber delta", f64::from(delta), is_fine, "above 0 and finite")?;
        }
        setting("clip norm", self.clip_norm, 0.0 < self.clip_norm, "above 0")?;
        setting(
            "val-share",
            self.val_share,
            (0.0..=0.5).contains(&self.val_share),
            "0 to 0.5",
        )?;
        setting("patience", self.patience as f64, self.patience > 0, "at least 1")?;
        setting(
            "windows per epoch",
            self.epoch_len_max as f64,
            self.epoch_len_max > 0,
            "at least 1",
        )
    }
}

/// Epochs for `n_windows` per epoch: 12, and more where there are few windows, up to 60.
pub fn default_epochs(n_windows: usize) -> usize {
    (12 * 1500 / n_windows.max(1)).clamp(12, 60)
}

/// Where training stands, told after every mini-batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// From 0.
    pub epoch: usize,
    /// Epochs planned.
    pub n_epochs: usize,
    /// Mini-batches done in this epoch.
    pub n_steps_done: usize,
    /// Mini-batches of an epoch.
    pub n_steps: usize,
    /// Windows done so far in all.
    pub n_windows_done: usize,
    /// Present after the last mini-batch of an epoch.
    pub epoch_report: Option<EpochReport>,
}

/// What an epoch achieved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EpochReport {
    /// From 0.
    pub epoch: usize,
    /// Mean training loss over the epoch.
    pub train_loss: f64,
    /// Loss on the validation windows after the epoch; the training loss where there are none.
    pub val_loss: f64,
    /// Learning rate at its end.
    pub learning_rate: f64,
    /// Mean norm of the gradients before clipping.
    pub gradient_norm: f64,
    /// Whether these are the best weights so far.
    pub is_best: bool,
}

/// How training went.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainReport {
    /// Every epoch in order.
    pub epochs: Vec<EpochReport>,
    /// The epoch whose weights were kept.
    pub best_epoch: usize,
    /// Windows that were trained on in each epoch.
    pub n_train_windows: usize,
    /// Windows that judged.
    pub n_val_windows: usize,
    /// Why it ended.
    pub end: TrainEnd,
    /// How often the arithmetic left the finite numbers and training went back to the best weights.
    pub n_restarts: usize,
}

/// Why training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrainEnd {
    /// All epochs were run.
    Done,
    /// No better validation loss for as long as the patience.
    EarlyStop,
    /// The caller asked to stop; the best weights so far were kept.
    Stopped,
}

/// Why training failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// No window.
    #[error(
        "no training window: the training part is shorter than the window of {window_len} samples; use a shorter --window or more data"
    )]
    NoWindow {
        /// Samples of a window.
        window_len: usize,
    },
    /// A setting is out of range.
    #[error("{name}: {got} is out of range; wanted {want}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What it is.
        got: f64,
        /// What it may be.
        want: &'static str,
    },
    /// Loss or gradient kept leaving the finite numbers.
    #[error(
        "training diverged in epoch {epoch} {n_restarts} times, even at learning rate {learning_rate:.1e}; use a smaller --lr, or look for extreme values in the data"
    )]
    Diverged {
        /// From 0.
        epoch: usize,
        /// How often it was tried again.
        n_restarts: usize,
        /// The last learning rate.
        learning_rate: f64,
    },
    /// The network cannot be built.
    #[error(transparent)]
    Framing(#[from] FramingError),
}

/// Tries at a smaller learning rate before training gives up.
const RESTARTS_MAX: usize = 4;
/// Most windows that judge an epoch.
const VAL_LEN_MAX: usize = 1000;
/// The learning rate ends at this share of its start.
const FINAL_RATE_SHARE: f64 = 0.05;

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
    // A judge that saw nothing would find every epoch perfect.
    val.retain(|at| framing.has_observed(&series[at.series], at.window));
    if train.is_empty() {
        return Err(TrainError::NoWindow { window_len });
    }
    let architecture = Architecture::new(
        window_len,
        framing.n_inputs(),
        framing.n_outputs(),
        &spec.encoder,
        &spec.decoder,
    )
    .map_err(FramingError::from)?;
    let kernels = Kernels::detect();
    let mut run = Run {
        series,
        framing: &framing,
        spec,
        trainer: Trainer::new(
            architecture.clone(),
            &Weights::random(&architecture, spec.seed),
            kernels,
            spec.n_threads,
        ),
        // A stream of its own: the order does not move when the initial weights take another number of draws.
        rng: ChaCha8Rng::seed_from_u64(spec.seed ^ 0x5eed_0f0d_e2b1_7c55),
        learning_rate: spec.learning_rate,
        n_windows_done: 0,
    };
    let (weights, report) = run.epochs(&architecture, kernels, &train, &val, observe)?;
    let autoencoder = Autoencoder::new(architecture, framing, weights, kernels, spec.n_threads)?;
    Ok((autoencoder, report))
}

/// A window of one of the series.
#[derive(Debug, Clone, Copy)]
struct At {
    series: usize,
    window: usize,
}

/// The last `val_share` of each series' windows judges; windows that overlap them do not train.
fn split(series: &[Windows<'_>], val_share: f64) -> (Vec<At>, Vec<At>) {
    let (mut train, mut val) = (Vec::new(), Vec::new());
    for (idx, windows) in series.iter().enumerate() {
        let n = windows.n_windows();
        let n_val = (n as f64 * val_share) as usize;
        // Windows are views of the same rows: one that ends where the first judge begins shares nothing with it.
        let n_before = match n_val {
            0 => n,
            _ => {
                let judged_from = windows.values(n - n_val).as_ptr();
                let is_before = |&window: &usize| windows.values(window).as_ptr_range().end <= judged_from;
                (0..n - n_val).take_while(is_before).count()
            }
        };
        // Too short to leave a gap: then all of it trains.
        let (n_train, n_val) = if n_before == 0 { (n, 0) } else { (n_before, n_val) };
        train.extend((0..n_train).map(|window| At { series: idx, window }));
        val.extend((n - n_val..n).map(|window| At { series: idx, window }));
    }
    (train, thin(val, VAL_LEN_MAX))
}

/// At most `most` of `windows`, evenly spaced.
fn thin(windows: Vec<At>, most: usize) -> Vec<At> {
    let step = windows.len().div_ceil(most.max(1)).max(1);
    windows.into_iter().step_by(step).collect()
}

/// A training run under way.
struct Run<'a> {
    series: &'a [Windows<'a>],
    framing: &'a Framing,
    spec: &'a TrainSpec,
    trainer: Trainer,
    rng: ChaCha8Rng,
    learning_rate: f64,
    n_windows_done: usize,
}

/// The best epoch so far.
struct Best {
    weights: Weights,
    val_loss: f64,
    epoch: usize,
}

impl Run<'_> {
    fn epochs(
        &mut self,
        architecture: &Architecture,
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
        let mut report = TrainReport {
            epochs: Vec::new(),
            best_epoch: 0,
            n_train_windows: n_train,
            n_val_windows: val.len(),
            end: TrainEnd::Done,
            n_restarts: 0,
        };
        let mut epoch = 0;
        while epoch < n_epochs {
            let order = self.shuffle(train, n_train);
            let outcome = self.epoch(epoch, n_epochs, &order, val, &best, observe);
            match outcome {
                Outcome::Finished(done) => {
                    if done.is_best {
                        best = Best {
                            weights: self.trainer.weights(),
                            val_loss: done.val_loss,
                            epoch,
                        };
                    }
                    report.epochs.push(done);
                    epoch += 1;
                    if epoch - best.epoch > self.spec.patience {
                        report.end = TrainEnd::EarlyStop;
                        break;
                    }
                }
                Outcome::Stopped(done) => {
                    if let Some(done) = done {
                        if done.is_best {
                            best = Best {
                                weights: self.trainer.weights(),
                                val_loss: done.val_loss,
                                epoch,
                            };
                        }
                        report.epochs.push(done);
                    }
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
                    let n_threads = self.spec.n_threads;
                    self.trainer = Trainer::new(architecture.clone(), &best.weights, kernels, n_threads);
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
    ) -> Outcome {
        let n_steps = order.len().div_ceil(self.spec.batch_len);
        let (mut loss, mut norm) = (0.0, 0.0);
        for (step, batch) in order.chunks(self.spec.batch_len).enumerate() {
            let progress = (epoch as f64 + step as f64 / n_steps as f64) / n_epochs as f64;
            let rate = self.learning_rate
                * (FINAL_RATE_SHARE
                    + (1.0 - FINAL_RATE_SHARE) * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos()));
            let update = Update {
                learning_rate: rate as f32,
                clip_norm: Some(self.spec.clip_norm),
            };
            let (series, framing) = (self.series, self.framing);
            let fill = |row: usize, slot: &mut crate::Slot<'_>| {
                let at = batch[row];
                let mut means = vec![0.0; framing.n_outputs()];
                framing.fill(&series[at.series], at.window, &mut means, slot);
            };
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
            };
            if !is_last {
                if observe(&progress).is_break() {
                    return Outcome::Stopped(None);
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
            return match observe(&progress) {
                ControlFlow::Continue(()) => Outcome::Finished(report),
                ControlFlow::Break(()) => Outcome::Stopped(Some(report)),
            };
        }
        unreachable!("an epoch has a mini-batch")
    }

    /// Mean loss over the validation windows.
    fn validate(&mut self, val: &[At]) -> f64 {
        let (series, framing) = (self.series, self.framing);
        let n_outputs = framing.n_outputs();
        let mut means = vec![0.0; val.len() * n_outputs];
        for (at, means) in val.iter().zip(means.chunks_exact_mut(n_outputs)) {
            framing.means(&series[at.series], at.window, means);
        }
        let n = framing.n_channels();
        let sample = |window: usize, step: usize| {
            let at = val[window];
            &series[at.series].values(at.window)[step * n..(step + 1) * n]
        };
        let means = |window: usize| &means[window * n_outputs..(window + 1) * n_outputs];
        self.trainer.validate(
            val.len(),
            |window, step, input| framing.input(sample(window, step), means(window), input),
            |window, step, target, marks| {
                framing.target(sample(window, step), means(window), target);
                let at = val[window];
                match series[at.series].observed(at.window) {
                    Some(observed) => framing.marks(&observed[step * n..(step + 1) * n], marks),
                    None => marks.fill(1.0),
                }
            },
            self.spec.loss,
        )
    }
}

enum Outcome {
    Finished(EpochReport),
    Stopped(Option<EpochReport>),
    NotFinite,
}
