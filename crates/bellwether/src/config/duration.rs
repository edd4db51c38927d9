//! Spans of time as people write them: `250ms`, `90s`, `1h30m`, `7d`, and ISO 8601 (`PT5M`).

use std::time::Duration;

/// What a span of time looks like, for messages.
pub(crate) const WANTED: &str = "a span of time such as 250ms, 90s, 5m, 1h30m, 7d or PT5M";

const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const WEEK: u64 = 7 * DAY;

/// Nanoseconds in each unit that may be written.
const UNITS: [(&str, u64); 8] = [
    ("ms", MS),
    ("us", 1000),
    ("s", SECOND),
    ("m", MINUTE),
    ("min", MINUTE),
    ("h", HOUR),
    ("d", DAY),
    ("w", WEEK),
];

/// Reads a span of time. Months and years have no fixed length and are none; neither is a number without a unit.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    let nanos = match text.strip_prefix(['P', 'p']) {
        Some(rest) => iso(&rest.to_ascii_uppercase())?,
        None => sum(text, |unit| {
            UNITS
                .iter()
                .find(|(name, _)| *name == unit)
                .map(|(_, nanos)| *nanos)
        })?,
    };
    Some(Duration::from_nanos(nanos))
}

/// What follows the `P`.
fn iso(text: &str) -> Option<u64> {
    let (days, hours) = text.split_once('T').map_or((text, None), |(d, t)| (d, Some(t)));
    let days = match days {
        "" => None,
        days => Some(sum(days, |unit| match unit {
            "D" => Some(DAY),
            "W" => Some(WEEK),
            _ => None,
        })?),
    };
    let hours = match hours {
        None => None,
        Some(hours) => Some(sum(hours, |unit| match unit {
            "H" => Some(HOUR),
            "M" => Some(MINUTE),
            "S" => Some(SECOND),
            _ => None,
        })?),
    };
    if days.is_none() && hours.is_none() {
        return None;
    }
    days.unwrap_or(0).checked_add(hours.unwrap_or(0))
}

/// Numbers, each with its unit, added up: `1h30m`. Largest unit first, each at most once.
fn sum(mut text: &str, nanos_of: impl Fn(&str) -> Option<u64>) -> Option<u64> {
    let mut total = 0_u64;
    let mut last = u64::MAX;
    while !text.is_empty() {
        let n_number = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, rest) = text.split_at(n_number);
        let n_unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (unit, rest) = rest.split_at(n_unit);
        let nanos = nanos_of(unit)?;
        if nanos >= last {
            return None;
        }
        last = nanos;
        total = total.checked_add(times(number, nanos)?)?;
        text = rest;
    }
    (last != u64::MAX).then_some(total)
}

/// A decimal number of a unit, exactly; what is below a nanosecond is cut off.
fn times(number: &str, nanos: u64) -> Option<u64> {
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    if decimals.is_empty() || decimals.len() > 9 || decimals.contains('.') {
        return None;
    }
    let part = decimals.parse::<u128>().ok()? * u128::from(nanos) / 10_u128.pow(decimals.len() as u32);
    whole
        .parse::<u64>()
        .ok()?
        .checked_mul(nanos)?
        .checked_add(u64::try_from(part).ok()?)
}

/// The span as [`parse`] reads it back to the nanosecond of a millisecond's thousandth.
pub(crate) fn shown(span: Duration) -> String {
    let mut nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, size) in [
        ("d", DAY),
        ("h", HOUR),
        ("m", MINUTE),
        ("s", SECOND),
        ("ms", MS),
        ("us", 1000),
    ] {
        if nanos >= size {
            text += &format!("{}{unit}", nanos / size);
            nanos %= size;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_shown() {
        let check = |text: &str, millis: u64, canonical: &str| {
            let span = parse(text).unwrap_or_else(|| panic!("{text:?} is a span"));
            assert_eq!(span, Duration::from_millis(millis), "{text:?}");
            assert_eq!(shown(span), canonical, "{text:?}");
            assert_eq!(parse(&shown(span)), Some(span));
        };
        check("250ms", 250, "250ms");
        check("90s", 90_000, "1m30s");
        check("5m", 300_000, "5m");
        check("5min", 300_000, "5m");
        check("1h30m", 5_400_000, "1h30m");
        check("1.5h", 5_400_000, "1h30m");
        check("7d", 604_800_000, "7d");
        check("1w", 604_800_000, "7d");
        check("0s", 0, "0s");
        check("PT5M", 300_000, "5m");
        check("P1DT2H", 93_600_000, "1d2h");
        check("PT0.5S", 500, "500ms");
        check("p2w", 1_209_600_000, "14d");
        check(" 1s ", 1000, "1s");
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for text in [
            "",
            "5",
            "m",
            "5 m",
            "5x",
            "-5m",
            "1m1m",
            "1m1h",
            "1..5s",
            "1.s",
            ".5s",
            "P",
            "PT",
            "P1M",
            "P1Y",
            "PT1D",
            "1e3s",
            "99999999999w",
            "99999999999999999999s",
            "5mm",
            "１s",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
