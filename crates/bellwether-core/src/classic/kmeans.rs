//! k-means windows: a normal window has a shape like one of a few that stand for all normal ones.
//!
//! Windows minus each channel's mean within them, as in [`super::knn`], in squared distance weighted by channel. Seeded
//! by k-means++ (Arthur and Vassilvitskii 2007), moved by Lloyd's algorithm (1982) until nothing changes, at most
//! [`STEPS_MAX`] times. The errors are the squared differences from the nearest centroid, cell by cell.

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use super::fit::{
    FitClassicError, Training, centre_into, check_finite, evenly, gather, places, scales, unit,
};
use super::judge::Judge;
use super::kind::Kind;
use super::layout::{Layout, PartsError, check_least};
use super::parts::{Parts, Tensor};
use super::product::Panels;
use crate::model::Answers;

/// Most centroids; fewer where there are fewer windows.
const CLUSTERS_MAX: usize = 64;
/// Most windows to learn from, evenly spaced.
const WINDOWS_MAX: usize = 4000;
/// Most moves of all centroids.
const STEPS_MAX: usize = 50;

#[derive(Debug)]
pub(super) struct KMeans {
    /// What centred values are multiplied by before they are compared, `[n_active]`: roots of the weights.
    scales: Vec<f64>,
    /// Centred and scaled, `[n_clusters, len, n_active]`.
    centroids: Vec<f64>,
    nearest: Nearest,
}

impl KMeans {
    fn new(scales: Vec<f64>, centroids: Vec<f64>, n_cells: usize) -> Self {
        let nearest = Nearest::new(&centroids, n_cells);
        Self {
            scales,
            centroids,
            nearest,
        }
    }

    pub(super) fn fit(training: &Training<'_>, layout: &Layout<'_>) -> Result<Self, FitClassicError> {
        let scales = scales(training.weights, layout)?;
        let n_cells = layout.n_cells();
        let places = evenly(places(training.windows, layout)?, WINDOWS_MAX);
        let mut cells = gather(training.windows, layout, &places);
        let mut means = vec![0.0; layout.active.len()];
        for cells in cells.chunks_exact_mut(n_cells) {
            shape(cells, &scales, &mut means);
        }
        // Squares of distances must be finite too.
        check_finite(&[cells.iter().map(|cell| cell * cell).sum()])?;
        let seeds = seeds(&cells, n_cells, training.seed);
        Ok(Self::new(scales, lloyd(&cells, seeds, n_cells), n_cells))
    }

    pub(super) fn from_parts(layout: &Layout<'_>, parts: &Parts) -> Result<Self, PartsError> {
        let scales = parts.f64s("scales", layout.active.len())?;
        check_least("scales", &scales, f64::MIN_POSITIVE, "not above zero")?;
        let n_clusters = parts.setting("n_clusters")?;
        if n_clusters == 0 {
            let (name, at, why) = ("n_clusters", 0, "0: a window needs a centroid to be near to");
            return Err(PartsError::Value { name, at, why });
        }
        let n_cells = layout.n_cells();
        let centroids = parts.f64s("centroids", n_clusters.saturating_mul(n_cells))?;
        Ok(Self::new(scales, centroids, n_cells))
    }

    /// Calls `answer(cells, means, centroid, out)` for each window: its centred and scaled cells and their means.
    fn each(
        &self,
        layout: &Layout<'_>,
        cells: &[f64],
        out: &mut [f64],
        mut answer: impl FnMut(&[f64], &[f64], &[f64], &mut [f64]),
    ) {
        let (n_cells, n_active) = (layout.n_cells(), layout.active.len());
        let mut cells = cells.to_vec();
        let mut means = vec![0.0; cells.len() / layout.len];
        for (cells, means) in cells
            .chunks_exact_mut(n_cells)
            .zip(means.chunks_exact_mut(n_active))
        {
            shape(cells, &self.scales, means);
        }
        let nearest = self.nearest.of(&cells);
        let windows = cells.chunks_exact(n_cells).zip(means.chunks_exact(n_active));
        for (((cells, means), at), out) in windows.zip(nearest).zip(out.chunks_exact_mut(n_cells)) {
            let centroid = &self.centroids[at * n_cells..(at + 1) * n_cells];
            answer(cells, means, centroid, out);
        }
    }
}

/// Centres each channel of a window and scales it; `means: [n_active]` in the units of the window.
fn shape(cells: &mut [f64], scales: &[f64], means: &mut [f64]) {
    centre_into(cells, means);
    for row in cells.chunks_exact_mut(scales.len()) {
        for (cell, scale) in row.iter_mut().zip(scales) {
            *cell *= scale;
        }
    }
}

/// Finds the nearest of some centroids: the one with the largest x · c − |c|² / 2.
#[derive(Debug)]
struct Nearest {
    n_cells: usize,
    products: Panels,
    half_squares: Vec<f64>,
}

impl Nearest {
    fn new(centroids: &[f64], n_cells: usize) -> Self {
        let half_square = |of: &[f64]| of.iter().map(|value| value * value).sum::<f64>() / 2.0;
        Self {
            n_cells,
            products: Panels::new(n_cells, centroids.len() / n_cells, |cell, at| {
                centroids[at * n_cells + cell]
            }),
            half_squares: centroids.chunks_exact(n_cells).map(half_square).collect(),
        }
    }

    /// The position of the nearest to each of `cells: [n_windows, n_cells]`; the first of equals.
    fn of(&self, cells: &[f64]) -> Vec<usize> {
        let mut products = vec![0.0; cells.len() / self.n_cells * self.half_squares.len()];
        self.products.product(cells, &mut products);
        let nearest = products.chunks_exact(self.half_squares.len()).map(|products| {
            let mut best = (f64::NEG_INFINITY, 0);
            for (at, (product, half_square)) in products.iter().zip(&self.half_squares).enumerate() {
                if product - half_square > best.0 {
                    best = (product - half_square, at);
                }
            }
            best.1
        });
        nearest.collect()
    }
}

/// The first centroids by k-means++: each the next drawn with a chance in proportion to its squared distance from those
/// before. Fewer where all windows are among them.
fn seeds(cells: &[f64], n_cells: usize, seed: u64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let n_rows = cells.len() / n_cells;
    let row = |at: usize| &cells[at * n_cells..(at + 1) * n_cells];
    let mut chosen = super::fit::below(&mut rng, n_rows);
    let mut distances = vec![f64::INFINITY; n_rows];
    let mut seeds = Vec::new();
    while seeds.len() < CLUSTERS_MAX * n_cells {
        seeds.extend_from_slice(row(chosen));
        for (distance, cells) in distances.iter_mut().zip(cells.chunks_exact(n_cells)) {
            let squares = cells.iter().zip(row(chosen)).map(|(a, b)| (a - b) * (a - b));
            *distance = distance.min(squares.sum());
        }
        let total: f64 = distances.iter().sum();
        if total <= 0.0 {
            break;
        }
        let mut left = unit(&mut rng) * total;
        // Rounding may leave a little beyond the last that can be chosen.
        chosen = distances
            .iter()
            .rposition(|&distance| distance > 0.0)
            .unwrap_or(0);
        for (at, &distance) in distances.iter().enumerate() {
            if left < distance {
                chosen = at;
                break;
            }
            left -= distance;
        }
    }
    seeds
}

/// Moves centroids to the means of the windows nearest to them until none changes; one without windows stays.
fn lloyd(cells: &[f64], mut centroids: Vec<f64>, n_cells: usize) -> Vec<f64> {
    let mut before = Vec::new();
    for _ in 0..STEPS_MAX {
        let nearest = Nearest::new(&centroids, n_cells).of(cells);
        if nearest == before {
            break;
        }
        let mut counts = vec![0_usize; centroids.len() / n_cells];
        let mut sums = vec![0.0; centroids.len()];
        for (cells, &at) in cells.chunks_exact(n_cells).zip(&nearest) {
            counts[at] += 1;
            for (sum, cell) in sums[at * n_cells..(at + 1) * n_cells].iter_mut().zip(cells) {
                *sum += cell;
            }
        }
        let moved = centroids
            .chunks_exact_mut(n_cells)
            .zip(sums.chunks_exact(n_cells));
        for ((centroid, sums), &count) in moved.zip(&counts).filter(|(_, count)| **count > 0) {
            for (value, sum) in centroid.iter_mut().zip(sums) {
                *value = sum / count as f64;
            }
        }
        before = nearest;
    }
    centroids
}

impl Judge for KMeans {
    fn kind(&self) -> Kind {
        Kind::KMeans
    }

    fn answers(&self) -> Answers {
        Answers::Window
    }

    fn squares_residuals(&self) -> bool {
        true
    }

    fn expected(&self, layout: &Layout<'_>, cells: &[f64], out: &mut [f64]) {
        let n_active = layout.active.len();
        self.each(layout, cells, out, |_, means, centroid, out| {
            for (row, centroid) in out
                .chunks_exact_mut(n_active)
                .zip(centroid.chunks_exact(n_active))
            {
                for (idx, (out, value)) in row.iter_mut().zip(centroid).enumerate() {
                    *out = means[idx] + value / self.scales[idx];
                }
            }
        });
    }

    fn errors(&self, layout: &Layout<'_>, cells: &[f64], out: &mut [f64]) {
        let n_active = layout.active.len();
        self.each(layout, cells, out, |cells, _, centroid, out| {
            for (idx, (out, (cell, value))) in out.iter_mut().zip(cells.iter().zip(centroid)).enumerate() {
                let off = (cell - value) / self.scales[idx % n_active];
                *out = off * off;
            }
        });
    }

    fn settings(&self) -> Vec<usize> {
        vec![self.nearest.half_squares.len()]
    }

    fn tensors(&self) -> Vec<(&'static str, Tensor)> {
        vec![
            ("scales", self.scales.clone().into()),
            ("centroids", self.centroids.clone().into()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// scikit-learn's algorithm from the same centroids ends at the same ones.
    #[test]
    fn centroids_end_where_those_of_the_reference_do() {
        let golden: Value =
            serde_json::from_str(include_str!("../../tests/golden/classic_more.json")).unwrap();
        let numbers = |value: &Value| -> Vec<f64> {
            let numbers = value.as_array().unwrap().iter();
            numbers.map(|number| number.as_f64().unwrap()).collect()
        };
        let (train, len, active) = (numbers(&golden["train"]), 12, [0, 1, 3]);
        let layout = Layout::new(len, 4, &active).unwrap();
        let n_cells = layout.n_cells();
        let mut cells = vec![0.0; (train.len() / 4 - len + 1) * n_cells];
        let mut means = [0.0; 3];
        for (at, cells) in cells.chunks_exact_mut(n_cells).enumerate() {
            layout.gather(&train[at * 4..(at + len) * 4], cells);
            shape(cells, &[1.0; 3], &mut means);
        }
        let starts = numbers(&golden["kmeans"]["starts"]);
        let first = starts.iter().flat_map(|&at| {
            let at = at as usize * n_cells;
            cells[at..at + n_cells].to_vec()
        });
        let got = lloyd(&cells, first.collect(), n_cells);
        for (got, want) in got.iter().zip(numbers(&golden["kmeans"]["centroids"])) {
            bellwether_testkit::assert_close(*got, want, 1e-9, "centroid");
        }
    }

    #[test]
    fn seeds_are_fewer_where_windows_are_alike() {
        let cells = [1.0, 2.0, 1.0, 2.0, 3.0, 4.0];
        assert_eq!(seeds(&cells, 2, 7).len(), 4);
        assert_eq!(seeds(&[5.0; 6], 2, 7), [5.0, 5.0]);
    }
}
