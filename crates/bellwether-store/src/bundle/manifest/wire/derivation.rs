//! Features and modes. Format version 2 has them since there are such; a bundle without is as it was before.

use std::time::Duration;

use bellwether_core::condition::Condition;
use bellwether_core::frame::Channel;
use bellwether_core::transform::derive::feature::ClockPeriod;
use bellwether_core::transform::derive::{Feature, FeatureKind};
use bellwether_core::transform::{DerivationParts, Operation};
use bellwether_core::zone::Zone;
use serde::{Deserialize, Serialize};

use crate::bundle::manifest::ManifestError;

/// A channel that is worked out of others. Which fields are there depends on the kind.
#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct FeatureV2 {
    channel: String,
    kind: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    inputs: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rows: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    span: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lambda: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    period: Option<Duration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    profile: Option<Vec<f64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
}

/// Which rows count.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OperationV2 {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mode_when: Option<String>,
    #[serde(default)]
    fill_len: usize,
    #[serde(default)]
    blank_len: usize,
}

impl From<&Feature> for FeatureV2 {
    fn from(feature: &Feature) -> Self {
        let named = |kind: &str| Self {
            channel: feature.channel.name().to_owned(),
            kind: kind.to_owned(),
            inputs: feature
                .inputs
                .iter()
                .map(|input| input.name().to_owned())
                .collect(),
            ..Self::default()
        };
        let over = |kind: &str, rows: usize| Self {
            rows: Some(rows),
            ..named(kind)
        };
        match &feature.kind {
            FeatureKind::Diff { rows } => over("diff", *rows),
            FeatureKind::Lag { rows } => over("lag", *rows),
            FeatureKind::Mean { rows } => over("mean", *rows),
            FeatureKind::Std { rows } => over("std", *rows),
            FeatureKind::Min { rows } => over("min", *rows),
            FeatureKind::Max { rows } => over("max", *rows),
            FeatureKind::Ewma { span } => Self {
                span: Some(*span),
                ..named("ewma")
            },
            FeatureKind::Ratio => named("ratio"),
            FeatureKind::Minus => named("minus"),
            FeatureKind::Log => named("log"),
            FeatureKind::BoxCox { lambda } => Self {
                lambda: Some(*lambda),
                ..named("boxcox")
            },
            FeatureKind::Band { rows, first, last } => Self {
                first: Some(*first),
                last: Some(*last),
                ..over("band", *rows)
            },
            FeatureKind::Season {
                period,
                zone,
                profile,
            } => Self {
                period: Some(*period),
                zone: Some(zone.name().to_owned()),
                profile: Some(profile.clone()),
                ..named("season")
            },
            FeatureKind::Clock {
                period,
                zone,
                is_cosine,
            } => Self {
                zone: Some(zone.name().to_owned()),
                ..named(match (period, is_cosine) {
                    (ClockPeriod::Day, false) => "day-sine",
                    (ClockPeriod::Day, true) => "day-cosine",
                    (ClockPeriod::Week, false) => "week-sine",
                    (ClockPeriod::Week, true) => "week-cosine",
                })
            },
            FeatureKind::OneHot { value } => Self {
                value: Some(*value),
                ..named("onehot")
            },
            FeatureKind::Absent => named("absent"),
        }
    }
}

impl From<&Operation> for OperationV2 {
    fn from(operation: &Operation) -> Self {
        Self {
            mode_when: operation.when.as_ref().map(|when| when.text().to_owned()),
            fill_len: operation.fill_len,
            blank_len: operation.blank_len,
        }
    }
}

/// The reverse.
pub(super) fn read(
    features: Vec<FeatureV2>,
    operation: Option<OperationV2>,
) -> Result<DerivationParts, ManifestError> {
    let features = features.into_iter().enumerate();
    Ok(DerivationParts {
        features: features
            .map(|(idx, feature)| feature.feature(&format!("detector.pipeline.features[{idx}]")))
            .collect::<Result<_, _>>()?,
        operation: operation.map(OperationV2::operation).transpose()?,
    })
}

impl OperationV2 {
    fn operation(self) -> Result<Operation, ManifestError> {
        let when = self.mode_when.map(|text| {
            Condition::parse(&text).map_err(|error| {
                let found = format!("{text:?}");
                ManifestError::value("detector.pipeline.operation.mode_when", found, error.to_string())
            })
        });
        Ok(Operation {
            when: when.transpose()?,
            fill_len: self.fill_len,
            blank_len: self.blank_len,
            calendar: Vec::new(),
        })
    }
}

impl FeatureV2 {
    fn feature(mut self, path: &str) -> Result<Feature, ManifestError> {
        let kind = std::mem::take(&mut self.kind);
        let fitted = match kind.as_str() {
            "diff" => FeatureKind::Diff {
                rows: self.rows(path)?,
            },
            "lag" => FeatureKind::Lag {
                rows: self.rows(path)?,
            },
            "mean" => FeatureKind::Mean {
                rows: self.rows(path)?,
            },
            "std" => FeatureKind::Std {
                rows: self.rows(path)?,
            },
            "min" => FeatureKind::Min {
                rows: self.rows(path)?,
            },
            "max" => FeatureKind::Max {
                rows: self.rows(path)?,
            },
            "ewma" => FeatureKind::Ewma {
                span: taken(path, "span", &mut self.span)?,
            },
            "ratio" => FeatureKind::Ratio,
            "minus" => FeatureKind::Minus,
            "log" => FeatureKind::Log,
            "boxcox" => FeatureKind::BoxCox {
                lambda: taken(path, "lambda", &mut self.lambda)?,
            },
            "band" => FeatureKind::Band {
                rows: self.rows(path)?,
                first: taken(path, "first", &mut self.first)?,
                last: taken(path, "last", &mut self.last)?,
            },
            "season" => FeatureKind::Season {
                period: taken(path, "period", &mut self.period)?,
                zone: self.zone(path)?,
                profile: taken(path, "profile", &mut self.profile)?,
            },
            "day-sine" | "day-cosine" | "week-sine" | "week-cosine" => FeatureKind::Clock {
                period: if kind.starts_with("day") {
                    ClockPeriod::Day
                } else {
                    ClockPeriod::Week
                },
                zone: self.zone(path)?,
                is_cosine: kind.ends_with("cosine"),
            },
            "onehot" => FeatureKind::OneHot {
                value: taken(path, "value", &mut self.value)?,
            },
            "absent" => FeatureKind::Absent,
            other => {
                let found = format!("{:?}", other.chars().take(80).collect::<String>());
                let want = "a kind of feature that this version of bellwether knows";
                return Err(ManifestError::value(format!("{path}.kind"), found, want));
            }
        };
        if let Some(name) = self.left() {
            let want = format!("no such field for a feature of the kind {kind}");
            return Err(ManifestError::value(format!("{path}.{name}"), "given", want));
        }
        Ok(Feature {
            channel: Channel::new(self.channel),
            inputs: self.inputs.into_iter().map(Channel::new).collect(),
            kind: fitted,
        })
    }

    fn rows(&mut self, path: &str) -> Result<usize, ManifestError> {
        taken(path, "rows", &mut self.rows)
    }

    fn zone(&mut self, path: &str) -> Result<Zone, ManifestError> {
        let name = taken(path, "zone", &mut self.zone)?;
        name.parse().map_err(|_| {
            let found = format!("{:?}", name.chars().take(80).collect::<String>());
            ManifestError::value(format!("{path}.zone"), found, "a time zone such as Europe/Berlin")
        })
    }

    /// A field that no one has asked for.
    fn left(&self) -> Option<&'static str> {
        let fields = [
            ("rows", self.rows.is_some()),
            ("span", self.span.is_some()),
            ("lambda", self.lambda.is_some()),
            ("first", self.first.is_some()),
            ("last", self.last.is_some()),
            ("period", self.period.is_some()),
            ("zone", self.zone.is_some()),
            ("profile", self.profile.is_some()),
            ("value", self.value.is_some()),
        ];
        fields
            .into_iter()
            .find_map(|(name, is_left)| is_left.then_some(name))
    }
}

fn taken<T>(path: &str, name: &str, field: &mut Option<T>) -> Result<T, ManifestError> {
    field
        .take()
        .ok_or_else(|| ManifestError::value(format!("{path}.{name}"), "absent", "a value"))
}
