//! Events and alerts over REST: listed, looked at, decided on, exported.

use axum::http::Method;
use bellwether_serve::access::Permission;
use bellwether_store::database::EventFilter;
use serde_json::json;

use crate::ground::{Ground, assert_guarded, plant};

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
    let taken = ground.post(&path, &json!({})).await.expect(200).json();
    assert_eq!(
        (&taken["alert"]["state"], &taken["alert"]["acknowledged_by"]),
        (&json!("acknowledged"), &json!("admin (admin)"))
    );
    ground.post(&path, &json!({})).await.expect(409);
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
    for (judged, want) in [(true, 1), (false, ids.len() - 1)] {
        let path = format!("/api/v1/anomalies?judged={judged}&limit=1000");
        let listed = ground.get(&path).await.expect(200).json();
        assert_eq!(listed["anomalies"].as_array().unwrap().len(), want, "{judged}");
    }
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
        .get("/api/v1/export/anomalies?sensor_ids=pump-2,pump-0")
        .await
        .expect(200);
    let rows = answer.json();
    let of_two: Vec<&str> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["series"].as_str().unwrap())
        .collect();
    assert_eq!(of_two.len(), stored.len() - n_of_device);
    assert!(of_two.contains(&"pump-0") && of_two.contains(&"pump-2"));

    let answer = ground
        .get("/api/v1/export/anomalies?format=parquet")
        .await
        .expect(200);
    assert!(answer.body.starts_with(b"PAR1") && answer.body.ends_with(b"PAR1"));
    let misspelt = ground.get("/api/v1/export/anomalies?sensor_id=pump-0").await;
    assert_eq!(misspelt.expect(400).problem(), "bad-request");
    ground
        .get("/api/v1/export/anomalies?format=xml")
        .await
        .expect(400);
    ground.end().await;
}
