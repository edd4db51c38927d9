//! The training part in four parts, so that there are rows which a model has not seen.

use std::ops::Range;

use bellwether_core::frame::Frame;
use bellwether_core::transform::{ApplyError, Pipeline, Prepared};
use bellwether_core::window::Windows;

/// Parts of each series, equal and in the order of time.
pub(super) const N_FOLDS: usize = 4;

/// The prepared rows of each fold.
#[derive(Debug)]
pub(super) struct Folds {
    folds: Vec<Vec<Prepared>>,
    /// All folds but the last, in one piece for each frame: what has to tell early from late wants no seams.
    heads: Vec<Prepared>,
    /// Where the rows of each fold stand among those of all frames, one range for each of its frames.
    places: Vec<Vec<Range<usize>>>,
}

impl Folds {
    /// Cuts each series, `n_frames` frames of it, at its own quarters. Only networks need the [heads](Self::heads).
    pub(super) fn cut(
        frames: Vec<Frame>,
        n_frames: &[usize],
        pipeline: &Pipeline,
        with_heads: bool,
    ) -> Result<Self, ApplyError> {
        let mut folds: Vec<Vec<Prepared>> = (0..N_FOLDS).map(|_| Vec::new()).collect();
        let mut places: Vec<Vec<Range<usize>>> = vec![Vec::new(); N_FOLDS];
        let mut place = 0;
        let mut heads = Vec::new();
        let mut frames = frames.into_iter();
        for &n in n_frames {
            let series: Vec<Frame> = frames.by_ref().take(n).collect();
            let n_rows: usize = series.iter().map(Frame::n_samples).sum();
            let mut n_before = 0;
            let n_head = n_rows - n_rows / N_FOLDS;
            for mut frame in series {
                let n = n_head.saturating_sub(n_before).min(frame.n_samples());
                if with_heads && let (Some(head), _) = frame.clone().split_at(n) {
                    heads.push(pipeline.apply(head)?);
                }
                for (fold, prepared) in folds.iter_mut().enumerate() {
                    let end = n_rows - n_rows * (N_FOLDS - 1 - fold) / N_FOLDS;
                    let n = end.saturating_sub(n_before).min(frame.n_samples());
                    let (head, tail) = frame.split_at(n);
                    n_before += n;
                    if let Some(head) = head {
                        places[fold].push(place..place + head.n_samples());
                        place += head.n_samples();
                        prepared.push(pipeline.apply(head)?);
                    }
                    match tail {
                        Some(tail) => frame = tail,
                        None => break,
                    }
                }
            }
        }
        Ok(Self { folds, heads, places })
    }

    /// The rows of all folds but the last.
    pub(super) fn heads(&self) -> Vec<&Prepared> {
        self.heads.iter().collect()
    }

    /// The rows of all folds but one, or of all.
    pub(super) fn without(&self, fold: Option<usize>) -> Vec<&Prepared> {
        let kept = self
            .folds
            .iter()
            .enumerate()
            .filter(|(idx, _)| Some(*idx) != fold);
        kept.flat_map(|(_, prepared)| prepared).collect()
    }

    /// What is known of the rows of all frames, in the order of the folds.
    pub(super) fn in_order<T: Copy>(&self, of_rows: &[T]) -> Vec<T> {
        let places = self.places.iter().flatten();
        places.flat_map(|rows| &of_rows[rows.clone()]).copied().collect()
    }

    pub(super) fn into_prepared(self) -> Vec<Vec<Prepared>> {
        self.folds
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
