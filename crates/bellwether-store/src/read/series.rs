//! Rows gathered into series: each file is one, or a column tells them apart.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bellwether_core::frame::{Channel, Frame, SeriesId};
use bellwether_core::time::{Spacing, Timestamp};

use super::error::{Place, Problem, ReadError};
use super::note::Note;
use super::piece::Heads;
use super::rows::{InputRows, room};
use super::{Bounds, ReadOptions, Recording};

/// A spacing is called jittery from this share of the cadence on: below it lies the noise of clocks.
const JITTER_NOTED: f64 = 0.01;

/// Samples that are looked at together before missing values are counted.
const SEEN_SAMPLES: usize = 64;

/// What all rows of a series have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) channels: Arc<[Channel]>,
    pub(super) has_labels: bool,
    pub(super) has_changepoints: bool,
}

/// All series of a reading.
pub(super) struct Gather {
    bounds: Bounds,
    by_name: HashMap<String, usize>,
    series: Vec<SeriesRows>,
    n_rows: u32,
    n_cells: usize,
    order: Order,
}

/// What is to be done about times.
#[derive(Debug, Clone, Copy)]
pub(super) struct Order {
    /// Rows out of order are put in order.
    pub(super) sort: bool,
    now: Option<Timestamp>,
}

impl Gather {
    /// Nothing yet, and never more than `bounds`.
    pub(super) fn new(bounds: Bounds, options: &ReadOptions) -> Self {
        Self {
            order: Order {
                sort: options.sort,
                now: options.now,
            },
            bounds,
            by_name: HashMap::new(),
            series: Vec::new(),
            n_rows: 0,
            n_cells: 0,
        }
    }

    /// Whether rows out of order are put in order.
    pub(super) fn sort(&self) -> bool {
        self.order.sort
    }

    /// Position of the next row among all rows.
    pub(super) fn next_position(&mut self) -> Result<u32, Problem> {
        let position = self.n_rows;
        let rows_max = self.bounds.rows;
        if position >= rows_max {
            return Err(Problem::TooManyRows { rows_max });
        }
        self.n_rows = position + 1;
        Ok(position)
    }

    /// Positions for `n_rows` rows that are samples of `n_channels`, the first of them; `None` where there may not be so
    /// many, and nothing has changed.
    fn take(&mut self, n_rows: usize, n_channels: usize) -> Option<u32> {
        let first = self.n_rows;
        let n_after = u32::try_from(n_rows).ok()?.checked_add(first)?;
        if n_after > self.bounds.rows {
            return None;
        }
        self.count_cells(n_rows, n_channels).ok()?;
        self.n_rows = n_after;
        Some(first)
    }

    /// Adds rows to series `idx` at once, where each is the sample after the one before; `None` where they are not, or are
    /// too many, and nothing has changed. `values` writes their values, row after row, behind those there are, and says
    /// whether all are known to be finite, as this does.
    pub(super) fn follow(
        &mut self,
        idx: usize,
        heads: &Heads,
        values: impl FnOnce(&mut Vec<f64>) -> bool,
    ) -> Result<Option<bool>, Problem> {
        let series = &self.series[idx];
        if !series.goes_on_with(&heads.time) {
            return Ok(None);
        }
        let n_channels = series.shape.channels.len();
        let Some(position) = self.take(heads.n_rows(), n_channels) else {
            return Ok(None);
        };
        self.series[idx].extend(heads, values, position).map(Some)
    }

    /// Makes room for so many rows of series `idx`, as far as there may be so many. What is never written to takes no
    /// memory, so a number that is not true costs nothing.
    pub(super) fn expect(&mut self, idx: usize, n_rows: usize) {
        let series = &mut self.series[idx];
        let n_channels = series.shape.channels.len().max(1);
        let room = (self.bounds.cells - self.n_cells) / n_channels;
        let n_rows = n_rows.min(room).min((self.bounds.rows - self.n_rows) as usize);
        // Where there is no room, rows make it as they come.
        let _ = series.time.try_reserve_exact(n_rows);
        let _ = series.values.try_reserve_exact(n_rows * n_channels);
        series.rows.expect(n_rows);
    }

    /// Whether a series may have so many channels.
    pub(super) fn check_channels(&self, n_channels: usize) -> Result<(), Problem> {
        let channels_max = self.bounds.channels;
        if n_channels > channels_max {
            return Err(Problem::TooManyChannels { channels_max });
        }
        Ok(())
    }

    /// Counts samples that are about to be kept.
    pub(super) fn count_cells(&mut self, n_samples: usize, n_channels: usize) -> Result<(), Problem> {
        let cells_max = self.bounds.cells;
        let sum = n_samples
            .checked_mul(n_channels)
            .and_then(|n_cells| self.n_cells.checked_add(n_cells));
        match sum.filter(|sum| *sum <= cells_max) {
            Some(sum) => self.n_cells = sum,
            None => return Err(Problem::TooManyCells { cells_max }),
        }
        Ok(())
    }

    /// The series called `name`, begun where it is new. A series may go on in a later file that has the same shape.
    pub(super) fn open(&mut self, name: &str, file: &Path, shape: &Shape) -> Result<usize, Problem> {
        if let Some(&idx) = self.by_name.get(name) {
            let known = &mut self.series[idx];
            if known.shape != *shape {
                return Err(Problem::SeriesChanged {
                    series: name.to_owned(),
                    other: known.file.clone(),
                });
            }
            return Ok(idx);
        }
        let idx = self.series.len();
        self.by_name.insert(name.to_owned(), idx);
        self.series.push(SeriesRows::new(name, file, shape, self.order));
        Ok(idx)
    }

    /// The series of a file that is one series as a whole.
    pub(super) fn open_file(&mut self, name: &str, file: &Path, shape: &Shape) -> Result<usize, Problem> {
        match self.by_name.get(name) {
            Some(&idx) => Err(Problem::SeriesTwice {
                series: name.to_owned(),
                other: self.series[idx].file.clone(),
            }),
            None => self.open(name, file, shape),
        }
    }

    /// One series.
    pub(super) fn series(&mut self, idx: usize) -> &mut SeriesRows {
        &mut self.series[idx]
    }

    /// How many series there are so far.
    pub(super) fn n_series(&self) -> usize {
        self.series.len()
    }

    /// The recordings in order of first appearance.
    pub(super) fn finish(self) -> Result<Vec<Recording>, ReadError> {
        let has_several = self.series.len() > 1;
        let mut recordings = Vec::with_capacity(self.series.len());
        for series in self.series {
            recordings.push(series.finish(has_several)?);
        }
        Ok(recordings)
    }
}

/// The rows of one series so far.
pub(super) struct SeriesRows {
    name: String,
    file: PathBuf,
    shape: Shape,
    pub(super) time: Vec<Timestamp>,
    pub(super) values: Vec<f64>,
    pub(super) rows: InputRows,
    pub(super) labels: Vec<bool>,
    pub(super) changepoints: Vec<bool>,
    pub(super) notes: Vec<Note>,
    /// Missing cells of each channel among the first `n_seen` values, and whether one of those is infinite.
    n_missing: Vec<usize>,
    has_infinite: bool,
    n_seen: usize,
    n_repeated: usize,
    first_repeated: Option<String>,
    pub(super) order: Order,
    n_late: usize,
    first_late: Option<Timestamp>,
    latest: Option<Timestamp>,
}

impl SeriesRows {
    fn new(name: &str, file: &Path, shape: &Shape, order: Order) -> Self {
        Self {
            name: name.to_owned(),
            file: file.to_owned(),
            shape: shape.clone(),
            time: Vec::new(),
            values: Vec::new(),
            rows: InputRows::default(),
            labels: Vec::new(),
            changepoints: Vec::new(),
            notes: Vec::new(),
            n_missing: vec![0; shape.channels.len()],
            has_infinite: false,
            n_seen: 0,
            n_repeated: 0,
            first_repeated: None,
            order,
            n_late: 0,
            first_late: None,
            latest: None,
        }
    }

    /// The name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Begins a row of a wide table; true where it is a sample, false where its time stands already.
    pub(super) fn begin_row(&mut self, time: Timestamp, text: &[u8], position: u32) -> Result<bool, Problem> {
        let is_sample = match self.latest {
            Some(latest) if time < latest && self.order.sort => {
                self.count_late(time);
                true
            }
            Some(last) if time < last => return Err(Problem::TimeRunsBack { time, last }),
            // Once rows are to be put in order, which of them share a time shows at the end.
            Some(latest) => time > latest || self.n_late > 0,
            None => true,
        };
        self.rows.make_room(text)?;
        room(&mut self.time, 1)?;
        room(&mut self.values, self.shape.channels.len())?;
        self.latest = self.latest.max(Some(time));
        if is_sample {
            self.time.push(time);
        } else {
            self.count_repeated(text);
        }
        // Never more samples than rows, and rows are counted in 32 bits.
        self.rows.push(text, (self.time.len() - 1) as u32, position);
        Ok(is_sample)
    }

    /// Whether rows at `time` are samples behind those there are.
    fn goes_on_with(&self, time: &[Timestamp]) -> bool {
        let comes_later = match (self.latest, time.first()) {
            (Some(latest), Some(&first)) => latest < first,
            _ => true,
        };
        comes_later && self.n_late == 0 && time.windows(2).all(|pair| pair[0] < pair[1])
    }

    /// Adds rows that are samples. Whether all `values` are known to be finite.
    fn extend(
        &mut self,
        heads: &Heads,
        values: impl FnOnce(&mut Vec<f64>) -> bool,
        position: u32,
    ) -> Result<bool, Problem> {
        room(&mut self.time, heads.n_rows())?;
        room(&mut self.values, heads.n_rows() * self.shape.channels.len())?;
        let n_before = self.values.len();
        // Never more samples than rows, and rows are counted in 32 bits.
        self.rows
            .extend(&heads.time_text, self.time.len() as u32, position)?;
        self.time.extend_from_slice(&heads.time);
        let all_finite = values(&mut self.values);
        self.labels.extend_from_slice(&heads.labels);
        self.changepoints.extend_from_slice(&heads.changepoints);
        self.latest = self.latest.max(heads.time.last().copied());
        if all_finite && self.n_seen == n_before {
            self.n_seen = self.values.len();
        } else {
            self.see_values(); // while they are in the cache
        }
        Ok(all_finite)
    }

    /// Counts the missing cells of samples that have come since the last call; readers refuse infinite ones.
    fn see_values(&mut self) {
        let n_channels = self.shape.channels.len();
        let values = &self.values[self.n_seen..];
        for samples in values.chunks(n_channels * SEEN_SAMPLES) {
            // Mostly all are finite, which is seen without stopping within: that goes several at once.
            if samples.iter().fold(true, |all, value| all & value.is_finite()) {
                continue;
            }
            for sample in samples.chunks_exact(n_channels) {
                for (count, value) in self.n_missing.iter_mut().zip(sample) {
                    *count += usize::from(value.is_nan());
                    self.has_infinite |= value.is_infinite();
                }
            }
        }
        self.n_seen = self.values.len();
    }

    /// Counts a row whose time, written as `text`, an earlier row has.
    pub(super) fn count_repeated(&mut self, text: &[u8]) {
        self.n_repeated += 1;
        self.first_repeated
            .get_or_insert_with(|| String::from_utf8_lossy(text).trim().to_owned());
    }

    /// Counts a row that comes after one of a later time.
    pub(super) fn count_late(&mut self, time: Timestamp) {
        self.n_late += 1;
        self.first_late.get_or_insert(time);
    }

    /// Puts samples in the order of time. Of those that share one the first row that was read is the sample, as where
    /// rows come in order.
    fn put_in_order(&mut self) {
        let n_channels = self.shape.channels.len();
        let mut order: Vec<usize> = (0..self.time.len()).collect();
        order.sort_by_key(|&sample| self.time[sample]);
        let mut place = vec![0_u32; order.len()];
        let (mut time, mut values) = (
            Vec::with_capacity(order.len()),
            Vec::with_capacity(self.values.len()),
        );
        let mut repeated = Vec::new();
        for sample in order {
            if time.last() == Some(&self.time[sample]) {
                repeated.push(self.time[sample]);
            } else {
                time.push(self.time[sample]);
                values.extend_from_slice(&self.values[sample * n_channels..(sample + 1) * n_channels]);
            }
            // Never more samples than rows, and rows are counted in 32 bits.
            place[sample] = (time.len() - 1) as u32;
        }
        self.rows.move_samples(&place);
        for at in repeated {
            self.count_repeated(at.to_string().as_bytes());
        }
        (self.time, self.values) = (time, values);
        self.n_missing.fill(0);
        self.n_seen = 0;
    }

    fn finish(mut self, has_several: bool) -> Result<Recording, ReadError> {
        if self.n_late > 0 {
            self.put_in_order();
        }
        self.see_values();
        let spacing = Spacing::infer(&self.time);
        self.note_rows(spacing);
        let frame = if self.has_infinite {
            Frame::new(self.shape.channels, self.time, self.values) // names it
        } else {
            let cadence = spacing.map_or(Duration::ZERO, |spacing| spacing.cadence);
            Frame::of_finite(self.shape.channels, self.time, self.values, cadence)
        };
        let frame = frame.map_err(|error| Place::file(&self.file).error(Problem::Frame(error)))?;
        Ok(Recording {
            series: has_several.then(|| SeriesId::new(self.name.as_str())),
            name: self.name,
            source: self.file,
            frame,
            labels: self.shape.has_labels.then_some(self.labels),
            changepoints: self.shape.has_changepoints.then_some(self.changepoints),
            rows: self.rows,
            notes: self.notes,
        })
    }

    fn note_rows(&mut self, spacing: Option<Spacing>) {
        if let Some(first) = self.first_late {
            self.notes.push(Note::Sorted {
                n_rows: self.n_late,
                first,
            });
        }
        if let (Some(now), Some(&last)) = (self.order.now, self.time.last())
            && last > now
        {
            self.notes.push(Note::Future {
                n_samples: self.time.len() - self.time.partition_point(|time| *time <= now),
                last,
            });
        }
        if let Some(first) = self.first_repeated.take() {
            self.notes.push(Note::RepeatedTimes {
                n_rows: self.n_repeated,
                first,
            });
        }
        if let Some(Spacing {
            cadence,
            jitter,
            n_gaps,
            longest,
        }) = spacing
        {
            if jitter >= JITTER_NOTED {
                self.notes.push(Note::Jitter { jitter, cadence });
            }
            if n_gaps > 0 {
                self.notes.push(Note::Gaps {
                    n_gaps,
                    longest,
                    since: before_longest(&self.time),
                    cadence,
                });
            }
        }
        for (channel, &n_cells) in self
            .shape
            .channels
            .iter()
            .zip(&self.n_missing)
            .filter(|&(_, n_cells)| *n_cells > 0)
        {
            let channel = channel.name().to_owned();
            self.notes.push(Note::MissingCells {
                channel,
                n_cells,
                n_samples: self.time.len(),
            });
        }
    }
}

/// The instant before the longest spacing, the first of equals.
fn before_longest(time: &[Timestamp]) -> Timestamp {
    let mut longest = (Duration::ZERO, Timestamp::from_nanos(0));
    for pair in time.windows(2) {
        let spacing = pair[1].since(pair[0]);
        if spacing > longest.0 {
            longest = (spacing, pair[0]);
        }
    }
    longest.1
}
