//! The variational bottleneck.

use super::dense::rows;
use super::matrix::{Matrix, Rows};
use super::sequence::{Back, Layer, Pass, Seq, normal_pair};
use crate::kernels::Aligned;
use crate::network::plan::SeqShape;

/// Logarithms of variances are held within these: beyond them nothing is learnt any more, and the exponential stays finite.
const LOG_VARIANCE: (f32, f32) = (-20.0, 20.0);

/// `z = mean + e^(log variance / 2) · noise` in training, the mean in scoring.
#[derive(Debug)]
pub(super) struct Variational {
    pub mean: Matrix,
    pub log_variance: Matrix,
    /// Weight of the divergence of a window.
    pub kl: f64,
    /// Its place, for a stream of random numbers of its own.
    pub layer: usize,
    pub shape: SeqShape,
}

impl Layer for Variational {
    /// Means, logarithms of variances, noise; then gradients of the second. All as the lines of what it gives.
    fn kept(&self, rows: usize) -> Vec<usize> {
        vec![self.shape.steps * rows * self.mean.width; 4]
    }

    fn forward(&self, pass: &Pass<'_>, x: &Seq, y: &mut Seq, kept: &mut [Aligned]) {
        let stride = y.stride;
        let Some(noise) = pass.noise else {
            return self.mean.product(pass, rows(x), &mut y.values, stride);
        };
        let [mean, log_variance, drawn, _] = kept else {
            unreachable!("as many buffers as it asked for")
        };
        self.mean.product(pass, rows(x), mean, stride);
        self.log_variance.product(pass, rows(x), log_variance, stride);
        let width = y.shape.width;
        for row in 0..y.rows {
            let mut rng = noise.rng(self.layer, row);
            for step in 0..y.shape.steps {
                let at = (step * y.rows + row) * stride;
                for pair in drawn[at..at + width].chunks_mut(2) {
                    let (first, second) = normal_pair(&mut rng);
                    pair[0] = first;
                    if let [_, other] = pair {
                        *other = second;
                    }
                }
            }
        }
        for line in 0..y.n_lines() {
            for at in line * stride..line * stride + width {
                log_variance[at] = log_variance[at].clamp(LOG_VARIANCE.0, LOG_VARIANCE.1);
                y.values[at] = mean[at] + (0.5 * log_variance[at]).exp() * drawn[at];
            }
        }
    }

    fn backward(&self, pass: &Pass<'_>, back: Back<'_>, dx: &mut Seq) {
        let [mean, log_variance, drawn, d_log_variance] = back.kept else {
            unreachable!("as many buffers as it asked for")
        };
        let (stride, width, n) = (back.y.stride, back.y.shape.width, back.y.n_lines());
        let kl = (self.kl * pass.penalty_scale) as f32;
        for line in 0..n {
            for at in line * stride..line * stride + width {
                let (dz, log) = (back.dy.values[at], log_variance[at]);
                // What is held at an end does not move.
                let is_free = LOG_VARIANCE.0 < log && log < LOG_VARIANCE.1;
                let slope = 0.5 * dz * drawn[at] * (0.5 * log).exp() + 0.5 * kl * (log.exp() - 1.0);
                d_log_variance[at] = if is_free { slope } else { 0.0 };
                back.dy.values[at] = dz + kl * mean[at];
            }
        }
        let (x, d) = (rows(back.x), Rows::new(d_log_variance, n, stride));
        self.mean.add_gradient(pass, x, rows(back.dy), back.gradient);
        self.log_variance.add_gradient(pass, x, d, back.gradient);
        let dx_stride = dx.stride;
        self.mean
            .product_back(pass, rows(back.dy), &mut dx.values, dx_stride);
        let mut second = Aligned::zeroed(n * self.mean.in_width);
        self.log_variance
            .product_back(pass, d, &mut second, self.mean.in_width);
        let lines = second.chunks_exact(self.mean.in_width);
        for (dx, second) in dx.lines_mut().zip(lines) {
            for (dx, second) in dx.iter_mut().zip(second) {
                *dx += second;
            }
        }
    }

    /// The divergence of N(mean, variance) from N(0, 1): ½ Σ (mean² + variance − 1 − ln variance).
    fn penalty(&self, y: &Seq, kept: &[Aligned]) -> f64 {
        let (stride, width) = (y.stride, y.shape.width);
        let mut sum = 0.0;
        for line in 0..y.n_lines() {
            for at in line * stride..line * stride + width {
                let (mean, log) = (f64::from(kept[0][at]), f64::from(kept[1][at]));
                sum += 0.5 * (mean * mean + log.exp() - 1.0 - log);
            }
        }
        self.kl * sum
    }
}
