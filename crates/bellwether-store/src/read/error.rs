//! What can be wrong with an input: where it is, what was found, what was wanted, what to do.

use std::fmt;
use std::io;
use std::path::PathBuf;

use bellwether_core::frame::FrameError;
use bellwether_core::time::Timestamp;

pub use super::place::Place;
use super::time_format::WANTED_TIMES;

/// An input cannot be read. Prints as `place: problem`; an I/O error behind it is its source.
#[derive(Debug)]
pub struct ReadError {
    /// Where it went wrong (boxed: an error travels through every row of the hot loop).
    pub place: Box<Place>,
    /// What is wrong there.
    pub problem: Problem,
}

impl ReadError {
    /// Whether the input is refused for its size alone.
    pub fn is_too_large(&self) -> bool {
        matches!(
            self.problem,
            Problem::TooManyBytes
                | Problem::TooManyRows { .. }
                | Problem::TooManyChannels { .. }
                | Problem::TooManyCells { .. }
                | Problem::Sparse { .. }
                | Problem::SparseKeys { .. }
                | Problem::OutOfMemory
                | Problem::Bomb
                | Problem::TooLargeToHold { .. }
        )
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.problem)
    }
}

impl Problem {
    /// What an I/O error while reading means.
    pub(super) fn of_io(source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::FileTooLarge => Self::TooManyBytes,
            io::ErrorKind::QuotaExceeded => Self::Bomb,
            _ => Self::Damaged(source),
        }
    }
}

/// What is wrong with an input.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Nothing was asked for.
    #[error("no input is named: give files, folders, or - for standard input")]
    NoInput,
    /// The file or folder cannot be opened.
    #[error("cannot be opened")]
    Open(#[source] io::Error),
    /// Reading broke off: a cut download, a damaged archive, a failing disk.
    #[error("cannot be read to its end; the file is cut short or damaged: fetch or write it again")]
    Damaged(#[source] io::Error),
    /// Standard input was named twice.
    #[error("standard input can be read only once; name it once")]
    StdinTwice,
    /// A folder without data.
    #[error(
        "no data file in this folder: files ending in .csv, .tsv, .txt, .jsonl, .parquet, .arrow, .feather or .lp are \
         wanted, plain, .gz or .zst"
    )]
    EmptyFolder,
    /// A pattern that cannot be understood.
    #[error("not a pattern of file names: {found}")]
    BadPattern {
        /// What is wrong with it.
        found: String,
    },
    /// A pattern without a file.
    #[error("no file fits this pattern")]
    NoMatch,
    /// An archive or a block of data that unpacks to far more than it should.
    #[error(
        "it unpacks to far more than data do; if that is right, unpack it yourself (or write it in smaller blocks)"
    )]
    Bomb,
    /// No byte, or only blank and comment lines.
    #[error("the file is empty; a header line and at least one row are wanted")]
    Empty,
    /// A header and nothing else.
    #[error("there is a header but no row; at least one row is wanted")]
    NoRow,
    /// A known format that is not read where text is wanted.
    #[error(
        "this is {found}, which is not read here: give CSV (comma, semicolon or tab), plain, gzip or zstd"
    )]
    Format {
        /// The format, with its article.
        found: &'static str,
    },
    /// A known format that is not read at all.
    #[error(
        "this is {found}, which is not read: give CSV, JSON lines, Parquet, Arrow IPC (Feather) or InfluxDB line \
         protocol, plain, gzip or zstd"
    )]
    UnknownFormat {
        /// The format, with its article.
        found: &'static str,
    },
    /// A line that is not an object.
    #[error(
        "the line is not a JSON object ({found}); a whole object on each line is wanted, as jq -c . writes them"
    )]
    BadJson {
        /// What the parser says.
        found: String,
    },
    /// A value that has parts.
    #[error(
        "holds an object or a list, and a channel is a number: write its parts side by side, as \
         {{\"timestamp\": …, \"{key}.part\": 1}}, or leave it out with --ignore-column"
    )]
    Nested {
        /// Its key.
        key: String,
    },
    /// The same key twice in an object.
    #[error("the key stands twice in one object; keys must differ")]
    DuplicateKey,
    /// Far more keys than any row has.
    #[error(
        "the rows have {n_keys} keys among them, and each but few: write a row per value, as \
         {{\"timestamp\": …, \"channel\": \"flow\", \"value\": 1.5}}"
    )]
    SparseKeys {
        /// How many.
        n_keys: usize,
    },
    /// No memory is left for more rows.
    #[error("the rows are more than memory holds; give them in parts")]
    OutOfMemory,
    /// A key that comes too late.
    #[error(
        "the key {key:?} first appears here; name it in one of the first rows, with null where it has no value"
    )]
    LateKey {
        /// The key.
        key: String,
    },
    /// A line that is not line protocol.
    #[error(
        "the line is not InfluxDB line protocol ({found}); measurement,tag=a field=1.5 1704067200 is wanted"
    )]
    BadLine {
        /// What the parser says.
        found: String,
    },
    /// A Parquet or Arrow file whose inside contradicts itself.
    #[error("the file is damaged or cut short ({found}); fetch or write it again")]
    Corrupt {
        /// What the decoder says.
        found: String,
    },
    /// A column type that is neither number, text nor time.
    #[error(
        "holds {found}, which is neither number, text nor time: leave it out with --ignore-column {column:?}"
    )]
    ColumnType {
        /// The column.
        column: String,
        /// Its type.
        found: String,
    },
    /// A file that can only be read at any place, from where it cannot.
    #[error(
        "this format is read from its end; more than {bytes_max} bytes of it must be a file that is not packed"
    )]
    TooLargeToHold {
        /// The bound.
        bytes_max: u64,
    },
    /// Bytes that are not UTF-8 where text is needed.
    #[error("the text is not UTF-8 ({found:?}); save the file as UTF-8")]
    NotUtf8 {
        /// The text, its unreadable bytes replaced.
        found: String,
    },
    /// A record longer than any sensible row.
    #[error("a row goes on for more than {max_bytes} bytes; is a quotation mark never closed?")]
    EndlessRow {
        /// The bound.
        max_bytes: usize,
    },
    /// The first row is data.
    #[error(
        "the first row holds values ({found:?}), not names: put a header line first, such as \
         timestamp,temperature (a line that starts with # is a comment, not a header)"
    )]
    NoHeader {
        /// A cell of the row.
        found: String,
    },
    /// Two columns of one name.
    #[error("columns {first} and {second} are both called this; column names must differ")]
    DuplicateColumn {
        /// Position of the first, counted from 1.
        first: usize,
        /// Position of the second, counted from 1.
        second: usize,
    },
    /// A column with values but no name.
    #[error("column {position} has values but no name; name it in the header, or remove it from the file")]
    NamelessColumn {
        /// Position, counted from 1.
        position: usize,
    },
    /// A column the caller named is not there.
    #[error("there is no column {wanted:?} ({option}); the columns are {columns}")]
    UnknownColumn {
        /// The option that named it.
        option: &'static str,
        /// The name given.
        wanted: String,
        /// The names there are.
        columns: String,
    },
    /// No column reads as time.
    #[error(
        "no column reads as time among {columns}: name it with --time-column, or write times as {WANTED_TIMES}"
    )]
    NoTimeColumn {
        /// The names there are.
        columns: String,
    },
    /// A column is named like time but holds something else.
    #[error("{found:?} is not a time that can be told without guessing: write {WANTED_TIMES}")]
    UnknownTime {
        /// The first value.
        found: String,
    },
    /// The whole file is one column.
    #[error("only one column ({column:?}) is found; columns are divided by comma, semicolon or tab")]
    OneColumn {
        /// Its name.
        column: String,
    },
    /// No column is left to be a channel.
    #[error("no channel: at least one numeric column is wanted beside {columns}")]
    NoChannel {
        /// The names there are.
        columns: String,
    },
    /// Two columns could name the series.
    #[error("{first:?} and {second:?} could both name the series: say which with --series-column")]
    SeveralSeriesColumns {
        /// The first.
        first: String,
        /// The second.
        second: String,
    },
    /// A column of text.
    #[error("holds text ({found:?}), not numbers: leave it out with --ignore-column {column:?}")]
    TextColumn {
        /// Its name.
        column: String,
        /// Its first value.
        found: String,
    },
    /// More or fewer cells than the header has names.
    #[error("{found} cells where the header has {wanted} columns")]
    Ragged {
        /// Cells in the row.
        found: usize,
        /// Columns of the header.
        wanted: usize,
    },
    /// The wrong number of cells, one of which holds line feeds.
    #[error(
        "{found} cells where the header has {wanted} columns, and one of them goes on over lines: is a quotation \
         mark never closed?"
    )]
    OpenQuote {
        /// Cells in the row.
        found: usize,
        /// Columns of the header.
        wanted: usize,
    },
    /// A cell that is no number.
    #[error(
        "{found:?} is not a number; leave the cell empty where a value is missing (or name the marker with --missing)"
    )]
    NotANumber {
        /// The cell.
        found: String,
    },
    /// A comma inside a number.
    #[error(
        "{found:?} has a comma inside a number; write it with a decimal point and no thousands mark, as 3.14"
    )]
    DecimalComma {
        /// The cell.
        found: String,
    },
    /// An infinite value.
    #[error("{found:?} is infinite; leave the cell empty where a value is missing")]
    Infinite {
        /// The cell.
        found: String,
    },
    /// A row without a time.
    #[error("the row has no time; every row wants one")]
    NoTime,
    /// A time that cannot be read as the rows before it were.
    #[error("{found:?} is not a time as the rows before have it: write {WANTED_TIMES}")]
    BadTime {
        /// The cell.
        found: String,
    },
    /// The clocks of the zone never showed that time.
    #[error(
        "{found:?} is no time in {zone}: clocks were put forward over it; name the zone of the clock that wrote it \
         (--timezone), or leave --timezone out where it keeps to UTC"
    )]
    SkippedTime {
        /// The cell.
        found: String,
        /// The zone.
        zone: String,
    },
    /// Time runs backwards within a series.
    #[error(
        "time runs backwards: {time} comes after {last}; sort the rows by time (a step back of an hour is a clock \
         change: write times in UTC or with their offset)"
    )]
    TimeRunsBack {
        /// Time of the row.
        time: Timestamp,
        /// Time of the row before it in the same series.
        last: Timestamp,
    },
    /// A label that is not yes or no.
    #[error("{found:?} is not a label; 0, 1, true or false is wanted in every row")]
    BadLabel {
        /// The cell.
        found: String,
    },
    /// A row that names no series.
    #[error("the row names no series; every row wants one")]
    NoSeries,
    /// A series occurs in two inputs that do not fit together.
    #[error(
        "series {series:?} stands in {other} as well, with other columns; its files must have the same columns"
    )]
    SeriesChanged {
        /// The series.
        series: String,
        /// The earlier file.
        other: PathBuf,
    },
    /// Two files would make one series by their name.
    #[error("series {series:?} stands in {other} as well; rename one of the files")]
    SeriesTwice {
        /// The series.
        series: String,
        /// The earlier file.
        other: PathBuf,
    },
    /// Counts in a column called time that fall from row to row.
    #[error("these counts fall from row to row; sort the rows by time, or name the time with --time-column")]
    CountsFall,
    /// A column that has no meaning in a table in long form.
    #[error(
        "a table with the columns channel and value has a row per value, and this column has no place in it: leave it \
         out with --ignore-column, or rename the column called channel"
    )]
    BesideLong,
    /// A row of a long-form table without its channel.
    #[error("the row names no channel; every row of a table in long form wants one")]
    NoChannelName,
    /// More bytes than are read at once.
    #[error("the text goes on for more bytes than are read at once; give it in parts")]
    TooManyBytes,
    /// More rows than are read at once.
    #[error("more than {rows_max} rows at once; give them in parts")]
    TooManyRows {
        /// The bound.
        rows_max: u32,
    },
    /// More channels than a series may have.
    #[error("more than {channels_max} channels in a series; give them in parts")]
    TooManyChannels {
        /// The bound.
        channels_max: usize,
    },
    /// More values than are read at once.
    #[error("more than {cells_max} values (samples times channels) at once; give them in parts")]
    TooManyCells {
        /// The bound.
        cells_max: usize,
    },
    /// A table in long form with far more instants and channels than rows.
    #[error(
        "{n_rows} rows in long form tell of {n_samples} instants and {n_channels} channels, too many to hold a value \
         for each pair: divide the channels among several series (a column called device), or round the times"
    )]
    Sparse {
        /// Rows of the series.
        n_rows: usize,
        /// Instants among them.
        n_samples: usize,
        /// Channels among them.
        n_channels: usize,
    },
    /// The rows do not make a frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// An interval of a label file ends before it starts.
    #[error("the interval ends ({end}) before it starts ({start})")]
    IntervalBackwards {
        /// Its start.
        start: Timestamp,
        /// Its end.
        end: Timestamp,
    },
    /// A label file that is neither points nor intervals.
    #[error(
        "neither labels nor intervals: one label per row (0 or 1), or start,end[,kind][,channels] is wanted"
    )]
    UnknownLabels,
    /// A label file of JSON that is not as those of the Numenta Anomaly Benchmark are.
    #[error(
        "{found}; of JSON, an object of lists is wanted as in the Numenta Anomaly Benchmark: \
         {{\"folder/series.csv\": [[\"2014-04-10 07:15:00\", \"2014-04-11 16:45:00\"], …]}}, or one such list"
    )]
    LabelJson {
        /// What is wrong with it.
        found: String,
    },
    /// A line of row ranges that cannot be read.
    #[error(
        "{found:?} is no stretch of rows; FIRST-LAST:CHANNEL,CHANNEL,… is wanted, such as 4629-4688:9,10,11"
    )]
    BadRowSpan {
        /// The line.
        found: String,
    },
    /// A stretch of rows reaches beyond the data.
    #[error(
        "the labels reach to row {end}, and there are {n_rows} rows: give the rows that the labels count"
    )]
    RowSpanBeyond {
        /// The row behind the last labelled one, counted from 0.
        end: usize,
        /// Rows of the data.
        n_rows: usize,
    },
    /// Labels do not belong to these rows.
    #[error("{found} labels for {wanted} rows; one label per row is wanted")]
    LabelCount {
        /// Labels given.
        found: usize,
        /// Rows of the data.
        wanted: usize,
    },
}
