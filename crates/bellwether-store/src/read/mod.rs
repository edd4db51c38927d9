//! Sensor data from the files people have: what is clear is read without being asked, what is not is refused with
//! its place and what to do.
//!
//! **Form.** Delimited text with a header: comma, semicolon or tab; quoted fields; any line ends; a byte order mark,
//! blank lines and lines that start with `#` are passed over. JSON, one object a line. Parquet. Arrow IPC, as file
//! (Feather) and as stream. InfluxDB line protocol. All plain, gzip or zstd, told by the first bytes. Text is UTF-8,
//! numbers have a decimal point. [`read`] takes files, folders (their data files in order of name), patterns and `-`.
//! The same data give the same frame, bit for bit, whatever the format.
//!
//! **Time.** The first column that reads as time: see [`time_format`]. Within a series it never runs backwards, unless the caller wants
//! rows put in order: then rows of one time keep their order. A
//! time that stands twice is no error, for clocks do that: its first row is the sample, see [`InputRows`].
//!
//! **Values.** Wide, a column per channel, or long, a row per value: `timestamp,device,channel,value`. Missing is an
//! empty cell or `NA`, `N/A`, `NaN`, `null`, `None` in any case, `-`, `?`. Columns called `is_anomaly`, `anomaly` or
//! `label`, and `changepoint`, are labels and never channels.
//!
//! **Series.** A column called `device`, `asset_id` or `series` tells them apart; they may go on from file to file.
//! Without it each file is one series, called after the file.
//!
//! **Streams.** [`TableRows`] reads the rows of a table that is still being written, with the same rules and the same
//! code for each cell; [`Followed`] is a file that grows. What cannot be read line by line, because it is binary or
//! packed, is [`Whole`].
//!
//! **As they stand.** [`visit()`] hands over the rows of files one by one, defects and all, and keeps none of them.

mod ahead;
mod aligned;
mod arrow;
mod batches;
mod cells;
mod columns;
mod error;
mod follow;
mod format;
mod guard;
mod held;
mod instants;
mod json;
mod labels;
mod line_protocol;
mod line_rows;
mod lines;
mod listing;
mod long;
mod note;
pub mod number;
mod page_sizes;
mod pages;
mod parquet;
mod piece;
mod place;
mod plain;
mod room;
mod row;
mod rows;
mod series;
mod sink;
mod sniff;
mod source;
mod streamed;
mod table;
mod table_rows;
mod text;
mod time_column;
pub mod time_format;
mod time_text;
mod turned;
mod visit;
mod whole;

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use bellwether_core::frame::{Frame, SeriesId};
use bellwether_core::time::Timestamp;
use bellwether_core::zone::Zone;

pub use error::{Place, Problem, ReadError};
pub use follow::{Fate, Followed};
pub use format::foreign_to_lines;
pub use labels::{Interval, Labels, RowSpan, labels_file};
pub use note::Note;
pub use rows::InputRows;
pub use streamed::{BadRow, EachRow, RowValues, TableRow};
pub use table_rows::TableRows;
pub use visit::{NotNumber, RawColumns, RawRow, RawTable, RawValue, RawValues, RowVisitor, visit};
pub use whole::{Whole, is_whole};

use format::{Format, format_of};
use series::Gather;
use source::Source;

/// What the reader is told instead of finding out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// The column that is the time.
    pub time_column: Option<String>,
    /// The column that names the series.
    pub series_column: Option<String>,
    /// Columns to leave out.
    pub ignore_columns: Vec<String>,
    /// Cells that stand for a missing value beside the usual ones, such as `-999` or `Bad`.
    pub missing: Vec<String>,
    /// The byte between cells.
    pub delimiter: Option<u8>,
    /// Whose clocks times without an offset are of; `None`: UTC.
    pub timezone: Option<Zone>,
    /// Rows out of order are put in order instead of refused.
    pub sort: bool,
    /// The present, where it is known: later times are noted.
    pub now: Option<Timestamp>,
    /// Threads that may read at once, which changes nothing but how long it takes; `None`: as many as there are cores.
    pub threads: Option<NonZeroUsize>,
}

impl ReadOptions {
    /// Threads that may read at once.
    fn n_threads(&self) -> usize {
        let all = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        self.threads.map_or_else(all, NonZeroUsize::get)
    }
}

/// How much is read in one go; more is refused before room is made for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of text at most, unpacked.
    pub bytes: u64,
    /// Rows at most.
    pub rows: u32,
    /// Channels of a series at most.
    pub channels: usize,
    /// Values at most: samples times channels, summed over all series.
    pub cells: usize,
}

impl Bounds {
    /// What is bounded by memory alone.
    pub const NONE: Self = Self {
        bytes: u64::MAX,
        rows: u32::MAX,
        channels: usize::MAX,
        cells: usize::MAX,
    };
}

/// One series as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// Which series it is, where the input has several.
    pub series: Option<SeriesId>,
    /// What to call it in any case: the device, or the file without its ending.
    pub name: String,
    /// The file it came from, the first where there are several; `-` is standard input.
    pub source: PathBuf,
    /// The samples.
    pub frame: Frame,
    /// Ground truth, one per input row.
    pub labels: Option<Vec<bool>>,
    /// Where the behaviour changes for good, one per input row.
    pub changepoints: Option<Vec<bool>>,
    /// The rows as they stood in the input.
    pub rows: InputRows,
    /// What was noticed.
    pub notes: Vec<Note>,
}

/// Reads all series of `paths`: files, folders and `-` for standard input.
///
/// # Errors
/// [`ReadError`] names the file, where it can the line and column, what was found and what to do.
pub fn read(paths: &[PathBuf], options: &ReadOptions) -> Result<Vec<Recording>, ReadError> {
    let files = listing::list(paths)?;
    let names = series_names(files.iter().map(|(file, _)| file.as_path()));
    let mut gather = Gather::new(Bounds::NONE, options);
    for ((file, left_out), name) in files.into_iter().zip(names) {
        let n_before = gather.n_series();
        read_source(source::open(&file)?, &name, options, &mut gather)?;
        if n_before < gather.n_series() {
            let notes = left_out.into_iter().map(|file| Note::FileLeftOut { file });
            gather.series(n_before).notes.extend(notes);
        }
    }
    gather.finish()
}

/// Reads all series of one file at hand, packed or plain, in any format.
///
/// # Errors
/// As [`read`]; the file is called `bytes`. What goes beyond `bounds` is [too large](ReadError::is_too_large).
pub fn read_bytes(bytes: &[u8], options: &ReadOptions, bounds: &Bounds) -> Result<Vec<Recording>, ReadError> {
    let mut gather = Gather::new(*bounds, options);
    let source = source::of_bytes(Path::new("bytes"), bytes, bounds.bytes)?;
    read_source(source, "bytes", &alone(options), &mut gather)?;
    gather.finish()
}

/// What is at hand is read by the thread that has it.
fn alone(options: &ReadOptions) -> ReadOptions {
    ReadOptions {
        threads: Some(NonZeroUsize::MIN),
        ..options.clone()
    }
}

/// The same for delimited text alone, where the caller has been told that it is.
///
/// # Errors
/// As [`read_bytes`].
pub fn read_csv_bytes(
    bytes: &[u8],
    options: &ReadOptions,
    bounds: &Bounds,
) -> Result<Vec<Recording>, ReadError> {
    let mut gather = Gather::new(*bounds, options);
    let source = source::of_bytes(Path::new("bytes"), bytes, bounds.bytes)?.delimited()?;
    text::read_delimited(source, "bytes", &alone(options), &mut gather)?;
    gather.finish()
}

/// Reads one input in the format that it is in.
fn read_source(
    source: Source,
    name: &str,
    options: &ReadOptions,
    gather: &mut Gather,
) -> Result<(), ReadError> {
    let format = format_of(&source.head)
        .map_err(|found| error::Place::file(&source.file).error(Problem::UnknownFormat { found }))?;
    match format {
        Format::Delimited => text::read_delimited(source, name, options, gather),
        Format::JsonLines => text::read_json_lines(source, name, options, gather),
        Format::LineProtocol => line_protocol::read(source, name, options, gather),
        Format::Parquet => parquet::read(source, name, options, gather),
        Format::ArrowFile => arrow::read_file(source, name, options, gather),
        Format::ArrowStream => arrow::read_stream(source, name, options, gather),
    }
}

/// What the series of one file is called, where no column says: the file's name without the endings of data files and
/// archives; `-` for standard input.
pub fn series_name(file: &Path) -> String {
    listing::stem(file)
}

/// Names of the series that whole files are: their stems, with the folder in front where stems coincide.
fn series_names<'a>(files: impl Iterator<Item = &'a Path>) -> Vec<String> {
    let files: Vec<&Path> = files.collect();
    let mut n_called: HashMap<String, usize> = HashMap::new();
    for file in &files {
        *n_called.entry(listing::stem(file)).or_default() += 1;
    }
    let name = |file: &&Path| {
        let stem = listing::stem(file);
        if n_called[&stem] == 1 {
            stem
        } else {
            file.with_file_name(stem).display().to_string()
        }
    };
    files.iter().map(name).collect()
}
