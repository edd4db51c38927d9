//! Where a training stood, as a file: safetensors, with a record of all that is no tensor in its notes.
//!
//! ```text
//! __metadata__.checkpoint   SHA-256 of record and tensors, a space, the record as JSON
//! weights, first, second, best   F32 [n] each
//! ```
//!
//! The file is replaced atomically: after a power cut there is the last one or the one before it. What is damaged is refused,
//! and so is what another version of the format wrote: a checkpoint lives no longer than the training that it belongs to.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::bundle::Sha256;
use crate::disk::{self, DiskError};

/// The one format there is.
const FORMAT_VERSION: u32 = 1;

/// Most bytes of a file: four times the largest network, and its record.
const FILE_BYTES_MAX: u64 = 4 << 30;

/// How the notes are called.
const NOTE: &str = "checkpoint";

/// Numbers of a network in training, `[n]` each.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CheckpointTensors {
    /// The weights.
    pub weights: Vec<f32>,
    /// What the optimiser remembers of each,
    pub first: Vec<f32>,
    /// and of its square.
    pub second: Vec<f32>,
    /// The best weights so far.
    pub best: Vec<f32>,
}

/// All else of a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointRecord {
    /// Data, settings and program that it belongs to, in one text that the caller compares.
    pub training: String,
    /// Updates of the weights so far.
    pub n_updates: i32,
    /// Place in the stream of random numbers.
    pub random_at: u64,
    /// The highest learning rate.
    pub learning_rate: f64,
    /// How often a plateau has lowered it.
    pub n_drops: i32,
    /// Epochs in a row that were not the best.
    pub n_flat: usize,
    /// How often training went back to the best weights.
    pub n_restarts: usize,
    /// Windows done in all.
    pub n_windows_done: usize,
    /// The epoch whose weights are the best.
    pub best_epoch: usize,
    /// Every epoch so far.
    pub epochs: Vec<CheckpointEpoch>,
}

/// What an epoch achieved.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointEpoch {
    /// From 0.
    pub epoch: usize,
    /// Mean training loss.
    pub train_loss: f64,
    /// Loss on the validation windows.
    pub val_loss: f64,
    /// Learning rate at its end.
    pub learning_rate: f64,
    /// Mean norm of the gradients.
    pub gradient_norm: f64,
    /// Whether its weights were the best so far.
    pub is_best: bool,
}

/// What stands in the notes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    format_version: u32,
    record: CheckpointRecord,
}

impl CheckpointRecord {
    fn is_finite(&self) -> bool {
        let finite = |epoch: &CheckpointEpoch| {
            let numbers = [
                epoch.train_loss,
                epoch.val_loss,
                epoch.learning_rate,
                epoch.gradient_norm,
            ];
            numbers.iter().all(|number| number.is_finite())
        };
        self.learning_rate.is_finite() && self.epochs.iter().all(finite)
    }
}

impl CheckpointTensors {
    fn named(&self) -> [(&'static str, &[f32]); 4] {
        [
            ("weights", &self.weights),
            ("first", &self.first),
            ("second", &self.second),
            ("best", &self.best),
        ]
    }

    fn named_mut(&mut self) -> [(&'static str, &mut Vec<f32>); 4] {
        [
            ("weights", &mut self.weights),
            ("first", &mut self.first),
            ("second", &mut self.second),
            ("best", &mut self.best),
        ]
    }
}

/// Puts a checkpoint in the place of the one before it.
///
/// # Errors
/// [`CheckpointError`] where the disk refuses; the one before it stays then.
///
/// # Panics
/// Where the record holds a number that is not finite: no training goes on from there.
pub fn write_checkpoint(
    path: &Path,
    record: &CheckpointRecord,
    tensors: &CheckpointTensors,
) -> Result<(), CheckpointError> {
    assert!(record.is_finite(), "a training that goes on has finite numbers");
    let damaged = CheckpointError::at(path);
    let wire = Wire {
        format_version: FORMAT_VERSION,
        record: record.clone(),
    };
    let text = serde_json::to_string(&wire).map_err(|error| damaged(Damage::Record(error)))?;
    let bytes = tensors.named().map(|(name, values)| {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        (name, bytes)
    });
    let note = format!(
        "{} {text}",
        sum(&text, bytes.iter().map(|(name, of)| (*name, &of[..])))
    );
    let views = bytes
        .iter()
        .map(|(name, bytes)| Ok((*name, TensorView::new(Dtype::F32, vec![bytes.len() / 4], bytes)?)));
    let views: Vec<_> = views
        .collect::<Result<_, SafeTensorError>>()
        .map_err(|error| damaged(Damage::Format(error)))?;
    let notes = HashMap::from([(NOTE.to_owned(), note)]);
    let bytes = safetensors::serialize(views, Some(notes)).map_err(|error| damaged(Damage::Format(error)))?;
    disk::write_atomic(path, &bytes)?;
    Ok(())
}

/// The checkpoint in a file; `None` where there is no file.
///
/// # Errors
/// [`CheckpointError`] where it cannot be read or is not whole.
pub fn read_checkpoint(
    path: &Path,
) -> Result<Option<(CheckpointRecord, CheckpointTensors)>, CheckpointError> {
    let bytes = match disk::read_bounded(path, FILE_BYTES_MAX) {
        Err(error) if error.is_not_found() => return Ok(None),
        result => result?,
    };
    decode(&bytes).map(Some).map_err(CheckpointError::at(path))
}

/// Deletes the folder of checkpoints that are no longer needed; there need not be one.
///
/// # Errors
/// Where the disk refuses.
pub fn remove_checkpoints(folder: &Path) -> Result<(), DiskError> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(DiskError::at("delete the checkpoints in", folder)(error))
        }
        _ => Ok(()),
    }
}

fn decode(bytes: &[u8]) -> Result<(CheckpointRecord, CheckpointTensors), Damage> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(Damage::Format)?;
    let notes = header.metadata().as_ref().ok_or(Damage::NoRecord)?;
    let note = notes
        .get(NOTE)
        .filter(|_| notes.len() == 1)
        .ok_or(Damage::NoRecord)?;
    let (want, text) = note.split_once(' ').ok_or(Damage::NoRecord)?;
    let file = SafeTensors::deserialize(bytes).map_err(Damage::Format)?;
    let mut tensors = CheckpointTensors::default();
    let mut parts = Vec::new();
    for (name, values) in tensors.named_mut() {
        let view = file.tensor(name).map_err(Damage::Format)?;
        if view.dtype() != Dtype::F32 || view.shape().len() != 1 {
            return Err(Damage::Tensors);
        }
        let numbers = view.data().as_chunks::<4>().0.iter();
        *values = numbers.map(|bytes| f32::from_le_bytes(*bytes)).collect();
        parts.push((name, view));
    }
    if file.len() != parts.len() {
        return Err(Damage::Tensors);
    }
    let got = sum(text, parts.iter().map(|(name, view)| (*name, view.data())));
    if got.to_string() != want {
        return Err(Damage::Sum);
    }
    // Only now is it worth asking what it says: all that was not written so is damage.
    let wire: Wire = serde_json::from_str(text).map_err(Damage::Record)?;
    if wire.format_version != FORMAT_VERSION {
        return Err(Damage::Version(wire.format_version));
    }
    Ok((wire.record, tensors))
}

/// Of the record and of all tensors with their names and lengths.
fn sum<'a>(text: &str, tensors: impl Iterator<Item = (&'a str, &'a [u8])>) -> Sha256 {
    let mut all = Vec::from(text.as_bytes());
    for (name, bytes) in tensors {
        all.extend_from_slice(name.as_bytes());
        all.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        all.extend_from_slice(bytes);
    }
    Sha256::of(&all)
}

/// Why there is no checkpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The disk refuses.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// It is not what was written.
    #[error("the checkpoint {path} cannot be used: train without --resume, from the start")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Damage,
    },
}

impl CheckpointError {
    fn at(path: &Path) -> impl Fn(Damage) -> Self {
        let path = path.to_owned();
        move |source| Self::Damaged {
            path: path.clone(),
            source,
        }
    }
}

/// What is wrong with a checkpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// Not a safetensors file.
    #[error("it is not a sound safetensors file")]
    Format(#[source] SafeTensorError),
    /// Something else than a checkpoint.
    #[error("it holds no record of a training")]
    NoRecord,
    /// Tensors of other names, types or shapes.
    #[error("its tensors are not those of a training")]
    Tensors,
    /// The checksum is another.
    #[error("its checksum is not that of what it holds")]
    Sum,
    /// The record is not one.
    #[error("its record is not one of a training")]
    Record(#[source] serde_json::Error),
    /// Written by another version of the program.
    #[error("it is of format version {0}, and this version of bellwether reads {FORMAT_VERSION}")]
    Version(u32),
}

#[cfg(test)]
mod tests;
