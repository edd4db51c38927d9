//! Windows: what a model sees at once. A [`Windows`] is a view; overlapping windows share the rows they lie on.

use std::num::NonZeroUsize;

/// How samples are cut into windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowSpec {
    /// Samples in a window.
    pub len: NonZeroUsize,
    /// Samples between the starts of neighbouring windows.
    pub stride: NonZeroUsize,
}

/// A view of windows on prepared rows, `[n_windows, len, n_channels]`; copies no value.
#[derive(Debug, Clone, Copy)]
pub struct Windows<'a> {
    values: &'a [f64],
    observed: Option<&'a [bool]>,
    starts: &'a [usize],
    len: usize,
    n_channels: usize,
}

impl<'a> Windows<'a> {
    /// Windows of `len` rows that begin at the rows `starts`.
    ///
    /// # Shapes
    /// `values: [n_rows, n_channels]` finite; `observed`, where given, the same shape: `false` marks a value that
    /// was missing and has been filled; `None` means that none was. `starts: [n_windows]`.
    ///
    /// # Panics
    /// Where a window would reach beyond the rows, or the shapes differ: the caller's mistake.
    pub fn new(
        values: &'a [f64],
        observed: Option<&'a [bool]>,
        n_channels: usize,
        len: usize,
        starts: &'a [usize],
    ) -> Self {
        assert!(len > 0 && n_channels > 0, "a window has rows and channels");
        assert_eq!(values.len() % n_channels, 0, "values must fill their rows");
        assert!(
            observed.is_none_or(|mask| mask.len() == values.len()),
            "one mark for each value"
        );
        let n_rows = values.len() / n_channels;
        assert!(
            starts.iter().all(|&start| start + len <= n_rows),
            "a window reaches beyond the rows"
        );
        Self {
            values,
            observed,
            starts,
            len,
            n_channels,
        }
    }

    /// How many windows.
    pub fn n_windows(&self) -> usize {
        self.starts.len()
    }

    /// Samples in each window.
    pub fn window_len(&self) -> usize {
        self.len
    }

    /// Channels of each sample.
    pub fn n_channels(&self) -> usize {
        self.n_channels
    }

    /// The values of one window, `[len, n_channels]` row-major.
    pub fn values(&self, window_idx: usize) -> &'a [f64] {
        &self.values[self.cells(window_idx)]
    }

    /// Which values of one window were observed, `[len, n_channels]`; `None` where all were.
    pub fn observed(&self, window_idx: usize) -> Option<&'a [bool]> {
        self.observed.map(|mask| &mask[self.cells(window_idx)])
    }

    /// The windows in `range` of this view.
    pub fn subset(&self, range: std::ops::Range<usize>) -> Self {
        Self {
            starts: &self.starts[range],
            ..*self
        }
    }

    fn cells(&self, window_idx: usize) -> std::ops::Range<usize> {
        let start = self.starts[window_idx] * self.n_channels;
        start..start + self.len * self.n_channels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_views_of_the_rows() {
        let values: Vec<f64> = (0..10).map(f64::from).collect();
        let mut observed = vec![true; 10];
        observed[5] = false;
        let windows = Windows::new(&values, Some(&observed), 2, 3, &[0, 2]);
        assert_eq!(
            (windows.n_windows(), windows.window_len(), windows.n_channels()),
            (2, 3, 2)
        );
        assert_eq!(windows.values(1), &values[4..10]);
        assert_eq!(windows.observed(1), Some(&observed[4..10]));
        assert!(std::ptr::eq(windows.values(0).as_ptr(), values.as_ptr()));
        assert_eq!(windows.subset(1..2).values(0), windows.values(1));
    }

    #[test]
    #[should_panic(expected = "beyond the rows")]
    fn a_window_beyond_the_rows_is_a_bug() {
        Windows::new(&[0.0; 4], None, 2, 2, &[1]);
    }
}
