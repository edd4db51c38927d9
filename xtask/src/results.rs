//! `cargo xtask results`: what bellwether achieves on labelled data and on this machine, written to docs/results.md.
//!
//! Every figure on that page comes from a run of this command, good or bad.

mod tables;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::bench_peers;
use crate::cargo;

const PAGE: &str = "docs/results.md";
/// Where `bench-peers` writes to.
const PEERS: &str = "docs/peers.md";
/// What follows the sections.
const BESIDE: &str = "## Beside PyTorch, ONNX Runtime and Keras";
const MODELS: [&str; 7] = ["default", "linear", "lstm", "pca", "var", "max-z", "random"];
/// Those that are held against what others have published.
const COMPARED: [&str; 2] = ["default", "linear"];
/// Weeks of each plant that budgets are learnt from: what 1/month takes to be known to a factor of two.
const TRAIN_WEEKS: &str = "24";
/// Share of the training rows that faults are put into.
const CONTAMINATED: &str = "0.05";
const METRICS: [(&str, &str); 7] = [
    ("vus_pr", "VUS-PR"),
    ("vus_roc", "VUS-ROC"),
    ("auc_pr", "AUC-PR"),
    ("range_f1", "range F1"),
    ("event_f1", "event F1"),
    ("f1", "point F1"),
    ("false_alarms_per_week", "false alarms / week"),
];

/// What to measure on.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Folder of labelled series with a manifest.json
    #[arg(
        long,
        value_name = "DIR",
        env = "BELLWETHER_DATA",
        default_value = "../shared/data"
    )]
    data: PathBuf,
    /// The program to measure [default: that of this checkout, built for release]
    #[arg(long, value_name = "FILE")]
    bin: Option<PathBuf>,
    /// Measure these sections alone, and keep the others as they are
    #[arg(long, value_name = "A,B,…", value_delimiter = ',', value_enum)]
    only: Vec<Section>,
}

/// A part of the page that can be measured by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Section {
    /// Ranking, both modes, and what faults in the training part cost
    Quality,
    /// The leaderboard's protocol
    Skab,
    /// The benchmark's protocol
    TsbAdM,
    /// Budgets asked for against alarms raised
    Alarms,
    /// Faults found
    Faults,
    /// Causes named
    Causes,
    /// Models of single devices
    Fleet,
    /// Time that detectors and kernels take; wants a quiet machine
    Speed,
}

/// # Errors
/// Where the build or a benchmark fails, or prints what does not read.
pub(crate) fn run(options: &Options) -> Result<()> {
    let binary = match &options.bin {
        Some(bin) => std::path::absolute(bin)?,
        None => bench_peers::build()?,
    };
    let path = cargo::root().join(PAGE);
    let old = std::fs::read_to_string(&path).unwrap_or_default();
    let mut page = format!(
        "# Results\n\nMade by `cargo xtask results`; the figures of each section are from one run of it (`--only` measures one anew). \
         One configuration for all series: what `train` does when told nothing. Learnt from each series' training rows only, \
         never from a label; judged on its other rows. Means are means of data-set means, so that one large family does not \
         decide. What each choice is worth: [ablations.md](ablations.md).\n\nMachine: {}. {}.\n\n",
        bench_peers::machine(),
        rustc()?
    );
    for section in Section::value_variants() {
        let text = if options.only.is_empty() || options.only.contains(section) {
            section.measure(&binary, &options.data)?
        } else {
            section.of_page(&old)?
        };
        writeln!(page, "{}\n{}\n", section.mark(), text.trim_end())?;
    }
    let peers =
        std::fs::read_to_string(cargo::root().join(PEERS)).with_context(|| format!("cannot read {PEERS}"))?;
    page += &beside(&peers)?;
    page += "Live and over REST, under load: see [live.md](live.md) and [rest.md](rest.md), measured by `cargo xtask load`.\n";
    std::fs::write(path, page).with_context(|| format!("cannot write {PAGE}"))
}

impl Section {
    /// Where it begins on the page: a comment that nobody sees.
    fn mark(self) -> String {
        format!("<!-- {self:?} -->")
    }

    /// What the page says of it up to now.
    fn of_page(self, page: &str) -> Result<String> {
        let (_, rest) = page
            .split_once(&format!("{}\n", self.mark()))
            .with_context(|| format!("{PAGE} has no section {self:?} yet: measure it too"))?;
        let end = rest.find("<!-- ").or_else(|| rest.find(BESIDE));
        Ok(rest[..end.unwrap_or(rest.len())].to_owned())
    }

    /// Measures it.
    fn measure(self, binary: &Path, data: &Path) -> Result<String> {
        let bench = |arguments: &[&str]| -> Result<Value> {
            let mut command = cargo::program(binary);
            command.arg("bench").args(arguments).args(["--format", "json"]);
            serde_json::from_str(&cargo::read(&mut command)?).context("bench printed no JSON")
        };
        let folder = data.display().to_string();
        let compared = COMPARED.join(",");
        let protocol = |name| bench(&["quality", &folder, "--models", &compared, "--protocol", name]);
        let mut page = String::new();
        match self {
            Self::Quality => {
                let models = MODELS.join(",");
                let mut clean_and_dirty = Vec::new();
                for mode in ["causal", "retrospective"] {
                    let report = bench(&["quality", &folder, "--models", &models, "--mode", mode])?;
                    tables::quality(&mut page, mode, &report)?;
                    let asked = ["quality", &folder, "--models", &compared, "--mode", mode];
                    let dirty = bench(&[&asked[..], &["--contaminate", CONTAMINATED]].concat())?;
                    clean_and_dirty.push((mode, report, dirty));
                }
                tables::contamination(&mut page, &clean_and_dirty)?;
            }
            Self::Skab => tables::skab(&mut page, &protocol("skab")?)?,
            Self::TsbAdM => tables::tsb_ad_m(&mut page, &protocol("tsb-ad-m")?)?,
            Self::Alarms => {
                let plants = bench(&["alarms", "--train-weeks", TRAIN_WEEKS])?;
                let series = bench(&["alarms", &folder, "--budgets", "1/day,1/week"])?;
                tables::alarms(&mut page, &[&plants, &series])?;
            }
            Self::Faults => tables::faults(&mut page, &bench(&["faults", "--seeds", "20"])?)?,
            Self::Causes => tables::causes(&mut page, &bench(&["causes"])?)?,
            Self::Fleet => {
                let reports = COMPARED.map(|family| bench(&["fleet", "--model-family", family]));
                let reports = reports.into_iter().collect::<Result<Vec<_>>>()?;
                tables::fleet(&mut page, &reports)?;
            }
            Self::Speed => {
                detectors(&mut page, binary, data)?;
                tables::speed(&mut page, &bench(&["kernels"])?)?;
            }
        }
        Ok(page)
    }
}

/// What was promised of the networks beside their peers, and what the page of `bench-peers` says came of it.
fn beside(peers: &str) -> Result<String> {
    let mut text = format!(
        "{BESIDE}\n\nIn turns within one run: `cargo xtask bench-peers --only kernels`. All figures, and what lies behind those \
         that are missed: [peers.md](peers.md).\n\n"
    );
    let sections = peers
        .split("\n## ")
        .filter(|section| section.starts_with("Networks on "));
    for section in sections {
        let mut paragraphs = section.split("\n\n");
        let mut find = |what: &str| {
            paragraphs
                .find(|paragraph| paragraph.contains(what))
                .with_context(|| format!("{PEERS} has no paragraph with {what:?} where it is wanted"))
        };
        let title = find("Networks on ")?;
        let header = find("PyTorch")?.lines().next().unwrap_or_default();
        let programs = header
            .split('|')
            .map(str::trim)
            .filter(|cell| cell.chars().any(|c| c.is_ascii_digit()));
        let programs: Vec<&str> = programs.collect();
        let (promised, machine) = (find("| promised")?, find("cores; the best of")?);
        let programs = programs.join(", ");
        writeln!(text, "### {title}\n\n{programs}. {machine}\n\n{promised}\n")?;
    }
    Ok(text)
}

/// The machine that detectors are timed on: rows of it, and how many of them are learnt from.
const TIMED: (&str, usize, usize) = ("SMD/machine-1-2.csv", 47_388, 23_694);
/// The best of so many runs counts: what others do on the machine only ever makes one slower.
const N_RUNS: usize = 3;

/// How long the program takes to train on a machine and to judge it, on one thread, reading and writing included.
fn detectors(page: &mut String, binary: &Path, data: &Path) -> Result<()> {
    let (file, n_rows, n_learnt) = TIMED;
    writeln!(
        page,
        "## Time that detectors take\n\n`train --rows {n_learnt} --threads 1` and `detect --threads 1` (causal) on SMD `machine-1-2`, \
         38 channels, {n_rows} rows: the whole command, reading and writing included, best of {N_RUNS}.\n\n\
         detector | train s | detect s | detect rows/s\n---|---:|---:|---:"
    )?;
    let registry = tempfile::tempdir()?;
    for family in ["lstm-ae", "default", "linear", "lstm"] {
        let best = |arguments: &[&str]| -> Result<f64> {
            let mut best = f64::INFINITY;
            for _ in 0..N_RUNS {
                let mut command = cargo::program(binary);
                command
                    .arg(arguments[0])
                    .arg(data.join(file))
                    .args(&arguments[1..]);
                command
                    .args(["--threads", "1", "--quiet", "--registry"])
                    .arg(registry.path());
                let start = Instant::now();
                cargo::read(&mut command)?;
                best = best.min(start.elapsed().as_secs_f64());
            }
            Ok(best)
        };
        let rows = n_learnt.to_string();
        let train = best(&[
            "train",
            "--rows",
            &rows,
            "--name",
            family,
            "--model-family",
            family,
        ])?;
        let out = registry.path().join("scores.csv").display().to_string();
        let detect = best(&["detect", "--model", family, "--output", &out])?;
        writeln!(
            page,
            "{family} | {train:.2} | {detect:.2} | {:.0}",
            n_rows as f64 / detect
        )?;
    }
    writeln!(page)?;
    Ok(())
}

fn rustc() -> Result<String> {
    Ok(cargo::read(cargo::program("rustc").arg("--version"))?
        .trim()
        .to_owned())
}
