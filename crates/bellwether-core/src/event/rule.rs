//! Which runs of scores are one event, as numbers and as a state machine over bare scores.

use std::collections::VecDeque;

/// Which scores make an event. Scores without a value (NaN) count as quiet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EventRule {
    n: usize,
    pub(super) m: usize,
    pub(super) clear_ratio: f64,
    merge_gap: usize,
    len_min: usize,
}

/// Most samples of a merge gap or a shortest event: at one a second eleven days.
const SAMPLES_MAX: usize = 1_000_000;

impl EventRule {
    /// An event opens once `n` of the last `m` scores are at or above 1 and it is `len_min` samples long, counted
    /// from the first of those. It stays open while a score of at least `clear_ratio` comes within every
    /// `merge_gap` samples.
    ///
    /// # Errors
    /// [`EventRuleError`] where 1 ≤ n ≤ m ≤ 1000, 0 < clear_ratio ≤ 1, 1 ≤ merge_gap ≤ 1,000,000 or 1 ≤ len_min ≤ 1,000,000 does
    /// not hold.
    pub fn new(
        n: usize,
        m: usize,
        clear_ratio: f64,
        merge_gap: usize,
        len_min: usize,
    ) -> Result<Self, EventRuleError> {
        if !(1 <= n && n <= m && m <= 1000) {
            return Err(EventRuleError::Votes { n, m });
        }
        if !(0.0 < clear_ratio && clear_ratio <= 1.0) {
            return Err(EventRuleError::ClearRatio { got: clear_ratio });
        }
        let is_in_range = |samples: usize| (1..=SAMPLES_MAX).contains(&samples);
        if !is_in_range(merge_gap) || !is_in_range(len_min) {
            return Err(EventRuleError::Samples { merge_gap, len_min });
        }
        Ok(Self {
            n,
            m,
            clear_ratio,
            merge_gap,
            len_min,
        })
    }

    /// The default for a model of that window length: 3 of 5, clear below 0.8, merged within one window.
    ///
    /// Three of five, because one wild score is no reason to wake a person and two samples are soon waited; 0.8,
    /// because a score that hovers about the threshold is one event and not twenty; a window, because for so long
    /// one strange sample can keep scores up, or two parts of one fault can lie apart.
    pub fn for_window(window_len: usize) -> Self {
        Self {
            n: 3,
            m: 5,
            clear_ratio: 0.8,
            merge_gap: window_len.max(1),
            len_min: 1,
        }
    }

    /// The same rule with another clear ratio, brought into (0, 1].
    pub(crate) fn clearing_at(self, clear_ratio: f64) -> Self {
        Self {
            clear_ratio: clear_ratio.clamp(f64::MIN_POSITIVE, 1.0),
            ..self
        }
    }

    /// Scores at or above 1 that open an event, of the last [`EventRule::m`].
    pub fn n(&self) -> usize {
        self.n
    }

    /// Scores looked at for opening.
    pub fn m(&self) -> usize {
        self.m
    }

    /// An open event stays open at scores from here up, in (0, 1].
    pub fn clear_ratio(&self) -> f64 {
        self.clear_ratio
    }

    /// Samples below the clear ratio after which an event is over.
    pub fn merge_gap(&self) -> usize {
        self.merge_gap
    }

    /// Shortest event, in samples.
    pub fn len_min(&self) -> usize {
        self.len_min
    }

    /// How many events open in `errors` at that threshold; `starts_segment` says before which rows the past ends.
    pub fn count(&self, errors: &[f64], threshold: f64, starts_segment: impl Fn(usize) -> bool) -> usize {
        let mut gate = Gate::new(*self);
        let mut n_events = 0;
        for (row_idx, error) in errors.iter().enumerate() {
            if starts_segment(row_idx) {
                gate.reset();
            }
            if let Move::Started { opens: true, .. } | Move::Opened = gate.push(error / threshold) {
                n_events += 1;
            }
        }
        n_events
    }
}

/// Why an [`EventRule`] cannot be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EventRuleError {
    /// N of M is no sensible vote.
    #[error("an event opens at {n} of the last {m} samples: wanted 1 ≤ n ≤ m ≤ 1000")]
    Votes {
        /// Samples above.
        n: usize,
        /// Samples looked at.
        m: usize,
    },
    /// The ratio is not in (0, 1].
    #[error("clear ratio {got}: wanted above 0 and at most 1")]
    ClearRatio {
        /// What was given.
        got: f64,
    },
    /// A length of zero, or longer than anyone waits.
    #[error("merge gap {merge_gap} and shortest event {len_min}: each must be between 1 and 1000000 samples")]
    Samples {
        /// The gap.
        merge_gap: usize,
        /// The length.
        len_min: usize,
    },
}

/// The rule as a state machine over bare scores; what counts events and what follows them is the same code.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    pub(super) rule: EventRule,
    /// Which of the last m scores were at or above 1; used while nothing builds up.
    pub(super) votes: VecDeque<bool>,
    pub(super) phase: Phase,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Phase {
    Quiet,
    /// Long enough or not (`is_open`); rows since the start, and how many of them at the end were quiet.
    Event {
        is_open: bool,
        n_rows: usize,
        n_quiet: usize,
    },
}

pub(super) enum Move {
    Quiet,
    /// The votes suffice; the start lies `n_back` rows back, this row being 1.
    Started {
        n_back: usize,
        opens: bool,
    },
    Pending,
    Opened,
    Ongoing,
    /// Over before it was long enough.
    Dropped,
    Closed,
}

impl Gate {
    pub(super) fn new(rule: EventRule) -> Self {
        Self {
            rule,
            votes: VecDeque::with_capacity(rule.m),
            phase: Phase::Quiet,
        }
    }

    /// Forgets everything; whether an event was open.
    pub(super) fn reset(&mut self) -> bool {
        self.votes.clear();
        let was_open = self.is_open();
        self.phase = Phase::Quiet;
        was_open
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Event { is_open: true, .. })
    }

    pub(super) fn push(&mut self, score: f64) -> Move {
        match self.phase {
            Phase::Quiet => self.vote(score >= 1.0),
            Phase::Event {
                is_open,
                n_rows,
                n_quiet,
            } => {
                let (n_rows, n_quiet) = (
                    n_rows + 1,
                    if score >= self.rule.clear_ratio {
                        0
                    } else {
                        n_quiet + 1
                    },
                );
                if n_quiet >= self.rule.merge_gap {
                    self.reset();
                    return if is_open { Move::Closed } else { Move::Dropped };
                }
                let opens = !is_open && n_rows - n_quiet >= self.rule.len_min;
                self.phase = Phase::Event {
                    is_open: is_open || opens,
                    n_rows,
                    n_quiet,
                };
                match (is_open, opens) {
                    (true, _) => Move::Ongoing,
                    (false, true) => Move::Opened,
                    (false, false) => Move::Pending,
                }
            }
        }
    }

    fn vote(&mut self, is_above: bool) -> Move {
        if self.votes.len() >= self.rule.m {
            self.votes.pop_front();
        }
        self.votes.push_back(is_above);
        let n_above = self.votes.iter().filter(|above| **above).count();
        let first = self.votes.iter().position(|above| *above);
        match first {
            Some(first) if n_above >= self.rule.n => {
                let n_back = self.votes.len() - first;
                let opens = n_back >= self.rule.len_min;
                self.votes.clear();
                self.phase = Phase::Event {
                    is_open: opens,
                    n_rows: n_back,
                    n_quiet: 0,
                };
                Move::Started { n_back, opens }
            }
            _ => Move::Quiet,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_refuses_what_its_docs_refuse() {
        let check = |n, m, clear_ratio, merge_gap, len_min, expect: &str| {
            let error = EventRule::new(n, m, clear_ratio, merge_gap, len_min).unwrap_err();
            assert!(error.to_string().contains(expect), "{error}");
        };
        check(0, 5, 0.8, 1, 1, "0 of the last 5");
        check(6, 5, 0.8, 1, 1, "6 of the last 5");
        check(3, 5, f64::NAN, 1, 1, "clear ratio NaN");
        check(3, 5, 1.1, 1, 1, "clear ratio 1.1");
        check(3, 5, 0.8, 0, 1, "merge gap 0");
        check(3, 5, 0.8, 1, 0, "shortest event 0");
    }
}
