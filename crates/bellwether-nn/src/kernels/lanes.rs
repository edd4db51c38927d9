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
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sqrt(a: Self::V) -> Self::V;
    /// The larger of `floor` and `x`; NaN in `x` stays NaN (the operand order matters on x86).
    unsafe fn at_least(floor: f32, x: Self::V) -> Self::V;
    /// `1 / a` to within two units in the last place.
    unsafe fn recip(a: Self::V) -> Self::V;
    /// `2^t`, relative error ≤ 2e-7, for `t` in the range where the result is a normal number; smaller goes to zero.
    unsafe fn exp2(t: Self::V) -> Self::V;
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

#[inline(always)]
unsafe fn polynomial<S: Lanes>(r: S::V, coefficients: [f32; 6]) -> S::V {
    unsafe {
        let mut sum = S::splat(coefficients[0]);
        for coefficient in &coefficients[1..] {
            sum = S::fma(sum, r, S::splat(*coefficient));
        }
        sum
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{EXP2_CENTRED, EXP2_UNIT, Lanes, polynomial};

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
        unsafe fn div(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_div_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn sqrt(a: __m512) -> __m512 {
            unsafe { _mm512_sqrt_ps(a) }
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
        #[inline(always)]
        unsafe fn exp2(t: __m512) -> __m512 {
            unsafe {
                // 2^t = 2^(t - floor t) · 2^(floor t); immediate 9 = toward minus infinity, no exceptions.
                let fraction = _mm512_reduce_ps::<9>(t);
                _mm512_scalef_ps(polynomial::<Self>(fraction, EXP2_UNIT), t)
            }
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
        unsafe fn div(a: __m256, b: __m256) -> __m256 {
            unsafe { _mm256_div_ps(a, b) }
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
        #[inline(always)]
        unsafe fn exp2(t: __m256) -> __m256 {
            unsafe {
                // Clamped so that the exponent bits stay in range; constants first, so NaN passes.
                let t = _mm256_min_ps(_mm256_set1_ps(127.0), _mm256_max_ps(_mm256_set1_ps(-126.0), t));
                let whole = _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(t);
                let biased = _mm256_add_epi32(_mm256_cvtps_epi32(whole), _mm256_set1_epi32(127));
                let scale = _mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased));
                _mm256_mul_ps(polynomial::<Self>(_mm256_sub_ps(t, whole), EXP2_CENTRED), scale)
            }
        }
    }
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
    unsafe fn div(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        each(|i| a[i] / b[i])
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
    #[inline(always)]
    unsafe fn exp2(t: [f32; 8]) -> [f32; 8] {
        unsafe {
            let t = each(|i| if t[i] < -126.0 { -126.0 } else { t[i] });
            let whole = each(|i| (t[i] + 0.5).floor());
            let scale = each(|i| f32::from_bits(((whole[i] as i32 + 127) << 23) as u32));
            Self::mul(polynomial::<Self>(Self::sub(t, whole), EXP2_CENTRED), scale)
        }
    }
}

/// log2 e
const LOG2_E: f32 = std::f32::consts::LOG2_E;

/// `1 / (1 + e^-x)`
#[inline(always)]
pub(super) unsafe fn sigmoid<S: Lanes>(x: S::V) -> S::V {
    unsafe {
        let e = S::exp2(S::mul(S::at_least(-80.0, x), S::splat(-LOG2_E)));
        S::recip(S::add(e, S::splat(1.0)))
    }
}

/// `2 / (1 + e^-2x) - 1`; absolute error 2e-7.
#[inline(always)]
pub(super) unsafe fn tanh<S: Lanes>(x: S::V) -> S::V {
    unsafe {
        let e = S::exp2(S::mul(S::at_least(-40.0, x), S::splat(-2.0 * LOG2_E)));
        S::fma(S::recip(S::add(e, S::splat(1.0))), S::splat(2.0), S::splat(-1.0))
    }
}

/// `e^x` for `x` up to 80; relative error 4e-6 at the ends, where the rounding of `x log2 e` shows, 3e-7 near zero.
#[inline(always)]
pub(super) unsafe fn exp<S: Lanes>(x: S::V) -> S::V {
    unsafe { exp_scaled::<S>(x, -87.0, LOG2_E) }
}

/// `2^(factor · max(floor, x))`
#[inline(always)]
unsafe fn exp_scaled<S: Lanes>(x: S::V, floor: f32, factor: f32) -> S::V {
    unsafe { S::exp2(S::mul(S::at_least(floor, x), S::splat(factor))) }
}

/// The LSTM cell without what only training needs: two reciprocals instead of five. Returns (c, h).
///
/// With E(x) = e^-x: `c' = (c (1+E(i)) (1+E(2g)) + (1-E(2g)) (1+E(f))) / ((1+E(f)) (1+E(i)) (1+E(2g)))` and
/// `h = (1-E(2c')) / ((1+E(o)) (1+E(2c')))`. The floors keep the products of exponentials finite.
#[inline(always)]
pub(super) unsafe fn cell<S: Lanes>(i: S::V, f: S::V, g: S::V, o: S::V, c: S::V) -> (S::V, S::V) {
    unsafe {
        let one = S::splat(1.0);
        let (ei, ef) = (
            exp_scaled::<S>(i, -28.0, -LOG2_E),
            exp_scaled::<S>(f, -28.0, -LOG2_E),
        );
        let eo = exp_scaled::<S>(o, -28.0, -LOG2_E);
        let eg = exp_scaled::<S>(g, -14.0, -2.0 * LOG2_E);
        let in_gates = S::mul(S::add(one, ei), S::add(one, eg));
        let forget = S::add(one, ef);
        let kept = S::fma(c, in_gates, S::mul(S::sub(one, eg), forget));
        let c = S::mul(kept, S::recip(S::mul(in_gates, forget)));
        let ec = exp_scaled::<S>(c, -14.0, -2.0 * LOG2_E);
        let h = S::mul(
            S::sub(one, ec),
            S::recip(S::mul(S::add(one, eo), S::add(one, ec))),
        );
        (c, h)
    }
}
