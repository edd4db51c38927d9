//! How fast delimited text becomes a frame: `cargo run --release --example read_rate [FILE]`, made-up data without
//! a file. One core; the best of five readings.
#![expect(
    clippy::disallowed_methods,
    reason = "a measurement reads its clock and its input"
)]
#![expect(clippy::print_stdout, reason = "the rate is what this program is for")]

use std::fmt::Write as _;
use std::time::Instant;

use bellwether_core::time::Timestamp;
use bellwether_store::read::{Bounds, ReadOptions, read_csv_bytes};

fn main() {
    let inputs = match std::env::args().nth(1) {
        Some(file) => vec![(file.clone(), std::fs::read(&file).expect("the file is there"))],
        None => [(200_000, 8, 3), (200_000, 8, 16), (20_000, 100, 5)]
            .map(|(n_samples, n_channels, digits)| {
                let name = format!("{n_samples} x {n_channels}, {digits} decimals");
                (name, made_up(n_samples, n_channels, digits).into_bytes())
            })
            .to_vec(),
    };
    for (name, bytes) in inputs {
        let mut best_secs = f64::INFINITY;
        let mut n_values = 0;
        for _ in 0..5 {
            let start = Instant::now();
            let recordings =
                read_csv_bytes(&bytes, &ReadOptions::default(), &Bounds::NONE).expect("the input is good");
            best_secs = best_secs.min(start.elapsed().as_secs_f64());
            n_values = recordings
                .iter()
                .map(|recording| recording.frame.values().len())
                .sum();
        }
        let (mb, m_values) = (bytes.len() as f64 / 1e6, n_values as f64 / 1e6);
        println!(
            "{name}: {:.0} MB/s, {:.1} M values/s",
            mb / best_secs,
            m_values / best_secs
        );
    }
}

fn made_up(n_samples: i64, n_channels: u64, digits: usize) -> String {
    let mut text = "timestamp".to_owned();
    (0..n_channels).for_each(|channel| write!(text, ",channel_{channel}").expect("a string takes any text"));
    let mut state = 1_u64;
    for sample in 0..n_samples {
        write!(text, "\n{}", Timestamp::from_secs(1_700_000_000 + 60 * sample))
            .expect("a string takes any text");
        for _ in 0..n_channels {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let value = (state >> 11) as f64 / (1_u64 << 53) as f64 * 200.0 - 100.0;
            write!(text, ",{value:.digits$}").expect("a string takes any text");
        }
    }
    text
}
