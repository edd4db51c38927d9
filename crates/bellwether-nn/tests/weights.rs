//! Weights as a file: what was written is read, and nothing else is taken for it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use std::collections::HashMap;

use bellwether_nn::{
    Activation, Architecture, Head, LayerKind, LayerSpec, NetworkSpec, Precision, Weights, WeightsError,
};
use proptest::prelude::*;

fn network() -> Architecture {
    Architecture::new(5, 2, 1, &[3, 2], &[2]).unwrap()
}

fn file() -> Vec<u8> {
    Weights::random(&network(), 3).to_safetensors().unwrap()
}

#[test]
fn weights_come_back_bit_for_bit_and_equal_weights_give_equal_bytes() {
    let weights = Weights::random(&network(), 3);
    let bytes = weights.to_safetensors().unwrap();
    assert_eq!(Weights::from_safetensors(&bytes, &network()).unwrap(), weights);
    assert_eq!(bytes, file());
    let n_values: usize = weights.tensors().iter().map(|tensor| tensor.values.len()).sum();
    assert_eq!(n_values, network().n_weights());
}

#[test]
fn tensors_have_the_names_and_shapes_of_torch() {
    let weights = Weights::zeroed(&network());
    let got: Vec<(&str, &[usize])> = weights
        .tensors()
        .iter()
        .map(|tensor| (tensor.name.as_str(), &tensor.shape[..]))
        .collect();
    let expect: [(&str, &[usize]); 11] = [
        ("encoder.0.w_ih", &[12, 2]),
        ("encoder.0.w_hh", &[12, 3]),
        ("encoder.0.b", &[12]),
        ("encoder.1.w_ih", &[8, 3]),
        ("encoder.1.w_hh", &[8, 2]),
        ("encoder.1.b", &[8]),
        ("decoder.0.w_ih", &[8, 2]),
        ("decoder.0.w_hh", &[8, 2]),
        ("decoder.0.b", &[8]),
        ("head.w", &[1, 2]),
        ("head.b", &[1]),
    ];
    assert_eq!(got, expect);
}

#[test]
fn weights_of_another_network_are_refused() {
    let refused = |encoder: &[usize], decoder: &[usize], n_inputs: usize| {
        let other = Architecture::new(5, n_inputs, 1, encoder, decoder).unwrap();
        Weights::from_safetensors(&file(), &other)
            .unwrap_err()
            .to_string()
    };
    for (message, expect) in [
        (refused(&[3, 2], &[2], 1), "encoder.0.w_ih"),
        (refused(&[3, 2], &[1], 2), "decoder.0.w_ih"),
        (refused(&[3, 2], &[2, 2], 2), "decoder.1.w_ih"),
        // Refused before room is made for its two billion weights.
        (refused(&[4096; 8], &[4096; 8], 2), "wants at least"),
        (refused(&[3], &[2], 2), "decoder.0.w_ih"),
    ] {
        assert!(message.contains(expect), "{message}");
    }
}

#[test]
fn a_weight_that_is_not_finite_is_refused() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut weights = Weights::random(&network(), 3);
        weights.tensors_mut()[4].values[1] = value;
        let bytes = weights.to_safetensors().unwrap();
        let got = Weights::from_safetensors(&bytes, &network());
        assert!(
            matches!(&got, Err(WeightsError::NotFinite { name }) if name == "encoder.1.w_hh"),
            "{got:?}"
        );
    }
}

#[test]
fn a_truncated_or_lengthened_file_is_refused() {
    let mut bytes = file();
    for len in 0..bytes.len() {
        assert!(
            Weights::from_safetensors(&bytes[..len], &network()).is_err(),
            "{len} of {} bytes",
            bytes.len()
        );
    }
    bytes.push(0);
    assert!(Weights::from_safetensors(&bytes, &network()).is_err());
}

#[test]
fn rounded_weights_come_back_bit_for_bit_in_fewer_bytes() {
    let network = Architecture::new(5, 20, 20, &[32, 8], &[32]).unwrap();
    let of = |precision| {
        let mut weights = Weights::random(&network, 3);
        weights.round(precision);
        let bytes = weights.to_safetensors().unwrap();
        let back = Weights::from_safetensors(&bytes, &network).unwrap();
        assert_eq!(back, weights);
        assert_eq!(back.precision(), precision);
        assert_eq!(back.to_safetensors().unwrap(), bytes);
        for len in 0..bytes.len() {
            assert!(Weights::from_safetensors(&bytes[..len], &network).is_err());
        }
        (weights, bytes.len())
    };
    let (learnt, float32) = of(Precision::Float32);
    let (halves, float16) = of(Precision::Float16);
    let (levels, int8) = of(Precision::Int8);
    assert!(
        float16 * 100 < float32 * 56 && int8 * 100 < float32 * 38,
        "{float32} {float16} {int8}"
    );
    for (tensor, (half, level)) in learnt
        .tensors()
        .iter()
        .zip(halves.tensors().iter().zip(levels.tensors()))
    {
        let most = tensor
            .values
            .iter()
            .fold(0.0_f32, |most, value| most.max(value.abs()));
        for (value, (half, level)) in tensor.values.iter().zip(half.values.iter().zip(&level.values)) {
            // Eleven significant bits, and 127 steps to the greatest of a row, which is that of the tensor at most.
            assert!((value - half).abs() <= value.abs() / 2048.0 + 1e-7);
            assert!((value - level).abs() <= most / 253.0);
        }
    }
}

#[test]
fn networks_that_begin_with_a_norm_come_back_in_any_precision() {
    for norm in [LayerKind::LayerNorm, LayerKind::BatchNorm] {
        let layer = |kind| LayerSpec { name: None, kind };
        let spec = NetworkSpec {
            head: Head::Reconstruction,
            layers: vec![
                layer(norm),
                layer(LayerKind::Dense {
                    units: 6,
                    activation: Activation::Tanh,
                }),
            ],
        };
        let network = Architecture::of_layers(&spec, 5, 3, 3).unwrap();
        for precision in Precision::ALL {
            let mut weights = Weights::random(&network, 3);
            weights.round(precision);
            let bytes = weights.to_safetensors().unwrap();
            assert_eq!(Weights::from_safetensors(&bytes, &network).unwrap(), weights);
        }
    }
}

/// Files that `safetensors` 0.8 and numpy wrote from the same numbers (`golden/precision.py`) open for ever.
#[test]
#[expect(clippy::disallowed_methods, reason = "golden files are not written to")]
fn golden_files_of_each_precision_open_for_ever() {
    let golden = |name: &str| {
        let path = format!("{}/tests/golden/{name}.safetensors", env!("CARGO_MANIFEST_DIR"));
        Weights::from_safetensors(&std::fs::read(path).unwrap(), &network()).unwrap()
    };
    let learnt = golden("precision_float32");
    for (name, precision) in [
        ("precision_float16", Precision::Float16),
        ("precision_int8", Precision::Int8),
    ] {
        let mut rounded = learnt.clone();
        rounded.round(precision);
        assert_eq!(golden(name), rounded, "{name}");
    }
}

#[test]
fn weights_that_are_filled_in_anew_are_float32() {
    let mut weights = Weights::random(&network(), 3);
    weights.round(Precision::Int8);
    weights.tensors_mut()[0].values[0] = 0.123_456_79;
    let bytes = weights.to_safetensors().unwrap();
    assert_eq!(Weights::from_safetensors(&bytes, &network()).unwrap(), weights);
    assert_eq!(weights.precision(), Precision::Float32);
}

#[test]
fn whole_numbers_without_sound_scales_are_refused() {
    use safetensors::tensor::{Dtype, TensorView};
    let mut weights = Weights::random(&network(), 3);
    weights.round(Precision::Int8);
    let bytes = weights.to_safetensors().unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let with = |name: &str, other: Option<TensorView<'_>>| {
        let mut tensors = file.tensors();
        tensors.retain(|(there, _)| there != name);
        tensors.extend(other.map(|view| (name.to_owned(), view)));
        let bytes = safetensors::serialize(tensors, None::<HashMap<String, String>>).unwrap();
        Weights::from_safetensors(&bytes, &network())
            .unwrap_err()
            .to_string()
    };
    let nan: Vec<u8> = [f32::NAN; 12]
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let scales = |dtype, len: usize| TensorView::new(dtype, vec![len], &nan[..len * 4]).unwrap();
    for (message, expect) in [
        (
            with("encoder.0.w_ih.scale", None),
            "lack the tensor encoder.0.w_ih.scale",
        ),
        (
            with("encoder.0.w_ih.scale", Some(scales(Dtype::F32, 11))),
            "is F32 [11], the architecture wants F32 [12]",
        ),
        (
            with("encoder.0.w_ih.scale", Some(scales(Dtype::F32, 12))),
            "encoder.0.w_ih holds a number that is not finite",
        ),
        (
            with(
                "head.w",
                Some(TensorView::new(Dtype::F32, vec![1, 2], &nan[..8]).unwrap()),
            ),
            "head.w is F32 [1, 2], the architecture wants I8 [1, 2]",
        ),
    ] {
        assert!(message.contains(expect), "{message}");
    }
}

fn forecaster() -> Architecture {
    Architecture::forecaster(5, 2, 1, &[3, 2]).unwrap()
}

#[test]
fn weights_of_a_forecaster_come_back_and_have_names_of_their_own() {
    let weights = Weights::random(&forecaster(), 3);
    let bytes = weights.to_safetensors().unwrap();
    assert_eq!(Weights::from_safetensors(&bytes, &forecaster()).unwrap(), weights);
    let n_values: usize = weights.tensors().iter().map(|tensor| tensor.values.len()).sum();
    assert_eq!(n_values, forecaster().n_weights());
    let got: Vec<(&str, &[usize])> = weights
        .tensors()
        .iter()
        .map(|tensor| (tensor.name.as_str(), &tensor.shape[..]))
        .collect();
    let expect: [(&str, &[usize]); 8] = [
        ("lstm.0.w_ih", &[12, 2]),
        ("lstm.0.w_hh", &[12, 3]),
        ("lstm.0.b", &[12]),
        ("lstm.1.w_ih", &[8, 3]),
        ("lstm.1.w_hh", &[8, 2]),
        ("lstm.1.b", &[8]),
        ("head.w", &[1, 2]),
        ("head.b", &[1]),
    ];
    assert_eq!(got, expect);
}

#[test]
fn bad_weights_of_a_forecaster_are_refused() {
    let mut weights = Weights::random(&forecaster(), 3);
    let bytes = weights.to_safetensors().unwrap();
    for len in 0..bytes.len() {
        let got = Weights::from_safetensors(&bytes[..len], &forecaster());
        assert!(got.is_err(), "{len} of {} bytes", bytes.len());
    }
    let refused = |bytes: &[u8], stack: &[usize]| {
        let architecture = Architecture::forecaster(5, 2, 1, stack).unwrap();
        Weights::from_safetensors(bytes, &architecture)
            .unwrap_err()
            .to_string()
    };
    weights.tensors_mut()[6].values[1] = f32::NAN;
    let spoilt = weights.to_safetensors().unwrap();
    for (message, expect) in [
        // Those of the autoencoder, whose first layers have the same shapes.
        (refused(&file(), &[3, 2]), "lack the tensor lstm.0.w_ih"),
        (refused(&bytes, &[4]), "tensor lstm.0.w_ih is"),
        (refused(&bytes, &[3, 2, 1]), "lack the tensor lstm.2.w_ih"),
        // Refused before room is made for its billion weights.
        (refused(&bytes, &[4096; 8]), "wants at least"),
        (
            refused(&spoilt, &[3, 2]),
            "tensor head.w holds a number that is not finite",
        ),
    ] {
        assert!(message.contains(expect), "{message}");
    }
    // Nor is a forecaster's file an autoencoder's.
    let got = Weights::from_safetensors(&bytes, &Architecture::new(5, 2, 1, &[3], &[2]).unwrap());
    assert!(
        matches!(&got, Err(WeightsError::Missing { name }) if name == "encoder.0.w_ih"),
        "{got:?}"
    );
}

proptest! {
    #[test]
    fn foreign_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(Weights::from_safetensors(&bytes, &network()).is_err());
    }

    #[test]
    fn damaged_bytes_are_refused_or_give_finite_weights(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 1..4),
    ) {
        let mut bytes = file();
        for (at, flip) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        }
        if let Ok(weights) = Weights::from_safetensors(&bytes, &network()) {
            let mut values = weights.tensors().iter().flat_map(|tensor| &tensor.values);
            prop_assert!(values.all(|value| value.is_finite()));
        }
    }
}
