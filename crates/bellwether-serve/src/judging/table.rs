//! The rows of a request, whatever its form: series that can be judged, with their times as they stood there.

use std::collections::{BTreeMap, HashMap};

use bellwether_core::frame::{Channel, Frame};
use bellwether_core::time::Timestamp;
use bellwether_store::read::time_format::parse_time;
use bellwether_store::read::{Bounds, ReadOptions, Recording, foreign_to_lines, read_csv_bytes};
use bellwether_stream::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{Object, OneOfBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::error;

/// Rows of one request at most.
pub(crate) const ROWS_MAX: usize = 100_000;

/// Channels of one request at most.
pub(crate) const CHANNELS_MAX: usize = 1_000;

/// Values of one request at most, rows times channels: a body may name many channels and give each a few values.
pub(crate) const CELLS_MAX: usize = 10_000_000;

/// The same for a table. A packed one is refused before.
const BOUNDS: Bounds = Bounds {
    bytes: u64::MAX,
    rows: ROWS_MAX as u32,
    channels: CHANNELS_MAX,
    cells: CELLS_MAX,
};

/// A table to learn from, which may be packed.
pub(crate) const BOUNDS_TO_TRAIN: Bounds = Bounds {
    bytes: 256 << 20,
    rows: 5_000_000,
    channels: CHANNELS_MAX,
    cells: 4 * CELLS_MAX,
};

/// What a series is called that nobody names: as the command calls standard input.
pub(crate) const UNNAMED: &str = "-";

/// A series to judge.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    /// Whether the input tells of several series.
    pub(crate) is_told_apart: bool,
    pub(crate) frame: Frame,
    pub(crate) rows: Vec<Row>,
}

/// A row as it stood in the input.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) time: Box<str>,
    pub(crate) sample_idx: usize,
    pub(crate) position: usize,
}

/// An instant as it was sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum TimeText {
    /// RFC 3339.
    Text(String),
    /// Seconds, milliseconds, microseconds or nanoseconds since 1970, by magnitude.
    Number(serde_json::Number),
}

/// Values by channel; `null` where nothing was measured.
pub(crate) type Values = BTreeMap<String, Option<f64>>;

impl PartialSchema for TimeText {
    fn schema() -> RefOr<Schema> {
        let of = |kind| Object::builder().schema_type(kind);
        OneOfBuilder::new()
            .description(Some(
                "RFC 3339; or a number: seconds, milliseconds, microseconds or nanoseconds since 1970.",
            ))
            .item(of(Type::String))
            .item(of(Type::Number))
            .into()
    }
}

impl ToSchema for TimeText {}

impl TimeText {
    /// The instant, and how it was written.
    pub(crate) fn read(&self) -> Result<(Timestamp, String), Problem> {
        let text = match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
        };
        match parse_time(&text) {
            Some(time) => Ok((time, text)),
            None => Err(error::unprocessable(format!(
                "{text:?} is no time; wanted such as 2024-05-01T08:00:00Z"
            ))),
        }
    }
}

/// The series of a table in CSV.
pub(crate) fn of_csv(bytes: &[u8], device: Option<&str>) -> Result<Vec<Series>, Problem> {
    if let Some(found) = foreign_to_lines(bytes) {
        return Err(error::unprocessable(format!(
            "the body is {found}; a table is wanted as text"
        )));
    }
    let recordings = read(bytes, &BOUNDS)?;
    Ok(recordings
        .into_iter()
        .map(|recording| of_recording(recording, device))
        .collect())
}

/// The recordings of a table, within bounds.
pub(crate) fn read(bytes: &[u8], bounds: &Bounds) -> Result<Vec<Recording>, Problem> {
    read_csv_bytes(bytes, &ReadOptions::default(), bounds).map_err(|error| {
        let text = bellwether_stream::chain(&error);
        if error.is_too_large() {
            error::too_large(text)
        } else {
            error::unprocessable(text)
        }
    })
}

fn of_recording(recording: Recording, device: Option<&str>) -> Series {
    let given = &recording.rows;
    let row = |idx| Row {
        time: given.time_text(idx).into(),
        sample_idx: given.sample_idx(idx),
        position: given.position(idx),
    };
    let is_told_apart = recording.series.is_some();
    Series {
        rows: (0..given.n_rows()).map(row).collect(),
        name: if is_told_apart {
            recording.name
        } else {
            device.unwrap_or(UNNAMED).to_owned()
        },
        is_told_apart,
        frame: recording.frame,
    }
}

/// One series that is being put together from rows by channel name.
#[derive(Debug, Default)]
pub(crate) struct Gather {
    places: HashMap<String, usize>,
    names: Vec<String>,
    cells: Vec<(usize, usize, f64)>,
    time: Vec<Timestamp>,
    rows: Vec<Row>,
}

impl Gather {
    /// Adds a row. An instant that stands twice is no error: its first row is the sample.
    pub(crate) fn row(
        &mut self,
        (time, text): (Timestamp, String),
        values: impl IntoIterator<Item = (impl AsRef<str>, Option<f64>)>,
    ) -> Result<(), Problem> {
        if self.rows.len() >= ROWS_MAX {
            return Err(error::too_large(format!(
                "at most {ROWS_MAX} rows are judged at once: send them in parts"
            )));
        }
        let is_again = self.time.last() == Some(&time);
        if let Some(last) = self.time.last().filter(|last| **last > time) {
            return Err(error::unprocessable(format!(
                "the sample of {time} comes after that of {last}: time must not run backwards"
            )));
        }
        if !is_again {
            self.time.push(time);
        }
        let sample_idx = self.time.len() - 1;
        for (name, value) in values {
            let place = self.place(name.as_ref())?;
            if let Some(value) = value.filter(|_| !is_again) {
                self.cells.push((sample_idx, place, value));
            }
        }
        let position = self.rows.len();
        self.rows.push(Row {
            time: text.into(),
            sample_idx,
            position,
        });
        Ok(())
    }

    fn place(&mut self, name: &str) -> Result<usize, Problem> {
        if let Some(place) = self.places.get(name) {
            return Ok(*place);
        }
        let place = self.names.len();
        if place >= CHANNELS_MAX {
            return Err(too_many_channels(place + 1));
        }
        self.names.push(name.to_owned());
        self.places.insert(name.to_owned(), place);
        Ok(place)
    }

    /// The series of all rows.
    pub(crate) fn finish(self, name: &str) -> Result<Series, Problem> {
        let n = self.names.len();
        let mut values = vec![f64::NAN; n * self.time.len()];
        for (sample_idx, place, value) in self.cells {
            values[sample_idx * n + place] = value;
        }
        let channels: Vec<Channel> = self.names.into_iter().map(Channel::new).collect();
        let frame = Frame::new(channels, self.time, values);
        Ok(Series {
            name: name.to_owned(),
            is_told_apart: false,
            frame: frame.map_err(|error| error::unprocessable(error.to_string()))?,
            rows: self.rows,
        })
    }
}

/// Refuses what is more than is judged at once.
pub(crate) fn check_size(series: &[Series]) -> Result<(), Problem> {
    let n_rows: usize = series.iter().map(|series| series.rows.len()).sum();
    if n_rows > ROWS_MAX {
        return Err(error::too_large(format!(
            "{n_rows} rows; at most {ROWS_MAX} are judged at once: send them in parts"
        )));
    }
    match series.iter().map(|series| series.frame.n_channels()).max() {
        Some(n) if n > CHANNELS_MAX => Err(too_many_channels(n)),
        _ => Ok(()),
    }
}

fn too_many_channels(n: usize) -> Problem {
    error::too_large(format!("{n} channels or more; at most {CHANNELS_MAX} are judged"))
}
