//! From what was written to what is used: what no single key can tell wrong, each mistake with its place.

mod alerts;
mod broker;
mod channels;
mod devices;
mod outputs;
mod server;
mod sources;
mod storage;
mod unique;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bellwether_store::disk;
use bellwether_stream::secret::Secret;

use super::checked::{Checked, LogSpec};
use super::error::Mistake;
use super::place::{Origin, Origins};
use super::wire::{Config, SecretRef};

/// Bytes of a file with a secret at most.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// Checks a configuration; what is wrong goes to `mistakes`. Reads the secrets it refers to.
///
/// `named` are channels that a layer above has replaced: naming them is no mistake.
pub(crate) fn check(
    wire: &Config,
    origins: &Origins,
    env: &BTreeMap<String, String>,
    named: &[String],
    mistakes: &mut Vec<Mistake>,
) -> Checked {
    let mut scope = Scope {
        origins,
        env,
        mistakes,
    };
    let sources = sources::check(wire, &mut scope);
    let outputs = outputs::check(wire, &sources, &mut scope);
    let channels = channels::check(wire, &mut scope);
    broker::check_clients(&sources, &outputs, &channels, &mut scope);
    Checked {
        database: storage::database(wire, &mut scope),
        registry: wire
            .models
            .registry
            .as_deref()
            .map(|path| scope.path("models.registry", path)),
        trust: wire
            .models
            .trust
            .iter()
            .map(|path| scope.path("models.trust", path))
            .collect(),
        models: devices::models(wire, &mut scope),
        models_by_device: wire.models.by_device,
        settings: storage::settings(wire, &mut scope),
        devices: devices::rules(wire, &mut scope),
        alerts: alerts::rules(wire, &channels, named, &mut scope),
        delivery: alerts::delivery(wire, &mut scope),
        maintenance: alerts::maintenance(wire, &mut scope),
        sources,
        timezone: sources::timezone(wire),
        outputs,
        channels,
        server: server::check(wire, &mut scope),
        log: LogSpec {
            level: wire.log.level,
            format: wire.log.format,
        },
    }
}

/// What checks look at beside the values, and where mistakes go.
struct Scope<'a> {
    origins: &'a Origins,
    env: &'a BTreeMap<String, String>,
    mistakes: &'a mut Vec<Mistake>,
}

impl Scope<'_> {
    /// Notes a mistake at a path.
    fn wrong(&mut self, at: &str, problem: impl Into<String>) {
        self.mistakes.push(Mistake {
            origin: self.origins.near(at).clone(),
            at: at.to_owned(),
            problem: problem.into(),
        });
    }

    /// Notes a mistake at a path unless this holds.
    fn require(&mut self, holds: bool, at: &str, problem: impl FnOnce() -> String) {
        if !holds {
            self.wrong(at, problem());
        }
    }

    /// What stands in the file is relative to its folder; all else to where the program runs.
    fn path(&self, at: &str, path: &Path) -> PathBuf {
        match self.origins.near(at) {
            Origin::File { file, .. } => match file.parent() {
                Some(folder) => folder.join(path),
                None => path.to_path_buf(),
            },
            _ => path.to_path_buf(),
        }
    }

    /// The secret that a reference leads to.
    fn secret(&mut self, at: &str, reference: Option<&SecretRef>) -> Option<Secret> {
        let (part, read) = match reference? {
            SecretRef::Env(name) => {
                let value = self.env.get(name).cloned();
                (
                    "env",
                    value.ok_or_else(|| {
                        format!("the environment variable {name} is not set; set it to the secret")
                    }),
                )
            }
            SecretRef::File(path) => {
                let path = self.path(at, path);
                let bytes = disk::read_bounded(&path, SECRET_BYTES_MAX);
                let text = bytes
                    .map_err(|error| crate::failure::chain(&error))
                    .and_then(|bytes| {
                        String::from_utf8(bytes).map_err(|_| format!("{} is no UTF-8", path.display()))
                    });
                ("file", text.map(|text| without_newline(&text).to_owned()))
            }
        };
        let read = read.and_then(|secret| match secret.is_empty() {
            true => Err("the secret there is empty".to_owned()),
            false => Ok(secret),
        });
        read.map(Secret::new)
            .map_err(|problem| self.wrong(&format!("{at}.{part}"), problem))
            .ok()
    }
}

fn without_newline(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}
