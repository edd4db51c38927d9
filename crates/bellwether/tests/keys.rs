//! `bellwether keys` as people run it.
#![expect(clippy::unwrap_used, reason = "tests")]

mod shared;

use serde_json::Value;
use shared::{Ran, bellwether};
use tempfile::TempDir;

fn keys(dir: &TempDir, line: &str) -> Ran {
    bellwether(dir.path(), &format!("keys {line} --database sqlite:live.db"))
}

fn json(dir: &TempDir, line: &str) -> Value {
    let ran = keys(dir, &format!("{line} --format json")).ends(0);
    serde_json::from_str(&ran.stdout).unwrap()
}

#[test]
fn a_key_goes_to_stdout_alone_and_is_shown_once() {
    let dir = tempfile::tempdir().unwrap();
    // There is no database yet: the server that starts later finds it.
    let made = keys(&dir, "create --name line-1 --role operator").ends(0);
    let key = made.stdout.strip_suffix('\n').unwrap();
    let (id, secret) = key.strip_prefix("bw_").unwrap().split_once('_').unwrap();
    assert_eq!((id.len(), secret.len()), (12, 52), "{key}");
    for told in [id, "line-1", "shown this once"] {
        assert!(made.stderr.contains(told), "{told}: {}", made.stderr);
    }
    assert!(!made.stderr.contains(secret), "{}", made.stderr);
    for format in ["table", "json", "ndjson", "csv"] {
        let list = keys(&dir, &format!("list --format {format}")).ends(0);
        assert!(list.stdout.contains(id), "{}", list.stdout);
        let all = list.stdout + &list.stderr;
        assert!(!all.contains(secret) && !all.contains("argon2"), "{all}");
    }
}

#[test]
fn keys_are_made_listed_and_revoked_with_who_did_it() {
    let dir = tempfile::tempdir().unwrap();
    let first = json(
        &dir,
        "create --name sender --role operator --scope ingest --scope read --expires 90d --by ann",
    );
    assert!(first["key"].as_str().unwrap().starts_with("bw_"), "{first}");
    assert_eq!(
        (&first["role"], &first["scopes"]),
        (&"operator".into(), &"read,ingest".into())
    );
    assert!(first["expires_at"].is_string(), "{first}");
    let second = json(&dir, "create --name looker --role viewer");
    assert_eq!(
        (&second["scopes"], &second["expires_at"]),
        (&Value::Null, &Value::Null)
    );
    let id = first["id"].as_str().unwrap();
    keys(&dir, &format!("revoke {id} --by bob"))
        .ends(0)
        .says(&[id, "lets nobody in any more"]);
    keys(&dir, &format!("revoke {id}"))
        .ends(1)
        .says(&["is revoked already"]);
    keys(&dir, "revoke 0123456789ab")
        .ends(1)
        .says(&["there is no key \"0123456789ab\"", "keys list"]);
    let list = json(&dir, "list");
    let names = |key: &str| -> Vec<&Value> {
        let rows = list["keys"].as_array().unwrap().iter();
        rows.map(|row| &row[key]).collect()
    };
    assert_eq!(names("name"), ["looker", "sender"]);
    assert!(names("revoked_at")[0].is_null() && names("revoked_at")[1].is_string());
    assert!(names("key").iter().all(|key| key.is_null()));
    let audit = bellwether(dir.path(), "alerts audit --database sqlite:live.db --format csv").ends(0);
    let told: Vec<String> = audit.stdout.lines().skip(1).map(str::to_owned).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].contains(&format!("bob,revoke-key,{id}")), "{}", told[0]);
    assert!(told[2].contains(&format!("ann,create-key,{id}")), "{}", told[2]);
}

#[test]
fn what_makes_no_sense_is_refused_with_what_does() {
    let dir = tempfile::tempdir().unwrap();
    for (line, says) in [
        ("create --role viewer", "--name"),
        (
            "create --name x --role emperor",
            "viewer, operator, engineer, admin",
        ),
        (
            "create --name x --role admin --scope rule",
            "wanted one of read, ingest",
        ),
        (
            "create --name x --role viewer --scope ingest",
            "the role viewer does not have ingest",
        ),
        ("create --name x --role viewer --expires soon", "90s, 5m"),
        (
            "create --name x --role viewer --expires 4000d",
            "at most ten years",
        ),
        ("create --name= --role viewer", "1 to 100 characters"),
    ] {
        let ran = keys(&dir, line).ends(2).says(&[says]);
        assert!(ran.stdout.is_empty(), "{}", ran.stdout);
    }
    let elsewhere = tempfile::tempdir().unwrap();
    for line in ["list", "revoke 0123456789ab"] {
        keys(&elsewhere, line)
            .ends(1)
            .says(&["there is no database", "--config"]);
    }
    assert!(
        !elsewhere.path().join("live.db").exists(),
        "looking makes nothing"
    );
}
