//! `models`: the versions of models, and which of them serves.

mod compare;
mod facts;
mod labels;
mod mlflow;
mod sharing;
mod signing;
mod travel;

use std::path::Path;

use bellwether_store::bundle::manifest::Manifest;
use bellwether_store::registry::{
    Because, Entry, Index, Loaded, ModelName, ModelRef, NamedRef, Pick, Registry, Resolved,
};
use serde_json::{Value, json};

use super::{actor, now, registry};
use crate::artifact;
use crate::cli::{BecauseArgs, Form, Format, ModelsArgs, ModelsCommand};
use crate::failure::{Failure, chain};
use crate::output::{Output, Rows, object};
use crate::report::card::Card;

pub(crate) fn run(args: &ModelsArgs, output: &Output) -> Result<(), Failure> {
    let registry = registry(&args.registry)?;
    match &args.command {
        ModelsCommand::List => list(&registry, output),
        ModelsCommand::Show { model } => show(&registry, model, output),
        ModelsCommand::Promote { model, because } => promote(&registry, model, &said(because), output),
        ModelsCommand::Rollback { name, because } => rollback(&registry, name, &said(because), output),
        ModelsCommand::Compare(of) => compare::run(of, &args.registry, output),
        ModelsCommand::Alias {
            model,
            alias,
            because,
        } => labels::alias(&registry, model, alias, &said(because), output),
        ModelsCommand::Unalias { name, alias, because } => {
            labels::unalias(&registry, name, alias, &said(because), output)
        }
        ModelsCommand::Tag { model, tags, because } => {
            labels::tag(&registry, model, tags, &said(because), output)
        }
        ModelsCommand::Note { model, text, because } => {
            labels::note(&registry, model, text, &said(because), output)
        }
        ModelsCommand::Pin { model, because } => labels::pin(&registry, model, true, &said(because), output),
        ModelsCommand::Unpin { model, because } => {
            labels::pin(&registry, model, false, &said(because), output)
        }
        ModelsCommand::Remove { model, because } => remove(&registry, model, &said(because), output),
        ModelsCommand::Prune {
            name,
            keep,
            younger_than,
            dry_run,
            because,
        } => {
            let wish = labels::Prune {
                keep: *keep,
                younger_than: *younger_than,
                is_dry_run: *dry_run,
            };
            labels::prune(&registry, name.as_ref(), &wish, &said(because), output)
        }
        ModelsCommand::Keygen { to } => signing::keygen(to, output),
        ModelsCommand::Sign { model, key, because } => {
            signing::sign(&registry, model, key, &said(because), output)
        }
        ModelsCommand::Verify { name } => {
            signing::verify(&registry, name.as_ref(), &args.registry.trust, output)
        }
        ModelsCommand::Export { model, to, member } => {
            travel::export(&args.registry, model, to, member.as_deref(), output)
        }
        ModelsCommand::Push { model, url } => sharing::push(&args.registry, model, url, output),
        ModelsCommand::Pull { model, url, name } => {
            sharing::pull(&args.registry, model, url, name.as_ref(), output)
        }
        ModelsCommand::Import { from, name } => travel::import(&args.registry, from, name, output),
    }
}

fn said(args: &BecauseArgs) -> Because {
    Because {
        by: actor(&args.who),
        reason: args.reason.trim().to_owned(),
    }
}

fn list(registry: &Registry, output: &Output) -> Result<(), Failure> {
    let listing = registry.list()?;
    let mut rows = Rows::new(&[
        "name",
        "version",
        "champion",
        "aliases",
        "created_at",
        "bytes",
        "architecture",
        "channels",
        "window",
        "threshold",
    ]);
    for index in &listing.models {
        for entry in index.versions() {
            let mut row = vec![
                json!(index.name().as_str()),
                json!(entry.version.number()),
                mark(is_champion(index, entry), output),
                json!(aliases(index, entry).join(";")),
                json!(entry.created_at.to_string()),
                json!(entry.bytes),
            ];
            let summary = |key| facts::cell(entry.summary.get(key));
            row.extend(["architecture", "channels", "window", "threshold"].map(summary));
            rows.push(row);
        }
    }
    let damaged: Vec<String> = listing.damaged.iter().map(|error| chain(error)).collect();
    let document = object([
        ("registry", text(registry.dir())),
        ("models", listing.models.iter().map(model_json).collect()),
        ("damaged", json!(damaged)),
    ]);
    if listing.models.is_empty() && damaged.is_empty() {
        output.note(&format!(
            "no models in {}; train one: bellwether train DATA --name NAME",
            registry.dir().display()
        ));
    }
    output.answer(&document, &rows)?;
    match damaged.len() {
        0 => Ok(()),
        n => Err(Failure::message(format!(
            "{n} of {} models cannot be read: {}",
            n + listing.models.len(),
            damaged.join("; ")
        ))),
    }
}

/// A yes that is easily seen among many a no; true and false for programs.
fn mark(is: bool, output: &Output) -> Value {
    match output.format() {
        Format::Table if is => json!("✓"),
        Format::Table => json!(""),
        _ => json!(is),
    }
}

fn is_champion(index: &Index, entry: &Entry) -> bool {
    index.champion() == entry.version
}

/// The aliases of a version but `champion`.
fn aliases(index: &Index, entry: &Entry) -> Vec<String> {
    let aliases = index.aliases_of(entry.version).into_iter();
    aliases
        .filter(|alias| !alias.is_champion())
        .map(|alias| alias.to_string())
        .collect()
}

fn model_json(index: &Index) -> Value {
    let versions: Vec<Value> = index
        .versions()
        .iter()
        .map(|entry| object(facts::of_entry(index, entry)))
        .collect();
    object([
        ("name", json!(index.name().as_str())),
        ("champion", json!(index.champion().number())),
        ("versions", json!(versions)),
    ])
}

fn show(registry: &Registry, model: &ModelRef, output: &Output) -> Result<(), Failure> {
    let loaded = registry.load(model)?;
    if output.form() == Form::Html {
        return card(registry, &loaded, output);
    }
    let manifest: Value = serde_json::from_slice(&loaded.bundle.manifest)?;
    let mut facts = match &loaded.from {
        Resolved::Version { name, entry, path } => {
            let index = registry.show(name)?;
            let mut facts = vec![("name", json!(name.as_str()))];
            facts.extend(facts::of_entry(&index, entry));
            facts.push(("history", facts::history(&index)));
            facts.push(("log", facts::log(&index)));
            facts.push(("path", text(path)));
            facts
        }
        Resolved::File(path) => vec![("path", text(path)), ("sha256", json!(loaded.sha256.to_string()))],
    };
    if let Some(command) = facts::reproduce(&manifest) {
        facts.push(("reproduce", json!(command)));
    }
    facts.push(("weights_bytes", json!(loaded.bundle.weights.len())));
    facts.push(("manifest", without_lists(&manifest)));
    let rows = facts::rows(&facts);
    facts.pop();
    facts.push(("manifest", manifest));
    output.answer(&object(facts), &rows)
}

/// The page of a version.
fn card(registry: &Registry, loaded: &Loaded, output: &Output) -> Result<(), Failure> {
    let manifest = Manifest::from_json_bytes(&loaded.bundle.manifest)?;
    let said: Value = serde_json::from_slice(&loaded.bundle.manifest)?;
    let reference = artifact::reference(&loaded.from);
    let mut card = Card {
        reference: &reference,
        manifest: &manifest,
        sha256: loaded.sha256.to_string(),
        signed_by: facts::signed_by(&loaded.signatures, &loaded.sha256),
        tags: Vec::new(),
        aliases: Vec::new(),
        note: String::new(),
        reproduce: facts::reproduce(&said),
    };
    if let Resolved::Version { name, entry, .. } = &loaded.from {
        let index = registry.show(name)?;
        let aliases = index.aliases_of(entry.version).into_iter();
        card.aliases = aliases.map(|alias| alias.to_string()).collect();
        let tags = facts::tag_map(entry).into_iter();
        card.tags = tags.map(|(key, value)| format!("{key}={value}")).collect();
        card.note.clone_from(&entry.labels.note);
    }
    let mut page = Vec::new();
    card.write(&mut page)?;
    output.write(&String::from_utf8_lossy(&page))
}

/// The baseline of drift is hundreds of numbers for each channel: people are told that it is there, not all of it.
fn without_lists(manifest: &Value) -> Value {
    let mut shown = manifest.clone();
    if let Some(baseline) = shown.get_mut("baseline") {
        *baseline = json!({
            "n_rows": baseline["n_rows"],
            "n_channels": baseline["channels"].as_array().map(Vec::len),
        });
    }
    shown
}

fn promote(registry: &Registry, model: &NamedRef, because: &Because, output: &Output) -> Result<(), Failure> {
    let moved = registry.promote(model, because, now())?;
    let (name, from, to) = (&model.name, moved.from, moved.to);
    let told = if from == to {
        format!("{name}@{to} is the champion already")
    } else {
        format!("{name} is now {name}@{to}, before {name}@{from}; to undo: bellwether models rollback {name}")
    };
    let facts = [("from", json!(from.number())), ("to", json!(to.number()))];
    done(&told, name, facts, output)
}

fn rollback(
    registry: &Registry,
    name: &ModelName,
    because: &Because,
    output: &Output,
) -> Result<(), Failure> {
    let moved = registry.rollback(name, because, now())?;
    let told = format!(
        "{name} is again {name}@{}, before {name}@{}",
        moved.to, moved.from
    );
    let facts = [
        ("from", json!(moved.from.number())),
        ("to", json!(moved.to.number())),
    ];
    done(&told, name, facts, output)
}

fn remove(registry: &Registry, model: &NamedRef, because: &Because, output: &Output) -> Result<(), Failure> {
    let name = &model.name;
    let Pick::Version(version) = model.pick else {
        // Looked up first: of a model that is not there, that is what must be said.
        let entry = registry.show(name)?.find(&model.pick)?.clone();
        return Err(Failure::Usage(format!(
            "which version? {model} is {name}@{} now; a version is removed by its number",
            entry.version
        )));
    };
    registry.remove(name, version, because, now())?;
    let facts = [("removed", json!(version.number()))];
    done(&format!("{name}@{version} is removed"), name, facts, output)
}

/// Tells of a change of the model called `name`.
fn done<const N: usize>(
    told: &str,
    name: &ModelName,
    facts: [(&'static str, Value); N],
    output: &Output,
) -> Result<(), Failure> {
    let name = ("name", json!(name.as_str()));
    tell(told, std::iter::once(name).chain(facts).collect(), output)
}

/// A sentence for people, the facts for programs.
fn tell(told: &str, facts: Vec<(&'static str, Value)>, output: &Output) -> Result<(), Failure> {
    if output.format() == Format::Table {
        output.note(told);
        return Ok(());
    }
    let keys: Vec<&'static str> = facts.iter().map(|(key, _)| *key).collect();
    let mut rows = Rows::new(&keys);
    rows.push(facts.iter().map(|(_, fact)| fact.clone()).collect());
    output.answer(&object(facts), &rows)
}

/// A path as JSON, also where it is not UTF-8.
fn text(path: &Path) -> Value {
    json!(path.to_string_lossy())
}

/// `1 version`, `2 versions`.
fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
