//! Features, modes, grids and clocks from training over the bundle to `detect` and `stream`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![expect(clippy::disallowed_methods, reason = "the tests make and look at files")]

mod shared;

use std::fs;
use std::path::Path;

use shared::{bellwether, bellwether_fed};

const MODEL: &str = "--model-family linear --registry models";

/// Ten hours of a pump, a row a minute: it stands still for the last twelve of every sixty rows.
fn pump(folder: &Path, name: &str, n_rows: usize, fault: Option<std::ops::Range<usize>>) {
    let mut text = String::from("timestamp,rpm,flow,valve\n");
    for row in 0..n_rows {
        let is_on = row % 60 < 48;
        let wave = (row as f64 * 0.21).sin();
        let noise = f64::from((row * 7919 % 101) as u32) / 101.0;
        let off = fault.as_ref().is_some_and(|rows| rows.contains(&row));
        let rpm = if is_on { 1000.0 + 20.0 * wave } else { 0.0 };
        // What it does while it stands still is wild and must not matter.
        let flow = if is_on {
            5.0 + wave + 0.1 * noise
        } else {
            40.0 * noise
        };
        let flow = if off { flow + 6.0 } else { flow };
        let (hour, minute) = (row / 60 % 24, row % 60);
        let day = 1 + row / 1440;
        text += &format!(
            "2024-03-{day:02} {hour:02}:{minute:02}:00,{rpm},{flow},{}\n",
            row / 30 % 2
        );
    }
    fs::write(folder.join(name), text).unwrap();
}

fn train(folder: &Path, name: &str, arguments: &[&str]) -> shared::Ran {
    pump(folder, "train.csv", 1200, None);
    let line = format!("train train.csv --name {name} {MODEL}");
    shared::bellwether_with(folder, &line, arguments)
}

fn column<'a>(table: &'a str, name: &str) -> Vec<&'a str> {
    let mut lines = table.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let idx = header.iter().position(|of| *of == name).unwrap();
    lines.map(|line| line.split(',').nth(idx).unwrap()).collect()
}

#[test]
fn what_is_out_of_operation_is_neither_learnt_nor_scored_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    train(
        folder,
        "pump",
        &["--mode-when", "rpm > 100", "--blank-after-start", "3m"],
    )
    .ends(0)
    .says(&["900 of 1200 training rows are in operation (while rpm > 100, but for 3 rows after a start)"]);
    pump(folder, "new.csv", 600, Some(200..215));
    let ran = bellwether(
        folder,
        "detect new.csv --model pump --registry models -o rows.csv --format json",
    )
    .ends(0);
    let rows = fs::read_to_string(folder.join("rows.csv")).unwrap();
    assert!(
        rows.starts_with("timestamp,score,is_anomaly,event,top_channel,top_share,reason,p_value\n"),
        "{rows}"
    );
    let (scores, reasons) = (column(&rows, "score"), column(&rows, "reason"));
    for (row, (score, reason)) in scores.iter().zip(&reasons).enumerate() {
        let expect = match row % 60 {
            0..3 => "starting",
            48.. => "not rpm > 100",
            _ => "",
        };
        assert_eq!(*reason, expect, "row {row}");
        assert!(expect.is_empty() || score.is_empty(), "row {row}");
    }
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(json["events"].as_array().unwrap().len(), 1, "{json}");
    assert_eq!(json["series"][0]["outside"], 150);
    assert_eq!(json["series"][0]["outside_reasons"]["starting"], 30);
    // A stream says the same, byte for byte.
    let input = fs::read(folder.join("new.csv")).unwrap();
    let line = "stream --model pump --registry models --from - --to - --format csv";
    let streamed = bellwether_fed(folder, line, &input).ends(0);
    let line = "detect - --model pump --registry models -o -";
    assert_eq!(
        streamed.stdout,
        bellwether_fed(folder, line, &input).ends(0).stdout
    );
    // A calendar comes beside it.
    fs::write(
        folder.join("calendar.csv"),
        "start,end,reason\n2024-03-01 01:00:00,2024-03-01 01:29:00,service\n",
    )
    .unwrap();
    let line = "detect new.csv --model pump --registry models --calendar calendar.csv -o rows.csv";
    bellwether(folder, line)
        .ends(0)
        .says(&["30 samples are outside of operation and have no score: service"]);
    let rows = fs::read_to_string(folder.join("rows.csv")).unwrap();
    assert_eq!(column(&rows, "reason")[60..90], ["service"; 30]);
}

#[test]
fn features_go_from_training_over_the_bundle_to_a_stream() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    fs::write(
        folder.join("features.toml"),
        "mode_when = \"rpm > 100\"\n\n[features]\nchange = \"diff(flow)\"\nflow = \"log(flow)\"\n\"time of day\" = \"daily(Europe/Berlin)\"\n",
    )
    .unwrap();
    train(
        folder,
        "pump",
        &[
            "--features",
            "features.toml",
            "--feature",
            "state = onehot(valve)",
            "--feature",
            "level = mean(flow, 10m)",
        ],
    )
    .ends(0);
    pump(folder, "new.csv", 600, Some(200..215));
    let line = "detect new.csv --model pump --registry models -o rows.csv --events events.csv --expected expected.csv --report report.html";
    bellwether(folder, line).ends(0);
    let rows = fs::read_to_string(folder.join("rows.csv")).unwrap();
    assert_eq!(rows.lines().count(), 1 + 600);
    let events = fs::read_to_string(folder.join("events.csv")).unwrap();
    assert!(events.lines().count() > 1 && events.contains("flow="), "{events}");
    let expected = fs::read_to_string(folder.join("expected.csv")).unwrap();
    for name in [
        "rpm",
        "flow",
        "valve",
        "change",
        "level",
        "time of day.sin",
        "state=1",
    ] {
        assert!(expected.contains(&format!(",{name},")), "{name}");
    }
    let input = fs::read(folder.join("new.csv")).unwrap();
    let line = "stream --model pump --registry models --from - --to - --format csv";
    let streamed = bellwether_fed(folder, line, &input).ends(0);
    let line = "detect - --model pump --registry models -o -";
    assert_eq!(
        streamed.stdout,
        bellwether_fed(folder, line, &input).ends(0).stdout
    );
    let refused = |arguments: &[&str], code: i32, text: &str| {
        train(folder, "other", arguments).ends(code).says(&[text]);
    };
    refused(&["--feature", "a = dif(flow)"], 2, "did you mean diff?");
    refused(
        &["--feature", "a = diff(flwo)"],
        1,
        "no channel \"flwo\" (did you mean \"flow\"?)",
    );
    refused(&["--mode-when", "rpm >"], 2, "--mode-when");
    refused(
        &["--mode-when", "rqm > 100"],
        1,
        "no channel \"rqm\" (did you mean \"rpm\"?)",
    );
    refused(
        &["--mode-when", "rpm > 5000"],
        1,
        "no training row is in operation",
    );
    fs::write(folder.join("bad.toml"), "[features]\na = \"lag(flow)\"\n").unwrap();
    refused(
        &["--features", "bad.toml"],
        2,
        "features.a: lag(flow): wanted lag(CHANNEL, LENGTH)",
    );
}

#[test]
fn a_grid_is_kept_with_the_model_and_streams_bring_samples_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let table = |n_rows: usize, fault: bool| {
        let mut text = String::from("timestamp,channel,value\n");
        for row in 0..n_rows {
            let at = |secs: usize| {
                format!(
                    "2024-03-01T{:02}:{:02}:{:02}Z",
                    secs / 3600,
                    secs / 60 % 60,
                    secs % 60
                )
            };
            let wave = (row as f64 * 0.3).sin()
                + if fault && (400..430).contains(&row) {
                    5.0
                } else {
                    0.0
                };
            text += &format!("{},flow,{wave}\n", at(10 * row + 3));
            if row % 6 == 0 {
                text += &format!("{},temp,{}\n", at(10 * row + 5), (row as f64 * 0.05).cos());
            }
        }
        text
    };
    fs::write(folder.join("train.csv"), table(2000, false)).unwrap();
    fs::write(folder.join("new.csv"), table(900, true)).unwrap();
    let line = format!("train train.csv --name plant {MODEL} --align 10s --max-fill 1m");
    bellwether(folder, &line).ends(0).says(&[
        "samples make 2000 every 10 s, previous for at most 60 s, outer",
        "channel \"temp\" is filled in 1666 of 2000 samples: these values count as missing",
    ]);
    let ran = bellwether(
        folder,
        "detect new.csv --model plant --registry models -o rows.csv --format json",
    )
    .ends(0)
    .says(&["samples make 900 every 10 s"]);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(json["series"][0]["samples"], 900);
    assert_eq!(json["series"][0]["filled"]["temp"], 750);
    assert_eq!(json["events"].as_array().unwrap().len(), 1, "{json}");
    // A row for each row of the input.
    let rows = fs::read_to_string(folder.join("rows.csv")).unwrap();
    assert_eq!(rows.lines().count(), 1 + 900 + 150);
    // Samples are brought to it as they come: a row for each instant, which is what rows of its step are told.
    let input = fs::read(folder.join("new.csv")).unwrap();
    let line = "stream --model plant --registry models --from - --to - --lateness 30s -q";
    let live = bellwether_fed(folder, line, &input).ends(0);
    let line = "detect - --model plant --registry models -o -";
    let whole = bellwether_fed(folder, line, &input).ends(0);
    let by_time = |text: &str, step: bool| -> std::collections::BTreeMap<usize, String> {
        let rows = text.lines().skip(1).map(|line| {
            let (time, rest) = line.split_once(',').unwrap();
            let part = |at: usize| time[at..at + 2].parse::<usize>().unwrap();
            let secs = 3600 * part(11) + 60 * part(14) + part(17);
            (if step { secs.div_ceil(10) * 10 } else { secs }, rest.to_owned())
        });
        rows.collect()
    };
    let got = by_time(&live.stdout, false);
    assert_eq!((live.stdout.lines().count(), got.len()), (901, 900));
    assert_eq!(got, by_time(&whole.stdout, true));
    bellwether(
        folder,
        "detect new.csv --model plant --registry models --fill mean",
    )
    .ends(2);
}

#[test]
fn clocks_of_a_zone_and_rows_out_of_order() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    // Four hours around the end of summer time, a row a minute.
    let mut rows: Vec<String> = Vec::new();
    for minute in 0..240 {
        let shown = if minute < 120 { minute } else { minute - 60 };
        let (hour, value) = (1 + shown / 60, (f64::from(minute) * 0.2).sin());
        rows.push(format!("2024-10-27 {hour:02}:{:02}:00,{value}\n", shown % 60));
    }
    fs::write(
        folder.join("train.csv"),
        format!("timestamp,a\n{}", rows.concat()),
    )
    .unwrap();
    let line = format!("train train.csv --name clock {MODEL}");
    bellwether(folder, &line).ends(1).says(&["time runs backwards"]);
    bellwether(folder, &format!("{line} --timezone Europe/Berlin")).ends(0);
    bellwether(folder, &format!("{line} --timezone Mars/Base"))
        .ends(2)
        .says(&["no time zone"]);
    // Three rows come too late; without zone nothing else is wrong with them.
    let mut late: Vec<String> = (0..240)
        .map(|minute| format!("{},{}\n", 1_700_000_000 + 60 * minute, minute % 7))
        .collect();
    late.swap(10, 12);
    late.swap(100, 101);
    fs::write(folder.join("late.csv"), format!("timestamp,a\n{}", late.concat())).unwrap();
    let line = format!("train late.csv --name late {MODEL}");
    bellwether(folder, &line).ends(1);
    bellwether(folder, &format!("{line} --sort"))
        .ends(0)
        .says(&["3 rows were out of order and put in place"]);
}

#[test]
fn a_window_is_as_long_as_the_data_suggest() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let mut text = String::from("timestamp,a,b\n");
    for row in 0..1500_u32 {
        let wave = (f64::from(row) * std::f64::consts::TAU / 24.0).sin();
        let noise = f64::from(row * 7919 % 101) / 101.0;
        text += &format!(
            "{},{},{}\n",
            1_700_000_000 + 60 * row,
            wave + 0.3 * noise,
            noise - wave
        );
    }
    fs::write(folder.join("train.csv"), text).unwrap();
    let line = format!("train train.csv --name auto {MODEL} --window auto --format json");
    let ran = bellwether(folder, &line)
        .ends(0)
        .says(&["--window auto: 24 rows; 2 channels repeat every 24 rows"]);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(json["window"], 24);
}
