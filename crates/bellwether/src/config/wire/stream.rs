//! `[storage]`, `[stream]`, `[[devices]]` and `[log]`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use bellwether_core::zone::Zone;
use bellwether_stream::live::{DeviceRules, Settings};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::leaf::{As, DatabaseUrl, Limit, Pattern};
use super::{DeviceAlerts, SecretRef};

/// Where everything durable is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Storage {
    /// The database: `sqlite:FILE`, or `postgres://user@host/database`. Without it: `live.db` in `$BELLWETHER_HOME`,
    /// else in the platform's data folder; where there is no configuration file either, nothing is kept after the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<As<DatabaseUrl>>,
    /// The password for PostgreSQL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) password: Option<SecretRef>,
    /// Folder of the history: judged samples as Parquet files. Without it judged samples are not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "path"))]
    pub(crate) history: Option<PathBuf>,
    /// Judged samples roll into Parquet at this number, or at `roll_age` if that comes first.
    #[schemars(range(min = 1_000, max = 50_000_000))]
    pub(crate) roll_len: usize,
    /// Judged samples roll into Parquet when the oldest of them has waited this long.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "7d"))]
    pub(crate) roll_age: As<Duration>,
}

/// How arrivals are judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Stream {
    /// Threads that judge; results do not depend on them. Without it: as many as the machine has cores.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 256))]
    pub(crate) threads: Option<NonZeroUsize>,
    /// Samples wait at most this long for company before they are judged and committed together. More makes a loaded
    /// system cheaper, less makes an idle one quicker.
    #[schemars(extend("x-minimum" = "0s", "x-maximum" = "10s"))]
    pub(crate) latency: As<Duration>,
    /// Batches that wait for judgement at most. Beyond, sources wait, or shed and count where they cannot wait.
    #[schemars(range(min = 1, max = 65_536))]
    pub(crate) queue_len_max: usize,
    /// Samples that are judged and committed together at most.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(crate) cycle_len_max: usize,
    /// Devices whose state stays in memory. Those that were quiet for longest are kept in the database alone.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub(crate) sessions_max: usize,
    /// Samples that a restart replays at most. More means fewer checkpoints, and a slower restart.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub(crate) replay_len_max: usize,
    /// Samples may arrive this far behind the newest of their device, by the clock of the data, and are put in order.
    /// Verdicts wait as long.
    #[schemars(extend("x-minimum" = "0s", "x-maximum" = "7d"))]
    pub(crate) lateness: As<Duration>,
    /// Whose clocks times without an offset are of, as `Europe/Berlin`; UTC where not given. It holds for every source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timezone: Option<As<Zone>>,
    /// A device that sends nothing for this long, by the clock of this machine, is silent, which is an alert; or
    /// `never`.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "365d"))]
    pub(crate) silence: As<Limit>,
    /// Samples from further ahead of the clock of this machine go to quarantine: after one wrong clock, all that
    /// follows would be late.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "3650d"))]
    pub(crate) ahead_max: As<Duration>,
    /// Entries that are kept in quarantine; the oldest go first.
    #[schemars(range(min = 0, max = 10_000_000))]
    pub(crate) quarantine_len_max: usize,
    /// How long answers to idempotency keys are remembered.
    #[schemars(extend("x-minimum" = "1m", "x-maximum" = "30d"))]
    pub(crate) keys_kept: As<Duration>,
}

/// What differs for some devices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Device {
    /// Pattern of device names: `*` stands for any text, `?` for one character, `[ab]` for one of these, `{a,b}` for
    /// one of these texts.
    #[serde(rename = "match")]
    pub(crate) pattern: As<Pattern>,
    /// Instead of `stream.lateness`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-minimum" = "0s", "x-maximum" = "7d"))]
    pub(crate) lateness: Option<As<Duration>>,
    /// Instead of `stream.silence`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "365d"))]
    pub(crate) silence: Option<As<Limit>>,
    /// Instead of the keys of the same names in `[alerts]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) alerts: Option<DeviceAlerts>,
}

/// What the program says of its own work.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    /// How much is said.
    pub(crate) level: LogLevel,
    /// In what form.
    pub(crate) format: LogFormat,
}

/// How much is said; each level also says what those before it say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogLevel {
    /// What stopped something
    Error,
    /// What somebody should look at
    Warn,
    /// Starts, stops and changes
    #[default]
    Info,
    /// Every cycle and every message sent
    Debug,
    /// Everything
    Trace,
}

/// Form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// Lines for people
    #[default]
    Text,
    /// A JSON object a line
    Json,
}

impl Default for Storage {
    fn default() -> Self {
        let settings = Settings::default();
        Self {
            url: None,
            password: None,
            history: settings.history,
            roll_len: settings.roll_len,
            roll_age: As(settings.roll_age),
        }
    }
}

impl Default for Stream {
    fn default() -> Self {
        let settings = Settings::default();
        let rules = DeviceRules::default();
        Self {
            timezone: None,
            threads: None,
            latency: As(settings.latency),
            queue_len_max: settings.queue_len_max,
            cycle_len_max: settings.cycle_len_max,
            sessions_max: settings.sessions_max,
            replay_len_max: settings.replay_len_max,
            lateness: As(rules.lateness),
            silence: As(Limit(rules.silence)),
            ahead_max: As(settings.ahead_max),
            quarantine_len_max: settings.quarantine_len_max,
            keys_kept: As(settings.keys_kept),
        }
    }
}
