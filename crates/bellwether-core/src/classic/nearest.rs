//! The search for the nearest of many remembered windows: exact, and mostly without looking at them.
//!
//! A distance is never smaller than the difference of two lengths, so the search begins at the windows whose length is
//! nearest and goes outward until that difference alone is too large; a distance that grows too large on the way is
//! given up. Both leave out only what could not have been found.

/// Numbers compared between two looks at the sum so far.
const STEP: usize = 128;
/// Sums kept apart: four registers of AVX2. What is added to which does not depend on the processor.
const LANES: usize = 32;
/// A bound from lengths must exceed a distance by this share before it counts: distances are summed in f32, whose
/// relative error here is below 1e-5.
const MARGIN: f64 = 1e-3;

/// Windows to be found again.
#[derive(Debug)]
pub(super) struct Memory {
    n_cells: usize,
    n_neighbours: usize,
    /// Length of `n_cells` filled with zeros to whole steps.
    width: usize,
    /// `[n_memory, width]`, in rising order of length.
    rows: Vec<f32>,
    lengths: Vec<f64>,
    /// Where each row stood.
    places: Vec<usize>,
}

impl Memory {
    /// # Shapes
    /// `memory: [n_memory, n_cells]`, finite, squares far from overflow.
    pub(super) fn new(memory: &[f32], n_cells: usize, n_neighbours: usize) -> Self {
        let all: Vec<f64> = memory.chunks_exact(n_cells).map(length).collect();
        let mut places: Vec<usize> = (0..all.len()).collect();
        places.sort_by(|&a, &b| all[a].total_cmp(&all[b]));
        let width = n_cells.next_multiple_of(STEP);
        let mut rows = vec![0.0; places.len() * width];
        for (row, &place) in rows.chunks_exact_mut(width).zip(&places) {
            row[..n_cells].copy_from_slice(&memory[place * n_cells..(place + 1) * n_cells]);
        }
        Self {
            n_cells,
            n_neighbours: n_neighbours.min(places.len()),
            width,
            rows,
            lengths: places.iter().map(|&place| all[place]).collect(),
            places,
        }
    }

    pub(super) fn search(&self) -> Search<'_> {
        Search {
            memory: self,
            query: vec![0.0; self.width],
            best: Vec::with_capacity(self.n_neighbours + 1),
        }
    }
}

fn length(values: &[f32]) -> f64 {
    let squares = values.iter().map(|&value| f64::from(value) * f64::from(value));
    squares.sum::<f64>().sqrt()
}

/// One search after another.
#[derive(Debug)]
pub(super) struct Search<'a> {
    memory: &'a Memory,
    query: Vec<f32>,
    /// Squared distance and row of the nearest so far, the nearest first.
    best: Vec<(f32, usize)>,
}

impl Search<'_> {
    /// Where to write what is looked for, `[n_cells]`.
    pub(super) fn query(&mut self) -> &mut [f32] {
        &mut self.query[..self.memory.n_cells]
    }

    /// The places of what was found, the nearest first.
    pub(super) fn found(&self) -> impl Iterator<Item = usize> {
        self.best.iter().map(|&(_, row)| self.memory.places[row])
    }

    /// Finds the nearest; among equally near ones those of the nearest length. False where the query is not finite.
    pub(super) fn run(&mut self) -> bool {
        self.best.clear();
        let length = length(&self.query);
        if !length.is_finite() {
            return false;
        }
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || self.outward(length),
        );
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
        let width = self.memory.width;
        let values = &self.memory.rows[row * width..(row + 1) * width];
        let worst = self.worst();
        let Some(distance) = distance_below(&self.query, values, worst) else {
            return;
        };
        let at = self.best.partition_point(|&(other, _)| other <= distance);
        self.best.insert(at, (distance, row));
        self.best.truncate(self.memory.n_neighbours);
    }
}

/// Squared distance, unless it is `worst` or more. A rounded sum of squares never falls, so giving up early is exact.
#[inline(always)]
fn distance_below(a: &[f32], b: &[f32], worst: f32) -> Option<f32> {
    let mut sums = [0.0; LANES];
    let mut distance = 0.0;
    for (a, b) in a.chunks_exact(STEP).zip(b.chunks_exact(STEP)) {
        let (a, b) = (a.as_chunks::<LANES>().0, b.as_chunks::<LANES>().0);
        for (a, b) in a.iter().zip(b) {
            for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
                *sum += (a - b) * (a - b);
            }
        }
        distance = folded(&sums);
        if distance >= worst {
            return None;
        }
    }
    Some(distance)
}

/// The sum of all lanes, halved again and again: the same tree on every processor.
#[inline(always)]
fn folded(sums: &[f32; LANES]) -> f32 {
    let mut folded = *sums;
    let mut half = LANES / 2;
    while half > 0 {
        for at in 0..half {
            folded[at] += folded[at + half];
        }
        half /= 2;
    }
    folded[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers in [-0.5, 0.5), the same every time.
    fn numbers(n: usize, seed: usize) -> Vec<f32> {
        (0..n)
            .map(|i| ((i * 7919 + seed * 104_729) % 10_007) as f32 / 10_007.0 - 0.5)
            .collect()
    }

    #[test]
    fn the_search_finds_what_looking_at_everything_finds() {
        for (n_memory, n_cells, n_neighbours) in [(1, 3, 3), (40, 5, 3), (300, 130, 3), (200, 257, 7)] {
            let memory: Vec<f32> = (0..n_memory)
                .flat_map(|at| {
                    let size = 0.1 + (at % 11) as f32;
                    numbers(n_cells, at).into_iter().map(move |value| size * value)
                })
                .collect();
            let found = Memory::new(&memory, n_cells, n_neighbours);
            let mut search = found.search();
            for query_idx in 0..50 {
                let query = numbers(n_cells, 1000 + query_idx);
                let size = (query_idx % 7) as f32;
                for (to, from) in search.query().iter_mut().zip(&query) {
                    *to = size * from;
                }
                assert!(search.run());
                let mut all: Vec<(f64, usize)> = memory
                    .chunks_exact(n_cells)
                    .map(|row| {
                        let squares = row
                            .iter()
                            .zip(&query)
                            .map(|(a, b)| f64::from(a - size * b).powi(2));
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
    fn equal_windows_are_found_without_looking_further() {
        let memory = Memory::new(&[0.25; 400], 4, 3);
        let mut search = memory.search();
        search.query().fill(0.25);
        assert!(search.run());
        assert_eq!(search.found().count(), 3);
        search.query().fill(f32::NAN);
        assert!(!search.run());
    }
}
