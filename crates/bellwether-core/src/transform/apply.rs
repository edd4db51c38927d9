//! The row step, and the loop over it that prepares a whole frame in place.

use std::ops::Range;
use std::time::Duration;

use super::columns::{ApplyError, Columns};
use super::derive::{DerivationMemory, DerivationState, Outside, RawRow};
use super::pipeline::Pipeline;
use crate::frame::{Channel, Frame, Schema};
use crate::time::Timestamp;
use crate::window::Windows;

/// What became of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowStep {
    /// It counts, and was prepared.
    Inside {
        /// The row follows a gap or rows that do not count, or is the first: nothing of the rows before it may be used
        /// with it.
        starts_segment: bool,
        /// Cells that were missing, and have been filled.
        n_missing: usize,
    },
    /// It does not count; nothing was prepared.
    Outside(Outside),
}

/// What the row step remembers from row to row: the last time, the last value of each channel, what features look at.
#[derive(Debug, Clone)]
pub struct PipelineState {
    columns: Columns,
    derivation: DerivationState,
    last_time: Option<Timestamp>,
    /// Scaled, `[n_channels]`.
    last_value: Vec<f64>,
    /// Rows since that value was observed; beyond `fill_len_max` it is forgotten.
    age: Vec<usize>,
    /// Rows in a row that brought nothing new: no value, or the one before.
    still: Vec<usize>,
    /// Memory for a row of the pipeline's inputs.
    raw: Vec<f64>,
}

/// What a [`PipelineState`] remembers, as plain data.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PipelineMemory {
    pub(crate) last_time: Option<Timestamp>,
    /// Scaled, `[n_channels]`.
    pub(crate) last_value: Vec<f64>,
    /// `[n_channels]`
    pub(crate) age: Vec<usize>,
    /// `[n_channels]`
    pub(crate) still: Vec<usize>,
    pub(crate) derivation: DerivationMemory,
}

impl PipelineState {
    /// The state before the first row of data laid out as `columns` says.
    pub fn new(pipeline: &Pipeline, columns: Columns) -> Self {
        Self {
            columns,
            derivation: DerivationState::new(pipeline.derivation()),
            last_time: None,
            last_value: vec![0.0; pipeline.n_channels()],
            age: vec![usize::MAX; pipeline.n_channels()],
            still: vec![0; pipeline.n_channels()],
            raw: Vec::new(),
        }
    }

    /// `before` as it was after rows that left this behind; `None` where it is none of this pipeline. The lists have
    /// `[n_channels]`: the caller's to check.
    pub(crate) fn resume(pipeline: &Pipeline, before: Self, memory: PipelineMemory) -> Option<Self> {
        Some(Self {
            derivation: DerivationState::resume(pipeline.derivation(), memory.derivation)?,
            last_time: memory.last_time,
            last_value: memory.last_value,
            age: memory.age,
            still: memory.still,
            ..before
        })
    }

    /// What is to be kept.
    pub(crate) fn memory(&self, pipeline: &Pipeline) -> PipelineMemory {
        PipelineMemory {
            last_time: self.last_time,
            last_value: self.last_value.clone(),
            age: self.age.clone(),
            still: self.still.clone(),
            derivation: self.derivation.memory(pipeline.derivation()),
        }
    }

    /// The time of the last row.
    pub fn last_time(&self) -> Option<Timestamp> {
        self.last_time
    }

    /// Prepares one row: columns by name, features worked out, missing cells filled, channels scaled.
    ///
    /// A missing cell takes the channel's last value of this segment while that is at most `fill_len_max` rows old,
    /// else the training median. A row outside of operation is only remembered.
    ///
    /// # Shapes
    /// `raw`: a sample of the data, NaN where missing; `out, observed: [n_channels]`.
    pub fn step(
        &mut self,
        pipeline: &Pipeline,
        time: Timestamp,
        raw: &[f64],
        out: &mut [f64],
        observed: &mut [bool],
    ) -> RowStep {
        let parts = pipeline.parts();
        self.raw.clear();
        self.raw.extend(self.columns.order.iter().map(|&idx| raw[idx]));
        let row = RawRow {
            time,
            is_after_gap: self.last_time.is_none_or(|last| time.since(last) > parts.gap_max),
            values: &self.raw,
        };
        self.last_time = Some(time);
        if let Some(outside) = self.derivation.step(pipeline.derivation(), row, out) {
            return RowStep::Outside(outside);
        }
        let starts_segment = self.derivation.starts_segment();
        if starts_segment {
            self.age.fill(usize::MAX);
        }
        let mut n_missing = 0;
        for (idx, scale) in parts.channels.iter().enumerate() {
            let value = out[idx];
            observed[idx] = value.is_finite() && !scale.is_unseen();
            let mut is_new = starts_segment;
            if observed[idx] {
                out[idx] = scale.scaled(value);
                is_new |= self.age[idx] == usize::MAX || out[idx].to_bits() != self.last_value[idx].to_bits();
                self.last_value[idx] = out[idx];
                self.age[idx] = 0;
            } else {
                n_missing += 1;
                self.age[idx] = self.age[idx].saturating_add(1);
                let is_fresh = self.age[idx] <= parts.fill_len_max;
                out[idx] = if is_fresh {
                    self.last_value[idx]
                } else {
                    scale.scaled(scale.fill)
                };
            }
            self.still[idx] = if is_new {
                0
            } else {
                self.still[idx].saturating_add(1)
            };
        }
        RowStep::Inside {
            starts_segment,
            n_missing,
        }
    }
}

impl PipelineState {
    /// The channels that have [stopped](crate::transform::ChannelScale::stopped_after) at the last row.
    pub(crate) fn stopped<'a>(&'a self, pipeline: &'a Pipeline) -> impl Iterator<Item = usize> + 'a {
        let channels = pipeline.scales().iter().zip(&self.still).enumerate();
        channels.filter_map(|(idx, (scale, still))| {
            let has_stopped = scale.stopped_after().is_some_and(|after| *still >= after);
            has_stopped.then_some(idx)
        })
    }

    /// Marks what was worked out of values that were filled in as not observed; how many there are.
    ///
    /// # Shapes
    /// `filled`: of a sample of the data; `observed: [n_channels]`.
    pub(crate) fn forget_filled(&self, pipeline: &Pipeline, filled: &[bool], observed: &mut [bool]) -> usize {
        let mut n_filled = 0;
        for (channel_idx, observed) in observed.iter_mut().enumerate() {
            let of_filled = |input: usize| filled[self.columns.order[input]];
            if *observed
                && pipeline
                    .derivation()
                    .sources_of(channel_idx)
                    .iter()
                    .copied()
                    .any(of_filled)
            {
                *observed = false;
                n_filled += 1;
            }
        }
        n_filled
    }
}

impl Pipeline {
    /// Prepares all rows of a frame, without features in the frame's own memory: a loop over [`PipelineState::step`].
    ///
    /// # Errors
    /// [`ApplyError`] where the data do not fit, see [`Pipeline::check`]; the spacing of fewer than ten samples is
    /// taken as it is.
    pub fn apply(&self, frame: Frame) -> Result<Prepared, ApplyError> {
        let columns = self.check_frame(&frame)?;
        let ignored = columns.ignored().to_vec();
        let (n_data, n) = (columns.n_data, self.n_channels());
        let mut state = PipelineState::new(self, columns);
        let filled = frame.filled().to_vec();
        let (_, time, mut values) = frame.into_parts();
        if n > n_data {
            widen(&mut values, n_data, n);
        }
        // Prepared rows that are no wider than raw ones land at or before the place they come from.
        let n_stored = n_data.max(n);
        let mut observed: Option<Vec<bool>> = None;
        let (mut segments, mut outside): (Vec<Range<usize>>, Vec<Option<Outside>>) = Default::default();
        let mut stopped = Vec::new();
        let (mut raw, mut marks) = (vec![0.0; n_data], vec![true; n]);
        for (row_idx, &at) in time.iter().enumerate() {
            raw.copy_from_slice(&values[row_idx * n_stored..row_idx * n_stored + n_data]);
            let out = &mut values[row_idx * n..(row_idx + 1) * n];
            let missing = match state.step(self, at, &raw, out, &mut marks) {
                RowStep::Outside(why) => {
                    outside.resize(row_idx, None);
                    outside.push(Some(why));
                    // Nobody looks at it.
                    out.fill(0.0);
                    marks.fill(false);
                    n
                }
                RowStep::Inside {
                    starts_segment,
                    mut n_missing,
                } => {
                    if let Some(filled) = filled.get(row_idx * n_data..(row_idx + 1) * n_data) {
                        n_missing += state.forget_filled(self, filled, &mut marks);
                    }
                    match segments.last_mut() {
                        Some(last) if !starts_segment => last.end = row_idx + 1,
                        _ => segments.push(row_idx..row_idx + 1),
                    }
                    stopped.extend(state.stopped(self).map(|channel_idx| (row_idx, channel_idx)));
                    n_missing
                }
            };
            if missing > 0 {
                let mask = observed.get_or_insert_with(|| vec![true; time.len() * n]);
                mask[row_idx * n..(row_idx + 1) * n].copy_from_slice(&marks);
            }
        }
        if !outside.is_empty() {
            outside.resize(time.len(), None);
        }
        values.truncate(time.len() * n);
        Ok(Prepared {
            schema: self.schema().clone(),
            time,
            values,
            observed,
            segments,
            stopped,
            outside,
            ignored,
        })
    }
}

/// Rows of `n` cells each where there were fewer, `n_data`: those that were there come first.
fn widen(values: &mut Vec<f64>, n_data: usize, n: usize) {
    let n_rows = values.len() / n_data;
    values.resize(n_rows * n, 0.0);
    for row in (0..n_rows).rev() {
        values.copy_within(row * n_data..(row + 1) * n_data, row * n);
    }
}

/// Rows as a model sees them: finite, scaled, in the pipeline's order of channels. Only a [`Pipeline`] makes one.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    schema: Schema,
    time: Vec<Timestamp>,
    values: Vec<f64>,
    observed: Option<Vec<bool>>,
    segments: Vec<Range<usize>>,
    /// Rows and channels that have stopped there, in order.
    stopped: Vec<(usize, usize)>,
    /// `[n_samples]`, or empty where every row counts.
    outside: Vec<Option<Outside>>,
    ignored: Vec<Channel>,
}

impl Prepared {
    /// Channels of the rows, and the cadence of the training rows.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// How many rows.
    pub fn n_samples(&self) -> usize {
        self.time.len()
    }

    /// How many channels.
    pub fn n_channels(&self) -> usize {
        self.schema.n_channels()
    }

    /// When each row was measured, `[n_samples]`.
    pub fn time(&self) -> &[Timestamp] {
        &self.time
    }

    /// All values, `[n_samples, n_channels]` row-major, finite.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Which values were observed and not filled in, `[n_samples, n_channels]`; `None` where all were.
    pub fn observed(&self) -> Option<&[bool]> {
        self.observed.as_deref()
    }

    /// The values of a row, and which of them were observed (`None`: all), `[n_channels]`.
    ///
    /// # Panics
    /// Where there is no such row.
    pub fn row(&self, row_idx: usize) -> (&[f64], Option<&[bool]>) {
        let n = self.n_channels();
        let cells = row_idx * n..(row_idx + 1) * n;
        let observed = self.observed().map(|marks| &marks[cells.clone()]);
        (&self.values[cells], observed)
    }

    /// The channels that have [stopped](crate::transform::ChannelScale::stopped_after) at a row.
    pub fn stopped(&self, row_idx: usize) -> impl Iterator<Item = usize> + Clone + '_ {
        let first = self.stopped.partition_point(|(row, _)| *row < row_idx);
        let of_row = self.stopped[first..]
            .iter()
            .take_while(move |(row, _)| *row == row_idx);
        of_row.map(|(_, channel_idx)| *channel_idx)
    }

    /// Channels of the data that the pipeline does not know and left out.
    pub fn ignored(&self) -> &[Channel] {
        &self.ignored
    }

    /// Rows between gaps, and between rows that do not count, in order.
    pub fn segments(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        self.segments.iter().cloned()
    }

    /// Whether a segment starts with the row.
    pub fn starts_segment(&self, row_idx: usize) -> bool {
        self.segments
            .binary_search_by_key(&row_idx, |segment| segment.start)
            .is_ok()
    }

    /// Why a row does not count; `None`: it does.
    pub fn outside(&self, row_idx: usize) -> Option<Outside> {
        self.outside.get(row_idx).copied().flatten()
    }

    /// Why rows do not count, `[n_samples]`; empty where all do.
    pub fn all_outside(&self) -> &[Option<Outside>] {
        &self.outside
    }

    /// First rows of the windows of `len` rows, `stride` apart, that reach across no gap.
    ///
    /// # Panics
    /// Where `stride` is zero.
    pub fn window_starts(&self, len: usize, stride: usize) -> Vec<usize> {
        let per_segment = |segment: Range<usize>| {
            let end = (segment.end + 1).saturating_sub(len).max(segment.start);
            (segment.start..end).step_by(stride)
        };
        self.segments().flat_map(per_segment).collect()
    }

    /// A view of windows of `len` rows at `starts`, `[n_windows, len, n_channels]`.
    ///
    /// # Panics
    /// Where a window would reach beyond the rows.
    pub fn windows<'a>(&'a self, len: usize, starts: &'a [usize]) -> Windows<'a> {
        Windows::new(&self.values, self.observed(), self.n_channels(), len, starts)
    }

    /// The instants, and why rows do not count, once the values are no longer needed.
    pub fn into_time(self) -> (Vec<Timestamp>, Vec<Option<Outside>>) {
        (self.time, self.outside)
    }

    /// Time covered: the samples times the training cadence, gaps apart.
    pub fn span(&self) -> Duration {
        let samples = u32::try_from(self.n_samples()).unwrap_or(u32::MAX);
        self.schema.cadence().saturating_mul(samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::{PipelineSpec, ScalerKind};
    use std::num::NonZeroUsize;

    const NAN: f64 = f64::NAN;

    fn frame(names: &[&str], secs: &[i64], values: &[f64]) -> Frame {
        let channels: Vec<Channel> = names.iter().map(|&name| Channel::new(name)).collect();
        let time = secs.iter().map(|&s| Timestamp::from_secs(s)).collect();
        Frame::new(channels, time, values.to_vec()).unwrap()
    }

    /// Channel a from 0 to 10 with median 5, one window of 3 rows, a sample a second.
    fn pipeline() -> Pipeline {
        let secs: Vec<i64> = (0..11).collect();
        let values: Vec<f64> = (0..11).map(f64::from).collect();
        let spec = PipelineSpec {
            scaler: ScalerKind::MinMax,
            ..PipelineSpec::for_window(NonZeroUsize::new(3).unwrap())
        };
        spec.fit(&[frame(&["a"], &secs, &values)]).unwrap()
    }

    #[test]
    fn missing_cells_take_the_last_value_then_the_training_median() {
        let check = |secs: &[i64], values: &[f64], expect: &[f64]| {
            let prepared = pipeline().apply(frame(&["a"], secs, values)).unwrap();
            assert_eq!(prepared.values(), expect, "{values:?}");
            let marks: Vec<bool> = values.iter().map(|value| !value.is_nan()).collect();
            match prepared.observed() {
                Some(observed) => assert_eq!(observed, marks),
                None => assert!(marks.iter().all(|&mark| mark)),
            }
        };
        check(&[0, 1, 2], &[1.0, 2.0, 20.0], &[0.1, 0.2, 2.0]);
        check(&[0, 1, 2], &[NAN, 1.0, NAN], &[0.5, 0.1, 0.1]);
        // The value stands for three rows, as long as a window.
        check(
            &[0, 1, 2, 3, 4],
            &[1.0, NAN, NAN, NAN, NAN],
            &[0.1, 0.1, 0.1, 0.1, 0.5],
        );
        // A gap longer than a window: what lies before it is no evidence any more.
        check(&[0, 1, 10], &[1.0, NAN, NAN], &[0.1, 0.1, 0.5]);
    }

    #[test]
    fn columns_are_found_by_name_and_extra_ones_left_out() {
        let pipeline = PipelineSpec::for_window(NonZeroUsize::new(2).unwrap())
            .fit(&[frame(&["a", "b"], &[0, 1], &[0.0, 0.0, 1.0, 10.0])])
            .unwrap();
        let prepared = pipeline
            .apply(frame(&["x", "b", "a"], &[0, 1], &[9.0, 5.0, 0.5, 9.0, 10.0, 1.0]))
            .unwrap();
        assert_eq!(prepared.values(), [0.5, 0.5, 1.0, 1.0]);
        assert_eq!(prepared.ignored(), [Channel::new("x")]);
        assert_eq!(prepared.observed(), None);
    }

    #[test]
    fn no_window_reaches_across_a_gap() {
        let secs = [0, 1, 2, 3, 20, 21, 40, 41, 42];
        let prepared = pipeline().apply(frame(&["a"], &secs, &[1.0; 9])).unwrap();
        let segments: Vec<_> = prepared.segments().collect();
        assert_eq!(segments, [0..4, 4..6, 6..9]);
        assert_eq!(prepared.window_starts(3, 1), [0, 1, 6]);
        assert_eq!(prepared.window_starts(2, 2), [0, 2, 4, 6]);
        assert_eq!(prepared.window_starts(5, 1), [0; 0]);
        assert!(prepared.starts_segment(4) && !prepared.starts_segment(5));
        let starts = prepared.window_starts(3, 1);
        assert_eq!(prepared.windows(3, &starts).n_windows(), 3);
    }

    #[test]
    fn a_channel_never_seen_in_training_stays_missing() {
        let pipeline = PipelineSpec::for_window(NonZeroUsize::new(2).unwrap())
            .fit(&[frame(&["a", "b"], &[0, 1], &[0.0, NAN, 1.0, NAN])])
            .unwrap();
        let prepared = pipeline
            .apply(frame(&["a", "b"], &[0, 1], &[0.0, 7.0, 1.0, 8.0]))
            .unwrap();
        assert_eq!(prepared.values(), [0.0, 0.0, 1.0, 0.0]);
        assert_eq!(prepared.observed(), Some(&[true, false, true, false][..]));
    }
}
