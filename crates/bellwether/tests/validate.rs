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

/// The formats that data are written in here, `data.` before them; `long.csv` has a row per value.
const FORMATS: [&str; 7] = ["csv", "tsv", "jsonl", "parquet", "arrow", "lp", "long.csv"];

/// The same rows in that format; text that is no number goes into formats with cells of text alone.
fn write_as(path: &Path, format: &str, rows: &[[String; 4]]) {
    use bellwether_store::write::{Cell, Column, ColumnKind, TableFormat, TableWriter};
    let names = ["temp_c", "flow", "pump_on"];
    let (table, is_long) = match format.strip_prefix("long.") {
        Some(format) => (format, true),
        None => (format, false),
    };
    let table = TableFormat::of_path(Path::new(&format!("x.{table}"))).unwrap();
    let mut columns = vec![
        Column::new("timestamp", ColumnKind::Text),
        Column::new("device", ColumnKind::Text),
    ];
    if is_long {
        columns.push(Column::new("channel", ColumnKind::Text));
        columns.push(Column::new("value", ColumnKind::Real).optional());
    } else {
        columns.extend(names.map(|name| Column::new(name, ColumnKind::Real).optional()));
    }
    let mut out = TableWriter::new(Vec::new(), table, columns).unwrap();
    for row in rows {
        let values: Vec<Cell<'_>> = row[1..]
            .iter()
            .map(|cell| cell.parse().map_or(Cell::Missing, Cell::Real))
            .collect();
        let head = [Cell::Text(&row[0]), Cell::Text("pump")];
        if !is_long {
            out.row(&[&head[..], &values[..]].concat()).unwrap();
            continue;
        }
        for (name, value) in names.iter().zip(values) {
            out.row(&[head[0], head[1], Cell::Text(name), value]).unwrap();
        }
    }
    fs::write(path, out.finish().unwrap()).unwrap();
}

/// Rows with late ones, one that stands twice, a gap and cells without a value.
fn untidy() -> Vec<[String; 4]> {
    let mut rows = clean(2000);
    rows.swap(40, 42);
    rows.swap(700, 701);
    rows.insert(60, rows[59].clone());
    rows.drain(900..930);
    rows[100][1] = String::new();
    for row in &mut rows[1200..1220] {
        row[2] = String::new();
    }
    for idx in 1500..1600 {
        rows[idx][1] = rows[1499][1].clone();
    }
    rows
}

/// What is said, without the rows, which are others where a row holds one value.
fn said(document: &Value) -> Vec<(String, String, u64, String)> {
    let findings = document["series"][0]["findings"].as_array().unwrap();
    let text = |of: &Value| of.as_str().unwrap_or_default().to_owned();
    findings
        .iter()
        .map(|of| {
            let count = of["count"].as_u64().unwrap();
            (
                text(&of["check"]),
                text(&of["channel"]),
                count,
                text(&of["fault"]),
            )
        })
        .collect()
}

#[test]
fn the_same_defects_are_found_in_every_format() {
    let own = tempfile::tempdir().unwrap();
    let mut first = None;
    for format in FORMATS {
        let name = format!("data.{format}");
        write_as(&own.path().join(&name), format, &untidy());
        let ran = bellwether(own.path(), &format!("validate {name} --format json")).ends(3);
        let mut found = said(&json(&ran.stdout));
        // Each value of a row that stands twice is a row there.
        for (check, _, count, _) in &mut found {
            if format == "long.csv" && check == "repeated-time" {
                assert_eq!(*count, 3);
                *count = 1;
            }
        }
        for check in ["late-row", "repeated-time", "gap", "dropout", "stuck"] {
            assert!(
                found.iter().any(|of| of.0 == check),
                "{format}: no {check} in {found:?}"
            );
        }
        assert_eq!(first.get_or_insert_with(|| found.clone()), &found, "{format}");
    }
}

#[test]
fn data_are_mended_from_every_format_into_every_format() {
    let own = tempfile::tempdir().unwrap();
    let written: [&str; 6] = ["csv", "tsv", "jsonl", "parquet", "arrow", "lp.gz"];
    for format in FORMATS {
        let name = format!("data.{format}");
        write_as(&own.path().join(&name), format, &untidy());
        for to in written {
            let ran = bellwether(
                own.path(),
                &format!("validate {name} --fix -o mended.{to} --format json"),
            );
            let document = json(&ran.ends(0).stdout);
            let found = said(&document);
            for check in [
                "late-row",
                "repeated-time",
                "not-a-number",
                "infinite",
                "unreadable-row",
            ] {
                assert!(found.iter().all(|of| of.0 != check), "{format} to {to}: {check}");
            }
            assert_eq!(document["series"][0]["series"], "pump", "{format} to {to}");
            assert_eq!(document["series"][0]["time"]["first"], "2024-01-01T00:00:00Z");
            // Nothing but what had to go is gone.
            let n_rows = if format == "long.csv" && to != "lp.gz" {
                1970
            } else {
                document["series"][0]["n_rows"].as_u64().unwrap()
            };
            assert_eq!(n_rows, 1970, "{format} to {to}");
            bellwether(own.path(), &format!("validate mended.{to}")).ends(0);
        }
    }
}

#[test]
fn several_series_stay_several_where_they_are_mended_and_their_times_may_be_local() {
    let own = tempfile::tempdir().unwrap();
    let mut text = "when,unit,channel,value,note\n".to_owned();
    for (idx, row) in clean(300).iter().enumerate() {
        for unit in ["x", "y"] {
            let time = row[0].trim_end_matches('Z').replace('T', " ");
            let value = if unit == "y" && idx == 200 { "Bad" } else { &row[1] };
            writeln!(text, "{time},{unit},temp_c,{value},n{idx}").unwrap();
            writeln!(text, "{time},{unit},flow,{},n{idx}", row[2]).unwrap();
        }
    }
    fs::write(own.path().join("fleet.csv"), text).unwrap();
    let reading = "--time-column when --series-column unit --ignore-column note --timezone Europe/Berlin";
    bellwether(own.path(), &format!("validate fleet.csv {reading}")).ends(3);
    for to in ["csv", "parquet", "lp"] {
        let ran = bellwether(
            own.path(),
            &format!("validate fleet.csv {reading} --fix -o mended.{to} --format json"),
        );
        let document = json(&ran.ends(0).stdout);
        assert_eq!(document["series"][0]["series"], "x");
        assert_eq!(document["series"][1]["series"], "y");
        assert_eq!(document["series"][1]["time"]["first"], "2023-12-31T23:00:00Z");
        assert_eq!(document["series"][1]["n_rows"], 300);
        let list = fs::read_to_string(own.path().join("mended.repairs.csv")).unwrap();
        let lines: Vec<&str> = list.lines().collect();
        assert_eq!(lines[0], "row,series,time,channel,was,now,why");
        assert!(
            lines[1].starts_with("803,y,2024-01-01T02:20:00Z,temp_c,Bad,,not-a-number"),
            "{list}"
        );
        assert!(lines[2].contains(",interpolated"), "{list}");
    }
}
