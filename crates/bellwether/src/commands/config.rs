//! `config`: is the file right, what is in force, what may it say.

use std::collections::BTreeMap;

use crate::cli::{ConfigCommand, Format};
use crate::config::{self, reference, shape, show};
use crate::failure::Failure;
use crate::output::{Output, object};

pub(crate) fn run(command: &ConfigCommand, output: &Output) -> Result<(), Failure> {
    match command {
        ConfigCommand::Check { file } => {
            let loaded = config::load(Some(file), &environment(), &config::Overrides::default())
                .map_err(Failure::Configuration)?;
            config::check_certificate(&loaded).map_err(Failure::Configuration)?;
            let checked = &loaded.checked;
            let counts = object([
                ("file", file.display().to_string().into()),
                ("sources", checked.sources.len().into()),
                ("outputs", checked.outputs.len().into()),
                ("channels", checked.channels.len().into()),
            ]);
            match output.format() {
                Format::Json | Format::Ndjson => output.write(&format!("{counts}\n")),
                Format::Table | Format::Csv => output.write(&format!(
                    "{}: fine: {}, {}, {}\n",
                    file.display(),
                    counted(checked.sources.len(), "source"),
                    counted(checked.outputs.len(), "output"),
                    counted(checked.channels.len(), "channel"),
                )),
            }
        }
        ConfigCommand::Show { file, origin, flags } => {
            let overrides = flags.overrides(output.format());
            let effective = config::effective(file.as_deref(), &environment(), &overrides)
                .map_err(Failure::Configuration)?;
            match output.format() {
                Format::Table => output.write(&show::toml(&effective, *origin)),
                Format::Json if !origin => {
                    output.answer(&show::document(&effective), &show::rows(&effective))
                }
                _ => {
                    let rows = show::rows(&effective);
                    output.answer(&rows.objects(), &rows)
                }
            }
        }
        ConfigCommand::Schema => output.write(&format!("{:#}\n", shape::schema())),
        ConfigCommand::Reference => output.write(&reference::page()),
    }
}

/// The environment, as far as it is text: no variable of ours is anything else.
pub(crate) fn environment() -> BTreeMap<String, String> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}

fn counted(n: usize, what: &str) -> String {
    match n {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}
