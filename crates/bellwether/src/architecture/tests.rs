//! Presets are sound, what is written is read back, and every mistake has its place.

use super::*;
use bellwether_core::model::Model;
use bellwether_core::window::Windows;
use bellwether_nn::{Autoencoder, Framing, Head, Kernels, Layered, Weights, to_onnx};
use bellwether_testkit::onnx::{Answered, judge, windows_of};
use bellwether_testkit::peer::python_with;

#[test]
fn every_preset_is_read_and_written_and_has_its_shapes() {
    for preset in Preset::ALL {
        let spec = preset.spec();
        let again = of_bytes(Path::new("x.toml"), write(&spec).as_bytes()).unwrap();
        assert_eq!(again, spec, "{}", preset.name);
        for (window_len, n_channels) in [(4, 1), (16, 10), (64, 25)] {
            let built = Architecture::of_layers(&spec, window_len, 2 * n_channels, n_channels);
            let built = built.unwrap_or_else(|error| panic!("{}: {error}", preset.name));
            assert_eq!(built.head(), spec.head);
            assert!(built.n_weights() > 0 && built.flops_per_window() > 0);
        }
        assert!(
            preset.about().ends_with('.') && preset.about().len() < 130,
            "{}",
            preset.name
        );
    }
    let stacks = |name: &str| Preset::from_name(name).and_then(|preset| preset.spec().as_stacks());
    assert_eq!(stacks("lstm"), Some((vec![64, 16], vec![64])));
    assert_eq!(stacks("lstm-deep"), Some((vec![128, 64, 16], vec![64, 128])));
    assert_eq!(stacks("gru"), None);
}

#[test]
fn what_has_a_meaning_in_toml_is_escaped() {
    let mut spec = Preset::ALL[5].spec();
    for name in ["a\"b", "a\\b", "a\nb\u{1}", "Ünïcode"] {
        spec.layers[0].name = Some(name.to_owned());
        let again = of_bytes(Path::new("x.toml"), write(&spec).as_bytes()).unwrap();
        assert_eq!(again, spec);
    }
}

#[test]
fn every_mistake_has_its_place_and_its_advice() {
    let check = |text: &str, wants: &[&str]| {
        let text = text.replace("V1", "version = 1");
        let error = of_bytes(Path::new("net.toml"), text.as_bytes())
            .unwrap_err()
            .to_string();
        for want in wants {
            assert!(error.contains(want), "{text}\n{error}\nwant {want}");
        }
    };
    check("", &["net.toml:1:1", "version is missing", "layers are missing"]);
    check(
        "V1\nlayers = []",
        &["net.toml:2:", "layers: a network has at least one layer"],
    );
    check("V1\nlayers = 3", &["layers: a list is wanted"]);
    check("version = 2\n[[layers]]\nkind = \"last\"", &["only version 1"]);
    check(
        "V1\n[[layers]]\nunits = 3",
        &["net.toml:", "layers[0]: kind is missing"],
    );
    check(
        "V1\n[[layers]]\nkind = \"ltsm\"\nunits = 3",
        &["net.toml:3:", "layers[0].kind", "did you mean \"lstm\"?"],
    );
    check(
        "V1\n[[layers]]\nkind = \"lstm\"\nunit = 3",
        &[
            "net.toml:4:",
            "there is no key \"unit\"",
            "did you mean \"units\"?",
            "units is missing",
        ],
    );
    check(
        "V1\n[[layers]]\nkind = \"lstm\"\nunits = \"many\"",
        &["layers[0].units: a whole number above 0"],
    );
    check(
        "V1\n[[layers]]\nkind = \"lstm\"\nunits = 0",
        &["layers[0].units: a whole number above 0"],
    );
    check(
        "V1\n[[layers]]\nkind = \"lstm\"\nunits = -1",
        &["layers[0].units: a whole number above 0"],
    );
    check(
        "V1\n[[layers]]\nkind = \"lstm\"\nunits = 2.5",
        &["layers[0].units: a whole number above 0"],
    );
    check("V1\n[[layers]]\nkind = \"dropout\"", &["rate is missing"]);
    check("V1\n[[layers]]\nkind = \"residual\"", &["from is missing"]);
    check(
        "V1\n[[layers]]\nkind = \"activation\"",
        &["activation is missing"],
    );
    check(
        "V1\n[[layers]]\nkind = \"dense\"\nunits = 3\nactivation = \"rely\"",
        &["layers[0].activation: one of linear, relu"],
    );
    check(
        "V1\nhead = \"tail\"\n[[layers]]\nkind = \"last\"",
        &["head: one of reconstruction, forecast, both"],
    );
    check(
        "V1\nforecast_weight = 0.5\n[[layers]]\nkind = \"last\"",
        &["only head = \"both\""],
    );
    check("V1\n[[layers]]\nkind = ", &["this is no TOML"]);
    check(
        "V1\n[[layers]]\nkind = \"dropout\"\nrate = nan",
        &["this number is not finite"],
    );
}

#[test]
fn networks_that_cannot_be_say_which_layer_and_why() {
    let check = |layers: &str, wants: &[&str]| {
        let layers = layers
            .split(';')
            .map(|layer| format!("[[layers]]\n{}\n", layer.trim().replace(", ", "\n")));
        let text = format!("version = 1\n{}", layers.collect::<String>());
        let spec = of_bytes(Path::new("net.toml"), text.as_bytes()).unwrap();
        let error = Architecture::of_layers(&spec, 16, 8, 4).unwrap_err().to_string();
        for want in wants {
            assert!(error.contains(want), "{text}\n{error}\nwant {want}");
        }
    };
    check(
        "kind = \"lstm\", units = 1000000000",
        &["layer 1 (lstm)", "1000000000 is not in 1..=4096"],
    );
    check(
        "kind = \"dense\", units = 9223372036854775807",
        &["layer 1 (dense)", "is not in 1..=4096"],
    );
    check(
        "kind = \"conv\", units = 4, kernel = 4000, dilation = 4000",
        &["layer 1 (conv)", "reach"],
    );
    check(
        "kind = \"dense\", units = 8; kind = \"repeat\"",
        &["layer 2 (repeat): [16, 8] enters, wanted [1, n]"],
    );
    check(
        "kind = \"last\"",
        &["the last layer gives [1, 8], the head reads [16, 8]", "repeat"],
    );
    check(
        "kind = \"dense\", units = 6; kind = \"attention\", heads = 4",
        &["layer 2 (attention)", "[16, 6]"],
    );
    check(
        "kind = \"dense\", units = 6, name = \"a\"; kind = \"dense\", units = 5; kind = \"residual\", from = \"a\"",
        &["layer 3 (residual): [16, 5] enters and \"a\" gives [16, 6]"],
    );
    check(
        "kind = \"residual\", from = \"b\"; kind = \"dense\", units = 8, name = \"b\"",
        &["layer 1 (residual)", "layer 2", "circle"],
    );
    check(
        "kind = \"residual\", from = \"me\", name = \"me\"",
        &["layer 1 (residual)", "circle"],
    );
    check(
        "kind = \"residual\", from = \"z\"",
        &["no layer above has that name; there are input"],
    );
    check(
        "kind = \"last\", name = \"a\"; kind = \"last\", name = \"a\"",
        &["the name \"a\" is taken"],
    );
    check(
        "kind = \"dropout\", rate = 1.0",
        &["layer 1 (dropout): rate: 1 is out of range"],
    );
    check(
        "kind = \"latent\", units = 2, l1 = -1",
        &["l1: -1 is out of range"],
    );
    check(
        "kind = \"dense\", units = 4096; kind = \"flatten\"; kind = \"dense\", units = 4096; kind = \"expand\", units = 4",
        &["weights, which is more than"],
    );
    check(
        "kind = \"flatten\"; kind = \"conv\", units = 4000, kernel = 2, dilation = 4000",
        &[
            "layer 2 (conv)",
            "[1, 128] enters and makes",
            "numbers per window within",
        ],
    );
    let many = vec!["kind = \"position\""; 200].join("; ");
    check(&many, &["200 layers are more than 128"]);
    let spec = |weight: f64| bellwether_nn::NetworkSpec {
        head: Head::Both {
            forecast_weight: weight,
        },
        ..Preset::ALL[9].spec()
    };
    for weight in [0.0, 1.0, -1.0, f64::NAN] {
        let error = Architecture::of_layers(&spec(weight), 16, 8, 4).unwrap_err();
        assert!(error.to_string().contains("forecast_weight"), "{error}");
    }
}

/// Numbers between -1 and 1 that hardly repeat (Weyl's sequence of the golden ratio).
fn spread(idx: usize) -> f64 {
    2.0 * (idx as f64 * 0.618_033_988_749_894_9).fract() - 1.0
}

/// A thousand windows of each, with values that were not observed. The head is no longer that of an untrained network, which
/// answers zero.
#[test]
fn every_preset_answers_in_onnx_runtime_as_here() {
    let test = "every_preset_answers_in_onnx_runtime_as_here";
    let Some(python) = python_with(test, "onnxruntime") else {
        return;
    };
    let (n_windows, len, n_channels) = (1000, 16, 6);
    let framing = Framing::new(n_channels, vec![0, 1, 2, 4, 5], true).unwrap();
    let rows: Vec<f64> = (0..(n_windows + len) * n_channels)
        .map(|idx| 0.5 + spread(idx))
        .collect();
    let marks: Vec<bool> = (0..rows.len()).map(|idx| idx % 7 != 3).collect();
    let starts: Vec<usize> = (0..n_windows).collect();
    let windows = Windows::new(&rows, Some(&marks), n_channels, len, &starts);
    let values = windows_of(&rows, n_windows, len, n_channels);
    let observed = windows_of(&marks, n_windows, len, n_channels);
    for preset in Preset::ALL {
        let (name, spec) = (preset.name, preset.spec());
        let (n_inputs, n_outputs) = (framing.n_inputs(), framing.n_outputs());
        let architecture = Architecture::of_layers(&spec, len, n_inputs, n_outputs).unwrap();
        let mut weights = Weights::random(&architecture, 5);
        let head = weights.tensors_mut().iter_mut().rev().take(2);
        for (idx, value) in head.flat_map(|tensor| &mut tensor.values).enumerate() {
            *value = 0.5 * spread(idx) as f32;
        }
        let file = to_onnx(
            &architecture,
            &framing,
            &weights,
            &[("note", "what the caller says")],
        );
        let (kernels, cut) = (Kernels::detect(), framing.clone());
        let n_answers = architecture.n_answers();
        let model: Box<dyn Model> = match architecture.spec() {
            Some(_) => Box::new(Layered::new(architecture, cut, weights, kernels, 1).unwrap()),
            None => Box::new(Autoencoder::new(architecture, cut, weights, kernels, 1).unwrap()),
        };
        let mut expected = vec![0.0; n_windows * n_answers * n_channels];
        model.expected(windows, &mut expected).unwrap();
        let answered = Answered {
            values: &values,
            observed: &observed,
            expected: &expected,
        };
        let (n, off) = judge(python, &file, &answered);
        eprintln!("{name}: {off:.1e}");
        assert!(n == n_windows && off <= 1e-5, "{name}: off by {off:e}");
    }
}
