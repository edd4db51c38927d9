//! `bellwether alerts` as people run it, on a database that a live system has left.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use assert_cmd::cargo::cargo_bin_cmd;
use bellwether_core::time::Timestamp;
use bellwether_store::database::{AlertKind, ChannelNote, Commit, Database, NewAlert};
use bellwether_store::disk;
use serde_json::Value;
use tempfile::TempDir;

/// What a run came to: exit code, stdout, stderr.
type Ran = (Option<i32>, String, String);

fn fixture() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let path = dir.path().join("live.db");
        let database = Database::open(path.to_str().unwrap(), "default").await.unwrap();
        let mut writer = database.take_over().await.unwrap();
        let mut commit = Commit::at(Timestamp::from_secs(1_700_000_000));
        let alert = |id: &str, device: &str| NewAlert {
            id: id.to_owned(),
            kind: AlertKind::Event,
            event: None,
            series: device.into(),
            model: "pump@1".to_owned(),
            start: Timestamp::from_secs(1_700_000_000),
            peak_score: 2.0,
            channels: vec![ChannelNote {
                channel: "flow".to_owned(),
                share: 1.0,
                actual: Some(2.5),
                expected: Some(1.5),
            }],
        };
        commit.alerts = vec![
            alert("4f00aa", "pump-1"),
            alert("4f00bb", "pump-2"),
            alert("9900cc", "boiler"),
        ];
        writer.commit(&commit).await.unwrap();
        database.close().await;
    });
    dir
}

fn run(dir: &TempDir, args: &[&str]) -> Ran {
    let output = cargo_bin_cmd!("bellwether")
        .current_dir(dir.path())
        .arg("alerts")
        .args(args)
        .args(["--database", "sqlite:live.db"])
        .env_clear()
        .env("USER", "ann")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn json(dir: &TempDir, args: &[&str]) -> Value {
    let (code, stdout, stderr) = run(dir, &[args, &["--format", "json"]].concat());
    assert_eq!(code, Some(0), "{stderr}");
    serde_json::from_str(&stdout).unwrap()
}

fn column(document: &Value, list: &str, key: &str) -> Vec<String> {
    let rows = document[list].as_array().unwrap();
    rows.iter()
        .map(|row| row[key].as_str().unwrap_or("–").to_owned())
        .collect()
}

#[test]
fn alerts_are_listed_by_state_and_device() {
    let dir = fixture();
    let list = |args: &[&str]| column(&json(&dir, &[&["list"], args].concat()), "alerts", "id");
    assert_eq!(list(&[]).len(), 3);
    assert_eq!(list(&["--device", "pump-*"]), ["4f00bb", "4f00aa"]);
    assert_eq!(list(&["--device", "pump-*", "--limit", "1"]), ["4f00bb"]);
    assert!(list(&["--state", "firing"]).is_empty());
    let (code, stdout, _) = run(&dir, &["list", "--format", "csv"]);
    assert_eq!(code, Some(0));
    let heading = "id,state,kind,device,model,start,end,severity,top_channel,acknowledged_by,suppressed_by,event_kind,fault,\
                   confidence";
    assert_eq!(stdout.lines().next(), Some(heading));
    assert_eq!(stdout.lines().count(), 4);
    let (code, _, stderr) = run(&dir, &["list", "--state", "burning"]);
    assert_eq!(code, Some(2));
    assert!(
        stderr.contains("pending, firing, acknowledged, resolved"),
        "{stderr}"
    );
}

#[test]
fn decisions_are_in_force_and_audited() {
    let dir = fixture();
    let (code, _, stderr) = run(&dir, &["acknowledge", "4f00a", "--by", "bob"]);
    assert_eq!((code, stderr.as_str()), (Some(0), "4f00aa is acknowledged\n"));
    let (code, _, stderr) = run(&dir, &["acknowledge", "4f00a"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("acknowledged already, by bob"), "{stderr}");
    let given = json(&dir, &["feedback", "9900", "new-normal", "--note", "new burner"]);
    assert_eq!(
        (&given["state"], &given["suppression"]),
        (&"resolved".into(), &"new-normal-2".into())
    );
    let shelf = json(&dir, &["shelve", "pump-*", "--for", "2h", "--reason", "noisy"]);
    assert_eq!(shelf["id"], "shelf-3");
    let window = json(&dir, &["maintain", "boiler", "--until", "2200-01-01"]);
    assert_eq!(window["id"], "maintenance-4");
    let there = json(&dir, &["suppressions"]);
    assert_eq!(
        column(&there, "suppressions", "id"),
        ["new-normal-2", "shelf-3", "maintenance-4"]
    );
    assert_eq!(run(&dir, &["unshelve", "shelf-3"]).0, Some(0));
    let (code, _, stderr) = run(&dir, &["unshelve", "shelf-3"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("no suppression \"shelf-3\""), "{stderr}");
    let audit = json(&dir, &["audit"]);
    let actions = ["unshelve", "maintain", "shelve", "feedback", "acknowledge"];
    assert_eq!(column(&audit, "audit", "action"), actions);
    assert_eq!(
        column(&audit, "audit", "actor"),
        ["ann", "ann", "ann", "ann", "bob"]
    );
    let shown = json(&dir, &["show", "9900cc"]);
    assert_eq!(shown["feedback"][0]["note"], "new burner");
    assert_eq!(shown["channels"][0]["expected"], 1.5);
    assert_eq!(json(&dir, &["retry"])["waiting"], 0);
    assert!(column(&json(&dir, &["dead"]), "dead", "alert").is_empty());
}

#[test]
fn what_cannot_be_done_says_why_and_what_to_do() {
    let dir = fixture();
    let check = |args: &[&str], code: i32, want: &str| {
        let (got, _, stderr) = run(&dir, args);
        assert_eq!(got, Some(code), "{args:?}: {stderr}");
        assert!(stderr.contains(want), "{args:?}: {stderr}");
    };
    check(&["show", "4f00"], 1, "give more of the id");
    check(&["show", "4f00ab"], 1, "did you mean 4f00aa?");
    check(
        &["shelve", "pump-*", "--for", "31d", "--reason", "x"],
        1,
        "30 days at most",
    );
    check(&["shelve", "pump-*", "--reason", "x"], 2, "--for");
    check(&["shelve", "pump-[", "--for", "1h", "--reason", "x"], 1, "pump-[");
    check(&["maintain", "*", "--until", "2020-01-01"], 1, "give a later end");
    check(
        &["feedback", "4f00aa", "maybe"],
        2,
        "false-alarm, real, maintenance, new-normal",
    );
    std::fs::remove_file(dir.path().join("live.db")).unwrap();
    check(&["list"], 1, "there is no database live.db");
    assert!(!dir.path().join("live.db").exists());
}

#[test]
fn a_test_says_which_channels_work() {
    let dir = fixture();
    // A port where nobody listens, and a peer that takes whatever it is sent.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let open = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = open.local_addr().unwrap();
    let peer = std::thread::Builder::new()
        .spawn(move || take_one(&open))
        .unwrap();
    let text = format!(
        "[[alerts.channels]]\ntype = \"webhook\"\nname = \"gone\"\nurl = \"http://{closed}/\"\n\
         [[alerts.channels]]\ntype = \"webhook\"\nname = \"well\"\nurl = \"http://{address}/\"\n"
    );
    disk::write_atomic(&dir.path().join("live.toml"), text.as_bytes()).unwrap();
    let test = |channel: &[&str]| {
        run(
            &dir,
            &[&["test"], channel, &["--config", "live.toml", "--format", "csv"]].concat(),
        )
    };
    let (code, stdout, stderr) = test(&["well"]);
    assert_eq!(
        (code, stdout.as_str()),
        (Some(0), "channel,ok,error\nwell,true,\n"),
        "{stderr}"
    );
    let body = peer.join().unwrap();
    assert!(body.contains("test"), "{body}");
    let (code, stdout, stderr) = test(&["gone"]);
    assert_eq!(code, Some(1));
    assert!(stdout.starts_with("channel,ok,error\ngone,false,"), "{stdout}");
    assert!(
        stderr.contains("1 of 1 channels did not take the test"),
        "{stderr}"
    );
    let (code, _, stderr) = test(&["wall"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("there are: gone, well"), "{stderr}");
}

/// Takes one request and answers it; what it said.
fn take_one(listener: &TcpListener) -> String {
    let (mut peer, _) = listener.accept().unwrap();
    let mut said = Vec::new();
    let mut buffer = [0; 4096];
    let is_whole = |said: &[u8]| {
        let text = String::from_utf8_lossy(said);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            return false;
        };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse::<usize>())
        });
        length.is_none_or(|length| body.len() >= length.unwrap())
    };
    while !is_whole(&said) {
        let n = peer.read(&mut buffer).unwrap();
        assert!(n > 0, "the request ends early");
        said.extend_from_slice(&buffer[..n]);
    }
    peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        .unwrap();
    String::from_utf8(said).unwrap()
}
