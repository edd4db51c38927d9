//! A folder of hostile files: each gives data or an error that names it, in little memory, and never a panic.
//!
//! Each file is read by a process of its own that may have 512 MiB of address space, so a length that is believed shows
//! as an abort. How long the slowest took is printed (`--nocapture`), not asserted.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests make files, tell the time they took, and stop where they cannot"
)]
#![cfg(target_os = "linux")]

mod hostile_files;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use bellwether_store::read::{ReadOptions, read};

const FILE: &str = "BELLWETHER_HOSTILE_FILE";
const LIMIT_KIB: u32 = 512 << 10;

/// What the child does; nothing in an ordinary run.
#[test]
fn child_reads_one_file() {
    let Some(file) = std::env::var_os(FILE) else {
        return;
    };
    let outcome = match read(&[file.into()], &ReadOptions::default()) {
        Ok(recordings) => {
            let n_samples: usize = recordings
                .iter()
                .map(|recording| recording.frame.n_samples())
                .sum();
            format!("read: {n_samples} samples")
        }
        Err(error) => match std::error::Error::source(&error) {
            Some(source) => format!("refused: {error}: {source}"),
            None => format!("refused: {error}"),
        },
    };
    eprintln!("{outcome}");
}

/// What became of one file, and how long it took.
fn read_in_child(file: &Path) -> (Result<String, String>, Duration) {
    let test = std::env::current_exe().unwrap();
    let start = Instant::now();
    let done = Command::new("sh")
        .args(["-c", &format!("ulimit -v {LIMIT_KIB}; exec \"$0\" \"$@\"")])
        .arg(test)
        .args([
            "--exact",
            "child_reads_one_file",
            "--nocapture",
            "--test-threads",
            "1",
        ])
        .env(FILE, file)
        .output()
        .unwrap();
    let took = start.elapsed();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    let outcome = said
        .lines()
        .find(|line| line.starts_with("read: ") || line.starts_with("refused: "));
    let outcome = match outcome {
        Some(outcome) if done.status.success() && !said.contains("panicked") => Ok(outcome.to_owned()),
        _ => Err(format!("{}: {said}", done.status)),
    };
    (outcome, took)
}

#[test]
fn hostile_files_are_read_or_refused_and_nothing_worse() {
    let folder = tempfile::tempdir().unwrap();
    let files = hostile_files::all();
    assert!(files.len() >= 120, "{} files", files.len());
    let mut wrong = Vec::new();
    let mut longest = (Duration::ZERO, String::new());
    let mut n_read = 0;
    // Where a decoder has panicked behind its wall.
    let mut caught = Vec::new();
    for (name, bytes, expect) in &files {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let (outcome, took) = read_in_child(&path);
        std::fs::remove_file(&path).unwrap();
        if took > longest.0 {
            longest = (took, name.clone());
        }
        if outcome
            .as_ref()
            .is_ok_and(|said| said.contains("contradict each other"))
        {
            caught.push(name.clone());
        }
        match outcome {
            Err(said) => wrong.push(format!("{name}: {said}")),
            Ok(said) if said.starts_with("refused") && !said.contains(name.as_str()) => {
                wrong.push(format!("{name} is not named: {said}"));
            }
            Ok(said) if !said.contains(expect) => {
                wrong.push(format!("{name}: wanted {expect:?}, got {said}"))
            }
            Ok(said) => n_read += usize::from(said.starts_with("read")),
        }
    }
    println!(
        "{} hostile files, {n_read} of them read, {} stopped at the wall ({caught:?}); the longest took {:?} ({})",
        files.len(),
        caught.len(),
        longest.0,
        longest.1
    );
    assert!(wrong.is_empty(), "{} files:\n{}", wrong.len(), wrong.join("\n"));
}
