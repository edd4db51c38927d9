//! Any bytes, read as sensor data: they are series or an error that can be printed, never a panic.
#![no_main]

use bellwether_store::read::{Bounds, ReadOptions, read_csv_bytes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match read_csv_bytes(bytes, &ReadOptions::default(), &Bounds::NONE) {
        Ok(recordings) => assert!(!recordings.is_empty(), "read, yet nothing was there"),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
