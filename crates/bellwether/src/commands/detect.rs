//! `detect`: score every sample, find events, say because of which channels.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::Write;
use std::path::Path;

use bellwether_core::detect::{Detector, Mode};
use bellwether_core::event::Event;
use bellwether_core::frame::SeriesId;
use bellwether_core::threshold::Threshold;
use bellwether_core::time::Timestamp;
use bellwether_store::read::Recording;
use bellwether_store::write::{
    AtomicFile, Cell, Column, ColumnKind, Packed, TableFormat, TableWriter, VerdictColumns, VerdictRow,
    VerdictWriter, WriteError, packed_format,
};
use serde_json::{Value, json};

use crate::artifact::Loaded;
use crate::cli::DetectArgs;
use crate::commands::calendar::Calendar;
use crate::commands::judge::{Judged, common_model, judge_by, models};
use crate::commands::rates::{self, Rates};
use crate::commands::sensor_fault::fault;
use crate::commands::{dynamic, looking, read_for, refuse_overwriting};
use crate::failure::Failure;
use crate::output::{Output, Rows};

pub(crate) fn run(mut args: DetectArgs, output: &Output) -> Result<(), Failure> {
    args.data.group_by(args.devices.group_by.as_ref());
    let args = &args;
    check_formats(args)?;
    if args.threshold.is_some() {
        dynamic::check(args.mode)?;
    }
    let outputs = [
        ("--output", args.output.as_ref()),
        ("--events", args.events.as_ref()),
        ("--expected", args.expected.as_ref()),
        ("--report", args.report.as_ref()),
    ];
    refuse_overwriting(&args.data.data, outputs)?;
    let (loaded, own) = models(&args.model, args.devices.group_by.as_deref(), args.threads.n())?;
    let calendar = args.calendar.as_deref();
    let zone = args.data.reading.timezone.as_ref();
    let calendar = calendar.map(|file| Calendar::read(file, zone)).transpose()?;
    let recordings = read_for(&loaded.manifest, &args.data, output)?;
    let mut judged = judge_by(
        &loaded,
        own.as_ref(),
        calendar.as_ref(),
        recordings,
        args.mode,
        output,
    )?;
    if let Some(prune) = args.threshold {
        dynamic::apply(&mut judged, prune, output)?;
    }
    // What one model has promised says nothing of the others.
    let is_promised = args.threshold.is_none() && own.is_none();
    let rates = Rates::new(&loaded.manifest, args.mode, &judged, is_promised);
    if let Some(path) = &args.output {
        write_rows(path, &judged, output)?;
    }
    if let Some(path) = &args.events {
        write_events(path, &judged)?;
    }
    if let Some(path) = &args.expected {
        write_expected(path, &judged, args.mode)?;
    }
    if let Some(path) = &args.report {
        let report = looking::report(&loaded, &judged, args.mode, &rates, None, None)?;
        looking::write(path, &report)?;
        output.note(&format!("report: {}", path.display()));
    }
    if args.output.as_deref() != Some(Path::new("-")) {
        if args.sweep {
            rates::sweep(&rates, &judged, output)?
        } else {
            answer(&loaded, &judged, &rates, output)?
        }
    }
    let n_events: usize = judged.iter().map(|series| series.scores.events.len()).sum();
    if args.fail_on_event && n_events > 0 {
        return Err(Failure::Gate(format!(
            "{n_events} events found (--fail-on-event)"
        )));
    }
    Ok(())
}

/// Every file's format is known before the work begins.
fn check_formats(args: &DetectArgs) -> Result<(), Failure> {
    let is_stdout = |path: &Path| path == Path::new("-");
    let files = args
        .output
        .iter()
        .filter(|path| !is_stdout(path))
        .chain(&args.events)
        .chain(&args.expected);
    for path in files {
        packed_format(path).map_err(|error| Failure::Usage(error.to_string()))?;
    }
    Ok(())
}

pub(crate) fn channel_names(detector: &Detector) -> Vec<String> {
    detector
        .pipeline()
        .schema()
        .channels()
        .iter()
        .map(|channel| channel.name().to_owned())
        .collect()
}

/// Opens `path` for a table, or stdout as CSV for `-`.
fn table(path: &Path, columns: Vec<Column>) -> Result<TableWriter<Packed<AtomicFile>>, Failure> {
    let (format, packing) = packed_format(path)?;
    let out = Packed::new(AtomicFile::create(path)?, packing).map_err(WriteError::Table)?;
    Ok(TableWriter::new(out, format, columns)?)
}

/// One row per input sample, in input order.
fn write_rows(path: &Path, judged: &[Judged], output: &Output) -> Result<(), Failure> {
    let columns = VerdictColumns {
        with_series: judged.iter().any(|series| series.recording.series.is_some()),
        with_reason: judged
            .iter()
            .any(|of| of.detector.pipeline().operation().is_some()),
        with_p_value: judged.iter().any(|of| of.detector.parts().rarity.is_some()),
    };
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        let mut writer = VerdictWriter::new(&mut bytes, TableFormat::Csv, columns)?;
        fill_rows(&mut writer, judged)?;
        writer.finish()?;
        return output.write(&String::from_utf8_lossy(&bytes));
    }
    let mut writer = VerdictWriter::create(path, columns)?;
    fill_rows(&mut writer, judged)?;
    Ok(writer.finish()?.commit()?)
}

fn fill_rows<W: Write + Send>(writer: &mut VerdictWriter<W>, judged: &[Judged]) -> Result<(), WriteError> {
    let channels: Vec<Vec<String>> = judged.iter().map(|of| channel_names(&of.detector)).collect();
    // Each series' rows are in order; the series may be interleaved in the input. The next row of each waits here.
    let next_of = |series: usize, row: usize| {
        let rows = &judged[series].recording.rows;
        (row < rows.n_rows()).then(|| Reverse((rows.position(row), series, row)))
    };
    let mut waiting: BinaryHeap<_> = (0..judged.len())
        .filter_map(|series| next_of(series, 0))
        .collect();
    while let Some(Reverse((_, series, row))) = waiting.pop() {
        waiting.extend(next_of(series, row + 1));
        let Judged {
            recording, scores, ..
        } = &judged[series];
        let sample = recording.rows.sample_idx(row);
        let top = scores.top[sample];
        let reason = judged[series].reason(sample);
        writer.row(&VerdictRow {
            time: recording.rows.time_text(row),
            series: &recording.name,
            score: scores.score[sample],
            event: scores.event[sample],
            top: top.map(|top| (channels[series][top.channel_idx].as_str(), top.share)),
            reason: reason.as_deref(),
            p_value: judged[series].detector.p_value(scores.mode, scores.score[sample]),
        })?;
    }
    Ok(())
}

/// Channels with their shares, largest first: `name=share;name=share`, summing to 1.
fn shares_text(event: &Event, channels: &[String]) -> String {
    let shares = shares(event, channels);
    shares
        .iter()
        .map(|(name, share)| format!("{name}={share:.6}"))
        .collect::<Vec<_>>()
        .join(";")
}

/// Channels with their shares of the event, largest first; they sum to 1.
pub(crate) fn shares(event: &Event, channels: &[String]) -> Vec<(String, f64)> {
    let mut shares: Vec<(String, f64)> = channels
        .iter()
        .cloned()
        .zip(event.shares.iter().copied())
        .collect();
    shares.sort_by(|a, b| b.1.total_cmp(&a.1));
    shares
}

/// What each member of the detector, and last the training ranges, has to do with the event; they sum to 1.
pub(crate) fn member_shares(detector: &Detector, event: &Event) -> Vec<(&'static str, f64)> {
    detector
        .member_names()
        .zip(event.members.iter().copied())
        .collect()
}

fn write_events(path: &Path, judged: &[Judged]) -> Result<(), Failure> {
    let columns = vec![
        Column::new("event", ColumnKind::Text),
        Column::new("series", ColumnKind::Text),
        Column::new("start", ColumnKind::Text),
        Column::new("end", ColumnKind::Text),
        Column::new("peak_time", ColumnKind::Text),
        Column::new("peak_score", ColumnKind::Real),
        Column::new("samples", ColumnKind::Integer),
        Column::new("severity", ColumnKind::Real),
        Column::new("kind", ColumnKind::Text),
        Column::new("channels", ColumnKind::Text),
        Column::new("fault", ColumnKind::Text),
    ];
    let mut writer = table(path, columns)?;
    for Judged {
        recording,
        scores,
        detector,
        ..
    } in judged
    {
        let channels = channel_names(detector);
        for event in &scores.events {
            let text = |at: Timestamp| time_text(recording, at);
            writer.row(&[
                Cell::Text(&event.id.to_string()),
                Cell::Text(&recording.name),
                Cell::Text(text(event.start)),
                Cell::Text(text(event.end)),
                Cell::Text(text(event.peak_time)),
                Cell::Real(event.peak_score),
                Cell::Integer(event.n_samples as i64),
                Cell::Real(event.severity()),
                Cell::Text(event.kind.name()),
                Cell::Text(&shares_text(event, &channels)),
                Cell::Text(fault(event).unwrap_or_default()),
            ])?;
        }
    }
    Ok(writer.finish()?.commit()?)
}

/// The instant of a sample as it stands in the input.
pub(crate) fn time_text(recording: &Recording, at: Timestamp) -> &str {
    let sample = recording.frame.time().partition_point(|&time| time < at);
    let (mut low, mut high) = (sample, recording.rows.n_rows() - 1);
    // Rows are never before their sample; repeated times push them behind it.
    while low < high {
        let middle = (low + high) / 2;
        if recording.rows.sample_idx(middle) < sample {
            low = middle + 1
        } else {
            high = middle
        }
    }
    recording.rows.time_text(low)
}

/// Rows whose expected values are asked for at once.
const EXPECTED_ROWS: usize = 4096;

fn write_expected(path: &Path, judged: &[Judged], mode: Mode) -> Result<(), Failure> {
    let with_series = judged.iter().any(|series| series.recording.series.is_some());
    let mut columns = vec![Column::new("timestamp", ColumnKind::Text)];
    if with_series {
        columns.push(Column::new("series", ColumnKind::Text));
    }
    columns.push(Column::new("channel", ColumnKind::Text));
    let reals = ["value", "expected", "lower", "upper", "share"];
    columns.extend(reals.map(|name| Column::new(name, ColumnKind::Real).optional()));
    let mut writer = table(path, columns)?;
    for Judged {
        recording, detector, ..
    } in judged
    {
        let frame = &recording.frame;
        let channels = channel_names(detector);
        let shares = all_shares(detector, recording, mode)?;
        let measured = detector.pipeline().derive(frame).map_err(Failure::misfit)?.frame;
        for first in (0..frame.n_samples()).step_by(EXPECTED_ROWS) {
            let rows = first..(first + EXPECTED_ROWS).min(frame.n_samples());
            let expected = detector
                .expected(frame, rows.clone(), mode)
                .map_err(Failure::misfit)?;
            for row in rows {
                let text = time_text(recording, frame.time()[row]);
                let sample = measured.sample(row);
                for (idx, channel) in channels.iter().enumerate() {
                    let at = (row - first) * channels.len() + idx;
                    let mut cells = vec![Cell::Text(text)];
                    if with_series {
                        cells.push(Cell::Text(&recording.name));
                    }
                    cells.push(Cell::Text(channel));
                    cells.push(Cell::Real(sample.values[idx]));
                    cells.push(Cell::Real(expected.expected[at]));
                    cells.push(Cell::Real(expected.lower[at]));
                    cells.push(Cell::Real(expected.upper[at]));
                    cells.push(Cell::Real(f64::from(shares[row * channels.len() + idx])));
                    writer.row(&cells)?;
                }
            }
        }
    }
    Ok(writer.finish()?.commit()?)
}

/// Shares of all channels for each row, `[n_samples, n_channels]`; NaN where a row has no score.
fn all_shares(detector: &Detector, recording: &Recording, mode: Mode) -> Result<Vec<f32>, Failure> {
    let n = detector.pipeline().n_channels();
    let mut shares = vec![f32::NAN; recording.frame.n_samples() * n];
    let series = SeriesId::new(recording.name.as_str());
    detector
        .score_with(&series, recording.frame.clone(), mode, &mut |row| {
            let of_row = &mut shares[row.row_idx * n..(row.row_idx + 1) * n];
            for (to, share) in of_row.iter_mut().zip(row.shares) {
                *to = *share as f32;
            }
        })
        .map_err(Failure::misfit)?;
    Ok(shares)
}

/// The events on stdout, a summary on stderr.
fn answer(loaded: &Loaded, judged: &[Judged], rates: &Rates, output: &Output) -> Result<(), Failure> {
    let mut rows = Rows::new(&[
        "event",
        "series",
        "start",
        "end",
        "samples",
        "peak_score",
        "severity",
        "kind",
        "fault",
        "confidence",
        "channels",
    ]);
    let (mut events, mut series) = (Vec::new(), Vec::new());
    for of_series in judged {
        let Judged {
            recording,
            scores,
            detector,
            ..
        } = of_series;
        let channels = channel_names(detector);
        for event in &scores.events {
            let shares = shares(event, &channels);
            let top: Vec<String> = shares
                .iter()
                .take(3)
                .filter(|(_, share)| *share >= 0.01)
                .map(|(name, share)| format!("{name} {:.0}%", share * 100.0))
                .collect();
            let (start, end) = (time_text(recording, event.start), time_text(recording, event.end));
            rows.push(vec![
                json!(event.id.to_string()),
                json!(recording.name),
                json!(start),
                json!(end),
                json!(event.n_samples),
                json!(event.peak_score),
                json!(event.severity()),
                json!(event.kind.name()),
                json!(fault(event)),
                json!(event.confidence),
                json!(top.join(", ")),
            ]);
            let all: serde_json::Map<String, Value> = shares
                .into_iter()
                .map(|(name, share)| (name, json!(share)))
                .collect();
            let members: serde_json::Map<String, Value> = member_shares(detector, event)
                .into_iter()
                .map(|(name, share)| (name.to_owned(), json!(share)))
                .collect();
            events.push(json!({
                "event": event.id.to_string(),
                "series": recording.name,
                "start": start,
                "end": end,
                "peak_time": time_text(recording, event.peak_time),
                "peak_score": event.peak_score,
                "samples": event.n_samples,
                "severity": event.severity(),
                "kind": event.kind.name(),
                "fault": fault(event),
                "confidence": event.confidence,
                "is_open": event.is_open,
                "channels": all,
                "members": members,
            }));
        }
        series.push(summary(of_series));
    }
    let n_samples: usize = judged
        .iter()
        .map(|series| series.recording.frame.n_samples())
        .sum();
    let model = common_model(loaded, judged);
    output.note(&format!(
        "{}: {} events in {n_samples} samples of {} series",
        model.unwrap_or("models of their own"),
        events.len(),
        judged.len()
    ));
    output.note(&format!("alarms: {}", rates.in_words()));
    if events.is_empty() && output.format() == crate::cli::Format::Table {
        return Ok(());
    }
    let document = json!({
        "model": model,
        "mode": judged.first().map(|series| series.scores.mode.to_string()),
        "threshold": rates::common_threshold(judged).map(Threshold::error),
        "alarms": rates.json(),
        "events": events,
        "series": series,
    });
    output.answer(&document, &rows)
}

fn summary(judged: &Judged) -> Value {
    let Judged {
        recording,
        scores,
        threshold,
        ..
    } = judged;
    let worst = scores.score.iter().copied().fold(f64::NAN, f64::max);
    let mut summary = json!({
        "series": recording.name,
        "model": judged.reference,
        "threshold": threshold.error(),
        "samples": recording.frame.n_samples(),
        "scored": scores.score.iter().filter(|score| !score.is_nan()).count(),
        "filling": scores.unscored.n_filling,
        "missing": scores.unscored.n_missing,
        "anomalous": scores.score.iter().filter(|&&score| score >= 1.0).count(),
        "events": scores.events.len(),
        "worst_score": worst,
    });
    let filled = recording.frame.filled();
    if !filled.is_empty() {
        let channels = recording.frame.schema().channels().iter().enumerate();
        let of = |idx: usize| filled.iter().skip(idx).step_by(recording.frame.n_channels());
        let counts: serde_json::Map<String, Value> = channels
            .map(|(idx, channel)| {
                (
                    channel.name().to_owned(),
                    json!(of(idx).filter(|mark| **mark).count()),
                )
            })
            .collect();
        summary["filled"] = counts.into();
    }
    if judged.detector.pipeline().operation().is_some() {
        let reasons: serde_json::Map<String, Value> = judged
            .outside()
            .into_iter()
            .map(|(reason, n)| (reason, json!(n)))
            .collect();
        summary["outside"] = json!(scores.unscored.n_outside);
        summary["outside_reasons"] = reasons.into();
    }
    summary
}
