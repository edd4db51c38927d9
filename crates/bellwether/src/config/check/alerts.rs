//! When alerts fire, how they are sent, and when they are not told.

use bellwether_stream::alert::rules::{AlertRules, DeliveryRules};
use bellwether_stream::patterns::ByDevice;

use super::Scope;
use super::devices::by_device;
use crate::config::checked::{ChannelSpec, MaintenanceSpec};
use crate::config::error::did_you_mean;
use crate::config::wire::leaf::{As, Name};
use crate::config::wire::{Config, DeviceAlerts};

/// The rules of each device. `named` are channels that exist no more, but may be named.
pub(super) fn rules(
    wire: &Config,
    channels: &[ChannelSpec],
    named: &[String],
    scope: &mut Scope<'_>,
) -> ByDevice<AlertRules> {
    let all = AlertRules {
        hold: wire.alerts.hold.0,
        severity_min: wire.alerts.severity_min,
        latch: wire.alerts.latch,
        repeat: wire.alerts.repeat.0.0,
        channels: None,
    };
    let mut rules = Vec::new();
    for (idx, device) in wire.devices.iter().enumerate() {
        let none = DeviceAlerts::default();
        let own = device.alerts.as_ref().unwrap_or(&none);
        let at = format!("devices[{idx}].alerts.channels");
        let told = own
            .channels
            .as_ref()
            .map(|names| existing(names, &at, channels, named, scope));
        let rule = AlertRules {
            hold: own.hold.as_ref().map_or(all.hold, |hold| hold.0),
            severity_min: own.severity_min.unwrap_or(all.severity_min),
            latch: own.latch.unwrap_or(all.latch),
            repeat: own.repeat.as_ref().map_or(all.repeat, |repeat| repeat.0.0),
            channels: told,
        };
        rules.push((device.pattern.0.0.clone(), rule));
    }
    by_device(rules, all)
}

/// Those of the names that are channels.
fn existing(
    names: &[As<Name>],
    at: &str,
    channels: &[ChannelSpec],
    named: &[String],
    scope: &mut Scope<'_>,
) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    for (idx, As(Name(name))) in names.iter().enumerate() {
        let known: Vec<&str> = channels.iter().map(ChannelSpec::name).collect();
        if known.contains(&name.as_str()) {
            told.push(name.clone());
        } else if !named.contains(name) {
            let hint = match did_you_mean(name, known.iter().copied()) {
                Some(near) => format!("did you mean {near:?}?"),
                None if known.is_empty() => "add it to [[alerts.channels]]".to_owned(),
                None => format!("there are {}", known.join(", ")),
            };
            scope.wrong(
                &format!("{at}[{idx}]"),
                format!("there is no channel {name:?}; {hint}"),
            );
        }
    }
    told
}

/// How messages are sent.
pub(super) fn delivery(wire: &Config, scope: &mut Scope<'_>) -> DeliveryRules {
    let alerts = &wire.alerts;
    scope.require(
        alerts.backoff_min.0 <= alerts.backoff_max.0,
        "alerts.backoff_max",
        || "wanted at least alerts.backoff_min".to_owned(),
    );
    scope.require(
        alerts.backoff_max.0 <= alerts.give_up_after.0,
        "alerts.give_up_after",
        || "wanted at least alerts.backoff_max, or a message would not be tried again".to_owned(),
    );
    if let Some(As(url)) = &alerts.link_base {
        scope.require(
            matches!(url.scheme(), "http" | "https")
                && url.username().is_empty()
                && url.query().is_none()
                && url.fragment().is_none(),
            "alerts.link_base",
            || {
                "wanted the first part of an address that a browser opens: https://bellwether.plant.example"
                    .to_owned()
            },
        );
    }
    DeliveryRules {
        backoff_min: alerts.backoff_min.0,
        backoff_max: alerts.backoff_max.0,
        give_up_after: alerts.give_up_after.0,
        link_base: alerts.link_base.as_ref().map(|url| url.0.clone()),
    }
}

/// When devices are worked at.
pub(super) fn maintenance(wire: &Config, scope: &mut Scope<'_>) -> Vec<MaintenanceSpec> {
    let mut windows = Vec::new();
    for (idx, window) in wire.alerts.maintenance.iter().enumerate() {
        scope.require(
            window.from.0 < window.until.0,
            &format!("alerts.maintenance[{idx}].until"),
            || format!("{} is not after from, {}", window.until.0, window.from.0),
        );
        windows.push(MaintenanceSpec {
            devices: window.devices.iter().map(|pattern| pattern.0.0.clone()).collect(),
            from: window.from.0,
            until: window.until.0,
            reason: window.reason.clone(),
        });
    }
    windows
}
