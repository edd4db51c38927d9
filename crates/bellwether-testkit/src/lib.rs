//! What the tests of every crate share: tolerances, the real data sets, real peers to talk to.
#![forbid(unsafe_code)]

pub mod alertmanager;
pub mod mosquitto;
pub mod onnx;
pub mod peer;
pub mod postgres;
pub mod s3;
pub mod smtp;

use std::path::PathBuf;

/// The folder of real labelled data: `BELLWETHER_DATA`, else `../shared/data` beside the checkout.
///
/// `None`, with a line on stderr naming `test`, where it is absent. Under `CI=true` absence is a failure.
pub fn real_data(test: &str) -> Option<PathBuf> {
    let dir = std::env::var_os("BELLWETHER_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    if dir.join("manifest.json").is_file() {
        return Some(dir);
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "{test}: no data at {}: CI must have them (BELLWETHER_DATA)",
        dir.display()
    );
    eprintln!(
        "skipped {test}: no data at {} (set BELLWETHER_DATA)",
        dir.display()
    );
    None
}

/// Asserts that `got` is within `relative` of `want` (absolute where `want` is below one).
///
/// # Panics
/// Where it is not, naming `what`.
pub fn assert_close(got: f64, want: f64, relative: f64, what: &str) {
    let allowed = relative * want.abs().max(1.0);
    assert!(
        (got - want).abs() <= allowed,
        "{what}: got {got}, want {want} (± {allowed:e})"
    );
}
