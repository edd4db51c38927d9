//! Where a training stands at the end of an epoch, as plain data: what goes on from it ends with the bits of one that was
//! never interrupted.

use std::sync::Arc;

use super::report::{EpochReport, TrainError};
use crate::network::weights::Weights;

/// What a training starts from.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Start {
    /// Random weights, from the seed.
    #[default]
    Random,
    /// The weights of a network of the same architecture.
    Weights(Arc<Weights>),
    /// Where another training with the same windows and settings, on the same kernels, was interrupted.
    Checkpoint(Arc<Checkpoint>),
}

/// All of a training but what its caller knows: windows, framing and settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// The weights as the kernels want them.
    pub weights: Vec<f32>,
    /// What the optimiser remembers of each weight that gradients move,
    pub first: Vec<f32>,
    /// and of its square.
    pub second: Vec<f32>,
    /// The weights of the best epoch, as everybody orders them, one tensor after the other.
    pub best: Vec<f32>,
    /// Updates of the weights so far, those since the last restart.
    pub n_updates: i32,
    /// Place in the stream of random numbers that orders the windows.
    pub random_at: u64,
    /// The highest learning rate, lowered by restarts.
    pub learning_rate: f64,
    /// How often a plateau has lowered it.
    pub n_drops: i32,
    /// Epochs in a row that were not the best, as a plateau counts them.
    pub n_flat: usize,
    /// How often training went back to the best weights.
    pub n_restarts: usize,
    /// Windows done in all.
    pub n_windows_done: usize,
    /// The epoch whose weights are the best.
    pub best_epoch: usize,
    /// Every epoch so far, at least one.
    pub epochs: Vec<EpochReport>,
}

/// The best epoch so far.
pub(super) struct Best {
    pub(super) weights: Weights,
    pub(super) val_loss: f64,
    pub(super) epoch: usize,
}

impl Checkpoint {
    /// Whether a training of at most `n_epochs` epochs may stand there.
    pub(super) fn check(&self, n_epochs: usize) -> Result<(), TrainError> {
        let refused = |what| Err(TrainError::Start { what });
        let n = self.epochs.len();
        if !(1..=n_epochs).contains(&n) || self.best_epoch >= n {
            return refused("has epochs that the settings do not ask for");
        }
        let in_order = self
            .epochs
            .iter()
            .enumerate()
            .all(|(idx, epoch)| epoch.epoch == idx);
        let numbers = [&self.weights, &self.first, &self.second, &self.best];
        let is_finite = numbers
            .iter()
            .all(|of| of.iter().all(|number| number.is_finite()));
        let rate = self.learning_rate;
        if !(in_order && is_finite && 0.0 < rate && rate <= 1.0) || self.n_updates < 0 || self.n_drops < 0 {
            return refused("holds numbers that no training comes to");
        }
        Ok(())
    }

    /// The best epoch of a network that has such weights as `like`.
    pub(super) fn best(&self, like: &Weights) -> Result<Best, TrainError> {
        let mut weights = like.clone();
        let mut rest = &self.best[..];
        for tensor in weights.tensors_mut() {
            let Some((values, behind)) = rest.split_at_checked(tensor.values.len()) else {
                return Err(TrainError::Start {
                    what: "is of another network",
                });
            };
            tensor.values.copy_from_slice(values);
            rest = behind;
        }
        if !rest.is_empty() {
            return Err(TrainError::Start {
                what: "is of another network",
            });
        }
        Ok(Best {
            weights,
            val_loss: self.epochs[self.best_epoch].val_loss,
            epoch: self.best_epoch,
        })
    }
}

/// Whether two networks have the same tensors.
pub(super) fn are_alike(one: &Weights, other: &Weights) -> bool {
    let shapes = |of: &Weights| -> Vec<(String, Vec<usize>)> {
        let tensors = of.tensors().iter();
        tensors
            .map(|tensor| (tensor.name.clone(), tensor.shape.clone()))
            .collect()
    };
    shapes(one) == shapes(other)
}
