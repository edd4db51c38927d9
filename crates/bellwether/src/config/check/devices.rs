//! What differs from device to device: models, lateness, silence.

use std::path::Path;

use bellwether_store::registry::ModelRef;
use bellwether_stream::live::DeviceRules;
use bellwether_stream::patterns::ByDevice;

use super::Scope;
use super::unique::Taken;
use crate::config::wire::Config;

/// The model of each device.
pub(super) fn models(wire: &Config, scope: &mut Scope<'_>) -> ByDevice<Option<ModelRef>> {
    let mut patterns = Taken::of("the pattern");
    let mut rules = Vec::new();
    for (idx, group) in wire.models.groups.iter().enumerate() {
        let model = reference(&group.model.0, &format!("models.groups[{idx}].model"), scope);
        for (n, pattern) in group.devices.iter().enumerate() {
            let at = format!("models.groups[{idx}].devices[{n}]");
            patterns.take(
                &pattern.0.0,
                &at,
                "the first one counts, so leave this one out",
                scope,
            );
            rules.push((pattern.0.0.clone(), Some(model.clone())));
        }
    }
    let default = wire.models.default.as_ref();
    by_device(
        rules,
        default.map(|model| reference(&model.0, "models.default", scope)),
    )
}

/// A bundle file is relative to the configuration file, as all paths there are.
fn reference(model: &ModelRef, at: &str, scope: &Scope<'_>) -> ModelRef {
    match model {
        ModelRef::File(path) => ModelRef::File(scope.path(at, Path::new(path))),
        named => named.clone(),
    }
}

/// How late samples of each device may be, and how long it may be silent.
pub(super) fn rules(wire: &Config, scope: &mut Scope<'_>) -> ByDevice<DeviceRules> {
    let mut patterns = Taken::of("the pattern");
    let mut rules = Vec::new();
    for (idx, device) in wire.devices.iter().enumerate() {
        let at = format!("devices[{idx}]");
        patterns.take(
            &device.pattern.0.0,
            &format!("{at}.match"),
            "the first one counts, so put both into one entry",
            scope,
        );
        let says_nothing = device.lateness.is_none() && device.silence.is_none() && device.alerts.is_none();
        scope.require(!says_nothing, &at, || {
            "this entry changes nothing; give lateness, silence or alerts, or leave it out".to_owned()
        });
        rules.push((
            device.pattern.0.0.clone(),
            DeviceRules {
                lateness: device.lateness.as_ref().unwrap_or(&wire.stream.lateness).0,
                silence: device.silence.as_ref().unwrap_or(&wire.stream.silence).0.0,
            },
        ));
    }
    by_device(
        rules,
        DeviceRules {
            lateness: wire.stream.lateness.0,
            silence: wire.stream.silence.0.0,
        },
    )
}

/// Patterns were read when their text was.
pub(super) fn by_device<T>(rules: Vec<(String, T)>, otherwise: T) -> ByDevice<T> {
    ByDevice::new(rules, otherwise).expect("a pattern of the wire structs can be read")
}
