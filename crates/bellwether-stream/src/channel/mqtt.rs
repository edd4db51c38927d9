//! MQTT: the state of each device as a retained message.
//!
//! Whoever subscribes later is told the last state at once: dashboards and home automation need nothing else. A device
//! has one state: the last notice about it.

use bellwether_core::event::EventKind;
use bellwether_core::validate::Fault;
use bellwether_store::database::AlertKind;
use futures_util::future::BoxFuture;
use serde::Serialize;

use super::{Channel, SendError, SpecProblem};
use crate::alert::Notice;
use crate::mqtt::publisher::{PublishError, Publisher, Quality};
use crate::mqtt::topic::{is_prefix, level};
use crate::mqtt::{Broker, whole_text};

/// Where states are published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MqttStateSpec {
    /// Its name.
    pub name: String,
    /// The broker.
    pub broker: Broker,
    /// States are retained at `<prefix>/<device>/anomaly/state`.
    pub prefix: String,
}

/// Publishes the state of devices.
#[derive(Debug)]
pub struct MqttState {
    name: String,
    publisher: Publisher,
    prefix: String,
}

impl MqttState {
    /// A channel that has not connected yet.
    ///
    /// # Errors
    /// [`SpecProblem`] where the prefix is no topic, or the broker's address, names or files are wrong.
    pub fn new(spec: MqttStateSpec) -> Result<Self, SpecProblem> {
        if !is_prefix(&spec.prefix) {
            let problem = format!(
                "{:?} is no beginning of a topic: give levels divided by /, without + and #",
                spec.prefix
            );
            return Err(SpecProblem::at(&spec.name, "prefix", problem));
        }
        let publisher = Publisher::new(spec.broker, Quality::AtLeastOnce)
            .map_err(|error| SpecProblem::at(&spec.name, "broker", whole_text(&error)))?;
        Ok(Self {
            name: spec.name,
            publisher,
            prefix: spec.prefix,
        })
    }

    fn topic(&self, device: &str) -> String {
        format!("{}/{}/anomaly/state", self.prefix, level(device))
    }
}

impl Channel for MqttState {
    fn name(&self) -> &str {
        &self.name
    }

    fn send<'a>(&'a self, notice: &'a Notice) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(async move {
            let state = serde_json::to_vec(&State::of(notice)).expect("a state is plain text and numbers");
            // A test is shown to who listens now, and leaves no state behind.
            let retain = !notice.is_test;
            let sent = self
                .publisher
                .publish(self.topic(&notice.device), state, retain)
                .await;
            sent.map_err(|error: PublishError| SendError {
                is_passing: error.is_passing(),
                problem: error.to_string(),
            })
        })
    }
}

/// The message.
#[derive(Serialize)]
struct State<'a> {
    /// `firing` or `resolved`.
    state: &'static str,
    alert: &'a str,
    /// `event` or `silence`.
    kind: &'static str,
    device: &'a str,
    since: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    peak_score: f64,
    severity: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<f64>,
    channels: Vec<ChannelState<'a>>,
    model: &'a str,
    links: serde_json::Map<String, serde_json::Value>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    test: bool,
}

#[derive(Serialize)]
struct ChannelState<'a> {
    channel: &'a str,
    share: f64,
    actual: Option<f64>,
    expected: Option<f64>,
}

impl<'a> State<'a> {
    fn of(notice: &'a Notice) -> Self {
        let channels = notice.channels.iter().map(|note| ChannelState {
            channel: &note.channel,
            share: note.share,
            actual: note.actual,
            expected: note.expected,
        });
        let links = notice
            .links
            .iter()
            .map(|(name, url)| (name.clone(), url.as_str().into()));
        Self {
            state: if notice.is_firing { "firing" } else { "resolved" },
            alert: &notice.id,
            kind: match notice.kind {
                AlertKind::Event => "event",
                AlertKind::Silence => "silence",
            },
            device: &notice.device,
            since: notice.start.to_string(),
            until: notice.end.map(|end| end.to_string()),
            peak_score: notice.peak_score,
            severity: notice.severity,
            event_kind: notice.event_kind.map(EventKind::name),
            fault: notice.fault.map(Fault::name),
            confidence: notice.confidence,
            channels: channels.collect(),
            model: &notice.model,
            links: links.collect(),
            test: notice.is_test,
        }
    }
}

#[cfg(test)]
mod tests {
    use bellwether_testkit::mosquitto::Mosquitto;

    use super::*;
    use crate::channel::tests::notice;
    use crate::mqtt::MqttVersion;
    use crate::mqtt::tests::{broker, heard};

    fn channel(url: &str, version: MqttVersion) -> MqttState {
        MqttState::new(MqttStateSpec {
            name: "dashboard".into(),
            broker: Broker {
                version,
                ..broker(url)
            },
            prefix: "plant".into(),
        })
        .unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_state_of_a_device_is_there_for_who_comes_later() {
        for version in [MqttVersion::V4, MqttVersion::V5] {
            let Some(broker) = Mosquitto::start("the_state_of_a_device_is_there_for_who_comes_later") else {
                return;
            };
            let channel = channel(&broker.url(), version);
            let mut notice = Notice {
                device: "hall 1/pump#7".into(),
                ..notice()
            };
            channel.send(&notice).await.unwrap();
            notice.is_firing = false;
            notice.end = Some(bellwether_core::time::Timestamp::from_secs(1_700_000_060));
            channel.send(&notice).await.unwrap();
            notice.is_test = true;
            notice.is_firing = true;
            channel.send(&notice).await.unwrap();
            let (topic, payload) = heard(&broker, "plant/+/anomaly/state").await;
            assert_eq!(topic, "plant/hall 1%2Fpump%237/anomaly/state");
            let state: serde_json::Value = serde_json::from_str(&payload).unwrap();
            let expect = serde_json::json!({
                "state": "resolved", "alert": "a1b2", "kind": "event", "device": "hall 1/pump#7",
                "since": "2023-11-14T22:13:20Z", "until": "2023-11-14T22:14:20Z", "peak_score": 3.2,
                "severity": 68.75, "model": "pump@3",
                "event_kind": "level-shift", "confidence": 0.8,
                "channels": [
                    {"channel": "temperature", "share": 0.61, "actual": 84.249, "expected": 71.0},
                    {"channel": "vibration", "share": 0.39, "actual": null, "expected": 0.5},
                ],
                "links": {
                    "false-alarm": "https://bellwether.plant.example/alerts/a1b2/feedback/false-alarm",
                    "real": "https://bellwether.plant.example/alerts/a1b2/feedback/real",
                },
            });
            assert_eq!(state, expect, "{version:?}");
        }
    }

    #[test]
    fn a_prefix_with_wildcards_is_refused() {
        for prefix in ["", "plant/#", "plant/+", "/", "plant/"] {
            let spec = MqttStateSpec {
                name: "dashboard".into(),
                broker: broker("mqtt://127.0.0.1"),
                prefix: prefix.into(),
            };
            assert_eq!(MqttState::new(spec).unwrap_err().key, "prefix", "{prefix}");
        }
    }
}
