//! Whom alerts reach.

use bellwether_stream::channel::alertmanager::AlertmanagerSpec;
use bellwether_stream::channel::email::EmailSpec;
use bellwether_stream::channel::mqtt::MqttStateSpec;
use bellwether_stream::channel::webhook::WebhookSpec;
use url::Url;

use super::unique::Taken;
use super::{Scope, broker};
use crate::config::checked::ChannelSpec;
use crate::config::wire::leaf::{As, Name};
use crate::config::wire::{Channel, Config};

pub(super) fn check(wire: &Config, scope: &mut Scope<'_>) -> Vec<ChannelSpec> {
    let channels: Vec<ChannelSpec> = wire
        .alerts
        .channels
        .iter()
        .enumerate()
        .map(|(idx, channel)| spec(channel, &format!("alerts.channels[{idx}]"), scope))
        .collect();
    let mut names = Taken::of("the name");
    for (idx, channel) in channels.iter().enumerate() {
        let at = format!("alerts.channels[{idx}]");
        names.take(channel.name(), &at, "give each channel a name of its own", scope);
    }
    channels
}

/// The name of a channel: its type, where it has none.
pub(super) fn name(wire: &Channel) -> String {
    let (name, kind) = match wire {
        Channel::Webhook(wire) => (&wire.name, "webhook"),
        Channel::Alertmanager(wire) => (&wire.name, "alertmanager"),
        Channel::Mqtt(wire) => (&wire.name, "mqtt"),
        Channel::Email(wire) => (&wire.name, "email"),
    };
    let given = |name: &As<Name>| name.0.0.clone();
    name.as_ref().map_or_else(|| kind.to_owned(), given)
}

fn spec(wire: &Channel, at: &str, scope: &mut Scope<'_>) -> ChannelSpec {
    let name = name(wire);
    match wire {
        Channel::Webhook(wire) => {
            check_http(&wire.url.0, at, scope);
            ChannelSpec::Webhook(WebhookSpec {
                name,
                url: wire.url.0.clone(),
                secret: scope.secret(&format!("{at}.secret"), wire.secret.as_ref()),
                timeout: wire.timeout.0,
            })
        }
        Channel::Alertmanager(wire) => {
            check_http(&wire.url.0, at, scope);
            for label in wire.labels.keys() {
                scope.require(is_label(label), &format!("{at}.labels.{label}"), || {
                    "a label's name has letters, digits and _, and starts with no digit".to_owned()
                });
            }
            ChannelSpec::Alertmanager(AlertmanagerSpec {
                name,
                url: wire.url.0.clone(),
                labels: wire.labels.clone(),
                repeat: wire.repeat.0,
                timeout: wire.timeout.0,
            })
        }
        Channel::Mqtt(wire) => {
            broker::check_prefix(&wire.prefix, at, scope);
            ChannelSpec::Mqtt(MqttStateSpec {
                broker: broker::broker(&wire.broker, at, &format!("states-{name}"), scope),
                prefix: wire.prefix.clone(),
                name,
            })
        }
        Channel::Email(wire) => {
            let url = &wire.url.0;
            let at_url = format!("{at}.url");
            scope.require(
                matches!(url.scheme(), "smtp" | "smtps" | "smtp+starttls")
                    && url.host_str().is_some_and(|host| !host.is_empty()),
                &at_url,
                || "wanted smtp://host:25, smtp+starttls://host:587 or smtps://host:465".to_owned(),
            );
            scope.require(url.username().is_empty(), &at_url, || {
                "the user goes into the key username".to_owned()
            });
            scope.require(
                wire.username.is_some() == wire.password.is_some(),
                &format!(
                    "{at}.{}",
                    if wire.username.is_some() {
                        "username"
                    } else {
                        "password"
                    }
                ),
                || "username and password go together".to_owned(),
            );
            scope.require(
                wire.password.is_none() || url.scheme() != "smtp" || is_here(url),
                &at_url,
                || "a password needs TLS: write smtp+starttls:// or smtps://".to_owned(),
            );
            check_mail(&wire.from, &format!("{at}.from"), scope);
            for (idx, to) in wire.to.iter().enumerate() {
                check_mail(to, &format!("{at}.to[{idx}]"), scope);
            }
            ChannelSpec::Email(EmailSpec {
                name,
                url: url.clone(),
                username: wire.username.clone(),
                password: scope.secret(&format!("{at}.password"), wire.password.as_ref()),
                ca_file: wire
                    .ca_file
                    .as_deref()
                    .map(|path| scope.path(&format!("{at}.ca_file"), path)),
                from: wire.from.clone(),
                to: wire.to.clone(),
                timeout: wire.timeout.0,
            })
        }
    }
}

fn check_http(url: &Url, at: &str, scope: &mut Scope<'_>) {
    let at = format!("{at}.url");
    scope.require(
        matches!(url.scheme(), "http" | "https") && url.host_str().is_some(),
        &at,
        || "wanted http://host/path or https://host/path".to_owned(),
    );
    scope.require(url.username().is_empty(), &at, || {
        "a user in the address is not sent; leave it out".to_owned()
    });
}

/// Enough to find what is no address at all; the server knows the rest.
fn check_mail(text: &str, at: &str, scope: &mut Scope<'_>) {
    let address = match text.rsplit_once('<') {
        Some((_, address)) => address.strip_suffix('>').unwrap_or_default(),
        None => text,
    };
    let is_mail = address
        .rsplit_once('@')
        .is_some_and(|(user, host)| !user.is_empty() && !host.is_empty())
        && !address.contains(char::is_whitespace)
        && !text.contains(char::is_control);
    scope.require(is_mail, at, || {
        format!("{text:?} is no mail address such as ops@plant.example")
    });
}

fn is_label(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether a server runs on this machine.
fn is_here(url: &Url) -> bool {
    matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]" | "::1"))
}
