//! The rows of one series that name the channels of their values, turned into samples: a table in long form has one
//! value a row, line protocol may have several.
//!
//! Rows may come sorted by time, or channel after channel: within each channel time must not run backwards.

use std::collections::HashMap;
use std::sync::Arc;

use bellwether_core::frame::Channel;
use bellwether_core::time::Timestamp;

use super::error::Problem;
use super::rows::{InputRows, room};
use super::series::SeriesRows;

/// Values of a series spread out at most, 8 GiB: the file is no measure, for a row may open a new instant and a new
/// channel at once.
const CELLS_MAX: usize = 1 << 30;

/// Rows of one series as read.
pub(super) struct LongRows {
    name: String,
    by_channel: HashMap<String, u32>,
    channels: Vec<Channel>,
    last_times: Vec<Timestamp>,
    times: Vec<Timestamp>,
    entries: Vec<Entry>,
    rows: InputRows,
    /// Rows out of order are put in order.
    sort: bool,
    /// Times of rows that came after one of a later time.
    late: Vec<Timestamp>,
    pub(super) labels: Vec<bool>,
    pub(super) changepoints: Vec<bool>,
}

struct Entry {
    row: u32,
    channel: u32,
    value: f64,
}

impl LongRows {
    pub(super) fn new(name: &str, sort: bool) -> Self {
        Self {
            name: name.to_owned(),
            by_channel: HashMap::new(),
            channels: Vec::new(),
            last_times: Vec::new(),
            times: Vec::new(),
            entries: Vec::new(),
            sort,
            late: Vec::new(),
            rows: InputRows::default(),
            labels: Vec::new(),
            changepoints: Vec::new(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The channels in order of first appearance.
    pub(super) fn channels(&self) -> Arc<[Channel]> {
        self.channels.as_slice().into()
    }

    /// Gives channels other names.
    pub(super) fn rename(&mut self, name: &impl Fn(&str) -> Option<String>) {
        for channel in &mut self.channels {
            if let Some(name) = name(channel.name()) {
                *channel = Channel::new(name);
            }
        }
    }

    /// How many channels there are so far.
    pub(super) fn n_channels(&self) -> usize {
        self.channels.len()
    }

    /// The instants at which there is a row, in order.
    pub(super) fn instants(&self) -> Vec<Timestamp> {
        let mut time = self.times.clone();
        time.sort_unstable();
        time.dedup();
        time
    }

    /// Begins a row, whose values follow.
    pub(super) fn begin_row(
        &mut self,
        time: Timestamp,
        time_text: &[u8],
        position: u32,
    ) -> Result<(), Problem> {
        room(&mut self.times, 1)?;
        self.rows.make_room(time_text)?;
        self.times.push(time);
        self.rows.push(time_text, 0, position);
        Ok(())
    }

    /// Adds a value to the row begun last.
    pub(super) fn push(&mut self, channel_name: &str, value: f64) -> Result<(), Problem> {
        let row = self.times.len() - 1;
        let time = self.times[row];
        let channel = match self.by_channel.get(channel_name) {
            Some(&channel) => channel,
            None => {
                let channel = self.channels.len() as u32; // fewer channels than memory holds names for
                self.by_channel.insert(channel_name.to_owned(), channel);
                self.channels.push(Channel::new(channel_name));
                self.last_times.push(time);
                channel
            }
        };
        let last = &mut self.last_times[channel as usize];
        if time < *last {
            if !self.sort {
                return Err(Problem::TimeRunsBack { time, last: *last });
            }
            self.late.push(time);
        }
        *last = time.max(*last);
        room(&mut self.entries, 1)?;
        self.entries.push(Entry {
            row: row as u32, // rows are counted in 32 bits
            channel,
            value,
        });
        Ok(())
    }

    /// Writes the samples behind those that `series` has: one for each of its instants, NaN where a channel has no row
    /// at it. The first row of an instant and channel counts.
    pub(super) fn pivot_into(self, time: Vec<Timestamp>, series: &mut SeriesRows) -> Result<(), Problem> {
        if let (Some(&last), Some(&first)) = (series.time.last(), time.first())
            && first <= last
            && !self.sort
        {
            return Err(Problem::TimeRunsBack { time: first, last });
        }
        let n_channels = self.channels.len();
        let sparse = || Problem::Sparse {
            n_rows: self.times.len(),
            n_samples: time.len(),
            n_channels,
        };
        let n_cells = time.len().checked_mul(n_channels);
        let n_cells = n_cells.filter(|n| *n <= CELLS_MAX).ok_or_else(sparse)?;
        let mut values = filled(n_cells, f64::NAN).ok_or_else(sparse)?;
        let mut is_taken = filled(n_cells, false).ok_or_else(sparse)?;
        let mut entries = self.entries.iter().peekable();
        let mut sample_idx = 0;
        for (row_idx, &row_time) in self.times.iter().enumerate() {
            // Neighbouring rows lie at the same instant or the next one; only a new channel starts over.
            while time[sample_idx] < row_time {
                sample_idx += 1;
            }
            if time[sample_idx] > row_time {
                sample_idx = time.partition_point(|&instant| instant < row_time);
            }
            let mut is_repeated = false;
            while let Some(entry) = entries.next_if(|entry| entry.row as usize == row_idx) {
                let cell = sample_idx * n_channels + entry.channel as usize;
                if is_taken[cell] {
                    is_repeated = true;
                } else {
                    is_taken[cell] = true;
                    values[cell] = entry.value;
                }
            }
            let text = self.rows.time_text(row_idx).as_bytes();
            if is_repeated {
                series.count_repeated(text);
            }
            let position = self.rows.position(row_idx) as u32; // as it was given
            series
                .rows
                .push(text, (series.time.len() + sample_idx) as u32, position);
        }
        for late in &self.late {
            series.count_late(*late);
        }
        if let (Some(&last), Some(&first)) = (series.time.last(), time.first())
            && first <= last
        {
            series.count_late(first);
        }
        series.time.extend(time);
        series.values.extend(values);
        series.labels.extend(self.labels);
        series.changepoints.extend(self.changepoints);
        Ok(())
    }
}

/// So many times the same; `None` where there is no memory for it.
fn filled<T: Clone>(len: usize, value: T) -> Option<Vec<T>> {
    let mut all = Vec::new();
    all.try_reserve_exact(len).ok()?;
    all.resize(len, value);
    Some(all)
}
