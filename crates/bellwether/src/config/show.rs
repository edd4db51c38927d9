//! What is in force, as people and programs read it: TOML, or a row for each value with where it comes from.

use serde_json::Value;

use super::Effective;
use super::place::{Origins, below};
use super::wire::Config;
use crate::output::Rows;

/// The configuration as a file would say it; with origins, each value has its own as a comment. Keys that nobody set
/// and that have no default are not there.
pub(crate) fn toml(effective: &Effective, with_origins: bool) -> String {
    let document = document(effective);
    let printer = Printer {
        origins: with_origins.then_some(&effective.origins),
    };
    let mut text = String::new();
    for (name, section) in document.as_object().into_iter().flatten() {
        printer.section(name, name, section, &mut text);
    }
    text.trim_start().to_owned()
}

/// The configuration as one JSON document.
pub(crate) fn document(effective: &Effective) -> Value {
    values(&effective.config)
}

/// The same without where its values come from.
pub(crate) fn values(config: &Config) -> Value {
    serde_json::to_value(config).expect("a configuration is texts, numbers, lists and tables")
}

/// A row for each value: its key, itself, and where it comes from.
pub(crate) fn rows(effective: &Effective) -> Rows {
    let mut rows = Rows::new(&["key", "value", "origin"]);
    flatten("", &document(effective), &mut |at, value| {
        let origin = effective.origins.of(at).brief();
        rows.push(vec![at.into(), value.clone(), origin.into()]);
    });
    rows
}

fn flatten(at: &str, value: &Value, row: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                flatten(&below(at, key), value, row);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (idx, item) in items.iter().enumerate() {
                flatten(&format!("{at}[{idx}]"), item, row);
            }
        }
        value => row(at, value),
    }
}

struct Printer<'a> {
    origins: Option<&'a Origins>,
}

impl Printer<'_> {
    /// A section or a list of them. `at` counts entries (`sources[1]`), `name` does not.
    fn section(&self, name: &str, at: &str, section: &Value, text: &mut String) {
        match section {
            Value::Array(entries) => {
                for (idx, entry) in entries.iter().enumerate() {
                    *text += &format!("\n[[{name}]]\n");
                    self.entries(name, &format!("{at}[{idx}]"), entry, text);
                }
            }
            section => {
                *text += &format!("\n[{name}]\n");
                self.entries(name, at, section, text);
            }
        }
    }

    fn entries(&self, name: &str, at: &str, table: &Value, text: &mut String) {
        let entries = || table.as_object().into_iter().flatten();
        // Lists of tables come last: what follows their heading would be theirs.
        let is_list = |value: &Value| {
            value
                .as_array()
                .is_some_and(|items| items.iter().any(Value::is_object))
        };
        for (key, value) in entries().filter(|(_, value)| !is_list(value)) {
            let at = below(at, key);
            if let Ok(shown) = toml::Value::try_from(value) {
                let origin = match self.origins {
                    Some(origins) => format!("  # {}", origins.of(&at).brief()),
                    None => String::new(),
                };
                *text += &format!("{key} = {shown}{origin}\n");
            }
        }
        for (key, value) in entries().filter(|(_, value)| is_list(value)) {
            self.section(&below(name, key), &below(at, key), value, text);
        }
    }
}
