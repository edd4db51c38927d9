//! What tests of both directions need, and the publisher against a real broker.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use bellwether_testkit::mosquitto::{Mosquitto, MosquittoOptions, program};
use futures_util::future::join_all;

use super::publisher::{PublishError, Publisher, Quality};
use super::*;

/// Generous: waits end as soon as what they wait for is there.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(30);

/// A broker at that address, for anybody.
pub(crate) fn broker(url: &str) -> Broker {
    Broker {
        url: url.parse().unwrap(),
        version: MqttVersion::V5,
        client_id: "bellwether".into(),
        username: None,
        password: None,
        ca_file: None,
        client_cert: None,
    }
}

/// The first message that a subscriber who comes now is sent: topic and payload.
pub(crate) async fn heard(broker: &Mosquitto, filter: &str) -> (String, String) {
    let output = Command::new(program("mosquitto_sub").unwrap())
        .args(["-h", "127.0.0.1", "-p", &broker.port().to_string()])
        .args(["-t", filter, "-C", "1", "-W", "20", "-F", "%t\n%p"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (topic, payload) = text.split_once('\n').expect("a message is there");
    (topic.to_owned(), payload.trim_end().to_owned())
}

/// Publishes by mosquitto's own program.
pub(crate) fn publish_with(broker: &Mosquitto, args: &[&str], input: &[u8]) {
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
pub(crate) async fn logged(broker: &Mosquitto, text: &str, n: usize) {
    let waited = async {
        while broker.log().matches(text).count() < n {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    if tokio::time::timeout(WAIT_MAX, waited).await.is_err() {
        panic!("the broker never logged {text:?} {n} times: {}", broker.log());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_messages_are_published_and_survive_a_restart_of_the_broker() {
    for version in [MqttVersion::V4, MqttVersion::V5] {
        let test = "many_messages_are_published_and_survive_a_restart_of_the_broker";
        let Some(mut served) = Mosquitto::start(test) else {
            return;
        };
        let address = Broker {
            version,
            ..broker(&served.url())
        };
        let publisher = Publisher::new(address, Quality::AtLeastOnce).unwrap();
        let publish = |n: usize| publisher.publish(format!("out/{n}/score"), n.to_string().into(), true);
        for outcome in join_all((0..500).map(publish)).await {
            outcome.unwrap();
        }
        served.restart();
        for outcome in join_all((500..600).map(publish)).await {
            outcome.unwrap();
        }
        for n in [0, 499, 599] {
            assert_eq!(heard(&served, &format!("out/{n}/score")).await.1, n.to_string());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_of_quality_0_is_written() {
    let Some(served) = Mosquitto::start("a_message_of_quality_0_is_written") else {
        return;
    };
    let publisher = Publisher::new(broker(&served.url()), Quality::AtMostOnce).unwrap();
    publisher
        .publish("out/a".into(), b"1".to_vec(), true)
        .await
        .unwrap();
    assert_eq!(heard(&served, "out/#").await, ("out/a".into(), "1".into()));
    drop(publisher);
    logged(&served, "Received DISCONNECT from bellwether", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_not_there_or_refuses_us_is_named() {
    let options = MosquittoOptions {
        user: Some(("plant".into(), "right".into())),
        ..MosquittoOptions::default()
    };
    let test = "a_broker_that_is_not_there_or_refuses_us_is_named";
    let Some(served) = Mosquitto::start_with(test, &options) else {
        return;
    };
    let check = async |url: String, expect: &str| {
        let publisher = Publisher::new(broker(&url), Quality::AtLeastOnce).unwrap();
        let error = publisher
            .publish("out/a".into(), Vec::new(), false)
            .await
            .unwrap_err();
        assert!(error.is_passing());
        assert!(
            matches!(&error, PublishError::Late { .. }) && error.to_string().contains(expect),
            "{error}"
        );
    };
    tokio::join!(
        check(served.url(), "not authorised"),
        check("mqtt://127.0.0.1:1".into(), "refused")
    );
}

#[test]
fn addresses_say_where_and_nothing_else() {
    let reached = |url: &str| broker(url).target().map(|target| target.socket_address()).ok();
    for (url, expect) in [
        ("mqtt://plant:1884", Some("plant:1884")),
        ("mqtt://plant", Some("plant:1883")),
        ("tcp://10.0.0.7/", Some("10.0.0.7:1883")),
        ("mqtt://[::1]:9", Some("[::1]:9")),
        ("http://plant", None),
        ("mqtt://me:secret@plant", None),
        ("mqtt://plant/topic", None),
        ("mqtt:plant", None),
    ] {
        assert_eq!(reached(url).as_deref(), expect, "{url}");
    }
    let text = broker("mqtt://me:secret@plant").check().unwrap_err().to_string();
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let mut named = broker("mqtt://plant");
    named.client_id = String::new();
    let mut nobody = broker("mqtt://plant");
    nobody.password = Some(Secret::new("x"));
    let mut unused = broker("mqtt://plant");
    unused.ca_file = Some("ca.pem".into());
    let mut missing = broker("mqtts://plant");
    missing.ca_file = Some("no/such/ca.pem".into());
    for (broker, expect) in [
        (named, "client_id"),
        (nobody, "password without username"),
        (unused, "use mqtts://"),
        (missing, "ca_file"),
    ] {
        let text = broker.check().unwrap_err().to_string();
        assert!(text.contains(expect), "{text}");
    }
}
