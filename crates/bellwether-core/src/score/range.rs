//! Values outside of all that training has seen, or of what people hold for possible: a model need not be asked about
//! them.

use super::ChannelRule;
use crate::threshold::Threshold;
use crate::transform::{ChannelKind, Pipeline};

/// A value so many training ranges outside counts in full.
const FULL_AT: f64 = 0.1;

/// How far values lie outside the range of the training rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranges {
    /// Smallest and largest training value of each channel, scaled, and what one unit outside counts.
    channels: Vec<ChannelRange>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct ChannelRange {
    low: f64,
    high: f64,
    per_unit: f64,
    most: f64,
}

impl Ranges {
    /// The ranges of a pipeline's channels; all channels a tenth of their range outside make `weight` together.
    /// `channel_weights: [n_channels]`, how much each counts, of mean 1.
    ///
    /// A constant channel has no range: it counts in its own unit.
    pub fn new(pipeline: &Pipeline, channel_weights: &[f64], weight: f64) -> Self {
        Self::between(pipeline, channel_weights, weight, &Self::bounds(pipeline))
    }

    /// Smallest and largest training value of each channel, scaled, `[n_channels]`.
    pub(crate) fn bounds(pipeline: &Pipeline) -> Vec<(f64, f64)> {
        let scales = pipeline.scales().iter();
        scales
            .map(|scale| (scale.scaled(scale.range.0), scale.scaled(scale.range.1)))
            .collect()
    }

    /// The same with other bounds, scaled, `[n_channels]`: those of some of the training rows.
    pub(crate) fn between(
        pipeline: &Pipeline,
        channel_weights: &[f64],
        weight: f64,
        bounds: &[(f64, f64)],
    ) -> Self {
        let n = pipeline.n_channels() as f64;
        let scales = pipeline.scales().iter().zip(channel_weights);
        let channels = scales.zip(bounds).map(|((scale, channel_weight), &(low, high))| {
            let width = match scale.kind {
                ChannelKind::Constant => 1.0,
                ChannelKind::Discrete | ChannelKind::Continuous => {
                    scale.scaled(scale.range.1) - scale.scaled(scale.range.0)
                }
            };
            let most = weight * channel_weight / n;
            ChannelRange {
                low,
                high,
                per_unit: most / (FULL_AT * width),
                most,
            }
        });
        Self {
            channels: channels.collect(),
        }
    }

    /// Adds each channel's part to `parts`: nothing for values within their range, or that were not observed. The sum of
    /// what was added.
    ///
    /// # Shapes
    /// `row`, scaled, `observed` (`None`: all) and `parts`: `[n_channels]`.
    pub fn add(&self, row: &[f64], observed: Option<&[bool]>, parts: &mut [f64]) -> f64 {
        let mut added = 0.0;
        for (idx, (range, part)) in self.channels.iter().zip(parts).enumerate() {
            let outside = (row[idx] - range.high).max(range.low - row[idx]);
            if outside > 0.0 && observed.is_none_or(|marks| marks[idx]) {
                let of_channel = (outside * range.per_unit).min(range.most);
                *part += of_channel;
                added += of_channel;
            }
        }
        added
    }
}

/// The values that people hold for possible. One outside is an alarm in itself.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidRanges {
    /// Lowest and highest valid value of the channels that have such, scaled.
    channels: Vec<(usize, f64, f64)>,
}

impl ValidRanges {
    /// Those of `rules`: none, or one for each channel of `pipeline`.
    pub fn new(pipeline: &Pipeline, rules: &[ChannelRule]) -> Self {
        let rules = rules.iter().zip(pipeline.scales()).enumerate();
        let ranged = rules.filter(|(_, (rule, _))| rule.has_valid_range());
        let channels = ranged.map(|(channel_idx, (rule, scale))| {
            let (low, high) = rule.scaled(scale).valid;
            (channel_idx, low, high)
        });
        Self {
            channels: channels.collect(),
        }
    }

    /// Adds to `parts`, for each observed value outside, as much as the threshold and no less than all parts of the
    /// row together: the score is then at least 1, and that channel its cause. Returns what was added.
    ///
    /// # Shapes
    /// `row`, scaled, `observed` (`None`: all) and `parts`: `[n_channels]`.
    pub fn add(
        &self,
        row: &[f64],
        observed: Option<&[bool]>,
        threshold: Threshold,
        parts: &mut [f64],
    ) -> f64 {
        let is_outside = |&&(channel_idx, low, high): &&(usize, f64, f64)| {
            observed.is_none_or(|marks| marks[channel_idx]) && !(low..=high).contains(&row[channel_idx])
        };
        let mut added = 0.0;
        if self.channels.iter().any(|range| is_outside(&range)) {
            let part = parts.iter().sum::<f64>().max(threshold.error());
            for (channel_idx, ..) in self.channels.iter().filter(is_outside) {
                parts[*channel_idx] += part;
                added += part;
            }
        }
        added
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Channel, Frame};
    use crate::time::Timestamp;
    use crate::transform::PipelineSpec;
    use bellwether_testkit::assert_close;
    use std::num::NonZeroUsize;

    #[test]
    fn values_outside_count_up_to_a_tenth_of_their_range() {
        let rows: Vec<f64> = (0..11).flat_map(|i| [f64::from(i), 5.0]).collect();
        let channels = vec![Channel::new("moves"), Channel::new("stands")];
        let time = (0..11).map(Timestamp::from_secs).collect();
        let train = Frame::new(channels, time, rows).unwrap();
        let pipeline = PipelineSpec::for_window(NonZeroUsize::MIN).fit(&[train]).unwrap();
        let ranges = Ranges::new(&pipeline, &pipeline.channel_weights(), 10.0);
        let add = |row: [f64; 2], marks: Option<&[bool]>| {
            let mut parts = [1.0; 2];
            ranges.add(&row, marks, &mut parts);
            parts
        };
        let is = |parts: [f64; 2], want: [f64; 2]| {
            for (part, want) in parts.into_iter().zip(want) {
                assert_close(part, want, 1e-12, "part");
            }
        };
        is(add([0.0, 0.0], None), [1.0, 1.0]);
        is(add([1.0, 0.0], None), [1.0, 1.0]);
        // Half of a tenth above, the constant one half a tenth of its unit below: half of 10 / 2 channels each.
        let parts = add([1.05, -0.05], None);
        assert_close(parts[0], 3.5, 1e-12, "above");
        assert_close(parts[1], 3.5, 1e-12, "below");
        is(add([-9.0, 9.0], Some(&[true, false])), [6.0, 1.0]);
        assert_close(ranges.add(&[1.05, -0.05], None, &mut [0.0; 2]), 5.0, 1e-12, "sum");
    }

    #[test]
    fn a_value_outside_of_its_valid_range_is_the_threshold_by_itself() {
        let rows: Vec<f64> = (0..11).flat_map(|i| [f64::from(i), 5.0]).collect();
        let channels = vec![Channel::new("moves"), Channel::new("stands")];
        let time = (0..11).map(Timestamp::from_secs).collect();
        let train = Frame::new(channels, time, rows).unwrap();
        let pipeline = PipelineSpec::for_window(NonZeroUsize::MIN).fit(&[train]).unwrap();
        let valid = |low, high| ChannelRule {
            valid: (low, high),
            ..ChannelRule::default()
        };
        let ranges = ValidRanges::new(&pipeline, &[valid(-5.0, 20.0), valid(f64::NEG_INFINITY, 6.0)]);
        let add = |row: [f64; 2], marks: Option<&[bool]>| {
            let scales = pipeline.scales();
            let row = [scales[0].scaled(row[0]), scales[1].scaled(row[1])];
            let mut parts = [1.0, 2.0];
            ranges.add(&row, marks, Threshold::new(8.0).unwrap(), &mut parts);
            parts.map(|part| part.to_bits())
        };
        let bits = |parts: [f64; 2]| parts.map(f64::to_bits);
        // Ends are valid; minus infinity ends nothing.
        assert_eq!(add([-5.0, 6.0], None), bits([1.0, 2.0]));
        assert_eq!(add([20.0, -1e300], None), bits([1.0, 2.0]));
        assert_eq!(add([20.1, 6.0], None), bits([9.0, 2.0]));
        assert_eq!(add([-5.1, 6.1], None), bits([9.0, 10.0]));
        assert_eq!(add([-5.1, 6.1], Some(&[false, true])), bits([1.0, 10.0]));
        assert_eq!(ValidRanges::new(&pipeline, &[]).channels, []);
    }
}
