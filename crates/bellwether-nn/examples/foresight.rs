//! Whether what `architectures summary` foresees is what then happens: for several networks, the time of a training and of one
//! window's answer, foreseen and measured. Ends with an error where one is off by more than 30 %.
//!
//! `cargo run --release -p bellwether-nn --example foresight [THREADS]`
#![expect(clippy::print_stdout, reason = "the table is what it is for")]

use std::error::Error;
use std::ops::ControlFlow;
use std::time::Instant;

use bellwether_core::model::Model;
use bellwether_core::window::Windows;
use bellwether_nn::{
    Activation, Architecture, Conv, Framing, Head, LayerKind, LayerSpec, NetworkSpec, Padding, Progress,
    Recurrent, TrainSpec, train, train_layered,
};

#[path = "../../bellwether/src/bench/network.rs"]
mod network;

use network::{Job, measure};

/// A training is cut to about so many seconds.
const SECONDS: f64 = 0.8;
/// Of so many turns of each the fastest counts: other work on the machine only ever slows one down.
const TURNS: usize = 5;
const OFF_MAX: f64 = 0.3;

enum Net {
    Stacks {
        encoder: &'static [usize],
        decoder: &'static [usize],
    },
    Layers(NetworkSpec),
}

struct Case {
    name: &'static str,
    window: usize,
    channels: usize,
    net: Net,
}

fn main() -> Result<(), Box<dyn Error>> {
    let n_threads = match std::env::args().nth(1) {
        None => 1,
        Some(text) => text.parse()?,
    };
    println!("network | training s: foreseen | measured | off | one window µs: foreseen | measured | off");
    let mut is_off = false;
    for case in cases() {
        let [seconds, micros] = judge(&case, n_threads)?;
        let off = |[foreseen, measured]: [f64; 2]| foreseen / measured - 1.0;
        println!(
            "{} | {:.2} | {:.2} | {:+.0} % | {:.1} | {:.1} | {:+.0} %",
            case.name,
            seconds[0],
            seconds[1],
            100.0 * off(seconds),
            micros[0],
            micros[1],
            100.0 * off(micros),
        );
        is_off |= off(seconds).abs() > OFF_MAX || off(micros).abs() > OFF_MAX;
    }
    if is_off {
        return Err(format!("off by more than {:.0} %", 100.0 * OFF_MAX).into());
    }
    Ok(())
}

/// Foreseen and measured: seconds of a training, microseconds of a window.
fn judge(case: &Case, n_threads: usize) -> Result<[[f64; 2]; 2], Box<dyn Error>> {
    let (window, channels) = (case.window, case.channels);
    let framing = Framing::new(channels, (0..channels).collect(), true)?;
    let (n_inputs, n_outputs) = (framing.n_inputs(), framing.n_outputs());
    let architecture = match &case.net {
        Net::Stacks { encoder, decoder } => Architecture::new(window, n_inputs, n_outputs, encoder, decoder)?,
        Net::Layers(spec) => Architecture::of_layers(spec, window, n_inputs, n_outputs)?,
    };
    let mut job = Job {
        batch_len: 64,
        n_windows: 1024,
        n_epochs: 1,
        n_threads,
    };
    let per_window = measure(&architecture, job)?.training_seconds / job.n_windows as f64;
    job.n_windows = ((SECONDS / per_window) as usize).clamp(4 * job.batch_len, 50_000);

    // Of all windows an eighth judges; those of the others are as many as were foreseen.
    let n_windows = job.n_windows * 8 / 7;
    let values: Vec<f64> = (0..n_windows * window * channels)
        .map(|at| ((at / channels) as f64 * 0.1 + (at % channels) as f64).sin() * 0.5)
        .collect();
    let starts: Vec<usize> = (0..n_windows).map(|idx| idx * window).collect();
    let windows = Windows::new(&values, None, channels, window, &starts);
    let spec = TrainSpec {
        batch_len: job.batch_len,
        n_epochs: Some(job.n_epochs),
        epoch_len_max: job.n_windows,
        n_threads,
        ..TrainSpec::default()
    };
    let mut best = [[f64::INFINITY; 2]; 2];
    for _ in 0..TURNS {
        let foreseen = measure(&architecture, job)?;
        let found = go(case, framing.clone(), windows, &spec)?;
        let turn = [
            [foreseen.training_seconds, found[0]],
            [foreseen.latency_us, found[1]],
        ];
        for (best, turn) in best.as_flattened_mut().iter_mut().zip(turn.as_flattened()) {
            *best = best.min(*turn);
        }
    }
    Ok(best)
}

/// Seconds of a training, and microseconds of a window's answer by what it learnt.
fn go(
    case: &Case,
    framing: Framing,
    windows: Windows<'_>,
    spec: &TrainSpec,
) -> Result<[f64; 2], Box<dyn Error>> {
    let mut go_on = |_: &Progress<'_>| ControlFlow::Continue(());
    let start = now();
    let model: Box<dyn Model> = match &case.net {
        Net::Stacks { encoder, decoder } => {
            let sizes = TrainSpec {
                encoder: encoder.to_vec(),
                decoder: decoder.to_vec(),
                ..spec.clone()
            };
            Box::new(train(&[windows], framing, &sizes, &mut go_on)?.0)
        }
        Net::Layers(network) => Box::new(train_layered(&[windows], framing, network, spec, &mut go_on)?.0),
    };
    let seconds = start.elapsed().as_secs_f64();
    let starts = [0];
    let one = Windows::new(windows.values(0), None, case.channels, case.window, &starts);
    let mut out = vec![0.0; case.window * case.channels];
    let mut micros = Vec::new();
    for _ in 0..300 {
        let start = now();
        model.expected(one, &mut out)?;
        micros.push(start.elapsed().as_secs_f64() * 1e6);
    }
    micros.sort_unstable_by(f64::total_cmp);
    Ok([seconds, micros[micros.len() / 2]])
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}

/// The shapes of `bench kernels`, and networks of each way of computing as the presets have them.
fn cases() -> Vec<Case> {
    let stacks = |name, window, channels, encoder, decoder| Case {
        name,
        window,
        channels,
        net: Net::Stacks { encoder, decoder },
    };
    let layers = |name, kinds: Vec<LayerKind>| {
        let layers = kinds.into_iter().map(|kind| LayerSpec { name: None, kind });
        Case {
            name,
            window: 60,
            channels: 8,
            net: Net::Layers(NetworkSpec {
                head: Head::Reconstruction,
                layers: layers.collect(),
            }),
        }
    };
    let gru = |units, last| {
        LayerKind::Gru(Recurrent {
            units,
            bidirectional: false,
            last,
            recurrent_dropout: 0.0,
        })
    };
    let conv = |units, kernel| {
        LayerKind::Conv(Conv {
            units,
            kernel,
            dilation: 1,
            padding: Padding::Same,
            activation: Activation::Relu,
        })
    };
    let dense = |units| LayerKind::Dense {
        units,
        activation: Activation::Relu,
    };
    let expand = |units| LayerKind::Expand {
        units,
        activation: Activation::Relu,
    };
    let latent = LayerKind::Latent {
        units: 16,
        activation: Activation::Tanh,
        l1: 0.0,
        l2: 0.0,
    };
    vec![
        stacks("S", 30, 5, &[32, 16], &[16, 32]),
        stacks("M", 64, 25, &[64, 32], &[32, 64]),
        stacks("L", 100, 55, &[128, 64], &[64, 128]),
        stacks("lstm", 60, 8, &[64, 16], &[64]),
        layers(
            "gru",
            vec![gru(64, false), gru(16, true), LayerKind::Repeat, gru(64, false)],
        ),
        layers(
            "conv",
            vec![
                conv(32, 5),
                conv(16, 3),
                LayerKind::Flatten,
                latent.clone(),
                expand(16),
                conv(32, 5),
            ],
        ),
        layers(
            "dense",
            vec![
                LayerKind::Flatten,
                dense(64),
                latent.clone(),
                dense(64),
                expand(32),
            ],
        ),
        layers(
            "attention",
            vec![
                dense(32),
                LayerKind::Position,
                LayerKind::Attention { heads: 4 },
                LayerKind::LayerNorm,
                dense(64),
                dense(32),
                LayerKind::LayerNorm,
                LayerKind::Flatten,
                latent,
                expand(32),
            ],
        ),
    ]
}
