//! Another configuration in the place of the file, from afar: checked as `config check` does, and never more than who
//! is not at the machine may change.

use std::collections::BTreeSet;
use std::path::Path;

use bellwether_serve::app::{ConfigMistake, ConfigRefused, ConfigText, SeamError, tag_of};
use bellwether_store::disk;
use serde_json::Value;

use super::checked::Checked;
use super::error::{ConfigError, Mistakes};
use super::place::{Origin, below};
use super::{Loaded, Overrides, Text, file, load_text, own, show};
use crate::commands::config::environment;

/// Keys that name places, addresses and secrets, with all below them.
const PROTECTED: [&str; 8] = [
    "storage",
    "sources",
    "outputs",
    "server",
    "alerts.channels",
    "alerts.link_base",
    "models.registry",
    "models.trust",
];

/// What is in force, and what of it waits for a restart of the process that started with `started`.
pub(crate) fn text(
    path: Option<&Path>,
    in_force: &Loaded,
    started: &Checked,
) -> Result<ConfigText, SeamError> {
    let file = path
        .map(Text::read)
        .transpose()
        .map_err(|error| SeamError::Failed(error.to_string()))?;
    let waiting = in_force.checked.needs_restart(started);
    Ok(ConfigText {
        toml: show::toml(&in_force.effective, false),
        file: file.map(|file| String::from_utf8_lossy(&file.bytes).into_owned()),
        needs_restart: waiting.map(str::to_owned).collect(),
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

/// Checks the text and writes it in the place of the file, which has the tag `seen` where one is told.
///
/// What is protected is found in what both files say by themselves, before any place that the text names is looked at:
/// nobody learns from afar what stands on this machine.
pub(crate) fn replace(
    path: &Path,
    flags: &Overrides,
    toml: &str,
    seen: Option<&str>,
) -> Result<Replaced, ConfigRefused> {
    let failed =
        |error: &dyn std::fmt::Display| ConfigRefused::Failed(format!("the file cannot be changed: {error}"));
    if toml.len() as u64 > file::FILE_BYTES_MAX {
        return Err(failed(&"a configuration has 1 MiB at most"));
    }
    let wanted = Text {
        path,
        bytes: toml.into(),
    };
    let before = Text::read(path).map_err(|error| failed(&error))?;
    if seen.is_some_and(|seen| seen != tag_of(&before.bytes)) {
        return Err(ConfigRefused::Stale);
    }
    let [old, new] = [&before, &wanted].map(|file| own(file).map(|config| show::values(&config)));
    let mut found = Differences::default();
    found.look("", &old.map_err(refused)?, &new.map_err(refused)?);
    if !found.protected.is_empty() {
        return Err(ConfigRefused::Protected(found.protected.into_iter().collect()));
    }
    load_text(Some(&wanted), &environment(), flags).map_err(refused)?;
    disk::write_atomic(path, &wanted.bytes).map_err(|error| failed(&error))?;
    Ok(Replaced {
        before: before.bytes,
        keys: found.free.into_iter().collect(),
    })
}

/// Puts back what stood in the file.
pub(crate) fn put_back(path: &Path, before: &[u8]) -> Result<(), ConfigRefused> {
    disk::write_atomic(path, before).map_err(|error| {
        let text = format!("neither was it put in force, nor could the file be put back: {error}");
        ConfigRefused::Failed(text)
    })
}

/// Keys that differ.
#[derive(Debug, Default)]
struct Differences {
    protected: BTreeSet<String>,
    free: BTreeSet<String>,
}

impl Differences {
    /// Below `models` a text that is or becomes the path of a bundle file is protected, too.
    fn look(&mut self, at: &str, before: &Value, wanted: &Value) {
        if before == wanted {
            return;
        }
        if PROTECTED.contains(&at) {
            self.protected.insert(at.to_owned());
            return;
        }
        match (before, wanted) {
            (Value::Object(before), Value::Object(wanted)) => {
                let names: BTreeSet<&String> = before.keys().chain(wanted.keys()).collect();
                for name in names {
                    let part =
                        |of: &serde_json::Map<String, Value>| of.get(name).cloned().unwrap_or_default();
                    self.look(&below(at, name), &part(before), &part(wanted));
                }
            }
            (Value::Array(before), Value::Array(wanted)) if before.len() == wanted.len() => {
                for (idx, (before, wanted)) in before.iter().zip(wanted).enumerate() {
                    self.look(&format!("{at}[{idx}]"), before, wanted);
                }
            }
            (before, wanted)
                if at.starts_with("models") && (names_a_file(before) || names_a_file(wanted)) =>
            {
                self.protected.insert(at.to_owned());
            }
            _ => {
                self.free.insert(at.to_owned());
            }
        }
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
