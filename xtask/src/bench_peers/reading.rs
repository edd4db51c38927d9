//! Reading: ours beside pandas and polars, on the same files, by one thread each, and by all.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use super::PEERS;
use crate::cargo;

/// What `bellwether bench read --format json` prints.
#[derive(Debug, Deserialize)]
struct OursDocument {
    reads: Vec<Rate>,
}

/// What `read_peer.py` prints.
#[derive(Debug, Deserialize)]
struct PeersDocument {
    peers: Vec<Peer>,
}

#[derive(Debug, Deserialize)]
struct Peer {
    peer: String,
    version: String,
    reads: Vec<Rate>,
}

#[derive(Debug, Clone, Deserialize)]
struct Rate {
    format: String,
    threads: usize,
    mb_per_s: f64,
    m_values_per_s: f64,
}

impl Rate {
    /// Whether both are of the same reading.
    fn is_of(&self, other: &Self) -> bool {
        (&self.format, self.threads) == (&other.format, other.threads)
    }
}

/// The best rates of each program; ours is the first.
#[derive(Debug, Default)]
pub(super) struct Rates(Vec<(String, Vec<Rate>)>);

impl Rates {
    /// One turn of all, on files in a folder that goes with it.
    pub(super) fn turn(&mut self, binary: &Path, python: &Path) -> Result<()> {
        let folder = std::env::temp_dir().join(format!("bellwether-bench-read-{}", std::process::id()));
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let done = self.turn_in(&folder, binary, python);
        std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        done
    }

    fn turn_in(&mut self, folder: &Path, binary: &Path, python: &Path) -> Result<()> {
        let ours = cargo::read(
            cargo::program(binary)
                .args(["bench", "read", "--format", "json"])
                .arg(folder),
        )?;
        let ours: OursDocument =
            serde_json::from_str(&ours).context("bellwether bench read printed no such document")?;
        self.add("bellwether".to_owned(), ours.reads);
        let n_cores = std::thread::available_parallelism().map_or(1, usize::from);
        for n_threads in [1, n_cores].into_iter().take(n_cores) {
            let theirs = cargo::read(
                cargo::program(python)
                    .arg(format!("{PEERS}/read_peer.py"))
                    .arg(folder)
                    .args(["--threads", &n_threads.to_string()]),
            )?;
            let theirs: PeersDocument =
                serde_json::from_str(&theirs).context("read_peer.py printed no such document")?;
            for peer in theirs.peers {
                self.add(format!("{} {}", peer.peer, peer.version), peer.reads);
            }
        }
        Ok(())
    }

    fn add(&mut self, program: String, reads: Vec<Rate>) {
        let Some((_, best)) = self.0.iter_mut().find(|(name, _)| *name == program) else {
            self.0.push((program, reads));
            return;
        };
        for read in reads {
            match best.iter_mut().find(|best| best.is_of(&read)) {
                Some(best) if best.mb_per_s < read.mb_per_s => *best = read,
                Some(_) => {}
                None => best.push(read),
            }
        }
    }

    /// A table, one row for each format and number of threads that ours was measured at. By all threads is how each
    /// program reads as it comes.
    pub(super) fn markdown(&self) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        let mut table = "| reading | threads |".to_owned();
        let mut rule = "|---|---:|".to_owned();
        for (program, _) in &self.0 {
            write!(table, " {program}, MB/s | M values/s |").expect("a string takes any text");
            rule += "---:|---:|";
        }
        for (program, _) in self.0.iter().skip(1) {
            write!(table, " of {program} |").expect("a string takes any text");
            rule += "---:|";
        }
        table = format!("{table}\n{rule}\n");
        let formats = self.0.first().map_or(&[][..], |(_, reads)| reads);
        for of_ours in formats {
            write!(table, "| {} | {} |", of_ours.format, of_ours.threads).expect("a string takes any text");
            for (_, reads) in &self.0 {
                match reads.iter().find(|read| read.is_of(of_ours)) {
                    Some(read) => write!(table, " {:.0} | {:.1} |", read.mb_per_s, read.m_values_per_s),
                    None => write!(table, " – | – |"),
                }
                .expect("a string takes any text");
            }
            for (_, reads) in self.0.iter().skip(1) {
                match reads.iter().find(|read| read.is_of(of_ours)) {
                    Some(read) => write!(table, " {:.2} × |", of_ours.mb_per_s / read.mb_per_s),
                    None => write!(table, " – |"),
                }
                .expect("a string takes any text");
            }
            table.push('\n');
        }
        table +=
            "\nBy all threads each program reads as it comes; pandas reads CSV by one thread then, too.\n";
        table
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let rate = |rate: &Rate| {
            json!({
                "format": rate.format,
                "threads": rate.threads,
                "mb_per_s": rate.mb_per_s,
                "m_values_per_s": rate.m_values_per_s,
            })
        };
        self.0
            .iter()
            .map(|(program, reads)| json!({ "program": program, "reads": reads.iter().map(rate).collect::<Vec<_>>() }))
            .collect()
    }
}
