//! How journal blocks and device states stand in the database: a version byte, then postcard.
//!
//! Domain types are not what is stored; each has its own form here, so that they can change and old bytes still open.

mod events;
mod grid;
mod journal;

use std::sync::Arc;

use bellwether_core::session::SessionState;
use bellwether_core::time::Timestamp;
use bellwether_core::transform::DerivationMemory;
use serde::{Deserialize, Serialize};

use self::events::{EventWire, EventWireV2, FaultsWire, TrackerWire, TrackerWireV2};
use self::grid::GridWire;
pub(super) use self::journal::{Step, decode_steps, encode_steps};
use super::device::{DeviceState, Notes};
use super::reorder::{Reorder, Waiting};

const STATE_VERSION: u8 = 6;
/// States from before samples were brought to a grid; still read.
const STATE_VERSION_5: u8 = 5;
/// States from before thresholds could follow the rows before, and before it was kept whose fault an event is; still read.
const STATE_VERSION_4: u8 = 4;
/// States from before there were features and modes; still read.
const STATE_VERSION_3: u8 = 3;
/// States from before events had kinds; still read.
const STATE_VERSION_2: u8 = 2;
/// States of one member, whose contributions stand by themselves; still read.
const STATE_VERSION_1: u8 = 1;

/// Stored bytes are not what this version of bellwether writes or reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a stored {what} cannot be read: {problem}")]
pub(super) struct WireError {
    /// Journal block or device state.
    pub(super) what: &'static str,
    /// Why.
    pub(super) problem: String,
}

/// Of each row that smoothing remembers, `[n_channels]`; `None`: no score.
type MemberContributions = Vec<Option<Vec<f64>>>;

#[derive(Serialize, Deserialize)]
struct StateWire<Session> {
    model: String,
    newest: Option<i64>,
    released: Option<i64>,
    columns: Vec<String>,
    waiting: Vec<(i64, WaitingWire)>,
    session: Session,
    notes: Option<(f64, Vec<f64>, Vec<f64>)>,
}

#[derive(Serialize, Deserialize)]
struct WaitingWire {
    values: Vec<f64>,
    given: Option<Vec<bool>>,
    time_text: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct SessionWire<Contributions, Tracker, Event> {
    last_time: Option<i64>,
    last_value: Vec<f64>,
    age: Vec<Option<u64>>,
    recent: Vec<f64>,
    observed: Vec<u8>,
    contributions: Contributions,
    tracker: Tracker,
    ended: Option<Event>,
}

/// A session, and what the grid of its model remembers of samples.
#[derive(Serialize, Deserialize)]
struct SessionNow {
    session: SessionV5,
    grid: Option<GridWire>,
}

/// A session, what its threshold remembers of the rows before, and whose fault its events are.
#[derive(Serialize, Deserialize)]
struct SessionV5 {
    session: SessionV4,
    level: Vec<f64>,
    faults: FaultsWire,
}

/// A session, the channels of its model where they are not the columns of samples, and what features and modes remember
/// of raw rows.
#[derive(Serialize, Deserialize)]
struct SessionV4 {
    session: SessionV3,
    channels: Option<Vec<String>>,
    history: Vec<Vec<f64>>,
    since_start: u64,
    n_rows: u64,
    /// Rows in a row that brought nothing new of each channel.
    still: Vec<u64>,
}

type SessionV3 = SessionWire<Vec<MemberContributions>, TrackerWire, EventWire>;
type SessionV2 = SessionWire<Vec<MemberContributions>, TrackerWireV2, EventWireV2>;
type SessionV1 = SessionWire<MemberContributions, TrackerWireV2, EventWireV2>;

/// The state of a device.
pub(super) fn encode_state(series: &str, state: &DeviceState) -> Vec<u8> {
    let session = &state.session;
    let wire = StateWire {
        model: state.model.to_string(),
        newest: state.reorder.newest.map(Timestamp::as_nanos),
        released: state.reorder.released.map(Timestamp::as_nanos),
        columns: texts(&state.columns),
        waiting: state
            .reorder
            .waiting
            .iter()
            .map(|(time, sample)| {
                let sample = WaitingWire {
                    values: sample.values.clone(),
                    given: sample.given.clone(),
                    time_text: sample.time_text.as_deref().map(str::to_owned),
                };
                (time.as_nanos(), sample)
            })
            .collect(),
        session: SessionNow {
            grid: state.grid.as_ref().map(GridWire::of),
            session: SessionV5 {
                level: session.level.clone(),
                faults: FaultsWire::of(&session.tracker, session.ended.as_ref()),
                session: SessionV4 {
                    channels: (state.channels != state.columns).then(|| texts(&state.channels)),
                    history: session.derivation.history.clone(),
                    since_start: session.derivation.since_start as u64,
                    n_rows: session.derivation.n_rows as u64,
                    still: session.still.iter().map(|rows| *rows as u64).collect(),
                    session: session_wire(series, session),
                },
            },
        },
        notes: state
            .notes
            .as_ref()
            .map(|notes| (notes.score, notes.actual.clone(), notes.expected.clone())),
    };
    encode(STATE_VERSION, &wire)
}

fn session_wire(series: &str, session: &SessionState) -> SessionV3 {
    SessionWire {
        last_time: session.last_time.map(Timestamp::as_nanos),
        last_value: session.last_value.clone(),
        age: session
            .age
            .iter()
            .map(|age| (*age != usize::MAX).then_some(*age as u64))
            .collect(),
        recent: session.recent.clone(),
        observed: pack(&session.observed),
        contributions: session.contributions.clone(),
        tracker: TrackerWire::of(series, &session.tracker),
        ended: session.ended.as_ref().map(|event| EventWire::of(series, event)),
    }
}

impl SessionV3 {
    /// What later versions make of it: all rows counted, and the last one was in the middle of its segment as far as
    /// anybody looks back.
    fn now(self) -> SessionNow {
        let n_rows = u64::from(self.last_time.is_some());
        SessionV4 {
            still: vec![0; self.last_value.len()],
            session: self,
            channels: None,
            history: Vec::new(),
            since_start: n_rows,
            n_rows,
        }
        .now()
    }
}

impl SessionV4 {
    /// What later versions make of it: its threshold stays, and nobody knows whose fault its events are.
    fn now(self) -> SessionNow {
        SessionV5 {
            session: self,
            level: Vec::new(),
            faults: FaultsWire::default(),
        }
        .now()
    }
}

impl SessionV5 {
    /// What later versions make of it: there was no grid.
    fn now(self) -> SessionNow {
        SessionNow {
            session: self,
            grid: None,
        }
    }
}

impl<Session> StateWire<Session> {
    fn with_session<Other>(self, session: impl FnOnce(Session) -> Other) -> StateWire<Other> {
        StateWire {
            model: self.model,
            newest: self.newest,
            released: self.released,
            columns: self.columns,
            waiting: self.waiting,
            session: session(self.session),
            notes: self.notes,
        }
    }
}

impl<Contributions> SessionWire<Contributions, TrackerWireV2, EventWireV2> {
    /// What later versions make of it.
    fn with_members(
        self,
        contributions: impl FnOnce(Contributions) -> Vec<MemberContributions>,
    ) -> SessionV3 {
        let contributions = contributions(self.contributions);
        let n_members = contributions.len();
        SessionWire {
            last_time: self.last_time,
            last_value: self.last_value,
            age: self.age,
            recent: self.recent,
            observed: self.observed,
            contributions,
            tracker: self.tracker.with_members(n_members),
            ended: self.ended.map(|event| event.with_members(n_members)),
        }
    }
}

/// The state that these bytes hold.
pub(super) fn decode_state(bytes: &[u8]) -> Result<DeviceState, WireError> {
    const WHAT: &str = "device state";
    let wire: StateWire<SessionNow> = match bytes.first() {
        Some(&STATE_VERSION_1) => decode::<StateWire<SessionV1>>(WHAT, STATE_VERSION_1, bytes)?
            .with_session(|session| session.with_members(|only| vec![only]).now()),
        Some(&STATE_VERSION_2) => decode::<StateWire<SessionV2>>(WHAT, STATE_VERSION_2, bytes)?
            .with_session(|session| session.with_members(|members| members).now()),
        Some(&STATE_VERSION_3) => {
            decode::<StateWire<SessionV3>>(WHAT, STATE_VERSION_3, bytes)?.with_session(SessionV3::now)
        }
        Some(&STATE_VERSION_4) => {
            decode::<StateWire<SessionV4>>(WHAT, STATE_VERSION_4, bytes)?.with_session(SessionV4::now)
        }
        Some(&STATE_VERSION_5) => {
            decode::<StateWire<SessionV5>>(WHAT, STATE_VERSION_5, bytes)?.with_session(SessionV5::now)
        }
        _ => decode(WHAT, STATE_VERSION, bytes)?,
    };
    let n_columns = wire.columns.len();
    let fits = |sample: &WaitingWire| {
        sample.values.len() == n_columns && sample.given.as_ref().is_none_or(|given| given.len() == n_columns)
    };
    if !wire.waiting.iter().all(|(_, sample)| fits(sample)) {
        let problem = "a waiting sample has another number of columns".to_owned();
        return Err(WireError { what: WHAT, problem });
    }
    let SessionNow {
        session: SessionV5 {
            session: before,
            level,
            faults,
        },
        grid,
    } = wire.session;
    let SessionV4 {
        session,
        channels,
        history,
        since_start,
        n_rows,
        still,
    } = before;
    let (mut tracker, mut ended) = (session.tracker.state(), session.ended.map(EventWire::event));
    faults.give(&mut tracker, ended.as_mut());
    let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    Ok(DeviceState {
        model: wire.model.into(),
        channels: names(channels.as_ref().unwrap_or(&wire.columns)),
        columns: names(&wire.columns),
        reorder: Reorder {
            newest: wire.newest.map(Timestamp::from_nanos),
            released: wire.released.map(Timestamp::from_nanos),
            waiting: wire
                .waiting
                .into_iter()
                .map(|(time, sample)| {
                    let sample = Waiting {
                        values: sample.values,
                        given: sample.given,
                        time_text: sample.time_text.map(String::into_boxed_str),
                    };
                    (Timestamp::from_nanos(time), sample)
                })
                .collect(),
        },
        session: SessionState {
            last_time: session.last_time.map(Timestamp::from_nanos),
            last_value: session.last_value,
            age: session
                .age
                .into_iter()
                .map(|age| age.map_or(usize::MAX, count))
                .collect(),
            still: still.into_iter().map(count).collect(),
            derivation: DerivationMemory {
                history,
                since_start: count(since_start),
                n_rows: count(n_rows),
            },
            observed: unpack(&session.observed, session.recent.len()),
            recent: session.recent,
            contributions: session.contributions,
            level,
            tracker,
            ended,
        },
        grid: grid.map(GridWire::memory),
        notes: wire.notes.map(|(score, actual, expected)| Notes {
            score,
            actual,
            expected,
        }),
    })
}

fn texts(names: &[Arc<str>]) -> Vec<String> {
    names.iter().map(|name| name.to_string()).collect()
}

fn names(texts: &[String]) -> Vec<Arc<str>> {
    texts.iter().map(|name| name.as_str().into()).collect()
}

/// Eight truths to a byte.
fn pack(marks: &[bool]) -> Vec<u8> {
    let byte = |marks: &[bool]| {
        marks
            .iter()
            .rev()
            .fold(0, |byte, mark| byte << 1 | u8::from(*mark))
    };
    marks.chunks(8).map(byte).collect()
}

fn unpack(bytes: &[u8], n_marks: usize) -> Vec<bool> {
    let marks = bytes
        .iter()
        .flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1));
    marks.take(n_marks).collect()
}

fn encode<T: Serialize>(version: u8, value: &T) -> Vec<u8> {
    postcard::to_extend(value, vec![version]).expect("plain data always have a form in postcard")
}

fn decode<T: for<'a> Deserialize<'a>>(what: &'static str, version: u8, bytes: &[u8]) -> Result<T, WireError> {
    let failed = |problem: String| WireError { what, problem };
    match bytes.split_first() {
        Some((found, rest)) if *found == version => {
            postcard::from_bytes(rest).map_err(|error| failed(format!("it is damaged ({error})")))
        }
        Some((found, _)) => Err(failed(format!(
            "it has version {found}, this bellwether reads version {version}: use the bellwether that wrote it"
        ))),
        None => Err(failed("it is empty".to_owned())),
    }
}

#[cfg(test)]
mod tests;
