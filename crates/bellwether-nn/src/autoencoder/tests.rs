//! What comes out of the network, and that a window is judged by itself alone.

use super::*;
use crate::network::spec::Head;

/// Two smooth channels and a constant one between them, `[n, 3]`.
fn rows(n: usize) -> Vec<f64> {
    let row = |t: usize| {
        let t = t as f64;
        [0.5 + 0.4 * (t / 4.0).sin(), 0.0, 0.5 + 0.3 * (t / 7.0).cos()]
    };
    (0..n).flat_map(row).collect()
}

fn framing(with_level: bool) -> Framing {
    Framing::new(3, vec![0, 2], with_level).unwrap()
}

const LEN: usize = 12;

/// An untrained network that answers something: the head is drawn as well.
fn autoencoder(kernels: &'static Kernels, n_threads: usize) -> Autoencoder {
    let architecture = Architecture::new(LEN, 4, 2, &[20, 5], &[7, 20]).unwrap();
    let mut weights = Weights::random(&architecture, 7);
    for tensor in weights.tensors_mut().iter_mut().rev().take(2) {
        let spread = (0..).map(|idx| (idx as f32 * 0.7).sin());
        tensor
            .values
            .iter_mut()
            .zip(spread)
            .for_each(|(value, x)| *value = x);
    }
    Autoencoder::new(architecture, framing(true), weights, kernels, n_threads).unwrap()
}

#[test]
fn an_autoencoder_of_other_widths_is_refused() {
    let architecture = Architecture::new(LEN, 2, 2, &[4], &[4]).unwrap();
    let weights = Weights::zeroed(&architecture);
    let got = Autoencoder::new(architecture, framing(true), weights, Kernels::detect(), 1);
    assert_eq!(
        got.err(),
        Some(FramingError::Network {
            inputs: 2,
            outputs: 2,
            want_inputs: 4,
            want_outputs: 2
        })
    );
}

#[test]
fn a_head_of_zeros_expects_the_mean_and_nothing_where_it_does_not_look() {
    let architecture = Architecture::new(LEN, 4, 2, &[5], &[5]).unwrap();
    let weights = Weights::random(&architecture, 1);
    let network = Autoencoder::new(architecture, framing(true), weights, Kernels::detect(), 1).unwrap();
    let values = rows(LEN);
    let windows = Windows::new(&values, None, 3, LEN, &[0]);
    let (mut means, mut expected) = ([0.0; 2], vec![1.0; values.len()]);
    network
        .framing()
        .view(&windows, 0, Head::Reconstruction)
        .means(&mut means);
    network.expected(windows, &mut expected).unwrap();
    assert!(
        expected
            .chunks_exact(3)
            .all(|row| row == [means[0], 0.0, means[1]])
    );
}

#[test]
fn errors_of_a_window_are_the_same_bits_alone_in_company_and_on_any_number_of_threads() {
    const N_WINDOWS: usize = 301;
    let values = rows(N_WINDOWS + LEN - 1);
    let observed: Vec<bool> = (0..values.len()).map(|idx| idx % 11 != 3).collect();
    let starts: Vec<usize> = (0..N_WINDOWS).collect();
    let windows = Windows::new(&values, Some(&observed), 3, LEN, &starts);
    let errors = |network: &Autoencoder, batch: usize| {
        let mut all = Vec::new();
        for first in (0..N_WINDOWS).step_by(batch) {
            let some = windows.subset(first..(first + batch).min(N_WINDOWS));
            let mut out = vec![f64::NAN; some.n_windows() * LEN * 3];
            network.errors(some, &mut out).unwrap();
            all.extend(out);
        }
        all
    };
    for kernels in Kernels::available() {
        let alone = errors(&autoencoder(kernels, 1), 1);
        assert!(
            alone.iter().any(|&error| error > 1e-3),
            "the network must say something"
        );
        for n_threads in [1, 2] {
            let network = autoencoder(kernels, n_threads);
            for batch in [2, 5, 33, 300, N_WINDOWS] {
                let same = errors(&network, batch) == alone;
                assert!(
                    same,
                    "{}: batches of {batch}, {n_threads} threads",
                    kernels.name()
                );
            }
        }
    }
}

#[test]
fn what_was_not_observed_has_no_error() {
    let values = rows(LEN);
    let observed: Vec<bool> = (0..values.len()).map(|idx| idx % 5 != 0).collect();
    let windows = Windows::new(&values, Some(&observed), 3, LEN, &[0]);
    let mut errors = vec![f64::NAN; values.len()];
    autoencoder(Kernels::detect(), 1)
        .errors(windows, &mut errors)
        .unwrap();
    for (idx, (&error, &observed)) in errors.iter().zip(&observed).enumerate() {
        // The middle channel is constant zero, and expected so.
        assert_eq!(error == 0.0, !observed || idx % 3 == 1, "cell {idx}: {error}");
    }
}

#[test]
fn windows_of_another_shape_are_refused() {
    let network = autoencoder(Kernels::detect(), 1);
    let values = vec![0.0; 120];
    for (n_channels, len) in [(3, LEN - 1), (2, LEN)] {
        let windows = Windows::new(&values, None, n_channels, len, &[0]);
        let got = network.expected(windows, &mut vec![0.0; n_channels * len]);
        let expect = ModelError::Shape {
            want_len: LEN,
            want_channels: 3,
            len,
            channels: n_channels,
        };
        assert_eq!(got, Err(expect));
    }
}

#[test]
fn extreme_values_give_finite_errors_or_say_which_window() {
    let network = autoencoder(Kernels::detect(), 1);
    let extremes = [
        (1e30, Ok(())),
        (-1e150, Ok(())),
        // The sum of the window leaves the finite numbers.
        (f64::MAX, Err(ModelError::NotFinite { window_idx: 1 })),
    ];
    for (extreme, expect) in extremes {
        let mut values = rows(2 * LEN);
        values[3 * LEN..]
            .iter_mut()
            .step_by(3)
            .take(2)
            .for_each(|value| *value = extreme);
        let windows = Windows::new(&values, None, 3, LEN, &[0, LEN]);
        let mut errors = vec![0.0; values.len()];
        let got = network.errors(windows, &mut errors);
        assert_eq!(got, expect, "{extreme:e}");
        assert!(
            got.is_err() || errors.iter().all(|error| error.is_finite()),
            "{extreme:e}"
        );
    }
}

/// Windows about the training range, some channels beyond where inputs are clipped, some values unobserved.
fn strange(n_windows: usize, len: usize) -> (Vec<f64>, Vec<bool>) {
    let mut values = rows(n_windows * len);
    for (at, value) in values.iter_mut().enumerate() {
        *value += 0.3 * (at as f64 * 1.7).sin();
        if at % 37 == 0 {
            *value += 3.0;
        }
    }
    let observed = (0..values.len()).map(|at| at % 13 != 5).collect();
    (values, observed)
}

/// Derivatives of a weighted sum of errors against central differences of it, and what they add up to along a line.
pub(crate) fn check_derivatives(model: &dyn Model, what: &str) {
    const N_WINDOWS: usize = 18;
    let len = model.window().len.get();
    let (values, observed) = strange(N_WINDOWS, len);
    let starts: Vec<usize> = (0..N_WINDOWS).map(|idx| idx * len).collect();
    let n_cells = model.n_answers() * 3;
    let weights: Vec<f64> = (0..N_WINDOWS * n_cells).map(|at| 1.0 + (at % 5) as f64).collect();
    let sums = |values: &[f64], marks: Option<&[bool]>| -> Vec<f64> {
        let windows = Windows::new(values, marks, 3, len, &starts);
        let mut errors = vec![0.0; N_WINDOWS * n_cells];
        model.errors(windows, &mut errors).unwrap();
        let of_windows = errors.chunks_exact(n_cells).zip(weights.chunks_exact(n_cells));
        of_windows
            .map(|(errors, weights)| errors.iter().zip(weights).map(|(e, w)| e * w).sum())
            .collect()
    };
    let slopes = |values: &[f64], marks: Option<&[bool]>| {
        let mut out = vec![f64::NAN; values.len()];
        let windows = Windows::new(values, marks, 3, len, &starts);
        assert!(model.derivatives(windows, &weights, &mut out).unwrap());
        out
    };
    for marks in [None, Some(&observed[..])] {
        let got = slopes(&values, marks);
        // Networks compute in 24 bits: a step of 1e-2 loses about as much by rounding as by curvature, 1e-3 of the largest.
        const STEP: f64 = 1e-2;
        let largest = got.iter().fold(0.0_f64, |most, slope| most.max(slope.abs()));
        for cell in 0..len * 3 {
            let moved = |step: f64| {
                let mut values = values.clone();
                for window in values.chunks_exact_mut(len * 3) {
                    window[cell] += step;
                }
                sums(&values, marks)
            };
            for (window_idx, (above, below)) in moved(STEP).iter().zip(moved(-STEP)).enumerate() {
                let want = (above - below) / (2.0 * STEP);
                let got = got[window_idx * len * 3 + cell];
                assert!(
                    (got - want).abs() < 2e-3 * largest,
                    "{what}: cell {cell} of window {window_idx}: {got} against {want}, largest {largest}"
                );
            }
        }
        // Completeness: along the line from the training range's middle, the parts sum to the difference of the ends.
        const N_POINTS: usize = 256;
        let mut parts = vec![0.0; N_WINDOWS];
        for point in 0..N_POINTS {
            let alpha = (point as f64 + 0.5) / N_POINTS as f64;
            let at: Vec<f64> = values.iter().map(|value| 0.5 + alpha * (value - 0.5)).collect();
            for (cell, slope) in slopes(&at, marks).iter().enumerate() {
                parts[cell / (len * 3)] += (values[cell] - 0.5) * slope / N_POINTS as f64;
            }
        }
        let ends = [sums(&vec![0.5; values.len()], marks), sums(&values, marks)];
        for window_idx in 0..N_WINDOWS {
            let want = ends[1][window_idx] - ends[0][window_idx];
            let gap = (parts[window_idx] - want).abs();
            assert!(gap < 1e-3 * want.abs().max(1.0), "{what}: gap {gap} of {want}");
        }
    }
}

#[test]
fn derivatives_equal_differences_and_sum_to_what_they_explain() {
    for kernels in Kernels::available() {
        check_derivatives(&autoencoder(kernels, 1), kernels.name());
    }
    let architecture = Architecture::new(LEN, 2, 2, &[6], &[6]).unwrap();
    let mut weights = Weights::random(&architecture, 9);
    for tensor in weights.tensors_mut().iter_mut().rev().take(2) {
        tensor.values.fill(0.4);
    }
    let network = Autoencoder::new(architecture, framing(false), weights, Kernels::detect(), 1).unwrap();
    check_derivatives(&network, "without levels");
    let architecture = Architecture::forecaster(LEN, 4, 2, &[20, 5]).unwrap();
    let mut weights = Weights::random(&architecture, 3);
    for tensor in weights.tensors_mut().iter_mut().rev().take(2) {
        let spread = (0..).map(|idx| (idx as f32 * 0.7).sin());
        tensor
            .values
            .iter_mut()
            .zip(spread)
            .for_each(|(value, x)| *value = x);
    }
    let network = crate::Forecaster::new(architecture, framing(true), weights, Kernels::detect(), 1).unwrap();
    check_derivatives(&network, "forecaster");
}
