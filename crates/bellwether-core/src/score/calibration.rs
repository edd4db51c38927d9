//! What is ordinary for each channel, learnt from held-out normal rows, and errors measured by it.

/// A channel's ordinary error is at least this share of the mean over channels: a channel that the model follows
/// almost perfectly would otherwise cry at every tremor. A third or three times as much ranks anomalies alike.
const FLOOR_SHARE: f64 = 0.1;

/// Added to every ordinary error, so that none is zero.
const SCALE_MIN: f64 = 1e-9;

/// What held-out normal rows say about each channel; all `[n_channels]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// How much a channel counts; mean 1, see [`crate::transform::Pipeline::channel_weights`].
    pub weights: Vec<f64>,
    /// A channel's ordinary squared error, f, above zero.
    pub scale: Vec<f64>,
    /// Mean contribution: where smoothing starts.
    pub prior: Vec<f64>,
    /// Root mean squared residual of one row, in scaled units: the width of the expected band.
    pub residual: Vec<f64>,
}

impl Calibration {
    /// Learns from the channel errors of held-out rows:
    /// f_j = max(mean over rows of c_j, 0.1 · mean over rows and channels of c) + 1e-9.
    ///
    /// Constant channels count as 0 in the mean over channels: their errors are in units of their own, and one
    /// that moved in the held-out rows would blind all others.
    ///
    /// # Shapes
    /// `errors: [n_rows, n_channels]`, NaN where a channel is absent or a row has no score;
    /// `mean_square: [n_channels]`, mean squared residual of one row; the others `[n_channels]`.
    pub fn fit(weights: Vec<f64>, is_constant: &[bool], errors: &[f64], mean_square: &[f64]) -> Self {
        let n = weights.len();
        let means = column_means(errors, n);
        let ordinary = means.iter().zip(is_constant).filter(|(_, constant)| !**constant);
        let floor = FLOOR_SHARE * ordinary.map(|(mean, _)| mean).sum::<f64>() / n as f64;
        let scale = means.iter().map(|mean| mean.max(floor) + SCALE_MIN).collect();
        Self {
            weights,
            scale,
            prior: vec![0.0; n],
            residual: mean_square.iter().map(|square| square.sqrt()).collect(),
        }
        .starting_from(errors)
    }

    /// The same, with smoothing that starts from the mean contribution of these errors, `[n_rows, n_channels]`.
    pub(crate) fn starting_from(self, errors: &[f64]) -> Self {
        Self {
            prior: self.mean_contributions(errors),
            ..self
        }
    }

    /// Each channel's part of a row's error; the parts sum to the error.
    ///
    /// Part j is w_j · c_j / f_j, times what makes up for absent channels (all weights / weights present), divided by
    /// the number of channels: the sum is a weighted mean of ratios, about 1 for an ordinary row of channels that all move.
    ///
    /// # Shapes
    /// `errors: [n_channels]`, NaN where a channel is absent (never all); `out: [n_channels]`, 0 there.
    pub fn contributions(&self, errors: &[f64], out: &mut [f64]) {
        let total: f64 = self.weights.iter().sum();
        let present: f64 = self
            .weights
            .iter()
            .zip(errors)
            .map(|(weight, error)| if error.is_nan() { 0.0 } else { *weight })
            .sum();
        let factor = total / present / errors.len() as f64;
        for (idx, part) in out.iter_mut().enumerate() {
            let is_absent = errors[idx].is_nan();
            *part = if is_absent {
                0.0
            } else {
                factor * self.weights[idx] * errors[idx] / self.scale[idx]
            };
        }
    }

    fn mean_contributions(&self, errors: &[f64]) -> Vec<f64> {
        let n = self.weights.len();
        let (mut sum, mut parts) = (vec![0.0; n], vec![0.0; n]);
        let mut n_rows = 0_usize;
        for row in errors.chunks_exact(n).filter(|row| is_scored(row)) {
            self.contributions(row, &mut parts);
            n_rows += 1;
            for (sum, part) in sum.iter_mut().zip(&parts) {
                *sum += part;
            }
        }
        for sum in &mut sum {
            *sum /= n_rows.max(1) as f64;
        }
        sum
    }

    /// Whether the numbers fit `n_channels` channels and are usable: finite, scales above zero, the rest not below,
    /// and some weight above zero.
    ///
    /// # Errors
    /// [`CalibrationError`] naming the first number that is not.
    pub fn check(&self, n_channels: usize) -> Result<(), CalibrationError> {
        let parts = [
            ("weight", &self.weights),
            ("scale", &self.scale),
            ("prior", &self.prior),
            ("residual", &self.residual),
        ];
        for (name, values) in parts {
            if values.len() != n_channels {
                return Err(CalibrationError::Len {
                    name,
                    n_values: values.len(),
                    n_channels,
                });
            }
            let is_usable = |value: f64| {
                value.is_finite()
                    && if name == "scale" {
                        value > 0.0
                    } else {
                        value >= 0.0
                    }
            };
            if let Some(channel_idx) = values.iter().position(|value| !is_usable(*value)) {
                let got = values[channel_idx];
                return Err(CalibrationError::Value {
                    name,
                    channel_idx,
                    got,
                });
            }
        }
        if self.weights.iter().all(|weight| *weight <= 0.0) {
            return Err(CalibrationError::NoWeight);
        }
        Ok(())
    }
}

/// Why a [`Calibration`] is not usable.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CalibrationError {
    /// Not one number for each channel.
    #[error("{n_values} numbers for the {name} of {n_channels} channels")]
    Len {
        /// Which number.
        name: &'static str,
        /// How many there are.
        n_values: usize,
        /// How many there should be.
        n_channels: usize,
    },
    /// A number out of range.
    #[error(
        "the {name} of channel {channel_idx} is {got}, wanted a finite number not below zero (a scale above)"
    )]
    Value {
        /// Which number.
        name: &'static str,
        /// Position of the channel.
        channel_idx: usize,
        /// What it is.
        got: f64,
    },
    /// No channel counts.
    #[error("the weight of every channel is zero")]
    NoWeight,
}

/// Whether a row of channel errors has a score: not all channels are absent.
pub fn is_scored(errors: &[f64]) -> bool {
    errors.iter().any(|error| !error.is_nan())
}

/// Mean error of each channel over the observed rows of one window; the window stands for its last row.
///
/// A channel of which less than half of the window was observed is absent (NaN). Where less than half of the
/// window's cells were observed, counted by weight, all are, and the answer is `false`: the row has no score.
///
/// # Shapes
/// `errors, observed: [len, n_channels]`, errors 0 where not observed; `weights, out: [n_channels]`.
pub fn window_errors(errors: &[f64], observed: Option<&[bool]>, weights: &[f64], out: &mut [f64]) -> bool {
    let n = weights.len();
    let len = errors.len() / n;
    out.fill(0.0);
    for row in errors.chunks_exact(n) {
        for (sum, error) in out.iter_mut().zip(row) {
            *sum += error;
        }
    }
    let (mut seen, mut all) = (0.0, 0.0);
    for (idx, sum) in out.iter_mut().enumerate() {
        let n_seen = match observed {
            None => len,
            Some(marks) => marks.iter().skip(idx).step_by(n).filter(|mark| **mark).count(),
        };
        seen += weights[idx] * n_seen as f64;
        all += weights[idx] * len as f64;
        let is_present = 2 * n_seen >= len && n_seen > 0;
        *sum = if is_present {
            *sum / n_seen as f64
        } else {
            f64::NAN
        };
    }
    keep_covered(out, weights, 2.0 * seen >= all)
}

/// Mean error of each channel of one row over all windows that hold it.
///
/// A channel not observed in the row is absent (NaN); less than half of the row observed, counted by weight, means
/// no score, as in [`window_errors`].
///
/// # Shapes
/// `sums: [n_channels]` over `n_windows` windows; `observed, weights, out: [n_channels]`.
pub fn row_errors(
    sums: &[f64],
    n_windows: usize,
    observed: Option<&[bool]>,
    weights: &[f64],
    out: &mut [f64],
) -> bool {
    let (mut seen, mut all) = (0.0, 0.0);
    for (idx, error) in out.iter_mut().enumerate() {
        let is_present = observed.is_none_or(|marks| marks[idx]);
        seen += if is_present { weights[idx] } else { 0.0 };
        all += weights[idx];
        *error = if is_present {
            sums[idx] / n_windows as f64
        } else {
            f64::NAN
        };
    }
    keep_covered(out, weights, 2.0 * seen >= all)
}

/// Marks all channels absent where the row is not covered, or where nothing that counts is present.
fn keep_covered(errors: &mut [f64], weights: &[f64], is_covered: bool) -> bool {
    let counts = errors
        .iter()
        .zip(weights)
        .any(|(error, weight)| !error.is_nan() && *weight > 0.0);
    if !(is_covered && counts) {
        errors.fill(f64::NAN);
    }
    is_covered && counts
}

/// Mean of each column over the rows that have it; 0 where none has.
fn column_means(values: &[f64], n_columns: usize) -> Vec<f64> {
    let (mut sums, mut counts) = (vec![0.0; n_columns], vec![0_usize; n_columns]);
    for row in values.chunks_exact(n_columns) {
        for (idx, value) in row.iter().enumerate().filter(|(_, value)| !value.is_nan()) {
            sums[idx] += value;
            counts[idx] += 1;
        }
    }
    let means = sums.iter().zip(&counts);
    means.map(|(sum, count)| sum / (*count).max(1) as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_testkit::assert_close;

    const NAN: f64 = f64::NAN;

    fn assert_row(got: &[f64], want: &[f64]) {
        assert_eq!(got.len(), want.len());
        for (got, want) in got.iter().zip(want) {
            assert!(got.is_nan() == want.is_nan(), "{got} instead of {want}");
            if !want.is_nan() {
                assert_close(*got, *want, 1e-9, "row");
            }
        }
    }

    #[test]
    fn ordinary_errors_have_a_floor_that_constant_channels_do_not_raise() {
        // Column means 3, 0.06 and (constant) 900: the floor is 0.1 · (3 + 0.06) / 3 = 0.102.
        let errors = [2.0, 0.06, 900.0, 4.0, 0.06, 900.0];
        let fitted = Calibration::fit(vec![1.0; 3], &[false, false, true], &errors, &[4.0, 0.0, 9.0]);
        assert_row(&fitted.scale, &[3.0 + 1e-9, 0.102 + 1e-9, 900.0 + 1e-9]);
        assert_row(&fitted.residual, &[2.0, 0.0, 3.0]);
        // Mean ratios 1, 0.06 / 0.102 and 1, each a third of a row's error.
        assert_row(
            &fitted.prior,
            &[1.0 / 3.0, 0.06 / (0.102 + 1e-9) / 3.0, 1.0 / 3.0],
        );
        assert_eq!(fitted.check(3), Ok(()));
        let error = fitted.check(2).unwrap_err().to_string();
        assert!(
            error.contains("3 numbers for the weight of 2 channels"),
            "{error}"
        );
    }

    #[test]
    fn a_perfect_model_has_scales_above_zero() {
        let fitted = Calibration::fit(vec![1.0], &[true], &[0.0, 0.0], &[0.0]);
        assert_eq!(fitted.check(1), Ok(()));
        assert!(fitted.scale[0] > 0.0);
    }

    #[test]
    fn the_parts_of_a_row_make_up_for_absent_channels() {
        let fitted = Calibration {
            weights: vec![1.5, 1.0, 0.5],
            scale: vec![2.0, 1.0, 4.0],
            prior: vec![0.0; 3],
            residual: vec![0.0; 3],
        };
        let check = |errors: &[f64], expect: &[f64]| {
            let mut parts = [0.0; 3];
            fitted.contributions(errors, &mut parts);
            assert_row(&parts, expect);
        };
        // (1.5 · 4/2, 1 · 3/1, 0.5 · 8/4) / 3.
        check(&[4.0, 3.0, 8.0], &[1.0, 1.0, 1.0 / 3.0]);
        // Without the second, weights 2 of 3 are present: the others count 3/2 as much.
        check(&[4.0, NAN, 8.0], &[1.5, 0.0, 0.5]);
    }

    #[test]
    fn a_channel_is_absent_when_less_than_half_of_it_was_observed() {
        let check = |marks: Option<[bool; 8]>, expect: [f64; 2], scored: bool| {
            let errors: Vec<f64> = (0..8)
                .map(|i| {
                    if marks.is_none_or(|m| m[i]) {
                        [1.0, 10.0][i % 2] * (i / 2 + 1) as f64
                    } else {
                        0.0
                    }
                })
                .collect();
            let mut out = [0.0; 2];
            let got = window_errors(&errors, marks.as_ref().map(|m| &m[..]), &[1.0, 1.0], &mut out);
            assert_eq!(got, scored);
            assert_row(&out, &expect);
        };
        let (t, f) = (true, false);
        check(None, [2.5, 25.0], true);
        check(Some([t, f, t, t, t, f, t, t]), [2.5, 30.0], true);
        check(Some([t, f, t, f, t, f, t, t]), [2.5, NAN], true);
        check(Some([t, f, f, f, t, f, f, t]), [NAN, NAN], false);
        check(Some([f; 8]), [NAN, NAN], false);
    }

    #[test]
    fn a_row_averages_its_windows_and_needs_half_of_its_weight() {
        let check = |marks: Option<[bool; 2]>, weights: [f64; 2], expect: [f64; 2]| {
            let mut out = [0.0; 2];
            let marks = marks.as_ref().map(|m| &m[..]);
            let scored = row_errors(&[6.0, 3.0], 3, marks, &weights, &mut out);
            assert_eq!(scored, is_scored(&out));
            assert_row(&out, &expect);
        };
        check(None, [1.0, 1.0], [2.0, 1.0]);
        check(Some([true, false]), [1.0, 1.0], [2.0, NAN]);
        check(Some([true, false]), [0.5, 1.5], [NAN, NAN]);
        check(Some([false, true]), [2.0, 0.0], [NAN, NAN]);
    }
}
