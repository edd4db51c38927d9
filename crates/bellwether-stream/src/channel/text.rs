//! A notice in words and numbers, the same in every channel.

use std::fmt::Write as _;

use bellwether_core::time::humane;
use bellwether_core::validate::Fault;
use bellwether_store::database::{AlertKind, ChannelNote};

use crate::alert::Notice;

/// Channels that a text names; the rest is counted.
const NAMED_MAX: usize = 5;

/// How bad it is, in the words that alerting systems route by. From low to high.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// Below twice the threshold.
    Info,
    /// From twice the threshold, 50 of 100; and every silence, which has no score.
    Warning,
    /// From five times the threshold, 80 of 100.
    Critical,
}

impl Severity {
    pub(super) fn of(notice: &Notice) -> Self {
        match notice.kind {
            AlertKind::Silence => Self::Warning,
            AlertKind::Event if notice.severity >= 80.0 => Self::Critical,
            AlertKind::Event if notice.severity >= 50.0 => Self::Warning,
            AlertKind::Event => Self::Info,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// `firing` or `resolved`.
pub(super) fn status(notice: &Notice) -> &'static str {
    if notice.is_firing { "firing" } else { "resolved" }
}

/// The notice in a line.
pub(super) fn summary(notice: &Notice) -> String {
    let device = plain(&notice.device);
    let score = number(notice.peak_score);
    let said = match (notice.kind, notice.is_firing) {
        (AlertKind::Event, true) => {
            let (unusual, kind) = (unusual(&notice.channels), looks_like(notice));
            format!("{device}: unusual {unusual}{kind}, score {score}")
        }
        (AlertKind::Event, false) => format!("{device}: normal again{}, peak score {score}", lasted(notice)),
        (AlertKind::Silence, true) => format!("{device}: no data since {}", notice.start),
        (AlertKind::Silence, false) => format!("{device}: sends data again{}", lasted(notice)),
    };
    if notice.is_test {
        format!("test: {said}")
    } else {
        said
    }
}

/// The notice in a few sentences.
pub(super) fn description(notice: &Notice) -> String {
    let device = plain(&notice.device);
    let time = match notice.end {
        Some(end) if !notice.is_firing => format!("From {} to {end}", notice.start),
        _ => format!("Since {}", notice.start),
    };
    let mut text = match notice.kind {
        AlertKind::Event => format!(
            "{time} {device} does not behave as model {} has learnt: peak score {} (1 is the threshold), severity \
             {:.0} of 100 ({}).",
            plain(&notice.model),
            number(notice.peak_score),
            notice.severity,
            Severity::of(notice).word(),
        ),
        AlertKind::Silence => format!("{time} no data came from {device}."),
    };
    if let Some(kind) = notice.event_kind {
        let so_far = if notice.is_firing { " so far" } else { "" };
        write!(text, " Looks like: {kind}{so_far}.").expect("a string takes any text");
    }
    match notice.fault {
        Some(Fault::Sensor) => text.push_str(" One sensor alone does so: it may be at fault."),
        Some(Fault::Device) => text.push_str(" Most channels do so: it is the device, or what records it."),
        None => {}
    }
    if let Some(confidence) = notice.confidence {
        write!(text, " Agreement of the models: {}.", percent(confidence)).expect("a string takes any text");
    }
    if !notice.channels.is_empty() {
        write!(text, " Channels by share: {}.", channels(notice)).expect("a string takes any text");
    }
    if notice.is_test {
        text.push_str(" This is a test: nothing is wrong.");
    }
    text
}

/// `temperature 61% (measured 84.2, expected 71); vibration 22% (…); 3 more`.
pub(super) fn channels(notice: &Notice) -> String {
    let mut parts: Vec<String> = notice
        .channels
        .iter()
        .take(NAMED_MAX)
        .map(|note| {
            format!(
                "{} {} (measured {}, expected {})",
                plain(&note.channel),
                percent(note.share),
                value(note.actual),
                value(note.expected)
            )
        })
        .collect();
    let n_more = notice.channels.len().saturating_sub(NAMED_MAX);
    if n_more > 0 {
        parts.push(format!("{n_more} more"));
    }
    parts.join("; ")
}

/// A share: `61%`.
pub(super) fn percent(share: f64) -> String {
    format!("{:.0}%", 100.0 * share)
}

/// A value that may be missing.
pub(super) fn value(value: Option<f64>) -> String {
    value.map_or_else(|| "nothing".to_owned(), number)
}

/// A number as people read it: four digits, `84.25`, `0.001234`, `1.235e9`.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if !size.is_finite() || size >= 1e7 || (0.0 < size && size < 1e-4) {
        return format!("{value:.3e}");
    }
    // At most 7 decimals: the smallest number here is 1e-4.
    let decimals = (3.0 - size.max(1e-4).log10().floor()).clamp(0.0, 7.0) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// Text for one line: control characters become spaces.
pub(super) fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// At most `chars_max` characters of a text.
pub(super) fn cut(text: &str, chars_max: usize) -> &str {
    text.char_indices()
        .nth(chars_max)
        .map_or(text, |(end, _)| &text[..end])
}

/// The channels that make most of it: as many as it takes for half of the score, three at most.
fn unusual(channels: &[ChannelNote]) -> String {
    let mut sum = 0.0;
    let names: Vec<String> = channels
        .iter()
        .take(3)
        .take_while(|note| {
            let is_wanted = sum < 0.5;
            sum += note.share;
            is_wanted
        })
        .map(|note| plain(&note.channel))
        .collect();
    if names.is_empty() {
        "behaviour".to_owned()
    } else {
        names.join(", ")
    }
}

/// ` (level-shift)`, where it is known.
fn looks_like(notice: &Notice) -> String {
    notice
        .event_kind
        .map_or_else(String::new, |kind| format!(" ({kind})"))
}

/// ` after 12 min`, where the end is known.
fn lasted(notice: &Notice) -> String {
    notice.end.map_or_else(String::new, |end| {
        format!(" after {}", humane(end.since(notice.start)))
    })
}

#[cfg(test)]
mod tests {
    use bellwether_core::time::Timestamp;

    use super::*;
    use crate::channel::tests::notice;

    #[test]
    fn numbers_have_four_digits() {
        let check = |value: f64, expect: &str| assert_eq!(number(value), expect);
        check(0.0, "0");
        check(84.249, "84.25");
        check(-71.0, "-71");
        check(0.001_234_56, "0.001235");
        check(0.000_1, "0.0001");
        check(123_456.7, "123457");
        check(1.234_567e9, "1.235e9");
        check(1e-9, "1.000e-9");
        check(f64::INFINITY, "inf");
        check(f64::NAN, "NaN");
    }

    #[test]
    fn a_notice_is_told_in_a_line() {
        let check = |notice: &Notice, expect: &str| assert_eq!(summary(notice), expect);
        let mut told = notice();
        check(&told, "pump-7: unusual temperature (level-shift), score 3.2");
        told.channels[0].share = 0.4;
        check(
            &told,
            "pump-7: unusual temperature, vibration (level-shift), score 3.2",
        );
        told.channels.clear();
        told.event_kind = None;
        told.device = "pump\r\nBcc: 7".to_owned();
        check(&told, "pump  Bcc: 7: unusual behaviour, score 3.2");

        let mut over = notice();
        over.is_firing = false;
        over.end = Some(Timestamp::from_secs(1_700_000_720));
        check(&over, "pump-7: normal again after 12 min, peak score 3.2");
        over.kind = AlertKind::Silence;
        check(&over, "pump-7: sends data again after 12 min");
        over.is_firing = true;
        over.is_test = true;
        check(&over, "test: pump-7: no data since 2023-11-14T22:13:20Z");
    }

    #[test]
    fn a_description_says_what_was_measured_and_expected() {
        let mut told = notice();
        assert_eq!(
            description(&told),
            "Since 2023-11-14T22:13:20Z pump-7 does not behave as model pump@3 has learnt: peak score 3.2 (1 is the \
             threshold), severity 69 of 100 (warning). Looks like: level-shift so far. Agreement of the models: 80%. \
             Channels by share: temperature 61% (measured 84.25, expected 71); vibration 39% (measured nothing, \
             expected 0.5)."
        );
        told.channels = vec![told.channels[0].clone(); 7];
        assert!(channels(&told).ends_with("; 2 more"));
    }

    #[test]
    fn severities_have_three_words() {
        let check = |kind: AlertKind, severity: f64, expect: &str| {
            let told = Notice {
                kind,
                severity,
                ..notice()
            };
            assert_eq!(Severity::of(&told).word(), expect, "{severity}");
        };
        check(AlertKind::Event, 0.0, "info");
        check(AlertKind::Event, 49.9, "info");
        check(AlertKind::Event, 50.0, "warning");
        check(AlertKind::Event, 80.0, "critical");
        check(AlertKind::Silence, 0.0, "warning");
    }
}
