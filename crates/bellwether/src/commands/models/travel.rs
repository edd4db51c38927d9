//! `models export` and `import`: versions as files, for machines that no network reaches and for other runtimes.

use std::io::{self, Read, Write};
use std::path::Path;

use bellwether_store::bundle::manifest::Manifest;
use bellwether_store::bundle::{self, Bundle, Sha256};
use bellwether_store::registry::{Because, Label, Loaded, ModelName, ModelRef, NamedRef, Pick};
use bellwether_store::signature::{self, Signature};
use bellwether_store::write::AtomicFile;
use serde_json::{Value, json};

use super::{done, mlflow, tell, text};
use crate::artifact::{self, Learnt};
use crate::cli::{Form, RegistryArgs};
use crate::commands::{now, registry};
use crate::failure::Failure;
use crate::output::{Output, object};

pub(super) fn export(
    args: &RegistryArgs,
    model: &ModelRef,
    to: &Path,
    member: Option<&str>,
    output: &Output,
) -> Result<(), Failure> {
    let loaded = registry(args)?.load(model)?;
    artifact::trusted(&loaded, &args.trust)?;
    let is_onnx = to.extension().is_some_and(|extension| extension == "onnx");
    if is_onnx || matches!(output.form(), Form::Onnx | Form::Mlflow) {
        return export_network(&loaded, to, member, output);
    }
    if member.is_some() {
        return Err(Failure::Usage(
            "--member is for ONNX files: give FILE.onnx; a bundle holds all members".to_owned(),
        ));
    }
    if to.as_os_str() == "-" {
        io::stdout().lock().write_all(&loaded.bundle.to_bytes()?)?;
        return Ok(());
    }
    loaded.bundle.write(to)?;
    let mut told = format!("{model} is written to {}", to.display());
    let sound: Vec<Signature> = sound(&loaded.signatures, &loaded.sha256);
    if !sound.is_empty() {
        signature::write_beside(to, &loaded.sha256, &sound)?;
        told += &format!(", its signatures to {}", signature::beside(to).display());
    }
    let facts = vec![
        ("model", json!(model.to_string())),
        ("path", text(to)),
        ("sha256", json!(loaded.sha256.to_string())),
    ];
    tell(&told, facts, output)
}

/// Signatures that are of the bundle.
pub(super) fn sound(signatures: &[Signature], sha256: &Sha256) -> Vec<Signature> {
    signatures
        .iter()
        .filter(|signature| signature.is_of(sha256))
        .cloned()
        .collect()
}

fn export_network(loaded: &Loaded, to: &Path, member: Option<&str>, output: &Output) -> Result<(), Failure> {
    let reference = artifact::reference(&loaded.from);
    let manifest = Manifest::from_json_bytes(&loaded.bundle.manifest)?;
    let member_idx = network(&manifest, &reference, member)?;
    let model = &manifest.models[member_idx];
    let weights = loaded.bundle.weights_of_members(manifest.models.len())?;
    let n_channels = manifest.detector.pipeline.n_channels();
    let learnt = Learnt::read(model, n_channels, &weights[member_idx], 1)?;
    let mut said: Value = serde_json::from_slice(&loaded.bundle.manifest)?;
    if let Some(said) = said.as_object_mut() {
        // What drift is measured against is of no use to whoever runs the network, and large.
        said.remove("baseline");
    }
    let (said, number) = (said.to_string(), member_idx.to_string());
    let sha256 = loaded.sha256.to_string();
    let notes = [
        ("bellwether.model", reference.as_str()),
        ("bellwether.sha256", sha256.as_str()),
        ("bellwether.member", number.as_str()),
        ("bellwether.manifest", said.as_str()),
    ];
    let bytes = learnt.to_onnx(&notes).expect("the member is a network");
    if output.form() == Form::Mlflow {
        // As MLflow writes times: without the T and the zone.
        let created_at = manifest.created_at.to_string().replace('T', " ");
        let about = mlflow::About {
            reference: &reference,
            created_at: created_at.trim_end_matches('Z').to_owned(),
            window_len: model.window_len(),
            n_channels,
            n_answers: learnt.model().n_answers(),
        };
        mlflow::write(to, &bytes, &about)?;
        let told = format!(
            "{} of {reference} is written to the folder {}",
            model.architecture(),
            to.display()
        );
        return tell(
            &told,
            vec![("model", json!(reference)), ("path", text(to))],
            output,
        );
    }
    if to.as_os_str() == "-" {
        io::stdout().lock().write_all(&bytes)?;
        return Ok(());
    }
    let mut file = AtomicFile::create(to)?;
    file.write_all(&bytes)?;
    file.commit()?;
    let told = format!(
        "{} of {reference} is written to {}",
        model.architecture(),
        to.display()
    );
    let facts = vec![
        ("model", json!(reference)),
        ("member", json!(model.architecture())),
        ("path", text(to)),
    ];
    tell(&told, facts, output)
}

/// The member that is written: the network that was named, or the only one there is.
fn network(manifest: &Manifest, reference: &str, member: Option<&str>) -> Result<usize, Failure> {
    let models = manifest.models.iter().enumerate();
    let networks: Vec<(usize, &'static str)> = models
        .filter(|(_, model)| model.network().is_some())
        .map(|(idx, model)| (idx, model.architecture()))
        .collect();
    let names = || {
        networks
            .iter()
            .map(|(_, name)| *name)
            .collect::<Vec<_>>()
            .join(", ")
    };
    match (member, networks.as_slice()) {
        (_, []) => Err(Failure::message(format!(
            "{reference} has no network, and only networks go into an ONNX file; train one: bellwether train DATA --name \
             NAME --model-family lstm-ae"
        ))),
        (None, [(only, _)]) => Ok(*only),
        (None, _) => Err(Failure::Usage(format!(
            "{reference} has several networks: say which with --member: {}",
            names()
        ))),
        (Some(wanted), _) => match networks.iter().find(|(_, name)| *name == wanted) {
            Some((idx, _)) => Ok(*idx),
            None => Err(Failure::Usage(format!(
                "--member {wanted}: {reference} has no such network; it has {}",
                names()
            ))),
        },
    }
}

pub(super) fn import(
    args: &RegistryArgs,
    from: &Path,
    name: &ModelName,
    output: &Output,
) -> Result<(), Failure> {
    let loaded = if from.as_os_str() == "-" {
        let mut bytes = Vec::new();
        // One byte more than a bundle may have, so that too many are noticed and not cut off.
        io::stdin()
            .lock()
            .take(bundle::FILE_BYTES_MAX + 1)
            .read_to_end(&mut bytes)?;
        Loaded {
            from: bellwether_store::registry::Resolved::File(from.to_path_buf()),
            bundle: Bundle::from_bytes(&bytes)?,
            sha256: Sha256::of(&bytes),
            signatures: Vec::new(),
        }
    } else {
        registry(args)?.load(&ModelRef::File(from.to_path_buf()))?
    };
    take(args, &loaded, name, output)
}

/// Publishes a model that came from elsewhere, with its signatures.
pub(super) fn take(
    args: &RegistryArgs,
    loaded: &Loaded,
    name: &ModelName,
    output: &Output,
) -> Result<(), Failure> {
    let registry = registry(args)?;
    artifact::trusted(loaded, &args.trust)?;
    let manifest: Value = serde_json::from_slice(&loaded.bundle.manifest)?;
    let version = registry.publish(name, &loaded.bundle, summary(&manifest), now())?;
    let reference = NamedRef {
        name: name.clone(),
        pick: Pick::Version(version),
    };
    // Of the file as it is in the registry: one that was packed by another program is another file there.
    let index = registry.show(name)?;
    let sha256 = index.find(&reference.pick)?.sha256;
    for signature in sound(&loaded.signatures, &sha256) {
        registry.label(&reference, &Label::Sign(signature), &Because::default(), now())?;
    }
    let champion = index.champion();
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
/// not say. Of several members those of all.
fn summary(manifest: &Value) -> Value {
    let at = |path: &str| manifest.pointer(path).cloned().unwrap_or_default();
    let channels = manifest.pointer("/detector/pipeline/channels");
    let n_channels = channels.and_then(Value::as_array).map(Vec::len);
    let members = manifest.pointer("/detector/members").and_then(Value::as_array);
    let (architecture, window, threshold) = match members {
        None => (
            at("/model/architecture"),
            at("/model/window_len"),
            at("/detector/causal/threshold"),
        ),
        Some(members) => {
            let names: Vec<&str> = members
                .iter()
                .filter_map(|member| member.pointer("/model/architecture")?.as_str())
                .collect();
            let windows = members
                .iter()
                .filter_map(|member| member.pointer("/model/window_len")?.as_u64());
            (
                json!(names.join("+")),
                json!(windows.max()),
                at("/detector/causal_threshold"),
            )
        }
    };
    object([
        ("architecture", architecture),
        ("channels", json!(n_channels)),
        ("window", window),
        ("threshold", threshold),
        ("rule", at("/calibration/rule")),
        ("samples", at("/training/n_samples")),
    ])
}
