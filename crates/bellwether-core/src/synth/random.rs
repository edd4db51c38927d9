//! Random numbers that are the same bits on every platform, one independent stream per purpose.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// What a stream of random numbers is for. The numbers are part of the key: changing one changes every plant.
#[derive(Debug, Clone, Copy)]
#[repr(u64)]
pub(super) enum Purpose {
    /// How a device differs from its siblings.
    Device = 1,
    /// Slow swings of the duty.
    DutySlow = 2,
    /// Fast swings of the duty.
    DutyFast = 3,
    /// Weather.
    Ambient = 4,
    /// Condition of the process (tank level, fuel quality, cache warmth).
    Condition = 5,
    /// Flutter of the process from minute to minute.
    Flutter = 6,
    /// Measurement noise of one channel.
    Noise = 7,
    /// Which drivers an added channel follows.
    AuxShape = 8,
    /// How a device's added channel differs from that of its siblings.
    AuxDevice = 9,
    /// Which device gets the first anomaly.
    Assign = 10,
    /// Channel of an anomaly.
    AnomalyChannel = 11,
    /// Sign of an anomaly.
    AnomalySign = 12,
    /// Length of an anomaly.
    AnomalyLength = 13,
    /// Start of an anomaly.
    AnomalyStart = 14,
    /// What an anomaly puts in.
    AnomalyValues = 15,
    /// When a plant stops, and for how long.
    Stops = 16,
    /// When the set-point of a plant changes, and to what.
    SetPoints = 17,
    /// Where the defects of a recording are.
    DefectPlace = 18,
    /// What a defect puts in.
    DefectValue = 19,
}

/// A stream of random numbers. ChaCha with 8 rounds is fixed by specification, not by a library's version.
#[derive(Debug, Clone)]
pub(super) struct Draw {
    rng: ChaCha8Rng,
    spare: Option<f64>,
}

impl Draw {
    /// The stream of `seed` for one purpose, device and item (channel, anomaly; 0 where there is one).
    ///
    /// The four are the 256-bit key itself, so that streams are independent and none moves another.
    pub(super) fn new(seed: u64, purpose: Purpose, device_idx: usize, item_idx: usize) -> Self {
        let words = [seed, purpose as u64, device_idx as u64, item_idx as u64];
        let mut key = [0_u8; 32];
        for (bytes, word) in key.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        Self {
            rng: ChaCha8Rng::from_seed(key),
            spare: None,
        }
    }

    /// Uniform in [0, 1): the 53 high bits of one 64-bit draw.
    pub(super) fn unit(&mut self) -> f64 {
        const ULP: f64 = 1.0 / (1_u64 << 53) as f64;
        (self.rng.next_u64() >> 11) as f64 * ULP
    }

    /// Uniform in [low, high).
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// One of `0..n`, equally likely (to 2⁻⁶⁴ n). `n` must not be zero.
    pub(super) fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "nothing to choose from");
        let scaled = (u128::from(self.rng.next_u64()) * n as u128) >> 64;
        usize::try_from(scaled).expect("below n, which is a usize")
    }

    /// Plus or minus one.
    pub(super) fn sign(&mut self) -> f64 {
        if self.unit() < 0.5 { -1.0 } else { 1.0 }
    }

    /// Standard normal, by Marsaglia's polar method: a logarithm of `libm` (the same bits everywhere) and a square
    /// root (exact by IEEE 754).
    pub(super) fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let (x, y) = (2.0 * self.unit() - 1.0, 2.0 * self.unit() - 1.0);
            let square = x * x + y * y;
            if 0.0 < square && square < 1.0 {
                let factor = (-2.0 * libm::log(square) / square).sqrt();
                self.spare = Some(y * factor);
                return x * factor;
            }
        }
    }

    /// A value that differs from `typical` by a relative standard deviation of `spread`, at most three of them.
    pub(super) fn near(&mut self, typical: f64, spread: f64) -> f64 {
        typical * (1.0 + spread * self.normal().clamp(-3.0, 3.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pinned when first written (x86-64, Linux); a mismatch elsewhere means that the promise of equal bits broke.
    #[test]
    fn draws_are_pinned_bits() {
        let mut draw = Draw::new(42, Purpose::Noise, 1, 2);
        for want in [
            0x3fe7_a723_149c_c794,
            0x3fd7_c1ec_2488_426b,
            0xbfc3_90c5_7d87_dd5f,
            0xbff2_dd0f_d852_9974,
        ] {
            let got = draw.normal();
            assert_eq!(got.to_bits(), want, "{got}");
        }
    }

    #[test]
    fn streams_of_different_purposes_differ() {
        let mut firsts: Vec<u64> = Vec::new();
        for (seed, purpose, device, item) in [
            (1, Purpose::Noise, 0, 0),
            (2, Purpose::Noise, 0, 0),
            (1, Purpose::Device, 0, 0),
            (1, Purpose::Noise, 1, 0),
            (1, Purpose::Noise, 0, 1),
        ] {
            firsts.push(Draw::new(seed, purpose, device, item).unit().to_bits());
        }
        firsts.sort_unstable();
        firsts.dedup();
        assert_eq!(firsts.len(), 5);
    }

    #[test]
    fn draws_have_the_moments_they_promise() {
        let mut draw = Draw::new(7, Purpose::Noise, 0, 0);
        let n = 200_000;
        let normals: Vec<f64> = (0..n).map(|_| draw.normal()).collect();
        let moment = |power: i32| normals.iter().map(|x| x.powi(power)).sum::<f64>() / f64::from(n);
        // Standard errors of the first four moments at n = 200 000: 0.0022, 0.0032, 0.0087, 0.022; allowed: 4 of them.
        for (power, want, allowed) in [(1, 0.0, 0.009), (2, 1.0, 0.013), (3, 0.0, 0.035), (4, 3.0, 0.09)] {
            assert!(
                (moment(power) - want).abs() < allowed,
                "moment {power}: {}",
                moment(power)
            );
        }
        let mut counts = [0; 5];
        for _ in 0..50_000 {
            counts[draw.below(5)] += 1;
        }
        assert!(
            counts.iter().all(|count| (9_600..10_400).contains(count)),
            "{counts:?}"
        );
    }
}
