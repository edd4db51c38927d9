//! What becomes of the learning rate while training goes on.

/// The half cosine ends at this share of the start.
const FINAL_SHARE: f64 = 0.05;

/// A course of the learning rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Schedule {
    /// It stays.
    Constant,
    /// It falls along a half cosine to a twentieth.
    Cosine,
    /// It rises in a line from zero over the first `share` of the training, and falls along a half cosine then.
    WarmUp {
        /// Within 0 and 1.
        share: f64,
    },
    /// It is multiplied by `factor` after every so many epochs.
    Step {
        /// Within 0 and 1.
        factor: f64,
        /// At least 1.
        epochs: usize,
    },
    /// It is multiplied by `factor` where more than `patience` epochs in a row were not the best.
    Plateau {
        /// Within 0 and 1.
        factor: f64,
        /// Epochs.
        patience: usize,
    },
}

impl Schedule {
    /// The share of the highest learning rate after that share of the training, in that epoch, where a plateau has lowered it
    /// so often.
    pub(super) fn share(self, progress: f64, epoch: usize, n_drops: i32) -> f64 {
        let cosine = |progress: f64| {
            FINAL_SHARE + (1.0 - FINAL_SHARE) * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
        };
        match self {
            Self::Constant => 1.0,
            Self::Cosine => cosine(progress),
            Self::WarmUp { share } if progress < share => progress / share,
            Self::WarmUp { share } => cosine((progress - share) / (1.0 - share)),
            Self::Step { factor, epochs } => {
                factor.powi(i32::try_from(epoch / epochs.max(1)).unwrap_or(i32::MAX))
            }
            Self::Plateau { factor, .. } => factor.powi(n_drops),
        }
    }

    /// The name of its setting that is most likely out of range, the number, whether it is fine, and what it may be.
    pub(super) fn check(self) -> (&'static str, f64, bool, &'static str) {
        let inside = |number: f64| 0.0 < number && number < 1.0;
        match self {
            Self::Constant | Self::Cosine => ("schedule", 0.0, true, ""),
            Self::WarmUp { share } => ("warm-up share", share, inside(share), "above 0 and below 1"),
            Self::Step { epochs: 0, .. } => ("epochs of a step", 0.0, false, "at least 1"),
            Self::Step { factor, .. } | Self::Plateau { factor, .. } => {
                ("schedule factor", factor, inside(factor), "above 0 and below 1")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_follow_their_course() {
        let check = |schedule: Schedule, progress: f64, epoch, drops, want: f64| {
            let got = schedule.share(progress, epoch, drops);
            assert!(
                (got - want).abs() < 1e-12,
                "{schedule:?} at {progress}: {got}, want {want}"
            );
        };
        let warm_up = Schedule::WarmUp { share: 0.2 };
        let step = Schedule::Step {
            factor: 0.5,
            epochs: 3,
        };
        let plateau = Schedule::Plateau {
            factor: 0.1,
            patience: 2,
        };
        check(Schedule::Constant, 0.7, 9, 0, 1.0);
        check(Schedule::Cosine, 0.0, 0, 0, 1.0);
        check(Schedule::Cosine, 0.5, 0, 0, 0.525);
        check(Schedule::Cosine, 1.0, 0, 0, 0.05);
        check(warm_up, 0.0, 0, 0, 0.0);
        check(warm_up, 0.1, 0, 0, 0.5);
        check(warm_up, 0.2, 0, 0, 1.0);
        check(warm_up, 0.6, 0, 0, 0.525);
        for (epoch, want) in [(0, 1.0), (2, 1.0), (3, 0.5), (8, 0.25)] {
            check(step, 0.5, epoch, 0, want);
        }
        check(plateau, 0.5, 7, 0, 1.0);
        check(plateau, 0.5, 7, 2, 0.01);
    }
}
