//! Normalisation: over a block of windows, or over the width of a step.

use std::ops::Range;

use super::sequence::{Back, Layer, Pass, Seq};
use crate::kernels::Aligned;

/// Added to variances, as PyTorch.
pub(crate) const EPSILON: f32 = 1e-5;

/// Per number of a step: over all windows and steps of the block in training, over what was seen in training afterwards.
#[derive(Debug)]
pub(super) struct BatchNorm {
    pub width: usize,
    /// Scale and shift.
    pub scale: Range<usize>,
    pub shift: Range<usize>,
    /// In the statistics: mean and variance.
    pub mean: Range<usize>,
    pub variance: Range<usize>,
}

impl Layer for BatchNorm {
    /// Mean, variance, and one over the deviation; then two sums of the way back.
    fn kept(&self, _rows: usize) -> Vec<usize> {
        vec![self.width; 5]
    }

    fn forward(&self, pass: &Pass<'_>, x: &Seq, y: &mut Seq, kept: &mut [Aligned]) {
        let [mean, variance, inverse, ..] = kept else {
            unreachable!("as many buffers as it asked for")
        };
        if pass.noise.is_some() {
            let n = x.n_lines() as f32;
            mean.fill(0.0);
            variance.fill(0.0);
            for line in x.lines() {
                mean.iter_mut().zip(line).for_each(|(mean, x)| *mean += x);
            }
            mean.iter_mut().for_each(|mean| *mean /= n);
            for line in x.lines() {
                for ((variance, x), mean) in variance.iter_mut().zip(line).zip(mean.iter()) {
                    *variance += (x - mean) * (x - mean);
                }
            }
            variance.iter_mut().for_each(|variance| *variance /= n);
        } else {
            mean.copy_from_slice(&pass.statistics[self.mean.clone()]);
            variance.copy_from_slice(&pass.statistics[self.variance.clone()]);
        }
        for (inverse, variance) in inverse.iter_mut().zip(variance.iter()) {
            *inverse = 1.0 / (variance + EPSILON).sqrt();
        }
        let (scale, shift) = (
            &pass.weights[self.scale.clone()],
            &pass.weights[self.shift.clone()],
        );
        for (y, x) in y.lines_mut().zip(x.lines()) {
            for (at, (y, x)) in y.iter_mut().zip(x).enumerate() {
                *y = (x - mean[at]) * inverse[at] * scale[at] + shift[at];
            }
        }
    }

    fn backward(&self, pass: &Pass<'_>, back: Back<'_>, dx: &mut Seq) {
        let [mean, variance, inverse, sum, sum_x] = back.kept else {
            unreachable!("as many buffers as it asked for")
        };
        let n = back.x.n_lines() as f32;
        sum.fill(0.0);
        sum_x.fill(0.0);
        for (dy, x) in back.dy.lines().zip(back.x.lines()) {
            for (at, (dy, x)) in dy.iter().zip(x).enumerate() {
                sum[at] += dy;
                sum_x[at] += dy * (x - mean[at]) * inverse[at];
            }
        }
        let scale = &pass.weights[self.scale.clone()];
        for ((dx, dy), x) in dx.lines_mut().zip(back.dy.lines()).zip(back.x.lines()) {
            for (at, ((dx, dy), x)) in dx.iter_mut().zip(dy).zip(x).enumerate() {
                let normal = (x - mean[at]) * inverse[at];
                *dx = scale[at] * inverse[at] * (dy - sum[at] / n - normal * sum_x[at] / n);
            }
        }
        add(&mut back.gradient[self.scale.clone()], sum_x, 1.0);
        add(&mut back.gradient[self.shift.clone()], sum, 1.0);
        let rows = back.x.rows as f32;
        add(&mut back.statistics[self.mean.clone()], mean, rows);
        // Of a sample, as PyTorch keeps it.
        add(
            &mut back.statistics[self.variance.clone()],
            variance,
            rows * n / (n - 1.0).max(1.0),
        );
    }
}

fn add(to: &mut [f32], from: &[f32], factor: f32) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += factor * from;
    }
}

/// Per step of a window.
#[derive(Debug)]
pub(super) struct LayerNorm {
    pub scale: Range<usize>,
    pub shift: Range<usize>,
}

/// Mean, and one over the deviation.
fn moments(x: &[f32]) -> (f32, f32) {
    let n = x.len() as f32;
    let mean = x.iter().sum::<f32>() / n;
    let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / n;
    (mean, 1.0 / (variance + EPSILON).sqrt())
}

impl Layer for LayerNorm {
    fn forward(&self, pass: &Pass<'_>, x: &Seq, y: &mut Seq, _kept: &mut [Aligned]) {
        let (scale, shift) = (
            &pass.weights[self.scale.clone()],
            &pass.weights[self.shift.clone()],
        );
        for (y, x) in y.lines_mut().zip(x.lines()) {
            let (mean, inverse) = moments(x);
            for (at, (y, x)) in y.iter_mut().zip(x).enumerate() {
                *y = (x - mean) * inverse * scale[at] + shift[at];
            }
        }
    }

    fn backward(&self, pass: &Pass<'_>, back: Back<'_>, dx: &mut Seq) {
        let scale = &pass.weights[self.scale.clone()];
        for ((dx, dy), x) in dx.lines_mut().zip(back.dy.lines()).zip(back.x.lines()) {
            let ((mean, inverse), n) = (moments(x), x.len() as f32);
            let (mut sum, mut sum_x) = (0.0, 0.0);
            for (at, (dy, x)) in dy.iter().zip(x).enumerate() {
                let normal = (x - mean) * inverse;
                back.gradient[self.scale.start + at] += dy * normal;
                back.gradient[self.shift.start + at] += dy;
                sum += dy * scale[at];
                sum_x += dy * scale[at] * normal;
            }
            for (at, ((dx, dy), x)) in dx.iter_mut().zip(dy).zip(x).enumerate() {
                let normal = (x - mean) * inverse;
                *dx = inverse * (dy * scale[at] - sum / n - normal * sum_x / n);
            }
        }
    }
}
