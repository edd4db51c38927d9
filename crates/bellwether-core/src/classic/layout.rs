//! How a window is cut to its active channels, and what parts from outside must fulfil.

use std::num::NonZeroUsize;

use crate::model::ModelError;
use crate::window::{WindowSpec, Windows};

/// Most cells (rows × active channels) that a classic model reads of a window: beyond them the matrices of a fit
/// fill the memory.
pub(super) const CELLS_MAX: usize = 1 << 14;
/// Most cells of a whole window, active or not.
const WINDOW_CELLS_MAX: usize = 1 << 24;

/// Why the parts of a classic model are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PartsError {
    /// Channels out of order or range, or none.
    #[error("active channels must be at least one, rise and lie below {n_channels}")]
    Channels {
        /// Channels of a window.
        n_channels: usize,
    },
    /// Nothing or too much to read.
    #[error(
        "windows of {len} rows × {n_active} active of {n_channels} channels: want at least one row, at most {CELLS_MAX} \
         active cells and {WINDOW_CELLS_MAX} cells; choose shorter windows or fewer channels"
    )]
    Size {
        /// Rows of a window.
        len: usize,
        /// Channels read.
        n_active: usize,
        /// Channels of a window.
        n_channels: usize,
    },
    /// A list or a setting is not there, or of another type.
    #[error("{name} is not there, or of another type")]
    Missing {
        /// Which.
        name: &'static str,
    },
    /// A list is too long or too short.
    #[error("{name} holds {got} numbers, its shape wants {want}")]
    Len {
        /// Which list.
        name: &'static str,
        /// Numbers that its shape asks for.
        want: usize,
        /// Numbers it holds.
        got: usize,
    },
    /// A number is out of range.
    #[error("{name}[{at}] is {why}")]
    Value {
        /// Which list.
        name: &'static str,
        /// Position in it; 0 for a single number.
        at: usize,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// The rows and active channels that a model reads of a window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout<'a> {
    pub(super) len: usize,
    pub(super) n_channels: usize,
    pub(super) active: &'a [usize],
}

impl<'a> Layout<'a> {
    pub(super) fn new(len: usize, n_channels: usize, active: &'a [usize]) -> Result<Self, PartsError> {
        if active.is_empty()
            || !active.is_sorted_by(|a, b| a < b)
            || active.iter().any(|&idx| idx >= n_channels)
        {
            return Err(PartsError::Channels { n_channels });
        }
        let fits = |width: usize, max: usize| len.checked_mul(width).is_some_and(|cells| cells <= max);
        if len == 0 || !fits(active.len(), CELLS_MAX) || !fits(n_channels, WINDOW_CELLS_MAX) {
            return Err(PartsError::Size {
                len,
                n_active: active.len(),
                n_channels,
            });
        }
        Ok(Self {
            len,
            n_channels,
            active,
        })
    }

    /// Active cells of a window.
    pub(super) fn n_cells(&self) -> usize {
        self.len * self.active.len()
    }

    pub(super) fn spec(&self) -> WindowSpec {
        WindowSpec {
            len: NonZeroUsize::new(self.len).unwrap_or(NonZeroUsize::MIN),
            stride: NonZeroUsize::MIN,
        }
    }

    /// # Panics
    /// Where `out` does not hold `n_answers` rows of every window.
    pub(super) fn check(
        &self,
        windows: &Windows<'_>,
        n_answers: usize,
        out: &[f64],
    ) -> Result<(), ModelError> {
        if windows.window_len() != self.len || windows.n_channels() != self.n_channels {
            return Err(ModelError::Shape {
                want_len: self.len,
                want_channels: self.n_channels,
                len: windows.window_len(),
                channels: windows.n_channels(),
            });
        }
        assert_eq!(
            out.len(),
            windows.n_windows() * n_answers * self.n_channels,
            "out must hold every window"
        );
        Ok(())
    }

    /// Writes the active cells of whole rows, `values: [n_rows, n_channels]`, `cells: [n_rows, n_active]`.
    pub(super) fn gather(&self, values: &[f64], cells: &mut [f64]) {
        let rows = values.chunks_exact(self.n_channels);
        for (sample, cells) in rows.zip(cells.chunks_exact_mut(self.active.len())) {
            for (cell, &channel) in cells.iter_mut().zip(self.active) {
                *cell = sample[channel];
            }
        }
    }

    /// Writes active cells back into whole rows and 0 beside them.
    pub(super) fn scatter(&self, cells: &[f64], out: &mut [f64]) {
        let rows = cells.chunks_exact(self.active.len());
        for (cells, out) in rows.zip(out.chunks_exact_mut(self.n_channels)) {
            out.fill(0.0);
            for (&cell, &channel) in cells.iter().zip(self.active) {
                out[channel] = cell;
            }
        }
    }

    /// How many of a window's active cells were observed.
    pub(super) fn n_observed(&self, windows: &Windows<'_>, window_idx: usize) -> usize {
        windows.observed(window_idx).map_or(self.n_cells(), |observed| {
            let rows = observed.chunks_exact(self.n_channels);
            rows.map(|row| self.active.iter().filter(|&&channel| row[channel]).count())
                .sum()
        })
    }
}

/// The first window whose answer is not finite, as an error.
pub(super) fn check_finite(out: &[f64], cells: usize) -> Result<(), ModelError> {
    match out.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => Err(ModelError::NotFinite {
            window_idx: at / cells,
        }),
    }
}

/// Checks that no number is below `least`, where a list has been checked to be finite.
pub(super) fn check_least(
    name: &'static str,
    numbers: &[f64],
    least: f64,
    why: &'static str,
) -> Result<(), PartsError> {
    match numbers.iter().position(|number| *number < least) {
        None => Ok(()),
        Some(at) => Err(PartsError::Value { name, at, why }),
    }
}

/// Checks the length of a list from outside.
pub(super) fn check_len(name: &'static str, got: usize, want: usize) -> Result<(), PartsError> {
    if got == want {
        Ok(())
    } else {
        Err(PartsError::Len { name, want, got })
    }
}

/// Checks length and finiteness of a list from outside.
pub(super) fn check_numbers(name: &'static str, numbers: &[f64], want: usize) -> Result<(), PartsError> {
    check_len(name, numbers.len(), want)?;
    match numbers.iter().position(|number| !number.is_finite()) {
        None => Ok(()),
        Some(at) => Err(PartsError::Value {
            name,
            at,
            why: "not finite",
        }),
    }
}
