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
    /// Replaces outputs by the gradient of the summed loss and returns the sum. `lines` are outputs, targets and what those
    /// count; 0 where one was not observed.
    pub(crate) fn gradient<'l>(self, lines: impl Iterator<Item = Line<'l>>) -> f64 {
        match self {
            Self::Mse => gradient(lines, |d| (d * d, 2.0 * d)),
            Self::Mae => gradient(lines, |d| {
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
            Self::LogCosh => gradient(lines, |d| {
                // cosh d overflows early; |d| + ln(1 + e^-2|d|) - ln 2 does not.
                let far = d.abs();
                let loss = far + (-2.0 * far).exp().ln_1p() - std::f32::consts::LN_2;
                (loss, d.tanh())
            }),
            Self::Quantile { level } => gradient(lines, |d| {
                if d < 0.0 {
                    (-level * d, -level)
                } else if d > 0.0 {
                    ((1.0 - level) * d, 1.0 - level)
                } else {
                    (d, d)
                }
            }),
            Self::Huber { delta } => gradient(lines, |d| {
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
        let line = (&mut [d][..], (&[0.0][..], &[1.0][..]));
        self.gradient(std::iter::once(line)) as f32
    }
}

/// Outputs, targets, and what those count.
type Line<'l> = (&'l mut [f32], (&'l [f32], &'l [f32]));

fn gradient<'l>(lines: impl Iterator<Item = Line<'l>>, f: impl Fn(f32) -> (f32, f32)) -> f64 {
    let of_line = |(outputs, (targets, observed)): Line<'l>| {
        let mut sum = 0.0;
        for ((output, target), observed) in outputs.iter_mut().zip(targets).zip(observed) {
            // What was not observed has no difference: its filler may be so large that 0 · ∞ would spoil the sum.
            let d = if *observed > 0.0 { *output - target } else { 0.0 };
            let (loss, slope) = f(d);
            sum += observed * loss;
            *output = observed * slope;
        }
        f64::from(sum)
    };
    lines.map(of_line).sum()
}
