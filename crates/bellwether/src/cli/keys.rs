//! `keys` on the command line.

use std::time::Duration;

use bellwether_serve::access::{Permission, Role};
use clap::{Args, Subcommand};

use super::alerts::{Length, LiveArgs, Who, wanted};
use super::parse_duration;

#[derive(Debug, Args)]
pub(crate) struct KeysArgs {
    #[command(subcommand)]
    pub(crate) command: KeysCommand,
    #[command(flatten)]
    pub(crate) live: LiveArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key: it goes to stdout, and is shown this once
    Create {
        /// What it is for
        #[arg(long, value_name = "NAME")]
        name: String,
        /// viewer (looks), operator (works with alerts, sends samples), engineer (looks after models) or admin
        #[arg(long, value_name = "ROLE", value_parser = parse_role)]
        role: Role,
        /// Only this of what the role may do, repeatable: read, ingest, detect, decide, train, publish, configure,
        /// keys or audit
        #[arg(long = "scope", value_name = "SCOPE", value_parser = parse_scope)]
        scopes: Vec<Permission>,
        /// How long it is good for, at most ten years: 90d [default: until it is revoked]
        #[arg(long, value_name = "D", value_parser = parse_duration)]
        expires: Option<Duration>,
        #[command(flatten)]
        who: Who,
    },
    /// Keys without their secrets, the newest first
    List {
        #[command(flatten)]
        length: Length,
    },
    /// Revoke a key: a running server lets nobody in with it after a minute at most
    Revoke {
        /// Its id, the part between the underscores
        id: String,
        #[command(flatten)]
        who: Who,
    },
}

fn parse_role(text: &str) -> Result<Role, String> {
    Role::from_word(text).ok_or_else(|| wanted(Role::ALL.iter().map(|role| role.word())))
}

fn parse_scope(text: &str) -> Result<Permission, String> {
    Permission::from_word(text).ok_or_else(|| wanted(Permission::ALL.iter().map(|scope| scope.word())))
}
