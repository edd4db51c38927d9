//! What a network costs on this machine, from a short run of its kernels: one mini-batch, one call, one window.

use std::time::{Duration, Instant};

use bellwether_nn::{Architecture, Kernels, Loss, Scorer, Slot, Trainer, Update, Weights, WeightsError};

/// Windows of a scoring call.
const SCORE_BATCH: usize = 256;
/// Each figure is the median of calls for at least so long.
const CALLS_FOR: Duration = Duration::from_millis(200);
/// And of so many.
const CALLS_MIN: usize = 5;
/// Share of the windows that judges an epoch, as `train` has it, and how many at most.
const VAL_SHARE: f64 = 0.125;
const VAL_MAX: usize = 1000;

/// A training to be foreseen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job {
    pub(crate) batch_len: usize,
    /// Windows of an epoch.
    pub(crate) n_windows: usize,
    pub(crate) n_epochs: usize,
    pub(crate) n_threads: usize,
}

/// What a network costs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cost {
    /// Of its weights in a bundle.
    pub(crate) bundle_bytes: usize,
    /// In training: weights, what the optimiser remembers, gradients and what passes between layers.
    pub(crate) memory_bytes: usize,
    /// From one window in to its answer out, on one thread.
    pub(crate) latency_us: f64,
    pub(crate) score_windows_per_s: f64,
    pub(crate) training_seconds: f64,
}

/// Measures a network of random weights on made-up windows, and foresees the training from that.
pub(crate) fn measure(architecture: &Architecture, job: Job) -> Result<Cost, WeightsError> {
    let kernels = Kernels::detect();
    let weights = Weights::random(architecture, 1);
    let (n_in, n_out) = (architecture.n_inputs(), architecture.n_outputs());
    let (n_seen, n_answers) = (architecture.n_seen(), architecture.n_answers());
    let batch_len = job.batch_len.min(job.n_windows);
    // Made before: what a training reads costs less than to make it up.
    let width = n_in.max(n_out);
    let rows = waves(batch_len.max(SCORE_BATCH) * n_seen.max(n_answers), width);
    let row = |window: usize, step: usize| &rows[(window * n_seen.max(n_answers) + step) * width..][..width];
    let input = |window: usize, step: usize, x: &mut [f32]| x.copy_from_slice(&row(window, step)[..n_in]);
    let fill = |window: usize, slot: &mut Slot<'_>| {
        for step in 0..n_seen {
            slot.input(step).copy_from_slice(&row(window, step)[..n_in]);
        }
        for answer in 0..n_answers {
            slot.target(answer).copy_from_slice(&row(window, answer)[..n_out]);
        }
    };
    let update = Update {
        learning_rate: 1e-3,
        clip_norm: Some(1.0),
    };
    let mut trainer = Trainer::new(architecture.clone(), &weights, kernels, job.n_threads);
    let step = median(|| {
        trainer.step(batch_len, fill, Loss::Mse, update);
    });
    let cells = architecture.n_answers() * n_out;
    let mut out = vec![0.0_f32; SCORE_BATCH * cells];
    let emit = |_: usize, answer: usize, y: &[f32], out: &mut [f32]| {
        out[answer * n_out..(answer + 1) * n_out].copy_from_slice(y);
    };
    let scorer = Scorer::new(architecture, &weights, kernels, job.n_threads);
    let score = median(|| scorer.run(&mut out, cells, input, emit));
    let alone = median(|| scorer.run(&mut out[..cells], cells, input, emit));
    let n_val = ((job.n_windows as f64 * VAL_SHARE) as usize).min(VAL_MAX);
    let epoch = step * job.n_windows as f64 / batch_len as f64 + score * n_val as f64 / SCORE_BATCH as f64;
    Ok(Cost {
        bundle_bytes: weights.to_safetensors()?.len(),
        memory_bytes: trainer.bytes(),
        latency_us: alone * 1e6,
        score_windows_per_s: SCORE_BATCH as f64 / score,
        training_seconds: epoch * job.n_epochs as f64,
    })
}

/// Seconds of a call: the median, after one to warm up.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn median(mut work: impl FnMut()) -> f64 {
    work();
    let (start, mut seconds) = (Instant::now(), Vec::new());
    while seconds.len() < CALLS_MIN || start.elapsed() < CALLS_FOR {
        let start = Instant::now();
        work();
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_unstable_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// Smooth numbers that differ from window to window, `[n_rows, width]`: training on them keeps gradients alive.
fn waves(n_rows: usize, width: usize) -> Vec<f32> {
    let of_row = |row: usize| (0..width).map(move |idx| (row as f32 * 0.1 + idx as f32).sin() * 0.5);
    (0..n_rows).flat_map(of_row).collect()
}
