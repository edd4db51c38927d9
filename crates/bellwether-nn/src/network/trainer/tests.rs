//! Gradients against finite differences, scoring against training, and independence of threads.

use super::*;
use crate::network::block::Block;
use crate::network::score::ScoreSpace;
use crate::network::weights::Layout;

mod layers;

fn numbers(seed: u32, n: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

fn norm_of(values: &[f32]) -> f64 {
    values
        .iter()
        .map(|&value| f64::from(value).powi(2))
        .sum::<f64>()
        .sqrt()
}

fn random_weights(architecture: &Architecture, seed: u64) -> Weights {
    let mut weights = Weights::random(architecture, seed);
    let n = weights.tensors().len();
    for (idx, tensor) in weights.tensors_mut()[n - 2..].iter_mut().enumerate() {
        tensor.values = numbers(idx as u32 + 5, tensor.values.len());
    }
    weights
}

/// A batch of windows, some values unobserved.
struct Batch {
    architecture: Architecture,
    x: Vec<f32>,
    target: Vec<f32>,
    observed: Vec<f32>,
}

impl Batch {
    fn new(architecture: &Architecture, n_windows: usize) -> Self {
        let n_seen = n_windows * architecture.n_seen();
        let n_answered = n_windows * architecture.n_answers() * architecture.n_outputs();
        let mut observed = vec![1.0; n_answered];
        observed
            .iter_mut()
            .step_by(7)
            .for_each(|observed| *observed = 0.0);
        Self {
            x: numbers(1, n_seen * architecture.n_inputs()),
            target: numbers(2, n_answered),
            observed,
            architecture: architecture.clone(),
        }
    }

    fn fill(&self, window: usize, slot: &mut Slot<'_>) {
        let (n_seen, n_in) = (self.architecture.n_seen(), self.architecture.n_inputs());
        for step in 0..n_seen {
            let at = window * n_seen + step;
            slot.input(step)
                .copy_from_slice(&self.x[at * n_in..(at + 1) * n_in]);
        }
        let (n_answers, n_out) = (self.architecture.n_answers(), self.architecture.n_outputs());
        for answer in 0..n_answers {
            let at = window * n_answers + answer;
            slot.target(answer)
                .copy_from_slice(&self.target[at * n_out..(at + 1) * n_out]);
            slot.observed(answer)
                .copy_from_slice(&self.observed[at * n_out..(at + 1) * n_out]);
        }
    }
}

#[test]
fn gradients_equal_finite_differences() {
    for kernels in Kernels::available() {
        for (encoder, decoder) in [(&[5][..], &[6][..]), (&[18, 4], &[4, 17]), (&[3, 3, 3], &[2, 9])] {
            for loss in [Loss::Mse, Loss::Huber { delta: 0.5 }] {
                check_gradients(
                    &Architecture::new(6, 4, 3, encoder, decoder).unwrap(),
                    loss,
                    kernels,
                );
            }
        }
    }
}

#[test]
fn gradients_of_a_forecaster_equal_finite_differences() {
    for kernels in Kernels::available() {
        // One window length beyond the rows over which a block sums its gradients in one go.
        for (window_len, stack) in [(6, &[5][..]), (2, &[7]), (12, &[18, 4]), (7, &[3, 3, 17])] {
            for loss in [Loss::Mse, Loss::Huber { delta: 0.5 }] {
                check_gradients(
                    &Architecture::forecaster(window_len, 4, 3, stack).unwrap(),
                    loss,
                    kernels,
                );
            }
        }
    }
}

fn check_gradients(architecture: &Architecture, loss: Loss, kernels: &'static Kernels) {
    let (weights, batch) = (random_weights(architecture, 3), Batch::new(architecture, 19));
    let mean_loss = |weights: &Weights| {
        let mut trainer = Trainer::new(architecture.clone(), weights, kernels, 1);
        trainer
            .differentiate(19, |window, slot| batch.fill(window, slot), loss)
            .loss
    };
    let mut trainer = Trainer::new(architecture.clone(), &weights, kernels, 1);
    let (_, gradient) = trainer.gradient(19, |window, slot| batch.fill(window, slot), loss);
    let step = 4e-3_f32;
    for tensor in 0..weights.tensors().len() {
        // The direction of the gradient itself gives the best signal over the rounding of f32 losses.
        let direction = &gradient.tensors()[tensor].values;
        let norm = norm_of(direction).max(1e-15);
        let moved = |sign: f32| {
            let mut moved = weights.clone();
            for (value, d) in moved.tensors_mut()[tensor].values.iter_mut().zip(direction) {
                *value += sign * step * d / norm as f32;
            }
            mean_loss(&moved)
        };
        let slope = (moved(1.0) - moved(-1.0)) / (2.0 * f64::from(step));
        let name = &weights.tensors()[tensor].name;
        assert!(
            (slope - norm).abs() < 2e-3 * norm + 8e-6,
            "{name} on {architecture}: {slope} against {norm}"
        );
    }
}

#[test]
fn clipping_scales_the_gradient_down_to_the_norm_asked_for_and_never_up() {
    let architecture = Architecture::new(6, 4, 3, &[5], &[6]).unwrap();
    let (weights, batch) = (random_weights(&architecture, 6), Batch::new(&architecture, 19));
    let fill = |window: usize, slot: &mut Slot<'_>| batch.fill(window, slot);
    let start = || Trainer::new(architecture.clone(), &weights, Kernels::detect(), 1);
    let (report, gradient) = start().gradient(19, fill, Loss::Mse);
    for (clip_norm, scale) in [
        (None, 1.0),
        (Some(2.0 * report.gradient_norm), 1.0),
        (Some(0.25 * report.gradient_norm), 0.25),
    ] {
        let mut trainer = start();
        let update = Update {
            learning_rate: 1e-3,
            clip_norm,
        };
        trainer.step(19, fill, Loss::Mse, update);
        // After one step the first moment is a tenth of the gradient that Adam was given.
        let mut moment = Weights::zeroed(&architecture);
        trainer.compiled.unpack(&trainer.first, &mut moment);
        for (moment, gradient) in moment.tensors().iter().zip(gradient.tensors()) {
            for (moment, gradient) in moment.values.iter().zip(&gradient.values) {
                let want = 0.1 * scale * gradient;
                assert!((moment - want).abs() <= 1e-5 * want.abs() + 1e-9, "{clip_norm:?}");
            }
        }
    }
}

#[test]
fn scoring_answers_like_training_and_alone_like_in_company() {
    for kernels in Kernels::available() {
        let autoencoder = Architecture::new(9, 4, 3, &[20, 5], &[5, 20]).unwrap();
        check_scoring(autoencoder, &[(0, 0), (15, 8), (16, 3), (31, 8)], kernels);
        for window_len in [9, 10] {
            let forecaster = Architecture::forecaster(window_len, 4, 3, &[20, 5]).unwrap();
            check_scoring(forecaster, &[(0, 0), (15, 0), (16, 0), (31, 0)], kernels);
        }
    }
}

/// Holds the answers at `(window, answer)` against those of training, and all of 32 windows against fewer at a time.
fn check_scoring(architecture: Architecture, some: &[(usize, usize)], kernels: &'static Kernels) {
    let (n_seen, n_answers) = (architecture.n_seen(), architecture.n_answers());
    let weights = random_weights(&architecture, 4);
    let batch = Batch::new(&architecture, 32);
    let layout = Layout::new(&architecture, kernels);
    let packed = layout.pack(&weights);
    let blocks = [0, BLOCK_ROWS].map(|first| {
        let mut block = Block::new(&layout, BLOCK_ROWS);
        block.fill(&layout, |row, slot| batch.fill(first + row, slot));
        block.forward(&layout, &packed);
        block
    });
    let mut space = ScoreSpace::new(&layout);
    let mut run = |rows: usize, first: usize| {
        let mut out = vec![0.0_f32; rows * n_answers * 3];
        space.run(
            &layout,
            &packed,
            rows,
            |row, step, x| x.copy_from_slice(&batch.x[((first + row) * n_seen + step) * 4..][..4]),
            |row, answer, y| out[(row * n_answers + answer) * 3..][..3].copy_from_slice(y),
        );
        out
    };
    let all = [run(SCORE_ROWS, 0), run(SCORE_ROWS, SCORE_ROWS)].concat();
    for &(window, answer) in some {
        let block = &blocks[window / BLOCK_ROWS];
        let width = layout.head.width;
        let trained = &block.output(&layout, answer)[window % BLOCK_ROWS * width..][..3];
        for (a, b) in trained.iter().zip(&all[(window * n_answers + answer) * 3..]) {
            assert!((a - b).abs() < 2e-6, "{a} against {b}");
        }
    }
    for rows in [1, 2, 3, 4, 5, 7, 13, SCORE_ROWS] {
        assert_eq!(
            run(rows, 1),
            all[n_answers * 3..(1 + rows) * n_answers * 3],
            "{architecture} on {}: {rows} rows",
            kernels.name()
        );
    }
}

#[test]
fn weights_do_not_depend_on_the_number_of_threads() {
    let architecture = Architecture::new(8, 4, 3, &[16, 4], &[4, 16]).unwrap();
    let weights = random_weights(&architecture, 5);
    let batch = Batch::new(&architecture, 70);
    let train = |n_threads| {
        let mut trainer = Trainer::new(architecture.clone(), &weights, Kernels::detect(), n_threads);
        let update = Update {
            learning_rate: 1e-2,
            clip_norm: Some(1.0),
        };
        for _ in 0..5 {
            trainer.step(70, |window, slot| batch.fill(window, slot), Loss::Mse, update);
        }
        let at = |window: usize, step: usize| window * 8 + step;
        let losses = trainer.losses(
            70,
            |window, step, x| x.copy_from_slice(&batch.x[at(window, step) * 4..][..4]),
            |window, step, want, observed| {
                want.copy_from_slice(&batch.target[at(window, step) * 3..][..3]);
                observed.copy_from_slice(&batch.observed[at(window, step) * 3..][..3]);
            },
            Loss::Mse,
        );
        (trainer.weights(), losses)
    };
    let alone = train(1);
    for n_threads in [2, 3, 8] {
        assert_eq!(train(n_threads), alone, "{n_threads} threads");
    }
}
