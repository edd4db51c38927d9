//! `bench kernels`: how fast this machine trains and scores the three named shapes.

use std::time::{Duration, Instant};

use bellwether_nn::{Architecture, Kernels, Loss, Scorer, Slot, Trainer, Update, Weights};
use serde::Serialize;

/// A named network: windows of `len` samples × `n_channels`, a mini-batch of `batch`.
struct Shape {
    name: &'static str,
    len: usize,
    n_channels: usize,
    encoder: [usize; 2],
    decoder: [usize; 2],
    batch: usize,
}

const SHAPES: [Shape; 3] = [
    Shape {
        name: "S",
        len: 30,
        n_channels: 5,
        encoder: [32, 16],
        decoder: [16, 32],
        batch: 32,
    },
    Shape {
        name: "M",
        len: 64,
        n_channels: 25,
        encoder: [64, 32],
        decoder: [32, 64],
        batch: 64,
    },
    Shape {
        name: "L",
        len: 100,
        n_channels: 55,
        encoder: [128, 64],
        decoder: [64, 128],
        batch: 128,
    },
];
/// Windows of a scoring call.
const SCORE_BATCH: usize = 256;
/// Each figure is the best of so many repeats, each of at least [`REPEAT`].
const REPEATS: usize = 5;
const REPEAT: Duration = Duration::from_millis(300);

/// The report; its keys are part of the command line's contract.
#[derive(Debug, Serialize)]
pub(crate) struct KernelReport {
    pub kernels: &'static str,
    pub shapes: Vec<ShapeReport>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ShapeReport {
    pub name: &'static str,
    pub threads: usize,
    pub train_windows_per_s: f64,
    pub score_windows_per_s: f64,
    pub latency_us: Latency,
    pub gflops: Gflops,
    pub peak_gflops: f64,
}

/// Time from one window in to its answer out.
#[derive(Debug, Serialize)]
pub(crate) struct Latency {
    pub p50: f64,
    pub p99: f64,
}

/// Rates of the products alone: what the cells and activations cost counts as time, not as work.
#[derive(Debug, Serialize)]
pub(crate) struct Gflops {
    pub train: f64,
    pub score: f64,
}

/// Measures every shape with every number of threads in `threads`.
pub(crate) fn measure(
    kernels: &'static Kernels,
    threads: &[usize],
    mut done: impl FnMut(&str),
) -> KernelReport {
    let mut shapes = Vec::new();
    for &n_threads in threads {
        for shape in &SHAPES {
            done(&format!("{} on {n_threads} thread(s)", shape.name));
            shapes.push(measure_shape(shape, kernels, n_threads));
        }
    }
    KernelReport {
        kernels: kernels.name(),
        shapes,
    }
}

fn measure_shape(shape: &Shape, kernels: &'static Kernels, n_threads: usize) -> ShapeReport {
    let n = shape.n_channels;
    let architecture = Architecture::new(shape.len, n, n, &shape.encoder, &shape.decoder)
        .expect("the named shapes are valid");
    let weights = Weights::random(&architecture, 1);
    let data = waves(SCORE_BATCH, shape.len, n);
    let sample = |window: usize, step: usize| &data[(window * shape.len + step) * n..][..n];

    let mut trainer = Trainer::new(architecture.clone(), &weights, kernels, n_threads);
    let fill = |window: usize, slot: &mut Slot<'_>| {
        for step in 0..shape.len {
            slot.input(step).copy_from_slice(sample(window, step));
            slot.target(step).copy_from_slice(sample(window, step));
        }
    };
    let update = Update {
        learning_rate: 1e-3,
        clip_norm: None,
    };
    let train = shape.batch as f64
        * rate(|| {
            trainer.step(shape.batch, fill, Loss::Mse, update);
        });

    let scorer = Scorer::new(&architecture, &trainer.weights(), kernels, n_threads);
    let cells = shape.len * n;
    let mut out = vec![0.0_f32; SCORE_BATCH * cells];
    let mut score = |n_windows: usize| {
        scorer.run(
            &mut out[..n_windows * cells],
            cells,
            |window, step, x| x.copy_from_slice(sample(window, step)),
            |_, step, y, out| out[step * n..(step + 1) * n].copy_from_slice(y),
        );
    };
    let score_rate = SCORE_BATCH as f64 * rate(|| score(SCORE_BATCH));
    let latency_us = latency(|| score(1));
    let gflop = architecture.flops_per_window() as f64 * 1e-9;
    ShapeReport {
        name: shape.name,
        threads: n_threads,
        train_windows_per_s: train,
        score_windows_per_s: score_rate,
        latency_us,
        // Backward multiplies twice as much as forward: by the weights and by the activations.
        gflops: Gflops {
            train: train * 3.0 * gflop,
            score: score_rate * gflop,
        },
        peak_gflops: peak_gflops(kernels) * n_threads as f64,
    }
}

/// Calls per second of `work`: the best of the repeats, after one to warm up.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn rate(mut work: impl FnMut()) -> f64 {
    work();
    let repeat = |_| {
        let (start, mut calls) = (Instant::now(), 0_u32);
        while start.elapsed() < REPEAT {
            work();
            calls += 1;
        }
        f64::from(calls) / start.elapsed().as_secs_f64()
    };
    (0..REPEATS).map(repeat).fold(0.0, f64::max)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn latency(mut work: impl FnMut()) -> Latency {
    const CALLS: usize = 2000;
    let mut micros: Vec<f64> = (0..CALLS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    micros.sort_unstable_by(f64::total_cmp);
    Latency {
        p50: micros[CALLS / 2],
        p99: micros[CALLS * 99 / 100],
    }
}

/// What one core does at most: multiply-adds in registers, no memory.
fn peak_gflops(kernels: &'static Kernels) -> f64 {
    let rounds = 1 << 20;
    let mut operations = 0.0;
    rate(|| operations = kernels.run_at_peak(rounds)) * operations * 1e-9
}

/// Smooth windows that differ, `[n_windows, len, n_channels]`: training on them keeps gradients alive.
fn waves(n_windows: usize, len: usize, n_channels: usize) -> Vec<f32> {
    let value = |at: usize| {
        let (row, channel) = (at / n_channels, at % n_channels);
        ((row as f32) * 0.1 + channel as f32).sin() * 0.5 + ((row * 7 + channel * 3) % 11) as f32 * 0.02
    };
    (0..n_windows * len * n_channels).map(value).collect()
}
