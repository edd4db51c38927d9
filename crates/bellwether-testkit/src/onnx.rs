//! ONNX files, judged by ONNX Runtime.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Windows, and what we expect of them: row-major, all windows one after the other.
#[derive(Debug, Clone, Copy)]
pub struct Answered<'a> {
    /// Values of each.
    pub values: &'a [f64],
    /// Which of them were observed.
    pub observed: &'a [bool],
    /// Our answers.
    pub expected: &'a [f64],
}

/// What [`Answered`] wants of rows `[n_rows, n_channels]`: the first `n_windows` windows of `len` of them, a row apart, each by itself.
pub fn windows_of<T: Copy>(rows: &[T], n_windows: usize, len: usize, n_channels: usize) -> Vec<T> {
    let starts = 0..n_windows;
    starts
        .flat_map(|start| &rows[start * n_channels..(start + len) * n_channels])
        .copied()
        .collect()
}

/// How many windows ONNX Runtime has answered, and how far its answers are from ours at most. The file has the note `note`.
///
/// # Panics
/// Where the file is not sound or does not run.
#[expect(
    clippy::disallowed_methods,
    reason = "files of a test need not outlive a crash"
)]
pub fn judge(python: &str, file: &[u8], answered: &Answered<'_>) -> (usize, f64) {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let at = |name: &str| folder.path().join(name);
    let doubles =
        |values: &[f64]| -> Vec<u8> { values.iter().flat_map(|value| value.to_le_bytes()).collect() };
    let observed: Vec<u8> = answered.observed.iter().map(|&mark| u8::from(mark)).collect();
    for (name, bytes) in [
        ("model.onnx", file),
        ("window", &doubles(answered.values)),
        ("observed", &observed),
        ("expected", &doubles(answered.expected)),
    ] {
        fs::write(at(name), bytes).expect("the folder takes files");
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/onnx/judge.py");
    let ran = Command::new(python)
        .arg(script)
        .args([at("model.onnx"), folder.path().to_path_buf()])
        .output()
        .expect("Python starts");
    assert!(
        ran.status.success(),
        "the judge: {}",
        String::from_utf8_lossy(&ran.stderr)
    );
    let said = String::from_utf8_lossy(&ran.stdout);
    let (n, off) = said.trim().split_once(' ').expect("two numbers");
    (n.parse().expect("a count"), off.parse().expect("a difference"))
}
