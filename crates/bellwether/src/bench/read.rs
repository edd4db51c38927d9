//! How fast files become frames: the same made-up series in every format, read by one thread; from a file that several
//! can read at once, by all as well.

use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::{Duration, Instant};

use bellwether_core::time::Timestamp;
use bellwether_store::read::{Bounds, ReadError, ReadOptions, Recording, read, read_bytes};
use bellwether_store::write::{AtomicFile, Cell, Column, ColumnKind, TableFormat, TableWriter, WriteError};
use serde::Serialize;

/// Readings of each file, of which the fastest counts.
const READINGS: usize = 5;

/// What is made up and read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadSpec {
    pub(crate) n_rows: usize,
    pub(crate) n_channels: usize,
    /// Decimals of each value.
    pub(crate) decimals: u32,
}

/// How fast one format was read.
#[derive(Debug, Serialize)]
pub(crate) struct ReadRate {
    pub(crate) format: &'static str,
    pub(crate) threads: usize,
    pub(crate) bytes: usize,
    pub(crate) rows: usize,
    pub(crate) channels: usize,
    pub(crate) mb_per_s: f64,
    pub(crate) m_values_per_s: f64,
}

const FORMATS: [(&str, TableFormat); 5] = [
    ("csv", TableFormat::Csv),
    ("jsonl", TableFormat::Jsonl),
    ("lp", TableFormat::LineProtocol),
    ("parquet", TableFormat::Parquet),
    ("arrow", TableFormat::Arrow),
];

/// Reads the series in every format: from files `rows.FORMAT` that stay in `folder`, or from memory.
pub(crate) fn measure(
    spec: &ReadSpec,
    folder: Option<&Path>,
    mut about_to: impl FnMut(&str),
) -> Result<Vec<ReadRate>, MeasureError> {
    let mut rates = Vec::new();
    for (name, format) in FORMATS {
        about_to(name);
        let bytes = made_up(spec, format)?;
        let file = folder.map(|folder| folder.join(format!("rows.{name}")));
        if let Some(file) = &file {
            let mut out = AtomicFile::create(file).map_err(WriteError::from)?;
            out.write_all(&bytes).map_err(WriteError::Table)?;
            out.commit().map_err(WriteError::from)?;
        }
        let mut n_threads = vec![NonZeroUsize::MIN];
        if file.is_some() && matches!(format, TableFormat::Csv | TableFormat::Parquet) {
            let all = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
            n_threads.extend((all > NonZeroUsize::MIN).then_some(all));
        }
        for threads in n_threads {
            let options = ReadOptions {
                threads: Some(threads),
                ..ReadOptions::default()
            };
            let read = || match &file {
                Some(file) => read(std::slice::from_ref(file), &options),
                None => read_bytes(&bytes, &options, &Bounds::NONE),
            };
            let secs = fastest(read)?.as_secs_f64();
            rates.push(ReadRate {
                format: name,
                threads: threads.get(),
                bytes: bytes.len(),
                rows: spec.n_rows,
                channels: spec.n_channels,
                mb_per_s: bytes.len() as f64 / 1e6 / secs,
                m_values_per_s: (spec.n_rows * spec.n_channels) as f64 / 1e6 / secs,
            });
        }
    }
    Ok(rates)
}

/// The series cannot be written, or not be read.
#[derive(Debug)]
pub(crate) enum MeasureError {
    Write(WriteError),
    Read(ReadError),
}

impl From<WriteError> for MeasureError {
    fn from(error: WriteError) -> Self {
        Self::Write(error)
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn fastest(mut read: impl FnMut() -> Result<Vec<Recording>, ReadError>) -> Result<Duration, MeasureError> {
    let mut best = Duration::MAX;
    for _ in 0..READINGS {
        let start = Instant::now();
        let recordings = read().map_err(MeasureError::Read)?;
        best = best.min(start.elapsed());
        drop(recordings);
    }
    Ok(best)
}

/// A series of noise, the same for the same `spec`.
fn made_up(spec: &ReadSpec, format: TableFormat) -> Result<Vec<u8>, WriteError> {
    let mut columns = vec![Column::new("timestamp", ColumnKind::Text)];
    columns.extend(
        (0..spec.n_channels).map(|c| Column::new(format!("channel_{c}"), ColumnKind::Real).optional()),
    );
    let mut table = TableWriter::new(Vec::new(), format, columns)?;
    let scale = 10_f64.powi(spec.decimals.min(15) as i32);
    let mut state = 1_u64;
    for row in 0..spec.n_rows as i64 {
        let time = Timestamp::from_secs(1_700_000_000 + row).to_string();
        let mut cells = vec![Cell::Text(&time)];
        for _ in 0..spec.n_channels {
            // Knuth's MMIX generator; the upper bits are those that count.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let value = (state >> 11) as f64 / (1_u64 << 53) as f64 * 200.0 - 100.0;
            cells.push(Cell::Real((value * scale).round() / scale));
        }
        table.row(&cells)?;
    }
    table.finish()
}
