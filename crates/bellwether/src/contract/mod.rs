//! Contracts as files: TOML with strict keys, every mistake with its line.

mod read;
mod write;

pub(crate) use read::read;
pub(crate) use write::write;

/// The version of the file.
const VERSION: i64 = 1;

#[cfg(test)]
mod tests;
