//! The fleet over REST: devices, history, events, alerts, and streams of what happens.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

#[path = "ground/mod.rs"]
mod ground;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, header};
use bellwether_core::frame::Frame;
use bellwether_core::time::Timestamp;
use bellwether_serve::access::Permission;
use bellwether_store::database::{Database, EventFilter};
use bellwether_store::history::{RollSpec, roll};
use futures_util::StreamExt as _;
use ground::{CHANNELS, Ground, assert_guarded, plant};
use serde_json::{Value, json};

/// Rows `from..to` of a plant.
fn part(frame: &Frame, from: usize, to: usize) -> Frame {
    frame.slice(from..to).unwrap()
}

/// Waits until the board has followed what was committed.
async fn eventually(ground: &Ground, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..500 {
        let answer = ground.get(path).await;
        if answer.status == 200 && is_so(&answer.json()) {
            return answer.json();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{path} never was so: {}", ground.get(path).await.text());
}

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
    let detector = ground::detector(0.99);
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

#[tokio::test(flavor = "multi_thread")]
async fn events_are_listed_looked_at_and_decided_on() {
    let ground = Ground::new().await;
    ground.ingest("pump-1", &plant(3, 300, true)).await;
    ground.ingest("pump-2", &plant(4, 300, true)).await;
    let stored = ground.app.db.events(&EventFilter::default(), 100).await.unwrap();
    let mut told = Vec::new();
    let mut path = "/api/v1/anomalies?order=oldest&limit=3".to_owned();
    loop {
        let page = ground.get(&path).await.expect(200).json();
        told.extend(page["anomalies"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/anomalies?order=oldest&limit=3&cursor={next}");
    }
    let ids: Vec<String> = told
        .iter()
        .map(|event| event["id"].as_str().unwrap().to_owned())
        .collect();
    let want: Vec<String> = stored.iter().map(|found| found.event.id.to_string()).collect();
    assert_eq!(ids, want);
    assert!(ids.len() >= 6, "{}", ids.len());
    let of_one = ground
        .get("/api/v1/anomalies?asset=pump-2")
        .await
        .expect(200)
        .json();
    assert!(
        of_one["anomalies"]
            .as_array()
            .unwrap()
            .iter()
            .all(|event| event["device"] == "pump-2")
    );

    let id = &ids[0];
    let one = ground
        .get(&format!("/api/v1/anomalies/{id}"))
        .await
        .expect(200)
        .json();
    // The fault is in the flow, from row 48 on: 2024-05-01T08:00:00Z and 480 s.
    assert_eq!(
        one["onset"][0],
        json!({ "channel": "flow", "time": "2024-05-01T08:08:00Z" })
    );
    assert_eq!(one["feedback"], json!([]));
    let path = format!("/api/v1/anomalies/{id}/acknowledge");
    let overdue = ground.post(&path, &json!({})).await;
    assert!(matches!(overdue.status, 200 | 409), "{}", overdue.text());
    let path = format!("/api/v1/anomalies/{id}/feedback");
    let said = ground
        .post(&path, &json!({ "verdict": "real", "note": "a leak" }))
        .await
        .expect(200)
        .json();
    assert_eq!(said["verdict"], "real");
    let alert = said["alert"]["id"].as_str().unwrap();
    let path = format!("/api/v1/alerts/{alert}/feedback");
    ground
        .post(&path, &json!({ "verdict": "false-alarm" }))
        .await
        .expect(200);
    let one = ground
        .get(&format!("/api/v1/anomalies/{id}"))
        .await
        .expect(200)
        .json();
    assert_eq!(one["verdict"], "false-alarm");
    assert_eq!(
        (&one["feedback"][0]["note"], &one["feedback"][0]["made_by"]),
        (&json!("a leak"), &json!("admin (admin)"))
    );
    let listed = ground
        .get("/api/v1/anomalies?verdict=false-alarm")
        .await
        .expect(200)
        .json();
    assert_eq!(listed["anomalies"].as_array().unwrap().len(), 1);
    let alerts = ground.get("/api/v1/alerts?limit=1000").await.expect(200).json();
    assert_eq!(alerts["alerts"].as_array().unwrap().len(), ids.len());

    ground.get("/api/v1/anomalies/no-id").await.expect(404);
    ground.get("/api/v1/anomalies/0123456789ab").await.expect(404);
    ground.get("/api/v1/anomalies?cursor=x").await.expect(400);
    ground.get("/api/v1/anomalies?severity_min=101").await.expect(400);
    ground
        .post(
            &format!("/api/v1/anomalies/{id}/feedback"),
            &json!({ "verdict": "odd" }),
        )
        .await
        .expect(422);
    // The beginning of an id is not enough.
    ground
        .post(&format!("/api/v1/alerts/{}/acknowledge", &alert[..8]), &json!({}))
        .await
        .expect(404);
    assert_guarded(&ground, Permission::Decide, Method::POST, &path).await;
    ground.end().await;
}

/// Messages of a stream until `n` have come, or none comes for a while; `(id, event, data)`.
async fn messages(
    ground: &Ground,
    path: &str,
    last_id: Option<&str>,
    n_max: usize,
) -> Vec<(String, String, String)> {
    messages_for(ground, path, last_id, n_max, Duration::from_millis(300)).await
}

async fn messages_for(
    ground: &Ground,
    path: &str,
    last_id: Option<&str>,
    n_max: usize,
    patience: Duration,
) -> Vec<(String, String, String)> {
    let mut request = Request::builder()
        .uri(path)
        .header(header::HOST, "localhost")
        .header("x-api-key", "viewer");
    if let Some(id) = last_id {
        request = request.header("last-event-id", id);
    }
    let request = request.body(Body::empty()).unwrap();
    let response = tower::ServiceExt::oneshot(ground.router.clone(), request)
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let mut body = response.into_body().into_data_stream();
    let (mut text, mut found) = (String::new(), Vec::new());
    while found.len() < n_max {
        let Ok(Some(Ok(bytes))) = tokio::time::timeout(patience, body.next()).await else {
            break;
        };
        text += std::str::from_utf8(&bytes).unwrap();
        while let Some(end) = text.find("\n\n") {
            let message: String = text.drain(..end + 2).collect();
            let field = |name: &str| {
                let lines = message
                    .lines()
                    .filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                lines.collect::<Vec<_>>().join("\n")
            };
            found.push((field("id"), field("event"), field("data")));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_breaks_again_and_again_misses_nothing_and_repeats_nothing() {
    let ground = Ground::new().await;
    let frames: Vec<Frame> = (0..4).map(|seed| plant(seed + 10, 600, true)).collect();
    ground.ingest("pump-0", &part(&frames[0], 0, 60)).await;
    let sender = async {
        for at in (60..600).step_by(6) {
            for (idx, frame) in frames.iter().enumerate() {
                ground
                    .ingest(&format!("pump-{idx}"), &part(frame, at, at + 6))
                    .await;
            }
        }
    };
    let path = "/api/v1/detect/stream";
    let mut seen = HashSet::new();
    let mut last_state: BTreeMap<String, Value> = BTreeMap::new();
    let listener = async {
        // From the beginning of all things.
        let mut last = "0.000000000000.".to_owned();
        let mut n_connections = 0;
        loop {
            // A number of messages that looks like chance.
            let n_max = 1 + (n_connections * 7919 + 13) % 23;
            let found = messages(&ground, path, Some(&last), n_max).await;
            n_connections += 1;
            let mut is_any = false;
            for (id, kind, data) in found {
                if kind != "anomaly" {
                    assert_eq!(id, last, "the first message says where the stream goes on");
                    continue;
                }
                assert!(seen.insert(id.clone()), "{id} came twice");
                is_any = true;
                let event: Value = serde_json::from_str(&data).unwrap();
                last_state.insert(event["id"].as_str().unwrap().to_owned(), event);
                last = id;
            }
            if n_connections >= 50 && !is_any {
                return n_connections;
            }
        }
    };
    let ((), n_connections) = tokio::join!(sender, listener);
    assert!(n_connections >= 50);
    // The listener may have given up in a pause of the sender.
    let last = ground.app.db.last_change().await.unwrap().unwrap();
    let last = format!("{}.{}.{}", last.seq, last.id, last.model);
    assert!(seen.contains(&last), "{last} never came");
    let stored = ground.app.db.events(&EventFilter::default(), 1000).await.unwrap();
    assert!(stored.len() > 20, "{}", stored.len());
    let want: BTreeSet<String> = stored.iter().map(|found| found.event.id.to_string()).collect();
    assert_eq!(last_state.keys().cloned().collect::<BTreeSet<_>>(), want);
    for found in &stored {
        let event = &found.event;
        let told = &last_state[&event.id.to_string()];
        assert_eq!(told["end"], event.end.to_string());
        assert_eq!(told["is_open"], event.is_open);
        assert_eq!(told["n_samples"], event.n_samples);
        let id = format!("{}.{}.{}", event.seq, event.id, event.model);
        assert!(seen.contains(&id), "{id} never came");
    }
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_connects_without_an_id_hears_what_comes_and_knows_where_to_go_on() {
    let ground = Ground::new().await;
    let frame = plant(3, 120, true);
    ground.ingest("pump-1", &part(&frame, 0, 60)).await;
    let first = messages(&ground, "/api/v1/detect/stream", None, 5).await;
    assert_eq!(first.len(), 1, "{first:?}");
    assert!(first[0].1.is_empty() && first[0].2.is_empty());
    ground.ingest("pump-1", &part(&frame, 60, 120)).await;
    ground.ingest("pump-2", &frame).await;
    let then = messages(
        &ground,
        "/api/v1/detect/stream?device=pump-1",
        Some(&first[0].0),
        50,
    )
    .await;
    assert!(then.len() >= 2, "{then:?}");
    for (_, kind, data) in &then[1..] {
        let event: Value = serde_json::from_str(data).unwrap();
        assert_eq!((kind.as_str(), &event["device"]), ("anomaly", &json!("pump-1")));
    }
    let request = Request::builder()
        .uri("/api/v1/detect/stream")
        .header(header::HOST, "localhost")
        .header("x-api-key", "viewer")
        .header("last-event-id", "rubbish");
    let answer = ground.call(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.expect(400).problem(), "bad-request");
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_events_hears_what_is_said_of_them() {
    let ground = Ground::new().await;
    ground.ingest("pump-1", &plant(3, 300, true)).await;
    let listed = ground.get("/api/v1/anomalies").await.expect(200).json();
    let id = listed["anomalies"][0]["id"].as_str().unwrap();
    let follow = messages_for(&ground, "/api/v1/detect/stream", None, 2, Duration::from_secs(20));
    let decide = async {
        // The stream begins before this is said: it reads nothing back.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let path = format!("/api/v1/anomalies/{id}/feedback");
        ground
            .post(&path, &json!({ "verdict": "real" }))
            .await
            .expect(200);
    };
    let (heard, ()) = tokio::join!(follow, decide);
    let [_, (id_of_message, kind, data)] = heard.as_slice() else {
        panic!("{heard:?}")
    };
    let event: Value = serde_json::from_str(data).unwrap();
    assert_eq!(
        (
            id_of_message.as_str(),
            kind.as_str(),
            &event["verdict"],
            &event["id"]
        ),
        ("", "anomaly", &json!("real"), &json!(id))
    );
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fleet_and_its_devices_are_followed_live() {
    let ground = Ground::new().await;
    let frame = plant(3, 40, false);
    ground.ingest("pump-1", &part(&frame, 0, 20)).await;
    let rest = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        ground.ingest("pump-1", &part(&frame, 20, 40)).await;
        ground.ingest("pump-2", &frame).await;
    };
    let (rows, ()) = tokio::join!(messages(&ground, "/api/v1/live?device=pump-1", None, 1), rest);
    assert_eq!(rows.len(), 1);
    let told: Value = serde_json::from_str(&rows[0].2).unwrap();
    assert_eq!((rows[0].1.as_str(), &told["device"]), ("rows", &json!("pump-1")));
    assert_eq!(told["time_ms"].as_array().unwrap().len(), 20);
    assert_eq!(told["values"][0][0], json!(frame.values()[20 * CHANNELS.len()]));

    let more = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        ground.ingest("pump-3", &frame).await;
    };
    let (changes, ()) = tokio::join!(
        messages_for(&ground, "/api/v1/live", None, 1, Duration::from_secs(20)),
        more
    );
    let told: Value = serde_json::from_str(&changes[0].2).unwrap();
    assert_eq!(changes[0].1, "fleet");
    assert!(!told["devices"].as_array().unwrap().is_empty());
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
async fn every_form_of_an_export_holds_every_event() {
    let ground = Ground::new().await;
    let none = ground.get("/api/v1/export/anomalies").await.expect(200);
    assert_eq!(none.json(), json!([]));
    for idx in 0..3 {
        ground
            .ingest(&format!("pump-{idx}"), &plant(20 + idx, 600, true))
            .await;
    }
    let stored = ground.app.db.events(&EventFilter::default(), 1000).await.unwrap();
    let want: Vec<String> = stored.iter().map(|found| found.event.id.to_string()).collect();
    let answer = ground.get("/api/v1/export/anomalies").await.expect(200);
    assert_eq!(answer.header("content-type"), "application/json");
    let rows = answer.json();
    let ids: Vec<&str> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["event"].as_str().unwrap())
        .collect();
    assert_eq!(ids, want);
    assert_eq!(rows[0]["start"], stored[0].event.start.to_string());

    let answer = ground
        .get("/api/v1/export/anomalies?format=csv&device=pump-1")
        .await
        .expect(200);
    let text = answer.text();
    let header = "event,series,start,end,peak_time,peak_score,samples,severity,kind,channels,";
    assert!(text.starts_with(header), "{text}");
    let n_of_device = stored
        .iter()
        .filter(|found| &*found.event.series == "pump-1")
        .count();
    assert_eq!(text.lines().count(), 1 + n_of_device);

    let answer = ground
        .get("/api/v1/export/anomalies?format=parquet")
        .await
        .expect(200);
    assert!(answer.body.starts_with(b"PAR1") && answer.body.ends_with(b"PAR1"));
    ground
        .get("/api/v1/export/anomalies?format=xml")
        .await
        .expect(400);
    ground.end().await;
}
