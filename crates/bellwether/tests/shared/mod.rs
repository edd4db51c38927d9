//! Runs of the binary, as a person at a shell would make them.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::path::Path;
use std::process::Output;

use assert_cmd::cargo::cargo_bin_cmd;
use bellwether_core::time::Timestamp;
use bellwether_store::bundle::Bundle;
use bellwether_store::registry::Registry;

/// The networks that have a name.
pub(crate) const PRESETS: [&str; 11] = [
    "lstm",
    "lstm-deep",
    "gru",
    "conv-lstm",
    "conv",
    "tcn",
    "dense",
    "attention",
    "vae",
    "aer",
    "light",
];

/// A folder with a registry of that name, in which there are `n` versions of `pump`, bundles in name only.
pub(crate) fn registry_of_pump(registry: &str, n: u8) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::open(dir.path().join(registry)).unwrap();
    for number in 1..=n {
        let bundle = Bundle {
            manifest: br#"{"format_version":1}"#.to_vec(),
            weights: vec![number; 4],
        };
        let now = Timestamp::from_secs(number.into());
        let name = "pump".parse().unwrap();
        registry
            .publish(&name, &bundle, serde_json::Value::Null, now)
            .unwrap();
    }
    dir
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Ran {
    command: String,
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `bellwether ARGS` in `folder`; the words of `line` are divided by spaces.
pub(crate) fn bellwether(folder: &Path, line: &str) -> Ran {
    bellwether_fed(folder, line, b"")
}

/// The same with `input` on stdin.
pub(crate) fn bellwether_fed(folder: &Path, line: &str, input: &[u8]) -> Ran {
    run(folder, line, &[], &[], input)
}

/// The same amid these variables.
pub(crate) fn bellwether_amid(folder: &Path, line: &str, environment: &[(&str, &str)]) -> Ran {
    run(folder, line, &[], environment, b"")
}

/// The same with more arguments, in which there may be spaces.
pub(crate) fn bellwether_with(folder: &Path, line: &str, arguments: &[&str]) -> Ran {
    run(folder, line, arguments, &[], b"")
}

fn run(folder: &Path, line: &str, arguments: &[&str], environment: &[(&str, &str)], input: &[u8]) -> Ran {
    let mut command = cargo_bin_cmd!("bellwether");
    command
        .current_dir(folder)
        .args(line.split_whitespace())
        .args(arguments)
        .write_stdin(input.to_vec());
    // What the environment of the tests says must not reach them.
    for name in ["FORMAT", "REGISTRY", "THREADS", "HOME"] {
        command.env_remove(format!("BELLWETHER_{name}"));
    }
    command.envs(environment.iter().copied());
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let ran = Ran {
        command: format!("bellwether {line}"),
        code: status.code(),
        stdout: text(stdout),
        stderr: text(stderr),
    };
    for word in ["panicked", "RUST_BACKTRACE"] {
        assert!(!ran.stderr.contains(word), "{}: {}", ran.command, ran.stderr);
    }
    ran
}

impl Ran {
    /// Asserts the exit code.
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}: {}", self.command, self.stderr);
        self
    }

    /// Asserts that stderr says all of `texts`.
    #[track_caller]
    pub(crate) fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            let (command, stderr) = (&self.command, &self.stderr);
            assert!(stderr.contains(text), "{command}: {text:?} is not said: {stderr}");
        }
        self
    }
}
