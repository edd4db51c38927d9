//! MQTT brokers, topics and client names.

use bellwether_stream::mqtt::{Broker, MqttVersion};

use super::Scope;
use super::unique::Taken;
use crate::config::checked::{ChannelSpec, OutputSpec, SourceSpec};
use crate::config::wire;

/// The broker of the entry at `at`, which has that name.
pub(super) fn broker(wire: &wire::Broker, at: &str, name: &str, scope: &mut Scope<'_>) -> Broker {
    let url = wire.url.0.clone();
    let is_tls = url.scheme() == "mqtts";
    scope.require(is_tls || url.scheme() == "mqtt", &format!("{at}.url"), || {
        "wanted mqtt://host:1883, or with TLS mqtts://host:8883".to_owned()
    });
    scope.require(
        url.host_str().is_some_and(|host| !host.is_empty())
            && matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none(),
        &format!("{at}.url"),
        || "wanted the broker's host and port and nothing more: mqtt://host:1883".to_owned(),
    );
    scope.require(url.username().is_empty(), &format!("{at}.url"), || {
        "the user goes into the key username".to_owned()
    });
    scope.require(
        wire.password.is_none() || wire.username.is_some(),
        &format!("{at}.password"),
        || "a password needs a username beside it".to_owned(),
    );
    for (key, path) in [
        ("ca_file", &wire.ca_file),
        ("client_cert", &wire.client_cert),
        ("client_key", &wire.client_key),
    ] {
        scope.require(is_tls || path.is_none(), &format!("{at}.{key}"), || {
            "certificates are for TLS; write mqtts:// in url".to_owned()
        });
    }
    let client_cert = match (&wire.client_cert, &wire.client_key) {
        (Some(cert), Some(key)) => Some((
            scope.path(&format!("{at}.client_cert"), cert),
            scope.path(&format!("{at}.client_key"), key),
        )),
        (Some(_), None) => {
            scope.wrong(
                &format!("{at}.client_cert"),
                "a certificate needs its client_key beside it",
            );
            None
        }
        (None, Some(_)) => {
            scope.wrong(
                &format!("{at}.client_key"),
                "a key needs its client_cert beside it",
            );
            None
        }
        (None, None) => None,
    };
    if let Some(id) = &wire.client_id {
        scope.require(
            (1..=128).contains(&id.len()) && !id.contains(char::is_control),
            &format!("{at}.client_id"),
            || "wanted 1 to 128 bytes on one line".to_owned(),
        );
    }
    Broker {
        version: match wire.version {
            wire::MqttVersion::V4 => MqttVersion::V4,
            wire::MqttVersion::V5 => MqttVersion::V5,
        },
        client_id: wire
            .client_id
            .clone()
            .unwrap_or_else(|| format!("bellwether-{name}")),
        username: wire.username.clone(),
        password: scope.secret(&format!("{at}.password"), wire.password.as_ref()),
        ca_file: wire
            .ca_file
            .as_deref()
            .map(|path| scope.path(&format!("{at}.ca_file"), path)),
        client_cert,
        url,
    }
}

/// What is wrong with a topic filter, if anything: `+` is one whole level, `#` all levels at the end.
pub(super) fn filter_problem(filter: &str) -> Option<String> {
    let levels: Vec<&str> = filter.split('/').collect();
    let last = levels.len() - 1;
    let is_fine = (1..=65_535).contains(&filter.len())
        && levels.iter().enumerate().all(|(idx, level)| match *level {
            "+" => true,
            "#" => idx == last,
            level => !level.contains(['+', '#']),
        });
    (!is_fine).then(|| {
        format!("{filter:?} is no topic filter: + stands for one whole level, # for all levels at the end, as in plant/+/data")
    })
}

/// A prefix of topics that we publish at.
pub(super) fn check_prefix(prefix: &str, at: &str, scope: &mut Scope<'_>) {
    let is_fine = (1..=1024).contains(&prefix.len())
        && !prefix.contains(['+', '#'])
        && !prefix.starts_with(['/', '$'])
        && !prefix.ends_with('/');
    scope.require(is_fine, &format!("{at}.prefix"), || {
        format!("{prefix:?} is no prefix of topics: wanted levels such as plant/bellwether, without + # and / at the ends")
    });
}

/// A broker closes a connection when another comes under its client name: each needs one of its own.
pub(super) fn check_clients(
    sources: &[SourceSpec],
    outputs: &[OutputSpec],
    channels: &[ChannelSpec],
    scope: &mut Scope<'_>,
) {
    let sources = sources.iter().enumerate().filter_map(|(idx, spec)| match spec {
        SourceSpec::Mqtt(spec) => Some((format!("sources[{idx}]"), &spec.broker)),
        _ => None,
    });
    let outputs = outputs.iter().enumerate().filter_map(|(idx, spec)| match spec {
        OutputSpec::Mqtt(spec) => Some((format!("outputs[{idx}]"), &spec.broker)),
        OutputSpec::Text(_) => None,
    });
    let channels = channels.iter().enumerate().filter_map(|(idx, spec)| match spec {
        ChannelSpec::Mqtt(spec) => Some((format!("alerts.channels[{idx}]"), &spec.broker)),
        _ => None,
    });
    let mut taken = Taken::of("the client name and broker");
    for (at, broker) in sources.chain(outputs).chain(channels) {
        let client = format!("{} at {}", broker.client_id, broker.url);
        taken.take(&client, &at, "give each a client_id of its own", scope);
    }
}
