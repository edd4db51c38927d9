//! The inner loop of scoring: rows times a matrix that was packed once.
//!
//! Every sum runs over the inner index in rising order, in one accumulator of its own. A row's result therefore has
//! the same bits whatever rows stand beside it and however wide the processor's registers are: more width means more
//! sums at once, never another order, and Rust does not fuse a product with a sum unless told to.

/// Columns of a panel: two registers of AVX2, and with [`BLOCK`] rows as many sums as hide the adder's latency.
const LANES: usize = 8;
/// Rows handled at once: each number of a panel is loaded once for all of them.
const BLOCK: usize = 4;

/// A matrix `[n_inner, n_out]`, packed for [`Panels::product`].
#[derive(Debug)]
pub(super) struct Panels {
    n_inner: usize,
    n_out: usize,
    /// `[n_panels, n_inner, LANES]`; the last panel is filled with zeros.
    packed: Vec<f64>,
}

impl Panels {
    /// Packs the matrix whose entry is `at(inner, out)`.
    pub(super) fn new(n_inner: usize, n_out: usize, at: impl Fn(usize, usize) -> f64) -> Self {
        let mut packed = Vec::with_capacity(n_out.div_ceil(LANES) * n_inner * LANES);
        for first in (0..n_out).step_by(LANES) {
            for inner in 0..n_inner {
                let lanes = first..first + LANES;
                packed.extend(lanes.map(|out| if out < n_out { at(inner, out) } else { 0.0 }));
            }
        }
        Self {
            n_inner,
            n_out,
            packed,
        }
    }

    /// # Shapes
    /// `rows: [n_rows, n_inner]`, `out: [n_rows, n_out]`.
    pub(super) fn product(&self, rows: &[f64], out: &mut [f64]) {
        if self.n_out == 0 {
            return;
        }
        let n_rows = out.len() / self.n_out;
        assert_eq!(rows.len(), n_rows * self.n_inner, "as many rows in as out");
        if self.n_inner == 0 {
            out.fill(0.0);
            return;
        }
        let mut blocks = vec![0.0; n_rows.div_ceil(BLOCK) * self.n_inner * BLOCK];
        interleave(rows, self.n_inner, &mut blocks);
        pulp::Arch::new().dispatch(Product {
            panels: self,
            blocks: &blocks,
            out,
        });
    }

    #[inline(always)]
    fn sum(&self, blocks: &[f64], out: &mut [f64]) {
        let panels = self.packed.chunks_exact(self.n_inner * LANES);
        for (panel_idx, panel) in panels.enumerate() {
            let first = panel_idx * LANES;
            let n = LANES.min(self.n_out - first);
            let blocks = blocks.chunks_exact(self.n_inner * BLOCK);
            for (block, out) in blocks.zip(out.chunks_mut(self.n_out * BLOCK)) {
                let sums = sums(panel, block);
                for (sums, out) in sums.iter().zip(out.chunks_exact_mut(self.n_out)) {
                    out[first..first + n].copy_from_slice(&sums[..n]);
                }
            }
        }
    }
}

/// A product as what [`pulp`] can compile for each kind of processor.
struct Product<'a> {
    panels: &'a Panels,
    blocks: &'a [f64],
    out: &'a mut [f64],
}

impl pulp::NullaryFnOnce for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.panels.sum(self.blocks, self.out);
    }
}

/// Writes `rows: [n_rows, width]` as `blocks: [n_blocks, width, BLOCK]`.
fn interleave(rows: &[f64], width: usize, blocks: &mut [f64]) {
    let rows = rows.chunks(width * BLOCK);
    for (rows, block) in rows.zip(blocks.chunks_exact_mut(width * BLOCK)) {
        for (row_idx, row) in rows.chunks_exact(width).enumerate() {
            for (at, value) in row.iter().enumerate() {
                block[at * BLOCK + row_idx] = *value;
            }
        }
    }
}

#[inline(always)]
fn sums(panel: &[f64], block: &[f64]) -> [[f64; LANES]; BLOCK] {
    let mut sums = [[0.0; LANES]; BLOCK];
    let (panel, block) = (panel.as_chunks::<LANES>().0, block.as_chunks::<BLOCK>().0);
    for (entries, values) in panel.iter().zip(block) {
        for (sums, value) in sums.iter_mut().zip(values) {
            for (sum, entry) in sums.iter_mut().zip(entries) {
                *sum += value * entry;
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_is_its_plain_sums_bit_for_bit_whatever_the_sizes() {
        for (n_rows, n_inner, n_out) in [(1, 1, 1), (3, 5, 8), (4, 7, 9), (9, 16, 17), (5, 0, 3), (2, 3, 0)] {
            let number = |i: usize| ((i * 7919 + 13) % 1009) as f64 / 997.0 - 0.5;
            let rows: Vec<f64> = (0..n_rows * n_inner).map(number).collect();
            let entry = |inner: usize, out: usize| number(inner * n_out + out + 77);
            let mut out = vec![f64::NAN; n_rows * n_out];
            Panels::new(n_inner, n_out, entry).product(&rows, &mut out);
            for row in 0..n_rows {
                for at in 0..n_out {
                    let mut sum = 0.0;
                    for inner in 0..n_inner {
                        sum += rows[row * n_inner + inner] * entry(inner, at);
                    }
                    assert_eq!(out[row * n_out + at].to_bits(), f64::to_bits(sum));
                }
            }
        }
    }
}
