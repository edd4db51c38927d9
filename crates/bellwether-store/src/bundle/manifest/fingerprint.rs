//! Which data a model learnt from, as one checksum.

use bellwether_core::frame::{Channel, Frame};
use sha2::Digest;

use crate::bundle::Sha256;

/// Numbers that are hashed at once.
const BLOCK_LEN: usize = 4096;

/// SHA-256 over channel names, times and values of `frames` in order, as 64 lower-case hexadecimal digits.
///
/// For each frame: number of channels, each name as its length and its UTF-8 bytes, number of samples, times in
/// nanoseconds, values row by row. All numbers are 8 bytes, little-endian; every missing value is the same NaN,
/// `7ff8000000000000`. Lengths stand before what they count, so that no two lists of frames give the same bytes.
pub fn fingerprint<'a>(frames: impl IntoIterator<Item = &'a Frame>) -> String {
    let mut hash = sha2::Sha256::new();
    for frame in frames {
        hash.update(n_bytes(frame.n_channels()));
        for name in frame.schema().channels().iter().map(Channel::name) {
            hash.update(n_bytes(name.len()));
            hash.update(name);
        }
        hash.update(n_bytes(frame.n_samples()));
        update(&mut hash, frame.time(), |time| time.as_nanos().to_le_bytes());
        update(&mut hash, frame.values(), |value| bits(*value).to_le_bytes());
    }
    Sha256::finish(hash).to_string()
}

fn n_bytes(n: usize) -> [u8; 8] {
    (n as u64).to_le_bytes()
}

/// The bits of a value; there are many NaN, but only one way to be missing.
fn bits(value: f64) -> u64 {
    if value.is_nan() {
        0x7ff8 << 48
    } else {
        value.to_bits()
    }
}

/// Hashes numbers a block at a time: one by one costs more than the hash.
fn update<T>(hash: &mut sha2::Sha256, numbers: &[T], bytes_of: impl Fn(&T) -> [u8; 8]) {
    let mut bytes = Vec::with_capacity(BLOCK_LEN * 8);
    for block in numbers.chunks(BLOCK_LEN) {
        bytes.clear();
        block.iter().for_each(|number| bytes.extend(bytes_of(number)));
        hash.update(&bytes);
    }
}
