//! How what a network says of a window changes with the values of the window: its way back, and that of its framing.

use bellwether_core::model::{Answers, ModelError};
use bellwether_core::window::Windows;

use super::Predictor;
use crate::framing::View;
use crate::network::block::Slot;
use crate::network::loss::Loss;
use crate::network::trainer::Trainer;

impl Predictor {
    /// How a weighted sum of squared errors changes with each value of its window.
    ///
    /// With w the weights, o what answers are measured from, x − o the targets and y the outputs, the sum is
    /// Σ w (x − o − y)². It changes with a value as an answer, as a part of o, and as an input of the network.
    ///
    /// # Shapes
    /// `weights: [n_windows, n_answers, n_channels]`, `out: [n_windows, len, n_channels]`.
    pub(crate) fn derivatives(
        &self,
        windows: Windows<'_>,
        weights: &[f64],
        out: &mut [f64],
    ) -> Result<(), ModelError> {
        let n_channels = self.framing.n_channels();
        let n_cells = self.architecture.n_answers() * n_channels;
        let mut slopes = vec![0.0; weights.len()];
        self.expected(windows, &mut slopes)?;
        if windows.n_windows() == 0 {
            return Ok(());
        }
        // In single precision the weights of a window are best about one: their largest is put back at the end.
        let largest: Vec<f64> = weights
            .chunks_exact(n_cells)
            .map(|weights| weights.iter().copied().fold(f64::MIN_POSITIVE, f64::max))
            .collect();
        let head = self.architecture.head();
        let view = |window: usize| self.framing.view(&windows, window, head);
        let fill = |window: usize, slot: &mut Slot<'_>| {
            view(window).fill(&self.architecture, slot);
            let weights = &weights[window * n_cells..(window + 1) * n_cells];
            for (answer, weights) in weights.chunks_exact(n_channels).enumerate() {
                let marks = slot.observed(answer).iter_mut().zip(self.framing.active());
                for (mark, &channel) in marks {
                    *mark *= (weights[channel] / largest[window]) as f32;
                }
            }
        };
        let kernels = self.scorer.kernels();
        let mut network = Trainer::new(self.architecture.clone(), &self.weights, kernels, 1);
        let of_inputs = network.input_gradient(windows.n_windows(), fill, Loss::Mse);
        let n_seen = self.architecture.n_seen() * self.framing.n_inputs();
        let of_windows = out
            .chunks_exact_mut(windows.window_len() * n_channels)
            .zip(slopes.chunks_exact_mut(n_cells))
            .enumerate();
        for (window_idx, (out, slopes)) in of_windows {
            let weights = &weights[window_idx * n_cells..(window_idx + 1) * n_cells];
            let view = view(window_idx);
            view.residual_slopes(weights, slopes);
            let of_inputs = &of_inputs[window_idx * n_seen..(window_idx + 1) * n_seen];
            self.spread(&view, slopes, of_inputs, largest[window_idx], out);
            if out.iter().any(|value| !value.is_finite()) {
                return Err(ModelError::NotFinite { window_idx });
            }
        }
        Ok(())
    }

    /// From the slopes of residuals, `[n_answers, n_channels]`, and of the network's inputs, `[n_seen, n_inputs]`, in units of
    /// `largest`, to those of the values of one window, `[len, n_channels]`.
    fn spread(&self, view: &View<'_>, slopes: &[f64], of_inputs: &[f32], largest: f64, out: &mut [f64]) {
        let n_channels = self.framing.n_channels();
        let (active, n_inputs) = (self.framing.active(), self.framing.n_inputs());
        // As answers.
        let first = out.len() - slopes.len();
        out[..first].fill(0.0);
        out[first..].copy_from_slice(slopes);
        let mut means = vec![0.0; active.len()];
        view.means(&mut means);
        // As parts of the means that deviations, and answers for whole windows, are measured from.
        let mut of_means = vec![0.0; active.len()];
        for (step, of_inputs) in of_inputs.chunks_exact(n_inputs).enumerate() {
            let (of_levels, of_deviations) = of_inputs.split_at(n_inputs - active.len());
            let out = &mut out[step * n_channels..(step + 1) * n_channels];
            for (at, &channel) in active.iter().enumerate() {
                let (is_free_level, is_free_deviation) = view.unclipped(step, at, means[at]);
                if is_free_deviation {
                    let slope = largest * f64::from(of_deviations[at]);
                    out[channel] += slope;
                    of_means[at] -= slope;
                }
                if let Some(of_level) = of_levels.get(at).filter(|_| is_free_level) {
                    out[channel] += largest * f64::from(*of_level);
                }
            }
        }
        for slopes in slopes.chunks_exact(n_channels) {
            for (at, &channel) in active.iter().enumerate() {
                match self.architecture.answers() {
                    Answers::Window => of_means[at] -= slopes[channel],
                    // Measured from the last sample seen.
                    Answers::LastRow => out[first - n_channels + channel] -= slopes[channel],
                }
            }
        }
        view.spread_means(&of_means, out);
    }
}
