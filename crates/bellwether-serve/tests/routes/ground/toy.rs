//! A plant of two channels, and a detector that needs no training.

use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::sync::Arc;

use bellwether_core::detect::{CalibrationReport, CalibrationSpec, Candidate, Detector};
use bellwether_core::drift::Baseline;
use bellwether_core::frame::{Channel, Frame};
use bellwether_core::model::{Model, ModelError};
use bellwether_core::threshold::ThresholdRule;
use bellwether_core::time::Timestamp;
use bellwether_core::transform::PipelineSpec;
use bellwether_core::window::{WindowSpec, Windows};
use bellwether_store::bundle::Bundle;
use bellwether_store::bundle::manifest::{
    CalibrationRecord, Manifest, ModelManifest, NetworkManifest, SeriesRecord, TrainingRecord, fingerprint,
};

/// What the plant measures.
pub(crate) const CHANNELS: [&str; 2] = ["flow", "pressure"];

/// Seconds between its samples.
pub(crate) const CADENCE_S: i64 = 10;

/// Samples that a model sees at once.
pub(crate) const WINDOW_LEN: usize = 8;

/// When the plant began.
const START_S: i64 = 1_714_550_400;

/// Expects the mean of each channel over the window.
#[derive(Debug)]
pub(crate) struct Mean {
    pub(crate) len: usize,
    pub(crate) n_channels: usize,
}

impl Model for Mean {
    fn window(&self) -> WindowSpec {
        WindowSpec {
            len: NonZeroUsize::new(self.len).unwrap(),
            stride: NonZeroUsize::MIN,
        }
    }

    fn n_channels(&self) -> usize {
        self.n_channels
    }

    fn expected(&self, windows: Windows<'_>, out: &mut [f64]) -> Result<(), ModelError> {
        let n = self.n_channels;
        for (window_idx, out) in out.chunks_exact_mut(self.len * n).enumerate() {
            for (cell, out) in out.iter_mut().enumerate() {
                let values = windows.values(window_idx).iter();
                *out = values.skip(cell % n).step_by(n).sum::<f64>() / self.len as f64;
            }
        }
        Ok(())
    }
}

/// Small numbers that look like chance, in [0, 1).
fn noise(seed: u64, row: usize) -> f64 {
    let mut x = seed ^ (row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x ^ (x >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// `n_rows` samples; with faults: one of a dozen rows in every sixty, which a detector of [`detector`] finds.
pub(crate) fn plant(seed: u64, n_rows: usize, with_faults: bool) -> Frame {
    let row_at = |row: usize| Timestamp::from_secs(START_S + CADENCE_S * row as i64);
    let time = (0..n_rows).map(row_at).collect();
    let values = (0..n_rows).flat_map(|row| {
        let fault = if with_faults && row % 60 > 47 { 3.0 } else { 0.0 };
        let flow = (row as f64 * 0.3).sin() + 0.1 * noise(seed ^ 2, row) + fault;
        [flow, 20.0 + noise(seed ^ 4, row)]
    });
    let channels: Vec<Channel> = CHANNELS.map(Channel::new).into();
    Frame::new(channels, time, values.collect()).unwrap()
}

/// A frame as a table.
pub(crate) fn csv(frame: &Frame) -> String {
    let names: Vec<&str> = frame.schema().channels().iter().map(Channel::name).collect();
    let mut text = format!("timestamp,{}\n", names.join(","));
    for row in 0..frame.n_samples() {
        let sample = frame.sample(row);
        write!(text, "{}", sample.time).unwrap();
        for value in sample.values {
            write!(text, ",{value}").unwrap();
        }
        text.push('\n');
    }
    text
}

fn fitted(quantile: f64) -> (Detector, CalibrationReport, ThresholdRule) {
    let len = NonZeroUsize::new(WINDOW_LEN).unwrap();
    let pipeline = PipelineSpec::for_window(len)
        .fit(&[plant(1, 300, false)])
        .unwrap();
    let rule = ThresholdRule::Quantile(quantile);
    let spec = CalibrationSpec {
        threshold: rule,
        ..CalibrationSpec::default()
    };
    let model = Mean {
        len: WINDOW_LEN,
        n_channels: CHANNELS.len(),
    };
    let folds = vec![vec![pipeline.apply(plant(2, 200, false)).unwrap()]];
    let candidates = vec![Candidate::alone(Arc::new(model))];
    let (detector, report) = Detector::calibrate(pipeline, candidates, folds, &spec).unwrap();
    (detector, report, rule)
}

/// A detector whose threshold is that quantile of ordinary errors.
pub(crate) fn detector(quantile: f64) -> Detector {
    fitted(quantile).0
}

/// What it learnt from.
pub(crate) fn baseline() -> Option<Baseline> {
    let report = fitted(0.99).1;
    Some(Baseline::of(&[plant(1, 300, false)]).with_scores(&report.scores))
}

/// The same as a bundle.
pub(crate) fn bundle(name: &str, quantile: f64) -> Bundle {
    let (detector, report, rule) = fitted(quantile);
    let train = plant(1, 300, false);
    let manifest = Manifest {
        alignment: None,
        baseline: Some(Baseline::of(std::slice::from_ref(&train)).with_scores(&report.scores)),
        name: name.to_owned(),
        bellwether_version: env!("CARGO_PKG_VERSION").to_owned(),
        created_at: Timestamp::from_secs(START_S),
        detector: detector.parts().clone(),
        models: vec![ModelManifest::LstmAe(NetworkManifest {
            kernels: "none".to_owned(),
            window_len: WINDOW_LEN,
            n_inputs: CHANNELS.len(),
            n_outputs: CHANNELS.len(),
            encoder: vec![1],
            decoder: vec![1],
            active: (0..CHANNELS.len()).collect(),
            with_level: false,
            n_weights: 1,
        })],
        training: TrainingRecord {
            data_fingerprint: fingerprint([&train]),
            series: vec![SeriesRecord {
                name: "plant".to_owned(),
                n_samples: train.n_samples(),
                start: train.time()[0],
                end: train.time()[train.n_samples() - 1],
            }],
            n_samples: train.n_samples(),
            n_train_windows: 200,
            n_val_windows: 93,
            epochs: Vec::new(),
            best_epoch: 0,
            end: "nothing to learn".to_owned(),
            seed: 0,
            settings: serde_json::json!({}),
            command: Vec::new(),
            parent: None,
            seconds: None,
        },
        calibration: CalibrationRecord::new(&rule, &report),
    };
    Bundle {
        manifest: manifest.to_json_bytes().unwrap(),
        weights: Vec::new(),
    }
}
