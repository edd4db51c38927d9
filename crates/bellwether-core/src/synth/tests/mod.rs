//! What whole plants promise: the same bits, believable physics, faults that do what they say and nothing else.

use super::shape::correlation;
use super::*;

mod anomalies;
mod kinds;
mod operation;
mod plants;

fn spec(text: &str) -> AnomalySpec {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn with(anomalies: &[&str]) -> PlantSpec {
    PlantSpec {
        anomalies: anomalies.iter().map(|text| spec(text)).collect(),
        ..PlantSpec::default()
    }
}

fn one(plant: &PlantSpec) -> Device {
    generate(plant)
        .unwrap_or_else(|error| panic!("{error}"))
        .remove(0)
}

fn column(frame: &Frame, name: &str) -> Vec<f64> {
    let channel_idx = frame.schema().channel_idx(name).unwrap();
    let rows = frame.values().chunks_exact(frame.n_channels());
    rows.map(|row| row[channel_idx]).collect()
}

/// Mean and population standard deviation.
fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (
        mean,
        (values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n).sqrt(),
    )
}
