//! `architectures`: networks to choose from, their shapes and costs.

use std::io::Write as _;

use bellwether_nn::{Architecture, Head, NetworkSpec};
use bellwether_store::write::AtomicFile;
use serde_json::{Value, json};

use crate::architecture::{Preset, named, write};
use crate::bench::network::{Cost, Job, measure};
use crate::cli::{ArchitecturesCommand, CutArgs};
use crate::failure::Failure;
use crate::output::{Output, Rows, object};

pub(crate) fn run(command: &ArchitecturesCommand, output: &Output) -> Result<(), Failure> {
    match command {
        ArchitecturesCommand::List => list(output),
        ArchitecturesCommand::Show { architecture } => show(architecture, output),
        ArchitecturesCommand::Check { architecture, cut } => check(architecture, *cut, output),
        ArchitecturesCommand::Template { name, output: path } => {
            let preset = Preset::from_name(name).ok_or_else(|| {
                let names = Preset::ALL.map(|preset| preset.name).join(", ");
                Failure::Usage(format!(
                    "{name}: there is no such architecture; there are {names}"
                ))
            })?;
            match path {
                None => output.write(preset.text),
                Some(path) => {
                    let mut file = AtomicFile::create(path)?;
                    file.write_all(preset.text.as_bytes())?;
                    file.commit()?;
                    output.note(&format!("wrote {}", path.display()));
                    Ok(())
                }
            }
        }
        ArchitecturesCommand::Summary {
            architectures,
            cut,
            batch,
            windows,
            epochs,
            threads,
        } => {
            let job = Job {
                batch_len: batch.get(),
                n_windows: windows.get(),
                n_epochs: epochs.get(),
                n_threads: threads.n(),
            };
            summary(architectures, *cut, job, output)
        }
    }
}

fn head(head: Head) -> &'static str {
    match head {
        Head::Reconstruction => "reconstruction",
        Head::Forecast => "forecast",
        Head::Both { .. } => "both",
    }
}

fn list(output: &Output) -> Result<(), Failure> {
    let mut rows = Rows::new(&["name", "head", "layers", "about"]);
    for preset in Preset::ALL {
        let spec = preset.spec();
        rows.push(vec![
            json!(preset.name),
            json!(head(spec.head)),
            json!(spec.layers.len()),
            json!(preset.about()),
        ]);
    }
    output.answer(&rows.objects(), &rows)
}

fn show(name: &str, output: &Output) -> Result<(), Failure> {
    let spec = named(name)?;
    let text = Preset::from_name(name).map_or_else(|| write(&spec), |preset| preset.text.to_owned());
    if output.is_for_programs() {
        let rows = layers(&spec, None);
        let document =
            json!({ "name": name, "head": head(spec.head), "toml": text, "layers": rows.objects() });
        return output.answer(&document, &rows);
    }
    output.write(&text)
}

/// A row for each layer; with an architecture also its shapes.
fn layers(spec: &NetworkSpec, built: Option<&Architecture>) -> Rows {
    let mut rows = Rows::new(&["layer", "kind", "name", "shape", "weights", "flops"]);
    let costs = built.map(|built| built.layer_costs(spec)).unwrap_or_default();
    for (idx, layer) in spec.layers.iter().enumerate() {
        let cost = costs.get(idx);
        rows.push(vec![
            json!(idx + 1),
            json!(layer.kind.name()),
            json!(layer.name),
            json!(cost.map(|cost| cost.shape.to_string())),
            json!(cost.map(|cost| cost.n_weights)),
            json!(cost.map(|cost| cost.flops)),
        ]);
    }
    if let Some(cost) = costs.last() {
        let shape = Some(cost.shape.to_string());
        let head = [
            json!("head"),
            json!(null),
            json!(shape),
            json!(cost.n_weights),
            json!(cost.flops),
        ];
        rows.push([json!(spec.layers.len() + 1)].into_iter().chain(head).collect());
    }
    rows
}

/// Cut to the windows that the flags speak of.
fn cut(name: &str, spec: &NetworkSpec, cut: CutArgs) -> Result<Architecture, Failure> {
    let (window, channels) = (cut.window.get(), cut.channels.get());
    Architecture::of_layers(spec, window, channels.saturating_mul(2), channels)
        .map_err(|error| Failure::Usage(format!("the architecture {name}: {error}")))
}

fn check(name: &str, args: CutArgs, output: &Output) -> Result<(), Failure> {
    let spec = named(name)?;
    let built = cut(name, &spec, args)?;
    let rows = layers(&spec, Some(&built));
    let document = json!({
        "name": name,
        "head": head(spec.head),
        "window": args.window,
        "channels": args.channels,
        "weights": built.n_weights(),
        "layers": rows.objects(),
    });
    output.answer(&document, &rows)?;
    output.note(&format!("{name} is sound: {} weights", built.n_weights()));
    Ok(())
}

const KEYS: [&str; 9] = [
    "name",
    "weights",
    "flops_forward",
    "flops_training",
    "bundle_bytes",
    "memory_bytes",
    "latency_us",
    "score_windows_per_s",
    "training_seconds",
];

fn summary(names: &[String], args: CutArgs, job: Job, output: &Output) -> Result<(), Failure> {
    let all = || Preset::ALL.map(|preset| preset.name.to_owned()).to_vec();
    let names = if names.is_empty() { all() } else { names.to_vec() };
    let mut rows = Rows::new(&KEYS);
    for name in names {
        let built = cut(&name, &named(&name)?, args)?;
        output.note(&format!("measuring {name}"));
        rows.push(row(&name, &built, &measure(&built, job)?));
    }
    let document = object([
        ("window", json!(args.window)),
        ("channels", json!(args.channels)),
        ("batch", json!(job.batch_len)),
        ("windows", json!(job.n_windows)),
        ("epochs", json!(job.n_epochs)),
        ("threads", json!(job.n_threads)),
        ("kernels", json!(bellwether_nn::Kernels::detect().name())),
        ("architectures", Value::Array(rows.objects())),
    ]);
    output.answer(&document, &rows)
}

fn row(name: &str, built: &Architecture, cost: &Cost) -> Vec<Value> {
    vec![
        json!(name),
        json!(built.n_weights()),
        json!(built.flops_per_window()),
        // Backward multiplies twice as much as forward: by the weights and by the activations.
        json!(3 * built.flops_per_window()),
        json!(cost.bundle_bytes),
        json!(cost.memory_bytes),
        json!(cost.latency_us),
        json!(cost.score_windows_per_s),
        json!(cost.training_seconds),
    ]
}
