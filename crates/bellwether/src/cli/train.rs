//! Flags of `train`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use bellwether_core::time::Timestamp;
use bellwether_store::registry::{ModelName, ModelRef};
use clap::{Args, ValueEnum};

use super::{DataArgs, FitArgs, RegistryArgs, ThreadArgs, parse, parse_duration, parse_interval, parse_time};

#[derive(Debug, Args)]
pub(crate) struct TrainArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Name of the model: lower-case letters, digits, `-` and `_`
    #[arg(long, value_name = "NAME", value_parser = parse::<ModelName>)]
    pub(crate) name: ModelName,
    #[command(flatten)]
    pub(crate) fit: FitArgs,
    /// Train on samples before this time only
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) until: Option<Timestamp>,
    /// Train on the first N rows of each series only
    #[arg(long, value_name = "N", conflicts_with = "until")]
    pub(crate) rows: Option<NonZeroUsize>,
    /// Leave out a stretch of time, START/END (repeatable): maintenance, known faults
    #[arg(long, value_name = "START/END", value_parser = parse_interval)]
    pub(crate) exclude: Vec<(Timestamp, Timestamp)>,
    /// The same from a file with the columns start, end and reason, perhaps series
    #[arg(long, value_name = "FILE")]
    pub(crate) calendar: Option<PathBuf>,
    /// Train a model for each value of this column, each named NAME-VALUE, side by side
    #[arg(long, value_name = "COLUMN", conflicts_with = "series_column")]
    pub(crate) group_by: Option<String>,
    /// What devices have in common: own (nothing: a training for each), or shared (networks and other members learnt from all
    /// devices, each under its own scales and with its own calibration; published as NAME, too, for devices not seen yet)
    #[arg(
        long,
        value_name = "HOW",
        value_enum,
        default_value = "own",
        requires = "group_by"
    )]
    pub(crate) group_models: GroupModels,
    /// Write every epoch as a line of JSON, or as a row of a table that plots (FILE.csv)
    #[arg(long, value_name = "FILE.jsonl|FILE.csv")]
    pub(crate) log: Option<PathBuf>,
    /// Train the networks of this model further: they start with its weights, windows and architecture; all else is learnt anew
    #[arg(long, value_name = "REF", value_parser = parse::<ModelRef>, conflicts_with_all = ["architecture", "window"])]
    pub(crate) from: Option<ModelRef>,
    /// Take the weights of an LSTM network that PyTorch or Keras learnt: a safetensors file. They are used as they are, or with
    /// --epochs trained further
    #[arg(long, value_name = "FILE.safetensors", conflicts_with = "from")]
    pub(crate) weights: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) search: SearchArgs,
    /// Go on where a training of this name with the same data and flags was interrupted; the weights are those of one that was
    /// not. With --search, go on with the trials that are missing
    #[arg(long)]
    pub(crate) resume: bool,
    /// Keep how far the training is after an epoch, at most this often
    #[arg(long, value_name = "D", default_value = "10s", value_parser = parse_duration)]
    pub(crate) checkpoint_every: Duration,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
    #[command(flatten)]
    pub(crate) threads: ThreadArgs,
}

/// Settings chosen by trial.
#[derive(Debug, Args)]
pub(crate) struct SearchArgs {
    /// Try window, sizes or preset, and learning rate of the networks first, and train with what ranks faults best that are put
    /// into copies of the last quarter of the rows; no labels are looked at. A --window that is given stays, and so do an
    /// --architecture and a --lr other than the default
    #[arg(long = "search", conflicts_with_all = ["from", "weights", "group_by"])]
    pub(crate) is_on: bool,
    /// Search for this long, before the training itself [default: 10m]
    #[arg(long, value_name = "D", requires = "is_on", value_parser = parse_duration)]
    pub(crate) budget: Option<Duration>,
    /// Search until so many trials were made instead: the outcome depends on no clock. From 5 on a drawn candidate is trained in full
    #[arg(
        long = "search-trials",
        value_name = "N",
        requires = "is_on",
        conflicts_with = "budget"
    )]
    pub(crate) n_trials: Option<NonZeroUsize>,
}

/// What the models of the devices of a fleet have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GroupModels {
    /// Nothing.
    Own,
    /// Their members.
    Shared,
}
