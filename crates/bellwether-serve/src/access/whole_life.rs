//! Keys from the first to the last day.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bellwether_core::time::Timestamp;
use bellwether_store::database::{Database, NewKey};
use bellwether_stream::clock;

use super::{
    Authenticator, Credentials, Denied, IssueError, Key, KeyRequest, KeyStanding, Keyed, Permission,
    Principal, Role, SignIns, Verifier,
};

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

async fn database() -> Database {
    Database::open("sqlite::memory:", "default").await.unwrap()
}

fn request() -> KeyRequest {
    KeyRequest {
        name: "line 1".to_owned(),
        role: Role::Operator,
        scopes: Some(vec![Permission::Ingest]),
        expires_in: Some(Duration::from_secs(3600)),
        expires_by: None,
    }
}

/// Whether it comes to its end without much waiting.
async fn ends(over: impl Future<Output = ()>) -> bool {
    tokio::time::timeout(Duration::from_secs(3), over).await.is_ok()
}

#[tokio::test]
async fn what_goes_on_for_long_ends_with_the_key() {
    let database = database().await;
    let keys = Keyed::new(Verifier::new(database.clone()), Arc::default());
    let (key, other) = (issue(&database).await, issue(&database).await);
    let principal = show(&keys, &key.reveal()).await.unwrap();
    let other = show(&keys, &other.reveal()).await.unwrap();
    let parts = futures_util::stream::pending::<Result<&str, std::io::Error>>();
    let body = super::standing::until(axum::body::Body::from_stream(parts), || keys.over(&principal));
    let read = tokio::spawn(axum::body::to_bytes(body, 10));
    let others = tokio::spawn(keys.over(&other));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!read.is_finished());
    database.revoke_key(key.id(), "ann", clock::now()).await.unwrap();
    keys.revoked(key.id());
    assert!(read.await.unwrap().is_err(), "broken off");
    assert!(!others.is_finished());
    // It was over before anybody asked; it ends by itself.
    assert!(ends(keys.over(&principal)).await);
    let soon = Principal {
        expires_at: Some(clock::now().plus(Duration::from_millis(100))),
        ..other.clone()
    };
    assert!(ends(keys.over(&soon)).await);
    // Whoever came by the code of the first start stays until somebody can make keys.
    let first = tokio::spawn(keys.over(&Principal::first_start()));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!first.is_finished());
    keys.made(&Principal {
        role: Role::Admin,
        scopes: None,
        ..other
    });
    assert!(ends(async { first.await.unwrap() }).await);
}

#[tokio::test]
async fn a_first_start_is_over_once_there_is_a_key_that_makes_others() {
    let database = database().await;
    let verifier = Verifier::new(database.clone());
    issue(&database).await;
    assert_eq!(
        verifier.is_first_start().await,
        Ok(true),
        "an operator makes no keys"
    );
    let admin = KeyRequest {
        role: Role::Admin,
        scopes: None,
        ..request()
    };
    let (key, _) = admin.issue(&database, "ann", clock::now()).await.unwrap();
    assert_eq!(verifier.is_first_start().await, Ok(false));
    database.revoke_key(key.id(), "ann", clock::now()).await.unwrap();
    assert_eq!(verifier.is_first_start().await, Ok(true));
}

#[tokio::test]
async fn no_key_outlives_the_one_that_makes_it() {
    let database = database().await;
    let now = clock::now();
    let end = Some(now.plus(Duration::from_secs(60)));
    for expires_in in [
        None,
        Some(Duration::from_secs(3600)),
        Some(Duration::from_secs(10)),
    ] {
        let bounded = KeyRequest {
            expires_in,
            expires_by: end,
            ..request()
        };
        let (_, made) = bounded.issue(&database, "ann", now).await.unwrap();
        let wanted = expires_in.map(|time| now.plus(time));
        assert_eq!(made.expires_at, wanted.min(end).or(end));
    }
}

async fn issue(database: &Database) -> Key {
    request().issue(database, "ann", clock::now()).await.unwrap().0
}

async fn show(keys: &impl Authenticator, key: &str) -> Result<Principal, Denied> {
    keys.authenticate(Credentials::Key(key.to_owned()), HERE).await
}

/// Another secret under the same id.
fn forged(key: &Key) -> String {
    format!("{}{}", &key.reveal()[..16], &Key::random().reveal()[16..])
}

#[tokio::test]
async fn whoever_shows_a_key_is_who_it_was_made_for() {
    let database = database().await;
    let key = issue(&database).await;
    let verifier = Verifier::new(database.clone());
    for _ in 0..2 {
        let principal = show(&verifier, &key.reveal()).await.unwrap();
        assert_eq!(
            (&*principal.name, principal.key_id.as_deref()),
            ("line 1", Some(key.id()))
        );
        assert!(principal.may(Permission::Ingest));
        assert!(!principal.may(Permission::Decide), "not in its scopes");
    }
    for wrong in [
        forged(&key),
        Key::random().reveal(),
        "bw_".to_owned(),
        String::new(),
    ] {
        assert_eq!(show(&verifier, &wrong).await, Err(Denied::Unknown), "{wrong}");
    }
    let cookie = Credentials::Cookie(key.reveal());
    assert_eq!(verifier.authenticate(cookie, HERE).await, Err(Denied::Unknown));
    // Noted by a task of its own.
    for _ in 0..100 {
        if database
            .key(key.id())
            .await
            .unwrap()
            .unwrap()
            .last_used_at
            .is_some()
        {
            return;
        }
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the use of the key is not noted");
}

#[tokio::test]
async fn a_revoked_key_lets_nobody_in_from_then_on() {
    let database = database().await;
    let (key, other) = (issue(&database).await, issue(&database).await);
    let sign_ins = Arc::new(SignIns::default());
    let keys = Keyed::new(Verifier::new(database.clone()), Arc::clone(&sign_ins));
    let principal = show(&keys, &key.reveal()).await.unwrap();
    let cookie = sign_ins.enter(principal);
    assert!(show(&keys, &other.reveal()).await.is_ok());
    database.revoke_key(key.id(), "ann", clock::now()).await.unwrap();
    keys.revoked(key.id());
    assert_eq!(
        show(&keys, &key.reveal()).await,
        Err(Denied::Unknown),
        "though remembered"
    );
    let by_cookie = keys.authenticate(Credentials::Cookie(cookie), HERE).await;
    assert_eq!(by_cookie, Err(Denied::Unknown));
    assert!(show(&keys, &other.reveal()).await.is_ok());
    // A process that knew both, and is not told: a minute later it looks.
    let elsewhere = Verifier::new(database.clone());
    let soon = clock::instant() + 2 * super::verifier::LOOK_AGAIN;
    let third = issue(&database).await;
    assert!(
        elsewhere
            .verify(&third.reveal(), HERE, clock::instant())
            .await
            .is_ok()
    );
    database
        .revoke_key(third.id(), "ann", clock::now())
        .await
        .unwrap();
    assert_eq!(
        elsewhere.verify(&third.reveal(), HERE, soon).await,
        Err(Denied::Unknown)
    );
    // A process that has not seen it yet.
    let elsewhere = Verifier::new(database.clone());
    assert_eq!(show(&elsewhere, &key.reveal()).await, Err(Denied::Unknown));
    assert_eq!(elsewhere.is_good(key.id()).await, Ok(false));
    assert_eq!(elsewhere.is_good(other.id()).await, Ok(true));
    assert_eq!(elsewhere.is_good("nobody").await, Ok(false));
}

#[tokio::test]
async fn an_expired_key_and_one_with_a_role_nobody_knows_let_nobody_in() {
    let database = database().await;
    let verifier = Verifier::new(database.clone());
    let store = async |role: &str, scopes: Option<&str>, expires_at| {
        let key = Key::random();
        let stored = NewKey {
            id: key.id().to_owned(),
            name: "old".to_owned(),
            role: role.to_owned(),
            scopes: scopes.map(|scope| vec![scope.to_owned()]),
            hash: key.hash(),
            created_at: Timestamp::from_secs(0),
            created_by: "ann".to_owned(),
            expires_at,
        };
        database.create_key(&stored).await.unwrap();
        show(&verifier, &key.reveal()).await
    };
    let past = Some(Timestamp::from_secs(1_700_000_000));
    assert_eq!(store("viewer", None, past).await, Err(Denied::Unknown));
    assert_eq!(store("emperor", None, None).await, Err(Denied::Unknown));
    assert_eq!(store("viewer", Some("rule"), None).await, Err(Denied::Unknown));
    assert!(store("viewer", Some("read"), None).await.is_ok());
}

#[tokio::test]
async fn a_key_that_ends_while_it_is_remembered_ends() {
    let database = database().await;
    let almost = KeyRequest {
        expires_in: Some(Duration::from_secs(1)),
        ..request()
    };
    // Made a second ago, less what the first look takes.
    let made_at = Timestamp::from_nanos(clock::now().as_nanos() + 500_000_000);
    let (key, made) = almost.issue(&database, "ann", made_at).await.unwrap();
    let verifier = Verifier::new(database);
    let end = made.expires_at.unwrap();
    // However slow the machine is: let in before the end, and not from then on.
    loop {
        let before = clock::now();
        let shown = show(&verifier, &key.reveal()).await;
        match shown {
            Ok(_) => assert!(before < end),
            Err(denied) => {
                assert_eq!(denied, Denied::Unknown);
                assert!(clock::now() >= end);
                break;
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn many_wrong_secrets_are_not_tried_and_a_known_one_still_is() {
    let database = database().await;
    let (key, later) = (issue(&database).await, issue(&database).await);
    let verifier = Verifier::new(database);
    assert!(show(&verifier, &key.reveal()).await.is_ok());
    for _ in 0..5 {
        assert_eq!(show(&verifier, &forged(&key)).await, Err(Denied::Unknown));
        assert_eq!(show(&verifier, &forged(&later)).await, Err(Denied::Unknown));
    }
    let refused = show(&verifier, &forged(&key)).await;
    assert!(matches!(refused, Err(Denied::TooOften(1..=12))), "{refused:?}");
    // Whoever guesses from the same address does not lock out who is known already, now or later.
    assert!(show(&verifier, &key.reveal()).await.is_ok());
    for _ in 0..100 {
        let _ = show(&verifier, &Key::random().reveal()).await;
    }
    let late = clock::instant() + 10 * super::verifier::LOOK_AGAIN;
    assert!(verifier.verify(&key.reveal(), HERE, late).await.is_ok());
    // Whether the guess was right is not told.
    let refused = show(&verifier, &later.reveal()).await;
    assert!(matches!(refused, Err(Denied::TooOften(1..=12))), "{refused:?}");
    let elsewhere = "10.0.0.2".parse().unwrap();
    let shown = verifier
        .authenticate(Credentials::Key(later.reveal()), elsewhere)
        .await;
    assert!(shown.is_ok());
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_no_wrong_key() {
    let database = database().await;
    let key = issue(&database).await;
    let verifier = Verifier::new(database.clone());
    database.close().await;
    let shown = show(&verifier, &key.reveal()).await;
    assert!(matches!(shown, Err(Denied::Unavailable(_))), "{shown:?}");
}

#[tokio::test]
async fn keys_that_make_no_sense_are_not_made() {
    let database = database().await;
    let check = async |wrong: KeyRequest, want: &str| {
        let error = wrong.issue(&database, "ann", clock::now()).await.unwrap_err();
        assert!(!matches!(error, IssueError::Database(_)));
        assert!(error.to_string().contains(want), "{error}");
    };
    for name in ["", " ", "a\nb", &"x".repeat(101)] {
        let wrong = KeyRequest {
            name: name.to_owned(),
            ..request()
        };
        check(wrong, "1 to 100 characters").await;
    }
    for name in ["local", "Nobody", " first-start "] {
        let wrong = KeyRequest {
            name: name.to_owned(),
            ..request()
        };
        check(wrong, "give the key another name").await;
    }
    let scoped = |scopes| KeyRequest {
        scopes: Some(scopes),
        ..request()
    };
    check(scoped(vec![]), "may do nothing").await;
    let beyond = scoped(vec![Permission::Read, Permission::Keys]);
    check(
        beyond,
        "the role operator does not have keys; it has read, ingest, detect, decide",
    )
    .await;
    for secs in [0, 4000 * 86_400] {
        let wrong = KeyRequest {
            expires_in: Some(Duration::from_secs(secs)),
            ..request()
        };
        check(wrong, "at most ten years").await;
    }
    assert!(database.keys(10).await.unwrap().is_empty());
    assert!(database.audit(None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn whoever_is_turned_away_is_in_the_audit_once_in_a_minute() {
    let database = database().await;
    let denials = super::Denials::kept(database.clone());
    for n in 0..50_u16 {
        // One network.
        let from = IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n]);
        denials.note(None, from, "GET /api/v1/keys", "no valid key");
    }
    denials.note(Some(&Principal::local()), HERE, "GET /api/v1/keys", "too often");
    denials.note(None, HERE, "POST /api/v1/\0", "no valid key");
    denials.written().await;
    let audit = database.audit(None, 10).await.unwrap();
    let told: Vec<_> = audit
        .iter()
        .rev()
        .map(|entry| {
            (
                entry.actor.as_str(),
                entry.action.as_str(),
                entry.subject.as_str(),
            )
        })
        .collect();
    let want = [
        ("nobody", "denied", "GET /api/v1/keys"),
        ("local", "denied", "GET /api/v1/keys"),
        ("nobody", "denied", "POST /api/v1/\u{fffd}"),
    ];
    assert_eq!(told, want);
    assert_eq!(audit[0].detail, "no valid key, from 10.0.0.1");
    assert_eq!(database.verify_audit().await.unwrap().fault, None);
}

#[tokio::test]
async fn many_whom_nobody_knows_are_counted_and_hide_nobody_who_is_known() {
    let database = database().await;
    let denials = super::Denials::kept(database.clone());
    for n in 0..500_u16 {
        denials.note(
            None,
            IpAddr::from([0x2001, 0xdb8, 0, n, 0, 0, 0, 1]),
            "GET /",
            "no valid key",
        );
    }
    denials.note(Some(&Principal::local()), HERE, "GET /", "too often");
    denials.written().await;
    let audit = database.audit(None, 1000).await.unwrap();
    assert_eq!(audit.len(), 102);
    assert_eq!(audit[0].detail, "400 more than are told one by one");
    assert_eq!(audit[1].actor, "local");
}
