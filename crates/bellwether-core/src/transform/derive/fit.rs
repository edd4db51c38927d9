//! What of a derivation is learnt from training rows: lengths in rows, λ, profiles, states.

use std::time::Duration;

use super::feature::{BAND_BINS_MAX, ClockPeriod, FEATURE_ROWS_MAX, Feature, FeatureKind, PROFILE_LEN_MAX};
use super::operation::Operation;
use super::value::{box_cox, phase};
use super::wish::{FeatureWish, Rolling, Span, Wish};
use super::{Derivation, DerivationParts, Outside, RawRow, stretches};
use crate::condition::Condition;
use crate::frame::{Channel, Frame, Schema};
use crate::quantile::{median_sorted, sorted_finite};
use crate::time::Timestamp;
use crate::transform::pipeline::FitError;
use crate::transform::{DerivationState, MissingChannel};
use crate::zone::Zone;

/// States of a channel that a wish for one feature each may make.
const STATES_MAX: usize = 16;

/// Values that λ is fitted on at most: evenly taken from all.
const BOX_COX_VALUES_MAX: usize = 20_000;

/// Between these ends λ is looked for.
const LAMBDA_ENDS: (f64, f64) = (-2.0, 2.0);

/// What people wish to be derived of raw rows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DerivationSpec {
    /// What is to be worked out of the channels.
    pub features: Vec<FeatureWish>,
    /// What holds while the machine is in operation.
    pub mode_when: Option<Condition>,
    /// How long after a start rows do not count.
    pub blank_after_start: Option<Duration>,
}

/// Spacing of the training rows, and what they are asked with.
pub(in crate::transform) struct Training<'a> {
    pub(in crate::transform) frames: &'a [Frame],
    pub(in crate::transform) cadence: Duration,
    pub(in crate::transform) gap_max: Duration,
    pub(in crate::transform) window_len: usize,
}

impl DerivationSpec {
    /// Learns from training rows, and names the channels of the model: those of the first frame, features in place of
    /// those they are called after, the other features behind them.
    pub(in crate::transform) fn fit(
        &self,
        training: &Training<'_>,
    ) -> Result<(Schema, DerivationParts), FitError> {
        let schema = training.frames[0].schema();
        if let Some(when) = &self.mode_when {
            when.bind(schema.channels())?;
        }
        let parts = DerivationParts {
            operation: self.operation(training),
            features: Vec::new(),
        };
        let mut features = Vec::new();
        // Of rows in operation alone.
        let raw = Derivation::new(schema, parts.clone())?;
        let values = Values::of(training, &raw)?;
        for wish in &self.features {
            let context = Context {
                wish,
                schema,
                training,
                values: &values,
            };
            features.extend(context.features()?);
        }
        let mut channels: Vec<Channel> = schema.channels().to_vec();
        for feature in &features {
            if !channels.contains(&feature.channel) {
                channels.push(feature.channel.clone());
            }
        }
        if let Some(twice) = first_twice(&features) {
            return Err(FitError::feature(twice, "it is wished for twice".to_owned()));
        }
        Ok((
            Schema::new(channels, training.cadence)?,
            DerivationParts { features, ..parts },
        ))
    }

    fn operation(&self, training: &Training<'_>) -> Option<Operation> {
        if self.mode_when.is_none() && self.blank_after_start.is_none() {
            return None;
        }
        let blank = self.blank_after_start.unwrap_or_default();
        Some(Operation {
            fill_len: if self.mode_when.is_some() {
                training.window_len
            } else {
                0
            },
            blank_len: rows_of(blank, training.cadence).ceil() as usize,
            when: self.mode_when.clone(),
            calendar: Vec::new(),
        })
    }
}

fn first_twice(features: &[Feature]) -> Option<&str> {
    let mut seen = std::collections::HashSet::new();
    let mut names = features.iter().map(|feature| feature.channel.name());
    names.find(|name| !seen.insert(*name))
}

/// How many rows make up a time; 0 where there is no cadence.
fn rows_of(time: Duration, cadence: Duration) -> f64 {
    let cadence = cadence.as_secs_f64();
    if cadence > 0.0 {
        time.as_secs_f64() / cadence
    } else {
        0.0
    }
}

/// The training rows in operation.
struct Values {
    time: Vec<Timestamp>,
    /// By the inputs of the derivation, `[n_channels][n_rows]`.
    columns: Vec<Vec<f64>>,
    channels: Vec<Channel>,
}

impl Values {
    fn of(training: &Training<'_>, raw: &Derivation) -> Result<Self, FitError> {
        let channels = raw.inputs().channels().to_vec();
        let mut values = Self {
            time: Vec::new(),
            columns: vec![Vec::new(); channels.len()],
            channels,
        };
        for frame in training.frames {
            let order: Vec<usize> = values
                .channels
                .iter()
                .filter_map(|channel| frame.schema().channel_idx(channel.name()))
                .collect();
            let outside = outside(frame, &order, raw, training.gap_max);
            for rows in stretches(&outside) {
                values.time.extend_from_slice(&frame.time()[rows.clone()]);
                for (column, &idx) in values.columns.iter_mut().zip(&order) {
                    column.extend(rows.clone().map(|row| frame.sample(row).values[idx]));
                }
            }
        }
        if values.time.is_empty() {
            return Err(FitError::NeverInOperation {
                operation: raw
                    .parts()
                    .operation
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
            });
        }
        Ok(values)
    }

    fn column(&self, channel: &Channel) -> &[f64] {
        let idx = self.channels.iter().position(|known| known == channel);
        idx.map_or(&[], |idx| &self.columns[idx])
    }
}

/// Why each row of a frame does not count; all of its inputs are channels of the frame, at `order`.
fn outside(frame: &Frame, order: &[usize], raw: &Derivation, gap_max: Duration) -> Vec<Option<Outside>> {
    let mut state = DerivationState::new(raw);
    let (mut inputs, mut out) = (vec![0.0; order.len()], vec![0.0; raw.sources.len()]);
    let mut last: Option<Timestamp> = None;
    (0..frame.n_samples())
        .map(|row| {
            let sample = frame.sample(row);
            for (input, &idx) in inputs.iter_mut().zip(order) {
                *input = sample.values[idx];
            }
            let is_after_gap = last.is_none_or(|last| sample.time.since(last) > gap_max);
            last = Some(sample.time);
            let row = RawRow {
                time: sample.time,
                is_after_gap,
                values: &inputs,
            };
            state.step(raw, row, &mut out)
        })
        .collect()
}

/// A wish, and what it is fitted on.
struct Context<'a> {
    wish: &'a FeatureWish,
    schema: &'a Schema,
    training: &'a Training<'a>,
    values: &'a Values,
}

impl Context<'_> {
    fn features(&self) -> Result<Vec<Feature>, FitError> {
        let one = |name: &str, inputs: Vec<Channel>, kind: FeatureKind| {
            let feature = Feature {
                channel: Channel::new(name),
                inputs,
                kind,
            };
            feature.check().map(|()| feature)
        };
        let name = self.wish.name();
        let clock = |period: ClockPeriod, zone: &Zone| {
            let of = |is_cosine: bool| {
                let suffix = if is_cosine { "cos" } else { "sin" };
                let zone = zone.clone();
                let kind = FeatureKind::Clock {
                    period,
                    zone,
                    is_cosine,
                };
                one(&format!("{name}.{suffix}"), Vec::new(), kind)
            };
            Ok(vec![of(false)?, of(true)?])
        };
        let (inputs, kind) = match &self.wish.wish {
            Wish::Daily(zone) => return clock(ClockPeriod::Day, zone),
            Wish::Weekly(zone) => return clock(ClockPeriod::Week, zone),
            Wish::OneHot(channel) => {
                let channel = self.channel(channel)?;
                let states = self.states(&channel)?;
                let of = |value: f64| {
                    let kind = FeatureKind::OneHot { value };
                    one(&format!("{name}={value}"), vec![channel.clone()], kind)
                };
                return states.into_iter().map(of).collect();
            }
            Wish::Rolling(rolling, channel, span) => {
                (vec![self.channel(channel)?], self.rolling(*rolling, *span)?)
            }
            Wish::Ratio(a, b) => (vec![self.channel(a)?, self.channel(b)?], FeatureKind::Ratio),
            Wish::Minus(a, b) => (vec![self.channel(a)?, self.channel(b)?], FeatureKind::Minus),
            Wish::Log(channel) => (vec![self.channel(channel)?], FeatureKind::Log),
            Wish::BoxCox(channel, lambda) => {
                let channel = self.channel(channel)?;
                let lambda = match lambda {
                    Some(lambda) => *lambda,
                    None => self.lambda(&channel)?,
                };
                (vec![channel], FeatureKind::BoxCox { lambda })
            }
            Wish::Band(channel, length, shortest, longest) => (
                vec![self.channel(channel)?],
                self.band(*length, *shortest, *longest)?,
            ),
            Wish::Season(channel, period, zone) => {
                let channel = self.channel(channel)?;
                let profile = self.profile(&channel, *period, zone)?;
                let kind = FeatureKind::Season {
                    period: *period,
                    zone: zone.clone(),
                    profile,
                };
                (vec![channel], kind)
            }
            Wish::Absent(channel) => (vec![self.channel(channel)?], FeatureKind::Absent),
        };
        Ok(vec![one(name, inputs, kind)?])
    }

    fn refused(&self, problem: impl Into<String>) -> FitError {
        FitError::feature(self.wish.name(), problem.into())
    }

    fn channel(&self, name: &str) -> Result<Channel, FitError> {
        let channels = self.schema.channels();
        let found = channels.iter().find(|channel| channel.name() == name);
        found
            .cloned()
            .ok_or_else(|| self.refused(format!("the data have {}", MissingChannel::new(name, channels))))
    }

    /// A length in whole rows.
    fn rows(&self, span: Span) -> Result<usize, FitError> {
        let rows = match span {
            Span::Rows(rows) => rows,
            Span::Time(time) => rows_of(time, self.training.cadence),
        }
        .round();
        if (1.0..=FEATURE_ROWS_MAX as f64).contains(&rows) {
            return Ok(rows as usize);
        }
        Err(self.refused(format!(
            "its length is {rows} rows at the cadence of the data, wanted 1 to {FEATURE_ROWS_MAX}"
        )))
    }

    fn rolling(&self, rolling: Rolling, span: Span) -> Result<FeatureKind, FitError> {
        let rows = self.rows(span)?;
        Ok(match rolling {
            Rolling::Diff => FeatureKind::Diff { rows },
            Rolling::Lag => FeatureKind::Lag { rows },
            Rolling::Mean => FeatureKind::Mean { rows },
            Rolling::Std => FeatureKind::Std { rows },
            Rolling::Min => FeatureKind::Min { rows },
            Rolling::Max => FeatureKind::Max { rows },
            Rolling::Ewma => FeatureKind::Ewma { span: rows as f64 },
        })
    }

    /// The whole periods in a length that lie between two periods.
    fn band(&self, length: Span, shortest: Span, longest: Span) -> Result<FeatureKind, FitError> {
        let rows = self.rows(length)?;
        let (shortest, longest) = (self.rows(shortest)?, self.rows(longest)?);
        let (shortest, longest) = (shortest.min(longest), shortest.max(longest));
        let bin = |period: usize| (rows as f64 / period as f64).round() as usize;
        let (first, last) = (bin(longest), bin(shortest));
        if first < 1 || 2 * last > rows || last - first >= BAND_BINS_MAX {
            return Err(self.refused(format!(
                "periods of {shortest} to {longest} rows in {rows} rows: wanted at least one period in them, none \
                 below 2 rows, and at most {BAND_BINS_MAX} frequencies"
            )));
        }
        Ok(FeatureKind::Band { rows, first, last })
    }

    fn states(&self, channel: &Channel) -> Result<Vec<f64>, FitError> {
        let mut values = sorted_finite(self.values.column(channel).iter().copied());
        values.dedup();
        if (1..=STATES_MAX).contains(&values.len()) {
            return Ok(values);
        }
        Err(self.refused(format!(
            "channel {:?} has {} values in training, wanted 1 to {STATES_MAX} states",
            channel.name(),
            values.len()
        )))
    }

    fn lambda(&self, channel: &Channel) -> Result<f64, FitError> {
        let observed = self
            .values
            .column(channel)
            .iter()
            .copied()
            .filter(|value| !value.is_nan());
        let all: Vec<f64> = observed.collect();
        let above: Vec<f64> = all.iter().copied().filter(|value| *value > 0.0).collect();
        if 2 * above.len() < all.len() || above.len() < 2 {
            return Err(self.refused(format!(
                "channel {:?} has {} values above 0 of {}: Box-Cox needs them above 0",
                channel.name(),
                above.len(),
                all.len()
            )));
        }
        let step = above.len().div_ceil(BOX_COX_VALUES_MAX);
        let values: Vec<f64> = above.into_iter().step_by(step).collect();
        Ok(likeliest_lambda(&values))
    }

    /// Medians over the period; points without a value lie in a straight line between those beside them.
    fn profile(&self, channel: &Channel, period: Duration, zone: &Zone) -> Result<Vec<f64>, FitError> {
        let per_period = rows_of(period, self.training.cadence).round();
        if per_period < 2.0 {
            return Err(self.refused("its period is shorter than two rows"));
        }
        let n_points = (per_period as usize).min(PROFILE_LEN_MAX);
        let nanos = i64::try_from(period.as_nanos()).unwrap_or(i64::MAX);
        let mut points = vec![Vec::new(); n_points];
        for (&time, &value) in self.values.time.iter().zip(self.values.column(channel)) {
            let place = phase(zone.local_nanos(time), nanos) * n_points as f64;
            points[place.round() as usize % n_points].push(value);
        }
        let medians = points.into_iter().map(|values| {
            let sorted = sorted_finite(values);
            if sorted.is_empty() {
                f64::NAN
            } else {
                median_sorted(&sorted)
            }
        });
        bridged(&medians.collect::<Vec<_>>())
            .ok_or_else(|| self.refused(format!("channel {:?} has no value in training", channel.name())))
    }
}

/// A round of points with those that are missing put in a straight line; `None` where all are.
fn bridged(points: &[f64]) -> Option<Vec<f64>> {
    let n = points.len();
    let known: Vec<usize> = (0..n).filter(|idx| !points[*idx].is_nan()).collect();
    let mut whole = points.to_vec();
    for (at, &from) in known.iter().enumerate() {
        let to = known[(at + 1) % known.len()];
        let length = if to > from { to - from } else { to + n - from };
        for step in 1..length {
            let share = step as f64 / length as f64;
            whole[(from + step) % n] = points[from] * (1.0 - share) + points[to] * share;
        }
    }
    (!known.is_empty()).then_some(whole)
}

/// λ of the greatest likelihood (Box and Cox 1964, equation 8), by golden section.
fn likeliest_lambda(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let log_sum: f64 = values.iter().map(|value| value.ln()).sum();
    let likelihood = |lambda: f64| {
        let mean = values.iter().map(|value| box_cox(*value, lambda)).sum::<f64>() / n;
        let square = |value: &f64| (box_cox(*value, lambda) - mean) * (box_cox(*value, lambda) - mean);
        let variance = values.iter().map(square).sum::<f64>() / n;
        (lambda - 1.0) * log_sum - n / 2.0 * variance.max(f64::MIN_POSITIVE).ln()
    };
    let ratio = (5.0_f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = LAMBDA_ENDS;
    let (mut left, mut right) = (high - ratio * (high - low), low + ratio * (high - low));
    let (mut of_left, mut of_right) = (likelihood(left), likelihood(right));
    while high - low > 1e-6 {
        if of_left >= of_right {
            (high, right, of_right) = (right, left, of_left);
            left = high - ratio * (high - low);
            of_left = likelihood(left);
        } else {
            (low, left, of_left) = (left, right, of_right);
            right = low + ratio * (high - low);
            of_right = likelihood(right);
        }
    }
    0.5 * (low + high)
}

#[cfg(test)]
pub(super) fn lambda_of(values: &[f64]) -> f64 {
    likeliest_lambda(values)
}
