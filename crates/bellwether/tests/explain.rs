//! `bellwether explain` as people run it: what it names, what adds up, what it refuses.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![expect(clippy::disallowed_methods, reason = "the tests look at what is on the disk")]

mod fleet;
mod shared;

use std::fs;

use fleet::{folder, own_folder, with_model};
use serde_json::Value;

/// `explain fleet.csv` with `options`; the document.
fn document(options: &str) -> Value {
    let ran = with_model(folder(), &format!("explain fleet.csv --format json -q {options}")).ends(0);
    serde_json::from_str(&ran.stdout).unwrap()
}

fn number(of: &Value) -> f64 {
    of.as_f64().unwrap()
}

fn sum(of: &Value) -> f64 {
    of.as_array().unwrap().iter().map(number).sum()
}

#[test]
fn the_faulty_channel_is_named_first_with_when_and_how_far() {
    for (series, channel, unit) in [
        ("pump-01", "pressure_out_bar", "bar"),
        ("pump-02", "bearing_temp_c", "°C"),
    ] {
        let of = document(&format!("--series {series}"));
        assert_eq!(of["series"], series);
        let first = &of["channels"][0];
        assert_eq!(first["channel"], channel, "{of:#}");
        assert!(
            number(&first["cured"]) > 0.3 && number(&first["times_usual"]) > 3.0,
            "{first}"
        );
        assert!(first["moved"].is_string(), "{first}");
        let said = of["sentence"].as_str().unwrap();
        assert!(
            said.contains(channel) && said.contains(unit) && said.contains("severity"),
            "{said}"
        );
        assert_eq!(of["expected"][0]["channel"], channel);
        assert_eq!(
            of["counterfactual"]["is_normal"], true,
            "{}",
            of["counterfactual"]
        );
        assert_eq!(of["counterfactual"]["changes"][0]["channel"], channel);
    }
}

#[test]
fn all_parts_add_up() {
    let of = document("--series pump-01");
    let cells: f64 = of["shares"]["cells"].as_array().unwrap().iter().map(sum).sum();
    assert!((cells - 1.0).abs() < 1e-9, "{cells}");
    let channels = of["channels"].as_array().unwrap();
    let shares: f64 = channels.iter().map(|channel| number(&channel["share"])).sum();
    assert!((shares - 1.0).abs() < 1e-9, "{shares}");
    let window = &of["window"];
    let whole = number(&window["measured"]) - number(&window["expected"]);
    let shapley: f64 = channels.iter().map(|channel| number(&channel["shapley"])).sum();
    assert!((shapley - whole).abs() < 1e-6 * whole, "{shapley} {whole}");
    let gradients: f64 = window["gradients"].as_array().unwrap().iter().map(sum).sum();
    assert!((gradients + number(&window["gap"]) - whole).abs() < 1e-6 * whole);
    assert!(number(&window["gap"]).abs() < 0.05 * whole, "{window}");
}

#[test]
fn an_event_is_found_by_its_id_and_by_its_time_in_either_mode() {
    for mode in ["causal", "retrospective"] {
        let strongest = document(&format!("--mode {mode}"));
        let id = strongest["event"].as_str().unwrap();
        assert_eq!(document(&format!("--mode {mode} --event {id}")), strongest);
        let (series, at) = (
            strongest["series"].as_str().unwrap(),
            strongest["peak_time"].as_str().unwrap(),
        );
        assert_eq!(
            document(&format!("--mode {mode} --at {at} --series {series}"))["event"],
            id
        );
    }
    let quiet = document("--at 2024-01-01T10:00:00Z --series pump-01");
    assert!(
        quiet["event"].is_null() && quiet["sentence"].as_str().unwrap().contains("no alarm"),
        "{quiet}"
    );
}

#[test]
fn a_page_is_written_and_a_history_is_compared_with() {
    let own = own_folder(&[("fleet.csv", &fleet::text("fleet.csv"))]);
    with_model(own.path(), "detect fleet.csv --events events.csv").ends(0);
    let line = "explain fleet.csv --series pump-01 --history events.csv --report why.html";
    let ran = with_model(own.path(), line).ends(0).says(&["report: why.html"]);
    assert!(
        ran.stdout.starts_with("From 2024-01-") && ran.stdout.contains("times usual"),
        "{}",
        ran.stdout
    );
    let page = fs::read_to_string(own.path().join("why.html")).unwrap();
    for text in [
        "<svg",
        "pressure_out_bar",
        "What would have been normal",
        "Events that looked alike",
    ] {
        assert!(page.contains(text), "{text}");
    }
    assert!(!page.contains("<script"));
    let of = with_model(own.path(), &format!("{line} --format json"))
        .ends(0)
        .stdout;
    let of: Value = serde_json::from_str(&of).unwrap();
    let similar = of["similar"].as_array().unwrap();
    assert!(
        !similar.is_empty() && similar.iter().all(|event| event["event"] != of["event"]),
        "{similar:?}"
    );
    let alike: Vec<f64> = similar.iter().map(|event| number(&event["similarity"])).collect();
    assert!(alike.is_sorted_by(|a, b| a >= b), "{alike:?}");
}

#[test]
fn events_of_a_live_system_are_a_history_too() {
    let text = fleet::text("fleet.csv");
    let own = own_folder(&[("fleet.csv", &text)]);
    with_model(own.path(), "detect fleet.csv --events events.csv").ends(0);
    let registry = folder().join("models");
    let line = format!(
        "stream --model pump --registry {} --from - --to - --database sqlite:live.db -q",
        registry.display()
    );
    shared::bellwether_fed(own.path(), &line, text.as_bytes()).ends(0);
    // One series is explained, and the events of the other are in the history alone.
    let one: String = text
        .lines()
        .filter(|line| !line.contains("pump-02"))
        .map(|line| format!("{line}\n"))
        .collect();
    fs::write(own.path().join("one.csv"), one).unwrap();
    let similar = |history: &str| {
        let line = format!("explain one.csv --history {history} --format json");
        let of: Value = serde_json::from_str(&with_model(own.path(), &line).ends(0).stdout).unwrap();
        of["similar"].as_array().unwrap().clone()
    };
    let (of_file, of_database) = (similar("events.csv"), similar("sqlite:live.db"));
    assert!(
        of_database.iter().any(|event| event["series"] == "pump-02"),
        "{of_database:?}"
    );
    let ids = |of: &[Value]| of.iter().map(|event| event["event"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&of_database), ids(&of_file));
    with_model(own.path(), "explain one.csv --history sqlite:nowhere.db")
        .ends(1)
        .says(&["there is no database", "nowhere.db"]);
    assert!(!own.path().join("nowhere.db").exists());
}

#[test]
fn what_cannot_be_explained_is_refused_with_what_to_do() {
    let check = |options: &str, code: i32, texts: &[&str]| {
        let ran = with_model(folder(), &format!("explain fleet.csv {options}"));
        ran.ends(code).says(texts);
    };
    check(
        "--event 000000000000",
        1,
        &["no causal event 000000000000", "there are"],
    );
    check("--event soon", 2, &["twelve hexadecimal digits"]);
    check(
        "--event 000000000000 --at 2024-01-01",
        2,
        &["cannot be used with"],
    );
    check("--series pump-09", 2, &["pump-09", "pump-01, pump-02"]);
    check(
        "--at 2030-01-01 --series pump-01",
        1,
        &["the data reach from 2024-01-01"],
    );
    check("--at 2024-01-01T10:00:00Z", 1, &["--series"]);
    check("--report fleet.csv", 2, &["would be overwritten"]);
    check("--history fleet.csv", 1, &["fleet.csv"]);
}
