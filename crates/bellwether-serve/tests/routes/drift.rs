//! Drift over REST: the fleet against what its model learnt from.

use std::sync::Arc;

use crate::ground::{Ground, assert_guarded, baseline, detector, eventually, plant};
use axum::http::Method;
use bellwether_core::frame::Frame;
use bellwether_core::time::Timestamp;
use bellwether_serve::access::Permission;
use bellwether_store::registry::Because;
use bellwether_stream::live::Served;
use bellwether_stream::patterns::ByDevice;
use serde_json::{Value, json};

/// Waits until the board knows so many devices.
async fn devices(ground: &Ground, n: usize) {
    eventually(ground, "/api/v1/devices", |page| page["total"] == n).await;
}

/// The frame with its second channel raised.
fn risen(frame: Frame) -> Frame {
    let (schema, time, mut values) = frame.into_parts();
    for value in values.iter_mut().skip(1).step_by(2) {
        *value += 5.0;
    }
    Frame::new(schema.channels(), time, values).unwrap()
}

fn channel<'a>(drift: &'a Value, name: &str) -> &'a Value {
    let channels = drift["channels"].as_array().unwrap();
    channels
        .iter()
        .find(|channel| channel["channel"] == name)
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_that_looks_as_in_training_does_not_drift() {
    let ground = Ground::new().await;
    let nothing = ground.get("/api/v1/drift?model=pump").await.expect(200).json();
    assert_eq!(nothing["n_rows"], 0);
    assert_eq!(nothing["is_drift"], false);
    assert_eq!(nothing["channels"], json!([]));
    let other = Ground::new().await;
    let frame = plant(1, 300, false);
    other.ingest("pump-1", &frame).await;
    other.ingest("pump-2", &plant(1, 300, false)).await;
    devices(&other, 2).await;
    let drift = other.get("/api/v1/drift?model=pump@1").await.expect(200).json();
    assert_eq!(drift["model"], "pump@1");
    assert_eq!(drift["devices"], json!(["pump-1", "pump-2"]));
    assert_eq!(drift["n_rows"], 600);
    assert_eq!(drift["from"], frame.time()[0].to_string());
    assert_eq!(drift["to"], frame.time()[299].to_string());
    assert_eq!(drift["is_drift"], false);
    assert_eq!(channel(&drift, "pressure")["severity"], "none");
    assert_eq!(channel(&drift, "pressure")["ks"], 0.0);
    assert_eq!(drift["missing_channels"], json!([]));
    assert!(drift["joint"]["q_value"].is_number(), "{drift}");
    assert!(drift["scores"]["psi"].is_number(), "{drift}");
    let figures = other.get("/metrics").await;
    assert!(figures.text().contains("bellwether_drift{model=\"pump@1\"} 0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_too_few_rows_no_figure_says_that_there_is_no_drift() {
    let ground = Ground::new().await;
    ground.ingest("pump-1", &plant(1, 10, false)).await;
    devices(&ground, 1).await;
    let drift = ground.get("/api/v1/drift?model=pump").await.expect(200).json();
    assert_eq!(drift["is_judged"], false);
    let figures = ground.get("/metrics").await;
    assert!(
        !figures.text().contains("bellwether_drift{"),
        "{}",
        figures.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_meant_by_version_alias_or_file() {
    let ground = Ground::new().await;
    let asked = async |model: &str| ground.get(&format!("/api/v1/drift?model={model}")).await;
    // Another version exists, and is not in service.
    ground.publish("pump", 0.9);
    for (alias, version) in [("served", "pump@1"), ("canary", "pump@2")] {
        let (alias, version) = (alias.parse().unwrap(), version.parse().unwrap());
        let (nobody, now) = (Because::default(), Timestamp::from_secs(0));
        let registry = &ground.app.registry;
        registry.set_alias(&alias, &version, &nobody, now).unwrap();
    }
    for model in ["pump", "pump@1", "pump@served"] {
        assert_eq!(
            asked(model).await.expect(200).json()["model"],
            "pump@1",
            "{model}"
        );
    }
    for model in ["pump@2", "pump@canary", "pump@nobody"] {
        asked(model).await.expect(404);
    }
    // A bundle file is called as it is called in service.
    let served = Served::new("models/pump.bellwether", Arc::new(detector(0.99))).with_baseline(baseline());
    ground
        .models
        .send_replace(Arc::new(ByDevice::all(Some(Arc::new(served)))));
    let found = asked("models/pump.bellwether").await.expect(200).json();
    assert_eq!(found["model"], "models/pump.bellwether");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_rose_is_named_with_what_to_do() {
    let ground = Ground::new().await;
    ground.ingest("pump-1", &risen(plant(3, 300, false))).await;
    devices(&ground, 1).await;
    let drift = ground.get("/api/v1/drift?model=pump").await.expect(200).json();
    assert_eq!(drift["is_drift"], true);
    assert!(drift["advice"].as_str().unwrap().contains("pressure"), "{drift}");
    assert_eq!(channel(&drift, "pressure")["severity"], "critical");
    assert_eq!(channel(&drift, "pressure")["ks"], 1.0);
    assert!(
        ground
            .get("/metrics")
            .await
            .text()
            .contains("bellwether_drift{model=\"pump@1\"} 1")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_said_is_refused() {
    let ground = Ground::new().await;
    assert_guarded(&ground, Permission::Read, Method::GET, "/api/v1/drift?model=pump").await;
    ground.get("/api/v1/drift?model=fan").await.expect(404);
    ground.get("/api/v1/drift?model=pump@9").await.expect(404);
    ground.get("/api/v1/drift?model=../pump").await.expect(400);
    ground.get("/api/v1/drift").await.expect(400);
    // A model of the time before baselines.
    let served = Served::new("old@1", Arc::new(detector(0.99)));
    ground
        .models
        .send_replace(Arc::new(ByDevice::all(Some(Arc::new(served)))));
    let refused = ground.get("/api/v1/drift?model=old").await.expect(409);
    assert!(refused.text().contains("train it again"), "{}", refused.text());
}
