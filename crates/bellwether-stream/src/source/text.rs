//! Tables and JSON lines from stdin, or from a file that grows.

use std::path::PathBuf;

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
