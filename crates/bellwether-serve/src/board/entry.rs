//! One device as it is now.

use std::sync::Arc;
use std::time::Duration;

use bellwether_core::event::EventId;
use bellwether_core::time::Timestamp;

/// Slots of the line that shows how a device was of late.
pub(crate) const SLOTS: usize = 60;

/// Samples in a slot, where the device keeps its cadence.
const SLOT_SAMPLES: u32 = 10;

/// Width of a slot where no cadence is known.
const SLOT_WIDTH: Duration = Duration::from_secs(60);

/// How a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// An event goes on.
    Event,
    /// It has stopped sending.
    Silent,
    /// There are too few samples to say.
    Warming,
    /// All is well.
    Normal,
}

/// A score, and when it was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Peak {
    pub(crate) score: f64,
    pub(crate) time: Timestamp,
}

/// One device as it is now.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: Arc<str>,
    /// The model version that judged its last sample.
    pub(crate) model: Option<Arc<str>>,
    /// When its last sample was measured.
    pub(crate) last_time: Option<Timestamp>,
    /// When that came, by the clock of this machine.
    pub(crate) last_seen: Option<Timestamp>,
    /// When its first sample was measured, where somebody has looked.
    pub(crate) first_time: Option<Timestamp>,
    /// Of its last sample; NaN: none.
    pub(crate) score: f64,
    /// The event that goes on.
    pub(crate) open: Option<(EventId, Arc<str>)>,
    pub(crate) is_silent: bool,
    /// The change of the board that made it what it is.
    pub(super) version: u64,
    /// Nanoseconds.
    slot_width: i64,
    /// Number of the newest slot, counted from the epoch; the slot of number n stands at n modulo [`SLOTS`].
    newest: i64,
    slots: [Option<Peak>; SLOTS],
}

impl Entry {
    pub(super) fn new(name: Arc<str>) -> Self {
        Self {
            name,
            model: None,
            last_time: None,
            last_seen: None,
            first_time: None,
            score: f64::NAN,
            open: None,
            is_silent: false,
            version: 0,
            slot_width: nanos(SLOT_WIDTH),
            newest: i64::MIN,
            slots: [None; SLOTS],
        }
    }

    /// How it is.
    pub(crate) fn state(&self) -> State {
        if self.open.is_some() {
            State::Event
        } else if self.is_silent {
            State::Silent
        } else if self.score.is_nan() {
            State::Warming
        } else {
            State::Normal
        }
    }

    /// The highest score of late.
    pub(crate) fn worst(&self) -> Option<Peak> {
        let known = self.slots.iter().flatten();
        known.max_by(|a, b| a.score.total_cmp(&b.score)).copied()
    }

    /// The highest score of each slot, oldest first.
    pub(crate) fn sparkline(&self) -> Vec<Option<f64>> {
        let first = self.newest.saturating_sub(SLOTS as i64 - 1);
        (0..SLOTS as i64)
            .map(|idx| self.slots[place(first.saturating_add(idx))].map(|peak| peak.score))
            .collect()
    }

    /// Samples of it were judged, these, in order of time.
    pub(super) fn judged(
        &mut self,
        model: &Arc<str>,
        cadence: Option<Duration>,
        rows: &[(Timestamp, f64)],
        seen: Timestamp,
    ) {
        if let Some(cadence) = cadence.filter(|cadence| !cadence.is_zero()) {
            self.set_width(nanos(cadence * SLOT_SAMPLES));
        }
        self.is_silent = false;
        self.last_seen = self.last_seen.max(Some(seen));
        for &(time, score) in rows {
            self.put(time, score);
            if self.last_time.is_none_or(|last| last <= time) {
                self.last_time = Some(time);
                self.score = score;
                if self.model.as_ref() != Some(model) {
                    self.model = Some(Arc::clone(model));
                }
            }
        }
    }

    /// Its newest sample of all, from long ago. Nothing is changed where a newer one is known.
    pub(super) fn remembered(&mut self, model: &Arc<str>, time: Timestamp, score: f64) {
        if self.last_time.is_some() {
            return;
        }
        self.put(time, score);
        (self.model, self.last_time, self.score) = (Some(Arc::clone(model)), Some(time), score);
    }

    /// An event of it opened, goes on or is over.
    pub(super) fn event(&mut self, id: EventId, model: &str, is_open: bool) {
        if is_open {
            self.open = Some((id, model.into()));
        } else if self
            .open
            .as_ref()
            .is_some_and(|(open, by)| *open == id && **by == *model)
        {
            self.open = None;
        }
    }

    fn set_width(&mut self, width: i64) {
        if width == self.slot_width {
            return;
        }
        let before: Vec<Peak> = self.slots.iter().flatten().copied().collect();
        (self.slot_width, self.newest, self.slots) = (width.max(1), i64::MIN, [None; SLOTS]);
        for peak in before {
            self.put(peak.time, peak.score);
        }
    }

    fn put(&mut self, time: Timestamp, score: f64) {
        let slot = time.as_nanos().div_euclid(self.slot_width);
        if slot > self.newest {
            let n_stale = slot.saturating_sub(self.newest).min(SLOTS as i64);
            for stale in 0..n_stale {
                self.slots[place(slot - stale)] = None;
            }
            self.newest = slot;
        }
        if self.newest.saturating_sub(slot) >= SLOTS as i64 || score.is_nan() {
            return;
        }
        let there = &mut self.slots[place(slot)];
        if there.is_none_or(|there| there.score < score) {
            *there = Some(Peak { score, time });
        }
    }
}

fn place(slot: i64) -> usize {
    slot.rem_euclid(SLOTS as i64) as usize
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
