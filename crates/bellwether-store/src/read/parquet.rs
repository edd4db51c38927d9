//! Parquet files, batch after batch.

use std::io;

use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::Length as _;

use super::ReadOptions;
use super::batches::{self, Batches, Columns};
use super::error::{Place, Problem, ReadError};
use super::guard::{check_cells, check_unpacked, corrupt, decoded};
use super::held::Held;
use super::page_sizes;
use super::series::Gather;
use super::source::Source;

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
    each_batch(source, options, |batches, columns| {
        batches::read(batches, columns, &file, name, options, gather)
    })
}

/// Gives the batches of a Parquet file to `read_batches`.
pub(super) fn each_batch(
    source: Source,
    options: &ReadOptions,
    read_batches: impl FnOnce(&mut Batches<'_>, Columns) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let file = source.file.clone();
    let in_file = |problem| Place::file(&file).error(problem);
    let input = Held::of(source)?;
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
    read_batches(&mut batches, columns)
}

/// Refuses a file that is small and would fill the memory.
fn check(input: &Held, metadata: &ParquetMetaData) -> Result<(), Problem> {
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
        return Err(corrupt(format!(
            "{n_rows} rows in all, {n_in_groups} in its groups"
        )));
    }
    Ok(())
}
