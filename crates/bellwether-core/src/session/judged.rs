//! What a call says of a sample, and of what the model saw there.

use super::{PushError, Session, Verdict};
use crate::model::ModelError;
use crate::transform::ChannelScale;
use crate::window::Windows;

/// The answer to one sample of a turn.
#[derive(Debug)]
pub struct Judged<'a> {
    /// Position of the turn in the call.
    pub turn_idx: usize,
    /// Position of the sample in its turn.
    pub sample_idx: usize,
    /// As from [`Session::push`].
    pub answer: Result<Option<Verdict>, PushError>,
    /// The session, with the shares of this sample; it has taken the rows of the whole turn already.
    pub session: &'a Session,
    /// The window of the lead model that ends with the sample, prepared, where all windows are full.
    pub(super) window: Option<Windows<'a>>,
}

impl Judged<'_> {
    /// The values of the model's channels at the sample, `[n_channels]` in their units, NaN where missing: those of
    /// `values`, laid out as the pipeline's inputs, and of features those of the window, NaN while it fills.
    pub fn measured(&self, values: &[f64]) -> Vec<f64> {
        let pipeline = self.session.detector.pipeline();
        let last = self.window.map(|window| {
            let (n, row) = (window.n_channels(), window.window_len() - 1);
            let observed = window.observed(0).map(|marks| &marks[row * n..]);
            (&window.values(0)[row * n..], observed)
        });
        let channels = pipeline.scales().iter().enumerate();
        let value = |(idx, scale): (usize, &ChannelScale)| match (pipeline.input_idx(idx), last) {
            (Some(input), _) => values[input],
            (None, Some((row, observed))) if observed.is_none_or(|marks| marks[idx]) => {
                scale.original(row[idx])
            }
            (None, _) => f64::NAN,
        };
        channels.map(value).collect()
    }

    /// What was expected of the sample, `[n_channels]` in the channels' units, NaN where nothing is known; `None` while
    /// the window fills.
    ///
    /// # Errors
    /// [`ModelError`] where the model gives no answer.
    pub fn expected(&self) -> Result<Option<Vec<f64>>, ModelError> {
        let Some(window) = self.window else {
            return Ok(None);
        };
        let detector = self.session.detector();
        let model = detector.lead().model();
        let mut expected = vec![0.0; model.n_answers() * window.n_channels()];
        model.expected(window, &mut expected)?;
        let last_row = &expected[expected.len() - window.n_channels()..];
        let original = |(scale, value): (&ChannelScale, &f64)| {
            if scale.is_unseen() {
                f64::NAN
            } else {
                scale.original(*value)
            }
        };
        Ok(Some(
            detector
                .pipeline()
                .scales()
                .iter()
                .zip(last_row)
                .map(original)
                .collect(),
        ))
    }
}
