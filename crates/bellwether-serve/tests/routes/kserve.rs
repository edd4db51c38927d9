//! The Open Inference Protocol: what its clients look for besides verdicts.

use axum::body::Body;
use axum::http::Method;
use serde_json::{Value, json};

use crate::ground::Ground;

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_was_unloaded_is_not_loaded_by_asking_for_it() {
    let ground = Ground::new().await;
    ground.get("/v2/models/pump/ready").await.expect(200);
    let models = async |body: Value| -> usize {
        let index = ground
            .post("/v2/repository/index", &body)
            .await
            .expect(200)
            .json();
        index.as_array().unwrap().len()
    };
    assert_eq!(models(json!({ "ready": true })).await, 1);
    ground
        .post("/v2/repository/models/pump/unload", &json!({}))
        .await
        .expect(200);
    let n_loaded = ground.loader.n_loaded();
    let refused = ground.get("/v2/models/pump/ready").await.expect(409);
    assert_eq!(refused.json()["error"], refused.json()["detail"]);
    assert_eq!(ground.loader.n_loaded(), n_loaded);
    assert_eq!(
        (models(json!({ "ready": true })).await, models(json!({})).await),
        (0, 1)
    );
    let empty = ground
        .send(Method::POST, "/v2/repository/index", Body::empty())
        .await;
    assert_eq!(empty.expect(200).json()[0]["state"], "UNAVAILABLE");
    ground
        .post("/v2/repository/models/pump/load", &json!({}))
        .await
        .expect(200);
    ground.get("/v2/models/pump/ready").await.expect(200);
    let audit = ground.get("/api/v1/audit").await.expect(200).json();
    let told: Vec<(&Value, &Value)> = audit["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (&entry["action"], &entry["subject"]))
        .collect();
    assert_eq!(
        told,
        [
            (&json!("load"), &json!("pump")),
            (&json!("unload"), &json!("pump"))
        ]
    );
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_input_that_is_taken_is_described() {
    let ground = Ground::new().await;
    let model = ground.get("/v2/models/pump").await.expect(200).json();
    let names: Vec<&Value> = model["inputs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|input| &input["name"])
        .collect();
    assert_eq!(names, ["values", "timestamp", "observed"]);
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_turned_away_is_told_so_in_the_words_of_the_protocol() {
    let ground = Ground::new().await;
    for (key, status) in [("", 401), ("viewer", 403)] {
        let answer = ground
            .send_as(
                key,
                Method::POST,
                "/v2/models/pump/infer",
                "application/json",
                "{}",
            )
            .await
            .expect(status);
        assert_eq!(answer.json()["error"], answer.json()["detail"]);
    }
    ground.end().await;
}
