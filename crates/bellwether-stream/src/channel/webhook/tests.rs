//! The webhook against an HTTP server of the test.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap as Headers, StatusCode};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use super::*;
use crate::channel::tests::notice;

/// A server that gives the answers it was told, the last for ever, and keeps what it was sent.
#[derive(Clone)]
struct Receiver {
    answers: Arc<Mutex<Vec<(StatusCode, &'static str)>>>,
    taken: Arc<Mutex<Vec<(Headers, Bytes)>>>,
}

async fn receiver(answers: &[(StatusCode, &'static str)]) -> (Receiver, Url) {
    async fn take(
        State(receiver): State<Receiver>,
        headers: Headers,
        body: Bytes,
    ) -> (StatusCode, &'static str) {
        receiver.taken.lock().await.push((headers, body));
        let mut answers = receiver.answers.lock().await;
        if answers.len() > 1 {
            answers.remove(0)
        } else {
            answers[0]
        }
    }
    let receiver = Receiver {
        answers: Arc::new(Mutex::new(answers.to_vec())),
        taken: Arc::default(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "http://user:hunter2@{}/in/t0ken?key=s3cret",
        listener.local_addr().unwrap()
    );
    let app = Router::new()
        .route("/in/t0ken", post(take))
        .with_state(receiver.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (receiver, url.parse().unwrap())
}

fn spec(url: Url) -> WebhookSpec {
    WebhookSpec {
        name: "ops".to_owned(),
        url,
        secret: Some(Secret::new("swordfish")),
        timeout: Duration::from_secs(20),
    }
}

/// Checks a request as its receiver would.
fn is_signed(headers: &Headers, body: &[u8]) -> bool {
    let of = |name: &str| headers[name].to_str().unwrap();
    let signature = of("x-bellwether-signature").strip_prefix("sha256=").unwrap();
    let bytes: Vec<u8> = (0..signature.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&signature[at..at + 2], 16).unwrap())
        .collect();
    let mut mac = Hmac::<Sha256>::new_from_slice(b"swordfish").unwrap();
    mac.update(of("x-bellwether-timestamp").as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.verify_slice(&bytes).is_ok()
}

#[tokio::test]
async fn a_notice_is_signed_and_taken_after_two_failures() {
    let failed = (StatusCode::INTERNAL_SERVER_ERROR, "no\nroom");
    let (receiver, url) = receiver(&[failed, failed, (StatusCode::OK, "")]).await;
    let channel = WebhookChannel::new(spec(url)).unwrap();
    for _ in 0..2 {
        let error = channel.send(&notice()).await.unwrap_err();
        assert!(error.is_passing);
        assert!(
            error
                .problem
                .ends_with("answers 500 Internal Server Error: no room"),
            "{error}"
        );
    }
    channel.send(&notice()).await.unwrap();

    let taken = receiver.taken.lock().await;
    assert_eq!(taken.len(), 3);
    for (headers, body) in taken.iter() {
        assert!(is_signed(headers, body));
        assert!(!is_signed(headers, b"other"));
        assert_eq!(headers["idempotency-key"], "a1b2-firing");
        assert_eq!(headers["x-bellwether-delivery"], "a1b2-firing");
        assert_eq!(headers["content-type"], "application/json");
    }
    assert_eq!(taken[0].1, taken[2].1, "a message that is sent again is the same");
}

#[tokio::test]
async fn refusals_say_whether_another_attempt_can_help_and_tell_no_secret() {
    let check = async |status: StatusCode, expect: bool| {
        let (_receiver, url) = receiver(&[(status, "because")]).await;
        let error = WebhookChannel::new(spec(url))
            .unwrap()
            .send(&notice())
            .await
            .unwrap_err();
        assert_eq!(error.is_passing, expect, "{error}");
        for secret in ["hunter2", "s3cret", "t0ken", "swordfish"] {
            assert!(!format!("{error:?}").contains(secret), "{error}");
        }
    };
    check(StatusCode::TOO_MANY_REQUESTS, true).await;
    check(StatusCode::SERVICE_UNAVAILABLE, true).await;
    check(StatusCode::NOT_FOUND, false).await;
    check(StatusCode::UNAUTHORIZED, false).await;
    check(StatusCode::PERMANENT_REDIRECT, false).await;
}

#[tokio::test]
async fn nobody_there_is_passing() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let url = format!("http://user:hunter2@{address}/t0ken?key=s3cret")
        .parse()
        .unwrap();
    let error = WebhookChannel::new(spec(url))
        .unwrap()
        .send(&notice())
        .await
        .unwrap_err();
    assert!(error.is_passing);
    assert!(
        error
            .problem
            .starts_with(&format!("http://{address} does not answer: ")),
        "{error}"
    );
    for secret in ["hunter2", "s3cret", "t0ken"] {
        assert!(!format!("{error:?}").contains(secret), "{error}");
    }
}

#[tokio::test]
async fn a_message_reads_as_alertmanagers() {
    let (receiver, url) = receiver(&[(StatusCode::ACCEPTED, "")]).await;
    let channel = WebhookChannel::new(spec(url)).unwrap();
    let mut over = notice();
    channel.send(&over).await.unwrap();
    over.is_firing = false;
    over.end = Some(Timestamp::from_secs(1_700_000_720));
    channel.send(&over).await.unwrap();

    let taken = receiver.taken.lock().await;
    let [firing, resolved] = [0, 1].map(|idx| serde_json::from_slice::<Value>(&taken[idx].1).unwrap());
    let annotations = &firing["alerts"][0]["annotations"];
    let labels = json!({"alert": "a1b2", "alertname": "BellwetherAnomaly", "device": "pump-7", "model": "pump@3",
        "severity": "warning"});
    assert_eq!(
        firing,
        json!({
            "version": "4",
            "groupKey": "{}:{alert=\"a1b2\"}",
            "truncatedAlerts": 0,
            "status": "firing",
            "receiver": "ops",
            "groupLabels": {"alert": "a1b2"},
            "commonLabels": labels,
            "commonAnnotations": annotations,
            "externalURL": "https://bellwether.plant.example/alerts/a1b2",
            "alerts": [{
                "status": "firing",
                "labels": labels,
                "annotations": annotations,
                "startsAt": "2023-11-14T22:13:20Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "https://bellwether.plant.example/alerts/a1b2",
                "fingerprint": fingerprint(&notice()),
            }],
            "bellwether": {
                "id": "a1b2",
                "kind": "event",
                "status": "firing",
                "device": "pump-7",
                "model": "pump@3",
                "start": "2023-11-14T22:13:20Z",
                "end": null,
                "peak_score": 3.2,
                "severity": 68.75,
                "event_kind": "level-shift",
                "confidence": 0.8,
                "channels": [
                    {"channel": "temperature", "share": 0.61, "actual": 84.249, "expected": 71.0},
                    {"channel": "vibration", "share": 0.39, "actual": null, "expected": 0.5},
                ],
                "links": {
                    "false-alarm": "https://bellwether.plant.example/alerts/a1b2/feedback/false-alarm",
                    "real": "https://bellwether.plant.example/alerts/a1b2/feedback/real",
                },
                "is_test": false,
            },
        })
    );
    assert_eq!(resolved["status"], "resolved");
    assert_eq!(resolved["alerts"][0]["endsAt"], "2023-11-14T22:25:20Z");
    assert_eq!(resolved["alerts"][0]["labels"], firing["alerts"][0]["labels"]);
    assert_eq!(
        resolved["alerts"][0]["fingerprint"],
        firing["alerts"][0]["fingerprint"]
    );
    assert_eq!(taken[1].0["idempotency-key"], "a1b2-resolved");
}

#[test]
fn a_wrong_specification_is_told_at_once() {
    let check = |change: &dyn Fn(&mut WebhookSpec), expect: &str| {
        let mut spec = spec("https://ops.example/in".parse().unwrap());
        change(&mut spec);
        assert_eq!(WebhookChannel::new(spec).unwrap_err().to_string(), expect);
    };
    check(
        &|spec| spec.url = "ftp://ops.example".parse().unwrap(),
        "channel ops: url: it must begin with http:// or https://",
    );
    check(
        &|spec| spec.secret = Some(Secret::new("")),
        "channel ops: secret: it is empty, so anybody could sign: give one, or leave the key out",
    );
    check(
        &|spec| spec.timeout = Duration::ZERO,
        "channel ops: timeout: it must be longer than nothing",
    );
}
