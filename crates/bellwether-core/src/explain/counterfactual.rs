//! The least change that would have been normal: the fewest channels, and what they would have had to be.
//!
//! Greedy, and verified: the likeliest cause is set to what is expected of it, then the channel with the largest share of the
//! scores that are left, until the detector itself finds no score at or above 1. Then each channel that is not needed after
//! all is given back.

use super::shares::ranked;
use super::trial::{Answer, Trial};
use crate::detect::DetectError;

/// Rows of a stretch and what leads up to it; longer ones are not asked for.
const ROWS_MAX: usize = 4096;

/// Channels that are set at most.
const N_CHANNELS_MAX: usize = 16;

/// What would have had to be otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Counterfactual {
    /// The channels to set; where no set was found, those that were tried.
    pub changes: Vec<Change>,
    /// The highest score of the stretch with them set.
    pub score: f64,
    /// Whether that is below 1: the detector, asked again, finds the stretch normal.
    pub is_normal: bool,
}

impl Counterfactual {
    /// Rows of a part of a frame become those of the frame.
    pub(super) fn moved(mut self, by: usize) -> Self {
        for change in &mut self.changes {
            change.first_idx += by;
        }
        self
    }
}

/// A channel set to other values.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Position in the pipeline's channels.
    pub channel_idx: usize,
    /// What it would have had to be in each row that was set, in its unit.
    pub values: Vec<f64>,
    /// The first of those rows.
    pub first_idx: usize,
}

/// The least change that makes the judged rows of a trial normal; `None` where there are too many rows to ask for.
/// `likeliest` is the first channel to set.
pub(super) fn counterfactual(
    trial: &Trial<'_>,
    likeliest: usize,
) -> Result<Option<Counterfactual>, DetectError> {
    if trial.set.len() > ROWS_MAX {
        return Ok(None);
    }
    let mut channels: Vec<usize> = Vec::new();
    let mut best = trial.with(&channels)?;
    while best.highest() >= 1.0 && channels.len() < N_CHANNELS_MAX {
        let ranking = ranked(&parts_above(&best));
        let wanted = std::iter::once(likeliest).chain(ranking);
        let Some(next) = wanted.into_iter().find(|channel| !channels.contains(channel)) else {
            break;
        };
        channels.push(next);
        best = trial.with(&channels)?;
    }
    let is_normal = best.highest() < 1.0;
    if is_normal {
        // The last one made it normal and is needed.
        for idx in (0..channels.len().saturating_sub(1)).rev() {
            let fewer: Vec<usize> = channels
                .iter()
                .copied()
                .filter(|channel| *channel != channels[idx])
                .collect();
            let answer = trial.with(&fewer)?;
            if answer.highest() < 1.0 {
                (channels, best) = (fewer, answer);
            }
        }
    }
    let changes = channels.iter().map(|&channel_idx| Change {
        channel_idx,
        values: trial.values(&best.frame, channel_idx),
        first_idx: trial.set.start,
    });
    Ok(Some(Counterfactual {
        changes: changes.collect(),
        score: best.highest(),
        is_normal,
    }))
}

/// Each channel's part of the scores at or above 1.
fn parts_above(answer: &Answer) -> Vec<f64> {
    let n = answer.shares.n_channels;
    let mut parts = vec![0.0; n];
    for (row, score) in answer.shares.cells.chunks_exact(n).zip(&answer.shares.score) {
        if *score >= 1.0 {
            parts.iter_mut().zip(row).for_each(|(sum, cell)| *sum += cell);
        }
    }
    parts
}
