//! From a contract to a file that people go on with.

use std::fmt::Write as _;

use bellwether_core::validate::Contract;

use super::VERSION;
use crate::config::duration;

/// The text of a contract; [`read`](fn@super::read) gives the same contract.
pub(crate) fn write(contract: &Contract) -> String {
    let mut text = format!(
        "# What must hold of these data. Check data with `bellwether validate DATA --contract FILE`.\n\
         # All keys: docs/validation.md.\n\
         version = {VERSION}\n\
         # Channels that do not stand here: refused or allowed.\n\
         extra = \"{}\"\n",
        if contract.allows_extra {
            "allowed"
        } else {
            "refused"
        }
    );
    let time = &contract.time;
    if time.cadence.is_some() || time.max_gap.is_some() {
        text += "\n[time]\n";
    }
    if let Some(cadence) = time.cadence {
        let _ = writeln!(text, "cadence = \"{}\"", duration::shown(cadence));
    }
    if let Some(jitter) = time.jitter {
        let _ = writeln!(text, "jitter = {jitter:?}  # share of the cadence");
    }
    if let Some(max_gap) = time.max_gap {
        let _ = writeln!(text, "max_gap = \"{}\"", duration::shown(max_gap));
    }
    for terms in &contract.channels {
        let _ = writeln!(text, "\n[channels.{}]", key(&terms.name));
        let mut put = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                let _ = writeln!(text, "{key} = {value}");
            }
        };
        let number = |number: Option<f64>| number.map(|number| format!("{number:?}"));
        put("unit", terms.unit.as_deref().map(quoted));
        put("optional", terms.is_optional.then(|| "true".to_owned()));
        put("min", number(terms.min));
        put("max", number(terms.max));
        put(
            "max_rate",
            number(terms.max_rate).map(|rate| rate + "  # per second"),
        );
        put(
            "max_stuck",
            terms.max_stuck.map(|span| quoted(&duration::shown(span))),
        );
        put("max_missing", number(terms.max_missing));
        let states = terms.states.as_ref().map(|states| {
            let states: Vec<String> = states.iter().map(|state| format!("{state:?}")).collect();
            format!("[{}]", states.join(", "))
        });
        put("states", states);
    }
    for rule in &contract.rules {
        let _ = write!(
            text,
            "\n[[rules]]\nname = {}\ncondition = {}\n",
            quoted(&rule.name),
            quoted(rule.condition.text())
        );
    }
    if contract.rules.is_empty() {
        text += "\n# Which channels belong together, people know:\n\
                 # [[rules]]\n\
                 # name = \"water flows only while the pump runs\"\n\
                 # condition = \"flow > 0.1 => pump_on == 1\"\n";
    }
    text
}

/// A key, bare where TOML allows it.
fn key(name: &str) -> String {
    let is_bare = |sign: char| sign.is_ascii_alphanumeric() || sign == '_' || sign == '-';
    if !name.is_empty() && name.chars().all(is_bare) {
        name.to_owned()
    } else {
        quoted(name)
    }
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for sign in text.chars() {
        match sign {
            '"' => out += "\\\"",
            '\\' => out += "\\\\",
            sign if sign.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(sign));
            }
            sign => out.push(sign),
        }
    }
    out + "\""
}
