//! A Parquet table of flat columns, gathered into row groups.

use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as PhysicalType};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;

use super::table::{Cell, Column, ColumnKind};

/// Rows kept in memory until they are written as one group.
const GROUP_ROWS: usize = 1 << 17;

/// A Parquet file being written.
pub(super) struct ParquetTable<W: Write + Send> {
    file: SerializedFileWriter<W>,
    columns: Vec<Gathered>,
    n_rows: usize,
}

/// The cells of one column of the group at hand: the values there are, and one level per row (1 present, 0 missing).
struct Gathered {
    values: Values,
    levels: Vec<i16>,
    is_optional: bool,
}

enum Values {
    Text(Vec<ByteArray>),
    Real(Vec<f64>),
    Integer(Vec<i64>),
}

impl<W: Write + Send> ParquetTable<W> {
    pub(super) fn new(out: W, columns: &[Column]) -> io::Result<Self> {
        let fields: Vec<_> = columns
            .iter()
            .map(field)
            .collect::<Result<_, _>>()
            .map_err(of_parquet)?;
        let schema = Type::group_type_builder("rows")
            .with_fields(fields)
            .build()
            .map_err(of_parquet)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .build();
        let file =
            SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties)).map_err(of_parquet)?;
        Ok(Self {
            file,
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
        if self.n_rows == GROUP_ROWS {
            self.write_group().map_err(of_parquet)
        } else {
            Ok(())
        }
    }

    pub(super) fn finish(mut self) -> io::Result<W> {
        if self.n_rows > 0 {
            self.write_group().map_err(of_parquet)?;
        }
        self.file.into_inner().map_err(of_parquet)
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.file.next_row_group()?;
        for column in &mut self.columns {
            let mut writer = group.next_column()?.expect("as many columns as the schema has");
            column.write(&mut writer)?;
            writer.close()?;
            column.clear();
        }
        group.close()?;
        self.n_rows = 0;
        Ok(())
    }
}

impl Gathered {
    fn new(column: &Column) -> Self {
        let values = match column.kind {
            ColumnKind::Text => Values::Text(Vec::new()),
            ColumnKind::Real => Values::Real(Vec::new()),
            ColumnKind::Integer => Values::Integer(Vec::new()),
        };
        Self {
            values,
            levels: Vec::new(),
            is_optional: column.is_optional,
        }
    }

    fn push(&mut self, cell: Cell<'_>) {
        self.levels.push(i16::from(cell != Cell::Missing));
        match (&mut self.values, cell) {
            (_, Cell::Missing) => {}
            (Values::Text(values), Cell::Text(text)) => values.push(ByteArray::from(text)),
            (Values::Real(values), Cell::Real(value)) => values.push(value),
            (Values::Integer(values), Cell::Integer(value)) => values.push(value),
            (_, cell) => unreachable!("{cell:?} was checked against its column"),
        }
    }

    fn write(&self, writer: &mut SerializedColumnWriter<'_>) -> Result<usize, ParquetError> {
        let levels = self.is_optional.then_some(self.levels.as_slice());
        match &self.values {
            Values::Text(values) => writer.typed::<ByteArrayType>().write_batch(values, levels, None),
            Values::Real(values) => writer.typed::<DoubleType>().write_batch(values, levels, None),
            Values::Integer(values) => writer.typed::<Int64Type>().write_batch(values, levels, None),
        }
    }

    fn clear(&mut self) {
        self.levels.clear();
        match &mut self.values {
            Values::Text(values) => values.clear(),
            Values::Real(values) => values.clear(),
            Values::Integer(values) => values.clear(),
        }
    }
}

fn field(column: &Column) -> Result<Arc<Type>, ParquetError> {
    let (physical, logical) = match column.kind {
        ColumnKind::Text => (PhysicalType::BYTE_ARRAY, Some(LogicalType::String)),
        ColumnKind::Real => (PhysicalType::DOUBLE, None),
        ColumnKind::Integer => (PhysicalType::INT64, None),
    };
    let repetition = if column.is_optional {
        Repetition::OPTIONAL
    } else {
        Repetition::REQUIRED
    };
    let builder = Type::primitive_type_builder(&column.name, physical);
    Ok(Arc::new(
        builder
            .with_repetition(repetition)
            .with_logical_type(logical)
            .build()?,
    ))
}

/// The I/O error within, so that the caller sees "disk full" and not a wrapping of it.
fn of_parquet(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(inner) => *inner,
            Err(inner) => io::Error::other(inner),
        },
        other => io::Error::other(other),
    }
}
