//! One device: its samples in order, its session, and what it has to tell.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bellwether_core::detect::Detector;
use bellwether_core::event::{Event, EventChange};
use bellwether_core::frame::SeriesId;
use bellwether_core::session::{Judged, Session, SessionState, StateError};
use bellwether_core::time::Timestamp;
use bellwether_core::transform::{Aligner, AlignerMemory, GridRow};
use bellwether_store::database::{
    AlertEnd, AlertKind, ChannelNote, Checkpoint, EventRecord, MemberNote, NewAlert,
};
use sha2::{Digest, Sha256};

use super::models::Served;
use super::reorder::{Message, Reorder, Waiting};
use super::settings::DeviceRules;
use super::wire::encode_state;

/// A device in memory.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) name: Arc<str>,
    pub(super) served: Arc<Served>,
    pub(super) rules: DeviceRules,
    pub(super) reorder: Reorder,
    /// Brings its samples to the grid of the model, where that has one.
    pub(super) grid: Option<Aligner>,
    pub(super) session: Session,
    /// What was measured and expected at the peak of the open event.
    pub(super) notes: Option<Notes>,
    /// The first commit that its checkpoint does not cover.
    pub(super) dirty_since: Option<i64>,
    /// When it last said something, by the clock of this machine; since the start where it has not yet.
    pub(super) heard: Instant,
    /// It was said to be silent, or may have been before a restart.
    pub(super) may_be_silent: bool,
    /// It was said to be silent since then.
    pub(super) is_told_silent: bool,
    /// The last cycle that touched it.
    pub(super) last_cycle: u64,
}

/// What its channels measured, and what was expected, `[n_channels]`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Notes {
    /// Score of that sample.
    pub(super) score: f64,
    pub(super) actual: Vec<f64>,
    pub(super) expected: Vec<f64>,
}

/// A device as it is kept in the database.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DeviceState {
    pub(super) model: Arc<str>,
    /// Columns of waiting samples: those that the model has to be sent.
    pub(super) columns: Vec<Arc<str>>,
    /// Channels of the model, features among them.
    pub(super) channels: Vec<Arc<str>>,
    pub(super) reorder: Reorder,
    pub(super) grid: Option<AlignerMemory>,
    pub(super) session: SessionState,
    pub(super) notes: Option<Notes>,
}

/// A sample that is to be judged.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Released {
    pub(super) time: Timestamp,
    pub(super) time_text: Option<Box<str>>,
    pub(super) values: Vec<f64>,
    /// Which of the values were filled in on a grid; empty where there is none.
    pub(super) filled: Box<[bool]>,
}

/// Which samples are let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// Those that nothing within the lateness can come before any more.
    Late,
    /// All that wait.
    Quiet,
    /// All that wait, and nothing more will come of the last step of a grid.
    End,
}

/// What is to be written down of events and alerts.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) events: Vec<EventRecord>,
    pub(super) alerts: Vec<NewAlert>,
    pub(super) ended: Vec<AlertEnd>,
}

impl Device {
    /// A device that was never heard of.
    pub(super) fn new(name: Arc<str>, served: Arc<Served>, rules: DeviceRules, heard: Instant) -> Self {
        let session = fresh_session(&name, &served);
        Self {
            grid: served.fresh_grid(),
            name,
            served,
            rules,
            reorder: Reorder::default(),
            session,
            notes: None,
            dirty_since: None,
            heard,
            may_be_silent: false,
            is_told_silent: false,
            last_cycle: 0,
        }
    }

    /// A device as it was; one that another model version judged since then begins a window anew.
    ///
    /// # Errors
    /// [`StateError`] where the state is of this model version and still does not fit it.
    pub(super) fn restore(
        name: Arc<str>,
        served: Arc<Served>,
        rules: DeviceRules,
        heard: Instant,
        state: DeviceState,
        told: &mut Told,
    ) -> Result<Self, StateError> {
        let mut device = Self::new(name, Arc::clone(&served), rules, heard);
        device.may_be_silent = device.rules.silence.is_some();
        device.reorder = state.reorder;
        if state.model == served.reference {
            device.session = served
                .detector
                .resume(SeriesId::new(&*device.name), state.session)?;
            if let (Some(align), Some(memory)) = (&served.grid, state.grid) {
                let grid = Aligner::resume(align, served.columns().len(), memory);
                device.grid = Some(grid.ok_or(StateError {
                    problem: "its grid remembers other samples",
                })?);
            }
            device.notes = state.notes;
        } else {
            device.replace_waiting(&state.columns);
            let judge = Judge {
                model: &state.model,
                channels: &state.channels,
                detector: None,
            };
            device.end_of_other_model(judge, &state.session, state.notes, told);
        }
        Ok(device)
    }

    /// What is to be kept of it.
    pub(super) fn state(&self) -> DeviceState {
        DeviceState {
            model: Arc::clone(&self.served.reference),
            columns: self.served.columns().to_vec(),
            channels: self.served.channels().to_vec(),
            reorder: self.reorder.clone(),
            grid: self.grid.as_ref().map(Aligner::memory),
            session: self.session.state(),
            notes: self.notes.clone(),
        }
    }

    /// What the database is given of it.
    pub(super) fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            series: Arc::clone(&self.name),
            is_waiting: !self.reorder.waiting.is_empty(),
            state: encode_state(&self.name, &self.state()),
        }
    }

    /// Another model version judges it from here on: the open event ends, the window begins anew.
    pub(super) fn switch(&mut self, served: &Arc<Served>, told: &mut Told) {
        let before = std::mem::replace(&mut self.served, Arc::clone(served));
        let session = std::mem::replace(&mut self.session, fresh_session(&self.name, served));
        self.grid = served.fresh_grid();
        self.replace_waiting(before.columns());
        let notes = self.notes.take();
        self.end_of_other_model(Judge::of(&before), &session.state(), notes, told);
    }

    fn end_of_other_model(
        &self,
        judge: Judge<'_>,
        session: &SessionState,
        notes: Option<Notes>,
        told: &mut Told,
    ) {
        let Some(mut event) = session.tracker.open_event() else {
            return;
        };
        event.is_open = false;
        told.ended(&self.name, judge, event, notes.as_ref());
    }

    /// Puts waiting samples into the order of this model's columns.
    fn replace_waiting(&mut self, columns: &[Arc<str>]) {
        let place = |name: &Arc<str>| columns.iter().position(|column| column == name);
        let places: Vec<Option<usize>> = self.served.columns().iter().map(place).collect();
        for sample in self.reorder.waiting.values_mut() {
            let moved = |place: &Option<usize>| place.map_or(f64::NAN, |place| sample.values[place]);
            let values = places.iter().map(moved).collect();
            let given = sample.given.as_ref().map(|given| {
                places
                    .iter()
                    .map(|place| place.is_some_and(|place| given[place]))
                    .collect()
            });
            *sample = Waiting {
                values,
                given,
                time_text: sample.time_text.take(),
            };
        }
    }

    /// Takes a message; what it lets go is to be judged.
    pub(super) fn push(&mut self, message: Message<'_>) -> super::reorder::Entry {
        self.reorder.push(message, self.served.columns().len())
    }

    /// Gives the samples that are to be judged now to `each`: those that are let go, or what they make on the grid.
    pub(super) fn release(&mut self, until: Until, each: &mut dyn FnMut(Released)) {
        loop {
            let next = match until {
                Until::Late => self.reorder.release(self.rules.lateness),
                Until::Quiet | Until::End => self.reorder.release_any(),
            };
            let Some((time, sample)) = next else { break };
            match &mut self.grid {
                Some(grid) => {
                    grid.push(time, &sample.values, &[], &mut |row| {
                        each(Released::of(row));
                        true
                    });
                }
                None => each(Released {
                    time,
                    time_text: sample.time_text,
                    values: sample.values,
                    filled: Box::default(),
                }),
            }
        }
        if let (Until::End, Some(grid)) = (until, &mut self.grid) {
            grid.finish(&mut |row| {
                each(Released::of(row));
                true
            });
            // What still comes of a step that was judged comes too late.
            self.reorder.released = self.reorder.released.max(grid.over());
        }
    }

    /// Whether it holds samples back that the end of its input lets go.
    pub(super) fn holds_back(&self) -> bool {
        !self.reorder.waiting.is_empty() || self.grid.as_ref().is_some_and(Aligner::is_waiting)
    }

    /// How long it may be quiet before nobody waits for its past any longer.
    pub(super) fn patience(&self) -> Duration {
        (2 * self.rules.lateness).max(Duration::from_secs(2))
    }
}

impl Released {
    /// An instant of a grid.
    fn of(row: GridRow<'_>) -> Self {
        Self {
            time: row.time,
            time_text: None,
            values: row.values.to_vec(),
            filled: row.filled.into(),
        }
    }
}

impl Told {
    /// What a judged sample did to the events of its device.
    pub(super) fn judged(
        &mut self,
        name: &Arc<str>,
        served: &Served,
        notes: &mut Option<Notes>,
        actual: &[f64],
        judged: &Judged<'_>,
    ) {
        let Ok(Some(verdict)) = &judged.answer else {
            return;
        };
        let judge = Judge::of(served);
        if let Some(event) = verdict.closed() {
            let notes = notes.take();
            self.ended(name, judge, event.clone(), notes.as_ref());
        }
        let is_opening = matches!(verdict.change, EventChange::Opened(_));
        if verdict.event().is_none() {
            return;
        }
        let score = verdict.score.unwrap_or(0.0);
        let is_peak = notes.as_ref().is_none_or(|notes| score > notes.score);
        if is_peak {
            // The model has just answered this window, so it does again.
            let expected = judged.expected().ok().flatten();
            let expected = expected.unwrap_or_else(|| vec![f64::NAN; judge.channels.len()]);
            *notes = Some(Notes {
                score,
                actual: judged.measured(actual),
                expected,
            });
        }
        if is_opening && let Some(event) = judged.session.open_event() {
            let channel_notes = channel_notes(judge.channels, &event, notes.as_ref());
            self.alerts.push(NewAlert {
                id: alert_id(name, judge.model, event.start, AlertKind::Event),
                kind: AlertKind::Event,
                event: Some(event.id),
                series: Arc::clone(name),
                model: judge.model.to_string(),
                start: event.start,
                peak_score: event.peak_score,
                channels: channel_notes,
            });
        }
    }

    /// The open event of a device as it is after a cycle.
    pub(super) fn open(&mut self, device: &Device) {
        if let Some(event) = device.session.open_event() {
            self.events.push(EventRecord {
                model: device.served.reference.to_string(),
                series: Arc::clone(&device.name),
                channels: channel_notes(device.served.channels(), &event, device.notes.as_ref()),
                members: Judge::of(&device.served).member_notes(&event),
                event,
            });
        }
    }

    /// A device says nothing.
    pub(super) fn silent(&mut self, device: &Device, last_time: Timestamp) {
        let model = &device.served.reference;
        self.alerts.push(NewAlert {
            id: alert_id(&device.name, "", last_time, AlertKind::Silence),
            kind: AlertKind::Silence,
            event: None,
            series: Arc::clone(&device.name),
            model: model.to_string(),
            start: last_time,
            peak_score: 0.0,
            channels: Vec::new(),
        });
    }

    /// A device that may have been called silent since `last_time` speaks again at `time`.
    pub(super) fn speaks(&mut self, name: &str, last_time: Timestamp, time: Timestamp) {
        self.ended.push(AlertEnd {
            id: alert_id(name, "", last_time, AlertKind::Silence),
            end: time,
            peak_score: 0.0,
            channels: Vec::new(),
        });
    }

    fn ended(&mut self, name: &Arc<str>, judge: Judge<'_>, event: Event, notes: Option<&Notes>) {
        let channels = channel_notes(judge.channels, &event, notes);
        self.ended.push(AlertEnd {
            id: alert_id(name, judge.model, event.start, AlertKind::Event),
            end: event.end,
            peak_score: event.peak_score,
            channels: channels.clone(),
        });
        self.events.push(EventRecord {
            model: judge.model.to_string(),
            series: Arc::clone(name),
            channels,
            members: judge.member_notes(&event),
            event,
        });
    }
}

/// Who found an event.
#[derive(Clone, Copy)]
struct Judge<'a> {
    model: &'a Arc<str>,
    channels: &'a [Arc<str>],
    /// `None`: a version that is not loaded any more.
    detector: Option<&'a Detector>,
}

impl<'a> Judge<'a> {
    fn of(served: &'a Served) -> Self {
        Self {
            model: &served.reference,
            channels: served.channels(),
            detector: Some(&served.detector),
        }
    }

    /// What each member says of an event; nothing where their names are not known.
    fn member_notes(&self, event: &Event) -> Vec<MemberNote> {
        let names = self.detector.into_iter().flat_map(Detector::member_names);
        names
            .zip(&event.members)
            .map(|(member, share)| MemberNote {
                member: member.to_owned(),
                share: *share,
            })
            .collect()
    }
}

fn fresh_session(name: &Arc<str>, served: &Served) -> Session {
    let schema = served.detector.pipeline().inputs();
    served
        .detector
        .session(SeriesId::new(Arc::clone(name)), schema)
        .expect("a pipeline accepts its own channels at its own cadence")
}

/// What the channels of an event say, largest share first.
fn channel_notes(channels: &[Arc<str>], event: &Event, notes: Option<&Notes>) -> Vec<ChannelNote> {
    let known = |values: Option<&Vec<f64>>, idx: usize| {
        values
            .and_then(|values| values.get(idx))
            .copied()
            .filter(|value| value.is_finite())
    };
    let mut all: Vec<ChannelNote> = channels
        .iter()
        .zip(&event.shares)
        .enumerate()
        .map(|(idx, (channel, share))| ChannelNote {
            channel: channel.to_string(),
            share: *share,
            actual: known(notes.map(|notes| &notes.actual), idx),
            expected: known(notes.map(|notes| &notes.expected), idx),
        })
        .collect();
    all.sort_by(|one, other| other.share.total_cmp(&one.share));
    all
}

/// The one tenant there is.
pub(super) const TENANT: &str = "default";

/// The id of an alert: a hash of tenant, device, start and model version, so that whoever finds the same cause again
/// gives it the same id. Sixteen hexadecimal digits of SHA-256; parts are told apart by a byte no text holds.
fn alert_id(name: &str, model: &str, start: Timestamp, kind: AlertKind) -> String {
    let mut hash = Sha256::new();
    let kind = match kind {
        AlertKind::Event => "event",
        AlertKind::Silence => "silence",
    };
    for part in [TENANT, kind, name, model] {
        hash.update(part.as_bytes());
        hash.update([0xff]);
    }
    hash.update(start.as_nanos().to_le_bytes());
    crate::hex(&hash.finalize()[..8])
}
