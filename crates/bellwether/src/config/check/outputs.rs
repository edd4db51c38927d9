//! Where verdicts go.

use std::path::Path;

use super::unique::Taken;
use super::{Scope, broker};
use crate::config::checked::{MqttOutputSpec, OutputSpec, SourceSpec, TextOutputSpec};
use crate::config::wire::{Config, Output, RowFormat};

pub(super) fn check(wire: &Config, sources: &[SourceSpec], scope: &mut Scope<'_>) -> Vec<OutputSpec> {
    let outputs: Vec<OutputSpec> = wire
        .outputs
        .iter()
        .enumerate()
        .map(|(idx, output)| spec(output, &format!("outputs[{idx}]"), scope))
        .collect();
    let mut names = Taken::of("the name");
    let mut places = Taken::of("the place");
    for (idx, output) in outputs.iter().enumerate() {
        let at = format!("outputs[{idx}]");
        names.take(output.name(), &at, "give each output a name of its own", scope);
        let OutputSpec::Text(spec) = output else { continue };
        let place = spec
            .path
            .as_ref()
            .map_or_else(|| "stdout".to_owned(), |path| path.display().to_string());
        places.take(&place, &at, "write to each place once", scope);
        let is_read = |source: &SourceSpec| matches!(source, SourceSpec::Text(text) if text.path.is_some() && text.path == spec.path);
        if let Some(source) = sources.iter().find(|source| is_read(source)) {
            let problem = format!("the source {:?} reads this file; write to another", source.name());
            scope.wrong(&format!("{at}.path"), problem);
        }
    }
    outputs
}

fn spec(wire: &Output, at: &str, scope: &mut Scope<'_>) -> OutputSpec {
    match wire {
        Output::Stdout(wire) => OutputSpec::Text(TextOutputSpec {
            name: wire
                .name
                .as_ref()
                .map_or_else(|| "stdout".to_owned(), |name| name.0.0.clone()),
            path: None,
            format: wire.format,
        }),
        Output::File(wire) => {
            let format = by_ending(&wire.path);
            scope.require(format.is_some(), &format!("{at}.path"), || {
                "the ending does not tell the form of the rows; end it in .csv or .jsonl".to_owned()
            });
            OutputSpec::Text(TextOutputSpec {
                name: wire
                    .name
                    .as_ref()
                    .map_or_else(|| "file".to_owned(), |name| name.0.0.clone()),
                path: Some(scope.path(&format!("{at}.path"), &wire.path)),
                format: format.unwrap_or_default(),
            })
        }
        Output::Mqtt(wire) => {
            let name = wire
                .name
                .as_ref()
                .map_or_else(|| "mqtt".to_owned(), |name| name.0.0.clone());
            broker::check_prefix(&wire.prefix, at, scope);
            OutputSpec::Mqtt(MqttOutputSpec {
                broker: broker::broker(&wire.broker, at, &format!("rows-{name}"), scope),
                prefix: wire.prefix.clone(),
                name,
            })
        }
    }
}

fn by_ending(path: &Path) -> Option<RowFormat> {
    match path.extension()?.to_str()?.to_lowercase().as_str() {
        "csv" => Some(RowFormat::Csv),
        "jsonl" | "ndjson" => Some(RowFormat::Jsonl),
        _ => None,
    }
}
