//! An Arrow IPC file (Feather) of flat columns, gathered into batches.

use std::io::{self, Write};
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_ipc::writer::FileWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};

use super::table::{Cell, Column, ColumnKind};

/// Rows kept in memory until they are written as one batch.
const BATCH_ROWS: usize = 1 << 16;

/// An Arrow file being written.
pub(super) struct ArrowTable<W: Write> {
    file: FileWriter<W>,
    schema: SchemaRef,
    columns: Vec<Gathered>,
    n_rows: usize,
}

/// The cells of one column of the batch at hand.
enum Gathered {
    Text(Vec<Option<String>>),
    Real(Vec<Option<f64>>),
    Integer(Vec<Option<i64>>),
}

impl<W: Write> ArrowTable<W> {
    pub(super) fn new(out: W, columns: &[Column]) -> io::Result<Self> {
        let fields: Vec<Field> = columns
            .iter()
            .map(|column| {
                let data_type = match column.kind {
                    ColumnKind::Text => DataType::Utf8,
                    ColumnKind::Real => DataType::Float64,
                    ColumnKind::Integer => DataType::Int64,
                };
                Field::new(&column.name, data_type, column.is_optional)
            })
            .collect();
        let schema = Arc::new(Schema::new(fields));
        Ok(Self {
            file: FileWriter::try_new(out, &schema).map_err(of_arrow)?,
            schema,
            columns: columns.iter().map(Gathered::new).collect(),
            n_rows: 0,
        })
    }

    /// Adds a row of cells that belong to their columns.
    pub(super) fn row<'a>(&mut self, cells: impl Iterator<Item = Cell<'a>>) -> io::Result<()> {
        for (cell, column) in cells.zip(&mut self.columns) {
            column.push(cell);
        }
        self.n_rows += 1;
        if self.n_rows == BATCH_ROWS {
            self.write_batch()
        } else {
            Ok(())
        }
    }

    pub(super) fn finish(mut self) -> io::Result<W> {
        if self.n_rows > 0 {
            self.write_batch()?;
        }
        self.file.into_inner().map_err(of_arrow)
    }

    fn write_batch(&mut self) -> io::Result<()> {
        let arrays = self.columns.iter_mut().map(Gathered::take).collect();
        let batch = RecordBatch::try_new(self.schema.clone(), arrays).map_err(of_arrow)?;
        self.n_rows = 0;
        self.file.write(&batch).map_err(of_arrow)
    }
}

impl Gathered {
    fn new(column: &Column) -> Self {
        match column.kind {
            ColumnKind::Text => Self::Text(Vec::new()),
            ColumnKind::Real => Self::Real(Vec::new()),
            ColumnKind::Integer => Self::Integer(Vec::new()),
        }
    }

    fn push(&mut self, cell: Cell<'_>) {
        match (self, cell) {
            (Self::Text(cells), Cell::Missing) => cells.push(None),
            (Self::Real(cells), Cell::Missing) => cells.push(None),
            (Self::Integer(cells), Cell::Missing) => cells.push(None),
            (Self::Text(cells), Cell::Text(text)) => cells.push(Some(text.to_owned())),
            (Self::Real(cells), Cell::Real(value)) => cells.push(Some(value)),
            (Self::Integer(cells), Cell::Integer(value)) => cells.push(Some(value)),
            (_, cell) => unreachable!("{cell:?} was checked against its column"),
        }
    }

    fn take(&mut self) -> ArrayRef {
        match self {
            Self::Text(cells) => Arc::new(StringArray::from(std::mem::take(cells))),
            Self::Real(cells) => Arc::new(Float64Array::from(std::mem::take(cells))),
            Self::Integer(cells) => Arc::new(Int64Array::from(std::mem::take(cells))),
        }
    }
}

/// The I/O error within, so that the caller sees "disk full" and not a wrapping of it.
fn of_arrow(error: ArrowError) -> io::Error {
    match error {
        ArrowError::IoError(_, inner) => inner,
        other => io::Error::other(other),
    }
}
