//! Network specifications: TOML with strict keys, every mistake with its line; and those that have a name.

mod read;
mod write;

use std::path::Path;

use bellwether_nn::{Architecture, NetworkSpec};

use crate::config::Text;
use crate::config::error::did_you_mean;
use crate::failure::Failure;
pub(crate) use read::of_bytes;
pub(crate) use write::write;

/// The version of the file.
const VERSION: i64 = 1;

/// A specification that has a name: its own, or that of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Preset {
    pub(crate) name: &'static str,
    /// As a file would say it.
    pub(crate) text: &'static str,
}

macro_rules! presets {
    ($($name:literal),*) => {
        [$(Preset {
            name: $name,
            text: include_str!(concat!("presets/", $name, ".toml")),
        }),*]
    };
}

impl Preset {
    /// All there are, the default first.
    pub(crate) const ALL: [Self; 11] = presets![
        "lstm",
        "lstm-deep",
        "gru",
        "conv-lstm",
        "conv",
        "tcn",
        "dense",
        "attention",
        "vae",
        "aer",
        "light"
    ];

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.name == name)
    }

    /// The specification in a file, which is called as the file is. It stays in memory until the program ends: few are asked for.
    ///
    /// # Errors
    /// Where the file cannot be read or is not sound.
    pub(crate) fn of_file(path: &str) -> Result<Self, Failure> {
        let text = Text::read(Path::new(path)).map_err(Failure::Configuration)?;
        let spec = of_bytes(text.path, &text.bytes).map_err(Failure::Configuration)?;
        check_sizes(path, &spec)?;
        let text = String::from_utf8(text.bytes).expect("what reads as TOML is text");
        Ok(Self {
            name: path.to_owned().leak(),
            text: text.leak(),
        })
    }

    /// Its layers.
    pub(crate) fn spec(self) -> NetworkSpec {
        of_bytes(Path::new(self.name), self.text.as_bytes())
            .expect("a test reads every preset, and a file was read before")
    }

    /// What the file says of itself, in a line.
    pub(crate) fn about(self) -> &'static str {
        let first = self.text.lines().next().unwrap_or_default();
        first.trim_start_matches(['#', ' '])
    }
}

/// The specification that `--architecture` or an argument names: a preset or a file.
///
/// # Errors
/// Where there is neither, or the file is not sound; shapes are judged for windows of 16 samples.
pub(crate) fn named(text: &str) -> Result<NetworkSpec, Failure> {
    let spec = match Preset::from_name(text) {
        Some(preset) => preset.spec(),
        None => {
            let path = Path::new(text);
            let is_path = path.extension().is_some() || text.contains(['/', '\\']) || path.exists();
            if !is_path {
                return Err(unknown(text));
            }
            read::read(path).map_err(Failure::Configuration)?
        }
    };
    check_sizes(text, &spec)?;
    Ok(spec)
}

/// Window and channels are not known before the data: sizes that no data make right are refused now.
fn check_sizes(name: &str, spec: &NetworkSpec) -> Result<(), Failure> {
    Architecture::of_layers(spec, 16, 8, 4)
        .map_err(|error| Failure::Usage(format!("the architecture {name}: {error}")))?;
    Ok(())
}

fn unknown(text: &str) -> Failure {
    let names = Preset::ALL.map(|preset| preset.name);
    Failure::Usage(match did_you_mean(text, names.iter().copied()) {
        Some(near) => format!("--architecture {text}: there is no such architecture; did you mean {near}?"),
        None => format!(
            "--architecture {text}: there is no such architecture; give a TOML file, sizes such as 64-16/64, or one of {}",
            names.join(", ")
        ),
    })
}

#[cfg(test)]
mod tests;
