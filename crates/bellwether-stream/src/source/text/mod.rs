//! Tables, JSON lines and line protocol from stdin, or from a file that grows. Parquet, Arrow and what is packed, too:
//! such a file is read once, to its end.
//!
//! The first line tells what lines are. A table gives the samples that `detect` finds in it. What is there is
//! handed over at once; lines that cannot be read go into quarantine with their number, and reading goes on.
//!
//! Reading blocks, so a thread of its own does it. The thread of a file ends within a tenth of a second after its
//! source. The thread of stdin ends with the next bytes, or with the program: a read from a terminal cannot be called off.

mod feed;
mod form;
mod lines;
mod position;
mod reading;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bellwether_store::read::{ReadOptions, series_name};
use futures_util::future::BoxFuture;

use super::{Source, SourceError, Stop};
use crate::arrival::Inlet;

/// A source that reads lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextSpec {
    /// Its name.
    pub name: String,
    /// The file to follow as it grows; `None`: stdin.
    pub path: Option<PathBuf>,
    /// The device, where the lines do not name one; by default the file's stem, `-` for stdin, as `detect` has it.
    pub device: Option<String>,
    /// The column that is the time, where finding out is not enough.
    pub time_column: Option<String>,
    /// The column that names the device.
    pub series_column: Option<String>,
    /// Columns to leave out.
    pub ignore_columns: Vec<String>,
    /// How JSON lines are read.
    pub mapping: super::decode::Mapping,
}

impl TextSpec {
    /// The file as messages name it.
    fn file(&self) -> &Path {
        self.path.as_deref().unwrap_or(Path::new("-"))
    }

    /// The device of lines that do not name one.
    pub fn device(&self) -> String {
        self.device.clone().unwrap_or_else(|| series_name(self.file()))
    }

    fn options(&self) -> ReadOptions {
        ReadOptions {
            time_column: self.time_column.clone(),
            series_column: self.series_column.clone(),
            ignore_columns: self.ignore_columns.clone(),
            timezone: self.mapping.timezone.clone(),
            ..ReadOptions::default()
        }
    }
}

/// Reads stdin to its end, or follows a file for ever.
#[derive(Debug)]
pub struct TextSource {
    name: Arc<str>,
    spec: TextSpec,
}

impl TextSource {
    /// A source as `spec` has it; nothing is opened yet.
    pub fn new(spec: TextSpec) -> Self {
        Self {
            name: spec.name.as_str().into(),
            spec,
        }
    }
}

impl Source for TextSource {
    fn name(&self) -> Arc<str> {
        self.name.clone()
    }

    fn run(
        self: Box<Self>,
        inlet: Inlet,
        resume: Option<String>,
        stop: Stop,
    ) -> BoxFuture<'static, Result<(), SourceError>> {
        Box::pin(async move {
            let spec = Arc::new(self.spec);
            let chunks = match &spec.path {
                None => feed::stdin(Arc::clone(&spec))?,
                Some(path) => feed::file(Arc::clone(&spec), path, resume.as_deref())?,
            };
            reading::read(self.name, spec, chunks, inlet, stop).await
        })
    }
}
