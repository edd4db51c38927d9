//! Made-up plants as files and live: the same bytes everywhere, defects where the truth says, samples that arrive.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![expect(clippy::disallowed_methods, reason = "the tests look at what is on the disk")]

mod fleet;
mod parity;
mod shared;

use std::fs;
use std::path::Path;

use bellwether_core::synth::{AnomalyKind, DefectKind, Template};
use bellwether_store::bundle::Sha256;
use bellwether_store::read::{self, Labels, Note, ReadOptions, Recording};
use bellwether_testkit::mosquitto::Mosquitto;
use bellwether_testkit::peer::{free_port, wait_until};
use bellwether_testkit::real_data;
use parity::Live;
use shared::bellwether;

fn recordings(file: &Path) -> Vec<Recording> {
    read::read(&[file.to_owned()], &ReadOptions::default()).unwrap()
}

/// Values bit for bit, so that missing ones compare too.
fn bits(recording: &Recording) -> Vec<u64> {
    recording
        .frame
        .values()
        .iter()
        .map(|value| value.to_bits())
        .collect()
}

/// What `generate LINE -o -` writes.
fn table(line: &str) -> String {
    let own = tempfile::tempdir().unwrap();
    bellwether(own.path(), &format!("generate {line} -o - -q"))
        .ends(0)
        .stdout
}

/// Pinned when first written (x86-64, Linux). A mismatch elsewhere breaks the promise of equal bytes; one after a change is
/// another plant under an old name, and must be said in the changelog.
#[test]
fn the_same_seed_gives_the_same_bytes_everywhere() {
    let mut wrong = Vec::new();
    let mut check = |line: &str, want: &str| {
        let got = Sha256::of(table(line).as_bytes()).to_string();
        if got[..16] != *want {
            wrong.push(format!("{line}: {}", &got[..16]));
        }
    };
    let kinds: Vec<String> = AnomalyKind::ALL
        .iter()
        .rev()
        .map(|kind| format!("--anomaly {kind}"))
        .collect();
    let kinds = kinds.join(" ");
    let rows = "--samples 3000 --seed 11 --devices 2";
    let run = "--stops-per-week 5 --set-points-per-week 9 --ageing 30d";
    for (template, plain, run_and_ill) in PINNED_PLANTS {
        assert!(template.parse::<Template>().is_ok());
        check(&format!("{rows} --template {template} --channels 12"), plain);
        check(
            &format!("{rows} --template {template} {run} {kinds}"),
            run_and_ill,
        );
    }
    for (defect, want) in PINNED_DEFECTS {
        check(&format!("{rows} --start 2024-03-30 --defect {defect}"), want);
    }
    assert_eq!(PINNED_PLANTS.len(), Template::ALL.len());
    assert_eq!(PINNED_DEFECTS.len(), DefectKind::ALL.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

const PINNED_PLANTS: [(&str, &str, &str); 9] = [
    ("pump", "53e55e3534aece58", "c9e0d1d09efcbb61"),
    ("server", "44fd70aab7e72e57", "6b0be5598487f406"),
    ("boiler", "1097f3f308b351a6", "d593bd59f3f746e7"),
    ("turbine", "6b574ddd5be920b9", "19fe9d339cd25356"),
    ("compressor", "1ecbec4679c9125c", "1eba0d123ed9b25d"),
    ("motor", "ffd703c71f3263e2", "57e30fa4c9c677d4"),
    ("hvac", "c00e8f3459f50736", "ff61f74363043769"),
    ("sine", "da48179c2cce2c67", "058daea11d05af39"),
    ("wind-turbine", "4f3cb6bd3588d51c", "06fbd29edb866c7e"),
];

const PINNED_DEFECTS: [(&str, &str); 8] = [
    ("jitter", "0acc62b9d5f3fd20"),
    ("gap", "6701741287ffe9a8"),
    ("out-of-order", "b7da952f80785f08"),
    ("duplicate", "0c57166157067066"),
    ("clock-jump", "87d9f084c5d402ca"),
    ("dst", "5921e471633b76a9"),
    ("missing", "bbd8f5af805318a8"),
    ("bad-text", "e365d676a88cee9f"),
];

#[test]
fn rows_that_come_late_or_twice_lose_nothing() {
    let own = tempfile::tempdir().unwrap();
    let make =
        |line: &str| bellwether(own.path(), &format!("generate --samples 900 --devices 2 {line}")).ends(0);
    let lines = |file: &str| -> Vec<String> {
        let text = fs::read_to_string(own.path().join(file)).unwrap();
        text.lines().skip(1).map(str::to_owned).collect()
    };
    make("-o clean.csv");
    make("-o untidy.csv --defects truth.csv --defect out-of-order=0.05 --defect duplicate=0.05")
        .says(&["recorded with out-of-order: ", "recorded with duplicate: "]);
    let (mut clean, untidy, truth) = (lines("clean.csv"), lines("untidy.csv"), lines("truth.csv"));
    let mut sorted = untidy.clone();
    sorted.sort();
    sorted.dedup();
    clean.sort();
    assert_eq!(sorted, clean);
    let mut n_twice = 0;
    for line in &truth {
        let cells: Vec<&str> = line.split(',').collect();
        let row: usize = cells[1].parse().unwrap();
        let found = &untidy[row - 1];
        assert!(
            found.starts_with(&format!("{},{},", cells[3], cells[6])),
            "{line}: {found}"
        );
        if cells[0] == "duplicate" {
            n_twice += 1;
            assert!(untidy[..row - 1].contains(found), "{line}: a row twice");
        }
    }
    assert_eq!(untidy.len(), clean.len() + n_twice);

    make("-o twice.csv --defect duplicate=0.05");
    let (clean, twice) = (
        recordings(&own.path().join("clean.csv")),
        recordings(&own.path().join("twice.csv")),
    );
    for (clean, twice) in clean.iter().zip(&twice) {
        assert_eq!(clean.frame.time(), twice.frame.time());
        assert_eq!(bits(clean), bits(twice));
        let is_told = |note: &Note| matches!(note, Note::RepeatedTimes { n_rows, .. } if *n_rows > 20);
        assert!(twice.notes.iter().any(is_told));
    }
}

#[test]
fn gaps_and_empty_cells_are_those_of_the_truth() {
    let own = tempfile::tempdir().unwrap();
    let make = |line: &str| bellwether(own.path(), &format!("generate --samples 900 {line}")).ends(0);
    make("-o clean.csv");
    make("-o untidy.csv --defects truth.csv --defect gap=0.1 --defect missing=0.1");
    let clean = recordings(&own.path().join("clean.csv")).remove(0).frame;
    let untidy = recordings(&own.path().join("untidy.csv")).remove(0).frame;
    let truth = fs::read_to_string(own.path().join("truth.csv")).unwrap();
    let n_told = |kind: &str| -> usize {
        let lines = truth.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let lengths = lines.filter(|cells| cells[0] == kind);
        lengths.map(|cells| cells[2].parse::<usize>().unwrap()).sum()
    };
    assert_eq!(untidy.n_samples(), 900 - n_told("gap"));
    let n_missing = untidy.values().iter().filter(|value| value.is_nan()).count();
    assert_eq!(n_missing, n_told("missing"));
    // What is there is as it was.
    for idx in 0..untidy.n_samples() {
        let sample = untidy.sample(idx);
        let at = clean.time().binary_search(&sample.time).unwrap();
        for (value, was) in sample.values.iter().zip(clean.sample(at).values) {
            assert!(value.is_nan() || value.to_bits() == was.to_bits());
        }
    }
}

#[test]
fn local_times_and_words_are_written_as_told() {
    let local = table("--samples 900 --start 2024-03-30T18:00Z --defect dst");
    assert!(local.lines().nth(1).unwrap().starts_with("2024-03-30T19:00:00,"));
    assert!(local.contains("\n2024-03-31T01:59:00,") && local.contains("\n2024-03-31T03:00:00,"));
    let words = table("--samples 900 --defect bad-text=0.02");
    let n_bad = words.split([',', '\n']).filter(|cell| *cell == "Bad").count();
    assert!((50..250).contains(&n_bad), "{n_bad} of 7200 cells, asked for 144");
    let own = tempfile::tempdir().unwrap();
    bellwether(own.path(), "generate -o a.jsonl --defect bad-text")
        .ends(2)
        .says(&["words among numbers go into CSV only"]);
    bellwether(own.path(), "generate -o a.csv --defect dst --samples 100")
        .ends(1)
        .says(&["no clock changes between", "--start 2024-03-30"]);
    bellwether(own.path(), "generate -o a.csv --defect gaps")
        .ends(2)
        .says(&["unknown defect"]);
    bellwether(own.path(), "generate -o a.csv --stops-per-week -1")
        .ends(1)
        .says(&["want 0 to 1008 a week"]);
    assert_eq!(fs::read_dir(own.path()).unwrap().count(), 0);
}

#[test]
fn points_tell_faults_and_the_remaining_life_and_evaluate_reads_them() {
    let own = tempfile::tempdir().unwrap();
    let line = "generate --samples 1000 --devices 2 -o data.csv --labels intervals.csv --points points.csv \
                --anomaly pump-01/degradation@500+100:1;2 --anomaly pump-01/spike@550+1:2 --anomaly pump-02/stuck@900+50:0";
    bellwether(own.path(), line).ends(0);
    let points = fs::read_to_string(own.path().join("points.csv")).unwrap();
    let rows: Vec<&str> = points.lines().collect();
    assert_eq!(rows.len(), 2001);
    assert_eq!(
        rows[0],
        "timestamp,series,is_anomaly,kind,channels,remaining_life_s"
    );
    assert_eq!(rows[1], "2024-01-01T00:00:00Z,pump-01,0,,,35940.0");
    assert_eq!(
        rows[1 + 2 * 550],
        "2024-01-01T09:10:00Z,pump-01,1,degradation;spike,flow_m3h;pressure_in_bar,2940.0"
    );
    assert_eq!(
        rows[1 + 2 * 599],
        "2024-01-01T09:59:00Z,pump-01,1,degradation,flow_m3h;pressure_in_bar,0.0"
    );
    assert_eq!(rows[1 + 2 * 600], "2024-01-01T10:00:00Z,pump-01,0,,,");
    assert_eq!(
        rows[2 + 2 * 900],
        "2024-01-01T15:00:00Z,pump-02,1,stuck,speed_rpm,"
    );
    let Labels::Points(flags) = read::labels_file(&own.path().join("points.csv"), None).unwrap() else {
        panic!("a label per row")
    };
    let intervals = read::labels_file(&own.path().join("intervals.csv"), None).unwrap();
    for recording in recordings(&own.path().join("data.csv")) {
        let told = intervals.of_rows(&recording).unwrap();
        let offset = usize::from(recording.name == "pump-02");
        let of_device: Vec<bool> = flags.iter().skip(offset).step_by(2).copied().collect();
        assert_eq!(told, of_device);
    }
}

/// Every kind goes into data that people have: missing cells, uneven times, channels of very different size.
#[test]
fn every_kind_goes_into_real_data() {
    const NAME: &str = "every_kind_goes_into_real_data";
    let Some(data) = real_data(NAME) else {
        return;
    };
    for file in ["SKAB/valve1-0.csv", "ASD/omi-1.csv"] {
        let path = data.join(file);
        if !path.is_file() {
            continue;
        }
        let before = recordings(&path).remove(0);
        for kind in AnomalyKind::ALL {
            let own = tempfile::tempdir().unwrap();
            let line = format!(
                "generate --inject-into {} -o ill.csv --labels truth.csv --anomaly {kind} --seed 3",
                path.display()
            );
            bellwether(own.path(), &line).ends(0);
            let after = recordings(&own.path().join("ill.csv")).remove(0);
            assert_eq!(before.frame.time(), after.frame.time(), "{file} {kind}");
            assert_eq!(before.frame.schema(), after.frame.schema(), "{file} {kind}");
            let Labels::Intervals(spans) = read::labels_file(&own.path().join("truth.csv"), None).unwrap()
            else {
                panic!("intervals")
            };
            let [span] = &spans[..] else { panic!("one fault") };
            let mut n_changed = 0;
            for idx in 0..before.frame.n_samples() {
                let (was, is) = (before.frame.sample(idx), after.frame.sample(idx));
                let channels = before.frame.schema().channels();
                for ((was_value, is_value), channel) in was.values.iter().zip(is.values).zip(channels) {
                    if was_value.to_bits() == is_value.to_bits() {
                        continue;
                    }
                    n_changed += 1;
                    assert!((span.start..=span.end).contains(&was.time), "{file} {kind}");
                    assert!(
                        span.channels.iter().any(|name| name == channel.name()),
                        "{file} {kind}"
                    );
                    assert!(
                        !was_value.is_nan(),
                        "{file} {kind}: a missing value stays missing"
                    );
                }
            }
            assert!(n_changed > 0, "{file} {kind}");
        }
    }
}

/// How many samples a receiver has judged of a database.
fn n_judged(folder: &Path) -> usize {
    let text = fs::read_to_string(folder.join("rows.csv")).unwrap_or_default();
    text.lines().count().saturating_sub(1)
}

const LIVE: &str =
    "--devices 2 --samples 300 --seed 7 --anomaly pump-01/level-shift@200+60*8:pressure_out_bar";

/// What `detect` says of the same samples.
fn wanted(own: &Path) -> Vec<String> {
    bellwether(own, &format!("generate {LIVE} -o batch.csv")).ends(0);
    let rows = fleet::with_model(own, "detect batch.csv -o -").ends(0).stdout;
    let mut rows: Vec<String> = rows.lines().skip(1).map(str::to_owned).collect();
    rows.sort();
    rows
}

/// Starts `stream` with `from`, sends `to` it, and asserts that its verdicts are those of `detect`.
fn arrives(from: &str, address: &str, to: &str, rate: &str, is_ready: impl Fn() -> bool) {
    let own = tempfile::tempdir().unwrap();
    let want = wanted(own.path());
    let stream = format!(
        "stream {from} --to rows.csv --model pump --registry {} --lateness 0s --log-level warn",
        fleet::folder().join("models").display()
    );
    let live = Live::start(own.path(), &stream, address);
    wait_until("the receiver listens", &is_ready);
    bellwether(own.path(), &format!("generate {LIVE} --rate {rate} --to {to}"))
        .ends(0)
        .says(&["2 devices of pump, 300 samples"]);
    wait_until("all samples are judged", || n_judged(own.path()) >= want.len());
    live.signal("-TERM");
    assert_eq!(live.ends(), Some(0));
    let got = fs::read_to_string(own.path().join("rows.csv")).unwrap();
    let mut got: Vec<&str> = got.lines().skip(1).collect();
    got.sort_unstable();
    assert!(got == want, "{to}: other verdicts than detect");
}

#[test]
fn live_samples_arrive_over_http() {
    for rate in ["0", "600"] {
        let address = format!("http://127.0.0.1:{}", free_port());
        arrives(&format!("--from {address}"), &address, &address, rate, || true);
    }
}

#[test]
fn live_samples_arrive_over_mqtt() {
    const NAME: &str = "live_samples_arrive_over_mqtt";
    let Some(broker) = Mosquitto::start(NAME) else {
        return;
    };
    let address = format!("http://127.0.0.1:{}", free_port());
    let from = format!(
        "--from {}/plant/+/data?client_id=receiver --from {address}",
        broker.url()
    );
    let to = format!("{}/plant/{{device}}/data", broker.url());
    arrives(&from, &address, &to, "0", || {
        broker.log().contains("plant/+/data")
    });
}

#[test]
fn a_receiver_that_is_not_there_yet_is_waited_for() {
    let own = tempfile::tempdir().unwrap();
    let (n_asked, address) = reluctant_receiver();
    bellwether(own.path(), &format!("generate {LIVE} --rate 0 --to {address}")).ends(0);
    // Six hundred rows in one batch; refused twice, then taken.
    assert_eq!(n_asked.load(std::sync::atomic::Ordering::SeqCst), 3);
}

/// A server that says "not now" twice and then takes what comes.
fn reluctant_receiver() -> (std::sync::Arc<std::sync::atomic::AtomicUsize>, String) {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::http::{HeaderMap, StatusCode};
    let n_asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&n_asked);
    let answer = move |headers: HeaderMap, body: String| {
        let asked = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            assert_eq!(headers["content-type"], "application/x-ndjson");
            assert_eq!(body.lines().count(), 600);
            match asked {
                0 | 1 => (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "1")]),
                _ => (StatusCode::OK, [("retry-after", "0")]),
            }
        }
    };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let router = axum::Router::new().route("/api/v1/data/batch", axum::routing::post(answer));
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, router).await.unwrap();
        });
    });
    (n_asked, address)
}

#[test]
fn found_faults_are_counted_by_kind_and_template() {
    let own = tempfile::tempdir().unwrap();
    let line = "bench faults --seeds 1 --templates pump,sine --train-weeks 1 --model-family linear --format json \
                --anomaly level-shift*20 --anomaly spike+1*0.001";
    let ran = bellwether(own.path(), line).ends(0);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let kinds = report["kinds"].as_array().unwrap();
    assert_eq!(kinds.len(), 2);
    // Twenty standard deviations nobody overlooks, and a thousandth of one nobody sees.
    for (of, name, n_found) in [(&kinds[0], "level-shift*20", 2), (&kinds[1], "spike+1*0.001", 0)] {
        assert_eq!(of["of"], name);
        assert_eq!(
            (&of["faults"], &of["found"]),
            (&2.into(), &n_found.into()),
            "{of}"
        );
        assert_eq!(of["templates"]["pump"]["faults"], 1);
    }
    assert!(kinds[0]["delay_s"].as_f64().unwrap() < 1200.0);
    assert_eq!(kinds[1]["delay_s"], serde_json::Value::Null);
    assert_eq!(report["templates"].as_array().unwrap().len(), 2);
    assert_eq!(report["all"]["faults"], 4);
    let twice = bellwether(own.path(), line).ends(0);
    assert_eq!(twice.stdout, ran.stdout);
}

#[test]
fn live_addresses_that_will_not_do_are_refused() {
    let own = tempfile::tempdir().unwrap();
    let check = |address: &str, code: i32, says: &str| {
        bellwether(
            own.path(),
            &format!("generate --samples 5 --rate 0 --to {address}"),
        )
        .ends(code)
        .says(&[says]);
    };
    check("ftp://host/x", 2, "wanted - (stdout), http[s]://HOST:PORT");
    check("nowhere", 2, "wanted - (stdout)");
    check("http://user:secret@localhost:1", 2, "set BELLWETHER_KEY");
    check("mqtt://localhost", 2, "a topic is wanted behind the host");
    check("mqtt://localhost/plant/+/data", 2, "without + and #");
    check("mqtt://me:secret@localhost/plant", 2, "password_env=NAME");
    check("mqtt://localhost/plant?qos=2", 2, "nothing else");
}
