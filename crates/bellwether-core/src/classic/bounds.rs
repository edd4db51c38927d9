//! How near some windows can be to each of many rows: lower bounds of squared distances, many at a time.
//!
//! |a − b|² = |a|² + |b|² − 2 a·b, and the last is a product of matrices, whose numbers are used many times for each time that
//! they are fetched. It is computed in single precision, and what rounding may take is taken off: a sum of n products is at
//! most n ε |a| |b| off (Higham 2002, section 3.1), and 2 |a| |b| is not above |a|² + |b|². What a bound leaves out is left out rightly; what it
//! does not is for others to compare exactly.

/// Rows of a panel: two registers of AVX2.
const LANES: usize = 16;
/// Windows handled at once: with [`LANES`] enough sums to hide the adder's latency, and few enough to stay in registers.
const BLOCK: usize = 2;

/// Rows to be compared with.
#[derive(Debug)]
pub(super) struct Bounds {
    width: usize,
    /// `[n_panels, width, LANES]`; the last panel is filled with zeros.
    packed: Vec<f32>,
    /// |b|² of each row.
    squares: Vec<f32>,
}

impl Bounds {
    /// # Shapes
    /// `rows: [n_rows, width]`.
    pub(super) fn new(rows: &[f32], width: usize) -> Self {
        let n_rows = rows.len() / width;
        let mut packed = Vec::with_capacity(n_rows.div_ceil(LANES) * LANES * width);
        for panel in rows.chunks(width * LANES) {
            for at in 0..width {
                let lanes = (0..LANES).map(|lane| panel.get(lane * width + at).copied().unwrap_or(0.0));
                packed.extend(lanes);
            }
        }
        Self {
            width,
            packed,
            squares: rows.chunks_exact(width).map(square).collect(),
        }
    }

    /// No squared distance of a window to a row is smaller than the number for it; NaN where the window is not finite.
    ///
    /// # Shapes
    /// `windows: [n_windows, width]`, `out: [n_windows, n_rows]`.
    pub(super) fn below(&self, windows: &[f32], out: &mut [f32]) {
        pulp::Arch::new().dispatch(Product {
            bounds: self,
            windows,
            out,
        });
    }

    #[inline(always)]
    fn fill(&self, windows: &[f32], out: &mut [f32]) {
        let n_rows = self.squares.len();
        let mut blocks = vec![[0.0; BLOCK]; windows.len() / self.width / BLOCK * self.width];
        let whole = windows.chunks_exact(self.width * BLOCK);
        let rest = whole.remainder();
        for (windows, block) in whole.zip(blocks.chunks_exact_mut(self.width)) {
            for (lane, window) in windows.chunks_exact(self.width).enumerate() {
                for (values, value) in block.iter_mut().zip(window) {
                    values[lane] = *value;
                }
            }
        }
        let in_blocks = blocks.len() / self.width * BLOCK;
        for (panel_idx, panel) in self.packed.chunks_exact(self.width * LANES).enumerate() {
            let panel = panel.as_chunks::<LANES>().0;
            let first = panel_idx * LANES;
            let n = LANES.min(n_rows - first);
            let blocks = blocks.chunks_exact(self.width);
            for (block, out) in blocks.zip(out.chunks_exact_mut(BLOCK * n_rows)) {
                let sums = products(panel, block);
                for (sums, out) in sums.iter().zip(out.chunks_exact_mut(n_rows)) {
                    out[first..first + n].copy_from_slice(&sums[..n]);
                }
            }
            let ones = rest.chunks_exact(self.width);
            for (window, out) in ones.zip(out[in_blocks * n_rows..].chunks_exact_mut(n_rows)) {
                let [sums] = products(panel, window.as_chunks::<1>().0);
                out[first..first + n].copy_from_slice(&sums[..n]);
            }
        }
        // Twice what the products may be off by, for the squares and the sums below are rounded too.
        let kept = 1.0 - 2.0 * (self.width + 8) as f32 * f32::EPSILON;
        for (window, out) in windows.chunks_exact(self.width).zip(out.chunks_exact_mut(n_rows)) {
            let own = square(window);
            for (out, of_row) in out.iter_mut().zip(&self.squares) {
                *out = kept * (own + of_row) - 2.0 * *out;
            }
        }
    }
}

fn square(values: &[f32]) -> f32 {
    let squares = values.iter().map(|&value| f64::from(value) * f64::from(value));
    squares.sum::<f64>() as f32
}

/// The products as what [`pulp`] can compile for each kind of processor.
struct Product<'a> {
    bounds: &'a Bounds,
    windows: &'a [f32],
    out: &'a mut [f32],
}

impl pulp::NullaryFnOnce for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.bounds.fill(self.windows, self.out);
    }
}

#[inline(always)]
fn products<const N: usize>(panel: &[[f32; LANES]], block: &[[f32; N]]) -> [[f32; LANES]; N] {
    let mut sums = [[0.0; LANES]; N];
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

    /// Numbers in [-1, 1), the same every time, times `size`.
    fn numbers(n: usize, seed: u64, size: f32) -> Vec<f32> {
        let mut state = seed | 1;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            size * ((state >> 40) as f32 / (1 << 23) as f32 - 1.0)
        };
        (0..n).map(|_| next()).collect()
    }

    #[test]
    fn no_distance_is_below_its_bound_and_few_are_far_above() {
        for (n_rows, n_windows, width, size) in [
            (1, 1, 1, 1.0),
            (15, 3, 7, 1e-3),
            (16, 4, 64, 1.0),
            (33, 9, 128, 1e6),
            (40, 32, 768, 1e15),
        ] {
            let mut rows = numbers(n_rows * width, 3, size);
            let windows = numbers(n_windows * width, 4, size);
            // One row is nearly one of the windows, one is the same.
            let nearly: Vec<f32> = windows[..width].iter().map(|value| value * 1.0001).collect();
            rows[..width].copy_from_slice(&nearly);
            let last = rows.len() - width;
            rows[last..].copy_from_slice(&windows[..width]);
            let mut bounds = vec![f32::NAN; n_windows * n_rows];
            Bounds::new(&rows, width).below(&windows, &mut bounds);
            for (window, bounds) in windows.chunks_exact(width).zip(bounds.chunks_exact(n_rows)) {
                for (row, bound) in rows.chunks_exact(width).zip(bounds) {
                    let squares = |a: &[f32]| a.iter().map(|&a| f64::from(a).powi(2)).sum::<f64>();
                    let off = window
                        .iter()
                        .zip(row)
                        .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
                    let off: f64 = off.sum();
                    let slack = 1e-3 * (squares(window) + squares(row));
                    assert!(
                        f64::from(*bound) <= off && f64::from(*bound) >= off - slack,
                        "{bound} {off}"
                    );
                }
            }
        }
    }
}
