//! A fleet as it would send: the samples of the batch, paced by the clock, to stdout, HTTP or MQTT.

use std::ops::ControlFlow;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use bellwether_core::synth::{self, BAD_TEXT, CellDefect, Device};
use bellwether_store::write::push_real;
use serde_json::json;

use super::recorded::Recording;
use super::sink::{BATCH_ROWS_MAX, Batch, Sink};
use super::table::{Line, Table};
use super::truth::{Measured, Truth};
use super::{Beside, about, counted, line, names, plant, table_of};
use crate::cli::{Format, GenerateArgs};
use crate::failure::Failure;
use crate::output::Output;

pub(super) fn run(args: &GenerateArgs, address: &str, output: &Output) -> Result<(), Failure> {
    let beside = Beside::create(args)?;
    let spec = plant(args);
    // All at once: faults are drawn over the whole, so that live and batch are the same data.
    let devices = synth::generate(&spec)?;
    let recording = match args.defect.as_slice() {
        [] => None,
        specs => Some(Recording::new(&devices, specs, spec.cadence, spec.seed)?),
    };
    let measured = Measured::all(&devices);
    let device_names = names(&measured).into_iter().map(str::to_owned).collect();
    let mut sink = Sink::open(address, device_names)?;
    let truth = Truth::of(&measured);
    beside.write(&truth, &measured, recording.as_ref())?;
    let table = table_of(devices.len(), devices[0].frame.schema().channels());
    let rate = args.rate.unwrap_or_default();
    let pace = if rate > 0.0 {
        format!("{rate} a second")
    } else {
        "as fast as possible".to_owned()
    };
    output.note(&format!(
        "{}, {pace}: {}",
        sink.name(),
        about(&spec, table.channels.len(), &truth)
    ));
    truth.note(output);
    if let Some(recording) = &recording {
        recording.note(output);
    }

    let form = if sink.wants_json() {
        Form::json(table)
    } else {
        Form::new(table, output.format())
    };
    let clock = Clock::start(rate)?;
    let n_emitted = match &recording {
        Some(recording) => emit(recording.sent(), &form, &mut sink, &clock)?,
        None => emit(sent(&devices), &form, &mut sink, &clock)?,
    };
    if clock.is_stopped() {
        return Err(Failure::Interrupted(format!(
            "interrupted after {n_emitted} of {}",
            counted(spec.n_samples * devices.len(), "sample")
        )));
    }
    Ok(())
}

/// A row as it is sent.
pub(super) struct Sent<'a> {
    /// It is due with this sample.
    pub(super) due_idx: usize,
    pub(super) device_idx: usize,
    pub(super) line: Line<'a>,
    /// Cells that do not hold their value, in the order of the channels.
    pub(super) spoilt: Vec<(usize, CellDefect)>,
}

/// Sample after sample of all devices.
fn sent(devices: &[Device]) -> impl Iterator<Item = Sent<'_>> {
    (0..devices[0].frame.n_samples()).flat_map(move |sample_idx| {
        devices.iter().enumerate().map(move |(device_idx, device)| Sent {
            due_idx: sample_idx,
            device_idx,
            line: line(&device.name, device.frame.sample(sample_idx)),
            spoilt: Vec::new(),
        })
    })
}

/// Sends row after row; gives how many were handed over when all were, or Ctrl-C came, or nobody read any more.
fn emit<'a>(
    rows: impl Iterator<Item = Sent<'a>>,
    form: &Form,
    sink: &mut Sink,
    clock: &Clock,
) -> Result<usize, Failure> {
    let mut batch = Batch::headed(form.head());
    let (mut n_sent, mut n_given) = (0, 0);
    let mut rows = rows.peekable();
    while let Some(row) = rows.next() {
        if clock.wait_for(row.due_idx).is_break() {
            break;
        }
        batch.add(row.device_idx, |text| form.push(text, &row.line, &row.spoilt));
        n_given += 1;
        // What is due goes out together, so that a slow receiver gets a few large messages.
        let is_more = rows
            .peek()
            .is_some_and(|next| next.due_idx == row.due_idx || clock.is_due(next.due_idx));
        if batch.n_rows() < BATCH_ROWS_MAX && is_more {
            continue;
        }
        if sink.send(&mut batch, clock)?.is_break() {
            return Ok(n_sent);
        }
        n_sent = n_given;
    }
    if sink.send(&mut batch, clock)?.is_continue() && !clock.is_stopped() {
        n_sent = n_given;
    }
    Ok(n_sent)
}

/// How a sample is written.
enum Form {
    /// As in a file.
    Csv(Table),
    /// An object a line; the names as JSON.
    Json { channels: Vec<String> },
}

impl Form {
    fn new(table: Table, format: Format) -> Self {
        match format {
            Format::Csv => Self::Csv(table),
            _ => Self::json(table),
        }
    }

    fn json(table: Table) -> Self {
        let names = table.channels.iter();
        Self::Json {
            channels: names.map(|name| json!(name).to_string()).collect(),
        }
    }

    /// What comes before the first sample. No name of a template needs quoting.
    fn head(&self) -> String {
        match self {
            Self::Csv(table) => {
                let names = std::iter::once(&table.time)
                    .chain(&table.series)
                    .chain(&table.channels);
                let names: Vec<&str> = names.map(String::as_str).collect();
                format!("{}\n", names.join(","))
            }
            Self::Json { .. } => String::new(),
        }
    }

    fn push(&self, text: &mut String, line: &Line<'_>, spoilt: &[(usize, CellDefect)]) {
        let defect = |idx: usize| {
            spoilt
                .iter()
                .find(|(spoilt, _)| *spoilt == idx)
                .map(|(_, defect)| *defect)
        };
        match self {
            Self::Csv(table) => {
                text.push_str(&line.time);
                if table.series.is_some() {
                    text.push(',');
                    text.push_str(line.series);
                }
                for (idx, &value) in line.values.iter().enumerate() {
                    text.push(',');
                    match defect(idx) {
                        Some(CellDefect::BadText) => text.push_str(BAD_TEXT),
                        None if value.is_finite() => push_real(text, value),
                        _ => {}
                    }
                }
                text.push('\n');
            }
            Self::Json { channels } => {
                let (time, device) = (json!(line.time), json!(line.series));
                text.push_str(&format!(r#"{{"timestamp":{time},"device":{device},"values":{{"#));
                for (idx, (name, &value)) in channels.iter().zip(line.values).enumerate() {
                    text.push_str(if idx == 0 { "" } else { "," });
                    text.push_str(name);
                    text.push(':');
                    match defect(idx) {
                        Some(CellDefect::BadText) => text.push_str(&json!(BAD_TEXT).to_string()),
                        None if value.is_finite() => push_real(text, value),
                        _ => text.push_str("null"),
                    }
                }
                text.push_str("}}\n");
            }
        }
    }
}

/// When each sample is due, and whether Ctrl-C was pressed meanwhile.
pub(super) struct Clock {
    begin: Instant,
    /// Samples a second; 0 for at once.
    rate: f64,
    stop: Receiver<()>,
    is_stopped: std::cell::Cell<bool>,
}

impl Clock {
    fn start(rate: f64) -> Result<Self, Failure> {
        let (pressed, stop) = mpsc::channel();
        ctrlc::set_handler(move || {
            // Once the samples have ended nobody listens any more.
            let _ = pressed.send(());
        })?;
        #[expect(
            clippy::disallowed_methods,
            reason = "a live fleet keeps the time of this machine"
        )]
        let begin = Instant::now();
        Ok(Self {
            begin,
            rate,
            stop,
            is_stopped: std::cell::Cell::new(false),
        })
    }

    /// Time from the beginning to the sample, so that delays do not add up.
    fn due(&self, sample_idx: usize) -> Duration {
        if self.rate > 0.0 {
            Duration::try_from_secs_f64(sample_idx as f64 / self.rate).unwrap_or(Duration::MAX)
        } else {
            Duration::ZERO
        }
    }

    fn is_due(&self, sample_idx: usize) -> bool {
        self.due(sample_idx) <= self.begin.elapsed()
    }

    /// Waits until the sample is due; breaks on Ctrl-C.
    fn wait_for(&self, sample_idx: usize) -> ControlFlow<()> {
        self.pause(self.due(sample_idx).saturating_sub(self.begin.elapsed()))
    }

    /// Waits so long; breaks on Ctrl-C.
    pub(super) fn pause(&self, wait: Duration) -> ControlFlow<()> {
        match self.stop.recv_timeout(wait) {
            Err(RecvTimeoutError::Timeout) => ControlFlow::Continue(()),
            _ => {
                self.is_stopped.set(true);
                ControlFlow::Break(())
            }
        }
    }

    fn is_stopped(&self) -> bool {
        self.is_stopped.get()
    }
}
