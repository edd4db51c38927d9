//! A fleet of two pumps with faults that are known, and a model trained on its healthy part.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::shared::{Ran, bellwether};

/// Rows of each pump that the model learns from; the faults come later.
pub(crate) const TRAIN_ROWS: usize = 900;

const GENERATE: &str = "generate --devices 2 --samples 1500 --seed 7 -o fleet.csv --labels faults.csv \
                        --anomaly pump-01/level-shift@70%+80*8:pressure_out_bar \
                        --anomaly pump-02/drift@75%+200*8:bearing_temp_c \
                        --anomaly pump-02/dropout@1400+30:motor_current_a";

/// The folder with `fleet.csv`, `faults.csv` and the registry `models` with `pump`, made once per test program.
pub(crate) fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        // Kept until the build's folder is cleaned: no test is the last.
        let folder = tempfile::Builder::new()
            .prefix("fleet-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .unwrap()
            .keep();
        bellwether(&folder, GENERATE).ends(0);
        let train = format!(
            "train fleet.csv --name pump --rows {TRAIN_ROWS} --epochs 4 --registry models --log epochs.jsonl"
        );
        bellwether(&folder, &train).ends(0);
        folder
    })
}

/// The text of a file in the fleet's folder.
pub(crate) fn text(file: &str) -> String {
    fs::read_to_string(folder().join(file)).unwrap()
}

/// A folder of a test's own, with the files given.
pub(crate) fn own_folder(files: &[(&str, &str)]) -> TempDir {
    let own = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(own.path().join(name), text).unwrap();
    }
    own
}

/// Copies a folder with all in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// Runs the binary in `own`, with the fleet's model.
pub(crate) fn with_model(own: &Path, line: &str) -> Ran {
    let registry = folder().join("models");
    bellwether(
        own,
        &format!("{line} --model pump --registry {}", registry.display()),
    )
}
