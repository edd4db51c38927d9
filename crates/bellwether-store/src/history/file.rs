//! One file of the history, written and read.

use std::fs::File;
use std::io;
use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::sync::Arc;

use bellwether_core::event::EventId;
use bellwether_core::time::Timestamp;
use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as PhysicalType};
use parquet::column::reader::ColumnReader;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::file::statistics::Statistics;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

use super::HistoryError;
use super::layout::{FIXED, channel_name, column_name};
use super::read::Row;
use crate::database::JudgedBlock;
use crate::disk::DiskError;
use crate::write::AtomicFile;

/// Rows of a row group: what has to be read for one device at least.
const GROUP_ROWS: usize = 1 << 16;

/// Places of the columns before those of channels.
const TIME: usize = 0;
const DEVICE: usize = 1;
const BEFORE_CHANNELS: usize = 2;

/// Writes the samples `rows` of `block` to `path`, complete or not at all.
pub(super) fn write(path: &Path, block: &JudgedBlock, rows: &[usize]) -> Result<(), DiskError> {
    let file = AtomicFile::create(path)?;
    let file = write_to(file, block, rows).map_err(|error| DiskError::at("write", path)(io_error(error)))?;
    file.commit()
}

fn write_to(file: AtomicFile, block: &JudgedBlock, rows: &[usize]) -> Result<AtomicFile, ParquetError> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .build();
    let mut file = SerializedFileWriter::new(file, Arc::new(schema(&block.channels)?), Arc::new(properties))?;
    let n_channels = block.channels.len();
    for rows in rows.chunks(GROUP_ROWS) {
        let real =
            |value: &dyn Fn(usize) -> Option<f64>| Cells::Real(rows.iter().map(|&row| value(row)).collect());
        let text = |value: &dyn Fn(usize) -> Option<ByteArray>| {
            Cells::Text(rows.iter().map(|&row| value(row)).collect())
        };
        let mut columns = vec![
            Cells::Time(rows.iter().map(|&row| block.time[row].as_nanos()).collect()),
            text(&|row| Some(block.series[row].as_bytes().to_vec().into())),
        ];
        for channel in 0..n_channels {
            columns.push(real(&|row| some(block.values[row * n_channels + channel])));
        }
        columns.push(real(&|row| some(block.score[row])));
        columns.push(text(&|row| {
            Some(block.event[row]?.to_string().into_bytes().into())
        }));
        columns.push(text(&|row| {
            let (channel, _) = block.top[row]?;
            Some(block.channels[channel as usize].as_bytes().to_vec().into())
        }));
        columns.push(real(&|row| block.top[row].and_then(|(_, share)| some(share))));
        let mut group = file.next_row_group()?;
        for cells in columns {
            let mut column = group.next_column()?.expect("as many columns as the schema has");
            match cells {
                Cells::Time(values) => column.typed::<Int64Type>().write_batch(&values, None, None)?,
                Cells::Real(cells) => {
                    let (values, levels) = present(cells);
                    column
                        .typed::<DoubleType>()
                        .write_batch(&values, Some(&levels), None)?
                }
                Cells::Text(cells) => {
                    let (values, levels) = present(cells);
                    column
                        .typed::<ByteArrayType>()
                        .write_batch(&values, Some(&levels), None)?
                }
            };
            column.close()?;
        }
        group.close()?;
    }
    file.into_inner()
}

/// The cells of one column of a row group.
enum Cells {
    Time(Vec<i64>),
    Real(Vec<Option<f64>>),
    Text(Vec<Option<ByteArray>>),
}

/// NaN is a missing cell: other programs would calculate with it.
fn some(value: f64) -> Option<f64> {
    Some(value).filter(|value| !value.is_nan())
}

/// The values there are, and one level per row (1 present, 0 missing).
fn present<T>(cells: Vec<Option<T>>) -> (Vec<T>, Vec<i16>) {
    let levels = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
    (cells.into_iter().flatten().collect(), levels)
}

fn schema(channels: &[String]) -> Result<Type, ParquetError> {
    let instant = LogicalType::timestamp(true, TimeUnit::NANOS);
    let mut fields = vec![
        field(FIXED[0], PhysicalType::INT64, Repetition::REQUIRED, Some(instant))?,
        text_field(FIXED[1])?,
    ];
    for channel in channels {
        fields.push(real_field(&column_name(channel))?);
    }
    fields.extend([
        real_field(FIXED[2])?,
        text_field(FIXED[3])?,
        text_field(FIXED[4])?,
        real_field(FIXED[5])?,
    ]);
    Type::group_type_builder("samples").with_fields(fields).build()
}

fn text_field(name: &str) -> Result<Arc<Type>, ParquetError> {
    field(
        name,
        PhysicalType::BYTE_ARRAY,
        Repetition::OPTIONAL,
        Some(LogicalType::String),
    )
}

fn real_field(name: &str) -> Result<Arc<Type>, ParquetError> {
    field(name, PhysicalType::DOUBLE, Repetition::OPTIONAL, None)
}

fn field(
    name: &str,
    physical: PhysicalType,
    repetition: Repetition,
    logical: Option<LogicalType>,
) -> Result<Arc<Type>, ParquetError> {
    let builder = Type::primitive_type_builder(name, physical);
    Ok(Arc::new(
        builder
            .with_repetition(repetition)
            .with_logical_type(logical)
            .build()?,
    ))
}

/// The I/O error within, so that the caller sees "disk full" and not a wrapping of it.
fn io_error(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(inner) => *inner,
            Err(inner) => io::Error::other(inner),
        },
        other => io::Error::other(other),
    }
}

/// Shows the samples of `device` in `[from, to)`, in order of time, a row group after the other.
pub(super) fn visit(
    path: &Path,
    model: &Arc<str>,
    device: &str,
    range: (Timestamp, Timestamp),
    step: &mut dyn FnMut(Row) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, HistoryError> {
    visit_in(open(path)?, model, device, range, step).map_err(|error| unreadable(path, error))
}

/// When the first sample of `device` was measured.
pub(super) fn first_time(path: &Path, device: &str) -> Result<Option<Timestamp>, HistoryError> {
    first_time_in(open(path)?, device).map_err(|error| unreadable(path, error))
}

fn open(path: &Path) -> Result<File, HistoryError> {
    #[expect(
        clippy::disallowed_methods,
        reason = "this crate touches the disk, and the error names the path"
    )]
    Ok(File::open(path).map_err(DiskError::at("read", path))?)
}

fn unreadable(path: &Path, error: ParquetError) -> HistoryError {
    match error {
        ParquetError::External(inner) if inner.is::<io::Error>() => {
            DiskError::at("read", path)(io_error(ParquetError::External(inner))).into()
        }
        other => HistoryError::Damaged {
            path: path.to_owned(),
            problem: other.to_string(),
        },
    }
}

fn first_time_in(file: File, device: &str) -> Result<Option<Timestamp>, ParquetError> {
    let file = SerializedFileReader::new(file)?;
    for group in 0..file.num_row_groups() {
        if !may_hold(file.metadata().row_group(group), device) {
            continue;
        }
        let group = file.get_row_group(group)?;
        // Sorted by device and time, so the first row is the earliest.
        if let Some(first) = places_of(&*group, device)?.next() {
            let time = times(&*group, first, 1)?;
            return Ok(time.first().map(|&time| Timestamp::from_nanos(time)));
        }
    }
    Ok(None)
}

/// Rows of the device in a group: sorted by device, they lie together.
fn places_of(group: &dyn RowGroupReader, device: &str) -> Result<Range<usize>, ParquetError> {
    let devices = texts(group, DEVICE, 0, GROUP_ROWS)?;
    let is_own =
        |name: &Option<ByteArray>| name.as_ref().is_some_and(|name| name.data() == device.as_bytes());
    let first = devices.iter().position(is_own).unwrap_or(devices.len());
    let n = devices[first..].iter().take_while(|name| is_own(name)).count();
    Ok(first..first + n)
}

fn visit_in(
    file: File,
    model: &Arc<str>,
    device: &str,
    (from, to): (Timestamp, Timestamp),
    step: &mut dyn FnMut(Row) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, ParquetError> {
    let file = SerializedFileReader::new(file)?;
    let schema = file.metadata().file_metadata().schema_descr();
    let names: Vec<&str> = schema.columns().iter().map(|column| column.name()).collect();
    let n_channels = names
        .len()
        .checked_sub(FIXED.len())
        .ok_or_else(|| other("columns are missing"))?;
    let channels: Arc<[String]> = names[BEFORE_CHANNELS..BEFORE_CHANNELS + n_channels]
        .iter()
        .map(|name| channel_name(name).to_owned())
        .collect();
    for group in 0..file.num_row_groups() {
        if !may_hold(file.metadata().row_group(group), device) {
            continue;
        }
        let group = file.get_row_group(group)?;
        let own = places_of(&*group, device)?;
        let times = times(&*group, own.start, own.len())?;
        let start = times.partition_point(|&time| time < from.as_nanos());
        let end = times.partition_point(|&time| time < to.as_nanos());
        let (first, n) = (own.start, end.saturating_sub(start));
        if n == 0 {
            continue;
        }
        let times = &times[start..start + n];
        let reals = |column| reals(&*group, column, first + start, n);
        let texts = |column| texts(&*group, column, first + start, n);
        let values = (0..n_channels).map(|channel| reals(BEFORE_CHANNELS + channel));
        let values = values.collect::<Result<Vec<_>, _>>()?;
        let after = BEFORE_CHANNELS + n_channels;
        let (score, event) = (reals(after)?, texts(after + 1)?);
        let (top, share) = (texts(after + 2)?, reals(after + 3)?);
        for (idx, &time) in times.iter().enumerate() {
            let event = event[idx].as_ref().map(|id| {
                let id = std::str::from_utf8(id.data()).ok().and_then(EventId::from_hex);
                id.ok_or_else(|| other("an id of an event is none"))
            });
            let top = top[idx].as_ref().map(|name| {
                let place = channels
                    .iter()
                    .position(|channel| channel.as_bytes() == name.data());
                let place = place.ok_or_else(|| other("a top channel is none of its channels"))?;
                Ok::<_, ParquetError>((place as u32, share[idx]))
            });
            let row = Row {
                time: Timestamp::from_nanos(time),
                model: Arc::clone(model),
                channels: Arc::clone(&channels),
                values: values.iter().map(|values| values[idx]).collect(),
                score: score[idx],
                event: event.transpose()?,
                top: top.transpose()?,
            };
            if step(row).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Whether rows of the device can be in the group, by the smallest and the largest name in it.
fn may_hold(group: &RowGroupMetaData, device: &str) -> bool {
    let Some(Statistics::ByteArray(about)) =
        group.columns().get(DEVICE).and_then(|column| column.statistics())
    else {
        return true;
    };
    about.min_opt().is_none_or(|min| min.data() <= device.as_bytes())
        && about.max_opt().is_none_or(|max| max.data() >= device.as_bytes())
}

fn times(group: &dyn RowGroupReader, first: usize, n: usize) -> Result<Vec<i64>, ParquetError> {
    let ColumnReader::Int64ColumnReader(mut column) = group.get_column_reader(TIME)? else {
        return Err(other("the times are no times"));
    };
    let mut values = Vec::new();
    column.skip_records(first)?;
    column.read_records(n, None, None, &mut values)?;
    if values.len() == n {
        Ok(values)
    } else {
        Err(other("rows are missing"))
    }
}

/// NaN for what is missing.
fn reals(
    group: &dyn RowGroupReader,
    column: usize,
    first: usize,
    n: usize,
) -> Result<Vec<f64>, ParquetError> {
    let ColumnReader::DoubleColumnReader(mut column) = group.get_column_reader(column)? else {
        return Err(other("a column of numbers has none"));
    };
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    column.skip_records(first)?;
    column.read_records(n, Some(&mut levels), None, &mut values)?;
    let cells = spread(values, &levels);
    if cells.len() == n {
        Ok(cells.into_iter().map(|cell| cell.unwrap_or(f64::NAN)).collect())
    } else {
        Err(other("rows are missing"))
    }
}

/// At most `n` cells from `first` on.
fn texts(
    group: &dyn RowGroupReader,
    column: usize,
    first: usize,
    n: usize,
) -> Result<Vec<Option<ByteArray>>, ParquetError> {
    let ColumnReader::ByteArrayColumnReader(mut reader) = group.get_column_reader(column)? else {
        return Err(other("a column of text has none"));
    };
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    reader.skip_records(first)?;
    reader.read_records(n, Some(&mut levels), None, &mut values)?;
    let cells = spread(values, &levels);
    if cells.len() == n || column == DEVICE {
        Ok(cells)
    } else {
        Err(other("rows are missing"))
    }
}

/// A cell per level, with a value where the level is above 0.
fn spread<T>(values: Vec<T>, levels: &[i16]) -> Vec<Option<T>> {
    let mut values = values.into_iter();
    levels
        .iter()
        .map(|&level| if level > 0 { values.next() } else { None })
        .collect()
}

fn other(problem: &str) -> ParquetError {
    ParquetError::General(problem.to_owned())
}
