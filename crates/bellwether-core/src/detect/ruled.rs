//! A model whose residuals count only where the rules of the channels say so.

use std::sync::Arc;

use crate::model::{Model, ModelError};
use crate::score::ChannelRule;
use crate::transform::Pipeline;
use crate::window::{WindowSpec, Windows};

use super::Answers;

/// `model` under `rules` (none, or one for each channel); the model itself where all residuals count.
pub(super) fn ruled(model: Arc<dyn Model>, pipeline: &Pipeline, rules: &[ChannelRule]) -> Arc<dyn Model> {
    let dropping = rules.iter().zip(pipeline.scales()).enumerate();
    let dropping: Vec<(usize, ChannelRule)> = dropping
        .filter(|(_, (rule, _))| rule.drops_residuals())
        .map(|(channel_idx, (rule, scale))| (channel_idx, rule.scaled(scale)))
        .collect();
    if dropping.is_empty() {
        return model;
    }
    Arc::new(Ruled { model, dropping })
}

/// What the model expects is as before; errors of residuals that do not count are zero.
#[derive(Debug)]
struct Ruled {
    model: Arc<dyn Model>,
    /// Channels some of whose residuals do not count, with their rules in scaled units.
    dropping: Vec<(usize, ChannelRule)>,
}

impl Model for Ruled {
    fn name(&self) -> &'static str {
        self.model.name()
    }

    fn window(&self) -> WindowSpec {
        self.model.window()
    }

    fn n_channels(&self) -> usize {
        self.model.n_channels()
    }

    fn answers(&self) -> Answers {
        self.model.answers()
    }

    fn sees_single_channels(&self) -> bool {
        self.model.sees_single_channels()
    }

    fn expected(&self, windows: Windows<'_>, out: &mut [f64]) -> Result<(), ModelError> {
        self.model.expected(windows, out)
    }

    /// Those of the model, with no weight on errors that do not count.
    fn derivatives(
        &self,
        windows: Windows<'_>,
        weights: &[f64],
        out: &mut [f64],
    ) -> Result<bool, ModelError> {
        let mut counted = weights.to_vec();
        self.drop_uncounted(&windows, &mut counted)?;
        self.model.derivatives(windows, &counted, out)
    }

    /// The model is asked twice: not every model's error is the square of what it expected wrongly, but only that
    /// has a sign.
    fn errors(&self, windows: Windows<'_>, out: &mut [f64]) -> Result<(), ModelError> {
        self.model.errors(windows, out)?;
        self.drop_uncounted(&windows, out)
    }
}

impl Ruled {
    /// Sets to zero what stands for residuals that do not count, `[n_windows, n_answers, n_channels]`.
    fn drop_uncounted(&self, windows: &Windows<'_>, out: &mut [f64]) -> Result<(), ModelError> {
        let mut expected = vec![0.0; out.len()];
        self.model.expected(*windows, &mut expected)?;
        let n = windows.n_channels();
        let cells = self.n_answers() * n;
        for (window_idx, errors) in out.chunks_exact_mut(cells).enumerate() {
            let values = windows.values(window_idx);
            let values = &values[values.len() - cells..];
            let expected = &expected[window_idx * cells..(window_idx + 1) * cells];
            for (channel_idx, rule) in &self.dropping {
                for cell in (*channel_idx..cells).step_by(n) {
                    if !rule.counts(values[cell] - expected[cell]) {
                        errors[cell] = 0.0;
                    }
                }
            }
        }
        Ok(())
    }
}
