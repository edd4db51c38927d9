//! What the configuration promises.

mod addresses;
mod mistakes;
mod pages;
mod secrets;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use bellwether_store::disk;

use super::checked::{ChannelSpec, OutputSpec, SourceSpec};
use super::*;

/// A folder with `live.toml` of this text.
fn folder(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("live.toml");
    disk::write_atomic(&path, text.as_bytes()).unwrap();
    (folder, path)
}

fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// Loads a text as a file; in errors the file is `live.toml`.
fn loaded(text: &str, variables: &[(&str, &str)], flags: &Overrides) -> Result<Loaded, String> {
    let (folder, path) = folder(text);
    load(Some(&path), &env(variables), flags).map_err(|error| {
        error
            .to_string()
            .replace(&format!("{}/", folder.path().display()), "")
    })
}

#[test]
fn nothing_said_is_the_defaults_of_the_live_system() {
    let loaded = load(None, &BTreeMap::new(), &Overrides::default()).unwrap();
    let threads = loaded.checked.settings.n_threads;
    let expect = bellwether_stream::live::Settings {
        n_threads: threads,
        ..Default::default()
    };
    assert_eq!(loaded.checked.settings, expect);
    assert_eq!(loaded.checked.delivery, Default::default());
    assert_eq!(*loaded.checked.devices.of("x"), Default::default());
    assert_eq!(*loaded.checked.alerts.of("x"), Default::default());
    assert!(loaded.checked.sources.is_empty());
}

#[test]
fn a_flag_wins_over_a_variable_over_the_file_over_the_default() {
    let variable = [("BELLWETHER_STREAM__LATENESS", "2m")];
    let mut flag = Overrides::default();
    flag.set("--lateness", "stream.lateness", "3m");
    let file = "[stream]\nlateness = \"1m\"\n";
    let none = Overrides::default();
    let check = |text: &str, variables: &[(&str, &str)], flags: &Overrides, minutes: u64, origin: &str| {
        let loaded = loaded(text, variables, flags).unwrap();
        let lateness = loaded.checked.devices.of("x").lateness;
        assert_eq!(lateness, Duration::from_secs(60 * minutes));
        let said = loaded.effective.origins.of("stream.lateness").brief();
        assert!(said.ends_with(origin), "{said} is not {origin}");
    };
    check("", &[], &none, 0, "default");
    check(file, &[], &none, 1, "live.toml:2");
    check(file, &variable, &none, 2, "env BELLWETHER_STREAM__LATENESS");
    check(file, &variable, &flag, 3, "flag --lateness");
}

#[test]
fn variables_become_what_their_key_wants() {
    let variables = [
        ("BELLWETHER_STREAM__THREADS", "3"),
        ("BELLWETHER_ALERTS__LATCH", "true"),
        ("BELLWETHER_ALERTS__SEVERITY_MIN", "12.5"),
        ("BELLWETHER_STORAGE__URL", "postgres://u@h/d"),
        ("BELLWETHER_STORAGE__PASSWORD__ENV", "PW"),
        ("BELLWETHER_LOG__LEVEL", ""),
        ("BELLWETHER_HOME", "/nowhere"),
        ("PW", "secret"),
    ];
    let checked = loaded(
        "[storage]\npassword = { file = \"not there\" }",
        &variables,
        &Overrides::default(),
    )
    .unwrap()
    .checked;
    assert_eq!(checked.settings.n_threads, 3);
    assert!(checked.alerts.of("x").latch);
    assert_eq!(checked.alerts.of("x").severity_min.to_bits(), 12.5_f64.to_bits());
    let Some(checked::DatabaseSpec::Postgres { password, .. }) = checked.database else {
        panic!("a PostgreSQL database");
    };
    assert_eq!(password.unwrap().reveal(), "secret");
    let short = loaded(
        "[stream]\nthreads = 1",
        &[("BELLWETHER_THREADS", "2")],
        &Overrides::default(),
    );
    assert_eq!(short.unwrap().checked.settings.n_threads, 2);
}

#[test]
fn the_first_pattern_counts_and_what_it_leaves_open_is_as_for_all() {
    let text = r#"
[stream]
lateness = "1m"
[alerts]
hold = "10s"
[[alerts.channels]]
type = "webhook"
url = "http://h/x"
[[devices]]
match = "pump-7"
silence = "5m"
alerts = { channels = ["webhook"], repeat = "never" }
[[devices]]
match = "pump-*"
lateness = "9m"
"#;
    let checked = loaded(text, &[], &Overrides::default()).unwrap().checked;
    let seconds = |device: &str| checked.devices.of(device).lateness.as_secs();
    assert_eq!(
        [seconds("pump-7"), seconds("pump-8"), seconds("x")],
        [60, 540, 60]
    );
    let rules = checked.alerts.of("pump-7");
    assert_eq!(rules.hold, Duration::from_secs(10));
    assert_eq!(
        (rules.repeat, rules.channels.as_deref()),
        (None, Some(&["webhook".to_owned()][..]))
    );
    assert_eq!(checked.alerts.of("pump-8").channels, None);
}

#[test]
fn paths_are_relative_to_what_names_them() {
    let text =
        "[storage]\nurl = \"sqlite:live.db\"\nhistory = \"/var/h\"\n[models]\ndefault = \"./m.bellwether\"\n";
    let (folder, path) = folder(text);
    let loaded = load(Some(&path), &BTreeMap::new(), &Overrides::default())
        .unwrap()
        .checked;
    let expect = checked::DatabaseSpec::Sqlite {
        path: folder.path().join("live.db"),
    };
    assert_eq!(loaded.database, Some(expect));
    assert_eq!(loaded.settings.history, Some(PathBuf::from("/var/h")));
    let model = loaded.models.of("x").as_ref().unwrap().to_string();
    assert!(model.starts_with(folder.path().to_str().unwrap()), "{model}");

    let mut flags = Overrides::default();
    flags.set("--history", "storage.history", "here");
    let loaded = load(Some(&path), &BTreeMap::new(), &flags).unwrap().checked;
    assert_eq!(loaded.settings.history, Some(PathBuf::from("here")));
}

#[test]
fn what_a_reload_changed_is_seen() {
    let text = "[models]\ndefault = \"pump\"\n[[devices]]\nmatch = \"a-*\"\nlateness = \"1m\"\n";
    let load = |text: &str| loaded(text, &[], &Overrides::default()).unwrap().checked;
    assert_eq!(load(text), load(&format!("# a comment\n{text}")));
    for (from, to) in [("pump", "boiler"), ("a-*", "b-*"), ("1m", "2m")] {
        assert_ne!(load(text), load(&text.replace(from, to)), "{to}");
    }
}

#[test]
fn what_is_shown_loads_to_the_same() {
    for (example, variables) in pages::examples() {
        let (folder, path) = folder(&example);
        pages::write_secrets(&folder);
        let first = load(Some(&path), &variables, &Overrides::default()).unwrap();
        for with_origins in [false, true] {
            disk::write_atomic(&path, show::toml(&first.effective, with_origins).as_bytes()).unwrap();
            let again = load(Some(&path), &variables, &Overrides::default()).unwrap();
            assert_eq!(again.checked, first.checked);
        }
    }
}

#[test]
fn addresses_replace_what_the_file_says() {
    let text = r#"
[[sources]]
type = "stdin"
[[outputs]]
type = "stdout"
[[alerts.channels]]
type = "webhook"
name = "night"
url = "http://h/x"
[[devices]]
match = "*"
alerts = { channels = ["night"] }
"#;
    let mut flags = Overrides::default();
    flags.from("a.csv");
    flags.to("https://h/y");
    let checked = loaded(text, &[], &flags).unwrap().checked;
    let names: Vec<&str> = checked.sources.iter().map(SourceSpec::name).collect();
    assert_eq!(names, ["file:a.csv"]);
    assert!(checked.outputs.is_empty());
    let channels: Vec<&str> = checked.channels.iter().map(ChannelSpec::name).collect();
    assert_eq!(channels, ["webhook"]);
    assert_eq!(checked.alerts.of("x").channels, Some(Vec::new()));
    assert!(
        matches!(&checked.sources[0], SourceSpec::Text(spec) if spec.path == Some(PathBuf::from("a.csv")))
    );
    let outputs = loaded(text, &[], &Overrides::default()).unwrap().checked.outputs;
    assert!(matches!(&outputs[..], [OutputSpec::Text(spec)] if spec.path.is_none()));
}
