//! Isolation forest: a strange row is soon alone when rows are split at random (Liu, Ting and Zhou 2008).
//!
//! Each tree splits [`SAMPLE_MAX`] training rows at a random channel and value until rows are alone or log₂ of their
//! number splits deep. A row's path length h is the splits that it passes, plus c(n) for the n rows that it ends among, where
//! c(n) = 2 H(n − 1) − 2 (n − 1) / n. Its score is s = 2^(−mean h / c(sample)), their equation 2.
//!
//! A row's errors sum to s². A channel's share is the share of its splits in what singled the row out: a split that
//! leaves n' of n rows on the row's side tells log₂(n / n') bits, so one that cuts the row from all others says much, one
//! that halves the rows says 1. The bits of each tree sum to log₂(sample / rows that it ends among); they are added up
//! by channel over the trees. The idea that few splits make a channel important is that of Carletti, Terzi and Susto
//! (2023, DIFFI).

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use super::fit::{FitClassicError, Training, below, columns, drawn, last_rows, places, unit};
use super::forest::{Trees, medians};
use super::judge::{Judge, expect_level};
use super::kind::Kind;
use super::layout::{Layout, PartsError};
use super::parts::{Parts, Tensor};

const N_TREES: usize = 100;
/// Rows of a tree.
const SAMPLE_MAX: usize = 256;
/// Most rows that samples are drawn from.
const ROWS_MAX: usize = 50_000;
const EULER_GAMMA: f64 = 0.577_215_664_901_532_9;

#[derive(Debug)]
pub(super) struct IsolationForest {
    /// Of the training rows, `[n_active]`.
    median: Vec<f64>,
    trees: Trees,
    /// c of the rows in a tree, their mean over the trees.
    usual_length: f64,
}

impl IsolationForest {
    fn new(median: Vec<f64>, trees: Trees) -> Self {
        let lengths = trees
            .roots
            .iter()
            .map(|&root| average_length(trees.n_rows[root as usize]));
        let usual_length = lengths.sum::<f64>() / trees.roots.len() as f64;
        Self {
            median,
            trees,
            usual_length,
        }
    }

    pub(super) fn fit(training: &Training<'_>, layout: &Layout<'_>) -> Result<Self, FitClassicError> {
        let n_active = layout.active.len();
        let places = drawn(places(training.windows, layout)?, ROWS_MAX, training.seed);
        let rows = last_rows(training.windows, layout, &places);
        super::fit::check_finite(&rows)?;
        let mut rng = ChaCha8Rng::seed_from_u64(training.seed);
        let mut trees = Trees::default();
        let mut order: Vec<usize> = (0..places.len()).collect();
        for _ in 0..N_TREES {
            let n = SAMPLE_MAX.min(order.len());
            for at in 0..n {
                let other = at + below(&mut rng, order.len() - at);
                order.swap(at, other);
            }
            grow(&mut trees, &rows, n_active, &mut order[..n].to_vec(), &mut rng);
        }
        let median = medians(columns(training.windows, layout, &places));
        Ok(Self::new(median, trees))
    }

    pub(super) fn from_parts(layout: &Layout<'_>, parts: &Parts) -> Result<Self, PartsError> {
        let n_active = layout.active.len();
        let trees = Trees::from_parts(parts, n_active)?;
        Ok(Self::new(parts.f64s("median", n_active)?, trees))
    }

    /// The score of a row, and the bits that each channel's splits tell of it, added to `bits: [n_active]`.
    fn score(&self, row: &[f64], bits: &mut [f64]) -> f64 {
        let mut length = 0.0;
        for &root in &self.trees.roots {
            let mut node = root as usize;
            while let Some((channel, threshold, [left, right])) = self.trees.split(node) {
                let next = if row[channel] <= threshold { left } else { right };
                let (n, n_next) = (self.trees.n_rows[node], self.trees.n_rows[next]);
                bits[channel] += libm::log2(f64::from(n) / f64::from(n_next));
                length += 1.0;
                node = next;
            }
            length += average_length(self.trees.n_rows[node]);
        }
        let mean = length / self.trees.roots.len() as f64;
        if self.usual_length > 0.0 {
            libm::exp2(-mean / self.usual_length)
        } else {
            // Trees of a single row: whatever comes is as far down as that.
            0.5
        }
    }
}

/// c(n): the mean path length of a search that fails in a tree of n rows.
fn average_length(n: u32) -> f64 {
    match n {
        0 | 1 => 0.0,
        2 => 1.0,
        _ => {
            let n = f64::from(n);
            2.0 * (libm::log(n - 1.0) + EULER_GAMMA) - 2.0 * (n - 1.0) / n
        }
    }
}

/// Adds a tree of the rows in `order`.
fn grow(trees: &mut Trees, rows: &[f64], n_active: usize, order: &mut [usize], rng: &mut ChaCha8Rng) {
    // ⌈log₂ n⌉
    let depth_max = order.len().next_power_of_two().trailing_zeros();
    let root = trees.push(order.len());
    trees.roots.push(root as u32);
    // What is still to be split: the node, its range of `order`, its depth.
    let mut open = vec![(root, 0..order.len(), 0)];
    let mut spans = Vec::with_capacity(n_active);
    while let Some((node, range, depth)) = open.pop() {
        let of_node = &mut order[range.clone()];
        if depth == depth_max || of_node.len() < 2 {
            continue;
        }
        spans.clear();
        for channel in 0..n_active {
            let values = of_node.iter().map(|&at| rows[at * n_active + channel]);
            let (lo, hi) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), value| {
                (lo.min(value), hi.max(value))
            });
            if lo < hi {
                spans.push((channel, lo, hi));
            }
        }
        // Rows that are all alike cannot be told apart.
        if spans.is_empty() {
            continue;
        }
        let (channel, lo, hi) = spans[below(rng, spans.len())];
        let at = lo * 0.5 + hi * 0.5 + (unit(rng) - 0.5) * (hi - lo);
        // Below the largest, so that neither side is empty.
        let threshold = if at < hi { at.max(lo) } else { lo };
        of_node.sort_unstable_by_key(|&at| (rows[at * n_active + channel] > threshold, at));
        let n_left = of_node.partition_point(|&at| rows[at * n_active + channel] <= threshold);
        let n_right = of_node.len() - n_left;
        let (left, right) = (trees.push(n_left), trees.push(n_right));
        trees.set_split(node, channel, threshold, [left, right]);
        let middle = range.start + n_left;
        open.push((right, middle..range.end, depth + 1));
        open.push((left, range.start..middle, depth + 1));
    }
}

impl Judge for IsolationForest {
    fn kind(&self) -> Kind {
        Kind::IsolationForest
    }

    fn expected(&self, _layout: &Layout<'_>, _cells: &[f64], out: &mut [f64]) {
        expect_level(&self.median, out);
    }

    fn errors(&self, layout: &Layout<'_>, cells: &[f64], out: &mut [f64]) {
        let n_active = layout.active.len();
        let windows = cells.chunks_exact(layout.n_cells());
        for (cells, out) in windows.zip(out.chunks_exact_mut(n_active)) {
            out.fill(0.0);
            let score = self.score(&cells[cells.len() - n_active..], out);
            let bits: f64 = out.iter().sum();
            for error in out {
                // No split at all: nothing tells the channels apart.
                let share = if bits > 0.0 {
                    *error / bits
                } else {
                    1.0 / n_active as f64
                };
                *error = score * score * share;
            }
        }
    }

    fn settings(&self) -> Vec<usize> {
        vec![self.trees.roots.len()]
    }

    fn tensors(&self) -> Vec<(&'static str, Tensor)> {
        let mut tensors = self.trees.tensors();
        tensors.push(("median", self.median.clone().into()));
        tensors
    }
}
