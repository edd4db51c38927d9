//! `config` as scripts see it: exit codes, and what goes where.

use assert_cmd::Command;
use bellwether_store::disk;

fn bellwether() -> Command {
    let mut command = Command::cargo_bin("bellwether").expect("cargo builds it for its tests");
    command.env_clear();
    command
}

fn said(command: &mut Command, code: i32) -> (String, String) {
    let output = command.output().expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it writes text");
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert_eq!(output.status.code(), Some(code), "{stdout}\n{stderr}");
    (stdout, stderr)
}

#[test]
fn a_file_is_checked_and_its_mistakes_are_78() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("live.toml");
    disk::write_atomic(&path, b"[[sources]]\ntype = \"stdin\"\n").unwrap();
    let check = || {
        let mut command = bellwether();
        command
            .current_dir(folder.path())
            .args(["config", "check", "live.toml"]);
        command
    };
    let (stdout, stderr) = said(&mut check(), 0);
    assert_eq!(stdout, "live.toml: fine: 1 source, 0 outputs, 0 channels\n");
    assert!(stderr.is_empty());
    disk::write_atomic(&path, b"[stream]\nlatensy = 1\n[log]\nlevel = 1\n").unwrap();
    let (stdout, stderr) = said(&mut check(), 78);
    assert!(stdout.is_empty());
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(
        lines[0].starts_with("live.toml:2:1: stream: there is no key \"latensy\""),
        "{stderr}"
    );
    assert!(lines[1].starts_with("live.toml:4:9: log.level: "), "{stderr}");
    let gone = said(bellwether().args(["config", "check", "/nowhere.toml"]), 78).1;
    assert!(gone.contains("/nowhere.toml"), "{gone}");
}

#[test]
fn each_value_says_where_it_comes_from() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("live.toml");
    disk::write_atomic(&path, b"[stream]\nlatency = \"50ms\"\nlateness = \"1m\"\n").unwrap();
    let mut command = bellwether();
    command
        .current_dir(folder.path())
        .env("BELLWETHER_STREAM__SILENCE", "10m")
        .args([
            "config",
            "show",
            "live.toml",
            "--origin",
            "--lateness",
            "5m",
            "--from",
            "-",
        ]);
    let (shown, _) = said(&mut command, 0);
    for line in [
        "latency = \"50ms\"  # live.toml:2",
        "lateness = \"5m\"  # flag --lateness",
        "silence = \"10m\"  # env BELLWETHER_STREAM__SILENCE",
        "queue_len_max = 64  # default",
        "type = \"stdin\"  # flag --from",
    ] {
        assert!(
            shown.lines().any(|shown| shown == line),
            "{line} is not in\n{shown}"
        );
    }
    command.args(["--format", "json"]);
    let rows: serde_json::Value = serde_json::from_str(&said(&mut command, 0).0).unwrap();
    let row = rows
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["key"] == "stream.lateness");
    assert_eq!(row.unwrap()["origin"], "flag --lateness");
}

#[test]
fn the_schema_is_json() {
    let (schema, _) = said(bellwether().args(["config", "schema"]), 0);
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    assert_eq!(schema["type"], "object");
}
