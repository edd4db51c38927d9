//! What people know of channels beforehand. Format version 2 has it since there are such rules; what says nothing is
//! left out, and bundles without a rule are as they were before.

use bellwether_core::score::{ChannelRule, Direction};
use bellwether_core::transform::Pipeline;
use serde::{Deserialize, Serialize};

use crate::bundle::manifest::ManifestError;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChannelRuleV2 {
    channel: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    direction: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deviation_min: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    valid_min: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    valid_max: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weight: Option<f64>,
}

/// Those of `rules`, none or one for each channel of `pipeline`, that say something.
pub(super) fn written(pipeline: &Pipeline, rules: &[ChannelRule]) -> Vec<ChannelRuleV2> {
    let silent = ChannelRule::default();
    let channels = pipeline.schema().channels().iter().zip(rules);
    let speaking = channels.filter(|(_, rule)| **rule != silent);
    let write = |(channel, rule): (&bellwether_core::frame::Channel, &ChannelRule)| ChannelRuleV2 {
        channel: channel.name().to_owned(),
        direction: Some(rule.direction)
            .filter(|direction| *direction != silent.direction)
            .map(|direction| direction.name().to_owned()),
        deviation_min: Some(rule.deviation_min).filter(|least| *least > 0.0),
        valid_min: Some(rule.valid.0).filter(|end| end.is_finite()),
        valid_max: Some(rule.valid.1).filter(|end| end.is_finite()),
        weight: Some(rule.weight).filter(|weight| (weight - 1.0).abs() > 0.0),
    };
    speaking.map(write).collect()
}

/// The reverse; none at all where nothing was written.
pub(super) fn read(
    pipeline: &Pipeline,
    written: Vec<ChannelRuleV2>,
) -> Result<Vec<ChannelRule>, ManifestError> {
    if written.is_empty() {
        return Ok(Vec::new());
    }
    let mut rules = vec![ChannelRule::default(); pipeline.n_channels()];
    let mut seen = vec![false; rules.len()];
    for (idx, written) in written.into_iter().enumerate() {
        let path = |field: &str| format!("detector.rules[{idx}].{field}");
        let quoted = |text: &str| format!("{text:?}");
        let Some(channel_idx) = pipeline.schema().channel_idx(&written.channel) else {
            let want = "the name of a channel of detector.pipeline";
            return Err(ManifestError::value(
                path("channel"),
                quoted(&written.channel),
                want,
            ));
        };
        if std::mem::replace(&mut seen[channel_idx], true) {
            let found = quoted(&written.channel);
            return Err(ManifestError::value(
                path("channel"),
                found,
                "one rule for each channel",
            ));
        }
        let silent = ChannelRule::default();
        let direction = match &written.direction {
            None => silent.direction,
            Some(name) => Direction::from_name(name).ok_or_else(|| {
                ManifestError::value(path("direction"), quoted(name), "both, above or below")
            })?,
        };
        let rule = ChannelRule {
            direction,
            deviation_min: written.deviation_min.unwrap_or(silent.deviation_min),
            valid: (
                written.valid_min.unwrap_or(silent.valid.0),
                written.valid_max.unwrap_or(silent.valid.1),
            ),
            weight: written.weight.unwrap_or(silent.weight),
        };
        if !rule.is_valid() {
            let want =
                "a least deviation not below 0, valid_min below valid_max and a weight from 0 to 1000000";
            let path = format!("detector.rules[{idx}]");
            return Err(ManifestError::value(path, "not usable", want));
        }
        rules[channel_idx] = rule;
    }
    Ok(rules)
}
