//! Tables of text cells, wide or long, into series: delimited text and JSON lines.
//!
//! Of wide delimited text the lines at hand are read many at once, as far as they are [plain](super::plain); what is left
//! of them is read row by row, as all other tables are. Where there is much of it, several threads [read
//! ahead](super::ahead). The rows, the errors and their places are the same on each of these ways.

use std::path::Path;

use super::ReadOptions;
use super::ahead;
use super::cells::{Cells, Fault};
use super::error::{Place, Problem, ReadError};
use super::json::JsonLines;
use super::piece::Piece;
use super::plain::PlainRows;
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
    let n_bytes = source.n_bytes.unwrap_or(0);
    let mut table = Table::new(source.file, source.bytes, delimiter);
    table.advance()?; // the header, known by now
    read_rows(
        table,
        layout,
        &file,
        name,
        options,
        gather,
        |rows, sink| match PlainRows::new(&rows.cells, delimiter) {
            Some(plain) => rows.read_lines(plain, n_bytes, options.n_threads(), sink),
            None => rows.read(sink),
        },
    )
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
    read_rows(lines, layout, &file, name, options, gather, Rows::read)
}

fn read_rows<T: TextRows>(
    table: T,
    mut layout: Layout,
    file: &Path,
    name: &str,
    options: &ReadOptions,
    gather: &mut Gather,
    read: impl FnOnce(&mut Rows<T>, &mut Sink<'_>) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let notes = std::mem::take(&mut layout.notes);
    let mut sink = Sink::new(&layout, file, name, gather)?;
    let mut rows = Rows {
        table,
        cells: Cells::new(layout, &options.missing),
    };
    read(&mut rows, &mut sink)?;
    sink.finish(notes, |_| None)
}

/// A table being read.
struct Rows<T: TextRows> {
    table: T,
    cells: Cells,
}

impl<T: TextRows> Rows<T> {
    fn read(&mut self, sink: &mut Sink<'_>) -> Result<(), ReadError> {
        while self.table.advance()? {
            self.row(sink)?;
        }
        Ok(())
    }

    /// Gives on the row read last.
    fn row(&mut self, sink: &mut Sink<'_>) -> Result<(), ReadError> {
        let given = self.cells.row_into(self.table.row(), sink);
        given.map_err(|wrong| wrong.at(self.table.place(), &self.cells.layout.names))
    }
}

impl Rows<Table> {
    /// The same, many rows at once where that can be; `n_bytes` of the whole input, 0 where nobody knows.
    fn read_lines(
        &mut self,
        mut plain: PlainRows,
        n_bytes: u64,
        n_threads: usize,
        sink: &mut Sink<'_>,
    ) -> Result<(), ReadError> {
        let mut ahead_from = if n_threads > 1 {
            ahead::FROM_BYTES
        } else {
            u64::MAX
        };
        let mut one_by_one_until = 0;
        let mut is_expected = false;
        let mut piece = Piece::default();
        while self.table.find_record()? {
            let position = self.table.position();
            if position >= ahead_from {
                ahead::read(&mut self.table, &plain, n_threads, |table, piece| {
                    give(table, &self.cells, piece, sink)
                })?;
                // What stopped it may be a rarity.
                ahead_from = self.table.position() + ahead::FROM_BYTES;
                continue;
            }
            if position >= one_by_one_until {
                let lines = self.table.lines();
                piece.clear();
                let n_read = plain.read(lines, &mut piece);
                if n_read < lines.len() {
                    one_by_one_until = position + lines.len() as u64;
                }
                if !is_expected && n_read > 0 {
                    is_expected = true;
                    let n_left = n_bytes.saturating_sub(position) as f64;
                    // Rows as long as these, or a little shorter.
                    let n_rows = 1.1 * n_left * piece.heads.n_rows() as f64 / n_read as f64;
                    sink.expect(n_rows as usize);
                }
                give(&self.table, &self.cells, &piece, sink)?;
                self.table.pass(n_read, piece.heads.n_rows());
                if n_read > 0 {
                    continue;
                }
            }
            self.table.take_record()?;
            self.row(sink)?;
        }
        Ok(())
    }
}

/// Gives on rows that stand on a line each from here on.
fn give(table: &Table, cells: &Cells, piece: &Piece, sink: &mut Sink<'_>) -> Result<(), ReadError> {
    let values = |out: &mut Vec<f64>| {
        out.extend_from_slice(&piece.values);
        false
    };
    let given = sink.wide_rows(&piece.heads, values);
    given.map(drop).map_err(|(row, misfit)| {
        let place = table.place();
        let line = place.line.map(|line| line + row as u64);
        let wrong = Wrong::of(misfit, &cells.layout);
        wrong.at(Place { line, ..place }, &cells.layout.names)
    })
}

/// What is wrong with a row, or beyond it.
enum Wrong {
    Fault(Fault),
    InFile(Problem),
}

impl Wrong {
    /// What the sink says of a row of a table as `layout` has it.
    fn of((part, problem): Misfit, layout: &Layout) -> Self {
        let column = match part {
            Part::Time => Some(layout.time),
            Part::Series => layout.series,
            Part::File => return Self::InFile(problem),
        };
        Self::Fault(Fault { column, problem })
    }

    /// The error for a row at `place` of a table whose columns are `names`.
    fn at(self, place: Place, names: &[String]) -> ReadError {
        match self {
            Self::Fault(fault) => fault.at(place, names),
            Self::InFile(problem) => Place::file(&place.file).error(problem),
        }
    }
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
            Inner::Misfit(misfit) => Wrong::of(misfit, layout),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Bounds, source};
    use super::*;
    use proptest::prelude::*;
    use std::num::NonZeroUsize;

    /// What a reading gives, or says: row by row, or by so many threads.
    fn outcome(text: &str, sort: bool, threads: Option<usize>) -> String {
        let options = ReadOptions {
            sort,
            threads: threads.and_then(NonZeroUsize::new),
            ..ReadOptions::default()
        };
        let file = Path::new("t.csv");
        let mut gather = Gather::new(Bounds::NONE, &options);
        let mut read = || {
            let source = source::of_bytes(file, text.as_bytes(), u64::MAX)?;
            if threads.is_some() {
                return read_delimited(source, "t", &options, &mut gather);
            }
            let (delimiter, layout) = sniff::delimited(&source, &options)?;
            let mut table = Table::new(file.to_owned(), source.bytes, delimiter);
            table.advance()?;
            read_rows(table, layout, file, "t", &options, &mut gather, Rows::read)
        };
        match read().and_then(|()| gather.finish()) {
            Ok(recordings) => format!("{recordings:?}"),
            Err(error) => error.to_string(),
        }
    }

    /// What may stand on a line behind the header, `time,device,a,b,is_anomaly`, at a second of a day.
    fn line(kind: u8, second: usize) -> String {
        let time = format!(
            "2024-01-01 {:02}:{:02}:{:02}",
            second / 3600,
            second / 60 % 60,
            second % 60
        );
        let device = ["x", "y"][second % 2];
        match kind {
            0 => "\n".to_owned(),
            1 => "# no row\n".to_owned(),
            2 => format!("{time},{device},\"1.5\",2,0\n"),
            3 => format!("\"{time}\",\"{device}\",3,\"4\",1\r\n"),
            4 => format!("{time},{device},,NA,0\n"),
            5 => format!("{time},{device},1.5,-0.25,true\r\n"),
            6 => ",,,,\n".to_owned(),
            7 => format!(" {time} , {device} , 1 ,2e3,0\r"),
            _ => format!("{time},{device},-17.125,0.1,0\n"),
        }
    }

    fn wrong_line(kind: u8) -> &'static str {
        match kind {
            0 => "2024-01-01 00:00:00,x,1,2,0\n",
            1 => "2024-01-01 23:59:59,x,oops,2,0\n",
            2 => "2024-01-01 23:59:59,x,1,2\n",
            3 => "2024-01-01 23:59:59,x,1,inf,0\n",
            4 => "2024-01-01 23:59:59,,1,2,0\n",
            5 => "noon,x,1,2,0\n",
            6 => "2024-01-01 23:59:59,x,1,2,maybe\n",
            7 => "2024-01-01 23:59:59,x,\"1,2,0\n",
            _ => "2024-01-01 23:59:59,x,1,2,0",
        }
    }

    proptest! {
        #[test]
        fn rows_are_the_same_one_by_one_at_once_and_by_several_threads(
            kinds in proptest::collection::vec(prop_oneof![8 => Just(9_u8), 1 => 0..9_u8], 0..40),
            wrong in proptest::option::weighted(0.7, (0..40_usize, 0..9_u8)),
            sort: bool,
        ) {
            let mut lines: Vec<String> = kinds.iter().zip(1..).map(|(&kind, second)| line(kind, second)).collect();
            if let Some((at, kind)) = wrong {
                lines.insert(at.min(lines.len()), wrong_line(kind).to_owned());
            }
            let text = format!("time,device,a,b,is_anomaly\n{}{}", line(9, 0), lines.concat());
            let expect = outcome(&text, sort, None);
            for n_threads in [1, 3] {
                prop_assert_eq!(outcome(&text, sort, Some(n_threads)), expect.as_str(), "{}", text);
            }
            // The same without devices: rows of one series go on together.
            let text = text.replace(",device", "").replace(",x", "").replace(",y", "");
            let expect = outcome(&text, sort, None);
            for n_threads in [1, 3] {
                prop_assert_eq!(outcome(&text, sort, Some(n_threads)), expect.as_str(), "{}", text);
            }
        }
    }
}
