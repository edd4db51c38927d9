//! The source against a real broker; messages are sent by mosquitto's own programs.

use bellwether_testkit::mosquitto::{Mosquitto, MosquittoOptions};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::arrival::{Batch, Receipt};
use crate::mqtt::MqttVersion;
use crate::mqtt::link::{Session, open};
use crate::mqtt::tests::{WAIT_MAX, broker, logged, publish_with};
use crate::secret::Secret;
use crate::source::decode::Place;

const VERSIONS: [MqttVersion; 2] = [MqttVersion::V4, MqttVersion::V5];

fn address(url: &str, version: MqttVersion) -> Broker {
    Broker {
        version,
        ..broker(url)
    }
}

fn spec(broker: Broker) -> MqttSpec {
    MqttSpec {
        name: "plant".into(),
        broker,
        topics: vec!["plant/#".into()],
        mapping: Mapping::default(),
    }
}

/// A source that runs, and the judge's end of its batches.
struct Running {
    batches: mpsc::Receiver<Batch>,
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<(), SourceError>>,
}

impl Running {
    fn start(broker: Broker) -> Self {
        Self::run(MqttSource::new(spec(broker)).unwrap(), 16)
    }

    fn run(source: MqttSource, queue_len_max: usize) -> Self {
        let (inlet, batches) = Inlet::new(queue_len_max);
        let (give, stop) = Stop::new();
        Self {
            batches,
            stop: give,
            task: tokio::spawn(Box::new(source).run(inlet, None, stop)),
        }
    }

    async fn batch(&mut self) -> Batch {
        timeout(WAIT_MAX, self.batches.recv())
            .await
            .expect("a batch in time")
            .unwrap()
    }

    /// Takes batches, with receipts, until `n` arrivals have come; their values.
    async fn values(&mut self, n: usize) -> Vec<f64> {
        let mut values = Vec::new();
        while values.len() < n {
            let batch = self.batch().await;
            values.extend(batch.arrivals.iter().map(|arrival| arrival.values[0]));
            batch.receipt.send(Receipt::default()).unwrap();
        }
        values
    }

    /// Stops as the program does; what waits for receipts gets none.
    async fn stop(self) {
        self.stop.send_replace(true);
        drop(self.batches);
        timeout(WAIT_MAX, self.task)
            .await
            .expect("it stops")
            .unwrap()
            .unwrap();
    }

    /// Ends without a goodbye, as a crash does.
    async fn crash(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// A sample at second `n`, with `n` as its only value.
fn sample(n: usize) -> String {
    format!(
        r#"{{"device":"pump-1","ts":{},"values":{{"a":{n}}}}}"#,
        1_700_000_000 + n
    )
}

/// Publishes lines at quality of service 1, each a message.
fn publish(broker: &Mosquitto, topic: &str, lines: &[String]) {
    publish_with(
        broker,
        &["-t", topic, "-l", "-q", "1"],
        lines.join("\n").as_bytes(),
    );
}

fn numbers(range: std::ops::Range<usize>) -> Vec<f64> {
    range.map(|n| n as f64).collect()
}

fn samples(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(sample).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_acknowledged_only_after_its_receipt() {
    for version in VERSIONS {
        let Some(served) = Mosquitto::start("a_message_is_acknowledged_only_after_its_receipt") else {
            return;
        };
        let mut source = Running::start(address(&served.url(), version));
        logged(&served, "Sending SUBACK", 1).await;
        publish(&served, "plant/data", &samples(0..3));
        assert_eq!(source.values(3).await, numbers(0..3));
        logged(&served, "Received PUBACK from bellwether", 3).await;
        publish(&served, "plant/data", &samples(3..5));
        let held = source.batch().await;
        source.crash().await;
        drop(held);
        let mut source = Running::start(address(&served.url(), version));
        assert_eq!(source.values(2).await, numbers(3..5), "{version:?}");
        source.stop().await;
        // The session is still there: what comes now waits for us.
        publish(&served, "plant/data", &samples(5..6));
        let mut source = Running::start(address(&served.url(), version));
        assert_eq!(source.values(1).await, numbers(5..6), "{version:?}");
        source.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_where_the_broker_ends_and_comes_back() {
    for (version, is_killed) in [
        (MqttVersion::V4, false),
        (MqttVersion::V5, false),
        (MqttVersion::V5, true),
    ] {
        let test = "nothing_is_lost_where_the_broker_ends_and_comes_back";
        let Some(mut served) = Mosquitto::start(test) else {
            return;
        };
        let mut source = Running::start(address(&served.url(), version));
        logged(&served, "Sending SUBACK", 1).await;
        publish(&served, "plant/data", &samples(0..100));
        let held = source.batch().await;
        if is_killed {
            // What the broker has not written down is its loss, not ours.
            served.save();
            served.kill();
        } else {
            served.stop();
        }
        // A receipt for messages of the lost connection: they come again all the same.
        let _ = held.receipt.send(Receipt::default());
        served.start_again();
        publish(&served, "plant/data", &samples(100..101));
        let mut seen = std::collections::BTreeSet::new();
        while seen.len() < 101 {
            let batch = source.batch().await;
            seen.extend(batch.arrivals.iter().map(|arrival| arrival.values[0] as usize));
            // Of a batch of the lost connection that waited in the queue nobody waits for the receipt.
            let _ = batch.receipt.send(Receipt::default());
        }
        assert_eq!(seen.last(), Some(&100), "{version:?}");
        source.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_encrypted_line_is_checked_from_both_ends() {
    let options = MosquittoOptions {
        tls: true,
        client_certs: true,
        ..MosquittoOptions::default()
    };
    let test = "an_encrypted_line_is_checked_from_both_ends";
    let Some(served) = Mosquitto::start_with(test, &options) else {
        return;
    };
    let Some(stranger) = Mosquitto::start_with(test, &options) else {
        return;
    };
    for version in VERSIONS {
        let ours = Broker {
            ca_file: Some(served.ca_file()),
            client_cert: Some(served.client_cert()),
            ..address(&served.url(), version)
        };
        let strange = Broker {
            ca_file: Some(stranger.ca_file()),
            ..ours.clone()
        };
        let unknown = Broker {
            client_cert: None,
            ..ours.clone()
        };
        let source = Running::start(ours);
        logged(
            &served,
            "Sending SUBACK",
            1 + usize::from(version == MqttVersion::V5),
        )
        .await;
        source.stop().await;
        let text = refusal(&strange).await;
        assert!(text.contains("check ca_file"), "{text}");
        let text = refusal(&unknown).await;
        assert!(text.contains("check client_cert"), "{text}");
    }
}

/// Why the broker cannot be reached.
async fn refusal(broker: &Broker) -> String {
    let (_client, mut link) = open(broker, Session::Kept).unwrap();
    loop {
        if let Err(error) = timeout(WAIT_MAX, link.next()).await.expect("an answer") {
            return whole_text(&error);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_tried_again_and_again() {
    let options = MosquittoOptions {
        user: Some(("plant".into(), "right".into())),
        ..MosquittoOptions::default()
    };
    let test = "a_wrong_password_is_tried_again_and_again";
    for version in VERSIONS {
        let Some(served) = Mosquitto::start_with(test, &options) else {
            return;
        };
        let with = |password: &str| Broker {
            username: Some("plant".into()),
            password: Some(Secret::new(password)),
            ..address(&served.url(), version)
        };
        assert!(refusal(&with("wrong")).await.contains("password"));
        let source = Running::start(with("wrong"));
        logged(&served, "disconnected, not authorised", 3).await;
        source.stop().await;
        let source = Running::start(with("right"));
        logged(&served, "Sending SUBACK", 1).await;
        source.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_judge_takes_nothing_the_broker_keeps_the_rest_and_the_line_stays() {
    for version in VERSIONS {
        let test = "where_the_judge_takes_nothing_the_broker_keeps_the_rest_and_the_line_stays";
        let Some(served) = Mosquitto::start(test) else {
            return;
        };
        let mut source = MqttSource::new(spec(address(&served.url(), version))).unwrap();
        // Few enough bytes that the older protocol, which cannot hold the broker back, must let messages go.
        source.unsettled_bytes_max = 1 << 20;
        let mut source = Running::run(source, 1);
        logged(&served, "Sending SUBACK", 1).await;
        publish(&served, "plant/data", &samples(0..10_000));
        logged(&served, "Received PINGREQ from bellwether", 3).await;
        assert_eq!(
            served.log().matches("New client connected").count(),
            2,
            "ours and the sender's"
        );
        assert_eq!(served.log().matches("Received PUBACK from bellwether").count(), 0);
        let mut seen = std::collections::BTreeSet::new();
        while seen.len() < 10_000 {
            let batch = source.batch().await;
            seen.extend(batch.arrivals.iter().map(|arrival| arrival.values[0] as usize));
            let _ = batch.receipt.send(Receipt::default());
        }
        source.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_too_long_goes_into_quarantine_and_the_next_are_taken() {
    for version in VERSIONS {
        let test = "a_message_too_long_goes_into_quarantine_and_the_next_are_taken";
        let Some(served) = Mosquitto::start(test) else {
            return;
        };
        let mut source = Running::start(address(&served.url(), version));
        logged(&served, "Sending SUBACK", 1).await;
        publish_with(
            &served,
            &["-t", "plant/data", "-s", "-q", "1"],
            &vec![b' '; 2_000_000],
        );
        publish(&served, "plant/data", &["no JSON".to_owned()]);
        publish(&served, "plant/data", &samples(0..1));
        let (mut n_arrivals, mut reasons) = (0, Vec::new());
        while n_arrivals == 0 {
            let batch = source.batch().await;
            n_arrivals += batch.arrivals.len();
            reasons.extend(
                batch
                    .quarantined
                    .iter()
                    .map(|one| (one.reason, one.payload.len())),
            );
            batch.receipt.send(Receipt::default()).unwrap();
        }
        assert_eq!(reasons, [("too-long", 4096), ("not-json", 7)]);
        logged(&served, "Received PUBACK from bellwether", 3).await;
        source.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_per_tag_names_device_and_channel() {
    let Some(served) = Mosquitto::start("a_topic_per_tag_names_device_and_channel") else {
        return;
    };
    let mapping = Mapping {
        device: Some(Place::Topic(1)),
        channel: Some(Place::Topic(3)),
        ..Mapping::default()
    };
    let spec = MqttSpec {
        topics: vec!["plant/+/tags/+".into()],
        mapping,
        ..spec(address(&served.url(), MqttVersion::V5))
    };
    let mut source = Running::run(MqttSource::new(spec).unwrap(), 16);
    logged(&served, "Sending SUBACK", 1).await;
    publish(&served, "plant/pump-7/tags/flow", &["12.5".to_owned()]);
    let arrival = source.batch().await.arrivals.remove(0);
    assert_eq!((&*arrival.series, arrival.values), ("pump-7", vec![12.5]));
    assert_eq!(arrival.layout.channels, ["flow"]);
    assert!(!arrival.is_whole);
    source.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retained_messages_and_those_of_old_topics_are_dealt_with() {
    let Some(served) = Mosquitto::start("retained_messages_and_those_of_old_topics_are_dealt_with") else {
        return;
    };
    publish_with(
        &served,
        &["-t", "plant/data", "-l", "-q", "1", "-r"],
        sample(1).as_bytes(),
    );
    let mut source = Running::start(address(&served.url(), MqttVersion::V5));
    assert_eq!(source.values(1).await, [1.0]);
    source.stop().await;
    let spec = MqttSpec {
        topics: vec!["hall/#".into()],
        ..spec(address(&served.url(), MqttVersion::V5))
    };
    let mut source = Running::run(MqttSource::new(spec).unwrap(), 16);
    logged(&served, "Sending SUBACK", 2).await;
    publish(&served, "plant/data", &samples(2..3));
    publish(&served, "hall/data", &samples(3..4));
    assert_eq!(source.values(1).await, [3.0]);
    logged(&served, "Received PUBACK from bellwether", 3).await;
    source.stop().await;
}

#[test]
fn topics_and_brokers_that_cannot_be_used_are_refused() {
    let plain = broker("mqtt://127.0.0.1");
    let check = |topics: &[&str], broker: &Broker, expect: &str| {
        let spec = MqttSpec {
            topics: topics.iter().map(|&topic| topic.to_owned()).collect(),
            ..spec(broker.clone())
        };
        let text = MqttSource::new(spec).unwrap_err().to_string();
        assert!(text.starts_with("plant: ") && text.contains(expect), "{text}");
    };
    check(&[], &plain, "0 topics");
    for topic in ["", "plant/pump#", "#/data", "plant+/data"] {
        check(&["ok", topic], &plain, "no topic filter");
    }
    let url = "http://127.0.0.1".parse().unwrap();
    check(&["plant/#"], &Broker { url, ..plain }, "mqtt://host:1883");
}
