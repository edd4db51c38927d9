//! The GRU cell: `r = σ(W_r x + U_r h)`, `z = σ(W_z x + U_z h)`, `n = tanh(W_n x + r (U_n h))`, `h' = n + z (h − n)`, each with
//! its biases, gates in PyTorch's order r, z, n.

use super::matrix::{Matrix, Rows};
use super::recurrent::{N_SHARED, Walk, masked};
use super::sequence::{Pass, Seq};
use crate::kernels::{Aligned, Map};

/// Two products of three gates each.
#[derive(Debug)]
pub(super) struct GruCell {
    pub input: Matrix,
    pub hidden: Matrix,
    pub n_units: usize,
}

/// Buffers of its own: gates `[steps][rows][3 n, padded]` by time, activated and then their gradients before activation; what
/// the state says to n, `[steps][rows][n]`; products of one step; gradients of those; of the state after; of what entered.
const GATES: usize = N_SHARED;

impl GruCell {
    pub(super) fn kept(&self, n_steps: usize, rows: usize) -> Vec<usize> {
        let gates = rows * self.hidden.width;
        vec![
            n_steps * gates,
            n_steps * rows * self.n_units,
            gates,
            gates,
            rows * self.hidden.in_width,
            n_steps * rows * self.input.in_width,
        ]
    }

    pub(super) fn forward(&self, pass: &Pass<'_>, walk: Walk, x: &Seq, kept: &mut [Aligned]) {
        let (rows, n, width) = (walk.rows, self.n_units, self.hidden.width);
        let state = rows * self.hidden.in_width;
        let x_rows = Rows::new(&x.values, x.n_lines(), x.stride);
        self.input.product(pass, x_rows, &mut kept[GATES], width);
        let [h, mask, masks, _, gates, said, products, ..] = kept else {
            unreachable!("as many buffers as it asked for")
        };
        h[..state].fill(0.0);
        for nth in 0..walk.n_steps {
            let time = walk.time(nth);
            let (before, after) = h[nth * state..(nth + 2) * state].split_at_mut(state);
            let heard = if walk.is_masked {
                let to = &mut masks[nth * state..(nth + 1) * state];
                masked(before, mask, to);
                &*to
            } else {
                &*before
            };
            let heard = Rows::new(heard, rows, self.hidden.in_width);
            self.hidden.product(pass, heard, products, width);
            for row in 0..rows {
                let gates = &mut gates[(time * rows + row) * width..][..3 * n];
                let products = &products[row * width..][..3 * n];
                let (rz, new) = gates.split_at_mut(2 * n);
                rz.iter_mut()
                    .zip(products)
                    .for_each(|(gate, product)| *gate += product);
                pass.kernels.map(Map::Sigmoid, rz);
                let said = &mut said[(time * rows + row) * n..][..n];
                said.copy_from_slice(&products[2 * n..]);
                for ((new, r), said) in new.iter_mut().zip(&*rz).zip(&*said) {
                    *new += r * said;
                }
                pass.kernels.map(Map::Tanh, new);
                let before = &before[row * self.hidden.in_width..][..n];
                let after = &mut after[row * self.hidden.in_width..][..n];
                for (at, after) in after.iter_mut().enumerate() {
                    *after = new[at] + rz[n + at] * (before[at] - new[at]);
                }
            }
        }
    }

    /// Adds to `dx`.
    pub(super) fn backward(
        &self,
        pass: &Pass<'_>,
        walk: Walk,
        x: &Seq,
        dx: &mut Seq,
        kept: &mut [Aligned],
        gradient: &mut [f32],
    ) {
        let (rows, n, width) = (walk.rows, self.n_units, self.hidden.width);
        let unit_width = self.hidden.in_width;
        let state = rows * unit_width;
        let [
            h,
            mask,
            masks,
            dh,
            gates,
            said,
            products,
            d_products,
            dh_after,
            part,
        ] = kept
        else {
            unreachable!("as many buffers as it asked for")
        };
        dh_after[..state].fill(0.0);
        for nth in (0..walk.n_steps).rev() {
            let time = walk.time(nth);
            let dh = &mut dh[nth * state..(nth + 1) * state];
            for row in 0..rows {
                let gates = &mut gates[(time * rows + row) * width..][..3 * n];
                let d = &mut d_products[row * width..][..3 * n];
                let said = &said[(time * rows + row) * n..][..n];
                let before = &h[nth * state + row * unit_width..][..n];
                for at in 0..n {
                    let (r, z, new) = (gates[at], gates[n + at], gates[2 * n + at]);
                    let dh = &mut dh[row * unit_width + at];
                    let d_after = *dh + dh_after[row * unit_width + at];
                    let d_new = d_after * (1.0 - z) * (1.0 - new * new);
                    let d_r = d_new * said[at] * r * (1.0 - r);
                    let d_z = d_after * (before[at] - new) * z * (1.0 - z);
                    gates[at] = d_r;
                    gates[n + at] = d_z;
                    gates[2 * n + at] = d_new;
                    d[at] = d_r;
                    d[n + at] = d_z;
                    d[2 * n + at] = d_new * r;
                    // What goes straight to the state before.
                    *dh = d_after * z;
                }
            }
            let heard = if walk.is_masked { &*masks } else { &*h };
            let heard = Rows::new(&heard[nth * state..], rows, unit_width);
            let d_rows = Rows::new(d_products, rows, width);
            self.hidden.add_gradient(pass, heard, d_rows, gradient);
            self.hidden.product_back(pass, d_rows, dh_after, unit_width);
            if walk.is_masked {
                for (dh, mask) in dh_after[..state].iter_mut().zip(mask.iter()) {
                    *dh *= mask;
                }
            }
            for (after, straight) in dh_after[..state].iter_mut().zip(&*dh) {
                *after += straight;
            }
        }
        debug_assert!(products.len() >= rows * width);
        let d = Rows::new(gates, x.n_lines(), width);
        let x_rows = Rows::new(&x.values, x.n_lines(), x.stride);
        self.input.add_gradient(pass, x_rows, d, gradient);
        self.input.product_back(pass, d, part, self.input.in_width);
        for (dx, part) in dx.lines_mut().zip(part.chunks_exact(self.input.in_width)) {
            for (dx, part) in dx.iter_mut().zip(part) {
                *dx += part;
            }
        }
    }
}
