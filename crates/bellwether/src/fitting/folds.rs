//! The training part in four parts, so that there are rows which a model has not seen.

use bellwether_core::frame::Frame;
use bellwether_core::transform::{ApplyError, Pipeline, Prepared};
use bellwether_core::window::Windows;

/// Parts of each series, equal and in the order of time.
pub(super) const N_FOLDS: usize = 4;

/// The prepared rows of each fold.
#[derive(Debug)]
pub(super) struct Folds(Vec<Vec<Prepared>>);

impl Folds {
    /// Cuts each series, `n_frames` frames of it, at its own quarters.
    pub(super) fn cut(
        frames: Vec<Frame>,
        n_frames: &[usize],
        pipeline: &Pipeline,
    ) -> Result<Self, ApplyError> {
        let mut folds: Vec<Vec<Prepared>> = (0..N_FOLDS).map(|_| Vec::new()).collect();
        let mut frames = frames.into_iter();
        for &n in n_frames {
            let series: Vec<Frame> = frames.by_ref().take(n).collect();
            let n_rows: usize = series.iter().map(Frame::n_samples).sum();
            let mut n_before = 0;
            for mut frame in series {
                for (fold, prepared) in folds.iter_mut().enumerate() {
                    let end = n_rows - n_rows * (N_FOLDS - 1 - fold) / N_FOLDS;
                    let n = end.saturating_sub(n_before).min(frame.n_samples());
                    let (head, tail) = frame.split_at(n);
                    n_before += n;
                    if let Some(head) = head {
                        prepared.push(pipeline.apply(head)?);
                    }
                    match tail {
                        Some(tail) => frame = tail,
                        None => break,
                    }
                }
            }
        }
        Ok(Self(folds))
    }

    /// The rows of all folds but one, or of all.
    pub(super) fn without(&self, fold: Option<usize>) -> Vec<&Prepared> {
        let kept = self.0.iter().enumerate().filter(|(idx, _)| Some(*idx) != fold);
        kept.flat_map(|(_, prepared)| prepared).collect()
    }

    pub(super) fn into_prepared(self) -> Vec<Vec<Prepared>> {
        self.0
    }
}

/// Calls `learn` with all windows of `len` rows, `stride` apart.
pub(super) fn with_windows<T>(
    rows: &[&Prepared],
    len: usize,
    stride: usize,
    learn: impl FnOnce(&[Windows<'_>]) -> T,
) -> T {
    let starts: Vec<Vec<usize>> = rows.iter().map(|rows| rows.window_starts(len, stride)).collect();
    let windows: Vec<Windows<'_>> = rows
        .iter()
        .zip(&starts)
        .map(|(rows, starts)| rows.windows(len, starts))
        .collect();
    learn(&windows)
}
