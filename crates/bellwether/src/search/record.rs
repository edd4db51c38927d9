//! The trials of a search, kept one by one so that it can go on where it was interrupted: lines of JSON.
//!
//! ```text
//! {"search":{"format_version":1,"of":"SHA-256 of data, settings, space, limit and program"}}
//! {"trial":{"candidate":0,"settings":{…},…}}
//! {"over":{}}
//! ```
//!
//! The file is replaced as a whole after each trial: after a power cut there is the last one or the one before it.

use std::path::{Path, PathBuf};

use bellwether_store::disk;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::space::Candidate;
use super::strategy::Standing;
use crate::failure::Failure;

/// The one format there is.
const FORMAT_VERSION: u32 = 1;
/// Most bytes of a file: a thousand trials have some hundred each.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// A training with some settings, and what it came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trial {
    /// Which in the order of draws; 0 are the settings as they were asked for.
    pub(crate) candidate: usize,
    pub(crate) settings: Candidate,
    /// Whether it was trained for as long as the model will be.
    pub(crate) is_full: bool,
    pub(crate) architecture: String,
    pub(crate) lr: f64,
    /// Rows in the longest window of the networks; not known where the trial failed before.
    pub(crate) window: Option<usize>,
    /// Planned.
    pub(crate) epochs: usize,
    pub(crate) weights: usize,
    /// The criterion; `None` where the trial failed.
    pub(crate) vus_pr: Option<f64>,
    pub(crate) recall: Option<f64>,
    /// Why it failed.
    pub(crate) error: Option<String>,
    pub(crate) seconds: f64,
}

impl Trial {
    /// What is told of it wherever trials are told; `number`: which it was, from 1.
    pub(crate) fn facts(&self, number: usize) -> Map<String, Value> {
        let facts = [
            ("trial", json!(number)),
            ("window", json!(self.window)),
            ("architecture", json!(self.architecture)),
            ("lr", json!(self.lr)),
            ("epochs", json!(self.epochs)),
            ("is_full", json!(self.is_full)),
            ("weights", json!(self.weights)),
            ("vus_pr", json!(self.vus_pr)),
            ("recall", json!(self.recall)),
            ("error", json!(self.error)),
        ];
        facts
            .map(|(key, value)| (key.to_owned(), value))
            .into_iter()
            .collect()
    }

    pub(crate) fn standing(&self) -> Standing {
        Standing {
            candidate: self.candidate,
            is_full: self.is_full,
            criterion: self.vus_pr,
            n_weights: self.weights,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Line {
    Search { format_version: u32, of: String },
    Trial(Trial),
    Over {},
}

/// The trials of one search, on the disk.
#[derive(Debug)]
pub(crate) struct Kept {
    path: PathBuf,
    of: String,
    trials: Vec<Trial>,
    is_over: bool,
}

impl Kept {
    /// A search without a trial; nothing is written yet.
    pub(crate) fn new(folder: &Path, of: String) -> Self {
        Self {
            path: path(folder),
            of,
            trials: Vec::new(),
            is_over: false,
        }
    }

    /// The search in a folder.
    ///
    /// # Errors
    /// Where the file cannot be read, is not whole, or is of another search.
    pub(crate) fn read(folder: &Path, of: String) -> Result<Self, Failure> {
        let mut kept = Self::new(folder, of);
        let bytes = disk::read_bounded(&kept.path, FILE_BYTES_MAX)?;
        let lines = String::from_utf8(bytes).map_err(|_| kept.damaged("it is no text"))?;
        let mut lines = lines.lines().map(serde_json::from_str::<Line>);
        match lines.next() {
            Some(Ok(Line::Search { format_version, .. })) if format_version != FORMAT_VERSION => {
                return Err(kept.damaged("it is of another format version"));
            }
            Some(Ok(Line::Search { of, .. })) if of == kept.of => {}
            Some(Ok(Line::Search { .. })) => {
                return Err(Failure::message(format!(
                    "--resume: the search in {} is of other data, settings, limits or kernels, or of another version of bellwether: \
                     train without --resume, from the start",
                    kept.path.display()
                )));
            }
            _ => return Err(kept.damaged("it does not begin as a search does")),
        }
        for line in lines {
            match line {
                Ok(Line::Trial(trial)) if !kept.is_over => kept.trials.push(trial),
                Ok(Line::Over {}) if !kept.is_over => kept.is_over = true,
                Ok(_) => return Err(kept.damaged("its lines are not in order")),
                Err(error) => return Err(kept.damaged(&error.to_string())),
            }
        }
        Ok(kept)
    }

    /// Whether a folder has one.
    pub(crate) fn is_in(folder: &Path) -> bool {
        path(folder).exists()
    }

    pub(crate) fn trials(&self) -> &[Trial] {
        &self.trials
    }

    /// No trial is to follow.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Time of all trials.
    pub(crate) fn seconds(&self) -> f64 {
        self.trials.iter().map(|trial| trial.seconds).sum()
    }

    /// Adds a trial.
    ///
    /// # Errors
    /// Where the disk refuses; the file is then as it was.
    pub(crate) fn push(&mut self, trial: Trial) -> Result<(), Failure> {
        self.trials.push(trial);
        self.write()
    }

    /// Says that no trial is to follow.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub(crate) fn end(&mut self) -> Result<(), Failure> {
        self.is_over = true;
        self.write()
    }

    /// What is wrong with the file.
    pub(crate) fn damaged(&self, why: &str) -> Failure {
        Failure::message(format!(
            "the search in {} cannot be used: train without --resume, from the start: {why}",
            self.path.display()
        ))
    }

    fn write(&self) -> Result<(), Failure> {
        if let Some(folder) = self.path.parent() {
            disk::create_folder(folder)?;
        }
        let head = Line::Search {
            format_version: FORMAT_VERSION,
            of: self.of.clone(),
        };
        let trials = self.trials.iter().cloned().map(Line::Trial);
        let end = self.is_over.then_some(Line::Over {});
        let mut text = String::new();
        for line in [head].into_iter().chain(trials).chain(end) {
            text += &serde_json::to_string(&line)?;
            text.push('\n');
        }
        Ok(disk::write_atomic(&self.path, text.as_bytes())?)
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join("search.jsonl")
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the tests damage their own file")]
mod tests {
    use super::*;

    fn trial(candidate: usize) -> Trial {
        Trial {
            candidate,
            settings: Candidate {
                window: Some(12),
                architecture: Some("gru".to_owned()),
                lr: Some(0.1 + 0.2),
            },
            is_full: candidate == 0,
            architecture: "gru".to_owned(),
            lr: 0.1 + 0.2,
            window: None,
            epochs: 4,
            weights: 7,
            vus_pr: Some(1.0 / 3.0),
            recall: None,
            error: Some("\"so\"\nit was".to_owned()),
            seconds: 0.1,
        }
    }

    #[test]
    fn trials_come_back_as_they_were() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("below");
        assert!(!Kept::is_in(&folder));
        let mut kept = Kept::new(&folder, "this".to_owned());
        kept.push(trial(0)).unwrap();
        kept.push(trial(1)).unwrap();
        assert!(Kept::is_in(&folder));
        let mut again = Kept::read(&folder, "this".to_owned()).unwrap();
        assert_eq!((again.trials(), again.is_over()), (kept.trials(), false));
        again.end().unwrap();
        let again = Kept::read(&folder, "this".to_owned()).unwrap();
        assert_eq!((again.trials(), again.is_over()), (kept.trials(), true));
        assert!((again.seconds() - 0.2).abs() < 1e-12);
        let error = Kept::read(&folder, "that".to_owned()).unwrap_err().text();
        assert!(error.contains("of other data"), "{error}");
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut kept = Kept::new(dir.path(), "this".to_owned());
        kept.push(trial(0)).unwrap();
        kept.end().unwrap();
        let whole = std::fs::read_to_string(path(dir.path())).unwrap();
        let lines: Vec<&str> = whole.lines().collect();
        for text in [
            String::new(),
            lines[1..].join("\n"),
            [lines[0], lines[2], lines[1]].join("\n"),
            [lines[0], lines[0]].join("\n"),
            whole.replace("\"epochs\"", "\"ages\""),
            whole.replace("\"format_version\":1", "\"format_version\":2"),
            whole[..whole.len() / 2].to_owned(),
        ] {
            std::fs::write(path(dir.path()), &text).unwrap();
            let error = Kept::read(dir.path(), "this".to_owned()).unwrap_err().text();
            assert!(error.contains("without --resume"), "{text}: {error}");
        }
    }
}
