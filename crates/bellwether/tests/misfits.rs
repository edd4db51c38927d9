//! What does not fit: data, models, files and words on the command line. Each gets its exit code and a sentence
//! that names it; nothing panics.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![expect(
    clippy::disallowed_methods,
    reason = "the tests look at and damage what is on the disk"
)]

mod fleet;
mod shared;

use std::fs;
use std::path::Path;

use fleet::{own_folder, text, with_model};
use shared::{Ran, bellwether, bellwether_amid};
use tempfile::TempDir;

/// `fleet.csv` with its header and each row (numbered from 0) changed.
fn changed(head: impl Fn(&str) -> String, mut change: impl FnMut(usize, &mut Vec<String>)) -> String {
    let fleet = text("fleet.csv");
    let mut lines = fleet.lines();
    let mut out = head(lines.next().unwrap());
    for (row, line) in lines.enumerate() {
        let mut cells = line.split(',').map(str::to_owned).collect();
        change(row, &mut cells);
        out = out + "\n" + &cells.join(",");
    }
    out + "\n"
}

/// The position of a channel in the cells of `fleet.csv`.
fn column(name: &str) -> usize {
    let fleet = text("fleet.csv");
    fleet
        .lines()
        .next()
        .unwrap()
        .split(',')
        .position(|cell| cell == name)
        .unwrap()
}

/// `fleet.csv` with a channel's cells changed.
fn with_cells(channel: &str, cell: impl Fn(usize, &str) -> String) -> String {
    let at = column(channel);
    changed(str::to_owned, |row, cells| cells[at] = cell(row, &cells[at]))
}

/// `detect` on the data with the fleet's model.
fn detect(data: &str) -> Ran {
    let own = own_folder(&[("new.csv", data)]);
    with_model(own.path(), "detect new.csv -o -")
}

#[test]
fn data_that_do_not_fit_the_model_end_with_4_and_say_what_is_wrong() {
    let at = column("bearing_temp_c");
    let without = changed(
        |head| head.replace(",bearing_temp_c", ""),
        |_, cells| drop(cells.remove(at)),
    );
    let check = |data: &str, texts: &[&str]| {
        let ran = detect(data).ends(4).says(&["does not fit pump@1"]).says(texts);
        assert_eq!(ran.stdout, "");
    };
    check(&without, &["pump-01", "no channel \"bearing_temp_c\"", "rename"]);
    let renamed = changed(|head| head.replace("bearing_temp_c", "bearing_tmp"), |_, _| {});
    check(
        &renamed,
        &["no channel \"bearing_temp_c\"", "did you mean \"bearing_tmp\""],
    );
    // A sample every five minutes.
    let fleet = text("fleet.csv");
    let every_fifth: Vec<&str> = fleet
        .lines()
        .enumerate()
        .filter(|(line, _)| *line == 0 || (line - 1) / 2 % 5 == 0)
        .map(|(_, text)| text)
        .collect();
    check(
        &every_fifth.join("\n"),
        &["a sample every 5 min", "trained on one every 60 s", "resample"],
    );
}

#[test]
fn a_channel_the_model_does_not_know_is_told_and_left_out() {
    let more = changed(
        |head| format!("{head},humidity"),
        |row, cells| cells.push(row.to_string()),
    );
    let ran = detect(&more).ends(0).says(&["left out: humidity"]);
    let own = own_folder(&[("new.csv", &text("fleet.csv"))]);
    assert_eq!(ran.stdout, with_model(own.path(), "detect new.csv -o -").stdout);
}

#[test]
fn strange_values_are_scored_and_spoil_only_their_own_time() {
    let fleet_scores = detect(&text("fleet.csv")).ends(0).stdout;
    let absurd_row = 1001;
    for absurd in ["1e300", "-1.7e308", "1e40"] {
        let data = with_cells("flow_m3h", |row, cell| {
            if row == absurd_row { absurd } else { cell }.to_owned()
        });
        let scores = detect(&data).ends(0).stdout;
        let lines: Vec<Vec<&str>> = scores
            .lines()
            .skip(1)
            .map(|line| line.split(',').collect())
            .collect();
        let score: f64 = lines[absurd_row][2].parse().unwrap();
        assert!(score > 50.0 && score.is_finite(), "{absurd}: {score}");
        assert_eq!(lines[absurd_row][5], "flow_m3h");
        // 250 rows of the pump later all is as if nothing had been.
        let later = |text: &str| {
            text.lines()
                .skip(absurd_row + 500)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(later(&scores), later(&fleet_scores), "{absurd}");
    }
    let infinite = with_cells("flow_m3h", |row, cell| {
        if row == 10 { "inf" } else { cell }.to_owned()
    });
    detect(&infinite)
        .ends(1)
        .says(&["new.csv", "flow_m3h", "infinite"]);
    let word = with_cells("flow_m3h", |row, cell| {
        if row == 10 { "n0ne" } else { cell }.to_owned()
    });
    detect(&word)
        .ends(1)
        .says(&["new.csv", "line 12", "flow_m3h", "n0ne"]);
}

#[test]
fn channels_that_say_nothing_are_no_reason_to_fail() {
    let same = |text: &'static str| move |_: usize, _: &str| text.to_owned();
    for cell in ["", "NaN", "17.5"] {
        let scores = detect(&with_cells("flow_m3h", same(cell))).ends(0).stdout;
        assert!(
            scores.lines().skip(2000).all(|line| !line.contains(",,")
                || line.split(',').nth(2).unwrap().is_empty()
                || line.split(',').nth(4).unwrap().is_empty()),
            "{cell}"
        );
        let n_scored = scores
            .lines()
            .filter(|line| line.split(',').nth(2) != Some(""))
            .count();
        assert!(n_scored > 2900, "{cell:?}: {n_scored} rows are scored");
    }
    let nothing = changed(str::to_owned, |_, cells| cells[2..].fill(String::new()));
    detect(&nothing).ends(0).says(&["samples have no score"]);
}

#[test]
fn short_data_have_no_score_and_say_why() {
    let fleet = text("fleet.csv");
    let head = |n: usize| fleet.lines().take(n + 1).collect::<Vec<_>>().join("\n");
    for n in [1, 2, 12] {
        let ran = detect(&head(n))
            .ends(0)
            .says(&["no sample has a score", "a window of 20"]);
        assert_eq!(ran.stdout.lines().count(), n + 1);
        assert!(ran.stdout.lines().skip(1).all(|line| line.ends_with(",,,,")));
    }
    detect(&head(0)).ends(1).says(&["new.csv", "no row"]);
    detect("").ends(1).says(&["new.csv", "empty"]);
}

#[test]
fn models_that_are_not_there_or_not_whole_are_told_from_each_other() {
    let own = own_folder(&[
        ("foreign.bellwether", "PK, says the file, but it is no bundle"),
        ("empty.bellwether", ""),
        ("data.csv", &text("fleet.csv")),
    ]);
    let registry = fleet::folder().join("models");
    let bundle = fs::read(registry.join("pump/1.bellwether")).unwrap();
    let damaged = |name: &str, bytes: &[u8]| fs::write(own.path().join(name), bytes).unwrap();
    damaged("cut.bellwether", &bundle[..bundle.len() / 2]);
    damaged("start.bellwether", &bundle[..40]);
    let mut flipped = bundle.clone();
    flipped[bundle.len() / 2] ^= 4;
    damaged("flipped.bellwether", &flipped);
    damaged("whole.bellwether", &bundle);
    let check = |model: &str, code: i32, texts: &[&str]| {
        let line = format!(
            "detect data.csv --model {model} --registry {} -o none.csv",
            registry.display()
        );
        bellwether(own.path(), &line).ends(code).says(texts);
        assert_eq!(own.path().join("none.csv").exists(), code == 0, "{model}");
    };
    check("pumps", 1, &["no model pumps", "did you mean pump?"]);
    check("pump@7", 1, &["pump has no version 7"]);
    check("pump@stable", 1, &["pump has no alias stable"]);
    check("PUMP!", 2, &["--model", "PUMP!"]);
    for name in ["foreign", "empty", "cut", "start", "flipped", "gone"] {
        let file = format!("./{name}.bellwether");
        check(&file, 1, &[&format!("{name}.bellwether")]);
    }
    check("./whole.bellwether", 0, &[]);
}

#[test]
fn a_byte_changed_anywhere_in_a_bundle_is_noticed() {
    let bundle = fs::read(fleet::folder().join("models/pump/1.bellwether")).unwrap();
    let read = |bytes: &[u8]| bellwether_store::bundle::Bundle::from_bytes(bytes);
    let whole = read(&bundle).unwrap();
    for at in (0..bundle.len()).step_by(bundle.len() / 400) {
        let mut changed = bundle.clone();
        changed[at] ^= 1 << (at % 8);
        // A byte of the archive's own book-keeping may change nothing of what is in it.
        if let Ok(read) = read(&changed) {
            assert!(
                read.manifest == whole.manifest && read.weights == whole.weights,
                "byte {at}"
            );
        }
    }
}

#[test]
fn places_that_cannot_be_written_are_named_before_or_after_the_work() {
    let own = own_folder(&[("data.csv", &text("fleet.csv")), ("file", "")]);
    let check = |options: &str, code: i32, texts: &[&str]| {
        with_model(own.path(), &format!("detect data.csv {options}"))
            .ends(code)
            .says(texts);
    };
    check("-o none/rows.csv", 1, &["none/rows.csv"]);
    check("-o file/rows.csv", 1, &["file/rows.csv"]);
    check("--events none/events.csv", 1, &["none/events.csv"]);
    check("--report none/report.html", 1, &["none/report.html"]);
    check(
        "-o rows.xlsx",
        2,
        &["rows.xlsx", ".csv, .tsv, .jsonl, .parquet, .arrow or .lp"],
    );
    check(
        "-o rows",
        2,
        &["rows", ".csv, .tsv, .jsonl, .parquet, .arrow or .lp"],
    );
    let left: Vec<_> = fs::read_dir(own.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 2, "{left:?}");
    bellwether(own.path(), "train data.csv --name pump --registry file")
        .ends(1)
        .says(&["file"]);
    bellwether(own.path(), "detect data.csv --model pump --registry file")
        .ends(1)
        .says(&["file"]);
    bellwether(
        own.path(),
        "train data.csv --name pump --registry models --log none/log.jsonl",
    )
    .ends(1)
    .says(&["none/log.jsonl"]);
}

#[test]
fn no_output_destroys_an_input_or_another_output() {
    let own = own_folder(&[
        ("data.csv", &text("fleet.csv")),
        ("truth.csv", &text("faults.csv")),
    ]);
    let check = |ran: Ran, texts: &[&str]| {
        ran.ends(2).says(texts);
        let data = fs::read_to_string(own.path().join("data.csv")).unwrap();
        assert!(data == text("fleet.csv"), "the data are gone");
        assert_eq!(fs::read_dir(own.path()).unwrap().count(), 2);
    };
    let input: &[&str] = &["data.csv: this is an input"];
    let model = |line: &str| with_model(own.path(), line);
    check(model("detect data.csv -o data.csv"), input);
    check(model("detect ./data.csv --events data.csv"), input);
    check(
        model("detect data.csv -o rows.csv --events ./rows.csv"),
        &["--events ./rows.csv: --output writes there too"],
    );
    let evaluate = "evaluate data.csv --labels truth.csv --report truth.csv";
    check(model(evaluate), &["truth.csv: this is an input"]);
    check(train(own.path(), "data.csv --log data.csv"), input);
    let generate = "generate --inject-into data.csv --anomaly spike -o data.csv";
    check(bellwether(own.path(), generate), input);
}

/// A disk that is always full.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_as_such() {
    let own = own_folder(&[("data.csv", &text("fleet.csv"))]);
    for name in ["rows.csv", "rows.jsonl", "rows.parquet"] {
        std::os::unix::fs::symlink("/dev/full", own.path().join(name)).unwrap();
        with_model(own.path(), &format!("detect data.csv -o {name}"))
            .ends(1)
            .says(&["free some space", "No space left on device"]);
        // So long that the rows which are made ahead have to wait when it happens.
        bellwether(own.path(), &format!("generate --samples 80000 -o {name}"))
            .ends(1)
            .says(&["free some space", "No space left on device"]);
    }
}

/// Small data to train on, and the fleet's first rows.
fn training_folder() -> TempDir {
    let fleet = text("fleet.csv");
    let rows = |n: usize| fleet.lines().take(n + 1).collect::<Vec<_>>().join("\n");
    own_folder(&[("data.csv", &rows(400)), ("row.csv", &rows(1))])
}

fn train(own: &Path, options: &str) -> Ran {
    bellwether(
        own,
        &format!("train --name m --registry models --epochs 1 {options}"),
    )
}

#[test]
fn settings_out_of_range_are_refused_by_their_name() {
    let own = training_folder();
    let check = |options: &str, code: i32, texts: &[&str]| {
        train(own.path(), &format!("data.csv {options}"))
            .ends(code)
            .says(texts);
        assert!(
            !own.path().join("models/m").exists(),
            "{options}: something is published"
        );
    };
    check("--threshold sometimes", 2, &["--threshold", "sometimes"]);
    check("--threshold quantile:7", 2, &["--threshold", "quantile"]);
    check("--alarm-budget often", 2, &["--alarm-budget", "often"]);
    check("--alarm-budget 0/week", 2, &["--alarm-budget"]);
    check(
        "--alarm-budget 1/week --threshold mad:6",
        2,
        &["--alarm-budget", "--threshold"],
    );
    check("--event-rule often", 2, &["--event-rule", "3 of 5"]);
    check("--event-rule merge=0", 2, &["--event-rule"]);
    check("--window 0", 2, &["--window"]);
    check("--window 100000", 1, &["--window"]);
    check("--window 190", 1, &["window"]);
    check("--stride 0", 2, &["--stride"]);
    check("--batch 0", 2, &["--batch"]);
    check("--lr nan", 2, &["--lr"]);
    check("--lr -1", 2, &["--lr"]);
    check("--lr 0", 2, &["--lr"]);
    check("--lr fast", 2, &["--lr", "fast"]);
    check("--val-share 1", 2, &["--val-share"]);
    check("--val-share -0.1", 2, &["--val-share"]);
    check("--contamination 0.5", 2, &["--contamination"]);
    check("--combination vote", 2, &["--combination", "mean, max or aom"]);
    check("--batch 5000", 2, &["--batch", "4096"]);
    check("--val-share nan", 2, &["--val-share"]);
    check("--architecture 64-x/3", 2, &["--architecture", "64-x/3"]);
    check("--architecture 0/0", 2, &["--architecture"]);
    check("--scaler log", 2, &["--scaler", "minmax"]);
    check("--exclude yesterday", 2, &["--exclude", "START/END"]);
    check(
        "--exclude 2024-01-02/2024-01-01",
        2,
        &["--exclude", "end is not after the start"],
    );
    check("--max-time soon", 2, &["--max-time", "soon"]);
    check("--until 2020-01-01", 1, &["no training rows are left"]);
    check("--rows 0", 2, &["--rows"]);
    check("--threads 0", 2, &["--threads"]);
    check("--time-column when", 1, &["when"]);
    let bad_name = "train data.csv --registry models --name ../up";
    bellwether(own.path(), bad_name)
        .ends(2)
        .says(&["--name", "../up"]);
    bellwether(own.path(), "train data.csv --name m --registry models --epochs 0")
        .ends(2)
        .says(&["--epochs"]);
    train(own.path(), "row.csv").ends(1).says(&["training"]);
    train(own.path(), "gone.csv").ends(1).says(&["gone.csv"]);
}

#[test]
fn poor_training_data_make_a_model_or_a_clear_refusal() {
    let series = |cell: &dyn Fn(usize) -> String| {
        let row = |minute: usize| format!("{},{}\n", 1_700_000_000 + 60 * minute, cell(minute));
        format!("t,a,b\n{}", (0..400).map(row).collect::<String>())
    };
    let wave = |minute: usize| (minute as f64 * 0.3).sin();
    let own = own_folder(&[
        (
            "waves.csv",
            &series(&|at| format!("{},{}", wave(at), wave(at + 4))),
        ),
        ("constant.csv", &series(&|_| "3,0".to_owned())),
        ("half.csv", &series(&|at| format!("{},", wave(at)))),
        ("nothing.csv", &series(&|_| ",".to_owned())),
        (
            "absurd.csv",
            &series(&|at| format!("{},{}", wave(at), if at == 90 { 1e300 } else { wave(at) })),
        ),
        (
            "apart.csv",
            &series(&|at| format!("{},{}", wave(at), if at % 2 == 0 { 1.7e308 } else { -1.7e308 })),
        ),
    ]);
    let own = own.path();
    let judge = |data: &str| {
        bellwether(
            own,
            &format!("detect {data} --model m --registry models -o rows.csv"),
        )
        .ends(0);
        let rows = fs::read_to_string(own.join("rows.csv")).unwrap();
        rows.lines()
            .filter(|line| line.split(',').nth(1) != Some(""))
            .count()
            - 1
    };
    train(own, "waves.csv").ends(0);
    assert_eq!(judge("waves.csv"), 381);
    train(own, "constant.csv")
        .ends(0)
        .says(&["2 of 2 channels never change"]);
    bellwether(own, "models promote m@2 --registry models").ends(0);
    assert_eq!(judge("constant.csv"), 381);
    train(own, "half.csv")
        .ends(0)
        .says(&["no value in the training part", "b"]);
    bellwether(own, "models promote m@3 --registry models").ends(0);
    assert_eq!(judge("half.csv"), 381);
    train(own, "nothing.csv").ends(1).says(&["every cell is missing"]);
    train(own, "absurd.csv").ends(0);
    train(own, "apart.csv").ends(1).says(&["\"b\"", "too far apart"]);
}

#[test]
fn words_that_are_no_command_are_answered_with_those_that_are() {
    let own = own_folder(&[]);
    let check = |line: &str, texts: &[&str]| {
        bellwether(own.path(), line).ends(2).says(texts);
    };
    check(
        "",
        &[
            "Usage: bellwether",
            "demo",
            "generate",
            "train",
            "detect",
            "evaluate",
        ],
    );
    check("detekt data.csv", &["detekt", "detect"]);
    check("detect data.csv --modle pump", &["--modle", "--model"]);
    check("detect data.csv", &["--model"]);
    check("detect --model pump", &["DATA"]);
    check(
        "detect data.csv --model pump --mode sideways",
        &["--mode", "causal or retrospective"],
    );
    check("models", &["list", "show", "promote"]);
    check("bench", &["kernels", "quality"]);
    check("bench quality . --models magic", &["magic", "max-z"]);
    check("bench kernels --kernels magic", &["magic"]);
    let with_kernels =
        |name| bellwether_amid(own.path(), "architectures list", &[("BELLWETHER_KERNELS", name)]);
    with_kernels("magic")
        .ends(2)
        .says(&["BELLWETHER_KERNELS=magic", "portable"]);
    with_kernels("portable").ends(0);
    for line in ["--help", "detect --help", "--version"] {
        let ran = bellwether(own.path(), line).ends(0);
        assert!(
            ran.stdout.contains("bellwether") && ran.stderr.is_empty(),
            "{line}"
        );
    }
    bellwether(own.path(), "bench quality .")
        .ends(1)
        .says(&["manifest.json"]);
}
