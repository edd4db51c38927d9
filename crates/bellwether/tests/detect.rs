//! `bellwether detect` as people run it: what it writes, and what its answers do not depend on.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![expect(clippy::disallowed_methods, reason = "the tests look at what is on the disk")]

mod fleet;
mod shared;

use std::fs;
use std::path::Path;

use bellwether_core::event::EventKind;
use bellwether_store::bundle::Bundle;
use fleet::{own_folder, text, with_model};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use serde_json::Value;
use shared::{bellwether, bellwether_fed};

const COLUMNS: &str = "timestamp,series,score,is_anomaly,event,top_channel,top_share,p_value";
const EVENT_COLUMNS: &str =
    "event,series,start,end,peak_time,peak_score,samples,severity,kind,channels,fault";
/// Rows of a window where the data are enough.
const WINDOW: usize = 20;

/// `detect DATA` in `folder`, with `options`; returns stdout.
fn detect(folder: &Path, options: &str) -> String {
    with_model(folder, &format!("detect {options}")).ends(0).stdout
}

fn cells(line: &str) -> Vec<&str> {
    line.split(',').collect()
}

/// The rows of a table without its header.
fn rows(table: &str) -> Vec<Vec<&str>> {
    table.lines().skip(1).map(cells).collect()
}

#[test]
fn every_input_row_has_its_row_with_its_own_time() {
    let scores = detect(fleet::folder(), "fleet.csv -o -");
    let input = text("fleet.csv");
    assert_eq!(scores.lines().next(), Some(COLUMNS));
    assert_eq!(scores.lines().count(), input.lines().count());
    let mut seen = [0; 2];
    for (row, input) in rows(&scores).iter().zip(rows(&input)) {
        assert_eq!(row[..2], input[..2]);
        let device = usize::from(row[1] == "pump-02");
        seen[device] += 1;
        if seen[device] < WINDOW {
            assert_eq!(row[2..], [""; 6], "the first window is not full yet");
            continue;
        }
        let score: f64 = row[2].parse().unwrap();
        assert_eq!(row[3], if score >= 1.0 { "1" } else { "0" });
        assert!((0.0..=1.0).contains(&row[6].parse::<f64>().unwrap()));
        assert!(input_names().contains(&row[5].to_owned()), "{}", row[5]);
    }
    assert_eq!(seen, [1500, 1500]);
    assert!(rows(&scores).iter().any(|row| !row[4].is_empty()), "no event");
}

fn input_names() -> Vec<String> {
    let fleet = text("fleet.csv");
    let head = fleet.lines().next().unwrap();
    cells(head)[2..].iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn a_lone_series_has_no_series_column_and_times_stay_as_written() {
    let head = text("fleet.csv").lines().next().unwrap().replace("device,", "");
    // One pump; its times as epoch seconds, and one of them twice.
    let mut data = format!("{head}\n");
    let mut want = Vec::new();
    let fleet = text("fleet.csv");
    let pump = rows(&fleet).into_iter().filter(|row| row[1] == "pump-01");
    for (minute, row) in pump.take(100).enumerate() {
        let minute = if minute == 50 { 49 } else { minute };
        want.push((1_700_000_000 + 60 * minute).to_string());
        data += &format!("{},{}\n", want[want.len() - 1], row[2..].join(","));
    }
    let own = own_folder(&[("one.csv", &data)]);
    let scores = detect(own.path(), "one.csv -o -");
    assert_eq!(scores.lines().next().unwrap(), COLUMNS.replace("series,", ""));
    let times: Vec<&str> = rows(&scores).iter().map(|row| row[0]).collect();
    assert_eq!(times, want);
    assert_eq!(
        rows(&scores)[49][1..],
        rows(&scores)[50][1..],
        "two rows of one sample"
    );
    assert!(scores.contains("1700005940,"));
}

#[test]
fn standard_output_holds_the_rows_and_nothing_else() {
    let folder = fleet::folder();
    detect(folder, "fleet.csv -o stdout.csv");
    let file = text("stdout.csv");
    for options in [
        "-o -",
        "-o - --format json",
        "-o - -v",
        "-q -o -",
        "-o - --events e.csv",
    ] {
        assert_eq!(detect(folder, &format!("fleet.csv {options}")), file, "{options}");
    }
    // A table, lines or a document of the events where the rows go elsewhere.
    let document: Value = serde_json::from_str(&detect(folder, "fleet.csv --format json")).unwrap();
    let lines = detect(folder, "fleet.csv --format ndjson");
    assert_eq!(
        document["events"].as_array().unwrap().len(),
        lines.lines().count()
    );
    assert_eq!(document["model"], "pump@1");
    assert_eq!(document["series"][0]["samples"], 1500);
}

/// Rows of a file in any format as cells of text; real numbers are normalised.
fn table_of(path: &Path) -> Vec<Vec<String>> {
    let real = |text: &str| {
        text.parse::<f64>()
            .map_or(text.to_owned(), |value| value.to_string())
    };
    match path.extension().unwrap().to_str().unwrap() {
        "csv" => rows(&fs::read_to_string(path).unwrap())
            .into_iter()
            .map(|row| row.into_iter().map(real).collect())
            .collect(),
        "jsonl" => {
            let cell = |value: &Value| match value {
                Value::Null => String::new(),
                Value::String(text) => real(text),
                number => real(&number.to_string()),
            };
            let row = |line: &str| {
                let object: Value = serde_json::from_str(line).unwrap();
                COLUMNS.split(',').map(|key| cell(&object[key])).collect()
            };
            fs::read_to_string(path).unwrap().lines().map(row).collect()
        }
        _ => {
            let cell = |field: &Field| match field {
                Field::Null => String::new(),
                Field::Str(text) => real(text),
                Field::Double(value) => value.to_string(),
                Field::Long(value) => value.to_string(),
                other => panic!("{other}"),
            };
            let reader = SerializedFileReader::try_from(path).unwrap();
            reader
                .get_row_iter(None)
                .unwrap()
                .map(|row| {
                    row.unwrap()
                        .get_column_iter()
                        .map(|(_, field)| cell(field))
                        .collect()
                })
                .collect()
        }
    }
}

#[test]
fn every_format_holds_the_same_rows() {
    let folder = fleet::folder();
    let table = |name: &str| {
        detect(folder, &format!("fleet.csv -o {name}"));
        table_of(&folder.join(name))
    };
    let csv = table("rows.csv");
    assert_eq!(csv.len(), 3000);
    assert!(csv == table("rows.jsonl"), "JSON lines differ from CSV");
    assert!(csv == table("rows.parquet"), "Parquet differs from CSV");
}

#[test]
fn events_say_when_how_strongly_and_because_of_which_channels() {
    let folder = fleet::folder();
    let scores = detect(folder, "fleet.csv --events events.csv -o -");
    let events = text("events.csv");
    assert_eq!(events.lines().next(), Some(EVENT_COLUMNS));
    let mut blamed = Vec::new();
    for event in rows(&events) {
        let of_event = |row: &&Vec<&str>| row[4] == event[0];
        let scores = rows(&scores);
        let inside: Vec<_> = scores.iter().filter(of_event).collect();
        assert!(
            inside.iter().all(|row| row[1] == event[1]),
            "an event is of one series"
        );
        assert!(event[2] <= event[4] && event[4] <= event[3], "{event:?}");
        let peak = scores
            .iter()
            .find(|row| row[0] == event[4] && row[1] == event[1])
            .unwrap();
        assert_eq!(peak[2], event[5], "the peak's score is its row's");
        assert!(event[6].parse::<usize>().unwrap() > 0 && event[7].parse::<f64>().unwrap() >= 0.0);
        assert!(EventKind::from_name(event[8]).is_some(), "{event:?}");
        let shares: Vec<(&str, f64)> = event[9]
            .split(';')
            .map(|pair| pair.split_once('=').unwrap())
            .map(|(name, share)| (name, share.parse().unwrap()))
            .collect();
        assert_eq!(shares.len(), input_names().len());
        assert!(shares.is_sorted_by(|one, other| one.1 >= other.1), "{shares:?}");
        let sum: f64 = shares.iter().map(|(_, share)| share).sum();
        assert!((sum - 1.0).abs() <= 1e-5, "{sum}");
        blamed.push((event[1], shares[0].0));
    }
    for truth in [("pump-01", "pressure_out_bar"), ("pump-02", "bearing_temp_c")] {
        assert!(
            blamed.contains(&truth),
            "{truth:?} is not among {blamed:?}:\n{events}"
        );
    }
}

#[test]
fn expected_values_come_with_a_band_around_them() {
    let folder = fleet::folder();
    detect(folder, "fleet.csv --expected expected.csv -q --format json");
    let expected = text("expected.csv");
    let head = "timestamp,series,channel,value,expected,lower,upper,share";
    assert_eq!(expected.lines().next(), Some(head));
    let names = input_names();
    assert_eq!(expected.lines().count() - 1, 3000 * names.len());
    let (mut n_judged, mut n_within) = (0, 0);
    for (idx, row) in rows(&expected).iter().enumerate() {
        assert_eq!(row[2], names[idx % names.len()]);
        let number = |cell: &str| cell.parse::<f64>().ok();
        let [value, expected, lower, upper, share] = [3, 4, 5, 6, 7].map(|column| number(row[column]));
        let (Some(expected), Some(lower), Some(upper)) = (expected, lower, upper) else {
            continue;
        };
        assert!(lower <= expected && expected <= upper);
        assert!(share.is_none_or(|share| (0.0..=1.0).contains(&share)));
        n_judged += 1;
        n_within += usize::from(value.is_some_and(|value| lower <= value && value <= upper));
    }
    assert_eq!(n_judged, 2 * (1500 - WINDOW + 1) * names.len());
    assert!(
        n_within * 10 > n_judged * 8,
        "{n_within} of {n_judged} values lie in the band"
    );
}

#[test]
fn an_event_trips_the_gate_where_one_is_asked_for() {
    let folder = fleet::folder();
    let gate = "detect fleet.csv --fail-on-event --events gate.csv";
    with_model(folder, gate)
        .ends(3)
        .says(&["events found (--fail-on-event)"]);
    assert!(
        text("gate.csv").lines().count() > 1,
        "the files are written all the same"
    );
    // The first rows are healthy.
    let fleet = text("fleet.csv");
    let head: Vec<&str> = fleet.lines().take(801).collect();
    let own = own_folder(&[("healthy.csv", &head.join("\n"))]);
    with_model(own.path(), "detect healthy.csv --fail-on-event").ends(0);
}

#[test]
fn answers_do_not_depend_on_the_number_of_threads() {
    let folder = fleet::folder();
    let mut found = Vec::new();
    for threads in [1, 2] {
        let train = format!(
            "train fleet.csv --name threads-{threads} --rows 500 --epochs 2 --registry models --threads {threads}"
        );
        bellwether(folder, &train).ends(0);
        let bundle = format!("threads-{threads}.bellwether");
        bellwether(
            folder,
            &format!("models export threads-{threads} {bundle} --registry models"),
        )
        .ends(0);
        let weights = Bundle::read(&folder.join(bundle)).unwrap().weights;
        let events = format!("threads-{threads}.csv");
        let detect = format!("detect fleet.csv --threads {threads} -o - --events {events} --model threads-1");
        let scores = bellwether(folder, &format!("{detect} --registry models"))
            .ends(0)
            .stdout;
        found.push((weights, scores, text(&events)));
    }
    let (one, two) = (&found[0], &found[1]);
    assert!(one.0 == two.0, "the weights differ");
    assert!(one.1 == two.1, "the rows differ");
    assert!(one.2 == two.2, "the events differ");
}

#[test]
fn a_later_part_with_some_rows_before_it_gives_the_same_bytes() {
    // 100 rows of each pump before the first wanted one are more than any score looks back.
    let (first, overlap) = (700, 100);
    let fleet = text("fleet.csv");
    let lines: Vec<&str> = fleet.lines().collect();
    let part = [&lines[..1], &lines[1 + 2 * (first - overlap)..2401]].concat();
    let own = own_folder(&[
        ("part.csv", &part.join("\n")),
        ("whole.csv", &lines[..2401].join("\n")),
    ]);
    let (part, whole) = (
        detect(own.path(), "part.csv -o -"),
        detect(own.path(), "whole.csv -o -"),
    );
    let wanted: Vec<&str> = whole.lines().skip(1 + 2 * first).collect();
    assert_eq!(wanted.len(), 1000);
    assert_eq!(part.lines().skip(1 + 2 * overlap).collect::<Vec<_>>(), wanted);
}

#[test]
fn looking_back_finds_the_faults_too() {
    let folder = fleet::folder();
    let scores = detect(
        folder,
        "fleet.csv --mode retrospective -o - --events back.csv --report back.json",
    );
    assert_eq!(scores.lines().next(), Some(COLUMNS));
    let scored = rows(&scores).into_iter().filter(|row| !row[2].is_empty()).count();
    assert!(
        scored > 3000 - 60,
        "all rows have a score but those of the dropout: {scored}"
    );
    assert!(text("back.csv").contains("pressure_out_bar"));
    let report: Value = serde_json::from_str(&text("back.json")).unwrap();
    assert!(report.is_object());
    assert_ne!(scores, detect(folder, "fleet.csv -o -"));
}

#[test]
fn a_sweep_shows_fewer_events_at_higher_thresholds() {
    let document: Value =
        serde_json::from_str(&detect(fleet::folder(), "fleet.csv --sweep --format json")).unwrap();
    let sweep = document["sweep"].as_array().unwrap();
    let shares: Vec<f64> = sweep
        .iter()
        .map(|row| row["share_anomalous"].as_f64().unwrap())
        .collect();
    assert!(shares.is_sorted_by(|one, other| one >= other), "{shares:?}");
    let events = |threshold: f64| {
        let row = sweep.iter().find(|row| row["threshold"] == threshold).unwrap();
        row["events"].as_u64().unwrap()
    };
    assert!(events(1.0) >= 2 && events(10.0) <= events(1.0), "{sweep:?}");
}

#[test]
fn training_tells_every_epoch_and_what_it_published() {
    let folder = fleet::folder();
    let epochs = text("epochs.jsonl");
    let losses: Vec<f64> = epochs
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["train_loss"]
                .as_f64()
                .unwrap()
        })
        .collect();
    assert_eq!(losses.len(), 4);
    assert!(losses[3] < losses[0], "{losses:?}");
    let train = "train fleet.csv --name told --rows 300 --epochs 1 --format json -q --registry models";
    let ran = bellwether(folder, train).ends(0);
    assert_eq!(ran.stderr, "");
    let published: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(published["model"], "told@1");
    assert_eq!(published["epochs"], 1);
    // One model for each pump; names that would fall together are no model's.
    let alike = own_folder(&[("alike.csv", &text("fleet.csv").replace("pump-02", "pump.01"))]);
    let train = "train alike.csv --name each --group-by device --rows 300 --epochs 1 --registry models";
    let clash = bellwether(alike.path(), train).ends(1);
    clash.says(&["\"pump-01\" and \"pump.01\"", "each-pump-01", "rename one"]);
    let train = "train fleet.csv --name each --group-by device --rows 300 --epochs 1 --registry models";
    let each = bellwether(folder, train)
        .ends(0)
        .says(&["2 of 2 devices have a model"]);
    assert!(
        each.stdout.contains("each-pump-01@1") && each.stdout.contains("each-pump-02@1"),
        "{}",
        each.stdout
    );
}

#[test]
fn members_that_speak_for_each_other_say_in_a_stream_what_they_say_of_a_file() {
    let own = tempfile::tempdir().unwrap();
    let folder = own.path();
    let line = "generate --samples 900 --seed 9 -o plant.csv --anomaly level-shift@800+60*6";
    bellwether(folder, line).ends(0);
    let input = fs::read(folder.join("plant.csv")).unwrap();
    let mut all = Vec::new();
    for combination in ["mean", "max", "aom"] {
        let line = format!(
            "train plant.csv --rows 600 --name {combination} --model-family linear --combination {combination} --registry models"
        );
        bellwether(folder, &line).ends(0);
        let model = format!("--model {combination} --registry models");
        let line = format!("detect - {model} -o - --events events.jsonl");
        let rows = bellwether_fed(folder, &line, &input).ends(0).stdout;
        let line = format!("stream {model} --from - --to - -q");
        let stream = bellwether_fed(folder, &line, &input).ends(0).stdout;
        assert!(rows == stream, "{combination}: a stream has other rows");
        let events = fs::read_to_string(folder.join("events.jsonl")).unwrap();
        let last: Value = serde_json::from_str(events.lines().last().unwrap()).unwrap();
        // It covers the fault, an hour from 13:20 on.
        let is_late = |key: &str| last[key].as_str() > Some("2024-01-01T13:30");
        assert!(!is_late("start") && is_late("end"), "{combination}: {events}");
        all.push(rows);
    }
    assert!(
        all[0] != all[1] && all[1] != all[2],
        "combinations make a difference"
    );
}
