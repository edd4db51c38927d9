//! Self-attention: every step of a window is told what all its steps hold, weighed by how well they answer its question.

use super::dense::rows;
use super::matrix::{Matrix, Rows};
use super::sequence::{Back, Layer, Pass, Seq};
use crate::kernels::{Aligned, Map};
use crate::network::plan::SeqShape;

/// `softmax(q kᵀ / √d) v` for each head, side by side, through the output product.
#[derive(Debug)]
pub(super) struct Attention {
    pub q: Matrix,
    pub k: Matrix,
    pub v: Matrix,
    pub out: Matrix,
    pub heads: usize,
    pub shape: SeqShape,
}

/// Where the buffers of [`Layer::kept`] are: lines as those of what it gives, but for the shares.
const Q: usize = 0;
const K: usize = 1;
const V: usize = 2;
/// What the heads say, before the output product.
const SAID: usize = 3;
/// `[rows][heads][steps][steps]`
const SHARES: usize = 4;
const DQ: usize = 5;
const DK: usize = 6;
const DV: usize = 7;
const D_SAID: usize = 8;

impl Attention {
    /// One over the root of a head's width.
    fn scale(&self) -> f32 {
        1.0 / ((self.shape.width / self.heads) as f32).sqrt()
    }

    /// Where a step of a window begins, for a head.
    fn at(&self, rows: usize, step: usize, row: usize, head: usize) -> usize {
        (step * rows + row) * self.q.width + head * (self.shape.width / self.heads)
    }

    /// The shares of one head of one window, `[steps][steps]`: how much step `t` takes from step `s`.
    fn shares(&self, pass: &Pass<'_>, kept: &mut [Aligned], rows: usize, row: usize, head: usize) {
        let (steps, width) = (self.shape.steps, self.shape.width / self.heads);
        let [q, k, _, _, shares, ..] = kept else {
            unreachable!("as many buffers as it asked for")
        };
        let shares = &mut shares[(row * self.heads + head) * steps * steps..][..steps * steps];
        for (t, shares) in shares.chunks_exact_mut(steps).enumerate() {
            let q = &q[self.at(rows, t, row, head)..][..width];
            for (s, share) in shares.iter_mut().enumerate() {
                let k = &k[self.at(rows, s, row, head)..][..width];
                *share = dot(q, k) * self.scale();
            }
            let most = shares.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            shares.iter_mut().for_each(|share| *share -= most);
            pass.kernels.map(Map::Exp, shares);
            let sum: f32 = shares.iter().sum();
            shares.iter_mut().for_each(|share| *share /= sum);
        }
    }
}

impl Layer for Attention {
    fn kept(&self, rows: usize) -> Vec<usize> {
        let lines = self.shape.steps * rows * self.q.width;
        let mut kept = vec![lines; 9];
        kept[SHARES] = rows * self.heads * self.shape.steps * self.shape.steps;
        kept
    }

    fn forward(&self, pass: &Pass<'_>, x: &Seq, y: &mut Seq, kept: &mut [Aligned]) {
        let (steps, width, n_rows) = (self.shape.steps, self.shape.width / self.heads, x.rows);
        for (matrix, idx) in [(&self.q, Q), (&self.k, K), (&self.v, V)] {
            matrix.product(pass, rows(x), &mut kept[idx], self.q.width);
        }
        for row in 0..n_rows {
            for head in 0..self.heads {
                self.shares(pass, kept, n_rows, row, head);
                let [_, _, v, said, shares, ..] = &mut *kept else {
                    unreachable!("as many buffers as it asked for")
                };
                let shares = &shares[(row * self.heads + head) * steps * steps..][..steps * steps];
                for (t, shares) in shares.chunks_exact(steps).enumerate() {
                    let said = &mut said[self.at(n_rows, t, row, head)..][..width];
                    said.fill(0.0);
                    for (s, &share) in shares.iter().enumerate() {
                        add(said, &v[self.at(n_rows, s, row, head)..][..width], share);
                    }
                }
            }
        }
        let said = Rows::new(&kept[SAID], x.n_lines(), self.q.width);
        let stride = y.stride;
        self.out.product(pass, said, &mut y.values, stride);
    }

    fn backward(&self, pass: &Pass<'_>, back: Back<'_>, dx: &mut Seq) {
        let (steps, width, n_rows) = (self.shape.steps, self.shape.width / self.heads, back.x.rows);
        let (n_lines, stride) = (back.x.n_lines(), self.q.width);
        let kept = back.kept;
        let said = Rows::new(&kept[SAID], n_lines, stride);
        self.out.add_gradient(pass, said, rows(back.dy), back.gradient);
        self.out
            .product_back(pass, rows(back.dy), &mut kept[D_SAID], stride);
        for idx in [DQ, DK, DV] {
            kept[idx].fill(0.0);
        }
        let [q, k, v, _, shares, dq, dk, dv, d_said] = kept else {
            unreachable!("as many buffers as it asked for")
        };
        let mut d_shares = vec![0.0_f32; steps];
        for row in 0..n_rows {
            for head in 0..self.heads {
                let at = |step: usize| self.at(n_rows, step, row, head);
                let shares = &shares[(row * self.heads + head) * steps * steps..][..steps * steps];
                for (t, shares) in shares.chunks_exact(steps).enumerate() {
                    let d_said = &d_said[at(t)..][..width];
                    let mut mean = 0.0;
                    for (s, &share) in shares.iter().enumerate() {
                        d_shares[s] = dot(d_said, &v[at(s)..][..width]);
                        mean += share * d_shares[s];
                        add(&mut dv[at(s)..][..width], d_said, share);
                    }
                    for (s, &share) in shares.iter().enumerate() {
                        let d = share * (d_shares[s] - mean) * self.scale();
                        add(&mut dq[at(t)..][..width], &k[at(s)..][..width], d);
                        add(&mut dk[at(s)..][..width], &q[at(t)..][..width], d);
                    }
                }
            }
        }
        let mut part = Aligned::zeroed(n_lines * self.q.in_width);
        let parts = [(&self.q, &*dq), (&self.k, &*dk), (&self.v, &*dv)];
        for (idx, (matrix, d)) in parts.into_iter().enumerate() {
            let d = Rows::new(d, n_lines, stride);
            matrix.add_gradient(pass, rows(back.x), d, back.gradient);
            matrix.product_back(pass, d, &mut part, self.q.in_width);
            for (dx, part) in dx.lines_mut().zip(part.chunks_exact(self.q.in_width)) {
                for (dx, part) in dx.iter_mut().zip(part) {
                    *dx = if idx == 0 { *part } else { *dx + part };
                }
            }
        }
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    // Four sums, so that the processor need not wait for each; always in this order.
    let mut sums = [0.0_f32; 4];
    let (a4, a_rest) = a.as_chunks::<4>();
    let (b4, b_rest) = b.as_chunks::<4>();
    for (a, b) in a4.iter().zip(b4) {
        for at in 0..4 {
            sums[at] += a[at] * b[at];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums[0] + sums[1] + sums[2] + sums[3] + rest
}

fn add(to: &mut [f32], from: &[f32], factor: f32) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += factor * from;
    }
}
