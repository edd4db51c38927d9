//! Arrow IPC, file or stream: any bytes are series or an error that can be printed, never a panic.
#![no_main]

use bellwether_store::read::{Bounds, ReadOptions, read_bytes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // Both forms begin with a mark; what follows decides.
    let is_told = [&b"ARROW1"[..], b"\xff\xff\xff\xff"]
        .iter()
        .any(|mark| bytes.starts_with(mark));
    let mut all = if is_told {
        Vec::new()
    } else {
        b"ARROW1\0\0".to_vec()
    };
    all.extend_from_slice(bytes);
    match read_bytes(&all, &ReadOptions::default(), &Bounds::NONE) {
        Ok(recordings) => assert!(!recordings.is_empty(), "read, yet nothing was there"),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
