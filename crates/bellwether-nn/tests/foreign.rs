//! Weights of PyTorch and Keras: the network that takes them answers as theirs does, and what does not fit is refused with what
//! was found.
//!
//! `golden/foreign.py` wrote the files and what PyTorch answers, in single precision.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use std::collections::HashMap;

use bellwether_nn::{Architecture, ForeignError, Kernels, Scorer, Weights};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;

const TORCH: &[u8] = include_bytes!("golden/foreign_torch.safetensors");
const KERAS: &[u8] = include_bytes!("golden/foreign_keras.safetensors");
const FORECASTER: &[u8] = include_bytes!("golden/foreign_forecaster.safetensors");
const N_STEPS: usize = 5;
const N_INPUTS: usize = 6;
const TOLERANCE: f32 = 1e-5;

fn numbers(key: &str) -> Vec<f32> {
    let golden: Value = serde_json::from_str(include_str!("golden/foreign.json")).unwrap();
    let number = |value: &Value| value.as_f64().unwrap() as f32;
    golden[key].as_array().unwrap().iter().map(number).collect()
}

fn autoencoder() -> Architecture {
    Architecture::new(N_STEPS, N_INPUTS, 3, &[7, 4], &[9]).unwrap()
}

fn check(bytes: &[u8], architecture: &Architecture, want: &str) {
    let weights = Weights::from_foreign(bytes, architecture).unwrap();
    let scorer = Scorer::new(architecture, &weights, Kernels::detect(), 1);
    let (x, want) = (numbers("x"), numbers(want));
    let n_cells = 3 * architecture.n_answers();
    let mut got = vec![0.0_f64; want.len()];
    scorer.run(
        &mut got,
        n_cells,
        |window, step, input| input.copy_from_slice(&x[(window * N_STEPS + step) * N_INPUTS..][..N_INPUTS]),
        |_, answer, output, out| {
            for (out, output) in out[3 * answer..].iter_mut().zip(output) {
                *out = f64::from(*output);
            }
        },
    );
    for (got, want) in got.iter().zip(&want) {
        assert!((*got as f32 - want).abs() <= TOLERANCE, "got {got}, want {want}");
    }
    assert!(want.iter().any(|want| want.abs() > 0.3), "{want:?}");
}

#[test]
fn networks_answer_as_those_that_learnt_them() {
    check(TORCH, &autoencoder(), "autoencoder");
    check(KERAS, &autoencoder(), "autoencoder");
    let forecaster = Architecture::forecaster(N_STEPS + 1, N_INPUTS, 3, &[8, 8]).unwrap();
    check(FORECASTER, &forecaster, "forecaster");
    for bytes in [TORCH, KERAS, FORECASTER] {
        assert_eq!(Weights::foreign_inputs(bytes).unwrap(), N_INPUTS);
    }
}

/// A file of tensors of zeros.
fn file(tensors: &[(&str, &[usize])]) -> Vec<u8> {
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, shape)| vec![0; 4 * shape.iter().product::<usize>()])
        .collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|((name, shape), bytes)| (*name, TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap()));
    safetensors::serialize(views, None::<HashMap<String, String>>).unwrap()
}

#[test]
fn what_does_not_fit_is_refused_with_what_was_found() {
    let of = |bytes: &[u8], architecture: &Architecture| -> String {
        let error: ForeignError = Weights::from_foreign(bytes, architecture).unwrap_err();
        error.to_string()
    };
    let says = |text: String, wants: &[&str]| {
        for want in wants {
            assert!(text.contains(want), "{text}\nwant {want}");
        }
    };
    let other = |encoder: &[usize], n_inputs| Architecture::new(5, n_inputs, 3, encoder, &[9]).unwrap();
    says(
        of(TORCH, &other(&[7], 6)),
        &["2 LSTM layers, the file 3", "encoder1_l0: 7 units that read 6"],
    );
    says(
        of(TORCH, &other(&[8, 4], 6)),
        &["LSTM layer 1", "7 units that read 6", "wants 8 units that read 6"],
    );
    says(
        of(KERAS, &other(&[7, 4], 8)),
        &["lstm/lstm_cell: 7 units that read 6", "wants 7 units that read 8"],
    );
    let outputs = Architecture::new(5, 6, 2, &[7, 4], &[9]).unwrap();
    says(
        of(KERAS, &outputs),
        &["time_distributed makes 3 outputs of 9", "wants 2 of 9"],
    );
    says(
        of(&TORCH[..100], &autoencoder()),
        &["not a sound safetensors file"],
    );

    let refused =
        |tensors: &[(&str, &[usize])], wants: &[&str]| says(of(&file(tensors), &autoencoder()), wants);
    refused(&[], &["no LSTM layer"]);
    refused(&[("d.weight", &[3, 9]), ("d.bias", &[3])], &["no LSTM layer"]);
    let lstm: [(&str, &[usize]); 2] = [("a.weight_ih_l0", &[16, 2]), ("a.weight_hh_l0", &[16, 4])];
    refused(&lstm, &["one dense layer", "none"]);
    refused(&lstm[..1], &["the layer a_l0 has no weight_hh"]);
    refused(
        &[("g.weight_ih_l0", &[12, 2]), ("g.weight_hh_l0", &[12, 4])],
        &["that is a GRU"],
    );
    refused(
        &[("g/recurrent_kernel", &[4, 12]), ("g/kernel", &[2, 12])],
        &["that is a GRU"],
    );
    refused(
        &[("a.weight_ih_l0_reverse", &[16, 2])],
        &["a.weight_ih_l0_reverse", "in one direction"],
    );
    refused(&[("n.running_mean", &[4])], &["n.running_mean", "leave out"]);
    refused(
        &[("a.weight_ih_l0", &[20, 2]), lstm[1]],
        &["a.weight_ih_l0 has the shape [20, 2]", "[16, inputs]"],
    );
    refused(
        &[lstm[0], lstm[1], ("a.bias_ih_l0", &[4])],
        &["a.bias_ih_l0 has the shape [4], wanted [16]"],
    );
    refused(&[("b.bias", &[4])], &["b.bias"]);
    let two: Vec<_> = lstm
        .into_iter()
        .chain([("d.weight", &[3, 9][..]), ("e.weight", &[3, 9])])
        .collect();
    refused(&two, &["one dense layer", "d, e"]);
    let wide = safetensors::serialize(
        [(
            "a.weight_ih_l0",
            TensorView::new(Dtype::F16, vec![1, 1], &[0, 0]).unwrap(),
        )],
        None::<HashMap<String, String>>,
    );
    says(of(&wide.unwrap(), &autoencoder()), &["is F16", "float32"]);
}
