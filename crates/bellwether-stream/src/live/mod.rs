//! The live system: arrivals become verdicts, events and alerts, and each cycle is durable before it is acknowledged.

mod settings;

pub use settings::{DeviceRules, Settings};
