//! Tables of text cells, wide or long, into series: delimited text and JSON lines.

use std::path::Path;

use super::ReadOptions;
use super::cells::{Cells, Fault};
use super::error::{Place, Problem, ReadError};
use super::json::JsonLines;
use super::row::{Row, TextRows};
use super::series::Gather;
use super::sink::{Misfit, Part, RowHead, Sink};
use super::sniff::{self, Layout, Values};
use super::source::Source;
use super::table::Table;

/// Reads delimited text; without a series column it is the series called `name`.
pub(super) fn read_delimited(
    source: Source,
    name: &str,
    options: &ReadOptions,
    gather: &mut Gather,
) -> Result<(), ReadError> {
    let (delimiter, layout) = sniff::delimited(&source, options)?;
    let file = source.file.clone();
    let mut table = Table::new(source.file, source.bytes, delimiter);
    table.advance()?; // the header, known by now
    read_rows(table, layout, &file, name, options, gather)
}

/// The same for lines of JSON.
pub(super) fn read_json_lines(
    source: Source,
    name: &str,
    options: &ReadOptions,
    gather: &mut Gather,
) -> Result<(), ReadError> {
    let sample = JsonLines::sample(&source)?;
    let layout = sniff::layout(sample, options)?;
    let file = source.file.clone();
    let lines = JsonLines::new(source.file, source.bytes, &layout.names, &options.ignore_columns);
    read_rows(lines, layout, &file, name, options, gather)
}

fn read_rows(
    table: impl TextRows,
    mut layout: Layout,
    file: &Path,
    name: &str,
    options: &ReadOptions,
    gather: &mut Gather,
) -> Result<(), ReadError> {
    let notes = std::mem::take(&mut layout.notes);
    let mut sink = Sink::new(&layout, file, name, gather)?;
    let mut rows = Rows {
        table,
        cells: Cells::new(layout, &options.missing),
        file,
    };
    rows.read(&mut sink)?;
    sink.finish(notes, |_| None)
}

/// A table being read.
struct Rows<'a, T: TextRows> {
    table: T,
    cells: Cells,
    file: &'a Path,
}

impl<T: TextRows> Rows<'_, T> {
    fn read(&mut self, sink: &mut Sink<'_>) -> Result<(), ReadError> {
        while self.table.advance()? {
            let row = self.table.row();
            if let Err(fault) = self.cells.row_into(row, sink) {
                return Err(match fault {
                    Wrong::Fault(fault) => fault.at(self.table.place(), &self.cells.layout.names),
                    Wrong::InFile(problem) => Place::file(self.file).error(problem),
                });
            }
        }
        Ok(())
    }
}

/// What is wrong with a row, or beyond it.
enum Wrong {
    Fault(Fault),
    InFile(Problem),
}

impl From<Fault> for Wrong {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// As a misfit comes out of the sink, before the layout says which column is meant.
enum Inner {
    Fault(Fault),
    Misfit(Misfit),
}

impl From<Misfit> for Inner {
    fn from(misfit: Misfit) -> Self {
        Self::Misfit(misfit)
    }
}

impl Cells {
    /// Reads one row and gives it on.
    #[inline]
    fn row_into(&mut self, row: Row<'_>, sink: &mut Sink<'_>) -> Result<(), Wrong> {
        let Some(time) = self.time(row)? else {
            return Ok(());
        };
        let layout = &self.layout;
        let series = match layout.series {
            Some(column) => Some(self.text(row, column, Problem::NoSeries)?),
            None => None,
        };
        let mark = |column: Option<usize>| column.map(|column| self.label(row, column)).transpose();
        let head = RowHead {
            time,
            time_text: row.cell(layout.time),
            series,
            label: mark(layout.label)?,
            changepoint: mark(layout.changepoint)?,
        };
        let given = match &layout.values {
            Values::Wide(columns) => sink.wide_row(&head, |values| {
                for &column in columns {
                    values.push(self.value(row, column).map_err(Inner::Fault)?);
                }
                Ok(())
            }),
            &Values::Long { channel, value } => {
                let name = self.text(row, channel, Problem::NoChannelName)?;
                let value = self.value(row, value)?;
                sink.named_row(&head, [(name, value)]).map_err(Inner::Misfit)
            }
        };
        given.map_err(|inner| match inner {
            Inner::Fault(fault) => Wrong::Fault(fault),
            Inner::Misfit((Part::Time, problem)) => Fault::of(layout.time, problem).into(),
            Inner::Misfit((Part::Series, problem)) => Fault {
                column: layout.series,
                problem,
            }
            .into(),
            Inner::Misfit((Part::File, problem)) => Wrong::InFile(problem),
        })
    }
}
