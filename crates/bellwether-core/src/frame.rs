//! What a device measured: named channels, and samples of all of them over time.

use std::sync::Arc;
use std::time::Duration;

use crate::time::{Spacing, Timestamp};

/// One measured quantity of a device, known by its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Channel {
    name: Arc<str>,
}

impl Channel {
    /// A channel of that name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into() }
    }

    /// The name as in the data.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Which series of a fleet: the name of the device, or of the file it came from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId(Arc<str>);

impl SeriesId {
    /// A series of that name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The channels of a frame, in order, and the intended spacing of its samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    channels: Arc<[Channel]>,
    cadence: Duration,
}

impl Schema {
    /// A schema of `channels` sampled every `cadence`.
    ///
    /// # Errors
    /// [`SchemaError`] when there is no channel or a name stands twice.
    pub fn new(channels: impl Into<Arc<[Channel]>>, cadence: Duration) -> Result<Self, SchemaError> {
        let channels = channels.into();
        if channels.is_empty() {
            return Err(SchemaError::NoChannel);
        }
        let mut seen = std::collections::HashSet::new();
        if let Some(twice) = channels.iter().find(|channel| !seen.insert(channel.name())) {
            return Err(SchemaError::DuplicateChannel {
                channel: twice.name().to_owned(),
            });
        }
        Ok(Self { channels, cadence })
    }

    /// The channels in the order of a frame's values.
    pub fn channels(&self) -> &[Channel] {
        &self.channels
    }

    /// How many channels a sample has.
    pub fn n_channels(&self) -> usize {
        self.channels.len()
    }

    /// Intended spacing of samples.
    pub fn cadence(&self) -> Duration {
        self.cadence
    }

    /// Position of the channel called `name`.
    pub fn channel_idx(&self, name: &str) -> Option<usize> {
        self.channels.iter().position(|channel| channel.name() == name)
    }
}

/// Why a [`Schema`] cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// A series without a measured channel.
    #[error("no channel: a series needs at least one numeric column beside its time")]
    NoChannel,
    /// Two channels of one name.
    #[error("channel {channel:?} stands twice; channel names must differ")]
    DuplicateChannel {
        /// The name.
        channel: String,
    },
}

/// One row: all channels at one instant. NaN is a missing value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample<'a> {
    /// When it was measured.
    pub time: Timestamp,
    /// One value per channel of the schema, in its order.
    pub values: &'a [f64],
}

/// Many samples of one series: time strictly rising, values finite or NaN (missing).
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    schema: Schema,
    time: Vec<Timestamp>,
    values: Vec<f64>,
    /// Which values nobody measured, as long as `values`; empty: none.
    filled: Vec<bool>,
}

impl Frame {
    /// A frame of `values` at `time`; the cadence is the median spacing (zero for a single sample).
    ///
    /// # Shapes
    /// `time: [n_samples]`, `values: [n_samples, n_channels]` row-major.
    ///
    /// # Errors
    /// [`FrameError`] when the lengths differ, there is no sample, time does not strictly rise, or a value is
    /// infinite.
    pub fn new(
        channels: impl Into<Arc<[Channel]>>,
        time: Vec<Timestamp>,
        values: Vec<f64>,
    ) -> Result<Self, FrameError> {
        let cadence = Spacing::infer(&time).map_or(Duration::ZERO, |spacing| spacing.cadence);
        let frame = Self::of_finite(channels, time, values, cadence)?;
        if let Some(idx) = first_infinite(&frame.values) {
            let n_channels = frame.n_channels();
            let channel = frame.schema.channels()[idx % n_channels].name().to_owned();
            return Err(FrameError::Infinite {
                sample_idx: idx / n_channels,
                channel,
            });
        }
        Ok(frame)
    }

    /// As [`Frame::new`], for a caller that has looked at every value as it came, found none infinite, and knows the
    /// cadence: large data are not gone through once more.
    ///
    /// # Errors
    /// [`FrameError`] when the lengths differ, there is no sample, or time does not strictly rise.
    pub fn of_finite(
        channels: impl Into<Arc<[Channel]>>,
        time: Vec<Timestamp>,
        values: Vec<f64>,
        cadence: Duration,
    ) -> Result<Self, FrameError> {
        let schema = Schema::new(channels, cadence)?;
        let n_channels = schema.n_channels();
        if time.is_empty() {
            return Err(FrameError::Empty);
        }
        if values.len() != time.len() * n_channels {
            return Err(FrameError::Shape {
                n_values: values.len(),
                n_samples: time.len(),
                n_channels,
            });
        }
        if let Some(idx) = (1..time.len()).find(|&idx| time[idx] <= time[idx - 1]) {
            return Err(FrameError::TimeNotRising {
                sample_idx: idx,
                time: time[idx],
                last: time[idx - 1],
            });
        }
        Ok(Self {
            schema,
            time,
            values,
            filled: Vec::new(),
        })
    }

    /// The same samples, of which some values were filled in and not measured: they count as missing for models.
    ///
    /// # Shapes
    /// `filled: [n_samples, n_channels]`.
    ///
    /// # Panics
    /// Where there is not a mark for each value: the caller's mistake.
    #[must_use]
    pub fn with_filled(self, filled: Vec<bool>) -> Self {
        assert_eq!(filled.len(), self.values.len(), "a mark for each value");
        let filled = if filled.contains(&true) {
            filled
        } else {
            Vec::new()
        };
        Self { filled, ..self }
    }

    /// Which values were filled in, `[n_samples, n_channels]`; empty: none.
    pub fn filled(&self) -> &[bool] {
        &self.filled
    }

    /// Whether a value was filled in.
    pub fn is_filled(&self, sample_idx: usize, channel_idx: usize) -> bool {
        self.filled.get(sample_idx * self.n_channels() + channel_idx) == Some(&true)
    }

    /// Channels and cadence.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// How many samples.
    pub fn n_samples(&self) -> usize {
        self.time.len()
    }

    /// How many channels.
    pub fn n_channels(&self) -> usize {
        self.schema.n_channels()
    }

    /// When each sample was measured, `[n_samples]`.
    pub fn time(&self) -> &[Timestamp] {
        &self.time
    }

    /// All values, `[n_samples, n_channels]` row-major; NaN is missing.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// One sample. Panics where `sample_idx` is not below [`Frame::n_samples`].
    pub fn sample(&self, sample_idx: usize) -> Sample<'_> {
        let n = self.n_channels();
        Sample {
            time: self.time[sample_idx],
            values: &self.values[sample_idx * n..(sample_idx + 1) * n],
        }
    }

    /// The samples in `range` as a frame of their own (a copy), with this frame's cadence.
    ///
    /// # Errors
    /// [`FrameError::Empty`] where the range holds no sample.
    pub fn slice(&self, range: std::ops::Range<usize>) -> Result<Self, FrameError> {
        let end = range.end.min(self.n_samples());
        if range.start >= end {
            return Err(FrameError::Empty);
        }
        let n = self.n_channels();
        Ok(Self {
            schema: self.schema.clone(),
            time: self.time[range.start..end].to_vec(),
            values: self.values[range.start * n..end * n].to_vec(),
            filled: self
                .filled
                .get(range.start * n..end * n)
                .map(<[bool]>::to_vec)
                .unwrap_or_default(),
        })
    }

    /// The same samples with other values, finite or NaN.
    ///
    /// # Panics
    /// Where there are not as many: the caller's mistake.
    pub(crate) fn with_values(&self, values: Vec<f64>) -> Self {
        assert_eq!(values.len(), self.values.len(), "as many values");
        debug_assert!(
            !values.iter().any(|value| value.is_infinite()),
            "no value is infinite"
        );
        Self {
            schema: self.schema.clone(),
            time: self.time.clone(),
            values,
            filled: self.filled.clone(),
        }
    }

    /// The same instants with values of other channels, finite or NaN, `[n_samples, n_channels]`; the cadence stays.
    ///
    /// # Panics
    /// Where there are not as many: the caller's mistake.
    pub(crate) fn with_channels(&self, schema: Schema, values: Vec<f64>) -> Self {
        assert_eq!(
            values.len(),
            self.time.len() * schema.n_channels(),
            "a value for each channel"
        );
        debug_assert!(
            !values.iter().any(|value| value.is_infinite()),
            "no value is infinite"
        );
        Self {
            schema: Schema {
                cadence: self.schema.cadence,
                ..schema
            },
            time: self.time.clone(),
            values,
            filled: Vec::new(),
        }
    }

    /// The first `n` samples, and the rest; either may be absent. Moves the larger part instead of copying it.
    pub fn split_at(self, n: usize) -> (Option<Self>, Option<Self>) {
        if n == 0 {
            return (None, Some(self));
        }
        if n >= self.n_samples() {
            return (Some(self), None);
        }
        let Self {
            schema,
            mut time,
            mut values,
            mut filled,
        } = self;
        let n_head = n * schema.n_channels();
        let rest = Self {
            time: time.split_off(n),
            values: values.split_off(n_head),
            filled: if filled.is_empty() {
                Vec::new()
            } else {
                filled.split_off(n_head)
            },
            schema: schema.clone(),
        };
        let head = Self {
            schema,
            time,
            values,
            filled,
        };
        (Some(head), Some(rest))
    }

    /// What is left without the samples at which `is_left_out` holds: a frame for each stretch between them, in the
    /// order of time.
    pub fn without(self, is_left_out: impl Fn(Timestamp) -> bool) -> Vec<Self> {
        let mut pieces = Vec::new();
        let mut start = 0;
        for (idx, &at) in self.time.iter().enumerate() {
            if is_left_out(at) {
                pieces.extend(self.slice(start..idx));
                start = idx + 1;
            }
        }
        if start == 0 {
            return vec![self];
        }
        pieces.extend(self.slice(start..self.n_samples()));
        pieces
    }

    /// The parts of the frame, for a step that rewrites the values in place.
    pub fn into_parts(self) -> (Schema, Vec<Timestamp>, Vec<f64>) {
        (self.schema, self.time, self.values)
    }
}

/// Position of the first infinite value. Whole blocks are looked at without stopping within: that goes several at once.
fn first_infinite(values: &[f64]) -> Option<usize> {
    const BLOCK: usize = 1024;
    let is_infinite = |value: &f64| value.is_infinite();
    let holds_one = |block: &[f64]| block.iter().fold(false, |any, value| any | is_infinite(value));
    let start = values.chunks(BLOCK).position(holds_one)? * BLOCK;
    Some(start + values[start..].iter().position(is_infinite)?)
}

/// Why a [`Frame`] cannot be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The channels are unusable.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// No sample.
    #[error("no sample: the data hold a header but no row")]
    Empty,
    /// Values do not fill the rows.
    #[error("{n_values} values do not make {n_samples} samples of {n_channels} channels")]
    Shape {
        /// Values given.
        n_values: usize,
        /// Instants given.
        n_samples: usize,
        /// Channels given.
        n_channels: usize,
    },
    /// Time stands still or runs backwards.
    #[error("sample {sample_idx} is at {time}, not after {last}: time must rise from sample to sample")]
    TimeNotRising {
        /// Position of the later sample.
        sample_idx: usize,
        /// Its time.
        time: Timestamp,
        /// Time of the sample before.
        last: Timestamp,
    },
    /// A value is infinite.
    #[error("sample {sample_idx} of channel {channel:?} is infinite; use an empty cell for a missing value")]
    Infinite {
        /// Position of the sample.
        sample_idx: usize,
        /// The channel.
        channel: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channels(names: &[&str]) -> Vec<Channel> {
        names.iter().map(|&name| Channel::new(name)).collect()
    }

    #[test]
    fn a_frame_refuses_what_its_docs_refuse() {
        let time = || vec![Timestamp::from_secs(0), Timestamp::from_secs(1)];
        let check = |names: &[&str], time: Vec<Timestamp>, values: Vec<f64>, expect: &str| {
            let error = Frame::new(channels(names), time, values).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        };
        check(&[], time(), vec![], "no channel");
        check(&["a", "a"], time(), vec![0.0; 4], "\"a\" stands twice");
        check(&["a"], vec![], vec![], "no sample");
        check(&["a"], time(), vec![0.0; 3], "3 values");
        check(&["a"], vec![Timestamp::from_secs(1); 2], vec![0.0; 2], "sample 1");
        check(&["a"], time(), vec![0.0, f64::INFINITY], "infinite");
    }

    #[test]
    fn what_is_left_out_parts_a_frame_and_takes_nothing_else() {
        let time: Vec<_> = (0..6).map(Timestamp::from_secs).collect();
        let frame = Frame::new(channels(&["a"]), time, (0..6).map(f64::from).collect()).unwrap();
        let check = |left_out: &[i64], expect: &[(usize, usize)]| {
            let left_out: Vec<_> = left_out.iter().copied().map(Timestamp::from_secs).collect();
            let pieces = frame.clone().without(|at| left_out.contains(&at));
            let expect: Vec<_> = expect
                .iter()
                .map(|&(from, to)| frame.slice(from..to).unwrap())
                .collect();
            assert_eq!(pieces, expect);
        };
        check(&[], &[(0, 6)]);
        check(&[0], &[(1, 6)]);
        check(&[5], &[(0, 5)]);
        check(&[2, 3], &[(0, 2), (4, 6)]);
        check(&[0, 2, 5], &[(1, 2), (3, 5)]);
        check(&[0, 1, 2, 3, 4, 5], &[]);
    }

    #[test]
    fn a_split_loses_no_sample() {
        let time: Vec<_> = (0..5).map(Timestamp::from_secs).collect();
        let frame = Frame::new(channels(&["a"]), time, (0..5).map(f64::from).collect()).unwrap();
        let (head, tail) = frame.clone().split_at(2);
        assert_eq!(head, frame.slice(0..2).ok());
        assert_eq!(tail, frame.slice(2..5).ok());
        assert_eq!(frame.clone().split_at(0), (None, Some(frame.clone())));
        assert_eq!(frame.clone().split_at(5), (Some(frame), None));
    }

    #[test]
    fn a_slice_keeps_rows_and_cadence() {
        let time = (0..5).map(Timestamp::from_secs).collect();
        let frame = Frame::new(channels(&["a", "b"]), time, (0..10).map(f64::from).collect()).unwrap();
        let tail = frame.slice(3..9).unwrap();
        assert_eq!(tail.values(), &[6.0, 7.0, 8.0, 9.0]);
        assert_eq!(tail.schema().cadence(), Duration::from_secs(1));
        assert_eq!(frame.slice(5..6), Err(FrameError::Empty));
    }
}
