//! What a table is made of, told from its header and first rows: delimiter, time, series, labels, channels.

use bellwether_core::zone::Zone;
use std::collections::HashMap;
use std::io::Cursor;

use super::ReadOptions;
use super::cells::shown;
use super::error::{Place, Problem, ReadError};
use super::note::Note;
use super::number::{Cell, Numbers, is_missing};
use super::row::{RowBuf, TextRows as _};
use super::source::Source;
use super::table::Table;
use super::time_column;
use super::time_format::TimeFormat;

/// Rows looked at.
pub(super) const SAMPLE_ROWS: usize = 100;
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

pub(super) const SERIES_NAMES: [&str; 3] = ["device", "asset_id", "series"];
pub(super) const LABEL_NAMES: [&str; 3] = ["is_anomaly", "anomaly", "label"];
pub(super) const CHANGEPOINT_NAME: &str = "changepoint";
const CHANNEL_NAMES: [&str; 2] = ["channel", "sensor"];
const VALUE_NAME: &str = "value";
const QUALITY_NAME: &str = "quality";

/// The columns of a table by what they are for, each as its index.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// Names of all columns.
    pub(super) names: Vec<String>,
    pub(super) time: usize,
    pub(super) time_format: TimeFormat,
    /// Whose clocks times without an offset are of; `None`: UTC.
    pub(super) zone: Option<Zone>,
    pub(super) series: Option<usize>,
    pub(super) label: Option<usize>,
    pub(super) changepoint: Option<usize>,
    pub(super) values: Values,
    /// Columns without a name that must stay without values.
    pub(super) blank: Vec<usize>,
    pub(super) notes: Vec<Note>,
}

/// Where the values stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Values {
    /// A column per channel.
    Wide(Vec<usize>),
    /// A row per value: one column names the channel, one holds the value.
    Long { channel: usize, value: usize },
}

impl Values {
    /// The columns that hold values.
    pub(super) fn columns(&self) -> &[usize] {
        match self {
            Self::Wide(columns) => columns,
            Self::Long { value, .. } => std::slice::from_ref(value),
        }
    }
}

/// The header and the first rows of a table.
pub(super) struct Sample {
    pub(super) place: Place,
    pub(super) names: Vec<String>,
    pub(super) rows: Vec<RowBuf>,
    /// Whether a delimiter divides the columns, so that one column is none.
    pub(super) is_divided: bool,
}

impl Sample {
    /// The cells of `column` that hold something.
    pub(super) fn cells(&self, column: usize) -> impl Iterator<Item = &[u8]> + Clone {
        self.rows
            .iter()
            .map(RowBuf::row)
            .filter(move |row| column < row.len())
            .map(move |row| row.cell(column))
            .map(<[u8]>::trim_ascii)
            .filter(|cell| !is_missing(cell))
    }

    /// All names, for a message.
    pub(super) fn columns(&self) -> String {
        let names: Vec<_> = self.names.iter().map(|name| format!("{name:?}")).collect();
        names.join(", ")
    }

    /// Where `column` is, as far as the whole column is meant.
    pub(super) fn column_place(&self, column: usize) -> Place {
        self.place.clone().in_column(&self.names[column])
    }

    /// The first of `wanted` among the columns `free`, whatever its case.
    fn find(&self, wanted: &[&str], free: &[usize]) -> Option<usize> {
        let is_called = |column: usize, name: &str| self.names[column].eq_ignore_ascii_case(name);
        wanted
            .iter()
            .find_map(|name| free.iter().copied().find(|&column| is_called(column, name)))
    }

    /// The column an option names.
    fn named(&self, option: &'static str, wanted: &str) -> Result<usize, ReadError> {
        self.names.iter().position(|name| name == wanted).ok_or_else(|| {
            let (wanted, columns) = (wanted.to_owned(), self.columns());
            self.place.clone().error(Problem::UnknownColumn {
                option,
                wanted,
                columns,
            })
        })
    }
}

/// Tells by what the columns of delimited text are divided, and what they are for.
pub(super) fn delimited(source: &Source, options: &ReadOptions) -> Result<(u8, Layout), ReadError> {
    let (delimiter, sample) = sample(source, options.delimiter)?;
    Ok((delimiter, layout(sample, options)?))
}

/// Tells what the columns of a table that begins with `sample` are for.
pub(super) fn layout(sample: Sample, options: &ReadOptions) -> Result<Layout, ReadError> {
    check_header(&sample)?;
    let mut free: Vec<usize> = (0..sample.names.len()).collect();
    for name in &options.ignore_columns {
        sample.named("--ignore-column", name)?;
    }
    free.retain(|&column| !options.ignore_columns.contains(&sample.names[column]));
    check_names(&sample, &free)?;
    if sample.rows.is_empty() {
        return Err(sample.place.error(Problem::NoRow));
    }

    let mut notes = Vec::new();
    let asked_time = options
        .time_column
        .as_ref()
        .map(|name| sample.named("--time-column", name))
        .transpose()?;
    free.retain(|&column| Some(column) != asked_time);
    let series = take_series(&sample, options, &mut free)?;
    let (label, changepoint) = take_labels(&sample, &mut free, &mut notes);
    let long = take_long(&sample, &mut free, &mut notes);
    let may_fall = series.is_some() || long.is_some() || options.sort;
    let (time, time_format) = match asked_time {
        Some(column) => (column, time_column::format_of(&sample, column)?),
        None => time_column::find(&sample, &free, may_fall)?,
    };
    free.retain(|&column| column != time);
    let blank = take_nameless(&sample, &mut free, &mut notes)?;
    let values = match (long, free.first()) {
        (Some(_), Some(&beside)) => return Err(sample.column_place(beside).error(Problem::BesideLong)),
        (Some(long), None) => long,
        (None, _) => {
            check_channels(&sample, &free, &Numbers::new(&options.missing))?;
            Values::Wide(free)
        }
    };
    Ok(Layout {
        names: sample.names,
        time,
        time_format,
        zone: options.timezone.clone(),
        series,
        label,
        changepoint,
        values,
        blank,
        notes,
    })
}

/// The first rows as divided by the delimiter that makes the most rows agree with a header of several columns.
fn sample(source: &Source, asked: Option<u8>) -> Result<(u8, Sample), ReadError> {
    let delimiters = asked.map_or(DELIMITERS.to_vec(), |delimiter| vec![delimiter]);
    let mut best = None;
    for delimiter in delimiters {
        let sample = sample_divided_by(source, delimiter)?;
        let width = sample.names.len();
        let n_agreeing = if width < 2 {
            0
        } else {
            sample.rows.iter().filter(|row| row.row().len() == width).count()
        };
        let rank = (n_agreeing, width);
        if best.as_ref().is_none_or(|&(best_rank, _, _)| rank > best_rank) {
            best = Some((rank, delimiter, sample));
        }
    }
    let (_, delimiter, sample) = best.expect("at least one delimiter was tried");
    Ok((delimiter, sample))
}

fn sample_divided_by(source: &Source, delimiter: u8) -> Result<Sample, ReadError> {
    let mut table = Table::new(
        source.file.clone(),
        Box::new(Cursor::new(source.head.clone())),
        delimiter,
    );
    if !table.advance()? {
        return Err(Place::file(&source.file).error(Problem::Empty));
    }
    let place = table.place();
    let names = table
        .row()
        .cells()
        .map(|name| header_name(name, &place))
        .collect::<Result<_, _>>()?;
    let mut rows = Vec::new();
    while rows.len() <= SAMPLE_ROWS && table.advance()? {
        rows.push(table.row().into());
    }
    // The head of a longer file mostly ends within a row.
    if rows.len() > 1 && !source.is_whole {
        rows.pop();
    }
    Ok(Sample {
        place,
        names,
        rows,
        is_divided: true,
    })
}

fn header_name(name: &[u8], place: &Place) -> Result<String, ReadError> {
    match std::str::from_utf8(name) {
        Ok(name) => Ok(name.trim().to_owned()),
        Err(_) => {
            let found = shown(name);
            Err(place.clone().error(Problem::NotUtf8 { found }))
        }
    }
}

/// Refuses a header that is data: one that has a civil time, or nothing but numbers.
fn check_header(sample: &Sample) -> Result<(), ReadError> {
    let numbers = Numbers::default();
    let is_time = |name: &&String| TimeFormat::of(name.as_bytes()) == Some(TimeFormat::Civil);
    let is_value = |name: &&String| matches!(numbers.read(name.as_bytes()), Cell::Value(_));
    let is_text = |name: &String| matches!(numbers.read(name.as_bytes()), Cell::Text) && !is_time(&name);
    let found = sample.names.iter().find(is_time).or_else(|| {
        let all_values = !sample.names.iter().any(is_text);
        sample.names.iter().find(|name| all_values && is_value(name))
    });
    match found {
        Some(found) => Err(sample.place.clone().error(Problem::NoHeader {
            found: shown(found.as_bytes()),
        })),
        None => Ok(()),
    }
}

/// Refuses names that stand twice, and a table of one column.
fn check_names(sample: &Sample, free: &[usize]) -> Result<(), ReadError> {
    let mut seen: HashMap<&str, usize> = HashMap::with_capacity(free.len());
    for &column in free {
        let name = sample.names[column].as_str();
        if name.is_empty() {
            continue;
        }
        if let Some(earlier) = seen.insert(name, column) {
            let problem = Problem::DuplicateColumn {
                first: earlier + 1,
                second: column + 1,
            };
            return Err(sample.column_place(column).error(problem));
        }
    }
    match sample.names.as_slice() {
        [column] if sample.is_divided => Err(sample.place.clone().error(Problem::OneColumn {
            column: shown(column.as_bytes()),
        })),
        _ => Ok(()),
    }
}

/// Takes the column that names the series out of `free`.
fn take_series(
    sample: &Sample,
    options: &ReadOptions,
    free: &mut Vec<usize>,
) -> Result<Option<usize>, ReadError> {
    let series = match &options.series_column {
        Some(name) => Some(sample.named("--series-column", name)?),
        None => {
            let found: Vec<usize> = SERIES_NAMES
                .iter()
                .filter_map(|name| sample.find(&[name], free))
                .collect();
            if let [first, second, ..] = *found {
                let [first, second] = [first, second].map(|column| sample.names[column].clone());
                return Err(sample
                    .place
                    .clone()
                    .error(Problem::SeveralSeriesColumns { first, second }));
            }
            found.first().copied()
        }
    };
    free.retain(|&column| Some(column) != series);
    Ok(series)
}

/// Takes the columns of labels and of changepoints out of `free`; a second column of labels is left out.
fn take_labels(
    sample: &Sample,
    free: &mut Vec<usize>,
    notes: &mut Vec<Note>,
) -> (Option<usize>, Option<usize>) {
    let label = sample.find(&LABEL_NAMES, free);
    free.retain(|&column| Some(column) != label);
    while let Some(other) = sample.find(&LABEL_NAMES, free) {
        free.retain(|&column| column != other);
        let column = sample.names[other].clone();
        notes.push(Note::ColumnLeftOut {
            column,
            reason: "another column has the labels",
        });
    }
    let changepoint = sample.find(&[CHANGEPOINT_NAME], free);
    free.retain(|&column| Some(column) != changepoint);
    (label, changepoint)
}

/// Takes columns without a name out of `free`: what a delimiter at the end of each line leaves (returned), and row
/// numbers, which spreadsheets and data frames put in front. Any other must be named.
fn take_nameless(
    sample: &Sample,
    free: &mut Vec<usize>,
    notes: &mut Vec<Note>,
) -> Result<Vec<usize>, ReadError> {
    let is_nameless = |column: usize| is_index_name(&sample.names[column]);
    let mut blank = Vec::new();
    for column in free.iter().copied().filter(|&column| is_nameless(column)) {
        if sample.cells(column).next().is_none() {
            blank.push(column);
        } else if counts_rows(sample, column) {
            let column = format!("{} (nameless)", column + 1);
            notes.push(Note::ColumnLeftOut {
                column,
                reason: "it counts the rows",
            });
        } else {
            return Err(sample
                .place
                .clone()
                .error(Problem::NamelessColumn { position: column + 1 }));
        }
    }
    free.retain(|&column| !is_nameless(column));
    Ok(blank)
}

/// What data frames call the numbers of their rows.
fn is_index_name(name: &str) -> bool {
    matches!(name, "" | "Unnamed: 0" | "__index_level_0__")
}

/// Whether the cells of `column` are whole numbers in every row, each one more than the last.
fn counts_rows(sample: &Sample, column: usize) -> bool {
    let numbers: Option<Vec<i64>> = sample
        .cells(column)
        .map(|cell| std::str::from_utf8(cell).ok()?.parse().ok())
        .collect();
    let follows = |pair: &[i64]| pair[0].checked_add(1) == Some(pair[1]);
    numbers.is_some_and(|numbers| numbers.len() == sample.rows.len() && numbers.windows(2).all(follows))
}

/// Takes the columns that make a table one in long form out of `free`, before the time is looked for: a value may
/// read as a time. None where the table is wide.
fn take_long(sample: &Sample, free: &mut Vec<usize>, notes: &mut Vec<Note>) -> Option<Values> {
    let channel = sample.find(&CHANNEL_NAMES, free)?;
    let value = sample.find(&[VALUE_NAME], free)?;
    let quality = sample.find(&[QUALITY_NAME], free);
    if let Some(quality) = quality {
        let column = sample.names[quality].clone();
        notes.push(Note::ColumnLeftOut {
            column,
            reason: "quality codes are not used",
        });
    }
    free.retain(|&column| column != channel && column != value && Some(column) != quality);
    Some(Values::Long { channel, value })
}

/// Refuses a table without channels, or with a column that holds nothing but text.
fn check_channels(sample: &Sample, free: &[usize], numbers: &Numbers) -> Result<(), ReadError> {
    if free.is_empty() {
        return Err(sample.place.clone().error(Problem::NoChannel {
            columns: sample.columns(),
        }));
    }
    for &column in free {
        let mut cells = sample
            .cells(column)
            .filter(|cell| numbers.read(cell) != Cell::Missing)
            .peekable();
        let Some(first) = cells.peek().map(|cell| shown(cell)) else {
            continue;
        };
        if cells.all(|cell| numbers.read(cell) == Cell::Text) {
            let problem = Problem::TextColumn {
                column: sample.names[column].clone(),
                found: first,
            };
            return Err(sample.column_place(column).error(problem));
        }
    }
    Ok(())
}
