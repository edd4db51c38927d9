//! Integrated gradients: each cell's part of the error of a window, along the straight line from the expected window to the
//! measured one (Sundararajan, Taly and Yan, ICML 2017).
//!
//! a_i = (x_i − x'_i) ∫ ∂E/∂x_i (x' + α (x − x')) dα, by the midpoint rule; the derivatives are central differences of the
//! members' errors, so any model can be asked. The parts sum to E(x) − E(x') but for the errors of the two rules, which are
//! told. For members whose errors are quadratic (PCA, autoregression) both rules are exact.

use super::window::LastWindow;
use crate::model::ModelError;

/// Points on the line.
const N_POINTS: usize = 16;

/// Windows asked for at most; with more cells there are fewer points.
const N_WINDOWS_MAX: usize = 65_536;

/// Windows held at a time, in cells.
const CELLS_MAX: usize = 1 << 20;

/// Half the distance of central differences, in scaled units. Networks compute in 24 bits: much less would be noise.
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

/// The integrated gradients of a window; `None` where it has too many cells to be asked for.
pub(super) fn gradients(window: &LastWindow<'_>) -> Result<Option<Gradients>, ModelError> {
    let (from, to) = (&window.expected, &window.measured);
    let ends = window.errors(&[to.as_slice(), from.as_slice()].concat())?;
    let off: Vec<usize> = (0..to.len())
        .filter(|&cell| (to[cell] - from[cell]).abs() > 0.0)
        .collect();
    let n_points = (N_WINDOWS_MAX / (2 * off.len()).max(1)).min(N_POINTS);
    if n_points == 0 {
        return Ok(None);
    }
    let mut cells = vec![0.0; to.len()];
    for point in 0..n_points {
        let alpha = (point as f64 + 0.5) / n_points as f64;
        let at: Vec<f64> = from
            .iter()
            .zip(to)
            .map(|(from, to)| from + alpha * (to - from))
            .collect();
        for some in off.chunks((CELLS_MAX / (2 * at.len())).max(1)) {
            let mut windows = Vec::with_capacity(2 * some.len() * at.len());
            for &cell in some {
                for step in [STEP, -STEP] {
                    windows.extend_from_slice(&at);
                    let moved = windows.len() - at.len() + cell;
                    windows[moved] += step;
                }
            }
            let errors = window.errors(&windows)?;
            for (&cell, pair) in some.iter().zip(errors.chunks_exact(2)) {
                let derivative = (pair[0] - pair[1]) / (2.0 * STEP);
                cells[cell] += (to[cell] - from[cell]) * derivative / n_points as f64;
            }
        }
    }
    Ok(Some(Gradients {
        cells,
        measured: ends[0],
        expected: ends[1],
    }))
}
