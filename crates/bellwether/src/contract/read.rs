//! From a file to a contract.

use std::path::Path;
use std::time::Duration;

use bellwether_core::condition::Condition;
use bellwether_core::validate::{ChannelTerms, Contract, ContractRule, TimeTerms};

use super::VERSION;
use crate::config::Text;
use crate::config::duration;
use crate::config::error::ConfigError;
use crate::config::place::below;
use crate::config::strict::{self, Part, Reader, number};
use crate::config::tree::{Node, Value};

/// Reads a contract.
///
/// # Errors
/// [`ConfigError`] with every mistake that was found.
pub(crate) fn read(path: &Path) -> Result<Contract, ConfigError> {
    of_bytes(path, &Text::read(path)?.bytes)
}

/// The same where the file is at hand.
pub(super) fn of_bytes(path: &Path, bytes: &[u8]) -> Result<Contract, ConfigError> {
    strict::read(path, bytes, Reader::contract)
}

impl Reader {
    fn contract(&mut self, root: &Node) -> Contract {
        let Some(part) = self.part(
            root,
            String::new(),
            &["version", "extra", "time", "channels", "rules"],
        ) else {
            return Contract::default();
        };
        self.version(&part, VERSION, "contracts");
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
}
