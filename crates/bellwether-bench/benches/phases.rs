//! Samples per second of each phase around the networks, at every shape.
#![expect(clippy::print_stdout, reason = "the table is what a benchmark is for")]

use bellwether_bench::{SHAPES, Shape, samples_per_s};
use bellwether_core::eval;
use bellwether_core::synth::{self, Device, PlantSpec};

fn main() {
    println!("{:<12} {:<8} {:>14}", "phase", "shape", "samples/s");
    for shape in &SHAPES {
        let fleet = generate(shape);
        show("generate", shape, samples_per_s(shape, || generate(shape)));
        show(
            "evaluate",
            shape,
            samples_per_s(shape, || evaluate(shape, &fleet)),
        );
    }
}

fn show(phase: &str, shape: &Shape, rate: f64) {
    println!("{phase:<12} {:<8} {rate:>14.0}", shape.name);
}

/// The seeded fleet of a shape, in good health.
fn generate(shape: &Shape) -> Vec<Device> {
    let spec = PlantSpec {
        n_samples: shape.n_samples,
        n_channels: Some(shape.n_channels),
        n_devices: shape.n_series,
        ..PlantSpec::default()
    };
    synth::generate(&spec).expect("the named shapes can be made")
}

/// Every metric of every series, its first channel standing for a score, with an event in each tenth of the series.
fn evaluate(shape: &Shape, fleet: &[Device]) -> f64 {
    let stride = shape.n_samples / 10;
    let labels: Vec<bool> = (0..shape.n_samples).map(|idx| idx % stride < shape.len).collect();
    let late: Vec<bool> = (0..shape.n_samples)
        .map(|idx| (idx + shape.len / 2) % stride < shape.len)
        .collect();
    let mut sum = 0.0;
    for device in fleet {
        let scores: Vec<f64> = device
            .frame
            .values()
            .chunks_exact(shape.n_channels)
            .map(|row| row[0])
            .collect();
        let metrics = eval::evaluate(&labels, &scores, &late, device.frame.time(), shape.len);
        sum += metrics.expect("there are events and normal samples").vus_pr;
    }
    sum
}
