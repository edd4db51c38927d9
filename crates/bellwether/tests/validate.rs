//! `bellwether validate` as people run it: what it finds, contracts, mending, reports.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![expect(clippy::disallowed_methods, reason = "the tests look at what is on the disk")]

mod shared;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;
use shared::bellwether;
use tempfile::TempDir;

/// Three channels of a pump, a row a minute.
fn clean(n: usize) -> Vec<[String; 4]> {
    let noise = |row: usize, channel: usize| {
        ((row * 7919 + channel * 104_729 + row * row % 613) % 1009) as f64 / 1009.0
    };
    let row = |idx: usize| {
        let load = (idx as f64 / 97.0).sin();
        [
            format!(
                "2024-01-{:02}T{:02}:{:02}:00Z",
                1 + idx / 1440,
                idx / 60 % 24,
                idx % 60
            ),
            format!("{:.3}", 20.0 + 5.0 * load + noise(idx, 0)),
            format!("{:.3}", 3.0 + load + 0.1 * noise(idx, 1)),
            (idx / 300 % 2).to_string(),
        ]
    };
    (0..n).map(row).collect()
}

fn write(path: &Path, rows: &[[String; 4]]) {
    let mut text = "timestamp,temp_c,flow,pump_on\n".to_owned();
    for row in rows {
        writeln!(text, "{}", row.join(",")).unwrap();
    }
    fs::write(path, text).unwrap();
}

/// A folder with `data.csv`, changed.
fn folder(change: impl FnOnce(&mut Vec<[String; 4]>)) -> TempDir {
    let own = tempfile::tempdir().unwrap();
    let mut rows = clean(2000);
    change(&mut rows);
    write(&own.path().join("data.csv"), &rows);
    own
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The finding of that check and channel.
fn find<'a>(document: &'a Value, check: &str, channel: Option<&str>) -> &'a Value {
    let findings = document["series"][0]["findings"].as_array().unwrap();
    findings
        .iter()
        .find(|finding| finding["check"] == check && finding["channel"].as_str() == channel)
        .unwrap_or_else(|| panic!("no {check} of {channel:?}: {document:#}"))
}

#[test]
fn clean_data_are_fit_for_use_in_every_form() {
    let own = folder(|_| ());
    let ran = bellwether(own.path(), "validate data.csv --level strict --format json").ends(0);
    let document = json(&ran.stdout);
    assert_eq!(
        (&document["is_valid"], &document["n_warnings"]),
        (&Value::Bool(true), &Value::from(0))
    );
    assert_eq!(document["series"][0]["time"]["cadence_s"], 60.0);
    assert_eq!(document["series"][0]["channels"][0]["unit"], "°C");
    assert_eq!(document["series"][0]["channels"][0]["verdict"], "good");
    bellwether(own.path(), "validate data.csv")
        .ends(0)
        .says(&["fit for use"]);
    for format in ["csv", "ndjson"] {
        bellwether(own.path(), &format!("validate data.csv --format {format}")).ends(0);
    }
    bellwether(own.path(), "validate data.csv --level sloppy")
        .ends(2)
        .says(&["strict, moderate, permissive"]);
    bellwether(own.path(), "validate").ends(2);
    bellwether(own.path(), "validate data.csv --fix").ends(2);
    bellwether(own.path(), "validate data.csv --report r.pdf")
        .ends(2)
        .says(&["FILE.html"]);
    bellwether(own.path(), "validate none.csv").ends(1);
}

#[test]
fn defects_are_told_with_their_rows_and_say_no() {
    let own = folder(|rows| {
        rows[10][1] = "inf".to_owned();
        rows[20][2] = "broken".to_owned();
        rows[30][0] = "yesterday".to_owned();
        rows.swap(40, 50);
        for idx in 1000..1100 {
            rows[idx][2] = rows[999][2].clone();
        }
    });
    let ran = bellwether(own.path(), "validate data.csv --format json").ends(3);
    let document = json(&ran.stdout);
    assert_eq!(find(&document, "infinite", Some("temp_c"))["cases"][0]["row"], 11);
    assert_eq!(
        find(&document, "not-a-number", Some("flow"))["cases"][0]["row"],
        21
    );
    assert_eq!(find(&document, "unreadable-row", None)["cases"][0]["row"], 31);
    assert!(ran.stderr.contains("data.csv, line 32"), "{}", ran.stderr);
    assert_eq!(find(&document, "stuck", Some("flow"))["fault"], "sensor");
    find(&document, "late-row", None);
    let table = bellwether(own.path(), "validate data.csv").ends(3);
    assert!(table.stdout.contains("not-a-number") && table.stdout.contains("bad"));
    let csv = bellwether(own.path(), "validate data.csv --format csv")
        .ends(3)
        .stdout;
    assert!(
        csv.starts_with("series,channel,severity,check,fault,count,row,time,message,advice\n"),
        "{csv}"
    );
}

#[test]
fn a_contract_is_learnt_and_holds_what_it_learnt_from_and_refuses_what_is_shifted() {
    let own = folder(|_| ());
    bellwether(own.path(), "validate data.csv --learn contract.toml").ends(0);
    let learnt = fs::read_to_string(own.path().join("contract.toml")).unwrap();
    assert!(learnt.contains("[channels.temp_c]\nunit = \"°C\""), "{learnt}");
    assert!(learnt.contains("states = [0.0, 1.0]"), "{learnt}");
    // The same on stdout, as features have it.
    assert_eq!(
        bellwether(own.path(), "validate --learn data.csv").ends(0).stdout,
        learnt
    );
    assert_eq!(
        bellwether(own.path(), "validate data.csv --learn -")
            .ends(0)
            .stdout,
        learnt
    );
    bellwether(
        own.path(),
        "validate data.csv --contract contract.toml --level strict",
    )
    .ends(0);

    let shifted = folder(|rows| {
        for row in rows.iter_mut() {
            row[1] = (row[1].parse::<f64>().unwrap() + 6.0).to_string();
        }
    });
    fs::write(
        shifted.path().join("contract.toml"),
        learnt + "\n[[rules]]\nname = \"runs\"\ncondition = \"flow > 3.9 => pump_on == 1\"\n",
    )
    .unwrap();
    let ran = bellwether(
        shifted.path(),
        "validate data.csv --contract contract.toml --format json",
    )
    .ends(3);
    let document = json(&ran.stdout);
    let range = find(&document, "range", Some("temp_c"));
    assert_eq!(range["severity"], "error");
    assert!(range["cases"][0]["value"].as_f64().unwrap() > 26.0, "{range}");
    assert!(
        find(&document, "rule", None)["message"]
            .as_str()
            .unwrap()
            .contains("\"runs\"")
    );

    fs::write(
        shifted.path().join("wrong.toml"),
        "version = 1\n[channels.temp_c]\nmaxi = 3\n",
    )
    .unwrap();
    let ran = bellwether(shifted.path(), "validate data.csv --contract wrong.toml").ends(78);
    ran.says(&["wrong.toml:3:1", "did you mean"]);
}

#[test]
fn what_is_mended_is_valid_and_every_repair_is_listed() {
    let own = folder(|rows| {
        rows[10][1] = "inf".to_owned();
        rows[20][2] = "broken".to_owned();
        rows[30][0] = "yesterday".to_owned();
        rows.swap(40, 50);
        rows[60][0] = rows[59][0].clone();
        rows[70][1] = "900".to_owned();
        for row in &mut rows[80..90] {
            row[2] = String::new();
        }
    });
    let good = folder(|_| ());
    bellwether(good.path(), "validate data.csv --learn contract.toml").ends(0);
    fs::copy(
        good.path().join("contract.toml"),
        own.path().join("contract.toml"),
    )
    .unwrap();
    bellwether(own.path(), "validate data.csv --contract contract.toml").ends(3);
    let ran = bellwether(
        own.path(),
        "validate data.csv --contract contract.toml --fix -o mended.csv --format json",
    )
    .ends(0);
    let document = json(&ran.stdout);
    assert_eq!(document["repairs"]["list"], "mended.repairs.csv");
    let list = fs::read_to_string(own.path().join("mended.repairs.csv")).unwrap();
    for line in [
        "row,time,channel,was,now,why",
        "11,2024-01-01T00:10:00Z,temp_c,inf,,infinite",
        "21,2024-01-01T00:20:00Z,flow,broken,,not-a-number",
        "31,,,,,unreadable-row",
        "61,2024-01-01T00:59:00Z,,,,repeated-time",
        "71,2024-01-01T01:10:00Z,temp_c,900,,range",
    ] {
        assert!(list.lines().any(|found| found == line), "{line:?} in {list}");
    }
    assert!(
        list.contains("flow,,") && list.contains(",interpolated"),
        "{list}"
    );
    // Ten empty cells in a row are too many to be filled, and stay so; untouched cells stay as they were written.
    let mended = fs::read_to_string(own.path().join("mended.csv")).unwrap();
    assert_eq!(mended.lines().count(), 2000 + 1 - 2);
    let empty = mended
        .lines()
        .filter(|line| line.split(',').nth(2) == Some(""))
        .count();
    assert_eq!(empty, 10);
    let data = fs::read_to_string(own.path().join("data.csv")).unwrap();
    assert_eq!(mended.lines().nth(1), data.lines().nth(1));
    bellwether(own.path(), "validate mended.csv --contract contract.toml").ends(0);
    // What is valid is left as it is, byte for byte.
    bellwether(
        own.path(),
        "validate mended.csv --contract contract.toml --fix -o again.csv",
    )
    .ends(0);
    assert_eq!(fs::read_to_string(own.path().join("again.csv")).unwrap(), mended);
    bellwether(own.path(), "validate data.csv --fix -o data.csv").ends(2);
}

#[test]
fn reports_are_complete_in_themselves_and_names_stay_names() {
    let own = folder(|rows| rows[10][1] = "inf".to_owned());
    let data = fs::read_to_string(own.path().join("data.csv")).unwrap();
    let data = data.replacen("flow", "<script>alert(1)</script>|x", 1);
    fs::write(own.path().join("data.csv"), data).unwrap();
    for report in ["r.html", "r.md", "r.json"] {
        bellwether(own.path(), &format!("validate data.csv --report {report}")).ends(3);
    }
    let page = fs::read_to_string(own.path().join("r.html")).unwrap();
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;"));
    for load in ["http:", "https:", "=\"//", "@import"] {
        assert!(!page.contains(load), "the page has {load:?}");
    }
    assert!(page.contains("<svg class=\"spark\""));
    let text = fs::read_to_string(own.path().join("r.md")).unwrap();
    assert!(text.contains("\\|x") && text.contains("| error |"), "{text}");
    assert_eq!(
        json(&fs::read_to_string(own.path().join("r.json")).unwrap())["format"],
        "bellwether-validation"
    );
}

#[test]
fn several_series_are_told_apart() {
    let own = tempfile::tempdir().unwrap();
    let mut text = "timestamp,device,a,b\n".to_owned();
    for (idx, row) in clean(500).iter().enumerate() {
        for device in ["x", "y"] {
            let a = if device == "y" && (200..260).contains(&idx) {
                ""
            } else {
                &row[1]
            };
            writeln!(text, "{},{device},{a},{}", row[0], row[2]).unwrap();
        }
    }
    fs::write(own.path().join("fleet.csv"), text).unwrap();
    let ran = bellwether(own.path(), "validate fleet.csv --format ndjson").ends(0);
    let findings: Vec<Value> = ran.stdout.lines().map(json).collect();
    assert!(
        findings.iter().all(|finding| finding["series"] == "y"),
        "{findings:?}"
    );
    assert!(
        findings
            .iter()
            .any(|finding| finding["check"] == "dropout" && finding["fault"] == "sensor")
    );
}
