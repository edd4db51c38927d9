//! Trainings: asked for, followed, taken back, and not forgotten by a restart.

use std::sync::Arc;

use axum::http::Method;
use bellwether_core::time::Timestamp;
use bellwether_serve::jobs::Jobs;
use bellwether_store::database::{Job, JobState};
use bellwether_stream::source::Stop;
use serde_json::{Value, json};

use crate::ground::{Ground, csv, eventually, plant};

/// Asks for a training by a table; the path of its job.
async fn train(ground: &Ground, name: &str, epochs: usize) -> String {
    let path = format!("/api/v1/models/train?name={name}&epochs={epochs}");
    let table = csv(&plant(1, 300, false));
    let answer = ground
        .send_as("eve:engineer", Method::POST, &path, "text/csv", table)
        .await;
    answer.expect(202).header("location").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_is_followed_to_its_version_which_is_in_force_when_it_is_done() {
    let ground = Ground::new().await;
    let held = ground.trainer.pass.lock().await;
    let job = train(&ground, "fan", 2).await;
    eventually(&ground, &job, |job| job["state"] == "running").await;
    drop(held);
    let done = eventually(&ground, &job, |job| job["state"] == "done").await;
    assert_eq!(
        (&done["model"], &done["epoch"], &done["epochs"], &done["made_by"]),
        (
            &json!("fan@1"),
            &json!(2),
            &json!(2),
            &json!("eve (eve:engineer)")
        )
    );
    assert_eq!(
        done["loss"],
        json!([
            { "epoch": 1, "train_loss": 1.0, "val_loss": 1.5 },
            { "epoch": 2, "train_loss": 0.5, "val_loss": 0.75 },
        ])
    );
    assert_eq!(
        ground.control.n_reloads(),
        1,
        "the first version of a name serves at once"
    );
    let audit = ground.get("/api/v1/audit").await.expect(200).json();
    let actions: Vec<&Value> = audit["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["action"])
        .collect();
    assert_eq!(actions, ["publish", "train"]);
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_is_taken_back_while_it_waits_and_while_it_runs() {
    let ground = Ground::new().await;
    let held = ground.trainer.pass.lock().await;
    let running = train(&ground, "fan", 1000).await;
    eventually(&ground, &running, |job| job["state"] == "running").await;
    let waiting = train(&ground, "fan", 1).await;
    let cancelled = ground
        .post(&format!("{waiting}/cancel"), &json!({}))
        .await
        .expect(200)
        .json();
    assert_eq!(cancelled["state"], "cancelled");
    ground
        .post(&format!("{waiting}/cancel"), &json!({}))
        .await
        .expect(409);
    ground
        .post(&format!("{running}/cancel"), &json!({}))
        .await
        .expect(200);
    drop(held);
    eventually(&ground, &running, |job| job["state"] == "cancelled").await;
    // Nothing was published, and the next one has its turn.
    ground.get("/api/v1/models/fan").await.expect(404);
    let next = train(&ground, "fan", 1).await;
    eventually(&ground, &next, |job| job["model"] == "fan@1").await;
    ground
        .post("/api/v1/jobs/nothing/cancel", &json!({}))
        .await
        .expect(404);
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_says_too_little_fails_its_training_with_the_reason() {
    let ground = Ground::new().await;
    let table = csv(&plant(1, 20, false));
    let path = "/api/v1/models/train?name=fan";
    let answer = ground
        .send_as("admin", Method::POST, path, "text/csv", table)
        .await;
    let job = answer.expect(202).header("location").to_owned();
    let failed = eventually(&ground, &job, |job| job["state"] == "failed").await;
    assert_eq!(
        failed["error"],
        "20 rows are too few to learn from: send at least 100"
    );
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_trainings_wait_at_most() {
    let ground = Ground::new().await;
    let held = ground.trainer.pass.lock().await;
    let running = train(&ground, "fan", 1).await;
    eventually(&ground, &running, |job| job["state"] == "running").await;
    for _ in 0..16 {
        train(&ground, "fan", 1).await;
    }
    let table = csv(&plant(1, 300, false));
    let path = "/api/v1/models/train?name=fan";
    let refused = ground
        .send_as("admin", Method::POST, path, "text/csv", table)
        .await;
    assert_eq!(refused.expect(503).problem(), "busy");
    drop(held);
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_forgets_no_training_however_many_came_after_it() {
    let ground = Ground::new().await;
    let job = |n: i64, state: JobState, asked: Value| Job {
        id: format!("job-{n}"),
        kind: "train".to_owned(),
        state,
        name: "fan".to_owned(),
        made_by: "eve".to_owned(),
        created_at: Timestamp::from_secs(n),
        started_at: None,
        ended_at: None,
        error: None,
        detail: json!({ "asked": asked }).to_string(),
    };
    ground.ingest("pump-1", &plant(1, 300, false)).await;
    let db = &ground.app.db;
    db.insert_job(&job(1, JobState::Waiting, json!({ "devices": ["pump-*"] })))
        .await
        .unwrap();
    db.insert_job(&job(2, JobState::Waiting, json!({ "is_table": true })))
        .await
        .unwrap();
    db.insert_job(&job(3, JobState::Running, json!({})))
        .await
        .unwrap();
    for n in 4..300 {
        db.insert_job(&job(n, JobState::Done, json!({}))).await.unwrap();
    }
    let (_give_stop, stop) = Stop::new();
    let _jobs = Jobs::start(
        db.clone(),
        ground.app.history.clone(),
        Arc::clone(&ground.trainer) as _,
        Arc::clone(&ground.control) as _,
        stop,
    )
    .await
    .unwrap();
    let done = eventually(&ground, "/api/v1/jobs/job-1", |job| job["state"] == "done").await;
    assert_eq!(done["model"], "fan@1");
    for id in ["job-2", "job-3"] {
        let failed = ground.get(&format!("/api/v1/jobs/{id}")).await.expect(200).json();
        assert_eq!(failed["state"], "failed", "{id}");
    }
    ground.end().await;
}
