//! What a service is promised: keys, jobs, and events in the orders it asks for.

use std::time::Duration;

use bellwether_core::time::Timestamp;

use super::promises::{alert, event};
use crate::database::{
    AlertKind, AlertMove, AlertState, Commit, Database, Decision, EventFilter, EventOrder, EventWithAlert,
    Job, JobState, NewKey, Verdict,
};

/// Every promise, each for a tenant of its own.
pub(super) async fn keep_all(open: &impl AsyncFn(&str) -> Database) {
    keys_are_made_used_and_revoked(&open("keys").await).await;
    jobs_move_from_the_state_they_were_read_in(&open("jobs").await).await;
    events_come_with_their_alert_in_the_order_asked_for(&open("lists").await).await;
    changes_are_followed_without_gap_or_repetition(&open("changes").await).await;
}

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs)
}

fn key(id: &str, created_secs: i64) -> NewKey {
    NewKey {
        id: id.to_owned(),
        name: "line \0 1".to_owned(),
        role: "operator".to_owned(),
        scopes: Some(vec!["ingest".to_owned()]),
        hash: "$argon2id$…".to_owned(),
        created_at: at(created_secs),
        created_by: "ann".to_owned(),
        expires_at: Some(at(9000)),
    }
}

async fn keys_are_made_used_and_revoked(database: &Database) {
    database.create_key(&key("k1", 1)).await.unwrap();
    let second = NewKey {
        scopes: None,
        expires_at: None,
        ..key("k2", 2)
    };
    database.create_key(&second).await.unwrap();
    let error = database.create_key(&key("k1", 3)).await.unwrap_err();
    assert!(!error.is_passing(), "{error}");
    let ids = async |limit| -> Vec<String> {
        let keys = database.keys(limit).await.unwrap();
        keys.into_iter().map(|key| key.key.id).collect()
    };
    assert_eq!(ids(10).await, ["k2", "k1"]);
    assert_eq!(ids(1).await, ["k2"]);
    let first = database.key("k1").await.unwrap().unwrap();
    let want = NewKey {
        name: "line \u{fffd} 1".to_owned(),
        ..key("k1", 1)
    };
    assert_eq!(
        (&first.key, first.revoked_at, first.last_used_at),
        (&want, None, None)
    );
    assert!(!format!("{first:?}").contains("argon2"), "{first:?}");
    assert_eq!(database.key("k2").await.unwrap().unwrap().key.scopes, None);
    assert_eq!(database.key("k3").await.unwrap(), None);

    // Used at these seconds, last known use after each.
    for (used, want) in [(100, 100), (130, 100), (159, 100), (160, 160), (150, 160)] {
        database.touch_key("k1", at(used)).await.unwrap();
        let key = database.key("k1").await.unwrap().unwrap();
        assert_eq!(key.last_used_at, Some(at(want)), "used at {used}");
    }
    assert_eq!(database.key("k2").await.unwrap().unwrap().last_used_at, None);

    assert!(database.revoke_key("k1", "bob", at(200)).await.unwrap());
    assert!(!database.revoke_key("k1", "eve", at(300)).await.unwrap());
    assert!(!database.revoke_key("k3", "eve", at(300)).await.unwrap());
    let first = database.key("k1").await.unwrap().unwrap();
    assert_eq!(first.revoked_at, Some(at(200)));
    let audit = database.audit(None, 10).await.unwrap();
    let told: Vec<_> = audit
        .iter()
        .rev()
        .map(|entry| {
            (
                entry.n,
                entry.actor.as_str(),
                entry.action.as_str(),
                entry.subject.as_str(),
            )
        })
        .collect();
    let want = [
        (1, "ann", "create-key", "k1"),
        (2, "ann", "create-key", "k2"),
        (3, "bob", "revoke-key", "k1"),
    ];
    assert_eq!(told, want, "what was not done is not audited");
    assert_eq!(
        audit[2].detail,
        "line \u{fffd} 1: operator [\"ingest\"] until 1970-01-01T02:30:00Z"
    );
}

async fn jobs_move_from_the_state_they_were_read_in(database: &Database) {
    let waiting = |id: &str, created_secs| Job {
        id: id.to_owned(),
        kind: "train".to_owned(),
        state: JobState::Waiting,
        name: "pump".to_owned(),
        made_by: "ann".to_owned(),
        created_at: at(created_secs),
        started_at: None,
        ended_at: None,
        error: None,
        detail: "{\"epochs\":3}".to_owned(),
    };
    for (id, created) in [("j1", 1), ("j2", 2), ("j3", 3)] {
        database.insert_job(&waiting(id, created)).await.unwrap();
    }
    database.insert_job(&waiting("j1", 9)).await.unwrap_err();
    let running = Job {
        state: JobState::Running,
        started_at: Some(at(5)),
        detail: "{\"epoch\":1}".to_owned(),
        ..waiting("j2", 2)
    };
    assert!(database.update_job(JobState::Waiting, &running).await.unwrap());
    let cancelled = Job {
        state: JobState::Cancelled,
        ..waiting("j2", 2)
    };
    assert!(!database.update_job(JobState::Waiting, &cancelled).await.unwrap());
    assert_eq!(database.job("j2").await.unwrap(), Some(running.clone()));
    assert_eq!(database.job("j9").await.unwrap(), None);
    assert_eq!(
        database.fail_running("the service stopped", at(7)).await.unwrap(),
        1
    );
    let failed = Job {
        state: JobState::Failed,
        ended_at: Some(at(7)),
        error: Some("the service stopped".to_owned()),
        ..running
    };
    let all = [waiting("j3", 3), failed, waiting("j1", 1)];
    assert_eq!(database.jobs(10).await.unwrap(), all);
    assert_eq!(database.jobs(1).await.unwrap(), all[..1]);
}

/// Events 1, 2, … of a device, each as long as it is, with peak score `n + 1`; the even ones are over.
fn events(series: &str, n_events: i64) -> Commit {
    let mut commit = Commit::at(at(1000));
    commit.events = (1..=n_events)
        .map(|n| {
            let mut record = event(series, 100 * n, n % 2 == 1);
            record.event.peak_score = n as f64 + 1.0;
            record
        })
        .collect();
    commit
}

fn starts(events: &[EventWithAlert]) -> Vec<i64> {
    let start = |event: &EventWithAlert| event.event.start.as_nanos() / 100_000_000_000;
    events.iter().map(start).collect()
}

async fn events_come_with_their_alert_in_the_order_asked_for(database: &Database) {
    let mut writer = database.take_over().await.unwrap();
    let mut commit = events("pump-1", 5);
    let second = commit.events[1].event.id;
    let mut of_second = alert("a2", 3.0);
    (of_second.kind, of_second.event) = (AlertKind::Event, Some(second));
    commit.alerts = vec![of_second];
    writer.commit(&commit).await.unwrap();
    // Another version found the same.
    let mut other = Commit::at(at(1001));
    other.events = vec![commit.events[1].clone()];
    other.events[0].model = "pump@4".to_owned();
    writer.commit(&other).await.unwrap();

    let found = database.event(second).await.unwrap();
    let models: Vec<&str> = found.iter().map(|found| found.event.model.as_str()).collect();
    assert_eq!(models, ["pump@3", "pump@4"]);
    assert_eq!((&found[1].alert, found[1].verdict), (&None, None));
    let pending = found[0].alert.as_ref().unwrap();
    assert_eq!((pending.id.as_str(), pending.state), ("a2", AlertState::Pending));
    assert_eq!(database.alert_of_event(second, "pump@4").await.unwrap(), None);
    let before = database.alert_of_event(second, "pump@3").await.unwrap().unwrap();
    assert_eq!(before.id, "a2");

    let after = crate::database::Alert {
        state: AlertState::Acknowledged,
        acknowledged_at: Some(at(2000)),
        acknowledged_by: Some("ann".to_owned()),
        ..before.clone()
    };
    let mut decision = Decision {
        actor: "ann".to_owned(),
        action: "feedback",
        subject: "a2".to_owned(),
        detail: String::new(),
        at: at(2000),
        moves: Some(AlertMove {
            before,
            after,
            tell: Vec::new(),
        }),
        feedback: Some((Verdict::FalseAlarm, String::new())),
        suppress: None,
    };
    database.decide(&decision).await.unwrap();
    (decision.moves, decision.feedback) = (None, Some((Verdict::Real, "after all".to_owned())));
    database.decide(&decision).await.unwrap();

    let verdicts = database.alerts_by_verdict().await.unwrap();
    assert_eq!(verdicts, [(Verdict::Real, 1)], "the last one counts");
    let since = database.events_by_model(at(200)).await.unwrap();
    assert_eq!(since, [("pump@3".to_owned(), 4), ("pump@4".to_owned(), 1)]);
    let since = database.events_by_model(at(201)).await.unwrap();
    assert_eq!(since, [("pump@3".to_owned(), 3)]);

    let list = async |filter: EventFilter| database.events(&filter, 10).await.unwrap();
    let newest = EventFilter {
        order: EventOrder::Newest,
        ..EventFilter::default()
    };
    let all = list(newest.clone()).await;
    assert_eq!(starts(&all), [5, 4, 3, 2, 2, 1]);
    assert_eq!(all[3].event.model, "pump@4");
    let told = &all[4];
    assert_eq!(told.verdict, Some(Verdict::Real), "the last one counts");
    let acknowledged = told.alert.as_ref().unwrap();
    assert_eq!(acknowledged.acknowledged_by.as_deref(), Some("ann"));
    assert_eq!(acknowledged.acknowledged_at, Some(at(2000)));
    let page = EventFilter {
        after: Some(all[3].event.cursor()),
        ..newest.clone()
    };
    assert_eq!(list(page).await, all[4..]);

    let check = async |filter: EventFilter, want: &[i64]| {
        assert_eq!(starts(&list(filter.clone()).await), want, "{filter:?}");
    };
    let open = |is_open| EventFilter {
        is_open: Some(is_open),
        ..newest.clone()
    };
    check(open(true), &[5, 3, 1]).await;
    check(open(false), &[4, 2, 2]).await;
    let said = |verdict| EventFilter {
        verdict: Some(verdict),
        ..EventFilter::default()
    };
    check(said(Verdict::Real), &[2]).await;
    check(said(Verdict::FalseAlarm), &[]).await;
    // Peak scores 2 to 6 are severities 50, 66.7, 75, 80 and 83.3.
    for (severity, want) in [
        (0.0, &[1, 2, 2, 3, 4, 5][..]),
        (50.0, &[1, 2, 2, 3, 4, 5]),
        (75.0, &[3, 4, 5]),
        (75.1, &[4, 5]),
        (100.0, &[]),
    ] {
        let filter = EventFilter {
            severity_min: Some(severity),
            ..EventFilter::default()
        };
        check(filter, want).await;
    }
}

async fn changes_are_followed_without_gap_or_repetition(database: &Database) {
    let mut writer = database.take_over().await.unwrap();
    writer.commit(&events("pump-1", 4)).await.unwrap();
    writer.commit(&events("fan-1", 1)).await.unwrap();
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = database.events_changed(after.as_ref(), None, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.event.change_cursor());
        // What changes meanwhile comes once more, at the end.
        if seen.is_empty() {
            let mut grown = Commit::at(at(2000));
            grown.events = events("pump-1", 4).events.split_off(2);
            for record in &mut grown.events {
                record.event.end = record.event.end.plus(Duration::from_secs(60));
            }
            assert_eq!(writer.commit(&grown).await.unwrap(), 3);
        }
        seen.extend(
            page.into_iter()
                .map(|event| (event.event.id, event.event.seq, event.event.end)),
        );
    }
    let seqs: Vec<i64> = seen.iter().map(|(_, seq, _)| *seq).collect();
    assert!(seqs.is_sorted(), "{seqs:?}");
    // Each is there as it is in the end, once.
    for stored in database.events(&EventFilter::default(), 10).await.unwrap() {
        let now = (stored.event.id, stored.event.seq, stored.event.end);
        assert_eq!(seen.iter().filter(|seen| **seen == now).count(), 1, "{now:?}");
    }
    // Two were read before, of which those that grew were read again.
    let n_again = seen[..2]
        .iter()
        .filter(|(id, ..)| seen[2..].iter().any(|(later, ..)| later == id));
    assert_eq!(seen.len(), 5 + n_again.count());

    let of_fan = database.events_changed(None, Some("fan-1"), 10).await.unwrap();
    assert_eq!((of_fan.len(), of_fan[0].event.seq), (1, 2));
}
