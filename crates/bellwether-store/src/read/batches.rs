//! Batches of typed columns, as Parquet and Arrow have them, into series.

use std::collections::VecDeque;
use std::path::Path;

use arrow_array::cast::AsArray as _;
use arrow_array::{Array, ArrayAccessor, RecordBatch};
use arrow_schema::{DataType, Schema};

use super::ReadOptions;
use super::cells::{flag, shown};
use super::columns::{CellText, check_finite, is_readable, numbers_of};
use super::error::{Place, Problem, ReadError};
use super::instants::Instants;
use super::number::Numbers;
use super::piece::Heads;
use super::row::RowBuf;
use super::series::Gather;
use super::sink::{Part, Sink};
use super::sniff::{self, Layout, SAMPLE_ROWS, Sample, Values};
use super::turned::{ColumnRoom, append_rows};

/// Values of a piece of a batch that is turned from columns to rows at once: they stay in the cache.
const PIECE_CELLS: usize = 1 << 15;

/// Batches, one after the other.
pub(super) type Batches<'b> = dyn Iterator<Item = Result<RecordBatch, Problem>> + 'b;

/// The columns of a file by name, and where those that are read stand in its batches.
pub(super) struct Columns {
    names: Vec<String>,
    /// Position in a batch; none for a column that is left out.
    positions: Vec<Option<usize>>,
    /// How many rows the file says it has; 0 where it does not.
    pub(super) n_rows: usize,
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
            n_rows: 0,
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
    sink.expect(columns.n_rows);
    let mut rows = Rows {
        instants: Instants::new(&layout),
        numbers: Numbers::new(&options.missing),
        text: CellText::default(),
        columns,
        layout,
        file,
        n_rows: 0,
        room: ColumnRoom::default(),
        heads: Heads::default(),
        channels: RowBuf::default(),
        rows: Vec::new(),
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
    /// For the numbers of columns that hold something else.
    room: ColumnRoom,
    /// The rows at hand, and the channels of their values in a table in long form.
    heads: Heads,
    channels: RowBuf,
    /// Where each of them stands in its part of a batch.
    rows: Vec<usize>,
}

/// What is wrong in a row of a piece: the row, the column where it is the trouble of one.
type Wrong = (usize, Option<usize>, Problem);

impl Rows<'_> {
    fn batch(&mut self, batch: &RecordBatch, sink: &mut Sink<'_>) -> Result<(), ReadError> {
        let n_piece = (PIECE_CELLS / self.layout.values.columns().len().max(1)).clamp(1, 4096);
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

    fn piece(&mut self, batch: &RecordBatch, sink: &mut Sink<'_>) -> Result<(), Wrong> {
        self.heads.clear();
        self.channels.clear();
        self.rows.clear();
        let mut room = std::mem::take(&mut self.room);
        let values = self.values(batch, &mut room)?;
        self.marks(batch)?;
        let heads = self.heads(batch);
        // What is wrong with rows before comes first.
        if !self.give(&values, sink)? {
            self.check_finite(&values)?;
        }
        self.room = room;
        heads
    }

    /// Reads the values of all rows, column by column.
    fn values<'v>(&self, batch: &'v RecordBatch, room: &'v mut ColumnRoom) -> Result<Vec<&'v [f64]>, Wrong> {
        let columns = self.layout.values.columns();
        let mut values = Vec::with_capacity(columns.len());
        for (&column, out) in columns.iter().zip(room.columns(batch.num_rows(), columns.len())) {
            let numbers = numbers_of(self.columns.array(batch, column), &self.numbers, out);
            values.push(numbers.map_err(|(row, problem)| (row, Some(column), problem))?);
        }
        for &column in &self.layout.blank {
            let array = self.columns.array(batch, column);
            if let Some(row) = (0..array.len()).find(|&row| array.is_valid(row)) {
                return Err((row, None, Problem::NamelessColumn { position: column + 1 }));
            }
        }
        Ok(values)
    }

    /// Reads labels and changepoints of all rows.
    fn marks(&mut self, batch: &RecordBatch) -> Result<(), Wrong> {
        let mut cell = Vec::new();
        let marks = [
            (self.layout.label, &mut self.heads.labels),
            (self.layout.changepoint, &mut self.heads.changepoints),
        ];
        for (column, marks) in marks {
            let Some(column) = column else { continue };
            let array = self.columns.array(batch, column);
            for row in 0..array.len() {
                cell.clear();
                let at = |problem| (row, Some(column), problem);
                self.text.push(&mut cell, array, row).map_err(at)?;
                let says = flag(&cell).ok_or_else(|| at(Problem::BadLabel { found: shown(&cell) }))?;
                marks.push(says);
            }
        }
        Ok(())
    }

    /// Reads what rows have beside values and marks, up to the first that cannot be read.
    fn heads(&mut self, batch: &RecordBatch) -> Result<(), Wrong> {
        let array = |column: usize| (column, self.columns.array(batch, column));
        let (time_column, times) = array(self.layout.time);
        let series = self.layout.series.map(array);
        let channel = match self.layout.values {
            Values::Wide(_) => None,
            Values::Long { channel, .. } => Some(array(channel)),
        };
        if series.is_none() && channel.is_none() && self.has_text_times(times) {
            return Ok(());
        }
        let may_be_blank = self.layout.label.is_none() && self.layout.changepoint.is_none();
        let (mut time_text, mut cell) = (Vec::new(), Vec::new());
        for row in 0..batch.num_rows() {
            let at = |column: usize, problem| (row, Some(column), problem);
            time_text.clear();
            self.text
                .push(&mut time_text, times, row)
                .map_err(|problem| at(time_column, problem))?;
            let Some(time) = self.instants.of(times, row, &time_text) else {
                // A row without its marks and values is left out, as in text.
                if may_be_blank && is_blank(batch, row) {
                    continue;
                }
                return Err(at(time_column, self.instants.problem(&time_text)));
            };
            let mut name = |array: &dyn Array, names: &mut RowBuf, when_empty: Problem| {
                cell.clear();
                self.text.push(&mut cell, array, row)?;
                names.push(text_of(&cell, when_empty)?.as_bytes());
                Ok(())
            };
            if let Some((column, array)) = series {
                name(array, &mut self.heads.series, Problem::NoSeries)
                    .map_err(|problem| at(column, problem))?;
            }
            if let Some((column, array)) = channel {
                name(array, &mut self.channels, Problem::NoChannelName)
                    .map_err(|problem| at(column, problem))?;
            }
            self.heads.time_text.push(&time_text);
            self.heads.time.push(time);
            self.rows.push(row);
        }
        Ok(())
    }

    /// Reads the times of rows that have nothing else; false where they are no text or one cannot be read, and then none
    /// is.
    fn has_text_times(&mut self, times: &dyn Array) -> bool {
        match times.data_type() {
            DataType::Utf8 => self.text_times(times.as_string::<i32>()),
            DataType::LargeUtf8 => self.text_times(times.as_string::<i64>()),
            DataType::Utf8View => self.text_times(times.as_string_view()),
            _ => false,
        }
    }

    fn text_times<'t>(&mut self, times: impl ArrayAccessor<Item = &'t str>) -> bool {
        if times.null_count() > 0 || self.instants.depend_on_rows_before() {
            return false;
        }
        for row in 0..times.len() {
            let text = times.value(row).as_bytes();
            let Some(time) = self.instants.of_text(text) else {
                self.heads.time.clear();
                self.heads.time_text.clear();
                return false;
            };
            self.heads.time.push(time);
            self.heads.time_text.push(text);
        }
        self.rows.extend(0..times.len());
        true
    }

    /// Hands the rows on, of which `values` holds those of all of a batch. Whether all are known to be finite.
    fn give(&mut self, values: &[&[f64]], sink: &mut Sink<'_>) -> Result<bool, Wrong> {
        // Of a table with marks no row is left out before the last that is kept.
        self.heads.labels.truncate(self.rows.len());
        self.heads.changepoints.truncate(self.rows.len());
        let is_whole = values
            .first()
            .is_none_or(|column| column.len() == self.rows.len());
        let given = match self.layout.values {
            Values::Wide(_) if is_whole => sink.wide_rows(&self.heads, |out| append_rows(values, out)),
            Values::Wide(_) => sink.wide_rows(&self.heads, |out| {
                for &row in &self.rows {
                    out.extend(values.iter().map(|column| column[row]));
                }
                false
            }),
            Values::Long { .. } => {
                let mut rows = self.rows.iter().enumerate();
                let given = rows.try_for_each(|(idx, &row)| {
                    let name = self.channels.row().cell(idx);
                    let name = std::str::from_utf8(name).expect("it was text");
                    sink.named_row(&self.heads.head(idx), [(name, values[0][row])])
                        .map_err(|misfit| (idx, misfit))
                });
                given.map(|()| false)
            }
        };
        given.map_err(|(row, (part, problem))| {
            let column = match part {
                Part::Time => Some(self.layout.time),
                Part::Series => self.layout.series,
                Part::File => None,
            };
            (self.rows.get(row).copied().unwrap_or(0), column, problem)
        })
    }

    /// Refuses the first number that is infinite.
    fn check_finite(&self, values: &[&[f64]]) -> Result<(), Wrong> {
        for (numbers, &column) in values.iter().zip(self.layout.values.columns()) {
            check_finite(numbers).map_err(|(row, problem)| (row, Some(column), problem))?;
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Float64Array, Int64Array, StringArray};

    use super::super::Bounds;
    use super::*;

    fn outcome(columns: Vec<(&str, ArrayRef)>) -> String {
        let batch = RecordBatch::try_from_iter_with_nullable(
            columns.into_iter().map(|(name, array)| (name, array, true)),
        )
        .unwrap();
        let options = ReadOptions::default();
        let mut gather = Gather::new(Bounds::NONE, &options);
        let file = Path::new("t");
        let columns = Columns::new(&batch.schema(), file, &options).unwrap();
        let mut batches = std::iter::once(Ok(batch));
        match read(&mut batches, columns, file, "t", &options, &mut gather) {
            Ok(()) => format!("{:?}", gather.finish().unwrap()[0].frame.values()),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn an_infinite_number_is_refused_at_its_place() {
        let time = |blank: Option<i64>| -> ArrayRef {
            let time = (1..=20).map(|row| (Some(row) != blank).then_some(1_700_000_000 + row));
            Arc::new(Int64Array::from_iter(time))
        };
        let numbers = |infinite: Option<i64>| -> ArrayRef {
            let number = |row| match Some(row) {
                row if row == infinite => Some(f64::INFINITY),
                Some(3) => None,
                _ => Some(row as f64),
            };
            Arc::new(Float64Array::from_iter((1..=20).map(number)))
        };
        let names: ArrayRef = Arc::new(StringArray::from(vec!["a"; 20]));
        for infinite in [None, Some(7), Some(20)] {
            let value = || ("value", numbers(infinite));
            let whole = vec![("time", time(None)), value()];
            let without_a_row = vec![("time", time(Some(3))), value()];
            let long = vec![("time", time(None)), ("channel", Arc::clone(&names)), value()];
            for columns in [whole, without_a_row, long] {
                let outcome = outcome(columns);
                match infinite {
                    None => assert!(outcome.starts_with("[1.0, 2.0, "), "{outcome}"),
                    Some(row) => {
                        let place = format!("row {row}");
                        assert!(outcome.contains(&place) && outcome.contains("inf"), "{outcome}");
                    }
                }
            }
        }
    }
}
