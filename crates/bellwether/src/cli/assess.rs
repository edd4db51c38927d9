//! `evaluate` and `compare`: what is judged, and how.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use bellwether_core::detect::Mode;
use bellwether_core::time::Timestamp;
use clap::Args;

use super::{DataArgs, DeviceArgs, FitArgs, ModelArgs, ThreadArgs, parse, parse_duration, parse_time};

/// How detectors are judged.
#[derive(Debug, Args)]
pub(crate) struct AssessArgs {
    #[arg(
        help = "The truth: 0/1 per row, start,end[,kind,channels] per interval, NAB's JSON, or FIRST-LAST:CHANNELS as of SMD \
                [default: the column is_anomaly; without labels: expected alarms, stability, recall of injected faults]",
        long,
        value_name = "FILE",
        alias = "labels-path"
    )]
    pub(crate) labels: Option<PathBuf>,
    /// causal or retrospective
    #[arg(long, value_name = "MODE", default_value = "causal", value_parser = parse::<Mode>)]
    pub(crate) mode: Mode,
    /// Window of the volume under the curve, in samples [default: median length of the labelled events]
    #[arg(long, value_name = "N")]
    pub(crate) vus_window: Option<usize>,
    /// Resamples behind the 95 % intervals, or `off` for none
    #[arg(long, value_name = "N|off", default_value = "200", value_parser = parse_resamples)]
    pub(crate) intervals: usize,
    /// How long before an event an alarm counts as a warning of it
    #[arg(long, value_name = "D", default_value = "1h", value_parser = parse_duration)]
    pub(crate) lead_horizon: Duration,
    /// Also give point-adjusted F1 and PA%K, which are inflated by design, to compare with papers
    #[arg(long)]
    pub(crate) point_adjusted: bool,
    /// Write a page to look at (FILE.html), or its facts (FILE.json)
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct EvaluateArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) assess: AssessArgs,
    #[command(flatten)]
    pub(crate) devices: DeviceArgs,
    /// What a missed event costs, in any unit: shows the threshold of least cost
    #[arg(long, value_name = "X", requires = "cost_false_alarm", value_parser = parse_price)]
    pub(crate) cost_miss: Option<f64>,
    /// What a false alarm costs, in the same unit
    #[arg(long, value_name = "Y", requires = "cost_miss", value_parser = parse_price)]
    pub(crate) cost_false_alarm: Option<f64>,
    /// Judge only samples from this time on (earlier ones were trained on)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) from: Option<Timestamp>,
    /// Judge only rows from the N-th on, counted from 0
    #[arg(long, value_name = "N", conflicts_with = "from")]
    pub(crate) skip_rows: Option<usize>,
    /// Seed of resamples and of injected faults
    #[arg(long, value_name = "S", default_value_t = 42)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) threads: ThreadArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Detectors to compare: what --model-family knows, default, random, max-z, last-value, or a TOML file of layers
    #[arg(
        long,
        value_name = "A,B,…",
        value_delimiter = ',',
        default_value = "default,linear,lstm-ae,pca,var,knn,random,max-z,last-value"
    )]
    pub(crate) models: Vec<String>,
    #[command(flatten)]
    pub(crate) assess: AssessArgs,
    /// Learn from the first N rows of each series, judge the others
    #[arg(long, value_name = "N", conflicts_with_all = ["until", "train_share"])]
    pub(crate) rows: Option<NonZeroUsize>,
    /// Learn from samples before this time, judge the others
    #[arg(long, value_name = "TIME", value_parser = parse_time, conflicts_with = "train_share")]
    pub(crate) until: Option<Timestamp>,
    /// Learn from that share of each series, its first, judge the others
    #[arg(long, value_name = "X", default_value = "0.5", value_parser = parse_share)]
    pub(crate) train_share: f64,
    /// Judge each detector a second time as one that is fitted anew this often on what came before: 12h, 7d
    #[arg(long, value_name = "D", value_parser = parse_duration)]
    pub(crate) retrain_every: Option<Duration>,
    /// Fit anew on no more than this time before [default: all that came before]
    #[arg(long, value_name = "D", value_parser = parse_duration, requires = "retrain_every")]
    pub(crate) train_window: Option<Duration>,
    /// Fit anew without the rows that were in an alarm of the detector's own
    #[arg(long, requires = "retrain_every")]
    pub(crate) leave_out_alarms: bool,
    /// Fit each detector with so many seeds, and tell how alike their scores are
    #[arg(long, value_name = "K", default_value = "1")]
    pub(crate) seeds: NonZeroUsize,
    #[command(flatten)]
    pub(crate) fit: Box<FitArgs>,
    #[command(flatten)]
    pub(crate) threads: ThreadArgs,
}

/// More resamples would say nothing more.
const RESAMPLES_MAX: usize = 100_000;

fn parse_resamples(text: &str) -> Result<usize, String> {
    if text == "off" {
        return Ok(0);
    }
    match text.parse() {
        Ok(n) if (20..=RESAMPLES_MAX).contains(&n) => Ok(n),
        _ => Err(format!("wanted `off` or 20 to {RESAMPLES_MAX} resamples")),
    }
}

fn parse_price(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(price) if price >= 0.0 && price.is_finite() => Ok(price),
        _ => Err("wanted a number of at least 0".to_owned()),
    }
}

fn parse_share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if 0.0 < share && share < 1.0 => Ok(share),
        _ => Err("wanted a share above 0 and below 1, such as 0.5".to_owned()),
    }
}
