//! Which channel, put right, puts the others right: what shares cannot say.
//!
//! A model that knows how channels go together expects something wrong of the good ones where one goes wrong, and the
//! shares, exact as they are, tell whose errors make the score, not whose fault they are. So each channel that may be the
//! cause is set to what is expected of it, by itself, and the detector is asked again: the part of the scores that is gone
//! then is what that channel alone accounts for.

use super::shares::ranked;
use super::trial::Trial;
use crate::detect::DetectError;

/// Channels that are asked about: those with the largest shares, and those that went missing.
const N_CANDIDATES: usize = 8;

/// Rows that are set at most; for longer stretches nothing is asked, and shares must do.
const ROWS_MAX: usize = 16_384;

/// What one channel accounts for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Remedy {
    /// Position in the pipeline's channels.
    pub channel_idx: usize,
    /// The part of the sum of scores that is gone with this channel set to what is expected of it, at most 1; below 0 where
    /// that makes it worse.
    pub cured: f64,
}

/// What each of the candidates accounts for, those that account for most first; empty where the stretch is too long to ask.
///
/// # Shapes
/// `shares`, `missing` (the share of the stretch in which the channel was not measured): `[n_channels]`.
pub(super) fn remedies(
    trial: &Trial<'_>,
    shares: &[f64],
    missing: &[f64],
) -> Result<Vec<Remedy>, DetectError> {
    if trial.set.len() > ROWS_MAX {
        return Ok(Vec::new());
    }
    let mut candidates: Vec<usize> = ranked(shares).into_iter().take(N_CANDIDATES).collect();
    let gone = ranked(missing).into_iter().take(N_CANDIDATES);
    let gone: Vec<usize> = gone
        .filter(|&idx| missing[idx] > 0.0 && !candidates.contains(&idx))
        .collect();
    candidates.extend(gone);
    let before = trial.with(&[])?.sum();
    let mut remedies = Vec::with_capacity(candidates.len());
    for channel_idx in candidates {
        let after = trial.with(&[channel_idx])?.sum();
        remedies.push(Remedy {
            channel_idx,
            cured: if before > 0.0 { 1.0 - after / before } else { 0.0 },
        });
    }
    remedies.sort_by(|a, b| b.cured.total_cmp(&a.cured));
    Ok(remedies)
}

/// All channels, the likeliest cause first: those that were asked about by what they account for, then the others by share.
pub(super) fn ranking(remedies: &[Remedy], shares: &[f64]) -> Vec<usize> {
    let mut ranking: Vec<usize> = remedies.iter().map(|remedy| remedy.channel_idx).collect();
    let others: Vec<usize> = ranked(shares)
        .into_iter()
        .filter(|idx| !ranking.contains(idx))
        .collect();
    ranking.extend(others);
    ranking
}
