//! How long the classic detectors take to fit, and how many windows they judge per second on one core.
//!
//! `cargo run --release -p bellwether-core --example classic_rate`, with a kind's name to measure it alone. 38 channels are
//! those of a server, 55 those of a spacecraft; windows and all else as `train` has them. Waves with noise are the easy
//! case of the search for neighbours, noise alone is its worst.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "an example measures time, and has nobody to report to but its reader"
)]

use std::time::Instant;

use bellwether_core::classic::{Kind, Training};
use bellwether_core::window::Windows;

const N_ROWS: usize = 20_000;

/// Each channel a wave of its own period, as deep as `wave`, and noise.
fn rows(n_channels: usize, wave: f64) -> Vec<f64> {
    let mut state = 1_u64;
    let mut noise = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
    };
    let value = |at: usize| {
        let (row, channel) = (at / n_channels, at % n_channels);
        let phase = row as f64 / (20.0 + 7.0 * (channel % 9) as f64);
        0.5 + wave * phase.sin() + 0.2 * noise()
    };
    (0..N_ROWS * n_channels).map(value).collect()
}

fn measure(kind: Kind, what: &str, rows: &[f64], n_channels: usize) {
    let len = kind.window_len(N_ROWS, n_channels);
    let starts: Vec<usize> = (0..=N_ROWS - len).collect();
    let windows = Windows::new(rows, None, n_channels, len, &starts);
    let active: Vec<usize> = (0..n_channels).collect();
    let training = Training {
        windows: &[windows],
        n_channels,
        active: &active,
        weights: &vec![1.0; n_channels],
        seed: 42,
    };
    let began = Instant::now();
    let model = kind.fit(len, &training).expect("a fit");
    let fitted = began.elapsed().as_secs_f64();
    // Half a gigabyte of answers would measure the memory.
    let windows = windows.subset(0..windows.n_windows().min(4000));
    let mut errors = vec![0.0; windows.n_windows() * model.n_answers() * n_channels];
    let began = Instant::now();
    model
        .errors(windows, &mut errors)
        .expect("finite windows have answers");
    let rate = windows.n_windows() as f64 / began.elapsed().as_secs_f64();
    let name = kind.name();
    println!(
        "{name:<18} {what:<6} {n_channels:>3} channels × {len:>3} rows: fit {fitted:>6.2} s, {rate:>9.0} windows/s"
    );
}

fn main() {
    let only = std::env::args().nth(1);
    for n_channels in [38, 55] {
        for (what, wave) in [("waves", 0.4), ("noise", 0.0)] {
            let rows = rows(n_channels, wave);
            let wanted = |kind: &Kind| only.as_deref().is_none_or(|only| only == kind.name());
            for kind in Kind::ALL.into_iter().filter(wanted) {
                measure(kind, what, &rows, n_channels);
            }
        }
    }
}
