//! `cargo xtask bench-peers`: bellwether beside PyTorch, ONNX Runtime and Keras on the same shapes, beside pandas and polars
//! on the same files, and beside pandera with the same checks, in one run.
//!
//! A machine is never the same twice: ours and theirs take turns, and of each only the best counts.

mod figures;
mod goals;
mod reading;
mod turns;
mod validating;

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result};
use cargo_metadata::MetadataCommand;
use clap::{Args, ValueEnum};

use self::figures::Comparison;
use self::reading::Rates;
use self::validating::Checks;
use crate::cargo;

const PEERS: &str = "crates/bellwether-bench/peers";
const VENV: &str = ".venv";

/// How to measure, and how to show it.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Turns of ours and theirs
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,
    /// Time for each figure of a network in a turn
    #[arg(long, default_value_t = 0.6, value_name = "X")]
    seconds: f64,
    /// What to print on stdout
    #[arg(long, default_value = "table")]
    format: Format,
    /// Write the table to a Markdown file too
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Measure no more than this [default: all]
    #[arg(long, value_name = "PART,…", value_delimiter = ',')]
    only: Vec<Part>,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Networks, beside PyTorch, ONNX Runtime and Keras
    Kernels,
    /// Reading of files, beside pandas and polars
    Reading,
    /// Checks of data, beside pandera
    Validating,
}

impl Part {
    /// The packages that its peers are, among those of `requirements.txt`.
    fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Kernels => &["torch", "onnxruntime", "onnx", "numpy", "keras", "tensorflow-cpu"],
            Self::Reading => &["pandas", "polars", "pyarrow"],
            Self::Validating => &["pandas", "pandera", "numpy"],
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Absolute figures and ratios, as Markdown
    Table,
    /// One document
    Json,
}

/// # Errors
/// Where the peers cannot be installed, something fails to run, or prints what does not read.
pub(crate) fn run(options: &Options) -> Result<()> {
    let parts = if options.only.is_empty() {
        Part::value_variants()
    } else {
        options.only.as_slice()
    };
    let python = ensure_peers(parts)?;
    let mut comparison = Comparison::default();
    let mut rates = Rates::default();
    let mut checks = Checks::default();
    let load_before = load();
    if parts.contains(&Part::Kernels) {
        comparison = turns::play(&build_turns()?, &python, options.rounds, options.seconds)?;
    }
    if parts.iter().any(|part| *part != Part::Kernels) {
        let binary = build()?;
        for round in 1..=options.rounds {
            eprintln!("round {round} of {}", options.rounds);
            if parts.contains(&Part::Reading) {
                rates.turn(&binary, &python)?;
            }
            if parts.contains(&Part::Validating) {
                checks.turn(&binary, &python)?;
            }
        }
    }
    let machine = machine();
    let mut table = String::new();
    for part in parts {
        table += &match part {
            Part::Kernels => comparison.markdown(),
            Part::Reading => rates.markdown(),
            Part::Validating => checks.markdown(),
        };
        table.push('\n');
    }
    writeln!(
        table,
        "{machine}; the best of {} turns each, taken by all programs in alternation; load average {load_before} before and {} after.",
        options.rounds,
        load()
    )
    .expect("a string takes any text");
    if let Some(path) = &options.markdown {
        std::fs::write(path, &table).with_context(|| format!("cannot write {}", path.display()))?;
    }
    match options.format {
        Format::Table => print!("{table}"),
        Format::Json => {
            let mut document = comparison.json(&machine);
            if parts.contains(&Part::Reading) {
                document["reading"] = rates.json();
            }
            if parts.contains(&Part::Validating) {
                document["validating"] = checks.json();
            }
            println!("{document:#}");
        }
    }
    Ok(())
}

/// Makes the Python environment with the peers of `parts`, or completes it; returns its interpreter.
fn ensure_peers(parts: &[Part]) -> Result<PathBuf> {
    let python = cargo::root().join(VENV).join("bin/python");
    if !python.is_file() {
        eprintln!("making the Python environment {VENV} (PyTorch, for kernels, is a large download)");
        cargo::run(cargo::program("python3").args(["-m", "venv", VENV]))
            .context("Python 3 with its venv module is needed")?;
    }
    let versions = format!("{PEERS}/requirements.txt");
    let packages = parts.iter().flat_map(|part| part.packages());
    cargo::run(
        cargo::program(&python)
            .args(["-m", "pip", "install", "--quiet", "--constraint", &versions])
            .args(packages),
    )?;
    Ok(python)
}

/// Builds the binary as it is shipped; returns its path.
pub(crate) fn build() -> Result<PathBuf> {
    cargo::run(&mut cargo::cargo([
        "build",
        "--release",
        "--locked",
        "--package",
        "bellwether",
    ]))?;
    Ok(release_folder()?.join("bellwether"))
}

/// Builds what answers for our networks; returns its path.
fn build_turns() -> Result<PathBuf> {
    cargo::run(&mut cargo::cargo([
        "build",
        "--release",
        "--locked",
        "--package",
        "bellwether-nn",
        "--example",
        "turns",
    ]))?;
    Ok(release_folder()?.join("examples").join("turns"))
}

fn release_folder() -> Result<PathBuf> {
    let metadata = MetadataCommand::new()
        .manifest_path(cargo::root().join("Cargo.toml"))
        .no_deps()
        .exec()?;
    Ok(metadata.target_directory.join("release").into_std_path_buf())
}

/// How many wanted a core at once in the last minute, where the system tells.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("unknown").to_owned()
}

/// The processor and how many cores of it we have.
pub(crate) fn machine() -> String {
    let described = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = described
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or(std::env::consts::ARCH, |(_, model)| model.trim());
    let n_cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{model}, {n_cores} cores")
}
