//! `drift` on the command line.

use std::path::PathBuf;

use bellwether_core::time::Timestamp;
use bellwether_store::registry::ModelRef;
use clap::{ArgGroup, Args};

use super::{DataArgs, RegistryArgs, parse, parse_time};

#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("against").required(true).args(["model", "baseline"]),
    after_help = "Exit code 3 where the data drift, 4 where they have no channel of the baseline. What the numbers mean \
                  stands in docs/drift.md."
)]
pub(crate) struct DriftArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Compare with what this model learnt from: NAME, NAME@VERSION, NAME@ALIAS or a bundle file
    #[arg(long, value_name = "REF", value_parser = parse::<ModelRef>)]
    pub(crate) model: Option<ModelRef>,
    /// Compare with these data: files or folders
    #[arg(
        short = 't',
        long,
        value_name = "DATA",
        num_args = 1..,
        alias = "training-data"
    )]
    pub(crate) baseline: Vec<PathBuf>,
    /// Compare only samples from this time on
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) from: Option<Timestamp>,
    /// Compare only samples before this time
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) to: Option<Timestamp>,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}
