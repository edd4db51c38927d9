//! What a training tells: while it runs, when it is done, why it failed.

use super::checkpoint::Checkpoint;
use crate::framing::FramingError;

/// Where training stands, told after every mini-batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress<'a> {
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
    /// Where a training may go on that is interrupted from here on; with the report of an epoch.
    pub checkpoint: Option<&'a Checkpoint>,
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
    /// What it was to start from is of another training.
    #[error("the training cannot go on from there: what was kept {what}")]
    Start {
        /// What does not fit.
        what: &'static str,
    },
    /// The network cannot be built.
    #[error(transparent)]
    Framing(#[from] FramingError),
}
