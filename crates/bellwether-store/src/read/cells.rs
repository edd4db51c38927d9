//! The cells of one row of a table, read as its layout says: for files and for rows that come in one by one.

use bellwether_core::time::Timestamp;

use super::error::{Place, Problem, ReadError};
use super::number::{Cell, Numbers};
use super::row::Row;
use super::sniff::Layout;
use super::time_format::TimeParser;

/// Reads cells.
#[derive(Debug, Clone)]
pub(super) struct Cells {
    pub(super) layout: Layout,
    times: TimeParser,
    numbers: Numbers,
}

/// What is wrong with a row.
#[derive(Debug)]
pub(super) struct Fault {
    /// The column, where it is the trouble of one.
    pub(super) column: Option<usize>,
    pub(super) problem: Problem,
}

impl Fault {
    /// `problem` in `column`.
    #[cold]
    pub(super) fn of(column: usize, problem: Problem) -> Self {
        Self {
            column: Some(column),
            problem,
        }
    }

    /// The error for a row at `place` of a table whose columns are `names`.
    pub(super) fn at(self, place: Place, names: &[String]) -> ReadError {
        match self.column {
            Some(column) => place.in_column(&names[column]).error(self.problem),
            None => place.error(self.problem),
        }
    }
}

impl Cells {
    /// For rows of a table as `layout` has it; `missing` are the caller's own markers.
    pub(super) fn new(layout: Layout, missing: &[String]) -> Self {
        Self {
            times: TimeParser::new(layout.time_format).in_zone(layout.zone.clone()),
            numbers: Numbers::new(missing),
            layout,
        }
    }

    /// The time of a row; `None` for a row of delimiters only, as spreadsheets leave behind the last. No other cell may
    /// be asked for before: this checks that there are as many as there should be.
    pub(super) fn time(&mut self, row: Row<'_>) -> Result<Option<Timestamp>, Fault> {
        let wanted = self.layout.names.len();
        let is_blank = || row.cells().all(|cell| cell.trim_ascii().is_empty());
        let of_row = |problem| Fault {
            column: None,
            problem,
        };
        if row.len() != wanted {
            if is_blank() {
                return Ok(None);
            }
            let found = row.len();
            let problem = if row.has_line_feed() {
                Problem::OpenQuote { found, wanted }
            } else {
                Problem::Ragged { found, wanted }
            };
            return Err(of_row(problem));
        }
        if let Some(&column) = self
            .layout
            .blank
            .iter()
            .find(|&&column| !row.cell(column).trim_ascii().is_empty())
        {
            return Err(of_row(Problem::NamelessColumn { position: column + 1 }));
        }
        let text = row.cell(self.layout.time);
        match self.times.parse(text) {
            Some(time) => Ok(Some(time)),
            None if is_blank() => Ok(None),
            None if text.trim_ascii().is_empty() => Err(Fault::of(self.layout.time, Problem::NoTime)),
            None => Err(Fault::of(
                self.layout.time,
                match self.times.skipped_in(text) {
                    Some(zone) => Problem::SkippedTime {
                        found: shown(text),
                        zone: zone.name().to_owned(),
                    },
                    None => Problem::BadTime { found: shown(text) },
                },
            )),
        }
    }

    /// A cell that names something.
    pub(super) fn text<'r>(
        &self,
        row: Row<'r>,
        column: usize,
        when_empty: Problem,
    ) -> Result<&'r str, Fault> {
        let cell = row.cell(column).trim_ascii();
        match std::str::from_utf8(cell) {
            Ok("") => Err(Fault::of(column, when_empty)),
            Ok(text) => Ok(text),
            Err(_) => Err(Fault::of(column, Problem::NotUtf8 { found: shown(cell) })),
        }
    }

    /// A cell of a channel; NaN is missing.
    pub(super) fn value(&self, row: Row<'_>, column: usize) -> Result<f64, Fault> {
        let cell = row.cell(column);
        let problem = match self.cell(row, column) {
            Cell::Value(value) => return Ok(value),
            Cell::Missing => return Ok(f64::NAN),
            Cell::Infinite => Problem::Infinite { found: shown(cell) },
            Cell::DecimalComma => Problem::DecimalComma { found: shown(cell) },
            Cell::Text => Problem::NotANumber { found: shown(cell) },
        };
        Err(Fault::of(column, problem))
    }

    /// What a cell of a channel says, whatever it is.
    #[inline]
    pub(super) fn cell(&self, row: Row<'_>, column: usize) -> Cell {
        let (text, start, end) = row.place(column);
        self.numbers.read_in(text, start, end)
    }

    /// A cell that says yes or no.
    pub(super) fn label(&self, row: Row<'_>, column: usize) -> Result<bool, Fault> {
        let cell = row.cell(column);
        flag(cell).ok_or_else(|| Fault::of(column, Problem::BadLabel { found: shown(cell) }))
    }
}

/// A yes or no: `0`, `1`, `true`, `false` in any case, and the `0.0` and `1.0` of programs that know only decimals.
pub(super) fn flag(cell: &[u8]) -> Option<bool> {
    match cell.trim_ascii() {
        b"0" | b"0.0" => Some(false),
        b"1" | b"1.0" => Some(true),
        word if word.eq_ignore_ascii_case(b"false") => Some(false),
        word if word.eq_ignore_ascii_case(b"true") => Some(true),
        _ => None,
    }
}

/// A cell for a message: readable, and not endless.
pub(super) fn shown(cell: &[u8]) -> String {
    const SHOWN_CHARS: usize = 60;
    let text = String::from_utf8_lossy(cell);
    let mut shown: String = text.chars().take(SHOWN_CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
