//! What training minimises.

/// Loss of a difference d of output minus target, averaged over the observed values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Loss {
    /// d²
    Mse,
    /// |d|
    Mae,
    /// d²/2 where |d| ≤ delta, else delta (|d| − delta/2): Huber 1964, as `torch.nn.HuberLoss`.
    Huber {
        /// Where the parabola becomes a line.
        delta: f32,
    },
    /// ln cosh d: a parabola near zero, a line far from it.
    LogCosh,
    /// −level · d where the output is below the target, else (1 − level) · d: the output becomes that quantile (Koenker and
    /// Bassett 1978).
    Quantile {
        /// Within 0 and 1.
        level: f32,
    },
}

impl Loss {
    /// Replaces `outputs` by the gradient of the summed loss and returns the sum; values with `observed` 0 count
    /// nothing.
    pub(crate) fn gradient(self, outputs: &mut [f32], targets: &[f32], observed: &[f32]) -> f32 {
        match self {
            Self::Mse => gradient(outputs, targets, observed, |d| (d * d, 2.0 * d)),
            Self::Mae => gradient(outputs, targets, observed, |d| {
                (
                    d.abs(),
                    if d > 0.0 {
                        1.0
                    } else if d < 0.0 {
                        -1.0
                    } else {
                        d
                    },
                )
            }),
            Self::LogCosh => gradient(outputs, targets, observed, |d| {
                // cosh d overflows early; |d| + ln(1 + e^-2|d|) - ln 2 does not.
                let far = d.abs();
                let loss = far + (-2.0 * far).exp().ln_1p() - std::f32::consts::LN_2;
                (loss, d.tanh())
            }),
            Self::Quantile { level } => gradient(outputs, targets, observed, |d| {
                if d < 0.0 {
                    (-level * d, -level)
                } else if d > 0.0 {
                    ((1.0 - level) * d, 1.0 - level)
                } else {
                    (d, d)
                }
            }),
            Self::Huber { delta } => gradient(outputs, targets, observed, |d| {
                if d.abs() <= delta {
                    (0.5 * d * d, d)
                } else {
                    (delta * (d.abs() - 0.5 * delta), delta * d.signum())
                }
            }),
        }
    }

    /// Loss of one difference.
    pub(crate) fn of(self, d: f32) -> f32 {
        let mut output = [d];
        self.gradient(&mut output, &[0.0], &[1.0])
    }
}

fn gradient(outputs: &mut [f32], targets: &[f32], observed: &[f32], f: impl Fn(f32) -> (f32, f32)) -> f32 {
    let mut sum = 0.0;
    for ((output, target), observed) in outputs.iter_mut().zip(targets).zip(observed) {
        // What was not observed has no difference: its filler may be so large that 0 · ∞ would spoil the sum.
        let d = if *observed > 0.0 { *output - target } else { 0.0 };
        let (loss, slope) = f(d);
        sum += observed * loss;
        *output = observed * slope;
    }
    sum
}
