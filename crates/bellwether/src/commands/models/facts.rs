//! What is known of a version, as JSON and as rows of key and value.

use std::collections::BTreeMap;

use bellwether_store::bundle::Sha256;
use bellwether_store::registry::{Action, Entry, Index};
use bellwether_store::signature::Signature;
use serde_json::{Value, json};

use super::{aliases, is_champion};
use crate::output::Rows;

/// Most elements of an array that rows show.
const SHOWN_MAX: usize = 12;

/// What the index says of one version.
pub(super) fn of_entry(index: &Index, entry: &Entry) -> Vec<(&'static str, Value)> {
    vec![
        ("version", json!(entry.version.number())),
        ("is_champion", json!(is_champion(index, entry))),
        ("aliases", json!(aliases(index, entry))),
        ("created_at", json!(entry.created_at.to_string())),
        ("bytes", json!(entry.bytes)),
        ("sha256", json!(entry.sha256.to_string())),
        ("summary", entry.summary.clone()),
        ("tags", json!(tag_map(entry))),
        ("note", json!(entry.labels.note)),
        ("is_pinned", json!(entry.labels.is_pinned)),
        (
            "signed_by",
            json!(signed_by(&entry.labels.signatures, &entry.sha256)),
        ),
    ]
}

/// The tags of a version by key.
pub(super) fn tag_map(entry: &Entry) -> BTreeMap<&str, &str> {
    let tags = entry.labels.tags.iter();
    tags.map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

/// The keys that signed a bundle, by their ids; a signature that is not of it does not count.
pub(super) fn signed_by(signatures: &[Signature], sha256: &Sha256) -> Vec<String> {
    let sound = signatures.iter().filter(|signature| signature.is_of(sha256));
    sound.map(|signature| signature.key.id()).collect()
}

/// All changes but those of the champion, oldest first.
pub(super) fn log(index: &Index) -> Value {
    let changes = index.log().iter().map(|change| {
        json!({
            "version": change.version.number(),
            "at": change.at.to_string(),
            "action": change.deed.name(),
            "detail": change.detail,
            "by": change.because.by,
            "reason": change.because.reason,
        })
    });
    changes.collect()
}

/// The command that made a model, to be run again on the same data; `None` where the manifest does not tell it.
pub(super) fn reproduce(manifest: &Value) -> Option<String> {
    let words = manifest.pointer("/training/command")?.as_array()?;
    let words = words.iter().filter_map(Value::as_str).map(quoted);
    Some(
        std::iter::once("bellwether".to_owned())
            .chain(words)
            .collect::<Vec<_>>()
            .join(" "),
    )
}

/// A word as a POSIX shell reads it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:@,+%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// The changes of champion, oldest first.
pub(super) fn history(index: &Index) -> Value {
    let action = |action| match action {
        Action::Published => "published",
        Action::Promoted => "promoted",
        Action::RolledBack => "rolled_back",
    };
    let changes = index.history().iter().map(|change| {
        json!({
            "version": change.version.number(),
            "at": change.at.to_string(),
            "action": action(change.action),
            "by": change.because.by,
            "reason": change.because.reason,
        })
    });
    changes.collect()
}

/// A fact of a summary as one cell: a list by its length.
pub(super) fn cell(fact: Option<&Value>) -> Value {
    match fact {
        None => Value::Null,
        Some(Value::Array(list)) => json!(list.len()),
        Some(object @ Value::Object(_)) => json!(object.to_string()),
        Some(plain) => plain.clone(),
    }
}

/// All facts in their order, one a row: `manifest.training.n_samples` and its value.
pub(super) fn rows(facts: &[(&'static str, Value)]) -> Rows {
    let mut rows = Rows::new(&["key", "value"]);
    for (key, fact) in facts {
        push(&mut rows, key, fact);
    }
    rows
}

fn push(rows: &mut Rows, key: &str, value: &Value) {
    match value {
        Value::Object(facts) => {
            for (name, fact) in facts {
                push(rows, &format!("{key}.{name}"), fact);
            }
        }
        Value::Array(list) if list.iter().any(Value::is_object) => {
            for (idx, fact) in list.iter().enumerate().take(SHOWN_MAX) {
                rows.push(vec![json!(format!("{key}[{idx}]")), json!(in_line(fact))]);
            }
            if list.len() > SHOWN_MAX {
                rows.push(vec![json!(format!("{key}[…]")), json!(rest(list.len()))]);
            }
        }
        Value::Null => rows.push(vec![json!(key), Value::Null]),
        plain => rows.push(vec![json!(key), json!(in_line(plain))]),
    }
}

/// A value as a line of text. Numbers stay as they are written: a threshold is not rounded.
fn in_line(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => {
            let mut shown: Vec<String> = list.iter().take(SHOWN_MAX).map(in_line).collect();
            if list.len() > SHOWN_MAX {
                shown.push(rest(list.len()));
            }
            shown.join(", ")
        }
        Value::Object(facts) => {
            // What the object is called says what it is about.
            let name = facts.get("name").map(in_line);
            let others = facts.iter().filter(|(key, _)| *key != "name");
            let others = others.map(|(key, fact)| format!("{key} {}", in_line(fact)));
            name.into_iter().chain(others).collect::<Vec<_>>().join(", ")
        }
        plain => plain.to_string(),
    }
}

fn rest(n: usize) -> String {
    format!("… {n} in all, see --format json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fact_has_its_row() {
        let check = |fact: Value, expect: &[(&str, &str)]| {
            let expect: Vec<Value> = expect
                .iter()
                .map(|(key, value)| json!({"key": key, "value": value}))
                .collect();
            assert_eq!(rows(&[("it", fact)]).objects(), expect);
        };
        check(json!({}), &[]);
        check(json!([]), &[("it", "")]);
        check(
            json!({"a": {"b": 0.30000000000000004}}),
            &[("it.a.b", "0.30000000000000004")],
        );
        check(json!({"sizes": [64, 16]}), &[("it.sizes", "64, 16")]);
        check(
            json!([{"kind": "a", "name": "flow", "scale": [1, 2]}, {"name": "speed"}]),
            &[("it[0]", "flow, kind a, scale 1, 2"), ("it[1]", "speed")],
        );
        check(
            json!((0..13).collect::<Vec<_>>()),
            &[(
                "it",
                "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, … 13 in all, see --format json",
            )],
        );
    }

    #[test]
    fn a_summary_shows_lists_by_their_length() {
        let check = |fact: Option<Value>, expect: Value| assert_eq!(cell(fact.as_ref()), expect);
        check(None, Value::Null);
        check(Some(json!(["a", "b"])), json!(2));
        check(Some(json!(8)), json!(8));
        check(Some(json!("lstm-ae")), json!("lstm-ae"));
    }
}
