//! Layers without weights.

use super::activation::{activate, slope};
use super::sequence::{Back, Layer, Pass, Seq, draw_mask};
use crate::kernels::Aligned;
use crate::network::plan::SeqShape;
use crate::network::spec::Activation;

/// A function of each value.
#[derive(Debug)]
pub(super) struct Activate(pub Activation);

impl Layer for Activate {
    fn forward(&self, pass: &Pass<'_>, x: &Seq, y: &mut Seq, _kept: &mut [Aligned]) {
        y.copy_from(x);
        activate(pass.kernels, self.0, y);
    }

    fn backward(&self, _pass: &Pass<'_>, back: Back<'_>, dx: &mut Seq) {
        slope(self.0, back.y, back.dy);
        dx.copy_from(back.dy);
    }
}

/// A share of the values is zero in training.
#[derive(Debug)]
pub(super) struct Dropout {
    pub rate: f64,
    /// Its place, for a stream of random numbers of its own.
    pub layer: usize,
    pub shape: SeqShape,
}

impl Layer for Dropout {
    /// Factors of the values, `[rows][steps][width]`.
    fn kept(&self, rows: usize) -> Vec<usize> {
        vec![rows * self.shape.steps * self.shape.width]
    }

    fn forward(&self, pass: &Pass<'_>, x: &Seq, y: &mut Seq, kept: &mut [Aligned]) {
        let Some(noise) = pass.noise else {
            return y.copy_from(x);
        };
        let SeqShape { steps, width } = self.shape;
        for row in 0..x.rows {
            let mask = &mut kept[0][row * steps * width..][..steps * width];
            draw_mask(&mut noise.rng(self.layer, row), self.rate, mask);
        }
        self.times(x, y, &kept[0]);
    }

    fn backward(&self, _pass: &Pass<'_>, back: Back<'_>, dx: &mut Seq) {
        self.times(back.dy, dx, &back.kept[0]);
    }
}

impl Dropout {
    fn times(&self, from: &Seq, to: &mut Seq, mask: &[f32]) {
        let SeqShape { steps, width } = self.shape;
        for step in 0..steps {
            for row in 0..from.rows {
                let mask = &mask[(row * steps + step) * width..][..width];
                let values = from.line(step, row).iter().zip(mask);
                for (to, (from, mask)) in to.line_mut(step, row).iter_mut().zip(values) {
                    *to = from * mask;
                }
            }
        }
    }
}

/// Adds sines and cosines of the position.
#[derive(Debug)]
pub(super) struct Position {
    /// `[steps][width]`
    table: Vec<f32>,
}

impl Position {
    pub(super) fn new(shape: SeqShape) -> Self {
        Self {
            table: position_table(shape),
        }
    }
}

/// What each number of each step is given, `[steps][width]`.
pub(crate) fn position_table(shape: SeqShape) -> Vec<f32> {
    let value = |at: usize| {
        let (step, idx) = (at / shape.width, at % shape.width);
        let pair = (idx / 2 * 2) as f64 / shape.width as f64;
        let angle = step as f64 / 10_000_f64.powf(pair);
        (if idx % 2 == 0 { angle.sin() } else { angle.cos() }) as f32
    };
    (0..shape.steps * shape.width).map(value).collect()
}

impl Layer for Position {
    fn forward(&self, _pass: &Pass<'_>, x: &Seq, y: &mut Seq, _kept: &mut [Aligned]) {
        y.copy_from(x);
        for (step, position) in self.table.chunks_exact(x.shape.width).enumerate() {
            for row in 0..x.rows {
                for (y, position) in y.line_mut(step, row).iter_mut().zip(position) {
                    *y += position;
                }
            }
        }
    }

    fn backward(&self, _pass: &Pass<'_>, back: Back<'_>, dx: &mut Seq) {
        dx.copy_from(back.dy);
    }
}

/// The last step.
#[derive(Debug)]
pub(super) struct Last;

impl Layer for Last {
    fn forward(&self, _pass: &Pass<'_>, x: &Seq, y: &mut Seq, _kept: &mut [Aligned]) {
        for row in 0..x.rows {
            y.line_mut(0, row).copy_from_slice(x.line(x.shape.steps - 1, row));
        }
    }

    fn backward(&self, _pass: &Pass<'_>, back: Back<'_>, dx: &mut Seq) {
        let last = dx.shape.steps - 1;
        for step in 0..last {
            dx.step_mut(step).fill(0.0);
        }
        for row in 0..dx.rows {
            dx.line_mut(last, row).copy_from_slice(back.dy.line(0, row));
        }
    }
}

/// One step, many times.
#[derive(Debug)]
pub(super) struct Repeat;

impl Layer for Repeat {
    fn forward(&self, _pass: &Pass<'_>, x: &Seq, y: &mut Seq, _kept: &mut [Aligned]) {
        for step in 0..y.shape.steps {
            for row in 0..x.rows {
                y.line_mut(step, row).copy_from_slice(x.line(0, row));
            }
        }
    }

    fn backward(&self, _pass: &Pass<'_>, back: Back<'_>, dx: &mut Seq) {
        for row in 0..dx.rows {
            let sum = dx.line_mut(0, row);
            sum.fill(0.0);
            for step in 0..back.dy.shape.steps {
                for (sum, dy) in sum.iter_mut().zip(back.dy.line(step, row)) {
                    *sum += dy;
                }
            }
        }
    }
}

/// All steps side by side.
#[derive(Debug)]
pub(super) struct Flatten;

impl Layer for Flatten {
    fn forward(&self, _pass: &Pass<'_>, x: &Seq, y: &mut Seq, _kept: &mut [Aligned]) {
        let width = x.shape.width;
        for step in 0..x.shape.steps {
            for row in 0..x.rows {
                let to = &mut y.line_mut(0, row)[step * width..][..width];
                to.copy_from_slice(x.line(step, row));
            }
        }
    }

    fn backward(&self, _pass: &Pass<'_>, back: Back<'_>, dx: &mut Seq) {
        let width = dx.shape.width;
        for step in 0..dx.shape.steps {
            for row in 0..dx.rows {
                let from = &back.dy.line(0, row)[step * width..][..width];
                dx.line_mut(step, row).copy_from_slice(from);
            }
        }
    }
}
