//! The source against a real broker; messages are sent by mosquitto's own programs.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use bellwether_testkit::mosquitto::{Mosquitto, MosquittoOptions, program};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::*;
use crate::arrival::{Batch, Receipt};
use crate::mqtt::MqttVersion;
use crate::secret::Secret;

/// Generous: waits end as soon as what they wait for is there.
const WAIT_MAX: Duration = Duration::from_secs(30);

const VERSIONS: [MqttVersion; 2] = [MqttVersion::V4, MqttVersion::V5];

fn broker(url: &str, version: MqttVersion) -> Broker {
    Broker {
        url: url.parse().unwrap(),
        version,
        client_id: "bellwether".into(),
        username: None,
        password: None,
        ca_file: None,
        client_cert: None,
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
        Self::start_with(broker, &["plant/#"], 16)
    }

    fn start_with(broker: Broker, topics: &[&str], queue_len_max: usize) -> Self {
        let spec = MqttSpec {
            name: "plant".into(),
            broker,
            topics: topics.iter().map(|&topic| topic.to_owned()).collect(),
            mapping: Mapping::default(),
        };
        let source = Box::new(MqttSource::new(spec).unwrap());
        let (inlet, batches) = Inlet::new(queue_len_max);
        let (give, stop) = Stop::new();
        Self {
            batches,
            stop: give,
            task: tokio::spawn(source.run(inlet, None, stop)),
        }
    }

    async fn batch(&mut self) -> Batch {
        timeout(WAIT_MAX, self.batches.recv()).await.expect("a batch in time").unwrap()
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
        timeout(WAIT_MAX, self.task).await.expect("it stops").unwrap().unwrap();
    }

    /// Ends without a goodbye, as a crash does.
    async fn crash(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// A sample at second `n`, with `n` as its only value.
fn sample(n: usize) -> String {
    format!(r#"{{"device":"pump-1","ts":{},"values":{{"a":{n}}}}}"#, 1_700_000_000 + n)
}

/// Publishes lines at quality of service 1, each a message.
fn publish(broker: &Mosquitto, topic: &str, lines: &[String]) {
    publish_with(broker, &["-t", topic, "-l", "-q", "1"], lines.join("\n").as_bytes());
}

fn publish_with(broker: &Mosquitto, args: &[&str], input: &[u8]) {
    let mut child = Command::new(program("mosquitto_pub").unwrap())
        .args(["-h", "127.0.0.1", "-p", &broker.port().to_string()])
        .args(args)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    assert!(child.wait().unwrap().success());
}

/// Waits until the broker's log has `n` lines with that text.
async fn logged(broker: &Mosquitto, text: &str, n: usize) {
    let waited = async {
        while broker.log().matches(text).count() < n {
            sleep(Duration::from_millis(10)).await;
        }
    };
    if timeout(WAIT_MAX, waited).await.is_err() {
        panic!("the broker never logged {text:?} {n} times: {}", broker.log());
    }
}

fn numbers(range: std::ops::Range<usize>) -> Vec<f64> {
    range.map(|n| n as f64).collect()
}

fn samples(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(sample).collect()
}

#[tokio::test]
async fn a_message_is_acknowledged_only_after_its_receipt() {
    for version in VERSIONS {
        let Some(broker_) = Mosquitto::start("a_message_is_acknowledged_only_after_its_receipt") else { return };
        let mut source = Running::start(broker(&broker_.url(), version));
        logged(&broker_, "Sending SUBACK", 1).await;
        publish(&broker_, "plant/data", &samples(0..3));
        assert_eq!(source.values(3).await, numbers(0..3));
        logged(&broker_, "Received PUBACK from bellwether", 3).await;
        publish(&broker_, "plant/data", &samples(3..5));
        let held = source.batch().await;
        source.crash().await;
        drop(held);
        let mut source = Running::start(broker(&broker_.url(), version));
        assert_eq!(source.values(2).await, numbers(3..5), "{version:?}");
        source.stop().await;
        // The session is still there: what comes now waits for us.
        publish(&broker_, "plant/data", &samples(5..6));
        let mut source = Running::start(broker(&broker_.url(), version));
        assert_eq!(source.values(1).await, numbers(5..6), "{version:?}");
        source.stop().await;
    }
}
