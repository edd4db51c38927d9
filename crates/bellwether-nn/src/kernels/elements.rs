//! What is done to each number apart. What is safe is said in [`super::tiles`].

use super::lanes::{Lanes, exp, sigmoid, tanh};

/// Most lanes of a register.
pub(super) const LANES_MAX: usize = 16;
/// Registers that advance step by step together.
pub(super) const TOGETHER: usize = 4;

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
            let update = S::mul(S::mul(m, S::splat(step.rate)), S::recip(denominator));
            S::store(weights.add(at), S::sub(S::load(weights.add(at)), update));
        }
    }
}

/// Numbers that are added up, looked at and stored together.
const CHUNK: usize = 64;

/// The sum of `parts`, number by number in their order, and the sum of its squares in double precision, in a fixed order.
#[inline(always)]
pub(super) fn sum(sums: &mut [f32], parts: &[&[f32]]) -> f64 {
    let mut squares = [0.0_f64; 8];
    let (chunks, rest) = sums.as_chunks_mut::<CHUNK>();
    let n_whole = chunks.len() * CHUNK;
    for (idx, chunk) in chunks.iter_mut().enumerate() {
        *chunk = [0.0; CHUNK];
        for part in parts {
            let part = &part[idx * CHUNK..][..CHUNK];
            for (sum, value) in chunk.iter_mut().zip(part) {
                *sum += value;
            }
        }
        for values in chunk.as_chunks::<8>().0 {
            square(values, &mut squares);
        }
    }
    rest.fill(0.0);
    for part in parts {
        for (sum, value) in rest.iter_mut().zip(&part[n_whole..]) {
            *sum += value;
        }
    }
    for values in rest.chunks(8) {
        square(values, &mut squares);
    }
    squares.iter().sum()
}

/// Adds the squares of the values to as many sums.
#[inline(always)]
fn square(values: &[f32], squares: &mut [f64; 8]) {
    for (sum, value) in squares.iter_mut().zip(values) {
        *sum += f64::from(*value) * f64::from(*value);
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
