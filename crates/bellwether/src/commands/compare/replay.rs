//! A detector that is fitted anew from time to time, as it would have been: walking forward, never on what it judges.

use std::time::Duration;

use bellwether_core::detect::Mode;
use bellwether_core::frame::Frame;
use bellwether_core::time::Timestamp;

use super::Part;
use super::entrants::{Effort, timed};
use crate::assessment::{Contender, Fit};
use crate::failure::Failure;
use crate::fitting::FitSpec;

/// When a detector is fitted anew, and on what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cadence {
    pub(super) every: Duration,
    /// Rows older than this are left out; `None` for none.
    pub(super) window: Option<Duration>,
    /// Rows in an alarm of the detector's own are left out. Labels are never looked at.
    pub(super) leave_out_alarms: bool,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Replay {
    /// Scores of each series from its first judged sample on.
    pub(super) scores: Vec<Vec<f64>>,
    pub(super) n_fits: usize,
    /// All fits together, and the speed of judging.
    pub(super) effort: Effort,
}

/// More fits than this are a mistake in the cadence, and would not end today.
const N_FITS_MAX: usize = 1000;

impl Cadence {
    /// Walks through the judged part: the first stretch is judged by what the training part has taught, each further
    /// one by what came before it. A stretch from which nothing can be learnt keeps the detector before it.
    pub(super) fn replay(
        &self,
        contender: Contender,
        parts: &[Part<'_>],
        spec: &FitSpec,
        mode: Mode,
    ) -> Result<Replay, Failure> {
        let bounds = self.bounds(parts)?;
        let mut replay = Replay {
            scores: parts.iter().map(|_| Vec::new()).collect(),
            n_fits: 0,
            effort: Effort {
                train_s: 0.0,
                rows_per_s: f64::NAN,
            },
        };
        let (mut n_rows, mut judging) = (0, Duration::ZERO);
        let mut current: Option<Fit> = None;
        for (step, ends) in bounds.iter().enumerate() {
            let train = self.training_parts(parts, &replay.scores, step)?;
            let (fit, took) = timed(|| Fit::new(contender, train, spec));
            replay.effort.train_s += took.as_secs_f64();
            match (fit, &current) {
                (Ok(fit), _) => {
                    replay.n_fits += 1;
                    current = Some(fit);
                }
                (Err(failure), None) => return Err(failure),
                (Err(_), Some(_)) => {}
            }
            let fit = current
                .as_ref()
                .expect("the first fit has succeeded or ended the replay");
            for (idx, (part, &end)) in parts.iter().zip(ends).enumerate() {
                let start = part.from + replay.scores[idx].len();
                if start >= end {
                    continue;
                }
                let judge = fit.judge(&part.train, mode, spec.train.seed)?;
                let first = start.saturating_sub(judge.context_len());
                let rows = part.frame().slice(first..end)?;
                let (scores, took) = timed(|| judge.score(part.name(), &rows, start - first));
                replay.scores[idx].extend(scores?);
                n_rows += end - start;
                judging += took;
            }
        }
        replay.effort.rows_per_s = n_rows as f64 / judging.as_secs_f64();
        Ok(replay)
    }

    /// For each stretch, the sample of each series behind its last.
    fn bounds(&self, parts: &[Part<'_>]) -> Result<Vec<Vec<usize>>, Failure> {
        let firsts = parts.iter().map(|part| part.frame().time()[part.from]);
        let lasts = parts
            .iter()
            .filter_map(|part| part.frame().time().last().copied());
        let (Some(mut at), Some(last)) = (firsts.min(), lasts.max()) else {
            return Ok(Vec::new());
        };
        let mut bounds = Vec::new();
        while at <= last {
            if bounds.len() == N_FITS_MAX {
                return Err(Failure::Usage(format!(
                    "--retrain-every: that would be more than {N_FITS_MAX} fits; give a longer time"
                )));
            }
            at = at.plus(self.every);
            let end = |part: &Part<'_>| part.frame().time().partition_point(|&time| time < at);
            bounds.push(parts.iter().map(end).collect());
        }
        Ok(bounds)
    }

    /// What each series offers to learn from before the stretch at `step`.
    fn training_parts(
        &self,
        parts: &[Part<'_>],
        scores: &[Vec<f64>],
        step: usize,
    ) -> Result<Vec<Vec<Frame>>, Failure> {
        let mut train = Vec::new();
        for (part, scores) in parts.iter().zip(scores) {
            // Before the first stretch it is the training part as it is, so that the two ways of judging start alike.
            let end = part.from + scores.len();
            let time = part.frame().time();
            let first = match self.window {
                Some(window) if step > 0 => time.partition_point(|&at| at.plus(window) < time[end - 1]),
                _ => 0,
            };
            let frame = part.frame().slice(first..end)?;
            let is_alarm = |at: Timestamp| {
                let sample = time.partition_point(|&time| time < at);
                let score = sample
                    .checked_sub(part.from)
                    .and_then(|judged| scores.get(judged));
                score.is_some_and(|&score| score >= 1.0)
            };
            let pieces = if self.leave_out_alarms {
                frame.without(is_alarm)
            } else {
                vec![frame]
            };
            if !pieces.is_empty() {
                train.push(pieces);
            }
        }
        Ok(train)
    }
}
