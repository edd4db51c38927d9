//! Decoders of binary formats run behind this wall.
//!
//! The Parquet and Arrow libraries check most of what a file says of itself, but not all: some contradictions make them
//! panic, as of version 59 (`tests/hostile.rs` has an Arrow file that does). Whoever hands us a file must not be able to
//! end the process, so that panic is an error of the file, here and nowhere else.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use super::error::Problem;

thread_local! {
    /// Whether this thread is inside of a decoder.
    static IS_DECODING: Cell<bool> = const { Cell::new(false) };
}

/// What `decode` gives; what it broke at, as a problem of the file.
///
/// After a problem nothing that `decode` has worked on may be used again: it may be half done.
pub(super) fn decoded<T, E: std::fmt::Display>(decode: impl FnOnce() -> Result<T, E>) -> Result<T, Problem> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        // What is caught here is told as an error; all other panics are told as before.
        set_hook(Box::new(move |info| {
            if !IS_DECODING.get() {
                before(info);
            }
        }));
    });
    IS_DECODING.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(decode));
    IS_DECODING.set(false);
    match outcome {
        Ok(Ok(decoded)) => Ok(decoded),
        Ok(Err(error)) => Err(corrupt(error)),
        Err(_) => Err(corrupt("its parts contradict each other")),
    }
}

/// A file whose inside contradicts itself.
pub(super) fn corrupt(found: impl std::fmt::Display) -> Problem {
    const SHOWN_CHARS: usize = 200;
    let found = found.to_string();
    Problem::Corrupt {
        found: found.chars().take(SHOWN_CHARS).collect(),
    }
}

/// Refuses a block that unpacks out of proportion.
///
/// # Errors
/// Where `n_unpacked` bytes are more than a hundred times the `n_packed` and more than are allowed in any case.
pub(super) fn check_unpacked(n_packed: u64, n_unpacked: u64) -> Result<(), Problem> {
    const TIMES_MAX: u64 = 100;
    const BYTES_FREE: u64 = 64 << 20;
    if n_unpacked > n_packed.saturating_mul(TIMES_MAX).saturating_add(BYTES_FREE) {
        return Err(Problem::Bomb);
    }
    Ok(())
}

/// Refuses values out of proportion to the bytes that tell of them: a run of a value costs hardly any.
///
/// # Errors
/// Where there are more than a thousand a byte, and more than are allowed in any case.
pub(super) fn check_cells(n_rows: u64, n_columns: usize, n_bytes: u64) -> Result<(), Problem> {
    const TIMES_MAX: u64 = 1000;
    const CELLS_FREE: u64 = 1 << 22;
    let n_cells = n_rows.saturating_mul(n_columns.max(1) as u64);
    if n_cells > n_bytes.saturating_mul(TIMES_MAX).saturating_add(CELLS_FREE) {
        return Err(Problem::Bomb);
    }
    Ok(())
}
