//! The command line: what people type. Names, columns and exit codes are a contract.

pub(crate) mod alerts;
mod align;
mod architectures;
mod assess;
mod bench;
mod config;
pub(crate) mod drift;
pub(crate) mod explain;
mod form;
mod generate;
pub(crate) mod keys;
mod models;
pub(crate) mod pipeline;
mod train;
mod training;
pub(crate) mod validate;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use bellwether_core::detect::{Combination, Mode};
use bellwether_core::event::EventWish;
use bellwether_core::score::NamedRule;
use bellwether_core::threshold::ThresholdRule;
use bellwether_core::threshold::budget::AlarmBudget;
use bellwether_core::time::Timestamp;
use bellwether_core::transform::scale::ScalerKind;
use bellwether_core::zone::Zone;
use bellwether_nn::{Loss, Optimiser, Precision, Schedule};
use bellwether_store::registry::ModelRef;
use clap::{Args, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use crate::fitting::{Family, WindowWish};

pub(crate) use architectures::{ArchitecturesCommand, CutArgs};
pub(crate) use assess::{AssessArgs, CompareArgs, EvaluateArgs};
pub(crate) use bench::{AlarmsArgs, BenchArgs, BenchCommand, FaultsArgs, FleetArgs, QualityArgs, ReadArgs};
pub(crate) use config::{ConfigCommand, ConfigFlags, ServeArgs, StreamArgs, TopArgs};
pub(crate) use explain::CausesArgs;
pub(crate) use form::{Form, Format};
pub(crate) use generate::GenerateArgs;
pub(crate) use models::{BecauseArgs, CompareVersionsArgs, ModelsArgs, ModelsCommand};
pub(crate) use train::{GroupModels, TrainArgs};

/// Early warning of trouble in fleets of machines: learns how sensors behave together when all is well, and says
/// when, where, how strongly and because of which sensors they stop doing so.
#[derive(Debug, Parser)]
#[command(
    name = "bellwether",
    version,
    propagate_version = true,
    disable_help_subcommand = true
)]
#[command(
    after_help = "Start with `bellwether demo`. Exit codes: 0 done, 1 failed, 2 usage, 3 a gate tripped, \
                        4 data and model do not fit, 78 configuration, \
                        130 interrupted."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command understands.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Form of the answer on stdout
    #[arg(long, global = true, value_enum, env = "BELLWETHER_FORMAT")]
    pub(crate) format: Option<Form>,
    /// Say nothing but errors and the answer
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Say more
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub(crate) verbose: u8,
    /// Colour on stderr
    #[arg(long, global = true, value_enum, default_value = "auto")]
    pub(crate) color: ColorChoice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the whole job on a small made-up fleet: no arguments, no network, no configuration
    Demo(DemoArgs),
    /// Make synthetic fleets with known faults
    Generate(GenerateArgs),
    /// Say what is wrong with data, hold them against a contract, and mend what may be mended
    Validate(validate::ValidateArgs),
    /// Learn what is normal and publish it as a version of a model
    Train(Box<TrainArgs>),
    /// Find what is not normal
    Detect(DetectArgs),
    /// Say how good the detection is: against labels, or, without any, by injected faults and stability
    Evaluate(EvaluateArgs),
    /// Say why an event is one: which channels, since when, and what would have been normal
    Explain(explain::ExplainArgs),
    /// Train and judge several detectors on the same split of the data
    Compare(CompareArgs),
    /// Say whether recent data still look like those that a model learnt from
    Drift(drift::DriftArgs),
    /// Look after the versions of models
    Models(ModelsArgs),
    /// Networks to choose from: their layers, shapes and costs
    Architectures {
        #[command(subcommand)]
        command: ArchitecturesCommand,
    },
    /// Look after alerts: what fires, who takes care, of what nobody is told
    Alerts(alerts::AlertsArgs),
    /// Make, list and revoke the keys of the server
    Keys(keys::KeysArgs),
    /// Measure speed and quality
    Bench(BenchArgs),
    /// Check a configuration file, show what is in force and what may be said
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Judge live data: from pipes, files, HTTP push and MQTT, to verdicts, events and alerts
    Stream(StreamArgs),
    /// Judge live data behind a REST API, with alerts, metrics and a dashboard
    Serve(ServeArgs),
    /// Watch a server at work
    Top(TopArgs),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// Where data come from and how they are read.
#[derive(Debug, Args)]
pub(crate) struct DataArgs {
    /// Files, folders, patterns in quotes ('plant/*.parquet'), or `-` for stdin: CSV, TSV, JSON lines, Parquet, Arrow IPC or
    /// InfluxDB line protocol, plain, gzip or zstd
    #[arg(required = true, value_name = "DATA")]
    pub(crate) data: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
}

impl DataArgs {
    /// Each value of that column is a series of its own.
    pub(crate) fn group_by(&mut self, column: Option<&String>) {
        if let Some(column) = column {
            self.reading.series_column = Some(column.clone());
        }
    }
}

/// Devices that may have models of their own.
#[derive(Debug, Args)]
pub(crate) struct DeviceArgs {
    /// Judge each value of this column by the model NAME-VALUE, where there is one that learnt from it, else by NAME
    #[arg(long, value_name = "COLUMN", conflicts_with = "series_column")]
    pub(crate) group_by: Option<String>,
}

/// How data are read where finding out is not enough.
#[derive(Debug, Args)]
pub(crate) struct ReadingArgs {
    /// The column that is the time
    #[arg(long, value_name = "COLUMN")]
    pub(crate) time_column: Option<String>,
    /// The column that names the series
    #[arg(long, value_name = "COLUMN")]
    pub(crate) series_column: Option<String>,
    /// A column to leave out (repeatable)
    #[arg(long = "ignore-column", value_name = "COLUMN")]
    pub(crate) ignore_columns: Vec<String>,
    /// A cell that stands for a missing value, beside the usual ones (repeatable)
    #[arg(long, value_name = "TEXT")]
    pub(crate) missing: Vec<String>,
    /// The time zone of times without an offset, e.g. Europe/Berlin [default: UTC]
    #[arg(long, value_name = "ZONE", value_parser = parse::<Zone>)]
    pub(crate) timezone: Option<Zone>,
    /// Put rows that are out of order in order, instead of refusing them
    #[arg(long)]
    pub(crate) sort: bool,
    #[command(flatten)]
    pub(crate) align: align::AlignArgs,
}

/// Where models live.
#[derive(Debug, Clone, Args)]
pub(crate) struct RegistryArgs {
    /// Folder of the model registry [default: $BELLWETHER_HOME, else the platform's data folder]
    #[arg(long, global = true, value_name = "DIR", env = "BELLWETHER_REGISTRY")]
    pub(crate) registry: Option<PathBuf>,
    /// Use only models that this key signed: the file of its public half (repeatable)
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "BELLWETHER_TRUST",
        value_delimiter = ','
    )]
    pub(crate) trust: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ThreadArgs {
    /// Worker threads, at most 256; results do not depend on them [default: all cores]
    #[arg(long, value_name = "N", env = "BELLWETHER_THREADS")]
    pub(crate) threads: Option<NonZeroUsize>,
}

impl ThreadArgs {
    pub(crate) fn n(&self) -> usize {
        let all = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        self.threads.map_or_else(all, NonZeroUsize::get).min(THREADS_MAX)
    }
}

/// More threads than any machine has cores for would only fill its memory.
const THREADS_MAX: usize = 256;

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Folder for what the demo makes [default: bellwether-demo]
    #[arg(short, long, value_name = "DIR", default_value = "bellwether-demo")]
    pub(crate) output: PathBuf,
    /// End after the report
    #[arg(long)]
    pub(crate) no_serve: bool,
    /// Seed of the made-up fleet and of the training
    #[arg(long, value_name = "S", default_value_t = 42)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) threads: ThreadArgs,
}

/// How a detector is fitted.
#[derive(Debug, Clone, Args)]
pub(crate) struct FitArgs {
    /// What the detector is made of: auto, linear, full, lstm, lstm-ae, lstm-forecast, one architecture of `bellwether
    /// architectures list`, or one classic detector: pca, var, cross-regression, knn, robust-z, mahalanobis, kmeans,
    /// isolation-forest, matrix-profile, pca-t2, rrcf, spectral-residual, seasonal-naive, changepoint
    #[arg(long, value_name = "NAME", default_value = "auto", value_parser = parse_family)]
    pub(crate) model_family: Family,
    /// The networks: `lstm`, or sizes ENCODER/DECODER such as 64-16/64; a name of `bellwether architectures list` or a TOML
    /// file makes the one network that there is
    #[arg(long, value_name = "NAME|FILE", default_value = "lstm")]
    pub(crate) architecture: String,
    /// Samples in a window, or `auto`: as the rhythm of the data suggests [default: 16, of a forecaster 8; fewer where the data are few]
    #[arg(long, value_name = "N|auto", alias = "window-size", value_parser = parse::<WindowWish>)]
    pub(crate) window: Option<WindowWish>,
    /// Samples between the starts of training windows
    #[arg(long, value_name = "N", default_value = "1", alias = "step")]
    pub(crate) stride: NonZeroUsize,
    /// How channels are scaled: minmax, standard, robust, quantile
    #[arg(long, value_name = "NAME", default_value = "minmax", value_parser = parse_scaler)]
    pub(crate) scaler: ScalerKind,
    /// Passes over the training windows [default: 12, more where the data are few]
    #[arg(long, value_name = "N")]
    pub(crate) epochs: Option<NonZeroUsize>,
    /// Windows in a mini-batch
    #[arg(long, value_name = "N", default_value = "64", alias = "batch-size")]
    pub(crate) batch: NonZeroUsize,
    /// Learning rate, at its highest
    #[arg(long, value_name = "X", default_value_t = 3e-3, allow_negative_numbers = true)]
    pub(crate) lr: f64,
    /// What becomes of the learning rate: cosine, constant, warm-up:0.1 (a share of the training), step:0.5,10 (a factor
    /// after every so many epochs), plateau:0.5,2 (a factor after more than so many epochs that were not the best)
    #[arg(long, value_name = "NAME", default_value = "cosine", value_parser = training::schedule)]
    pub(crate) schedule: Schedule,
    /// How weights follow their gradient: adam, adamw:0.01 (weight decay), rmsprop, sgd:0.9 (momentum), adagrad
    #[arg(long, value_name = "NAME", default_value = "adam", value_parser = training::optimiser)]
    pub(crate) optimizer: Optimiser,
    /// What training minimises: mse, mae, huber:0.5, log-cosh, quantile:0.5
    #[arg(long, value_name = "NAME", default_value = "mse", value_parser = training::loss)]
    pub(crate) loss: Loss,
    /// Share of the fitted part, the last in time, that decides when to stop
    #[arg(
        long,
        value_name = "X",
        default_value_t = 0.125,
        allow_negative_numbers = true
    )]
    pub(crate) val_share: f64,
    /// Share of the history that may be faults, below 0.5: in each epoch the networks leave out so many windows, those with
    /// the highest loss
    #[arg(long, value_name = "X", default_value_t = 0.0, allow_negative_numbers = true)]
    pub(crate) contamination: f64,
    /// In what numbers the weights of networks are kept: float32, float16 (half the bytes), int8 (a quarter). They are rounded
    /// before scores are calibrated
    #[arg(long, value_name = "TYPE", default_value = "float32", value_parser = parse::<Precision>)]
    pub(crate) precision: Precision,
    /// Who speaks for the members of a detector, each by how surprised it is: mean (all, by weight), max (the most surprised),
    /// aom (of each two neighbours the more surprised)
    #[arg(long, value_name = "NAME", default_value = "mean", value_parser = parse_combination)]
    pub(crate) combination: Combination,
    /// Alarms that one series may raise while all is well, e.g. 1/week, 2/day
    #[arg(long, value_name = "RATE", value_parser = parse::<AlarmBudget>, conflicts_with = "threshold")]
    pub(crate) alarm_budget: Option<AlarmBudget>,
    /// Threshold rule: budget, conformal:0.01, conformal:1/week, quantile:0.995, mad:6, sigma:3, pot:1e-4, dspot:1e-4,1000, best-f1, value:2.5
    #[arg(long, value_name = "RULE", value_parser = parse::<ThresholdRule>)]
    pub(crate) threshold: Option<ThresholdRule>,
    /// What is known of a channel (repeatable): NAME: direction=above|below|both, min-deviation=X or X%, range=LO..HI, weight=W
    #[arg(long = "channel", value_name = "RULE", value_parser = parse::<NamedRule>)]
    pub(crate) channels: Vec<NamedRule>,
    /// What makes an event, in samples: `3 of 5, clear 0.8, merge 16, least 1`, or some of these parts
    #[arg(long, value_name = "RULE", value_parser = parse::<EventWish>)]
    pub(crate) event_rule: Option<EventWish>,
    /// Stop training after this time and keep the best weights: 90s, 10m
    #[arg(long, value_name = "D", value_parser = parse_duration)]
    pub(crate) max_time: Option<std::time::Duration>,
    /// Seed of weights and order
    #[arg(long, value_name = "S", default_value_t = 42)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) pipeline: pipeline::PipelineArgs,
}

impl FitArgs {
    /// As where no flag is given.
    pub(crate) fn by_default() -> Self {
        let matches = Self::augment_args(clap::Command::new("fit")).get_matches_from(["fit"]);
        Self::from_arg_matches(&matches).expect("every flag has a default or need not be given")
    }
}

#[derive(Debug, Args)]
pub(crate) struct ModelArgs {
    /// NAME, NAME@VERSION, NAME@ALIAS or a bundle file
    #[arg(long, value_name = "REF", value_parser = parse::<ModelRef>)]
    pub(crate) model: ModelRef,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DetectArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// Write a row per input sample: FILE.csv, .tsv, .jsonl, .parquet or .arrow, also with .gz or .zst behind, or `-` for
    /// stdout as CSV
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Write a row per event: FILE.csv, FILE.jsonl, FILE.parquet
    #[arg(long, value_name = "FILE")]
    pub(crate) events: Option<PathBuf>,
    /// Write what was expected of each channel: FILE.csv, FILE.jsonl, FILE.parquet
    #[arg(long, value_name = "FILE")]
    pub(crate) expected: Option<PathBuf>,
    /// causal: a score uses nothing after its sample; retrospective: it may
    #[arg(long, value_name = "MODE", default_value = "causal", value_parser = parse::<Mode>)]
    pub(crate) mode: Mode,
    /// Write a page to look at (FILE.html), or its facts (FILE.json)
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,
    /// Judge each series by a threshold from its own errors, retrospectively: dynamic, dynamic:0.13 (Hundman 2018)
    #[arg(long, value_name = "RULE", value_parser = crate::commands::dynamic::parse)]
    pub(crate) threshold: Option<f64>,
    /// Leave out stretches of time: a file with the columns start, end and reason, perhaps series; these rows have no score
    #[arg(long, value_name = "FILE")]
    pub(crate) calendar: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) devices: DeviceArgs,
    /// Show how many events each threshold would give
    #[arg(long)]
    pub(crate) sweep: bool,
    /// Exit with 3 where there is an event
    #[arg(long, alias = "fail-on-anomaly")]
    pub(crate) fail_on_event: bool,
    #[command(flatten)]
    pub(crate) threads: ThreadArgs,
}

/// Parses with `FromStr`, keeping the type's own message.
fn parse<T: std::str::FromStr<Err: std::error::Error>>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|error: T::Err| crate::failure::chain(&error))
}

fn parse_family(text: &str) -> Result<Family, String> {
    Family::from_name(text, &[])
}

fn parse_scaler(text: &str) -> Result<ScalerKind, String> {
    ScalerKind::from_name(text).ok_or_else(|| "wanted minmax, standard, robust or quantile".to_owned())
}

fn parse_combination(text: &str) -> Result<Combination, String> {
    Combination::from_name(text).ok_or_else(|| "wanted mean, max or aom".to_owned())
}

fn parse_time(text: &str) -> Result<Timestamp, String> {
    bellwether_store::read::time_format::parse_time(text)
        .ok_or_else(|| "wanted a time such as 2024-05-01T12:00:00Z, 2024-05-01 or epoch seconds".to_owned())
}

fn parse_interval(text: &str) -> Result<(Timestamp, Timestamp), String> {
    let (start, end) = text
        .split_once('/')
        .ok_or("wanted START/END, two times with a slash between")?;
    let (start, end) = (parse_time(start)?, parse_time(end)?);
    if start < end {
        Ok((start, end))
    } else {
        Err("the end is not after the start".to_owned())
    }
}

/// Samples per second: 0 for no pacing.
fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate >= 0.0 && rate.is_finite() => Ok(rate),
        _ => Err("wanted samples per second such as 2 or 0.5, or 0 for as fast as possible".to_owned()),
    }
}

/// `250ms`, `90s`, `5m`, `1h`, `2d`.
fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    let wanted =
        || format!("{text:?} is not a duration: wanted a number and a unit, e.g. 250ms, 90s, 5m, 1h, 2d");
    let at = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wanted)?;
    let number: f64 = text[..at].trim().parse().map_err(|_| wanted())?;
    let unit = match &text[at..] {
        "ms" => 1e-3,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return Err(wanted()),
    };
    let duration = std::time::Duration::try_from_secs_f64(number * unit).map_err(|_| wanted())?;
    if duration.is_zero() {
        Err(wanted())
    } else {
        Ok(duration)
    }
}
