//! Tables of text cells, wide or long: delimited text and JSON lines.

use super::super::cells::{Cells, Fault};
use super::super::error::{Problem, ReadError};
use super::super::number::Cell;
use super::super::row::{Row, TextRows};
use super::super::sniff::{Layout, Values};
use super::{NotNumber, RawRow, RawValue, RawValues, To};

/// Hands over all rows of `table`.
pub(super) fn visit(
    mut table: impl TextRows,
    layout: Layout,
    delimiter: Option<u8>,
    to: &mut To<'_>,
) -> Result<(), ReadError> {
    let channels = to.table(&layout, delimiter)?;
    let mut cells = Cells::new(layout, &to.options.missing);
    let mut series = to.name.to_owned();
    let mut read = Read::default();
    loop {
        match table.advance() {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) if is_of_row(&error.problem) => {
                to.visitor.row(&RawRow::unread(&series, &error, None));
                continue;
            }
            Err(error) => return Err(error),
        }
        let row = table.row();
        let time = match cells.time(row) {
            Ok(Some(time)) => Ok(time),
            Ok(None) => continue,
            Err(fault) => Err(fault),
        };
        let time = time.and_then(|time| {
            let is_other = match cells.layout.series {
                Some(column) if row.cell(column).trim_ascii() != series.as_bytes() => {
                    cells
                        .text(row, column, Problem::NoSeries)?
                        .clone_into(&mut series);
                    true
                }
                _ => false,
            };
            read.values(&cells, row)?;
            Ok((time, is_other))
        });
        match time {
            Ok((time, is_other)) => {
                if is_other {
                    to.know(&series, channels.as_ref())?;
                }
                let named;
                let values = match cells.layout.values {
                    Values::Wide(_) => RawValues::Wide {
                        values: &read.values,
                        not_numbers: &read.not_numbers,
                    },
                    Values::Long { channel, .. } => {
                        // It was read as text before.
                        let channel = std::str::from_utf8(row.cell(channel).trim_ascii()).unwrap_or_default();
                        named = [RawValue {
                            channel,
                            value: read.values[0],
                            not_number: read.not_numbers.pop().map(|of| of.text),
                        }];
                        RawValues::Named(&named)
                    }
                };
                to.visitor.row(&RawRow {
                    series: &series,
                    time: Some(time),
                    time_text: row.cell(cells.layout.time),
                    values,
                    marks: &[],
                    error: None,
                    cells: Some(row),
                });
            }
            Err(fault) => {
                let error = fault.at(table.place(), &cells.layout.names);
                to.visitor.row(&RawRow::unread(&series, &error, Some(row)));
            }
        }
    }
}

/// Whether the row at hand is wrong, and the next may be right.
fn is_of_row(problem: &Problem) -> bool {
    matches!(
        problem,
        Problem::BadJson { .. }
            | Problem::NotUtf8 { .. }
            | Problem::LateKey { .. }
            | Problem::Nested { .. }
            | Problem::DuplicateKey
    )
}

/// The values of the row read last.
#[derive(Default)]
struct Read {
    values: Vec<f64>,
    not_numbers: Vec<NotNumber>,
}

impl Read {
    fn values(&mut self, cells: &Cells, row: Row<'_>) -> Result<(), Fault> {
        self.values.clear();
        self.not_numbers.clear();
        match &cells.layout.values {
            Values::Wide(columns) => {
                for &column in columns {
                    self.value(cells, row, column);
                }
            }
            &Values::Long { channel, value } => {
                cells.text(row, channel, Problem::NoChannelName)?;
                self.value(cells, row, value);
            }
        }
        Ok(())
    }

    fn value(&mut self, cells: &Cells, row: Row<'_>, column: usize) {
        let channel_idx = self.values.len();
        let cell = row.cell(column);
        self.values
            .push(value_of(cells.cell(row, column), cell).unwrap_or_else(|text| {
                self.not_numbers.push(NotNumber { channel_idx, text });
                f64::NAN
            }));
    }
}

/// The value of a cell; its text where it holds no number.
pub(super) fn value_of(said: Cell, cell: &[u8]) -> Result<f64, String> {
    match said {
        Cell::Value(value) => Ok(value),
        Cell::Missing => Ok(f64::NAN),
        Cell::Infinite if cell.trim_ascii().starts_with(b"-") => Ok(f64::NEG_INFINITY),
        Cell::Infinite => Ok(f64::INFINITY),
        Cell::DecimalComma | Cell::Text => Err(String::from_utf8_lossy(cell).into_owned()),
    }
}
