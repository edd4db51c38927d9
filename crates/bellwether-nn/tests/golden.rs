//! The networks against PyTorch: answers, losses, gradients and five steps of Adam, on every table of kernels.
//!
//! `golden/lstm.py` wrote the files with torch 2.15.0 and says what is in each; `golden/inputs.py` those of the inputs. Both sides compute in float32, and
//! torch itself is up to 6e-7 off float64 in a gradient, 5e-6 in a weight after five steps, where Adam turns the
//! rounding of a tiny gradient into a step; our exponentials are good to 2e-7. Hence [`TOLERANCE`].
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use std::collections::HashMap;
use std::path::Path;

use bellwether_nn::{
    Architecture, Kernels, Loss, Scorer, Slot, StepReport, Tensor, Trainer, Update, Weights,
};
use bellwether_testkit::assert_close;
use safetensors::SafeTensors;

/// Of the value, or absolute where the value is below one; for gradients of the largest value of the tensor.
const TOLERANCE: f64 = 1e-5;

const CASES: [&str; 6] = [
    "odd_sizes",
    "one_layer_masked",
    "shape_s",
    "shape_m",
    "forecaster",
    "forecaster_two_layers",
];
const CLIPPED_CASE: &str = "odd_sizes";
const MASKED_CASE: &str = "one_layer_masked";

/// One file, and the network that it speaks of.
struct Golden {
    name: &'static str,
    tensors: HashMap<String, Vec<f32>>,
    architecture: Architecture,
    n_windows: usize,
}

impl Golden {
    #[expect(clippy::disallowed_methods, reason = "a test reads its golden file")]
    fn read(name: &'static str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let bytes = std::fs::read(folder.join(name).with_extension("safetensors")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let float = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().unwrap());
        let values = |data: &[u8]| data.chunks_exact(4).map(float).collect();
        let tensors = file
            .iter()
            .map(|(name, view)| (name.to_owned(), values(view.data())));
        let shape = |name: &str| file.tensor(name).unwrap().shape().to_vec();
        let units = |stack: &str| -> Vec<usize> {
            let names = (0..).map(|idx| format!("init/{stack}.{idx}.w_hh"));
            names
                .map_while(|name| Some(file.tensor(&name).ok()?.shape()[1]))
                .collect()
        };
        let (x, output) = (shape("x"), shape("output"));
        let stack = units("lstm");
        let architecture = if stack.is_empty() {
            Architecture::new(x[1], x[2], output[2], &units("encoder"), &units("decoder"))
        } else {
            // The window of a forecaster has one sample more than it sees.
            Architecture::forecaster(x[1] + 1, x[2], output[2], &stack)
        };
        Self {
            name,
            tensors: tensors.collect(),
            architecture: architecture.unwrap(),
            n_windows: x[0],
        }
    }

    fn values(&self, name: &str) -> &[f32] {
        self.tensors
            .get(name)
            .unwrap_or_else(|| panic!("{}: no {name}", self.name))
    }

    fn scalar(&self, name: &str) -> f64 {
        f64::from(self.values(name)[0])
    }

    /// The tensors of one group, `init/encoder.0.w_ih` and so on.
    fn weights(&self, group: &str) -> Weights {
        let mut weights = Weights::zeroed(&self.architecture);
        for tensor in weights.tensors_mut() {
            let values = self.values(&format!("{group}/{}", tensor.name));
            tensor.values.copy_from_slice(values);
        }
        weights
    }

    fn trainer(&self, kernels: &'static Kernels) -> Trainer {
        Trainer::new(self.architecture.clone(), &self.weights("init"), kernels, 1)
    }

    /// Writes one window into its slot.
    fn fill(&self, window: usize, slot: &mut Slot<'_>) {
        let (n_in, n_out) = (self.architecture.n_inputs(), self.architecture.n_outputs());
        let (n_seen, n_answers) = (self.architecture.n_seen(), self.architecture.n_answers());
        for step in 0..n_seen {
            let at = window * n_seen + step;
            slot.input(step)
                .copy_from_slice(&self.values("x")[at * n_in..][..n_in]);
        }
        let mask = self.tensors.get("mask");
        for answer in 0..n_answers {
            let at = window * n_answers + answer;
            slot.target(answer)
                .copy_from_slice(&self.values("target")[at * n_out..][..n_out]);
            if let Some(mask) = mask {
                slot.observed(answer)
                    .copy_from_slice(&mask[at * n_out..][..n_out]);
            }
        }
    }

    fn gradient(&self, kernels: &'static Kernels, loss: Loss) -> (StepReport, Weights) {
        self.trainer(kernels)
            .gradient(self.n_windows, |window, slot| self.fill(window, slot), loss)
    }
}

/// Runs `check(golden, kernels, what to call it)` for every case on every table.
fn each(check: impl Fn(&Golden, &'static Kernels, &str)) {
    for name in CASES {
        let golden = Golden::read(name);
        for kernels in Kernels::available() {
            check(&golden, kernels, &format!("{name} on {}", kernels.name()));
        }
    }
}

fn assert_all_close(got: &[f32], want: &[f32], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}: length");
    for (idx, (got, want)) in got.iter().zip(want).enumerate() {
        assert_close(
            f64::from(*got),
            f64::from(*want),
            TOLERANCE,
            &format!("{what} [{idx}]"),
        );
    }
}

/// Each tensor to within [`TOLERANCE`] of its largest value: most gradients are far below one.
fn assert_gradients_close(got: &Weights, want: &Weights, what: &str) {
    for (got, want) in got.tensors().iter().zip(want.tensors()) {
        assert_scaled_close(&got.values, &want.values, &format!("{what}: {}", want.name));
    }
}

fn assert_scaled_close(got: &[f32], want: &[f32], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}: length");
    let largest = want
        .iter()
        .fold(0.0_f32, |largest, value| largest.max(value.abs()));
    for (idx, (got, want)) in got.iter().zip(want).enumerate() {
        let off = f64::from((got - want).abs());
        assert!(
            off <= TOLERANCE * f64::from(largest),
            "{what} [{idx}]: got {got}, want {want}, largest {largest}"
        );
    }
}

fn norm(weights: &Weights) -> f64 {
    let values = weights.tensors().iter().flat_map(|tensor| &tensor.values);
    values.map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}

fn head_bias(weights: &Weights) -> &Tensor {
    weights.tensors().last().expect("a network has a head")
}

#[test]
fn answers_are_those_of_torch_for_one_window_and_for_many() {
    each(|golden, kernels, what| {
        let network = &golden.architecture;
        let (n_seen, n_in, n_out) = (network.n_seen(), network.n_inputs(), network.n_outputs());
        let n_cells = network.n_answers() * n_out;
        let scorer = Scorer::new(&golden.architecture, &golden.weights("init"), kernels, 1);
        let run = |windows: std::ops::Range<usize>| {
            let mut out = vec![0.0_f32; windows.len() * n_cells];
            scorer.run(
                &mut out,
                n_cells,
                |window, step, input| {
                    let at = (windows.start + window) * n_seen + step;
                    input.copy_from_slice(&golden.values("x")[at * n_in..][..n_in]);
                },
                |_, answer, output, out| out[answer * n_out..][..n_out].copy_from_slice(output),
            );
            out
        };
        let want = golden.values("output");
        assert_all_close(&run(0..golden.n_windows), want, what);
        for (window, want) in want.chunks_exact(n_cells).enumerate() {
            assert_all_close(
                &run(window..window + 1),
                want,
                &format!("{what}, window {window} alone"),
            );
        }
    });
}

#[test]
fn losses_are_those_of_torch_and_their_gradients_reach_the_head() {
    let losses = [
        ("mse", Loss::Mse),
        ("mae", Loss::Mae),
        ("huber", Loss::Huber { delta: 1.0 }),
    ];
    each(|golden, kernels, what| {
        let n_out = golden.architecture.n_outputs();
        for (name, loss) in losses {
            if !golden.tensors.contains_key(&format!("loss/{name}")) {
                continue;
            }
            let what = format!("{what}: {name}");
            let (report, gradient) = golden.gradient(kernels, loss);
            assert_close(
                report.loss,
                golden.scalar(&format!("loss/{name}")),
                TOLERANCE,
                &what,
            );
            // The head's bias feels every output's gradient: theirs is the sum over windows and time.
            let mut want = vec![0.0_f32; n_out];
            for output in golden.values(&format!("output_grad/{name}")).chunks_exact(n_out) {
                want.iter_mut().zip(output).for_each(|(sum, d)| *sum += d);
            }
            assert_scaled_close(&head_bias(&gradient).values, &want, &what);
        }
    });
}

#[test]
fn gradients_are_those_of_torch() {
    each(|golden, kernels, what| {
        let (report, got) = golden.gradient(kernels, Loss::Mse);
        let want = golden.weights("grad");
        assert_gradients_close(&got, &want, what);
        let want = norm(&want);
        assert!(
            (report.gradient_norm / want - 1.0).abs() <= TOLERANCE,
            "{what}: norm {want}, {report:?}"
        );
    });
}

#[test]
fn gradients_of_inputs_are_those_of_torch() {
    let wanted: serde_json::Value = serde_json::from_str(include_str!("golden/inputs.json")).unwrap();
    for (name, case) in wanted["cases"].as_object().unwrap() {
        let name = CASES.into_iter().find(|known| known == name).unwrap();
        let golden = Golden::read(name);
        let want = case["gradient"].as_array().unwrap();
        let want: Vec<f32> = want.iter().map(|value| value.as_f64().unwrap() as f32).collect();
        for kernels in Kernels::available() {
            let fill = |window: usize, slot: &mut Slot<'_>| golden.fill(window, slot);
            let got = golden
                .trainer(kernels)
                .input_gradient(golden.n_windows, fill, Loss::Mse);
            assert_scaled_close(&got, &want, &format!("{name} on {}", kernels.name()));
        }
    }
}

#[test]
fn five_steps_of_adam_end_where_those_of_torch_do() {
    each(|golden, kernels, what| check_steps(golden, kernels, "adam5", None, what));
}

#[test]
fn five_clipped_steps_of_adam_end_where_those_of_torch_do() {
    let golden = Golden::read(CLIPPED_CASE);
    for kernels in Kernels::available() {
        check_steps(&golden, kernels, "adam5_clip", Some(1.0), kernels.name());
    }
    // Adam all but cancels a scaled gradient; not so far that the comparison could not tell.
    let off = deviations(&golden.weights("adam5"), &golden.weights("adam5_clip"));
    let (usual, farthest) = (off[off.len() * 99 / 100], off[off.len() - 1]);
    assert!(
        usual > 2.0 * USUAL_MAX && f64::from(farthest) > 2.0 * TOLERANCE,
        "clipping moved the weights by {usual} only, the farthest by {farthest}"
    );
}

/// How far 99 weights of 100 may be off after five steps: two units in the last place of one.
const USUAL_MAX: f32 = 2.4e-7;
/// How far one of 10,000 may be, the others as far as [`TOLERANCE`]: a hundredth of the way that five steps can take. Adam divides a
/// gradient by what is usual for it, so that the few that are hardly more than rounding go wherever it points.
const FARTHEST: f32 = 5.0 * 0.01 * RATE;
const RATE: f32 = 1e-3;

/// How far each weight is off, the least first.
fn deviations(got: &Weights, want: &Weights) -> Vec<f32> {
    let pairs = got.tensors().iter().zip(want.tensors());
    let off = pairs.flat_map(|(got, want)| {
        assert_eq!(got.values.len(), want.values.len(), "{}", want.name);
        let pairs = got.values.iter().zip(&want.values);
        pairs.map(|(got, want)| (got - want).abs())
    });
    let mut off: Vec<f32> = off.collect();
    off.sort_by(f32::total_cmp);
    off
}

fn check_steps(golden: &Golden, kernels: &'static Kernels, group: &str, clip_norm: Option<f64>, what: &str) {
    let mut trainer = golden.trainer(kernels);
    let update = Update {
        learning_rate: RATE,
        clip_norm,
    };
    let norms = golden.tensors.get(&format!("{group}_norm"));
    for (step, &want) in golden.values(&format!("{group}_loss")).iter().enumerate() {
        let report = trainer.step(
            golden.n_windows,
            |window, slot| golden.fill(window, slot),
            Loss::Mse,
            update,
        );
        let what = format!("{what}: step {step}");
        assert_close(report.loss, f64::from(want), TOLERANCE, &what);
        if let Some(norms) = norms {
            assert_close(report.gradient_norm, f64::from(norms[step]), TOLERANCE, &what);
        }
    }
    let off = deviations(&trainer.weights(), &golden.weights(group));
    let [usual, rare] = [9_900, 9_999].map(|share| off[off.len() * share / 10_000]);
    let farthest = off[off.len() - 1];
    assert!(
        usual <= USUAL_MAX && f64::from(rare) <= TOLERANCE && farthest <= FARTHEST,
        "{what}: 99 of 100 weights within {usual}, 9,999 of 10,000 within {rare}, the farthest {farthest} off"
    );
}

#[test]
fn a_gradient_leaves_the_weights_alone() {
    let golden = Golden::read(MASKED_CASE);
    let mut trainer = golden.trainer(Kernels::detect());
    let mut gradient = || {
        trainer.gradient(
            golden.n_windows,
            |window, slot| golden.fill(window, slot),
            Loss::Mse,
        )
    };
    assert_eq!(gradient(), gradient());
    assert_eq!(trainer.weights(), golden.weights("init"));
}
