//! Where in an input something is.

use std::fmt;
use std::path::{Path, PathBuf};

use super::error::{Problem, ReadError};

/// A place in an input, as exact as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, or `-` for standard input.
    pub file: PathBuf,
    /// Line, counted from 1; of a row that spans lines, its first.
    pub line: Option<u64>,
    /// Row, counted from 1, where rows are not lines.
    pub row: Option<u64>,
    /// Name of the column.
    pub column: Option<String>,
}

impl Place {
    /// A whole file.
    pub(super) fn file(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            line: None,
            row: None,
            column: None,
        }
    }

    /// The same file, at `line`.
    pub(super) fn at_line(mut self, line: u64) -> Self {
        self.line = Some(line);
        self
    }

    /// The same file, at `row`.
    pub(super) fn at_row(mut self, row: u64) -> Self {
        self.row = Some(row);
        self
    }

    /// The same place, in `column`.
    pub(super) fn in_column(mut self, column: &str) -> Self {
        self.column = Some(column.to_owned());
        self
    }

    /// `problem` at this place.
    pub(super) fn error(self, problem: Problem) -> ReadError {
        ReadError {
            place: Box::new(self),
            problem,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.file.as_os_str() == "-" {
            f.write_str("standard input")?;
        } else {
            write!(f, "{}", self.file.display())?;
        }
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        if let Some(row) = self.row {
            write!(f, ", row {row}")?;
        }
        if let Some(column) = &self.column {
            write!(f, ", column {column:?}")?;
        }
        Ok(())
    }
}
