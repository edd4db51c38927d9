//! How findings are worded.

use crate::validate::Check;

/// `1 row`, `7 rows`.
pub(super) fn many(count: u64, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

/// `12.5 %`.
pub(super) fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent > 0.0 && percent < 0.1 {
        "less than 0.1 %".to_owned()
    } else {
        format!("{percent:.1} %")
    }
}

/// A value as people write it, with its unit.
pub(super) fn value(value: f64, unit: Option<&str>) -> String {
    let digits = match value.abs() {
        size if size >= 1e15 || (size > 0.0 && size < 1e-4) => format!("{value:e}"),
        size if size >= 1000.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.3}"),
        _ => format!("{value:.5}"),
    };
    let is_plain = digits.contains('.') && !digits.contains('e');
    let digits = if is_plain {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        &digits
    };
    match unit {
        Some(unit) => format!("{digits} {unit}"),
        None => digits.to_owned(),
    }
}

/// What to do about it.
pub(super) fn advice(check: Check) -> &'static str {
    match check {
        Check::UnreadableRow => "correct these rows; --fix leaves them out and lists them",
        Check::FewRows => "give more rows",
        Check::NotANumber => {
            "name what stands for a missing value with --missing, or leave the column out with --ignore-column; --fix \
             empties these cells"
        }
        Check::Infinite => "write an empty cell for a missing value; --fix does",
        Check::RepeatedTime => "only the first row of an instant counts; --fix leaves the others out",
        Check::LateRow => "sort the rows by time; --fix does",
        Check::ClockSetBack => {
            "write times in UTC, or with their offset; --fix sorts the rows, which mixes those that overlap"
        }
        Check::FutureTime => "check the clock of the device and the unit of the times",
        Check::Gap => "no window reaches across a gap; find out why rows are missing",
        Check::Jitter => "bring the rows to one grid if they are meant to be regular",
        Check::Missing => {
            "short gaps are filled with the last value when a model reads them; --fix interpolates them"
        }
        Check::Dropout => "check plug, cable and power of the sensor; leave the stretch out with --exclude",
        Check::Stuck => "check the sensor; leave the stretch out with --exclude when training",
        Check::Noise => "check plug, cable and shield of the sensor; leave the stretch out with --exclude",
        Check::Saturation => "check the measuring range of the sensor: what lies beyond it is not seen",
        Check::Outlier => "look at these rows: values that cannot be belong into the range of a contract",
        Check::Jump => "look at these rows: what no process can do belongs into the max_rate of a contract",
        Check::Constant => {
            "a model learns nothing from it; leave it out with --ignore-column if that is no surprise"
        }
        Check::Copy => "leave one of the two out with --ignore-column: together they count twice",
        Check::Resolution => "changes below one step are not seen; record more digits if the sensor has them",
        Check::AbsentChannel => "add the channel, rename a column, or set optional = true in the contract",
        Check::ExtraChannel => {
            "add it to the contract, leave it out with --ignore-column, or set extra = \"allowed\""
        }
        Check::Range => "find out what measured this; --fix empties these cells",
        Check::State => "add the state to the contract if it is one; --fix empties these cells",
        Check::Rate => "look at these rows, or raise max_rate in the contract",
        Check::StuckLimit => "check the sensor, or raise max_stuck in the contract",
        Check::MissingLimit => "find out why values are missing, or raise max_missing in the contract",
        Check::Cadence => "check how often the device records, or change time in the contract",
        Check::GapLimit => "find out why rows are missing, or raise max_gap in the contract",
        Check::Rule => "look at these rows: the channels contradict each other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_shares_are_short() {
        assert_eq!(value(1.5, Some("bar")), "1.5 bar");
        assert_eq!(value(120.0, None), "120");
        assert_eq!(value(-0.25, None), "-0.25");
        assert_eq!(value(1e20, None), "1e20");
        assert_eq!(value(0.0, None), "0");
        assert_eq!(percent(0.000_01), "less than 0.1 %");
        assert_eq!(percent(0.125), "12.5 %");
        assert_eq!(many(1, "row") + &many(2, "row"), "1 row2 rows");
    }
}
