//! Where samples come from.

use bellwether_core::zone::Zone;
use bellwether_stream::source::decode;
use bellwether_stream::source::decode::Place;
use bellwether_stream::source::http::HttpSpec;
use bellwether_stream::source::mqtt::MqttSpec;
use bellwether_stream::source::text::TextSpec;

use super::unique::Taken;
use super::{Scope, broker};
use crate::config::checked::SourceSpec;
use crate::config::wire::{Config, Mapping, Source};

pub(super) fn check(wire: &Config, scope: &mut Scope<'_>) -> Vec<SourceSpec> {
    let sources: Vec<SourceSpec> = wire
        .sources
        .iter()
        .enumerate()
        .map(|(idx, source)| spec(source, &format!("sources[{idx}]"), scope))
        .map(|source| source.in_zone(timezone(wire)))
        .collect();
    let mut names = Taken::of("the name");
    let mut places = Taken::of("the place");
    for (idx, source) in sources.iter().enumerate() {
        let at = format!("sources[{idx}]");
        names.take(source.name(), &at, "give each source a name of its own", scope);
        let place = match source {
            SourceSpec::Text(spec) => spec
                .path
                .as_ref()
                .map_or_else(|| "stdin".to_owned(), |path| path.display().to_string()),
            SourceSpec::Http(spec) if spec.listen.port() != 0 => spec.listen.to_string(),
            SourceSpec::Http(_) | SourceSpec::Mqtt(_) => continue,
        };
        places.take(&place, &at, "read each place once", scope);
    }
    sources
}

/// Whose clocks times without an offset are of.
pub(super) fn timezone(wire: &Config) -> Option<Zone> {
    wire.stream.timezone.as_ref().map(|zone| zone.0.clone())
}

fn spec(wire: &Source, at: &str, scope: &mut Scope<'_>) -> SourceSpec {
    match wire {
        Source::Stdin(wire) => SourceSpec::Text(TextSpec {
            name: wire
                .name
                .as_ref()
                .map_or_else(|| "stdin".to_owned(), |name| name.0.0.clone()),
            path: None,
            device: wire.device.clone(),
            time_column: wire.time_column.clone(),
            series_column: wire.series_column.clone(),
            ignore_columns: wire.ignore_columns.clone(),
            mapping: mapping(&wire.mapping, false, at, scope),
        }),
        Source::File(wire) => SourceSpec::Text(TextSpec {
            // Where reading goes on is kept under this name: another file must not go on there.
            name: wire.name.as_ref().map_or_else(
                || format!("file:{}", wire.path.display()),
                |name| name.0.0.clone(),
            ),
            path: Some(scope.path(&format!("{at}.path"), &wire.path)),
            device: wire.device.clone(),
            time_column: wire.time_column.clone(),
            series_column: wire.series_column.clone(),
            ignore_columns: wire.ignore_columns.clone(),
            mapping: mapping(&wire.mapping, false, at, scope),
        }),
        Source::Http(wire) => {
            let listen = wire.listen.0;
            scope.require(listen.ip().is_loopback(), &format!("{at}.listen"), || {
                format!(
                    "{listen} is open to other machines, and this way in asks nobody for a key; run `bellwether \
                     serve`, which does, or listen at 127.0.0.1:{} behind a proxy that does",
                    listen.port()
                )
            });
            SourceSpec::Http(HttpSpec {
                name: wire
                    .name
                    .as_ref()
                    .map_or_else(|| "http".to_owned(), |name| name.0.0.clone()),
                listen,
                body_bytes_max: wire.body_bytes_max,
                timeout: wire.timeout.0,
                mapping: mapping(&wire.mapping, false, at, scope),
            })
        }
        Source::Mqtt(wire) => {
            let name = wire
                .name
                .as_ref()
                .map_or_else(|| "mqtt".to_owned(), |name| name.0.0.clone());
            for (idx, topic) in wire.topics.iter().enumerate() {
                if let Some(problem) = broker::filter_problem(topic) {
                    scope.wrong(&format!("{at}.topics[{idx}]"), problem);
                }
            }
            SourceSpec::Mqtt(MqttSpec {
                broker: broker::broker(&wire.broker, at, &name, scope),
                topics: wire.topics.clone(),
                mapping: mapping(&wire.mapping, true, at, scope),
                name,
            })
        }
    }
}

fn mapping(wire: &Mapping, has_topics: bool, at: &str, scope: &mut Scope<'_>) -> decode::Mapping {
    for (key, place) in [
        ("device", &wire.device),
        ("time", &wire.time),
        ("channel", &wire.channel),
    ] {
        let at = format!("{at}.mapping.{key}");
        match place.as_ref().map(|place| &place.0) {
            Some(Place::Topic(_)) if !has_topics => {
                scope.wrong(
                    &at,
                    "only messages of MQTT have a topic; name a field:… or a fixed:… text",
                );
            }
            Some(Place::Fixed(_)) if key == "time" => {
                scope.wrong(
                    &at,
                    "a time that never changes orders nothing; name a field:… or leave it out",
                );
            }
            _ => {}
        }
    }
    if let Some(values) = &wire.values {
        scope.require(!values.is_empty(), &format!("{at}.mapping.values"), || {
            "wanted the name of a field; leave it out where the message itself holds the values".to_owned()
        });
    }
    decode::Mapping {
        device: wire.device.as_ref().map(|place| place.0.clone()),
        time: wire.time.as_ref().map(|place| place.0.clone()),
        values: wire.values.clone(),
        channel: wire.channel.as_ref().map(|place| place.0.clone()),
        timezone: None,
    }
}
