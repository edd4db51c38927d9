//! What every case stands on: a folder on the disk of the checkout, recorded values, and a model of them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

/// Channels of every device.
pub(crate) const N_CHANNELS: usize = 8;

/// Devices that values are recorded of; those under load repeat them.
const N_RECORDED: usize = 10;

/// Samples recorded of each.
const N_SAMPLES: usize = 4000;

/// The name of the model.
pub(crate) const MODEL: &str = "load";

/// The folder, the program, the model.
#[derive(Debug)]
pub(crate) struct Ground {
    folder: TempDir,
    bin: PathBuf,
    database: Option<String>,
}

impl Ground {
    /// Records values and learns a model with the program `bin`.
    pub(crate) fn prepare(bin: &Path, database: Option<String>) -> Result<Self> {
        let bin = std::path::absolute(bin)?;
        // Not the system's folder for temporary files, which may be memory: commits must reach a disk.
        std::fs::create_dir_all("target").context("no folder can be made here")?;
        let folder = tempfile::Builder::new()
            .prefix("load-")
            .tempdir_in("target")
            .context("no folder can be made in target/")?;
        let ground = Self {
            folder,
            bin,
            database,
        };
        let (recorded, registry) = (ground.recorded(), ground.registry());
        let sizes = [N_CHANNELS, N_RECORDED, N_SAMPLES].map(|size| size.to_string());
        let mut generate = Command::new(&ground.bin);
        generate.args(["generate", "--template", "pump", "--cadence", "1s", "--quiet"]);
        generate.args([
            "--channels",
            &sizes[0],
            "--devices",
            &sizes[1],
            "--samples",
            &sizes[2],
        ]);
        run(generate.arg("--output").arg(&recorded))?;
        let mut train = Command::new(&ground.bin);
        train.args([
            "train",
            "--quiet",
            "--name",
            MODEL,
            "--architecture",
            "16-8/16",
            "--window",
            "16",
        ]);
        run(train.arg("--registry").arg(&registry).arg(&recorded))?;
        Ok(ground)
    }

    /// The program that is measured.
    pub(crate) fn bin(&self) -> &Path {
        &self.bin
    }

    /// Values as CSV.
    pub(crate) fn recorded(&self) -> PathBuf {
        self.path("recorded.csv")
    }

    /// The registry with the model.
    pub(crate) fn registry(&self) -> PathBuf {
        self.path("registry")
    }

    /// The database that was asked for.
    pub(crate) fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    /// A place of that name in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        // Absolute, since databases are named by address.
        std::path::absolute(self.folder.path().join(name)).unwrap_or_else(|_| self.folder.path().join(name))
    }
}

fn run(command: &mut Command) -> Result<()> {
    let name = format!("{command:?}");
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("cannot start {name}"))?;
    if !status.success() {
        bail!("{name} ended with {status}");
    }
    Ok(())
}
