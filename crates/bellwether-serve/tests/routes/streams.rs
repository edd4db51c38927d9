//! What happens, as it happens: streams that miss nothing and repeat nothing.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, header};
use bellwether_core::frame::Frame;
use bellwether_store::database::EventFilter;
use serde_json::{Value, json};

use crate::ground::{CHANNELS, Ground, Message, Stream, part, plant};

/// How long somebody hears nothing before they connect again.
const QUIET: Duration = Duration::from_millis(200);

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_breaks_again_and_again_misses_nothing_and_repeats_nothing() {
    let ground = Ground::new().await;
    let frames: Vec<Frame> = (0..4).map(|seed| plant(seed + 10, 600, true)).collect();
    ground.ingest("pump-0", &part(&frames[0], 0, 60)).await;
    let is_sent = AtomicBool::new(false);
    let sender = async {
        for at in (60..600).step_by(6) {
            for (idx, frame) in frames.iter().enumerate() {
                ground
                    .ingest(&format!("pump-{idx}"), &part(frame, at, at + 6))
                    .await;
            }
        }
        is_sent.store(true, Ordering::SeqCst);
    };
    let path = "/api/v1/detect/stream";
    let mut seen = HashSet::new();
    let mut last_state: BTreeMap<String, Value> = BTreeMap::new();
    let listener = async {
        // From the beginning of all things.
        let mut last = "0.000000000000.".to_owned();
        let mut n_connections = 0;
        loop {
            let is_sent = is_sent.load(Ordering::SeqCst);
            if is_sent && n_connections >= 50 && seen.contains(&last_change(&ground).await) {
                return;
            }
            let mut stream = Stream::open(&ground.router, path, Some(&last)).await;
            assert_eq!(
                stream.next().await.id,
                last,
                "the first message says where the stream goes on"
            );
            // A number of messages that looks like chance; whoever hears nothing for a while connects again.
            for _ in 0..(n_connections * 7919 + 13) % 23 {
                let Ok(message) = tokio::time::timeout(QUIET, stream.message()).await else {
                    break;
                };
                assert_eq!(message.kind, "anomaly");
                assert!(seen.insert(message.id.clone()), "{} came twice", message.id);
                let event = message.json();
                last_state.insert(event["id"].as_str().unwrap().to_owned(), event);
                last = message.id;
            }
            n_connections += 1;
        }
    };
    tokio::join!(sender, listener);
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
    let mut stream = Stream::open(&ground.router, "/api/v1/detect/stream", None).await;
    let first = stream.next().await;
    assert!(first.kind.is_empty() && first.data.is_empty(), "{first:?}");
    drop(stream);
    ground.ingest("pump-1", &part(&frame, 60, 120)).await;
    ground.ingest("pump-2", &frame).await;
    let path = "/api/v1/detect/stream?device=pump-1";
    let mut stream = Stream::open(&ground.router, path, Some(&first.id)).await;
    assert_eq!(stream.next().await.id, first.id);
    let then = stream.next().await;
    assert_eq!(
        (then.kind.as_str(), &then.json()["device"]),
        ("anomaly", &json!("pump-1"))
    );
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
    let mut stream = Stream::open(&ground.router, "/api/v1/detect/stream", None).await;
    stream.next().await;
    let path = format!("/api/v1/anomalies/{id}/feedback");
    let answered = ground
        .post(&path, &json!({ "verdict": "real" }))
        .await
        .expect(200)
        .json();
    let heard = stream.next().await;
    assert_eq!((heard.id.as_str(), heard.kind.as_str()), ("", "anomaly"));
    assert_eq!(heard.json(), answered, "who follows hears what was answered");
    assert_eq!(
        (&answered["verdict"], &answered["id"]),
        (&json!("real"), &json!(id))
    );
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_hears_of_a_decision_before_the_change_it_was_made_of() {
    let ground = Ground::new().await;
    let frame = plant(3, 60, true);
    // The event is open.
    ground.ingest("pump-1", &part(&frame, 0, 55)).await;
    let listed = ground.get("/api/v1/anomalies?open=true").await.expect(200).json();
    let id = listed["anomalies"][0]["id"].as_str().unwrap();
    let mut stream = Stream::open(&ground.router, "/api/v1/detect/stream", None).await;
    stream.next().await;
    let calm = plant(3, 200, false);
    ground.ingest("pump-1", &part(&calm, 60, 200)).await;
    let path = format!("/api/v1/anomalies/{id}/feedback");
    ground
        .post(&path, &json!({ "verdict": "real" }))
        .await
        .expect(200);
    let mut is_closed = false;
    loop {
        let message = stream.next().await;
        let event = message.json();
        is_closed |= event["is_open"] == false;
        assert_eq!(event["is_open"], !is_closed, "{message:?}");
        if message.id.is_empty() {
            assert!(is_closed, "the decision came before the end of the event");
            assert_eq!(event["verdict"], "real");
            break;
        }
    }
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fleet_and_its_devices_are_followed_live() {
    let ground = Ground::new().await;
    let frame = plant(3, 40, false);
    ground.ingest("pump-1", &part(&frame, 0, 20)).await;
    let mut stream = Stream::open(&ground.router, "/api/v1/live?device=pump-1", None).await;
    ground.ingest("pump-2", &frame).await;
    ground.ingest("pump-1", &part(&frame, 20, 40)).await;
    // The first samples may be told as well: they are made durable before they are told.
    let want = json!(frame.values()[20 * CHANNELS.len()]);
    let told = stream
        .next_where(|message| message.json()["values"][0][0] == want)
        .await;
    assert_eq!(
        (told.kind.as_str(), &told.json()["device"]),
        ("rows", &json!("pump-1"))
    );
    assert_eq!(told.json()["time_ms"].as_array().unwrap().len(), 20);

    let mut stream = Stream::open(&ground.router, "/api/v1/live", None).await;
    let mut other = Stream::open(&ground.router, "/api/v1/live", None).await;
    ground.ingest("pump-3", &frame).await;
    let names_it = |message: &Message| message.data.contains("pump-3");
    let told = stream.next_where(names_it).await;
    assert_eq!(told.kind, "fleet");
    assert_eq!(told, other.next_where(names_it).await);
    ground.end().await;
}

/// The id of the last change there is.
async fn last_change(ground: &Ground) -> String {
    let last = ground.app.db.last_change().await.unwrap().unwrap();
    format!("{}.{}.{}", last.seq, last.id, last.model)
}
