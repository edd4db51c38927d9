//! `explain` on the command line.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use bellwether_core::detect::Mode;
use bellwether_core::event::EventId;
use bellwether_core::synth::Template;
use bellwether_core::time::Timestamp;
use clap::Args;

use super::{DataArgs, DeviceArgs, FitArgs, ModelArgs, ThreadArgs, parse, parse_time};

#[derive(Debug, Args)]
#[command(after_help = "What the numbers mean stands in docs/causes.md.")]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) devices: DeviceArgs,
    /// The event of this id, as `detect` names it [default: the event with the highest score]
    #[arg(long, value_name = "ID", value_parser = parse_event, conflicts_with = "at")]
    pub(crate) event: Option<EventId>,
    /// The event at this time, or where there is none the sample
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) at: Option<Timestamp>,
    /// Only this series
    #[arg(long, value_name = "NAME")]
    pub(crate) series: Option<String>,
    /// causal: a score uses nothing after its sample; retrospective: it may
    #[arg(long, value_name = "MODE", default_value = "causal", value_parser = parse::<Mode>)]
    pub(crate) mode: Mode,
    /// Orders in which channels are put in, sampled for their Shapley values, each with its reverse
    #[arg(long, value_name = "N", default_value = "32")]
    pub(crate) orders: NonZeroUsize,
    /// Seed of these orders
    #[arg(long, value_name = "S", default_value_t = 42)]
    pub(crate) seed: u64,
    /// Past events to compare with: as `detect --events FILE.csv` writes them, or those of the database of `stream` and `serve`
    #[arg(long, value_name = "FILE.csv|sqlite:FILE|postgres://…", value_parser = History::parse)]
    pub(crate) history: Option<History>,
    /// Write a page to look at (FILE.html), or its facts (FILE.json)
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) threads: ThreadArgs,
}

/// Where past events stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum History {
    /// A file of events.
    File(PathBuf),
    /// The database of a live system, by its address.
    Database(String),
}

impl History {
    #[expect(clippy::unnecessary_wraps, reason = "the shape of a parser of flags")]
    fn parse(text: &str) -> Result<Self, String> {
        let is_database = ["sqlite:", "postgres://", "postgresql://"];
        Ok(match is_database.iter().any(|scheme| text.starts_with(scheme)) {
            true => Self::Database(text.to_owned()),
            false => Self::File(PathBuf::from(text)),
        })
    }
}

fn parse_event(text: &str) -> Result<EventId, String> {
    EventId::from_hex(text).ok_or_else(|| "wanted the twelve hexadecimal digits of an event's id".to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct CausesArgs {
    /// Plants of each template, each with a fault of each kind; their seeds count up from --seed
    #[arg(long, value_name = "N", default_value = "5")]
    pub(crate) seeds: NonZeroUsize,
    /// Only plants of these templates: pump, server, boiler, turbine, compressor, motor, hvac, sine, wind-turbine
    #[arg(long, value_name = "A,B,…", value_delimiter = ',', value_parser = parse::<Template>)]
    pub(crate) templates: Vec<Template>,
    /// causal or retrospective
    #[arg(long, value_name = "MODE", default_value = "causal", value_parser = parse::<Mode>)]
    pub(crate) mode: Mode,
    #[command(flatten)]
    pub(crate) fit: FitArgs,
    #[command(flatten)]
    pub(crate) threads: ThreadArgs,
}
