//! How far a file has been read, so that reading goes on there after a restart, also where the file was renamed.

use bellwether_store::disk::DiskError;
use bellwether_store::read::Followed;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Bytes by which a file is recognised.
pub(super) const PRINT_BYTES: usize = 1024;

/// Where a file is gone on with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// The file, as the file system numbers it.
    pub(super) file: u64,
    /// Bytes read.
    pub(super) offset: u64,
    /// Lines read.
    pub(super) line: u64,
    /// The first bytes of the file, as many as were read of the first [`PRINT_BYTES`], hashed: numbers of files are
    /// given again to others.
    head: String,
}

impl Position {
    /// A position in a file that begins with `head`, of which the first [`PRINT_BYTES`] matter.
    pub(super) fn new(file: u64, offset: u64, line: u64, head: &[u8]) -> Self {
        let n_bytes = n_print_bytes(offset).min(head.len());
        Self {
            file,
            offset,
            line,
            head: print(&head[..n_bytes]),
        }
    }

    /// As it is kept.
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a position is plain numbers and text")
    }

    /// As it was kept; `None` where it was not one of a file.
    pub(super) fn of_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Whether it is one in `file`, which then stands at its beginning.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub(super) fn is_in(&self, file: &mut Followed) -> Result<bool, DiskError> {
        if file.len_bytes()? < self.offset {
            return Ok(false);
        }
        let head = read_head(file, n_print_bytes(self.offset))?;
        Ok(print(&head) == self.head)
    }
}

/// The first `n_bytes` of a file, which then stands at its beginning.
///
/// # Errors
/// Where the file cannot be read.
pub(super) fn read_head(file: &mut Followed, n_bytes: usize) -> Result<Vec<u8>, DiskError> {
    file.seek(0)?;
    let mut head = vec![0; n_bytes];
    let mut n_read = 0;
    while n_read < n_bytes {
        match file.read(&mut head[n_read..])? {
            0 => break,
            n => n_read += n,
        }
    }
    head.truncate(n_read);
    file.seek(0)?;
    Ok(head)
}

fn n_print_bytes(offset: u64) -> usize {
    usize::try_from(offset).map_or(PRINT_BYTES, |offset| offset.min(PRINT_BYTES))
}

fn print(head: &[u8]) -> String {
    let hash = Sha256::digest(head);
    hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
