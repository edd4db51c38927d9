//! The fleet over REST: devices, and their history.

use axum::http::Method;
use bellwether_core::time::Timestamp;
use bellwether_serve::access::Permission;
use bellwether_store::database::Database;
use bellwether_store::history::{RollSpec, roll};
use serde_json::{Value, json};

use crate::ground::{CHANNELS, Ground, assert_guarded, eventually, part, plant};

#[tokio::test(flavor = "multi_thread")]
async fn devices_are_told_as_they_are() {
    let ground = Ground::new().await;
    let with_event = plant(3, 52, true);
    ground.ingest("pump-1", &with_event).await;
    ground.ingest("pump-2", &plant(4, 50, false)).await;
    ground.ingest("fan-1", &plant(5, 3, false)).await;
    let page = eventually(&ground, "/api/v1/devices", |page| {
        page["total"] == 3 && page["devices"][0]["state"] == "event"
    })
    .await;
    let of = |idx: usize, field: &str| page["devices"][idx][field].clone();
    assert_eq!(of(0, "device"), "pump-1");
    assert_eq!(of(0, "model"), "pump@1");
    assert_eq!(of(0, "last_time"), with_event.time()[51].to_string());
    assert_eq!(of(0, "sparkline").as_array().unwrap().len(), 60);
    assert!(of(0, "worst")["score"].as_f64().unwrap() >= 1.0);
    assert_eq!(of(0, "open_event").as_str().unwrap().len(), 12);
    let names = |page: &Value| -> Vec<String> {
        let devices = page["devices"].as_array().unwrap().iter();
        devices
            .map(|device| device["device"].as_str().unwrap().to_owned())
            .collect()
    };
    let check = async |query: &str, want: &[&str]| {
        let answer = ground.get(&format!("/api/v1/devices?{query}")).await.expect(200);
        assert_eq!(names(&answer.json()), want, "{query}");
    };
    check("query=PUMP&sort=name", &["pump-1", "pump-2"]).await;
    check("state=warming", &["fan-1"]).await;
    check("state=normal", &["pump-2"]).await;
    check("sort=recent", &["pump-1", "pump-2", "fan-1"]).await;
    let first = ground
        .get("/api/v1/devices?sort=name&limit=2")
        .await
        .expect(200)
        .json();
    assert_eq!(names(&first), ["fan-1", "pump-1"]);
    let next = format!(
        "/api/v1/devices?limit=2&cursor={}",
        first["next"].as_str().unwrap()
    );
    let second = ground.get(&next).await.expect(200).json();
    assert_eq!(
        (names(&second), &second["next"]),
        (vec!["pump-2".to_owned()], &Value::Null)
    );
    assert_eq!(
        ground
            .get("/api/v1/devices?cursor=no")
            .await
            .expect(400)
            .problem(),
        "bad-request"
    );
    ground.get("/api/v1/devices?state=odd").await.expect(400);

    let one = ground.get("/api/v1/devices/pump-2").await.expect(200).json();
    assert_eq!(one["channels"], json!(CHANNELS));
    assert_eq!(one["first_time"], plant(4, 50, false).time()[0].to_string());
    assert_eq!(
        ground.get("/api/v1/devices/nobody").await.expect(404).problem(),
        "not-found"
    );

    let status = ground.get("/api/v1/status").await.expect(200).json();
    assert_eq!(
        status["devices"],
        json!({ "total": 3, "normal": 1, "event": 1, "silent": 0, "warming": 1 })
    );
    assert_eq!(
        (&status["samples"]["accepted"], &status["events_open"]),
        (&json!(105), &json!(1))
    );
    assert_eq!(status["models"], json!(["pump@1"]));
    for path in [
        "/api/v1/devices",
        "/api/v1/status",
        "/api/v1/anomalies",
        "/api/v1/alerts",
    ] {
        assert_guarded(&ground, Permission::Read, Method::GET, path).await;
    }
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_loses_no_peak_and_tells_what_was_expected() {
    let ground = Ground::new().await;
    let frame = plant(3, 2000, true);
    ground.ingest("pump-1", &part(&frame, 0, 1500)).await;
    let everything = RollSpec {
        before: Timestamp::from_nanos(i64::MAX),
        rows_kept_max: 0,
        rows_at_once: 100_000,
    };
    roll(&ground.app.db, &ground.app.history, &everything)
        .await
        .unwrap();
    // The rest stays in blocks.
    ground.ingest("pump-1", &part(&frame, 1500, 2000)).await;
    eventually(&ground, "/api/v1/devices/pump-1", |device| {
        device["last_time"] == frame.time()[1999].to_string()
    })
    .await;
    let flow = |row: usize| frame.values()[row * CHANNELS.len()];

    let newest = ground
        .get("/api/v1/devices/pump-1/history?points=5000")
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&newest["n_samples"], &newest["is_decimated"]),
        (&json!(1000), &json!(false))
    );
    assert_eq!(newest["from"], frame.time()[1000].to_string());
    assert_eq!(newest["channels"][0]["channel"], "flow");
    for row in 0..1000 {
        assert_eq!(newest["channels"][0]["min"][row], json!(flow(1000 + row)));
    }
    // The same numbers as from the detector over the whole file.
    let detector = crate::ground::detector(0.99);
    let expected = detector
        .expected(&frame, 1000..2000, bellwether_core::detect::Mode::Causal)
        .unwrap();
    for row in (0..1000).step_by(37) {
        let told = &newest["channels"][0];
        for (name, want) in [
            ("expected", &expected.expected),
            ("lower", &expected.lower),
            ("upper", &expected.upper),
        ] {
            assert_eq!(
                told[name][row],
                json!(want[row * CHANNELS.len()]),
                "{name} of row {row}"
            );
        }
    }
    assert!(!newest["events"].as_array().unwrap().is_empty());

    let path = format!(
        "/api/v1/devices/pump-1/history?from={}&to={}&points=100&channels=flow",
        frame.time()[0],
        frame.time()[1999]
    );
    let all = ground.get(&path).await.expect(200).json();
    assert_eq!(
        (&all["n_samples"], &all["is_decimated"]),
        (&json!(1999), &json!(true))
    );
    let n_points = all["time_ms"].as_array().unwrap().len();
    assert!((50..=100).contains(&n_points), "{n_points}");
    assert_eq!(all["channels"].as_array().unwrap().len(), 1);
    let highest = all["channels"][0]["max"].as_array().unwrap().iter();
    let highest = highest
        .map(|value| value.as_f64().unwrap())
        .fold(f64::MIN, f64::max);
    assert_eq!(
        highest.to_bits(),
        (0..1999).map(flow).fold(f64::MIN, f64::max).to_bits()
    );
    ground
        .get("/api/v1/devices/pump-1/history?from=2024-05-02T00:00:00Z&to=2024-05-01T00:00:00Z")
        .await
        .expect(400);
    ground
        .get("/api/v1/devices/pump-1/history?points=x")
        .await
        .expect(400);
    ground.get("/api/v1/devices/nobody/history").await.expect(404);
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_board_is_filled_from_what_the_database_knows() {
    let ground = Ground::new().await;
    ground.ingest("pump-1", &plant(3, 52, true)).await;
    ground.ingest("pump-2", &plant(4, 50, false)).await;
    let url = ground.folder().join("live.db").display().to_string();
    let database = Database::open(&url, "default").await.unwrap();
    assert_eq!(
        database.silent().await.unwrap(),
        Vec::<std::sync::Arc<str>>::new()
    );
    let blocks = database.recent_blocks(i64::MIN, None, 1).await.unwrap();
    assert_eq!(&*blocks[0].block.series[0], "pump-2");
    let before = (blocks[0].seq, blocks[0].block.model.as_str());
    let blocks = database.recent_blocks(i64::MIN, Some(before), 1).await.unwrap();
    assert_eq!(&*blocks[0].block.series[0], "pump-1");
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_was_quiet_for_long_is_known_after_a_restart() {
    let ground = Ground::new().await;
    let frame = plant(3, 52, false);
    ground.ingest("pump-1", &frame).await;
    let everything = RollSpec {
        before: Timestamp::from_nanos(i64::MAX),
        rows_kept_max: 0,
        rows_at_once: 100_000,
    };
    roll(&ground.app.db, &ground.app.history, &everything)
        .await
        .unwrap();
    // Nothing of it is in the database any more but its state.
    let ground = ground.restart().await;
    let device = eventually(&ground, "/api/v1/devices/pump-1", |device| {
        device["last_time"].is_string()
    })
    .await;
    assert_eq!(device["last_time"], frame.time()[51].to_string());
    assert_eq!(device["model"], "pump@1");
    assert_eq!(device["state"], "normal");
    let history = ground.get("/api/v1/devices/pump-1/history").await;
    assert_eq!(history.expect(200).json()["n_samples"], 52);
    ground.end().await;
}
