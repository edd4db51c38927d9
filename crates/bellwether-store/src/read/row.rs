//! One row of text cells, whatever it was written in, and where such rows come from.

use super::error::{Place, ReadError};

/// The cells of one row, one behind the other in `text`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    text: &'a [u8],
    /// Where each cell ends.
    ends: &'a [usize],
    /// Bytes between the end of a cell and the next: a delimiter, or nothing.
    gap: usize,
}

impl<'a> Row<'a> {
    /// Cells of `text` that end at `ends` and are divided by `gap` bytes.
    pub(super) fn new(text: &'a [u8], ends: &'a [usize], gap: usize) -> Self {
        Self { text, ends, gap }
    }

    /// How many cells.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The cell of `column`. Panics where there is none.
    #[inline]
    pub(super) fn cell(&self, column: usize) -> &'a [u8] {
        let start = match column {
            0 => 0,
            _ => self.ends[column - 1] + self.gap,
        };
        &self.text[start..self.ends[column]]
    }

    /// The cell of `column`, where there is one.
    pub(super) fn get(&self, column: usize) -> Option<&'a [u8]> {
        (column < self.len()).then(|| self.cell(column))
    }

    /// All cells.
    pub(super) fn cells(self) -> impl Iterator<Item = &'a [u8]> {
        (0..self.len()).map(move |column| self.cell(column))
    }

    /// Whether a cell goes on over lines.
    pub(super) fn has_line_feed(&self) -> bool {
        self.text.contains(&b'\n')
    }
}

/// A row that is kept.
#[derive(Debug, Clone, Default)]
pub(super) struct RowBuf {
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl RowBuf {
    /// The row.
    pub(super) fn row(&self) -> Row<'_> {
        Row::new(&self.text, &self.ends, 0)
    }

    /// Makes it a row without cells.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    /// Adds a cell.
    pub(super) fn push(&mut self, cell: &[u8]) {
        self.text.extend_from_slice(cell);
        self.ends.push(self.text.len());
    }
}

impl From<Row<'_>> for RowBuf {
    fn from(row: Row<'_>) -> Self {
        let mut kept = Self::default();
        row.cells().for_each(|cell| kept.push(cell));
        kept
    }
}

/// Rows of text cells, one after the other.
pub(super) trait TextRows {
    /// Reads the next row; false after the last.
    fn advance(&mut self) -> Result<bool, ReadError>;

    /// The row read last.
    fn row(&self) -> Row<'_>;

    /// The place of the row read last.
    fn place(&self) -> Place;
}
