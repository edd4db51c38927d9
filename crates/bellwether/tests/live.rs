//! The live system against batch: whatever way samples come, the scores and events are those of `detect`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![expect(clippy::disallowed_methods, reason = "the tests look at what is on the disk")]

mod fleet;
mod parity;
mod shared;

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex};

use bellwether_testkit::peer::{free_port, wait_until};
use bellwether_testkit::real_data;
use parity::{Live, Stream, Way, assert_parity, client, prepare};
use shared::bellwether;

#[test]
fn a_pipe_gives_the_rows_of_detect_byte_for_byte() {
    let one = "generate --samples 600 --seed 9 -o one.csv --anomaly drift@50%+100*6";
    let own = fleet::own_folder(&[("fleet.csv", &fleet::text("fleet.csv"))]);
    bellwether(own.path(), one).ends(0);
    let model = format!(
        "--model pump --registry {}",
        fleet::folder().join("models").display()
    );
    let check = |file: &str| {
        let input = fs::read(own.path().join(file)).unwrap();
        let detect = format!("detect - {model} --mode causal -o -");
        let want = shared::bellwether_fed(own.path(), &detect, &input).ends(0);
        for threads in [1, 2] {
            let stream = format!("stream {model} --from - --to - --threads {threads} -q");
            let got = shared::bellwether_fed(own.path(), &stream, &input).ends(0);
            assert!(got.stdout == want.stdout, "{file}: other rows than detect");
            assert!(got.stdout.lines().count() > 100);
        }
    };
    // Two devices told apart by a column, and one whose name nobody says.
    check("fleet.csv");
    check("one.csv");
}

#[test]
fn a_pipe_of_any_format_gives_the_rows_of_detect_byte_for_byte() {
    let own = tempfile::tempdir().unwrap();
    let model = format!(
        "--model pump --registry {}",
        fleet::folder().join("models").display()
    );
    for ending in [
        "csv",
        "jsonl",
        "lp",
        "parquet",
        "arrow",
        "csv.gz",
        "lp.zst",
        "jsonl.gz",
        "parquet.zst",
    ] {
        let file = format!("one.{ending}");
        let one = format!("generate --samples 400 --seed 9 -o {file} --anomaly drift@50%+100*6");
        bellwether(own.path(), &one).ends(0);
        let input = fs::read(own.path().join(&file)).unwrap();
        let detect = format!("detect - {model} --mode causal -o -");
        let want = shared::bellwether_fed(own.path(), &detect, &input).ends(0);
        let stream = format!("stream {model} --from - --to - -q");
        let got = shared::bellwether_fed(own.path(), &stream, &input).ends(0);
        assert!(got.stdout == want.stdout, "{file}: other rows than detect");
        assert!(got.stdout.lines().count() > 400);
    }
    // A file without lines is read to its end, and so is the stream.
    let want = bellwether(
        own.path(),
        &format!("detect one.parquet {model} --mode causal -o -"),
    )
    .ends(0);
    let got = bellwether(
        own.path(),
        &format!("stream {model} --from one.parquet --to - -q"),
    )
    .ends(0);
    assert!(got.stdout == want.stdout, "one.parquet: other rows than detect");
    // What is no format of ours is refused by name.
    shared::bellwether_fed(
        own.path(),
        &format!("stream {model} --from - --to - -q"),
        b"PK\x03\x04 and so on",
    )
    .ends(1)
    .says(&["is a zip archive (or a spreadsheet)", "unpack it"]);
}

#[test]
fn a_stream_without_input_says_what_is_missing() {
    let own = tempfile::tempdir().unwrap();
    fleet::with_model(own.path(), "stream --to -")
        .ends(2)
        .says(&["nothing to judge", "--from URL"]);
}

#[test]
fn a_restart_goes_on_where_the_pipe_ended() {
    let folder = fleet::folder();
    let own = tempfile::tempdir().unwrap();
    let model = format!("--model pump --registry {}", folder.join("models").display());
    let input = fleet::text("fleet.csv");
    let want =
        shared::bellwether_fed(own.path(), &format!("detect - {model} -o -"), input.as_bytes()).ends(0);
    let (header, rows) = input.split_once('\n').unwrap();
    let rows: Vec<&str> = rows.lines().collect();
    let mut got = Vec::new();
    for part in [&rows[..1001], &rows[1001..2200], &rows[2200..]] {
        let input = format!("{header}\n{}\n", part.join("\n"));
        let stream = format!("stream {model} --from - --to - --database sqlite:live.db -q");
        let ran = shared::bellwether_fed(own.path(), &stream, input.as_bytes()).ends(0);
        got.extend(ran.stdout.lines().skip(1).map(str::to_owned));
    }
    let want: Vec<&str> = want.stdout.lines().skip(1).collect();
    assert!(got == want, "rows differ after a restart");
}

#[test]
fn every_way_in_gives_the_scores_and_events_of_detect() {
    const NAME: &str = "every_way_in_gives_the_scores_and_events_of_detect";
    let Some(data) = real_data(NAME) else {
        return;
    };
    let own = tempfile::tempdir().unwrap();
    // Series of one kind of machine share a model; each is a device.
    let valves = ["SKAB/valve1-0.csv", "SKAB/valve1-2.csv", "SKAB/other-1.csv"];
    let servers = ["ASD/omi-1.csv"];
    for (name, files, rows) in [("valve", &valves[..], 400), ("omi", &servers[..], 3000)] {
        let files: Vec<_> = files
            .iter()
            .map(|file| data.join(file))
            .filter(|file| file.is_file())
            .collect();
        assert!(!files.is_empty(), "{name}: no series");
        let truth = prepare(own.path(), name, &files, rows, rows + 1600);
        for (seed, way) in [
            (1, Way::Pipe),
            (2, Way::Http),
            (3, Way::Mqtt),
            (4, Way::File),
            (5, Way::Rest),
        ] {
            for threads in [1, 2] {
                let folder = own.path().join(format!("{name}-{way:?}-{threads}"));
                fs::create_dir(&folder).unwrap();
                let stream = Stream {
                    folder: &folder,
                    registry: &own.path().join("models"),
                    model: name,
                    threads,
                    seed: seed + 10 * threads as u64,
                };
                if let Some(kept) = stream.run(NAME, way, &truth) {
                    assert_parity(&truth, &kept, &format!("{name} by {way:?} on {threads} threads"));
                }
            }
        }
    }
}

/// The statuses that each alert was told with, in order, by its id.
type Told = Arc<Mutex<BTreeMap<String, Vec<String>>>>;

/// A server that takes webhooks, and what it was told. It refuses the first two.
fn webhook() -> (tokio::runtime::Runtime, String, Told) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let told = Told::default();
    let kept = Arc::clone(&told);
    let n_refused = Arc::new(Mutex::new(0));
    let take = move |body: axum::body::Bytes| async move {
        let mut n_refused = n_refused.lock().unwrap();
        if *n_refused < 2 {
            *n_refused += 1;
            return axum::http::StatusCode::INTERNAL_SERVER_ERROR;
        }
        let message: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(message["version"], "4");
        for alert in message["alerts"].as_array().unwrap() {
            let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            let id = text(&alert["labels"]["alert"]);
            kept.lock()
                .unwrap()
                .entry(id)
                .or_default()
                .push(text(&alert["status"]));
        }
        axum::http::StatusCode::OK
    };
    let router = axum::Router::new().route("/hook", axum::routing::post(take));
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let address = format!("http://{}/hook", listener.local_addr().unwrap());
    runtime.spawn(async move { axum::serve(listener, router).await });
    (runtime, address, told)
}

#[test]
fn every_event_is_told_once_and_resolved() {
    let own = fleet::own_folder(&[("fleet.csv", &fleet::text("fleet.csv"))]);
    let (_server, address, told) = webhook();
    fleet::with_model(own.path(), "detect fleet.csv --events events.csv").ends(0);
    let n_events = fs::read_to_string(own.path().join("events.csv"))
        .unwrap()
        .lines()
        .count()
        - 1;
    assert!(n_events > 1);
    let registry = fleet::folder().join("models");
    let line = format!(
        "stream --model pump --registry {} --from - --to {address} --database sqlite:live.db",
        registry.display()
    );
    shared::bellwether_fed(own.path(), &line, fleet::text("fleet.csv").as_bytes()).ends(0);
    // What had not gone out by then goes out after a restart, and all comes again as duplicates: under the same ids.
    shared::bellwether_fed(own.path(), &line, fleet::text("fleet.csv").as_bytes()).ends(0);
    let told = told.lock().unwrap();
    assert_eq!(told.len(), n_events, "{told:?}");
    for (id, statuses) in &*told {
        assert_eq!(statuses[0], "firing", "{id}");
        assert!(
            statuses.iter().filter(|status| *status == "firing").count() == 1,
            "{id}: {statuses:?}"
        );
    }
    let listed = bellwether(own.path(), "alerts list --database sqlite:live.db --format json").ends(0);
    let listed: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(listed["alerts"].as_array().unwrap().len(), n_events);
}

#[test]
fn a_reload_changes_the_rules_and_loses_nothing() {
    let own = fleet::own_folder(&[]);
    let port = free_port();
    let address = format!("http://127.0.0.1:{port}");
    let write = |lateness: &str| {
        let text = format!(
            "[storage]\nurl = \"sqlite:live.db\"\nhistory = \"history\"\n[models]\ndefault = \"pump\"\nregistry = {:?}\n\
             [stream]\nlateness = \"{lateness}\"\n[[sources]]\ntype = \"http\"\nlisten = \"127.0.0.1:{port}\"\n\
             [[outputs]]\ntype = \"file\"\npath = \"rows.csv\"\n",
            fleet::folder().join("models")
        );
        fs::write(own.path().join("live.toml"), text).unwrap();
    };
    write("0s");
    let live = Live::start(own.path(), "stream --config live.toml", &address);
    let input = fleet::text("fleet.csv");
    let (header, rows) = input.split_once('\n').unwrap();
    let rows: Vec<&str> = rows.lines().collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let client = client();
    for (number, chunk) in rows.chunks(50).enumerate() {
        match number % 6 {
            1 => write("10m"),
            3 => fs::write(own.path().join("live.toml"), "[stream]\nlatenes = 3\n").unwrap(),
            5 => write("0s"),
            _ => {}
        }
        live.signal("-HUP");
        let body = format!("{header}\n{}\n", chunk.join("\n"));
        wait_until("the chunk is taken", || {
            let sent = client
                .post(format!("{address}/api/v1/data/batch"))
                .header("content-type", "text/csv")
                .body(body.clone());
            runtime.block_on(async { sent.send().await.is_ok_and(|answer| answer.status() == 200) })
        });
    }
    write("0s");
    live.signal("-HUP");
    live.signal("-TERM");
    assert_eq!(live.ends(), Some(0));
    // What the last lateness held back is judged at the end of an empty pipe.
    let registry = fleet::folder().join("models");
    let flush = format!(
        "stream --from - --to rows.csv --model pump --registry {} --database sqlite:live.db",
        registry.display()
    );
    shared::bellwether_fed(own.path(), &flush, b"").ends(0);
    fleet::with_model(
        own.path(),
        &format!(
            "detect {} -o want.csv",
            fleet::folder().join("fleet.csv").display()
        ),
    )
    .ends(0);
    let sorted = |file: &str| {
        let text = fs::read_to_string(own.path().join(file)).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert!(sorted("rows.csv") == sorted("want.csv"), "other rows than detect");
}
