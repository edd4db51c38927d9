//! Parquet files, batch after batch.

#![expect(
    clippy::disallowed_methods,
    reason = "opening inputs is this module's job; its errors name the path"
)]

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};

use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{ChunkReader, Length};

use super::ReadOptions;
use super::batches::{self, Columns};
use super::error::{Place, Problem, ReadError};
use super::guard::{check_cells, check_unpacked, corrupt, decoded};
use super::page_sizes;
use super::series::Gather;
use super::source::Source;

/// What comes packed or through a pipe is kept whole, for the end of such a file says where its parts are: so much of
/// it in memory, more in a file that goes with us.
const HELD_BYTES: u64 = 64 << 20;
const HELD_BYTES_MAX: u64 = 1 << 30;

/// Values decoded at once.
const BATCH_CELLS: usize = 1 << 17;

/// Reads a Parquet file; without a series column it is the series called `name`.
pub(super) fn read(
    source: Source,
    name: &str,
    options: &ReadOptions,
    gather: &mut Gather,
) -> Result<(), ReadError> {
    let file = source.file.clone();
    let in_file = |problem| Place::file(&file).error(problem);
    let input = Input::of(source)?;
    // What the file says of the Arrow schema it was written from is not needed, and one thing less to believe.
    let arrow = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = decoded(|| ParquetRecordBatchReaderBuilder::try_new_with_options(input.clone(), arrow));
    let builder = builder.map_err(in_file)?;
    check(&input, builder.metadata()).map_err(in_file)?;
    let mut columns = Columns::new(builder.schema(), &file, options)?;
    let read = columns.projected();
    let reader = decoded(|| {
        let mask = ProjectionMask::roots(builder.parquet_schema(), read.iter().copied());
        let n_rows = (BATCH_CELLS / read.len().max(1)).clamp(16, 1 << 14);
        builder.with_projection(mask).with_batch_size(n_rows).build()
    });
    let mut reader = Some(reader.map_err(in_file)?);
    let mut batches = std::iter::from_fn(|| {
        let next = decoded(|| reader.as_mut().and_then(Iterator::next).transpose());
        if next.is_err() {
            reader = None; // half done
        }
        next.transpose()
    });
    batches::read(&mut batches, columns, &file, name, options, gather)
}

/// Refuses a file that is small and would fill the memory.
fn check(input: &Input, metadata: &ParquetMetaData) -> Result<(), Problem> {
    let n_columns = metadata.file_metadata().schema_descr().num_columns();
    let n_rows = u64::try_from(metadata.file_metadata().num_rows()).map_err(corrupt)?;
    check_cells(n_rows, n_columns, input.len())?;
    let mut n_in_groups = 0_u64;
    for group in metadata.row_groups() {
        n_in_groups = n_in_groups.saturating_add(u64::try_from(group.num_rows()).map_err(corrupt)?);
        for chunk in group.columns() {
            let n_packed = u64::try_from(chunk.compressed_size()).map_err(corrupt)?;
            let n_unpacked = u64::try_from(chunk.uncompressed_size()).map_err(corrupt)?;
            let (start, _) = decoded(|| Ok::<_, io::Error>(chunk.byte_range()))?;
            if start.checked_add(n_packed).is_none_or(|end| end > input.len()) {
                return Err(corrupt("a column reaches beyond the end"));
            }
            check_unpacked(n_packed, n_unpacked)?;
            page_sizes::check(input, start, n_packed)?;
        }
    }
    if n_in_groups != n_rows {
        return Err(corrupt(format!("{n_rows} rows in all, {n_in_groups} in its groups")));
    }
    Ok(())
}

/// Bytes that can be read at any place.
#[derive(Clone)]
pub(super) enum Input {
    File(std::sync::Arc<File>, u64),
    Bytes(Bytes),
}

impl Input {
    fn of(mut source: Source) -> Result<Self, ReadError> {
        let broken = |error| Place::file(&source.file).error(Problem::of_io(error));
        if source.is_plain_file {
            let file = File::open(&source.file).map_err(broken)?;
            let n_bytes = file.metadata().map_err(broken)?.len();
            return Ok(Self::File(file.into(), n_bytes));
        }
        let mut bytes = Vec::new();
        let mut part = source.bytes.by_ref().take(HELD_BYTES);
        part.read_to_end(&mut bytes).map_err(broken)?;
        if (bytes.len() as u64) < HELD_BYTES {
            return Ok(Self::Bytes(bytes.into()));
        }
        let mut file = tempfile::tempfile().map_err(broken)?;
        file.write_all(&bytes).map_err(broken)?;
        let room = HELD_BYTES_MAX - HELD_BYTES;
        let n_more = io::copy(&mut source.bytes.by_ref().take(room), &mut file).map_err(broken)?;
        if n_more == room {
            let bytes_max = HELD_BYTES_MAX;
            return Err(Place::file(&source.file).error(Problem::TooLargeToHold { bytes_max }));
        }
        Ok(Self::File(file.into(), HELD_BYTES + n_more))
    }
}

impl Length for Input {
    fn len(&self) -> u64 {
        match self {
            Self::File(_, n_bytes) => *n_bytes,
            Self::Bytes(bytes) => bytes.len() as u64,
        }
    }
}

impl ChunkReader for Input {
    type T = Box<dyn Read + Send>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(match self {
            Self::File(file, _) => {
                let mut file = file.try_clone()?;
                file.seek(SeekFrom::Start(start))?;
                Box::new(io::BufReader::new(file))
            }
            Self::Bytes(bytes) => Box::new(bytes.get_read(start)?),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        match self {
            Self::File(file, n_bytes) => {
                // What a file says of its own lengths is believed only as far as it goes.
                if start.checked_add(length as u64).is_none_or(|end| end > *n_bytes) {
                    return Err(parquet::errors::ParquetError::EOF("a part reaches beyond the end".to_owned()));
                }
                let mut file = file.try_clone()?;
                file.seek(SeekFrom::Start(start))?;
                let mut bytes = Vec::with_capacity(length);
                file.take(length as u64).read_to_end(&mut bytes)?;
                Ok(bytes.into())
            }
            Self::Bytes(bytes) => {
                let end = usize::try_from(start).ok().and_then(|start| start.checked_add(length));
                if end.is_none_or(|end| end > bytes.len()) {
                    return Err(parquet::errors::ParquetError::EOF("a part reaches beyond the end".to_owned()));
                }
                bytes.get_bytes(start, length)
            }
        }
    }
}
