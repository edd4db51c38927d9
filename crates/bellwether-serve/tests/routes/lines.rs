//! Lines of JSON without end: all of them are taken, whose keys are whose, and what becomes of streams that stay open.

use crate::ground::{Answer, Ground};
use axum::body::Body;
use axum::http::{Method, Request, Response, header};
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::Value;
use tower::ServiceExt as _;

const KIND: &str = "application/x-ndjson";

fn line(second: usize) -> String {
    format!(r#"{{"device":"p","timestamp":{second},"values":{{"flow":1.0,"pressure":2.0}}}}"#)
}

fn lines(n_lines: usize) -> String {
    let lines: Vec<String> = (1..=n_lines).map(line).collect();
    lines.join("\n")
}

fn request(path: &str, by: &str, key: Option<&str>, body: Body) -> Request<Body> {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(header::HOST, "localhost")
        .header("x-api-key", by)
        .header(header::CONTENT_TYPE, KIND);
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    request.body(body).unwrap()
}

async fn send(ground: &Ground, path: &str, by: &str, key: Option<&str>, body: String) -> Answer {
    ground.call(request(path, by, key, Body::from(body))).await
}

/// How many samples the receipts of a stream tell of.
fn n_told(answer: &Answer, of: &str) -> u64 {
    let text = answer.text();
    let receipts = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    receipts.map(|receipt| receipt[of].as_u64().unwrap()).sum()
}

/// Opens a stream whose body never ends, and gives its answer, which has begun.
async fn open(ground: &Ground) -> Response<Body> {
    let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from(line(1) + "\n"))]);
    let body = Body::from_stream(first.chain(stream::pending()));
    let request = request("/api/v1/data/stream", "operator", None, body);
    ground.router.clone().oneshot(request).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_line_counts_whether_it_ends_or_not() {
    for key in [None, Some("k")] {
        for end in ["", "\n"] {
            let ground = Ground::new().await;
            // Two whole pieces, and a part of one.
            let body = lines(2003) + end;
            let told = send(&ground, "/api/v1/data/stream", "operator", key, body).await;
            let told = told.expect(200);
            assert_eq!(n_told(&told, "accepted"), 2003, "{key:?} {end:?}");
            if key.is_some() {
                assert_eq!(told.text().lines().count(), 3);
            }
            let one = send(&ground, "/api/v1/data/stream", "operator", None, line(9999)).await;
            assert_eq!(n_told(&one, "accepted"), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_those_of_who_sends_and_of_the_route() {
    let ground = Ground::new().await;
    let path = "/api/v1/data/batch";
    let key = Some("x");
    for (by, second) in [("anna:operator", 1), ("bert:operator", 2)] {
        let first = send(&ground, path, by, key, line(second)).await.expect(200);
        assert_eq!(first.header("idempotent-replayed"), "");
        assert_eq!(first.json()["accepted"], 1);
        let again = send(&ground, path, by, key, line(second)).await.expect(200);
        assert_eq!(again.header("idempotent-replayed"), "true");
        assert_eq!(again.json(), first.json());
        send(&ground, path, by, key, line(3)).await.expect(422);
    }
    // Neither the key of a stream nor of one of its pieces is that of a batch.
    let told = send(&ground, "/api/v1/data/stream", "anna:operator", key, line(4)).await;
    assert_eq!(n_told(&told, "accepted"), 1);
    let batch = send(&ground, path, "anna:operator", Some("x#0"), line(5)).await;
    assert_eq!(batch.expect(200).json()["accepted"], 1);
    // A stream that is sent again is answered as before.
    let again = send(&ground, "/api/v1/data/stream", "anna:operator", key, line(4)).await;
    assert_eq!(again.text(), told.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_stay_open_take_no_place_from_those_who_send_and_go() {
    let ground = Ground::new().await;
    let mut all = Vec::new();
    let refused = loop {
        let answer = open(&ground).await;
        if answer.status() != 200 {
            break answer;
        }
        all.push(answer);
    };
    assert_eq!((all.len(), refused.status().as_u16()), (256, 503));
    assert!(refused.headers().contains_key("retry-after"));
    let batch = send(&ground, "/api/v1/data/batch", "operator", None, line(7)).await;
    batch.expect(200);
    // All end when the server does, and say why.
    ground.stop.send(true).unwrap();
    for answer in all {
        let text = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        let text = String::from_utf8(text.to_vec()).unwrap();
        let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(last["type"], "urn:bellwether:problem:stopping");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_goes_on_and_on_ends_its_stream() {
    let ground = Ground::new().await;
    let body = lines(10) + "\n" + &"x".repeat(2 << 20);
    let told = send(&ground, "/api/v1/data/stream", "operator", None, body).await;
    let last = told.text().lines().last().unwrap().to_owned();
    assert_eq!(serde_json::from_str::<Value>(&last).unwrap()["status"], 413);
}
