//! One LSTM step, forward and back: products in tiles, then the cells. What is safe is said in [`super::tiles`].

use super::elements::{LANES_MAX, TOGETHER};
use super::lanes::{Lanes, activated, cell, hidden, tanh};
use super::tiles::{by_rows, multiply_add, rows_max, tiles};

/// Gates of an LSTM: input, forget, cell, output.
pub(super) const GATES: usize = 4;

/// One LSTM step of one block of units for all rows: products, then the cell.
#[derive(Clone, Copy)]
pub(super) struct Step {
    /// Input `[rows, n_inputs]`, its row stride.
    pub x: *const f32,
    pub x_stride: usize,
    pub n_inputs: usize,
    /// Hidden state before `[rows, n_units]`, its row stride; no units where it is zero.
    pub h: *const f32,
    pub h_stride: usize,
    pub n_units: usize,
    /// Weights of this block of units `[n_inputs + n_units, 4 LANES]`.
    pub weights: *const f32,
    /// What the sums start from `[rows, 4 LANES]`; row stride 0 = one bias for all rows.
    pub init: *const f32,
    pub init_stride: usize,
    /// Cell state before and after, hidden state after; all with row stride `state_stride`.
    pub c_before: *const f32,
    pub c_after: *mut f32,
    pub h_after: *mut f32,
    pub state_stride: usize,
    /// Activated gates `[rows, 4 LANES]`, kept for the way back; training only.
    pub gates: *mut f32,
}

/// Sums of `VECTORS` gates from `gate` on, before activation, for `ROWS` rows: init + input · weights + hidden · weights.
///
/// The sums are indexed by loops that unroll wholly and by nothing else: so they live in registers. A tile that also
/// ran the cells, a loop too long to unroll, kept them in memory and stored each after every multiply-add.
///
/// # Safety
/// As [`step`]; `out` is valid for `ROWS` × 4 registers.
#[inline(always)]
unsafe fn gates_tile<S: Lanes, const VECTORS: usize, const ROWS: usize>(
    s: &Step,
    first: usize,
    gate: usize,
    out: *mut f32,
) {
    unsafe {
        let at = gate * S::LANES;
        let mut sums = [[S::splat(0.0); VECTORS]; ROWS];
        for (row, sums) in sums.iter_mut().enumerate() {
            let init = s.init.add((first + row) * s.init_stride + at);
            for (v, sum) in sums.iter_mut().enumerate() {
                *sum = S::load(init.add(v * S::LANES));
            }
        }
        let mut weights = s.weights.add(at);
        let parts = [(s.x, s.x_stride, s.n_inputs), (s.h, s.h_stride, s.n_units)];
        for (a, a_stride, inner) in parts {
            let a = a.wrapping_add(first * a_stride);
            for k in 0..inner {
                multiply_add::<S, VECTORS, ROWS>(&mut sums, a.add(k), a_stride, weights);
                weights = weights.add(GATES * S::LANES);
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            for (v, sum) in sums.iter().enumerate() {
                S::store(out.add((row * GATES + v) * S::LANES + at), *sum);
            }
        }
    }
}

/// The cells of `rows` rows from `first` on. `sums` holds their gates before activation; training leaves the
/// activated gates in their place, scoring what it likes.
///
/// # Safety
/// As [`step`]; `sums` is valid for `rows` × 4 registers.
#[inline(always)]
unsafe fn cells<S: Lanes, const TRAIN: bool>(s: &Step, first: usize, rows: usize, sums: *mut f32) {
    unsafe {
        for row in 0..rows {
            let at = (first + row) * s.state_stride;
            let sums = sums.add(row * GATES * S::LANES);
            let mut gates = [S::splat(0.0); GATES];
            for (gate, value) in gates.iter_mut().enumerate() {
                *value = S::load(sums.add(gate * S::LANES));
            }
            let before = S::load(s.c_before.add(at));
            if TRAIN {
                let gates = activated::<S>(gates);
                let [i, f, g, _] = gates;
                S::store(s.c_after.add(at), S::fma(f, before, S::mul(i, g)));
                for (gate, value) in gates.iter().enumerate() {
                    S::store(sums.add(gate * S::LANES), *value);
                }
            } else {
                let (c, out) = cell::<S>(gates, before);
                S::store(s.c_after.add(at), c);
                S::store(sums.add(OUT * S::LANES), out);
            }
        }
        let whole = rows / TOGETHER * TOGETHER;
        for row in (0..whole).step_by(TOGETHER) {
            hidden_rows::<S, TRAIN, TOGETHER>(s, first + row, sums.add(row * GATES * S::LANES));
        }
        for row in whole..rows {
            hidden_rows::<S, TRAIN, 1>(s, first + row, sums.add(row * GATES * S::LANES));
        }
    }
}

/// The output gate among four.
const OUT: usize = 3;

/// Hidden states of `N` rows from `first` on, from their new cell states and what stands in place of the output gate.
///
/// # Safety
/// As [`cells`], for `N` rows.
#[inline(always)]
unsafe fn hidden_rows<S: Lanes, const TRAIN: bool, const N: usize>(s: &Step, first: usize, sums: *const f32) {
    unsafe {
        let (mut c, mut out) = ([S::splat(0.0); N], [S::splat(0.0); N]);
        for n in 0..N {
            c[n] = S::load(s.c_after.add((first + n) * s.state_stride));
            out[n] = S::load(sums.add((n * GATES + OUT) * S::LANES));
        }
        let h = if TRAIN {
            let mut h = tanh::<S, N>(c);
            for n in 0..N {
                h[n] = S::mul(out[n], h[n]);
            }
            h
        } else {
            hidden::<S, N>(c, out)
        };
        for (n, h) in h.iter().enumerate() {
            S::store(s.h_after.add((first + n) * s.state_stride), *h);
        }
    }
}

/// The blocks of units of a layer: a [`Step`] describes the first, these the way to the others.
#[derive(Clone, Copy)]
pub(super) struct Blocks {
    pub n: usize,
    /// Distance between the weights, the initial sums and the gates of neighbouring blocks.
    pub weights_stride: usize,
    pub init_stride: usize,
    pub gates_stride: usize,
    /// From the last block to the first.
    pub is_backwards: bool,
}

impl Blocks {
    /// The `nth` block to be done.
    #[inline(always)]
    fn nth<S: Lanes>(&self, first: &Step, nth: usize) -> Step {
        let block = if self.is_backwards { self.n - 1 - nth } else { nth };
        let units = block * S::LANES;
        Step {
            weights: first.weights.wrapping_add(block * self.weights_stride),
            init: first.init.wrapping_add(block * self.init_stride),
            gates: first.gates.wrapping_add(block * self.gates_stride),
            c_before: first.c_before.wrapping_add(units),
            c_after: first.c_after.wrapping_add(units),
            h_after: first.h_after.wrapping_add(units),
            ..*first
        }
    }
}

/// One step of all blocks of units for all rows.
///
/// # Safety
/// The instructions of `S` are enabled, and every pointer of every block is valid for the extents that its doc gives.
#[inline(always)]
pub(super) unsafe fn step<S: Lanes, const TRAIN: bool>(s: &Step, blocks: &Blocks, rows: usize) {
    // Not zeroed: a tile writes what its cells read.
    let mut scratch = std::mem::MaybeUninit::<[f32; CELL_ROWS * GATES * LANES_MAX]>::uninit();
    let mut nth = 0;
    if rows == 1 {
        while nth + 2 <= blocks.n {
            let (one, other) = (blocks.nth::<S>(s, nth), blocks.nth::<S>(s, nth + 1));
            unsafe { step_of_two::<S, TRAIN>(&one, &other) };
            nth += 2;
        }
    }
    for nth in nth..blocks.n {
        let s = blocks.nth::<S>(s, nth);
        for (first, rows) in tiles(rows, CELL_ROWS) {
            unsafe {
                let sums = if TRAIN {
                    s.gates.add(first * GATES * S::LANES)
                } else {
                    scratch.as_mut_ptr().cast()
                };
                gates::<S>(&s, first, rows, sums);
                cells::<S, TRAIN>(&s, first, rows, sums);
            }
        }
    }
}

/// The cells of one block of units whose sums are done: `sums` `[rows, 4 LANES]`, which hold nothing afterwards, the cell state
/// `c`, from before to after, and the hidden state `h`, `[rows, LANES]` both.
///
/// # Safety
/// The instructions of `S` are enabled, and the pointers are valid for these extents.
#[inline(always)]
pub(super) unsafe fn cells_of_sums<S: Lanes>(sums: *mut f32, c: *mut f32, h: *mut f32, rows: usize) {
    let step = Step {
        x: std::ptr::null(),
        x_stride: 0,
        n_inputs: 0,
        h: std::ptr::null(),
        h_stride: 0,
        n_units: 0,
        weights: std::ptr::null(),
        init: std::ptr::null(),
        init_stride: 0,
        c_before: c,
        c_after: c,
        h_after: h,
        state_stride: S::LANES,
        gates: std::ptr::null_mut(),
    };
    unsafe { cells::<S, false>(&step, 0, rows, sums) };
}

/// One step of one row and two neighbouring blocks of units: one alone has too few sums to keep the multipliers busy, each
/// of which waits for the one before it.
///
/// # Safety
/// As [`step`].
#[inline(always)]
unsafe fn step_of_two<S: Lanes, const TRAIN: bool>(one: &Step, other: &Step) {
    unsafe {
        let mut sums = [[S::splat(0.0); GATES]; 2];
        for (sums, s) in sums.iter_mut().zip([one, other]) {
            for (gate, sum) in sums.iter_mut().enumerate() {
                *sum = S::load(s.init.add(gate * S::LANES));
            }
        }
        let (mut w0, mut w1) = (one.weights, other.weights);
        for (a, inner) in [(one.x, one.n_inputs), (one.h, one.n_units)] {
            for k in 0..inner {
                let x = S::splat(*a.add(k));
                let [one, other] = &mut sums;
                for (gate, (one, other)) in one.iter_mut().zip(other).enumerate() {
                    *one = S::fma(x, S::load(w0.add(gate * S::LANES)), *one);
                    *other = S::fma(x, S::load(w1.add(gate * S::LANES)), *other);
                }
                (w0, w1) = (w0.add(GATES * S::LANES), w1.add(GATES * S::LANES));
            }
        }
        let mut scratch = std::mem::MaybeUninit::<[f32; GATES * LANES_MAX]>::uninit();
        for (sums, s) in sums.iter().zip([one, other]) {
            let out: *mut f32 = if TRAIN {
                s.gates
            } else {
                scratch.as_mut_ptr().cast()
            };
            for (gate, sum) in sums.iter().enumerate() {
                S::store(out.add(gate * S::LANES), *sum);
            }
            cells::<S, TRAIN>(s, 0, 1, out);
        }
    }
}

/// Sums of the four gates of `rows` rows from `first` on.
///
/// # Safety
/// As [`gates_tile`], with room for all rows in `sums`.
#[inline(always)]
unsafe fn gates<S: Lanes>(s: &Step, first: usize, rows: usize, sums: *mut f32) {
    unsafe {
        if S::LANES == 16 {
            for (row, rows) in tiles(rows, rows_max::<S>(GATES)) {
                let out = sums.add(row * GATES * S::LANES);
                by_rows!(rows, gates_tile, [S, GATES], (s, first + row, 0, out));
            }
            return;
        }
        // Sixteen registers hold two gates of six rows with room for what is multiplied; four gates of three fit, but
        // leave none to load ahead.
        for (row, rows) in tiles(rows, rows_max::<S>(2)) {
            let out = sums.add(row * GATES * S::LANES);
            by_rows!(rows, gates_tile, [S, 2], (s, first + row, 0, out));
            by_rows!(rows, gates_tile, [S, 2], (s, first + row, 2, out));
        }
    }
}

/// Rows whose cells follow their products while those are in the nearest cache.
const CELL_ROWS: usize = 16;

/// The cell's way back for one block of units and all rows of one step.
#[derive(Clone, Copy)]
pub(super) struct StepBack {
    /// Activated gates `[rows, 4 LANES]`; replaced by the gradients before activation.
    pub gates: *mut f32,
    /// Cell state before the step, hidden state after it; row stride `state_stride`, as for all below.
    pub c_before: *const f32,
    pub h_after: *const f32,
    /// Gradient of the hidden state from the layer above; null where none comes.
    pub dh_above: *const f32,
    /// Gradient of the hidden state from the step after.
    pub dh_after: *const f32,
    /// Gradient of the cell state: in from the step after, out to the step before.
    pub dc: *mut f32,
    pub state_stride: usize,
    /// Gradient of the bias `[4 LANES]`, added to.
    pub bias: *mut f32,
    /// Sum of the gate gradients over time `[rows, 4 LANES]`, added to; null where nobody wants it.
    pub over_time: *mut f32,
}

#[inline(always)]
pub(super) unsafe fn step_back<S: Lanes>(s: &StepBack, rows: usize) {
    unsafe {
        let one = S::splat(1.0);
        let mut bias = [S::splat(0.0); GATES];
        for (gate, bias) in bias.iter_mut().enumerate() {
            *bias = S::load(s.bias.add(gate * S::LANES));
        }
        for row in 0..rows {
            let (gates, at) = (s.gates.add(row * GATES * S::LANES), row * s.state_stride);
            let (i, f) = (S::load(gates), S::load(gates.add(S::LANES)));
            let (g, o) = (S::load(gates.add(2 * S::LANES)), S::load(gates.add(3 * S::LANES)));
            // h = o tanh c, and o is never zero.
            let h = S::load(s.h_after.add(at));
            let tanh_c = S::mul(h, S::recip(o));
            let mut dh = S::load(s.dh_after.add(at));
            if !s.dh_above.is_null() {
                dh = S::add(dh, S::load(s.dh_above.add(at)));
            }
            let dh_o = S::mul(dh, o);
            let dc = S::fma(dh_o, S::fnma(tanh_c, tanh_c, one), S::load(s.dc.add(at)));
            let dc_before = S::mul(dc, f);
            let d = [
                S::mul(S::mul(dc, g), S::mul(i, S::sub(one, i))),
                S::mul(S::mul(dc_before, S::sub(one, f)), S::load(s.c_before.add(at))),
                S::mul(S::mul(dc, i), S::fnma(g, g, one)),
                S::mul(S::mul(dh, h), S::sub(one, o)),
            ];
            S::store(s.dc.add(at), dc_before);
            for gate in 0..GATES {
                S::store(gates.add(gate * S::LANES), d[gate]);
                bias[gate] = S::add(bias[gate], d[gate]);
            }
            if !s.over_time.is_null() {
                let sum = s.over_time.add(row * GATES * S::LANES);
                for (gate, d) in d.iter().enumerate() {
                    let sum = sum.add(gate * S::LANES);
                    S::store(sum, S::add(S::load(sum), *d));
                }
            }
        }
        for (gate, bias) in bias.iter().enumerate() {
            S::store(s.bias.add(gate * S::LANES), *bias);
        }
    }
}
