//! The table of verdicts: one row per sample, the same from a file and from a stream.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use bellwether_core::event::EventId;

use super::table::{Cell, Column, ColumnKind, TableFormat, TableWriter};
use super::{AtomicFile, WriteError};
use crate::disk::DiskError;

/// What was made of one sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VerdictRow<'a> {
    /// Its time as in the input.
    pub time: &'a str,
    /// Its series; left out where the table has no such column.
    pub series: &'a str,
    /// NaN: none.
    pub score: f64,
    /// The event it lies in.
    pub event: Option<EventId>,
    /// The channel with the largest share of the score, and that share.
    pub top: Option<(&'a str, f64)>,
}

/// Writes verdicts row by row.
#[derive(Debug)]
pub struct VerdictWriter<W: Write + Send> {
    table: TableWriter<W>,
    with_series: bool,
}

/// A file that rows are added to at its end.
pub type AppendedFile = std::fs::File;

impl<W: Write + Send> VerdictWriter<W> {
    /// Begins a table; `with_series`: it tells of several series.
    ///
    /// # Errors
    /// [`WriteError::Table`] where `out` fails.
    pub fn new(out: W, format: TableFormat, with_series: bool) -> Result<Self, WriteError> {
        let table = TableWriter::new(out, format, columns(with_series))?;
        Ok(Self { table, with_series })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// [`WriteError::Table`] where the output fails.
    pub fn row(&mut self, row: &VerdictRow<'_>) -> Result<(), WriteError> {
        let event = row.event.map(|event| event.to_string());
        let is_anomaly = if row.score.is_nan() {
            Cell::Missing
        } else {
            Cell::Integer(i64::from(row.score >= 1.0))
        };
        let mut cells = vec![Cell::Text(row.time)];
        if self.with_series {
            cells.push(Cell::Text(row.series));
        }
        cells.extend([
            Cell::Real(row.score),
            is_anomaly,
            Cell::text(event.as_deref()),
            Cell::text(row.top.map(|(channel, _)| channel)),
            row.top.map_or(Cell::Missing, |(_, share)| Cell::Real(share)),
        ]);
        self.table.row(&cells)
    }

    /// Hands all rows so far to whoever reads them.
    ///
    /// # Errors
    /// [`WriteError::Table`] where the output fails.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        self.table.flush()
    }

    /// Ends the table and gives the output back.
    ///
    /// # Errors
    /// [`WriteError::Table`] where the output fails.
    pub fn finish(self) -> Result<W, WriteError> {
        self.table.finish()
    }
}

impl VerdictWriter<AtomicFile> {
    /// Begins the file at `path` in the format that its ending names.
    ///
    /// # Errors
    /// Where the file cannot be made, or its ending names no format.
    pub fn create(path: &Path, with_series: bool) -> Result<Self, WriteError> {
        let format = TableFormat::of_path(path)?;
        Self::new(AtomicFile::create(path)?, format, with_series)
    }
}

impl VerdictWriter<AppendedFile> {
    /// Goes on with the file at `path` where it ends, or begins it. A table that is there keeps its columns.
    ///
    /// # Errors
    /// Where the file cannot be opened, or its ending names no format that can be added to.
    pub fn append(path: &Path, with_series: bool) -> Result<Self, WriteError> {
        let format = TableFormat::of_path(path)?;
        if format == TableFormat::Parquet {
            return Err(WriteError::NotAppendable {
                path: path.to_owned(),
            });
        }
        let at = |source| WriteError::Disk(DiskError::at("write", path)(source));
        let file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .open(path)
            .map_err(at)?;
        if file.metadata().map_err(at)?.len() == 0 {
            return Self::new(file, format, with_series);
        }
        let mut header = String::new();
        BufReader::new(&file).read_line(&mut header).map_err(at)?;
        let with_series = match format {
            TableFormat::Csv => header.split(',').any(|name| name == "series"),
            _ => header.contains("\"series\":"),
        };
        let table = TableWriter::resume(file, format, columns(with_series));
        Ok(Self { table, with_series })
    }
}

fn columns(with_series: bool) -> Vec<Column> {
    let mut columns = vec![Column::new("timestamp", ColumnKind::Text)];
    if with_series {
        columns.push(Column::new("series", ColumnKind::Text));
    }
    columns.extend([
        Column::new("score", ColumnKind::Real).optional(),
        Column::new("is_anomaly", ColumnKind::Integer).optional(),
        Column::new("event", ColumnKind::Text).optional(),
        Column::new("top_channel", ColumnKind::Text).optional(),
        Column::new("top_share", ColumnKind::Real).optional(),
    ]);
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_added_to_keeps_its_header_and_columns() {
        let dir = tempfile::tempdir().unwrap();
        let row = VerdictRow {
            time: "t1",
            series: "a",
            score: f64::NAN,
            event: None,
            top: None,
        };
        for (name, with_series, expect) in [
            (
                "a.csv",
                true,
                "timestamp,series,score,is_anomaly,event,top_channel,top_share\nt1,a,,,,,\nt1,a,,,,,\n",
            ),
            (
                "b.csv",
                false,
                "timestamp,score,is_anomaly,event,top_channel,top_share\nt1,,,,,\nt1,,,,,\n",
            ),
        ] {
            let path = dir.path().join(name);
            for with_series in [with_series, !with_series] {
                let mut table = VerdictWriter::append(&path, with_series).unwrap();
                table.row(&row).unwrap();
                table.finish().unwrap();
            }
            let text = crate::disk::read_bounded(&path, 1000).unwrap();
            assert_eq!(String::from_utf8(text).unwrap(), expect);
        }
        let error = VerdictWriter::append(Path::new("x.parquet"), true)
            .unwrap_err()
            .to_string();
        assert!(error.contains("cannot be added to Parquet"), "{error}");
    }
}
