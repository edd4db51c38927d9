//! `bellwether models` as people run it, on a registry with three versions of one model.
#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(
    clippy::disallowed_methods,
    reason = "the tests look at and damage what is on the disk"
)]

use std::fs;

use assert_cmd::cargo::cargo_bin_cmd;
use bellwether_core::time::Timestamp;
use bellwether_store::bundle::Bundle;
use bellwether_store::registry::{Because, Registry};
use serde_json::{Value, json};
use tempfile::TempDir;

/// What a run came to: exit code, stdout, stderr.
type Ran = (Option<i32>, String, String);

struct Fixture {
    dir: TempDir,
}

impl Fixture {
    /// No model yet.
    fn empty() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// `pump` with versions 1 (champion), 2 and 3 (also `canary`).
    fn new() -> Self {
        let fixture = Self::empty();
        let registry = Registry::open(fixture.dir.path().join("models")).unwrap();
        for number in 1..=3 {
            let summary =
                json!({"architecture": "lstm-ae", "channels": ["flow", "speed"], "window": number * 16});
            let now = Timestamp::from_secs(number.into());
            let name = "pump".parse().unwrap();
            registry.publish(&name, &bundle(number), summary, now).unwrap();
        }
        let canary = "canary".parse().unwrap();
        let nobody = Because::default();
        let now = Timestamp::from_secs(3);
        registry
            .set_alias(&canary, &"pump@3".parse().unwrap(), &nobody, now)
            .unwrap();
        fixture
    }

    fn run(&self, args: &[&str]) -> Ran {
        let output = cargo_bin_cmd!("bellwether")
            .current_dir(self.dir.path())
            .arg("models")
            .args(args)
            .args(["--registry", "models"])
            .env_remove("BELLWETHER_FORMAT")
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// The answer as JSON.
    fn json(&self, args: &[&str]) -> Value {
        let (code, stdout, stderr) = self.run(&[args, &["--format", "json"]].concat());
        assert_eq!(code, Some(0), "{args:?}: {stderr}");
        serde_json::from_str(&stdout).unwrap()
    }

    /// Checks exit code and what stderr says.
    fn check(&self, args: &[&str], expect_code: i32, expect: &str) {
        let (code, _, stderr) = self.run(args);
        assert_eq!(code, Some(expect_code), "{args:?}: {stderr}");
        assert!(
            stderr.contains(expect),
            "{args:?}: {stderr:?} does not say {expect:?}"
        );
    }
}

fn bundle(number: u8) -> Bundle {
    let manifest = json!({
        "format_version": 1,
        "model": {"architecture": "lstm-ae", "window_len": 16 * u32::from(number)},
        "detector": {
            "pipeline": {"channels": [{"name": "flow"}, {"name": "speed"}]},
            "causal": {"threshold": 0.1234567890123},
        },
    });
    Bundle {
        manifest: manifest.to_string().into_bytes(),
        weights: vec![number; 4],
    }
}

#[test]
fn all_versions_are_listed_with_what_their_summaries_say() {
    let fixture = Fixture::new();
    let (_, stdout, _) = fixture.run(&["list", "--format", "csv"]);
    let bytes = fs::metadata(fixture.dir.path().join("models/pump/1.bellwether"))
        .unwrap()
        .len();
    assert_eq!(
        stdout,
        format!(
            "name,version,champion,aliases,created_at,bytes,architecture,channels,window,threshold\n\
             pump,1,true,,1970-01-01T00:00:01Z,{bytes},lstm-ae,2,16,\n\
             pump,2,false,,1970-01-01T00:00:02Z,{bytes},lstm-ae,2,32,\n\
             pump,3,false,canary,1970-01-01T00:00:03Z,{bytes},lstm-ae,2,48,\n"
        )
    );
    let document = fixture.json(&["list"]);
    assert_eq!(document["models"][0]["name"], "pump");
    assert_eq!(document["models"][0]["champion"], 1);
    assert_eq!(document["models"][0]["versions"][2]["aliases"], json!(["canary"]));
    assert_eq!(document["models"][0]["versions"][0]["summary"]["window"], 16);
    let (_, table, _) = fixture.run(&["list"]);
    assert_eq!(table.matches('✓').count(), 1, "{table}");

    Fixture::empty().check(
        &["list"],
        0,
        "no models in models; train one: bellwether train DATA --name NAME",
    );
}

#[test]
fn a_damaged_index_is_told_and_hides_no_other_model() {
    let fixture = Fixture::new();
    fs::create_dir(fixture.dir.path().join("models/fan")).unwrap();
    fs::write(fixture.dir.path().join("models/fan/index.json"), "{").unwrap();
    let (code, stdout, stderr) = fixture.run(&["list", "--format", "ndjson"]);
    assert_eq!((code, stdout.lines().count()), (Some(1), 3));
    assert!(stderr.contains("1 of 2 models cannot be read"), "{stderr}");
}

#[test]
fn a_version_is_shown_with_its_manifest() {
    let fixture = Fixture::new();
    let document = fixture.json(&["show", "pump@canary"]);
    assert_eq!(document["version"], 3);
    assert_eq!(document["is_champion"], false);
    assert_eq!(document["history"][0]["action"], "published");
    assert_eq!(document["manifest"]["model"]["window_len"], 48);

    let (_, csv, _) = fixture.run(&["show", "pump", "--format", "csv"]);
    for line in [
        "version,1",
        "is_champion,true",
        "manifest.model.architecture,lstm-ae",
        "manifest.detector.causal.threshold,0.1234567890123",
        "manifest.detector.pipeline.channels[1],speed",
    ] {
        assert!(csv.lines().any(|found| found == line), "{line} is not in {csv}");
    }
}

#[test]
fn the_champion_is_promoted_and_rolled_back() {
    let fixture = Fixture::new();
    let champion = || fixture.json(&["list"])["models"][0]["champion"].clone();
    fixture.check(&["promote", "pump@2"], 0, "pump is now pump@2, before pump@1");
    assert_eq!(champion(), 2);
    fixture.check(&["promote", "pump@2"], 0, "pump@2 is the champion already");
    assert_eq!(
        fixture.json(&["promote", "pump@canary"]),
        json!({"name": "pump", "from": 2, "to": 3})
    );
    fixture.check(&["rollback", "pump"], 0, "pump is again pump@2, before pump@3");
    assert_eq!(champion(), 2);
    assert_eq!(fixture.json(&["rollback", "pump"])["to"], 1);
    fixture.check(&["rollback", "pump"], 1, "pump has no champion before version 1");
}

#[test]
fn a_version_is_removed_by_its_number_when_nothing_names_it() {
    let fixture = Fixture::new();
    fixture.check(&["remove", "pump@1"], 1, "pump@1 is named by champion");
    fixture.check(&["remove", "pump@3"], 1, "pump@3 is named by canary");
    fixture.check(
        &["remove", "pump@canary"],
        2,
        "which version? pump@canary is pump@3 now",
    );
    fixture.check(&["remove", "pump@2"], 0, "pump@2 is removed");
    assert!(!fixture.dir.path().join("models/pump/2.bellwether").exists());
    fixture.check(&["remove", "pump@2"], 1, "pump has no version 2");
}

#[test]
fn unknown_names_are_told_with_those_that_are_near() {
    let fixture = Fixture::new();
    fixture.check(
        &["show", "pumps"],
        1,
        "no model pumps in models; did you mean pump?",
    );
    fixture.check(
        &["show", "pump@canry"],
        1,
        "pump has no alias canry; did you mean canary?",
    );
    fixture.check(&["promote", "pump@9"], 1, "pump has no version 9; it has 1, 2, 3");
    fixture.check(&["rollback", "fan"], 1, "no model fan in models; it has pump");
    fixture.check(&["remove", "fan"], 1, "no model fan");
    fixture.check(&["verify", "pomp"], 1, "did you mean pump?");
    fixture.check(&["export", "fan", "fan.bellwether"], 1, "no model fan");
    fixture.check(
        &["import", "none.bellwether", "--name", "fan"],
        1,
        "none.bellwether",
    );
    fixture.check(&["show", "Pump!"], 2, "not a model");
    fixture.check(&["promote", "pump@0"], 2, "not a model");
}

#[test]
fn verification_trips_where_a_file_is_not_as_published() {
    let fixture = Fixture::new();
    fixture.check(&["verify"], 0, "3 versions checked, all as published");
    let models = fixture.dir.path().join("models/pump");
    fs::remove_file(models.join("2.bellwether")).unwrap();
    let mut bytes = fs::read(models.join("3.bellwether")).unwrap();
    bytes[100] ^= 1;
    fs::write(models.join("3.bellwether"), &bytes).unwrap();
    fs::write(models.join("9.bellwether"), &bytes).unwrap();

    let (code, stdout, stderr) = fixture.run(&["verify", "pump", "--format", "json"]);
    assert_eq!(code, Some(3), "{stderr}");
    assert!(stderr.contains("2 problems in 3 versions"), "{stderr}");
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        (&report["versions"], &report["is_sound"]),
        (&json!(3), &json!(false))
    );
    let problem = |idx: usize| report["problems"][idx].as_str().unwrap();
    assert!(
        problem(0).contains("the file of pump@2 is gone"),
        "{}",
        problem(0)
    );
    assert!(
        problem(1).contains("was changed since pump@3 was published"),
        "{}",
        problem(1)
    );
    assert_eq!(report["orphans"], json!(["models/pump/9.bellwether"]));
    let (code, table, _) = fixture.run(&["verify"]);
    assert_eq!(code, Some(3));
    assert_eq!(table.matches("problem").count(), 2, "{table}");
}

#[test]
fn a_version_travels_through_a_file() {
    let fixture = Fixture::new();
    fixture.check(
        &["export", "pump@2", "two.bellwether"],
        0,
        "pump@2 is written to two.bellwether",
    );
    let published = fs::read(fixture.dir.path().join("models/pump/2.bellwether")).unwrap();
    assert_eq!(
        fs::read(fixture.dir.path().join("two.bellwether")).unwrap(),
        published
    );
    assert_eq!(
        fixture.json(&["show", "two.bellwether"])["manifest"]["model"]["window_len"],
        32
    );

    fixture.check(
        &["import", "two.bellwether", "--name", "fan"],
        0,
        "fan@1 is published and the champion",
    );
    fixture.check(
        &["import", "two.bellwether", "--name", "pump"],
        0,
        "pump@4 is published; pump is still pump@1, to change that: bellwether models promote pump@4",
    );
    // The list knows of an imported model what its manifest says.
    let (_, list, _) = fixture.run(&["list", "--format", "csv"]);
    assert!(list.contains(",lstm-ae,2,32,0.1234567890123\n"), "{list}");
    assert_eq!(
        fs::read(fixture.dir.path().join("models/fan/1.bellwether")).unwrap(),
        published
    );
}

#[test]
fn a_version_travels_through_a_pipe() {
    let fixture = Fixture::new();
    let run = |args: &[&str], stdin: Vec<u8>| {
        let mut command = cargo_bin_cmd!("bellwether");
        command
            .current_dir(fixture.dir.path())
            .args(["models", "--registry", "models"])
            .args(args);
        command.write_stdin(stdin).output().unwrap()
    };
    let exported = run(&["export", "pump@3", "-"], Vec::new());
    assert!(exported.status.success());
    assert!(
        run(&["import", "-", "--name", "fan"], exported.stdout)
            .status
            .success()
    );
    let models = fixture.dir.path().join("models");
    assert_eq!(
        fs::read(models.join("fan/1.bellwether")).unwrap(),
        fs::read(models.join("pump/3.bellwether")).unwrap()
    );
}
