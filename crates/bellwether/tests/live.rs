//! The live system against batch: whatever way samples come, the scores and events are those of `detect`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![expect(clippy::disallowed_methods, reason = "the tests look at what is on the disk")]

mod fleet;
mod parity;
mod shared;

use std::fs;

use bellwether_testkit::real_data;
use parity::{Stream, Way, assert_parity, prepare};
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
        for (seed, way) in [(1, Way::Pipe), (2, Way::Http), (3, Way::Mqtt), (4, Way::File)] {
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
