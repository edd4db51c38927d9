//! Networks of any shape from the command line: each preset from `train` to `stream`, files, and what cannot be.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![expect(clippy::disallowed_methods, reason = "the tests look at what is on the disk")]

mod shared;

use std::fs;
use std::path::Path;

use serde_json::Value;
use shared::{PRESETS, bellwether, bellwether_amid, bellwether_fed};

fn plant(folder: &Path) -> Vec<u8> {
    bellwether(
        folder,
        "generate --samples 420 --seed 9 -o plant.csv --anomaly drift@70%+60*6",
    )
    .ends(0);
    fs::read(folder.join("plant.csv")).unwrap()
}

/// The first rows of a file, with its header.
fn rows(text: &[u8], n: usize) -> Vec<u8> {
    let lines = text.split_inclusive(|&byte| byte == b'\n');
    lines.take(n + 1).flatten().copied().collect()
}

#[test]
fn every_preset_trains_alike_on_any_threads_and_a_stream_says_what_detect_says() {
    let own = tempfile::tempdir().unwrap();
    let folder = own.path();
    let input = plant(folder);
    for preset in PRESETS {
        let family = if preset == "lstm" { "lstm-ae" } else { preset };
        let train = |registry: &str, threads: usize| {
            let line = format!(
                "train plant.csv --rows 300 --name net --model-family {family} --epochs 1 --registry {registry} \
                 --threads {threads} --format json"
            );
            let answer: Value = serde_json::from_str(&bellwether(folder, &line).ends(0).stdout).unwrap();
            let detect = format!("detect - --model net --registry {registry} --threads {threads} -o -");
            (answer, bellwether_fed(folder, &detect, &input).ends(0).stdout)
        };
        let (answer, want) = train(&format!("{preset}-1"), 1);
        let kind = if preset.starts_with("lstm") {
            "lstm-ae"
        } else {
            "network"
        };
        assert_eq!(answer["members"], serde_json::json!([kind]), "{preset}");
        assert!(answer["weights"].as_u64().unwrap() > 500, "{preset}: {answer}");
        let (_, other) = train(&format!("{preset}-2"), 2);
        assert!(other == want, "{preset}: other rows on two threads");
        let model = format!("--model net --registry {preset}-1");
        let stream = format!("stream {model} --from - --to - -q");
        let got = bellwether_fed(folder, &stream, &input).ends(0).stdout;
        assert!(got == want, "{preset}: a stream has other rows");
        // What comes later does not move what was said.
        let part = rows(&input, 333);
        let got = bellwether_fed(folder, &format!("detect - {model} -o -"), &part)
            .ends(0)
            .stdout;
        assert!(
            want.starts_with(&got) && got.lines().count() == 334,
            "{preset}: a shorter file"
        );
    }
}

#[test]
fn weights_in_fewer_bytes_score_alike_and_a_stream_says_what_detect_says() {
    let own = tempfile::tempdir().unwrap();
    let folder = own.path();
    let input = plant(folder);
    for family in ["lstm-ae", "attention"] {
        let mut before: Option<(u64, Vec<f64>)> = None;
        for precision in ["float32", "float16", "int8"] {
            let model = format!("--model net --registry {family}-{precision}");
            bellwether(
                folder,
                &format!(
                    "train plant.csv --rows 300 --name net --model-family {family} --epochs 3 --precision {precision} \
                     --registry {family}-{precision}"
                ),
            )
            .ends(0);
            let detect = format!("detect - {model} -o - --mode causal");
            let rows = bellwether_fed(folder, &detect, &input).ends(0).stdout;
            let stream = format!("stream {model} --from - --to - -q");
            assert!(bellwether_fed(folder, &stream, &input).ends(0).stdout == rows);
            let shown = bellwether(
                folder,
                &format!("models show net --registry {family}-{precision} --format json"),
            );
            let shown: Value = serde_json::from_str(&shown.ends(0).stdout).unwrap();
            assert_eq!(shown["manifest"]["training"]["settings"]["precision"], precision);

            let bundle = folder.join(format!("{family}-{precision}/net/1.bellwether"));
            let bytes = fs::metadata(bundle).unwrap().len();
            let scores: Vec<f64> = rows
                .lines()
                .skip(1)
                .filter_map(|line| line.split(',').nth(1)?.parse().ok())
                .collect();
            assert!(scores.len() > 300);
            if let Some((bytes_before, learnt)) = &before {
                assert!(bytes < *bytes_before, "{family} {precision}: {bytes} bytes");
                let off = scores
                    .iter()
                    .zip(learnt)
                    .map(|(got, want)| (got - want).abs() / want.abs().max(0.1));
                let mean_off = off.sum::<f64>() / scores.len() as f64;
                assert!(
                    0.0 < mean_off && mean_off < 0.03,
                    "{family} {precision}: scores are off by {mean_off}"
                );
            }
            before = Some((bytes, scores));
        }
    }
    let refused = bellwether(folder, "train plant.csv --name net --precision int4").ends(2);
    assert!(
        refused.stderr.contains("float32, float16, int8"),
        "{}",
        refused.stderr
    );
}

/// Writes `same.toml`, the layers of `gru`, and `mine.toml`, the same with 12 units in place of 64.
fn own_layers(folder: &Path) {
    bellwether(folder, "architectures template gru -o same.toml").ends(0);
    let text = fs::read_to_string(folder.join("same.toml")).unwrap();
    fs::write(folder.join("mine.toml"), text.replace("64", "12")).unwrap();
}

#[test]
fn a_file_takes_the_place_of_the_network_and_stays_in_the_bundle() {
    let own = tempfile::tempdir().unwrap();
    let folder = own.path();
    plant(folder);
    own_layers(folder);
    let line = "train plant.csv --rows 300 --name net --architecture mine.toml --epochs 1 --registry models --format json \
                --optimizer adamw:0.02 --loss huber:0.3 --schedule warm-up:0.2";
    let answer: Value = serde_json::from_str(&bellwether(folder, line).ends(0).stdout).unwrap();
    assert_eq!(
        answer["members"],
        serde_json::json!(["network", "pca", "pca", "var", "cross-regression"])
    );
    fs::remove_file(folder.join("mine.toml")).unwrap();
    bellwether(
        folder,
        "detect plant.csv --model net --registry models -o rows.csv",
    )
    .ends(0);
    let shown = bellwether(folder, "models show net --registry models --format json").ends(0);
    assert!(shown.stdout.contains("units = 12"), "{}", shown.stdout);
}

#[test]
fn a_file_is_compared_as_what_has_a_name_is() {
    let own = tempfile::tempdir().unwrap();
    let folder = own.path();
    plant(folder);
    own_layers(folder);
    let line = "compare plant.csv --rows 300 --models gru,same.toml,mine.toml --epochs 1 --format json";
    let compared: Value = serde_json::from_str(&bellwether(folder, line).ends(0).stdout).unwrap();
    let mean = &compared["mean"];
    let [named, same, mine] = ["gru", "same.toml", "mine.toml"].map(|name| &mean[name]);
    assert!(named.is_object() && named == same, "{compared}");
    assert!(mine.is_object() && named != mine, "{compared}");
    fs::write(folder.join("bad.toml"), "version = 1\nlayers = \"lstm\"\n").unwrap();
    bellwether(folder, "compare plant.csv --models gru,bad.toml")
        .ends(78)
        .says(&["bad.toml:2", "a list is wanted"]);
    bellwether(folder, "compare plant.csv --models none.toml")
        .ends(78)
        .says(&["none.toml"]);
}

#[test]
fn what_cannot_be_is_refused_before_the_data_are_read() {
    let own = tempfile::tempdir().unwrap();
    let folder = own.path();
    let file = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    let train = |architecture: &str| {
        let line = format!("train none.csv --name net --registry models --architecture {architecture}");
        bellwether(folder, &line)
    };
    let head = "version = 1\n[[layers]]\n";
    file(
        "huge.toml",
        &format!("{head}kind = \"lstm\"\nunits = 1000000000\n"),
    );
    file(
        "shape.toml",
        &format!("{head}kind = \"gru\"\nunits = 8\n\n[[layers]]\nkind = \"repeat\"\n"),
    );
    file(
        "circle.toml",
        &format!("{head}kind = \"residual\"\nfrom = \"a\"\nname = \"a\"\n"),
    );
    file("empty.toml", "");
    file("types.toml", "version = 1\nlayers = \"lstm\"\n");
    file("keys.toml", &format!("{head}kind = \"gru\"\nunitz = 8\n"));
    train("huge.toml")
        .ends(2)
        .says(&["layer 1 (lstm)", "units: 1000000000 is not in 1..=4096"]);
    train("shape.toml")
        .ends(2)
        .says(&["layer 2 (repeat)", "[16, 8] enters, wanted [1, n]"]);
    train("circle.toml")
        .ends(2)
        .says(&["layer 1 (residual)", "circle"]);
    train("empty.toml")
        .ends(78)
        .says(&["empty.toml:1:1", "version is missing"]);
    train("types.toml")
        .ends(78)
        .says(&["types.toml:2", "a list is wanted"]);
    train("keys.toml")
        .ends(78)
        .says(&["keys.toml:4", "did you mean \"units\"?"]);
    train("none.toml").ends(78).says(&["none.toml"]);
    train("gruu").ends(2).says(&["did you mean gru?"]);
    train("gru --model-family linear")
        .ends(2)
        .says(&["linear has no network"]);
    train("gru --loss quantile:2")
        .ends(2)
        .says(&["--loss 2", "above 0 and below 1"]);
    train("gru --optimizer sgd:1").ends(2).says(&["--optimizer 1"]);
    train("gru --schedule step:2,1").ends(2).says(&["--schedule 2"]);
    bellwether(folder, "architectures check shape.toml")
        .ends(2)
        .says(&["layer 2 (repeat)"]);
}

#[test]
fn architectures_are_listed_shown_checked_and_measured() {
    let own = tempfile::tempdir().unwrap();
    let folder = own.path();
    let json = |line: &str| -> Value {
        serde_json::from_str(
            &bellwether(folder, &format!("{line} --format json"))
                .ends(0)
                .stdout,
        )
        .unwrap()
    };
    let listed = json("architectures list");
    let names: Vec<&str> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, PRESETS);
    let shown = bellwether(folder, "architectures show tcn").ends(0).stdout;
    fs::write(folder.join("tcn.toml"), &shown).unwrap();
    let checked = json("architectures check tcn.toml --window 20 --channels 3");
    let last = checked["layers"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        (last["kind"].as_str(), last["shape"].as_str()),
        (Some("head"), Some("[1, 3]"))
    );
    let measured =
        json("architectures summary light tcn.toml --channels 3 --windows 64 --epochs 1 --threads 1");
    let all = measured["architectures"].as_array().unwrap();
    assert_eq!(all.len(), 2);
    for row in all {
        for key in [
            "weights",
            "flops_forward",
            "flops_training",
            "bundle_bytes",
            "memory_bytes",
        ] {
            assert!(row[key].as_u64().unwrap() > 0, "{row}");
        }
        for key in ["latency_us", "score_windows_per_s", "training_seconds"] {
            assert!(row[key].as_f64().unwrap() > 0.0, "{row}");
        }
    }
    let table = bellwether(folder, "architectures list").ends(0).stdout;
    assert!(table.contains("tcn") && table.contains("forecast"), "{table}");
    let line = "architectures summary light --channels 3 --windows 64 --epochs 1 --threads 1 --format json";
    let chosen = bellwether_amid(folder, line, &[("BELLWETHER_KERNELS", "portable")]).ends(0);
    let chosen: Value = serde_json::from_str(&chosen.stdout).unwrap();
    assert_eq!(chosen["kernels"], "portable");
}
