//! The published schema, and the same as a structure to walk: what keys there are, what each wants, what it says.
//!
//! The wire structs are the one source: structure checks, the reference page and the schema file all come from here.

use std::sync::LazyLock;

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::transform_subschemas;
use serde_json::Value;

use super::wire::Config;

/// What a value has to be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    /// A table with these keys.
    Table(Vec<Key>),
    /// A table whose `type` says which keys it has: name, what it is, keys.
    Tagged(Vec<(String, String, Vec<Key>)>),
    /// A table with any keys.
    Map(Box<Shape>),
    /// A list, of at least so many.
    List(Box<Shape>, usize),
    /// A text; the format says of what form, the bounds are for spans of time.
    Text {
        format: String,
        minimum: Option<String>,
        maximum: Option<String>,
    },
    /// One of these texts, and what each means.
    Choice(Vec<(String, String)>),
    /// A whole number.
    Integer { minimum: i64, maximum: i64 },
    /// A number.
    Number { minimum: f64, maximum: f64 },
    /// `true` or `false`.
    Boolean,
    /// A reference to a secret.
    Secret,
}

/// A key of a table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) about: String,
    pub(crate) default: Option<Value>,
    pub(crate) is_required: bool,
    pub(crate) shape: Shape,
}

/// The JSON Schema (draft 2020-12) of the configuration.
pub(crate) fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12()
        .for_deserialize()
        .with(|settings| settings.inline_subschemas = true)
        .with_transform(without_null);
    let mut schema = settings.into_generator().into_root_schema_for::<Config>();
    schema.insert("title".to_owned(), "bellwether configuration".into());
    schema.to_value()
}

/// The shape of the whole configuration.
pub(crate) fn root() -> &'static Shape {
    static ROOT: LazyLock<Shape> = LazyLock::new(|| shape(&schema()));
    &ROOT
}

/// The key of that name.
pub(crate) fn key<'a>(keys: &'a [Key], name: &str) -> Option<&'a Key> {
    keys.iter().find(|key| key.name == name)
}

/// TOML has no null: a key that may be absent is left out.
fn without_null(schema: &mut Schema) {
    transform_subschemas(&mut without_null, schema);
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(options)) = object.get_mut("anyOf") {
        options.retain(|option| option["type"] != "null");
        if let [Value::Object(only)] = options.as_slice() {
            let only = only.clone();
            object.remove("anyOf");
            for (name, value) in only {
                object.entry(name).or_insert(value);
            }
        }
    }
}

/// What a schema says, in our words. A schema that says something else is a mistake of ours, found by any test.
fn shape(schema: &Value) -> Shape {
    if schema["x-secret"] == true {
        return Shape::Secret;
    }
    if let Some(options) = schema["oneOf"].as_array() {
        return alternatives(options);
    }
    if let Some(texts) = schema["enum"].as_array() {
        return Shape::Choice(texts.iter().map(|value| (text(value), String::new())).collect());
    }
    match schema["type"].as_str() {
        Some("string") => Shape::Text {
            format: text(&schema["format"]),
            minimum: schema["x-minimum"].as_str().map(str::to_owned),
            maximum: schema["x-maximum"].as_str().map(str::to_owned),
        },
        Some("integer") => Shape::Integer {
            minimum: schema["minimum"].as_i64().unwrap_or(i64::MIN),
            maximum: schema["maximum"].as_i64().unwrap_or(i64::MAX),
        },
        Some("number") => Shape::Number {
            minimum: schema["minimum"].as_f64().unwrap_or(f64::MIN),
            maximum: schema["maximum"].as_f64().unwrap_or(f64::MAX),
        },
        Some("boolean") => Shape::Boolean,
        Some("array") => {
            let n_min = schema["minItems"].as_u64().unwrap_or(0);
            Shape::List(
                Box::new(shape(&schema["items"])),
                usize::try_from(n_min).unwrap_or(usize::MAX),
            )
        }
        Some("object") if schema["properties"].is_object() => Shape::Table(keys(schema, None)),
        Some("object") => Shape::Map(Box::new(shape(&schema["additionalProperties"]))),
        other => panic!("a shape that configurations do not use: {other:?} in {schema}"),
    }
}

fn alternatives(options: &[Value]) -> Shape {
    let tag = |option: &Value| option["properties"]["type"]["const"].as_str().map(str::to_owned);
    if options.iter().all(|option| tag(option).is_some()) {
        let tagged = options.iter().map(|option| {
            let name = tag(option).unwrap_or_default();
            (name, text(&option["description"]), keys(option, Some("type")))
        });
        return Shape::Tagged(tagged.collect());
    }
    let choice = |option: &Value| (text(&option["const"]), text(&option["description"]));
    Shape::Choice(options.iter().map(choice).collect())
}

fn keys(schema: &Value, tag: Option<&str>) -> Vec<Key> {
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let key = |(name, schema): (&String, &Value)| Key {
        name: name.clone(),
        about: text(&schema["description"]),
        default: schema.get("default").cloned(),
        is_required: required.contains(&name.as_str()),
        shape: shape(schema),
    };
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties
        .filter(|(name, _)| Some(name.as_str()) != tag)
        .map(key)
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
