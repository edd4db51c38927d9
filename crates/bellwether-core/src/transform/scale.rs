//! The scale of one channel, learnt from the training rows alone.

use crate::frame::Channel;
use crate::quantile::{mean_std, median_sorted, quantile_sorted};

/// How far a scaled value may lie from zero. Far beyond any meaning: it only keeps a stray 1e300 from overflowing
/// the square of an error, in `f32` as well.
pub const SCALED_MAX: f64 = 1e12;

/// A channel with at most this many distinct training values is [`ChannelKind::Discrete`].
pub const DISCRETE_VALUES_MAX: usize = 5;

/// Ranges below this share of the value (absolute below 1) are no range: the channel is constant.
const CONSTANT_RANGE: f64 = 1e-8;

/// How the scale of a channel is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ScalerKind {
    /// (x − min) / (max − min) over the training rows; never clipped. The default: on labelled series it ranked
    /// anomalies better than the z-score, because a channel counts by its working range and not by its noise.
    #[default]
    MinMax,
    /// (x − mean) / population standard deviation.
    Standard,
    /// (x − median) / interquartile range; the standard deviation where the quartiles coincide. For training rows
    /// with wild values among them.
    Robust,
    /// (x − q01) / (q99 − q01), the quantiles at 0.01 and 0.99; min-max where they coincide. The working range of a
    /// channel without the wild values among the training rows, which are not clipped.
    Quantile,
}

impl ScalerKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::MinMax, Self::Standard, Self::Robust, Self::Quantile];

    /// The name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::MinMax => "minmax",
            Self::Standard => "standard",
            Self::Robust => "robust",
            Self::Quantile => "quantile",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// What the training values of a channel look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelKind {
    /// Its training range is below 1e-8 · max(1, |value|), or it was never observed. Models expect the training
    /// value of it, always.
    Constant,
    /// At most [`DISCRETE_VALUES_MAX`] distinct training values: a state, a command bit.
    Discrete,
    /// Anything else.
    Continuous,
}

impl ChannelKind {
    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Discrete => "discrete",
            Self::Continuous => "continuous",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Constant, Self::Discrete, Self::Continuous]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// One channel's scale: scaled = (x − offset) / divisor.
///
/// A constant channel has its training value (the median) as offset and 1 as divisor, so that its scaled value is
/// the deviation in the channel's own unit, uncapped. A channel never observed in training has offset and fill 0
/// and divisor 1; its cells count as missing for ever, because nothing is known about them.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelScale {
    /// Which channel.
    pub channel: Channel,
    /// Its kind in the training rows.
    pub kind: ChannelKind,
    /// Subtracted first; the channel's unit.
    pub offset: f64,
    /// Divided by afterwards, above zero; the channel's unit.
    pub divisor: f64,
    /// Stands for a missing value before the first observed one: the training median, the channel's unit.
    pub fill: f64,
    /// Smallest and largest training value, the channel's unit.
    pub range: (f64, f64),
    /// Training values seen; 0 where the channel was never observed.
    pub n_observed: usize,
    /// Rows in a row that brought nothing new in training at most: no value, or the one before. `None` where nobody counted.
    pub still_len_max: Option<usize>,
}

impl ChannelScale {
    /// Learns the scale of `channel` from its observed training values, sorted ascending and free of NaN.
    pub(super) fn fit(channel: Channel, scaler: ScalerKind, sorted: &[f64]) -> Self {
        let (&[lo, ..], &[.., hi]) = (sorted, sorted) else {
            return Self {
                channel,
                kind: ChannelKind::Constant,
                offset: 0.0,
                divisor: 1.0,
                fill: 0.0,
                range: (0.0, 0.0),
                n_observed: 0,
                still_len_max: None,
            };
        };
        let median = median_sorted(sorted);
        let no_range = CONSTANT_RANGE * median.abs().max(1.0);
        let kind = if is_no_range(lo, hi, median) {
            ChannelKind::Constant
        } else if has_few_values(sorted) {
            ChannelKind::Discrete
        } else {
            ChannelKind::Continuous
        };
        let (offset, divisor) = match (kind, scaler) {
            (ChannelKind::Constant, _) => (median, 1.0),
            (_, ScalerKind::MinMax) => (lo, hi - lo),
            (_, ScalerKind::Standard) => mean_std(sorted),
            (_, ScalerKind::Robust) => {
                let spread = quantile_sorted(sorted, 0.75) - quantile_sorted(sorted, 0.25);
                let is_flat = spread < no_range;
                (median, if is_flat { mean_std(sorted).1 } else { spread })
            }
            (_, ScalerKind::Quantile) => {
                let low = quantile_sorted(sorted, 0.01);
                let spread = quantile_sorted(sorted, 0.99) - low;
                if spread < no_range {
                    (lo, hi - lo)
                } else {
                    (low, spread)
                }
            }
        };
        Self {
            channel,
            kind,
            offset,
            divisor,
            fill: median,
            range: (lo, hi),
            n_observed: sorted.len(),
            still_len_max: None,
        }
    }

    /// Whether no training value of the channel was ever observed.
    pub fn is_unseen(&self) -> bool {
        self.n_observed == 0
    }

    /// The scaled value of a finite `raw` one: finite, within ± [`SCALED_MAX`].
    pub fn scaled(&self, raw: f64) -> f64 {
        ((raw - self.offset) / self.divisor).clamp(-SCALED_MAX, SCALED_MAX)
    }

    /// The value in the channel's unit of a `scaled` one: the inverse of [`ChannelScale::scaled`].
    pub fn original(&self, scaled: f64) -> f64 {
        scaled * self.divisor + self.offset
    }

    /// Whether every number is usable: finite, and a divisor above zero.
    pub(super) fn is_valid(&self) -> bool {
        let finite = [self.offset, self.fill, self.range.0, self.range.1]
            .iter()
            .all(|value| value.is_finite());
        finite && self.divisor.is_finite() && self.divisor > 0.0 && self.range.0 <= self.range.1
    }
}

/// Whether all that lies between `lo` and `hi` is rounding of `median`: the channel is constant.
pub(crate) fn is_no_range(lo: f64, hi: f64, median: f64) -> bool {
    hi - lo < CONSTANT_RANGE * median.abs().max(1.0)
}

/// At most [`DISCRETE_VALUES_MAX`] distinct values in a sorted slice; stops at the first too many.
fn has_few_values(sorted: &[f64]) -> bool {
    let mut rises = sorted.windows(2).filter(|pair| pair[0] < pair[1]);
    rises.nth(DISCRETE_VALUES_MAX - 1).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_testkit::assert_close;

    fn fit(scaler: ScalerKind, sorted: &[f64]) -> ChannelScale {
        ChannelScale::fit(Channel::new("c"), scaler, sorted)
    }

    #[test]
    fn each_scaler_on_a_small_channel() {
        // Sum 34; type 7 quartiles at positions 1.75 and 5.25: 2.75 and 5.25.
        let values = [1.0, 2.0, 3.0, 4.0, 4.0, 5.0, 6.0, 9.0];
        let check = |scaler, offset: f64, divisor: f64| {
            let scale = fit(scaler, &values);
            assert_eq!(scale.kind, ChannelKind::Continuous);
            assert_close(scale.offset, offset, 1e-12, "offset");
            assert_close(scale.divisor, divisor, 1e-12, "divisor");
            assert_close(scale.original(scale.scaled(7.25)), 7.25, 1e-12, "round trip");
        };
        check(ScalerKind::MinMax, 1.0, 8.0);
        let mean = 34.0 / 8.0;
        let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / 8.0;
        check(ScalerKind::Standard, mean, variance.sqrt());
        check(ScalerKind::Robust, 4.0, 2.5);
        // Type 7 at positions 0.07 and 6.93: 1.07 and 8.79.
        check(ScalerKind::Quantile, 1.07, 7.72);
    }

    #[test]
    fn quantiles_that_coincide_fall_back_to_the_range() {
        let mut values = vec![0.0; 1000];
        values.push(20.0);
        let scale = fit(ScalerKind::Quantile, &values);
        assert_close(scale.offset, 0.0, 1e-12, "offset");
        assert_close(scale.divisor, 20.0, 1e-12, "divisor");
    }

    #[test]
    fn a_wild_value_does_not_move_the_quantiles() {
        let mut values: Vec<f64> = (0..=1000).map(f64::from).collect();
        values.push(1e9);
        let scale = fit(ScalerKind::Quantile, &values);
        // Positions 10.01 and 990.99 of 0, 1, 2, …
        assert_close(scale.offset, 10.01, 1e-9, "offset");
        assert_close(scale.divisor, 980.98, 1e-9, "divisor");
    }

    #[test]
    fn values_beyond_the_training_range_are_not_clipped() {
        let scale = fit(ScalerKind::MinMax, &[0.0, 1.0, 2.0, 3.0, 4.0, 10.0]);
        assert_close(scale.scaled(50.0), 5.0, 1e-12, "above");
        assert_close(scale.scaled(-10.0), -1.0, 1e-12, "below");
        assert_close(scale.scaled(f64::MAX), SCALED_MAX, 1e-12, "absurd");
    }

    #[test]
    fn kinds_follow_the_training_values() {
        let check = |values: &[f64], kind: ChannelKind, offset: f64, divisor: f64| {
            let scale = fit(ScalerKind::MinMax, values);
            assert_eq!(scale.kind, kind, "{values:?}");
            assert_close(scale.offset, offset, 1e-12, "offset");
            assert_close(scale.divisor, divisor, 1e-12, "divisor");
            assert!(scale.is_valid());
        };
        check(&[], ChannelKind::Constant, 0.0, 1.0);
        check(&[7.0], ChannelKind::Constant, 7.0, 1.0);
        check(
            &[7.0, 7.0 + 1e-9, 7.0 + 2e-9],
            ChannelKind::Constant,
            7.0 + 1e-9,
            1.0,
        );
        check(&[0.0, 1e-8], ChannelKind::Discrete, 0.0, 1e-8);
        check(
            &[0.0, 1.0, 1.0, 2.0, 3.0, 4.0, 4.0],
            ChannelKind::Discrete,
            0.0,
            4.0,
        );
        check(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0], ChannelKind::Continuous, 0.0, 5.0);
        assert!(fit(ScalerKind::MinMax, &[]).is_unseen());
    }

    #[test]
    fn quartiles_that_coincide_fall_back_to_the_standard_deviation() {
        // 19 zeros and one 20: mean 1, variance (19 · 1 + 361) / 20 = 19.
        let mut values = vec![0.0; 19];
        values.push(20.0);
        let scale = fit(ScalerKind::Robust, &values);
        assert_close(scale.divisor, 19.0_f64.sqrt(), 1e-12, "divisor");
    }

    #[test]
    fn names_lead_back_to_their_kinds() {
        for kind in ScalerKind::ALL {
            assert_eq!(ScalerKind::from_name(kind.name()), Some(kind));
        }
        for kind in [
            ChannelKind::Constant,
            ChannelKind::Discrete,
            ChannelKind::Continuous,
        ] {
            assert_eq!(ChannelKind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(ScalerKind::from_name("zscore"), None);
    }
}
