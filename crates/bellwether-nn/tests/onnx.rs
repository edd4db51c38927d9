//! ONNX files against ONNX Runtime: the same answers for a thousand windows of each network.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![expect(
    clippy::disallowed_methods,
    reason = "the test writes what another program reads"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

use bellwether_core::model::Model;
use bellwether_core::window::Windows;
use bellwether_nn::{Architecture, Autoencoder, Forecaster, Framing, Kernels, Weights, to_onnx};
use bellwether_testkit::peer::python_with;

const TEST: &str = "onnx_runtime_answers_as_we_do";

const N_WINDOWS: usize = 1000;

/// Both sides compute the network in single precision, in another order.
const TOLERANCE: f64 = 1e-5;

/// Numbers between -1 and 1 that hardly repeat (Weyl's sequence of the golden ratio).
fn spread(idx: usize) -> f64 {
    2.0 * (idx as f64 * 0.618_033_988_749_894_9).fract() - 1.0
}

/// Weights that drive the gates out of their linear middle, and a head that says something.
fn weights(architecture: &Architecture) -> Weights {
    let mut weights = Weights::random(architecture, 5);
    let n = weights.tensors().len();
    for (tensor_idx, tensor) in weights.tensors_mut().iter_mut().enumerate() {
        let is_head = tensor_idx + 2 >= n;
        for (idx, value) in tensor.values.iter_mut().enumerate() {
            *value = if is_head {
                0.5 * spread(idx + tensor_idx) as f32
            } else {
                2.0 * *value
            };
        }
    }
    weights
}

struct Case {
    name: &'static str,
    architecture: Architecture,
    framing: Framing,
    has_gaps: bool,
}

fn cases() -> Vec<Case> {
    let case = |name, len, framing: Framing, encoder: &[usize], decoder: &[usize], has_gaps| {
        let (n_inputs, n_outputs) = (framing.n_inputs(), framing.n_outputs());
        let architecture = if decoder.is_empty() {
            Architecture::forecaster(len, n_inputs, n_outputs, encoder)
        } else {
            Architecture::new(len, n_inputs, n_outputs, encoder, decoder)
        };
        Case {
            name,
            architecture: architecture.unwrap(),
            framing,
            has_gaps,
        }
    };
    let some = |with_level| Framing::new(6, vec![0, 2, 3, 5], with_level).unwrap();
    let all = |n: usize, with_level| Framing::new(n, (0..n).collect(), with_level).unwrap();
    vec![
        case("as train makes it", 16, some(true), &[64, 16], &[64], true),
        case("one layer", 8, all(3, false), &[12], &[7], false),
        case("shape M", 64, all(25, true), &[64, 32], &[32, 64], true),
        case("forecaster", 16, some(true), &[20], &[], true),
        case("deep forecaster", 9, all(4, false), &[17, 11, 5], &[], false),
    ]
}

#[test]
fn onnx_runtime_answers_as_we_do() {
    let Some(python) = python_with(TEST, "onnxruntime") else {
        return;
    };
    for case in cases() {
        check(python, &case);
    }
}

fn check(python: &str, case: &Case) {
    let Case {
        name,
        architecture,
        framing,
        has_gaps,
    } = case;
    let (len, n_channels) = (architecture.window_len(), framing.n_channels());
    let weights = weights(architecture);
    let folder = tempfile::tempdir().unwrap();
    let at = |file: &str| folder.path().join(file);
    let bytes = to_onnx(
        architecture,
        framing,
        &weights,
        &[("note", "what the caller says")],
    );
    assert_eq!(
        bytes,
        to_onnx(
            architecture,
            framing,
            &weights,
            &[("note", "what the caller says")]
        )
    );
    fs::write(at("model.onnx"), bytes).unwrap();

    // Beyond the range that enters, here and there, and a stretch without a single measured value.
    let rows: Vec<f64> = (0..(N_WINDOWS + len) * n_channels)
        .map(|idx| 0.5 + 1.5 * spread(idx))
        .collect();
    let marks: Vec<bool> = (0..rows.len())
        .map(|idx| !has_gaps || (idx % 7 != 3 && !(100 * n_channels..160 * n_channels).contains(&idx)))
        .collect();
    let starts: Vec<usize> = (0..N_WINDOWS).collect();
    let windows = Windows::new(&rows, has_gaps.then_some(&marks[..]), n_channels, len, &starts);
    let expected = expected(architecture, framing, weights, windows);
    let slices =
        |of: &dyn Fn(usize) -> Vec<u8>| -> Vec<u8> { starts.iter().flat_map(|&start| of(start)).collect() };
    let cells = |start: usize| start * n_channels..(start + len) * n_channels;
    let doubles = |values: &[f64]| {
        values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect::<Vec<u8>>()
    };
    fs::write(at("window"), slices(&|start| doubles(&rows[cells(start)]))).unwrap();
    fs::write(
        at("observed"),
        slices(&|start| marks[cells(start)].iter().map(|&mark| u8::from(mark)).collect()),
    )
    .unwrap();
    fs::write(at("expected"), doubles(&expected)).unwrap();

    let judge = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/onnx/judge.py");
    let ran = Command::new(python)
        .arg(judge)
        .args([at("model.onnx"), folder.path().to_path_buf()])
        .output()
        .unwrap();
    assert!(
        ran.status.success(),
        "{name}: {}",
        String::from_utf8_lossy(&ran.stderr)
    );
    let said = String::from_utf8(ran.stdout).unwrap();
    let (n, off) = said.trim().split_once(' ').unwrap();
    assert_eq!(n, N_WINDOWS.to_string(), "{name}");
    let off: f64 = off.parse().unwrap();
    eprintln!("{name}: {off:.1e}");
    assert!(off <= TOLERANCE, "{name}: off by {off:e}");
    // The answers are none that any network would give.
    let spread = expected.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    assert!(spread > 0.5, "{name}: {spread}");
}

fn expected(
    architecture: &Architecture,
    framing: &Framing,
    weights: Weights,
    windows: Windows<'_>,
) -> Vec<f64> {
    let kernels = Kernels::detect();
    let (of, cut) = (architecture.clone(), framing.clone());
    let model: Box<dyn Model> = if architecture.decoder().is_empty() {
        Box::new(Forecaster::new(of, cut, weights, kernels, 1).unwrap())
    } else {
        Box::new(Autoencoder::new(of, cut, weights, kernels, 1).unwrap())
    };
    let mut out = vec![0.0; windows.n_windows() * architecture.n_answers() * framing.n_channels()];
    model.expected(windows, &mut out).unwrap();
    out
}
