//! The command line of `models`.

use std::path::PathBuf;

use bellwether_store::registry::{ModelName, ModelRef, NamedRef};
use clap::{Args, Subcommand};

use super::{RegistryArgs, alerts, parse};

#[derive(Debug, Args)]
pub(crate) struct ModelsArgs {
    #[command(subcommand)]
    pub(crate) command: ModelsCommand,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

/// Why a model gets another champion, and who says so.
#[derive(Debug, Args)]
pub(crate) struct BecauseArgs {
    /// Why: kept in the history of the model
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) who: alerts::Who,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// All models and their versions
    List,
    /// Everything about a version
    Show {
        /// NAME, NAME@VERSION, NAME@ALIAS or a bundle file
        #[arg(value_name = "REF", value_parser = parse::<ModelRef>)]
        model: ModelRef,
    },
    /// Make a version the one that NAME stands for
    Promote {
        /// NAME@VERSION
        #[arg(value_name = "REF", value_parser = parse::<NamedRef>)]
        model: NamedRef,
        #[command(flatten)]
        because: BecauseArgs,
    },
    /// Go back to the version before the last promotion
    Rollback {
        /// NAME
        #[arg(value_name = "NAME", value_parser = parse::<ModelName>)]
        name: ModelName,
        #[command(flatten)]
        because: BecauseArgs,
    },
    /// Delete a version that no alias names
    #[command(alias = "rm")]
    Remove {
        /// NAME@VERSION
        #[arg(value_name = "REF", value_parser = parse::<NamedRef>)]
        model: NamedRef,
    },
    /// Check that every file is there and as it was published
    Verify {
        /// Only this model
        #[arg(value_name = "NAME", value_parser = parse::<ModelName>)]
        name: Option<ModelName>,
    },
    /// Write a version to a bundle file
    Export {
        /// NAME, NAME@VERSION or NAME@ALIAS
        #[arg(value_name = "REF", value_parser = parse::<ModelRef>)]
        model: ModelRef,
        /// FILE.bellwether, or `-` for stdout
        #[arg(value_name = "FILE")]
        to: PathBuf,
    },
    /// Publish a bundle file as a version
    Import {
        /// FILE.bellwether
        #[arg(value_name = "FILE")]
        from: PathBuf,
        /// Name of the model
        #[arg(long, value_name = "NAME", value_parser = parse::<ModelName>)]
        name: ModelName,
    },
}
