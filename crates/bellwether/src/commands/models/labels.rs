//! `models alias`, `tag`, `note`, `pin` and `prune`: what people say of versions, and which of them stay.

use std::time::Duration;

use bellwether_core::time::Timestamp;
use bellwether_store::registry::{
    AliasName, Because, Label, ModelName, NamedRef, Registry, Retention, TagKey,
};
use serde_json::json;

use super::{counted, done};
use crate::commands::now;
use crate::failure::Failure;
use crate::output::{Output, Rows, object};

pub(super) fn alias(
    registry: &Registry,
    model: &NamedRef,
    alias: &AliasName,
    because: &Because,
    output: &Output,
) -> Result<(), Failure> {
    let to = registry.show(&model.name)?.find(&model.pick)?.version;
    let before = registry.set_alias(alias, model, because, now())?;
    let name = &model.name;
    let told = match before {
        Some(before) if before == to => format!("{name}@{alias} is {name}@{to} already"),
        Some(before) => format!("{name}@{alias} is now {name}@{to}, before {name}@{before}"),
        None => format!("{name}@{alias} is now {name}@{to}"),
    };
    let before = before.map(|version| version.number());
    let facts = [
        ("alias", json!(alias.as_str())),
        ("from", json!(before)),
        ("to", json!(to.number())),
    ];
    done(&told, name, facts, output)
}

pub(super) fn unalias(
    registry: &Registry,
    name: &ModelName,
    alias: &AliasName,
    because: &Because,
    output: &Output,
) -> Result<(), Failure> {
    let was = registry.drop_alias(name, alias, because, now())?;
    let told = format!("{name} has no alias {alias} any more; it was {name}@{was}");
    let facts = [("alias", json!(alias.as_str())), ("from", json!(was.number()))];
    done(&told, name, facts, output)
}

pub(super) fn tag(
    registry: &Registry,
    model: &NamedRef,
    tags: &[(TagKey, String)],
    because: &Because,
    output: &Output,
) -> Result<(), Failure> {
    for (key, value) in tags {
        let label = if value.is_empty() {
            Label::Untag(key.clone())
        } else {
            Label::Tag(key.clone(), value.clone())
        };
        registry.label(model, &label, because, now())?;
    }
    let entry = registry.show(&model.name)?.find(&model.pick)?.clone();
    let tags = super::facts::tag_map(&entry);
    let words: Vec<String> = tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let what = match words.len() {
        0 => "no tag".to_owned(),
        n => format!("{}: {}", counted(n, "tag"), words.join(", ")),
    };
    let told = format!("{}@{} has {what}", model.name, entry.version);
    let facts = [("version", json!(entry.version.number())), ("tags", json!(tags))];
    done(&told, &model.name, facts, output)
}

pub(super) fn note(
    registry: &Registry,
    model: &NamedRef,
    text: &str,
    because: &Because,
    output: &Output,
) -> Result<(), Failure> {
    let text = text.trim();
    let version = registry.label(model, &Label::Note(text.to_owned()), because, now())?;
    let what = if text.is_empty() {
        "has no note"
    } else {
        "has a new note"
    };
    let facts = [("version", json!(version.number())), ("note", json!(text))];
    done(
        &format!("{}@{version} {what}", model.name),
        &model.name,
        facts,
        output,
    )
}

pub(super) fn pin(
    registry: &Registry,
    model: &NamedRef,
    is_pinned: bool,
    because: &Because,
    output: &Output,
) -> Result<(), Failure> {
    let label = if is_pinned { Label::Pin } else { Label::Unpin };
    let version = registry.label(model, &label, because, now())?;
    let what = if is_pinned {
        "is pinned: it stays until it is let go"
    } else {
        "is not pinned"
    };
    let facts = [
        ("version", json!(version.number())),
        ("is_pinned", json!(is_pinned)),
    ];
    done(
        &format!("{}@{version} {what}", model.name),
        &model.name,
        facts,
        output,
    )
}

/// What is to stay.
pub(super) struct Prune {
    pub(super) keep: usize,
    pub(super) younger_than: Option<Duration>,
    pub(super) is_dry_run: bool,
}

pub(super) fn prune(
    registry: &Registry,
    name: Option<&ModelName>,
    wish: &Prune,
    because: &Because,
    output: &Output,
) -> Result<(), Failure> {
    let before = |age: Duration| {
        let nanos = i64::try_from(age.as_nanos()).unwrap_or(i64::MAX);
        Timestamp::from_nanos(now().as_nanos().saturating_sub(nanos))
    };
    let retention = Retention {
        n_newest: wish.keep,
        since: wish.younger_than.map(before),
    };
    let models = match name {
        Some(name) => vec![registry.show(name)?],
        None => registry.list()?.models,
    };
    let (mut rows, mut gone) = (Rows::new(&["name", "version"]), Vec::new());
    for index in models {
        let versions = if wish.is_dry_run {
            index.dispensable(&retention)
        } else {
            registry.prune(index.name(), &retention, because, now())?
        };
        for version in versions {
            rows.push(vec![json!(index.name().as_str()), json!(version.number())]);
            gone.push(json!(format!("{}@{version}", index.name())));
        }
    }
    let n = gone.len();
    let key = if wish.is_dry_run {
        "would_remove"
    } else {
        "removed"
    };
    if output.format() != crate::cli::Format::Table || n > 0 {
        output.answer(&object([(key, json!(gone))]), &rows)?;
    }
    let what = if wish.is_dry_run { "would go" } else { "removed" };
    output.note(&format!("{} {what}", counted(n, "version")));
    Ok(())
}
