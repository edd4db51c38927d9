//! What is judged over REST is what the detector says, bit for bit, in every form in which rows come.

use crate::ground::{Answer, CHANNELS, Ground, csv, detector, plant};
use axum::body::Body;
use axum::http::{Method, Request, header};
use bellwether_core::detect::{Mode, Scores};
use bellwether_core::frame::{Frame, SeriesId};
use bellwether_serve::access::Permission;
use serde_json::{Value, json};

fn scores(frame: &Frame, mode: Mode) -> Scores {
    detector(0.99)
        .score(&SeriesId::new("-"), frame.clone(), mode)
        .unwrap()
}

fn bits(scores: &[f64]) -> Vec<Option<u64>> {
    let bits = |score: &f64| (!score.is_nan()).then(|| score.to_bits());
    scores.iter().map(bits).collect()
}

fn bits_of(values: &Value) -> Vec<Option<u64>> {
    let of_json = |value: &Value| value.as_f64().map(f64::to_bits);
    values.as_array().unwrap().iter().map(of_json).collect()
}

fn row_bits(answer: &Value) -> Vec<Option<u64>> {
    let rows = answer.as_array().unwrap();
    rows.iter()
        .map(|row| row["score"].as_f64().map(f64::to_bits))
        .collect()
}

fn samples(frame: &Frame) -> Value {
    let sample = |row| {
        let sample = frame.sample(row);
        json!({
            "timestamp": sample.time.to_string(),
            "values": { CHANNELS[0]: sample.values[0], CHANNELS[1]: sample.values[1] },
        })
    };
    (0..frame.n_samples()).map(sample).collect()
}

fn columns(frame: &Frame) -> Value {
    let column = |idx: usize| -> Value {
        let values = frame.values().iter().skip(idx).step_by(2);
        values.copied().map(Value::from).collect()
    };
    json!({
        "timestamps": frame.time().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "channels": { CHANNELS[0]: column(0), CHANNELS[1]: column(1) },
    })
}

async fn detect_csv(ground: &Ground, path: &str, frame: &Frame) -> Answer {
    ground
        .send_as("operator", Method::POST, path, "text/csv", csv(frame))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_gets_the_scores_and_events_of_the_detector() {
    let ground = Ground::new().await;
    let frame = plant(7, 200, true);
    for (word, mode) in [("causal", Mode::Causal), ("retrospective", Mode::Retrospective)] {
        let want = scores(&frame, mode);
        assert!(!want.events.is_empty());
        let path = format!("/api/v1/detect?model=pump&mode={word}");
        let by_csv = detect_csv(&ground, &path, &frame).await.expect(200).json();
        let by_rows = json!({ "model": "pump@1", "mode": word, "samples": samples(&frame) });
        let by_rows = ground.post("/api/v1/detect", &by_rows).await.expect(200).json();
        let by_columns = ground.post(&path, &columns(&frame)).await.expect(200).json();
        for answer in [&by_csv, &by_rows, &by_columns] {
            assert_eq!(row_bits(&answer["rows"]), bits(&want.score));
            assert_eq!(answer["model"], "pump@1");
            assert_eq!(answer["mode"], word);
        }
        assert_eq!(by_csv, by_rows);
        assert_eq!(by_csv, by_columns);
        for (got, want) in by_csv["events"].as_array().unwrap().iter().zip(&want.events) {
            assert_eq!(got["event"], want.id.to_string());
            assert_eq!(got["start"], want.start.to_string());
            assert_eq!(
                got["peak_score"].as_f64().map(f64::to_bits),
                Some(want.peak_score.to_bits())
            );
        }
        let n_events = by_csv["events"].as_array().unwrap().len();
        assert_eq!(n_events, want.events.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_is_that_of_the_command_and_the_same_request_is_answered_from_memory() {
    let ground = Ground::new().await;
    let frame = plant(3, 60, true);
    let ask = || {
        Request::builder()
            .method(Method::POST)
            .uri("/api/v1/detect?model=pump")
            .header(header::HOST, "localhost")
            .header("x-api-key", "operator")
            .header(header::CONTENT_TYPE, "text/csv")
            .header(header::ACCEPT, "text/csv")
            .body(Body::from(csv(&frame)))
            .unwrap()
    };
    let first = ground.call(ask()).await.expect(200);
    let second = ground.call(ask()).await.expect(200);
    assert_eq!(
        (first.header("x-cache"), second.header("x-cache")),
        ("miss", "hit")
    );
    assert_eq!(first.body, second.body);
    let text = first.text();
    assert!(
        text.starts_with("timestamp,score,is_anomaly,event,top_channel,top_share,p_value\n"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 61);
    let got: Vec<Option<u64>> = text
        .lines()
        .skip(1)
        .map(|line| {
            line.split(',')
                .nth(1)
                .unwrap()
                .parse::<f64>()
                .ok()
                .map(f64::to_bits)
        })
        .collect();
    assert_eq!(got, bits(&scores(&frame, Mode::Causal).score));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_loaded_once_and_a_promoted_champion_is_seen_at_once() {
    let ground = Ground::new().await;
    let body = json!({ "model": "pump", "samples": samples(&plant(5, 40, false)) });
    let asked = (0..8).map(|_| ground.post("/api/v1/detect", &body));
    for answer in futures_util::future::join_all(asked).await {
        assert_eq!(answer.expect(200).json()["model"], "pump@1");
    }
    assert_eq!(ground.loader.n_loaded(), 1);
    ground.publish("pump", 0.9);
    let again = ground.post("/api/v1/detect", &body).await;
    assert_eq!(again.json()["model"], "pump@1");
    let promoted = "pump@2".parse().unwrap();
    ground
        .app
        .registry
        .promote(&promoted, &Default::default(), bellwether_stream::clock::now())
        .unwrap();
    let after = ground.post("/api/v1/detect", &body).await.expect(200);
    assert_eq!(after.json()["model"], "pump@2");
    assert_eq!(ground.loader.n_loaded(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_judged_is_refused_with_its_reason() {
    let ground = Ground::new().await;
    let frame = plant(5, 40, false);
    let check = async |path: &str, body: Value, status: u16, said: &str| {
        let answer = ground.post(path, &body).await.expect(status);
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(said), "{detail}");
    };
    let path = "/api/v1/detect?model=pump";
    check("/api/v1/detect?model=fan", columns(&frame), 404, "no model fan").await;
    check("/api/v1/detect?model=../x", columns(&frame), 422, "is no model").await;
    check(
        "/api/v1/detect?model=pump@9",
        columns(&frame),
        404,
        "no version 9",
    )
    .await;
    check(path, json!({}), 422, "are wanted").await;
    check(path, json!({ "samples": [] }), 422, "no channel").await;
    check(
        path,
        json!({ "samples": [{ "timestamp": "soon", "values": {} }] }),
        422,
        "is no time",
    )
    .await;
    check(path, json!({ "unknown": 1 }), 422, "unknown field").await;
    let one = json!({ "samples": [{ "timestamp": 1, "values": { "flow": 1.0 } }] });
    check(path, one, 422, "pressure").await;
    let uneven = json!({ "timestamps": [1, 2], "channels": { "flow": [1.0] } });
    check(path, uneven, 422, "1 values where there are 2").await;
    let back = json!({ "timestamps": [2, 1], "channels": { "flow": [1.0, 2.0] } });
    check(path, back, 422, "backwards").await;
    let packed = vec![0x1f, 0x8b, 8, 0];
    let packed = ground
        .send_as("operator", Method::POST, path, "text/csv", packed)
        .await;
    assert!(packed.expect(422).text().contains("gzip"));
    ground
        .send_as("operator", Method::POST, path, "text/plain", "x")
        .await
        .expect(415);
    ground
        .send_as("operator", Method::POST, path, "application/json", "{")
        .await
        .expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_says_what_batch_says_and_belongs_to_its_key() {
    let ground = Ground::new().await;
    let frame = plant(11, 150, true);
    let new = json!({ "model": "pump", "device": "-" });
    let begun = ground
        .send_as(
            "anna:operator",
            Method::POST,
            "/api/v1/sessions",
            "application/json",
            new.to_string(),
        )
        .await
        .expect(201);
    let begun = begun.json();
    assert_eq!(begun["channels"], json!(CHANNELS));
    let path = format!("/api/v1/sessions/{}", begun["id"].as_str().unwrap());
    let pushed = format!("{path}/samples");
    let all = samples(&frame);
    let all = all.as_array().unwrap();
    let push = async |key: &str, body: Value| {
        ground
            .send_as(key, Method::POST, &pushed, "application/json", body.to_string())
            .await
    };
    let (mut got, mut events) = (Vec::new(), Vec::new());
    for part in all.chunks(37) {
        let body = match part {
            [one] => one.clone(),
            part => json!({ "samples": part }),
        };
        let answer = push("anna:operator", body).await.expect(200).json();
        got.extend(row_bits(&answer["rows"]));
        events.extend(answer["events"].as_array().unwrap().clone());
    }
    let want = scores(&frame, Mode::Causal);
    assert_eq!(got, bits(&want.score));
    assert!(!events.is_empty());
    for (got, want) in events.iter().zip(&want.events) {
        assert_eq!(got["event"], want.id.to_string());
    }
    let again = push("anna:operator", json!({ "samples": [all[0]] }))
        .await
        .expect(200)
        .json();
    assert_eq!(again["refused"].as_array().unwrap().len(), 1);
    push("bert:operator", json!({ "samples": [] })).await.expect(404);
    let as_bert = ground
        .send_as(
            "bert:admin",
            Method::DELETE,
            &path,
            "application/json",
            Body::empty(),
        )
        .await;
    as_bert.expect(404);
    let ended = ground
        .send_as(
            "anna:operator",
            Method::DELETE,
            &path,
            "application/json",
            Body::empty(),
        )
        .await;
    ended.expect(204);
    push("anna:operator", json!({ "samples": [] })).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_open_inference_protocol_gives_the_same_bits() {
    let ground = Ground::new().await;
    let frame = plant(7, 200, true);
    let want = scores(&frame, Mode::Causal);
    let about = ground.get("/v2/models/pump").await.expect(200).json();
    assert_eq!(about["parameters"]["channels"], json!(CHANNELS));
    let nested: Vec<&[f64]> = frame.values().chunks_exact(2).collect();
    let times: Vec<i64> = frame.time().iter().map(|time| time.as_nanos()).collect();
    for (data, with_time) in [(json!(frame.values()), true), (json!(nested), false)] {
        let mut inputs =
            vec![json!({ "name": "values", "shape": [200, 2], "datatype": "FP64", "data": data })];
        if with_time {
            inputs.push(json!({ "name": "timestamp", "shape": [200], "datatype": "INT64", "data": times }));
        }
        let body = json!({ "id": "a", "inputs": inputs });
        let answer = ground
            .post("/v2/models/pump/infer", &body)
            .await
            .expect(200)
            .json();
        assert_eq!(
            (&answer["id"], &answer["model_version"]),
            (&json!("a"), &json!("1"))
        );
        assert_eq!(answer["outputs"].as_array().unwrap().len(), 4);
        assert_eq!(bits_of(&answer["outputs"][0]["data"]), bits(&want.score));
    }
    let wanted = json!({
        "inputs": [{ "name": "values", "shape": [200, 2], "datatype": "FP64", "data": frame.values() }],
        "outputs": [{ "name": "top_share" }],
        "parameters": { "mode": "retrospective" },
    });
    let answer = ground
        .post("/v2/models/pump/versions/1/infer", &wanted)
        .await
        .expect(200)
        .json();
    assert_eq!(answer["outputs"][0]["name"], "top_share");
    assert_eq!(answer["outputs"].as_array().unwrap().len(), 1);

    ground
        .post("/v2/repository/models/pump/unload", &json!({}))
        .await
        .expect(200);
    let refused = ground.post("/v2/models/pump/infer", &wanted).await.expect(409);
    assert!(refused.json()["error"].as_str().unwrap().contains("unloaded"));
    let index = ground
        .post("/v2/repository/index", &json!({}))
        .await
        .expect(200)
        .json();
    assert_eq!(index[0]["state"], "UNAVAILABLE");
    ground
        .post("/v2/repository/models/pump/load", &json!({}))
        .await
        .expect(200);
    ground.get("/v2/models/pump/ready").await.expect(200);
    ground.get("/v2/models/fan/ready").await.expect(404);
    let path = "/v2/repository/models/pump/load";
    crate::ground::assert_guarded(&ground, Permission::Publish, Method::POST, path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mlflow_and_the_legacy_routes_are_the_same_judge() {
    let ground = Ground::new().await;
    let frame = plant(7, 120, true);
    let want = bits(&scores(&frame, Mode::Causal).score);
    let rows: Vec<&[f64]> = frame.values().chunks_exact(2).collect();
    let records: Value = rows
        .iter()
        .map(|row| json!({ CHANNELS[0]: row[0], CHANNELS[1]: row[1] }))
        .collect();
    let split = json!({ "columns": CHANNELS, "data": rows });
    for body in [
        json!({ "dataframe_split": split }),
        json!({ "dataframe_records": records }),
        json!({ "instances": records }),
        json!({ "instances": rows }),
        json!({ "inputs": rows }),
        json!({ "inputs": columns(&frame)["channels"] }),
    ] {
        let answer = ground.post("/invocations", &body).await.expect(200).json();
        assert_eq!(row_bits(&answer["predictions"]), want);
    }
    let table = detect_csv(&ground, "/invocations", &frame)
        .await
        .expect(200)
        .json();
    assert_eq!(row_bits(&table["predictions"]), want);
    ground.get("/ping").await.expect(200);

    let body = json!({ "data": rows, "threshold_factor": 2.0 });
    let answer = ground.post("/model/predict", &body).await.expect(200).json();
    assert_eq!(bits_of(&answer["scores"]), want);
    let n_twice = want
        .iter()
        .flatten()
        .filter(|bits| f64::from_bits(**bits) >= 2.0)
        .count();
    assert_eq!(answer["n_anomalies"], n_twice);
    let many = json!({ "batch": vec![body.clone(); 101] });
    ground.post("/model/predict/batch", &many).await.expect(422);
    let two = json!({ "batch": [body, body] });
    let answers = ground.post("/model/predict/batch", &two).await.expect(200).json();
    assert_eq!(answers["results"].as_array().unwrap().len(), 2);
    ground.get("/model/info").await.expect(200);
    ground.get("/model/metrics").await.expect(200);
    ground
        .post("/model/load?model_path=pump", &json!({}))
        .await
        .expect(200);
    let path = "/model/load?model_path=../../etc/passwd";
    ground.post(path, &json!({})).await.expect(404);
}
