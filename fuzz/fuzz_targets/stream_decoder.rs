//! Any bytes, taken for what devices send: each message is an arrival or in quarantine, each row too, never a panic.
#![no_main]

use std::path::Path;

use bellwether_core::time::Timestamp;
use bellwether_store::read::ReadOptions;
use bellwether_stream::source::decode::{Decoded, Decoder, Mapping, TableDecoder};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut decoder = Decoder::new("fuzz".into(), Mapping::default(), None);
    let mut into = Decoded::default();
    decoder.message(Some("plant/pump-1/a"), bytes, Timestamp::from_secs(0), &mut into);
    assert!(into.n_messages() > 0, "neither an arrival nor in quarantine");
    check(&into);

    let mut into = Decoded::default();
    let mut table = TableDecoder::new("fuzz".into(), Path::new("-"), ReadOptions::default(), Some("-"));
    let mut lines = bytes.split_inclusive(|&byte| byte == b'\n');
    let is_table = lines.try_for_each(|line| table.line(line, &mut into)).is_ok();
    if is_table {
        // A table that is never made out is an error like any other.
        let _ = table.end(&mut into);
    }
    check(&into);
});

fn check(decoded: &Decoded) {
    for arrival in &decoded.arrivals {
        assert_eq!(arrival.values.len(), arrival.layout.channels.len());
        assert!(!arrival.values.iter().any(|value| value.is_infinite()));
    }
    assert!(decoded.quarantined.iter().all(|entry| !entry.detail.is_empty()));
}
