//! The command line of `architectures`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::ThreadArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum ArchitecturesCommand {
    /// The architectures that have a name
    List,
    /// The layers of an architecture, as a file would say them
    Show {
        /// A name of `list`, or a TOML file
        #[arg(value_name = "NAME|FILE")]
        architecture: String,
    },
    /// Say whether a file is sound, and the shape after each layer
    Check {
        /// A TOML file, or a name of `list`
        #[arg(value_name = "FILE|NAME")]
        architecture: String,
        #[command(flatten)]
        cut: CutArgs,
    },
    /// Write a file to start from
    Template {
        /// A name of `list`
        #[arg(value_name = "NAME", default_value = "gru")]
        name: String,
        /// Where it goes [default: stdout]
        #[arg(short, long, value_name = "FILE.toml")]
        output: Option<PathBuf>,
    },
    /// What architectures cost: weights, operations, memory, and on this machine time
    Summary {
        /// Names of `list`, or TOML files [default: all that have a name]
        #[arg(value_name = "NAME|FILE")]
        architectures: Vec<String>,
        #[command(flatten)]
        cut: CutArgs,
        /// Windows of a mini-batch
        #[arg(long, value_name = "N", default_value = "64")]
        batch: NonZeroUsize,
        /// Windows of an epoch
        #[arg(long, value_name = "N", default_value = "3000")]
        windows: NonZeroUsize,
        /// Epochs
        #[arg(long, value_name = "N", default_value = "12")]
        epochs: NonZeroUsize,
        #[command(flatten)]
        threads: ThreadArgs,
    },
}

/// What an architecture is cut to.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct CutArgs {
    /// Samples in a window
    #[arg(long, value_name = "N", default_value = "16")]
    pub(crate) window: NonZeroUsize,
    /// Channels that vary; each enters with its level and its deviation
    #[arg(long, value_name = "N", default_value = "10")]
    pub(crate) channels: NonZeroUsize,
}
