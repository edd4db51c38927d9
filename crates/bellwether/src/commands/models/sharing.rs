//! `models push` and `pull`: versions to and from a store that several sites share.

use std::path::PathBuf;

use bellwether_store::bundle::{self, Sha256};
use bellwether_store::disk;
use bellwether_store::registry::{Loaded, ModelName, ModelRef, NamedRef, Pick, Resolved, VersionFileError};
use bellwether_store::remote::{Pushed, Remote, RemoteError};
use serde_json::json;

use super::{tell, travel};
use crate::artifact;
use crate::cli::RegistryArgs;
use crate::commands::registry;
use crate::failure::Failure;
use crate::output::Output;

pub(super) fn push(args: &RegistryArgs, model: &NamedRef, url: &str, output: &Output) -> Result<(), Failure> {
    let loaded = registry(args)?.load(&ModelRef::Named(model.clone()))?;
    artifact::trusted(&loaded, &args.trust)?;
    let Resolved::Version { name, entry, path } = &loaded.from else {
        unreachable!("a name leads to a version");
    };
    // As the file is, byte for byte: signatures are of that.
    let bytes = disk::read_bounded(path, bundle::FILE_BYTES_MAX)?;
    let got = Sha256::of(&bytes);
    if got != loaded.sha256 {
        return Err(VersionFileError::Altered {
            name: name.clone(),
            version: entry.version,
            path: path.clone(),
            want: loaded.sha256,
            got,
        }
        .into());
    }
    let signatures = travel::sound(&loaded.signatures, &loaded.sha256);
    let pushed = at(url, async |remote| {
        remote.push(name, entry.version, bytes, &signatures).await
    })?;
    let reference = artifact::reference(&loaded.from);
    let told = match pushed {
        Pushed::Added => format!("{reference} is in {url} now"),
        Pushed::AlreadyThere => format!("{reference} was in {url} already"),
    };
    let facts = vec![
        ("model", json!(reference)),
        ("url", json!(url)),
        ("sha256", json!(loaded.sha256.to_string())),
        ("added", json!(pushed == Pushed::Added)),
        ("signatures", json!(signatures.len())),
    ];
    tell(&told, facts, output)
}

pub(super) fn pull(
    args: &RegistryArgs,
    model: &NamedRef,
    url: &str,
    as_name: Option<&ModelName>,
    output: &Output,
) -> Result<(), Failure> {
    let version = match &model.pick {
        Pick::Version(version) => Some(*version),
        Pick::Alias(alias) if alias.is_champion() => None,
        Pick::Alias(_) => {
            return Err(Failure::Usage(format!(
                "{model}: a store has versions, no aliases: give {0}@VERSION, or {0} for the newest",
                model.name
            )));
        }
    };
    let pulled = at(url, async |remote| remote.pull(&model.name, version).await)?;
    let place = format!("{url}, {}@{}", model.name, pulled.version);
    let loaded = Loaded {
        from: Resolved::File(PathBuf::from(place)),
        bundle: pulled.bundle,
        sha256: pulled.sha256,
        signatures: pulled.signatures,
    };
    travel::take(args, &loaded, as_name.unwrap_or(&model.name), output)
}

/// Does `work` at a store.
fn at<T>(url: &str, work: impl AsyncFnOnce(Remote) -> Result<T, RemoteError>) -> Result<T, Failure> {
    // The one that this program uses everywhere; whoever was first has set the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(async { work(Remote::open(url, environment)?).await })?)
}
