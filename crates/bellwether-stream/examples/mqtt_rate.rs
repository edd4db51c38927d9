//! How many messages a second come through: one sample each, quality of service 1, receipts 5 ms after their batch.
//!
//! `cargo run --release -p bellwether-stream --example mqtt_rate`

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use bellwether_stream::arrival::{Inlet, Receipt};
use bellwether_stream::clock::instant;
use bellwether_stream::mqtt::{Broker, MqttVersion};
use bellwether_stream::source::decode::Mapping;
use bellwether_stream::source::mqtt::{MqttSource, MqttSpec};
use bellwether_stream::source::{Source, Stop};
use bellwether_testkit::mosquitto::{Mosquitto, MosquittoOptions, program};

/// Fewer than there are numbers for messages: mosquitto_pub loses some where it begins anew with them.
const N_MESSAGES: usize = 50_000;

#[tokio::main]
async fn main() {
    for version in [MqttVersion::V4, MqttVersion::V5] {
        let options = MosquittoOptions {
            quiet: true,
            ..MosquittoOptions::default()
        };
        let Some(broker) = Mosquitto::start_with("mqtt_rate", &options) else {
            return;
        };
        measure(&broker, version).await;
    }
}

async fn measure(broker: &Mosquitto, version: MqttVersion) {
    // The first source leaves its session behind, in which all messages wait for the second.
    let (give, task, _) = start(broker, version);
    tokio::time::sleep(Duration::from_secs(1)).await;
    give.send_replace(true);
    task.await.expect("it ends").expect("it ends well");
    publish(broker);

    let (give, task, mut batches) = start(broker, version);
    let (mut n_arrivals, mut n_batches) = (0, 0);
    let mut begun = None;
    while n_arrivals < N_MESSAGES {
        let batch = batches.recv().await.expect("the source runs");
        begun.get_or_insert_with(instant);
        n_arrivals += batch.arrivals.len();
        n_batches += 1;
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let _ = batch.receipt.send(Receipt::default());
        });
    }
    let secs = begun.expect("messages came").elapsed().as_secs_f64();
    let n_messages = n_arrivals as f64;
    eprintln!(
        "{version:?}: {:.0} messages/s, {:.0} in a batch",
        n_messages / secs,
        n_messages / f64::from(n_batches)
    );
    give.send_replace(true);
    task.await.expect("it ends").expect("it ends well");
}

type Running = (
    tokio::sync::watch::Sender<bool>,
    tokio::task::JoinHandle<Result<(), bellwether_stream::source::SourceError>>,
    tokio::sync::mpsc::Receiver<bellwether_stream::arrival::Batch>,
);

fn start(broker: &Mosquitto, version: MqttVersion) -> Running {
    let spec = MqttSpec {
        name: "rate".into(),
        broker: Broker {
            url: broker.url().parse().expect("a url"),
            version,
            client_id: "rate".into(),
            username: None,
            password: None,
            ca_file: None,
            client_cert: None,
        },
        topics: vec!["plant/+/data".into()],
        mapping: Mapping::default(),
    };
    let source = Box::new(MqttSource::new(spec).expect("a source"));
    let (inlet, batches) = Inlet::new(64);
    let (give, stop) = Stop::new();
    (give, tokio::spawn(source.run(inlet, None, stop)), batches)
}

fn publish(broker: &Mosquitto) {
    let mut sender = Command::new(program("mosquitto_pub").expect("mosquitto-clients is installed"))
        .args([
            "-p",
            &broker.port().to_string(),
            "-t",
            "plant/pump-1/data",
            "-q",
            "1",
            "-l",
        ])
        .stdin(Stdio::piped())
        .spawn()
        .expect("mosquitto_pub runs");
    let mut lines = std::io::BufWriter::new(sender.stdin.take().expect("it is piped"));
    for n in 0..N_MESSAGES {
        let time = 1_700_000_000 + n;
        writeln!(
            lines,
            r#"{{"device":"pump-1","ts":{time},"values":{{"flow":{n},"pressure":2.5}}}}"#
        )
        .expect("mosquitto_pub reads");
    }
    drop(lines);
    sender.wait().expect("it is our child");
}
