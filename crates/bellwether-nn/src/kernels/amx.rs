//! Products in the tiles of AMX: sixteen rows at once, each number in two parts of bfloat16.
//!
//! The high part of a number is what it rounds to, the low part what that leaves, rounded as well. Of the four products of two
//! numbers three are summed, in float32: high by high, and each high by the other low. What is left out, low by low and what the low parts
//! were rounded by, is less than 2⁻¹⁶ of the product. High parts alone are not enough, by far: scores of trained networks are off by several per cent then.
//!
//! A tile of `a` holds 16 rows of 32 numbers; one of `b` 32 rows of 16 columns, two rows after the other in pairs:
//! `[16][16 columns][2]`. `TDPBF16PS` sums the products of even rows and those of odd rows apart, each from zero, adds the two
//! sums, and adds that to the tile (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2). A row does not feel
//! its neighbours. [`TWIN`] does just that in plain code: so what stands around the tiles is tested on processors without them.

#![cfg_attr(
    not(all(target_arch = "x86_64", target_os = "linux")),
    allow(dead_code, reason = "elsewhere nobody has tiles")
)]

use std::fmt;

use super::memory::Halves;
use super::{Kernels, extent};

/// Rows and columns of a tile of `a` and of sums.
pub(crate) const TILE: usize = 16;
/// Numbers of a row of `a` that a tile holds.
pub(crate) const TILE_INNER: usize = 32;
/// Numbers of a tile of `a` or `b`.
const TILE_LEN: usize = TILE * TILE_INNER;
/// Tiles of sums side by side at most: they and what is multiplied fill the eight that there are.
const TILES_MAX: usize = 4;

/// Numbers in two parts of bfloat16.
#[derive(Debug, Clone, Default)]
pub(crate) struct Split {
    high: Halves,
    low: Halves,
}

impl Split {
    /// `len` zeros.
    pub(crate) fn zeroed(len: usize) -> Self {
        Self {
            high: Halves::zeroed(len),
            low: Halves::zeroed(len),
        }
    }

    /// Packs `[inner, width]` numbers from position `at` on, as [`TilePart::b`] wants them; returns where they end.
    pub(crate) fn pack(&mut self, at: usize, values: &[f32], inner: usize, width: usize) -> usize {
        let n_tiles = width.div_ceil(TILE);
        for k in 0..inner {
            for (column, value) in values[k * width..(k + 1) * width].iter().enumerate() {
                let tile = at + (k / TILE_INNER * n_tiles + column / TILE) * TILE_LEN;
                let k = k % TILE_INNER;
                let to = tile + k / 2 * TILE_INNER + column % TILE * 2 + k % 2;
                (self.high[to], self.low[to]) = parts_of(*value);
            }
        }
        at + inner.div_ceil(TILE_INNER) * n_tiles * TILE_LEN
    }
}

/// One matrix, or one of two that are summed over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TilePart<'a> {
    /// `[TILE, a_stride]`, the first at `a_start`.
    pub a: &'a Split,
    pub a_start: usize,
    pub a_stride: usize,
    /// Tiles over the inner dimension.
    pub n_inner: usize,
    /// `[n_inner][n_tiles]` tiles, the first at `b_start`.
    pub b: &'a Split,
    pub b_start: usize,
}

/// `c = init + Σ a · b` for sixteen rows.
#[derive(Debug)]
pub(crate) struct TileProduct<'a> {
    pub parts: &'a [TilePart<'a>],
    /// Tiles of sums side by side, four at most.
    pub n_tiles: usize,
    /// `[TILE, init_stride]`; stride 0 = one row for all.
    pub init: &'a [f32],
    pub init_stride: usize,
    pub c: &'a mut [f32],
    pub c_stride: usize,
}

/// [`TilePart`] as pointers: high and low parts; strides in bytes.
#[derive(Clone, Copy)]
pub(super) struct RawPart {
    a: [*const u16; 2],
    a_stride: usize,
    n_inner: usize,
    b: [*const u16; 2],
}

/// [`TileProduct`] as pointers; strides in bytes.
pub(super) struct RawProduct<'a> {
    parts: &'a [RawPart],
    init: *const f32,
    init_stride: usize,
    c: *mut f32,
    c_stride: usize,
}

/// Where rows of numbers in two parts go.
pub(super) struct Rows<'a> {
    high: &'a mut [u16],
    low: &'a mut [u16],
    stride: usize,
}

/// What multiplies tiles.
///
/// # Safety
/// Its functions may be called only where its instructions exist, `product` only between `begin` and `end` of the same thread, with
/// pointers that are valid for the extents of the product, and at most [`TILES_MAX`] tiles.
pub(super) struct TileUnit {
    begin: unsafe fn(),
    end: unsafe fn(),
    split: unsafe fn(&[f32], usize, Rows<'_>),
    product: unsafe fn(&RawProduct<'_>, usize),
}

impl fmt::Debug for TileUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TileUnit")
    }
}

/// While it lives, this thread can multiply tiles.
#[derive(Debug)]
pub(crate) struct TileGuard {
    unit: &'static TileUnit,
    /// Tiles belong to the thread.
    _not_send: std::marker::PhantomData<*const ()>,
}

impl TileGuard {
    /// `None` where the kernels have no tiles.
    pub(crate) fn begin(kernels: &Kernels) -> Option<Self> {
        let unit = kernels.tiles?;
        // SAFETY: a table is handed out only where its instructions exist.
        unsafe { (unit.begin)() };
        Some(Self {
            unit,
            _not_send: std::marker::PhantomData,
        })
    }

    /// Writes rows of `width` numbers, a multiple of [`TILE`], to `to`, the first from position `at` on, the others `stride` apart.
    pub(crate) fn split(&self, rows: &[f32], width: usize, to: &mut Split, at: usize, stride: usize) {
        assert!(width.is_multiple_of(TILE));
        let to = Rows {
            high: &mut to.high[at..],
            low: &mut to.low[at..],
            stride,
        };
        // SAFETY: as in `begin`.
        unsafe { (self.unit.split)(rows, width, to) };
    }

    pub(crate) fn product(&self, p: TileProduct<'_>) {
        let width = p.n_tiles * TILE;
        assert!(p.n_tiles <= TILES_MAX && p.parts.len() <= 2);
        assert!(p.init.len() >= extent(TILE, p.init_stride, width));
        assert!(p.c.len() >= extent(TILE, p.c_stride, width));
        let none = RawPart {
            a: [std::ptr::null(); 2],
            a_stride: 0,
            n_inner: 0,
            b: [std::ptr::null(); 2],
        };
        let mut parts = [none; 2];
        for (raw, part) in parts.iter_mut().zip(p.parts) {
            let (a, b) = (
                part.a_start..part.a_start + extent(TILE, part.a_stride, part.n_inner * TILE_INNER),
                part.b_start..part.b_start + part.n_inner * p.n_tiles * TILE_LEN,
            );
            *raw = RawPart {
                a: [&part.a.high, &part.a.low].map(|of| of[a.clone()].as_ptr()),
                a_stride: part.a_stride * size_of::<u16>(),
                n_inner: part.n_inner,
                b: [&part.b.high, &part.b.low].map(|of| of[b.clone()].as_ptr()),
            };
        }
        let raw = RawProduct {
            parts: &parts[..p.parts.len()],
            init: p.init.as_ptr(),
            init_stride: p.init_stride * size_of::<f32>(),
            c: p.c.as_mut_ptr(),
            c_stride: p.c_stride * size_of::<f32>(),
        };
        // SAFETY: the asserts and slices above cover every extent, `c` is a borrow of its own, and the guard has begun.
        unsafe { (self.unit.product)(&raw, p.n_tiles) };
    }
}

impl Drop for TileGuard {
    fn drop(&mut self) {
        // SAFETY: as in `begin`.
        unsafe { (self.unit.end)() };
    }
}

/// Rounded to bfloat16, the nearest, of two equally near the even one; what is no number stays none.
#[inline(always)]
fn rounded(x: f32) -> u16 {
    let bits = x.to_bits();
    let near = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    let quiet = bits >> 16 | 0x40;
    (if x.is_nan() { quiet } else { near }) as u16
}

#[inline(always)]
fn widened(half: u16) -> f32 {
    f32::from_bits(u32::from(half) << 16)
}

/// The high and the low part.
#[inline(always)]
fn parts_of(x: f32) -> (u16, u16) {
    let high = rounded(x);
    (high, rounded(x - widened(high)))
}

#[inline(always)]
fn split(rows: &[f32], width: usize, to: Rows<'_>) {
    for (row, values) in rows.chunks_exact(width).enumerate() {
        let places = row * to.stride..row * to.stride + width;
        let high = to.high[places.clone()].as_chunks_mut::<TILE>().0;
        let low = to.low[places].as_chunks_mut::<TILE>().0;
        // As many as a register holds at once.
        for (values, (high, low)) in values.as_chunks::<TILE>().0.iter().zip(high.iter_mut().zip(low)) {
            for at in 0..TILE {
                (high[at], low[at]) = parts_of(values[at]);
            }
        }
    }
}

/// What tiles do, in plain code.
#[cfg(test)]
pub(super) static TWIN: TileUnit = TileUnit {
    begin: || (),
    end: || (),
    split,
    product: |p, n_tiles| {
        for row in 0..TILE {
            for column in 0..n_tiles * TILE {
                // SAFETY: every position lies within an extent that the caller vouches for.
                unsafe { twin_sum(p, n_tiles, row, column) };
            }
        }
    },
};

/// # Safety
/// As [`TileUnit`].
#[cfg(test)]
unsafe fn twin_sum(p: &RawProduct<'_>, n_tiles: usize, row: usize, column: usize) {
    unsafe {
        let mut sum = *p.init.byte_add(row * p.init_stride).add(column);
        for part in p.parts {
            for k in 0..part.n_inner {
                for (of_a, of_b) in ORDER {
                    let a = part.a[of_a].byte_add(row * part.a_stride).add(k * TILE_INNER);
                    let b = part.b[of_b]
                        .add((k * n_tiles + column / TILE) * TILE_LEN)
                        .add(2 * (column % TILE));
                    let mut sums = [0.0_f32; 2];
                    for at in 0..TILE_INNER {
                        // A product of two of eight bits is exact: rounded or not before it is added.
                        sums[at % 2] += widened(*a.add(at)) * widened(*b.add(at / 2 * TILE_INNER + at % 2));
                    }
                    sum += sums[0] + sums[1];
                }
            }
        }
        *p.c.byte_add(row * p.c_stride).add(column) = sum;
    }
}

/// Which parts of `a` and `b` are multiplied, 0 the high and 1 the low, in the order in which they are summed.
#[cfg(test)]
const ORDER: [(usize, usize); 3] = [(0, 0), (1, 0), (0, 1)];

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub(super) mod hardware {
    use std::arch::asm;
    use std::arch::x86_64::__cpuid_count;
    use std::mem::offset_of;
    use std::sync::OnceLock;

    use super::{RawPart, RawProduct, Rows, TileUnit};

    pub(in super::super) static UNIT: TileUnit = TileUnit {
        begin,
        end,
        split,
        product,
    };

    /// Whether the processor has tiles, and the system lets this process use them; asks once.
    pub(in super::super) fn is_there() -> bool {
        static IS_THERE: OnceLock<bool> = OnceLock::new();
        *IS_THERE.get_or_init(|| has_instructions() && is_let())
    }

    /// CPUID leaf 7: AMX-BF16 is bit 22 of EDX, AMX-TILE bit 24. What of the vector instructions `split` enables is asked for too.
    fn has_instructions() -> bool {
        let has_vectors = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        // Processors with AVX-512 have leaf 7.
        has_vectors && __cpuid_count(7, 0).edx & (1 << 22 | 1 << 24) == 1 << 22 | 1 << 24
    }

    /// Asks Linux to save the tiles of this process's threads (`arch_prctl(2)`, ARCH_REQ_XCOMP_PERM of XTILEDATA), without
    /// which the first use of one ends it.
    fn is_let() -> bool {
        const ARCH_PRCTL: i64 = 158;
        const REQUEST: i64 = 0x1023;
        const TILE_DATA: i64 = 18;
        let mut answer = ARCH_PRCTL;
        // SAFETY: a system call that reads two numbers and writes no memory; it leaves all registers but rax, rcx and r11.
        unsafe {
            asm!(
                "syscall",
                inlateout("rax") answer,
                in("rdi") REQUEST,
                in("rsi") TILE_DATA,
                lateout("rcx") _,
                lateout("r11") _,
                options(nostack)
            );
        }
        answer == 0
    }

    /// The layout of all eight tiles: palette 1, 64 bytes in each of 16 rows.
    #[repr(C, align(64))]
    struct Layout([u8; 64]);

    static LAYOUT: Layout = {
        let mut layout = [0; 64];
        layout[0] = 1;
        let mut tile = 0;
        while tile < 8 {
            layout[16 + 2 * tile] = 64;
            layout[48 + tile] = 16;
            tile += 1;
        }
        Layout(layout)
    };

    unsafe fn begin() {
        // SAFETY: reads the 64 bytes of the layout.
        unsafe { asm!("ldtilecfg [{}]", in(reg) LAYOUT.0.as_ptr(), options(nostack, readonly)) };
    }

    unsafe fn end() {
        // SAFETY: leaves the tiles to nobody.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    unsafe fn split(rows: &[f32], width: usize, to: Rows<'_>) {
        super::split(rows, width, to);
    }

    /// A product as one piece of assembly, so that the compiler knows which tiles it uses: `$sums` are those of the sums, each with where
    /// its columns begin in a row, in bytes, and where its tiles begin among those of `b` side by side; `$step` is how far the
    /// next of these are. Tiles 4 and 5 are the high and the low part of `a`, 6 and 7 those of `b`. The twin sums in the same order.
    macro_rules! product {
        ($p:ident, $step:literal, $(($sums:literal, $columns:literal, $tiles:literal)),+) => {{
            let parts = $p.parts.as_ptr_range();
            asm!(
                $(concat!("tileloadd ", $sums, ", [{init} + {init_stride}*1 + ", $columns, "]"),)+
                // The next part.
                "2:",
                "cmp {part}, {end}",
                "je 5f",
                "mov {a_high}, [{part} + {A}]",
                "mov {a_low}, [{part} + {A} + 8]",
                "mov {a_stride}, [{part} + {A_STRIDE}]",
                "mov {n}, [{part} + {N}]",
                "mov {b_high}, [{part} + {B}]",
                "mov {b_low}, [{part} + {B} + 8]",
                "add {part}, {PART}",
                // The next 32 numbers.
                "3:",
                "sub {n}, 1",
                "jb 2b",
                "tileloadd tmm4, [{a_high} + {a_stride}*1]",
                "tileloadd tmm5, [{a_low} + {a_stride}*1]",
                $(
                    concat!("tileloadd tmm6, [{b_high} + {row}*1 + ", $tiles, "]"),
                    concat!("tdpbf16ps ", $sums, ", tmm4, tmm6"),
                    concat!("tdpbf16ps ", $sums, ", tmm5, tmm6"),
                    concat!("tileloadd tmm7, [{b_low} + {row}*1 + ", $tiles, "]"),
                    concat!("tdpbf16ps ", $sums, ", tmm4, tmm7"),
                )+
                "add {a_high}, 64",
                "add {a_low}, 64",
                concat!("add {b_high}, ", $step),
                concat!("add {b_low}, ", $step),
                "jmp 3b",
                "5:",
                $(concat!("tilestored [{c} + {c_stride}*1 + ", $columns, "], ", $sums),)+
                init = in(reg) $p.init,
                init_stride = in(reg) $p.init_stride,
                c = in(reg) $p.c,
                c_stride = in(reg) $p.c_stride,
                part = inout(reg) parts.start => _,
                end = in(reg) parts.end,
                row = in(reg) 64_usize,
                a_high = out(reg) _,
                a_low = out(reg) _,
                a_stride = out(reg) _,
                b_high = out(reg) _,
                b_low = out(reg) _,
                n = out(reg) _,
                A = const offset_of!(RawPart, a),
                A_STRIDE = const offset_of!(RawPart, a_stride),
                N = const offset_of!(RawPart, n_inner),
                B = const offset_of!(RawPart, b),
                PART = const size_of::<RawPart>(),
                out("tmm0") _,
                out("tmm1") _,
                out("tmm2") _,
                out("tmm3") _,
                out("tmm4") _,
                out("tmm5") _,
                out("tmm6") _,
                out("tmm7") _,
                options(nostack)
            )
        }};
    }

    unsafe fn product(p: &RawProduct<'_>, n_tiles: usize) {
        // SAFETY: loads and stores stay within the extents that the caller vouches for.
        unsafe {
            match n_tiles {
                1 => product!(p, 1024, ("tmm0", 0, 0)),
                2 => product!(p, 2048, ("tmm0", 0, 0), ("tmm1", 64, 1024)),
                3 => product!(p, 3072, ("tmm0", 0, 0), ("tmm1", 64, 1024), ("tmm2", 128, 2048)),
                4 => product!(
                    p,
                    4096,
                    ("tmm0", 0, 0),
                    ("tmm1", 64, 1024),
                    ("tmm2", 128, 2048),
                    ("tmm3", 192, 3072)
                ),
                _ => unreachable!("no product has so many tiles"),
            }
        }
    }
}
