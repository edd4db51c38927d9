//! Lines of InfluxDB: `measurement,tag=a,tag=b field=1.5,field=2i 1704067200000000000`.
//!
//! **Series.** The tag `device`, `asset_id` or `series` names it. All other tags stand behind in order of their names:
//! `pump-1,line=2,site=north`; without such a tag they are the name. Lines without tags are the series of their file.
//!
//! **Channels.** A channel is called after its field where the file has one measurement, and `measurement_field` where
//! it has several. Booleans are 1 and 0. A field `is_anomaly`, `anomaly` or `label`, and `changepoint`, is a label.
//!
//! **Time.** Every line has one. Its size tells whether it counts seconds or smaller units, as in tables.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use bellwether_core::time::Timestamp;
use influxdb_line_protocol::{EscapedStr, FieldValue, ParsedLine, parse_lines};

use super::ReadOptions;
use super::cells::shown;
use super::error::{Place, Problem, ReadError};
use super::lines::Lines;
use super::note::Note;
use super::number::{Cell, Numbers};
use super::series::Gather;
use super::sink::{RowHead, Sink};
use super::sniff::{CHANGEPOINT_NAME, LABEL_NAMES, SAMPLE_ROWS, SERIES_NAMES};
use super::source::Source;
use super::time_format::EpochUnit;
use super::time_text::TimeText;

/// Lines that one row goes on for at most: text may hold line feeds.
const ROW_LINES_MAX: u64 = 64;

/// Stands between measurement and field in the name of a channel until all measurements are known. Measurements never
/// hold it.
const BETWEEN: char = '\0';

/// Whether text that begins with `head` is line protocol: its first line is. A header of a table hardly ever is.
pub(super) fn is_likely(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let mut lines = head.split_inclusive(|&byte| byte == b'\n');
    let Some(first) = lines.find(|line| says_something(line)) else {
        return false;
    };
    let is_line = |line: &[u8]| {
        line.contains(&b'=') && std::str::from_utf8(line).is_ok_and(|text| parsed(text).is_ok())
    };
    // Text in a field may hold line feeds; the fields before it tell.
    let before_text = || {
        let quote = first.windows(2).position(|two| two == b"=\"")?;
        let end = first[..quote].iter().rposition(|&byte| byte == b',')?;
        Some(&first[..end])
    };
    is_line(first) || before_text().is_some_and(is_line)
}

pub(super) fn says_something(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    !line.is_empty() && !line.starts_with(b"#")
}

pub(super) fn parsed(text: &str) -> Result<ParsedLine<'_>, String> {
    let mut lines = parse_lines(text.trim_end_matches(['\n', '\r']));
    match (lines.next(), lines.next()) {
        (Some(Ok(line)), None) => Ok(line),
        (Some(Err(error)), _) => Err(error.to_string()),
        _ => Err("no line, or several".to_owned()),
    }
}

/// Reads line protocol; lines without tags are the series called `name`.
pub(super) fn read(
    source: Source,
    name: &str,
    options: &ReadOptions,
    gather: &mut Gather,
) -> Result<(), ReadError> {
    let file = source.file.clone();
    let mut rows = Rows::new(&file, &source.head, options)?;
    let mut lines = Lines::new(source.file, source.bytes);
    let mut sink = Sink::of_values(&file, name, gather);
    let mut n_rows = 0_u64;
    while lines.advance()? {
        if !says_something(&lines.line) {
            continue;
        }
        rows.whole(&mut lines)?;
        let given = rows.row(&lines.line, &mut sink);
        given.map_err(|(column, problem)| match column {
            Some(column) => lines.place().in_column(&column).error(problem),
            None => lines.place().error(problem),
        })?;
        n_rows += 1;
    }
    if n_rows == 0 {
        return Err(Place::file(&file).error(Problem::Empty));
    }
    rows.finish(sink, &file)
}

/// The unit of the times, told from the first lines.
fn unit_of(head: &[u8]) -> EpochUnit {
    let lines = head
        .split(|&byte| byte == b'\n')
        .filter(|line| says_something(line))
        .take(SAMPLE_ROWS);
    let times = lines.filter_map(|line| parsed(std::str::from_utf8(line).ok()?).ok()?.timestamp);
    let largest = times.max_by_key(|time| time.unsigned_abs()).unwrap_or(0);
    EpochUnit::of_magnitude(largest)
}

/// What a channel is called, where the input has `several` measurements or one.
pub(super) fn channel_name(channel: &str, has_several: bool) -> Option<String> {
    let (measurement, field) = channel.split_once(BETWEEN)?;
    Some(if has_several {
        format!("{measurement}_{field}")
    } else {
        field.to_owned()
    })
}

/// Whether lines that begin with `head` have several measurements.
pub(super) fn has_several_measurements(head: &[u8]) -> bool {
    let measurement = |line: &[u8]| {
        let line = std::str::from_utf8(line).ok()?;
        Some(parsed(line).ok()?.series.measurement.to_string())
    };
    let mut lines = head
        .split(|&byte| byte == b'\n')
        .filter(|line| says_something(line));
    let first = lines.find_map(measurement);
    lines.filter_map(measurement).any(|other| Some(other) != first)
}

/// What is wrong with a line: the field or tag, where it is the trouble of one.
pub(super) type Wrong = (Option<String>, Problem);

/// The problem of a field that should hold a number.
pub(super) fn value_problem(field: &str, value: &FieldValue<'_>, wrong: Cell) -> Wrong {
    let found = value.to_string();
    let problem = match wrong {
        Cell::Infinite => Problem::Infinite { found },
        Cell::DecimalComma => Problem::DecimalComma { found },
        _ => Problem::TextColumn {
            column: field.to_owned(),
            found: shown(found.as_bytes()),
        },
    };
    (Some(field.to_owned()), problem)
}

/// The lines of a file being read.
#[derive(Debug)]
pub(super) struct Rows {
    options: ReadOptions,
    numbers: Numbers,
    unit: EpochUnit,
    times: TimeText,
    /// The names of the fields that are label and changepoint, known from the first line.
    marks: Option<[Option<String>; 2]>,
    measurements: HashSet<String>,
    /// Names of tags and fields that options know.
    seen: BTreeSet<String>,
    left_out: BTreeSet<String>,
    has_series: bool,
    /// The series of the last line.
    pub(super) series: String,
    /// Names of the channels of a line, measurement and field.
    pub(super) channels: Vec<String>,
}

impl Rows {
    /// For the lines of `file`, which begins with `head`.
    ///
    /// # Errors
    /// Where options want what lines do not have.
    pub(super) fn new(file: &Path, head: &[u8], options: &ReadOptions) -> Result<Self, ReadError> {
        if let Some(wanted) = options.time_column.clone() {
            return Err(Place::file(file).error(Problem::UnknownColumn {
                option: "--time-column",
                wanted,
                columns: "those of line protocol, whose time stands last on each line".to_owned(),
            }));
        }
        Ok(Self {
            options: options.clone(),
            numbers: Numbers::new(&options.missing),
            unit: unit_of(head),
            times: TimeText::new(true),
            marks: None,
            measurements: HashSet::new(),
            seen: BTreeSet::new(),
            left_out: BTreeSet::new(),
            has_series: false,
            series: String::new(),
            channels: Vec::new(),
        })
    }

    /// Makes sure that `lines` has a whole line, which text with line feeds makes go on.
    pub(super) fn whole(&self, lines: &mut Lines) -> Result<(), ReadError> {
        for _ in 0..ROW_LINES_MAX {
            let n_marks = lines.line.iter().filter(|&&byte| byte == b'"').count();
            let is_open =
                n_marks % 2 == 1 && std::str::from_utf8(&lines.line).is_ok_and(|text| parsed(text).is_err());
            if !is_open || !lines.append()? {
                break;
            }
        }
        Ok(())
    }

    fn row(&mut self, line: &[u8], sink: &mut Sink<'_>) -> Result<(), Wrong> {
        let text = std::str::from_utf8(line).map_err(|_| (None, Problem::NotUtf8 { found: shown(line) }))?;
        let line = parsed(text).map_err(|found| (None, Problem::BadLine { found }))?;
        let time = self.time(&line)?;
        let mut time_text = Vec::with_capacity(32);
        self.push_time(&mut time_text, time);

        let has_tags = self.find_series(&line)?;
        let marks = self.marks(&line)?;
        let mut values = Vec::with_capacity(line.field_set.len());
        self.channels(&line, |field, value, said| {
            values.push(said.map_err(|wrong| value_problem(field, value, wrong))?);
            Ok(())
        })?;
        let head = RowHead {
            time,
            time_text: &time_text,
            series: has_tags.then_some(self.series.as_str()),
            label: marks[0],
            changepoint: marks[1],
        };
        let named = self.channels.iter().map(String::as_str).zip(values);
        sink.named_row(&head, named)
            .map_err(|(_, problem)| (None, problem))
    }

    /// Takes the unit of all times from this one.
    pub(super) fn set_unit(&mut self, time: Option<i64>) {
        self.unit = EpochUnit::of_magnitude(time.unwrap_or(0));
    }

    /// Measurements so far.
    pub(super) fn n_measurements(&self) -> usize {
        self.measurements.len()
    }

    /// Appends an instant as it is written in answers.
    pub(super) fn push_time(&mut self, out: &mut Vec<u8>, time: Timestamp) {
        self.times.push(out, time.as_nanos());
    }

    /// The instant of `line`.
    pub(super) fn time(&self, line: &ParsedLine<'_>) -> Result<Timestamp, Wrong> {
        let count = line.timestamp.ok_or((None, Problem::NoTime))?;
        let nanos = self.unit.in_nanos(count).ok_or_else(|| {
            let found = count.to_string();
            (None, Problem::BadTime { found })
        })?;
        Ok(Timestamp::from_nanos(nanos))
    }

    /// Gives each value of `line` that is a channel's, whose name then stands at its place in `self.channels`.
    pub(super) fn channels(
        &mut self,
        line: &ParsedLine<'_>,
        mut each: impl FnMut(&str, &FieldValue<'_>, Result<f64, Cell>) -> Result<(), Wrong>,
    ) -> Result<(), Wrong> {
        let measurement = line.series.measurement.as_str();
        if !self.measurements.contains(measurement) {
            self.measurements.insert(measurement.to_owned());
        }
        let mut n_values = 0;
        for (field, value) in &line.field_set {
            if self.is_ignored(field) || self.is_mark(field) {
                continue;
            }
            let said = self.number(value);
            match self.channels.get_mut(n_values) {
                Some(name) => name.clear(),
                None => self.channels.push(String::new()),
            }
            let name = &mut self.channels[n_values];
            name.push_str(measurement);
            name.push(BETWEEN);
            name.push_str(field);
            n_values += 1;
            each(field, value, said)?;
        }
        Ok(())
    }

    /// Finds the series of `line`; false where it has no tags that say so.
    pub(super) fn find_series(&mut self, line: &ParsedLine<'_>) -> Result<bool, Wrong> {
        self.series.clear();
        let no_tags = Default::default();
        let tags = line.series.tag_set.as_ref().unwrap_or(&no_tags);
        let is_name = |tag: &EscapedStr<'_>| match &self.options.series_column {
            Some(name) => **tag == **name,
            None => SERIES_NAMES.iter().any(|name| tag.eq_ignore_ascii_case(name)),
        };
        let mut named = None;
        let mut others = Vec::new();
        for (tag, value) in tags {
            if self.options.ignore_columns.iter().any(|name| **tag == **name) {
                self.seen.insert(tag.to_string());
            } else if is_name(tag) {
                if let Some((first, _)) = named {
                    let [first, second]: [&EscapedStr<'_>; 2] = [first, tag];
                    let [first, second] = [first, second].map(EscapedStr::to_string);
                    return Err((None, Problem::SeveralSeriesColumns { first, second }));
                }
                named = Some((tag, value));
            } else {
                others.push((tag.as_str(), value.as_str()));
            }
        }
        if named.is_none() && self.options.series_column.is_some() {
            return Err((self.options.series_column.clone(), Problem::NoSeries));
        }
        others.sort_unstable();
        self.series.extend(named.map(|(_, value)| value.as_str()));
        for (tag, value) in others {
            if !self.series.is_empty() {
                self.series.push(',');
            }
            self.series.push_str(tag);
            self.series.push('=');
            self.series.push_str(value);
        }
        self.has_series |= !self.series.is_empty();
        Ok(!self.series.is_empty())
    }

    fn is_ignored(&mut self, field: &str) -> bool {
        let is_ignored = self.options.ignore_columns.iter().any(|name| name == field);
        if is_ignored && !self.seen.contains(field) {
            self.seen.insert(field.to_owned());
        }
        is_ignored
    }

    /// Whether `field` says yes or no: the ones found in the first line, or one that is left out beside them.
    fn is_mark(&mut self, field: &str) -> bool {
        let is_used = self.marks.iter().flatten().flatten().any(|name| name == field);
        let is_other = LABEL_NAMES.iter().any(|name| field.eq_ignore_ascii_case(name));
        if is_other && !is_used && !self.left_out.contains(field) {
            self.left_out.insert(field.to_owned());
        }
        is_used || is_other
    }

    /// Label and changepoint of `line`, which has them if the first line had.
    pub(super) fn marks(&mut self, line: &ParsedLine<'_>) -> Result<[Option<bool>; 2], Wrong> {
        let names = self.marks.get_or_insert_with(|| {
            let find = |wanted: &[&str]| {
                wanted.iter().find_map(|wanted| {
                    let mut fields = line.field_set.iter().map(|(field, _)| field);
                    let found = fields.find(|field| field.eq_ignore_ascii_case(wanted))?;
                    Some(found.to_string())
                })
            };
            [find(&LABEL_NAMES), find(&[CHANGEPOINT_NAME])]
        });
        let mut marks = [None, None];
        for (mark, name) in marks.iter_mut().zip(names) {
            let Some(name) = name else { continue };
            let value = line.field_value(name);
            let found = || value.map(ToString::to_string).unwrap_or_default();
            let says = match value {
                Some(FieldValue::Boolean(says)) => Some(*says),
                Some(FieldValue::I64(0) | FieldValue::U64(0)) => Some(false),
                Some(FieldValue::I64(1) | FieldValue::U64(1)) => Some(true),
                Some(FieldValue::F64(value)) if value.abs() < f64::MIN_POSITIVE => Some(false),
                Some(FieldValue::F64(value)) if (value - 1.0).abs() < f64::EPSILON => Some(true),
                _ => None,
            };
            let says = says.ok_or_else(|| (Some(name.clone()), Problem::BadLabel { found: found() }))?;
            *mark = Some(says);
        }
        Ok(marks)
    }

    /// A value as a number; what it is otherwise.
    fn number(&self, value: &FieldValue<'_>) -> Result<f64, Cell> {
        let of_text = |text: &str| match self.numbers.read(text.as_bytes()) {
            Cell::Value(value) => Ok(value),
            Cell::Missing => Ok(f64::NAN),
            wrong => Err(wrong),
        };
        match value {
            FieldValue::I64(value) if self.options.missing.is_empty() => Ok(*value as f64),
            FieldValue::I64(value) => of_text(&value.to_string()),
            FieldValue::U64(value) => Ok(*value as f64),
            FieldValue::F64(value) if self.options.missing.is_empty() && value.is_finite() => Ok(*value),
            FieldValue::F64(value) => of_text(&value.to_string()),
            FieldValue::Boolean(value) => Ok(f64::from(u8::from(*value))),
            FieldValue::String(text) => of_text(text),
        }
    }

    /// The names of the fields that are label and changepoint, as far as they are known and there.
    pub(super) fn mark_names(&self) -> impl Iterator<Item = Option<&str>> {
        let names = self.marks.as_ref().map_or(&[][..], |names| names.as_slice());
        names.iter().map(Option::as_deref)
    }

    /// Whether all that options leave out was there.
    pub(super) fn check_options(&self, file: &Path) -> Result<(), ReadError> {
        let unknown = |wanted: &&String| !self.seen.contains(*wanted);
        match self.options.ignore_columns.iter().find(unknown) {
            None => Ok(()),
            Some(wanted) => Err(Place::file(file).error(Problem::UnknownColumn {
                option: "--ignore-column",
                wanted: wanted.clone(),
                columns: "the tags and fields of the lines".to_owned(),
            })),
        }
    }

    fn finish(self, mut sink: Sink<'_>, file: &Path) -> Result<(), ReadError> {
        self.check_options(file)?;
        let notes = self.left_out.into_iter().map(|column| Note::ColumnLeftOut {
            column,
            reason: "another column has the labels",
        });
        let [label, changepoint] = self.marks.unwrap_or_default();
        sink.set_marks(self.has_series, label.is_some(), changepoint.is_some());
        let has_several = self.measurements.len() > 1;
        sink.finish(notes.collect(), |channel| channel_name(channel, has_several))
    }
}
