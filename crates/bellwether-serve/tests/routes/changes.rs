//! A change is made to its end: in force and written down, whoever still waits for the answer.

use axum::body::Body;
use axum::http::{Method, Request, header};
use serde_json::json;

use crate::ground::{Answer, Ground, eventually};

/// A request of somebody who does not wait.
async fn ask_in_haste(ground: &Ground, method: Method, path: &str, kind: &str, body: &str) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "localhost")
        .header("x-api-key", "admin")
        .header("x-request-timeout", "0.05")
        .header(header::CONTENT_TYPE, kind)
        .body(Body::from(body.to_owned()));
    ground.call(request.unwrap()).await
}

/// Waits until the audit has an entry, and says what it says of the change.
async fn audited(ground: &Ground, action: &str) -> String {
    let of_action = |page: &serde_json::Value| {
        let mut entries = page["entries"].as_array().unwrap().iter();
        entries.find(|entry| entry["action"] == action).cloned()
    };
    let page = eventually(ground, "/api/v1/audit", |page| of_action(page).is_some()).await;
    of_action(&page).unwrap()["detail"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_that_nobody_waits_for_is_in_force_and_audited() {
    let ground = Ground::new().await;
    ground.publish("pump", 0.95);
    let held = ground.control.turn.lock().await;
    let body = json!({ "version": 2, "reason": "better" }).to_string();
    let path = "/api/v1/models/pump/promote";
    let answer = ask_in_haste(&ground, Method::POST, path, "application/json", &body).await;
    assert_eq!(answer.expect(503).problem(), "timeout");
    assert_eq!(ground.control.n_reloads(), 0);
    drop(held);
    assert_eq!(audited(&ground, "promote").await, "from version 1 to 2: better");
    assert_eq!(ground.control.n_reloads(), 1);
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_nobody_waits_for_is_in_force_and_audited() {
    let ground = Ground::new().await;
    let held = ground.control.turn.lock().await;
    let toml = "[stream]\nlatency = \"30ms\"\n";
    let answer = ask_in_haste(&ground, Method::PUT, "/api/v1/config", "text/plain", toml).await;
    assert_eq!(answer.expect(503).problem(), "timeout");
    drop(held);
    assert_eq!(audited(&ground, "configure").await, "stream.latency");
    let shown = ground.get("/api/v1/config").await.expect(200).json();
    assert_eq!(shown["toml"], toml);
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_is_refused_with_what_is_wrong_with_it() {
    let ground = Ground::new().await;
    let put = async |toml: &str| {
        let path = "/api/v1/config";
        ground
            .send_as("admin", Method::PUT, path, "text/plain", toml.to_owned())
            .await
    };
    let wrong = put("bad = 1").await.expect(422);
    assert_eq!(wrong.problem(), "wrong-configuration");
    assert_eq!(wrong.json()["mistakes"][0]["key"], "bad");
    let protected = put("path = 1").await.expect(422);
    assert_eq!(protected.problem(), "protected");
    assert_eq!(protected.json()["keys"], json!(["path"]));
    let not_text = ground
        .send_as("admin", Method::PUT, "/api/v1/config", "text/plain", vec![0xff])
        .await;
    assert_eq!(not_text.expect(400).problem(), "bad-request");
    ground.end().await;
}
