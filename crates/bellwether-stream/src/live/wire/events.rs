//! How events, and what is remembered of them, stand in device states.

use bellwether_core::event::{
    Bin, ChannelTrace, Event, EventFault, EventId, EventKind, MissingRuns, Phase, SensorTrace, Trace,
    TrackedRow, TrackerState,
};
use bellwether_core::frame::SeriesId;
use bellwether_core::time::Timestamp;
use bellwether_core::validate::Fault;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub(super) struct TrackerWire {
    context: Vec<Vec<f32>>,
    phase: PhaseWire,
}

#[derive(Serialize, Deserialize)]
enum PhaseWire {
    Quiet(Vec<RowWire>),
    Event {
        event: Box<EventWire>,
        score_sum: f64,
        trace: Box<TraceWire>,
        is_open: bool,
        n_rows: u64,
        n_quiet: u64,
    },
}

#[derive(Serialize, Deserialize)]
struct RowWire {
    time: i64,
    score: f64,
    shares: Vec<f64>,
    members: Vec<f64>,
    agreement: f64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct EventWire {
    series: String,
    start: i64,
    end: i64,
    peak_time: i64,
    peak_score: f64,
    n_samples: u64,
    is_open: bool,
    shares: Vec<f64>,
    members: Vec<f64>,
    confidence: f64,
    kind: String,
}

#[derive(Serialize, Deserialize, Default)]
struct TraceWire {
    missing: Vec<(u32, u32, u32)>,
    channels: Vec<ChannelWire>,
}

#[derive(Serialize, Deserialize)]
struct ChannelWire {
    channel_idx: u64,
    is_continuous: bool,
    base: f64,
    was_outside: bool,
    step: f64,
    n_context: u64,
    last: f32,
    n_steps: u32,
    n_repeats: u32,
    run: u32,
    longest_run: u32,
    stride: u64,
    bins: Vec<BinWire>,
}

#[derive(Serialize, Deserialize)]
struct BinWire {
    n_rows: u32,
    n_observed: u32,
    sum: f64,
    n_steps: u32,
    steps_squared: f64,
    step_max: f64,
    outside: f64,
}

/// What tells whose fault an event is: kept since states of version 5, beside all that was kept before.
#[derive(Serialize, Deserialize, Default)]
pub(super) struct FaultsWire {
    sensors: Vec<SensorWire>,
    /// Whose fault the event is that has ended: a word, and the channel.
    ended: Option<(String, Option<u64>)>,
}

#[derive(Serialize, Deserialize)]
struct SensorWire {
    is_continuous: bool,
    last: f32,
    n_steps: u32,
    n_repeats: u32,
    run: u32,
    longest_run: u32,
    usual_step: f64,
    n_event_steps: u32,
    step_sum: f64,
}

impl FaultsWire {
    pub(super) fn of(tracker: &TrackerState, ended: Option<&Event>) -> Self {
        let sensors = match &tracker.phase {
            Phase::Event { trace, .. } => trace.sensors.as_slice(),
            Phase::Quiet(_) => &[],
        };
        let fault = ended.and_then(|event| event.fault);
        Self {
            sensors: sensors.iter().map(SensorWire::of).collect(),
            ended: fault.map(|of| (of.fault.name().to_owned(), of.channel_idx.map(|idx| idx as u64))),
        }
    }

    /// Puts it where it belongs.
    pub(super) fn give(self, tracker: &mut TrackerState, ended: Option<&mut Event>) {
        if let Phase::Event { trace, .. } = &mut tracker.phase {
            trace.sensors = self.sensors.into_iter().map(SensorWire::sensor).collect();
        }
        if let (Some(event), Some((word, channel))) = (ended, self.ended) {
            event.fault = Fault::from_name(&word).map(|fault| EventFault {
                fault,
                channel_idx: channel.map(count),
            });
        }
    }
}

impl SensorWire {
    fn of(of: &SensorTrace) -> Self {
        Self {
            is_continuous: of.is_continuous,
            last: of.last,
            n_steps: of.n_steps,
            n_repeats: of.n_repeats,
            run: of.run,
            longest_run: of.longest_run,
            usual_step: of.usual_step,
            n_event_steps: of.n_event_steps,
            step_sum: of.step_sum,
        }
    }

    fn sensor(self) -> SensorTrace {
        SensorTrace {
            is_continuous: self.is_continuous,
            last: self.last,
            n_steps: self.n_steps,
            n_repeats: self.n_repeats,
            run: self.run,
            longest_run: self.longest_run,
            usual_step: self.usual_step,
            n_event_steps: self.n_event_steps,
            step_sum: self.step_sum,
        }
    }
}

/// What was remembered before events had kinds, confidence and members: states of version 1 and 2.
#[derive(Serialize, Deserialize)]
pub(super) enum TrackerWireV2 {
    Quiet(Vec<(i64, f64, Vec<f64>)>),
    Event {
        event: EventWireV2,
        is_open: bool,
        n_rows: u64,
        n_quiet: u64,
    },
}

#[derive(Serialize, Deserialize)]
pub(super) struct EventWireV2 {
    series: String,
    start: i64,
    end: i64,
    peak_time: i64,
    peak_score: f64,
    n_samples: u64,
    is_open: bool,
    shares: Vec<f64>,
}

impl TrackerWireV2 {
    /// Members have said nothing of what was before.
    pub(super) fn with_members(self, n_members: usize) -> TrackerWire {
        let phase = match self {
            Self::Quiet(rows) => {
                let row = |(time, score, shares)| RowWire {
                    time,
                    score,
                    shares,
                    members: vec![0.0; n_members + 1],
                    agreement: 0.0,
                };
                PhaseWire::Quiet(rows.into_iter().map(row).collect())
            }
            Self::Event {
                event,
                is_open,
                n_rows,
                n_quiet,
            } => PhaseWire::Event {
                event: Box::new(event.with_members(n_members)),
                score_sum: 0.0,
                trace: Box::default(),
                is_open,
                n_rows,
                n_quiet,
            },
        };
        TrackerWire {
            context: Vec::new(),
            phase,
        }
    }
}

impl EventWireV2 {
    pub(super) fn with_members(self, n_members: usize) -> EventWire {
        EventWire {
            series: self.series,
            start: self.start,
            end: self.end,
            peak_time: self.peak_time,
            peak_score: self.peak_score,
            n_samples: self.n_samples,
            is_open: self.is_open,
            shares: self.shares,
            members: vec![0.0; n_members + 1],
            confidence: 0.0,
            kind: EventKind::OutOfRange.name().to_owned(),
        }
    }
}

impl TrackerWire {
    pub(super) fn of(series: &str, state: &TrackerState) -> Self {
        let phase = match &state.phase {
            Phase::Quiet(rows) => {
                let row = |row: &TrackedRow| RowWire {
                    time: row.time.as_nanos(),
                    score: row.score,
                    shares: row.shares.clone(),
                    members: row.members.clone(),
                    agreement: row.agreement,
                };
                PhaseWire::Quiet(rows.iter().map(row).collect())
            }
            Phase::Event {
                event,
                score_sum,
                trace,
                is_open,
                n_rows,
                n_quiet,
            } => PhaseWire::Event {
                event: Box::new(EventWire::of(series, event)),
                score_sum: *score_sum,
                trace: Box::new(TraceWire::of(trace)),
                is_open: *is_open,
                n_rows: *n_rows as u64,
                n_quiet: *n_quiet as u64,
            },
        };
        Self {
            context: state.context.clone(),
            phase,
        }
    }

    pub(super) fn state(self) -> TrackerState {
        let phase = match self.phase {
            PhaseWire::Quiet(rows) => {
                let row = |row: RowWire| TrackedRow {
                    time: Timestamp::from_nanos(row.time),
                    score: row.score,
                    shares: row.shares,
                    members: row.members,
                    agreement: row.agreement,
                };
                Phase::Quiet(rows.into_iter().map(row).collect())
            }
            PhaseWire::Event {
                event,
                score_sum,
                trace,
                is_open,
                n_rows,
                n_quiet,
            } => Phase::Event {
                event: event.event(),
                score_sum,
                trace: trace.trace(),
                is_open,
                n_rows: count(n_rows),
                n_quiet: count(n_quiet),
            },
        };
        TrackerState {
            context: self.context,
            phase,
        }
    }
}

impl EventWire {
    pub(super) fn of(series: &str, event: &Event) -> Self {
        Self {
            series: series.to_owned(),
            start: event.start.as_nanos(),
            end: event.end.as_nanos(),
            peak_time: event.peak_time.as_nanos(),
            peak_score: event.peak_score,
            n_samples: event.n_samples as u64,
            is_open: event.is_open,
            shares: event.shares.clone(),
            members: event.members.clone(),
            confidence: event.confidence,
            kind: event.kind.name().to_owned(),
        }
    }

    pub(super) fn event(self) -> Event {
        let start = Timestamp::from_nanos(self.start);
        Event {
            // An id is a hash of series and start, and not stored beside them.
            id: EventId::new(&SeriesId::new(self.series), start),
            start,
            end: Timestamp::from_nanos(self.end),
            peak_time: Timestamp::from_nanos(self.peak_time),
            peak_score: self.peak_score,
            n_samples: count(self.n_samples),
            is_open: self.is_open,
            shares: self.shares,
            members: self.members,
            confidence: self.confidence,
            // A later word is told anew when the event goes on.
            kind: EventKind::from_name(&self.kind).unwrap_or(EventKind::OutOfRange),
            fault: None,
        }
    }
}

impl TraceWire {
    fn of(trace: &Trace) -> Self {
        let channel = |of: &ChannelTrace| ChannelWire {
            channel_idx: of.channel_idx as u64,
            is_continuous: of.is_continuous,
            base: of.base,
            was_outside: of.was_outside,
            step: of.step,
            n_context: of.n_context as u64,
            last: of.last,
            n_steps: of.n_steps,
            n_repeats: of.n_repeats,
            run: of.run,
            longest_run: of.longest_run,
            stride: of.stride as u64,
            bins: of.bins.iter().map(BinWire::of).collect(),
        };
        Self {
            missing: trace
                .missing
                .iter()
                .map(|runs| (runs.run, runs.longest, runs.usual))
                .collect(),
            channels: trace.channels.iter().map(channel).collect(),
        }
    }

    fn trace(self) -> Trace {
        let runs = |(run, longest, usual)| MissingRuns { run, longest, usual };
        let channel = |of: ChannelWire| ChannelTrace {
            channel_idx: count(of.channel_idx),
            is_continuous: of.is_continuous,
            base: of.base,
            was_outside: of.was_outside,
            step: of.step,
            n_context: count(of.n_context),
            last: of.last,
            n_steps: of.n_steps,
            n_repeats: of.n_repeats,
            run: of.run,
            longest_run: of.longest_run,
            stride: count(of.stride),
            bins: of.bins.into_iter().map(BinWire::bin).collect(),
        };
        Trace {
            missing: self.missing.into_iter().map(runs).collect(),
            channels: self.channels.into_iter().map(channel).collect(),
            sensors: Vec::new(),
        }
    }
}

impl BinWire {
    fn of(bin: &Bin) -> Self {
        Self {
            n_rows: bin.n_rows,
            n_observed: bin.n_observed,
            sum: bin.sum,
            n_steps: bin.n_steps,
            steps_squared: bin.steps_squared,
            step_max: bin.step_max,
            outside: bin.outside,
        }
    }

    fn bin(self) -> Bin {
        Bin {
            n_rows: self.n_rows,
            n_observed: self.n_observed,
            sum: self.sum,
            n_steps: self.n_steps,
            steps_squared: self.steps_squared,
            step_max: self.step_max,
            outside: self.outside,
        }
    }
}

fn count(stored: u64) -> usize {
    usize::try_from(stored).unwrap_or(usize::MAX)
}
