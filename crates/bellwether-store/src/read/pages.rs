//! The pages of a Parquet file, in room of pages that were read before: the library makes new room for each and clears
//! it. What is packed with Snappy, the usual way, is unpacked here for the same reason.

use std::sync::Arc;

use bytes::Bytes;
use parquet::arrow::arrow_reader::RowGroups;
use parquet::basic::{Compression, Type};
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;
use snap::raw::{Decoder, decompress_len};

use super::guard::check_unpacked;
use super::held::Held;
use super::room::Room;

/// All row groups of a file.
pub(super) struct Groups {
    input: Arc<Input>,
    metadata: Arc<ParquetMetaData>,
}

impl Groups {
    pub(super) fn new(held: Held, metadata: Arc<ParquetMetaData>) -> Self {
        let room = Room::default();
        Self {
            input: Arc::new(Input { held, room }),
            metadata,
        }
    }
}

impl RowGroups for Groups {
    fn num_rows(&self) -> usize {
        usize::try_from(self.metadata.file_metadata().num_rows()).unwrap_or(0)
    }

    fn column_chunks(&self, column: usize) -> Result<Box<dyn PageIterator>> {
        Ok(Box::new(Chunks {
            input: Arc::clone(&self.input),
            metadata: Arc::clone(&self.metadata),
            column,
            group: 0,
        }))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(self.metadata.row_groups().iter())
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }
}

/// The file, and room for what is read of it.
struct Input {
    held: Held,
    room: Room,
}

impl Length for Input {
    fn len(&self) -> u64 {
        self.held.len()
    }
}

impl ChunkReader for Input {
    type T = <Held as ChunkReader>::T;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        self.held.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        self.held.part(start, length, |n_bytes| self.room.of(n_bytes))
    }
}

/// A column, the pages of row group after row group.
struct Chunks {
    input: Arc<Input>,
    metadata: Arc<ParquetMetaData>,
    column: usize,
    /// The next.
    group: usize,
}

impl Chunks {
    fn pages(&self, group: &RowGroupMetaData) -> Result<Box<dyn PageReader>> {
        let chunk = group.column(self.column);
        let n_rows = usize::try_from(group.num_rows())?;
        let stored = |chunk: &ColumnChunkMetaData| {
            SerializedPageReader::new(Arc::clone(&self.input), chunk, n_rows, None)
        };
        let (stored, snappy) = if chunk.compression() == Compression::SNAPPY {
            let as_it_stands = chunk
                .clone()
                .into_builder()
                .set_compression(Compression::UNCOMPRESSED);
            let snappy = Snappy {
                decoder: Decoder::new(),
                room: self.input.room.clone(),
            };
            (stored(&as_it_stands.build()?)?, Some(snappy))
        } else {
            (stored(chunk)?, None)
        };
        Ok(Box::new(Pages {
            stored,
            snappy,
            value_bits: value_bits(chunk),
        }))
    }
}

/// Bits of a value of a dictionary at least: of text, its length.
fn value_bits(chunk: &ColumnChunkMetaData) -> u64 {
    match chunk.column_type() {
        Type::BOOLEAN => 1,
        Type::INT32 | Type::FLOAT | Type::BYTE_ARRAY => 32,
        Type::INT64 | Type::DOUBLE => 64,
        Type::INT96 => 96,
        Type::FIXED_LEN_BYTE_ARRAY => 8 * chunk.column_descr().type_length().unsigned_abs().max(1) as u64,
    }
}

impl Iterator for Chunks {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        let group = self.metadata.row_groups().get(self.group)?;
        self.group += 1;
        Some(self.pages(group))
    }
}

impl PageIterator for Chunks {}

/// Pages of a column in a row group.
struct Pages {
    /// Reads pages, those of Snappy as they stand in the file.
    stored: SerializedPageReader<Input>,
    snappy: Option<Snappy>,
    /// Of a value of the dictionary, at least.
    value_bits: u64,
}

/// Unpacks pages.
struct Snappy {
    decoder: Decoder,
    room: Room,
}

impl Snappy {
    fn unpack(&mut self, mut page: Page) -> Result<Page> {
        // Levels stand before the values of a page of the second kind, and are not packed.
        let (buf, n_levels) = match &mut page {
            Page::DataPageV2 {
                is_compressed: false, ..
            } => return Ok(page),
            Page::DataPageV2 {
                buf,
                def_levels_byte_len,
                rep_levels_byte_len,
                ..
            } => (
                buf,
                u64::from(*def_levels_byte_len) + u64::from(*rep_levels_byte_len),
            ),
            Page::DataPage { buf, .. } | Page::DictionaryPage { buf, .. } => (buf, 0),
        };
        let n_levels = usize::try_from(n_levels)?;
        let (levels, packed) = buf
            .split_at_checked(n_levels)
            .ok_or_else(|| ParquetError::General("levels reach beyond their page".to_owned()))?;
        // A page of missing values has none, nor their length.
        let n_values = if packed.is_empty() {
            0
        } else {
            decompress_len(packed)?
        };
        check_unpacked(packed.len() as u64, n_values as u64)
            .map_err(|_| ParquetError::General("a page unpacks out of proportion".to_owned()))?;
        let mut unpacked = self.room.of(n_levels + n_values);
        let (of_levels, of_values) = unpacked.as_mut().split_at_mut(n_levels);
        of_levels.copy_from_slice(levels);
        if !packed.is_empty() {
            self.decoder.decompress(packed, of_values)?;
        }
        *buf = Bytes::from_owner(unpacked);
        Ok(page)
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let Some(mut page) = self.stored.get_next_page()? else {
            return Ok(None);
        };
        if let Some(snappy) = &mut self.snappy {
            page = snappy.unpack(page)?;
        }
        check_dictionary(&page, self.value_bits)?;
        Ok(Some(page))
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.stored.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.stored.skip_next_page()
    }
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

/// Refuses a dictionary that says it has more values than it has room for: the library makes room for as many.
fn check_dictionary(page: &Page, value_bits: u64) -> Result<()> {
    match page {
        Page::DictionaryPage { buf, num_values, .. }
            if u64::from(*num_values) * value_bits > 8 * buf.len() as u64 =>
        {
            let found = format!(
                "a dictionary of {} bytes says that it has {num_values} values",
                buf.len()
            );
            Err(ParquetError::General(found))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray as _;
    use arrow_array::{Array as _, ArrayRef, Float64Array, RecordBatch, StringArray};
    use arrow_schema::DataType;
    use parquet::arrow::arrow_reader::{
        ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
    };
    use parquet::arrow::{ArrowWriter, ProjectionMask, parquet_to_arrow_field_levels};
    use parquet::basic::Encoding;
    use parquet::file::properties::{WriterProperties, WriterVersion};

    use super::super::parquet::with_views;
    use super::super::source;
    use super::*;

    /// Rows of numbers that repeat, that hardly do, that are mostly missing and that all are, and of text.
    fn batch() -> RecordBatch {
        let numbers = |of: fn(usize) -> Option<f64>| -> ArrayRef {
            Arc::new(Float64Array::from_iter((0..5_000).map(of)))
        };
        let text = StringArray::from_iter_values((0..5_000).map(|row| format!("row {}", row % 700)));
        RecordBatch::try_from_iter_with_nullable([
            ("repeated", numbers(|row| Some((row % 50) as f64)), true),
            ("all", numbers(|row| Some((row as f64).sqrt())), false),
            ("some", numbers(|row| (row % 97 == 0).then_some(row as f64)), true),
            ("none", numbers(|_| None), true),
            ("text", Arc::new(text), false),
        ])
        .unwrap()
    }

    fn file(compression: Compression, version: WriterVersion, has_dictionaries: bool) -> Bytes {
        let properties = WriterProperties::builder()
            .set_compression(compression)
            .set_writer_version(version)
            .set_dictionary_enabled(has_dictionaries)
            .set_max_row_group_row_count(Some(2_000))
            .set_data_page_row_count_limit(300)
            .set_write_batch_size(100)
            .build();
        let batch = batch();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.into_inner().unwrap().into()
    }

    /// All batches, none let go before the last has come; text as text again.
    fn ours(held: Held) -> Vec<RecordBatch> {
        let metadata = ArrowReaderMetadata::load(&held, ArrowReaderOptions::new()).unwrap();
        let schema = with_views(metadata.schema(), metadata.metadata());
        let fields = parquet_to_arrow_field_levels(
            metadata.parquet_schema(),
            ProjectionMask::all(),
            Some(schema.fields()),
        );
        let groups = Groups::new(held, Arc::clone(metadata.metadata()));
        let batches =
            ParquetRecordBatchReader::try_new_with_row_groups(&fields.unwrap(), &groups, 1_024, None)
                .unwrap();
        let batches: Vec<_> = batches.map(Result::unwrap).collect();
        let as_text = |batch: RecordBatch| {
            let columns = batch.columns().iter().map(|array| match array.data_type() {
                DataType::Utf8View => Arc::new(StringArray::from_iter(array.as_string_view())) as ArrayRef,
                _ => Arc::clone(array),
            });
            RecordBatch::try_new(metadata.schema().clone(), columns.collect()).unwrap()
        };
        batches.into_iter().map(as_text).collect()
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "tests make their own files")]
    fn pages_of_every_kind_hold_what_the_library_reads_from_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        for compression in [
            Compression::SNAPPY,
            Compression::UNCOMPRESSED,
            Compression::LZ4_RAW,
        ] {
            for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
                for has_dictionaries in [true, false] {
                    let file = file(compression, version, has_dictionaries);
                    let theirs = ParquetRecordBatchReaderBuilder::try_new(file.clone()).unwrap();
                    let theirs: Vec<_> = theirs.build().unwrap().map(Result::unwrap).collect();
                    std::fs::write(&path, &file).unwrap();
                    let on_disk = Held::of(source::open(&path).unwrap()).unwrap();
                    for held in [Held::Bytes(file.clone()), on_disk] {
                        let ours = ours(held);
                        assert_eq!(ours.iter().map(RecordBatch::num_rows).sum::<usize>(), 5_000);
                        assert_eq!(ours, theirs, "{compression:?} {version:?} {has_dictionaries}");
                    }
                }
            }
        }
    }

    #[test]
    fn text_is_viewed_where_pages_are_not_much_larger_than_the_file() {
        for (compression, want) in [
            (Compression::SNAPPY, DataType::Utf8View),
            (Compression::UNCOMPRESSED, DataType::Utf8View),
            (Compression::LZ4_RAW, DataType::Utf8),
        ] {
            let file = file(compression, WriterVersion::PARQUET_1_0, true);
            let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).unwrap();
            let schema = with_views(metadata.schema(), metadata.metadata());
            assert_eq!(schema.field_with_name("text").unwrap().data_type(), &want);
            assert_eq!(
                schema.field_with_name("all").unwrap().data_type(),
                &DataType::Float64
            );
        }
    }

    #[test]
    fn a_dictionary_that_lies_of_its_values_is_an_error() {
        let page = |num_values| Page::DictionaryPage {
            buf: Bytes::from_static(&[0; 80]),
            num_values,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        };
        assert!(check_dictionary(&page(10), 64).is_ok());
        assert!(check_dictionary(&page(640), 1).is_ok());
        for (n_values, value_bits) in [(11, 64), (641, 1), (u32::MAX, 96)] {
            let error = check_dictionary(&page(n_values), value_bits)
                .unwrap_err()
                .to_string();
            assert!(error.contains("80 bytes"), "{error}");
        }
    }

    #[test]
    fn a_page_that_cannot_be_unpacked_is_an_error() {
        let mut snappy = Snappy {
            decoder: Decoder::new(),
            room: Room::default(),
        };
        let packed = snap::raw::Encoder::new().compress_vec(&[7; 1_000]).unwrap();
        let mut unpack = |buf: &[u8], n_levels| {
            let page = Page::DataPageV2 {
                buf: Bytes::copy_from_slice(buf),
                num_values: 125,
                encoding: Encoding::PLAIN,
                num_nulls: 0,
                num_rows: 125,
                def_levels_byte_len: n_levels,
                rep_levels_byte_len: 0,
                is_compressed: true,
                statistics: None,
            };
            snappy.unpack(page).map(|page| page.buffer().to_vec())
        };
        assert_eq!(unpack(&packed, 0).unwrap(), [7; 1_000]);
        assert_eq!(unpack(&[5, 6, 0], 2).unwrap(), [5, 6]);
        assert_eq!(unpack(&[5, 6], 2).unwrap(), [5, 6]);
        assert!(unpack(&packed[..packed.len() - 1], 0).is_err());
        assert!(unpack(&packed, packed.len() as u32 + 1).is_err());
        assert!(unpack(&packed, u32::MAX).is_err());
        // It says that it unpacks to 4 GiB.
        let bomb = [0xff, 0xff, 0xff, 0xff, 0x0f, 0];
        let error = unpack(&bomb, 0).unwrap_err().to_string();
        assert!(error.contains("out of proportion"), "{error}");
    }
}
