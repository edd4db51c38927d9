//! Errors of rows before anything joins neighbouring ones: when a channel moved, and how far.

use super::blocks::{BLOCK_WINDOWS, RowErrors, for_each_block};
use super::member::Reach;
use super::mode::Mode;
use super::{DetectError, Detector};
use crate::frame::Frame;
use crate::window::Windows;

impl Detector {
    /// How far off each channel was at each row of a frame: its squared error over its ordinary one, c / f, about 1 for an
    /// ordinary row; the mean over the members by weight.
    ///
    /// Looks back: what a reconstruction says of a row is a mean over all windows that hold it, so that the error stands
    /// where the deviation is and not at the end of a window. Nothing is smoothed.
    ///
    /// # Shapes
    /// `[n_samples, n_channels]` in the pipeline's order; NaN where no member has a say.
    ///
    /// # Errors
    /// [`DetectError`] where the frame does not fit or a model gives no answer.
    pub fn unsmoothed_errors(&self, frame: Frame) -> Result<Vec<f64>, DetectError> {
        const MODE: Mode = Mode::Retrospective;
        let prepared = self.pipeline().apply(frame)?;
        let n = prepared.n_channels();
        let mut sums = vec![0.0; prepared.values().len()];
        let mut weights = vec![0.0; prepared.values().len()];
        let reach = Reach {
            longest: self.window_len(),
            windows_max: BLOCK_WINDOWS,
        };
        for member in self.members() {
            let model = &**member.model();
            let calibration = &member.calibrated(MODE).calibration;
            let weight = member.parts().weight;
            let mut rows = RowErrors::new(MODE, model, n);
            let ask = |windows: Windows<'_>, out: &mut [f64]| model.errors(windows, out);
            for_each_block(&ask, model, MODE, &prepared, reach, &mut |block| {
                rows.absorb(block, &prepared, &calibration.weights, &mut |row_idx, errors| {
                    let cells = row_idx * n..(row_idx + 1) * n;
                    let Some(errors) = errors else { return };
                    let of_row = sums[cells.clone()].iter_mut().zip(&mut weights[cells]);
                    let measured = errors.iter().zip(&calibration.scale).zip(&calibration.weights);
                    for ((sum, total), ((error, scale), of_channel)) in of_row.zip(measured) {
                        // What is left out of the score moves nobody.
                        if !error.is_nan() && *of_channel > 0.0 {
                            *sum += weight * error / scale;
                            *total += weight;
                        }
                    }
                });
            })?;
        }
        for (sum, weight) in sums.iter_mut().zip(weights) {
            *sum = if weight > 0.0 { *sum / weight } else { f64::NAN };
        }
        Ok(sums)
    }
}
