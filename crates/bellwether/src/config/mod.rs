//! The configuration of the live system: one TOML file, environment variables and flags over it.
//!
//! In reading order: [`wire`] is what may be written, [`checked`] what the program uses. [`load`] goes from the one to
//! the other: [`mod@file`] and [`layers`] put values with their places into a [`tree`], [`structure`] holds it against the
//! [`shape`] that follows from the wire structs, [`check`] finds what no single key can tell. [`address`] reads what
//! stands after `--from` and `--to`. [`strict`] reads files of our own beside it. [`show`] and [`mod@reference`] are for people.

mod address;
pub(crate) mod changing;
mod check;
pub(crate) mod checked;
pub(crate) mod duration;
pub(crate) mod error;
pub(crate) mod file;
mod layers;
pub(crate) mod place;
pub(crate) mod reference;
pub(crate) mod shape;
pub(crate) mod show;
pub(crate) mod strict;
mod structure;
pub(crate) mod tree;
pub(crate) mod wire;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use bellwether_store::disk;
use bellwether_stream::chain;
use bellwether_stream::listen::TlsFiles;

pub(crate) use checked::Checked;
pub(crate) use error::ConfigError;
pub(crate) use layers::Overrides;

use error::{Mistake, Mistakes};
use place::{Origin, Origins};
use tree::{Node, Value};
use wire::Config;

/// A configuration, and where its values come from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Loaded {
    /// What is in force.
    pub(crate) checked: Checked,
    /// The same as it would be written, defaults included.
    pub(crate) effective: Effective,
}

/// What is in force, as it would be written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Effective {
    /// Every value, defaults included; secrets by reference.
    pub(crate) config: Config,
    /// Where those come from that are no defaults.
    pub(crate) origins: Origins,
}

/// Reads the file, puts environment and flags over it, and checks everything. Reads no other files than that and the
/// secrets it refers to.
///
/// # Errors
/// [`ConfigError`] with every mistake that was found.
pub(crate) fn load(
    path: Option<&Path>,
    env: &BTreeMap<String, String>,
    flags: &Overrides,
) -> Result<Loaded, ConfigError> {
    let text = path.map(Text::read).transpose()?;
    load_text(text.as_ref(), env, flags)
}

/// The same where the text of the file is at hand.
///
/// # Errors
/// As of [`load`].
pub(crate) fn load_text(
    file: Option<&Text<'_>>,
    env: &BTreeMap<String, String>,
    flags: &Overrides,
) -> Result<Loaded, ConfigError> {
    let (effective, named) = written(file, env, flags)?;
    let mut mistakes = Vec::new();
    let checked = check::check(&effective.config, &effective.origins, env, &named, &mut mistakes);
    Mistakes::in_order(mistakes).into_result()?;
    Ok(Loaded { checked, effective })
}

/// What is in force, without looking at secrets or at how values go together.
///
/// # Errors
/// [`ConfigError`] where there are unknown keys, or values that are not of the kind that a key wants.
pub(crate) fn effective(
    path: Option<&Path>,
    env: &BTreeMap<String, String>,
    flags: &Overrides,
) -> Result<Effective, ConfigError> {
    let text = path.map(Text::read).transpose()?;
    written(text.as_ref(), env, flags).map(|(effective, _)| effective)
}

/// What a file says by itself: no other layer, no secrets.
///
/// # Errors
/// As of [`effective`].
pub(crate) fn own(file: &Text<'_>) -> Result<Config, ConfigError> {
    let (effective, _) = written(Some(file), &BTreeMap::new(), &Overrides::default())?;
    Ok(effective.config)
}

/// Looks at the certificate and the key of the server.
///
/// # Errors
/// [`ConfigError`] where they cannot be used.
pub(crate) fn check_certificate(loaded: &Loaded) -> Result<(), ConfigError> {
    let Some(Err(error)) = loaded.checked.server.tls.as_ref().map(TlsFiles::check) else {
        return Ok(());
    };
    let at = "server.tls_cert".to_owned();
    Err(ConfigError::Wrong(Mistakes(vec![Mistake {
        origin: loaded.effective.origins.near(&at).clone(),
        at,
        problem: chain(&error),
    }])))
}

/// A configuration file, or what is to stand there.
pub(crate) struct Text<'a> {
    /// Where it stands, or will.
    pub(crate) path: &'a Path,
    /// What it says.
    pub(crate) bytes: Vec<u8>,
}

impl<'a> Text<'a> {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ConfigError::Unreadable`].
    pub(crate) fn read(path: &'a Path) -> Result<Self, ConfigError> {
        let bytes = disk::read_bounded(path, file::FILE_BYTES_MAX).map_err(ConfigError::Unreadable)?;
        Ok(Self { path, bytes })
    }
}

/// All layers merged, and the names of channels that the file has and flags replaced.
fn written(
    file: Option<&Text<'_>>,
    env: &BTreeMap<String, String>,
    flags: &Overrides,
) -> Result<(Effective, Vec<String>), ConfigError> {
    let mut mistakes = Vec::new();
    let mut root = match file {
        None => Node::empty(&Origin::Default),
        Some(file) => file::parse(file.path, &file.bytes, &mut mistakes),
    };
    let is_toml = mistakes.is_empty();
    let named = channel_names(&root);
    layers::environment(&mut root, env, &mut mistakes);
    layers::flags(&mut root, flags, &mut mistakes);
    // What follows a broken line may have been read into the wrong table.
    if !is_toml {
        return Err(ConfigError::Wrong(Mistakes::in_order(mistakes)));
    }
    let structure = structure::check(&root, &mut mistakes);
    Mistakes::in_order(mistakes).into_result()?;
    let config = serde_path_to_error::deserialize(&structure.json).map_err(|error| {
        let at = error.path().to_string();
        ConfigError::Wrong(Mistakes(vec![Mistake {
            origin: structure.origins.near(&at).clone(),
            at,
            problem: "this cannot be read; compare it with `bellwether config schema`".to_owned(),
        }]))
    })?;
    let origins = structure.origins;
    Ok((Effective { config, origins }, named))
}

/// Names and types of the channels of a tree that nobody has checked yet.
fn channel_names(root: &Node) -> Vec<String> {
    fn child<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
        match &node.value {
            Value::Table(table) => table.get(key).map(|(_, node)| node),
            _ => None,
        }
    }
    let channels = child(root, "alerts").and_then(|alerts| child(alerts, "channels"));
    let Some(Value::List(channels)) = channels.map(|node| &node.value) else {
        return Vec::new();
    };
    let name = |channel: &Node| match &child(channel, "name").or_else(|| child(channel, "type"))?.value {
        Value::Text(name) => Some(name.clone()),
        _ => None,
    };
    channels.iter().filter_map(name).collect()
}
