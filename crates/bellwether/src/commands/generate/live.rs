//! A fleet as it would send: the samples of the batch, paced by the clock, to stdout, HTTP or MQTT.

use std::ops::ControlFlow;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use bellwether_core::synth::{self, Device};
use bellwether_store::write::push_real;
use serde_json::json;

use super::sink::{BATCH_ROWS_MAX, Batch, Sink};
use super::table::{Line, Out, Table};
use super::{Truth, about, counted, line, names, plant, table_of};
use crate::cli::{Format, GenerateArgs};
use crate::failure::Failure;
use crate::output::Output;

pub(super) fn run(args: &GenerateArgs, address: &str, output: &Output) -> Result<(), Failure> {
    let labels = args.labels.as_deref().map(Out::create_file).transpose()?;
    let points = args.points.as_deref().map(Out::create_file).transpose()?;
    let spec = plant(args);
    // All at once: faults are drawn over the whole, so that live and batch are the same data.
    let devices = synth::generate(&spec)?;
    let device_names = names(&devices).into_iter().map(str::to_owned).collect();
    let mut sink = Sink::open(address, device_names)?;
    let truth = Truth::of(&devices);
    if let Some(out) = labels {
        truth.write(out)?;
    }
    if let Some(out) = points {
        truth.write_points(&devices, out)?;
    }
    let rate = args.rate.unwrap_or_default();
    let pace = if rate > 0.0 {
        format!("{rate} a second")
    } else {
        "as fast as possible".to_owned()
    };
    output.note(&format!(
        "{}, {pace}: {}",
        sink.name(),
        about(&spec, &devices, &truth)
    ));
    truth.note(output);

    let form = if sink.wants_json() {
        Form::json(table_of(&devices))
    } else {
        Form::new(table_of(&devices), output.format())
    };
    let clock = Clock::start(rate)?;
    let n_emitted = emit(&devices, &form, &mut sink, &clock)?;
    if clock.is_stopped() {
        return Err(Failure::Interrupted(format!(
            "interrupted after {n_emitted} of {} per device",
            counted(spec.n_samples, "sample")
        )));
    }
    Ok(())
}

/// Sends sample after sample of all devices; gives how many of each were handed over when all were, or Ctrl-C came, or
/// nobody read any more.
fn emit(devices: &[Device], form: &Form, sink: &mut Sink, clock: &Clock) -> Result<usize, Failure> {
    let mut batch = Batch::headed(form.head());
    let n_samples = devices[0].frame.n_samples();
    let mut n_sent = 0;
    for sample_idx in 0..n_samples {
        if clock.wait_for(sample_idx).is_break() {
            break;
        }
        for (device_idx, device) in devices.iter().enumerate() {
            batch.add(device_idx, |text| form.push(text, &line(device, sample_idx)));
            // What is due goes out together, so that a slow receiver gets a few large messages.
            if batch.n_rows() >= BATCH_ROWS_MAX && sink.send(&mut batch, clock)?.is_break() {
                return Ok(n_sent);
            }
        }
        if !clock.is_due(sample_idx + 1) {
            if sink.send(&mut batch, clock)?.is_break() {
                return Ok(n_sent);
            }
            n_sent = sample_idx + 1;
        }
    }
    if sink.send(&mut batch, clock)?.is_continue() && !clock.is_stopped() {
        n_sent = n_samples;
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

    fn push(&self, text: &mut String, line: &Line<'_>) {
        match self {
            Self::Csv(table) => {
                text.push_str(&line.time);
                if table.series.is_some() {
                    text.push(',');
                    text.push_str(line.series);
                }
                for &value in line.values {
                    text.push(',');
                    if value.is_finite() {
                        push_real(text, value);
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
                    if value.is_finite() {
                        push_real(text, value);
                    } else {
                        text.push_str("null");
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
