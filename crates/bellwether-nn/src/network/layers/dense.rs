//! Layers that are a product per step: dense, the bottleneck, the head, and the one that makes many steps of one.

use super::activation::{activate, slope};
use super::matrix::{Matrix, Rows};
use super::sequence::{Back, Layer, Pass, Seq};
use crate::kernels::Aligned;
use crate::network::spec::Activation;

/// `y = f(x · w + b)` per step, and what its outputs cost.
#[derive(Debug)]
pub(super) struct Dense {
    pub matrix: Matrix,
    pub activation: Activation,
    /// Loss per window of the outputs' absolute values and squares.
    pub l1: f64,
    pub l2: f64,
}

/// The lines of a sequence as rows of a product.
pub(super) fn rows(seq: &Seq) -> Rows<'_> {
    Rows::new(&seq.values, seq.n_lines(), seq.stride)
}

impl Layer for Dense {
    fn forward(&self, pass: &Pass<'_>, x: &Seq, y: &mut Seq, _kept: &mut [Aligned]) {
        let stride = y.stride;
        self.matrix.product(pass, rows(x), &mut y.values, stride);
        activate(pass.kernels, self.activation, y);
    }

    fn backward(&self, pass: &Pass<'_>, back: Back<'_>, dx: &mut Seq) {
        if self.l1 > 0.0 || self.l2 > 0.0 {
            let l1 = (self.l1 * pass.penalty_scale) as f32;
            let l2 = (2.0 * self.l2 * pass.penalty_scale) as f32;
            for (dy, y) in back.dy.lines_mut().zip(back.y.lines()) {
                for (dy, &y) in dy.iter_mut().zip(y) {
                    let sign = if y > 0.0 {
                        1.0
                    } else if y < 0.0 {
                        -1.0
                    } else {
                        0.0
                    };
                    *dy += l1 * sign + l2 * y;
                }
            }
        }
        slope(self.activation, back.y, back.dy);
        self.matrix
            .add_gradient(pass, rows(back.x), rows(back.dy), back.gradient);
        let stride = dx.stride;
        self.matrix
            .product_back(pass, rows(back.dy), &mut dx.values, stride);
    }

    fn penalty(&self, y: &Seq, _kept: &[Aligned]) -> f64 {
        if self.l1 <= 0.0 && self.l2 <= 0.0 {
            return 0.0;
        }
        let cost = |&y: &f32| self.l1 * f64::from(y.abs()) + self.l2 * f64::from(y) * f64::from(y);
        y.lines().flatten().map(cost).sum()
    }
}

/// One step into many, with weights of its own for each: output `step · units + unit` of the product.
#[derive(Debug)]
pub(super) struct Expand {
    pub matrix: Matrix,
    pub activation: Activation,
}

impl Layer for Expand {
    /// All steps of a window side by side, `[rows][width]`.
    fn kept(&self, rows: usize) -> Vec<usize> {
        vec![rows * self.matrix.width]
    }

    fn forward(&self, pass: &Pass<'_>, x: &Seq, y: &mut Seq, kept: &mut [Aligned]) {
        let width = self.matrix.width;
        self.matrix.product(pass, rows(x), &mut kept[0], width);
        let units = y.shape.width;
        for step in 0..y.shape.steps {
            for row in 0..y.rows {
                let from = &kept[0][row * width + step * units..][..units];
                y.line_mut(step, row).copy_from_slice(from);
            }
        }
        activate(pass.kernels, self.activation, y);
    }

    fn backward(&self, pass: &Pass<'_>, back: Back<'_>, dx: &mut Seq) {
        slope(self.activation, back.y, back.dy);
        let (width, units) = (self.matrix.width, back.y.shape.width);
        let d = &mut back.kept[0];
        for step in 0..back.y.shape.steps {
            for row in 0..back.y.rows {
                d[row * width + step * units..][..units].copy_from_slice(back.dy.line(step, row));
            }
        }
        let d = Rows::new(d, back.y.rows, width);
        self.matrix.add_gradient(pass, rows(back.x), d, back.gradient);
        let stride = dx.stride;
        self.matrix.product_back(pass, d, &mut dx.values, stride);
    }
}
