//! Thresholds and rules of channels as people ask for them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![expect(clippy::disallowed_methods, reason = "the tests look at what is on the disk")]

mod fleet;
mod shared;

use std::fs;
use std::path::Path;

use fleet::{own_folder, with_model};
use serde_json::Value;
use shared::bellwether;

/// One pump with a fault at 70 %, labelled, and the same without its labels.
fn pump() -> tempfile::TempDir {
    let own = own_folder(&[]);
    let fault = "--anomaly level-shift@70%+60*8:pressure_out_bar";
    bellwether(
        own.path(),
        &format!("generate --samples 2000 --seed 7 -o plain.csv {fault}"),
    )
    .ends(0);
    let plain = fs::read_to_string(own.path().join("plain.csv")).unwrap();
    let labelled = plain.lines().enumerate().map(|(line, text)| match line {
        0 => format!("{text},is_anomaly\n"),
        row => format!("{text},{}\n", u8::from((1401..1461).contains(&row))),
    });
    fs::write(own.path().join("labelled.csv"), labelled.collect::<String>()).unwrap();
    own
}

fn train(folder: &Path, options: &str) -> shared::Ran {
    let fixed = "--name pump --registry models --model-family linear --format json";
    bellwether(folder, &format!("train {options} {fixed}"))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn labels_choose_a_threshold_and_are_missed_before_the_work() {
    let own = pump();
    let ran = train(own.path(), "labelled.csv --threshold best-f1").ends(0);
    let said = json(&ran.stdout);
    assert_eq!(said["threshold_rule"], "best-f1:event");
    let support = said["threshold_support"].as_str().unwrap();
    assert!(support.contains("60 labelled rows in 1 events"), "{support}");
    assert!(!ran.stderr.contains("never learnt from"), "{}", ran.stderr);
    let ran = train(own.path(), "plain.csv --threshold best-f1").ends(1);
    assert!(
        ran.stderr.contains("no labels; give them a column is_anomaly"),
        "{}",
        ran.stderr
    );
    let ran = train(own.path(), "labelled.csv --rows 1000 --threshold best-f1").ends(1);
    assert!(ran.stderr.contains("is labelled anomalous"), "{}", ran.stderr);
}

#[test]
fn every_rule_says_what_it_rests_on() {
    let own = pump();
    let check = |rule: &str, words: &str| {
        let ran = train(own.path(), &format!("plain.csv --rows 1300 --threshold {rule}")).ends(0);
        assert!(ran.stderr.contains(words), "{rule}: {}", ran.stderr);
    };
    check("conformal:0.1", "0.1: a normal stretch of");
    check("conformal:1e-6", "held-out data vouch for no less than");
    check("budget:1/hour", "1/hour: counted on");
    let ran = train(own.path(), "plain.csv --threshold dynamic").ends(2);
    assert!(
        ran.stderr.contains("detect --mode retrospective"),
        "{}",
        ran.stderr
    );
}

#[test]
fn rules_of_channels_are_kept_and_followed() {
    let detect = |rule: &str| {
        let own = pump();
        train(own.path(), &format!("plain.csv --rows 1300 {rule}")).ends(0);
        let line = "detect plain.csv --model pump@1 --registry models -o -";
        let scores = bellwether(own.path(), line).ends(0).stdout;
        let rows = scores.lines().skip(1401 + 5).take(50);
        rows.map(|row| row.split(',').map(str::to_owned).collect::<Vec<_>>())
            .collect::<Vec<_>>()
    };
    let (score, top) = (1, 4);
    let mean = |rows: &[Vec<String>]| {
        let scores = rows.iter().map(|row| row[score].parse::<f64>().unwrap());
        scores.sum::<f64>() / rows.len() as f64
    };
    let plain = detect("");
    // The shift is a rise: one that is only heeded downwards says less of it.
    let below = detect("--channel=pressure_out_bar:direction=below");
    assert!(
        mean(&below) < mean(&plain),
        "{} of {}",
        mean(&below),
        mean(&plain)
    );
    // A range that the shifted values leave.
    let ranged = detect("--channel=pressure_out_bar:range=..0.001");
    assert!(
        ranged
            .iter()
            .all(|row| row[top] == "pressure_out_bar" && row[2] == "1")
    );
    let own = pump();
    let ran = train(own.path(), "plain.csv --channel=pressure_out_baar:weight=2").ends(1);
    assert!(
        ran.stderr.contains("did you mean \"pressure_out_bar\""),
        "{}",
        ran.stderr
    );
    let ran = train(own.path(), "plain.csv --channel=pressure_out_bar:wieght=2").ends(2);
    assert!(ran.stderr.contains("no setting of a channel"), "{}", ran.stderr);
}

#[test]
fn what_was_asked_predicted_and_realised_stand_side_by_side() {
    let own = own_folder(&[("fleet.csv", &fleet::text("fleet.csv"))]);
    let ran = with_model(own.path(), "detect fleet.csv --report page.html --format json").ends(0);
    let line = ran.stderr.lines().find(|line| line.contains("alarms: ")).unwrap();
    for words in ["asked 1/week", "predicted ", "realised ", "of scored data"] {
        assert!(line.contains(words), "{line}");
    }
    let alarms = &json(&ran.stdout)["alarms"];
    assert_eq!(alarms["asked_per_week"], 1.0);
    assert!(alarms["predicted_per_week"].as_f64().unwrap() > 0.0);
    assert!(alarms["realised_per_week"].as_f64().unwrap() > 1.0);
    let page = fs::read_to_string(own.path().join("page.html")).unwrap();
    assert!(page.contains("asked 1/week") && page.contains("\"alarms_per_week\":["));
    // The report as data: the curve passes through what was found.
    with_model(own.path(), "detect fleet.csv --report page.json").ends(0);
    let sweep = &json(&fs::read_to_string(own.path().join("page.json")).unwrap())["sweep"];
    let points = sweep["thresholds"].as_array().unwrap().iter();
    let at = points
        .into_iter()
        .position(|threshold| (threshold.as_f64().unwrap() - 1.0).abs() < 1e-9)
        .unwrap();
    let found = sweep["alarms_per_week"][at].as_f64().unwrap();
    let realised = alarms["realised_per_week"].as_f64().unwrap();
    assert!((found / realised - 1.0).abs() < 1e-9, "{found} and {realised}");
}

#[test]
fn a_dynamic_threshold_is_for_looking_back() {
    let own = own_folder(&[("fleet.csv", &fleet::text("fleet.csv"))]);
    let ran = with_model(own.path(), "detect fleet.csv --threshold dynamic").ends(2);
    assert!(ran.stderr.contains("give --mode retrospective"), "{}", ran.stderr);
    let line = "detect fleet.csv --threshold dynamic --mode retrospective --format json";
    let ran = with_model(own.path(), line).ends(0);
    assert!(
        ran.stderr.contains("pump-01: dynamic threshold"),
        "{}",
        ran.stderr
    );
    let document = json(&ran.stdout);
    assert!(document["alarms"]["predicted_per_week"].is_null());
    let events = document["events"].as_array().unwrap();
    assert!(
        !events.is_empty()
            && events
                .iter()
                .all(|event| event["peak_score"].as_f64().unwrap() >= 1.0)
    );
}
