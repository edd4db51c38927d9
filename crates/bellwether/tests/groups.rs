//! Models of the devices of a fleet: trained side by side, each as by itself, and judging its device.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![expect(clippy::disallowed_methods, reason = "tests make and read their own files")]

mod shared;

use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

use crate::shared::{Ran, bellwether};

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap()
}

#[test]
fn each_device_has_the_model_that_it_would_have_alone_whatever_the_threads() {
    let own = tempfile::tempdir().unwrap();
    let folder = own.path();
    bellwether(folder, "generate --devices 3 --samples 500 --seed 3 -o fleet.csv").ends(0);
    let text = fs::read_to_string(folder.join("fleet.csv")).unwrap();
    let fit = "--epochs 2 --format json";
    for (registry, threads) in [("one", 1), ("many", 4)] {
        let train = format!(
            "train fleet.csv --name pump --group-by device --threads {threads} --registry {registry} --log {registry}.csv {fit}"
        );
        let trained = json(&bellwether(folder, &train).ends(0));
        let devices: Vec<&str> = trained
            .as_array()
            .unwrap()
            .iter()
            .map(|of| of["device"].as_str().unwrap())
            .collect();
        assert_eq!(devices, ["pump-01", "pump-02", "pump-03"]);
    }
    // A row for each epoch of each device, whoever came first.
    let log = fs::read_to_string(folder.join("many.csv")).unwrap();
    assert!(log.starts_with(
        "model,epoch,train_loss,val_loss,learning_rate,gradient_norm,is_best,windows,seconds\n"
    ));
    for device in ["pump-01", "pump-02", "pump-03"] {
        let rows = log
            .lines()
            .filter(|line| line.starts_with(&format!("pump-{device},")));
        let cells: Vec<Vec<&str>> = rows.map(|row| row.split(',').collect()).collect();
        assert_eq!(cells.len(), 2, "{log}");
        assert!(
            cells
                .iter()
                .flat_map(|row| &row[1..])
                .all(|cell| cell.parse::<f64>().is_ok()),
            "{log}"
        );
    }
    for device in ["pump-01", "pump-02", "pump-03"] {
        let mut lines = text.lines();
        let head = lines.next().unwrap();
        let mut alone = format!("{head}\n");
        for line in lines.filter(|line| line.contains(device)) {
            writeln!(alone, "{line}").unwrap();
        }
        fs::write(folder.join("alone.csv"), alone).unwrap();
        let train = format!("train alone.csv --name {device} --registry alone --threads 2 {fit}");
        bellwether(folder, &train).ends(0);
        let scores = |model: &str, registry: &str| {
            let detect = format!("detect alone.csv --model {model} --registry {registry} -o scores.csv");
            bellwether(folder, &detect).ends(0);
            fs::read(folder.join("scores.csv")).unwrap()
        };
        let alone = scores(device, "alone");
        assert!(
            alone == scores(&format!("pump-{device}"), "one"),
            "{device} with one thread"
        );
        assert!(
            alone == scores(&format!("pump-{device}"), "many"),
            "{device} with four"
        );
    }
}

#[test]
fn a_device_whose_rows_do_not_suffice_is_named_and_holds_up_nobody() {
    let own = tempfile::tempdir().unwrap();
    let folder = own.path();
    bellwether(folder, "generate --devices 3 --samples 300 --seed 3 -o fleet.csv").ends(0);
    let text = fs::read_to_string(folder.join("fleet.csv")).unwrap();
    let mut n_short = 0;
    let kept = text.lines().filter(|line| {
        n_short += usize::from(line.contains("pump-02"));
        !line.contains("pump-02") || n_short <= 3
    });
    fs::write(
        folder.join("short.csv"),
        kept.map(|line| format!("{line}\n")).collect::<String>(),
    )
    .unwrap();
    let train =
        "train short.csv --name pump --group-by device --model-family linear --registry models --format json";
    let ran = bellwether(folder, train).ends(1).says(&[
        "no model for pump-02: ",
        "2 of 3 devices have a model after ",
        " models a minute",
        "no model for 1 of 3 devices: pump-02; the others have theirs",
    ]);
    let trained = json(&ran);
    assert_eq!(trained[0]["model"], "pump-pump-01@1");
    assert_eq!(
        (&trained[1]["device"], &trained[1]["model"]),
        (&"pump-02".into(), &Value::Null)
    );
    assert!(!trained[1]["error"].as_str().unwrap().is_empty());
    assert_eq!(trained[2]["model"], "pump-pump-03@1");
    // Without a model of all, the device that has none cannot be judged.
    let detect = "detect fleet.csv --model pump --group-by device --registry models --format json";
    bellwether(folder, detect).ends(4).says(&[
        "the device pump-02 has no model of its own",
        "there is no model pump",
    ]);
    // With one, each is judged by its own, and the others by that.
    let all = "train fleet.csv --name pump --model-family linear --registry models";
    bellwether(folder, all).ends(0);
    let judged = json(&bellwether(folder, detect).ends(0));
    let models: Vec<&str> = judged["series"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| of["model"].as_str().unwrap())
        .collect();
    assert_eq!(models, ["pump-pump-01@1", "pump@1", "pump-pump-03@1"]);
    bellwether(
        folder,
        "detect fleet.csv --model pump@1 --group-by device --registry models",
    )
    .ends(2)
    .says(&["--group-by wants the name alone"]);
}

#[test]
fn a_device_judged_by_its_own_model_has_the_scores_of_that_model() {
    let own = tempfile::tempdir().unwrap();
    let folder = own.path();
    bellwether(folder, "generate --devices 2 --samples 400 --seed 5 -o fleet.csv").ends(0);
    let train = "train fleet.csv --name pump --group-by device --group-models shared --epochs 2 --registry models --format json";
    let trained = json(&bellwether(folder, train).ends(0));
    let models: Vec<&Value> = trained
        .as_array()
        .unwrap()
        .iter()
        .map(|of| &of["model"])
        .collect();
    assert_eq!(models, ["pump@1", "pump-pump-01@1", "pump-pump-02@1"]);
    // Members are shared, thresholds are not.
    assert_eq!(trained[1]["members"], trained[0]["members"]);
    assert_ne!(trained[1]["threshold"], trained[2]["threshold"]);
    assert_eq!(trained[1]["val_loss"], trained[0]["val_loss"]);
    bellwether(
        folder,
        "detect fleet.csv --model pump --group-by device --registry models -o both.csv",
    )
    .ends(0);
    let both = fs::read_to_string(folder.join("both.csv")).unwrap();
    for device in ["pump-01", "pump-02"] {
        let detect = format!("detect fleet.csv --model pump-{device} --registry models -o one.csv");
        bellwether(folder, &detect).ends(0);
        let one = fs::read_to_string(folder.join("one.csv")).unwrap();
        let of = |text: &str| {
            text.lines()
                .filter(|line| line.contains(device))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(of(&both), of(&one), "{device}");
    }
    // A device that nobody knows has scores as soon as a window is full.
    let short = "generate --devices 1 --samples 30 --seed 77 -o fresh.csv";
    bellwether(folder, short).ends(0);
    let text = fs::read_to_string(folder.join("fresh.csv"))
        .unwrap()
        .replace("pump-01", "pump-99");
    fs::write(folder.join("fresh.csv"), text).unwrap();
    let detect = "detect fresh.csv --model pump --registry models -o fresh-scores.csv --format json";
    let judged = json(&bellwether(folder, detect).ends(0));
    assert!(judged["series"][0]["scored"].as_u64().unwrap() >= 10, "{judged}");
}

#[test]
fn a_stream_judges_each_device_by_its_own_model() {
    let own = tempfile::tempdir().unwrap();
    let folder = own.path();
    bellwether(folder, "generate --devices 2 --samples 300 --seed 5 -o fleet.csv").ends(0);
    let train = "train fleet.csv --name pump --group-by device --model-family linear --registry models";
    bellwether(folder, train).ends(0);
    bellwether(
        folder,
        "detect fleet.csv --model pump --group-by device --registry models -o batch.csv",
    )
    .ends(0);
    let data = fs::read(folder.join("fleet.csv")).unwrap();
    let stream = "stream --model pump --by-device --registry models --from - --to - --format csv";
    let streamed = shared::bellwether_fed(folder, stream, &data).ends(0);
    assert_eq!(
        streamed.stdout,
        fs::read_to_string(folder.join("batch.csv")).unwrap()
    );
}

/// Beside the data, memory does not grow with the number of devices.
#[cfg(target_os = "linux")]
#[test]
fn hundreds_of_devices_take_the_memory_of_a_few() {
    use std::process::{Command, Stdio};
    let own = tempfile::tempdir().unwrap();
    let folder = own.path();
    let peak_kib = |n: usize| {
        let generate =
            format!("generate --template sine --channels 3 --devices {n} --samples 60 --seed 5 -o fleet.csv");
        bellwether(folder, &generate).ends(0);
        let train = format!(
            "train fleet.csv --name of{n} --group-by device --model-family lstm-forecast --epochs 1 --threads 2 --registry models -q"
        );
        let mut child = Command::new(env!("CARGO_BIN_EXE_bellwether"))
            .current_dir(folder)
            .args(train.split_whitespace())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let status = format!("/proc/{}/status", child.id());
        let mut peak = 0;
        while child.try_wait().unwrap().is_none() {
            let text = fs::read_to_string(&status).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok());
            peak = kib.unwrap_or(peak).max(peak);
            std::thread::yield_now();
        }
        assert!(child.wait().unwrap().success());
        peak
    };
    let (few, many) = (peak_kib(10), peak_kib(300));
    // 60 rows of 3 channels are 2 KiB; a model in training is more than a MiB.
    assert!(
        many < few + 24 * 1024,
        "{few} KiB for 10 devices, {many} KiB for 300"
    );
}

#[test]
fn a_fleet_that_was_interrupted_goes_on_with_the_devices_that_are_left() {
    let own = tempfile::tempdir().unwrap();
    let folder = own.path();
    bellwether(folder, "generate --devices 3 --samples 500 --seed 3 -o fleet.csv").ends(0);
    let text = fs::read_to_string(folder.join("fleet.csv")).unwrap();
    let begun = text.lines().filter(|line| !line.contains("pump-02"));
    fs::write(
        folder.join("begun.csv"),
        begun.collect::<Vec<_>>().join("\n") + "\n",
    )
    .unwrap();
    let train = |file: &str, rest: &str| {
        let command = format!("train {file}.csv --name pump --group-by device --registry models {rest}");
        let trained = json(&bellwether(folder, &format!("{command} --format json")).ends(0));
        let of = |of: &Value| of["model"].as_str().unwrap().to_owned();
        trained.as_array().unwrap().iter().map(of).collect::<Vec<_>>()
    };
    let first = ["pump-pump-01@1", "pump-pump-02@1", "pump-pump-03@1"];
    assert_eq!(train("begun", "--epochs 2"), [first[0], first[2]]);
    assert_eq!(train("fleet", "--epochs 2 --resume --threads 1"), first);
    // Other settings are another model, and so is a training that was stopped.
    let second = train("fleet", "--epochs 3 --resume");
    assert_eq!(second, ["pump-pump-01@2", "pump-pump-02@2", "pump-pump-03@2"]);
    let stopped = "--epochs 50 --max-time 1ms";
    assert_eq!(train("fleet", stopped)[0], "pump-pump-01@3");
    assert_eq!(
        train("fleet", &format!("{stopped} --resume"))[0],
        "pump-pump-01@4"
    );
}

#[test]
fn devices_are_evaluated_and_explained_by_their_own_models() {
    let own = tempfile::tempdir().unwrap();
    let folder = own.path();
    let generate = "generate --devices 2 --samples 1200 --seed 5 -o fleet.csv --labels truth.csv --anomaly level-shift@80%+60";
    bellwether(folder, generate).ends(0);
    let train =
        "train fleet.csv --name pump --group-by device --model-family linear --rows 800 --registry models";
    bellwether(folder, train).ends(0);
    let rest = "--registry models --format json";
    let evaluate = |model: &str| {
        let command = format!(
            "evaluate fleet.csv --model {model} --labels truth.csv --skip-rows 800 --intervals off {rest}"
        );
        json(&bellwether(folder, &command).ends(0))
    };
    let both = evaluate("pump --group-by device");
    for device in ["pump-01", "pump-02"] {
        let metrics = |of: &Value, model: &str| {
            let series = of["series"].as_array().unwrap();
            let is_it = |one: &&Value| one["series"] == device && one["model"] == model;
            series.iter().find(is_it).unwrap()["metrics"].clone()
        };
        let alone = evaluate(&format!("pump-{device}"));
        assert_eq!(
            metrics(&both, "pump"),
            metrics(&alone, &format!("pump-{device}@1")),
            "{device}"
        );
        let explain = |model: &str| {
            let command = format!(
                "explain fleet.csv --model {model} --series {device} --at 2024-01-01T16:30:00Z {rest}"
            );
            json(&bellwether(folder, &command).ends(0))
        };
        assert_eq!(
            explain("pump --group-by device"),
            explain(&format!("pump-{device}")),
            "{device}"
        );
    }
    // Nobody knows the truth: faults are put into the data of each device and looked for by its model.
    let without = format!("evaluate fleet.csv --model pump --group-by device --skip-rows 800 {rest}");
    let figures = json(&bellwether(folder, &without).ends(0));
    assert_eq!(figures["series"][0]["model"], "pump");
}
