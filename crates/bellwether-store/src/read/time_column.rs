//! Which column is the time: the first that reads as one.
//!
//! A civil time cannot be mistaken. A count since the epoch looks like any number, so it must be called a time, or
//! lie between 1973 and 2100 and rise from row to row.

use super::cells::shown;
use super::error::{Problem, ReadError};
use super::sniff::Sample;
use super::time_format::{EpochUnit, TimeFormat, count_and_fraction};

const TIME_NAMES: [&str; 14] = [
    "timestamp",
    "time",
    "ts",
    "datetime",
    "date_time",
    "date",
    "epoch",
    "unix",
    "unixtime",
    "unix_time",
    "timestamp_s",
    "timestamp_ms",
    "timestamp_us",
    "timestamp_ns",
];

/// Finds the time among the columns `free`; `may_fall` where rows of several series follow one another.
pub(super) fn find(
    sample: &Sample,
    free: &[usize],
    may_fall: bool,
) -> Result<(usize, TimeFormat), ReadError> {
    let civil = free.iter().copied().find(|&column| is_civil(sample, column));
    if let Some(column) = civil {
        return Ok((column, TimeFormat::Civil));
    }
    let named = || {
        free.iter()
            .copied()
            .filter(|&column| is_named_time(&sample.names[column]))
    };
    let counted = named()
        .find_map(|column| {
            Some((
                column,
                Counts::of(sample, column).filter(|counts| may_fall || counts.rises)?,
            ))
        })
        .or_else(|| {
            let counts =
                |column| Counts::of(sample, column).filter(|counts| counts.are_recent && counts.moves);
            free.iter()
                .find_map(|&column| Some((column, counts(column).filter(|counts| may_fall || counts.rises)?)))
        });
    if let Some((column, counts)) = counted {
        return Ok((column, TimeFormat::Epoch(counts.unit)));
    }
    match named().next() {
        Some(column) => Err(unknown_time(sample, column)),
        None => Err(sample.place.clone().error(Problem::NoTimeColumn {
            columns: sample.columns(),
        })),
    }
}

/// How the times of a column that is known to be the time are written.
pub(super) fn format_of(sample: &Sample, column: usize) -> Result<TimeFormat, ReadError> {
    if is_civil(sample, column) {
        return Ok(TimeFormat::Civil);
    }
    match Counts::of(sample, column) {
        Some(counts) => Ok(TimeFormat::Epoch(counts.unit)),
        None => Err(unknown_time(sample, column)),
    }
}

fn is_civil(sample: &Sample, column: usize) -> bool {
    sample
        .cells(column)
        .next()
        .is_some_and(|cell| TimeFormat::of(cell) == Some(TimeFormat::Civil))
}

fn is_named_time(name: &str) -> bool {
    TIME_NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// The error for a column that should be a time: it shows the first cell that is none.
fn unknown_time(sample: &Sample, column: usize) -> ReadError {
    let cell = sample
        .cells(column)
        .find(|cell| TimeFormat::of(cell).is_none())
        .or(sample.cells(column).next());
    let problem = match cell {
        Some(cell) if TimeFormat::of(cell).is_none() => Problem::UnknownTime { found: shown(cell) },
        Some(_) => Problem::CountsFall,
        None => Problem::NoTime,
    };
    sample.column_place(column).error(problem)
}

/// What the counts of a column look like; none where a cell is not a count or there is no cell.
struct Counts {
    unit: EpochUnit,
    rises: bool,
    moves: bool,
    are_recent: bool,
}

impl Counts {
    fn of(sample: &Sample, column: usize) -> Option<Self> {
        let counts: Vec<(i64, &[u8])> = sample
            .cells(column)
            .map(count_and_fraction)
            .collect::<Option<_>>()?;
        let largest = counts.iter().map(|(count, _)| count.unsigned_abs()).max()?;
        let unit = EpochUnit::of_magnitude(i64::try_from(largest).ok()?);
        let recent = unit.per_second() * 100_000_000..unit.per_second().saturating_mul(4_102_444_800);
        Some(Self {
            unit,
            rises: counts.windows(2).all(|pair| pair[0].0 <= pair[1].0),
            moves: counts.first()?.0 != counts.last()?.0,
            are_recent: counts.iter().all(|(count, _)| recent.contains(count)),
        })
    }
}
