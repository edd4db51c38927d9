//! Another configuration in the place of the file, from afar: checked as `config check` does, and never more than who
//! is not at the machine may change.

use std::collections::BTreeSet;
use std::path::Path;

use bellwether_serve::app::{ConfigMistake, ConfigRefused, ConfigText, SeamError};
use bellwether_store::disk;
use serde_json::Value;

use super::checked::Checked;
use super::error::{ConfigError, Mistakes};
use super::place::{Origin, below};
use super::{Loaded, Overrides, effective, file, load, show};
use crate::commands::config::environment;
use crate::wiring::{self, Purpose};

/// Keys that name places, addresses and secrets, with all below them.
const PROTECTED: [&str; 7] = [
    "storage",
    "sources",
    "outputs",
    "server",
    "alerts.channels",
    "alerts.link_base",
    "models.registry",
];

/// What is in force, and what of it waits for a restart of the process that started with `started`.
pub(crate) fn text(
    path: Option<&Path>,
    flags: &Overrides,
    started: &Checked,
) -> Result<ConfigText, SeamError> {
    let refused = |text: String| SeamError::Refused(text);
    let Loaded {
        mut checked,
        effective,
    } = load(path, &environment(), flags).map_err(|error| refused(error.to_string()))?;
    wiring::complete(&mut checked, Purpose::Serve, path.is_some())
        .map_err(|failure| refused(failure.text()))?;
    let file = path
        .map(read)
        .transpose()
        .map_err(|error| SeamError::Failed(error.to_string()))?;
    Ok(ConfigText {
        toml: show::toml(&effective, false),
        file: file.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        needs_restart: checked.needs_restart(started).map(str::to_owned).collect(),
    })
}

/// A file that was replaced.
#[derive(Debug)]
pub(crate) struct Replaced {
    /// What stood in it.
    pub(crate) before: Vec<u8>,
    /// Keys that are other than before.
    pub(crate) keys: Vec<String>,
}

/// Checks the text and writes it in the place of the file.
pub(crate) fn replace(path: &Path, flags: &Overrides, toml: &str) -> Result<Replaced, ConfigRefused> {
    let failed =
        |error: &dyn std::fmt::Display| ConfigRefused::Failed(format!("the file cannot be changed: {error}"));
    // Beside the file, so that relative paths mean the same.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let beside = folder
        .unwrap_or(Path::new("."))
        .join(".bellwether-config-to-check.toml");
    disk::write_atomic(&beside, toml.as_bytes()).map_err(|error| failed(&error))?;
    let checked = load(Some(&beside), &environment(), flags);
    let removed = std::fs::remove_file(&beside);
    let wanted = checked.map_err(refused)?.effective;
    removed.map_err(|error| failed(&error))?;
    let before = effective(Some(path), &environment(), flags).map_err(refused)?;
    let (before, wanted) = (show::document(&before), show::document(&wanted));
    let mut keys = BTreeSet::new();
    differences("", &before, &wanted, &mut keys);
    if !keys.is_empty() {
        return Err(ConfigRefused::Protected(keys.into_iter().collect()));
    }
    let mut keys = Vec::new();
    changed("", &before, &wanted, &mut keys);
    let before = read(path).map_err(|error| failed(&error))?;
    disk::write_atomic(path, toml.as_bytes()).map_err(|error| failed(&error))?;
    Ok(Replaced { before, keys })
}

/// Puts back what stood in the file.
pub(crate) fn put_back(path: &Path, before: &[u8]) -> Result<(), ConfigRefused> {
    disk::write_atomic(path, before).map_err(|error| {
        let text = format!("neither was it put in force, nor could the file be put back: {error}");
        ConfigRefused::Failed(text)
    })
}

fn read(path: &Path) -> Result<Vec<u8>, disk::DiskError> {
    disk::read_bounded(path, file::FILE_BYTES_MAX)
}

/// Protected keys that differ. Below `models` a text that is or becomes the path of a bundle file is protected, too.
fn differences(at: &str, before: &Value, wanted: &Value, keys: &mut BTreeSet<String>) {
    if before == wanted {
        return;
    }
    if PROTECTED.contains(&at) {
        keys.insert(at.to_owned());
        return;
    }
    match (before, wanted) {
        (Value::Object(before), Value::Object(wanted)) => {
            let names: BTreeSet<&String> = before.keys().chain(wanted.keys()).collect();
            for name in names {
                let part = |of: &serde_json::Map<String, Value>| of.get(name).cloned().unwrap_or_default();
                differences(&below(at, name), &part(before), &part(wanted), keys);
            }
        }
        (Value::Array(before), Value::Array(wanted)) if before.len() == wanted.len() => {
            for (idx, (before, wanted)) in before.iter().zip(wanted).enumerate() {
                differences(&format!("{at}[{idx}]"), before, wanted, keys);
            }
        }
        (before, wanted) if at.starts_with("models") && (names_a_file(before) || names_a_file(wanted)) => {
            keys.insert(at.to_owned());
        }
        _ => {}
    }
}

/// Keys that differ, each as deep as there are tables.
fn changed(at: &str, before: &Value, wanted: &Value, keys: &mut Vec<String>) {
    match (before, wanted) {
        (before, wanted) if before == wanted => {}
        (Value::Object(before), Value::Object(wanted)) => {
            let names: BTreeSet<&String> = before.keys().chain(wanted.keys()).collect();
            for name in names {
                let part = |of: &serde_json::Map<String, Value>| of.get(name).cloned().unwrap_or_default();
                changed(&below(at, name), &part(before), &part(wanted), keys);
            }
        }
        _ => keys.push(at.to_owned()),
    }
}

/// Whether some text in a value is the path of a bundle file.
fn names_a_file(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(['/', '\\']) || text.ends_with(".bellwether"),
        Value::Array(items) => items.iter().any(names_a_file),
        Value::Object(table) => table.values().any(names_a_file),
        _ => false,
    }
}

fn refused(error: ConfigError) -> ConfigRefused {
    let ConfigError::Wrong(Mistakes(mistakes)) = error else {
        return ConfigRefused::Failed(error.to_string());
    };
    let told = mistakes.into_iter().map(|mistake| {
        let (line, column) = match mistake.origin {
            Origin::File { line, column, .. } => (Some(line), Some(column)),
            _ => (None, None),
        };
        ConfigMistake {
            line,
            column,
            key: mistake.at,
            problem: mistake.problem,
        }
    });
    ConfigRefused::Mistakes(told.collect())
}
