//! The channel against a real Alertmanager.

use axum::Router;
use axum::routing::post;
use bellwether_testkit::alertmanager::Alertmanager;
use bellwether_testkit::peer::PATIENCE;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::{sleep, timeout};

use super::*;
use crate::channel::tests::notice;
use crate::channel::webhook::{WebhookChannel, WebhookSpec};

/// A webhook of the test, and what it is sent.
async fn webhook() -> (String, Receiver<Value>) {
    let (sender, taken) = channel(64);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/in", listener.local_addr().unwrap());
    let take = async move |body: axum::body::Bytes| {
        let message = serde_json::from_slice(&body).unwrap();
        sender.send(message).await.unwrap();
    };
    let app = Router::new().route("/in", post(take));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, taken)
}

async fn next(taken: &mut Receiver<Value>) -> Value {
    timeout(PATIENCE, taken.recv()).await.unwrap().unwrap()
}

fn spec(url: &str) -> AlertmanagerSpec {
    AlertmanagerSpec {
        name: "am".to_owned(),
        url: url.parse().unwrap(),
        labels: BTreeMap::from([("plant".to_owned(), "north".to_owned())]),
        repeat: Duration::from_secs(60),
        timeout: PATIENCE,
    }
}

/// The alerts that are active there.
async fn active(alertmanager: &Alertmanager) -> Vec<Value> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .build()
        .unwrap();
    let url = format!("{}/api/v2/alerts", alertmanager.url());
    client.get(url).send().await.unwrap().json().await.unwrap()
}

/// The severities of the active alerts, once they are these.
async fn wait_for(alertmanager: &Alertmanager, severities: &[&str]) -> Vec<Value> {
    timeout(PATIENCE, async {
        loop {
            let alerts = active(alertmanager).await;
            let found = alerts
                .iter()
                .map(|alert| alert["labels"]["severity"].as_str().unwrap());
            if found.eq(severities.iter().copied()) {
                return alerts;
            }
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_there_once_until_it_is_resolved() {
    let (url, mut told) = webhook().await;
    let Some(alertmanager) = Alertmanager::start("an_alert_is_there_once_until_it_is_resolved", &url) else {
        return;
    };
    let channel = AlertmanagerChannel::new(spec(&alertmanager.url())).unwrap();
    let mut notice = notice();
    notice.end = None;
    channel.send(&notice).await.unwrap();
    let theirs = next(&mut told).await;
    let first = wait_for(&alertmanager, &["warning"]).await.remove(0);
    assert_eq!(first["labels"]["alertname"], "BellwetherAnomaly");
    assert_eq!(first["labels"]["plant"], "north");
    assert_eq!(first["startsAt"], "2023-11-14T22:13:20.000Z");
    assert_eq!(
        first["generatorURL"],
        "https://bellwether.plant.example/alerts/a1b2"
    );

    // Told again, with a higher score: still one alert, and the same.
    notice.peak_score = 3.5;
    notice.severity = 71.4;
    notice.channels.reverse();
    channel.send(&notice).await.unwrap();
    let again = active(&alertmanager).await;
    assert_eq!(again.len(), 1);
    assert_eq!(again[0]["fingerprint"], first["fingerprint"]);
    assert_eq!(again[0]["annotations"]["score"], "3.5");

    // Far higher, and only seen at the end: it ends what was told. The device's clock is ahead of ours.
    notice.peak_score = 10.0;
    notice.severity = 90.0;
    notice.is_firing = false;
    notice.end = Some(clock::now().plus(Duration::from_secs(86_400)));
    channel.send(&notice).await.unwrap();
    wait_for(&alertmanager, &[]).await;
    let over = loop {
        let message = next(&mut told).await;
        if message["status"] == "resolved" {
            break message;
        }
    };
    assert_eq!(over["alerts"][0]["fingerprint"], first["fingerprint"]);

    // Our own webhook says the same in the same words.
    let (url, mut told) = webhook().await;
    let webhook = WebhookSpec {
        name: "test".to_owned(),
        url: url.parse().unwrap(),
        secret: None,
        timeout: PATIENCE,
    };
    notice.is_firing = true;
    WebhookChannel::new(webhook).unwrap().send(&notice).await.unwrap();
    let mut ours = next(&mut told).await;
    assert!(ours.as_object_mut().unwrap().remove("bellwether").is_some());
    assert_eq!(keys(&ours), keys(&theirs));
    assert_eq!(keys(&ours["alerts"][0]), keys(&theirs["alerts"][0]));
    for key in ["version", "status", "truncatedAlerts", "receiver"] {
        assert_eq!(ours[key], theirs[key], "{key}");
    }
    assert_eq!(ours["alerts"][0]["endsAt"], theirs["alerts"][0]["endsAt"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_that_grows_worse_goes_on_under_its_severity_alone() {
    let (url, _told) = webhook().await;
    let test = "an_alert_that_grows_worse_goes_on_under_its_severity_alone";
    let Some(alertmanager) = Alertmanager::start(test, &url) else {
        return;
    };
    let channel = AlertmanagerChannel::new(spec(&alertmanager.url())).unwrap();
    let mut notice = notice();
    channel.send(&notice).await.unwrap();
    wait_for(&alertmanager, &["warning"]).await;
    notice.severity = 90.0;
    channel.send(&notice).await.unwrap();
    wait_for(&alertmanager, &["critical"]).await;
    notice.is_firing = false;
    notice.end = Some(notice.start.plus(Duration::from_secs(60)));
    channel.send(&notice).await.unwrap();
    wait_for(&alertmanager, &[]).await;
}

#[test]
fn times_are_such_that_alertmanager_takes_them() {
    let now = Timestamp::from_secs(1_700_001_000);
    let check = |start: i64, end: Option<i64>, expect: [&str; 2]| {
        let mut notice = notice();
        notice.start = Timestamp::from_secs(start);
        notice.end = end.map(Timestamp::from_secs);
        notice.is_firing = end.is_none();
        let posted = posted(&notice, None, now, Duration::from_secs(60), &BTreeMap::new());
        assert_eq!([posted[0].starts_at.as_str(), posted[0].ends_at.as_str()], expect);
    };
    let [begin, now, fades] = [
        "2023-11-14T22:13:20Z",
        "2023-11-14T22:30:00Z",
        "2023-11-14T22:33:00Z",
    ];
    check(1_700_000_000, None, [begin, fades]);
    check(1_700_000_000, Some(1_700_001_000), [begin, now]);
    check(1_700_000_000, Some(1_700_009_000), [begin, now]);
    check(1_700_009_000, None, [now, fades]);
    check(1_700_009_000, Some(1_700_009_100), [now, now]);
    check(1_700_000_000, Some(1_600_000_000), [begin, begin]);
}

#[test]
fn a_wrong_specification_is_told_at_once() {
    let check = |change: &dyn Fn(&mut AlertmanagerSpec), expect: &str| {
        let mut spec = spec("http://am.example:9093");
        change(&mut spec);
        assert_eq!(AlertmanagerChannel::new(spec).unwrap_err().to_string(), expect);
    };
    let label = |name: &str| BTreeMap::from([(name.to_owned(), "x".to_owned())]);
    check(
        &|spec| spec.labels = label("1st"),
        "channel am: labels: \"1st\" is no label: letters, digits and _ are, beginning with no digit",
    );
    check(
        &|spec| spec.labels = label("device"),
        "channel am: labels: device is a label that bellwether sets: name yours otherwise",
    );
    check(
        &|spec| spec.repeat = Duration::ZERO,
        "channel am: repeat: it must be longer than nothing",
    );
    check(
        &|spec| spec.url = "mqtt://am".parse().unwrap(),
        "channel am: url: it must begin with http:// or https://",
    );
}
