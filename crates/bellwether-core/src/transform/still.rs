//! Channels that stand still: nothing new comes, because a sensor hangs or is gone. No model need be asked about that.

use std::time::Duration;

use super::scale::{ChannelKind, ChannelScale};
use crate::frame::Frame;

/// A channel has stopped when it stands still so many times longer than it ever did in training: chance does not do that.
const STOPPED_FACTOR: usize = 6;

/// Standing still for fewer rows than this says nothing, however lively the channel was.
const STILL_LEN_MIN: usize = 8;

/// A channel that stood still for longer than this in training does so as a habit. It bounds how far back a score looks.
const STILL_LEN_MAX: usize = 170;

impl ChannelScale {
    /// The rows after which a channel that brings nothing new has stopped; `None` where that says nothing: it is no
    /// continuous channel, or stood still for long in training.
    pub fn stopped_after(&self) -> Option<usize> {
        let longest = self.still_len_max.filter(|len| *len <= STILL_LEN_MAX)?;
        (self.kind == ChannelKind::Continuous).then(|| STOPPED_FACTOR * longest.max(STILL_LEN_MIN))
    }
}

/// The longest that each channel of a frame stood still: rows in a row without a value, or with the one before. Gaps end it.
///
/// `order: [n_channels]`, where each channel stands in the frame; the longest so far are in `longest`.
pub(super) fn longest_still(frame: &Frame, order: &[usize], gap_max: Duration, longest: &mut [usize]) {
    let mut last = vec![f64::NAN; order.len()];
    let mut still = vec![0; order.len()];
    let time = frame.time();
    for (row_idx, row) in frame.values().chunks_exact(frame.n_channels()).enumerate() {
        let starts_segment = row_idx == 0 || time[row_idx].since(time[row_idx - 1]) > gap_max;
        for (channel_idx, &column) in order.iter().enumerate() {
            let value = row[column];
            let is_new = !value.is_nan() && value.to_bits() != last[channel_idx].to_bits();
            if !value.is_nan() {
                last[channel_idx] = value;
            }
            still[channel_idx] = if is_new || starts_segment {
                0
            } else {
                still[channel_idx] + 1
            };
            longest[channel_idx] = longest[channel_idx].max(still[channel_idx]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Channel;
    use crate::time::Timestamp;

    #[test]
    fn missing_and_unchanged_rows_are_counted_alike_and_gaps_end_them() {
        let nan = f64::NAN;
        let values = [1.0, 1.0, nan, 1.0, 2.0, 2.0, 2.0, nan];
        let check = |secs: [i64; 8], expect: usize| {
            let time = secs.map(Timestamp::from_secs).to_vec();
            let frame = Frame::new(vec![Channel::new("a")], time, values.to_vec()).unwrap();
            let mut longest = [0];
            longest_still(&frame, &[0], Duration::from_secs(5), &mut longest);
            assert_eq!(longest, [expect]);
        };
        check([0, 1, 2, 3, 4, 5, 6, 7], 3);
        check([0, 1, 20, 21, 22, 23, 40, 41], 1);
    }
}
