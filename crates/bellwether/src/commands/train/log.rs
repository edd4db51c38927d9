//! What training tells of every epoch, and a search of every trial: lines of JSON, or a table of epochs to plot.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bellwether_store::write::AtomicFile;
use serde_json::Value;

use crate::failure::Failure;

/// Columns of the table, as the lines call them.
const COLUMNS: [&str; 9] = [
    "model",
    "epoch",
    "train_loss",
    "val_loss",
    "learning_rate",
    "gradient_norm",
    "is_best",
    "windows",
    "seconds",
];

/// A file of epochs, to which models that are trained side by side may write.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    is_table: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: AtomicFile,
    failed: Option<io::Error>,
}

impl Log {
    /// A file that ends in `.csv` is a table; every other has a JSON object a line.
    pub(super) fn create(path: &Path) -> Result<Self, Failure> {
        let is_table = path.extension().is_some_and(|ending| ending == "csv");
        let mut state = State {
            file: AtomicFile::create(path)?,
            failed: None,
        };
        if is_table {
            state.write(&COLUMNS.join(","));
        }
        Ok(Self {
            path: path.to_owned(),
            is_table,
            state: Mutex::new(state),
        })
    }

    /// Writes of an epoch. What goes wrong is told by [`has_failed`](Self::has_failed) and [`commit`](Self::commit).
    pub(super) fn tell(&self, epoch: &Value) {
        let line = if self.is_table {
            let cell = |column: &&str| match &epoch[*column] {
                // The name of a model holds nothing that would need quotes.
                Value::String(text) => text.clone(),
                // A curve, too.
                Value::Bool(is) => u8::from(*is).to_string(),
                other => other.to_string(),
            };
            COLUMNS.iter().map(cell).collect::<Vec<_>>().join(",")
        } else {
            epoch.to_string()
        };
        self.lock().write(&line);
    }

    /// Writes of a trial of a search, as a line of JSON; a table of epochs has no place for it.
    pub(super) fn tell_trial(&self, trial: &Value) {
        if !self.is_table {
            self.lock().write(&trial.to_string());
        }
    }

    /// Whether the disk has refused a line: then there is no use in going on.
    pub(super) fn has_failed(&self) -> bool {
        self.lock().failed.is_some()
    }

    /// Puts the file in place.
    pub(super) fn commit(self) -> Result<(), Failure> {
        let State { file, failed } = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = failed {
            return Err(Failure::message(format!(
                "cannot write the log {}: {error}; free space or give another --log",
                self.path.display()
            )));
        }
        Ok(file.commit()?)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // A thread that panicked while it held the file has written a line in part at worst.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn write(&mut self, line: &str) {
        if self.failed.is_none() {
            self.failed = writeln!(self.file, "{line}").err();
        }
    }
}
