//! How long something took, as counts below fixed bounds: what a dashboard makes its quantiles of.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper ends of the buckets, in seconds; what is longer has a bucket of its own.
pub const BOUNDS_S: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// Durations counted so far; many threads may add.
#[derive(Debug, Default)]
pub struct Durations {
    counts: [AtomicU64; BOUNDS_S.len()],
    longer: AtomicU64,
    sum_nanos: AtomicU64,
}

/// Durations at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct DurationCounts {
    /// How many were at most as long as the bound of that place in [`BOUNDS_S`].
    pub up_to: [u64; BOUNDS_S.len()],
    /// How many there are.
    pub n: u64,
    /// All together, in seconds.
    pub sum_s: f64,
}

impl Durations {
    /// Counts `n` times the same duration.
    pub fn add(&self, duration: Duration, n: u64) {
        let seconds = duration.as_secs_f64();
        let bucket = BOUNDS_S.iter().position(|bound| seconds <= *bound);
        let count = bucket.map_or(&self.longer, |bucket| &self.counts[bucket]);
        count.fetch_add(n, Ordering::Relaxed);
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.sum_nanos
            .fetch_add(nanos.saturating_mul(n), Ordering::Relaxed);
    }

    /// The counts now.
    pub fn counts(&self) -> DurationCounts {
        let mut n = 0;
        let up_to = std::array::from_fn(|bucket| {
            n += self.counts[bucket].load(Ordering::Relaxed);
            n
        });
        DurationCounts {
            up_to,
            n: n + self.longer.load(Ordering::Relaxed),
            sum_s: self.sum_nanos.load(Ordering::Relaxed) as f64 / 1e9,
        }
    }
}

impl std::ops::Add for DurationCounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            up_to: std::array::from_fn(|bucket| self.up_to[bucket] + other.up_to[bucket]),
            n: self.n + other.n,
            sum_s: self.sum_s + other.sum_s,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_at_every_bound_that_it_does_not_pass() {
        let durations = Durations::default();
        durations.add(Duration::from_millis(1), 2);
        durations.add(Duration::from_millis(300), 1);
        durations.add(Duration::from_secs(60), 1);
        let counts = durations.counts();
        assert_eq!(counts.up_to, [2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3]);
        assert_eq!((counts.n, counts.sum_s), (4, 60.302));
        let twice = counts.clone() + counts;
        assert_eq!((twice.up_to[11], twice.n, twice.sum_s), (6, 8, 120.604));
    }
}
