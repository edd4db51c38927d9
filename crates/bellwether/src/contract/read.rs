//! From a file to a contract.

use std::path::Path;
use std::time::Duration;

use bellwether_core::condition::Condition;
use bellwether_core::validate::{ChannelTerms, Contract, ContractRule, TimeTerms};

use super::VERSION;
use crate::config::duration;
use crate::config::error::{ConfigError, Mistake, Mistakes, did_you_mean};
use crate::config::place::{Origin, below};
use crate::config::tree::{Node, Table, Value};
use crate::config::{Text, file};

/// Reads a contract.
///
/// # Errors
/// [`ConfigError`] with every mistake that was found.
pub(crate) fn read(path: &Path) -> Result<Contract, ConfigError> {
    of_bytes(path, &Text::read(path)?.bytes)
}

/// The same where the file is at hand.
pub(super) fn of_bytes(path: &Path, bytes: &[u8]) -> Result<Contract, ConfigError> {
    let mut mistakes = Vec::new();
    let root = file::parse(path, bytes, &mut mistakes);
    Mistakes::in_order(mistakes).into_result()?;
    let mut reader = Reader { mistakes: Vec::new() };
    let contract = reader.contract(&root);
    Mistakes::in_order(reader.mistakes).into_result()?;
    Ok(contract)
}

/// A table that is being read, and where it stands.
struct Part<'a> {
    table: &'a Table,
    origin: &'a Origin,
    at: String,
}

struct Reader {
    mistakes: Vec<Mistake>,
}

impl Reader {
    fn wrong(&mut self, origin: &Origin, at: &str, problem: impl Into<String>) {
        self.mistakes.push(Mistake {
            origin: origin.clone(),
            at: at.to_owned(),
            problem: problem.into(),
        });
    }

    fn contract(&mut self, root: &Node) -> Contract {
        let Some(part) = self.part(
            root,
            String::new(),
            &["version", "extra", "time", "channels", "rules"],
        ) else {
            return Contract::default();
        };
        self.version(&part);
        let mut contract = Contract {
            allows_extra: self.choice(&part, "extra", &["refused", "allowed"]) == Some(1),
            ..Contract::default()
        };
        if let Some((_, node)) = part.table.get("time") {
            contract.time = self.time(node);
        }
        if let Some((_, node)) = part.table.get("channels") {
            contract.channels = self.channels(node);
        }
        if let Some((_, node)) = part.table.get("rules") {
            contract.rules = self.rules(node);
        }
        contract
    }

    fn version(&mut self, part: &Part<'_>) {
        match part.table.get("version") {
            None => self.wrong(
                part.origin,
                "",
                format!("version is missing: write version = {VERSION} in the first line"),
            ),
            Some((_, node)) => match node.value {
                Value::Integer(VERSION) => {}
                _ => self.wrong(
                    &node.origin,
                    "version",
                    format!("only version {VERSION} of contracts is known here"),
                ),
            },
        }
    }

    fn time(&mut self, node: &Node) -> TimeTerms {
        let Some(part) = self.part(node, "time".to_owned(), &["cadence", "jitter", "max_gap"]) else {
            return TimeTerms::default();
        };
        let time = TimeTerms {
            cadence: self.span(&part, "cadence"),
            jitter: self.number(&part, "jitter"),
            max_gap: self.span(&part, "max_gap"),
        };
        let alone = Contract {
            time: time.clone(),
            ..Contract::default()
        };
        if let Err(error) = alone.check() {
            self.wrong(part.origin, "time", error.to_string());
        }
        if time.jitter.is_some() && time.cadence.is_none() {
            self.wrong(part.origin, "time", "jitter is measured by a cadence: give one");
        }
        time
    }

    fn channels(&mut self, node: &Node) -> Vec<ChannelTerms> {
        let Value::Table(table) = &node.value else {
            self.wrong(
                &node.origin,
                "channels",
                "a table is wanted: [channels.NAME] for each channel",
            );
            return Vec::new();
        };
        table
            .iter()
            .filter_map(|(name, (_, node))| self.channel(name, node))
            .collect()
    }

    fn channel(&mut self, name: &str, node: &Node) -> Option<ChannelTerms> {
        let known = [
            "unit",
            "optional",
            "min",
            "max",
            "max_rate",
            "max_stuck",
            "max_missing",
            "states",
        ];
        let part = self.part(node, below("channels", name), &known)?;
        let terms = ChannelTerms {
            name: name.to_owned(),
            unit: self.text(&part, "unit"),
            is_optional: self.flag(&part, "optional").unwrap_or(false),
            min: self.number(&part, "min"),
            max: self.number(&part, "max"),
            max_rate: self.number(&part, "max_rate"),
            max_stuck: self.span(&part, "max_stuck"),
            max_missing: self.number(&part, "max_missing"),
            states: self.numbers(&part, "states"),
        };
        if let Err(error) = terms.check() {
            self.wrong(part.origin, &part.at, error.to_string());
        }
        Some(terms)
    }

    fn rules(&mut self, node: &Node) -> Vec<ContractRule> {
        let Value::List(nodes) = &node.value else {
            self.wrong(&node.origin, "rules", "a list is wanted: [[rules]] for each rule");
            return Vec::new();
        };
        let rules = nodes.iter().enumerate();
        rules
            .filter_map(|(idx, node)| {
                let part = self.part(node, format!("rules[{idx}]"), &["name", "condition"])?;
                let Some(text) = self.text(&part, "condition") else {
                    if !part.table.contains_key("condition") {
                        self.wrong(
                            part.origin,
                            &part.at,
                            "condition is missing: what must hold of each row",
                        );
                    }
                    return None;
                };
                let name = self.text(&part, "name").unwrap_or_else(|| text.clone());
                match Condition::parse(&text) {
                    Ok(condition) => Some(ContractRule { name, condition }),
                    Err(error) => {
                        let origin = part
                            .table
                            .get("condition")
                            .map_or(part.origin, |(_, node)| &node.origin);
                        self.wrong(origin, &below(&part.at, "condition"), error.to_string());
                        None
                    }
                }
            })
            .collect()
    }

    /// The table at a node, whose keys are all `known`.
    fn part<'a>(&mut self, node: &'a Node, at: String, known: &[&str]) -> Option<Part<'a>> {
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
    fn value<T>(
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

    fn number(&mut self, part: &Part<'_>, key: &str) -> Option<f64> {
        self.value(part, key, "a number", number)
    }

    fn numbers(&mut self, part: &Part<'_>, key: &str) -> Option<Vec<f64>> {
        self.value(part, key, "a list of numbers", |value| match value {
            Value::List(nodes) => nodes.iter().map(|node| number(&node.value)).collect(),
            _ => None,
        })
    }

    fn span(&mut self, part: &Part<'_>, key: &str) -> Option<Duration> {
        self.value(part, key, duration::WANTED, |value| match value {
            Value::Text(text) => duration::parse(text).filter(|span| !span.is_zero()),
            _ => None,
        })
    }

    fn text(&mut self, part: &Part<'_>, key: &str) -> Option<String> {
        self.value(part, key, "a text in quotes", |value| match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        })
    }

    fn flag(&mut self, part: &Part<'_>, key: &str) -> Option<bool> {
        self.value(part, key, "true or false", |value| match value {
            Value::Boolean(is_so) => Some(*is_so),
            _ => None,
        })
    }

    fn choice(&mut self, part: &Part<'_>, key: &str, known: &[&str]) -> Option<usize> {
        let wanted = format!("one of {}", known.join(", "));
        self.value(part, key, &wanted, |value| match value {
            Value::Text(text) => known.iter().position(|known| known == text),
            _ => None,
        })
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        _ => None,
    }
}
