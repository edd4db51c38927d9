//! Flags of `bench`: speed, quality, and whether promises of alarms are kept.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use bellwether_core::detect::Mode;
use bellwether_core::synth::{AnomalySpec, Template};
use bellwether_core::threshold::AlarmBudget;
use clap::{Args, Subcommand};

use super::{CausesArgs, FitArgs, ThreadArgs, parse};
use crate::commands::quality::Protocol;

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    pub(crate) command: BenchCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Speed of training and scoring on the shapes S, M, L
    Kernels {
        /// Numbers of threads to measure, comma-separated
        #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,2")]
        threads: Vec<NonZeroUsize>,
        /// Kernels to measure instead of the fastest: amx, avx512, avx2, portable
        #[arg(long, value_name = "NAME")]
        kernels: Option<String>,
    },
    /// Speed of reading the same series in every format, on one core
    Read(ReadArgs),
    /// Speed and memory of `validate`, on rows that are in memory already
    Validate {
        /// Rows to look at
        #[arg(long, value_name = "N", default_value = "1000000")]
        rows: NonZeroUsize,
        /// Channels of each row
        #[arg(long, value_name = "N", default_value = "20")]
        channels: NonZeroUsize,
        /// Seed of the rows
        #[arg(long, value_name = "S", default_value_t = 42)]
        seed: u64,
    },
    /// Detection quality on a folder of labelled series with a manifest.json
    Quality(Box<QualityArgs>),
    /// How often the faulty channel stands at the front of an event's causes, on generated plants
    Causes(Box<CausesArgs>),
    /// How many faults of each kind are found on generated plants, how soon, and how many false events are raised beside them
    Faults(Box<FaultsArgs>),
    /// Alarms asked for against alarms raised while all is well
    Alarms(Box<AlarmsArgs>),
    /// Models a minute where each device of a made-up fleet has its own, trained and published as by `train --group-by`
    Fleet(Box<FleetArgs>),
}

#[derive(Debug, Args)]
pub(crate) struct ReadArgs {
    /// Write the files into this folder, read them there and leave them [default: read from memory]
    #[arg(value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Rows to make up
    #[arg(long, value_name = "N", default_value = "200000")]
    pub(crate) rows: NonZeroUsize,
    /// Channels of each row
    #[arg(long, value_name = "N", default_value = "20")]
    pub(crate) channels: NonZeroUsize,
    /// Decimals of each value
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) decimals: u32,
}

#[derive(Debug, Args)]
pub(crate) struct QualityArgs {
    /// The folder
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Detectors to compare: what --model-family knows, default, random, max-z, last-value, or a TOML file of layers
    #[arg(
        long,
        value_name = "A,B,…",
        value_delimiter = ',',
        default_value = "default,random,max-z"
    )]
    pub(crate) models: Vec<String>,
    /// causal or retrospective
    #[arg(long, value_name = "MODE", default_value = "causal", value_parser = parse::<Mode>)]
    pub(crate) mode: Mode,
    /// Which rows are learnt from and judged
    #[arg(long, value_name = "NAME", value_enum, default_value = "own")]
    pub(crate) protocol: Protocol,
    /// Only data sets of these names
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    pub(crate) datasets: Vec<String>,
    /// Put faults into this share of the rows that are learnt from, to see what they cost
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    pub(crate) contaminate: Option<f64>,
    #[command(flatten)]
    pub(crate) fit: FitArgs,
    #[command(flatten)]
    pub(crate) threads: ThreadArgs,
}

#[derive(Debug, Args)]
pub(crate) struct AlarmsArgs {
    /// A folder of series with a manifest.json; the end of each training part is judged [default: made-up plants]
    #[arg(value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Budgets to hold to
    #[arg(
        long,
        value_name = "RATE,…",
        value_delimiter = ',',
        default_value = "1/day,1/week,1/month",
        value_parser = parse::<AlarmBudget>
    )]
    pub(crate) budgets: Vec<AlarmBudget>,
    /// Plants to make: pump, server, boiler, turbine, compressor, motor, hvac, sine, wind-turbine
    #[arg(
        long,
        value_name = "NAME,…",
        value_delimiter = ',',
        default_value = "pump,server,boiler,turbine,compressor",
        value_parser = parse::<Template>
    )]
    pub(crate) templates: Vec<Template>,
    /// Weeks of each made-up plant that are judged, a sample a minute
    #[arg(long, value_name = "N", default_value = "50")]
    pub(crate) weeks: NonZeroUsize,
    /// Weeks of each made-up plant that are learnt from: what a budget of 1/month takes to be known to a factor of two
    #[arg(long, value_name = "N", default_value = "24")]
    pub(crate) train_weeks: NonZeroUsize,
    #[command(flatten)]
    pub(crate) fit: FitArgs,
    #[command(flatten)]
    pub(crate) threads: ThreadArgs,
}

#[derive(Debug, Args)]
pub(crate) struct FaultsArgs {
    /// Plants of each template, each with a week for each fault; their seeds count up from --seed
    #[arg(long, value_name = "N", default_value = "5")]
    pub(crate) seeds: NonZeroUsize,
    /// Only plants of these templates [default: all]
    #[arg(long, value_name = "A,B,…", value_delimiter = ',', value_parser = parse::<Template>)]
    pub(crate) templates: Vec<Template>,
    /// A fault to put in, as for `generate`, repeatable [default: one of each kind as it is where nothing more is asked]
    #[arg(long = "anomaly", value_name = "SPEC", value_parser = parse::<AnomalySpec>)]
    pub(crate) anomalies: Vec<AnomalySpec>,
    /// Weeks of each plant that are learnt from, a sample a minute
    #[arg(long, value_name = "N", default_value = "4")]
    pub(crate) train_weeks: NonZeroUsize,
    /// causal or retrospective
    #[arg(long, value_name = "MODE", default_value = "causal", value_parser = parse::<Mode>)]
    pub(crate) mode: Mode,
    #[command(flatten)]
    pub(crate) fit: FitArgs,
    #[command(flatten)]
    pub(crate) threads: ThreadArgs,
}

#[derive(Debug, Args)]
pub(crate) struct FleetArgs {
    /// Devices of the fleet
    #[arg(long, value_name = "N", default_value = "1000")]
    pub(crate) devices: NonZeroUsize,
    /// Channels of each
    #[arg(long = "channels", value_name = "N", default_value = "8")]
    pub(crate) n_channels: NonZeroUsize,
    /// Rows of each, one a minute
    #[arg(long, value_name = "N", default_value = "1440")]
    pub(crate) rows: NonZeroUsize,
    #[command(flatten)]
    pub(crate) fit: FitArgs,
    #[command(flatten)]
    pub(crate) threads: ThreadArgs,
}

fn parse_share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=0.5).contains(&share) => Ok(share),
        _ => Err("wanted a share of the training rows from 0 to 0.5, such as 0.05".to_owned()),
    }
}
