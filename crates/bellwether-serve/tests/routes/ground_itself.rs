//! The ground that the tests of routes stand on holds.

use crate::ground::{Ground, plant};
use axum::http::Method;
use bellwether_serve::access::Permission;

#[tokio::test(flavor = "multi_thread")]
async fn a_service_on_toys_takes_samples_and_finds_events() {
    let ground = Ground::new().await;
    ground.get("/health/ready").await.expect(200);
    ground.ingest("pump-01", &plant(7, 200, true)).await;
    let filter = bellwether_store::database::EventFilter::default();
    let events = ground.app.db.events(&filter, 100).await.unwrap();
    assert!(!events.is_empty());
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_the_ground_have_roles() {
    let ground = Ground::new().await;
    crate::ground::assert_guarded(&ground, Permission::Ingest, Method::POST, "/api/v1/data/batch").await;
}
