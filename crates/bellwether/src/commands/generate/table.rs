//! Rows of series as one table, and where tables go.

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::Path;

use bellwether_core::frame::Channel;
use bellwether_core::synth::Fault;
use bellwether_store::write::{
    AtomicFile, Cell, Column, ColumnKind, Packed, Packing, TableFormat, TableWriter, WriteError,
    packed_format,
};

use crate::cli::Format;
use crate::failure::Failure;

/// The columns of a table: time, series where there are several, channels, marks.
pub(super) struct Table {
    pub(super) time: String,
    pub(super) series: Option<String>,
    pub(super) channels: Vec<String>,
    /// Columns of 0 and 1.
    pub(super) marks: Vec<&'static str>,
}

/// One row.
pub(super) struct Line<'a> {
    pub(super) time: Cow<'a, str>,
    pub(super) series: &'a str,
    pub(super) values: &'a [f64],
    pub(super) marks: Vec<bool>,
}

impl Table {
    /// The columns to write; those of channels are of `kind`.
    pub(super) fn columns(&self, kind: ColumnKind) -> Vec<Column> {
        let texts = std::iter::once(&self.time).chain(&self.series);
        let texts = texts.map(|name| Column::new(name, ColumnKind::Text));
        let channels = self
            .channels
            .iter()
            .map(|name| Column::new(name, kind).optional());
        let marks = self
            .marks
            .iter()
            .map(|name| Column::new(*name, ColumnKind::Integer));
        texts.chain(channels).chain(marks).collect()
    }

    /// Writes the rows that `fill` adds. A reader that has gone ends the table and is no error.
    pub(super) fn write(
        &self,
        out: Out,
        fill: impl FnOnce(&mut Lines<'_>) -> Result<(), WriteError>,
    ) -> Result<(), Failure> {
        out.table(self.columns(ColumnKind::Real), |out| {
            fill(&mut Lines {
                out,
                has_series: self.series.is_some(),
            })
        })
    }
}

/// Takes the rows of a [`Table`].
pub(super) struct Lines<'a> {
    out: &'a mut TableWriter<Packed<To>>,
    has_series: bool,
}

impl Lines<'_> {
    pub(super) fn add(&mut self, line: &Line<'_>) -> Result<(), WriteError> {
        let mut cells = Vec::with_capacity(2 + line.values.len() + line.marks.len());
        cells.push(Cell::Text(&line.time));
        cells.extend(self.has_series.then_some(Cell::Text(line.series)));
        cells.extend(line.values.iter().map(|&value| Cell::Real(value)));
        cells.extend(line.marks.iter().map(|&mark| Cell::Integer(mark.into())));
        self.out.row(&cells)
    }
}

/// Writes faults as intervals, both ends included: `start,end,kind,channels,series`, channels divided by semicolons.
pub(super) fn write_labels<'a>(
    out: Out,
    faults: impl Iterator<Item = (Option<&'a str>, &'a Fault)>,
) -> Result<(), Failure> {
    let text = |name: &str| Column::new(name, ColumnKind::Text);
    let columns = vec![
        text("start"),
        text("end"),
        text("kind"),
        text("channels"),
        text("series").optional(),
    ];
    out.table(columns, |table| {
        for (series, fault) in faults {
            table.row(&[
                Cell::Text(&fault.start.to_string()),
                Cell::Text(&fault.end.to_string()),
                Cell::Text(fault.kind.name()),
                Cell::Text(&fault.channels.join(";")),
                Cell::text(series),
            ])?;
        }
        Ok(())
    })
}

/// Names of the channels.
pub(super) fn names(channels: &[Channel]) -> Vec<String> {
    let names = channels.iter().map(Channel::name);
    names.map(str::to_owned).collect()
}

/// Where a table goes, and in what form.
pub(super) struct Out {
    to: To,
    format: TableFormat,
    packing: Packing,
}

pub(super) enum To {
    File(AtomicFile),
    Stdout(io::Stdout),
}

impl Out {
    /// The file at `path` in the form of its ending; `-` is stdout, as CSV unless JSON is asked for.
    pub(super) fn create(path: &Path, format: Format) -> Result<Self, Failure> {
        if path.as_os_str() != "-" {
            return Self::create_file(path);
        }
        Ok(Self {
            to: To::Stdout(io::stdout()),
            packing: Packing::Plain,
            format: match format {
                Format::Table | Format::Csv => TableFormat::Csv,
                Format::Json | Format::Ndjson => TableFormat::Jsonl,
            },
        })
    }

    /// The file at `path` in the form of its ending, packed where `.gz` or `.zst` is behind it.
    pub(super) fn create_file(path: &Path) -> Result<Self, Failure> {
        let (format, packing) = packed_format(path)?;
        Ok(Self {
            to: To::File(AtomicFile::create(path)?),
            format,
            packing,
        })
    }

    /// Whether the table is written as CSV.
    pub(super) fn is_csv(&self) -> bool {
        self.format == TableFormat::Csv
    }

    /// Writes a table that `fill` fills, and puts a file in its place.
    pub(super) fn table(
        self,
        columns: Vec<Column>,
        fill: impl FnOnce(&mut TableWriter<Packed<To>>) -> Result<(), WriteError>,
    ) -> Result<(), Failure> {
        let written = Packed::new(self.to, self.packing)
            .map_err(WriteError::Table)
            .and_then(|out| TableWriter::new(out, self.format, columns))
            .and_then(|mut table| {
                fill(&mut table)?;
                table.finish()?.finish().map_err(WriteError::Table)
            });
        match written {
            Ok(To::File(file)) => Ok(file.commit()?),
            Ok(To::Stdout(mut stdout)) => unless_gone(stdout.flush()),
            Err(WriteError::Table(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// A reader that has gone, as `head` does, is no error.
fn unless_gone(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

impl Write for To {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Stdout(stdout) => stdout.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Stdout(stdout) => stdout.flush(),
        }
    }
}
