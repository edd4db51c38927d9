//! Flags of `generate`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use bellwether_core::synth::{AnomalySpec, DefectSpec, Template};
use bellwether_core::time::Timestamp;
use clap::Args;

use super::{ReadingArgs, parse, parse_duration, parse_rate, parse_time};

#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    /// Where the data go: FILE.csv, .tsv, .jsonl, .parquet, .arrow or .lp, also with .gz or .zst behind, or `-` for stdout (CSV, or with --format ndjson JSON lines)
    #[arg(
        short,
        long,
        value_name = "FILE",
        alias = "output-path",
        conflicts_with = "to"
    )]
    pub(crate) output: Option<PathBuf>,
    /// What kind of plant: pump, server, boiler, turbine, compressor, motor, hvac, sine, wind-turbine
    #[arg(long, value_name = "NAME", default_value = "pump", value_parser = parse::<Template>)]
    pub(crate) template: Template,
    /// Samples per device
    #[arg(long, value_name = "N", default_value = "10080", alias = "num-samples")]
    pub(crate) samples: NonZeroUsize,
    /// Channels per device [default: those of the template]
    #[arg(long, value_name = "N", alias = "num-features")]
    pub(crate) channels: Option<NonZeroUsize>,
    /// Devices in the fleet
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) devices: NonZeroUsize,
    /// Time between samples: 60s, 5m, 1h, 250ms
    #[arg(long, value_name = "D", default_value = "60s", value_parser = parse_duration)]
    pub(crate) cadence: std::time::Duration,
    /// Time of the first sample
    #[arg(long, value_name = "TIME", default_value = "2024-01-01T00:00:00Z", value_parser = parse_time)]
    pub(crate) start: Timestamp,
    /// Seed: the same seed makes the same data everywhere
    #[arg(long, value_name = "S", default_value_t = 42)]
    pub(crate) seed: u64,
    #[arg(help = "A fault, repeatable: KIND[@START][+LENGTH][*MAGNITUDE][:CHANNELS], e.g. drift@70%+500*4:pressure_out_bar", long = "anomaly", value_name = "SPEC", value_parser = parse::<AnomalySpec>)]
    pub(crate) anomalies: Vec<AnomalySpec>,
    /// Stops in a week, on average, of half an hour to eight hours; no faults
    #[arg(long, value_name = "X", default_value_t = 0.0, allow_negative_numbers = true)]
    pub(crate) stops_per_week: f64,
    /// Changes of the set-point in a week, on average; no faults
    #[arg(long, value_name = "X", default_value_t = 0.0, allow_negative_numbers = true)]
    pub(crate) set_points_per_week: f64,
    /// Time in which a new plant wears out, evenly: 90d, 365d; no fault [default: it does not age]
    #[arg(long, value_name = "D", value_parser = parse_duration)]
    pub(crate) ageing: Option<std::time::Duration>,
    /// A defect of the recording, repeatable: jitter, gap, out-of-order, duplicate, clock-jump, dst, missing, bad-text, each
    /// with =AMOUNT, e.g. gap=0.02 (a share of the rows), clock-jump=-90 (seconds)
    #[arg(long, value_name = "KIND[=AMOUNT]", value_parser = parse::<DefectSpec>)]
    pub(crate) defect: Vec<DefectSpec>,
    /// Write the truth beside the data: start,end,kind,channels,series
    #[arg(long, value_name = "FILE", alias = "labels-path")]
    pub(crate) labels: Option<PathBuf>,
    /// Write the truth sample by sample: timestamp,series,is_anomaly,kind,channels,remaining_life_s
    #[arg(long, value_name = "FILE")]
    pub(crate) points: Option<PathBuf>,
    /// Write where the defects of the recording are: kind,row,samples,start,end,channel,series
    #[arg(long, value_name = "FILE", requires = "defect")]
    pub(crate) defects: Option<PathBuf>,
    /// Put the faults and defects into these data instead of made-up ones: a file, a folder, or `-` for stdin
    #[arg(
        long,
        value_name = "DATA",
        conflicts_with_all = [
            "template", "samples", "channels", "devices", "cadence", "start", "to", "stops_per_week",
            "set_points_per_week", "ageing"
        ]
    )]
    pub(crate) inject_into: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
    /// Emit the samples as they would happen, so many per second and device (0 = as fast as possible)
    #[arg(long, value_name = "N", requires = "to", value_parser = parse_rate)]
    pub(crate) rate: Option<f64>,
    /// Where live samples go: `-` for stdout (JSON lines, or with --format csv CSV), http://HOST:PORT or https://… for `serve` or
    /// `stream`, mqtt://HOST/TOPIC or mqtts://… for a broker, with {device} in the topic for the name of the device
    #[arg(long, value_name = "URL", requires = "rate")]
    pub(crate) to: Option<String>,
}
