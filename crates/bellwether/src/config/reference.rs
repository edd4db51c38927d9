//! The reference page, key by key, from the same shape that files are held against.

use serde_json::Value;

use super::duration;
use super::shape::{self, Key, Shape};

/// `docs/configuration.md`.
pub(crate) fn page() -> String {
    let mut page = include_str!("reference.md").trim_end().to_owned();
    page += "\n\n## Keys\n\nEvery key there is. A key in bold has to be there.\n";
    if let Shape::Table(sections) = shape::root() {
        for section in sections {
            section_of_page(&section.name, section, &mut page);
        }
    }
    page
}

fn section_of_page(path: &str, section: &Key, page: &mut String) {
    let about = flowing(&section.about);
    match &section.shape {
        Shape::Table(keys) => {
            *page += &format!("\n### `[{path}]`\n\n{about}\n");
            table(path, keys, page);
        }
        Shape::List(item, _) => {
            *page += &format!("\n### `[[{path}]]`\n\n{about}\n");
            match &**item {
                Shape::Table(keys) => table(path, keys, page),
                Shape::Tagged(kinds) => tagged(path, kinds, page),
                _ => {}
            }
        }
        _ => {}
    }
}

fn tagged(path: &str, kinds: &[(String, String, Vec<Key>)], page: &mut String) {
    let mut seen: Vec<&Key> = Vec::new();
    for (kind, about, keys) in kinds {
        *page += &format!(
            "\n#### `[[{path}]]` with `type = \"{kind}\"`\n\n{}\n",
            flowing(about)
        );
        rows(keys, page);
        for key in keys.iter().filter(|key| is_nested(key)) {
            if !seen.iter().any(|other| other.name == key.name) {
                seen.push(key);
            }
        }
    }
    for key in seen {
        nested(path, key, page);
    }
}

fn table(path: &str, keys: &[Key], page: &mut String) {
    rows(keys, page);
    for key in keys.iter().filter(|key| is_nested(key)) {
        nested(path, key, page);
    }
    for key in keys {
        if matches!(&key.shape, Shape::List(item, _) if matches!(**item, Shape::Table(_) | Shape::Tagged(_)))
        {
            section_of_page(&format!("{path}.{}", key.name), key, page);
        }
    }
}

fn is_nested(key: &Key) -> bool {
    matches!(key.shape, Shape::Table(_))
}

fn nested(path: &str, key: &Key, page: &mut String) {
    if let Shape::Table(keys) = &key.shape {
        *page += &format!(
            "\n#### `{}` of `[[{path}]]`\n\n{}\n",
            key.name,
            flowing(&key.about)
        );
        rows(keys, page);
    }
}

fn rows(keys: &[Key], page: &mut String) {
    *page += "\n| key | what it takes | default | what it is for |\n|---|---|---|---|\n";
    for key in keys {
        let name = match key.is_required {
            true => format!("**`{}`**", key.name),
            false => format!("`{}`", key.name),
        };
        let default = key.default.as_ref().map_or_else(String::new, default);
        let about = flowing(&key.about).replace('|', "\\|");
        *page += &format!("| {name} | {} | {default} | {about} |\n", takes(&key.shape));
    }
}

fn default(value: &Value) -> String {
    match value {
        Value::Array(items) if items.is_empty() => String::new(),
        Value::Object(object) if object.is_empty() => String::new(),
        value => toml::Value::try_from(value).map_or_else(|_| String::new(), |shown| format!("`{shown}`")),
    }
}

/// What a key takes, in a few words.
fn takes(shape: &Shape) -> String {
    match shape {
        Shape::Boolean => "`true` or `false`".to_owned(),
        Shape::Integer { minimum, maximum } => format!("whole number, {minimum} to {maximum}"),
        Shape::Number { minimum, maximum } => format!("number, {minimum} to {maximum}"),
        Shape::Secret => "secret: `{ env = \"NAME\" }` or `{ file = \"PATH\" }`".to_owned(),
        Shape::Choice(choices) => {
            let choice = |(name, about): &(String, String)| match about.is_empty() {
                true => format!("`\"{name}\"`"),
                false => format!("`\"{name}\"` ({})", lower(&flowing(about))),
            };
            choices.iter().map(choice).collect::<Vec<_>>().join(", ")
        }
        Shape::Text {
            format,
            minimum,
            maximum,
        } => {
            let bound =
                |bound: &Option<String>| bound.as_deref().and_then(duration::parse).map(duration::shown);
            match (words(format), bound(minimum), bound(maximum)) {
                (words, Some(least), Some(most)) => format!("{words}, {least} to {most}"),
                (words, _, _) => words.to_owned(),
            }
        }
        Shape::List(item, _) if matches!(**item, Shape::Table(_) | Shape::Tagged(_)) => {
            "tables, below".to_owned()
        }
        Shape::List(item, _) => format!("list: {}", takes(item)),
        Shape::Map(item) => format!("table, any keys: {}", takes(item)),
        Shape::Table(_) | Shape::Tagged(_) => "table, below".to_owned(),
    }
}

fn words(format: &str) -> &str {
    match format {
        "duration-text" => "span of time",
        "duration-or-never" => "span of time or `\"never\"`",
        "device-pattern" => "pattern of device names",
        "time-zone" => "time zone",
        "listen" => "address and port",
        "" => "text",
        other => other,
    }
}

/// A doc comment on one line.
fn flowing(about: &str) -> String {
    about.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first letter small, unless the word is an abbreviation.
fn lower(text: &str) -> String {
    let mut letters = text.chars();
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text.to_owned(),
    }
}
