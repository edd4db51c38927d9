//! The live system: arrivals become verdicts, events and alerts, and each cycle is durable before it is acknowledged.
//!
//! `run` is the loop. `fleet` holds all devices in shards (`shard`), each device (`device`) puts its samples in order
//! (`reorder`) and has a session. `wire` is how the journal and the states of devices stand in the database.
//!
//! # Durability
//! A cycle's accepted arrivals are committed as one journal block, together with whatever follows from them. States of
//! devices are written now and then, so that the journal that they do not cover stays short: a restart loads states and
//! judges the rest of the journal again, which gives the same bits.

mod device;
mod durations;
mod error;
mod fleet;
mod intake;
mod models;
mod outputs;
mod reorder;
mod run;
mod settings;
mod shard;
mod stats;
mod wire;

pub use durations::{BOUNDS_S, DurationCounts, Durations};
pub use error::LiveError;
pub use models::{Models, Served};
pub use outputs::{OutputTo, Outputs};
pub use run::{Committed, Live, LiveRules};
pub use settings::{DeviceRules, Settings};
pub use stats::{NotificationResult, Notifications, Snapshot, Stats};

#[cfg(test)]
mod tests;
