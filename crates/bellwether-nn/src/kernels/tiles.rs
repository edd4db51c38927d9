//! The register-tiled products and the cell passes, generic over [`Lanes`].
//!
//! Each output is one chain of fused multiply-adds over the inner dimension in a fixed order, whatever tile its row
//! falls into: a row's bits do not depend on the rows around it. That is the property the whole product rests on.
//!
//! # Safety
//! Every `unsafe fn` here demands the same two things, and its blocks rely on nothing else: that the processor has the
//! instructions of its [`Lanes`], and that each pointer (unless null is allowed and given) is valid for the shape and
//! strides that its field states, for the `rows` or `inner` of the call, what is written apart from what is read.
//! The methods of [`super::Kernels`] check the extents on slices before they make the pointers.

use super::lanes::{Lanes, activated, cell, exp, hidden, sigmoid, tanh};

/// Gates of an LSTM: input, forget, cell, output.
pub(super) const GATES: usize = 4;

/// The tiles of `n` rows: pieces `(first row, rows)` of at most `max` rows, as equal as possible.
///
/// An iterator, not a function that takes a closure: a closure would be compiled without the instruction set of the
/// kernel around it, and every intrinsic in it would become a call.
#[derive(Clone, Copy)]
struct Tiles {
    first: usize,
    rows_left: usize,
    tiles_left: usize,
}

#[inline(always)]
fn tiles(n: usize, max: usize) -> Tiles {
    Tiles {
        first: 0,
        rows_left: n,
        tiles_left: if n <= max { n.min(1) } else { n.div_ceil(max) },
    }
}

impl Iterator for Tiles {
    type Item = (usize, usize);

    #[inline(always)]
    fn next(&mut self) -> Option<(usize, usize)> {
        if self.tiles_left == 0 {
            return None;
        }
        // One tile is the common case where it counts, a single window: it pays for no division.
        let rows = if self.tiles_left == 1 {
            self.rows_left
        } else {
            self.rows_left.div_ceil(self.tiles_left)
        };
        let first = self.first;
        self.first += rows;
        self.rows_left -= rows;
        self.tiles_left -= 1;
        Some((first, rows))
    }
}

/// Most rows of a tile that is `n_vectors` registers wide: what fits the register file.
#[inline(always)]
const fn rows_max<S: Lanes>(n_vectors: usize) -> usize {
    if S::LANES == 16 {
        // 32 registers: rows × vectors accumulators, vectors weights, one broadcast.
        match n_vectors {
            4 => 6,
            3 => 8,
            _ => 12,
        }
    } else {
        match n_vectors {
            4 => 3,
            3 => 4,
            2 => 6,
            _ => 10,
        }
    }
}

/// Picks the tile of the given number of rows out of the instances that a kernel has.
macro_rules! by_rows {
    ($rows:expr, $tile:ident, [$($generics:tt)*], ($($arg:expr),*)) => {
        match $rows {
            1 => $tile::<$($generics)*, 1>($($arg),*),
            2 => $tile::<$($generics)*, 2>($($arg),*),
            3 => $tile::<$($generics)*, 3>($($arg),*),
            4 => $tile::<$($generics)*, 4>($($arg),*),
            5 => $tile::<$($generics)*, 5>($($arg),*),
            6 => $tile::<$($generics)*, 6>($($arg),*),
            7 => $tile::<$($generics)*, 7>($($arg),*),
            8 => $tile::<$($generics)*, 8>($($arg),*),
            9 => $tile::<$($generics)*, 9>($($arg),*),
            10 => $tile::<$($generics)*, 10>($($arg),*),
            11 => $tile::<$($generics)*, 11>($($arg),*),
            12 => $tile::<$($generics)*, 12>($($arg),*),
            _ => unreachable!("a tile has at most 12 rows"),
        }
    };
}

/// `sums += a · b` for a column `a` of `ROWS` numbers, `stride` apart, and a row `b` of `VECTORS` registers.
///
/// # Safety
/// `a` and `b` are valid for these extents.
#[inline(always)]
unsafe fn multiply_add<S: Lanes, const VECTORS: usize, const ROWS: usize>(
    sums: &mut [[S::V; VECTORS]; ROWS],
    a: *const f32,
    stride: usize,
    b: *const f32,
) {
    unsafe {
        // What is fewer waits in registers, the other passes through one: so that all fits beside the sums.
        if ROWS <= VECTORS {
            let mut x = [S::splat(0.0); ROWS];
            for (row, x) in x.iter_mut().enumerate() {
                *x = S::splat(*a.add(row * stride));
            }
            for v in 0..VECTORS {
                let w = S::load(b.add(v * S::LANES));
                for row in 0..ROWS {
                    sums[row][v] = S::fma(x[row], w, sums[row][v]);
                }
            }
        } else {
            let mut w = [S::splat(0.0); VECTORS];
            for (v, w) in w.iter_mut().enumerate() {
                *w = S::load(b.add(v * S::LANES));
            }
            for (row, sums) in sums.iter_mut().enumerate() {
                let x = S::splat(*a.add(row * stride));
                for (sum, w) in sums.iter_mut().zip(w) {
                    *sum = S::fma(x, w, *sum);
                }
            }
        }
    }
}

/// One LSTM step of one block of units for all rows: products, then the cell.
#[derive(Clone, Copy)]
pub(super) struct Step {
    /// Input `[rows, n_inputs]`, its row stride.
    pub x: *const f32,
    pub x_stride: usize,
    pub n_inputs: usize,
    /// Hidden state before `[rows, n_units]`, its row stride.
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

/// Cells that advance step by step together.
const TOGETHER: usize = 4;

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
                for gate in 0..GATES {
                    sums[0][gate] = S::fma(x, S::load(w0.add(gate * S::LANES)), sums[0][gate]);
                    sums[1][gate] = S::fma(x, S::load(w1.add(gate * S::LANES)), sums[1][gate]);
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

/// Rows whose cells follow their products while those are in the nearest cache, and most lanes of a register.
const CELL_ROWS: usize = 16;
pub(super) const LANES_MAX: usize = 16;

/// `C = init + A · B`, one panel of B at a time.
#[derive(Clone, Copy)]
pub(super) struct Product {
    /// A as `n_blocks` blocks of `inner` columns: row stride, distance between blocks.
    pub a: *const f32,
    pub a_stride: usize,
    pub n_blocks: usize,
    pub block_stride: usize,
    pub inner: usize,
    /// B `[n_blocks · inner, n_vectors LANES]`, packed.
    pub b: *const f32,
    /// What the sums start from, row stride 0 = the same for all rows; null = zero.
    pub init: *const f32,
    /// C, its row stride.
    pub c: *mut f32,
    pub c_stride: usize,
}

#[inline(always)]
unsafe fn product_tile<S: Lanes, const VECTORS: usize, const ROWS: usize>(p: &Product, first: usize) {
    unsafe {
        let mut sums = [[S::splat(0.0); VECTORS]; ROWS];
        if !p.init.is_null() {
            for sums in &mut sums {
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = S::load(p.init.add(v * S::LANES));
                }
            }
        }
        let mut b = p.b;
        for block in 0..p.n_blocks {
            let a = p.a.add(block * p.block_stride + first * p.a_stride);
            for k in 0..p.inner {
                multiply_add::<S, VECTORS, ROWS>(&mut sums, a.add(k), p.a_stride, b);
                b = b.add(VECTORS * S::LANES);
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            for (v, sum) in sums.iter().enumerate() {
                S::store(p.c.add((first + row) * p.c_stride + v * S::LANES), *sum);
            }
        }
    }
}

#[inline(always)]
pub(super) unsafe fn product<S: Lanes>(p: &Product, n_vectors: usize, rows: usize) {
    for (first, rows) in tiles(rows, rows_max::<S>(n_vectors)) {
        unsafe {
            match n_vectors {
                1 => by_rows!(rows, product_tile, [S, 1], (p, first)),
                2 => by_rows!(rows, product_tile, [S, 2], (p, first)),
                3 => by_rows!(rows, product_tile, [S, 3], (p, first)),
                4 => by_rows!(rows, product_tile, [S, 4], (p, first)),
                _ => unreachable!("a panel is at most four registers wide"),
            }
        }
    }
}

/// `C += Aᵀ · B`: gradients of weights, summed over the rows of `n_steps` steps.
#[derive(Clone, Copy)]
pub(super) struct Outer {
    /// A `[n_steps · rows, inner]`: row stride, distance between steps.
    pub a: *const f32,
    pub a_stride: usize,
    pub a_step: usize,
    /// B `[n_steps · rows, n_vectors LANES]`: row stride, distance between steps.
    pub b: *const f32,
    pub b_stride: usize,
    pub b_step: usize,
    pub n_steps: usize,
    pub rows: usize,
    /// C `[inner, n_vectors LANES]`, its row stride.
    pub c: *mut f32,
    pub c_stride: usize,
}

#[inline(always)]
unsafe fn outer_tile<S: Lanes, const VECTORS: usize, const ROWS: usize>(p: &Outer, first: usize) {
    unsafe {
        let mut sums = [[S::splat(0.0); VECTORS]; ROWS];
        for step in 0..p.n_steps {
            let (a, b) = (p.a.add(step * p.a_step + first), p.b.add(step * p.b_step));
            for row in 0..p.rows {
                multiply_add::<S, VECTORS, ROWS>(
                    &mut sums,
                    a.add(row * p.a_stride),
                    1,
                    b.add(row * p.b_stride),
                );
            }
        }
        for (k, sums) in sums.iter().enumerate() {
            for (v, sum) in sums.iter().enumerate() {
                let c = p.c.add((first + k) * p.c_stride + v * S::LANES);
                S::store(c, S::add(S::load(c), *sum));
            }
        }
    }
}

#[inline(always)]
pub(super) unsafe fn outer<S: Lanes>(p: &Outer, n_vectors: usize, inner: usize) {
    for (first, rows) in tiles(inner, rows_max::<S>(n_vectors)) {
        unsafe {
            match n_vectors {
                1 => by_rows!(rows, outer_tile, [S, 1], (p, first)),
                2 => by_rows!(rows, outer_tile, [S, 2], (p, first)),
                3 => by_rows!(rows, outer_tile, [S, 3], (p, first)),
                4 => by_rows!(rows, outer_tile, [S, 4], (p, first)),
                _ => unreachable!("a panel is at most four registers wide"),
            }
        }
    }
}

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
            let tanh_c = S::div(h, o);
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

/// What Adam needs to know of one update (Kingma & Ba 2015, algorithm 1).
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdamStep {
    /// Learning rate divided by the bias correction of the first moment.
    pub rate: f32,
    /// One over the root of the bias correction of the second moment.
    pub second_scale: f32,
    /// Factor on the gradient: clipping by norm.
    pub gradient_scale: f32,
}

pub(crate) const ADAM_BETA1: f32 = 0.9;
pub(crate) const ADAM_BETA2: f32 = 0.999;
pub(crate) const ADAM_EPSILON: f32 = 1e-8;

#[inline(always)]
pub(super) unsafe fn adam<S: Lanes>(
    weights: *mut f32,
    first: *mut f32,
    second: *mut f32,
    gradient: *const f32,
    n: usize,
    step: AdamStep,
) {
    unsafe {
        let scale = S::splat(step.gradient_scale);
        for at in (0..n).step_by(S::LANES) {
            let g = S::mul(S::load(gradient.add(at)), scale);
            let m = S::mul(S::splat(ADAM_BETA1), S::load(first.add(at)));
            let m = S::fma(S::splat(1.0 - ADAM_BETA1), g, m);
            let v = S::mul(S::splat(ADAM_BETA2), S::load(second.add(at)));
            let v = S::fma(S::splat(1.0 - ADAM_BETA2), S::mul(g, g), v);
            S::store(first.add(at), m);
            S::store(second.add(at), v);
            let denominator = S::fma(S::sqrt(v), S::splat(step.second_scale), S::splat(ADAM_EPSILON));
            let update = S::div(S::mul(m, S::splat(step.rate)), denominator);
            S::store(weights.add(at), S::sub(S::load(weights.add(at)), update));
        }
    }
}

/// A function of single numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Map {
    Sigmoid,
    Tanh,
    /// For numbers up to 80; what is below -87 goes to zero.
    Exp,
}

/// The function of `n` floats in place, a whole number of registers.
#[inline(always)]
pub(super) unsafe fn map<S: Lanes>(of: Map, values: *mut f32, n: usize) {
    unsafe {
        let whole = n / (TOGETHER * S::LANES) * TOGETHER * S::LANES;
        for at in (0..whole).step_by(TOGETHER * S::LANES) {
            map_registers::<S, TOGETHER>(of, values.add(at));
        }
        for at in (whole..n).step_by(S::LANES) {
            map_registers::<S, 1>(of, values.add(at));
        }
    }
}

/// The function of `N` registers in place.
///
/// # Safety
/// As [`map`], for `N` registers.
#[inline(always)]
unsafe fn map_registers<S: Lanes, const N: usize>(of: Map, values: *mut f32) {
    unsafe {
        let mut x = [S::splat(0.0); N];
        for (n, x) in x.iter_mut().enumerate() {
            *x = S::load(values.add(n * S::LANES));
        }
        let y = match of {
            Map::Sigmoid => sigmoid::<S, N>(x),
            Map::Tanh => tanh::<S, N>(x),
            Map::Exp => exp::<S, N>(x),
        };
        for (n, y) in y.iter().enumerate() {
            S::store(values.add(n * S::LANES), *y);
        }
    }
}
