//! What a tracker remembers, as plain data.

use super::rule::{Gate, Phase};
use super::{Building, Event, EventId, EventRule, EventTracker};
use crate::frame::SeriesId;
use crate::time::Timestamp;

/// Everything an [`EventTracker`] remembers of its series.
#[derive(Debug, Clone, PartialEq)]
pub enum TrackerState {
    /// No event builds up: the last rows, oldest first, for one that may have begun with them.
    Quiet(Vec<TrackedRow>),
    /// An event builds up, or is open.
    Event {
        /// As far as it is known; `shares` are sums over its rows, not yet means.
        event: Event,
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
}

impl EventTracker {
    /// What it remembers.
    pub fn state(&self) -> TrackerState {
        match (&self.current, self.gate.phase) {
            (
                Some(current),
                Phase::Event {
                    is_open,
                    n_rows,
                    n_quiet,
                },
            ) => TrackerState::Event {
                event: current.event.clone(),
                is_open,
                n_rows,
                n_quiet,
            },
            _ => TrackerState::Quiet(self.recent.iter().cloned().collect()),
        }
    }
}

impl TrackerState {
    /// The event that is open, as far as it is known.
    pub fn open_event(&self) -> Option<Event> {
        match self {
            Self::Event {
                event,
                is_open: true,
                n_rows,
                ..
            } => Some(
                Building {
                    event: event.clone(),
                    n_rows: *n_rows,
                }
                .finish(true),
            ),
            _ => None,
        }
    }

    /// A tracker that goes on from here; `None` where this is no state of a tracker with that rule.
    pub(crate) fn resume(self, rule: EventRule, series: SeriesId, n_channels: usize) -> Option<EventTracker> {
        let mut tracker = EventTracker::new(rule, series);
        match self {
            Self::Quiet(rows) => {
                let fits = rows.len() <= rule.m() && rows.iter().all(|row| row.shares.len() == n_channels);
                if !fits {
                    return None;
                }
                tracker.gate.votes = rows.iter().map(|row| row.score >= 1.0).collect();
                tracker.recent = rows.into();
            }
            Self::Event {
                event,
                is_open,
                n_rows,
                n_quiet,
            } => {
                let fits = event.shares.len() == n_channels
                    && n_quiet <= n_rows
                    && n_quiet < rule.merge_gap()
                    && event.id == EventId::new(&tracker.series, event.start);
                if !fits {
                    return None;
                }
                tracker.gate = Gate {
                    phase: Phase::Event {
                        is_open,
                        n_rows,
                        n_quiet,
                    },
                    ..tracker.gate
                };
                tracker.current = Some(Building { event, n_rows });
            }
        }
        Some(tracker)
    }
}
