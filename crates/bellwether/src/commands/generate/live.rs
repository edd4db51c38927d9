//! A fleet as it would send: the samples of the batch, paced by the clock, to stdout.

use std::io::{self, BufWriter, Write};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use bellwether_core::synth::{self, Device};
use bellwether_store::write::push_real;
use serde_json::json;

use super::table::{Line, Out, Table};
use super::{Truth, about, counted, line, plant, table_of};
use crate::cli::{Format, GenerateArgs};
use crate::failure::Failure;
use crate::output::Output;

pub(super) fn run(args: &GenerateArgs, output: &Output) -> Result<(), Failure> {
    let labels = args.labels.as_deref().map(Out::create_file).transpose()?;
    let spec = plant(args);
    // All at once: faults are drawn over the whole, so that live and batch are the same data.
    let devices = synth::generate(&spec)?;
    let truth = Truth::of(&devices);
    if let Some(out) = labels {
        truth.write(out)?;
    }
    let rate = args.rate.unwrap_or_default();
    let pace = if rate > 0.0 {
        format!("{rate} a second")
    } else {
        "as fast as possible".to_owned()
    };
    output.note(&format!("stdout, {pace}: {}", about(&spec, &devices, &truth)));
    truth.note(output);

    let clock = Clock::start(rate)?;
    match emit(&devices, output.format(), &clock) {
        Ok(n_emitted) if n_emitted < spec.n_samples => Err(Failure::Interrupted(format!(
            "interrupted after {n_emitted} of {} per device",
            counted(spec.n_samples, "sample")
        ))),
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Writes sample after sample of all devices; gives how many of each there were when all, or Ctrl-C, came.
fn emit(devices: &[Device], format: Format, clock: &Clock) -> io::Result<usize> {
    let mut out = BufWriter::new(io::stdout().lock());
    let form = Form::new(table_of(devices), format);
    let mut text = form.head();
    let n_samples = devices[0].frame.n_samples();
    for sample_idx in 0..n_samples {
        if clock.wait_for(sample_idx).is_break() {
            out.flush()?;
            return Ok(sample_idx);
        }
        for device in devices {
            form.push(&mut text, &line(device, sample_idx));
        }
        out.write_all(text.as_bytes())?;
        text.clear();
        if clock.rate > 0.0 {
            out.flush()?;
        }
    }
    out.flush()?;
    Ok(n_samples)
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
            _ => Self::Json {
                channels: table
                    .channels
                    .iter()
                    .map(|name| json!(name).to_string())
                    .collect(),
            },
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
struct Clock {
    begin: Instant,
    /// Samples a second; 0 for at once.
    rate: f64,
    stop: Receiver<()>,
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
        Ok(Self { begin, rate, stop })
    }

    /// Waits until the sample is due, counted from the beginning so that delays do not add up; breaks on Ctrl-C.
    fn wait_for(&self, sample_idx: usize) -> std::ops::ControlFlow<()> {
        let due = if self.rate > 0.0 {
            Duration::try_from_secs_f64(sample_idx as f64 / self.rate).unwrap_or(Duration::MAX)
        } else {
            Duration::ZERO
        };
        match self.stop.recv_timeout(due.saturating_sub(self.begin.elapsed())) {
            Ok(()) => std::ops::ControlFlow::Break(()),
            Err(_) => std::ops::ControlFlow::Continue(()),
        }
    }
}
