//! How the live system runs.

use std::path::PathBuf;
use std::time::Duration;

/// Times, sizes and places, the same for all devices.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Batches that wait for judgement at most; sources wait, or shed, beyond.
    pub queue_len_max: usize,
    /// Samples in a cycle at most.
    pub cycle_len_max: usize,
    /// A cycle waits so long for more samples before it is judged and committed.
    pub latency: Duration,
    /// Threads that judge.
    pub n_threads: usize,
    /// Devices whose sessions stay in memory; the least recently used beyond are in the database alone.
    pub sessions_max: usize,
    /// Samples that a restart replays at most: how far checkpoints may lag behind.
    pub replay_len_max: usize,
    /// Samples from further ahead of the clock of this machine are quarantined: one wrong clock would make all that
    /// follows late.
    pub ahead_max: Duration,
    /// Entries kept in quarantine.
    pub quarantine_len_max: usize,
    /// How long answers to idempotency keys are remembered.
    pub keys_kept: Duration,
    /// Folder of the Parquet history; `None`: judged samples are not kept beyond the replay.
    pub history: Option<PathBuf>,
    /// Judged samples roll into Parquet at this number,
    pub roll_len: usize,
    /// or at this age.
    pub roll_age: Duration,
}

/// What may differ from device to device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRules {
    /// Samples may arrive so much behind the newest of their device.
    pub lateness: Duration,
    /// A device that says nothing for so long, by the clock of this machine, is silent; `None`: it may.
    pub silence: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            queue_len_max: 64,
            cycle_len_max: 8192,
            latency: Duration::from_millis(20),
            n_threads: 1,
            sessions_max: 20_000,
            replay_len_max: 65_536,
            ahead_max: Duration::from_secs(24 * 3600),
            quarantine_len_max: 10_000,
            keys_kept: Duration::from_secs(24 * 3600),
            history: None,
            roll_len: 500_000,
            roll_age: Duration::from_secs(3600),
        }
    }
}

impl Default for DeviceRules {
    fn default() -> Self {
        Self {
            lateness: Duration::ZERO,
            silence: None,
        }
    }
}
