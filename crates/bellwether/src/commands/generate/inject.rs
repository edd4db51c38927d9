//! Faults put into given data: the same rows with the same times, other values where a fault is.

use std::path::Path;

use bellwether_core::synth::{self, AnomalySpec, Device};
use bellwether_core::time::Spacing;
use bellwether_store::read::{self, Note, Recording};
use bellwether_store::registry::ModelName;
use serde_json::{Value, json};

use super::recorded::Recording as Spoilt;
use super::table::{self, Line, Out, Table};
use super::truth::{Measured, Truth};
use super::{Beside, counted, is_stdout, names, note_next, shown, text};
use crate::cli::{Format, GenerateArgs};
use crate::commands::options;
use crate::failure::Failure;
use crate::output::{Output, object};

pub(super) fn run(args: &GenerateArgs, data: &Path, path: &Path, output: &Output) -> Result<(), Failure> {
    if args.reading.align.wish().is_some() {
        let text = "--align: faults are put into rows as they come; bring them to a grid afterwards";
        return Err(Failure::Usage(text.to_owned()));
    }
    if args.anomalies.is_empty() && args.defect.is_empty() {
        let text = "--inject-into: nothing to put in; give --anomaly KIND or --defect KIND";
        return Err(Failure::Usage(text.to_owned()));
    }
    let out = Out::create(path, output.format())?;
    let beside = Beside::create(args)?;
    let recordings = read::read(&[data.to_owned()], &options(&args.reading))?;
    for recording in &recordings {
        for note in &recording.notes {
            output.note(&format!("note: {}: {note}", recording.name));
        }
    }
    let table = table_of(&recordings, args)?;
    let devices = inject(&recordings, &args.anomalies, args.seed)?;
    let measured = Measured::all(&devices);
    let truth = Truth::of(&measured);
    let places = places(&recordings);
    let recording = match args.defect.as_slice() {
        [] => None,
        specs => {
            let spacing = Spacing::infer(devices[0].frame.time());
            let cadence = spacing.map_or(args.cadence, |spacing| spacing.cadence);
            Some(Spoilt::new(&devices, specs, cadence, args.seed)?)
        }
    };
    match &recording {
        Some(spoilt) => {
            let marks = marks_of_samples(&places, &recordings, &devices, &table);
            spoilt.write(&table, |row| marks[row.device_idx][row.sample_idx].clone(), out)?;
        }
        None => {
            table.write(out, |lines| {
                let mut places = places.iter();
                places.try_for_each(|place| lines.add(&line(place, &recordings, &devices, &table)))
            })?;
        }
    }
    beside.write(&truth, &measured, recording.as_ref())?;

    output.note(&format!(
        "{}: {} of {}, seed {}, {} put in",
        shown(path),
        counted(places.len(), "row"),
        data.display(),
        args.seed,
        counted(truth.faults.len(), "fault"),
    ));
    truth.note(output);
    if let Some(recording) = &recording {
        recording.note(output);
    }
    let time = measured[0].time;
    note_next(path, &model_name(data), time[time.len() / 4], &truth, output);
    if output.format() == Format::Table || is_stdout(path) {
        return Ok(());
    }
    let document = object([
        ("output", text(path)),
        ("labels", args.labels.as_deref().map_or(Value::Null, text)),
        ("injected_into", text(data)),
        ("seed", json!(args.seed)),
        ("devices", json!(names(&measured))),
        ("rows", json!(places.len())),
        ("channels", json!(table.channels)),
        ("faults", json!(truth.rows().objects())),
        (
            "defects",
            json!(recording.as_ref().map_or_else(Vec::new, Spoilt::summary)),
        ),
    ]);
    output.answer(&document, &truth.rows())
}

/// The columns of the answer: those of the data, as far as reading keeps them.
fn table_of(recordings: &[Recording], args: &GenerateArgs) -> Result<Table, Failure> {
    let first = &recordings[0];
    let channels = |of: &Recording| table::names(of.frame.schema().channels());
    if let Some(other) = recordings.iter().find(|other| channels(other) != channels(first)) {
        return Err(Failure::message(format!(
            "series {} and {} have different channels and do not go into one table; inject into one file at a time",
            first.name, other.name
        )));
    }
    let called =
        |option: &Option<String>, default: &str| option.clone().unwrap_or_else(|| default.to_owned());
    let has = |of: fn(&Recording) -> bool| recordings.iter().any(of);
    let marks = [
        ("is_anomaly", has(|recording| recording.labels.is_some())),
        ("changepoint", has(|recording| recording.changepoints.is_some())),
    ];
    let table = Table {
        time: called(&args.reading.time_column, "timestamp"),
        series: (recordings.len() > 1).then(|| called(&args.reading.series_column, "device")),
        channels: channels(first),
        marks: marks
            .into_iter()
            .filter_map(|(name, is_there)| is_there.then_some(name))
            .collect(),
    };
    let mut taken = std::iter::once(&table.time).chain(&table.series);
    match taken.find(|name| table.channels.contains(name)) {
        Some(name) => Err(Failure::message(format!(
            "a channel is called {name:?}, as the column of the time or series would be; name those columns with \
             --time-column and --series-column, or leave the channel out with --ignore-column {name}"
        ))),
        None => Ok(table),
    }
}

/// Puts each anomaly into the series it is meant for.
fn inject(recordings: &[Recording], anomalies: &[AnomalySpec], seed: u64) -> Result<Vec<Device>, Failure> {
    let names: Vec<&str> = recordings
        .iter()
        .map(|recording| recording.name.as_str())
        .collect();
    let assigned = synth::assign(anomalies, &names, seed)?;
    let mut devices = Vec::with_capacity(recordings.len());
    for (idx, (recording, anomalies)) in recordings.iter().zip(assigned).enumerate() {
        // A seed of its own for each series, or all would break at the same places.
        let seed = seed.wrapping_add(idx as u64);
        let (frame, faults) = synth::inject(&recording.frame, &anomalies, seed)
            .map_err(|error| Failure::message(format!("{}: {error}", recording.name)))?;
        devices.push(Device {
            name: recording.name.clone(),
            frame,
            faults,
        });
    }
    Ok(devices)
}

/// A row to write: which series, which row of its input, and what its marks say.
struct Place {
    recording_idx: usize,
    row_idx: usize,
    is_anomaly: bool,
    is_changepoint: bool,
}

/// The rows in the order of the input; of a table in long form one for each instant, by time.
fn places(recordings: &[Recording]) -> Vec<Place> {
    let is_any_long = recordings.iter().any(is_long);
    let mut places = Vec::new();
    for (recording_idx, recording) in recordings.iter().enumerate() {
        let rows = &recording.rows;
        let is_marked =
            |marks: &Option<Vec<bool>>, row_idx: usize| marks.as_ref().is_some_and(|marks| marks[row_idx]);
        // Of a sample, the place among `places` that stands for it.
        let mut of_sample: Vec<Option<usize>> = vec![None; recording.frame.n_samples()];
        for row_idx in 0..rows.n_rows() {
            let place = Place {
                recording_idx,
                row_idx,
                is_anomaly: is_marked(&recording.labels, row_idx),
                is_changepoint: is_marked(&recording.changepoints, row_idx),
            };
            match of_sample[rows.sample_idx(row_idx)] {
                Some(idx) if is_any_long => {
                    let known: &mut Place = &mut places[idx];
                    known.is_anomaly |= place.is_anomaly;
                    known.is_changepoint |= place.is_changepoint;
                }
                _ => {
                    of_sample[rows.sample_idx(row_idx)] = Some(places.len());
                    places.push(place);
                }
            }
        }
    }
    let position = |place: &Place| recordings[place.recording_idx].rows.position(place.row_idx);
    let time = |place: &Place| {
        let recording = &recordings[place.recording_idx];
        recording.frame.time()[recording.rows.sample_idx(place.row_idx)]
    };
    if is_any_long {
        // Long tables may come channel after channel, which would let the time of whole samples run backwards.
        places.sort_by_key(|place| (time(place), place.recording_idx));
    } else {
        places.sort_by_key(position);
    }
    places
}

/// Whether it was read from a table with a row per value: more rows than samples and repeated rows account for.
fn is_long(recording: &Recording) -> bool {
    let n_repeated = |note: &Note| match note {
        Note::RepeatedTimes { n_rows, .. } => *n_rows,
        _ => 0,
    };
    let n_repeated: usize = recording.notes.iter().map(n_repeated).sum();
    recording.rows.n_rows() > recording.frame.n_samples() + n_repeated
}

fn line<'a>(place: &Place, recordings: &'a [Recording], devices: &'a [Device], table: &Table) -> Line<'a> {
    let (recording, device) = (&recordings[place.recording_idx], &devices[place.recording_idx]);
    let sample_idx = recording.rows.sample_idx(place.row_idx);
    let is_faulty = |fault: &synth::Fault| (fault.first_idx..=fault.last_idx).contains(&sample_idx);
    let mark = |name: &&str| match *name {
        "changepoint" => place.is_changepoint,
        _ => place.is_anomaly || device.faults.iter().any(is_faulty),
    };
    Line {
        time: recording.rows.time_text(place.row_idx).into(),
        series: &recording.name,
        values: device.frame.sample(sample_idx).values,
        marks: table.marks.iter().map(mark).collect(),
    }
}

/// The marks of each sample of each series.
fn marks_of_samples(
    places: &[Place],
    recordings: &[Recording],
    devices: &[Device],
    table: &Table,
) -> Vec<Vec<Vec<bool>>> {
    let empty = |recording: &Recording| vec![vec![false; table.marks.len()]; recording.frame.n_samples()];
    let mut all: Vec<Vec<Vec<bool>>> = recordings.iter().map(empty).collect();
    for place in places {
        let sample_idx = recordings[place.recording_idx].rows.sample_idx(place.row_idx);
        let of_sample = &mut all[place.recording_idx][sample_idx];
        let marks = line(place, recordings, devices, table).marks;
        for (mark, says) in of_sample.iter_mut().zip(marks) {
            *mark |= says;
        }
    }
    all
}

/// The name of the data as a name of a model, if it can be one.
fn model_name(data: &Path) -> String {
    let stem = data
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    match stem.parse::<ModelName>() {
        Ok(name) => name.to_string(),
        Err(_) => "my-model".to_owned(),
    }
}
