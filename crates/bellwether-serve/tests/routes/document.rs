//! The router answers what its document says, nothing else, and every refusal is a problem that the document knows.

use std::collections::BTreeSet;

use axum::body::{Body, Bytes};
use axum::http::{Method, Request, header};
use bellwether_stream::problem::{KINDS, TYPE_PREFIX};
use serde_json::Value;
use tower::ServiceExt as _;

use crate::ground::{Answer, BODY_BYTES_MAX, Ground};

const METHODS: [Method; 5] = [
    Method::GET,
    Method::PUT,
    Method::POST,
    Method::DELETE,
    Method::PATCH,
];

/// The path with something in place of each parameter.
fn filled_in(path: &str, filling: &str) -> String {
    let mut filled = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        filled.push_str(filling);
        rest = after.split_once('}').unwrap().1;
    }
    filled + rest
}

/// What is answered; of a stream, which has no end, only that it is one.
async fn ask(ground: &Ground, method: &Method, path: &str, body: Body) -> Option<Answer> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "localhost")
        .header("x-api-key", "admin")
        .header(header::CONTENT_TYPE, "application/json")
        .body(body)
        .unwrap();
    let response = ground.router.clone().oneshot(request).await.unwrap();
    let kind = response.headers().get(header::CONTENT_TYPE);
    if kind.is_some_and(|kind| kind == "text/event-stream") {
        return None;
    }
    Some(Answer::of(response).await)
}

/// That a refusal is a problem of a type that clients know.
fn assert_is_known(what: &str, answer: &Answer) {
    assert_eq!(
        answer.header("content-type"),
        "application/problem+json",
        "{what}: {}",
        answer.text()
    );
    let problem = answer.json();
    let kind = problem["type"]
        .as_str()
        .and_then(|kind| kind.strip_prefix(TYPE_PREFIX));
    assert!(
        kind.is_some_and(|kind| KINDS.contains(&kind)),
        "{what}: {problem}"
    );
    assert_eq!(problem["status"], answer.status, "{what}");
    assert!(problem["request_id"].is_string(), "{what}");
    assert_eq!(
        problem["error"].is_string(),
        what.contains(" /v2"),
        "{what}: {problem}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_is_in_the_document_and_nothing_else_is_answered() {
    let ground = Ground::new().await;
    let too_large = Bytes::from(vec![b' '; BODY_BYTES_MAX + 1]);
    let document = ground.get("/openapi.json").await.expect(200).json();
    let types = document["components"]["schemas"]["ProblemType"]["enum"]
        .as_array()
        .unwrap();
    let want: Vec<Value> = KINDS
        .iter()
        .map(|kind| format!("{TYPE_PREFIX}{kind}").into())
        .collect();
    assert_eq!(*types, want);
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() > 40, "{}", paths.len());
    for (path, item) in paths {
        let documented: BTreeSet<String> = item
            .as_object()
            .unwrap()
            .keys()
            .map(|word| word.to_uppercase())
            .collect();
        let somewhere = filled_in(path, "nowhere");
        for method in &METHODS {
            let what = format!("{method} {path}");
            let is_documented = documented.contains(method.as_str());
            let Some(answer) = ask(&ground, method, &somewhere, Body::from("\"nothing\"")).await else {
                assert!(is_documented, "{what}");
                continue;
            };
            assert_eq!(answer.status != 405, is_documented, "{what}: {}", answer.text());
            if answer.status >= 400 {
                assert_is_known(&what, &answer);
            }
            if !is_documented {
                assert_eq!(answer.problem(), "method-not-allowed", "{what}");
                let allowed = answer.header("allow").split(',').filter(|word| *word != "HEAD");
                assert_eq!(
                    allowed.map(str::to_owned).collect::<BTreeSet<_>>(),
                    documented,
                    "{what}"
                );
                continue;
            }
            // Bytes that are no text, where something is named.
            if path.contains('{') {
                let answer = ask(&ground, method, &filled_in(path, "%FF"), Body::empty())
                    .await
                    .unwrap();
                assert!((400..500).contains(&answer.status), "{what}: {}", answer.text());
                assert_is_known(&what, &answer);
            }
            // More than is taken, where anything is.
            let operation = &item[method.as_str().to_lowercase()];
            if operation["requestBody"].is_object() && path != "/api/v1/data/stream" {
                let large = Body::from(too_large.clone());
                let answer = ask(&ground, method, &somewhere, large).await.unwrap();
                assert!((400..500).contains(&answer.status), "{what}: {}", answer.text());
                assert_is_known(&what, &answer);
            }
        }
    }
    for path in ["/api/v1/nothing", "/api/v2", "/metrics/nothing"] {
        let answer = ground.get(path).await.expect(404);
        assert_is_known(path, &answer);
    }
    ground.end().await;
}

/// The file is written down a second time on purpose: what a route takes must not change by accident.
#[tokio::test(flavor = "multi_thread")]
async fn each_route_takes_the_permission_that_is_written_down_for_it() {
    let ground = Ground::new().await;
    let document = ground.get("/openapi.json").await.expect(200).json();
    let mut lines = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let permission = operation["x-permission"].as_str().unwrap();
            lines.push(format!("{permission} {} {path}", method.to_uppercase()));
        }
    }
    lines.sort();
    let written: Vec<&str> = include_str!("permissions.txt").lines().collect();
    assert_eq!(
        lines,
        written,
        "permissions.txt would be:\n{}\n",
        lines.join("\n")
    );
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_that_no_route_knows_is_refused() {
    let ground = Ground::new().await;
    let document = ground.get("/openapi.json").await.expect(200).json();
    let mut n_asked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let parameters = operation["parameters"].as_array();
            if !parameters.is_some_and(|all| all.iter().any(|one| one["in"] == "query")) {
                continue;
            }
            let method: Method = method.to_uppercase().parse().unwrap();
            let path = format!("{}?no_such_parameter=1", filled_in(path, "nowhere"));
            let answer = ask(&ground, &method, &path, Body::empty())
                .await
                .expect("no stream");
            assert_eq!(answer.status, 400, "{method} {path}: {}", answer.text());
            n_asked += 1;
        }
    }
    assert!(n_asked > 10, "{n_asked}");
    ground.end().await;
}
