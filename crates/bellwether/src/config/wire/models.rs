//! `[models]`: which model judges which device.

use std::path::PathBuf;

use bellwether_store::registry::ModelRef;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::leaf::{As, Pattern};

/// Which model judges which device.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Models {
    /// The model of every device that is in no group: `NAME` (its champion), `NAME@VERSION`, `NAME@ALIAS`, or the path
    /// of a bundle file. Without it, samples of such devices go to quarantine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) default: Option<As<ModelRef>>,
    /// Folder of the registry. Without it: `$BELLWETHER_HOME`, else the platform's data folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "path"))]
    pub(crate) registry: Option<PathBuf>,
    /// Files of public keys (PEM, as `models keygen` makes them). Where there is one, only models that one of these keys
    /// signed judge anything.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) trust: Vec<PathBuf>,
    /// Whether a device that has a model of its own, `NAME-DEVICE` as `train --group-by` publishes it, is judged by that
    /// instead of `NAME`. A device whose model is published later has it after a reload.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) by_device: bool,
    /// Groups of devices with a model of their own; the first group with a pattern that matches counts. A device never
    /// seen before works at once with the model of its group.
    pub(crate) groups: Vec<Group>,
}

/// Devices that share a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Group {
    /// Patterns of device names: `*` stands for any text, `?` for one character, `[ab]` for one of these, `{a,b}` for
    /// one of these texts.
    #[schemars(length(min = 1))]
    pub(crate) devices: Vec<As<Pattern>>,
    /// The model, as in `default`.
    pub(crate) model: As<ModelRef>,
}
