//! Memory as the kernels want it: buffers on cache lines, and denormal numbers flushed to zero.

use std::ops::{Deref, DerefMut};

/// One cache line, one AVX-512 register.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// A buffer of floats that begins on a cache line: a register that straddles two lines costs twice.
#[derive(Debug, Clone, Default)]
pub(crate) struct Aligned {
    lines: Vec<Line>,
    len: usize,
}

impl Aligned {
    /// `len` zeros.
    pub(crate) fn zeroed(len: usize) -> Self {
        Self {
            lines: vec![Line([0.0; 16]); len.div_ceil(16)],
            len,
        }
    }
}

impl Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: `Line` is `repr(C)` of 16 floats without padding, so the lines are 16 × as many initialised
        // floats in a row, and `len` is at most that.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `deref`, and the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

/// A buffer of numbers in bfloat16 that begins on a cache line, a multiple of 32 of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Halves(Aligned);

impl Halves {
    /// `len` zeros.
    pub(crate) fn zeroed(len: usize) -> Self {
        Self(Aligned::zeroed(len.next_multiple_of(32) / 2))
    }
}

impl Deref for Halves {
    type Target = [u16];

    fn deref(&self) -> &[u16] {
        // SAFETY: a float is two of them, and any bits are both.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), 2 * self.0.len()) }
    }
}

impl DerefMut for Halves {
    fn deref_mut(&mut self) -> &mut [u16] {
        // SAFETY: as in `deref`, and the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), 2 * self.0.len()) }
    }
}

/// While it lives, this thread's SSE/AVX arithmetic takes denormal numbers as zero and makes none.
///
/// Gradients near 1e-36 otherwise make a training step 70 to 90 times slower (measured). Every piece of work sets it
/// for itself, so the bits do not depend on which thread runs the piece.
///
/// The compiler assumes the default mode: what it computes at compile time, or moves across the guard, may keep a
/// denormal that the processor would have dropped. That is a matter of the last bits near 1e-38, the same in every
/// run of one binary; the kernels themselves are calls through pointers, and calls are not moved across.
#[derive(Debug)]
pub(crate) struct FlushToZero {
    #[cfg(target_arch = "x86_64")]
    before: u32,
    /// The register belongs to the thread: the guard must not leave it.
    _not_send: std::marker::PhantomData<*const ()>,
}

impl FlushToZero {
    pub(crate) fn set() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            /// Flush results to zero (bit 15), take denormal operands as zero (bit 6).
            const FTZ_DAZ: u32 = 1 << 15 | 1 << 6;
            let before = read_control();
            write_control(before | FTZ_DAZ);
            Self {
                before,
                _not_send: std::marker::PhantomData,
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        Self {
            _not_send: std::marker::PhantomData,
        }
    }
}

impl Drop for FlushToZero {
    fn drop(&mut self) {
        #[cfg(target_arch = "x86_64")]
        write_control(self.before);
    }
}

#[cfg(target_arch = "x86_64")]
fn read_control() -> u32 {
    let mut control = 0_u32;
    // SAFETY: stores the 32-bit MXCSR register to a local; SSE is part of x86_64.
    unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut control, options(nostack, preserves_flags)) };
    control
}

#[cfg(target_arch = "x86_64")]
fn write_control(control: u32) {
    // SAFETY: loads MXCSR with bits read from it plus FTZ and DAZ, all of them defined; exceptions stay masked.
    // Neither `readonly` nor `preserves_flags`: loads and stores stay on their side, and the exception flags change.
    unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const control, options(nostack)) };
}
