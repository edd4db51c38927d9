//! A fleet with faults, a model of it, and what `detect` says of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

/// The name of the model.
pub(crate) const MODEL: &str = "chaos";

/// Samples of each device that the model learns from; they are not sent.
const TRAIN_ROWS: usize = 1500;

/// A fleet, in memory and on disk.
#[derive(Debug)]
pub(crate) struct Ground {
    folder: TempDir,
    bin: PathBuf,
    /// Samples of each device: time as written, and its values as JSON.
    pub(crate) devices: BTreeMap<Arc<str>, Vec<(String, String)>>,
}

/// What `detect` says: bits of scores by device and time as written, and events by id.
#[derive(Debug)]
pub(crate) struct Truth {
    /// `None`: no score.
    pub(crate) scores: BTreeMap<(String, String), Option<u64>>,
    /// Series, id, start, end.
    pub(crate) events: Vec<[String; 4]>,
}

impl Ground {
    /// A fleet of so many devices with so many samples each to send.
    pub(crate) fn prepare(bin: &Path, n_devices: usize, n_samples: usize) -> Result<Self> {
        let bin = std::path::absolute(bin)?;
        // Not the system's folder for temporary files, which may be memory: commits must reach a disk.
        std::fs::create_dir_all("target")?;
        let folder = tempfile::Builder::new().prefix("chaos-").tempdir_in("target")?;
        let folder_path = std::path::absolute(folder.path())?;
        let run = |line: &str| run(&bin, &folder_path, line);
        run(&format!(
            "generate -q --devices {n_devices} --samples {TRAIN_ROWS} --seed 1 -o train.csv"
        ))?;
        run(&format!(
            "train -q train.csv --name {MODEL} --architecture 8-4/8 --epochs 3 --registry models"
        ))?;
        let faults: Vec<String> = (1..10)
            .map(|tenth| format!("--anomaly level-shift@{tenth}0%+20*8"))
            .collect();
        run(&format!(
            "generate -q --devices {n_devices} --samples {n_samples} --seed 2 {} -o sent.csv",
            faults.join(" ")
        ))?;
        let text = std::fs::read_to_string(folder_path.join("sent.csv"))?;
        let mut lines = text.lines();
        let header: Vec<&str> = lines.next().context("a header")?.split(',').collect();
        let channels: Vec<String> = header[2..].iter().map(|name| (*name).to_owned()).collect();
        let mut devices: BTreeMap<Arc<str>, Vec<(String, String)>> = BTreeMap::new();
        for line in lines {
            let cells: Vec<&str> = line.split(',').collect();
            let values: Vec<String> = channels
                .iter()
                .zip(&cells[2..])
                .map(|(name, cell)| format!("\"{name}\":{}", if cell.is_empty() { "null" } else { cell }))
                .collect();
            let sample = (cells[0].to_owned(), values.join(","));
            devices.entry(cells[1].into()).or_default().push(sample);
        }
        ensure!(
            devices.len() == n_devices,
            "{} devices instead of {n_devices}",
            devices.len()
        );
        Ok(Self { folder, bin, devices })
    }

    /// What batch says of all that is sent.
    pub(crate) fn truth(&self) -> Result<Truth> {
        let line = format!(
            "detect -q sent.csv --model {MODEL} --registry models -o rows.csv --events events.csv --format json"
        );
        run(&self.bin, &self.path(""), &line)?;
        let cells = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<String>>();
        let rows = std::fs::read_to_string(self.path("rows.csv"))?;
        let scores = rows.lines().skip(1).map(cells).map(|cells| {
            let bits = cells[2].parse::<f64>().ok().map(f64::to_bits);
            ((cells[1].clone(), cells[0].clone()), bits)
        });
        let scores = scores.collect();
        let events = std::fs::read_to_string(self.path("events.csv"))?;
        let events = events.lines().skip(1).map(cells);
        let mut events: Vec<[String; 4]> = events
            .map(|cells| {
                [
                    cells[1].clone(),
                    cells[0].clone(),
                    cells[2].clone(),
                    cells[3].clone(),
                ]
            })
            .collect();
        events.sort();
        ensure!(!events.is_empty(), "no faults were found: nothing to tell of");
        Ok(Truth { scores, events })
    }

    /// The program.
    pub(crate) fn bin(&self) -> &Path {
        &self.bin
    }

    /// A place in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::path::absolute(&path).unwrap_or(path)
    }

    /// Lines of JSON with the samples `rows` of these devices.
    pub(crate) fn lines<'a>(
        &'a self,
        devices: &'a [Arc<str>],
        rows: std::ops::Range<usize>,
    ) -> impl Iterator<Item = String> + 'a {
        rows.flat_map(move |row| {
            devices.iter().filter_map(move |device| {
                let (time, values) = self.devices[device].get(row)?;
                Some(format!(
                    "{{\"timestamp\":\"{time}\",\"device\":\"{device}\",\"values\":{{{values}}}}}"
                ))
            })
        })
    }
}

fn run(bin: &Path, folder: &Path, line: &str) -> Result<()> {
    let status = Command::new(bin)
        .current_dir(folder)
        .args(line.split_whitespace())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("cannot start {}", bin.display()))?;
    ensure!(status.success(), "bellwether {line} ended with {status}");
    Ok(())
}
