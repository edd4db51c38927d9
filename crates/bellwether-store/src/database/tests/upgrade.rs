//! Databases of earlier versions are opened and brought up to date.

use bellwether_core::time::Timestamp;
use bellwether_testkit::postgres::Postgres;

use super::promises::{commit, event};
use crate::database::schema::{STEPS, bring_to};
use crate::database::{AlertState, Commit, Database, EventFilter, EventWithAlert, Verdict};
use crate::disk;

/// Made with `bellwether stream` and `bellwether alerts` when the tables had their first version: two devices, an
/// event and an alert of each, one of them acknowledged, a verdict and a shelf.
const FIRST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/databases/step_1.db.zst");

#[tokio::test]
async fn a_database_of_the_first_version_is_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("live.db");
    let packed = disk::read_bounded(FIRST.as_ref(), 1 << 20).unwrap();
    disk::write_atomic(&path, &zstd::decode_all(&packed[..]).unwrap()).unwrap();
    let url = path.to_str().unwrap();
    for _ in 0..2 {
        let database = Database::open(url, "default").await.unwrap();
        let version = sqlx::query("SELECT max(version) FROM schema_version");
        let version = database.all("look", version).await.unwrap();
        assert_eq!(database.get::<i64>(&version[0], 0).unwrap(), STEPS.len() as i64);
        let events = database.events(&EventFilter::default(), 10).await.unwrap();
        let told = |idx: usize| {
            let found = &events[idx];
            let state = found.alert.as_ref().unwrap().state;
            (&*found.event.series, found.event.is_open, state, found.verdict)
        };
        assert_eq!(events.len(), 2);
        let real = Some(Verdict::Real);
        assert_eq!(told(0), ("sine-01", false, AlertState::Resolved, real));
        assert_eq!(told(1), ("sine-02", true, AlertState::Acknowledged, None));
        assert_eq!(database.audit(None, 10).await.unwrap().len(), 3);
        assert_eq!(database.counts().await.unwrap().judged, 600);
        database.close().await;
    }
    let database = Database::open(url, "default").await.unwrap();
    goes_on(&database, 2).await;
}

#[tokio::test]
async fn a_server_of_the_first_version_is_brought_up_to_date() {
    let Some(server) = Postgres::start("a_server_of_the_first_version_is_brought_up_to_date") else {
        return;
    };
    let database = Database::open(&server.url(), "default").await.unwrap();
    let mut transaction = database.begin("empty the database").await.unwrap();
    for statement in ["DROP SCHEMA public CASCADE", "CREATE SCHEMA public"] {
        transaction.run(sqlx::query(statement)).await.unwrap();
    }
    transaction.commit().await.unwrap();
    bring_to(&database, &STEPS[..1]).await.unwrap();
    let mut transaction = database.begin("write").await.unwrap();
    let old =
        "INSERT INTO events VALUES ('default', '0000000000aa', 'pump@1', 'pump-1', 1, 2, 1, 2.5, 2, 0, '[]')";
    transaction.run(sqlx::query(old)).await.unwrap();
    transaction.commit().await.unwrap();
    database.close().await;
    let database = Database::open(&server.url(), "default").await.unwrap();
    goes_on(&database, 1).await;
}

/// Where `n_events` from before have no place in the order of changes yet.
async fn goes_on(database: &Database, n_events: usize) {
    let changed = database.events_changed(None, None, 10).await.unwrap();
    assert!(changed.iter().all(|event| event.event.seq == 0), "{changed:?}");
    assert_eq!(changed.len(), n_events);
    let has_no_kind = |found: &EventWithAlert| {
        let event = &found.event;
        event.kind.is_none()
            && event.fault.is_none()
            && event.confidence.is_none()
            && event.members.is_empty()
    };
    assert!(changed.iter().all(has_no_kind));
    let mut writer = database.take_over().await.unwrap();
    let seq = writer.commit(&commit(1)).await.unwrap();
    let mut later = Commit::at(Timestamp::from_secs(2000));
    later.events = vec![event("pump-9", 9, true)];
    writer.commit(&later).await.unwrap();
    let last = changed.last().unwrap().event.change_cursor();
    let changed = database.events_changed(Some(&last), None, 10).await.unwrap();
    let seqs: Vec<i64> = changed.iter().map(|event| event.event.seq).collect();
    assert_eq!(seqs, [seq, seq + 1]);
}
