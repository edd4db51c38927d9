//! The last prepared rows of a session: what the next window needs.

/// At most a window of rows, one after the other in memory, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Recent {
    /// `[n_rows, n_channels]`, scaled.
    pub(super) values: Vec<f64>,
    /// Which of them were observed, the same shape.
    pub(super) observed: Vec<bool>,
}

impl Recent {
    /// Keeps these rows instead.
    pub(super) fn replace(&mut self, values: &[f64], observed: &[bool]) {
        self.values.clear();
        self.values.extend_from_slice(values);
        self.observed.clear();
        self.observed.extend_from_slice(observed);
    }

    /// The last `n_rows_max` rows, or as many as there are: values and marks.
    pub(super) fn last(&self, n_rows_max: usize, n_channels: usize) -> (&[f64], &[bool]) {
        let from = self.values.len().saturating_sub(n_rows_max * n_channels);
        (&self.values[from..], &self.observed[from..])
    }
}
