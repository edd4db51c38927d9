//! What every database promises, whichever it is.

use std::sync::Arc;
use std::time::Duration;

use bellwether_core::event::{Event, EventFault, EventId, EventKind};
use bellwether_core::frame::SeriesId;
use bellwether_core::time::Timestamp;
use bellwether_core::validate::Fault;

use super::{audit, service};
use crate::database::block::tests::{assert_same, block};
use crate::database::{
    AlertEnd, AlertKind, Answer, Bounds, ChannelNote, Checkpoint, Commit, Database, DatabaseError,
    EventFilter, EventRecord, MemberNote, NewAlert, QUARANTINED_BYTES_MAX, Quarantined, StoredState,
};

#[tokio::test]
async fn sqlite_keeps_every_promise() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", dir.path().join("a.db").display());
    keep_all(async |tenant: &str| Database::open(&url, tenant).await.unwrap()).await;
}

#[tokio::test]
async fn memory_keeps_every_promise_of_one_process() {
    let open = async |tenant: &str| Database::open("sqlite::memory:", tenant).await.unwrap();
    a_commit_is_all_there(&open("a").await).await;
    a_commit_is_all_or_nothing(&open("b").await).await;
    only_the_last_to_take_over_commits(&open("c").await).await;
    what_comes_again_changes_nothing(&open("d").await).await;
    what_piles_up_is_bounded(&open("e").await).await;
    service::keep_all(&open).await;
    audit::keep_all(&open).await;
}

/// Every promise, each for a tenant of its own.
pub(super) async fn keep_all(open: impl AsyncFn(&str) -> Database) {
    a_commit_is_all_there(&open("a").await).await;
    a_commit_is_all_or_nothing(&open("b").await).await;
    only_the_last_to_take_over_commits(&open("c").await).await;
    what_comes_again_changes_nothing(&open("d").await).await;
    what_piles_up_is_bounded(&open("e").await).await;
    service::keep_all(&open).await;
    audit::keep_all(&open).await;
    others_write_while_commits_go_on(&open("f").await, &open("f").await).await;
}

/// A commit with something of everything; `n` makes it different.
pub(super) fn commit(n: i64) -> Commit {
    let mut commit = Commit::at(Timestamp::from_secs(1000 + n));
    commit.arrivals = vec![n as u8; 3];
    commit.judged = vec![block("pump@3", 10, 10 * n), block("fan@1", 3, 10 * n)];
    commit.checkpoints = vec![
        checkpoint("pump-1", n as u8),
        checkpoint(&format!("extra-{n}"), 9),
    ];
    commit.offsets = vec![("plant".to_owned(), n.to_string())];
    commit.events = vec![event("pump-1", n, true)];
    commit.alerts = vec![alert(&format!("alert-{n}"), 2.0)];
    commit.ended = vec![AlertEnd {
        id: format!("alert-{}", n - 1),
        end: Timestamp::from_secs(n),
        peak_score: 5.0,
        channels: Vec::new(),
    }];
    commit.quarantine = vec![quarantined("no time"), quarantined("a \0 in it")];
    commit.answers = vec![Answer {
        key: format!("key-{n}"),
        body_hash: "00ff".to_owned(),
        answer: n.to_string(),
    }];
    commit
}

fn checkpoint(series: &str, state: u8) -> Checkpoint {
    Checkpoint {
        series: series.into(),
        is_waiting: false,
        state: vec![state; 4],
    }
}

pub(super) fn event(series: &str, start_secs: i64, is_open: bool) -> EventRecord {
    let start = Timestamp::from_secs(start_secs);
    EventRecord {
        event: Event {
            id: EventId::new(&SeriesId::new(series), start),
            start,
            end: start.plus(Duration::from_secs(5)),
            peak_time: start,
            peak_score: f64::INFINITY,
            n_samples: 6,
            is_open,
            shares: vec![1.0],
            members: vec![0.75, 0.25],
            confidence: 0.1 + 0.2,
            kind: EventKind::LevelShift,
            fault: Some(EventFault {
                fault: Fault::Sensor,
                channel_idx: Some(0),
            }),
        },
        model: "pump@3".to_owned(),
        series: series.into(),
        channels: notes(),
        members: vec![MemberNote {
            member: "pca".to_owned(),
            share: 0.75,
        }],
    }
}

fn notes() -> Vec<ChannelNote> {
    vec![ChannelNote {
        channel: "flöw".to_owned(),
        share: 0.1 + 0.2,
        actual: None,
        expected: Some(-1e-300),
    }]
}

pub(super) fn alert(id: &str, peak_score: f64) -> NewAlert {
    NewAlert {
        id: id.to_owned(),
        kind: AlertKind::Silence,
        event: None,
        series: "pump-1".into(),
        model: "pump@3".to_owned(),
        start: Timestamp::from_secs(1),
        peak_score,
        channels: notes(),
    }
}

fn quarantined(detail: &str) -> Quarantined {
    Quarantined {
        source: "plant".into(),
        reason: "time",
        detail: detail.to_owned(),
        payload: vec![0; QUARANTINED_BYTES_MAX + 1],
    }
}

async fn a_commit_is_all_there(database: &Database) {
    let mut writer = database.take_over().await.unwrap();
    assert_eq!(writer.commit(&commit(1)).await.unwrap(), 1);
    assert_eq!(writer.commit(&commit(2)).await.unwrap(), 2);

    let journal = database.journal(0, 10).await.unwrap();
    assert_eq!(journal, [(1, vec![1; 3]), (2, vec![2; 3])]);
    assert_eq!(database.journal(1, 10).await.unwrap().len(), 1);
    // More names than one statement takes.
    let mut names: Vec<Arc<str>> = (0..2500).map(|idx| format!("nobody-{idx}").into()).collect();
    names.extend(["pump-1".into(), "extra-1".into()]);
    let states = database.checkpoints(&names).await.unwrap();
    assert_eq!(states.len(), 2);
    let want = StoredState {
        seq: 2,
        state: vec![2; 4],
    };
    assert_eq!(states["pump-1"], want);
    let listed = database.checkpointed(false, Some("extra-1"), 2).await.unwrap();
    assert_eq!(listed, [("extra-2".into(), 2), ("pump-1".into(), 2)]);
    assert_eq!(database.offsets().await.unwrap()["plant"], "2");
    let answer = database.answer("key-1").await.unwrap().unwrap();
    assert_eq!((answer.body_hash.as_str(), answer.answer.as_str()), ("00ff", "1"));
    assert_eq!(database.answer("key-9").await.unwrap(), None);
    let all = (Timestamp::from_nanos(i64::MIN), Timestamp::from_nanos(i64::MAX));
    let blocks = database.judged(all.0, all.1).await.unwrap();
    assert_eq!(blocks.len(), 4);
    assert_same(&blocks[1], &block("pump@3", 10, 10));
    let late = database.judged(Timestamp::from_secs(20), all.1).await.unwrap();
    assert_eq!(late.len(), 2);

    let events = database.events(&EventFilter::default(), 10).await.unwrap();
    assert_eq!(events.len(), 2);
    let first = &events[0].event;
    assert_eq!(first.channels, notes());
    assert_eq!(first.kind, Some(EventKind::LevelShift));
    assert_eq!(first.fault, Some(Fault::Sensor));
    assert_eq!(
        first.confidence.map(f64::to_bits),
        Some((0.1_f64 + 0.2).to_bits())
    );
    assert_eq!(first.members, commit(1).events[0].members);
    assert_eq!((first.peak_score, first.is_open), (f64::INFINITY, true));
    let filter = EventFilter {
        series: vec!["pump-1".into()],
        from: Some(Timestamp::from_secs(7)),
        to: Some(Timestamp::from_secs(100)),
        is_open: Some(true),
        after: Some(first.cursor()),
        ..EventFilter::default()
    };
    assert_eq!(database.events(&filter, 10).await.unwrap(), events[1..]);

    let quarantined = database.quarantined(1).await.unwrap();
    assert_eq!((quarantined[0].seq, quarantined[0].n), (2, 1));
    assert_eq!(quarantined[0].detail, "a \u{fffd} in it");
    assert_eq!(quarantined[0].payload.len(), QUARANTINED_BYTES_MAX);
    assert_eq!(quarantined[0].taken_at, Timestamp::from_secs(1002));

    let mut third = Commit::at(Timestamp::from_secs(1));
    third.journal_from = Some(2);
    writer.commit(&third).await.unwrap();
    assert_eq!(database.journal(0, 10).await.unwrap(), [(2, vec![2; 3])]);
}

async fn a_commit_is_all_or_nothing(database: &Database) {
    let mut writer = database.take_over().await.unwrap();
    writer.commit(&commit(1)).await.unwrap();
    let before = (
        database.counts().await.unwrap(),
        database.offsets().await.unwrap(),
    );
    // The last statement of the commit fails: its table is not there.
    rename(database, "ALTER TABLE idempotency_keys RENAME TO elsewhere").await;
    let error = writer.commit(&commit(2)).await.unwrap_err();
    assert!(!error.is_passing(), "{error}");
    let after = (
        database.counts().await.unwrap(),
        database.offsets().await.unwrap(),
    );
    assert_eq!(before, after);
    let error = writer.commit(&commit(2)).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Unsure { .. }), "{error}");
    rename(database, "ALTER TABLE elsewhere RENAME TO idempotency_keys").await;
    assert_eq!(writer.resume().await.unwrap(), 1);
    assert_eq!(writer.commit(&commit(2)).await.unwrap(), 2);
}

async fn rename(database: &Database, statement: &'static str) {
    let mut transaction = database.begin("rename").await.unwrap();
    transaction.run(sqlx::query(statement)).await.unwrap();
    transaction.commit().await.unwrap();
}

async fn only_the_last_to_take_over_commits(database: &Database) {
    let mut first = database.take_over().await.unwrap();
    first.commit(&commit(1)).await.unwrap();
    let mut second = database.take_over().await.unwrap();
    assert_eq!(second.seq(), 1);
    let error = first.commit(&commit(2)).await.unwrap_err();
    assert!(matches!(error, DatabaseError::TakenOver { .. }), "{error}");
    assert!(!error.is_passing());
    let error = first.resume().await.unwrap_err();
    assert!(matches!(error, DatabaseError::TakenOver { .. }), "{error}");
    assert_eq!(database.counts().await.unwrap().journal_blocks, 1);
    assert_eq!(second.commit(&commit(2)).await.unwrap(), 2);
}

async fn what_comes_again_changes_nothing(database: &Database) {
    let mut writer = database.take_over().await.unwrap();
    writer.commit(&commit(1)).await.unwrap();
    let mut again = Commit::at(Timestamp::from_secs(2000));
    again.events = vec![event("pump-1", 1, true), event("pump-1", 1, false)];
    again.alerts = vec![
        alert("alert-1", 9.0),
        alert("alert-2", 1.0),
        alert("alert-2", 1.0),
    ];
    again.answers = commit(1).answers;
    again.answers[0].answer = "another".to_owned();
    again.checkpoints = vec![checkpoint("pump-1", 1), checkpoint("pump-1", 7)];
    let end = AlertEnd {
        id: "alert-2".to_owned(),
        end: Timestamp::from_secs(3),
        peak_score: f64::NAN,
        channels: Vec::new(),
    };
    again.ended = vec![end.clone(), end];
    writer.commit(&again).await.unwrap();
    let events = database.events(&EventFilter::default(), 10).await.unwrap();
    assert_eq!((events.len(), events[0].event.is_open), (1, false));
    assert_eq!(database.answer("key-1").await.unwrap().unwrap().answer, "1");
    let states = database.checkpoints(&["pump-1".into()]).await.unwrap();
    assert_eq!(states["pump-1"].state, [7; 4]);
    let query =
        "SELECT id, state, peak_score, end_time, created_at FROM alerts WHERE tenant = $1 ORDER BY id";
    let rows = database
        .all("look", sqlx::query(query).bind(database.tenant()))
        .await
        .unwrap();
    let row = |idx: usize| -> (String, String, f64, Option<i64>, i64) {
        let row = &rows[idx];
        let get = |column| database.get::<String>(row, column).unwrap();
        let numbers = (database.get(row, 2).unwrap(), database.get(row, 3).unwrap());
        (
            get(0),
            get(1),
            numbers.0,
            numbers.1,
            database.get(row, 4).unwrap(),
        )
    };
    let nanos = |secs| Timestamp::from_secs(secs).as_nanos();
    let pending = || "pending".to_owned();
    assert_eq!(rows.len(), 2);
    assert_eq!(row(0), ("alert-1".to_owned(), pending(), 2.0, None, nanos(1001)));
    assert_eq!(
        row(1),
        ("alert-2".to_owned(), pending(), 0.0, Some(nanos(3)), nanos(2000))
    );
}

async fn what_piles_up_is_bounded(database: &Database) {
    let bounds = Bounds {
        quarantined_max: 1200,
        answers_kept: Duration::from_secs(3600),
    };
    let mut writer = database.take_over().await.unwrap().with_bounds(bounds);
    for n in 0..3 {
        let mut commit = commit(n);
        commit.now = Timestamp::from_secs(n * 3000);
        commit.quarantine = (0..700).map(|idx| quarantined(&idx.to_string())).collect();
        writer.commit(&commit).await.unwrap();
    }
    let kept = database.quarantined(5000).await.unwrap();
    let place = |idx: usize| (kept[idx].seq, kept[idx].n);
    assert_eq!((kept.len(), place(0), place(1199)), (1200, (3, 699), (2, 200)));
    assert_eq!(database.answer("key-0").await.unwrap(), None);
    assert!(database.answer("key-1").await.unwrap().is_some());
    // More at once than is kept in all.
    let mut flood = Commit::at(Timestamp::from_secs(9000));
    flood.quarantine = (0..1300).map(|idx| quarantined(&idx.to_string())).collect();
    writer.commit(&flood).await.unwrap();
    let kept = database.quarantined(5000).await.unwrap();
    assert_eq!(
        (kept.len(), kept[0].detail.as_str(), kept[1199].detail.as_str()),
        (1200, "1299", "100")
    );
}

async fn others_write_while_commits_go_on(judge: &Database, person: &Database) {
    let mut writer = judge.take_over().await.unwrap();
    let (person, tenant) = (person.clone(), person.tenant().to_owned());
    let remarks = tokio::spawn(async move {
        for n in 0..30_i64 {
            let insert = "INSERT INTO feedback (tenant, alert, n, verdict, note, made_by, made_at) \
                          VALUES ($1, 'a', $2, 'real', '', 'me', 0)";
            let mut transaction = person.begin("write feedback").await.unwrap();
            transaction
                .run(sqlx::query(insert).bind(tenant.as_str()).bind(n))
                .await
                .unwrap();
            transaction.commit().await.unwrap();
        }
    });
    for n in 1..=30 {
        assert_eq!(writer.commit(&commit(n)).await.unwrap(), n);
    }
    remarks.await.unwrap();
    let count = sqlx::query("SELECT COUNT(*) FROM feedback WHERE tenant = $1").bind(judge.tenant());
    let rows = judge.all("look", count).await.unwrap();
    assert_eq!(judge.get::<i64>(&rows[0], 0).unwrap(), 30);
    assert_eq!(judge.counts().await.unwrap().journal_blocks, 30);
}
