//! The schema and the reference are as generated, and true.

use serde_json::json;

use super::*;

const PAGE: &str = include_str!("../../../../../docs/configuration.md");
const SCHEMA: &str = include_str!("../../../../../docs/configuration.schema.json");

/// The examples of the page, and the environment they need.
pub(super) fn examples() -> Vec<(String, BTreeMap<String, String>)> {
    let variables = env(&[("BROKER_PASSWORD", "a"), ("MAIL_PASSWORD", "b")]);
    PAGE.split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .map(|text| (text.to_owned(), variables.clone()))
        .collect()
}

/// The files that the examples refer to.
pub(super) fn write_secrets(folder: &tempfile::TempDir) {
    let secrets = folder.path().join("secrets");
    disk::create_folder(&secrets).unwrap();
    disk::write_atomic(&secrets.join("database"), b"c\n").unwrap();
}

#[test]
fn the_reference_is_as_generated() {
    assert!(
        PAGE == reference::page(),
        "docs/configuration.md is out of date: cargo run -- config reference > docs/configuration.md"
    );
}

#[test]
fn the_schema_is_as_generated() {
    assert!(
        SCHEMA == format!("{:#}\n", shape::schema()),
        "docs/configuration.schema.json is out of date: cargo run -- config schema > docs/configuration.schema.json"
    );
}

#[test]
fn every_key_is_documented() {
    fn look(at: &str, shape: &shape::Shape) {
        use shape::Shape;
        let look_all = |keys: &[shape::Key], at: &str| {
            for key in keys {
                assert!(!key.about.is_empty(), "{at}.{} has no doc comment", key.name);
                look(&place::below(at, &key.name), &key.shape);
            }
        };
        match shape {
            Shape::Table(keys) => look_all(keys, at),
            Shape::Tagged(kinds) => {
                for (kind, about, keys) in kinds {
                    assert!(!about.is_empty(), "{at}: {kind} has no doc comment");
                    look_all(keys, &format!("{at}({kind})"));
                }
            }
            Shape::List(item, _) | Shape::Map(item) => look(at, item),
            _ => {}
        }
    }
    look("", shape::root());
}

#[test]
fn examples_load_and_fit_the_schema() {
    let validator = jsonschema::validator_for(&shape::schema()).unwrap();
    assert!(examples().len() >= 2);
    for (text, variables) in examples() {
        let (folder, path) = folder(&text);
        write_secrets(&folder);
        let loaded = load(Some(&path), &variables, &Overrides::default());
        let loaded = loaded.unwrap_or_else(|error| panic!("{text}\n{error}"));
        assert!(!loaded.checked.sources.is_empty());
        let shown = show::document(&loaded.effective);
        let problems: Vec<String> = validator
            .iter_errors(&shown)
            .map(|error| error.to_string())
            .collect();
        assert!(problems.is_empty(), "{text}\n{}", problems.join("\n"));
    }
}

#[test]
fn the_schema_is_a_schema_and_refuses_what_is_wrong() {
    let schema = shape::schema();
    assert!(jsonschema::meta::is_valid(&schema));
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let validator = jsonschema::validator_for(&schema).unwrap();
    let check = |document: serde_json::Value, fits: bool| {
        assert_eq!(validator.is_valid(&document), fits, "{document}");
    };
    check(json!({}), true);
    check(json!({"stream": {"latency": "50ms", "threads": 2}}), true);
    check(
        json!({"sources": [{"type": "mqtt", "url": "mqtt://h", "topics": ["a"], "password": {"env": "A"}}]}),
        true,
    );
    check(json!({"streem": {}}), false);
    check(json!({"stream": {"latency": "soon"}}), false);
    check(json!({"stream": {"latency": null}}), false);
    check(json!({"stream": {"threads": 0}}), false);
    check(json!({"sources": [{"type": "kafka"}]}), false);
    check(json!({"sources": [{"type": "stdin", "path": "x"}]}), false);
    check(
        json!({"sources": [{"type": "mqtt", "url": "mqtt://h", "topics": ["a"], "password": "x"}]}),
        false,
    );
    check(
        json!({"sources": [{"type": "mqtt", "url": "mqtt://h", "topics": [], "client_idd": "x"}]}),
        false,
    );
}
