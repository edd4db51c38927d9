//! The register-tiled products, generic over [`Lanes`].
//!
//! Each output is one chain of fused multiply-adds over the inner dimension in a fixed order, whatever tile its row
//! falls into: a row's bits do not depend on the rows around it. That is the property the whole product rests on.
//!
//! # Safety
//! Every `unsafe fn` here, in `lstm` and in `elements` demands the same two things, and its blocks rely on nothing else: that the processor has the
//! instructions of its [`Lanes`], and that each pointer (unless null is allowed and given) is valid for the shape and
//! strides that its field states, for the `rows` or `inner` of the call, what is written apart from what is read.
//! The methods of [`super::Kernels`] check the extents on slices before they make the pointers.

use super::lanes::Lanes;

/// The tiles of `n` rows: pieces `(first row, rows)` of at most `max` rows, as equal as possible.
///
/// An iterator, not a function that takes a closure: a closure would be compiled without the instruction set of the
/// kernel around it, and every intrinsic in it would become a call.
#[derive(Clone, Copy)]
pub(super) struct Tiles {
    first: usize,
    rows_left: usize,
    tiles_left: usize,
}

#[inline(always)]
pub(super) fn tiles(n: usize, max: usize) -> Tiles {
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
pub(super) const fn rows_max<S: Lanes>(n_vectors: usize) -> usize {
    if S::LANES == 16 {
        // 32 registers: rows × vectors accumulators, vectors weights, one broadcast.
        match n_vectors {
            4 => 6,
            3 => 8,
            2 => 12,
            _ => 16,
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
            _ => unreachable!("no tile has so many rows"),
        }
    };
}
pub(super) use by_rows;

/// The same for tiles of one register, of which more fit.
macro_rules! by_many_rows {
    ($rows:expr, $tile:ident, $lanes:ident, ($($arg:expr),*)) => {
        match $rows {
            13 => $tile::<$lanes, 1, 13>($($arg),*),
            14 => $tile::<$lanes, 1, 14>($($arg),*),
            15 => $tile::<$lanes, 1, 15>($($arg),*),
            16 => $tile::<$lanes, 1, 16>($($arg),*),
            rows => by_rows!(rows, $tile, [$lanes, 1], ($($arg),*)),
        }
    };
}

/// `sums += a · b` for a column `a` of `ROWS` numbers, `stride` apart, and a row `b` of `VECTORS` registers.
///
/// # Safety
/// `a` and `b` are valid for these extents.
#[inline(always)]
pub(super) unsafe fn multiply_add<S: Lanes, const VECTORS: usize, const ROWS: usize>(
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
                for (sums, x) in sums.iter_mut().zip(x) {
                    sums[v] = S::fma(x, w, sums[v]);
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

/// Columns that [`multiply_add_deep`] takes at once.
const DEPTH: usize = 4;

/// As [`multiply_add`] with one register a row, for [`DEPTH`] columns and rows one after the other: a row of one register asks as
/// often where the next one stands as it multiplies, so it goes on to the next columns first.
///
/// # Safety
/// As [`multiply_add`], for so many columns side by side and rows of `b`.
#[inline(always)]
unsafe fn multiply_add_deep<S: Lanes, const VECTORS: usize, const ROWS: usize>(
    sums: &mut [[S::V; VECTORS]; ROWS],
    a: *const f32,
    stride: usize,
    b: *const f32,
) {
    unsafe {
        let mut w = [S::splat(0.0); DEPTH];
        for (k, w) in w.iter_mut().enumerate() {
            *w = S::load(b.add(k * S::LANES));
        }
        for (row, sums) in sums.iter_mut().enumerate() {
            let a = a.add(row * stride);
            for (k, w) in w.iter().enumerate() {
                sums[0] = S::fma(S::splat(*a.add(k)), *w, sums[0]);
            }
        }
    }
}

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
            let mut k = 0;
            while VECTORS == 1 && k + DEPTH <= p.inner {
                multiply_add_deep::<S, VECTORS, ROWS>(&mut sums, a.add(k), p.a_stride, b);
                b = b.add(DEPTH * S::LANES);
                k += DEPTH;
            }
            for k in k..p.inner {
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
                1 => by_many_rows!(rows, product_tile, S, (p, first)),
                2 => by_rows!(rows, product_tile, [S, 2], (p, first)),
                3 => by_rows!(rows, product_tile, [S, 3], (p, first)),
                4 => by_rows!(rows, product_tile, [S, 4], (p, first)),
                _ => unreachable!("a panel is at most four registers wide"),
            }
        }
    }
}

/// `C = Aᵀ · B`, or `C += Aᵀ · B`: gradients of weights, summed over the rows of `n_steps` steps.
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
    /// Whether to what C is.
    pub adds: bool,
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
                S::store(c, if p.adds { S::add(S::load(c), *sum) } else { *sum });
            }
        }
    }
}

#[inline(always)]
pub(super) unsafe fn outer<S: Lanes>(p: &Outer, n_vectors: usize, inner: usize) {
    for (first, rows) in tiles(inner, rows_max::<S>(n_vectors)) {
        unsafe {
            match n_vectors {
                1 => by_many_rows!(rows, outer_tile, S, (p, first)),
                2 => by_rows!(rows, outer_tile, [S, 2], (p, first)),
                3 => by_rows!(rows, outer_tile, [S, 3], (p, first)),
                4 => by_rows!(rows, outer_tile, [S, 4], (p, first)),
                _ => unreachable!("a panel is at most four registers wide"),
            }
        }
    }
}
