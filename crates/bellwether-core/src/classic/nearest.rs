//! The search for the nearest of many remembered windows: exact, and mostly without looking at all of them.
//!
//! Three bounds leave out what cannot be among the nearest. A distance is never smaller than the difference of two
//! lengths, so the search begins at the windows whose length is nearest and goes outward until that difference alone
//! is too large. And a sum of squares never falls, so a distance that has grown too large is given up; to make it grow
//! early, each channel is turned to its cosine transform (orthonormal, so distances stay) and slow waves, where most
//! of a signal lies, are compared first (Agrawal, Faloutsos and Swami 1993). Where windows are wide, one of noise would still
//! be compared with most rows to the end: [`Bounds`] of many windows at a time leave some thirty rows each. What is found
//! does not depend on the bounds, nor on which windows are looked up together.

use std::sync::Arc;

use super::bounds::Bounds;
use super::product::Panels;

/// Windows looked up together: so many times each remembered row is used when it is fetched.
pub(super) const AT_ONCE: usize = 32;

/// Numbers compared between two looks at the sum so far.
const STEP: usize = 128;
/// Sums side by side: a register of AVX2. What is added to which does not depend on the processor.
const LANES: usize = 8;
/// Such registers in turn, so that no addition waits for the one before.
const CHAINS: usize = 4;
/// A bound from lengths must exceed a distance by this share before it counts: distances are summed in f32, whose
/// relative error here is below 1e-5.
const MARGIN: f64 = 1e-3;

/// Windows to be found again.
#[derive(Debug)]
pub(super) struct Memory {
    waves: Waves,
    n_neighbours: usize,
    n_rows: usize,
    /// Waves of the windows in rising order of length, `[n_steps, n_rows, STEP]`: what is compared first lies together.
    slabs: Vec<f32>,
    /// Of the rows in the same order; `None` where a row is one step, and comparing costs no more than bounding.
    bounds: Option<Bounds>,
    lengths: Vec<f64>,
    /// Where each row stood.
    places: Vec<usize>,
}

impl Memory {
    /// # Shapes
    /// `memory: [n_memory, len, n_active]`, each channel centred within its window, squares far from overflow.
    pub(super) fn new(memory: &[f32], len: usize, n_active: usize, n_neighbours: usize) -> Self {
        let mut waves = Waves::new(len, n_active);
        let width = waves.width();
        let n_rows = memory.len() / (len * n_active);
        let mut rows = vec![0.0; n_rows * width];
        for (cells, row) in memory
            .chunks_exact(len * n_active)
            .zip(rows.chunks_exact_mut(width))
        {
            waves.turn(cells, row);
        }
        let all: Vec<f64> = rows.chunks_exact(width).map(length).collect();
        let mut places: Vec<usize> = (0..n_rows).collect();
        places.sort_by(|&a, &b| all[a].total_cmp(&all[b]));
        let bounds = (width > STEP).then(|| {
            let ordered = places
                .iter()
                .flat_map(|&place| &rows[place * width..(place + 1) * width]);
            Bounds::new(&ordered.copied().collect::<Vec<f32>>(), width)
        });
        let mut slabs = Vec::with_capacity(rows.len());
        for first in (0..width).step_by(STEP) {
            for &place in &places {
                let at = place * width + first;
                slabs.extend_from_slice(&rows[at..at + STEP]);
            }
        }
        Self {
            waves,
            n_neighbours: n_neighbours.min(n_rows),
            n_rows,
            slabs,
            bounds,
            lengths: places.iter().map(|&place| all[place]).collect(),
            places,
        }
    }

    pub(super) fn search(&self) -> Search<'_> {
        Search {
            memory: self,
            waves: self.waves.clone(),
            queries: vec![0.0; AT_ONCE * self.waves.width()],
            below: vec![
                0.0;
                if self.bounds.is_some() {
                    AT_ONCE * self.n_rows
                } else {
                    0
                }
            ],
            query_idx: 0,
            best: Vec::with_capacity(self.n_neighbours + 1),
        }
    }
}

fn length(values: &[f32]) -> f64 {
    let squares = values.iter().map(|&value| f64::from(value) * f64::from(value));
    squares.sum::<f64>().sqrt()
}

/// Turns windows to waves.
#[derive(Debug, Clone)]
struct Waves {
    len: usize,
    n_active: usize,
    /// The cosine transform of a channel but for its constant, which centring took away, `[len, len - 1]`.
    basis: Arc<Panels>,
    channels: Vec<f64>,
    turned: Vec<f64>,
}

impl Waves {
    fn new(len: usize, n_active: usize) -> Self {
        let n = len as f64;
        let basis = Panels::new(len, len - 1, |row, wave| {
            let angle = std::f64::consts::PI * (row as f64 + 0.5) * (wave + 1) as f64 / n;
            (2.0 / n).sqrt() * libm::cos(angle)
        });
        Self {
            len,
            n_active,
            basis: Arc::new(basis),
            channels: vec![0.0; n_active * len],
            turned: vec![0.0; n_active * (len - 1)],
        }
    }

    /// Numbers per window, filled with zeros to whole steps.
    fn width(&self) -> usize {
        self.turned.len().next_multiple_of(STEP).max(STEP)
    }

    /// # Shapes
    /// `cells: [len, n_active]`, `row: [width]`: all slowest waves, then all next ones, `[len - 1, n_active]`.
    fn turn(&mut self, cells: &[f32], row: &mut [f32]) {
        for (row_idx, cells) in cells.chunks_exact(self.n_active).enumerate() {
            for (channel, cell) in cells.iter().enumerate() {
                self.channels[channel * self.len + row_idx] = f64::from(*cell);
            }
        }
        self.basis.product(&self.channels, &mut self.turned);
        let n_waves = self.len - 1;
        for (channel, turned) in self.turned.chunks_exact(n_waves.max(1)).enumerate() {
            for (wave, value) in turned.iter().enumerate() {
                row[wave * self.n_active + channel] = *value as f32;
            }
        }
    }
}

/// One search after another.
#[derive(Debug)]
pub(super) struct Search<'a> {
    memory: &'a Memory,
    waves: Waves,
    /// `[AT_ONCE, width]`
    queries: Vec<f32>,
    /// Bounds of each, `[AT_ONCE, n_rows]`; empty where there are none.
    below: Vec<f32>,
    /// Which of them is looked up.
    query_idx: usize,
    /// Squared distance and row of the nearest so far, the nearest first.
    best: Vec<(f32, usize)>,
}

/// The search as what [`pulp`] can compile for each kind of processor.
struct Outward<'a, 'b> {
    search: &'a mut Search<'b>,
    length: f64,
}

impl pulp::NullaryFnOnce for Outward<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.search.outward(self.length);
    }
}

impl Search<'_> {
    /// The places of what was found, the nearest first.
    pub(super) fn found(&self) -> impl Iterator<Item = usize> {
        self.best.iter().map(|&(_, row)| self.memory.places[row])
    }

    /// Takes windows to be looked up, `[n_windows, len, n_active]`, at most [`AT_ONCE`].
    pub(super) fn take(&mut self, windows: &[f32]) {
        let (n_cells, width) = (self.waves.len * self.waves.n_active, self.waves.width());
        let n_windows = windows.len() / n_cells;
        let queries = self.queries.chunks_exact_mut(width);
        for (cells, query) in windows.chunks_exact(n_cells).zip(queries) {
            self.waves.turn(cells, query);
        }
        if let Some(bounds) = &self.memory.bounds {
            let below = &mut self.below[..n_windows * self.memory.n_rows];
            bounds.below(&self.queries[..n_windows * width], below);
        }
    }

    fn query(&self) -> &[f32] {
        let width = self.waves.width();
        &self.queries[self.query_idx * width..(self.query_idx + 1) * width]
    }

    /// Finds the nearest to a window taken; among equally near ones those of the nearest length. False where it is not
    /// finite.
    pub(super) fn run(&mut self, query_idx: usize) -> bool {
        self.best.clear();
        self.query_idx = query_idx;
        let length = length(self.query());
        if !length.is_finite() {
            return false;
        }
        pulp::Arch::new().dispatch(Outward { search: self, length });
        true
    }

    #[inline(always)]
    fn outward(&mut self, length: f64) {
        let lengths = &self.memory.lengths;
        // Rows below `below` are shorter and not yet visited, rows from `above` on are longer.
        let mut above = lengths.partition_point(|&other| other < length);
        let mut below = above;
        loop {
            let gap_above = lengths.get(above).map_or(f64::INFINITY, |other| other - length);
            let gap_below = below
                .checked_sub(1)
                .map_or(f64::INFINITY, |at| length - lengths[at]);
            let gap = gap_above.min(gap_below);
            if gap.is_infinite() || self.is_beyond(gap, length) {
                return;
            }
            if gap_above <= gap_below {
                self.visit(above);
                above += 1;
            } else {
                below -= 1;
                self.visit(below);
            }
        }
    }

    /// Largest squared distance that is still of interest.
    #[inline(always)]
    fn worst(&self) -> f32 {
        if self.best.len() < self.memory.n_neighbours {
            f32::INFINITY
        } else {
            self.best.last().map_or(f32::INFINITY, |&(distance, _)| distance)
        }
    }

    /// Whether a difference of lengths rules a row out, and with it all further ones on its side and the other.
    #[inline(always)]
    fn is_beyond(&self, gap: f64, length: f64) -> bool {
        let worst = self.worst();
        if worst == 0.0 {
            return true;
        }
        // Lengths are rounded too; that is of weight where both are much longer than their difference.
        let gap = gap - 1e-12 * (length + gap);
        gap > 0.0 && gap * gap > f64::from(worst) * (1.0 + MARGIN)
    }

    #[inline(always)]
    fn visit(&mut self, row: usize) {
        let worst = self.worst();
        // The distance itself is rounded too, by far less than the margin.
        let bound = self.below.get(self.query_idx * self.memory.n_rows + row);
        if bound.is_some_and(|bound| bound * (1.0 - MARGIN as f32) > worst) {
            return;
        }
        let Some(distance) = self.distance_below(row, worst) else {
            return;
        };
        let at = self.best.partition_point(|&(other, _)| other <= distance);
        self.best.insert(at, (distance, row));
        self.best.truncate(self.memory.n_neighbours);
    }

    /// Squared distance, unless it is `worst` or more. A rounded sum of squares never falls, so giving up early is
    /// exact.
    #[inline(always)]
    fn distance_below(&self, row: usize, worst: f32) -> Option<f32> {
        let mut distance = 0.0;
        let slabs = self.memory.slabs.chunks_exact(self.memory.n_rows * STEP);
        for (query, slab) in self.query().as_chunks::<STEP>().0.iter().zip(slabs) {
            distance += step_distance(query, &slab.as_chunks::<STEP>().0[row]);
            if distance >= worst {
                return None;
            }
        }
        Some(distance)
    }
}

/// Squared distance of one step's numbers; the order of sums is the same on every processor.
#[inline(always)]
fn step_distance(a: &[f32; STEP], b: &[f32; STEP]) -> f32 {
    let (a, b) = (a.as_chunks::<LANES>().0, b.as_chunks::<LANES>().0);
    let mut sums = [[0.0_f32; LANES]; CHAINS];
    for (a, b) in a.as_chunks::<CHAINS>().0.iter().zip(b.as_chunks::<CHAINS>().0) {
        for ((sums, a), b) in sums.iter_mut().zip(a).zip(b) {
            for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
                let difference = a - b;
                *sum += difference * difference;
            }
        }
    }
    let mut folded = [0.0; LANES];
    for (lane, folded) in folded.iter_mut().enumerate() {
        *folded = (sums[0][lane] + sums[1][lane]) + (sums[2][lane] + sums[3][lane]);
    }
    // Through memory: seen in one piece with the sums below, the loops above are cut to half registers.
    let [a, b, c, d, e, f, g, h] = std::hint::black_box(folded);
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_core::{Rng, SeedableRng};

    /// Numbers in [-0.5, 0.5), the same every time.
    fn numbers(n: usize, seed: usize) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed as u64);
        (0..n)
            .map(|_| (rng.next_u32() >> 8) as f32 / (1 << 24) as f32 - 0.5)
            .collect()
    }

    /// Those of `[len, n_active]` minus the mean of each channel.
    fn centred(n_cells: usize, n_active: usize, seed: usize) -> Vec<f32> {
        let mut cells = numbers(n_cells, seed);
        for channel in 0..n_active {
            let of_channel = (channel..n_cells).step_by(n_active);
            let mean = of_channel.clone().map(|at| cells[at]).sum::<f32>() / (n_cells / n_active) as f32;
            of_channel.for_each(|at| cells[at] -= mean);
        }
        cells
    }

    #[test]
    fn the_search_finds_what_looking_at_everything_finds() {
        for (n_memory, len, n_active, n_neighbours) in
            [(1, 3, 1, 3), (40, 5, 1, 3), (300, 13, 10, 3), (200, 20, 14, 7)]
        {
            let n_cells = len * n_active;
            let memory: Vec<f32> = (0..n_memory)
                .flat_map(|at| {
                    let size = 0.1 + (at % 11) as f32;
                    centred(n_cells, n_active, at)
                        .into_iter()
                        .map(move |value| size * value)
                })
                .collect();
            let found = Memory::new(&memory, len, n_active, n_neighbours);
            let mut search = found.search();
            for query_idx in 0..50 {
                let size = (query_idx % 7) as f32;
                let query = centred(n_cells, n_active, 1000 + query_idx);
                let query: Vec<f32> = query.iter().map(|value| size * value).collect();
                search.take(&query);
                assert!(search.run(0));
                let mut all: Vec<(f64, usize)> = memory
                    .chunks_exact(n_cells)
                    .map(|row| {
                        let squares = row.iter().zip(&query).map(|(a, b)| f64::from(a - b).powi(2));
                        squares.sum()
                    })
                    .zip(0..)
                    .collect();
                all.sort_by(|a, b| a.0.total_cmp(&b.0));
                let expect = all.iter().take(n_neighbours).map(|&(_, place)| place);
                // At size 0 rows of one size are equally far but for rounding.
                if size > 0.0 {
                    assert_eq!(search.found().collect::<Vec<_>>(), expect.collect::<Vec<_>>());
                } else {
                    assert_eq!(search.found().count(), n_neighbours.min(n_memory));
                }
            }
        }
    }

    #[test]
    fn what_is_found_depends_neither_on_the_bounds_nor_on_company() {
        let (len, n_active) = (20, 14);
        let n_cells = len * n_active;
        let memory: Vec<f32> = (0..400)
            .flat_map(|at| centred(n_cells, n_active, at % 390))
            .collect();
        let with = Memory::new(&memory, len, n_active, 5);
        let mut without = Memory::new(&memory, len, n_active, 5);
        without.bounds = None;
        let queries: Vec<f32> = (0..AT_ONCE)
            .flat_map(|at| centred(n_cells, n_active, 380 + at))
            .collect();
        let (mut many, mut plain, mut alone) = (with.search(), without.search(), with.search());
        many.take(&queries);
        plain.take(&queries);
        for (at, query) in queries.chunks_exact(n_cells).enumerate() {
            alone.take(query);
            assert!(many.run(at) && plain.run(at) && alone.run(0));
            assert_eq!(many.best, plain.best);
            assert_eq!(many.best, alone.best);
        }
    }

    #[test]
    fn equal_windows_are_found_without_looking_further() {
        for len in [1, 4] {
            let memory = Memory::new(&vec![0.0; 100 * len], len, 1, 3);
            let mut search = memory.search();
            search.take(&vec![0.0; len]);
            assert!(search.run(0));
            assert_eq!(search.found().count(), 3);
            search.take(&[f32::NAN; 4][..len]);
            assert!(!search.run(0) || len == 1);
        }
    }
}
