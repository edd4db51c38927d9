//! Files of our own beside the configuration, contracts and network specifications: every key known, every mistake told with its place.

use std::path::Path;

use super::error::{ConfigError, Mistake, Mistakes, did_you_mean};
use super::file;
use super::place::{Origin, below};
use super::tree::{Node, Table, Value};

/// Reads a file by what `of` makes of its values.
///
/// # Errors
/// [`ConfigError`] with every mistake that was found.
pub(crate) fn read<T>(
    path: &Path,
    bytes: &[u8],
    of: impl FnOnce(&mut Reader, &Node) -> T,
) -> Result<T, ConfigError> {
    let mut mistakes = Vec::new();
    let root = file::parse(path, bytes, &mut mistakes);
    Mistakes::in_order(mistakes).into_result()?;
    let mut reader = Reader { mistakes: Vec::new() };
    let read = of(&mut reader, &root);
    Mistakes::in_order(reader.mistakes).into_result()?;
    Ok(read)
}

/// A table that is being read, and where it stands.
pub(crate) struct Part<'a> {
    pub(crate) table: &'a Table,
    pub(crate) origin: &'a Origin,
    pub(crate) at: String,
}

/// Takes values out of tables, and keeps what is wrong with them. What a kind of file is made of, its own module adds.
pub(crate) struct Reader {
    mistakes: Vec<Mistake>,
}

impl Reader {
    pub(crate) fn wrong(&mut self, origin: &Origin, at: &str, problem: impl Into<String>) {
        self.mistakes.push(Mistake {
            origin: origin.clone(),
            at: at.to_owned(),
            problem: problem.into(),
        });
    }

    /// The version of the file, of which one is known: that of `what`.
    pub(crate) fn version(&mut self, part: &Part<'_>, version: i64, what: &str) {
        match part.table.get("version") {
            None => self.wrong(
                part.origin,
                "",
                format!("version is missing: write version = {version} in the first line"),
            ),
            Some((_, node)) => match node.value {
                Value::Integer(found) if found == version => {}
                _ => self.wrong(
                    &node.origin,
                    "version",
                    format!("only version {version} of {what} is known here"),
                ),
            },
        }
    }

    /// The table at a node, whose keys are all `known`.
    pub(crate) fn part<'a>(&mut self, node: &'a Node, at: String, known: &[&str]) -> Option<Part<'a>> {
        let Value::Table(table) = &node.value else {
            self.wrong(&node.origin, &at, "a table is wanted");
            return None;
        };
        for (key, (origin, _)) in table.iter().filter(|(key, _)| !known.contains(&key.as_str())) {
            let near = did_you_mean(key, known.iter().copied())
                .map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
            let problem = format!(
                "there is no key {key:?} here{near} Known are {}",
                known.join(", ")
            );
            self.wrong(origin, &at, problem);
        }
        Some(Part {
            table,
            origin: &node.origin,
            at,
        })
    }

    /// What `of` makes of the value of a key; a mistake where it makes nothing of it.
    pub(crate) fn value<T>(
        &mut self,
        part: &Part<'_>,
        key: &str,
        wanted: &str,
        of: impl Fn(&Value) -> Option<T>,
    ) -> Option<T> {
        let (_, node) = part.table.get(key)?;
        let value = of(&node.value);
        if value.is_none() {
            self.wrong(&node.origin, &below(&part.at, key), format!("{wanted} is wanted"));
        }
        value
    }

    pub(crate) fn number(&mut self, part: &Part<'_>, key: &str) -> Option<f64> {
        self.value(part, key, "a number", number)
    }

    pub(crate) fn text(&mut self, part: &Part<'_>, key: &str) -> Option<String> {
        self.value(part, key, "a text in quotes", |value| match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        })
    }

    pub(crate) fn flag(&mut self, part: &Part<'_>, key: &str) -> Option<bool> {
        self.value(part, key, "true or false", |value| match value {
            Value::Boolean(is_so) => Some(*is_so),
            _ => None,
        })
    }

    pub(crate) fn choice(&mut self, part: &Part<'_>, key: &str, known: &[&str]) -> Option<usize> {
        let wanted = format!("one of {}", known.join(", "));
        self.value(part, key, &wanted, |value| match value {
            Value::Text(text) => known.iter().position(|known| known == text),
            _ => None,
        })
    }
}

/// A number, written with a point or without.
pub(crate) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        _ => None,
    }
}
