//! `bench kernels`: how fast this machine trains and scores the three named shapes.

use std::time::{Duration, Instant};

use bellwether_nn::{Architecture, Kernels, Loss, Scorer, Slot, Trainer, Update, Weights};
use serde::Serialize;

/// A named network: windows of `len` samples × `n_channels`, a mini-batch of `batch`.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    len: usize,
    n_channels: usize,
    encoder: [usize; 2],
    decoder: [usize; 2],
    batch: usize,
}

pub(crate) const SHAPES: [Shape; 3] = [
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
/// Each figure is the best of so many repeats, which take so long together.
const REPEATS: u32 = 6;
const FIGURE: Duration = Duration::from_millis(1500);

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

fn measure_shape(shape: &'static Shape, kernels: &'static Kernels, n_threads: usize) -> ShapeReport {
    let mut ready = Ready::new(shape, kernels, n_threads);
    let (train, score) = (ready.train(FIGURE), ready.score(FIGURE));
    ShapeReport {
        name: shape.name,
        threads: n_threads,
        train_windows_per_s: train,
        score_windows_per_s: score,
        latency_us: ready.latency(FIGURE),
        gflops: Gflops {
            train: train * ready.train_gflop(),
            score: score * ready.gflop(),
        },
        peak_gflops: peak_gflops(kernels, FIGURE) * n_threads as f64,
    }
}

/// A shape with all that its figures need.
pub(crate) struct Ready {
    shape: &'static Shape,
    architecture: Architecture,
    trainer: Trainer,
    scorer: Scorer,
    /// `[SCORE_BATCH, len, n_channels]`
    data: Vec<f32>,
    out: Vec<f32>,
}

impl Ready {
    pub(crate) fn new(shape: &'static Shape, kernels: &'static Kernels, n_threads: usize) -> Self {
        let n = shape.n_channels;
        let architecture = Architecture::new(shape.len, n, n, &shape.encoder, &shape.decoder)
            .expect("the named shapes are valid");
        let weights = Weights::random(&architecture, 1);
        let data = waves(SCORE_BATCH, shape.len, n);
        Self {
            shape,
            trainer: Trainer::new(architecture.clone(), &weights, kernels, n_threads),
            scorer: Scorer::new(&architecture, &weights, kernels, n_threads),
            out: vec![0.0; data.len()],
            data,
            architecture,
        }
    }

    /// Windows trained on per second: forward, mean squared error, backward, one step of Adam.
    pub(crate) fn train(&mut self, time: Duration) -> f64 {
        let (shape, data) = (self.shape, &self.data);
        let n = shape.n_channels;
        let fill = |window: usize, slot: &mut Slot<'_>| {
            for step in 0..shape.len {
                let sample = &data[(window * shape.len + step) * n..][..n];
                slot.input(step).copy_from_slice(sample);
                slot.target(step).copy_from_slice(sample);
            }
        };
        let update = Update {
            learning_rate: 1e-3,
            clip_norm: None,
        };
        let step = || {
            self.trainer.step(shape.batch, fill, Loss::Mse, update);
        };
        shape.batch as f64 * rate(time, step)
    }

    /// Windows scored per second in calls of [`SCORE_BATCH`].
    pub(crate) fn score(&mut self, time: Duration) -> f64 {
        SCORE_BATCH as f64 * rate(time, || self.answer(SCORE_BATCH))
    }

    /// Time of a call with one window.
    pub(crate) fn latency(&mut self, time: Duration) -> Latency {
        latency(time, || self.answer(1))
    }

    fn answer(&mut self, n_windows: usize) {
        let (n, len, data) = (self.shape.n_channels, self.shape.len, &self.data);
        let cells = len * n;
        self.scorer.run(
            &mut self.out[..n_windows * cells],
            cells,
            |window, step, x| x.copy_from_slice(&data[(window * len + step) * n..][..n]),
            |_, step, y, out| out[step * n..(step + 1) * n].copy_from_slice(y),
        );
    }

    /// Thousand million operations of the products for one window, forward.
    pub(crate) fn gflop(&self) -> f64 {
        self.architecture.flops_per_window() as f64 * 1e-9
    }

    /// The same with the way back, which multiplies twice as much: by the weights and by the activations.
    pub(crate) fn train_gflop(&self) -> f64 {
        3.0 * self.gflop()
    }
}

/// Calls per second of `work`: the best of the repeats, after one to warm up.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn rate(time: Duration, mut work: impl FnMut()) -> f64 {
    work();
    let repeat = |_| {
        let (start, mut calls) = (Instant::now(), 0_u32);
        while calls == 0 || start.elapsed() < time / REPEATS {
            work();
            calls += 1;
        }
        f64::from(calls) / start.elapsed().as_secs_f64()
    };
    (0..REPEATS).map(repeat).fold(0.0, f64::max)
}

/// Of the repeat with the lowest median.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn latency(time: Duration, mut work: impl FnMut()) -> Latency {
    const CALLS_MIN: usize = 30;
    let mut repeat = |_| {
        let (start, mut micros) = (Instant::now(), Vec::new());
        while micros.len() < CALLS_MIN || start.elapsed() < time / REPEATS {
            let start = Instant::now();
            work();
            micros.push(start.elapsed().as_secs_f64() * 1e6);
        }
        micros.sort_unstable_by(f64::total_cmp);
        Latency {
            p50: micros[micros.len() / 2],
            p99: micros[micros.len() * 99 / 100],
        }
    };
    let first = repeat(0);
    (1..REPEATS).map(repeat).fold(
        first,
        |best, found| if found.p50 < best.p50 { found } else { best },
    )
}

/// What one core does at most: multiply-adds in registers, no memory.
pub(crate) fn peak_gflops(kernels: &'static Kernels, time: Duration) -> f64 {
    let rounds = 1 << 18;
    let mut operations = 0.0;
    rate(time, || operations = kernels.run_at_peak(rounds)) * operations * 1e-9
}

/// Smooth windows that differ, `[n_windows, len, n_channels]`: training on them keeps gradients alive.
fn waves(n_windows: usize, len: usize, n_channels: usize) -> Vec<f32> {
    let value = |at: usize| {
        let (row, channel) = (at / n_channels, at % n_channels);
        ((row as f32) * 0.1 + channel as f32).sin() * 0.5 + ((row * 7 + channel * 3) % 11) as f32 * 0.02
    };
    (0..n_windows * len * n_channels).map(value).collect()
}
