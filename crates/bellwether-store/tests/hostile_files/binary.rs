//! Parquet and Arrow: cut, flipped, lying, and made to fill a machine.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, NullArray, RecordBatch, StringArray};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::{File, file, places};

pub(crate) fn all() -> Vec<File> {
    let batch = batch(500);
    let parquet = parquet(&batch, 1, Compression::SNAPPY, true);
    let plain = self::parquet(&batch, 1, Compression::UNCOMPRESSED, false);
    let arrow = arrow_file(&batch, None);
    let stream = arrow_stream(&batch, 1, None);
    let packed = arrow_stream(&batch, 1, Some(CompressionType::LZ4_FRAME));
    let mut files = vec![
        file("good.parquet", parquet.clone(), "read: 500"),
        file("good.arrow", arrow.clone(), "read: 500"),
        file("good.arrows", stream.clone(), "read: 500"),
        file("good_packed.arrows", packed.clone(), "read: 500"),
        file("named_wrong_2.csv", parquet.clone(), "read: 500"),
        file("magic.parquet", "PAR1", "damaged"),
        file("magic_twice.parquet", "PAR1PAR1", "damaged"),
        file("encrypted.parquet", "PARE0000PARE", "encrypted Parquet"),
        file("magic.arrow", "ARROW1", "damaged"),
        file("magic.arrows", &b"\xff\xff\xff\xff"[..], "damaged"),
        file(
            "end.arrows",
            &b"\xff\xff\xff\xff\0\0\0\0"[..],
            "the file is empty",
        ),
        file("feather_1.feather", "FEA1....FEA1", "Feather file of version 1"),
        file("no_end.arrow", &arrow[..arrow.len() - 4], "damaged"),
        file(
            "long_about.arrows",
            [&b"\xff\xff\xff\xff\xff\xff\xff\x7f"[..], &[0; 100]].concat(),
            "damaged",
        ),
        file(
            "zeros_about.arrows",
            [&b"\xff\xff\xff\xff\x00\x01\0\0"[..], &[0; 256]].concat(),
            "damaged",
        ),
    ];
    for (name, footer_len) in [
        ("none", 0),
        ("small", 7),
        ("huge", u32::MAX),
        ("file", parquet.len() as u32),
    ] {
        let mut lying = parquet.clone();
        let n_bytes = lying.len();
        lying[n_bytes - 8..n_bytes - 4].copy_from_slice(&footer_len.to_le_bytes());
        files.push(file(&format!("footer_{name}.parquet"), lying, "damaged"));
    }
    for packing in [Compression::SNAPPY, Compression::UNCOMPRESSED] {
        let lying = lying_dictionary(self::parquet(&batch, 1, packing, true));
        files.push(file(
            &format!("dictionary_{packing:?}.parquet"),
            lying,
            "says that it has 8191 values",
        ));
    }
    let kinds = [
        ("a.parquet", &parquet),
        ("b.parquet", &plain),
        ("c.arrow", &arrow),
        ("d.arrows", &stream),
        ("e.arrows", &packed),
    ];
    for (name, bytes) in kinds {
        for at in places(bytes.len(), 6) {
            files.push(file(&format!("cut_{at}_{name}"), &bytes[..at], ""));
        }
        for at in places(bytes.len(), 12) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            files.push(file(&format!("flipped_{at}_{name}"), flipped, ""));
        }
        // What describes the data stands at the end of Parquet, and at the beginning of Arrow.
        let n_about = bytes.len().min(700);
        for at in places(n_about, 12) {
            let at = if name.ends_with("parquet") {
                bytes.len() - 1 - at
            } else {
                at
            };
            let mut flipped = bytes.clone();
            flipped[at] = !flipped[at];
            files.push(file(&format!("about_{at}_{name}"), flipped, ""));
        }
    }
    files.extend(bombs());
    files
}

fn bombs() -> Vec<File> {
    let zstd = Compression::ZSTD(ZstdLevel::default());
    let same = same(1 << 20);
    let zeros = self::batch_of(
        vec![("a", Arc::new(Float64Array::from(vec![0.0; 24 << 20])) as ArrayRef)],
        24 << 20,
    );
    let wide: Vec<(String, ArrayRef)> = (0..20_000)
        .map(|c| {
            (
                format!("c{c}"),
                Arc::new(Float64Array::from(vec![0.5; 2])) as ArrayRef,
            )
        })
        .collect();
    let wide = batch_of(
        wide.iter()
            .map(|(name, array)| (name.as_str(), array.clone()))
            .collect(),
        2,
    );
    let null = batch_of(
        vec![("a", Arc::new(NullArray::new(1 << 30)) as ArrayRef)],
        1 << 30,
    );
    vec![
        // A run of one value costs hardly a byte for any number of rows.
        file(
            "bomb_runs.parquet",
            parquet(&same, 64, Compression::UNCOMPRESSED, true),
            "unpacks to far more",
        ),
        file(
            "bomb_page.parquet",
            parquet(&same, 64, zstd, false),
            "unpacks to far more",
        ),
        file(
            "bomb_body.arrow",
            arrow_file(&zeros, Some(CompressionType::ZSTD)),
            "unpacks to far more",
        ),
        file(
            "bomb_body.arrows",
            arrow_stream(&zeros, 1, Some(CompressionType::ZSTD)),
            "unpacks to far more",
        ),
        file(
            "bomb_nulls.arrows",
            arrow_stream(&null, 1, None),
            "unpacks to far more",
        ),
        file(
            "columns_20000.parquet",
            parquet(&wide, 1, Compression::UNCOMPRESSED, false),
            "read: 2 samples",
        ),
        file("columns_20000.arrow", arrow_file(&wide, None), "read: 2 samples"),
    ]
}

/// Columns beside a time.
fn batch_of(columns: Vec<(&str, ArrayRef)>, n_rows: usize) -> RecordBatch {
    let time = (0..n_rows.min(1 << 20) as i64).map(|row| 1_700_000_000 + row);
    let time: ArrayRef = if n_rows > 1 << 20 {
        Arc::new(NullArray::new(n_rows))
    } else {
        Arc::new(Int64Array::from_iter_values(time))
    };
    let all = std::iter::once(("timestamp", time)).chain(columns);
    RecordBatch::try_from_iter(all).unwrap()
}

fn batch(n_rows: usize) -> RecordBatch {
    let real = Float64Array::from_iter((0..n_rows).map(|row| (row % 7 != 0).then_some(row as f64 * 0.1)));
    let text = StringArray::from_iter_values((0..n_rows).map(|row| format!("{}.5", row % 3)));
    batch_of(vec![("a", Arc::new(real)), ("b", Arc::new(text))], n_rows)
}

/// Rows that are all alike.
fn same(n_rows: usize) -> RecordBatch {
    let time: ArrayRef = Arc::new(Int64Array::from(vec![1_700_000_000; n_rows]));
    let value: ArrayRef = Arc::new(Float64Array::from(vec![1.5; n_rows]));
    RecordBatch::try_from_iter([("timestamp", time), ("a", value)]).unwrap()
}

fn parquet(batch: &RecordBatch, n_times: usize, packing: Compression, has_dictionary: bool) -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_compression(packing)
        .set_dictionary_enabled(has_dictionary)
        .set_data_page_size_limit(1 << 30)
        .set_data_page_row_count_limit(usize::MAX)
        .set_max_row_group_row_count(None)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    (0..n_times).for_each(|_| writer.write(batch).unwrap());
    writer.into_inner().unwrap()
}

/// Has the first dictionary, of 500 values, say that it has 8,191. In the header of its page (parquet-format, `parquet.thrift`;
/// compact protocol) field 7, a structure, begins with the number of values, in zigzag form.
fn lying_dictionary(mut parquet: Vec<u8>) -> Vec<u8> {
    let honest = [0x4c, 0x15, 0xe8, 0x07];
    let at = parquet.windows(honest.len()).position(|bytes| bytes == honest);
    let at = at.expect("a dictionary of 500 values");
    parquet[at + 2..at + 4].copy_from_slice(&[0xfe, 0x7f]);
    parquet
}

fn arrow_file(batch: &RecordBatch, packing: Option<CompressionType>) -> Vec<u8> {
    let options = IpcWriteOptions::default().try_with_compression(packing).unwrap();
    let mut writer = FileWriter::try_new_with_options(Vec::new(), &batch.schema(), options).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

fn arrow_stream(batch: &RecordBatch, n_times: usize, packing: Option<CompressionType>) -> Vec<u8> {
    let options = IpcWriteOptions::default().try_with_compression(packing).unwrap();
    let mut writer = StreamWriter::try_new_with_options(Vec::new(), &batch.schema(), options).unwrap();
    (0..n_times).for_each(|_| writer.write(batch).unwrap());
    writer.into_inner().unwrap()
}
