//! An explanation as facts to write: the JSON document, the rows of its table, the page.

use bellwether_core::event::severity;
use bellwether_core::explain::similar::{Past, most_similar};
use bellwether_core::explain::unit::unit_of;
use bellwether_core::explain::{Counterfactual, Explanation};
use serde_json::json;

use super::Explained;
use crate::commands::detect::{channel_names, time_text};
use crate::output::Rows;
use crate::report::causes as facts;

/// Channels whose trajectories are told.
const N_TRAJECTORIES: usize = 3;

/// Events that looked alike.
const N_SIMILAR: usize = 5;

/// Everything that is known of the stretch. `past`: the events to compare with.
pub(super) fn causes(explained: &Explained<'_>, past: &[Past]) -> facts::Causes {
    let Explained {
        loaded,
        judged,
        explanation,
        sentence,
        mode,
    } = explained;
    let names = channel_names(&loaded.detector);
    let rows = &explanation.stretch.rows;
    let text = |row_idx: usize| text(explained, row_idx);
    let score = finite(explanation.peak_score);
    let shares = named(&names, &explanation.shares.of_channels());
    let similar = most_similar(&shares, past, N_SIMILAR);
    facts::Causes {
        model: loaded.reference.clone(),
        mode: mode.to_string(),
        series: judged.recording.name.clone(),
        event: explanation.stretch.event.map(|id| id.to_string()),
        start: text(rows.start),
        end: text(rows.end - 1),
        samples: rows.len(),
        peak_time: text(explanation.peak_idx),
        peak_score: score,
        severity: score.map(severity),
        sentence: sentence.clone(),
        channels: channels(explained, &names),
        shares: facts::Shares {
            times: rows.clone().map(text).collect(),
            scores: explanation
                .shares
                .score
                .iter()
                .map(|score| finite(*score))
                .collect(),
            cells: by_row(&explanation.shares.cells, names.len()),
            channels: names.clone(),
        },
        expected: trajectories(explained, &names),
        pairs: pairs(explanation, &names),
        window: explanation.gradients.as_ref().map(|gradients| facts::Window {
            measured: gradients.measured,
            expected: gradients.expected,
            gap: gradients.gap(),
            gradients: by_row(&gradients.cells, names.len()),
        }),
        counterfactual: explanation
            .counterfactual
            .as_ref()
            .map(|of| counterfactual(explained, of, &names)),
        similar: similar
            .into_iter()
            .map(|(past, similarity)| facts::Similar {
                event: past.event.clone(),
                series: past.series.clone(),
                start: past.start.clone(),
                end: past.end.clone(),
                kind: past.kind.clone(),
                similarity,
            })
            .collect(),
    }
}

/// Keys of a channel in the table, in order.
const KEYS: [&str; 11] = [
    "channel",
    "share",
    "cured",
    "moved",
    "delay_s",
    "value",
    "expected",
    "times_usual",
    "side",
    "shapley",
    "shapley_error",
];

/// A row for each channel, the likeliest cause first.
pub(super) fn rows(causes: &facts::Causes) -> Rows {
    let mut rows = Rows::new(&KEYS);
    for cause in &causes.channels {
        rows.push(vec![
            json!(cause.channel),
            json!(cause.share),
            json!(cause.cured),
            json!(cause.moved),
            json!(cause.delay_s),
            json!(cause.value),
            json!(cause.expected),
            json!(cause.times_usual),
            json!(cause.side),
            json!(cause.shapley),
            json!(cause.shapley_error),
        ]);
    }
    rows
}

fn channels(explained: &Explained<'_>, names: &[String]) -> Vec<facts::Cause> {
    let explanation = &explained.explanation;
    let time = explained.judged.recording.frame.time();
    let shares = explanation.shares.of_channels();
    let gradients = explanation
        .gradients
        .as_ref()
        .map(|gradients| gradients.of_channels(names.len()));
    let first = explanation.onsets.first();
    let cause = |&channel_idx: &usize| {
        let onset = explanation
            .onsets
            .iter()
            .find(|onset| onset.channel_idx == channel_idx);
        let remedy = explanation
            .remedies
            .iter()
            .find(|remedy| remedy.channel_idx == channel_idx);
        let deviation = explanation.deviations[channel_idx];
        let shapley = explanation.shapley.get(channel_idx);
        let behind = onset.zip(first);
        facts::Cause {
            channel: names[channel_idx].clone(),
            share: shares[channel_idx],
            cured: remedy.map(|remedy| remedy.cured),
            moved: onset.map(|onset| text(explained, onset.row_idx)),
            delay_s: behind
                .map(|(onset, first)| time[onset.row_idx].since(time[first.row_idx]).as_secs_f64()),
            at: deviation.map(|of| text(explained, of.row_idx)),
            value: deviation.map(|of| of.value),
            expected: deviation.map(|of| of.expected),
            unit: unit_of(&names[channel_idx]),
            times_usual: deviation.and_then(|of| finite(of.times_usual)),
            side: deviation.map(|of| of.side.name()),
            gradient: gradients.as_ref().map(|of| of[channel_idx]),
            shapley: shapley.map(|of| of.value),
            shapley_error: shapley.map(|of| of.standard_error),
        }
    };
    explanation.ranking.iter().map(cause).collect()
}

/// Measured and expected values of the likeliest causes, in the stretch and around it.
fn trajectories(explained: &Explained<'_>, names: &[String]) -> Vec<facts::Trajectory> {
    let explanation = &explained.explanation;
    let expected = &explanation.expected;
    let (rows, stretch) = (&expected.rows, &explanation.stretch.rows);
    let times: Vec<String> = rows.clone().map(|row| text(explained, row)).collect();
    let trajectory = |&channel_idx: &usize| {
        let column = |values: &[f64]| {
            let of_channel = values.iter().skip(channel_idx).step_by(names.len());
            of_channel.map(|value| finite(*value)).collect()
        };
        facts::Trajectory {
            channel: names[channel_idx].clone(),
            unit: unit_of(&names[channel_idx]),
            times: times.clone(),
            values: column(&explanation.values),
            expected: column(&expected.expected),
            lower: column(&expected.lower),
            upper: column(&expected.upper),
            stretch: [stretch.start - rows.start, stretch.end - rows.start],
        }
    };
    explanation
        .ranking
        .iter()
        .take(N_TRAJECTORIES)
        .map(trajectory)
        .collect()
}

fn pairs(explanation: &Explanation, names: &[String]) -> Vec<facts::Pair> {
    let pairs = explanation.pairs.iter();
    pairs
        .map(|pair| facts::Pair {
            channels: pair.channels.map(|idx| names[idx].clone()),
            training: pair.training,
            before: pair.before,
            now: pair.now,
            n_effective: pair.n_effective,
            q_value: pair.q_value,
        })
        .collect()
}

/// Each change where it is largest within the stretch.
fn counterfactual(explained: &Explained<'_>, of: &Counterfactual, names: &[String]) -> facts::Counterfactual {
    let stretch = &explained.explanation.stretch.rows;
    let frame = &explained.judged.recording.frame;
    let changes = of.changes.iter().map(|change| {
        let name = &names[change.channel_idx];
        let column = frame.schema().channel_idx(name);
        let measured = |row: usize| column.map_or(f64::NAN, |column| frame.sample(row).values[column]);
        let wanted = |row: usize| change.values[row - change.first_idx];
        let off = |row: usize| {
            let off = (wanted(row) - measured(row)).abs();
            if off.is_nan() { -1.0 } else { off }
        };
        let most = stretch
            .clone()
            .max_by(|&a, &b| off(a).total_cmp(&off(b)))
            .unwrap_or(stretch.start);
        facts::Change {
            channel: name.clone(),
            unit: unit_of(name),
            at: text(explained, most),
            value: finite(measured(most)),
            wanted: finite(wanted(most)),
        }
    });
    facts::Counterfactual {
        is_normal: of.is_normal,
        score: of.score,
        changes: changes.collect(),
    }
}

/// Channels with their shares.
pub(super) fn named(names: &[String], shares: &[f64]) -> Vec<(String, f64)> {
    names.iter().cloned().zip(shares.iter().copied()).collect()
}

/// The instant of a row as it stands in the input.
fn text(explained: &Explained<'_>, row_idx: usize) -> String {
    let recording = &explained.judged.recording;
    time_text(recording, recording.frame.time()[row_idx]).to_owned()
}

fn by_row(cells: &[f64], n: usize) -> Vec<Vec<f64>> {
    cells.chunks_exact(n).map(<[f64]>::to_vec).collect()
}

/// What is not a number is null.
fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
