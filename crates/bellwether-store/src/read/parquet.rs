//! Parquet files, batch after batch; where several threads may read, each decodes some of the columns ahead of the one that
//! takes the batches.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::{Builder, scope};

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Schema, SchemaRef};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader};
use parquet::arrow::{ProjectionMask, parquet_to_arrow_field_levels};
use parquet::basic::Compression;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::Length as _;

use super::ReadOptions;
use super::batches::{self, Batches, Columns};
use super::error::{Place, Problem, ReadError};
use super::guard::{check_cells, check_unpacked, corrupt, decoded};
use super::held::Held;
use super::page_sizes;
use super::pages::Groups;
use super::series::Gather;
use super::source::Source;

/// Values decoded at once, of so many rows at most. The more of a column are, the longer its dictionary stays in the cache;
/// yet batches that wait for each other must not fill the memory.
const BATCH_CELLS: usize = 1 << 21;
const BATCH_ROWS_MAX: usize = 1 << 16;

/// Bytes of a file before decoding is worth a thread of its own. Few in tests, so that small files come through there.
const AHEAD_FROM_BYTES: u64 = if cfg!(test) { 1 << 10 } else { 1 << 20 };

/// Batches decoded that nobody has taken yet.
const BATCHES_AHEAD: usize = 2;

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
    let metadata = decoded(|| {
        let metadata = ArrowReaderMetadata::load(&input, arrow.clone())?;
        let schema = with_views(metadata.schema(), metadata.metadata());
        ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), arrow.with_schema(schema))
    });
    let metadata = metadata.map_err(in_file)?;
    check(&input, metadata.metadata()).map_err(in_file)?;
    let mut columns = Columns::new(metadata.schema(), &file, options)?;
    columns.n_rows = usize::try_from(metadata.metadata().file_metadata().num_rows()).unwrap_or(0);
    let read = columns.projected();
    // A short file needs no room for more rows than it has.
    let n_rows = (BATCH_CELLS / read.len().max(1))
        .clamp(16, BATCH_ROWS_MAX)
        .min(columns.n_rows);
    let batches_of = |columns: &[usize]| {
        let reader = decoded(|| {
            let mask = ProjectionMask::roots(metadata.parquet_schema(), columns.iter().copied());
            let hint = Some(metadata.schema().fields());
            let fields = parquet_to_arrow_field_levels(metadata.parquet_schema(), mask, hint)?;
            let groups = Groups::new(input.clone(), Arc::clone(metadata.metadata()));
            ParquetRecordBatchReader::try_new_with_row_groups(&fields, &groups, n_rows, None)
        });
        reader.map(batches).map_err(in_file)
    };
    let n_threads = options.n_threads().min(read.len());
    if n_threads < 2 || input.len() < AHEAD_FROM_BYTES {
        return read_batches(&mut batches_of(&read)?, columns);
    }
    scope(|scope| {
        let mut parts: Vec<Box<Batches<'_>>> = Vec::with_capacity(n_threads);
        for part in read.chunks(read.len().div_ceil(n_threads)) {
            let (decoded, ahead) = sync_channel(BATCHES_AHEAD);
            let batches = batches_of(part)?;
            let decode = move || {
                for batch in batches {
                    if decoded.send(batch).is_err() {
                        return; // something was wrong with an earlier one
                    }
                }
            };
            parts.push(match Builder::new().spawn_scoped(scope, decode) {
                Ok(_) => Box::new(ahead.into_iter()),
                // The system has no thread left.
                Err(_) => Box::new(batches_of(part)?),
            });
        }
        let schema = metadata
            .schema()
            .project(&read)
            .map_err(corrupt)
            .map_err(in_file)?;
        let schema = Arc::new(schema);
        read_batches(
            &mut std::iter::from_fn(|| joined(&mut parts, &schema).transpose()),
            columns,
        )
    })
}

/// The columns as they are read: those of text as views of their pages, so it is not copied. A view keeps its page, so that is
/// for pages which are not much larger than what the file has of them.
pub(super) fn with_views(schema: &Schema, metadata: &ParquetMetaData) -> SchemaRef {
    let mut may_view = vec![true; schema.fields().len()];
    let columns = metadata.file_metadata().schema_descr();
    for group in metadata.row_groups() {
        for (column, chunk) in group.columns().iter().enumerate() {
            let is_near = matches!(
                chunk.compression(),
                Compression::UNCOMPRESSED | Compression::SNAPPY
            );
            if let Some(may_view) = may_view.get_mut(columns.get_column_root_idx(column)) {
                *may_view &= is_near;
            }
        }
    }
    let fields = schema.fields().iter().zip(may_view);
    let fields = fields.map(|(field, may_view)| match field.data_type() {
        DataType::Utf8 if may_view => field.as_ref().clone().with_data_type(DataType::Utf8View),
        _ => field.as_ref().clone(),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The batches of a reader, none behind one that it breaks at.
fn batches(reader: ParquetRecordBatchReader) -> impl Iterator<Item = Result<RecordBatch, Problem>> + Send {
    let mut reader = Some(reader);
    std::iter::from_fn(move || {
        let next = decoded(|| reader.as_mut().and_then(Iterator::next).transpose());
        if next.is_err() {
            reader = None; // half done
        }
        next.transpose()
    })
}

/// The next batch, of the columns that each of `parts` has of it; `None` where all are through.
fn joined(parts: &mut [Box<Batches<'_>>], schema: &SchemaRef) -> Result<Option<RecordBatch>, Problem> {
    let mut arrays = Vec::with_capacity(schema.fields().len());
    let mut n_through = 0;
    for part in &mut *parts {
        match part.next().transpose()? {
            Some(batch) => arrays.extend_from_slice(batch.columns()),
            None => n_through += 1,
        }
    }
    if n_through == parts.len() {
        return Ok(None);
    }
    // Columns of different lengths make no batch.
    RecordBatch::try_new(Arc::clone(schema), arrays)
        .map(Some)
        .map_err(corrupt)
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

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::path::Path;

    use super::super::{Bounds, source};
    use super::*;
    use crate::write::{Cell, Column, ColumnKind, TableFormat, TableWriter};

    /// Rows in several groups, each a batch at least; row `late` runs back in time.
    fn file(late: Option<i64>) -> Vec<u8> {
        let real = |name| Column::new(name, ColumnKind::Real).optional();
        let columns = vec![
            Column::new("time", ColumnKind::Integer),
            real("a"),
            real("b"),
            real("c"),
        ];
        let mut table = TableWriter::new(Vec::new(), TableFormat::Parquet, columns).unwrap();
        for row in 0..140_000 {
            let value = |of: i64| match row % of {
                0 => Cell::Missing,
                _ => Cell::Real(row as f64 / of as f64),
            };
            let time = 1_700_000_000 + if Some(row) == late { row - 5 } else { row };
            table
                .row(&[Cell::Integer(time), value(97), value(89), value(7)])
                .unwrap();
        }
        table.finish().unwrap()
    }

    fn outcome(source: Source, n_threads: usize) -> String {
        let options = ReadOptions {
            threads: NonZeroUsize::new(n_threads),
            ..ReadOptions::default()
        };
        let mut gather = Gather::new(Bounds::NONE, &options);
        match read(source, "t", &options, &mut gather) {
            Ok(()) => format!("{:?}", gather.finish().unwrap()),
            Err(error) => error.to_string(),
        }
    }

    fn in_memory(bytes: &[u8]) -> Source {
        source::of_bytes(Path::new("t.parquet"), bytes, u64::MAX).unwrap()
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "tests make their own files")]
    fn threads_that_read_one_file_on_disk_do_not_move_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        std::fs::write(&path, file(None)).unwrap();
        let alone = outcome(source::open(&path).unwrap(), 1);
        assert!(alone.contains("Recording"), "{}", &alone[..alone.len().min(300)]);
        for _ in 0..5 {
            assert!(alone == outcome(source::open(&path).unwrap(), 4));
        }
    }

    #[test]
    fn rows_and_errors_are_the_same_where_threads_decode_ahead() {
        let mut torn = file(None);
        let (from, to) = (torn.len() / 2, torn.len() / 2 + 5_000);
        torn[from..to].fill(0xff);
        for (bytes, expect) in [
            (file(None), "Recording"),
            (file(Some(135_000)), "row 135001"),
            (torn, "the file is damaged"),
        ] {
            let alone = outcome(in_memory(&bytes), 1);
            assert!(alone.contains(expect), "{}", &alone[..alone.len().min(300)]);
            for n_threads in [2, 3, 9] {
                assert!(alone == outcome(in_memory(&bytes), n_threads));
            }
        }
    }
}
