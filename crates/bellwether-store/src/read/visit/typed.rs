//! Batches of typed columns: Parquet and Arrow.

use std::collections::VecDeque;

use arrow_array::RecordBatch;

use super::super::batches::{Batches, Columns, is_blank, sample, text_of};
use super::super::columns::{CellText, numbers_of};
use super::super::error::{Place, Problem, ReadError};
use super::super::instants::Instants;
use super::super::number::Numbers;
use super::super::row::RowBuf;
use super::super::sniff::{self, Layout, SAMPLE_ROWS, Values};
use super::super::turned::{ColumnRoom, append_rows};
use super::text::value_of;
use super::{NotNumber, RawRow, RawValue, RawValues, To};

/// Rows whose values are read together.
const PIECE_ROWS: usize = 4096;

/// Hands over the rows of all `batches`.
pub(super) fn visit(batches: &mut Batches<'_>, columns: Columns, to: &mut To<'_>) -> Result<(), ReadError> {
    let file = to.file;
    let in_file = |problem| Place::file(file).error(problem);
    let mut first = VecDeque::new();
    let mut n_first = 0;
    while n_first < SAMPLE_ROWS
        && let Some(batch) = batches.next()
    {
        let batch = batch.map_err(in_file)?;
        n_first += batch.num_rows();
        first.push_back(batch);
    }
    let layout = sniff::layout(sample(&first, &columns, file)?, to.options)?;
    let channels = to.table(&layout, None)?;
    let mut rows = Rows {
        instants: Instants::new(&layout),
        numbers: Numbers::new(&to.options.missing),
        text: CellText::default(),
        columns,
        layout,
        n_rows: 0,
        series: to.name.to_owned(),
        room: ColumnRoom::default(),
        values: Vec::new(),
        not_numbers: Vec::new(),
        cells: RowBuf::default(),
    };
    let mut take = |batch: &RecordBatch, to: &mut To<'_>| {
        (0..batch.num_rows()).step_by(PIECE_ROWS).try_for_each(|start| {
            let piece = batch.slice(start, PIECE_ROWS.min(batch.num_rows() - start));
            rows.batch(&piece, to, |to, series| to.know(series, channels.as_ref()))
        })
    };
    while let Some(batch) = first.pop_front() {
        take(&batch, to)?;
    }
    while to.visitor.pause()
        && let Some(batch) = batches.next()
    {
        take(&batch.map_err(in_file)?, to)?;
    }
    Ok(())
}

struct Rows {
    instants: Instants,
    numbers: Numbers,
    text: CellText,
    columns: Columns,
    layout: Layout,
    n_rows: u64,
    /// Of the row before.
    series: String,
    room: ColumnRoom,
    /// The values of a batch, row after row.
    values: Vec<f64>,
    /// Cells of the batch that hold no number: row, and what stands there.
    not_numbers: Vec<(usize, NotNumber)>,
    cells: RowBuf,
}

impl Rows {
    fn batch(
        &mut self,
        batch: &RecordBatch,
        to: &mut To<'_>,
        know: impl Fn(&mut To<'_>, &str) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let file = to.file;
        let broken = move |problem| Place::file(file).error(problem);
        self.read_values(batch).map_err(broken)?;
        let n_values = self.layout.values.columns().len();
        let wants_cells = to.visitor.wants_cells();
        let mut time_text = Vec::new();
        let mut not_numbers = std::mem::take(&mut self.not_numbers).into_iter().peekable();
        for row in 0..batch.num_rows() {
            let mut of_row = Vec::new();
            while let Some((_, cell)) = not_numbers.next_if(|(at, _)| *at == row) {
                of_row.push(cell);
            }
            self.n_rows += 1;
            if wants_cells {
                self.read_cells(batch, row).map_err(broken)?;
            }
            let cells = wants_cells.then(|| self.cells.clone());
            let cells = cells.as_ref().map(RowBuf::row);
            let read = self.read_row(batch, row, &mut time_text);
            let (time, is_other, channel) = match read {
                Ok(Some(read)) => read,
                Ok(None) => continue,
                Err((_, problem @ Problem::Corrupt { .. })) => return Err(broken(problem)),
                Err((column, problem)) => {
                    let place = Place::file(file).at_row(self.n_rows);
                    let place = place.in_column(&self.layout.names[column]);
                    let error = place.error(problem);
                    to.visitor.row(&RawRow::unread(&self.series, &error, cells));
                    continue;
                }
            };
            if is_other {
                know(to, &self.series)?;
            }
            let values = &self.values[row * n_values..][..n_values];
            let named;
            let values = match &channel {
                None => RawValues::Wide {
                    values,
                    not_numbers: &of_row,
                },
                Some(channel) => {
                    named = [RawValue {
                        channel,
                        value: values[0],
                        not_number: of_row.pop().map(|cell| cell.text),
                    }];
                    RawValues::Named(&named)
                }
            };
            to.visitor.row(&RawRow {
                series: &self.series,
                time: Some(time),
                time_text: &time_text,
                values,
                marks: &[],
                error: None,
                cells,
            });
        }
        Ok(())
    }

    /// Reads the values of a batch, whatever they are.
    fn read_values(&mut self, batch: &RecordBatch) -> Result<(), Problem> {
        self.not_numbers.clear();
        let columns = self.layout.values.columns();
        let mut values: Vec<&[f64]> = Vec::with_capacity(columns.len());
        let room = self.room.columns(batch.num_rows(), columns.len());
        for (channel_idx, (&column, out)) in columns.iter().zip(room).enumerate() {
            let array = self.columns.array(batch, column);
            if array.data_type().is_integer() || array.data_type().is_floating() {
                // What is infinite is told of.
                values.push(numbers_of(array, &self.numbers, out).map_err(|(_, problem)| problem)?);
                continue;
            }
            let mut cell = Vec::new();
            for (row, out) in out.iter_mut().enumerate() {
                cell.clear();
                self.text.push(&mut cell, array, row)?;
                match value_of(self.numbers.read(&cell), &cell) {
                    Ok(value) => *out = value,
                    Err(text) => {
                        *out = f64::NAN;
                        self.not_numbers.push((row, NotNumber { channel_idx, text }));
                    }
                }
            }
            values.push(out);
        }
        self.values.clear();
        append_rows(&values, &mut self.values);
        self.not_numbers.sort_by_key(|(row, _)| *row);
        Ok(())
    }

    /// Time, whether the series is another than before, and the channel where a column names it; `None` for a row
    /// without anything.
    #[expect(clippy::type_complexity, reason = "it is taken apart at once")]
    fn read_row(
        &mut self,
        batch: &RecordBatch,
        row: usize,
        time_text: &mut Vec<u8>,
    ) -> Result<Option<(bellwether_core::time::Timestamp, bool, Option<String>)>, (usize, Problem)> {
        let at = |column: usize| move |problem| (column, problem);
        let of_time = at(self.layout.time);
        let times = self.columns.array(batch, self.layout.time);
        time_text.clear();
        self.text.push(time_text, times, row).map_err(of_time)?;
        let Some(time) = self.instants.of(times, row, time_text) else {
            if is_blank(batch, row) {
                return Ok(None);
            }
            return Err(of_time(self.instants.problem(time_text)));
        };
        let mut cell = Vec::new();
        let mut is_other = false;
        if let Some(column) = self.layout.series {
            let array = self.columns.array(batch, column);
            self.text.push(&mut cell, array, row).map_err(at(column))?;
            let series = text_of(&cell, Problem::NoSeries).map_err(at(column))?;
            is_other = series != self.series;
            if is_other {
                series.clone_into(&mut self.series);
            }
        }
        let channel = match self.layout.values {
            Values::Wide(_) => None,
            Values::Long { channel: column, .. } => {
                cell.clear();
                let array = self.columns.array(batch, column);
                self.text.push(&mut cell, array, row).map_err(at(column))?;
                let channel = text_of(&cell, Problem::NoChannelName).map_err(at(column))?;
                Some(channel.to_owned())
            }
        };
        Ok(Some((time, is_other, channel)))
    }

    fn read_cells(&mut self, batch: &RecordBatch, row: usize) -> Result<(), Problem> {
        self.cells.clear();
        let mut cell = Vec::new();
        for column in 0..self.layout.names.len() {
            cell.clear();
            if self.columns.is_read(column) {
                self.text
                    .push(&mut cell, self.columns.array(batch, column), row)?;
            }
            self.cells.push(&cell);
        }
        Ok(())
    }
}
