//! Integrated gradients: each cell's part of the error of a window, along the straight line from the expected window to the
//! measured one (Sundararajan, Taly and Yan, ICML 2017).
//!
//! a_i = (x_i − x'_i) ∫ ∂E/∂x_i (x' + α (x − x')) dα, by the midpoint rule. The derivatives are those that a member gives
//! itself ([`crate::model::Model::derivatives`]); members that have none are asked for central differences. The parts sum to
//! E(x) − E(x') but for the error of the midpoint rule, and of differences where there are any; what is missing is told.
//! For members whose errors are quadratic (PCA, autoregression) nothing is missing.

use super::window::LastWindow;
use crate::detect::Member;
use crate::model::ModelError;

/// Points on the line for members that give derivatives: one way forward and back each.
const N_POINTS: usize = 64;

/// Points on the line for the others: two windows for each cell at each of them.
const N_POINTS_OF_DIFFERENCES: usize = 16;

/// Windows asked for differences at most; with more cells there are fewer points.
const N_WINDOWS_MAX: usize = 65_536;

/// Windows held at a time, in cells.
const CELLS_MAX: usize = 1 << 20;

/// Half the distance of central differences, in scaled units.
const STEP: f64 = 1e-3;

/// Where the error of a window comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Gradients {
    /// Each cell's part, `[len, n_channels]`, the longest window of the detector.
    pub cells: Vec<f64>,
    /// Error of the window as measured: calibrated, not smoothed, about 1 for an ordinary row.
    pub measured: f64,
    /// Error of the window as expected.
    pub expected: f64,
}

impl Gradients {
    /// Each channel's part, `[n_channels]`.
    pub fn of_channels(&self, n_channels: usize) -> Vec<f64> {
        let mut sums = vec![0.0; n_channels];
        for row in self.cells.chunks_exact(n_channels) {
            for (sum, part) in sums.iter_mut().zip(row) {
                *sum += part;
            }
        }
        sums
    }

    /// What the parts leave unexplained: measured − expected − the sum of the parts.
    pub fn gap(&self) -> f64 {
        self.measured - self.expected - self.cells.iter().sum::<f64>()
    }
}

/// The integrated gradients of a window; `None` where a member without derivatives would have to be asked too often.
pub(super) fn gradients(window: &LastWindow<'_>) -> Result<Option<Gradients>, ModelError> {
    let (from, to) = (&window.expected, &window.measured);
    let ends = window.errors(&[to.as_slice(), from.as_slice()].concat())?;
    let mut cells = vec![0.0; to.len()];
    for member in window.members() {
        let slopes = match exact(window, member)? {
            Some(slopes) => slopes,
            None => match differences(window, member)? {
                Some(slopes) => slopes,
                None => return Ok(None),
            },
        };
        for (at, (cell, slope)) in cells.iter_mut().zip(slopes).enumerate() {
            *cell += (to[at] - from[at]) * slope;
        }
    }
    Ok(Some(Gradients {
        cells,
        measured: ends[0],
        expected: ends[1],
    }))
}

/// Point `idx` of `n` on the line, in the middle of its piece.
fn point(window: &LastWindow<'_>, idx: usize, n: usize) -> impl Iterator<Item = f64> {
    let alpha = (idx as f64 + 0.5) / n as f64;
    let ends = window.expected.iter().zip(&window.measured);
    ends.map(move |(from, to)| from + alpha * (to - from))
}

/// The mean over the line of how a member's part of the error changes with each cell; `None` where the member does not say.
fn exact(window: &LastWindow<'_>, member: &Member) -> Result<Option<Vec<f64>>, ModelError> {
    let n_cells = window.measured.len();
    let mut means = vec![0.0; n_cells];
    let at_once = (CELLS_MAX / n_cells).clamp(1, N_POINTS);
    for first in (0..N_POINTS).step_by(at_once) {
        let some = first..(first + at_once).min(N_POINTS);
        let windows: Vec<f64> = some.flat_map(|idx| point(window, idx, N_POINTS)).collect();
        let Some(slopes) = window.derivatives_of(member, &windows)? else {
            return Ok(None);
        };
        for (cell, slope) in slopes.iter().enumerate() {
            means[cell % n_cells] += slope / N_POINTS as f64;
        }
    }
    Ok(Some(means))
}

/// The same by central differences; `None` where there are too many cells.
fn differences(window: &LastWindow<'_>, member: &Member) -> Result<Option<Vec<f64>>, ModelError> {
    let (from, to) = (&window.expected, &window.measured);
    let off: Vec<usize> = (0..to.len())
        .filter(|&cell| (to[cell] - from[cell]).abs() > 0.0)
        .collect();
    let n_points = (N_WINDOWS_MAX / (2 * off.len()).max(1)).min(N_POINTS_OF_DIFFERENCES);
    if n_points == 0 {
        return Ok(None);
    }
    let mut means = vec![0.0; to.len()];
    for idx in 0..n_points {
        let at: Vec<f64> = point(window, idx, n_points).collect();
        for some in off.chunks((CELLS_MAX / (2 * at.len())).max(1)) {
            let mut windows = Vec::with_capacity(2 * some.len() * at.len());
            for &cell in some {
                for step in [STEP, -STEP] {
                    windows.extend_from_slice(&at);
                    let moved = windows.len() - at.len() + cell;
                    windows[moved] += step;
                }
            }
            let errors = window.errors_of(member, &windows)?;
            for (&cell, pair) in some.iter().zip(errors.chunks_exact(2)) {
                means[cell] += (pair[0] - pair[1]) / (2.0 * STEP) / n_points as f64;
            }
        }
    }
    Ok(Some(means))
}
