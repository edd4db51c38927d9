//! A Parquet file: any bytes are series or an error that can be printed, never a panic. All begin as such a file does.
#![no_main]

use bellwether_store::read::{Bounds, ReadOptions, read_bytes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut all = b"PAR1".to_vec();
    all.extend_from_slice(bytes.strip_prefix(b"PAR1").unwrap_or(bytes));
    match read_bytes(&all, &ReadOptions::default(), &Bounds::NONE) {
        Ok(recordings) => assert!(!recordings.is_empty(), "read, yet nothing was there"),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
