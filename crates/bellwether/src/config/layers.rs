//! The layers over the file: environment variables, then flags.

use std::collections::BTreeMap;

use super::address::{self, Target};
use super::error::{Mistake, did_you_mean};
use super::place::Origin;
use super::shape::{self, Shape};
use super::tree::{Node, Value};
use super::wire::RowFormat;

/// What all our variables begin with.
const PREFIX: &str = "BELLWETHER_";

/// Variables that other commands know too, and the key each stands for here.
const SHORT_NAMES: [(&str, &str); 3] = [
    ("BELLWETHER_REGISTRY", "models.registry"),
    ("BELLWETHER_TRUST", "models.trust"),
    ("BELLWETHER_THREADS", "stream.threads"),
];

/// What the command line says over file and environment.
#[derive(Clone, Default)]
pub(crate) struct Overrides {
    values: Vec<(&'static str, &'static str, String)>,
    sources: Vec<String>,
    targets: Vec<String>,
    row_format: Option<RowFormat>,
}

impl Overrides {
    /// Sets the key at a path (`stream.lateness`) to what a flag (`--lateness`) says.
    pub(crate) fn set(&mut self, flag: &'static str, path: &'static str, text: impl Into<String>) {
        self.values.push((flag, path, text.into()));
    }

    /// Reads from this address (`--from`). The first one replaces all sources of the file.
    pub(crate) fn from(&mut self, address: impl Into<String>) {
        self.sources.push(address.into());
    }

    /// Writes to this address (`--to`). The first one replaces all outputs and channels of the file.
    pub(crate) fn to(&mut self, address: impl Into<String>) {
        self.targets.push(address.into());
    }

    /// Rows that go to stdout by [`to`](Self::to) have this form (`--format`).
    pub(crate) fn rows_as(&mut self, format: RowFormat) {
        self.row_format = Some(format);
    }
}

/// Puts variables such as `BELLWETHER_STREAM__LATENCY` over what is there. An empty variable is none.
pub(crate) fn environment(root: &mut Node, env: &BTreeMap<String, String>, mistakes: &mut Vec<Mistake>) {
    // Short names first: the full name of a key wins over them.
    for (name, path) in SHORT_NAMES {
        if let Some(text) = env.get(name).filter(|text| !text.is_empty()) {
            put(root, path, text, &Origin::Environment(name.to_owned()), mistakes);
        }
    }
    for (name, text) in env.iter().filter(|(_, text)| !text.is_empty()) {
        let path = name.strip_prefix(PREFIX).filter(|path| path.contains("__"));
        if let Some(path) = path {
            let path = path.to_lowercase().replace("__", ".");
            put(root, &path, text, &Origin::Environment(name.clone()), mistakes);
        }
    }
}

/// Puts what flags say over what is there.
pub(crate) fn flags(root: &mut Node, flags: &Overrides, mistakes: &mut Vec<Mistake>) {
    for (flag, path, text) in &flags.values {
        put(root, path, text, &Origin::Flag((*flag).to_owned()), mistakes);
    }
    if !flags.sources.is_empty() {
        let origin = Origin::Flag("--from".to_owned());
        let read = |text: &String| report(address::source(text, &origin), &origin, mistakes);
        let sources = numbered(flags.sources.iter().filter_map(read).collect());
        root.set(&["sources"], Node::of(&origin, Value::List(sources)));
    }
    if !flags.targets.is_empty() {
        let origin = Origin::Flag("--to".to_owned());
        let (mut outputs, mut channels) = (Vec::new(), Vec::new());
        for text in &flags.targets {
            match report(address::target(text, &origin), &origin, mistakes) {
                Some(Target::Output(mut node)) => {
                    if let Some(format) = flags.row_format.filter(|_| text == "-") {
                        let name = match format {
                            RowFormat::Csv => "csv",
                            RowFormat::Jsonl => "jsonl",
                        };
                        node.set(
                            &["format"],
                            Node::text(&Origin::Flag("--format".to_owned()), name),
                        );
                    }
                    outputs.push(node);
                }
                Some(Target::Channel(node)) => channels.push(node),
                None => {}
            }
        }
        root.set(&["outputs"], Node::of(&origin, Value::List(numbered(outputs))));
        root.set(
            &["alerts", "channels"],
            Node::of(&origin, Value::List(numbered(channels))),
        );
    }
}

fn report<T>(read: Result<T, String>, origin: &Origin, mistakes: &mut Vec<Mistake>) -> Option<T> {
    read.map_err(|problem| {
        mistakes.push(Mistake {
            origin: origin.clone(),
            at: String::new(),
            problem,
        });
    })
    .ok()
}

/// Nobody names what stands on the command line: a second one of a type gets a number.
fn numbered(mut nodes: Vec<Node>) -> Vec<Node> {
    let mut taken: Vec<String> = Vec::new();
    for node in &mut nodes {
        let Value::Table(table) = &node.value else {
            continue;
        };
        let text = |key: &str| match table.get(key).map(|(_, node)| &node.value) {
            Some(Value::Text(text) | Value::Raw(text)) => Some(text.clone()),
            _ => None,
        };
        if text("name").is_some() || text("path").is_some() {
            continue;
        }
        let kind = text("type").unwrap_or_default();
        let n = 1 + taken.iter().filter(|other| **other == kind).count();
        taken.push(kind.clone());
        if n > 1 {
            let origin = node.origin.clone();
            node.set(&["name"], Node::text(&origin, format!("{kind}-{n}")));
        }
    }
    nodes
}

/// Puts a text where a path leads, if there is such a key.
fn put(root: &mut Node, path: &str, text: &str, origin: &Origin, mistakes: &mut Vec<Mistake>) {
    let keys: Vec<&str> = path.split('.').collect();
    match walk(&keys) {
        Ok(Found::Value) => root.set(&keys, Node::of(origin, Value::Raw(text.to_owned()))),
        Ok(Found::PartOfSecret) => {
            // A secret stands in one place: what another layer said of it goes.
            let (secret, part) = keys.split_at(keys.len() - 1);
            let mut node = Node::empty(origin);
            node.set(part, Node::of(origin, Value::Raw(text.to_owned())));
            root.set(secret, node);
        }
        Err(problem) => mistakes.push(Mistake {
            origin: origin.clone(),
            at: String::new(),
            problem,
        }),
    }
}

enum Found {
    Value,
    PartOfSecret,
}

/// Follows a path through the shape.
fn walk(keys: &[&str]) -> Result<Found, String> {
    let mut shape = shape::root();
    for (idx, name) in keys.iter().enumerate() {
        let so_far = keys[..idx].join(".");
        match shape {
            Shape::Table(known) => match shape::key(known, name) {
                Some(key) => shape = &key.shape,
                None => {
                    return Err(no_such_key(
                        name,
                        &so_far,
                        known.iter().map(|key| key.name.as_str()),
                    ));
                }
            },
            Shape::Secret if idx + 1 == keys.len() && matches!(*name, "env" | "file") => {
                return Ok(Found::PartOfSecret);
            }
            Shape::Secret => return Err(no_such_key(name, &so_far, ["env", "file"])),
            Shape::List(..) => {
                return Err(format!("{so_far} is a list: its entries stand in the file alone"));
            }
            _ => return Err(format!("{so_far} is one value and has no key {name:?}")),
        }
    }
    match shape {
        Shape::Table(_) | Shape::Tagged(_) | Shape::Map(_) => Err(format!(
            "{} is a section: name a key of it after two underscores",
            keys.join(".")
        )),
        Shape::Secret => Err(format!(
            "{} is a secret: name what holds it, with __ENV or __FILE at the end",
            keys.join(".")
        )),
        Shape::List(item, _) if !matches!(**item, Shape::Text { .. }) => Err(format!(
            "{} is a list: its entries stand in the file alone",
            keys.join(".")
        )),
        _ => Ok(Found::Value),
    }
}

fn no_such_key<'a>(name: &str, section: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    let place = match section {
        "" => "there is no section".to_owned(),
        section => format!("there is no key in {section} named"),
    };
    match did_you_mean(name, known.clone()) {
        Some(near) => format!("{place} {name:?}; did you mean {near:?}?"),
        None => {
            let names: Vec<&str> = known.into_iter().collect();
            format!("{place} {name:?}; there are {}", names.join(", "))
        }
    }
}
