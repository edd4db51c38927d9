//! Batches of typed columns, as Parquet and Arrow have them, into series.

use std::collections::VecDeque;
use std::path::Path;

use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Schema};
use bellwether_core::time::Timestamp;

use super::ReadOptions;
use super::cells::{flag, shown};
use super::columns::{CellText, is_readable, nanos_of, numbers_into};
use super::error::{Place, Problem, ReadError};
use super::number::Numbers;
use super::row::RowBuf;
use super::series::Gather;
use super::sink::{Misfit, Part, RowHead, Sink};
use super::sniff::{self, Layout, SAMPLE_ROWS, Sample, Values};
use super::time_format::TimeParser;

/// Values of a piece of a batch that is turned from columns to rows at once: they stay in the cache.
const PIECE_CELLS: usize = 1 << 15;

/// Batches, one after the other.
pub(super) type Batches<'b> = dyn Iterator<Item = Result<RecordBatch, Problem>> + 'b;

/// The columns of a file by name, and where those that are read stand in its batches.
pub(super) struct Columns {
    names: Vec<String>,
    /// Position in a batch; none for a column that is left out.
    positions: Vec<Option<usize>>,
}

impl Columns {
    /// The columns of `schema`; those that options leave out are not read.
    ///
    /// # Errors
    /// Where one that is not left out can never be read.
    pub(super) fn new(schema: &Schema, file: &Path, options: &ReadOptions) -> Result<Self, ReadError> {
        let mut positions = Vec::with_capacity(schema.fields().len());
        for field in schema.fields() {
            let is_ignored = options.ignore_columns.contains(field.name());
            if !is_ignored && !is_readable(field.data_type()) {
                let place = Place::file(file).in_column(field.name());
                return Err(place.error(Problem::ColumnType {
                    column: field.name().clone(),
                    found: type_name(field.data_type()),
                }));
            }
            positions.push((!is_ignored).then_some(positions.len()));
        }
        Ok(Self {
            names: schema.fields().iter().map(|field| field.name().clone()).collect(),
            positions,
        })
    }

    /// The array of `column` in a batch. Panics where the column is left out.
    pub(super) fn array<'b>(&self, batch: &'b RecordBatch, column: usize) -> &'b dyn Array {
        let position = self.positions[column].expect("a column that is left out has no use");
        batch.column(position)
    }

    /// Whether `column` is not left out.
    pub(super) fn is_read(&self, column: usize) -> bool {
        self.positions[column].is_some()
    }

    /// Which columns are read, for a reader that leaves out the others.
    pub(super) fn projected(&mut self) -> Vec<usize> {
        let read = self.positions.iter().flatten().copied().collect();
        for (idx, position) in self.positions.iter_mut().flatten().enumerate() {
            *position = idx;
        }
        read
    }
}

/// Reads the times of a column, of a time type or not.
pub(super) struct Instants {
    times: TimeParser,
    has_zone: bool,
}

impl Instants {
    pub(super) fn new(layout: &Layout) -> Self {
        Self {
            times: TimeParser::new(layout.time_format).in_zone(layout.zone.clone()),
            has_zone: layout.zone.is_some(),
        }
    }

    /// The instant in `row`, which reads as `text`.
    pub(super) fn of(&mut self, times: &dyn Array, row: usize, text: &[u8]) -> Option<Timestamp> {
        // A time type without a zone says what clocks showed, as text without an offset does.
        let is_local = self.has_zone && matches!(times.data_type(), DataType::Timestamp(_, None));
        match nanos_of(times, row) {
            Some(nanos) if !times.is_null(row) && !is_local => Some(Timestamp::from_nanos(nanos)),
            _ => self.times.parse(text),
        }
    }

    /// Why `text` is no instant.
    pub(super) fn problem(&self, text: &[u8]) -> Problem {
        let found = shown(text.trim_ascii());
        match self.times.skipped_in(text) {
            _ if found.is_empty() => Problem::NoTime,
            Some(zone) => Problem::SkippedTime {
                found,
                zone: zone.name().to_owned(),
            },
            None => Problem::BadTime { found },
        }
    }
}

fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) | DataType::ListView(_) => {
            "a list"
        }
        DataType::Struct(_) | DataType::Map(..) => "an object",
        _ => return shown(data_type.to_string().as_bytes()),
    }
    .to_owned()
}

/// Reads all `batches`; without a series column they are the series called `name`.
pub(super) fn read(
    batches: &mut Batches<'_>,
    columns: Columns,
    file: &Path,
    name: &str,
    options: &ReadOptions,
    gather: &mut Gather,
) -> Result<(), ReadError> {
    let in_file = |problem| Place::file(file).error(problem);
    let mut first = VecDeque::new();
    let mut n_first = 0;
    while n_first < SAMPLE_ROWS
        && let Some(batch) = batches.next()
    {
        let batch = batch.map_err(in_file)?;
        n_first += batch.num_rows();
        first.push_back(batch);
    }
    let sample = sample(&first, &columns, file)?;
    let mut layout = sniff::layout(sample, options)?;
    let notes = std::mem::take(&mut layout.notes);
    let mut sink = Sink::new(&layout, file, name, gather)?;
    let mut rows = Rows {
        instants: Instants::new(&layout),
        numbers: Numbers::new(&options.missing),
        text: CellText::default(),
        columns,
        layout,
        file,
        n_rows: 0,
        values: Vec::new(),
    };
    while let Some(batch) = first.pop_front() {
        rows.batch(&batch, &mut sink)?;
    }
    for batch in batches {
        rows.batch(&batch.map_err(in_file)?, &mut sink)?;
    }
    sink.finish(notes, |_| None)
}

/// The first rows as text, so that one code tells what columns are for.
pub(super) fn sample(
    batches: &VecDeque<RecordBatch>,
    columns: &Columns,
    file: &Path,
) -> Result<Sample, ReadError> {
    let mut rows = Vec::new();
    let (mut text, mut cell) = (CellText::default(), Vec::new());
    for batch in batches {
        for row in 0..batch.num_rows().min(SAMPLE_ROWS - rows.len()) {
            let mut kept = RowBuf::default();
            for position in &columns.positions {
                cell.clear();
                if let Some(position) = *position {
                    text.push(&mut cell, batch.column(position), row)
                        .map_err(|problem| Place::file(file).error(problem))?;
                }
                kept.push(&cell);
            }
            rows.push(kept);
        }
    }
    Ok(Sample {
        place: Place::file(file),
        names: columns.names.clone(),
        rows,
        is_divided: false,
    })
}

/// The rows of a file being read.
struct Rows<'a> {
    instants: Instants,
    numbers: Numbers,
    text: CellText,
    columns: Columns,
    layout: Layout,
    file: &'a Path,
    /// Rows of the batches before.
    n_rows: u64,
    /// The values of a piece, row after row.
    values: Vec<f64>,
}

/// What is wrong in a row of a piece: the row, the column where it is the trouble of one.
type Wrong = (usize, Option<usize>, Problem);

/// What is wrong with the row at hand.
struct Inner(Misfit);

impl From<Misfit> for Inner {
    fn from(misfit: Misfit) -> Self {
        Self(misfit)
    }
}

impl Rows<'_> {
    fn batch(&mut self, batch: &RecordBatch, sink: &mut Sink<'_>) -> Result<(), ReadError> {
        let n_values = match &self.layout.values {
            Values::Wide(columns) => columns.len(),
            Values::Long { .. } => 1,
        };
        let n_piece = (PIECE_CELLS / n_values.max(1)).clamp(1, 4096);
        let mut start = 0;
        while start < batch.num_rows() {
            let n_rows = n_piece.min(batch.num_rows() - start);
            let piece = batch.slice(start, n_rows);
            if let Err((row, column, problem)) = self.piece(&piece, sink) {
                let place = match problem {
                    Problem::Corrupt { .. } => Place::file(self.file),
                    _ => Place::file(self.file).at_row(self.n_rows + row as u64 + 1),
                };
                return Err(match column {
                    Some(column) => place.in_column(&self.layout.names[column]).error(problem),
                    None => place.error(problem),
                });
            }
            self.n_rows += n_rows as u64;
            start += n_rows;
        }
        Ok(())
    }

    fn piece(&mut self, piece: &RecordBatch, sink: &mut Sink<'_>) -> Result<(), Wrong> {
        let array = |column: usize| self.columns.array(piece, column);
        let value_columns = match &self.layout.values {
            Values::Wide(columns) => columns.as_slice(),
            Values::Long { value, .. } => std::slice::from_ref(value),
        };
        let n_values = value_columns.len();
        self.values.clear();
        self.values.resize(piece.num_rows() * n_values, f64::NAN);
        for (idx, &column) in value_columns.iter().enumerate() {
            numbers_into(array(column), &self.numbers, &mut self.values[idx..], n_values)
                .map_err(|(row, problem)| (row, Some(column), problem))?;
        }
        for &column in &self.layout.blank {
            if let Some(row) = (0..piece.num_rows()).find(|&row| array(column).is_valid(row)) {
                return Err((row, None, Problem::NamelessColumn { position: column + 1 }));
            }
        }
        let times = array(self.layout.time);
        let mut marks = [const { Vec::new() }; 2];
        for (mark, column) in marks.iter_mut().zip([self.layout.label, self.layout.changepoint]) {
            let Some(column) = column else { continue };
            for row in 0..piece.num_rows() {
                let mut cell = Vec::new();
                let at = |problem| (row, Some(column), problem);
                self.text.push(&mut cell, array(column), row).map_err(at)?;
                let says = flag(&cell).ok_or_else(|| at(Problem::BadLabel { found: shown(&cell) }))?;
                mark.push(says);
            }
        }
        let (mut time_text, mut series, mut channel) = (Vec::new(), Vec::new(), Vec::new());
        for row in 0..piece.num_rows() {
            let at = |column: usize, problem| (row, Some(column), problem);
            time_text.clear();
            self.text
                .push(&mut time_text, times, row)
                .map_err(|problem| at(self.layout.time, problem))?;
            let Some(time) = self.instants.of(times, row, &time_text) else {
                if is_blank(piece, row) {
                    // A row without its marks and values is left out, as in text.
                    if let [None, None] = [self.layout.label, self.layout.changepoint] {
                        continue;
                    }
                }
                return Err(at(self.layout.time, self.instants.problem(&time_text)));
            };
            let mut name = |column: usize, out: &mut Vec<u8>| {
                out.clear();
                self.text
                    .push(out, array(column), row)
                    .map_err(|problem| at(column, problem))
            };
            let series = match self.layout.series {
                Some(column) => {
                    name(column, &mut series)?;
                    Some(text_of(&series, Problem::NoSeries).map_err(|problem| at(column, problem))?)
                }
                None => None,
            };
            let head = RowHead {
                time,
                time_text: &time_text,
                series,
                label: marks[0].get(row).copied(),
                changepoint: marks[1].get(row).copied(),
            };
            let values = &self.values[row * n_values..][..n_values];
            let given = match self.layout.values {
                Values::Wide(_) => sink.wide_row(&head, |out| {
                    out.extend_from_slice(values);
                    Ok::<_, Inner>(())
                }),
                Values::Long { channel: column, .. } => {
                    name(column, &mut channel)?;
                    let channel =
                        text_of(&channel, Problem::NoChannelName).map_err(|problem| at(column, problem))?;
                    sink.named_row(&head, [(channel, values[0])]).map_err(Inner)
                }
            };
            given.map_err(|Inner((part, problem))| match part {
                Part::Time => at(self.layout.time, problem),
                Part::Series => (row, self.layout.series, problem),
                Part::File => (row, None, problem),
            })?;
        }
        Ok(())
    }
}

/// Whether no column of the row holds anything.
pub(super) fn is_blank(piece: &RecordBatch, row: usize) -> bool {
    piece
        .columns()
        .iter()
        .all(|column| column.is_null(row) || matches!(column.data_type(), DataType::Null))
}

/// A cell that names something.
pub(super) fn text_of(cell: &[u8], when_empty: Problem) -> Result<&str, Problem> {
    match std::str::from_utf8(cell.trim_ascii()) {
        Ok("") => Err(when_empty),
        Ok(text) => Ok(text),
        Err(_) => Err(Problem::NotUtf8 { found: shown(cell) }),
    }
}
