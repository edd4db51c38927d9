//! `cargo xtask results`: what bellwether achieves on labelled data and on this machine, written to docs/results.md.
//!
//! Every figure on that page comes from a run of this command, good or bad.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::bench_peers;
use crate::cargo;

const PAGE: &str = "docs/results.md";
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
        writeln!(page, "{}\n{text}", section.mark())?;
    }
    page += "Beside PyTorch, ONNX Runtime and Keras: see [peers.md](peers.md), made by `cargo xtask bench-peers --markdown \
             docs/peers.md`. Live and over REST, under load: see [live.md](live.md) and [rest.md](rest.md), measured by \
             `cargo xtask load`.\n";
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
        let end = rest.find("<!-- ").or_else(|| rest.find("Beside PyTorch"));
        Ok(rest[..end.unwrap_or(rest.len())].trim_end().to_owned() + "\n")
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
                    quality(&mut page, mode, &report)?;
                    let asked = ["quality", &folder, "--models", &compared, "--mode", mode];
                    let dirty = bench(&[&asked[..], &["--contaminate", CONTAMINATED]].concat())?;
                    clean_and_dirty.push((mode, report, dirty));
                }
                contamination(&mut page, &clean_and_dirty)?;
            }
            Self::Skab => skab(&mut page, &protocol("skab")?)?,
            Self::TsbAdM => tsb_ad_m(&mut page, &protocol("tsb-ad-m")?)?,
            Self::Alarms => {
                let plants = bench(&["alarms", "--train-weeks", TRAIN_WEEKS])?;
                let series = bench(&["alarms", &folder, "--budgets", "1/day,1/week"])?;
                alarms(&mut page, &[&plants, &series])?;
            }
            Self::Faults => faults(&mut page, &bench(&["faults", "--seeds", "20"])?)?,
            Self::Causes => causes(&mut page, &bench(&["causes"])?)?,
            Self::Speed => {
                detectors(&mut page, binary, data)?;
                speed(&mut page, &bench(&["kernels"])?)?;
            }
        }
        Ok(page)
    }
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

/// One table of VUS-PR by data set, one of all metrics.
fn quality(page: &mut String, mode: &str, report: &Value) -> Result<()> {
    let says = if mode == "causal" {
        "a score uses nothing after its sample"
    } else {
        "a score may look ahead within the file; not comparable with causal ones"
    };
    writeln!(page, "## Detection quality, {mode} ({says})\n")?;
    let datasets: Vec<&String> = report["datasets"][MODELS[0]]
        .as_object()
        .context("no data sets in the report")?
        .keys()
        .collect();
    write!(page, "VUS-PR |")?;
    datasets
        .iter()
        .try_for_each(|dataset| write!(page, " {dataset} |"))?;
    writeln!(page, " mean")?;
    writeln!(page, "---|{}---:", "---:|".repeat(datasets.len()))?;
    for model in MODELS {
        write!(page, "{model} |")?;
        for dataset in &datasets {
            write!(
                page,
                " {} |",
                shown(&report["datasets"][model][dataset.as_str()]["vus_pr"])
            )?;
        }
        writeln!(page, " {}", shown(&report["mean"][model]["vus_pr"]))?;
    }
    write!(page, "\nmean of data sets |")?;
    METRICS
        .iter()
        .try_for_each(|(_, label)| write!(page, " {label} |"))?;
    writeln!(page, "\n---|{}", "---:|".repeat(METRICS.len()))?;
    for model in MODELS {
        write!(page, "{model} |")?;
        METRICS
            .iter()
            .try_for_each(|(key, _)| write!(page, " {} |", shown(&report["mean"][model][*key])))?;
        writeln!(page)?;
    }
    writeln!(
        page,
        "\nF1 and false alarms are at each detector's own threshold: the alarm budget of 1/week for what `train` makes, the \
         99 % quantile of the training scores for max-z, 0.99 for random.\n"
    )?;
    Ok(())
}

/// What faults in the training rows cost.
fn contamination(page: &mut String, reports: &[(&str, Value, Value)]) -> Result<()> {
    writeln!(
        page,
        "## Faults in what is learnt from (`bench quality --contaminate {CONTAMINATED}`)\n\nMean VUS-PR where six kinds of \
         fault lie in one training row of twenty, against the training rows as they are.\n\n\
         | mode | as they are | with faults | cost\n---|---|---:|---:|---:"
    )?;
    for (mode, clean, dirty) in reports {
        for model in COMPARED {
            let mean = |report: &Value| {
                let mean = report["mean"][model]["vus_pr"].as_f64();
                mean.context("no mean VUS-PR in the report")
            };
            let (clean, dirty) = (mean(clean)?, mean(dirty)?);
            writeln!(
                page,
                "{model} | {mode} | {clean:.3} | {dirty:.3} | {:.3}",
                clean - dirty
            )?;
        }
    }
    writeln!(page)?;
    Ok(())
}

/// Alarms asked for and raised.
fn alarms(page: &mut String, reports: &[&Value]) -> Result<()> {
    writeln!(
        page,
        "## Alarm budgets (`bench alarms`, causal)\n\nThe default detector on healthy data. Plants are made up: {TRAIN_WEEKS} weeks are \
         learnt from, fifty judged, a sample a minute. Of each real series three quarters of the training part are learnt from \
         and the last quarter is judged. *Kept* is a count between half and twice the budget; where fewer than ten alarms are \
         allowed in all of the judged time, it is too short to tell. *Not promised* is a budget for which the program said at \
         the training that its held-out rows are too few.\n\n\
         source | series | days | budget | allowed | promised | raised | ratio | 95 % | verdict\n\
         ---|---:|---:|---:|---:|---:|---:|---:|---:|---"
    )?;
    for report in reports {
        for of in report["outcomes"]
            .as_array()
            .context("no outcomes in the report")?
        {
            writeln!(
                page,
                "{} | {} | {} | {} | {} | {} | {} | {} | {} – {} | {}",
                of["source"].as_str().unwrap_or("?"),
                of["n_series"],
                shown(&of["days"]),
                of["budget"].as_str().unwrap_or("?"),
                shown(&of["allowed"]),
                shown(&of["promised"]),
                of["raised"],
                shown(&of["ratio"]),
                shown(&of["ratio_low"]),
                shown(&of["ratio_high"]),
                of["verdict"].as_str().unwrap_or("?").replace('-', " "),
            )?;
        }
    }
    writeln!(page)?;
    Ok(())
}

/// How many faults of each kind are found, and what else is.
fn faults(page: &mut String, report: &Value) -> Result<()> {
    writeln!(
        page,
        "## Faults found (`bench faults --seeds 20`, causal)\n\nThe default detector on {} plants of each template: {} weeks are \
         learnt from, and the week behind them is judged once with a fault of each kind as `generate` makes it by default. Found \
         is a fault in whose rows an event lies that is not there without it; false are events of that week that have nothing to do \
         with the fault. The delay is the median.\n\n\
         fault | faults | found | share | at least (95 %) | false events / week | delay s\n\
         ---|---:|---:|---:|---:|---:|---:",
        report["seeds"], report["train_weeks"]
    )?;
    let list = |key: &str| -> Result<Vec<Value>> {
        let list = report[key].as_array().cloned();
        list.with_context(|| format!("no {key} in the report"))
    };
    for of in list("kinds")?
        .iter()
        .chain(&list("templates")?)
        .chain([&report["all"]])
    {
        writeln!(
            page,
            "{} | {} | {} | {} | {} | {} | {}",
            of["of"].as_str().unwrap_or("?"),
            of["faults"],
            of["found"],
            shown(&of["recall"]),
            shown(&of["recall_low"]),
            shown(&of["false_per_week"]),
            shown(&of["delay_s"]),
        )?;
    }
    writeln!(page)?;
    Ok(())
}

/// How often the faulty channel stands in front.
fn causes(page: &mut String, report: &Value) -> Result<()> {
    writeln!(
        page,
        "## Causes (`bench causes`, causal)\n\nThe default detector on {} plants of each template, each with one fault of each \
         kind in one channel. Of the faults that were detected: how often that channel stands first, and among the first three, \
         in the order of `explain`; the same for the shares that `detect` writes; by chance.\n\n\
         fault | faults | detected | first | first three | NDCG@3 | shares: first three | chance: first three\n\
         ---|---:|---:|---:|---:|---:|---:|---:",
        report["seeds"]
    )?;
    let kinds = report["kinds"].as_object().context("no kinds in the report")?;
    let all = [(&"**all**".to_owned(), &report["all"])];
    for (name, of) in kinds.iter().chain(all) {
        writeln!(
            page,
            "{name} | {} | {} | {} | {} | {} | {} | {}",
            of["faults"],
            of["detected"],
            shown(&of["hit_rate_1"]),
            shown(&of["hit_rate_3"]),
            shown(&of["ndcg_3"]),
            shown(&of["share_hit_rate_3"]),
            shown(&of["chance_hit_rate_3"]),
        )?;
    }
    writeln!(page)?;
    Ok(())
}

/// The leaderboard's figures.
fn skab(page: &mut String, report: &Value) -> Result<()> {
    writeln!(
        page,
        "## SKAB, the leaderboard's protocol (`bench quality --protocol skab`, causal)\n\nEach file's first 400 rows \
         train, the others are judged, all rows in one pot, at the threshold of the alarm budget of 1/week. The \
         leaderboard covers 34 files, here are those at hand; its best is Conv-AE with F1 0.78, false alarms 13.6 %, missed \
         28.0 %, which looks ahead.\n\n\
         | F1 | false alarms % | missed alarms %\n---|---:|---:|---:"
    )?;
    for model in COMPARED {
        let pot = &report["pooled"][model]["SKAB"];
        let count = |key: &str| {
            pot[key]
                .as_f64()
                .with_context(|| format!("no {key} in the report"))
        };
        let (hits, missed) = (count("true_positives")?, count("false_negatives")?);
        let (false_alarms, quiet) = (count("false_positives")?, count("true_negatives")?);
        let f1 = 2.0 * hits / (2.0 * hits + false_alarms + missed);
        let share = |part: f64, rest: f64| 100.0 * part / (part + rest);
        let (far, mar) = (share(false_alarms, quiet), share(missed, hits));
        writeln!(page, "{model} | {f1:.3} | {far:.1} | {mar:.1}")?;
    }
    writeln!(page)?;
    Ok(())
}

/// Means over the series beside those that were published.
fn tsb_ad_m(page: &mut String, report: &Value) -> Result<()> {
    let series = report["series"].as_array().context("no series in the report")?;
    writeln!(
        page,
        "## TSB-AD-M, its protocol (`bench quality --protocol tsb-ad-m`, causal)\n\nThe {} series at hand: the first rows \
         train, all rows are judged. Published figures are those of the benchmark's own table for the same series.\n\n\
         method | mean VUS-PR\n---|---:",
        series.len() / COMPARED.len()
    )?;
    let mut means: Vec<(String, f64)> = Vec::new();
    for model in COMPARED {
        let of_model = series.iter().filter(|of| of["model"] == model);
        let values: Vec<f64> = of_model
            .filter_map(|of| of["metrics"]["vus_pr"].as_f64())
            .collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        means.push((format!("**{model}**"), mean));
    }
    let published = report["published"]
        .as_object()
        .context("no published figures in the report")?;
    means.extend(
        published
            .iter()
            .filter_map(|(method, mean)| Some((method.clone(), mean.as_f64()?))),
    );
    means.sort_by(|one, other| other.1.total_cmp(&one.1));
    for (method, mean) in means {
        writeln!(page, "{method} | {mean:.3}")?;
    }
    writeln!(page)?;
    Ok(())
}

fn speed(page: &mut String, report: &Value) -> Result<()> {
    writeln!(
        page,
        "## Speed of the kernels\n\nKernels: {}. Shapes: S 30×5, 32-16-16-32; M 64×25, 64-32-32-64; L 100×55, 128-64-64-128. \
                    Training at batch 32, 64, 128; scoring at batch 256; float32.\n",
        report["kernels"].as_str().unwrap_or("?")
    )?;
    writeln!(
        page,
        "shape | threads | train windows/s | score windows/s | one window µs p50 | p99 | train GF/s | score GF/s | peak GF/s"
    )?;
    writeln!(page, "---|---:|---:|---:|---:|---:|---:|---:|---:")?;
    for shape in report["shapes"].as_array().context("no shapes in the report")? {
        writeln!(
            page,
            "{} | {} | {} | {} | {} | {} | {} | {} | {}",
            shape["name"].as_str().unwrap_or("?"),
            shape["threads"],
            shown(&shape["train_windows_per_s"]),
            shown(&shape["score_windows_per_s"]),
            shown(&shape["latency_us"]["p50"]),
            shown(&shape["latency_us"]["p99"]),
            shown(&shape["gflops"]["train"]),
            shown(&shape["gflops"]["score"]),
            shown(&shape["peak_gflops"]),
        )?;
    }
    Ok(())
}

fn shown(value: &Value) -> String {
    match value.as_f64() {
        None => "–".to_owned(),
        Some(value) if value >= 100.0 => format!("{value:.0}"),
        Some(value) if value >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.3}"),
    }
}
