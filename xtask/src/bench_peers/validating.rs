//! bellwether beside pandera: the same checks on rows of the same shape, in memory.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use super::PEERS;
use crate::cargo;

/// Rows that the peer looks at, and rows that ours does: as many more as it takes about the same time.
const N_ROWS_PEER: &str = "200000";
const N_ROWS_OURS: &str = "10000000";

/// The best turns so far.
#[derive(Debug, Default)]
pub(super) struct Checks {
    ours: Option<Measured>,
    theirs: Option<Measured>,
}

#[derive(Debug, Deserialize)]
struct Measured {
    #[serde(default)]
    version: String,
    rows: u64,
    channels: usize,
    rows_per_s: f64,
    peak_mib: Option<f64>,
}

impl Checks {
    /// A turn of each.
    pub(super) fn turn(&mut self, binary: &Path, python: &Path) -> Result<()> {
        let ours = ["bench", "validate", "--rows", N_ROWS_OURS, "--format", "json"];
        keep(&mut self.ours, &cargo::read(cargo::program(binary).args(ours))?)?;
        let theirs = cargo::read(
            cargo::program(python)
                .arg(format!("{PEERS}/validate_peer.py"))
                .args(["--rows", N_ROWS_PEER]),
        )?;
        keep(&mut self.theirs, &theirs)
    }

    /// Ours, theirs, and how many times as fast.
    pub(super) fn markdown(&self) -> String {
        let (Some(ours), Some(theirs)) = (&self.ours, &self.theirs) else {
            return String::new();
        };
        let row = |name: &str, of: &Measured| {
            let peak = of.peak_mib.map_or("–".to_owned(), |mib| format!("{mib:.0}"));
            format!(
                "| {name} | {} | {} | {:.0} | {peak} |\n",
                of.rows, of.channels, of.rows_per_s
            )
        };
        format!(
            "| checks of data | rows | channels | rows/s | peak MiB |\n|---|--:|--:|--:|--:|\n{}{}\n{:.0} times as fast.\n",
            row("bellwether", ours),
            row(&format!("pandera {}", theirs.version), theirs),
            ours.rows_per_s / theirs.rows_per_s
        )
    }

    /// The same as a document.
    pub(super) fn json(&self) -> Value {
        let of = |measured: &Option<Measured>| {
            measured.as_ref().map(|of| json!({
            "rows": of.rows, "channels": of.channels, "rows_per_s": of.rows_per_s, "peak_mib": of.peak_mib,
        }))
        };
        json!({ "bellwether": of(&self.ours), "pandera": of(&self.theirs) })
    }
}

/// Keeps the faster of two turns.
fn keep(best: &mut Option<Measured>, printed: &str) -> Result<()> {
    let turn: Measured =
        serde_json::from_str(printed).context("a benchmark of checks printed no such document")?;
    if best.as_ref().is_none_or(|best| best.rows_per_s < turn.rows_per_s) {
        *best = Some(turn);
    }
    Ok(())
}
