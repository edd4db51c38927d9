//! `alerts` on the command line.

use std::path::PathBuf;
use std::time::Duration;

use bellwether_core::time::Timestamp;
use bellwether_store::database::{AlertState, Verdict};
use clap::{Args, Subcommand};

use super::{parse_duration, parse_time};

#[derive(Debug, Args)]
pub(crate) struct AlertsArgs {
    #[command(subcommand)]
    pub(crate) command: AlertsCommand,
    #[command(flatten)]
    pub(crate) live: LiveArgs,
}

/// Which live system is meant.
#[derive(Debug, Args)]
pub(crate) struct LiveArgs {
    /// The configuration file of the live system
    #[arg(short, long, global = true, value_name = "FILE", env = "BELLWETHER_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Its database: sqlite:FILE or postgres://USER@HOST/DATABASE
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) database: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AlertsCommand {
    /// Alerts, the newest first
    List {
        /// pending, firing, acknowledged or resolved
        #[arg(long, value_name = "STATE", value_parser = parse_state)]
        state: Option<AlertState>,
        /// Only of devices with such names: pump-*
        #[arg(long, value_name = "PATTERN")]
        device: Option<String>,
        #[command(flatten)]
        length: Length,
    },
    /// Everything about an alert
    Show {
        /// Its id, or the beginning of it
        id: String,
    },
    /// Take an alert on: it is not repeated any more
    #[command(alias = "ack")]
    Acknowledge {
        /// Its id, or the beginning of it
        id: String,
        #[command(flatten)]
        who: Who,
    },
    /// Say what an alert was
    Feedback {
        /// Its id, or the beginning of it
        id: String,
        /// false-alarm, real, maintenance or new-normal
        #[arg(value_name = "VERDICT", value_parser = parse_verdict)]
        verdict: Verdict,
        /// In words
        #[arg(long, value_name = "TEXT", default_value = "")]
        note: String,
        #[command(flatten)]
        who: Who,
    },
    /// Tell nobody of these devices for a while
    Shelve {
        /// Names of devices: pump-*
        #[arg(value_name = "PATTERN")]
        devices: String,
        /// For how long, at most 30d: 2h
        #[arg(long = "for", value_name = "D", value_parser = parse_duration)]
        time: Duration,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        who: Who,
    },
    /// Tell nobody of these devices while they are worked on
    Maintain {
        /// Names of devices: pump-*
        #[arg(value_name = "PATTERN")]
        devices: String,
        /// First instant [default: now]
        #[arg(long, value_name = "TIME", value_parser = parse_time)]
        from: Option<Timestamp>,
        /// First instant after it
        #[arg(long, value_name = "TIME", value_parser = parse_time)]
        until: Timestamp,
        /// What is done
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
        #[command(flatten)]
        who: Who,
    },
    /// Of which devices nobody is told now or later
    Suppressions,
    /// End a shelf, a maintenance or a new normal
    Unshelve {
        /// Its id
        id: String,
        #[command(flatten)]
        who: Who,
    },
    /// Messages that nobody took
    Dead {
        #[command(flatten)]
        length: Length,
    },
    /// Send dead letters again
    Retry {
        /// Only those of this alert: its id, or the beginning of it
        id: Option<String>,
        #[command(flatten)]
        who: Who,
    },
    /// Send a test through the channels of the configuration: exit code 1 where one does not take it
    Test {
        /// Only through this one
        channel: Option<String>,
    },
    /// Who decided what, the newest first
    Audit {
        #[command(flatten)]
        length: Length,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Length {
    /// Entries at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
}

#[derive(Debug, Args)]
pub(crate) struct Who {
    /// Who says so [default: $USER]
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
}

fn parse_state(text: &str) -> Result<AlertState, String> {
    AlertState::from_word(text).ok_or_else(|| wanted(AlertState::ALL.iter().map(|state| state.word())))
}

fn parse_verdict(text: &str) -> Result<Verdict, String> {
    Verdict::from_word(text).ok_or_else(|| wanted(Verdict::ALL.iter().map(|verdict| verdict.word())))
}

pub(super) fn wanted(words: impl Iterator<Item = &'static str>) -> String {
    format!("wanted one of {}", words.collect::<Vec<_>>().join(", "))
}
