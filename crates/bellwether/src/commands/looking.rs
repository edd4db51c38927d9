//! The page to look at, made of what `detect` and `evaluate` found.

use std::path::Path;

use bellwether_core::detect::{Detector, Mode};
use bellwether_core::frame::Frame;
use bellwether_core::threshold::Threshold;
use bellwether_store::read::Recording;
use bellwether_store::write::AtomicFile;

use crate::artifact::Loaded;
use crate::commands::detect::{channel_names, member_shares, shares};
use crate::commands::judge::{Judged, common_model};
use crate::commands::now;
use crate::commands::rates::{Rates, common_threshold};
use crate::commands::sensor_fault::fault;
use crate::failure::Failure;
use crate::report::{Event, Expected, MetricsTable, Report, Resolution, SeriesInput, SeriesReport};

/// A report on series that were judged; `labels` holds the truth per sample of each where it is known.
pub(crate) fn report(
    loaded: &Loaded,
    judged: &[Judged],
    mode: Mode,
    rates: &Rates,
    labels: Option<&[Vec<bool>]>,
    metrics: Option<MetricsTable>,
) -> Result<Report, Failure> {
    let title = match judged {
        [only] => only.recording.name.clone(),
        many => format!("{} series", many.len()),
    };
    let mut report = Report::new(title, concat!("bellwether ", env!("CARGO_PKG_VERSION")));
    report.generated_at = Some(now());
    report.model = common_model(loaded, judged).map(str::to_owned);
    let threshold = common_threshold(judged);
    report.threshold = threshold.map(Threshold::error);
    let is_stored = |series: &Judged| series.threshold == series.detector.threshold(mode);
    let is_own = judged.iter().all(is_stored);
    let rule = if is_own {
        loaded.manifest.calibration.rule.as_str()
    } else {
        "dynamic, for each series by its own errors"
    };
    report
        .notes
        .push(format!("Scores are {mode}. Threshold rule: {rule}."));
    let record = match mode {
        Mode::Causal => &loaded.manifest.calibration.causal,
        Mode::Retrospective => &loaded.manifest.calibration.retrospective,
    };
    let is_common = report.model.is_some();
    if let Some(support) = record.support.as_ref().filter(|_| is_own && is_common) {
        report
            .notes
            .push(format!("The threshold rests on this: {support}."));
    }
    report.notes.push(format!("Alarms: {}.", rates.in_words()));
    report.sweep = rates.curve(judged);
    for series in judged {
        let recording = &series.recording;
        report.notes.extend(
            recording
                .notes
                .iter()
                .map(|note| format!("{}: {note}.", recording.name)),
        );
        for (reason, n) in series.outside() {
            report.notes.push(format!(
                "{}: {n} samples are outside of operation and have no score: {reason}.",
                recording.name
            ));
        }
    }
    report.metrics = metrics;
    let resolution = Resolution::for_fleet(judged.len());
    for (idx, series) in judged.iter().enumerate() {
        let labels = labels.map(|labels| labels[idx].as_slice());
        report.push(series_report(series, mode, labels, resolution)?);
    }
    Ok(report)
}

/// Truth per sample: a sample is anomalous where any of its rows is.
pub(crate) fn sample_labels(recording: &Recording, row_labels: &[bool]) -> Vec<bool> {
    let mut labels = vec![false; recording.frame.n_samples()];
    for (row, &label) in row_labels.iter().enumerate() {
        labels[recording.rows.sample_idx(row)] |= label;
    }
    labels
}

fn series_report(
    judged: &Judged,
    mode: Mode,
    labels: Option<&[bool]>,
    resolution: Resolution,
) -> Result<SeriesReport, Failure> {
    let Judged {
        recording,
        scores,
        detector,
        ..
    } = judged;
    let names = channel_names(detector);
    let channels: Vec<&str> = names.iter().map(String::as_str).collect();
    let events = scores.events.iter().map(|event| Event {
        id: event.id.to_string(),
        start: event.start,
        end: event.end,
        peak_time: event.peak_time,
        peak_score: event.peak_score,
        severity: format!("{:.0}", event.severity()),
        kind: Some(event.kind.to_string()),
        fault: fault(event),
        confidence: Some(event.confidence),
        channels: shares(event, &names),
        members: member_shares(detector, event),
    });
    let input = SeriesInput {
        name: &recording.name,
        channels: &channels,
        time: recording.frame.time(),
        score: &scores.score,
        events: events.collect(),
        labels,
    };
    let mut series = SeriesReport::new(input, resolution);
    let wanted = series.channels_to_chart();
    let columns = expected_columns(detector, &recording.frame, &wanted, mode)?;
    for (channel_idx, column) in wanted.into_iter().zip(columns) {
        let expected = Expected {
            expected: &column.expected,
            lower: &column.lower,
            upper: &column.upper,
        };
        series.chart_channel(channel_idx, channels[channel_idx], &column.value, Some(expected));
    }
    Ok(series)
}

/// One channel over time.
#[derive(Default)]
struct ColumnOverTime {
    value: Vec<f64>,
    expected: Vec<f64>,
    lower: Vec<f64>,
    upper: Vec<f64>,
}

/// Values and expectations of the wanted channels, asked for in pieces so that the rest is never in memory.
fn expected_columns(
    detector: &Detector,
    frame: &Frame,
    wanted: &[usize],
    mode: Mode,
) -> Result<Vec<ColumnOverTime>, Failure> {
    const PIECE: usize = 16_384;
    let measured = detector.pipeline().derive(frame).map_err(Failure::misfit)?.frame;
    let n = measured.n_channels();
    let mut columns: Vec<ColumnOverTime> = wanted.iter().map(|_| ColumnOverTime::default()).collect();
    for first in (0..frame.n_samples()).step_by(PIECE) {
        let rows = first..(first + PIECE).min(frame.n_samples());
        let answer = detector
            .expected(frame, rows.clone(), mode)
            .map_err(Failure::misfit)?;
        for (&channel_idx, column) in wanted.iter().zip(&mut columns) {
            for row in rows.clone() {
                let at = (row - first) * n + channel_idx;
                column.value.push(measured.sample(row).values[channel_idx]);
                column.expected.push(answer.expected[at]);
                column.lower.push(answer.lower[at]);
                column.upper.push(answer.upper[at]);
            }
        }
    }
    Ok(columns)
}

/// Writes the page, whole or not at all; a path that ends in `.json` gets the same facts as JSON.
pub(crate) fn write(path: &Path, report: &Report) -> Result<(), Failure> {
    let mut file = AtomicFile::create(path)?;
    if path.extension().is_some_and(|ending| ending == "json") {
        serde_json::to_writer(&mut file, &report.to_json()?)?;
    } else {
        report.write_html(&mut file)?;
    }
    Ok(file.commit()?)
}
