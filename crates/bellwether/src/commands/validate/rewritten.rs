//! Mended data written again, in the format of the name that they get: a table as it stood, or the samples and values
//! that it means where the format has no columns.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use bellwether_core::time::Timestamp;
use bellwether_store::write::{Cell, Column, ColumnKind, TableFormat, packed_format};

use super::kept::{Columns, Done, Kept, KeptSeries, Rows};
use super::sheet::Sheet;
use crate::failure::Failure;

/// Names by which line protocol knows the series.
const SERIES_NAMES: [&str; 3] = ["device", "asset_id", "series"];

/// What could not be written.
#[derive(Default)]
pub(super) struct LeftOut {
    /// Columns that are neither time, series, channel nor label.
    pub(super) columns: Vec<String>,
    n_empty: usize,
}

impl LeftOut {
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.columns.is_empty() {
            notes.push(format!("{} has no place in the answer", self.columns.join(", ")));
        }
        if self.n_empty > 0 {
            let n = self.n_empty;
            notes.push(format!("{n} rows without a value have no place in line protocol"));
        }
        notes
    }
}

/// Writes mended data.
pub(super) fn rewrite(kept: &Kept, done: &[Done], to: &Path) -> Result<LeftOut, Failure> {
    let (format, _) = packed_format(to)?;
    match &kept.columns {
        Some(columns) if format != TableFormat::LineProtocol => as_it_stood(kept, columns, done, to, format),
        _ => as_samples(kept, to, format),
    }
}

/// The table with its columns.
fn as_it_stood(
    kept: &Kept,
    columns: &Columns,
    done: &[Done],
    to: &Path,
    format: TableFormat,
) -> Result<LeftOut, Failure> {
    let lines = lines(kept);
    let is_text = matches!(format, TableFormat::Csv | TableFormat::Tsv);
    // Typed input that is not read has no cells; in text it stays.
    let is_kept = |column: usize| {
        columns.delimiter.is_some() && is_text
            || column == columns.time
            || columns.series == Some(column)
            || columns.values.contains(&column)
            || lines.iter().any(|number| !kept.cell(*number, column).is_empty())
    };
    let (written, left_out): (Vec<usize>, Vec<usize>) =
        (0..columns.names.len()).partition(|column| is_kept(*column));
    let kind = |column: usize| {
        let name = &columns.names[column];
        if columns.values.contains(&column) {
            return Column::new(name, ColumnKind::Real).optional();
        }
        let mut cells = lines
            .iter()
            .map(|number| kept.cell(*number, column))
            .filter(|cell| !cell.is_empty());
        let is_integer = |cell: &str| cell.parse::<i64>().is_ok_and(|number| number.to_string() == cell);
        let kind = if cells.all(is_integer) {
            ColumnKind::Integer
        } else {
            ColumnKind::Text
        };
        Column::new(name, kind).optional()
    };
    let kinds: Vec<Column> = written.iter().map(|column| kind(*column)).collect();
    // A cell that was emptied and then filled stands twice: the last counts.
    let value_column = |channel_idx: usize| columns.values[if columns.is_long { 0 } else { channel_idx }];
    let changed = done.iter().filter_map(|Done { repair, .. }| {
        let column = value_column(repair.channel_idx?);
        Some(((repair.row, column), repair.now))
    });
    let changed: HashMap<(u64, usize), Option<f64>> = changed.collect();
    let values = if is_text {
        HashMap::new()
    } else {
        values(kept, columns)
    };
    let mut sheet = Sheet::create(to, kinds.clone(), columns.delimiter)?;
    for number in lines {
        let mut cells = Vec::with_capacity(written.len());
        for (column, kind) in written.iter().zip(&kinds) {
            let text = kept.cell(number, *column);
            let cell = match (changed.get(&(number, *column)), kind.kind) {
                (Some(now), _) => now.map_or(Cell::Missing, Cell::Real),
                _ if is_text => Cell::Text(text),
                (None, ColumnKind::Real) => values
                    .get(&(number, *column))
                    .map_or(Cell::Missing, |value| Cell::Real(*value)),
                (None, ColumnKind::Integer) => text.parse().map_or(Cell::Missing, Cell::Integer),
                (None, ColumnKind::Text) if text.is_empty() => Cell::Missing,
                (None, ColumnKind::Text) => Cell::Text(text),
            };
            cells.push(cell);
        }
        sheet.row(&cells)?;
    }
    sheet.finish()?;
    Ok(LeftOut {
        columns: left_out
            .into_iter()
            .map(|column| columns.names[column].clone())
            .collect(),
        n_empty: 0,
    })
}

/// The numbers of the rows in their order now: those of a series take the places that they had.
fn lines(kept: &Kept) -> Vec<u64> {
    let mut lines: Vec<(u64, u64)> = Vec::new();
    for series in &kept.series {
        let now: Vec<u64> = match &series.rows {
            Rows::Wide(rows) => rows.rows.iter().map(|row| row.number).collect(),
            Rows::Named(rows, _) => rows.rows.iter().map(|row| row.number).collect(),
        };
        let mut places = now.clone();
        places.sort_unstable();
        lines.extend(places.into_iter().zip(now));
    }
    lines.sort_unstable();
    lines.into_iter().map(|(_, number)| number).collect()
}

/// Values by row and column.
fn values(kept: &Kept, columns: &Columns) -> HashMap<(u64, usize), f64> {
    let mut values = HashMap::new();
    for series in &kept.series {
        match &series.rows {
            Rows::Wide(rows) => {
                let n = rows.channels.len();
                for (row, of_row) in rows.rows.iter().zip(rows.values.chunks(n.max(1))) {
                    let cells = columns.values.iter().zip(of_row);
                    values.extend(cells.map(|(column, value)| ((row.number, *column), *value)));
                }
            }
            Rows::Named(rows, _) => {
                let cells = rows
                    .rows
                    .iter()
                    .map(|row| ((row.number, columns.values[0]), row.value));
                values.extend(cells);
            }
        }
    }
    values
}

/// A sample of a series, and the number of its first row.
struct Sample {
    number: u64,
    time: Timestamp,
    values: Vec<f64>,
    marks: Vec<bool>,
}

/// A row for each instant of a series, with a column per channel; a row per value where series have other channels than
/// each other, and the format is no line protocol.
fn as_samples(kept: &Kept, to: &Path, format: TableFormat) -> Result<LeftOut, Failure> {
    let mut left_out = LeftOut::default();
    let series_name = match &kept.columns {
        Some(columns) => {
            let is_known = |column: usize| {
                column == columns.time
                    || columns.series == Some(column)
                    || columns.values.contains(&column)
                    || columns.marks.contains(&column)
                    || columns.is_long
            };
            let unknown = (0..columns.names.len()).filter(|column| !is_known(*column));
            left_out.columns = unknown.map(|column| columns.names[column].clone()).collect();
            columns.series.map(|column| columns.names[column].as_str())
        }
        None => Some("series"),
    };
    let series_name = series_name.map(|name| {
        let is_known = SERIES_NAMES.iter().any(|known| name.eq_ignore_ascii_case(known));
        if is_known { name } else { SERIES_NAMES[2] }
    });
    let mark_names = mark_names(kept);
    let all: Vec<(usize, Vec<Sample>)> = kept
        .series
        .iter()
        .map(|series| samples(kept, series, &mark_names))
        .enumerate()
        .collect();
    // The samples of a series take the places of its rows.
    let mut lines: Vec<(u64, usize, &Sample)> = Vec::new();
    for (series_idx, samples) in &all {
        let mut places: Vec<u64> = samples.iter().map(|sample| sample.number).collect();
        places.sort_unstable();
        lines.extend(
            places
                .into_iter()
                .zip(samples)
                .map(|(place, sample)| (place, *series_idx, sample)),
        );
    }
    lines.sort_by_key(|(place, ..)| *place);
    let is_lines = format == TableFormat::LineProtocol;
    let first = kept.series.first().map(|series| series.rows.channels());
    let is_alike = kept
        .series
        .iter()
        .all(|series| Some(series.rows.channels()) == first);
    let mut names: Vec<&str> = Vec::new();
    for channel in kept.series.iter().flat_map(|series| series.rows.channels()) {
        if !names.contains(&channel.name()) {
            names.push(channel.name());
        }
    }
    let is_long = !is_lines && !is_alike;
    let mut columns = vec![Column::new("timestamp", ColumnKind::Text)];
    columns.extend(series_name.map(|name| Column::new(name, ColumnKind::Text)));
    if is_long {
        columns.push(Column::new("channel", ColumnKind::Text));
        columns.push(Column::new("value", ColumnKind::Real).optional());
    } else {
        columns.extend(
            names
                .iter()
                .map(|name| Column::new(*name, ColumnKind::Real).optional()),
        );
    }
    columns.extend(
        mark_names
            .iter()
            .map(|name| Column::new(name, ColumnKind::Integer)),
    );
    let mut sheet = Sheet::create(to, columns, None)?;
    for (_, series_idx, sample) in lines {
        let series = &kept.series[series_idx];
        let time = sample.time.to_string();
        let mut head = vec![Cell::Text(&time)];
        head.extend(series_name.map(|_| Cell::Text(&series.name)));
        let marks = sample.marks.iter().map(|says| Cell::Integer((*says).into()));
        let channels = series.rows.channels();
        if is_long {
            for (channel, value) in channels.iter().zip(&sample.values) {
                if value.is_nan() {
                    continue;
                }
                let mut cells = head.clone();
                cells.extend([Cell::Text(channel.name()), Cell::Real(*value)]);
                cells.extend(marks.clone());
                sheet.row(&cells)?;
            }
            continue;
        }
        if is_lines && mark_names.is_empty() && sample.values.iter().all(|value| value.is_nan()) {
            left_out.n_empty += 1;
            continue;
        }
        let mut cells = head;
        cells.extend(names.iter().map(|name| {
            let idx = channels.iter().position(|channel| channel.name() == *name);
            idx.map_or(Cell::Missing, |idx| Cell::Real(sample.values[idx]))
        }));
        cells.extend(marks);
        sheet.row(&cells)?;
    }
    sheet.finish()?;
    Ok(left_out)
}

fn mark_names(kept: &Kept) -> Vec<String> {
    if let Some(columns) = &kept.columns {
        return columns
            .marks
            .iter()
            .map(|column| columns.names[*column].clone())
            .collect();
    }
    let mut names: Vec<String> = kept
        .marks
        .values()
        .flatten()
        .map(|(name, _)| name.clone())
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The samples of a series in the order of time.
fn samples(kept: &Kept, series: &KeptSeries, mark_names: &[String]) -> Vec<Sample> {
    let says = |number: u64, name: &String| match &kept.columns {
        Some(columns) => {
            let column = columns.names.iter().position(|other| other == name);
            column.is_some_and(|column| {
                matches!(
                    kept.cell(number, column).trim(),
                    "1" | "1.0" | "true" | "True" | "TRUE"
                )
            })
        }
        None => {
            let marks = kept.marks.get(&number);
            marks.is_some_and(|marks| marks.iter().any(|(other, says)| other == name && *says))
        }
    };
    let marks = |number: u64| {
        mark_names
            .iter()
            .map(|name| says(number, name))
            .collect::<Vec<bool>>()
    };
    match &series.rows {
        Rows::Wide(rows) => {
            let values = rows.values.chunks(rows.channels.len().max(1));
            let rows = rows.rows.iter().zip(values);
            let sample = rows.filter_map(|(row, values)| {
                Some(Sample {
                    number: row.number,
                    time: row.time?,
                    values: values.to_vec(),
                    marks: marks(row.number),
                })
            });
            sample.collect()
        }
        Rows::Named(rows, _) => {
            let mut by_time: BTreeMap<Timestamp, Sample> = BTreeMap::new();
            for row in &rows.rows {
                let sample = by_time.entry(row.time).or_insert_with(|| Sample {
                    number: row.number,
                    time: row.time,
                    values: vec![f64::NAN; rows.channels.len()],
                    marks: vec![false; mark_names.len()],
                });
                sample.number = sample.number.min(row.number);
                sample.values[row.channel_idx] = row.value;
                for (mark, says) in sample.marks.iter_mut().zip(marks(row.number)) {
                    *mark |= says;
                }
            }
            by_time.into_values().collect()
        }
    }
}
