//! An explanation as one plain sentence, with numbers and units.

use std::time::Duration;

use super::unit::unit_of;
use super::{Explanation, Side};
use crate::detect::Detector;
use crate::event::severity;
use crate::frame::Frame;
use crate::time::{Timestamp, humane};

/// Channels named besides the first.
const N_OTHERS_MAX: usize = 2;

/// A channel that makes less of the scores is not worth a word.
const SHARE_MIN: f64 = 0.05;

/// What a person is told first: when, which channel, how far from what was expected, who followed, how severe.
pub fn sentence(detector: &Detector, frame: &Frame, explanation: &Explanation) -> String {
    let rows = &explanation.stretch.rows;
    let (start, end) = (frame.time()[rows.start], frame.time()[rows.end - 1]);
    let Some(&main) = explanation.ranking.first() else {
        return String::new();
    };
    let mut text = span(start, end);
    text += &main_clause(detector, explanation, main);
    for clause in others(detector, frame, explanation, main) {
        text += &clause;
    }
    let score = explanation.peak_score;
    text += &match score {
        score if score.is_nan() => "; no sample has a score".to_owned(),
        score if score < 1.0 => format!("; the score reached {score:.2}, no alarm"),
        score => format!("; severity {:.0}", severity(score)),
    };
    text + "."
}

fn main_clause(detector: &Detector, explanation: &Explanation, main: usize) -> String {
    let channel = name(detector, main);
    let n_missing = n_missing(explanation, main);
    let n_rows = explanation.stretch.rows.len();
    if 2 * n_missing >= n_rows {
        return format!("{channel} was not measured in {n_missing} of {n_rows} samples");
    }
    let Some(deviation) = explanation.deviations[main] else {
        return format!("{channel} stood out, but nothing is known of what to expect of it");
    };
    let did = match deviation.side {
        Side::Above => "rose above",
        Side::Below => "fell below",
        Side::Both => "strayed from",
    };
    format!(
        "{channel} {did} what the other channels imply ({}, {} times its usual error)",
        against(deviation.value, deviation.expected, channel),
        digits(deviation.times_usual, 2)
    )
}

/// `71.3 against 64.0 °C expected`: as many digits as tell the two apart.
fn against(value: f64, expected: f64, channel: &str) -> String {
    let apart = (value - expected).abs();
    let size = value.abs().max(expected.abs());
    // Two digits of the difference, and no fewer than three of the number.
    let places = |of: f64, n: i32| {
        if of > 0.0 {
            n - 1 - libm::floor(libm::log10(of)) as i32
        } else {
            0
        }
    };
    let places = places(apart, 2).max(places(size, 3)).clamp(0, 6) as usize;
    let unit = unit_of(channel).map_or_else(String::new, |unit| format!(" {unit}"));
    format!("{value:.places$} against {expected:.places$}{unit} expected")
}

/// A number to `n` digits, without those behind the point that say nothing.
fn digits(value: f64, n: i32) -> String {
    if value >= 1e4 {
        return "over 10,000".to_owned();
    }
    let places = (n - 1 - libm::floor(libm::log10(value.max(1e-3))) as i32).max(0) as usize;
    format!("{value:.places$}")
}

/// A clause for each of the other channels that moved and count, first movers first.
fn others(detector: &Detector, frame: &Frame, explanation: &Explanation, main: usize) -> Vec<String> {
    let shares = explanation.shares.of_channels();
    let begin = |channel_idx: usize| {
        let mut of_channel = explanation
            .onsets
            .iter()
            .filter(|onset| onset.channel_idx == channel_idx);
        of_channel.next().map(|onset| frame.time()[onset.row_idx])
    };
    let Some(main_begin) = begin(main) else {
        return Vec::new();
    };
    let others = explanation
        .onsets
        .iter()
        .filter(|onset| onset.channel_idx != main && shares[onset.channel_idx] >= SHARE_MIN);
    others
        .take(N_OTHERS_MAX)
        .map(|onset| {
            let channel = name(detector, onset.channel_idx);
            let at = frame.time()[onset.row_idx];
            match (at.since(main_begin), main_begin.since(at)) {
                (Duration::ZERO, Duration::ZERO) => format!("; {channel} moved at the same time"),
                (Duration::ZERO, earlier) => format!("; {channel} had moved {} before", humane(earlier)),
                (later, _) => format!("; {channel} followed {} later", humane(later)),
            }
        })
        .collect()
}

fn n_missing(explanation: &Explanation, channel_idx: usize) -> usize {
    let n = explanation.expected.n_channels;
    let rows = explanation.stretch.rows.clone();
    rows.filter(|row| explanation.values[(row - explanation.expected.rows.start) * n + channel_idx].is_nan())
        .count()
}

fn name(detector: &Detector, channel_idx: usize) -> &str {
    detector.pipeline().schema().channels()[channel_idx].name()
}

/// `From 2024-01-08 02:10 to 09:40 UTC, `, or `At …, ` for a single instant.
fn span(start: Timestamp, end: Timestamp) -> String {
    let (from, to) = (clock(start), clock(end));
    if from == to {
        return format!("At {from} UTC, ");
    }
    let same_day = from.get(..10) == to.get(..10);
    let to = to.get(11..).filter(|_| same_day).unwrap_or(&to);
    format!("From {from} to {to} UTC, ")
}

/// `2024-03-01 06:00`, with seconds where there are any.
fn clock(time: Timestamp) -> String {
    let text = time.to_string().replace('T', " ");
    let text = text.trim_end_matches('Z');
    text.strip_suffix(":00").unwrap_or(text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_tell_them_apart() {
        assert_eq!(
            against(71.34, 64.02, "bearing_temp_c"),
            "71.3 against 64.0 °C expected"
        );
        assert_eq!(
            against(1480.2, 1482.9, "speed_rpm"),
            "1480.2 against 1482.9 rpm expected"
        );
        assert_eq!(against(0.0, 0.0, "valve"), "0 against 0 expected");
        assert_eq!(against(12.0, 3.0, "load"), "12.0 against 3.0 expected");
        assert_eq!(digits(5.23, 2), "5.2");
        assert_eq!(digits(52.3, 2), "52");
        assert_eq!(digits(1e9, 2), "over 10,000");
    }

    #[test]
    fn a_day_is_said_once_and_seconds_where_there_are_some() {
        let at = Timestamp::from_secs;
        assert_eq!(
            span(at(1_704_679_800), at(1_704_706_800)),
            "From 2024-01-08 02:10 to 09:40 UTC, "
        );
        assert_eq!(
            span(at(1_704_679_800), at(1_704_806_801)),
            "From 2024-01-08 02:10 to 2024-01-09 13:26:41 UTC, "
        );
        assert_eq!(span(at(0), at(0)), "At 1970-01-01 00:00 UTC, ");
    }
}
