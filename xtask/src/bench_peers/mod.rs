//! `cargo xtask bench-peers`: bellwether beside PyTorch and ONNX Runtime on the same shapes, beside pandas and polars on
//! the same files, and beside pandera with the same checks, in one run.
//!
//! A machine is never the same twice: ours and theirs take turns, and of each only the best counts.

mod figures;
mod reading;
mod validating;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use cargo_metadata::MetadataCommand;
use clap::{Args, ValueEnum};

use self::figures::{Comparison, Measured, Peer, PeersDocument, ShapesDocument};
use self::reading::Rates;
use self::validating::Checks;
use crate::cargo;

const PEERS: &str = "crates/bellwether-bench/peers";
const VENV: &str = ".venv";

/// How to measure, and how to show it.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Turns of ours and theirs
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,
    /// Time for each figure of a peer
    #[arg(long, default_value_t = 3.0, value_name = "X")]
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
    /// Networks, beside PyTorch and ONNX Runtime
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
            Self::Kernels => &["torch", "onnxruntime", "onnx", "numpy"],
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
    let binary = build()?;
    let mut comparison = Comparison::default();
    let mut rates = Rates::default();
    let mut checks = Checks::default();
    for round in 1..=options.rounds {
        eprintln!("round {round} of {}", options.rounds);
        if parts.contains(&Part::Kernels) {
            comparison.add("bellwether", "this checkout", ours(&binary)?);
            for peer in theirs(&python, options.seconds)? {
                comparison.add(&peer.peer, &peer.version, peer.shapes);
            }
        }
        if parts.contains(&Part::Reading) {
            rates.turn(&binary, &python)?;
        }
        if parts.contains(&Part::Validating) {
            checks.turn(&binary, &python)?;
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
    writeln!(table, "{machine}; the best of {} turns each.", options.rounds)
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
    let metadata = MetadataCommand::new()
        .manifest_path(cargo::root().join("Cargo.toml"))
        .no_deps()
        .exec()?;
    let binary = metadata.target_directory.join("release").join("bellwether");
    Ok(binary.into_std_path_buf())
}

/// What the peers of the networks have, each figure measured for so many seconds.
fn theirs(python: &Path, seconds: f64) -> Result<Vec<Peer>> {
    let printed = cargo::read(
        cargo::program(python)
            .arg(format!("{PEERS}/measure.py"))
            .args(["--seconds", &seconds.to_string()]),
    )?;
    let document: PeersDocument =
        serde_json::from_str(&printed).context("measure.py printed no such document")?;
    Ok(document.peers)
}

/// What our own benchmark found.
fn ours(binary: &PathBuf) -> Result<Vec<Measured>> {
    let printed = cargo::read(cargo::program(binary).args(["bench", "kernels", "--format", "json"]))?;
    let document: ShapesDocument =
        serde_json::from_str(&printed).context("bellwether bench kernels printed no such document")?;
    if document.shapes.is_empty() {
        bail!("bellwether bench kernels measured no shape");
    }
    Ok(document.shapes)
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
