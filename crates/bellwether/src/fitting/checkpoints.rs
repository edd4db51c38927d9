//! How far a training is, kept beside the registry: a file for each of its networks.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bellwether_nn::{Checkpoint, EpochReport};
use bellwether_store::checkpoint::{
    CheckpointEpoch, CheckpointRecord, CheckpointTensors, read_checkpoint, remove_checkpoints,
    write_checkpoint,
};
use bellwether_store::disk;

use super::FitSpec;
use crate::failure::Failure;

/// The checkpoints of one training.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    folder: PathBuf,
    /// What data, settings and program they belong to.
    training: String,
    /// Whether the training goes on from those that are there.
    is_resumed: bool,
    /// Time between two of them, at least.
    every: Duration,
    kept_at: Mutex<Option<Instant>>,
}

impl Checkpoints {
    /// Those in `folder`. Where the training begins anew, what is there is deleted.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub(crate) fn new(
        folder: &Path,
        data_fingerprint: &str,
        spec: &FitSpec,
        is_resumed: bool,
        every: Duration,
    ) -> Result<Self, Failure> {
        if !is_resumed {
            remove_checkpoints(folder)?;
        }
        Ok(Self {
            folder: folder.to_owned(),
            training: spec.fingerprint(data_fingerprint),
            is_resumed,
            every,
            kept_at: Mutex::new(None),
        })
    }

    /// Where the training of a network goes on; `None`: from the start.
    ///
    /// # Errors
    /// Where the checkpoint is damaged or of another training.
    pub(super) fn last(&self, network_idx: usize) -> Result<Option<Checkpoint>, Failure> {
        if !self.is_resumed {
            return Ok(None);
        }
        let path = self.path(network_idx);
        let Some((record, tensors)) = read_checkpoint(&path)? else {
            return Ok(None);
        };
        if record.training != self.training {
            return Err(Failure::message(format!(
                "--resume: the checkpoint {} is of other data, settings or kernels, or of another version of bellwether: \
                 train without --resume, from the start",
                path.display()
            )));
        }
        Ok(Some(checkpoint(record, tensors)))
    }

    /// Keeps where a network stands, unless the one before is young.
    #[expect(
        clippy::disallowed_methods,
        reason = "files are not written more often than is worth it"
    )]
    pub(super) fn keep(&self, network_idx: usize, checkpoint: &Checkpoint) -> Result<(), Failure> {
        // A thread that panicked has spoilt nothing here.
        let mut kept_at = self.kept_at.lock().unwrap_or_else(PoisonError::into_inner);
        if kept_at.is_some_and(|at| at.elapsed() < self.every) {
            return Ok(());
        }
        disk::create_folder(&self.folder)?;
        let (record, tensors) = file(&self.training, checkpoint);
        write_checkpoint(&self.path(network_idx), &record, &tensors)?;
        *kept_at = Some(Instant::now());
        Ok(())
    }

    /// Deletes them: the training is over.
    pub(crate) fn clear(&self) -> Result<(), Failure> {
        Ok(remove_checkpoints(&self.folder)?)
    }

    /// Whether there is one of a first network.
    pub(crate) fn are_in(folder: &Path) -> bool {
        path(folder, 0).exists()
    }

    fn path(&self, network_idx: usize) -> PathBuf {
        path(&self.folder, network_idx)
    }
}

fn path(folder: &Path, network_idx: usize) -> PathBuf {
    folder.join(format!("{network_idx}.checkpoint"))
}

/// As it is kept.
fn file(training: &str, of: &Checkpoint) -> (CheckpointRecord, CheckpointTensors) {
    let epoch = |of: &EpochReport| CheckpointEpoch {
        epoch: of.epoch,
        train_loss: of.train_loss,
        val_loss: of.val_loss,
        learning_rate: of.learning_rate,
        gradient_norm: of.gradient_norm,
        is_best: of.is_best,
    };
    let record = CheckpointRecord {
        training: training.to_owned(),
        n_updates: of.n_updates,
        random_at: of.random_at,
        learning_rate: of.learning_rate,
        n_drops: of.n_drops,
        n_flat: of.n_flat,
        n_restarts: of.n_restarts,
        n_windows_done: of.n_windows_done,
        best_epoch: of.best_epoch,
        epochs: of.epochs.iter().map(epoch).collect(),
    };
    let tensors = CheckpointTensors {
        weights: of.weights.clone(),
        first: of.first.clone(),
        second: of.second.clone(),
        best: of.best.clone(),
    };
    (record, tensors)
}

/// The reverse.
fn checkpoint(record: CheckpointRecord, tensors: CheckpointTensors) -> Checkpoint {
    let epoch = |of: &CheckpointEpoch| EpochReport {
        epoch: of.epoch,
        train_loss: of.train_loss,
        val_loss: of.val_loss,
        learning_rate: of.learning_rate,
        gradient_norm: of.gradient_norm,
        is_best: of.is_best,
    };
    Checkpoint {
        weights: tensors.weights,
        first: tensors.first,
        second: tensors.second,
        best: tensors.best,
        n_updates: record.n_updates,
        random_at: record.random_at,
        learning_rate: record.learning_rate,
        n_drops: record.n_drops,
        n_flat: record.n_flat,
        n_restarts: record.n_restarts,
        n_windows_done: record.n_windows_done,
        best_epoch: record.best_epoch,
        epochs: record.epochs.iter().map(epoch).collect(),
    }
}
