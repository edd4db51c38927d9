//! Tables, row by row: comma- or tab-separated, JSON lines, Parquet, Arrow IPC, InfluxDB line protocol.

use std::fmt::Write as _;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::WriteError;
use super::arrow::ArrowTable;
use super::line_protocol;
use super::packed::Packing;
use super::parquet::ParquetTable;
use super::real::push_real;

/// The format of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    /// Comma-separated with a header; a missing cell is empty.
    Csv,
    /// The same with tabs.
    Tsv,
    /// One JSON object a line; a missing cell is null.
    Jsonl,
    /// Parquet, Snappy-compressed; columns that may miss cells are optional.
    Parquet,
    /// An Arrow IPC file, which is also Feather since its version 2.
    Arrow,
    /// InfluxDB line protocol; the first column is the time.
    LineProtocol,
}

impl TableFormat {
    /// The format that the ending of `path` names: `.csv`, `.tsv`, `.jsonl` (or `.ndjson`), `.parquet`, `.arrow` (or
    /// `.feather`), `.lp`.
    ///
    /// # Errors
    /// [`WriteError::UnknownFormat`] for any other.
    pub fn of_path(path: &Path) -> Result<Self, WriteError> {
        let ending = path
            .extension()
            .and_then(|ending| ending.to_str())
            .unwrap_or_default();
        match ending.to_ascii_lowercase().as_str() {
            "csv" => Ok(Self::Csv),
            "jsonl" | "ndjson" => Ok(Self::Jsonl),
            "tsv" => Ok(Self::Tsv),
            "parquet" => Ok(Self::Parquet),
            "arrow" | "feather" => Ok(Self::Arrow),
            "lp" => Ok(Self::LineProtocol),
            _ => Err(WriteError::UnknownFormat {
                path: path.to_owned(),
            }),
        }
    }
}

/// The format and packing that the ending of `path` names: a format as [`TableFormat::of_path`] knows it, and `.gz` or
/// `.zst` behind it.
///
/// # Errors
/// [`WriteError::UnknownFormat`] for any other.
pub fn packed_format(path: &Path) -> Result<(TableFormat, Packing), WriteError> {
    let (packing, unpacked) = Packing::of_path(path);
    match TableFormat::of_path(unpacked) {
        Ok(format) => Ok((format, packing)),
        Err(_) => Err(WriteError::UnknownFormat {
            path: path.to_owned(),
        }),
    }
}

/// What the cells of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// UTF-8 text.
    Text,
    /// Doubles.
    Real,
    /// 64-bit integers.
    Integer,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What its cells are.
    pub kind: ColumnKind,
    /// Whether cells may be missing.
    pub is_optional: bool,
}

impl Column {
    /// A column of `kind` without missing cells.
    pub fn new(name: impl Into<String>, kind: ColumnKind) -> Self {
        Self {
            name: name.into(),
            kind,
            is_optional: false,
        }
    }

    /// The same column, in which cells may be missing.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.is_optional = true;
        self
    }
}

/// One cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// Nothing; only in an optional column.
    Missing,
    /// Text.
    Text(&'a str),
    /// A double; NaN and the infinities count as missing, for JSON has no word for them.
    Real(f64),
    /// An integer.
    Integer(i64),
}

impl<'a> Cell<'a> {
    /// Text that may be missing.
    pub fn text(text: Option<&'a str>) -> Self {
        text.map_or(Self::Missing, Self::Text)
    }

    /// The cell as it goes into `column`. Panics where it does not belong there: the caller's bug.
    fn checked(self, column: &Column) -> Self {
        let cell = match self {
            Self::Real(value) if !value.is_finite() => Self::Missing,
            cell => cell,
        };
        let fits = match cell {
            Self::Missing => column.is_optional,
            Self::Text(_) => column.kind == ColumnKind::Text,
            Self::Real(_) => column.kind == ColumnKind::Real,
            Self::Integer(_) => column.kind == ColumnKind::Integer,
        };
        assert!(fits, "cell {cell:?} does not belong into column {column:?}");
        cell
    }
}

/// Writes a table row by row, in bounded memory.
pub struct TableWriter<W: Write + Send> {
    columns: Vec<Column>,
    form: Form<W>,
    text: String,
}

enum Form<W: Write + Send> {
    Delimited(BufWriter<W>, Delimiter),
    Jsonl(BufWriter<W>),
    Parquet(Box<ParquetTable<W>>),
    Arrow(Box<ArrowTable<BufWriter<W>>>),
    LineProtocol(BufWriter<W>),
}

impl<W: Write + Send> std::fmt::Debug for TableWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TableWriter")
            .field("columns", &self.columns)
            .finish_non_exhaustive()
    }
}

impl<W: Write + Send> TableWriter<W> {
    /// Begins a table of `columns` on `out`.
    ///
    /// # Errors
    /// [`WriteError::Table`] where `out` fails.
    pub fn new(out: W, format: TableFormat, columns: Vec<Column>) -> Result<Self, WriteError> {
        let form = match format {
            TableFormat::Csv | TableFormat::Tsv => {
                let (mut out, delimiter) = (BufWriter::new(out), Delimiter::of(format));
                let mut head = String::new();
                delimiter.push_row(&mut head, columns.iter().map(|column| Cell::Text(&column.name)));
                out.write_all(head.as_bytes()).map_err(WriteError::Table)?;
                Form::Delimited(out, delimiter)
            }
            TableFormat::Jsonl => Form::Jsonl(BufWriter::new(out)),
            TableFormat::Parquet => Form::Parquet(Box::new(
                ParquetTable::new(out, &columns).map_err(WriteError::Table)?,
            )),
            TableFormat::Arrow => Form::Arrow(Box::new(
                ArrowTable::new(BufWriter::new(out), &columns).map_err(WriteError::Table)?,
            )),
            TableFormat::LineProtocol => Form::LineProtocol(BufWriter::new(out)),
        };
        Ok(Self {
            columns,
            form,
            text: String::new(),
        })
    }

    /// Goes on with a table of rows whose header, if it has one, is written already.
    ///
    /// # Panics
    /// For Parquet and Arrow, whose end is written with its last row: the caller's mistake.
    pub(super) fn resume(out: W, format: TableFormat, columns: Vec<Column>) -> Self {
        let form = match format {
            TableFormat::Csv | TableFormat::Tsv => {
                Form::Delimited(BufWriter::new(out), Delimiter::of(format))
            }
            TableFormat::Jsonl => Form::Jsonl(BufWriter::new(out)),
            TableFormat::LineProtocol => Form::LineProtocol(BufWriter::new(out)),
            TableFormat::Parquet | TableFormat::Arrow => panic!("a {format:?} file is never added to"),
        };
        Self {
            columns,
            form,
            text: String::new(),
        }
    }

    /// Hands what was written so far to whoever reads it; Parquet and Arrow keep it until the end.
    ///
    /// # Errors
    /// [`WriteError::Table`] where the output fails.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        match &mut self.form {
            Form::Delimited(out, _) | Form::Jsonl(out) | Form::LineProtocol(out) => {
                out.flush().map_err(WriteError::Table)
            }
            Form::Parquet(_) | Form::Arrow(_) => Ok(()),
        }
    }

    /// Adds a row. Panics where it has other cells than the table has columns.
    ///
    /// # Errors
    /// [`WriteError::Table`] where the output fails.
    pub fn row(&mut self, cells: &[Cell<'_>]) -> Result<(), WriteError> {
        assert_eq!(cells.len(), self.columns.len(), "one cell per column");
        let cells = cells
            .iter()
            .zip(&self.columns)
            .map(|(cell, column)| (cell.checked(column), column));
        match &mut self.form {
            Form::Delimited(out, delimiter) => {
                self.text.clear();
                delimiter.push_row(&mut self.text, cells.map(|(cell, _)| cell));
                out.write_all(self.text.as_bytes()).map_err(WriteError::Table)
            }
            Form::Jsonl(out) => {
                self.text.clear();
                for (idx, (cell, column)) in cells.enumerate() {
                    self.text.push(if idx == 0 { '{' } else { ',' });
                    push_json_text(&mut self.text, &column.name);
                    self.text.push(':');
                    match cell {
                        Cell::Missing => self.text.push_str("null"),
                        Cell::Text(text) => push_json_text(&mut self.text, text),
                        number => push_plain(&mut self.text, number),
                    }
                }
                self.text.push_str("}\n");
                out.write_all(self.text.as_bytes()).map_err(WriteError::Table)
            }
            Form::Parquet(table) => table.row(cells.map(|(cell, _)| cell)).map_err(WriteError::Table),
            Form::Arrow(table) => table.row(cells.map(|(cell, _)| cell)).map_err(WriteError::Table),
            Form::LineProtocol(out) => {
                self.text.clear();
                line_protocol::push_row(&mut self.text, &self.columns, cells.map(|(cell, _)| cell))
                    .and_then(|()| out.write_all(self.text.as_bytes()))
                    .map_err(WriteError::Table)
            }
        }
    }

    /// Ends the table and gives the output back, for a file to be committed.
    ///
    /// # Errors
    /// [`WriteError::Table`] where the output fails.
    pub fn finish(self) -> Result<W, WriteError> {
        match self.form {
            Form::Delimited(out, _) | Form::Jsonl(out) | Form::LineProtocol(out) => out
                .into_inner()
                .map_err(|error| WriteError::Table(error.into_error())),
            Form::Parquet(table) => table.finish().map_err(WriteError::Table),
            Form::Arrow(table) => {
                let out = table.finish().map_err(WriteError::Table)?;
                out.into_inner()
                    .map_err(|error| WriteError::Table(error.into_error()))
            }
        }
    }
}

/// What stands between the cells of a row. Numbers never need quotes; which text does, the csv crate says.
struct Delimiter {
    character: char,
    quotes: Box<csv_core::Writer>,
}

impl Delimiter {
    fn of(format: TableFormat) -> Self {
        let character = if format == TableFormat::Tsv { '\t' } else { ',' };
        let quotes = csv_core::WriterBuilder::new().delimiter(character as u8).build();
        Self {
            character,
            quotes: Box::new(quotes),
        }
    }

    fn push_row<'a>(&self, out: &mut String, cells: impl Iterator<Item = Cell<'a>>) {
        let start = out.len();
        for (idx, cell) in cells.enumerate() {
            if idx > 0 {
                out.push(self.character);
            }
            match cell {
                Cell::Text(text) if self.quotes.should_quote(text.as_bytes()) => {
                    out.push('"');
                    out.push_str(&text.replace('"', "\"\""));
                    out.push('"');
                }
                cell => push_plain(out, cell),
            }
        }
        // An empty line is no row.
        out.push_str(if out.len() == start { "\"\"\n" } else { "\n" });
    }
}

fn push_plain(out: &mut String, cell: Cell<'_>) {
    match cell {
        Cell::Missing => {}
        Cell::Text(text) => out.push_str(text),
        Cell::Real(value) => push_real(out, value),
        Cell::Integer(value) => write!(out, "{value}").expect("a string takes any text"),
    }
}

fn push_json_text(out: &mut String, text: &str) {
    out.push_str(&serde_json::to_string(text).expect("any text has a JSON form"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<Column> {
        vec![
            Column::new("timestamp", ColumnKind::Text),
            Column::new("score", ColumnKind::Real).optional(),
            Column::new("is_anomaly", ColumnKind::Integer).optional(),
            Column::new("top_channel", ColumnKind::Text).optional(),
        ]
    }

    fn write(format: TableFormat) -> Vec<u8> {
        let mut table = TableWriter::new(Vec::new(), format, columns()).unwrap();
        table
            .row(&[
                Cell::Text("2024-01-01"),
                Cell::Missing,
                Cell::Missing,
                Cell::text(None),
            ])
            .unwrap();
        table
            .row(&[
                Cell::Text("t, 2"),
                Cell::Real(0.1),
                Cell::Integer(0),
                Cell::Text("a \"b\""),
            ])
            .unwrap();
        table
            .row(&[
                Cell::Text("t3"),
                Cell::Real(1e-7),
                Cell::Integer(1),
                Cell::text(Some("ü")),
            ])
            .unwrap();
        table
            .row(&[
                Cell::Text("t4"),
                Cell::Real(f64::NAN),
                Cell::Missing,
                Cell::Missing,
            ])
            .unwrap();
        table.finish().unwrap()
    }

    #[test]
    fn csv_and_json_lines_are_as_documented() {
        let check = |format: TableFormat, expect: &str| {
            assert_eq!(String::from_utf8(write(format)).unwrap(), expect);
        };
        check(
            TableFormat::Csv,
            "timestamp,score,is_anomaly,top_channel\n2024-01-01,,,\n\"t, 2\",0.1,0,\"a \"\"b\"\"\"\nt3,1e-7,1,ü\nt4,,,\n",
        );
        check(
            TableFormat::Jsonl,
            "{\"timestamp\":\"2024-01-01\",\"score\":null,\"is_anomaly\":null,\"top_channel\":null}\n\
             {\"timestamp\":\"t, 2\",\"score\":0.1,\"is_anomaly\":0,\"top_channel\":\"a \\\"b\\\"\"}\n\
             {\"timestamp\":\"t3\",\"score\":1e-7,\"is_anomaly\":1,\"top_channel\":\"ü\"}\n\
             {\"timestamp\":\"t4\",\"score\":null,\"is_anomaly\":null,\"top_channel\":null}\n",
        );
    }

    proptest::proptest! {
        /// The csv crate is the reference.
        #[test]
        fn delimited_text_is_quoted_as_the_csv_crate_does(
            rows in proptest::collection::vec(proptest::collection::vec("([a\",; \t\r\n#é]{0,4}|.{0,6})", 3), 0..4),
            single in proptest::collection::vec("[a\",\t\r\n]{0,2}", 0..4),
        ) {
            for (format, delimiter) in [(TableFormat::Csv, b','), (TableFormat::Tsv, b'\t')] {
                for rows in [rows.clone(), single.iter().map(|text| vec![text.clone()]).collect()] {
                    let n_columns = rows.first().map_or(1, Vec::len);
                    let names: Vec<String> = (0..n_columns).map(|idx| format!("n, {idx}\t")).collect();
                    let columns = names.iter().map(|name| Column::new(name, ColumnKind::Text)).collect();
                    let mut ours = TableWriter::new(Vec::new(), format, columns).unwrap();
                    let mut theirs = csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
                    theirs.write_record(&names).unwrap();
                    for row in &rows {
                        ours.row(&row.iter().map(|text| Cell::Text(text)).collect::<Vec<_>>()).unwrap();
                        theirs.write_record(row).unwrap();
                    }
                    proptest::prop_assert_eq!(ours.finish().unwrap(), theirs.into_inner().unwrap());
                }
            }
        }
    }

    #[test]
    fn a_parquet_table_is_read_back() {
        use ::parquet::file::reader::{FileReader, SerializedFileReader};
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&write(TableFormat::Parquet)).unwrap();
        let reader = SerializedFileReader::new(file).unwrap();
        let rows: Vec<_> = reader
            .get_row_iter(None)
            .unwrap()
            .map(|row| row.unwrap().to_string())
            .collect();
        assert_eq!(
            rows,
            [
                "{timestamp: \"2024-01-01\", score: null, is_anomaly: null, top_channel: null}",
                "{timestamp: \"t, 2\", score: 0.1, is_anomaly: 0, top_channel: \"a \"b\"\"}",
                "{timestamp: \"t3\", score: 0.0000001, is_anomaly: 1, top_channel: \"ü\"}",
                "{timestamp: \"t4\", score: null, is_anomaly: null, top_channel: null}",
            ]
        );
    }

    #[test]
    fn the_ending_names_the_format() {
        let check = |path: &str, expect: Option<TableFormat>| {
            assert_eq!(TableFormat::of_path(Path::new(path)).ok(), expect, "{path}");
        };
        check("a/b.csv", Some(TableFormat::Csv));
        check("b.JSONL", Some(TableFormat::Jsonl));
        check("b.parquet", Some(TableFormat::Parquet));
        check("b.tsv", Some(TableFormat::Tsv));
        check("b.arrow", Some(TableFormat::Arrow));
        check("b.lp", Some(TableFormat::LineProtocol));
        check("b.xlsx", None);
        check("b", None);
        let error = TableFormat::of_path(Path::new("b.xlsx")).unwrap_err().to_string();
        assert_eq!(
            error,
            "b.xlsx: the ending does not say the format; .csv, .tsv, .jsonl, .parquet, .arrow or .lp is wanted"
        );
    }

    #[test]
    #[should_panic(expected = "does not belong")]
    fn a_cell_of_the_wrong_kind_is_a_bug() {
        let mut table = TableWriter::new(Vec::new(), TableFormat::Csv, columns()).unwrap();
        let _ = table.row(&[Cell::Missing, Cell::Missing, Cell::Missing, Cell::Missing]);
    }
}
