//! Where a table goes whose cells are text or numbers: delimited text as it stood, or any other format.

use std::io::Write as _;
use std::path::Path;

use bellwether_store::write::{
    AtomicFile, Cell, Column, Packed, TableFormat, TableWriter, WriteError, packed_format,
};

use crate::failure::Failure;

/// A table being written.
pub(super) enum Sheet {
    Text { out: Packed<AtomicFile>, delimiter: u8 },
    Table(Box<TableWriter<Packed<AtomicFile>>>),
}

impl Sheet {
    /// Begins the file at `to`, in the format of its name. Commas and semicolons of the input are kept.
    pub(super) fn create(to: &Path, columns: Vec<Column>, delimiter: Option<u8>) -> Result<Self, Failure> {
        let (format, packing) = packed_format(to)?;
        let out = Packed::new(AtomicFile::create(to)?, packing).map_err(WriteError::Table)?;
        let delimiter = match format {
            TableFormat::Csv => delimiter.filter(|delimiter| *delimiter != b'\t').unwrap_or(b','),
            TableFormat::Tsv => b'\t',
            _ => return Ok(Self::Table(Box::new(TableWriter::new(out, format, columns)?))),
        };
        let mut sheet = Self::Text { out, delimiter };
        let names: Vec<Cell<'_>> = columns.iter().map(|column| Cell::Text(&column.name)).collect();
        sheet.row(&names)?;
        Ok(sheet)
    }

    pub(super) fn row(&mut self, cells: &[Cell<'_>]) -> Result<(), Failure> {
        match self {
            Self::Text { out, delimiter } => {
                let text = |cell: &Cell<'_>| match cell {
                    Cell::Missing => String::new(),
                    Cell::Text(text) => quoted(text, *delimiter),
                    Cell::Real(value) if value.is_nan() => String::new(),
                    Cell::Real(value) => value.to_string(),
                    Cell::Integer(value) => value.to_string(),
                };
                let cells: Vec<String> = cells.iter().map(text).collect();
                let between = char::from(*delimiter).to_string();
                out.write_all(cells.join(&between).as_bytes())?;
                out.write_all(b"\n")?;
            }
            Self::Table(table) => table.row(cells)?,
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<(), Failure> {
        let out = match self {
            Self::Text { out, .. } => out,
            Self::Table(table) => table.finish()?,
        };
        let file = out.finish().map_err(WriteError::Table)?;
        Ok(file.commit()?)
    }
}

/// A cell as it stands in delimited text.
pub(super) fn quoted(cell: &str, delimiter: u8) -> String {
    if cell.contains(['"', '\n', '\r', char::from(delimiter)]) || cell.starts_with('#') {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}
