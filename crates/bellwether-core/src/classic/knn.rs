//! Nearest windows: a normal window has a shape like some that were seen in training.

use super::fit::{
    FitClassicError, centre_into, check_finite as check_fitted, drawn, gather, is_scale, places, scales,
};
use super::kind::Kind;
use super::layout::{Layout, PartsError, check_finite, check_len, check_numbers};
use super::nearest::{AT_ONCE, Memory};
use super::parts::{Classic, Parts};
use crate::model::{Model, ModelError, zero_unobserved};
use crate::window::{WindowSpec, Windows};

/// Most windows remembered, most neighbours: a bundle cannot ask for more.
const MEMORY_MAX: usize = 1 << 16;
const NEIGHBOURS_MAX: usize = 64;
/// Most rows of a window: the search keeps a square matrix as wide.
const LEN_MAX: usize = 512;
/// Scaled values are clamped to ± this before they are narrowed: sums of their squares stay within f32.
const REACH: f64 = 1e15;

/// How a [`NearestWindows`] is fitted. The defaults are those measured to be best in one configuration for all data
/// sets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KnnSpec {
    /// Rows of a window; 20.
    pub window_len: usize,
    /// Most windows remembered, drawn without replacement; 1500.
    pub memory_max: usize,
    /// How many neighbours count; 3.
    pub n_neighbours: usize,
    /// Seed of the draw.
    pub seed: u64,
}

impl Default for KnnSpec {
    fn default() -> Self {
        Self {
            window_len: 20,
            memory_max: 1500,
            n_neighbours: 3,
            seed: 0,
        }
    }
}

impl KnnSpec {
    /// Remembers windows drawn from any number of views, active channels only; filled values count as they stand, but
    /// windows with less than half of their active cells observed are left out. Where there are fewer windows than
    /// neighbours, all of them count.
    ///
    /// # Shapes
    /// `windows`: each `[n_windows, window_len, n_channels]`; `active` rising, below `n_channels`;
    /// `weights: [n_channels]`, how much the square of a channel counts in a distance: positive.
    ///
    /// # Errors
    /// [`FitClassicError`] where the spec, the channels or the weights are out of range, there is no window to
    /// learn from, or its values are beyond what distances can hold.
    pub fn fit(
        &self,
        windows: &[Windows<'_>],
        n_channels: usize,
        active: &[usize],
        weights: &[f64],
    ) -> Result<NearestWindows, FitClassicError> {
        self.check()?;
        let layout = Layout::new(self.window_len, n_channels, active)?;
        let scales = scales(weights, &layout)?;
        let drawn = drawn(places(windows, &layout)?, self.memory_max, self.seed);
        let mut cells = gather(windows, &layout, &drawn);
        check_fitted(&cells)?;
        let mut means = vec![0.0; active.len()];
        let mut memory = vec![0.0; cells.len()];
        let narrowed = memory.chunks_exact_mut(layout.n_cells());
        for (cells, narrowed) in cells.chunks_exact_mut(layout.n_cells()).zip(narrowed) {
            centre_into(cells, &mut means);
            narrow(cells, &scales, narrowed);
        }
        Ok(NearestWindows::new(KnnParts {
            window_len: self.window_len,
            n_channels,
            active: active.to_vec(),
            scales,
            n_neighbours: self.n_neighbours,
            memory,
        }))
    }

    fn check(&self) -> Result<(), FitClassicError> {
        let wrong = |name, want| Err(FitClassicError::Spec { name, want });
        if !(1..=LEN_MAX).contains(&self.window_len) {
            return wrong("window_len", "in 1..=512");
        }
        if !(1..=MEMORY_MAX).contains(&self.memory_max) {
            return wrong("memory_max", "in 1..=65536");
        }
        if !(1..=NEIGHBOURS_MAX).contains(&self.n_neighbours) {
            return wrong("n_neighbours", "in 1..=64");
        }
        Ok(())
    }
}

fn narrow(cells: &[f64], scales: &[f64], narrowed: &mut [f32]) {
    let rows = cells.chunks_exact(scales.len());
    for (row, narrowed) in rows.zip(narrowed.chunks_exact_mut(scales.len())) {
        for ((narrowed, value), scale) in narrowed.iter_mut().zip(row).zip(scales) {
            *narrowed = (value * scale).clamp(-REACH, REACH) as f32;
        }
    }
}

/// A [`NearestWindows`] as plain data.
#[derive(Debug, Clone, PartialEq)]
pub struct KnnParts {
    /// Rows of a window.
    pub window_len: usize,
    /// Channels of a window, active or not.
    pub n_channels: usize,
    /// The channels that are read, rising.
    pub active: Vec<usize>,
    /// What centred values are multiplied by before they are compared, `[n_active]`: roots of the weights.
    pub scales: Vec<f64>,
    /// How many neighbours count; fewer where fewer windows are remembered.
    pub n_neighbours: usize,
    /// Remembered windows, centred and scaled, `[n_memory, window_len, n_active]`.
    pub memory: Vec<f32>,
}

impl KnnParts {
    /// These parts as a bundle keeps them.
    pub(super) fn read(parts: &Parts) -> Result<Self, PartsError> {
        Ok(Self {
            window_len: parts.window_len,
            n_channels: parts.n_channels,
            active: parts.active.clone(),
            scales: parts.f64s_of_any_len("scales")?,
            n_neighbours: parts.setting("n_neighbours")?,
            memory: parts.f32s_of_any_len("memory")?,
        })
    }

    fn check(&self) -> Result<(), PartsError> {
        let n_cells = Layout::new(self.window_len, self.n_channels, &self.active)?.n_cells();
        let wrong = |name, at, why| Err(PartsError::Value { name, at, why });
        if self.window_len > LEN_MAX {
            return wrong("window_len", 0, "beyond 512");
        }
        check_numbers("scales", &self.scales, self.active.len())?;
        if let Some(at) = self.scales.iter().position(|&scale| !is_scale(scale)) {
            return wrong("scales", at, "out of [1e-12, 1e12]");
        }
        if !(1..=NEIGHBOURS_MAX).contains(&self.n_neighbours) {
            return wrong("n_neighbours", 0, "out of 1..=64");
        }
        let n_memory = self.memory.len().div_ceil(n_cells);
        if !(1..=MEMORY_MAX).contains(&n_memory) {
            return wrong("memory", 0, "the start of no window, or of more than 65536");
        }
        check_len("memory", self.memory.len(), n_memory * n_cells)?;
        // Stated as what is wanted, so that NaN is refused.
        let is_held = |value: &f32| f64::from(value.abs()) <= 1.001 * REACH;
        match self.memory.iter().position(|value| !is_held(value)) {
            None => Ok(()),
            Some(at) => wrong("memory", at, "not finite, or beyond 1e15"),
        }
    }
}

/// The shape of a window compared with windows remembered from training: each channel minus its mean within the
/// window, so that a slow drift of the level is no anomaly; the distance to the nearest neighbours as a measure of
/// strangeness is that of Ramaswamy, Rastogi and Shim (2000), with the mean of several. Answers for every row.
#[derive(Debug)]
pub struct NearestWindows {
    parts: KnnParts,
    memory: Memory,
}

impl NearestWindows {
    /// Takes parts from outside.
    ///
    /// # Errors
    /// [`PartsError`] where sizes do not fit one another or numbers are out of range; nothing is allocated before.
    pub fn from_parts(parts: KnnParts) -> Result<Self, PartsError> {
        parts.check()?;
        Ok(Self::new(parts))
    }

    fn new(parts: KnnParts) -> Self {
        let memory = Memory::new(
            &parts.memory,
            parts.window_len,
            parts.active.len(),
            parts.n_neighbours,
        );
        Self { parts, memory }
    }

    /// What it consists of.
    pub fn parts(&self) -> &KnnParts {
        &self.parts
    }

    fn layout(&self) -> Layout<'_> {
        Layout {
            len: self.parts.window_len,
            n_channels: self.parts.n_channels,
            active: &self.parts.active,
        }
    }

    /// A remembered window in the units of the windows, `[len, n_active]`.
    fn unscaled(&self, shape: &[f32], cells: &mut [f64]) {
        let scales = &self.parts.scales;
        let rows = shape.chunks_exact(scales.len());
        for (shape, cells) in rows.zip(cells.chunks_exact_mut(scales.len())) {
            for ((cell, value), scale) in cells.iter_mut().zip(shape).zip(scales) {
                *cell = f64::from(*value) / scale;
            }
        }
    }

    /// Calls `answer(window_idx, cells, means, neighbours)` for each window: its centred values `[len, n_active]` to
    /// be overwritten, their means, and the remembered windows nearest to it.
    ///
    /// # Errors
    /// Where a window is not one of finite numbers.
    fn each(
        &self,
        windows: &Windows<'_>,
        mut answer: impl FnMut(usize, &mut [f64], &[f64], &[&[f32]]),
    ) -> Result<(), ModelError> {
        let layout = self.layout();
        let (n_cells, n_active) = (layout.n_cells(), layout.active.len());
        let n_at_once = AT_ONCE.min(windows.n_windows());
        let mut cells = vec![0.0; n_at_once * n_cells];
        let mut means = vec![0.0; n_at_once * n_active];
        let mut queries = vec![0.0; n_at_once * n_cells];
        let mut search = self.memory.search();
        let mut neighbours = Vec::with_capacity(self.parts.n_neighbours);
        for first in (0..windows.n_windows()).step_by(AT_ONCE) {
            let n = n_at_once.min(windows.n_windows() - first);
            let of_windows = cells
                .chunks_exact_mut(n_cells)
                .zip(means.chunks_exact_mut(n_active));
            let of_windows = of_windows.zip(queries.chunks_exact_mut(n_cells)).take(n);
            for (at, ((cells, means), query)) in of_windows.enumerate() {
                layout.gather(windows.values(first + at), cells);
                centre_into(cells, means);
                narrow(cells, &self.parts.scales, query);
            }
            search.take(&queries[..n * n_cells]);
            let of_windows = cells.chunks_exact_mut(n_cells).zip(means.chunks_exact(n_active));
            for (at, (cells, means)) in of_windows.take(n).enumerate() {
                let window_idx = first + at;
                if !search.run(at) {
                    return Err(ModelError::NotFinite { window_idx });
                }
                neighbours.clear();
                neighbours.extend(search.found().map(|at| {
                    let at = at * n_cells;
                    &self.parts.memory[at..at + n_cells]
                }));
                answer(window_idx, cells, means, &neighbours);
            }
        }
        Ok(())
    }
}

impl Model for NearestWindows {
    fn name(&self) -> &'static str {
        "knn"
    }

    fn window(&self) -> WindowSpec {
        self.layout().spec()
    }

    fn n_channels(&self) -> usize {
        self.parts.n_channels
    }

    /// The window's mean plus the mean shape of its neighbours; zero for channels that it does not read.
    fn expected(&self, windows: Windows<'_>, out: &mut [f64]) -> Result<(), ModelError> {
        let layout = self.layout();
        layout.check(&windows, layout.len, out)?;
        let (n_active, n_whole) = (layout.active.len(), layout.len * layout.n_channels);
        let mut neighbour = vec![0.0; layout.n_cells()];
        self.each(&windows, |window_idx, cells, means, neighbours| {
            cells.fill(0.0);
            for shape in neighbours {
                self.unscaled(shape, &mut neighbour);
                for (cell, value) in cells.iter_mut().zip(&neighbour) {
                    *cell += value;
                }
            }
            for row in cells.chunks_exact_mut(n_active) {
                for (cell, mean) in row.iter_mut().zip(means) {
                    *cell = mean + *cell / neighbours.len() as f64;
                }
            }
            layout.scatter(cells, &mut out[window_idx * n_whole..(window_idx + 1) * n_whole]);
        })?;
        check_finite(out, n_whole)
    }

    fn squares_residuals(&self) -> bool {
        false
    }

    /// The mean over the neighbours of the squared difference of centred values, in the units of the windows (not
    /// scaled by the weights); the square of the value for channels that it does not read; zero where not observed.
    ///
    /// Not the square of what [`Model::expected`] is off by: neighbours that differ among themselves count here.
    fn errors(&self, windows: Windows<'_>, out: &mut [f64]) -> Result<(), ModelError> {
        let layout = self.layout();
        layout.check(&windows, layout.len, out)?;
        let n_whole = layout.len * layout.n_channels;
        let mut neighbour = vec![0.0; layout.n_cells()];
        let mut sums = vec![0.0; layout.n_cells()];
        self.each(&windows, |window_idx, cells, _, neighbours| {
            let out = &mut out[window_idx * n_whole..(window_idx + 1) * n_whole];
            for (error, value) in out.iter_mut().zip(windows.values(window_idx)) {
                *error = value * value;
            }
            for shape in neighbours {
                self.unscaled(shape, &mut neighbour);
                for ((sum, cell), value) in sums.iter_mut().zip(cells.iter()).zip(&neighbour) {
                    *sum += (cell - value) * (cell - value);
                }
            }
            let rows = sums.chunks_exact_mut(layout.active.len());
            for (sums, out) in rows.zip(out.chunks_exact_mut(layout.n_channels)) {
                for (sum, &channel) in sums.iter_mut().zip(layout.active) {
                    out[channel] = *sum / neighbours.len() as f64;
                    *sum = 0.0;
                }
            }
            if let Some(observed) = windows.observed(window_idx) {
                zero_unobserved(out, observed);
            }
        })?;
        check_finite(out, n_whole)
    }
}

impl Classic for NearestWindows {
    fn kind(&self) -> Kind {
        Kind::Knn
    }

    fn to_parts(&self) -> Parts {
        let parts = &self.parts;
        let n_cells = self.layout().n_cells();
        Parts {
            window_len: parts.window_len,
            n_channels: parts.n_channels,
            active: parts.active.clone(),
            settings: vec![
                ("n_windows", parts.memory.len() / n_cells),
                ("n_neighbours", parts.n_neighbours),
            ],
            tensors: vec![
                ("scales".to_owned(), parts.scales.clone().into()),
                ("memory".to_owned(), parts.memory.clone().into()),
            ],
        }
    }
}
