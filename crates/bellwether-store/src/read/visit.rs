//! Rows as they stand in the input, handed over one after the other and not kept: in any order, with cells that hold
//! no number, with rows that cannot be read.
//!
//! Wide tables are read so in bounded memory. A table in long form has no rows of several channels until it is read as
//! a whole; it is, by the rules of [`read`](super::read), and then handed over.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bellwether_core::frame::Channel;
use bellwether_core::time::Timestamp;

use super::cells::Cells;
use super::error::{Place, Problem, ReadError};
use super::format::{Format, format_of};
use super::number::Cell;
use super::row::{Row, TextRows as _};
use super::series::Gather;
use super::sniff::{self, Layout, Values};
use super::source::{self, Source};
use super::table::Table;
use super::{Bounds, Note, ReadOptions, listing, read_source, series_names};

/// What rows are handed to.
pub trait RowVisitor {
    /// The rows of this table follow.
    fn table(&mut self, table: &RawTable<'_>);

    /// The next row.
    fn row(&mut self, row: &RawRow<'_>);
}

/// What is known of a table before its rows.
#[derive(Debug)]
pub struct RawTable<'a> {
    /// The file.
    pub file: &'a Path,
    /// Its channels.
    pub channels: &'a Arc<[Channel]>,
    /// How its cells stand in rows of text; `None` where they do not.
    pub text: Option<TextTable<'a>>,
    /// What was noticed.
    pub notes: &'a [Note],
}

/// Rows of text.
#[derive(Debug, Clone, Copy)]
pub struct TextTable<'a> {
    /// Names of all columns.
    pub names: &'a [String],
    /// For each channel its column.
    pub columns: &'a [usize],
    /// Between cells.
    pub delimiter: u8,
}

/// One row.
#[derive(Debug)]
pub struct RawRow<'a> {
    /// The series it belongs to, as far as that can be told.
    pub series: &'a str,
    /// When; `None` where the row cannot be read.
    pub time: Option<Timestamp>,
    /// A value per channel: NaN where the cell is empty or holds no number, infinite where it says so. Empty where the
    /// row cannot be read.
    pub values: &'a [f64],
    /// Positions of the channels whose cell holds no number.
    pub not_numbers: &'a [usize],
    /// Why the row cannot be read.
    pub error: Option<&'a ReadError>,
    record: Option<Row<'a>>,
}

impl RawRow<'_> {
    /// The cells as they stand in a row of text; none where there is no such row.
    pub fn cells(&self) -> impl Iterator<Item = &[u8]> {
        self.record.into_iter().flat_map(Row::cells)
    }
}

/// Hands over all rows of `paths`, file after file.
///
/// # Errors
/// Where a file is no table that can be read at all, or a series goes on with other channels. What is wrong with a row
/// alone goes to the visitor.
pub fn visit(
    paths: &[PathBuf],
    options: &ReadOptions,
    visitor: &mut dyn RowVisitor,
) -> Result<(), ReadError> {
    let files = listing::list(paths)?;
    let names = series_names(files.iter().map(|(file, _)| file.as_path()));
    let mut known = Known::default();
    for ((file, left_out), name) in files.into_iter().zip(names) {
        let source = source::open(&file)?;
        if !matches!(format_of(&source.head), Ok(Format::Delimited)) {
            visit_whole(source, &name, options, visitor)?;
            continue;
        }
        // Rows may stand in any order here.
        let unordered = ReadOptions {
            sort: true,
            ..options.clone()
        };
        let (delimiter, mut layout) = sniff::delimited(&source, &unordered)?;
        let notes = left_out.into_iter().map(|file| Note::FileLeftOut { file });
        layout.notes.extend(notes);
        match layout.values.clone() {
            Values::Wide(columns) => {
                let wide = Wide {
                    delimiter,
                    layout,
                    columns,
                };
                visit_wide(source, wide, &name, options, &mut known, visitor)?;
            }
            Values::Long { .. } => visit_whole(source, &name, options, visitor)?,
        }
    }
    Ok(())
}

/// The channels of the series so far, and the file that each began in.
#[derive(Default)]
struct Known(HashMap<String, (Arc<[Channel]>, PathBuf)>);

impl Known {
    fn check(&mut self, series: &str, channels: &Arc<[Channel]>, file: &Path) -> Result<(), Problem> {
        match self.0.get(series) {
            Some((known, other)) if known != channels => Err(Problem::SeriesChanged {
                series: series.to_owned(),
                other: other.clone(),
            }),
            Some(_) => Ok(()),
            None => {
                let of = (Arc::clone(channels), file.to_owned());
                self.0.insert(series.to_owned(), of);
                Ok(())
            }
        }
    }
}

/// Delimited text with a column per channel.
struct Wide {
    delimiter: u8,
    layout: Layout,
    /// Of each channel.
    columns: Vec<usize>,
}

fn visit_wide(
    source: Source,
    Wide {
        delimiter,
        layout,
        columns,
    }: Wide,
    name: &str,
    options: &ReadOptions,
    known: &mut Known,
    visitor: &mut dyn RowVisitor,
) -> Result<(), ReadError> {
    let file = source.file.clone();
    let in_file = |problem| Place::file(&file).error(problem);
    let channels: Arc<[Channel]> = columns
        .iter()
        .map(|&column| Channel::new(layout.names[column].as_str()))
        .collect();
    visitor.table(&RawTable {
        file: &file,
        channels: &channels,
        text: Some(TextTable {
            names: &layout.names,
            columns: &columns,
            delimiter,
        }),
        notes: &layout.notes,
    });
    let mut table = Table::new(source.file, source.bytes, delimiter);
    let mut cells = Cells::new(layout, &options.missing);
    table.advance()?; // the header, known by now
    let mut series = name.to_owned();
    if cells.layout.series.is_none() {
        known.check(name, &channels, &file).map_err(in_file)?;
    }
    let mut values = Vec::with_capacity(columns.len());
    let mut not_numbers = Vec::new();
    while table.advance()? {
        let record = table.row();
        let time = match cells.time(record) {
            Ok(Some(time)) => Ok(time),
            Ok(None) => continue,
            Err(fault) => Err(fault),
        };
        let time = time.and_then(|time| match cells.layout.series {
            Some(column) if record.cell(column).trim_ascii() != series.as_bytes() => {
                let found = cells.text(record, column, Problem::NoSeries)?;
                found.clone_into(&mut series);
                Ok((time, true))
            }
            _ => Ok((time, false)),
        });
        let time = match time {
            Ok((time, is_other)) => {
                if is_other {
                    known.check(&series, &channels, &file).map_err(in_file)?;
                }
                time
            }
            Err(fault) => {
                let error = fault.at(table.place(), &cells.layout.names);
                visitor.row(&RawRow {
                    series: &series,
                    time: None,
                    values: &[],
                    not_numbers: &[],
                    error: Some(&error),
                    record: Some(record),
                });
                continue;
            }
        };
        values.clear();
        not_numbers.clear();
        for (idx, &column) in columns.iter().enumerate() {
            values.push(match cells.cell(record, column) {
                Cell::Value(value) => value,
                Cell::Missing => f64::NAN,
                Cell::Infinite if record.cell(column).trim_ascii().starts_with(b"-") => f64::NEG_INFINITY,
                Cell::Infinite => f64::INFINITY,
                Cell::DecimalComma | Cell::Text => {
                    not_numbers.push(idx);
                    f64::NAN
                }
            });
        }
        visitor.row(&RawRow {
            series: &series,
            time: Some(time),
            values: &values,
            not_numbers: &not_numbers,
            error: None,
            record: Some(record),
        });
    }
    Ok(())
}

/// A table that must be read as a whole.
fn visit_whole(
    source: Source,
    name: &str,
    options: &ReadOptions,
    visitor: &mut dyn RowVisitor,
) -> Result<(), ReadError> {
    let mut gather = Gather::new(Bounds::NONE, options);
    read_source(source, name, options, &mut gather)?;
    for recording in gather.finish()? {
        let frame = &recording.frame;
        visitor.table(&RawTable {
            file: &recording.source,
            channels: &frame.schema().channels().into(),
            text: None,
            notes: &recording.notes,
        });
        for idx in 0..frame.n_samples() {
            let sample = frame.sample(idx);
            visitor.row(&RawRow {
                series: &recording.name,
                time: Some(sample.time),
                values: sample.values,
                not_numbers: &[],
                error: None,
                record: None,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make their own files")]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    /// What it is handed, a line each.
    #[derive(Default)]
    struct Written(String);

    impl RowVisitor for Written {
        fn table(&mut self, table: &RawTable<'_>) {
            let names: Vec<&str> = table.channels.iter().map(Channel::name).collect();
            writeln!(self.0, "table {}", names.join(" ")).unwrap();
        }

        fn row(&mut self, row: &RawRow<'_>) {
            let time = row.time.map(|time| time.as_nanos() / 1_000_000_000);
            let cells: Vec<_> = row.cells().map(String::from_utf8_lossy).collect();
            let error = row.error.map(ToString::to_string).unwrap_or_default();
            let RawRow {
                series,
                values,
                not_numbers,
                ..
            } = row;
            let line = format!("{series} {time:?} {values:?} {not_numbers:?} {cells:?} {error}");
            writeln!(self.0, "{}", line.trim_end()).unwrap();
        }
    }

    fn written(text: &str) -> Result<String, ReadError> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("p.csv");
        std::fs::write(&file, text).unwrap();
        let mut visitor = Written::default();
        visit(&[file], &ReadOptions::default(), &mut visitor)?;
        Ok(visitor.0.replace(&format!("{}/", dir.path().display()), ""))
    }

    #[test]
    fn rows_are_handed_over_as_they_stand() {
        let text = "t,device,a,b\n\
                    2024-01-01T00:00:09Z,x,1,2\n\
                    2024-01-01T00:00:03Z,y,-inf,oops\n\
                    later,x,1,2\n\
                    2024-01-01T00:00:04Z,x,1\n\
                    2024-01-01T00:00:05Z,x,NA,\"1,5\"\n";
        let expect = "table a b\n\
            x Some(1704067209) [1.0, 2.0] [] [\"2024-01-01T00:00:09Z\", \"x\", \"1\", \"2\"]\n\
            y Some(1704067203) [-inf, NaN] [1] [\"2024-01-01T00:00:03Z\", \"y\", \"-inf\", \"oops\"]\n\
            y None [] [] [\"later\", \"x\", \"1\", \"2\"] p.csv, line 4, column \"t\": ";
        let found = written(text).unwrap();
        assert!(found.starts_with(expect), "{found}");
        assert!(found.contains("line 5"), "{found}");
        assert!(found.contains("x Some(1704067205) [NaN, NaN] [1]"), "{found}");
    }

    #[test]
    fn a_long_table_is_handed_over_row_by_row() {
        let text = "timestamp,device,channel,value\n\
                    2024-01-01T00:00:00Z,x,a,1\n\
                    2024-01-01T00:00:00Z,x,b,2\n\
                    2024-01-01T00:00:01Z,x,a,3\n";
        let found = written(text).unwrap();
        assert_eq!(
            found,
            "table a b\nx Some(1704067200) [1.0, 2.0] [] []\nx Some(1704067201) [3.0, NaN] [] []\n"
        );
    }

    #[test]
    fn counts_of_seconds_may_fall() {
        let found = written("time,a\n1704067209,1\n1704067203,2\n").unwrap();
        assert!(found.contains("p Some(1704067209) [1.0]"), "{found}");
        assert!(found.contains("p Some(1704067203) [2.0]"), "{found}");
    }
}
