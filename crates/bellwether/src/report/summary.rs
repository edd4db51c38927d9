//! A report in one paragraph, for the reader who stops there.

use bellwether_core::time::{Timestamp, humane};

use super::Report;
use super::series::{EventRow, SeriesReport};

/// What was watched, with what, what was found, and what could not be judged.
pub(super) fn paragraph(report: &Report) -> String {
    let sentences = [
        watched(report),
        found(report),
        strongest(report),
        unscored(report),
    ];
    sentences.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn watched(report: &Report) -> Option<String> {
    let totals = &report.totals;
    let start = report.series.iter().map(|series| series.start).min()?;
    let end = report.series.iter().map(|series| series.end).max()?;
    let model = report
        .model
        .as_ref()
        .map_or_else(String::new, |model| format!(" with model {model}"));
    let span = format!(
        "from {} to {} UTC ({})",
        clock(start),
        clock(end),
        humane(end.since(start))
    );
    let samples = counted(totals.n_samples, "sample");
    Some(match report.series.as_slice() {
        [only] if totals.n_series == 1 => {
            let channels = counted(only.n_channels, "channel");
            let every = humane(only.cadence_ms);
            format!(
                "{} was watched {span}{model}: {samples} of {channels}, one every {every}.",
                only.name
            )
        }
        _ => format!(
            "{} series were watched {span}{model}: {samples} in all.",
            grouped(totals.n_series)
        ),
    })
}

fn found(report: &Report) -> Option<String> {
    let totals = &report.totals;
    if totals.n_series == 0 {
        return None;
    }
    if totals.n_samples == totals.n_unscored {
        return Some("No sample could be scored.".to_owned());
    }
    let threshold = match report.threshold {
        Some(error) => format!(
            "the alarm threshold (score 1.0, a raw error of {})",
            super::decimate::round5(error)
        ),
        None => "the alarm threshold (score 1.0)".to_owned(),
    };
    if totals.n_events == 0 {
        let worst = report
            .series
            .iter()
            .max_by(|a, b| a.badness().total_cmp(&b.badness()))?;
        return Some(format!(
            "No event was found: nothing stayed above {threshold}; the highest score was {:.2}.",
            worst.worst_score
        ));
    }
    let of_series = if totals.n_series > 1 {
        format!(" in {} of the series", grouped(totals.n_series_with_events))
    } else {
        String::new()
    };
    let share = totals.in_events_ms.as_secs_f64() / totals.watched_ms.as_secs_f64().max(f64::MIN_POSITIVE);
    let verb = if totals.n_events == 1 { "was" } else { "were" };
    Some(format!(
        "{} {verb} found{of_series} above {threshold}, lasting {} together, {} of the time.",
        counted(totals.n_events, "event"),
        humane(totals.in_events_ms),
        percent(share)
    ))
}

fn strongest(report: &Report) -> Option<String> {
    let events = report
        .series
        .iter()
        .flat_map(|series| series.events.iter().map(move |event| (series, event)));
    let (series, event): (&SeriesReport, &EventRow) =
        events.max_by(|a, b| a.1.peak_score.total_cmp(&b.1.peak_score))?;
    let of_series = if report.totals.n_series > 1 {
        format!(" of {}", series.name)
    } else {
        String::new()
    };
    let carried = event.channels.first().map_or_else(String::new, |top| {
        format!(", carried by {} ({} of the score)", top.name, percent(top.share))
    });
    Some(format!(
        "The strongest, {}{of_series}, reached {:.2} at {} UTC{carried}.",
        event.id,
        event.peak_score,
        clock(event.peak_time)
    ))
}

fn unscored(report: &Report) -> Option<String> {
    let totals = &report.totals;
    if totals.n_unscored == 0 || totals.n_unscored == totals.n_samples {
        return None;
    }
    let share = totals.n_unscored as f64 / totals.n_samples as f64;
    Some(format!(
        "No score for {} of the samples, because a first window was still filling or values were missing.",
        percent(share)
    ))
}

/// `2024-03-01 06:00:00`: an instant as people write it.
fn clock(time: Timestamp) -> String {
    let text = time.to_string().replace('T', " ");
    text.trim_end_matches('Z').to_owned()
}

/// `1 event`, `12,000 events`.
fn counted(n: usize, noun: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(n))
}

/// Thousands set apart by commas.
fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (idx, digit) in digits.chars().enumerate() {
        if idx > 0 && (digits.len() - idx).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share as people say it; never "0 %" of something that is there.
fn percent(share: f64) -> String {
    match share * 100.0 {
        p if p <= 0.0 => "none".to_owned(),
        p if p < 0.1 => "less than 0.1 %".to_owned(),
        p if p < 10.0 => format!("{p:.1} %"),
        p => format!("{p:.0} %"),
    }
}
