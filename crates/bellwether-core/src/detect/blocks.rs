//! All windows of prepared rows through a model, some at a time, and the errors sorted by rows.

use std::ops::Range;

use super::member::Reach;
use super::mode::Mode;
use crate::model::{Answers, Model, ModelError};
use crate::score::{row_errors, window_errors};
use crate::transform::Prepared;
use crate::window::Windows;

/// Windows given to a model at once: enough for its threads, and a bound on memory.
pub(crate) const BLOCK_WINDOWS: usize = 1024;

/// Bytes of a block's answer, beyond which it holds fewer windows.
const BLOCK_BYTES_MAX: usize = 32 << 20;

/// What a model is asked: [`crate::model::Model::errors`] or [`crate::model::Model::expected`].
pub(super) type Ask<'a> = &'a dyn Fn(Windows<'_>, &mut [f64]) -> Result<(), ModelError>;

/// The answers for neighbouring windows of one segment.
#[derive(Debug)]
pub(super) struct Block<'a> {
    /// The rows of the segment that windows are cut from.
    pub(super) segment: Range<usize>,
    /// First row of the first window; each further window begins one row later.
    pub(super) first: usize,
    /// `[n_windows, n_answers, n_channels]`
    pub(super) answers: &'a [f64],
}

/// Asks for every window of every segment, a stride of one row apart, in order, some at a time. What comes out does not
/// depend on how many, because a model's answer for a window is its own.
///
/// A causal score needs the longest window of all members: shorter ones begin where they end with the first of those,
/// as in a stream.
pub(super) fn for_each_block(
    ask: Ask<'_>,
    model: &dyn Model,
    mode: Mode,
    prepared: &Prepared,
    reach: Reach,
    visit: &mut dyn FnMut(&Block<'_>),
) -> Result<(), ModelError> {
    let len = model.window().len.get();
    let cells = model.n_answers() * prepared.n_channels();
    let windows_max = reach.windows_max.min(BLOCK_BYTES_MAX / (8 * cells)).max(1);
    let mut answers = Vec::new();
    for segment in prepared
        .segments()
        .filter(|segment| segment.len() >= reach.longest)
    {
        let start = match mode {
            Mode::Causal => segment.start + reach.longest - len,
            Mode::Retrospective => segment.start,
        };
        let segment = start..segment.end;
        let end = segment.end - len + 1;
        for first in segment.clone().take_while(|row| *row < end).step_by(windows_max) {
            let starts: Vec<usize> = (first..end.min(first + windows_max)).collect();
            answers.resize(starts.len() * cells, 0.0);
            ask(prepared.windows(len, &starts), &mut answers)?;
            if let Some(idx) = answers.iter().position(|answer| !answer.is_finite()) {
                return Err(ModelError::NotFinite {
                    window_idx: idx / cells,
                });
            }
            visit(&Block {
                segment: segment.clone(),
                first,
                answers: &answers,
            });
        }
    }
    Ok(())
}

/// Turns blocks of squared errors into channel errors of rows, in the manner of a mode.
#[derive(Debug)]
pub(super) struct RowErrors {
    mode: Mode,
    answers: Answers,
    n_answers: usize,
    len: usize,
    overlap: Overlap,
    row: Vec<f64>,
}

impl RowErrors {
    pub(super) fn new(mode: Mode, model: &dyn Model, n_channels: usize) -> Self {
        let len = model.window().len.get();
        Self {
            mode,
            answers: model.answers(),
            n_answers: model.n_answers(),
            len,
            overlap: Overlap::new(len, n_channels),
            row: vec![0.0; n_channels],
        }
    }

    /// The first row that a segment's first block completes.
    pub(super) fn first_of(&self, block: &Block<'_>) -> usize {
        match (self.mode, self.answers) {
            (Mode::Retrospective, Answers::Window) => block.first,
            (Mode::Causal, _) | (_, Answers::LastRow) => block.first + self.len - 1,
        }
    }

    /// Visits each row that the block completes, in order, with its channel errors (NaN: absent; `None`: too little
    /// of it was observed). `weights: [n_channels]`.
    pub(super) fn absorb(
        &mut self,
        block: &Block<'_>,
        prepared: &Prepared,
        weights: &[f64],
        visit: &mut dyn FnMut(usize, Option<&[f64]>),
    ) {
        let (n, len) = (weights.len(), self.len);
        let marks = |rows: Range<usize>| {
            prepared
                .observed()
                .map(|mask| &mask[rows.start * n..rows.end * n])
        };
        let row = &mut self.row;
        if (self.mode, self.answers) == (Mode::Retrospective, Answers::Window) {
            self.overlap.absorb(block, &mut |row_idx, sums, n_windows| {
                let is_scored = row_errors(sums, n_windows, marks(row_idx..row_idx + 1), weights, row);
                visit(row_idx, is_scored.then_some(&row[..]));
            });
            return;
        }
        for (idx, errors) in block.answers.chunks_exact(self.n_answers * n).enumerate() {
            let start = block.first + idx;
            let marks = marks(start..start + len);
            let is_scored = last_row_errors(self.answers, errors, marks, weights, row);
            visit(start + len - 1, is_scored.then_some(&row[..]));
        }
    }
}

/// Channel errors of the row that a window ends with, from what a model said of the window; false: too little of it was
/// observed.
///
/// # Shapes
/// `errors: [n_answers, n_channels]`; `observed: [len, n_channels]`; `weights, out: [n_channels]`.
pub(crate) fn last_row_errors(
    answers: Answers,
    errors: &[f64],
    observed: Option<&[bool]>,
    weights: &[f64],
    out: &mut [f64],
) -> bool {
    match answers {
        Answers::Window => window_errors(errors, observed, weights, out),
        Answers::LastRow => {
            let observed = observed.map(|marks| &marks[marks.len() - out.len()..]);
            row_errors(errors, 1, observed, weights, out)
        }
    }
}

/// Sums over all windows that hold a row, in the order of the windows.
#[derive(Debug)]
pub(super) struct Overlap {
    len: usize,
    n_channels: usize,
    /// Ring by row number modulo `len`: a window covers each slot once, and a row's slot is free once no later
    /// window holds it.
    sums: Vec<f64>,
}

impl Overlap {
    pub(super) fn new(len: usize, n_channels: usize) -> Self {
        Self {
            len,
            n_channels,
            sums: vec![0.0; len * n_channels],
        }
    }

    /// Visits each row that the block completes, in order, with the sums of its cells and the windows in them.
    pub(super) fn absorb(&mut self, block: &Block<'_>, visit: &mut dyn FnMut(usize, &[f64], usize)) {
        let (n, len, segment) = (self.n_channels, self.len, &block.segment);
        if block.first == segment.start {
            self.sums.fill(0.0);
        }
        let last_start = segment.end - len;
        for (idx, answers) in block.answers.chunks_exact(len * n).enumerate() {
            let start = block.first + idx;
            for (offset, answer) in answers.chunks_exact(n).enumerate() {
                let slot = (start + offset) % len;
                for (sum, value) in self.sums[slot * n..(slot + 1) * n].iter_mut().zip(answer) {
                    *sum += value;
                }
            }
            let done = if start == last_start {
                start..segment.end
            } else {
                start..start + 1
            };
            for row_idx in done {
                let first_holding = (row_idx + 1).saturating_sub(len).max(segment.start);
                let slot = row_idx % len;
                let sums = &mut self.sums[slot * n..(slot + 1) * n];
                visit(row_idx, sums, row_idx.min(last_start) - first_holding + 1);
                sums.fill(0.0);
            }
        }
    }
}
