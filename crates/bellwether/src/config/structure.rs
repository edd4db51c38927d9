//! Layers against the shape: every key known, every value of its kind and in its bounds. All mistakes are found in one
//! go.

use serde_json::{Map, Number, Value as Json};

use super::duration;
use super::error::{Mistake, did_you_mean};
use super::place::{Origin, Origins, below};
use super::shape::{self, Key, Shape};
use super::tree::{Node, Table, Value};
use super::wire::leaf;

/// What was read: the values as JSON, which the wire structs take, and where each comes from.
pub(crate) struct Structure {
    pub(crate) json: Json,
    pub(crate) origins: Origins,
}

/// Checks the merged layers; what is wrong goes to `mistakes` and is left out of the answer.
pub(crate) fn check(root: &Node, mistakes: &mut Vec<Mistake>) -> Structure {
    let mut walk = Walk {
        origins: Origins::default(),
        mistakes,
    };
    let json = walk
        .value(root, shape::root(), "")
        .unwrap_or_else(|| Json::Object(Map::new()));
    Structure {
        json,
        origins: walk.origins,
    }
}

struct Walk<'a> {
    origins: Origins,
    mistakes: &'a mut Vec<Mistake>,
}

impl Walk<'_> {
    fn wrong(&mut self, origin: &Origin, at: &str, problem: impl Into<String>) {
        self.mistakes.push(Mistake {
            origin: origin.clone(),
            at: at.to_owned(),
            problem: problem.into(),
        });
    }

    /// The value as JSON; `None` where it is wrong.
    fn value(&mut self, node: &Node, shape: &Shape, at: &str) -> Option<Json> {
        self.origins.note(at, &node.origin);
        let found = match (shape, &node.value) {
            (Shape::Table(keys), Value::Table(table)) => return self.table(node, table, keys, at),
            (Shape::Tagged(kinds), Value::Table(table)) => return self.tagged(node, table, kinds, at),
            (Shape::Map(values), Value::Table(table)) => {
                let pairs = table.iter().map(|(name, (_, node))| {
                    Some((name.clone(), self.value(node, values, &below(at, name))?))
                });
                return pairs.collect::<Option<Map<_, _>>>().map(Json::Object);
            }
            (Shape::Secret, Value::Table(table)) => return self.secret(node, table, at),
            (Shape::List(item, n_min), Value::List(nodes)) => {
                return self.list(node, nodes, item, *n_min, at);
            }
            (Shape::List(item, n_min), Value::Raw(text)) if !is_table(item) => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                let raw = |part: &str| Node::of(&node.origin, Value::Raw(part.to_owned()));
                let nodes: Vec<Node> = parts.map(raw).collect();
                return self.list(node, &nodes, item, *n_min, at);
            }
            (Shape::Text { .. } | Shape::Choice(_), Value::Text(text) | Value::Raw(text)) => {
                text_problem(shape, text).map_or_else(|| Ok(Json::String(text.clone())), Err)
            }
            (Shape::Integer { minimum, maximum }, value) => {
                integer(value, *minimum, *maximum).unwrap_or_else(|| Err(mismatch(value, shape)))
            }
            (Shape::Number { minimum, maximum }, value) => {
                number(value, *minimum, *maximum).unwrap_or_else(|| Err(mismatch(value, shape)))
            }
            (Shape::Boolean, Value::Boolean(is_so)) => Ok(Json::Bool(*is_so)),
            (Shape::Boolean, Value::Raw(text)) if matches!(text.as_str(), "true" | "false") => {
                Ok(Json::Bool(text == "true"))
            }
            (_, value) => Err(mismatch(value, shape)),
        };
        found
            .map_err(|problem| self.wrong(&node.origin, at, problem))
            .ok()
    }

    fn table(&mut self, node: &Node, table: &Table, keys: &[Key], at: &str) -> Option<Json> {
        let mut object = Map::new();
        let mut is_whole = true;
        for (name, (origin, value)) in table {
            match shape::key(keys, name) {
                Some(key) => match self.value(value, &key.shape, &below(at, name)) {
                    Some(json) => {
                        object.insert(name.clone(), json);
                    }
                    None => is_whole = false,
                },
                None => {
                    let problem = unknown_key(name, keys, at);
                    self.wrong(origin, at, problem);
                    is_whole = false;
                }
            }
        }
        for key in keys
            .iter()
            .filter(|key| key.is_required && !table.contains_key(&key.name))
        {
            let problem = format!("{} is missing: {}", key.name, first_sentence(&key.about));
            self.wrong(&node.origin, at, problem);
            is_whole = false;
        }
        is_whole.then_some(Json::Object(object))
    }

    fn tagged(
        &mut self,
        node: &Node,
        table: &Table,
        kinds: &[(String, String, Vec<Key>)],
        at: &str,
    ) -> Option<Json> {
        let names = || kinds.iter().map(|(name, _, _)| name.as_str());
        let wanted = names().collect::<Vec<_>>().join(", ");
        let Some((_, tag)) = table.get("type") else {
            self.wrong(
                &node.origin,
                at,
                format!("type is missing; it is one of {wanted}"),
            );
            return None;
        };
        let at_tag = below(at, "type");
        self.origins.note(&at_tag, &tag.origin);
        let (Value::Text(kind) | Value::Raw(kind)) = &tag.value else {
            self.wrong(&tag.origin, &at_tag, format!("wanted one of {wanted}, in quotes"));
            return None;
        };
        let Some((_, _, keys)) = kinds.iter().find(|(name, _, _)| name == kind) else {
            let hint = did_you_mean(kind, names())
                .map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
            self.wrong(
                &tag.origin,
                &at_tag,
                format!("{kind:?} is not one of {wanted}{hint}"),
            );
            return None;
        };
        let mut rest = table.clone();
        rest.remove("type");
        let mut json = self.table(node, &rest, keys, at)?;
        json["type"] = Json::String(kind.clone());
        Some(json)
    }

    fn list(&mut self, node: &Node, nodes: &[Node], item: &Shape, n_min: usize, at: &str) -> Option<Json> {
        if nodes.len() < n_min {
            self.wrong(&node.origin, at, format!("wanted at least {n_min} entry"));
            return None;
        }
        let values: Vec<Option<Json>> = nodes
            .iter()
            .enumerate()
            .map(|(idx, node)| self.value(node, item, &format!("{at}[{idx}]")))
            .collect();
        values.into_iter().collect::<Option<Vec<_>>>().map(Json::Array)
    }

    fn secret(&mut self, node: &Node, table: &Table, at: &str) -> Option<Json> {
        let mut pairs = table.iter();
        match (pairs.next(), pairs.next()) {
            (Some((name, (_, value))), None) if name == "env" || name == "file" => match &value.value {
                Value::Text(text) | Value::Raw(text) if !text.is_empty() && !text.contains('\0') => {
                    self.origins.note(&below(at, name), &value.origin);
                    Some(serde_json::json!({ name.as_str(): text }))
                }
                _ => {
                    self.wrong(&value.origin, &below(at, name), "wanted a text that is not empty");
                    None
                }
            },
            _ => {
                self.wrong(&node.origin, at, format!("wanted exactly one key, {SECRET}"));
                None
            }
        }
    }
}

/// How a secret is written.
const SECRET: &str = "{ env = \"NAME\" } or { file = \"PATH\" }";

fn is_table(shape: &Shape) -> bool {
    matches!(shape, Shape::Table(_) | Shape::Tagged(_) | Shape::Map(_))
}

/// Says which kind was wanted and which was found; never the value, which may be a secret.
fn mismatch(value: &Value, wanted: &Shape) -> String {
    let found = match value {
        Value::Boolean(_) => "true or false",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number with decimals",
        Value::Text(_) | Value::Raw(_) => "a text",
        Value::List(_) => "a list",
        Value::Table(_) => "a table",
    };
    match wanted {
        Shape::Secret => format!("a secret does not stand in the configuration; say where it is: {SECRET}"),
        Shape::Table(_) | Shape::Tagged(_) | Shape::Map(_) => format!("found {found}, wanted a table"),
        Shape::List(item, _) if is_table(item) => format!("found {found}, wanted a list of tables, [[…]]"),
        Shape::List(..) => format!("found {found}, wanted a list, [\"…\", \"…\"]"),
        Shape::Text { .. } | Shape::Choice(_) => format!("found {found}, wanted a text in quotes"),
        Shape::Integer { .. } => format!("found {found}, wanted a whole number"),
        Shape::Number { .. } => format!("found {found}, wanted a number"),
        Shape::Boolean => format!("found {found}, wanted true or false"),
    }
}

fn text_problem(shape: &Shape, text: &str) -> Option<String> {
    if text.contains('\0') {
        return Some("a text holds no NUL character".to_owned());
    }
    match shape {
        Shape::Choice(choices) => {
            if choices.iter().any(|(name, _)| name == text) {
                return None;
            }
            let names: Vec<&str> = choices.iter().map(|(name, _)| name.as_str()).collect();
            let hint = did_you_mean(text, names.iter().copied())
                .map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
            Some(format!("{text:?} is not one of {}{hint}", names.join(", ")))
        }
        Shape::Text {
            format,
            minimum,
            maximum,
        } => leaf::problem(format, text)
            .or_else(|| out_of_bounds(text, minimum.as_deref(), maximum.as_deref())),
        _ => None,
    }
}

/// A span of time outside its bounds. `never` is within all bounds.
fn out_of_bounds(text: &str, minimum: Option<&str>, maximum: Option<&str>) -> Option<String> {
    let span = duration::parse(text)?;
    let bound = |bound: Option<&str>| bound.and_then(duration::parse);
    let is_within =
        bound(minimum).is_none_or(|least| least <= span) && bound(maximum).is_none_or(|most| span <= most);
    match (is_within, minimum, maximum) {
        (false, Some(least), Some(most)) => Some(format!("{text} is outside {least} to {most}")),
        _ => None,
    }
}

fn integer(value: &Value, minimum: i64, maximum: i64) -> Option<Result<Json, String>> {
    let number = match value {
        Value::Integer(number) => *number,
        Value::Raw(text) => text.parse().ok()?,
        _ => return None,
    };
    Some(match (minimum..=maximum).contains(&number) {
        true => Ok(Json::from(number)),
        false if maximum == i64::MAX => Err(format!("{number} is below {minimum}")),
        false => Err(format!("{number} is outside {minimum} to {maximum}")),
    })
}

fn number(value: &Value, minimum: f64, maximum: f64) -> Option<Result<Json, String>> {
    let number = match value {
        Value::Integer(number) => *number as f64,
        Value::Float(number) => *number,
        Value::Raw(text) => text.parse().ok()?,
        _ => return None,
    };
    Some(match Number::from_f64(number) {
        Some(json) if (minimum..=maximum).contains(&number) => Ok(Json::Number(json)),
        _ => Err(format!("{number} is outside {minimum} to {maximum}")),
    })
}

fn unknown_key(name: &str, keys: &[Key], at: &str) -> String {
    if let Some(near) = did_you_mean(name, keys.iter().map(|key| key.name.as_str())) {
        return format!("there is no key {name:?}; did you mean {near:?}?");
    }
    if let Some(section) = section_of(name).filter(|section| section != at) {
        return format!("there is no key {name:?} here; it belongs in [{section}]");
    }
    let names: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
    format!("there is no key {name:?}; there are {}", names.join(", "))
}

/// The section that has such a key.
fn section_of(name: &str) -> Option<String> {
    let Shape::Table(sections) = shape::root() else {
        return None;
    };
    sections.iter().find_map(|section| match &section.shape {
        Shape::Table(keys) => shape::key(keys, name).map(|_| section.name.clone()),
        _ => None,
    })
}

/// The first sentence of a doc comment, on one line.
fn first_sentence(about: &str) -> String {
    let text = about.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.find(". ") {
        Some(end) => text[..end].to_owned(),
        None => text.trim_end_matches('.').to_owned(),
    }
}
