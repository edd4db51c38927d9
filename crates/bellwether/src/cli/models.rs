//! The command line of `models`.

use std::path::PathBuf;

use bellwether_store::registry::{AliasName, ModelName, ModelRef, NamedRef, TagKey};
use clap::{Args, Subcommand};

use super::{ReadingArgs, RegistryArgs, ThreadArgs, alerts, parse, parse_duration};

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
    /// Everything about a version; with --format html its card, a page to look at
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
    /// Hold two versions against each other: what they are, and what they say of the same data
    Compare(CompareVersionsArgs),
    /// Let an alias name a version, such as challenger
    Alias {
        /// NAME@VERSION
        #[arg(value_name = "REF", value_parser = parse::<NamedRef>)]
        model: NamedRef,
        /// The alias: lower-case letters, digits, `-` and `_`, a letter first
        #[arg(value_parser = parse::<AliasName>)]
        alias: AliasName,
        #[command(flatten)]
        because: BecauseArgs,
    },
    /// Forget an alias
    Unalias {
        /// NAME
        #[arg(value_name = "NAME", value_parser = parse::<ModelName>)]
        name: ModelName,
        /// The alias
        #[arg(value_parser = parse::<AliasName>)]
        alias: AliasName,
        #[command(flatten)]
        because: BecauseArgs,
    },
    /// Set tags of a version, or take them off
    Tag {
        /// NAME@VERSION
        #[arg(value_name = "REF", value_parser = parse::<NamedRef>)]
        model: NamedRef,
        /// Tags to set; without a value, KEY=, the tag is taken off
        #[arg(value_name = "KEY=VALUE", required = true, value_parser = parse_tag)]
        tags: Vec<(TagKey, String)>,
        #[command(flatten)]
        because: BecauseArgs,
    },
    /// Write a note to a version; an empty one takes it away
    Note {
        /// NAME@VERSION
        #[arg(value_name = "REF", value_parser = parse::<NamedRef>)]
        model: NamedRef,
        /// The note
        text: String,
        #[command(flatten)]
        because: BecauseArgs,
    },
    /// Keep a version, whatever a rule says: it is not removed until it is let go
    Pin {
        /// NAME@VERSION
        #[arg(value_name = "REF", value_parser = parse::<NamedRef>)]
        model: NamedRef,
        #[command(flatten)]
        because: BecauseArgs,
    },
    /// Let a pinned version go
    Unpin {
        /// NAME@VERSION
        #[arg(value_name = "REF", value_parser = parse::<NamedRef>)]
        model: NamedRef,
        #[command(flatten)]
        because: BecauseArgs,
    },
    /// Delete a version that neither an alias nor a pin holds
    #[command(alias = "rm")]
    Remove {
        /// NAME@VERSION
        #[arg(value_name = "REF", value_parser = parse::<NamedRef>)]
        model: NamedRef,
        #[command(flatten)]
        because: BecauseArgs,
    },
    /// Delete old versions that neither an alias nor a pin holds, nor a rollback would need
    #[command(alias = "cleanup")]
    Prune {
        /// Only this model
        #[arg(value_name = "NAME", value_parser = parse::<ModelName>)]
        name: Option<ModelName>,
        /// Versions to keep of each model, the newest
        #[arg(long, value_name = "N")]
        keep: usize,
        /// Keep also what is younger than this: 30d, 12h
        #[arg(long, value_name = "D", value_parser = parse_duration)]
        younger_than: Option<std::time::Duration>,
        /// Say what would be deleted, and delete nothing
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        because: BecauseArgs,
    },
    /// Make a key that signs models: FILE, for nobody else to read, and FILE.pub
    Keygen {
        /// Where the key goes
        #[arg(value_name = "FILE")]
        to: PathBuf,
    },
    /// Sign a version, or a bundle file (into FILE.sig)
    Sign {
        /// NAME, NAME@VERSION, NAME@ALIAS or a bundle file
        #[arg(value_name = "REF", value_parser = parse::<ModelRef>)]
        model: ModelRef,
        /// The key that `models keygen` made, or another Ed25519 key in PEM form
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        #[command(flatten)]
        because: BecauseArgs,
    },
    /// Check that every file is there and as it was published, and with --trust that it is signed
    Verify {
        /// Only this model
        #[arg(value_name = "NAME", value_parser = parse::<ModelName>)]
        name: Option<ModelName>,
    },
    /// Write a version to a bundle file with its signatures beside it, or a network of it to an ONNX file (FILE.onnx or
    /// --format onnx) or a folder for MLflow (--format mlflow)
    Export {
        /// NAME, NAME@VERSION or NAME@ALIAS
        #[arg(value_name = "REF", value_parser = parse::<ModelRef>)]
        model: ModelRef,
        /// FILE.bellwether, FILE.onnx, a folder for MLflow, or `-` for stdout
        #[arg(value_name = "FILE")]
        to: PathBuf,
        /// Which of the networks goes into the ONNX file, where there are several: lstm-ae, lstm-forecast
        #[arg(long, value_name = "NAME")]
        member: Option<String>,
    },
    /// Put a version, with its signatures, into a store that several sites share. Versions there are never replaced
    Push {
        /// NAME, NAME@VERSION or NAME@ALIAS
        #[arg(value_name = "REF", value_parser = parse::<NamedRef>)]
        model: NamedRef,
        /// A folder, file:///FOLDER, or s3://BUCKET/PREFIX with the keys that AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY say
        /// (AWS_REGION, and AWS_ENDPOINT_URL where the store is not of AWS)
        #[arg(value_name = "URL")]
        url: String,
    },
    /// Publish a version out of such a store
    Pull {
        /// NAME for the newest, or NAME@VERSION
        #[arg(value_name = "REF", value_parser = parse::<NamedRef>)]
        model: NamedRef,
        /// As for push
        #[arg(value_name = "URL")]
        url: String,
        /// What it is called here [default: as there]
        #[arg(long, value_name = "NAME", value_parser = parse::<ModelName>)]
        name: Option<ModelName>,
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

/// Two versions, and data to judge by both.
#[derive(Debug, Args)]
pub(crate) struct CompareVersionsArgs {
    /// NAME, NAME@VERSION, NAME@ALIAS or a bundle file
    #[arg(value_name = "REF", value_parser = parse::<ModelRef>)]
    pub(crate) first: ModelRef,
    /// The same
    #[arg(value_name = "REF", value_parser = parse::<ModelRef>)]
    pub(crate) second: ModelRef,
    /// Data that both judge, as in `detect`
    #[arg(value_name = "DATA")]
    pub(crate) data: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
    #[command(flatten)]
    pub(crate) threads: ThreadArgs,
}

/// `KEY=VALUE`.
fn parse_tag(text: &str) -> Result<(TagKey, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or("wanted KEY=VALUE, or KEY= to take the tag off")?;
    Ok((parse(key)?, value.to_owned()))
}
