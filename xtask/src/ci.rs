//! `cargo xtask ci`: all that must hold before a change is taken, cheapest first.

use std::time::Instant;

use anyhow::{Context, Result};

use crate::{clippy, docs, fmt, test, tidy};

/// A check by its name.
type Step = (&'static str, fn() -> Result<()>);

const STEPS: [Step; 5] = [
    ("fmt", fmt::run),
    ("tidy", tidy::run),
    ("clippy", clippy::run),
    ("test", || test::run(&test::Options::default())),
    ("docs", docs::run),
];

/// Runs the steps in order, with a heading and the time taken by each.
///
/// # Errors
/// The first step that fails; those after it are not run.
pub(crate) fn run() -> Result<()> {
    let start = Instant::now();
    for (idx, (name, step)) in STEPS.iter().enumerate() {
        eprintln!("\n== {name} ({} of {}) ==", idx + 1, STEPS.len());
        let step_start = Instant::now();
        let done = step();
        let seconds = step_start.elapsed().as_secs_f64();
        let outcome = if done.is_ok() { "passed" } else { "failed" };
        eprintln!("== {name} {outcome} in {seconds:.1} s ==");
        done.with_context(|| format!("{name} failed; alone: cargo xtask {name}"))?;
    }
    eprintln!(
        "\nall {} steps passed in {:.1} s",
        STEPS.len(),
        start.elapsed().as_secs_f64()
    );
    Ok(())
}
