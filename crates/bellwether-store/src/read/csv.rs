//! The rows of a delimited table, wide or long, into series.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use bellwether_core::frame::Channel;
use bellwether_core::time::Timestamp;
use csv::ByteRecord;

use super::ReadOptions;
use super::cells::{Cells, Fault};
use super::error::{Place, Problem, ReadError};
use super::long::LongRows;
use super::series::{Gather, Shape};
use super::sniff::{Values, sniff};
use super::source::Source;
use super::table::Table;

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
        cells: Cells::new(layout, &options.missing),
        file: &file,
        series: None,
    };
    rows.table.advance()?; // the header, known by now
    let columns = match &rows.cells.layout.values {
        Values::Wide(columns) => Some(columns.clone()),
        Values::Long { .. } => None,
    };
    match columns {
        Some(columns) => rows.read_wide(&columns, name, gather)?,
        None => rows.read_long(name, gather)?,
    }
    if let Some(first) = (n_before < gather.n_series()).then_some(n_before) {
        gather.series(first).notes.append(&mut rows.cells.layout.notes);
    }
    Ok(())
}

/// A table being read.
struct Rows<'a> {
    table: Table,
    cells: Cells,
    file: &'a Path,
    /// The series of the last row.
    series: Option<usize>,
}

impl Rows<'_> {
    fn read_wide(&mut self, columns: &[usize], name: &str, gather: &mut Gather) -> Result<(), ReadError> {
        self.in_file(gather.check_channels(columns.len()))?;
        let channels: Vec<_> = columns
            .iter()
            .map(|&column| Channel::new(self.cells.layout.names[column].as_str()))
            .collect();
        let shape = self.shape(channels.into());
        if self.cells.layout.series.is_none() {
            self.series = Some(self.in_file(gather.open_file(name, self.file, &shape))?);
        }
        while self.table.advance()? {
            let Some(time) = self.time()? else { continue };
            let idx = match self.cells.layout.series {
                Some(column) => self.row_series(column, &shape, gather)?,
                None => self.series.expect("opened above"),
            };
            let row = self.table.record();
            let position = self.in_file(gather.next_position())?;
            self.in_file(gather.count_cells(1, columns.len()))?;
            let series = gather.series(idx);
            let is_sample = series
                .begin_row(time, &row[self.cells.layout.time], position)
                .map_err(|problem| self.at(self.cells.layout.time, problem))?;
            let n_values = series.values.len();
            for &column in columns {
                series.values.push(self.value(row, column)?);
            }
            if !is_sample {
                series.values.truncate(n_values);
            }
            if let Some(column) = self.cells.layout.label {
                series.labels.push(self.label(row, column)?);
            }
            if let Some(column) = self.cells.layout.changepoint {
                series.changepoints.push(self.label(row, column)?);
            }
        }
        Ok(())
    }

    fn read_long(&mut self, name: &str, gather: &mut Gather) -> Result<(), ReadError> {
        let Values::Long { channel, value } = self.cells.layout.values else {
            return Ok(());
        };
        let mut by_series: HashMap<String, usize> = HashMap::new();
        let mut all: Vec<LongRows> = Vec::new();
        while self.table.advance()? {
            let Some(time) = self.time()? else { continue };
            let row = self.table.record();
            let series = match self.cells.layout.series {
                Some(column) => self.text(row, column, Problem::NoSeries)?,
                None => name,
            };
            let idx = match by_series.get(series) {
                Some(&idx) => idx,
                None => {
                    by_series.insert(series.to_owned(), all.len());
                    all.push(LongRows::new(series, gather.sort()));
                    all.len() - 1
                }
            };
            let series = &mut all[idx];
            let position = self.in_file(gather.next_position())?;
            let channel_name = self.text(row, channel, Problem::NoChannelName)?;
            let value = self.value(row, value)?;
            series
                .push(time, &row[self.cells.layout.time], position, channel_name, value)
                .map_err(|problem| self.at(self.cells.layout.time, problem))?;
            self.in_file(gather.check_channels(series.n_channels()))?;
            if let Some(column) = self.cells.layout.label {
                series.labels.push(self.label(row, column)?);
            }
            if let Some(column) = self.cells.layout.changepoint {
                series.changepoints.push(self.label(row, column)?);
            }
        }
        for rows in all {
            let shape = self.shape(rows.channels());
            let idx = match self.cells.layout.series {
                Some(_) => self.in_file(gather.open(rows.name(), self.file, &shape))?,
                None => self.in_file(gather.open_file(rows.name(), self.file, &shape))?,
            };
            let time = rows.instants();
            self.in_file(gather.count_cells(time.len(), rows.n_channels()))?;
            self.in_file(rows.pivot_into(time, gather.series(idx)))?;
        }
        Ok(())
    }

    /// The time of the row at hand; `None` where the row is blank.
    fn time(&mut self) -> Result<Option<Timestamp>, ReadError> {
        let row = self.table.record();
        self.cells.time(row).map_err(|fault| self.faulty(fault))
    }

    fn text<'r>(
        &self,
        row: &'r ByteRecord,
        column: usize,
        when_empty: Problem,
    ) -> Result<&'r str, ReadError> {
        self.cells
            .text(row, column, when_empty)
            .map_err(|fault| self.faulty(fault))
    }

    fn value(&self, row: &ByteRecord, column: usize) -> Result<f64, ReadError> {
        self.cells.value(row, column).map_err(|fault| self.faulty(fault))
    }

    fn label(&self, row: &ByteRecord, column: usize) -> Result<bool, ReadError> {
        self.cells.label(row, column).map_err(|fault| self.faulty(fault))
    }

    fn shape(&self, channels: Arc<[Channel]>) -> Shape {
        Shape {
            channels,
            has_labels: self.cells.layout.label.is_some(),
            has_changepoints: self.cells.layout.changepoint.is_some(),
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

    /// `problem` in `column` of the row at hand.
    #[cold]
    fn at(&self, column: usize, problem: Problem) -> ReadError {
        self.faulty(Fault {
            column: Some(column),
            problem,
        })
    }

    /// What is wrong with the row at hand, and where.
    #[cold]
    fn faulty(&self, fault: Fault) -> ReadError {
        fault.at(self.table.place(), &self.cells.layout.names)
    }

    /// A problem of the file as a whole.
    fn in_file<T>(&self, result: Result<T, Problem>) -> Result<T, ReadError> {
        result.map_err(|problem| Place::file(self.file).error(problem))
    }
}
