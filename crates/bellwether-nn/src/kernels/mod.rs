//! The kernels: the only code that knows SIMD, and the only code that may hold `unsafe`.
//!
//! [`Kernels`] is a table of functions for one instruction set, chosen once at run time; its methods are safe: they
//! take slices, check every extent, and loop over blocks of units and panels of outputs. Layouts:
//!
//! - activations are row-major, units padded to whole registers; the padding stays zero by itself, because its
//!   weights are zero and so are their gradients;
//! - LSTM weights are packed by block of `lanes` units: `[n_blocks][n_inputs + n_units][4 lanes]`, gates i, f, g, o;
//! - other matrices are packed by panel of at most four registers: `[panel][inner][lanes · vectors]`;
//! - weights for tiles of bfloat16 as [`amx`] says.
#![expect(
    unsafe_code,
    reason = "SIMD: each block states what makes it sound; a scalar twin checks its result"
)]

mod amx;
mod elements;
mod lanes;
mod lstm;
mod memory;
mod table;
mod tiles;

pub(crate) use amx::{Split, TILE, TILE_INNER, TileGuard, TilePart, TileProduct};
pub(crate) use elements::{AdamStep, Map};
pub(crate) use memory::{Aligned, FlushToZero};
pub use table::Kernels;

use elements::LANES_MAX;
use lstm::{Blocks, GATES, Step, StepBack};
use tiles::{Outer, Product};

/// Registers of a full panel.
const PANEL: usize = 4;

/// Where the sums of an LSTM step start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Init<'a> {
    pub values: &'a [f32],
    /// Distance between blocks of units.
    pub block_stride: usize,
    /// Distance between rows; 0 = the same for all rows.
    pub row_stride: usize,
}

/// One step of one LSTM layer for `rows` windows.
#[derive(Debug)]
pub(crate) struct LstmStep<'a> {
    pub rows: usize,
    /// `[rows, n_inputs]`; empty where `init` holds the projected input already.
    pub x: &'a [f32],
    pub x_stride: usize,
    pub n_inputs: usize,
    pub n_units: usize,
    pub weights: &'a [f32],
    pub init: Init<'a>,
    /// `[rows, padded units]`, as the states below; `None` where it is zero, as before the first step.
    pub h_before: Option<&'a [f32]>,
    /// `None`: `c` is updated in place.
    pub c_before: Option<&'a [f32]>,
    pub c: &'a mut [f32],
    pub h: &'a mut [f32],
    /// `[n_blocks][rows][4 lanes]`, written when training.
    pub gates: Option<&'a mut [f32]>,
    /// Goes through the blocks of units from the last to the first: a caller that alternates finds what the step
    /// before read last still in the nearest cache. The answer is the same.
    pub is_backwards: bool,
}

/// `c = init + a · b` for packed `b`.
#[derive(Debug)]
pub(crate) struct MatMul<'a> {
    pub rows: usize,
    pub a: &'a [f32],
    pub a_stride: usize,
    /// `a` comes as this many blocks of `inner` columns, `block_stride` apart.
    pub n_blocks: usize,
    pub block_stride: usize,
    pub inner: usize,
    pub b: &'a [f32],
    /// Width of `b` and `c` in registers.
    pub n_vectors: usize,
    /// One row to start from; `None` = zero.
    pub init: Option<&'a [f32]>,
    pub c: &'a mut [f32],
    pub c_stride: usize,
}

/// `c = aᵀ · b` or `c += aᵀ · b`, summed over steps and rows, `c` packed.
#[derive(Debug)]
pub(crate) struct OuterSum<'a> {
    pub a: &'a [f32],
    pub a_stride: usize,
    pub a_step: usize,
    pub inner: usize,
    pub b: &'a [f32],
    pub b_stride: usize,
    pub b_step: usize,
    pub n_steps: usize,
    pub rows: usize,
    pub n_vectors: usize,
    /// Whether what stands in `c` counts.
    pub adds: bool,
    pub c: &'a mut [f32],
}

/// The way back through the cells of one LSTM layer at one step.
#[derive(Debug)]
pub(crate) struct LstmStepBack<'a> {
    pub rows: usize,
    /// Padded units.
    pub width: usize,
    pub gates: &'a mut [f32],
    pub c_before: &'a [f32],
    pub h_after: &'a [f32],
    pub dh_above: Option<&'a [f32]>,
    pub dh_after: &'a [f32],
    pub dc: &'a mut [f32],
    pub bias: &'a mut [f32],
    pub over_time: Option<&'a mut [f32]>,
}

/// Floats from the first to the last that a strided matrix touches.
fn extent(rows: usize, stride: usize, width: usize) -> usize {
    if rows == 0 || width == 0 {
        0
    } else {
        (rows - 1) * stride + width
    }
}

impl Kernels {
    /// `n` rounded up to whole registers.
    pub(crate) fn padded(&self, n: usize) -> usize {
        n.next_multiple_of(self.lanes)
    }

    /// Floats of a block of four gates.
    pub(crate) fn gate_width(&self) -> usize {
        GATES * self.lanes
    }

    /// Where the panels of a packed matrix begin, how wide each is in registers, and its first output.
    pub(crate) fn panels(
        &self,
        inner: usize,
        n_vectors: usize,
    ) -> impl Iterator<Item = (usize, usize, usize)> {
        let lanes = self.lanes;
        (0..n_vectors.div_ceil(PANEL)).map(move |panel| {
            let first = panel * PANEL;
            (first * lanes * inner, PANEL.min(n_vectors - first), first * lanes)
        })
    }

    /// Whether stacks of LSTM layers are scored in tiles of bfloat16.
    pub(crate) fn has_tiles(&self) -> bool {
        self.tiles.is_some()
    }

    pub(crate) fn lstm_step(&self, s: LstmStep<'_>) {
        let (width, gate_width) = (self.padded(s.n_units), self.gate_width());
        let n_blocks = width / self.lanes;
        let projected = s.x.is_empty();
        let block = (s.n_inputs + s.n_units) * gate_width;
        assert!(s.rows > 0, "a step has rows");
        assert!(s.weights.len() >= n_blocks * block);
        assert!(projected || s.x.len() >= extent(s.rows, s.x_stride, s.n_inputs));
        let init = extent(
            n_blocks,
            s.init.block_stride,
            extent(s.rows, s.init.row_stride, gate_width),
        );
        assert!(s.init.values.len() >= init);
        let state = s.rows * width;
        assert!(s.c.len() >= state && s.h.len() >= state);
        assert!(s.h_before.is_none_or(|before| before.len() >= state));
        assert!(s.c_before.is_none_or(|before| before.len() >= state));
        assert!(
            s.gates
                .as_ref()
                .is_none_or(|gates| gates.len() >= n_blocks * s.rows * gate_width)
        );
        let (training, gates) = match s.gates {
            Some(gates) => (true, gates.as_mut_ptr()),
            None => (false, std::ptr::null_mut()),
        };
        let c_after = s.c.as_mut_ptr();
        let c_before = s.c_before.map_or(c_after.cast_const(), <[f32]>::as_ptr);
        let blocks = Blocks {
            n: n_blocks,
            weights_stride: block,
            init_stride: s.init.block_stride,
            gates_stride: if training { s.rows * gate_width } else { 0 },
            is_backwards: s.is_backwards,
        };
        let first = Step {
            x: s.x.as_ptr(),
            x_stride: if projected { 0 } else { s.x_stride },
            n_inputs: if projected { 0 } else { s.n_inputs },
            h: s.h_before.map_or(std::ptr::null(), <[f32]>::as_ptr),
            h_stride: width,
            n_units: s.h_before.map_or(0, |_| s.n_units),
            weights: s.weights[if projected { s.n_inputs * gate_width } else { 0 }..].as_ptr(),
            init: s.init.values.as_ptr(),
            init_stride: s.init.row_stride,
            c_before,
            c_after,
            h_after: s.h.as_mut_ptr(),
            state_stride: width,
            gates,
        };
        let step = if training {
            self.step_train
        } else {
            self.step_score
        };
        // SAFETY: the asserts above cover every extent of every block; the mutable slices are distinct borrows; `c`
        // may be read and written at the same place because a cell reads its state before it writes it, and the
        // hidden states before and after never share one.
        unsafe { step(&first, &blocks, s.rows) };
    }

    /// The cells of one block of units of an LSTM layer, for scoring: from `sums` `[rows, 4 lanes]` before activation, which hold
    /// nothing afterwards, and the cell states `c` to those after, and the hidden states `h`, `[rows, lanes]` both.
    pub(crate) fn lstm_cells(&self, rows: usize, sums: &mut [f32], c: &mut [f32], h: &mut [f32]) {
        let state = rows * self.lanes;
        assert!(sums.len() >= GATES * state && c.len() >= state && h.len() >= state);
        // SAFETY: the assert above covers every extent; the three are distinct borrows.
        unsafe { (self.cells)(sums.as_mut_ptr(), c.as_mut_ptr(), h.as_mut_ptr(), rows) };
    }

    pub(crate) fn matmul(&self, m: MatMul<'_>) {
        let inner_all = m.n_blocks * m.inner;
        let width = m.n_vectors * self.lanes;
        assert!(
            m.rows > 0 && inner_all > 0,
            "a product has rows and an inner dimension"
        );
        assert!(m.a.len() >= extent(m.n_blocks, m.block_stride, extent(m.rows, m.a_stride, m.inner)));
        assert!(m.b.len() >= inner_all * width);
        assert!(m.init.is_none_or(|init| init.len() >= width));
        assert!(m.c.len() >= extent(m.rows, m.c_stride, width));
        for (at, n_vectors, first) in self.panels(inner_all, m.n_vectors) {
            // SAFETY: the asserts above cover every extent; `a`, `b`, `init` and `c` are distinct borrows.
            unsafe {
                let product = Product {
                    a: m.a.as_ptr(),
                    a_stride: m.a_stride,
                    n_blocks: m.n_blocks,
                    block_stride: m.block_stride,
                    inner: m.inner,
                    b: m.b.as_ptr().add(at),
                    init: m.init.map_or(std::ptr::null(), |init| init.as_ptr().add(first)),
                    c: m.c.as_mut_ptr().add(first),
                    c_stride: m.c_stride,
                };
                (self.product)(&product, n_vectors, m.rows);
            }
        }
    }

    pub(crate) fn outer_sum(&self, o: OuterSum<'_>) {
        let width = o.n_vectors * self.lanes;
        assert!(o.n_steps > 0 && o.rows > 0, "a sum has terms");
        assert!(o.a.len() >= extent(o.n_steps, o.a_step, extent(o.rows, o.a_stride, o.inner)));
        assert!(o.b.len() >= extent(o.n_steps, o.b_step, extent(o.rows, o.b_stride, width)));
        assert!(o.c.len() >= o.inner * width);
        for (at, n_vectors, first) in self.panels(o.inner, o.n_vectors) {
            // SAFETY: the asserts above cover every extent; `c` is a borrow distinct from `a` and `b`.
            unsafe {
                let outer = Outer {
                    a: o.a.as_ptr(),
                    a_stride: o.a_stride,
                    a_step: o.a_step,
                    b: o.b.as_ptr().add(first),
                    b_stride: o.b_stride,
                    b_step: o.b_step,
                    n_steps: o.n_steps,
                    rows: o.rows,
                    adds: o.adds,
                    c: o.c.as_mut_ptr().add(at),
                    c_stride: n_vectors * self.lanes,
                };
                (self.outer)(&outer, n_vectors, o.inner);
            }
        }
    }

    pub(crate) fn lstm_step_back(&self, s: LstmStepBack<'_>) {
        let (state, gate_width) = (s.rows * s.width, self.gate_width());
        let n_blocks = s.width / self.lanes;
        let all_gates = n_blocks * s.rows * gate_width;
        assert!(s.rows > 0, "a step has rows");
        assert!(s.width.is_multiple_of(self.lanes) && s.gates.len() >= all_gates);
        assert!(s.c_before.len() >= state && s.h_after.len() >= state && s.dc.len() >= state);
        assert!(s.dh_after.len() >= state && s.dh_above.is_none_or(|dh| dh.len() >= state));
        assert!(s.bias.len() >= n_blocks * gate_width);
        assert!(s.over_time.as_ref().is_none_or(|sum| sum.len() >= all_gates));
        let over_time = s.over_time.map_or(std::ptr::null_mut(), <[f32]>::as_mut_ptr);
        for unit_block in 0..n_blocks {
            let (units, gates) = (unit_block * self.lanes, unit_block * s.rows * gate_width);
            // SAFETY: the asserts above cover every extent; the mutable slices are distinct borrows.
            unsafe {
                let back = StepBack {
                    gates: s.gates.as_mut_ptr().add(gates),
                    c_before: s.c_before.as_ptr().add(units),
                    h_after: s.h_after.as_ptr().add(units),
                    dh_above: s.dh_above.map_or(std::ptr::null(), |dh| dh.as_ptr().add(units)),
                    dh_after: s.dh_after.as_ptr().add(units),
                    dc: s.dc.as_mut_ptr().add(units),
                    state_stride: s.width,
                    bias: s.bias.as_mut_ptr().add(unit_block * gate_width),
                    over_time: if over_time.is_null() {
                        over_time
                    } else {
                        over_time.add(gates)
                    },
                };
                (self.step_back)(&back, s.rows);
            }
        }
    }

    /// Replaces every number by what the function makes of it; the same bits wherever it stands.
    pub(crate) fn map(&self, of: Map, values: &mut [f32]) {
        let n = values.len() / self.lanes * self.lanes;
        let (whole, rest) = values.split_at_mut(n);
        // SAFETY: a slice of whole registers.
        unsafe { (self.map)(of, whole.as_mut_ptr(), n) };
        if !rest.is_empty() {
            let mut last = [0.0_f32; LANES_MAX];
            last[..rest.len()].copy_from_slice(rest);
            // SAFETY: no register has more lanes than the array.
            unsafe { (self.map)(of, last.as_mut_ptr(), self.lanes) };
            rest.copy_from_slice(&last[..rest.len()]);
        }
    }

    /// The sum of `parts`, number by number in their order, into `sums`, all of one length; returns the sum of its squares in double
    /// precision, in a fixed order. The same bits on every table.
    pub(crate) fn sum(&self, sums: &mut [f32], parts: &[&[f32]]) -> f64 {
        assert!(parts.iter().all(|part| part.len() == sums.len()));
        // SAFETY: a table is handed out only where its instructions exist.
        unsafe { (self.sum)(sums, parts) }
    }

    /// One Adam update of a run of weights; all slices have the same length, a whole number of registers.
    pub(crate) fn adam(
        &self,
        weights: &mut [f32],
        first: &mut [f32],
        second: &mut [f32],
        gradient: &[f32],
        step: AdamStep,
    ) {
        let n = weights.len();
        assert!(n.is_multiple_of(self.lanes));
        assert!(first.len() == n && second.len() == n && gradient.len() == n);
        // SAFETY: four distinct slices of n floats, n a whole number of registers.
        unsafe {
            (self.adam)(
                weights.as_mut_ptr(),
                first.as_mut_ptr(),
                second.as_mut_ptr(),
                gradient.as_ptr(),
                n,
                step,
            );
        }
    }
}

#[cfg(test)]
mod tests;
