//! One vector register, three ways: AVX-512, AVX2 with FMA, and plain arrays for everything else.
//!
//! Kernels are written once, generic over [`Lanes`], always inlined, and instantiated inside functions that enable
//! the instruction set; see [`super::table`].

/// A register of `LANES` floats and the operations that the kernels need.
///
/// # Safety
/// Every method may use the instructions of its implementation: call it only inside a function that enables them,
/// and pass pointers that are valid for `LANES` floats (no alignment needed).
pub(super) trait Lanes: Copy {
    /// The register.
    type V: Copy;
    /// Floats in a register.
    const LANES: usize;

    unsafe fn load(from: *const f32) -> Self::V;
    unsafe fn store(to: *mut f32, v: Self::V);
    unsafe fn splat(x: f32) -> Self::V;
    /// `a * b + c`
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `c - a * b`
    unsafe fn fnma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    /// The root of what is not negative, to within two units in the last place.
    unsafe fn sqrt(a: Self::V) -> Self::V;
    /// The larger of `floor` and `x`; NaN in `x` stays NaN (the operand order matters on x86).
    unsafe fn at_least(floor: f32, x: Self::V) -> Self::V;
    /// `1 / a` to within two units in the last place.
    unsafe fn recip(a: Self::V) -> Self::V;
    /// Coefficients of [`EXP2_CENTRED`] or [`EXP2_UNIT`], as `split` cuts.
    const EXP2: [f32; 6];
    /// `t`, below 127, as (rest, whole): the polynomial takes the rest, [`Lanes::scale`] the other.
    unsafe fn split(t: Self::V) -> (Self::V, Self::V);
    /// `p` times two to the power that `split` took off.
    unsafe fn scale(p: Self::V, whole: Self::V) -> Self::V;
}

/// `2^t` of each, relative error ≤ 2e-7, for `t` in the range where the result is a normal number; smaller goes to zero.
///
/// All of them step by step together: one alone is a chain of operations that wait for each other, and the processor does not
/// look far enough ahead to begin the next by itself.
#[inline(always)]
unsafe fn exp2<S: Lanes, const N: usize>(t: [S::V; N]) -> [S::V; N] {
    unsafe {
        let (mut rest, mut whole) = (t, t);
        for n in 0..N {
            (rest[n], whole[n]) = S::split(t[n]);
        }
        let mut sums = [S::splat(S::EXP2[0]); N];
        for coefficient in &S::EXP2[1..] {
            let coefficient = S::splat(*coefficient);
            for n in 0..N {
                sums[n] = S::fma(sums[n], rest[n], coefficient);
            }
        }
        for n in 0..N {
            sums[n] = S::scale(sums[n], whole[n]);
        }
        sums
    }
}

/// Coefficients of `2^r` on [-0.5, 0.5], lowest last (minimax, degree 5, relative error 7.5e-8).
#[expect(
    clippy::approx_constant,
    reason = "fitted: the second is near ln 2, as Taylor's would be, and is not it"
)]
const EXP2_CENTRED: [f32; 6] = [
    0.001_327_646_7,
    0.009_675_541,
    0.055_507_133,
    0.240_221_2,
    0.693_147,
    1.0,
];
/// Coefficients of `2^r` on [0, 1), lowest last (minimax, degree 5, relative error 7.5e-8).
const EXP2_UNIT: [f32; 6] = [
    0.001_877_575_9,
    0.008_989_342,
    0.055_826_317,
    0.240_153_62,
    0.693_153_1,
    0.999_999_9,
];

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{EXP2_CENTRED, EXP2_UNIT, Lanes};

    /// Sixteen lanes: AVX-512 F and DQ.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Avx512;

    impl Lanes for Avx512 {
        type V = __m512;
        const LANES: usize = 16;

        #[inline(always)]
        unsafe fn load(from: *const f32) -> __m512 {
            unsafe { _mm512_loadu_ps(from) }
        }
        #[inline(always)]
        unsafe fn store(to: *mut f32, v: __m512) {
            unsafe { _mm512_storeu_ps(to, v) }
        }
        #[inline(always)]
        unsafe fn splat(x: f32) -> __m512 {
            unsafe { _mm512_set1_ps(x) }
        }
        #[inline(always)]
        unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
            unsafe { _mm512_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn fnma(a: __m512, b: __m512, c: __m512) -> __m512 {
            unsafe { _mm512_fnmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn add(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_add_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn sub(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_sub_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn mul(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_mul_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn sqrt(a: __m512) -> __m512 {
            unsafe {
                // As below; of zero no root is taken, it would come out as no number.
                let r = _mm512_rsqrt14_ps(_mm512_max_ps(_mm512_set1_ps(f32::MIN_POSITIVE), a));
                let root = _mm512_mul_ps(a, r);
                let half = _mm512_mul_ps(_mm512_set1_ps(0.5), r);
                _mm512_fmadd_ps(half, _mm512_fnmadd_ps(root, root, a), root)
            }
        }
        #[inline(always)]
        unsafe fn at_least(floor: f32, x: __m512) -> __m512 {
            unsafe { _mm512_max_ps(_mm512_set1_ps(floor), x) }
        }
        #[inline(always)]
        unsafe fn recip(a: __m512) -> __m512 {
            unsafe {
                // 14 good bits, doubled by one Newton step: r + r (1 - a r).
                let r = _mm512_rcp14_ps(a);
                _mm512_fmadd_ps(r, _mm512_fnmadd_ps(a, r, _mm512_set1_ps(1.0)), r)
            }
        }
        const EXP2: [f32; 6] = EXP2_UNIT;
        #[inline(always)]
        unsafe fn split(t: __m512) -> (__m512, __m512) {
            // t - floor t; immediate 9 = toward minus infinity, no exceptions.
            unsafe { (_mm512_reduce_ps::<9>(t), t) }
        }
        #[inline(always)]
        unsafe fn scale(p: __m512, whole: __m512) -> __m512 {
            // Times 2^(floor t).
            unsafe { _mm512_scalef_ps(p, whole) }
        }
    }

    /// Eight lanes: AVX2 and FMA.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Avx2;

    impl Lanes for Avx2 {
        type V = __m256;
        const LANES: usize = 8;

        #[inline(always)]
        unsafe fn load(from: *const f32) -> __m256 {
            unsafe { _mm256_loadu_ps(from) }
        }
        #[inline(always)]
        unsafe fn store(to: *mut f32, v: __m256) {
            unsafe { _mm256_storeu_ps(to, v) }
        }
        #[inline(always)]
        unsafe fn splat(x: f32) -> __m256 {
            unsafe { _mm256_set1_ps(x) }
        }
        #[inline(always)]
        unsafe fn fma(a: __m256, b: __m256, c: __m256) -> __m256 {
            unsafe { _mm256_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn fnma(a: __m256, b: __m256, c: __m256) -> __m256 {
            unsafe { _mm256_fnmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn add(a: __m256, b: __m256) -> __m256 {
            unsafe { _mm256_add_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn sub(a: __m256, b: __m256) -> __m256 {
            unsafe { _mm256_sub_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn mul(a: __m256, b: __m256) -> __m256 {
            unsafe { _mm256_mul_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn sqrt(a: __m256) -> __m256 {
            unsafe { _mm256_sqrt_ps(a) }
        }
        #[inline(always)]
        unsafe fn at_least(floor: f32, x: __m256) -> __m256 {
            unsafe { _mm256_max_ps(_mm256_set1_ps(floor), x) }
        }
        #[inline(always)]
        unsafe fn recip(a: __m256) -> __m256 {
            unsafe { _mm256_div_ps(_mm256_set1_ps(1.0), a) }
        }
        const EXP2: [f32; 6] = EXP2_CENTRED;
        #[inline(always)]
        unsafe fn split(t: __m256) -> (__m256, __m256) {
            unsafe {
                // Clamped so that the exponent bits stay in range; the constant first, so NaN passes.
                let t = _mm256_max_ps(_mm256_set1_ps(-126.0), t);
                // Rounded to a whole number by what the sum has no digits for; its last bits are that number as an
                // exponent.
                let whole = _mm256_add_ps(t, _mm256_set1_ps(ROUNDING));
                (
                    _mm256_sub_ps(t, _mm256_sub_ps(whole, _mm256_set1_ps(ROUNDING))),
                    whole,
                )
            }
        }
        #[inline(always)]
        unsafe fn scale(p: __m256, whole: __m256) -> __m256 {
            unsafe {
                let power = _mm256_slli_epi32::<23>(_mm256_castps_si256(whole));
                _mm256_mul_ps(p, _mm256_castsi256_ps(power))
            }
        }
    }

    /// 1.5 · 2^23, whose sums with small numbers are whole, and the bias of an exponent.
    const ROUNDING: f32 = 12_582_912.0 + 127.0;
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};

/// Eight lanes in an array: any processor; also the scalar twin that the vector kernels are checked against.
#[derive(Clone, Copy)]
pub(super) struct Portable;

#[inline(always)]
fn each(f: impl Fn(usize) -> f32) -> [f32; 8] {
    std::array::from_fn(f)
}

impl Lanes for Portable {
    type V = [f32; 8];
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> [f32; 8] {
        unsafe { from.cast::<[f32; 8]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: [f32; 8]) {
        unsafe { to.cast::<[f32; 8]>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> [f32; 8] {
        [x; 8]
    }
    // Not fused: `mul_add` without the instruction is a slow library call.
    #[inline(always)]
    unsafe fn fma(a: [f32; 8], b: [f32; 8], c: [f32; 8]) -> [f32; 8] {
        each(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    unsafe fn fnma(a: [f32; 8], b: [f32; 8], c: [f32; 8]) -> [f32; 8] {
        each(|i| c[i] - a[i] * b[i])
    }
    #[inline(always)]
    unsafe fn add(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        each(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn sub(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        each(|i| a[i] - b[i])
    }
    #[inline(always)]
    unsafe fn mul(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        each(|i| a[i] * b[i])
    }
    #[inline(always)]
    unsafe fn sqrt(a: [f32; 8]) -> [f32; 8] {
        each(|i| a[i].sqrt())
    }
    #[inline(always)]
    unsafe fn at_least(floor: f32, x: [f32; 8]) -> [f32; 8] {
        each(|i| if x[i] < floor { floor } else { x[i] })
    }
    #[inline(always)]
    unsafe fn recip(a: [f32; 8]) -> [f32; 8] {
        each(|i| 1.0 / a[i])
    }
    const EXP2: [f32; 6] = EXP2_CENTRED;
    #[inline(always)]
    unsafe fn split(t: [f32; 8]) -> ([f32; 8], [f32; 8]) {
        let t = each(|i| if t[i] < -126.0 { -126.0 } else { t[i] });
        let whole = each(|i| (t[i] + 0.5).floor());
        (each(|i| t[i] - whole[i]), whole)
    }
    #[inline(always)]
    unsafe fn scale(p: [f32; 8], whole: [f32; 8]) -> [f32; 8] {
        each(|i| p[i] * f32::from_bits(((whole[i] as i32 + 127) << 23) as u32))
    }
}

/// log2 e
const LOG2_E: f32 = std::f32::consts::LOG2_E;

/// `1 / (1 + e^(factor x))` of each, for its own floor of x and its own factor.
#[inline(always)]
unsafe fn logistic<S: Lanes, const N: usize>(x: [S::V; N], bounds: [(f32, f32); N]) -> [S::V; N] {
    unsafe {
        let mut y = exp_scaled::<S, N>(x, bounds);
        for y in &mut y {
            *y = S::recip(S::add(*y, S::splat(1.0)));
        }
        y
    }
}

/// Floor and factor of [`logistic`] for a sigmoid, and for half of a tanh plus a half.
const SIGMOID: (f32, f32) = (-80.0, -LOG2_E);
const TANH: (f32, f32) = (-40.0, -2.0 * LOG2_E);

/// From the [`TANH`] of [`logistic`] to the function: `2 y - 1`.
#[inline(always)]
unsafe fn to_tanh<S: Lanes>(y: S::V) -> S::V {
    unsafe { S::fma(y, S::splat(2.0), S::splat(-1.0)) }
}

/// `1 / (1 + e^-x)`
#[inline(always)]
pub(super) unsafe fn sigmoid<S: Lanes, const N: usize>(x: [S::V; N]) -> [S::V; N] {
    unsafe { logistic::<S, N>(x, [SIGMOID; N]) }
}

/// `2 / (1 + e^-2x) - 1`; absolute error 2e-7.
#[inline(always)]
pub(super) unsafe fn tanh<S: Lanes, const N: usize>(x: [S::V; N]) -> [S::V; N] {
    unsafe {
        let mut y = logistic::<S, N>(x, [TANH; N]);
        for y in &mut y {
            *y = to_tanh::<S>(*y);
        }
        y
    }
}

/// The gates i, f, g, o of an LSTM, activated; absolute error 4e-7.
///
/// One reciprocal serves all four: 1/a = b · 1/(a b). The floors keep the product of their denominators finite, and what they cut off
/// is 2e-9.
#[inline(always)]
pub(super) unsafe fn activated<S: Lanes>(gates: [S::V; 4]) -> [S::V; 4] {
    unsafe {
        let (gate, twice) = ((-20.0, -LOG2_E), (-10.0, -2.0 * LOG2_E));
        let mut below = exp_scaled::<S, 4>(gates, [gate, gate, twice, gate]);
        for below in &mut below {
            *below = S::add(*below, S::splat(1.0));
        }
        let [i, f, g, o] = below;
        let (first, last) = (S::mul(i, f), S::mul(g, o));
        let both = S::recip(S::mul(first, last));
        let (first, last) = (S::mul(both, last), S::mul(both, first));
        let cell = to_tanh::<S>(S::mul(last, o));
        [S::mul(first, f), S::mul(first, i), cell, S::mul(last, g)]
    }
}

/// `e^x` for `x` up to 80; relative error 4e-6 at the ends, where the rounding of `x log2 e` shows, 3e-7 near zero.
#[inline(always)]
pub(super) unsafe fn exp<S: Lanes, const N: usize>(x: [S::V; N]) -> [S::V; N] {
    unsafe { exp_scaled::<S, N>(x, [(-87.0, LOG2_E); N]) }
}

/// `2^(factor · max(floor, x))`
#[inline(always)]
unsafe fn exp_scaled<S: Lanes, const N: usize>(x: [S::V; N], bounds: [(f32, f32); N]) -> [S::V; N] {
    unsafe {
        let mut t = x;
        for n in 0..N {
            let (floor, factor) = bounds[n];
            t[n] = S::mul(S::at_least(floor, x[n]), S::splat(factor));
        }
        exp2::<S, N>(t)
    }
}

/// The LSTM cell without what only training needs: two reciprocals instead of five. Returns c' and `1 + E(o)`, which
/// [`hidden`] goes on from.
///
/// With E(x) = e^-x: `c' = (c (1+E(i)) (1+E(2g)) + (1-E(2g)) (1+E(f))) / ((1+E(f)) (1+E(i)) (1+E(2g)))` and
/// `h = (1-E(2c')) / ((1+E(o)) (1+E(2c')))`. The floors keep the products of exponentials finite.
#[inline(always)]
pub(super) unsafe fn cell<S: Lanes>(gates: [S::V; 4], c: S::V) -> (S::V, S::V) {
    unsafe {
        let one = S::splat(1.0);
        let (gate, twice) = ((-28.0, -LOG2_E), (-14.0, -2.0 * LOG2_E));
        let [ei, ef, eg, eo] = exp_scaled::<S, 4>(gates, [gate, gate, twice, gate]);
        let in_gates = S::mul(S::add(one, ei), S::add(one, eg));
        let forget = S::add(one, ef);
        let kept = S::fma(c, in_gates, S::mul(S::sub(one, eg), forget));
        let c = S::mul(kept, S::recip(S::mul(in_gates, forget)));
        (c, S::add(one, eo))
    }
}

/// h of each cell, from c' and `1 + E(o)` of [`cell`].
#[inline(always)]
pub(super) unsafe fn hidden<S: Lanes, const N: usize>(c: [S::V; N], out: [S::V; N]) -> [S::V; N] {
    unsafe {
        let one = S::splat(1.0);
        let mut h = exp_scaled::<S, N>(c, [(-14.0, -2.0 * LOG2_E); N]);
        for n in 0..N {
            h[n] = S::mul(S::sub(one, h[n]), S::recip(S::mul(out[n], S::add(one, h[n]))));
        }
        h
    }
}
