//! The hostile files: name, bytes, and what must be said of it (nothing: whatever is clear).

mod binary;
mod packed;
mod text;

use std::collections::BTreeSet;

/// A file: its name, its bytes, and what must be said of it.
pub(crate) type File = (String, Vec<u8>, &'static str);

/// All of them.
pub(crate) fn all() -> Vec<File> {
    let mut files = text::all();
    files.extend(packed::all());
    files.extend(binary::all());
    let mut names: Vec<&String> = files.iter().map(|(name, ..)| name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), files.len(), "no name twice");
    files
}

fn file(name: &str, bytes: impl Into<Vec<u8>>, expect: &'static str) -> File {
    (name.to_owned(), bytes.into(), expect)
}

/// Places in so many bytes, spread as a seed has it.
fn places(n_bytes: usize, n_places: u64) -> BTreeSet<usize> {
    let place = |idx: u64| {
        let hash = (idx + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31);
        (hash % n_bytes as u64) as usize
    };
    (0..n_places).map(place).collect()
}

/// A table with a time and `n_channels` channels of `n_rows` rows, as CSV.
fn csv(n_rows: usize, n_channels: usize) -> String {
    let mut text = "timestamp".to_owned();
    (0..n_channels).for_each(|channel| text += &format!(",c{channel}"));
    for row in 0..n_rows {
        text += &format!("\n{}", 1_700_000_000 + row);
        (0..n_channels).for_each(|channel| text += &format!(",{}.5", (row + channel) % 10));
    }
    text + "\n"
}
