//! `bellwether generate` as people run it: files, the truth beside them, injected faults, live samples.
#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "the tests look at what is on the disk")]

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::cargo::cargo_bin_cmd;
use bellwether_core::synth::{self, Device, PlantSpec, Template};
use bellwether_store::read::{self, Labels, ReadOptions, Recording};

/// A run of `bellwether generate` in `folder`: exit code, stdout, stderr.
fn generate(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let output = cargo_bin_cmd!("bellwether")
        .current_dir(folder)
        .arg("generate")
        .args(args)
        .env_remove("BELLWETHER_FORMAT")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// As [`generate`], which must succeed.
fn made(folder: &Path, args: &[&str]) -> (String, String) {
    let (code, stdout, stderr) = generate(folder, args);
    assert_eq!(code, Some(0), "{args:?}: {stderr}");
    (stdout, stderr)
}

fn recordings(file: PathBuf) -> Vec<Recording> {
    read::read(&[file], &ReadOptions::default()).unwrap()
}

fn fleet(template: Template, n_devices: usize, anomalies: &[&str]) -> Vec<Device> {
    let anomalies = anomalies.iter().map(|text| text.parse().unwrap()).collect();
    synth::generate(&PlantSpec {
        template,
        n_samples: 500,
        n_devices,
        seed: 7,
        anomalies,
        ..PlantSpec::default()
    })
    .unwrap()
}

/// Values bit for bit, so that missing ones compare too.
fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

const FAULTS: [&str; 4] = [
    "drift@60%+40*4:1",
    "dropout@90%+5:*",
    "level-shift",
    "spike@100+2:0;1",
];

#[test]
fn what_is_written_reads_back_as_it_was_made_with_its_labels() {
    let check = |template: Template, n_devices: usize| {
        let folder = tempfile::tempdir().unwrap();
        let devices = n_devices.to_string();
        let mut args = vec![
            "-o",
            "plant.csv",
            "--labels",
            "truth.csv",
            "--samples",
            "500",
            "--seed",
            "7",
        ];
        args.extend(["--template", template.name(), "--devices", &devices]);
        FAULTS.iter().for_each(|fault| args.extend(["--anomaly", fault]));
        made(folder.path(), &args);

        let labels = read::labels_file(&folder.path().join("truth.csv"), None).unwrap();
        let Labels::Intervals(spans) = &labels else {
            panic!("the truth is told in intervals")
        };
        assert_eq!(spans.len(), FAULTS.len());
        let recordings = recordings(folder.path().join("plant.csv"));
        let devices = fleet(template, n_devices, &FAULTS);
        assert_eq!(recordings.len(), devices.len());
        for (recording, device) in recordings.iter().zip(&devices) {
            if n_devices > 1 {
                assert_eq!(recording.name, device.name);
            }
            assert_eq!(recording.frame.schema(), device.frame.schema());
            assert_eq!(recording.frame.time(), device.frame.time());
            assert_eq!(bits(recording.frame.values()), bits(device.frame.values()));
            assert_eq!(
                labels.of_rows(recording).unwrap(),
                synth::labels(500, &device.faults)
            );
            for fault in &device.faults {
                let told = spans
                    .iter()
                    .find(|span| span.kind.as_deref() == Some(fault.kind.name()));
                let told = told.expect("every fault is told");
                assert_eq!((told.start, told.end), (fault.start, fault.end));
                assert_eq!(told.channels, fault.channels);
                assert_eq!(told.series.as_ref(), (n_devices > 1).then_some(&device.name));
            }
        }
    };
    for template in Template::ALL {
        check(template, 1);
        check(template, 3);
    }
}

#[test]
fn columns_are_time_device_where_several_and_channels() {
    let folder = tempfile::tempdir().unwrap();
    let check = |args: &[&str], expect_head: &str, expect_second: &str| {
        let (stdout, _) = made(folder.path(), &[args, &["-o", "-"]].concat());
        let lines: Vec<&str> = stdout.lines().take(3).collect();
        assert_eq!(lines[0], expect_head);
        assert!(lines[2].starts_with(expect_second), "{}", lines[2]);
    };
    let sine = ["--template", "sine", "--channels", "2", "--cadence", "250ms"];
    check(&sine, "timestamp,sensor_1,sensor_2", "2024-01-01T00:00:00.250Z,");
    check(
        &[&sine[..], &["--devices", "2"]].concat(),
        "timestamp,device,sensor_1,sensor_2",
        "2024-01-01T00:00:00Z,sine-02,",
    );
}

#[test]
fn every_format_holds_the_same_rows() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["--samples", "20", "--anomaly", "dropout@3+2:0"];
    let file = |name: &str| {
        made(folder.path(), &[&args[..], &["-o", name]].concat());
        fs::read(folder.path().join(name)).unwrap()
    };
    let csv = String::from_utf8(file("a.csv")).unwrap();
    let jsonl = String::from_utf8(file("a.jsonl")).unwrap();
    assert!(file("a.parquet").starts_with(b"PAR1"));
    let names: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
    assert_eq!(csv.lines().count(), 21);
    assert_eq!(jsonl.lines().count(), 20);
    for (row, object) in csv.lines().skip(1).zip(jsonl.lines()) {
        let object: serde_json::Value = serde_json::from_str(object).unwrap();
        for (name, cell) in names.iter().zip(row.split(',')) {
            let told = match &object[name] {
                serde_json::Value::Null => String::new(),
                serde_json::Value::String(text) => text.clone(),
                number => number.to_string(),
            };
            assert_eq!(told, cell, "{name}");
        }
    }
    assert_eq!(made(folder.path(), &[&args[..], &["-o", "-"]].concat()).0, csv);
    let lines = [&args[..], &["-o", "-", "--format", "ndjson"]].concat();
    assert_eq!(made(folder.path(), &lines).0, jsonl);
}

#[test]
fn live_samples_are_those_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let plant = [
        "--samples",
        "40",
        "--devices",
        "2",
        "--anomaly",
        "dropout@5+3:*",
        "--anomaly",
        "stuck",
    ];
    let live = |rate, format| {
        let live = [
            "--rate",
            rate,
            "--to",
            "-",
            "--labels",
            "truth.csv",
            "--format",
            format,
        ];
        made(folder.path(), &[&plant[..], &live].concat()).0
    };
    let (batch, _) = made(folder.path(), &[&plant[..], &["-o", "-"]].concat());
    assert_eq!(live("0", "csv"), batch);
    assert_eq!(live("1e6", "csv"), batch);
    let truth = read::labels_file(&folder.path().join("truth.csv"), None).unwrap();
    assert!(matches!(truth, Labels::Intervals(spans) if spans.len() == 2));

    let names: Vec<&str> = batch.lines().next().unwrap().split(',').collect();
    let json = live("0", "table");
    assert_eq!(json.lines().count(), 80);
    for (row, line) in batch.lines().skip(1).zip(json.lines()) {
        let cells: Vec<&str> = row.split(',').collect();
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(
            (&object["timestamp"], &object["device"]),
            (&cells[0].into(), &cells[1].into())
        );
        for (name, cell) in names.iter().zip(cells).skip(2) {
            assert_eq!(object["values"][name].as_f64(), cell.parse().ok(), "{name}");
        }
    }
}

#[test]
fn faults_put_into_a_file_are_those_of_a_plant_made_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let plant = ["--samples", "500", "--seed", "7"];
    let faults = ["--anomaly", "drift", "--anomaly", "dropout+9:*", "--labels"];
    made(folder.path(), &[&plant[..], &["-o", "clean.csv"]].concat());
    made(
        folder.path(),
        &[&plant[..], &faults, &["truth.csv", "-o", "made.csv"]].concat(),
    );
    let inject = ["--inject-into", "clean.csv", "--seed", "7", "-o", "injected.csv"];
    made(folder.path(), &[&inject[..], &faults, &["again.csv"]].concat());
    let text = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(text("injected.csv"), text("made.csv"));
    assert_eq!(text("again.csv"), text("truth.csv"));
}

/// Data with faults put in keep their rows: `fault` into `data`, with `options`.
#[test]
fn rows_times_and_marks_of_given_data_stay() {
    let check = |data: &str, options: &[&str], expect: &str| {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("data.csv"), data).unwrap();
        let args = ["--inject-into", "data.csv", "-o", "-", "--quiet"];
        let (stdout, _) = made(folder.path(), &[&args[..], options].concat());
        assert_eq!(stdout, expect);
    };
    // Loose times, a repeated row, an own label.
    check(
        "when;a;is_anomaly\n2024-01-01 00:00;1;0\n2024-01-01 00:01;2;1\n2024-01-01 00:01;9;0\n2024-01-01 00:02;4;0\n",
        &["--anomaly", "dropout@2+1:a"],
        "timestamp,a,is_anomaly\n2024-01-01 00:00,1.0,0\n2024-01-01 00:01,2.0,1\n2024-01-01 00:01,2.0,0\n\
         2024-01-01 00:02,,1\n",
    );
    // Two series, interleaved, the fault in the second.
    check(
        "asset_id,a,t\nx,1,100\ny,5,100\ny,6,200\nx,2,200\n",
        &[
            "--anomaly",
            "y/dropout@0+1:a",
            "--series-column",
            "asset_id",
            "--time-column",
            "t",
        ],
        "t,asset_id,a\n100,x,1.0\n100,y,\n200,y,6.0\n200,x,2.0\n",
    );
    // Long form, channel after channel, becomes wide.
    check(
        "timestamp,channel,value\n2024-01-01,a,1\n2024-01-02,a,2\n2024-01-02,b,3\n2024-01-03,b,4\n",
        &["--anomaly", "dropout@1+1:b"],
        "timestamp,a,b\n2024-01-01,1.0,\n2024-01-02,2.0,\n2024-01-03,,4.0\n",
    );
}

#[test]
fn a_summary_says_what_was_made_and_how_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let args = [
        "-o",
        "plant.csv",
        "--samples",
        "100",
        "--anomaly",
        "drift@70+10*4:flow_m3h",
    ];
    let (stdout, stderr) = made(folder.path(), &args);
    assert_eq!(stdout, "");
    let expect = "plant.csv: 1 device of pump, 100 samples of 8 channels each, one every 60 s from \
                  2024-01-01T00:00:00Z, seed 42, 1 fault\n  \
                  drift of flow_m3h by 4 sd: 2024-01-01T01:10:00Z to 2024-01-01T01:19:00Z\n\
                  go on: bellwether train plant.csv --name pump --until 2024-01-01T01:10:00Z\n";
    assert_eq!(stderr, expect);

    let (stdout, stderr) = made(
        folder.path(),
        &[&args[..], &["--quiet", "--format", "json"]].concat(),
    );
    assert_eq!(stderr, "");
    let document: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(document["seed"], 42);
    assert_eq!(document["channels"].as_array().unwrap().len(), 8);
    assert_eq!(document["faults"][0]["kind"], "drift");
    assert_eq!(document["faults"][0]["start"], "2024-01-01T01:10:00Z");
}

#[test]
fn what_cannot_be_made_is_refused_with_its_exit_code_and_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("data.csv"),
        "t,a\n2024-01-01,1\n2024-01-02,2\n",
    )
    .unwrap();
    let before = fs::read_dir(folder.path()).unwrap().count();
    let check = |args: &[&str], expect_code: i32, expect: &str| {
        let (code, stdout, stderr) = generate(folder.path(), args);
        assert_eq!(
            (code, stdout.as_str()),
            (Some(expect_code), ""),
            "{args:?}: {stderr}"
        );
        assert!(
            stderr.contains(expect),
            "{args:?}: {stderr:?} does not say {expect:?}"
        );
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            before,
            "{args:?} leaves a file"
        );
    };
    // An instant of a billion values.
    check(
        &["--devices", "100000", "--channels", "10000", "-o", "x.csv"],
        1,
        "do not fit into memory",
    );
    // The command line.
    check(&[], 2, "where shall the data go? give -o FILE.csv");
    check(
        &["--rate", "1", "--to", "mqtt://broker"],
        2,
        "--to: a topic is wanted behind the host",
    );
    check(&["--rate", "1"], 2, "--to");
    check(&["--to", "-"], 2, "--rate");
    check(&["--to", "-", "--rate", "NaN"], 2, "wanted samples per second");
    check(
        &["--to", "-", "--rate", "1", "-o", "a.csv"],
        2,
        "cannot be used with",
    );
    check(&["-o", "a.csv", "--template", "pomp"], 2, "pomp");
    check(&["-o", "a.csv", "--samples", "0"], 2, "--samples");
    check(&["-o", "a.csv", "--cadence", "soon"], 2, "not a duration");
    check(
        &["-o", "a.csv", "--anomaly", "spyke"],
        2,
        "unknown kind \"spyke\"",
    );
    check(&["-o", "a.csv", "--inject-into", "data.csv"], 2, "--anomaly");
    check(
        &[
            "-o",
            "a.csv",
            "--inject-into",
            "data.csv",
            "--anomaly",
            "spike",
            "--samples",
            "5",
        ],
        2,
        "cannot be used with",
    );
    // What it asks for.
    check(
        &["-o", "a.xlsx"],
        1,
        ".csv, .tsv, .jsonl, .parquet, .arrow or .lp is wanted",
    );
    check(
        &["-o", "a.csv", "--labels", "truth.txt"],
        1,
        "truth.txt: the ending does not say the format",
    );
    check(&["-o", "none/a.csv"], 1, "cannot write none/a.csv");
    check(
        &["-o", "a.csv", "--channels", "10001"],
        1,
        "10001 channels: want 1 to 10000",
    );
    check(&["-o", "a.csv", "--devices", "100001"], 1, "100001 devices");
    check(&["-o", "a.csv", "--anomaly", "pump-9/spike"], 1, "no such device");
    check(
        &["-o", "a.csv", "--samples", "10", "--anomaly", "spike@10"],
        1,
        "starts outside the data",
    );
    check(
        &["-o", "a.csv", "--anomaly", "spike:flow"],
        1,
        "no channel \"flow\"; channels are 0 speed_rpm",
    );
    check(
        &["-o", "a.csv", "--inject-into", "none.csv", "--anomaly", "spike"],
        1,
        "none.csv",
    );
    check(
        &["-o", "a.csv", "--inject-into", "data.csv", "--anomaly", "spike:b"],
        1,
        "data: anomaly \"spike:b\": no channel \"b\"",
    );
}
