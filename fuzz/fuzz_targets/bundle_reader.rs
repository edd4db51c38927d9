//! Any bytes, opened as a bundle: what opens can be written and opens again as the same, the rest is an error.
#![no_main]

use bellwether_store::bundle::Bundle;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match Bundle::from_bytes(bytes) {
        Ok(bundle) => {
            let written = bundle.to_bytes().expect("what was read is within every limit");
            assert_eq!(Bundle::from_bytes(&written).expect("what we write opens"), bundle);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
