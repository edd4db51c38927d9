//! How long the classic detectors take to fit, and how many windows they judge per second on one core.
//!
//! `cargo run --release -p bellwether-core --example classic_rate`, with a word to measure only what has it in its name. 38 channels are those of a server, 55 those of a
//! spacecraft; memory and lags as in the default specs. Waves with noise are the easy case of the search for
//! neighbours, noise alone is its worst.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "an example measures time, and has nobody to report to but its reader"
)]

use std::time::Instant;

use bellwether_core::classic::knn::KnnSpec;
use bellwether_core::classic::pca::PcaSpec;
use bellwether_core::classic::var::VarSpec;
use bellwether_core::model::Model;
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

fn measure<M: Model>(
    name: &str,
    fit: impl FnOnce(Windows<'_>) -> M,
    rows: &[f64],
    n_channels: usize,
    len: usize,
) {
    if std::env::args().nth(1).is_some_and(|only| !name.contains(&only)) {
        return;
    }
    let starts: Vec<usize> = (0..=N_ROWS - len).collect();
    let windows = Windows::new(rows, None, n_channels, len, &starts);
    let began = Instant::now();
    let model = fit(windows);
    let fitted = began.elapsed().as_secs_f64();
    let mut errors = vec![0.0; windows.n_windows() * model.n_answers() * n_channels];
    let began = Instant::now();
    model
        .errors(windows, &mut errors)
        .expect("finite windows have answers");
    let rate = windows.n_windows() as f64 / began.elapsed().as_secs_f64();
    println!(
        "{name:<28} {n_channels:>3} channels × {len:>2} rows: fit {fitted:>6.2} s, {rate:>9.0} windows/s"
    );
}

fn main() {
    for n_channels in [38, 55] {
        let active: Vec<usize> = (0..n_channels).collect();
        let weights = vec![1.0; n_channels];
        for (name, wave) in [("waves", 0.4), ("noise", 0.0)] {
            let rows = rows(n_channels, wave);
            for window_len in [10, 20] {
                let spec = PcaSpec {
                    window_len,
                    ..PcaSpec::default()
                };
                let fit = |windows: Windows<'_>| {
                    let model = spec.fit(&[windows], n_channels, &active).expect("a fit");
                    println!("rank {}", model.parts().rank);
                    model
                };
                measure(&format!("window PCA, {name}"), fit, &rows, n_channels, window_len);
                let spec = VarSpec {
                    lags: window_len,
                    ..VarSpec::default()
                };
                let fit = |windows: Windows<'_>| spec.fit(&[windows], n_channels, &active).expect("a fit");
                measure(
                    &format!("autoregression, {name}"),
                    fit,
                    &rows,
                    n_channels,
                    window_len + 1,
                );
            }
            let fit = |windows: Windows<'_>| {
                KnnSpec::default()
                    .fit(&[windows], n_channels, &active, &weights)
                    .expect("a fit")
            };
            measure(&format!("nearest windows, {name}"), fit, &rows, n_channels, 20);
        }
    }
}
