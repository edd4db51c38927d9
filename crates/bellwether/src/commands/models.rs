//! `models`: the versions of models, and which of them serves.

mod facts;

use std::io::{self, Read, Write};
use std::path::Path;

use bellwether_store::bundle::{self, Bundle};
use bellwether_store::registry::{
    Because, Entry, Index, ModelName, ModelRef, NamedRef, Pick, Registry, Report, Resolved,
};
use serde_json::{Value, json};

use super::{actor, now, registry};
use crate::cli::{BecauseArgs, Format, ModelsArgs, ModelsCommand};
use crate::failure::{Failure, chain};
use crate::output::{Output, Rows, object};

pub(crate) fn run(args: &ModelsArgs, output: &Output) -> Result<(), Failure> {
    let registry = registry(&args.registry)?;
    match &args.command {
        ModelsCommand::List => list(&registry, output),
        ModelsCommand::Show { model } => show(&registry, model, output),
        ModelsCommand::Promote { model, because } => promote(&registry, model, &said(because), output),
        ModelsCommand::Rollback { name, because } => rollback(&registry, name, &said(because), output),
        ModelsCommand::Remove { model } => remove(&registry, model, output),
        ModelsCommand::Verify { name } => verify(&registry, name.as_ref(), output),
        ModelsCommand::Export { model, to } => export(&registry, model, to, output),
        ModelsCommand::Import { from, name } => import(&registry, from, name, output),
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
    let manifest: Value = serde_json::from_slice(&loaded.bundle.manifest)?;
    let mut facts = match &loaded.from {
        Resolved::Version { name, entry, path } => {
            let index = registry.show(name)?;
            let mut facts = vec![("name", json!(name.as_str()))];
            facts.extend(facts::of_entry(&index, entry));
            facts.push(("history", facts::history(&index)));
            facts.push(("path", text(path)));
            facts
        }
        Resolved::File(path) => vec![("path", text(path))],
    };
    facts.push(("weights_bytes", json!(loaded.bundle.weights.len())));
    facts.push(("manifest", without_lists(&manifest)));
    let rows = facts::rows(&facts);
    facts.pop();
    facts.push(("manifest", manifest));
    output.answer(&object(facts), &rows)
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

fn remove(registry: &Registry, model: &NamedRef, output: &Output) -> Result<(), Failure> {
    let name = &model.name;
    let Pick::Version(version) = model.pick else {
        // Looked up first: of a model that is not there, that is what must be said.
        let entry = registry.show(name)?.find(&model.pick)?.clone();
        return Err(Failure::Usage(format!(
            "which version? {model} is {name}@{} now; a version is removed by its number",
            entry.version
        )));
    };
    registry.remove(name, version)?;
    let facts = [("removed", json!(version.number()))];
    done(&format!("{name}@{version} is removed"), name, facts, output)
}

fn verify(registry: &Registry, name: Option<&ModelName>, output: &Output) -> Result<(), Failure> {
    let report: Report = registry.verify(name)?;
    let problems: Vec<String> = report.problems.iter().map(|problem| chain(problem)).collect();
    let mut rows = Rows::new(&["finding", "about"]);
    for problem in &problems {
        rows.push(vec![json!("problem"), json!(problem)]);
    }
    for (finding, paths) in [("orphan", &report.orphans), ("leftover", &report.leftovers)] {
        for path in paths {
            rows.push(vec![json!(finding), text(path)]);
        }
    }
    let document = object([
        ("registry", text(registry.dir())),
        ("versions", json!(report.n_versions)),
        ("is_sound", json!(report.is_sound())),
        ("problems", json!(problems)),
        ("orphans", report.orphans.iter().map(|path| text(path)).collect()),
        (
            "leftovers",
            report.leftovers.iter().map(|path| text(path)).collect(),
        ),
    ]);
    if output.format() != Format::Table || !rows.objects().is_empty() {
        output.answer(&document, &rows)?;
    }
    match problems.len() {
        0 => {
            output.note(&format!(
                "{} checked, all as published",
                counted(report.n_versions, "version")
            ));
            Ok(())
        }
        n => Err(Failure::Gate(format!(
            "{} in {}",
            counted(n, "problem"),
            counted(report.n_versions, "version")
        ))),
    }
}

fn export(registry: &Registry, model: &ModelRef, to: &Path, output: &Output) -> Result<(), Failure> {
    let bundle = registry.load(model)?.bundle;
    if to.as_os_str() == "-" {
        io::stdout().lock().write_all(&bundle.to_bytes()?)?;
        return Ok(());
    }
    bundle.write(to)?;
    let told = format!("{model} is written to {}", to.display());
    let facts = vec![("model", json!(model.to_string())), ("path", text(to))];
    tell(&told, facts, output)
}

fn import(registry: &Registry, from: &Path, name: &ModelName, output: &Output) -> Result<(), Failure> {
    let bundle = if from.as_os_str() == "-" {
        let mut bytes = Vec::new();
        // One byte more than a bundle may have, so that too many are noticed and not cut off.
        io::stdin()
            .lock()
            .take(bundle::FILE_BYTES_MAX + 1)
            .read_to_end(&mut bytes)?;
        Bundle::from_bytes(&bytes)?
    } else {
        Bundle::read(from)?
    };
    let manifest: Value = serde_json::from_slice(&bundle.manifest)?;
    let version = registry.publish(name, &bundle, summary(&manifest), now())?;
    let champion = registry.show(name)?.champion();
    let told = if champion == version {
        format!("{name}@{version} is published and the champion")
    } else {
        format!(
            "{name}@{version} is published; {name} is still {name}@{champion}, \
             to change that: bellwether models promote {name}@{version}"
        )
    };
    let facts = [
        ("version", json!(version.number())),
        ("champion", json!(champion.number())),
    ];
    done(&told, name, facts, output)
}

/// What the list shows of a model, from its manifest, under the keys that training uses; null where the manifest does
/// not say.
fn summary(manifest: &Value) -> Value {
    let at = |path: &str| manifest.pointer(path).cloned().unwrap_or_default();
    let channels = manifest.pointer("/detector/pipeline/channels");
    let n_channels = channels.and_then(Value::as_array).map(Vec::len);
    object([
        ("architecture", at("/model/architecture")),
        ("channels", json!(n_channels)),
        ("window", at("/model/window_len")),
        ("threshold", at("/detector/causal/threshold")),
        ("rule", at("/calibration/rule")),
        ("samples", at("/training/n_samples")),
    ])
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
