//! The table of verdicts: one row per sample, the same from a file and from a stream.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use bellwether_core::event::EventId;

use super::packed::Packed;
use super::table::{Cell, Column, ColumnKind, TableFormat, TableWriter, packed_format};
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
    /// Why it does not count as operation; left out where the table has no such column.
    pub reason: Option<&'a str>,
    /// The chance of such a score in a normal row; left out where the table has no such column.
    pub p_value: Option<f64>,
}

/// The columns that a table of verdicts has besides those that all have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VerdictColumns {
    /// It tells of several series.
    pub with_series: bool,
    /// The model knows of rows that do not count as operation.
    pub with_reason: bool,
    /// The model knows how rare scores are.
    pub with_p_value: bool,
}

/// Writes verdicts row by row.
#[derive(Debug)]
pub struct VerdictWriter<W: Write + Send> {
    table: TableWriter<W>,
    columns: VerdictColumns,
}

/// A file that rows are added to at its end.
pub type AppendedFile = File;

impl<W: Write + Send> VerdictWriter<W> {
    /// Begins a table.
    ///
    /// # Errors
    /// [`WriteError::Table`] where `out` fails.
    pub fn new(out: W, format: TableFormat, columns: VerdictColumns) -> Result<Self, WriteError> {
        let table = TableWriter::new(out, format, all(columns))?;
        Ok(Self { table, columns })
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
        if self.columns.with_series {
            cells.push(Cell::Text(row.series));
        }
        cells.extend([
            Cell::Real(row.score),
            is_anomaly,
            Cell::text(event.as_deref()),
            Cell::text(row.top.map(|(channel, _)| channel)),
            row.top.map_or(Cell::Missing, |(_, share)| Cell::Real(share)),
        ]);
        if self.columns.with_reason {
            cells.push(Cell::text(row.reason));
        }
        if self.columns.with_p_value {
            cells.push(row.p_value.map_or(Cell::Missing, Cell::Real));
        }
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

impl VerdictWriter<Packed<AtomicFile>> {
    /// Begins the file at `path` in the format that its ending names, packed where it says so.
    ///
    /// # Errors
    /// Where the file cannot be made, or its ending names no format.
    pub fn create(path: &Path, columns: VerdictColumns) -> Result<Self, WriteError> {
        let (format, packing) = packed_format(path)?;
        let out = Packed::new(AtomicFile::create(path)?, packing).map_err(WriteError::Table)?;
        Self::new(out, format, columns)
    }
}

impl VerdictWriter<AppendedFile> {
    /// Goes on with the file at `path` where it ends, or begins it. A table that is there keeps its columns; its last
    /// row goes where a crash has cut it off.
    ///
    /// # Errors
    /// Where the file cannot be opened, its ending names no format that can be added to, or it holds something else
    /// than verdicts; it is then left as it is.
    pub fn append(path: &Path, columns: VerdictColumns) -> Result<Self, WriteError> {
        let format = TableFormat::of_path(path)?;
        if !matches!(format, TableFormat::Csv | TableFormat::Jsonl) {
            return Err(WriteError::NotAppendable {
                path: path.to_owned(),
            });
        }
        let at = |source| WriteError::Disk(DiskError::at("write", path)(source));
        let mut file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .open(path)
            .map_err(at)?;
        let about = file.metadata().map_err(at)?;
        // What is no regular file (a pipe, a terminal) has no past.
        if !about.is_file() || about.len() == 0 {
            return Self::new(file, format, columns);
        }
        let not_ours = || WriteError::NotVerdicts {
            path: path.to_owned(),
        };
        let head = first_row(&file).map_err(at)?;
        let columns = find_columns(&head, format, columns).ok_or_else(not_ours)?;
        let n_bytes = whole_rows(&mut file, about.len())
            .map_err(at)?
            .ok_or_else(not_ours)?;
        if n_bytes < about.len() {
            file.set_len(n_bytes).map_err(at)?;
        }
        if n_bytes == 0 {
            return Self::new(file, format, columns);
        }
        let table = TableWriter::resume(file, format, all(columns));
        Ok(Self { table, columns })
    }
}

/// Bytes of a row at most: where rows begin and end is looked for so far.
const ROW_BYTES_MAX: u64 = 1 << 16;

/// The first line of a file, with its end if it has one.
fn first_row(file: &File) -> io::Result<Vec<u8>> {
    let mut row = Vec::new();
    BufReader::new(file.take(ROW_BYTES_MAX)).read_until(b'\n', &mut row)?;
    Ok(row)
}

/// The columns of a table that begins so; `None`: it is no table of verdicts. A first line that was cut off is one of
/// ours if it begins as ours, and tells nothing: `otherwise` holds.
fn find_columns(head: &[u8], format: TableFormat, otherwise: VerdictColumns) -> Option<VerdictColumns> {
    let mut choices = (0..8).map(|choice| VerdictColumns {
        with_series: choice & 1 == 0,
        with_reason: choice & 2 == 0,
        with_p_value: choice & 4 == 0,
    });
    let first = |columns| match format {
        TableFormat::Csv => header(columns) + "\n",
        _ => r#"{"timestamp":"#.to_owned(),
    };
    if !head.ends_with(b"\n") {
        let is_ours = |ours: String| ours.as_bytes().starts_with(head) || head.starts_with(ours.as_bytes());
        return choices
            .any(|columns| is_ours(first(columns)))
            .then_some(otherwise);
    }
    match format {
        TableFormat::Csv => choices.find(|&columns| head == first(columns).as_bytes()),
        _ => {
            let names = |key: &[u8]| head.windows(key.len()).any(|bytes| bytes == key);
            head.starts_with(first(otherwise).as_bytes())
                .then(|| VerdictColumns {
                    with_series: names(b"\"series\":"),
                    with_reason: names(b"\"reason\":"),
                    with_p_value: names(b"\"p_value\":"),
                })
        }
    }
}

/// The bytes up to and with the last end of a row; `None` where there is none within [`ROW_BYTES_MAX`].
fn whole_rows(file: &mut File, n_bytes: u64) -> io::Result<Option<u64>> {
    let from = n_bytes.saturating_sub(ROW_BYTES_MAX);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    (&*file).take(ROW_BYTES_MAX).read_to_end(&mut tail)?;
    let end = tail.iter().rposition(|&byte| byte == b'\n');
    Ok(match end {
        Some(end) => Some(from + end as u64 + 1),
        None => (from == 0).then_some(0),
    })
}

/// The first line of a table as CSV, without its end.
fn header(columns: VerdictColumns) -> String {
    let names: Vec<String> = all(columns).into_iter().map(|column| column.name).collect();
    names.join(",") // no name needs quotes
}

fn all(wanted: VerdictColumns) -> Vec<Column> {
    let mut columns = vec![Column::new("timestamp", ColumnKind::Text)];
    if wanted.with_series {
        columns.push(Column::new("series", ColumnKind::Text));
    }
    columns.extend([
        Column::new("score", ColumnKind::Real).optional(),
        Column::new("is_anomaly", ColumnKind::Integer).optional(),
        Column::new("event", ColumnKind::Text).optional(),
        Column::new("top_channel", ColumnKind::Text).optional(),
        Column::new("top_share", ColumnKind::Real).optional(),
    ]);
    if wanted.with_reason {
        columns.push(Column::new("reason", ColumnKind::Text).optional());
    }
    if wanted.with_p_value {
        columns.push(Column::new("p_value", ColumnKind::Real).optional());
    }
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
            reason: None,
            p_value: Some(0.25),
        };
        for (name, with_series, with_p_value, expect) in [
            (
                "a.csv",
                true,
                false,
                "timestamp,series,score,is_anomaly,event,top_channel,top_share\nt1,a,,,,,\nt1,a,,,,,\n",
            ),
            (
                "b.csv",
                false,
                false,
                "timestamp,score,is_anomaly,event,top_channel,top_share\nt1,,,,,\nt1,,,,,\n",
            ),
            (
                "c.csv",
                false,
                true,
                "timestamp,score,is_anomaly,event,top_channel,top_share,p_value\nt1,,,,,,0.25\nt1,,,,,,0.25\n",
            ),
        ] {
            let path = dir.path().join(name);
            for is_other in [false, true] {
                let columns = VerdictColumns {
                    with_series: with_series != is_other,
                    with_reason: false,
                    with_p_value: with_p_value != is_other,
                };
                let mut table = VerdictWriter::append(&path, columns).unwrap();
                table.row(&row).unwrap();
                table.finish().unwrap();
            }
            let text = crate::disk::read_bounded(&path, 1000).unwrap();
            assert_eq!(String::from_utf8(text).unwrap(), expect);
        }
        let error = VerdictWriter::append(Path::new("x.parquet"), VerdictColumns::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains("cannot be added to"), "{error}");
    }

    #[test]
    fn a_row_that_a_crash_has_cut_off_goes_and_foreign_files_stay() {
        let dir = tempfile::tempdir().unwrap();
        let row = VerdictRow {
            time: "t2",
            series: "a",
            score: 0.5,
            event: None,
            top: None,
            reason: None,
            p_value: Some(0.25),
        };
        let append = |name: &str, before: &str| {
            let path = dir.path().join(name);
            crate::disk::write_atomic(&path, before.as_bytes()).unwrap();
            let appended = VerdictWriter::append(&path, VerdictColumns::default())
                .map(|mut table| table.row(&row).unwrap());
            let after = String::from_utf8(crate::disk::read_bounded(&path, 1 << 20).unwrap()).unwrap();
            (appended, after)
        };
        let check = |name: &str, before: &str, expect: &str| {
            let (appended, after) = append(name, before);
            appended.unwrap();
            assert_eq!(after, expect);
        };
        let head = "timestamp,score,is_anomaly,event,top_channel,top_share\n";
        let csv = |rows: &str| format!("{head}{rows}");
        check(
            "cut.csv",
            &csv("t1,1.5,1,,,\nt2,0"),
            &csv("t1,1.5,1,,,\nt2,0.5,0,,,\n"),
        );
        check("head.csv", &head[..14], &csv("t2,0.5,0,,,\n"));
        let line = "{\"timestamp\":\"t2\",\"score\":0.5,\"is_anomaly\":0,\"event\":null,\"top_channel\":null,\
                    \"top_share\":null}\n";
        check(
            "cut.jsonl",
            &format!("{line}{}", &line[..20]),
            &format!("{line}{line}"),
        );
        check("head.jsonl", &line[..20], line);
        check("begin.jsonl", "{\"ti", line);

        let refuse = |name: &str, before: &str| {
            let (appended, after) = append(name, before);
            let error = appended.unwrap_err().to_string();
            assert!(error.contains("something else than verdicts"), "{error}");
            assert_eq!(after, before);
        };
        refuse("other.csv", "a,b\n1,2\n3");
        refuse("notes.csv", "precious");
        refuse("other.jsonl", "{}\n{");
        refuse(
            "endless.jsonl",
            &format!("{{\"timestamp\":\"{}", "x".repeat(1 << 17)),
        );
    }
}
