//! `models keygen`, `sign` and `verify`: who vouches for a model, and whether all is as it was published.

use std::path::{Path, PathBuf};

use bellwether_store::registry::{
    Because, Label, ModelName, ModelRef, NamedRef, Pick, Registry, Report, Resolved,
};
use bellwether_store::signature::{self, SigningKey, Trust};
use serde_json::json;

use super::{counted, tell, text};
use crate::cli::Format;
use crate::commands::now;
use crate::failure::{Failure, chain};
use crate::output::{Output, Rows, object};

pub(super) fn keygen(to: &Path, output: &Output) -> Result<(), Failure> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| Failure::message(format!("the system has no random numbers for a key: {error}")))?;
    let key = SigningKey::from_seed(seed);
    let public = key.create_files(to)?;
    let id = key.public().id();
    let told = format!(
        "the key {id} is in {}: keep it where nobody else reads it; give {} to those who are to trust it",
        to.display(),
        public.display()
    );
    let facts = vec![("key", json!(id)), ("path", text(to)), ("public", text(&public))];
    tell(&told, facts, output)
}

pub(super) fn sign(
    registry: &Registry,
    model: &ModelRef,
    key: &Path,
    because: &Because,
    output: &Output,
) -> Result<(), Failure> {
    let key = SigningKey::read(key)?;
    // Read whole, so that nobody signs what is damaged.
    let loaded = registry.load(model)?;
    let signature = key.sign(&loaded.sha256);
    let reference = crate::artifact::reference(&loaded.from);
    match &loaded.from {
        Resolved::Version { name, entry, .. } => {
            let reference = NamedRef {
                name: name.clone(),
                pick: Pick::Version(entry.version),
            };
            registry.label(&reference, &Label::Sign(signature), because, now())?;
        }
        Resolved::File(path) => {
            let mut signatures = loaded.signatures;
            signatures.retain(|of| of.key != signature.key && of.is_of(&loaded.sha256));
            signatures.push(signature);
            signature::write_beside(path, &loaded.sha256, &signatures)?;
        }
    }
    let id = key.public().id();
    let facts = vec![
        ("model", json!(reference)),
        ("sha256", json!(loaded.sha256.to_string())),
        ("key", json!(id)),
    ];
    tell(&format!("{reference} is signed by {id}"), facts, output)
}

pub(super) fn verify(
    registry: &Registry,
    name: Option<&ModelName>,
    trusted: &[PathBuf],
    output: &Output,
) -> Result<(), Failure> {
    let trust = Trust::read(trusted.iter().map(PathBuf::as_path))?;
    let report: Report = registry.verify(name)?;
    let mut problems: Vec<String> = report.problems.iter().map(|problem| chain(problem)).collect();
    if trust.asks() {
        let models = match name {
            Some(name) => registry.show(name).into_iter().collect(),
            None => registry.list()?.models,
        };
        for index in models {
            let untrusted = index.versions().iter().filter_map(|entry| {
                let error = trust.check(&entry.sha256, &entry.labels.signatures).err()?;
                Some(format!("{}@{}: {error}", index.name(), entry.version))
            });
            problems.extend(untrusted);
        }
    }
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
        ("is_sound", json!(problems.is_empty())),
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
            let signed = if trust.asks() { " and signed" } else { "" };
            output.note(&format!(
                "{} checked, all as published{signed}",
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
