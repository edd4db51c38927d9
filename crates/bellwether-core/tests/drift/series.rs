//! Series with a memory, and frames of them.

use bellwether_core::drift::{Baseline, Drift, compare};
use bellwether_core::frame::{Channel, Frame};
use bellwether_core::time::Timestamp;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// Standard normal numbers of a seed, by Box and Muller.
pub(crate) struct Normal(ChaCha8Rng);

impl Normal {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    pub(crate) fn unit(&mut self) -> f64 {
        ((self.0.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    pub(crate) fn draw(&mut self) -> f64 {
        let (radius, angle) = (self.unit(), self.unit());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }

    /// `n` rows of a first-order autoregression with unit variance.
    pub(crate) fn ar1(&mut self, n: usize, memory: f64) -> Vec<f64> {
        let mut value = self.draw();
        let mut next = || {
            let now = value;
            value = memory * value + (1.0 - memory * memory).sqrt() * self.draw();
            now
        };
        (0..n).map(|_| next()).collect()
    }
}

/// Columns side by side, a row a minute.
pub(crate) fn frame(names: &[&str], columns: &[Vec<f64>]) -> Frame {
    let n = columns[0].len();
    let channels: Vec<Channel> = names.iter().map(|&name| Channel::new(name)).collect();
    let time = (0..n as i64)
        .map(|minute| Timestamp::from_secs(60 * minute))
        .collect();
    let rows = (0..n).flat_map(|row| columns.iter().map(move |column| column[row]));
    Frame::new(channels, time, rows.collect()).unwrap()
}

pub(crate) fn plus(values: &[f64], shift: f64) -> Vec<f64> {
    values.iter().map(|value| value + shift).collect()
}

pub(crate) fn drift(names: &[&str], before: &[Vec<f64>], recent: &[Vec<f64>]) -> Drift {
    compare(&Baseline::of(&[frame(names, before)]), &[frame(names, recent)]).unwrap()
}
