//! `bench validate`: how many rows a second are looked at, and in how much memory. Reading them is not measured: see
//! `bench read`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bellwether_core::frame::{Channel, SeriesId};
use bellwether_core::time::Timestamp;
use bellwether_core::validate::{Contract, Row, SeriesCheck};
use serde::Serialize;

/// Rows that are made up; they come again and again, at later times.
const N_MADE_UP: usize = 20_000;

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Measured {
    pub(crate) rows: u64,
    pub(crate) channels: usize,
    pub(crate) seconds: f64,
    pub(crate) rows_per_s: f64,
    pub(crate) values_per_s: f64,
    /// Largest memory of the process so far, where the system tells.
    pub(crate) peak_mib: Option<f64>,
}

/// Looks at so many rows, and holds them against a contract learnt from the first.
pub(crate) fn measure(n_rows: u64, n_channels: usize, seed: u64) -> Measured {
    let values = made_up(n_channels, seed);
    let channels: Arc<[Channel]> = (0..n_channels)
        .map(|idx| Channel::new(format!("c{idx}")))
        .collect();
    let look = |contract: Option<&Contract>, n_rows: u64| {
        let now = Timestamp::from_secs(i64::MAX / 1_000_000_000);
        let mut check = SeriesCheck::new(SeriesId::new("s"), Arc::clone(&channels), contract, now);
        let rows = values.chunks_exact(n_channels).cycle();
        for (number, values) in (1..=n_rows).zip(rows) {
            check.push(Row {
                number,
                time: Timestamp::from_secs(number as i64),
                values,
                not_numbers: &[],
            });
        }
        check.finish()
    };
    let learnt = Contract::learn(&[look(None, N_MADE_UP as u64)]);
    let contract = learnt.expect("made-up rows can be learnt from");
    let start = instant();
    let profile = look(Some(&contract), n_rows);
    let seconds = start.elapsed().max(Duration::from_nanos(1)).as_secs_f64();
    std::hint::black_box(profile);
    Measured {
        rows: n_rows,
        channels: n_channels,
        seconds,
        rows_per_s: n_rows as f64 / seconds,
        values_per_s: n_rows as f64 * n_channels as f64 / seconds,
        peak_mib: peak_mib(),
    }
}

#[expect(clippy::disallowed_methods, reason = "benches measure time")]
fn instant() -> Instant {
    Instant::now()
}

/// Channels that wander around a level, each tenth a switch, a thousandth of the values missing.
fn made_up(n_channels: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    // SplitMix64 (Steele, Lea and Flood 2014), in [0, 1).
    let mut uniform = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut level = vec![0.0; n_channels];
    let mut values = Vec::with_capacity(N_MADE_UP * n_channels);
    for row in 0..N_MADE_UP {
        for (idx, level) in level.iter_mut().enumerate() {
            *level = 0.95 * *level + uniform() - 0.5;
            values.push(match idx % 10 {
                _ if uniform() < 0.001 => f64::NAN,
                9 => f64::from(u8::from(row / (100 + idx) % 2 == 1)),
                _ => 50.0 + *level,
            });
        }
    }
    values
}

/// `VmHWM` of Linux.
#[expect(clippy::disallowed_methods, reason = "this is no file on a disk")]
fn peak_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024.0)
}
