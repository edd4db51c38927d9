//! Benchmarks of single phases at named shapes, on seeded data: `cargo bench -p bellwether-bench`.
//!
//! The networks have their own, `bellwether bench kernels`. What other libraries reach at the same shapes is measured
//! by the scripts in `peers/`, and `cargo xtask bench-peers` puts both into one table.
#![forbid(unsafe_code)]

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Each rate is the best of so many repeats: other work on the machine only ever slows one down.
const REPEATS: u32 = 5;

/// A repeat goes on for at least this long.
const REPEAT_MIN: Duration = Duration::from_millis(200);

/// How much data a phase is given, and of what form.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// What the table calls it.
    pub name: &'static str,
    /// Devices; what is done for one is done for each.
    pub n_series: usize,
    /// Samples of each series: long ones show what does not scale.
    pub n_samples: usize,
    /// Channels of each series: wide ones show what is done for each value.
    pub n_channels: usize,
    /// Samples of a window, or of an event where a metric is measured.
    pub len: usize,
}

/// One pump for a month, a wide plant, a fleet.
pub const SHAPES: [Shape; 3] = [
    Shape {
        name: "month",
        n_series: 1,
        n_samples: 43_200,
        n_channels: 8,
        len: 60,
    },
    Shape {
        name: "wide",
        n_series: 1,
        n_samples: 5_000,
        n_channels: 100,
        len: 100,
    },
    Shape {
        name: "fleet",
        n_series: 50,
        n_samples: 1_000,
        n_channels: 8,
        len: 30,
    },
];

/// Samples per second of `work`, which goes through all samples of `shape` once; the best of several repeats.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
pub fn samples_per_s<T>(shape: &Shape, mut work: impl FnMut() -> T) -> f64 {
    black_box(work());
    let n_samples = (shape.n_series * shape.n_samples) as f64;
    let mut best = 0.0_f64;
    for _ in 0..REPEATS {
        let (start, mut n_calls) = (Instant::now(), 0_u32);
        while start.elapsed() < REPEAT_MIN {
            black_box(work());
            n_calls += 1;
        }
        best = best.max(f64::from(n_calls) * n_samples / start.elapsed().as_secs_f64());
    }
    best
}
