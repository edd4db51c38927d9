//! Exponentially weighted means of contributions, with a finite memory: a row's score depends on a bounded past.
//!
//! Smoothing is applied to each channel's contribution and not to their sum, which is the same number, so that the
//! shares of the channels stay exact.

use crate::model::Answers;

/// What may be left of the weight of the oldest row that counts.
const FORGOTTEN: f64 = 0.01;

/// How long a mean is: the span of an exponentially weighted one, in samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Smoothing {
    /// At least 1; 1 smooths nothing.
    pub span: f64,
}

impl Smoothing {
    /// For scores that may use rows up to their own: where a window's error is a mean over its rows already, half the
    /// span of [`Smoothing::retrospective`]; else all of it.
    pub fn causal(n_effective: usize, answers: Answers) -> Self {
        let span = Self::retrospective(n_effective).span;
        Self {
            span: match answers {
                Answers::Window => span / 2.0,
                Answers::LastRow => span,
            },
        }
    }

    /// For scores that may look ahead: 80 samples divided by the independent channels, within 10 and 80.
    ///
    /// One channel's error is noise that needs a long mean; the mean over many channels is smooth by itself. Found
    /// on seven families of labelled series; better by .01 to .03 VUS-PR than the best fixed span.
    pub fn retrospective(n_effective: usize) -> Self {
        Self {
            span: (80.0 / n_effective.max(1) as f64).clamp(10.0, 80.0),
        }
    }

    /// Weight of the newest row.
    pub fn alpha(self) -> f64 {
        2.0 / (self.span + 1.0)
    }

    /// Rows that count: after these the weight has fallen to 1 %, and the held-out mean stands for all before.
    pub fn memory(self) -> usize {
        // A span of 1 has weight 1 on the newest row: ln 0 = −∞, and the quotient is 0.
        ((FORGOTTEN.ln() / (1.0 - self.alpha()).ln()).ceil() as usize).max(1)
    }

    /// Whether the span is usable: from 1 to a million samples.
    pub fn is_valid(self) -> bool {
        1.0 <= self.span && self.span <= 1e6
    }
}

/// Means over the rows so far: of a stream, or of a file read in order.
#[derive(Debug, Clone)]
pub struct CausalSmoother {
    alpha: f64,
    memory: usize,
    prior: Vec<f64>,
    /// Ring of the last rows, `[memory, n_channels]`.
    rows: Vec<f64>,
    is_scored: Vec<bool>,
    n_rows: usize,
    mean: Vec<f64>,
}

impl CausalSmoother {
    /// A smoother that starts from the held-out mean contributions `prior`, `[n_channels]`.
    pub fn new(smoothing: Smoothing, prior: &[f64]) -> Self {
        let memory = smoothing.memory();
        Self {
            alpha: smoothing.alpha(),
            memory,
            prior: prior.to_vec(),
            rows: vec![0.0; memory * prior.len()],
            is_scored: vec![false; memory],
            n_rows: 0,
            mean: prior.to_vec(),
        }
    }

    /// A smoother that has taken these rows, oldest first; those beyond its memory do not matter.
    pub fn resume(smoothing: Smoothing, prior: &[f64], rows: &[Option<Vec<f64>>]) -> Self {
        let mut smoother = Self::new(smoothing, prior);
        for row in rows {
            smoother.remember(row.as_deref());
        }
        smoother
    }

    /// The rows that count, oldest first; `None` for those without a score.
    pub fn rows(&self) -> Vec<Option<Vec<f64>>> {
        let n = self.prior.len();
        let slots =
            (self.n_rows.saturating_sub(self.memory)..self.n_rows).map(|row_idx| row_idx % self.memory);
        slots
            .map(|slot| self.is_scored[slot].then(|| self.rows[slot * n..(slot + 1) * n].to_vec()))
            .collect()
    }

    /// Forgets all rows: a new segment begins.
    pub fn restart(&mut self) {
        self.n_rows = 0;
    }

    /// Takes the next row's contributions and returns the smoothed ones, `None` for a row without a score.
    ///
    /// The mean is computed afresh from the prior, oldest row first, so that it has the same bits wherever the data
    /// begin. Rows without a score are passed over.
    pub fn push(&mut self, row: Option<&[f64]>) -> Option<&[f64]> {
        self.remember(row);
        row?;
        let n = self.prior.len();
        self.mean.copy_from_slice(&self.prior);
        for row_idx in self.n_rows.saturating_sub(self.memory)..self.n_rows {
            let slot = row_idx % self.memory;
            if self.is_scored[slot] {
                absorb(&mut self.mean, &self.rows[slot * n..(slot + 1) * n], self.alpha);
            }
        }
        Some(&self.mean)
    }

    fn remember(&mut self, row: Option<&[f64]>) {
        let n = self.prior.len();
        let slot = self.n_rows % self.memory;
        self.is_scored[slot] = row.is_some();
        if let Some(row) = row {
            self.rows[slot * n..(slot + 1) * n].copy_from_slice(row);
        }
        self.n_rows += 1;
    }
}

/// Means over rows before and after, for data that are all there: (forward + backward − α · own) / (2 − α).
#[derive(Debug, Clone)]
pub struct TwoSidedSmoother {
    alpha: f64,
    memory: usize,
    prior: Vec<f64>,
    /// Rows of the segment from `first` on, `[.., n_channels]`.
    rows: Vec<f64>,
    is_scored: Vec<bool>,
    first: usize,
    /// The next row to come out.
    next: usize,
    forward: Vec<f64>,
    backward: Vec<f64>,
}

impl TwoSidedSmoother {
    /// A smoother whose means start, on both sides, from the held-out mean contributions `prior`, `[n_channels]`.
    pub fn new(smoothing: Smoothing, prior: &[f64]) -> Self {
        Self {
            alpha: smoothing.alpha(),
            memory: smoothing.memory(),
            prior: prior.to_vec(),
            rows: Vec::new(),
            is_scored: Vec::new(),
            first: 0,
            next: 0,
            forward: prior.to_vec(),
            backward: prior.to_vec(),
        }
    }

    /// Takes the next row's contributions (`None`: no score); rows whose future is known come out in order.
    pub fn push(&mut self, row: Option<&[f64]>, emit: &mut dyn FnMut(Option<&[f64]>)) {
        match row {
            Some(row) => self.rows.extend_from_slice(row),
            None => self.rows.resize(self.rows.len() + self.prior.len(), 0.0),
        }
        self.is_scored.push(row.is_some());
        if self.first + self.is_scored.len() >= self.next + self.memory {
            self.emit_next(emit);
        }
        self.forget_old();
    }

    /// The segment ends: all rows left come out, and the smoother is as new.
    pub fn finish(&mut self, emit: &mut dyn FnMut(Option<&[f64]>)) {
        while self.next < self.first + self.is_scored.len() {
            self.emit_next(emit);
        }
        self.rows.clear();
        self.is_scored.clear();
        (self.first, self.next) = (0, 0);
    }

    fn emit_next(&mut self, emit: &mut dyn FnMut(Option<&[f64]>)) {
        let n = self.prior.len();
        let at = self.next - self.first;
        self.next += 1;
        if !self.is_scored[at] {
            return emit(None);
        }
        let row = |idx: usize| &self.rows[idx * n..(idx + 1) * n];
        self.forward.copy_from_slice(&self.prior);
        for idx in ((at + 1).saturating_sub(self.memory)..=at).filter(|&idx| self.is_scored[idx]) {
            absorb(&mut self.forward, row(idx), self.alpha);
        }
        self.backward.copy_from_slice(&self.prior);
        let end = (at + self.memory).min(self.is_scored.len());
        for idx in (at..end).rev().filter(|&idx| self.is_scored[idx]) {
            absorb(&mut self.backward, row(idx), self.alpha);
        }
        for (idx, mean) in self.forward.iter_mut().enumerate() {
            *mean = (*mean + self.backward[idx] - self.alpha * self.rows[at * n + idx]) / (2.0 - self.alpha);
            // Rounding may leave a part of nothing below zero.
            *mean = mean.max(0.0);
        }
        emit(Some(&self.forward));
    }

    /// Drops rows that no mean reaches any more, many at a time.
    fn forget_old(&mut self) {
        let needed_from = (self.next + 1).saturating_sub(self.memory);
        let n_old = needed_from.saturating_sub(self.first);
        if n_old >= 2 * self.memory + 64 {
            self.rows.drain(..n_old * self.prior.len());
            self.is_scored.drain(..n_old);
            self.first += n_old;
        }
    }
}

/// One step of an exponentially weighted mean.
fn absorb(mean: &mut [f64], row: &[f64], alpha: f64) {
    for (mean, value) in mean.iter_mut().zip(row) {
        *mean = (1.0 - alpha) * *mean + alpha * value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_testkit::assert_close;

    #[test]
    fn spans_follow_the_number_of_independent_channels() {
        let check = |n: usize, span: f64| {
            assert_close(Smoothing::retrospective(n).span, span, 1e-12, "span");
            for (answers, want) in [(Answers::Window, span / 2.0), (Answers::LastRow, span)] {
                assert_close(Smoothing::causal(n, answers).span, want, 1e-12, "causal span");
            }
        };
        check(0, 80.0);
        check(1, 80.0);
        check(4, 20.0);
        check(9, 10.0);
    }

    #[test]
    fn memory_ends_where_one_percent_is_left() {
        let check = |span: f64, memory: usize| assert_eq!(Smoothing { span }.memory(), memory, "{span}");
        // α = 1/3: (2/3)^11 = .0116, (2/3)^12 = .0077.
        check(5.0, 12);
        // α = 1/2: 2^-6 = .0156, 2^-7 = .0078.
        check(3.0, 7);
        check(1.0, 1);
    }

    #[test]
    fn causal_means_by_hand() {
        // α = 1/2, prior 8: 8 → 6 → 4 (passed over: no score) → 5.
        let mut smoother = CausalSmoother::new(Smoothing { span: 3.0 }, &[8.0]);
        let check = |got: Option<&[f64]>, want: Option<f64>| assert_eq!(got.map(|row| row[0]), want);
        check(smoother.push(Some(&[4.0])), Some(6.0));
        check(smoother.push(Some(&[2.0])), Some(4.0));
        check(smoother.push(None), None);
        check(smoother.push(Some(&[6.0])), Some(5.0));
        smoother.restart();
        check(smoother.push(Some(&[0.0])), Some(4.0));
    }

    #[test]
    fn rows_beyond_the_memory_do_not_matter() {
        let smoothing = Smoothing { span: 3.0 };
        let rows: Vec<f64> = (0..40).map(|i| f64::from(i * i % 17)).collect();
        let after = |skip: usize| {
            let mut smoother = CausalSmoother::new(smoothing, &[1.0]);
            rows[skip..]
                .iter()
                .filter_map(|row| smoother.push(Some(&[*row])).map(|s| s[0]))
                .last()
        };
        assert_eq!(after(0), after(40 - smoothing.memory()));
        assert_ne!(after(0), after(40 - smoothing.memory() + 2));
    }

    #[test]
    fn two_sided_means_agree_with_the_formula_on_a_long_row() {
        let smoothing = Smoothing { span: 3.0 };
        let (alpha, memory, prior) = (0.5, smoothing.memory(), 2.0);
        let rows: Vec<Option<f64>> = (0..700)
            .map(|i| (i % 13 != 5).then(|| f64::from(i * i % 29)))
            .collect();
        let mut smoother = TwoSidedSmoother::new(smoothing, &[prior]);
        let mut got = Vec::new();
        for _ in 0..2 {
            let mut emit = |row: Option<&[f64]>| got.push(row.map(|row| row[0]));
            for row in &rows {
                smoother.push(row.as_ref().map(std::slice::from_ref), &mut emit);
            }
            smoother.finish(&mut emit);
        }
        assert_eq!(got.len(), 1400);
        for (t, row) in rows.iter().enumerate() {
            let fold = |mean: f64, row: &Option<f64>| row.map_or(mean, |x| (1.0 - alpha) * mean + alpha * x);
            let forward = rows[(t + 1).saturating_sub(memory)..=t].iter().fold(prior, fold);
            let backward = rows[t..(t + memory).min(rows.len())]
                .iter()
                .rev()
                .fold(prior, fold);
            let want = row.map(|x| (forward + backward - alpha * x) / (2.0 - alpha));
            assert_eq!(got[t], want, "row {t}");
            assert_eq!(got[700 + t], want, "second segment, row {t}");
        }
    }
}
