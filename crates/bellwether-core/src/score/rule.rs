//! What people know of a channel beforehand: which way it may stray, by how much, between which values, how much it
//! counts.

use std::fmt;
use std::str::FromStr;

use crate::transform::{ChannelScale, MissingChannel, Pipeline};

/// No weight of a rule is larger.
const WEIGHT_MAX: f64 = 1e6;

/// Residuals of which sign count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// Values above and below what was expected.
    #[default]
    Both,
    /// Values above alone.
    Above,
    /// Values below alone.
    Below,
}

impl Direction {
    /// The name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Above => "above",
            Self::Below => "below",
        }
    }

    /// The direction of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Both, Self::Above, Self::Below]
            .into_iter()
            .find(|direction| direction.name() == name)
    }
}

/// The rules of one channel, in its own unit. The default says nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChannelRule {
    /// Residuals of the other sign count as none.
    pub direction: Direction,
    /// Residuals smaller than this count as none; not below zero.
    pub deviation_min: f64,
    /// A value outside is an alarm in itself; ends that are infinite are none.
    pub valid: (f64, f64),
    /// Multiplies how much the channel counts; 0 leaves it out, at most a million.
    pub weight: f64,
}

impl Default for ChannelRule {
    fn default() -> Self {
        Self {
            direction: Direction::Both,
            deviation_min: 0.0,
            valid: (f64::NEG_INFINITY, f64::INFINITY),
            weight: 1.0,
        }
    }
}

impl ChannelRule {
    /// Whether some residuals count as none.
    pub fn drops_residuals(&self) -> bool {
        self.direction != Direction::Both || self.deviation_min > 0.0
    }

    /// Whether some values are alarms in themselves.
    pub fn has_valid_range(&self) -> bool {
        self.valid.0 > f64::NEG_INFINITY || self.valid.1 < f64::INFINITY
    }

    /// Whether a residual, value minus what was expected, counts; both it and the rule in scaled units.
    pub(crate) fn counts(&self, residual: f64) -> bool {
        let has_sign = match self.direction {
            Direction::Both => true,
            Direction::Above => residual > 0.0,
            Direction::Below => residual < 0.0,
        };
        has_sign && residual.abs() >= self.deviation_min
    }

    /// The rule for scaled values of the channel.
    pub(crate) fn scaled(&self, scale: &ChannelScale) -> Self {
        // Infinite ends stay so: scaling would bring them back.
        let end = |end: f64| if end.is_finite() { scale.scaled(end) } else { end };
        Self {
            deviation_min: self.deviation_min / scale.divisor,
            valid: (end(self.valid.0), end(self.valid.1)),
            ..*self
        }
    }

    /// Whether every number is usable.
    pub fn is_valid(&self) -> bool {
        self.deviation_min.is_finite()
            && self.deviation_min >= 0.0
            && self.valid.0 < self.valid.1
            && (0.0..=WEIGHT_MAX).contains(&self.weight)
    }
}

/// How much each channel counts under rules (none: as the pipeline says); mean 1, all 0 where none is left.
pub fn ruled_weights(pipeline: &Pipeline, rules: &[ChannelRule]) -> Vec<f64> {
    let mut weights = pipeline.channel_weights();
    // Weights that no rule touches keep their bits.
    if rules.iter().all(|rule| (rule.weight - 1.0).abs() <= 0.0) {
        return weights;
    }
    for (weight, rule) in weights.iter_mut().zip(rules) {
        *weight *= rule.weight;
    }
    let mean = weights.iter().sum::<f64>() / weights.len() as f64;
    if mean > 0.0 {
        weights.iter_mut().for_each(|weight| *weight /= mean);
    }
    weights
}

/// How far residuals of a channel may go unheeded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DeviationMin {
    /// In the channel's own unit.
    Own(f64),
    /// As a share of the channel's training range.
    OfRange(f64),
}

/// A rule as people write it, for a channel by name:
/// `pressure_bar: direction=above, min-deviation=0.5, range=0..16, weight=2`.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedRule {
    /// Name of the channel.
    pub channel: String,
    /// What is said of it; the least deviation apart.
    pub rule: ChannelRule,
    /// The least deviation, for which the training range may have to be known.
    pub deviation_min: DeviationMin,
}

impl NamedRule {
    /// One rule for each channel of `pipeline`, in its order; none where nothing is said.
    ///
    /// # Errors
    /// [`ChannelRuleError`] where a channel is unknown, named twice, was never observed, or no channel counts.
    pub fn resolve(rules: &[Self], pipeline: &Pipeline) -> Result<Vec<ChannelRule>, ChannelRuleError> {
        if rules.is_empty() {
            return Ok(Vec::new());
        }
        let schema = pipeline.schema();
        let mut resolved: Vec<Option<ChannelRule>> = vec![None; pipeline.n_channels()];
        for named in rules {
            let channel_idx = schema.channel_idx(&named.channel).ok_or_else(|| {
                ChannelRuleError::Unknown(MissingChannel::new(&named.channel, schema.channels()))
            })?;
            let channel = || named.channel.clone();
            let scale = &pipeline.scales()[channel_idx];
            if scale.is_unseen() {
                return Err(ChannelRuleError::Unseen { channel: channel() });
            }
            let deviation_min = match named.deviation_min {
                DeviationMin::Own(least) => least,
                DeviationMin::OfRange(share) => share * (scale.range.1 - scale.range.0),
            };
            let rule = ChannelRule {
                deviation_min,
                ..named.rule
            };
            if resolved[channel_idx].replace(rule).is_some() {
                return Err(ChannelRuleError::Twice { channel: channel() });
            }
        }
        let resolved: Vec<ChannelRule> = resolved.into_iter().map(Option::unwrap_or_default).collect();
        if ruled_weights(pipeline, &resolved)
            .iter()
            .all(|weight| *weight <= 0.0)
        {
            return Err(ChannelRuleError::NoWeight);
        }
        Ok(resolved)
    }
}

/// The text that [`NamedRule::from_str`] reads.
impl fmt::Display for NamedRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = &self.rule;
        write!(f, "{}: direction={}", self.channel, rule.direction.name())?;
        match self.deviation_min {
            DeviationMin::Own(least) => write!(f, ", min-deviation={least}")?,
            DeviationMin::OfRange(share) => write!(f, ", min-deviation={}%", 100.0 * share)?,
        }
        if rule.has_valid_range() {
            let end = |end: f64| {
                if end.is_finite() {
                    end.to_string()
                } else {
                    String::new()
                }
            };
            write!(f, ", range={}..{}", end(rule.valid.0), end(rule.valid.1))?;
        }
        write!(f, ", weight={}", rule.weight)
    }
}

/// Why rules of channels cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelRuleError {
    /// The text is no rule.
    #[error(
        "channel rule {text:?}: {why}; wanted NAME: followed by some of direction=above|below|both, min-deviation=X or \
         X%, range=LO..HI and weight=W, such as \"pressure_bar: direction=above, min-deviation=0.5\""
    )]
    Text {
        /// What was given.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// The data have no such channel.
    #[error("channel rule: the data have {0}")]
    Unknown(MissingChannel),
    /// Two rules for one channel.
    #[error("channel rule: {channel:?} has two rules: put both into one")]
    Twice {
        /// The channel.
        channel: String,
    },
    /// Nothing is known of the channel.
    #[error(
        "channel rule: {channel:?} has no value in the training part: leave its rule out, or train on rows that have it"
    )]
    Unseen {
        /// The channel.
        channel: String,
    },
    /// No channel counts any more.
    #[error("channel rules: the weights leave no channel that counts: give one a weight above 0")]
    NoWeight,
}

impl FromStr for NamedRule {
    type Err = ChannelRuleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = |why: String| ChannelRuleError::Text {
            text: text.to_owned(),
            why,
        };
        // Names may hold a colon, values do not.
        let (channel, settings) = text
            .rsplit_once(':')
            .ok_or_else(|| refused("there is no colon".to_owned()))?;
        let mut named = Self {
            channel: channel.trim().to_owned(),
            rule: ChannelRule::default(),
            deviation_min: DeviationMin::Own(0.0),
        };
        if named.channel.is_empty() {
            return Err(refused("it names no channel".to_owned()));
        }
        let mut seen: Vec<&str> = Vec::new();
        for setting in settings.split(',').map(str::trim) {
            let (key, value) = setting
                .split_once('=')
                .map(|(key, value)| (key.trim(), value.trim()))
                .ok_or_else(|| refused(format!("{setting:?} is no KEY=VALUE")))?;
            if seen.contains(&key) {
                return Err(refused(format!("{key} stands twice")));
            }
            seen.push(key);
            named.set(key, value).map_err(refused)?;
        }
        Ok(named)
    }
}

impl NamedRule {
    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let number = |text: &str, least: f64, most: f64| {
            let number = text.trim().parse::<f64>().ok();
            number.filter(|number| (least..=most).contains(number))
        };
        let wrong = |want: &str| format!("{key} is {value:?}, wanted {want}");
        match key {
            "direction" => {
                self.rule.direction =
                    Direction::from_name(value).ok_or_else(|| wrong("above, below or both"))?;
            }
            "min-deviation" => {
                let least = match value.strip_suffix('%') {
                    Some(percent) => {
                        number(percent, 0.0, 1e6).map(|percent| DeviationMin::OfRange(percent / 100.0))
                    }
                    None => number(value, 0.0, f64::MAX).map(DeviationMin::Own),
                };
                self.deviation_min = least.ok_or_else(|| {
                    wrong("a number from 0 up in the channel's unit, or a percentage of its training range")
                })?;
            }
            "range" => {
                let end = |text: &str, open: f64| {
                    if text.trim().is_empty() {
                        Some(open)
                    } else {
                        number(text, f64::MIN, f64::MAX)
                    }
                };
                let ends = value
                    .split_once("..")
                    .and_then(|(low, high)| Some((end(low, f64::NEG_INFINITY)?, end(high, f64::INFINITY)?)));
                self.rule.valid = ends
                    .filter(|(low, high)| low < high)
                    .ok_or_else(|| wrong("LO..HI with LO below HI, one of which may be left out"))?;
            }
            "weight" => {
                self.rule.weight =
                    number(value, 0.0, WEIGHT_MAX).ok_or_else(|| wrong("a number from 0 to 1000000"))?;
            }
            other => return Err(format!("{other:?} is no setting of a channel")),
        }
        Ok(())
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

    fn pipeline() -> Pipeline {
        let rows: Vec<f64> = (0..12).flat_map(|i| [f64::from(i), 5.0, f64::NAN]).collect();
        let channels = ["moves", "stands", "silent"].map(Channel::new).to_vec();
        let time = (0..12).map(Timestamp::from_secs).collect();
        let train = Frame::new(channels, time, rows).unwrap();
        PipelineSpec::for_window(NonZeroUsize::MIN).fit(&[train]).unwrap()
    }

    fn resolve(rules: &[&str]) -> Result<Vec<ChannelRule>, ChannelRuleError> {
        let rules: Vec<NamedRule> = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        NamedRule::resolve(&rules, &pipeline())
    }

    #[test]
    fn rules_read_and_print_alike() {
        let check = |text: &str, expect: &str| {
            let rule: NamedRule = text.parse().unwrap();
            assert_eq!(rule.to_string(), expect);
            assert_eq!(expect.parse(), Ok(rule));
        };
        check(
            "a: direction=above",
            "a: direction=above, min-deviation=0, weight=1",
        );
        check(
            " bus:volt : weight = 0.5 , range = -3..1e2, min-deviation=2.5%",
            "bus:volt: direction=both, min-deviation=2.5%, range=-3..100, weight=0.5",
        );
        check(
            "a:range=..4,direction=below,min-deviation=7",
            "a: direction=below, min-deviation=7, range=..4, weight=1",
        );
        let refuse = |text: &str, why: &str| {
            let error = text.parse::<NamedRule>().unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("wanted NAME:"), "{error}");
        };
        refuse("pressure", "no colon");
        refuse(": weight=1", "names no channel");
        refuse("a:", "\"\" is no KEY=VALUE");
        refuse("a: wieght=1", "\"wieght\" is no setting");
        refuse("a: weight=1, weight=2", "weight stands twice");
        refuse("a: weight=-1", "wanted a number from 0");
        refuse("a: weight=NaN", "wanted a number from 0");
        refuse("a: direction=up", "wanted above, below or both");
        refuse("a: range=4..4", "LO below HI");
        refuse("a: range=4", "LO..HI");
        refuse("a: range=..inf", "LO..HI");
        refuse("a: min-deviation=3bar", "in the channel's unit");
    }

    #[test]
    fn names_lead_to_channels_and_percentages_to_units() {
        let rules = resolve(&["stands: direction=below", "moves: min-deviation=10%, range=0..20"]).unwrap();
        assert_eq!(rules.len(), 3);
        // A tenth of the training range 0 to 11.
        assert_close(rules[0].deviation_min, 1.1, 1e-12, "least");
        assert_eq!(rules[0].valid, (0.0, 20.0));
        assert_eq!(rules[1].direction, Direction::Below);
        assert_eq!(rules[2], ChannelRule::default());
        assert_eq!(resolve(&[]), Ok(Vec::new()));
        let refuse = |rules: &[&str], why: &str| {
            let error = resolve(rules).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        };
        refuse(
            &["move: weight=2"],
            "no channel \"move\" (did you mean \"moves\"?)",
        );
        refuse(&["moves: weight=2", "moves: range=0.."], "two rules");
        refuse(&["silent: weight=2"], "no value in the training part");
        refuse(&["moves: weight=0", "stands: weight=0"], "no channel that counts");
    }

    #[test]
    fn weights_keep_their_mean_and_their_bits_where_no_rule_touches_them() {
        let pipeline = pipeline();
        let rules = resolve(&["moves: weight=3"]).unwrap();
        // 1.5, 1.5 and 0 (never observed) become 4.5, 1.5, 0 of mean 2.
        for (weight, want) in ruled_weights(&pipeline, &rules).iter().zip([2.25, 0.75, 0.0]) {
            assert_close(*weight, want, 1e-12, "weight");
        }
        let others = resolve(&["moves: direction=above"]).unwrap();
        assert_eq!(ruled_weights(&pipeline, &others), pipeline.channel_weights());
        assert_eq!(ruled_weights(&pipeline, &[]), pipeline.channel_weights());
    }

    #[test]
    fn residuals_count_by_sign_and_size() {
        let rule = |direction, deviation_min| ChannelRule {
            direction,
            deviation_min,
            ..ChannelRule::default()
        };
        assert!(rule(Direction::Both, 0.0).counts(0.0) && rule(Direction::Both, 1.0).counts(-1.0));
        assert!(!rule(Direction::Both, 1.0).counts(0.999));
        assert!(rule(Direction::Above, 1.0).counts(1.5) && !rule(Direction::Above, 1.0).counts(-1.5));
        assert!(!rule(Direction::Below, 0.0).counts(1.5) && rule(Direction::Below, 0.0).counts(-1e-9));
    }
}
