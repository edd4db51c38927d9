//! Rows as they stand in the input, handed over one after the other and not kept: in any order, with cells that hold
//! no number, with rows that cannot be read.
//!
//! A row of a table with a column per channel brings a value for each. A row of a table in long form, and one of line
//! protocol, brings values with the names of their channels.

mod lines;
mod text;
mod typed;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bellwether_core::frame::Channel;
use bellwether_core::time::Timestamp;

use super::error::{Place, Problem, ReadError};
use super::format::{Format, format_of};
use super::json::JsonLines;
use super::row::{Row, TextRows as _};
use super::sniff::{self, Layout, Values};
use super::source::{self, Source};
use super::table::Table;
use super::{Note, ReadOptions, arrow, listing, parquet, series_names};

/// What rows are handed to.
pub trait RowVisitor {
    /// The rows of this table follow.
    fn table(&mut self, table: &RawTable<'_>);

    /// The next row.
    fn row(&mut self, row: &RawRow<'_>);

    /// Whether it wants [the cells as text](RawRow::cells), which costs time where they are none.
    fn wants_cells(&self) -> bool {
        false
    }

    /// Behind a batch of typed columns, where more may be long in coming. False: nobody wants further rows.
    fn pause(&mut self) -> bool {
        true
    }
}

/// What is known of a table before its rows.
#[derive(Debug)]
pub struct RawTable<'a> {
    /// The file.
    pub file: &'a Path,
    /// Its channels; `None` where rows name them.
    pub channels: Option<&'a Arc<[Channel]>>,
    /// Its columns; `None` where it has none, as line protocol.
    pub columns: Option<RawColumns<'a>>,
    /// What was noticed.
    pub notes: &'a [Note],
}

/// The columns of a table.
#[derive(Debug, Clone, Copy)]
pub struct RawColumns<'a> {
    /// Names of all columns.
    pub names: &'a [String],
    /// The time.
    pub time: usize,
    /// The series.
    pub series: Option<usize>,
    /// What the values are in: for each channel its column, or the column of values of a table in long form.
    pub values: &'a [usize],
    /// The column that names the channel of a row.
    pub channel: Option<usize>,
    /// Columns of labels and changepoints.
    pub marks: [Option<usize>; 2],
    /// What stands between cells of delimited text.
    pub delimiter: Option<u8>,
}

/// One row.
#[derive(Debug)]
pub struct RawRow<'a> {
    /// The series it belongs to, as far as that can be told.
    pub series: &'a str,
    /// When; `None` where the row cannot be read.
    pub time: Option<Timestamp>,
    /// The time as it is written; empty where the row cannot be read.
    pub time_text: &'a [u8],
    /// What was measured.
    pub values: RawValues<'a>,
    /// Label and changepoint of a row without cells, with the names of their fields.
    pub marks: &'a [(String, bool)],
    /// Why the row cannot be read.
    pub error: Option<&'a ReadError>,
    cells: Option<Row<'a>>,
}

/// Values of a row.
#[derive(Debug, Clone, Copy)]
pub enum RawValues<'a> {
    /// None: the row cannot be read.
    Unread,
    /// One of each channel.
    Wide {
        /// NaN where the cell is empty or holds no number, infinite where it says so.
        values: &'a [f64],
        /// Cells that hold no number.
        not_numbers: &'a [NotNumber],
    },
    /// Values that name their channels.
    Named(&'a [RawValue<'a>]),
}

/// A cell that holds no number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotNumber {
    /// The position of its channel.
    pub channel_idx: usize,
    /// What it holds.
    pub text: String,
}

/// A value with the name of its channel.
#[derive(Debug, Clone, PartialEq)]
pub struct RawValue<'a> {
    /// The channel.
    pub channel: &'a str,
    /// NaN where it is missing or no number, infinite where it says so.
    pub value: f64,
    /// What stands there, where it is no number.
    pub not_number: Option<String>,
}

impl<'a> RawRow<'a> {
    /// A row that cannot be read.
    fn unread(series: &'a str, error: &'a ReadError, cells: Option<Row<'a>>) -> Self {
        Self {
            series,
            time: None,
            time_text: &[],
            values: RawValues::Unread,
            marks: &[],
            error: Some(error),
            cells,
        }
    }

    /// The cells as text; none where the row has none, or the visitor does not want them.
    pub fn cells(&self) -> impl Iterator<Item = &[u8]> {
        self.cells.into_iter().flat_map(Row::cells)
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
    let options = &in_any_order(options);
    let files = listing::list(paths)?;
    let names = series_names(files.iter().map(|(file, _)| file.as_path()));
    let mut known = Known::default();
    for ((file, left_out), name) in files.into_iter().zip(names) {
        let source = source::open(&file)?;
        let to = &mut To {
            file: &file,
            name: &name,
            options,
            left_out: left_out
                .into_iter()
                .map(|file| Note::FileLeftOut { file })
                .collect(),
            known: &mut known,
            visitor: &mut *visitor,
        };
        visit_source(source, to)?;
    }
    Ok(())
}

/// Hands over all rows of one input; without a series column they are the series called `name`.
pub(super) fn visit_one(
    source: Source,
    name: &str,
    options: &ReadOptions,
    visitor: &mut dyn RowVisitor,
) -> Result<(), ReadError> {
    let file = source.file.clone();
    let to = &mut To {
        file: &file,
        name,
        options: &in_any_order(options),
        left_out: Vec::new(),
        known: &mut Known::default(),
        visitor,
    };
    visit_source(source, to)
}

/// Rows may stand in any order for a visitor.
fn in_any_order(options: &ReadOptions) -> ReadOptions {
    ReadOptions {
        sort: true,
        ..options.clone()
    }
}

fn visit_source(source: Source, to: &mut To<'_>) -> Result<(), ReadError> {
    let format = format_of(&source.head)
        .map_err(|found| Place::file(&source.file).error(Problem::UnknownFormat { found }))?;
    match format {
        Format::Delimited => {
            let (delimiter, layout) = sniff::delimited(&source, to.options)?;
            let mut table = Table::new(source.file, source.bytes, delimiter);
            table.advance()?; // the header, known by now
            text::visit(table, layout, Some(delimiter), to)
        }
        Format::JsonLines => {
            let layout = sniff::layout(JsonLines::sample(&source)?, to.options)?;
            let ignored = &to.options.ignore_columns;
            let lines = JsonLines::new(source.file, source.bytes, &layout.names, ignored);
            text::visit(lines, layout, None, to)
        }
        Format::LineProtocol => lines::visit(source, to),
        Format::Parquet => {
            let options = to.options;
            parquet::each_batch(source, options, |batches, columns| {
                typed::visit(batches, columns, to)
            })
        }
        Format::ArrowFile => {
            let options = to.options;
            arrow::each_batch_of_file(source, options, |batches, columns| {
                typed::visit(batches, columns, to)
            })
        }
        Format::ArrowStream => {
            let options = to.options;
            arrow::each_batch_of_stream(source, options, |batches, columns| {
                typed::visit(batches, columns, to)
            })
        }
    }
}

/// Where the rows of one file go.
struct To<'a> {
    file: &'a Path,
    /// What the file is called as a series.
    name: &'a str,
    options: &'a ReadOptions,
    left_out: Vec<Note>,
    known: &'a mut Known,
    visitor: &'a mut dyn RowVisitor,
}

impl To<'_> {
    /// Says what is known of the table, and gives back the channels of a wide one.
    fn table(&mut self, layout: &Layout, delimiter: Option<u8>) -> Result<Option<Arc<[Channel]>>, ReadError> {
        let (channels, channel) = match &layout.values {
            Values::Wide(columns) => {
                let channels = columns
                    .iter()
                    .map(|&column| Channel::new(layout.names[column].as_str()));
                (Some(channels.collect::<Arc<[Channel]>>()), None)
            }
            Values::Long { channel, .. } => (None, Some(*channel)),
        };
        let mut notes = layout.notes.clone();
        notes.append(&mut self.left_out);
        self.visitor.table(&RawTable {
            file: self.file,
            channels: channels.as_ref(),
            columns: Some(RawColumns {
                names: &layout.names,
                time: layout.time,
                series: layout.series,
                values: layout.values.columns(),
                channel,
                marks: [layout.label, layout.changepoint],
                delimiter,
            }),
            notes: &notes,
        });
        if layout.series.is_none() {
            self.know(self.name, channels.as_ref())?;
        }
        Ok(channels)
    }

    /// Whether a series may have rows of these channels.
    fn know(&mut self, series: &str, channels: Option<&Arc<[Channel]>>) -> Result<(), ReadError> {
        let known = self.known.check(series, channels, self.file);
        known.map_err(|problem| Place::file(self.file).error(problem))
    }
}

/// The channels of the series so far, `None` of one whose rows name them, and the file that each began in.
#[derive(Default)]
struct Known(HashMap<String, (Columns, PathBuf)>);

/// The channels of a series; `None` where each row names its own.
type Columns = Option<Arc<[Channel]>>;

impl Known {
    fn check(&mut self, series: &str, channels: Option<&Arc<[Channel]>>, file: &Path) -> Result<(), Problem> {
        match self.0.get(series) {
            Some((known, other)) if known.as_ref() != channels => Err(Problem::SeriesChanged {
                series: series.to_owned(),
                other: other.clone(),
            }),
            Some(_) => Ok(()),
            None => {
                self.0
                    .insert(series.to_owned(), (channels.cloned(), file.to_owned()));
                Ok(())
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make their own files")]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    /// What it is handed, a line each.
    #[derive(Default)]
    struct Written {
        text: String,
        wants_cells: bool,
    }

    impl RowVisitor for Written {
        fn table(&mut self, table: &RawTable<'_>) {
            let names = table.channels.map_or(Vec::new(), |channels| {
                channels.iter().map(Channel::name).collect()
            });
            writeln!(self.text, "table {}", names.join(" ")).unwrap();
        }

        fn row(&mut self, row: &RawRow<'_>) {
            let time = row.time.map(|time| time.as_nanos() / 1_000_000_000);
            let cells: Vec<_> = row.cells().map(String::from_utf8_lossy).collect();
            let cells = if self.wants_cells {
                format!(" {cells:?}")
            } else {
                String::new()
            };
            let error = row.error.map(ToString::to_string).unwrap_or_default();
            let values = match row.values {
                RawValues::Unread => "unread".to_owned(),
                RawValues::Wide { values, not_numbers } => {
                    let bad: Vec<_> = not_numbers.iter().map(|of| (of.channel_idx, &of.text)).collect();
                    format!("{values:?} {bad:?}")
                }
                RawValues::Named(values) => {
                    let value =
                        |of: &RawValue<'_>| format!("{}={:?} {:?}", of.channel, of.value, of.not_number);
                    values.iter().map(value).collect::<Vec<_>>().join(", ")
                }
            };
            let line = format!("{} {time:?} {values}{cells} {error}", row.series);
            writeln!(self.text, "{}", line.trim_end()).unwrap();
        }

        fn wants_cells(&self) -> bool {
            self.wants_cells
        }
    }

    fn written(name: &str, bytes: &[u8], wants_cells: bool) -> Result<String, ReadError> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        let mut visitor = Written {
            wants_cells,
            ..Written::default()
        };
        visit(&[file], &ReadOptions::default(), &mut visitor)?;
        Ok(visitor.text.replace(&format!("{}/", dir.path().display()), ""))
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
            y Some(1704067203) [-inf, NaN] [(1, \"oops\")] [\"2024-01-01T00:00:03Z\", \"y\", \"-inf\", \"oops\"]\n\
            y None unread [\"later\", \"x\", \"1\", \"2\"] p.csv, line 4, column \"t\": ";
        let found = written("p.csv", text.as_bytes(), true).unwrap();
        assert!(found.starts_with(expect), "{found}");
        assert!(found.contains("line 5"), "{found}");
        assert!(
            found.contains("x Some(1704067205) [NaN, NaN] [(1, \"1,5\")]"),
            "{found}"
        );
    }

    #[test]
    fn a_long_table_is_handed_over_value_by_value_in_any_order() {
        let text = "timestamp,device,channel,value\n\
                    2024-01-01T00:00:01Z,x,a,1\n\
                    2024-01-01T00:00:00Z,x,b,Bad\n\
                    2024-01-01T00:00:01Z,x,,3\n";
        let found = written("p.csv", text.as_bytes(), false).unwrap();
        let expect = "table \nx Some(1704067201) a=1.0 None\nx Some(1704067200) b=NaN Some(\"Bad\")\nx None unread p.csv, line 4";
        assert!(found.starts_with(expect), "{found}");
    }

    #[test]
    fn counts_of_seconds_may_fall() {
        let found = written("p.csv", b"time,a\n1704067209,1\n1704067203,2\n", false).unwrap();
        assert!(found.contains("p Some(1704067209) [1.0]"), "{found}");
        assert!(found.contains("p Some(1704067203) [2.0]"), "{found}");
    }

    #[test]
    fn lines_of_json_go_on_behind_one_that_is_none() {
        let text = "{\"t\":\"2024-01-01T00:00:09Z\",\"a\":1,\"b\":2}\n\
                    {\"t\":\"2024-01-01T00:00:03Z\",\"a\":\"oops\"}\n\
                    {\"t\":\n\
                    {\"t\":\"2024-01-01T00:00:04Z\",\"a\":{},\"b\":1}\n\
                    {\"t\":\"2024-01-01T00:00:05Z\",\"b\":1e999}\n";
        let found = written("p.jsonl", text.as_bytes(), false).unwrap();
        let lines: Vec<&str> = found.lines().collect();
        assert_eq!(lines[0], "table a b");
        assert_eq!(lines[1], "p Some(1704067209) [1.0, 2.0] []");
        assert_eq!(lines[2], "p Some(1704067203) [NaN, NaN] [(0, \"oops\")]");
        assert!(lines[3].starts_with("p None unread p.jsonl, line 3"), "{found}");
        assert!(lines[4].starts_with("p None unread p.jsonl, line 4"), "{found}");
        assert_eq!(lines[5], "p Some(1704067205) [NaN, inf] []");
    }

    #[test]
    fn lines_of_line_protocol_are_handed_over_in_any_order() {
        let text = "m,device=x a=1,b=2i 1704067209000000000\n\
                    m,device=x a=\"Bad\" 1704067203000000000\n\
                    m,device=x a=\n\
                    m,device=y b=true,is_anomaly=true 1704067204000000000\n";
        let found = written("p.lp", text.as_bytes(), false).unwrap();
        let lines: Vec<&str> = found.lines().collect();
        assert_eq!(
            lines[1],
            "device=x Some(1704067209) a=1.0 None, b=2.0 None".replace("device=x", "x")
        );
        assert_eq!(lines[2], "x Some(1704067203) a=NaN Some(\"Bad\")");
        assert!(lines[3].starts_with("x None unread p.lp, line 3"), "{found}");
        assert_eq!(lines[4], "y Some(1704067204) b=1.0 None");
    }
}
