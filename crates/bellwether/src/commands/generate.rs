//! `generate`: synthetic fleets with known faults, into a file or as they would happen; or the same faults put into
//! given data. The truth about them goes beside.

mod inject;
mod live;
mod recorded;
mod sink;
mod table;
mod truth;

use std::io;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::thread::{self, Builder};

use bellwether_core::frame::{Channel, Sample};
use bellwether_core::synth::{Fleet, Instants, Operation, PlantSpec};
use bellwether_core::time::{Timestamp, humane};
use bellwether_store::write::WriteError;
use serde_json::{Value, json};

use crate::cli::{Format, GenerateArgs};
use crate::commands::refuse_overwriting;
use crate::failure::Failure;
use crate::output::{Output, object};
use recorded::Recording;
use table::{Line, Out, Table};
use truth::{Measured, Truth};

pub(crate) fn run(args: &GenerateArgs, output: &Output) -> Result<(), Failure> {
    let outputs = [
        ("--output", args.output.as_ref()),
        ("--labels", args.labels.as_ref()),
        ("--points", args.points.as_ref()),
        ("--defects", args.defects.as_ref()),
    ];
    refuse_overwriting(args.inject_into.as_slice(), outputs)?;
    match (&args.output, args.to.as_deref(), &args.inject_into) {
        (Some(path), None, None) => make(args, path, output),
        (Some(path), None, Some(data)) => inject::run(args, data, path, output),
        (None, Some(address), _) => live::run(args, address, output),
        _ => Err(Failure::Usage(
            "where shall the data go? give -o FILE.csv (.jsonl and .parquet work too, `-` is stdout), or \
             --rate N --to URL for samples as they would happen (`-`, http://, mqtt://)"
                .to_owned(),
        )),
    }
}

fn make(args: &GenerateArgs, path: &Path, output: &Output) -> Result<(), Failure> {
    // Before the work: a name that will not do, or a missing folder, is told at once.
    let out = Out::create(path, output.format())?;
    let beside = Beside::create(args)?;
    let spec = plant(args);
    let fleet = Fleet::new(&spec)?;
    let table = table_of(spec.n_devices, fleet.channels());
    if args.defect.is_empty() {
        let time = match args.points {
            Some(_) => fleet.time()?,
            None => Vec::new(),
        };
        write(&fleet, &table, out)?;
        let devices = Measured::of_fleet(&fleet, &time);
        return tell(args, path, &table, &devices, None, beside, output);
    }
    let devices = fleet.into_devices()?;
    let recording = Recording::new(&devices, &args.defect, spec.cadence, spec.seed)?;
    recording.write(&table, |_| Vec::new(), out)?;
    let devices = Measured::all(&devices);
    tell(args, path, &table, &devices, Some(&recording), beside, output)
}

/// Writes the rows of the fleet; the next are made while the last are written.
fn write(fleet: &Fleet, table: &Table, out: Out) -> Result<(), Failure> {
    /// More would be of no use: whichever is slower has the other wait.
    const PIECES_AHEAD: usize = 2;
    let pieces = fleet.stream()?;
    table.write(out, |lines| {
        let mut add = |piece: Instants| {
            piece.samples().try_for_each(|(device_idx, sample)| {
                lines.add(&line(fleet.members()[device_idx].name(), sample))
            })
        };
        thread::scope(|scope| {
            let (made, ahead) = sync_channel(PIECES_AHEAD);
            let make = move || {
                for piece in pieces {
                    if made.send(piece).is_err() {
                        return; // the table ended early, and says why
                    }
                }
            };
            match Builder::new().spawn_scoped(scope, make) {
                Ok(maker) => {
                    let written = ahead.iter().try_for_each(&mut add);
                    drop(ahead);
                    // A table that lacks rows must not be taken for a whole one.
                    maker.join().unwrap_or_else(|panic| resume_unwind(panic));
                    written
                }
                // The system has no thread left.
                Err(_) => {
                    let pieces = fleet.stream().map_err(io::Error::other);
                    pieces.map_err(WriteError::Table)?.try_for_each(add)
                }
            }
        })
    })
}

/// Writes the truth beside, and says what was made.
fn tell(
    args: &GenerateArgs,
    path: &Path,
    table: &Table,
    devices: &[Measured<'_>],
    recording: Option<&Recording<'_>>,
    beside: Beside,
    output: &Output,
) -> Result<(), Failure> {
    let (spec, truth) = (plant(args), Truth::of(devices));
    beside.write(&truth, devices, recording)?;
    output.note(&format!(
        "{}: {}",
        shown(path),
        about(&spec, table.channels.len(), &truth)
    ));
    truth.note(output);
    if let Some(recording) = recording {
        recording.note(output);
    }
    let quarter = spec.instant(spec.n_samples / 4);
    note_next(path, spec.template.name(), quarter, &truth, output);
    if output.format() == Format::Table || is_stdout(path) {
        return Ok(());
    }
    let document = object([
        ("output", text(path)),
        ("labels", args.labels.as_deref().map_or(Value::Null, text)),
        ("template", json!(spec.template.name())),
        ("seed", json!(spec.seed)),
        ("devices", json!(names(devices))),
        ("samples", json!(spec.n_samples)),
        ("channels", json!(table.channels)),
        ("cadence_s", json!(spec.cadence.as_secs_f64())),
        ("start", json!(spec.start.to_string())),
        ("faults", json!(truth.rows().objects())),
        (
            "defects",
            json!(recording.map_or_else(Vec::new, Recording::summary)),
        ),
    ]);
    output.answer(&document, &truth.rows())
}

/// The files that are asked for beside the data.
struct Beside {
    labels: Option<Out>,
    points: Option<Out>,
    defects: Option<Out>,
}

impl Beside {
    fn create(args: &GenerateArgs) -> Result<Self, Failure> {
        let create = |path: &Option<PathBuf>| path.as_deref().map(Out::create_file).transpose();
        Ok(Self {
            labels: create(&args.labels)?,
            points: create(&args.points)?,
            defects: create(&args.defects)?,
        })
    }

    fn write(
        self,
        truth: &Truth,
        devices: &[Measured<'_>],
        recording: Option<&Recording<'_>>,
    ) -> Result<(), Failure> {
        if let Some(out) = self.labels {
            truth.write(out)?;
        }
        if let Some(out) = self.points {
            truth.write_points(devices, out)?;
        }
        if let (Some(out), Some(recording)) = (self.defects, recording) {
            recording.write_defects(out)?;
        }
        Ok(())
    }
}

/// The fleet that the flags describe.
fn plant(args: &GenerateArgs) -> PlantSpec {
    PlantSpec {
        template: args.template,
        n_samples: args.samples.get(),
        n_channels: args.channels.map(std::num::NonZeroUsize::get),
        n_devices: args.devices.get(),
        cadence: args.cadence,
        start: args.start,
        seed: args.seed,
        operation: Operation {
            stops_per_week: args.stops_per_week,
            set_points_per_week: args.set_points_per_week,
            ageing: args.ageing,
        },
        anomalies: args.anomalies.clone(),
    }
}

fn table_of(n_devices: usize, channels: &[Channel]) -> Table {
    Table {
        time: "timestamp".to_owned(),
        series: (n_devices > 1).then(|| "device".to_owned()),
        channels: table::names(channels),
        marks: Vec::new(),
    }
}

fn line<'a>(device: &'a str, sample: Sample<'a>) -> Line<'a> {
    Line {
        time: sample.time.to_string().into(),
        series: device,
        values: sample.values,
        marks: Vec::new(),
    }
}

fn names<'a>(devices: &[Measured<'a>]) -> Vec<&'a str> {
    devices.iter().map(|device| device.name).collect()
}

/// What was made, in a line.
fn about(spec: &PlantSpec, n_channels: usize, truth: &Truth) -> String {
    format!(
        "{} of {}, {} of {} each, one every {} from {}, seed {}, {}",
        counted(spec.n_devices, "device"),
        spec.template,
        counted(spec.n_samples, "sample"),
        counted(n_channels, "channel"),
        humane(spec.cadence),
        spec.start,
        spec.seed,
        counted(truth.faults.len(), "fault"),
    )
}

/// Says how to go on: train on what comes before the first fault, if that is enough to learn from: a quarter of the data.
fn note_next(path: &Path, name: &str, quarter: Timestamp, truth: &Truth, output: &Output) {
    let is_csv = path
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    if !is_csv || is_stdout(path) {
        return;
    }
    let until = match truth.first() {
        Some(first) if first > quarter => format!(" --until {first}"),
        _ => String::new(),
    };
    output.note(&format!(
        "go on: bellwether train {} --name {name}{until}",
        quoted(&path.display().to_string())
    ));
}

fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn shown(path: &Path) -> String {
    if is_stdout(path) {
        "stdout".to_owned()
    } else {
        path.display().to_string()
    }
}

/// A path as JSON, also where it is not UTF-8.
fn text(path: &Path) -> Value {
    json!(path.to_string_lossy())
}

/// `1 fault`, `2 faults`.
fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// A word as a POSIX shell takes it.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._/+:@=-".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_split_them() {
        let check = |text: &str, expect: &str| assert_eq!(quoted(text), expect);
        check("data/pump-1.csv", "data/pump-1.csv");
        check("my pump.csv", "'my pump.csv'");
        check("it's.csv", r"'it'\''s.csv'");
    }
}
