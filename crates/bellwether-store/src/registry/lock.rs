//! One change at a time: an exclusive lock file, held across processes and released by the system if one dies.

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::time::Duration;

use super::error::StateError;
use crate::disk::DiskError;

/// Time between two tries.
const TRY_EVERY: Duration = Duration::from_millis(10);

/// The right to change a registry, given up when dropped.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for the right, at most about `wait`; makes the registry's folder where there is none.
    ///
    /// Tries again and again, since the system's own waiting has no bound.
    pub(super) fn take(dir: &Path, wait: Duration) -> Result<Self, StateError> {
        fs::create_dir_all(dir).map_err(DiskError::at("make folder", dir))?;
        let path = dir.join(".lock");
        let file = File::options()
            .create(true)
            .write(true)
            .truncate(false)
            .open(&path)
            .map_err(DiskError::at("open", &path))?;
        let n_tries = 1 + wait.as_millis() / TRY_EVERY.as_millis();
        for attempt in 0..n_tries {
            if attempt > 0 {
                std::thread::sleep(TRY_EVERY);
            }
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => return Err(DiskError::at("lock", &path)(source).into()),
            }
        }
        Err(StateError::Busy {
            lock: path,
            waited_secs: wait.as_secs(),
        })
    }
}
