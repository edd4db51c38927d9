//! What a tracker remembers, as plain data.

use std::sync::Arc;

use super::rule::{self, Gate};
use super::trace::{Trace, Watched};
use super::tracker::{Building, JudgedRow};
use super::{Event, EventId, EventRule, EventTracker};
use crate::frame::SeriesId;
use crate::time::Timestamp;

/// Everything an [`EventTracker`] remembers of its series.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackerState {
    /// The last rows, oldest first, scaled, NaN where a value is missing: what is usual before the next event.
    pub context: Vec<Vec<f32>>,
    /// Whether an event builds up.
    pub phase: Phase,
}

/// Where a tracker is.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    /// No event builds up: the last rows, oldest first, for one that may have begun with them.
    Quiet(Vec<TrackedRow>),
    /// An event builds up, or is open.
    Event {
        /// As far as it is known; shares, members and confidence are sums over its rows, not yet means.
        event: Box<Event>,
        /// Sum of the scores that the confidence is a sum over.
        score_sum: f64,
        /// What its channels did; empty where it began before that was kept.
        trace: Trace,
        /// Long enough to have been told of.
        is_open: bool,
        /// Rows since its start, quiet ones at the end included.
        n_rows: usize,
        /// How many of them at the end were quiet.
        n_quiet: usize,
    },
}

/// A row that an event may have begun with.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackedRow {
    /// Its time.
    pub time: Timestamp,
    /// NaN: none.
    pub score: f64,
    /// Each channel's share, `[n_channels]`.
    pub shares: Vec<f64>,
    /// Each member's share, and last that of the training ranges, `[n_members + 1]`.
    pub members: Vec<f64>,
    /// How far the members agree, in [0, 1].
    pub agreement: f64,
}

impl TrackedRow {
    pub(super) fn judged(&self) -> JudgedRow<'_> {
        JudgedRow {
            time: self.time,
            score: self.score,
            shares: &self.shares,
            members: &self.members,
            agreement: self.agreement,
            values: &[],
            observed: None,
        }
    }
}

impl EventTracker {
    /// What it remembers.
    pub fn state(&self) -> TrackerState {
        let phase = match (&self.current, self.gate.phase) {
            (
                Some(current),
                rule::Phase::Event {
                    is_open,
                    n_rows,
                    n_quiet,
                },
            ) => Phase::Event {
                event: Box::new(current.event.clone()),
                score_sum: current.score_sum,
                trace: current.trace.clone(),
                is_open,
                n_rows,
                n_quiet,
            },
            _ => Phase::Quiet(self.recent.iter().cloned().collect()),
        };
        TrackerState {
            context: self.context.rows.iter().cloned().collect(),
            phase,
        }
    }
}

impl TrackerState {
    /// The event that is open, as far as it is known.
    pub fn open_event(&self) -> Option<Event> {
        match &self.phase {
            Phase::Event {
                event,
                score_sum,
                trace,
                is_open: true,
                n_rows,
                ..
            } => Some(
                Building {
                    event: Event::clone(event),
                    n_rows: *n_rows,
                    score_sum: *score_sum,
                    trace: trace.clone(),
                }
                .finish(true),
            ),
            _ => None,
        }
    }

    /// A tracker that goes on from here; `None` where this is no state of a tracker with that rule and so many
    /// channels and members.
    pub(crate) fn resume(
        self,
        rule: EventRule,
        series: SeriesId,
        watched: Arc<Watched>,
        (n_channels, n_members): (usize, usize),
    ) -> Option<EventTracker> {
        let mut tracker = EventTracker::new(rule, series, watched);
        tracker.context.resume(self.context, n_channels)?;
        match self.phase {
            Phase::Quiet(rows) => {
                let is_row =
                    |row: &TrackedRow| row.shares.len() == n_channels && row.members.len() == n_members + 1;
                if rows.len() > rule.m() || !rows.iter().all(is_row) {
                    return None;
                }
                tracker.gate.votes = rows.iter().map(|row| row.score >= 1.0).collect();
                tracker.recent = rows.into();
            }
            Phase::Event {
                event,
                score_sum,
                trace,
                is_open,
                n_rows,
                n_quiet,
            } => {
                let fits = event.shares.len() == n_channels
                    && event.members.len() == n_members + 1
                    && (trace.is_empty() || trace.fits(n_channels))
                    && n_quiet <= n_rows
                    && n_quiet < rule.merge_gap()
                    && event.id == EventId::new(&tracker.series, event.start);
                if !fits {
                    return None;
                }
                let trace = if trace.is_empty() {
                    tracker.trace_from_here(&event.shares)
                } else {
                    trace
                };
                tracker.gate = Gate {
                    phase: rule::Phase::Event {
                        is_open,
                        n_rows,
                        n_quiet,
                    },
                    ..tracker.gate
                };
                tracker.current = Some(Building {
                    event: *event,
                    n_rows,
                    score_sum,
                    trace,
                });
            }
        }
        Some(tracker)
    }
}
