//! The rows of a delimited table, wide or long, into series.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use bellwether_core::frame::Channel;
use bellwether_core::time::Timestamp;
use csv::ByteRecord;

use super::ReadOptions;
use super::error::{Place, Problem, ReadError};
use super::long::LongRows;
use super::number::{Cell, Numbers};
use super::series::{Gather, Shape};
use super::sniff::{Layout, Values, sniff};
use super::source::Source;
use super::table::Table;
use super::time_format::TimeParser;

/// Reads one table; a file without a series column is the series called `name`.
pub(super) fn read_table(
    source: Source,
    name: &str,
    options: &ReadOptions,
    gather: &mut Gather,
) -> Result<(), ReadError> {
    let layout = sniff(&source, options)?;
    let file = source.file.clone();
    let n_before = gather.n_series();
    let mut rows = Rows {
        table: Table::new(source.file, source.bytes, layout.delimiter),
        times: TimeParser::new(layout.time_format),
        numbers: Numbers::new(&options.missing),
        layout,
        file: &file,
        series: None,
    };
    rows.table.advance()?; // the header, known by now
    let columns = match &rows.layout.values {
        Values::Wide(columns) => Some(columns.clone()),
        Values::Long { .. } => None,
    };
    match columns {
        Some(columns) => rows.read_wide(&columns, name, gather)?,
        None => rows.read_long(name, gather)?,
    }
    if let Some(first) = (n_before < gather.n_series()).then_some(n_before) {
        gather.series(first).notes.append(&mut rows.layout.notes);
    }
    Ok(())
}

/// A table being read.
struct Rows<'a> {
    table: Table,
    layout: Layout,
    times: TimeParser,
    numbers: Numbers,
    file: &'a Path,
    /// The series of the last row.
    series: Option<usize>,
}

impl Rows<'_> {
    fn read_wide(&mut self, columns: &[usize], name: &str, gather: &mut Gather) -> Result<(), ReadError> {
        let channels: Vec<_> = columns
            .iter()
            .map(|&column| Channel::new(self.layout.names[column].as_str()))
            .collect();
        let shape = self.shape(channels.into());
        if self.layout.series.is_none() {
            self.series = Some(self.in_file(gather.open_file(name, self.file, &shape))?);
        }
        while self.table.advance()? {
            let Some(time) = self.row_time()? else { continue };
            let idx = match self.layout.series {
                Some(column) => self.row_series(column, &shape, gather)?,
                None => self.series.expect("opened above"),
            };
            let row = self.table.record();
            let position = self.in_file(gather.next_position())?;
            let series = gather.series(idx);
            let is_sample = series
                .begin_row(time, &row[self.layout.time], position)
                .map_err(|problem| self.at(self.layout.time, problem))?;
            let n_values = series.values.len();
            for &column in columns {
                series.values.push(self.value(row, column)?);
            }
            if !is_sample {
                series.values.truncate(n_values);
            }
            if let Some(column) = self.layout.label {
                series.labels.push(self.label(row, column)?);
            }
            if let Some(column) = self.layout.changepoint {
                series.changepoints.push(self.label(row, column)?);
            }
        }
        Ok(())
    }

    fn read_long(&mut self, name: &str, gather: &mut Gather) -> Result<(), ReadError> {
        let Values::Long { channel, value } = self.layout.values else {
            return Ok(());
        };
        let mut by_series: HashMap<String, usize> = HashMap::new();
        let mut all: Vec<LongRows> = Vec::new();
        while self.table.advance()? {
            let Some(time) = self.row_time()? else { continue };
            let row = self.table.record();
            let series = match self.layout.series {
                Some(column) => self.text(row, column, Problem::NoSeries)?,
                None => name,
            };
            let idx = match by_series.get(series) {
                Some(&idx) => idx,
                None => {
                    by_series.insert(series.to_owned(), all.len());
                    all.push(LongRows::new(series));
                    all.len() - 1
                }
            };
            let series = &mut all[idx];
            let position = self.in_file(gather.next_position())?;
            let channel_name = self.text(row, channel, Problem::NoChannelName)?;
            let value = self.value(row, value)?;
            series
                .push(time, &row[self.layout.time], position, channel_name, value)
                .map_err(|problem| self.at(self.layout.time, problem))?;
            if let Some(column) = self.layout.label {
                series.labels.push(self.label(row, column)?);
            }
            if let Some(column) = self.layout.changepoint {
                series.changepoints.push(self.label(row, column)?);
            }
        }
        for rows in all {
            let shape = self.shape(rows.channels());
            let idx = match self.layout.series {
                Some(_) => self.in_file(gather.open(rows.name(), self.file, &shape))?,
                None => self.in_file(gather.open_file(rows.name(), self.file, &shape))?,
            };
            self.in_file(rows.pivot_into(gather.series(idx)))?;
        }
        Ok(())
    }

    fn shape(&self, channels: Arc<[Channel]>) -> Shape {
        Shape {
            channels,
            has_labels: self.layout.label.is_some(),
            has_changepoints: self.layout.changepoint.is_some(),
        }
    }

    /// The time of the row at hand; `None` for a row of delimiters only, as spreadsheets leave behind the last.
    fn row_time(&mut self) -> Result<Option<Timestamp>, ReadError> {
        let row = self.table.record();
        let wanted = self.layout.names.len();
        let is_blank = || row.iter().all(|cell| cell.trim_ascii().is_empty());
        if row.len() != wanted {
            if is_blank() {
                return Ok(None);
            }
            let found = row.len();
            let problem = if row.as_slice().contains(&b'\n') {
                Problem::OpenQuote { found, wanted }
            } else {
                Problem::Ragged { found, wanted }
            };
            return Err(self.table.place().error(problem));
        }
        if let Some(&column) = self
            .layout
            .blank
            .iter()
            .find(|&&column| !row[column].trim_ascii().is_empty())
        {
            return Err(self
                .table
                .place()
                .error(Problem::NamelessColumn { position: column + 1 }));
        }
        let text = &row[self.layout.time];
        match self.times.parse(text) {
            Some(time) => Ok(Some(time)),
            None if is_blank() => Ok(None),
            None if text.trim_ascii().is_empty() => Err(self.at(self.layout.time, Problem::NoTime)),
            None => Err(self.at(self.layout.time, Problem::BadTime { found: shown(text) })),
        }
    }

    /// The series that `column` of the row at hand names; mostly that of the row before.
    fn row_series(&mut self, column: usize, shape: &Shape, gather: &mut Gather) -> Result<usize, ReadError> {
        let row = self.table.record();
        if let Some(last) = self.series
            && gather.series(last).name().as_bytes() == &row[column]
        {
            return Ok(last);
        }
        let name = self.text(row, column, Problem::NoSeries)?;
        let idx = gather
            .open(name, self.file, shape)
            .map_err(|problem| self.at(column, problem))?;
        self.series = Some(idx);
        Ok(idx)
    }

    /// A cell that names something.
    fn text<'r>(
        &self,
        row: &'r ByteRecord,
        column: usize,
        when_empty: Problem,
    ) -> Result<&'r str, ReadError> {
        let cell = row[column].trim_ascii();
        match std::str::from_utf8(cell) {
            Ok("") => Err(self.at(column, when_empty)),
            Ok(text) => Ok(text),
            Err(_) => Err(self.at(column, Problem::NotUtf8 { found: shown(cell) })),
        }
    }

    /// A cell of a channel; NaN is missing.
    fn value(&self, row: &ByteRecord, column: usize) -> Result<f64, ReadError> {
        let cell = &row[column];
        let problem = match self.numbers.read(cell) {
            Cell::Value(value) => return Ok(value),
            Cell::Missing => return Ok(f64::NAN),
            Cell::Infinite => Problem::Infinite { found: shown(cell) },
            Cell::DecimalComma => Problem::DecimalComma { found: shown(cell) },
            Cell::Text => Problem::NotANumber { found: shown(cell) },
        };
        Err(self.at(column, problem))
    }

    fn label(&self, row: &ByteRecord, column: usize) -> Result<bool, ReadError> {
        let cell = &row[column];
        flag(cell).ok_or_else(|| self.at(column, Problem::BadLabel { found: shown(cell) }))
    }

    /// `problem` in `column` of the row at hand.
    #[cold]
    fn at(&self, column: usize, problem: Problem) -> ReadError {
        self.table
            .place()
            .in_column(&self.layout.names[column])
            .error(problem)
    }

    /// A problem of the file as a whole.
    fn in_file<T>(&self, result: Result<T, Problem>) -> Result<T, ReadError> {
        result.map_err(|problem| Place::file(self.file).error(problem))
    }
}

/// A yes or no: `0`, `1`, `true`, `false` in any case, and the `0.0` and `1.0` of programs that know only decimals.
pub(super) fn flag(cell: &[u8]) -> Option<bool> {
    match cell.trim_ascii() {
        b"0" | b"0.0" => Some(false),
        b"1" | b"1.0" => Some(true),
        word if word.eq_ignore_ascii_case(b"false") => Some(false),
        word if word.eq_ignore_ascii_case(b"true") => Some(true),
        _ => None,
    }
}

/// A cell for a message: readable, and not endless.
pub(super) fn shown(cell: &[u8]) -> String {
    const SHOWN_CHARS: usize = 60;
    let text = String::from_utf8_lossy(cell);
    let mut shown: String = text.chars().take(SHOWN_CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
