//! Robust random cut forest: how much a tree of training rows would be displaced by a row (Guha, Mishra, Roy and Schrijvers
//! 2016).
//!
//! A tree cuts a sample of rows at a channel drawn in proportion to its range, at an even place of that range, until rows
//! are alone. A row that comes is inserted as their algorithm 2 says: at each node, the cut is drawn in the box of its rows
//! widened to hold the new one; where it falls beside the old box it parts the row from all below, else the row goes
//! the way of the old cut. Its collusive displacement is the largest, over the nodes above it, of the rows beside that
//! node over the rows in it. A fitted forest stays as it is: the row is inserted in thought alone, and instead of one
//! insertion the *expected* displacement over all is computed, in one walk from the root, without a random number.
//!
//! A row's errors sum to the mean of that over the trees. A displacement belongs to the channel of the cut that parts the
//! two sides: to that of an old cut, or for the cut that parts the row itself to each channel in proportion to how far
//! the row widens the box along it, because that is the chance that the cut is along it.

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use super::fit::{FitClassicError, Training, below, check_finite, columns, drawn, last_rows, places, unit};
use super::forest::{Trees, medians};
use super::judge::{Judge, expect_level};
use super::kind::Kind;
use super::layout::{Layout, PartsError};
use super::parts::{Parts, Tensor};

const N_TREES: usize = 40;
/// Rows of a tree; fewer where there are so many channels that all rows of all trees would hold more numbers than
/// [`NUMBERS_MAX`].
const SAMPLE_MAX: usize = 128;
const NUMBERS_MAX: usize = 1 << 20;
/// Most rows that samples are drawn from.
const ROWS_MAX: usize = 50_000;

#[derive(Debug)]
pub(super) struct RandomCutForest {
    /// Of the training rows, `[n_active]`.
    median: Vec<f64>,
    trees: Trees,
    /// The rows of the leaves, in the order of nodes, `[n_leaves, n_active]`.
    points: Vec<f64>,
    /// Least and greatest values below each node, `[n_nodes, 2, n_active]`.
    boxes: Vec<f64>,
}

impl RandomCutForest {
    fn new(median: Vec<f64>, trees: Trees, points: Vec<f64>) -> Self {
        let n = median.len();
        let mut boxes = vec![0.0; trees.n_nodes() * 2 * n];
        let mut leaves = points.rchunks_exact(n);
        // Children stand behind their parents.
        for node in (0..trees.n_nodes()).rev() {
            let (of_node, behind) = boxes[node * 2 * n..].split_at_mut(2 * n);
            let (lo, hi) = of_node.split_at_mut(n);
            match trees.split(node) {
                None => {
                    if let Some(point) = leaves.next() {
                        lo.copy_from_slice(point);
                        hi.copy_from_slice(point);
                    }
                }
                Some((_, _, [left, right])) => {
                    let box_of = |child: usize| &behind[(child - node - 1) * 2 * n..][..2 * n];
                    let (left, right) = (box_of(left), box_of(right));
                    for channel in 0..n {
                        lo[channel] = left[channel].min(right[channel]);
                        hi[channel] = left[n + channel].max(right[n + channel]);
                    }
                }
            }
        }
        Self {
            median,
            trees,
            points,
            boxes,
        }
    }

    pub(super) fn fit(training: &Training<'_>, layout: &Layout<'_>) -> Result<Self, FitClassicError> {
        let n_active = layout.active.len();
        let places = drawn(places(training.windows, layout)?, ROWS_MAX, training.seed);
        let rows = last_rows(training.windows, layout, &places);
        // Ranges of all channels are added up.
        check_finite(&[rows.iter().map(|value| value.abs()).sum()])?;
        let mut rng = ChaCha8Rng::seed_from_u64(training.seed);
        let mut trees = Trees::default();
        let mut leaves = Vec::new();
        let mut order: Vec<usize> = (0..places.len()).collect();
        let sample = SAMPLE_MAX.min((NUMBERS_MAX / (N_TREES * n_active)).max(16));
        for _ in 0..N_TREES {
            let n = sample.min(order.len());
            for at in 0..n {
                let other = at + below(&mut rng, order.len() - at);
                order.swap(at, other);
            }
            let sample = &mut order[..n].to_vec();
            grow(&mut trees, &mut leaves, &rows, n_active, sample, &mut rng);
        }
        leaves.sort_unstable();
        let of_leaf = |&(_, at): &(usize, usize)| &rows[at * n_active..(at + 1) * n_active];
        let points = leaves.iter().flat_map(of_leaf).copied().collect();
        let median = medians(columns(training.windows, layout, &places));
        Ok(Self::new(median, trees, points))
    }

    pub(super) fn from_parts(layout: &Layout<'_>, parts: &Parts) -> Result<Self, PartsError> {
        let n_active = layout.active.len();
        let trees = Trees::from_parts(parts, n_active)?;
        let points = parts.f64s("points", trees.n_leaves().saturating_mul(n_active))?;
        Ok(Self::new(parts.f64s("median", n_active)?, trees, points))
    }

    /// Adds the row's expected displacement of the tree below `root` to the channels that it belongs to.
    /// `wider: [n_active]` is room to work in.
    fn displace(&self, root: usize, row: &[f64], wider: &mut [f64], out: &mut [f64]) {
        let n = row.len();
        let mut node = root;
        // The chance that the row comes this far, and the largest displacement by the cuts above with its channel.
        let mut chance = 1.0;
        let mut above = (0.0, None);
        loop {
            let (lo, hi) = self.boxes[node * 2 * n..][..2 * n].split_at(n);
            let (mut span, mut added) = (0.0, 0.0);
            for channel in 0..n {
                let value = row[channel];
                wider[channel] = (lo[channel] - value).max(value - hi[channel]).max(0.0);
                added += wider[channel];
                span += hi[channel] - lo[channel];
            }
            let n_rows = f64::from(self.trees.n_rows[node]);
            let parted = if added > 0.0 { added / (span + added) } else { 0.0 };
            match above {
                (largest, Some(channel)) if largest > n_rows => out[channel] += chance * parted * largest,
                _ if added > 0.0 => {
                    for (out, wider) in out.iter_mut().zip(wider.iter()) {
                        *out += chance * parted * n_rows * wider / added;
                    }
                }
                _ => {}
            }
            chance *= 1.0 - parted;
            let Some((channel, threshold, [left, right])) = self.trees.split(node) else {
                // Equal to the leaf: it is displaced with the row.
                if let (largest, Some(channel)) = above {
                    out[channel] += chance * largest;
                }
                return;
            };
            let (next, beside) = if row[channel] <= threshold {
                (left, right)
            } else {
                (right, left)
            };
            let displaced = f64::from(self.trees.n_rows[beside]) / (f64::from(self.trees.n_rows[next]) + 1.0);
            if displaced > above.0 {
                above = (displaced, Some(channel));
            }
            node = next;
            if chance == 0.0 {
                return;
            }
        }
    }
}

/// Adds a tree of the rows in `order`, and each of its leaves with a row that it stands for.
fn grow(
    trees: &mut Trees,
    leaves: &mut Vec<(usize, usize)>,
    rows: &[f64],
    n_active: usize,
    order: &mut [usize],
    rng: &mut ChaCha8Rng,
) {
    let root = trees.push(order.len());
    trees.roots.push(root as u32);
    let mut open = vec![(root, 0..order.len())];
    let mut bounds = vec![(0.0, 0.0); n_active];
    while let Some((node, range)) = open.pop() {
        let of_node = &mut order[range.clone()];
        let value = |at: usize, channel: usize| rows[at * n_active + channel];
        for (channel, bounds) in bounds.iter_mut().enumerate() {
            let values = of_node.iter().map(|&at| value(at, channel));
            *bounds = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), value| {
                (lo.min(value), hi.max(value))
            });
        }
        let span: f64 = bounds.iter().map(|(lo, hi)| hi - lo).sum();
        // Alone, or all alike.
        if span <= 0.0 {
            leaves.push((node, of_node[0]));
            continue;
        }
        let mut left = unit(rng) * span;
        let widest =
            |a: &(usize, &(f64, f64)), b: &(usize, &(f64, f64))| (a.1.1 - a.1.0).total_cmp(&(b.1.1 - b.1.0));
        // Rounding may leave a little beyond the last range.
        let mut cut = bounds
            .iter()
            .enumerate()
            .max_by(widest)
            .map_or((0, 0.0), |(channel, bounds)| (channel, bounds.0));
        for (channel, (lo, hi)) in bounds.iter().enumerate() {
            if left < hi - lo {
                cut = (channel, lo + left);
                break;
            }
            left -= hi - lo;
        }
        let (channel, at) = cut;
        let (lo, hi) = bounds[channel];
        // Below the greatest, so that neither side is empty.
        let threshold = if at < hi { at.max(lo) } else { lo };
        of_node.sort_unstable_by_key(|&at| (value(at, channel) > threshold, at));
        let n_left = of_node.partition_point(|&at| value(at, channel) <= threshold);
        let (left, right) = (trees.push(n_left), trees.push(of_node.len() - n_left));
        trees.set_split(node, channel, threshold, [left, right]);
        let middle = range.start + n_left;
        open.push((right, middle..range.end));
        open.push((left, range.start..middle));
    }
}

impl Judge for RandomCutForest {
    fn kind(&self) -> Kind {
        Kind::Rrcf
    }

    fn expected(&self, _layout: &Layout<'_>, _cells: &[f64], out: &mut [f64]) {
        expect_level(&self.median, out);
    }

    fn errors(&self, layout: &Layout<'_>, cells: &[f64], out: &mut [f64]) {
        let n_active = layout.active.len();
        let mut wider = vec![0.0; n_active];
        let windows = cells.chunks_exact(layout.n_cells());
        for (cells, out) in windows.zip(out.chunks_exact_mut(n_active)) {
            out.fill(0.0);
            let row = &cells[cells.len() - n_active..];
            for &root in &self.trees.roots {
                self.displace(root as usize, row, &mut wider, out);
            }
            for error in out {
                *error /= self.trees.roots.len() as f64;
            }
        }
    }

    fn settings(&self) -> Vec<usize> {
        vec![self.trees.roots.len()]
    }

    fn tensors(&self) -> Vec<(&'static str, Tensor)> {
        let mut tensors = self.trees.tensors();
        tensors.push(("points", self.points.clone().into()));
        tensors.push(("median", self.median.clone().into()));
        tensors
    }
}
