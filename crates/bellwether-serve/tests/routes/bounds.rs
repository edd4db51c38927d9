//! What is too much is refused before there is room made for it, and what is let in is answered rightly meanwhile.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::ground::{Answer, CHANNELS, Ground, csv, detector, plant};
use axum::body::Body;
use axum::http::{Method, Request, header};
use bellwether_core::detect::Mode;
use bellwether_core::frame::SeriesId;
use bellwether_stream::clock;
use serde_json::{Value, json};

const DETECT: &str = "/api/v1/detect?model=pump";

async fn table(ground: &Ground, path: &str, body: &str) -> Answer {
    ground
        .send_as("admin", Method::POST, path, "text/csv", body.to_owned())
        .await
}

fn said(answer: &Answer) -> String {
    answer.json()["detail"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_body_that_would_fill_the_memory_is_refused() {
    let ground = Ground::new().await;
    // Spread out, 29 GB.
    let mut long = "timestamp,channel,value\n".to_owned();
    for row in 0..60_000 {
        writeln!(long, "{row},c{row},1").unwrap();
    }
    for path in [DETECT, "/invocations?model=pump", "/api/v1/models/train?name=fan"] {
        let refused = table(&ground, path, &long).await.expect(413);
        assert!(said(&refused).contains("1000 channels"), "{}", said(&refused));
    }
    let sparse = |row: usize| json!({ "timestamp": row, "values": { format!("c{}", row % 1000): 1.0 } });
    let samples: Value = (0..20_000).map(sparse).collect();
    let refused = ground
        .post(DETECT, &json!({ "samples": samples }))
        .await
        .expect(413);
    assert!(said(&refused).contains("10000000 values"), "{}", said(&refused));
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_rows_are_refused_in_every_form() {
    let ground = Ground::new().await;
    let n_rows = 100_001;
    let rows = vec![json!([]); n_rows];
    let records = vec![json!({}); n_rows];
    let split = json!({ "columns": [], "data": rows });
    for (path, body) in [
        ("/invocations", json!({ "dataframe_split": split })),
        ("/invocations", json!({ "dataframe_records": records })),
        ("/invocations", json!({ "instances": rows })),
        ("/invocations", json!({ "inputs": rows })),
        ("/invocations", json!({ "inputs": { "flow": vec![0; n_rows] } })),
        ("/predict", json!({ "data": rows })),
        (
            "/model/predict/batch",
            json!({ "batch": [{ "data": records[1..].to_vec() }, { "data": [[]] }] }),
        ),
        (DETECT, json!({ "timestamps": vec![1; n_rows], "channels": {} })),
    ] {
        let refused = ground.post(path, &body).await.expect(413);
        assert!(said(&refused).contains("100000"), "{}", said(&refused));
    }
    let text = "timestamp,flow,pressure\n".to_owned() + &"1,1,1\n".repeat(n_rows);
    table(&ground, DETECT, &text).await.expect(413);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_of_the_client_holds() {
    let ground = Ground::new().await;
    let ask = |timeout: &str| {
        Request::builder()
            .method(Method::POST)
            .uri(DETECT)
            .header(header::HOST, "localhost")
            .header("x-api-key", "operator")
            .header(header::CONTENT_TYPE, "text/csv")
            .header("x-request-timeout", timeout)
            .body(Body::from(csv(&plant(3, 50_000, true))))
            .unwrap()
    };
    let late = ground.call(ask("0.000001")).await.expect(503);
    assert_eq!(late.problem(), "timeout");
    assert_ne!(late.header("retry-after"), "");
    ground.call(ask("soon")).await.expect(400);
    // What was given up is computed to its end; until then there may be no room.
    let in_time = loop {
        let answer = ground.call(ask("1000")).await;
        if answer.status != 503 {
            break answer;
        }
        assert_eq!(answer.problem(), "busy");
        tokio::task::yield_now().await;
    };
    in_time.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_champion_that_is_promoted_under_load_costs_no_request() {
    let ground = Arc::new(Ground::new().await);
    ground.publish("pump", 0.9);
    let is_over = Arc::new(AtomicBool::new(false));
    let n_asked = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..4_u64)
        .map(|nth| {
            let (ground, is_over, n_asked) =
                (Arc::clone(&ground), Arc::clone(&is_over), Arc::clone(&n_asked));
            tokio::spawn(async move {
                let mut judged_by = HashSet::new();
                let mut turn = 0;
                while !is_over.load(Ordering::SeqCst) {
                    turn += 1;
                    // Other rows each time: nothing is answered from memory.
                    let frame = plant(nth * 100_000 + turn, 40, true);
                    let answer = table(&ground, DETECT, &csv(&frame)).await.expect(200).json();
                    let model = answer["model"].as_str().unwrap().to_owned();
                    let quantile = if model == "pump@1" { 0.99 } else { 0.9 };
                    let want = detector(quantile)
                        .score(&SeriesId::new("-"), frame, Mode::Causal)
                        .unwrap();
                    let want: Vec<Option<u64>> = want
                        .score
                        .iter()
                        .map(|score| (!score.is_nan()).then_some(score.to_bits()))
                        .collect();
                    let rows = answer["rows"].as_array().unwrap();
                    let got: Vec<Option<u64>> = rows
                        .iter()
                        .map(|row| row["score"].as_f64().map(f64::to_bits))
                        .collect();
                    assert_eq!(got, want, "{model}");
                    judged_by.insert(model);
                    n_asked.fetch_add(1, Ordering::SeqCst);
                }
                judged_by
            })
        })
        .collect();
    for version in ["pump@2", "pump@1", "pump@2", "pump@1"] {
        let before = n_asked.load(Ordering::SeqCst);
        while n_asked.load(Ordering::SeqCst) < before + 8 && !tasks.iter().any(|task| task.is_finished()) {
            tokio::task::yield_now().await;
        }
        let promoted = version.parse().unwrap();
        let registry = &ground.app.registry;
        registry
            .promote(&promoted, &Default::default(), clock::now())
            .unwrap();
    }
    is_over.store(true, Ordering::SeqCst);
    let mut judged_by = HashSet::new();
    for task in tasks {
        judged_by.extend(task.await.unwrap());
    }
    assert_eq!(judged_by.len(), 2, "{judged_by:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_tells_what_it_holds_and_the_same_question_is_answered_once() {
    let ground = Ground::new().await;
    let body = csv(&plant(3, 60, true));
    let asked = (0..8).map(|_| table(&ground, DETECT, &body));
    let answers = futures_util::future::join_all(asked).await;
    let n_made = answers.iter().filter(|answer| answer.header("x-cache") == "miss");
    assert_eq!(n_made.count(), 1);
    let figures = ground.get("/metrics").await.expect(200).text();
    for cache in ["models", "answers"] {
        let name = format!("bellwether_cache_bytes{{cache=\"{cache}\"}} ");
        let found = figures.lines().find_map(|line| line.strip_prefix(&name)).unwrap();
        assert!(found.parse::<f64>().unwrap() > 1000.0, "{cache}: {found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_whose_answer_was_lost_is_answered_again() {
    let ground = Ground::new().await;
    let begun = ground.post("/api/v1/sessions", &json!({ "model": "pump" })).await;
    let id = begun.expect(201).json()["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/sessions/{id}/samples");
    let frame = plant(11, 40, true);
    let sample = |row: usize| {
        let sample = frame.sample(row);
        let values = json!({ CHANNELS[0]: sample.values[0], CHANNELS[1]: sample.values[1], "odd": 1 });
        json!({ "timestamp": sample.time.to_string(), "values": values })
    };
    let first: Value = (0..20).map(sample).collect();
    let second: Value = (20..40).map(sample).collect();
    for samples in [first.clone(), second] {
        let body = json!({ "samples": samples });
        let answer = ground.post(&path, &body).await.expect(200);
        assert_eq!(answer.json()["rows"].as_array().unwrap().len(), 20);
        assert_eq!(answer.json()["refused"], json!([]));
        assert_eq!(answer.json()["ignored_channels"], json!(["odd"]));
        assert_eq!(ground.post(&path, &body).await.expect(200).body, answer.body);
    }
    // Not the last one: its samples are behind.
    let late = ground
        .post(&path, &json!({ "samples": first }))
        .await
        .expect(200)
        .json();
    assert_eq!(late["refused"].as_array().unwrap().len(), 20);
    let other = json!({ "timestamp": "2030-01-01T00:00:00Z", "values": { "odd": 1 } });
    let other = ground.post(&path, &other).await.expect(200).json();
    assert_eq!(other["rows"], json!([]));
    assert!(
        other["refused"][0]["reason"]
            .as_str()
            .unwrap()
            .contains("knows none")
    );

    let odd = json!({ "samples": [sample(0), sample(1)] });
    let judged = ground.post(DETECT, &odd).await.expect(200).json();
    assert_eq!(judged["ignored_channels"], json!(["odd"]));
}
