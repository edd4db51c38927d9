//! An explanation as a JSON document, and as rows of channels.

use bellwether_core::detect::Mode;
use bellwether_core::event::severity;
use bellwether_core::explain::{Explanation, Onset};
use bellwether_core::time::Timestamp;
use serde_json::{Value, json};

use super::Explained;
use crate::commands::detect::{channel_names, time_text};
use crate::output::{Rows, object};

/// Channels whose trajectories are told.
pub(super) const N_TRAJECTORIES: usize = 3;

/// Keys of a channel, in order.
const CHANNEL_KEYS: [&str; 9] = [
    "channel",
    "share",
    "moved",
    "delay_s",
    "at",
    "value",
    "expected",
    "times_usual",
    "side",
];

/// Everything that is known of the stretch.
pub(super) fn document(explained: &Explained<'_>, mode: Mode) -> Value {
    let explanation = &explained.explanation;
    let names = channel_names(&explained.loaded.detector);
    let time = &explained.judged.recording.frame.time();
    let rows = &explanation.stretch.rows;
    let text = |row_idx: usize| time_text(&explained.judged.recording, time[row_idx]);
    let score = finite(explanation.peak_score);
    json!({
        "model": explained.loaded.reference,
        "mode": mode.to_string(),
        "series": explained.judged.recording.name,
        "event": explanation.stretch.event.map(|id| id.to_string()),
        "start": text(rows.start),
        "end": text(rows.end - 1),
        "samples": rows.len(),
        "peak_time": text(explanation.peak_idx),
        "peak_score": score,
        "severity": score.map(severity),
        "sentence": explained.sentence,
        "channels": self::rows(explained).objects(),
        "shares": {
            "channels": names,
            "times": rows.clone().map(text).collect::<Vec<_>>(),
            "scores": explanation.shares.score.iter().map(|score| finite(*score)).collect::<Vec<_>>(),
            "cells": explanation.shares.cells.chunks_exact(names.len()).collect::<Vec<_>>(),
        },
        "expected": trajectories(explained, &names),
    })
}

/// A row for each channel, those with the largest share first.
pub(super) fn rows(explained: &Explained<'_>) -> Rows {
    let explanation = &explained.explanation;
    let names = channel_names(&explained.loaded.detector);
    let shares = explanation.shares.of_channels();
    let recording = &explained.judged.recording;
    let time = recording.frame.time();
    let text = |row_idx: usize| time_text(recording, time[row_idx]);
    let mut rows = Rows::new(&CHANNEL_KEYS);
    for &channel_idx in &explanation.ranking {
        let onset = onset_of(explanation, channel_idx);
        let deviation = explanation.deviations[channel_idx];
        rows.push(vec![
            json!(names[channel_idx]),
            json!(shares[channel_idx]),
            json!(onset.map(|onset| text(onset.row_idx))),
            json!(onset.map(|onset| delay_s(explanation, time, onset))),
            json!(deviation.map(|of| text(of.row_idx))),
            json!(deviation.map(|of| of.value)),
            json!(deviation.map(|of| of.expected)),
            json!(deviation.map(|of| of.times_usual)),
            json!(deviation.map(|of| of.side.name())),
        ]);
    }
    rows
}

/// When the channel moved, if it did.
pub(super) fn onset_of(explanation: &Explanation, channel_idx: usize) -> Option<&Onset> {
    explanation
        .onsets
        .iter()
        .find(|onset| onset.channel_idx == channel_idx)
}

/// Seconds behind the first channel that moved.
pub(super) fn delay_s(explanation: &Explanation, time: &[Timestamp], onset: &Onset) -> f64 {
    let first = explanation.onsets.first().map_or(onset.row_idx, |first| first.row_idx);
    time[onset.row_idx].since(time[first]).as_secs_f64()
}

/// Measured and expected values of the first channels, in the stretch and around it.
fn trajectories(explained: &Explained<'_>, names: &[String]) -> Vec<Value> {
    let explanation = &explained.explanation;
    let expected = &explanation.expected;
    let n = names.len();
    let recording = &explained.judged.recording;
    let time = recording.frame.time();
    let times: Vec<&str> = expected.rows.clone().map(|row| time_text(recording, time[row])).collect();
    let column = |values: &[f64], channel_idx: usize| {
        let of_channel = values.iter().skip(channel_idx).step_by(n);
        json!(of_channel.map(|value| finite(*value)).collect::<Vec<_>>())
    };
    let top = explanation.ranking.iter().take(N_TRAJECTORIES);
    top.map(|&channel_idx| {
        object([
            ("channel", json!(names[channel_idx])),
            ("times", json!(times)),
            ("values", column(&explanation.values, channel_idx)),
            ("expected", column(&expected.expected, channel_idx)),
            ("lower", column(&expected.lower, channel_idx)),
            ("upper", column(&expected.upper, channel_idx)),
        ])
    })
    .collect()
}

/// What is not a number is null.
pub(super) fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
