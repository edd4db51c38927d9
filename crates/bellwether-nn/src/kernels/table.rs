//! One table of kernels for each instruction set, and the choice among them.

use std::sync::OnceLock;

use super::amx::TileUnit;
use super::elements::{self, AdamStep, Map};
#[cfg(target_arch = "x86_64")]
use super::lanes::{Avx2, Avx512};
use super::lanes::{Lanes, Portable};
use super::lstm::{self, Blocks, Step, StepBack};
use super::tiles::{self, Outer, Product};

/// The kernels of one instruction set.
#[derive(Debug)]
pub struct Kernels {
    pub(super) name: &'static str,
    pub(super) lanes: usize,
    pub(super) step_train: unsafe fn(&Step, &Blocks, usize),
    pub(super) step_score: unsafe fn(&Step, &Blocks, usize),
    pub(super) cells: unsafe fn(*mut f32, *mut f32, *mut f32, usize),
    pub(super) product: unsafe fn(&Product, usize, usize),
    pub(super) outer: unsafe fn(&Outer, usize, usize),
    pub(super) step_back: unsafe fn(&StepBack, usize),
    pub(super) adam: unsafe fn(*mut f32, *mut f32, *mut f32, *const f32, usize, AdamStep),
    pub(super) map: unsafe fn(Map, *mut f32, usize),
    pub(super) sum: unsafe fn(&mut [f32], &[&[f32]]) -> f64,
    pub(super) peak: fn(usize) -> f32,
    /// What multiplies in tiles of bfloat16, where scoring does.
    pub(super) tiles: Option<&'static TileUnit>,
}

/// Instantiates every kernel for one [`Lanes`] inside functions that enable its instructions.
///
/// Each function is as safe as the one that it wraps, on a processor with those instructions.
macro_rules! table {
    ($table:ident, $lanes:ty, $name:literal $(, #[$feature:meta])?) => {
        const $table: Kernels = {
            $(#[$feature])?
            unsafe fn step_train(s: &Step, blocks: &Blocks, rows: usize) {
                unsafe { lstm::step::<$lanes, true>(s, blocks, rows) }
            }
            $(#[$feature])?
            unsafe fn step_score(s: &Step, blocks: &Blocks, rows: usize) {
                unsafe { lstm::step::<$lanes, false>(s, blocks, rows) }
            }
            $(#[$feature])?
            unsafe fn cells(sums: *mut f32, c: *mut f32, h: *mut f32, rows: usize) {
                unsafe { lstm::cells_of_sums::<$lanes>(sums, c, h, rows) }
            }
            $(#[$feature])?
            unsafe fn product(p: &Product, n_vectors: usize, rows: usize) {
                unsafe { tiles::product::<$lanes>(p, n_vectors, rows) }
            }
            $(#[$feature])?
            unsafe fn outer(o: &Outer, n_vectors: usize, inner: usize) {
                unsafe { tiles::outer::<$lanes>(o, n_vectors, inner) }
            }
            $(#[$feature])?
            unsafe fn step_back(s: &StepBack, rows: usize) {
                unsafe { lstm::step_back::<$lanes>(s, rows) }
            }
            $(#[$feature])?
            unsafe fn adam(w: *mut f32, m: *mut f32, v: *mut f32, g: *const f32, n: usize, step: AdamStep) {
                unsafe { elements::adam::<$lanes>(w, m, v, g, n, step) }
            }
            $(#[$feature])?
            unsafe fn map(of: Map, values: *mut f32, n: usize) {
                unsafe { elements::map::<$lanes>(of, values, n) }
            }
            $(#[$feature])?
            fn sum(sums: &mut [f32], parts: &[&[f32]]) -> f64 {
                elements::sum(sums, parts)
            }
            $(#[$feature])?
            unsafe fn peak(rounds: usize) -> f32 {
                unsafe { super::table::peak_chains::<$lanes>(rounds) }
            }
            Kernels {
                name: $name,
                lanes: <$lanes as Lanes>::LANES,
                step_train,
                step_score,
                cells,
                product,
                outer,
                step_back,
                adam,
                map,
                sum,
                // SAFETY: a table is handed out only where its instructions exist.
                peak: |rounds| unsafe { peak(rounds) },
                tiles: None,
            }
        };
    };
}

#[cfg(target_arch = "x86_64")]
table!(AVX512, Avx512, "avx512", #[target_feature(enable = "avx512f,avx512dq,avx2,fma")]);
#[cfg(target_arch = "x86_64")]
table!(AVX2, Avx2, "avx2", #[target_feature(enable = "avx2,fma")]);
table!(PORTABLE, Portable, "portable");

/// Those of AVX-512, but that stacks of LSTM layers are scored in tiles.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
static AMX: Kernels = Kernels {
    name: "amx",
    tiles: Some(&super::amx::hardware::UNIT),
    ..AVX512
};

/// The same with the twin of the tiles.
#[cfg(all(test, target_arch = "x86_64"))]
static AMX_TWIN: Kernels = Kernels {
    name: "twin of amx",
    tiles: Some(&super::amx::TWIN),
    ..AVX512
};

/// What [`Kernels::choose`] has chosen.
static CHOSEN: OnceLock<&'static Kernels> = OnceLock::new();

/// Independent chains of multiply-adds: enough to fill every unit of the processors we know.
const PEAK_CHAINS: usize = 12;

/// Runs `rounds` of [`PEAK_CHAINS`] multiply-adds that touch no memory: what the core can do at most.
#[inline(always)]
unsafe fn peak_chains<S: Lanes>(rounds: usize) -> f32 {
    unsafe {
        let (a, b) = (
            S::splat(std::hint::black_box(0.999)),
            S::splat(std::hint::black_box(0.001)),
        );
        let mut sums = [S::splat(1.0); PEAK_CHAINS];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = S::fma(*sum, a, b);
            }
        }
        let mut total = S::splat(0.0);
        for sum in sums {
            total = S::add(total, sum);
        }
        let mut out = [0.0_f32; 16];
        S::store(out.as_mut_ptr(), total);
        out[0]
    }
}

/// Whether the processor has exactly what the functions of the table enable.
#[cfg(target_arch = "x86_64")]
fn runs_avx2() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

/// As [`runs_avx2`].
#[cfg(target_arch = "x86_64")]
fn runs_avx512() -> bool {
    runs_avx2() && is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq")
}

impl Kernels {
    /// The kernels that were [chosen](Self::choose), else the fastest that this processor runs.
    pub fn detect() -> &'static Self {
        let fastest = || Self::available().first().copied().unwrap_or(&PORTABLE);
        CHOSEN.get().copied().unwrap_or_else(fastest)
    }

    /// Makes those of that name the kernels of this process, once, before others are in use; whether this processor runs them.
    pub fn choose(name: &str) -> bool {
        Self::by_name(name).is_some_and(|kernels| CHOSEN.set(kernels).is_ok())
    }

    /// All kernels that this processor runs, fastest first; the last is the portable one. Not among them is `amx`, which is for who
    /// asks for it by name.
    pub fn available() -> Vec<&'static Self> {
        let mut tables = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if runs_avx512() {
                tables.push(&AVX512);
            }
            if runs_avx2() {
                tables.push(&AVX2);
            }
        }
        tables.push(&PORTABLE);
        tables
    }

    /// The kernels of that name, where this processor runs them.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        if name == AMX.name {
            return (runs_avx512() && super::amx::hardware::is_there()).then_some(&AMX);
        }
        Self::available().into_iter().find(|kernels| kernels.name == name)
    }

    /// Those of AVX-512 with the twin of the tiles of AMX, where the processor has AVX-512.
    #[cfg(test)]
    pub(crate) fn twin_of_amx() -> Option<&'static Self> {
        #[cfg(target_arch = "x86_64")]
        return runs_avx512().then_some(&AMX_TWIN);
        #[cfg(not(target_arch = "x86_64"))]
        None
    }

    /// `amx`, `avx512`, `avx2` or `portable`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Floats in a register.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// Multiply-adds without memory, to measure the core's peak: returns the floating-point operations done.
    pub fn run_at_peak(&self, rounds: usize) -> f64 {
        std::hint::black_box((self.peak)(rounds));
        (rounds * PEAK_CHAINS * self.lanes * 2) as f64
    }
}
