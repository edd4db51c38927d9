//! HTTP push, asked as a sender asks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bellwether_store::database::Answer;
use bellwether_stream::arrival::{Batch, Receipt};
use bellwether_stream::source::decode::Mapping;
use bellwether_stream::source::http::{Answers, HttpSource, HttpSpec};
use bellwether_stream::source::{Source, SourceError, Stop};
use futures_util::FutureExt as _;
use reqwest::{Client, Response, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::judge::{Judge, LONG};

const LINE: &str = r#"{"ts":"2024-01-01T00:00:00Z","device":"p","a":1}"#;

/// A server, and what a database would remember.
struct Served {
    address: std::net::SocketAddr,
    judge: Judge,
    remembered: Arc<Mutex<HashMap<String, Answer>>>,
    is_ready: watch::Sender<bool>,
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<(), SourceError>>,
}

fn spec() -> HttpSpec {
    HttpSpec {
        name: "push".to_owned(),
        listen: "127.0.0.1:0".parse().unwrap(),
        body_bytes_max: 4 << 20,
        timeout: LONG,
        mapping: Mapping::default(),
    }
}

impl Served {
    fn start(spec: HttpSpec, queue_len_max: usize) -> Self {
        // Nobody needs it for plain HTTP, but the client wants one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let remembered: Arc<Mutex<HashMap<String, Answer>>> = Arc::default();
        let look_in = remembered.clone();
        let answers: Answers = Arc::new(move |key| {
            let found = look_in.lock().unwrap().get(&key).cloned();
            async move { Ok(found) }.boxed()
        });
        let (is_ready, ready) = watch::channel(false);
        let source = HttpSource::bind(spec, answers, ready).unwrap();
        let address = source.local_addr();
        let (inlet, judge) = Judge::new(queue_len_max);
        let (give, stop) = Stop::new();
        Self {
            address,
            judge,
            remembered,
            is_ready,
            stop: give,
            task: tokio::spawn(Box::new(source).run(inlet, None, stop)),
        }
    }

    /// Sends a body in the background.
    fn send(&self, headers: &[(&str, &str)], body: impl Into<String>) -> JoinHandle<Response> {
        let mut request = Client::new()
            .post(format!("http://{}/api/v1/data/batch", self.address))
            .timeout(LONG)
            .body(body.into());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        tokio::spawn(async move { request.send().await.unwrap() })
    }

    /// Acknowledges the next batch; as a database would, it remembers the answer.
    async fn commit(&mut self) -> (usize, usize) {
        let batch = self.judge.take().await.unwrap();
        self.remember(&batch);
        let (arrivals, quarantined) = self.judge.acknowledge(batch);
        (arrivals.len(), quarantined.len())
    }

    fn remember(&self, batch: &Batch) {
        if let Some((key, body_hash)) = batch.key.clone() {
            let receipt = Receipt {
                accepted: batch.arrivals.len() as u64,
                quarantined: batch.quarantined.len() as u64,
                ..Receipt::default()
            };
            let answer = Answer {
                key: key.clone(),
                body_hash,
                answer: serde_json::to_string(&receipt).unwrap(),
            };
            self.remembered.lock().unwrap().insert(key, answer);
        }
    }

    async fn get(&self, path: &str) -> Response {
        Client::new()
            .get(format!("http://{}{path}", self.address))
            .send()
            .await
            .unwrap()
    }
}

#[track_caller]
fn is_problem(status: u16, name: &str, response: &Response, body: &Value) {
    assert_eq!(response.status(), status, "{body}");
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!(body["type"], format!("urn:bellwether:problem:{name}"));
    assert_eq!(body["status"], status);
    assert_eq!(
        response.headers().contains_key("retry-after"),
        matches!(status, 429 | 503),
        "{body}"
    );
}

async fn check_problem(sent: JoinHandle<Response>, status: u16, name: &str) -> Value {
    let mut response = sent.await.unwrap();
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.unwrap() {
        bytes.extend_from_slice(&chunk);
    }
    let body: Value = serde_json::from_slice(&bytes).unwrap();
    is_problem(status, name, &response, &body);
    body
}

async fn receipt(sent: JoinHandle<Response>) -> Receipt {
    let response = sent.await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    response.json().await.unwrap()
}

#[tokio::test]
async fn a_body_in_every_form_is_acknowledged_after_its_commit() {
    let mut served = Served::start(spec(), 4);
    let array = format!("[{LINE},{LINE}]");
    let lines = format!("{LINE}\n\r\n{LINE}");
    let pretty = LINE.replace(',', ",\n");
    let table = "timestamp,device,a\n2024-01-01,p,1\n2024-01-02,p,2\n".to_owned();
    for (kind, body, n) in [
        ("application/x-ndjson", &lines, 2),
        ("application/json", &array, 2),
        ("application/json; charset=utf-8", &pretty, 1),
        ("application/json", &lines, 2),
        ("text/csv", &table, 2),
    ] {
        let sent = served.send(&[("content-type", kind)], body.clone());
        let batch = served.judge.take().await.unwrap();
        assert!(!sent.is_finished(), "answered before the commit");
        assert_eq!(batch.arrivals.len(), n, "{kind}: {:?}", batch.quarantined);
        served.judge.acknowledge(batch);
        assert_eq!(receipt(sent).await.accepted, n as u64);
    }
}

#[tokio::test]
async fn what_cannot_be_decoded_is_told_and_kept() {
    let mut served = Served::start(spec(), 4);
    let sent = served.send(&[], format!("{LINE}\nnonsense\n"));
    assert_eq!(served.commit().await, (1, 1));
    let told = receipt(sent).await;
    assert_eq!((told.accepted, told.quarantined), (1, 1));
    assert!(told.reasons[0].starts_with("line 2:"), "{told:?}");

    let sent = served.send(&[], "nonsense");
    assert_eq!(served.commit().await, (0, 1));
    let body = check_problem(sent, 400, "nothing-decoded").await;
    assert_eq!(body["quarantined"], 1);

    let sent = served.send(&[("content-type", "text/csv")], "a,b\n1,2\n");
    assert_eq!(served.commit().await, (0, 1));
    check_problem(sent, 400, "nothing-decoded").await;

    check_problem(served.send(&[], ""), 400, "nothing-decoded").await;
}

#[tokio::test]
async fn a_key_is_answered_once_and_for_all() {
    let mut served = Served::start(spec(), 4);
    let key = [("idempotency-key", "a-1")];
    let first = served.send(&key, LINE);
    let batch = served.judge.take().await.unwrap();
    assert_eq!(batch.key.as_ref().unwrap().0, "anybody a-1");
    // The first is not done yet: a second one must not be taken beside it.
    check_problem(served.send(&key, LINE), 429, "under-way").await;
    served.remember(&batch);
    served.judge.acknowledge(batch);
    let told = receipt(first).await;

    let again = served.send(&key, LINE).await.unwrap();
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    assert_eq!(again.json::<Receipt>().await.unwrap(), told);
    check_problem(served.send(&key, "other"), 422, "idempotency-key-reused").await;
    for bad in ["", "a b", &"x".repeat(256)] {
        check_problem(
            served.send(&[("idempotency-key", bad)], LINE),
            400,
            "bad-idempotency-key",
        )
        .await;
    }
}

#[tokio::test]
async fn a_key_stays_taken_as_long_as_its_batch_may_be_committed() {
    let mut served = Served::start(
        HttpSpec {
            timeout: Duration::from_millis(50),
            ..spec()
        },
        4,
    );
    let key = [("idempotency-key", "a-1")];
    check_problem(served.send(&key, LINE), 503, "timeout").await;
    check_problem(served.send(&key, LINE), 429, "under-way").await;
    assert_eq!(served.commit().await, (1, 0));
    // The answer comes from memory as soon as the key is free.
    loop {
        let response = served.send(&key, LINE).await.unwrap();
        if response.status() == StatusCode::OK {
            assert_eq!(response.headers()["idempotent-replayed"], "true");
            break;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_full_queue_is_told_at_once() {
    let mut served = Served::start(spec(), 1);
    let first = served.send(&[], LINE);
    // The only place is taken as soon as somebody else is refused.
    let refused = loop {
        let mut second = served.send(&[], LINE);
        match tokio::time::timeout(Duration::from_millis(200), &mut second).await {
            Ok(_) => break served.send(&[], LINE),
            Err(_) => {
                assert_eq!(served.commit().await, (1, 0));
            }
        }
        second.abort();
    };
    check_problem(refused, 503, "queue-full").await;
    drop(first);
}

#[tokio::test]
async fn what_is_too_large_or_of_another_kind_is_refused() {
    let mut served = Served::start(spec(), 64);
    check_problem(served.send(&[], " ".repeat((4 << 20) + 1)), 413, "too-large").await;
    check_problem(served.send(&[], "x\n".repeat(60_000)), 413, "too-large").await;
    check_problem(
        served.send(&[("content-encoding", "gzip")], LINE),
        415,
        "unsupported-media-type",
    )
    .await;
    check_problem(
        served.send(&[("content-type", "text/plain")], LINE),
        415,
        "unsupported-media-type",
    )
    .await;
    let response = served.get("/nowhere").await;
    let is_problem_json = response.headers()["content-type"] == "application/problem+json";
    assert!(response.status() == 404 && is_problem_json);
    assert_eq!(served.get("/api/v1/data/batch").await.status(), 405);

    // Many samples without a key are several batches; all of them are waited for.
    let sent = served.send(&[], format!("{LINE}\n").repeat(10_000));
    for n in [4096, 4096, 1808] {
        assert!(!sent.is_finished());
        assert_eq!(served.commit().await, (n, 0));
    }
    assert_eq!(receipt(sent).await.accepted, 10_000);
    // With a key they are one.
    let sent = served.send(&[("idempotency-key", "k")], format!("{LINE}\n").repeat(10_000));
    assert_eq!(served.commit().await, (10_000, 0));
    assert_eq!(receipt(sent).await.accepted, 10_000);
}

#[tokio::test]
async fn health_says_whether_it_lives_and_is_ready() {
    let served = Served::start(spec(), 1);
    assert_eq!(served.get("/health/live").await.status(), 200);
    assert_eq!(served.get("/health/ready").await.status(), 503);
    served.is_ready.send(true).unwrap();
    assert_eq!(served.get("/health/ready").await.status(), 200);
}

#[tokio::test]
async fn a_stop_lets_requests_end_and_then_nobody_listens() {
    let mut served = Served::start(spec(), 4);
    let sent = served.send(&[], LINE);
    let batch = served.judge.take().await.unwrap();
    served.stop.send(true).unwrap();
    assert!(!served.task.is_finished());
    served.judge.acknowledge(batch);
    assert_eq!(receipt(sent).await.accepted, 1);
    tokio::time::timeout(LONG, &mut served.task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(tokio::net::TcpStream::connect(served.address).await.is_err());
}

#[tokio::test]
async fn where_the_judge_is_gone_nothing_is_acknowledged() {
    let mut served = Served::start(spec(), 4);
    let sent = served.send(&[], LINE);
    drop(served.judge.take().await);
    check_problem(sent, 503, "stopping").await;
}

#[tokio::test]
async fn other_machines_are_not_let_in() {
    let answers: Answers = Arc::new(|_| async { Ok(None) }.boxed());
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"] {
        let spec = HttpSpec {
            listen: listen.parse().unwrap(),
            ..spec()
        };
        let error = HttpSource::bind(spec, answers.clone(), watch::channel(true).1).unwrap_err();
        assert!(matches!(&error, SourceError::Unusable { .. }), "{error}");
    }
}

#[tokio::test]
async fn no_request_can_break_the_server() {
    let served = Served::start(spec(), 4);
    for bytes in [
        &b"\x16\x03\x01\x02\x00"[..],
        b"POST /api/v1/data/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /api/v1/data/batch HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /api/v1/data/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf",
        b"GET /%ff HTTP/1.1\r\n\r\n",
    ] {
        let mut stream = tokio::net::TcpStream::connect(served.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(LONG, stream.read_to_end(&mut answer))
            .await
            .unwrap();
    }
    assert_eq!(served.get("/health/live").await.status(), 200);
}
