//! Detectors of generated plants in good health, and the same plants with one fault each.

use std::num::NonZeroUsize;
use std::sync::Arc;

use bellwether_core::classic::pca::PcaSpec;
use bellwether_core::classic::var::VarSpec;
use bellwether_core::detect::{CalibrationSpec, Candidate, Detector};
use bellwether_core::frame::Frame;
use bellwether_core::model::Model;
use bellwether_core::synth::{AnomalyKind, AnomalySpec, Fault, PlantSpec, PlantStream, Template, inject};
use bellwether_core::transform::{ChannelKind, PipelineSpec, Prepared};

const N_FOLDS: usize = 4;
const N_TRAIN: usize = 5_000;
const N_ROWS: usize = 10_080;
/// Rows judged before and behind a fault.
const BEFORE: usize = 300;
const BEHIND: usize = 120;

/// A plant and what was learnt from the first half of a week of it.
pub(crate) struct Plant {
    pub(crate) detector: Arc<Detector>,
    week: Frame,
}

impl Plant {
    /// The members of `--model-family linear`, fitted as `train` does.
    pub(crate) fn new(template: Template, seed: u64) -> Self {
        let spec = PlantSpec {
            template,
            seed,
            n_samples: N_ROWS,
            ..PlantSpec::default()
        };
        let week = PlantStream::new(&spec, 0).unwrap().next_frame(N_ROWS).unwrap();
        let train = week.slice(0..N_TRAIN).unwrap();
        let pipeline = PipelineSpec::for_window(NonZeroUsize::new(11).unwrap())
            .fit(std::slice::from_ref(&train))
            .unwrap();
        let n = pipeline.n_channels();
        let active: Vec<usize> = (0..n)
            .filter(|&idx| pipeline.scales()[idx].kind != ChannelKind::Constant)
            .collect();
        let folds: Vec<Prepared> = (0..N_FOLDS)
            .map(|fold| N_TRAIN * fold / N_FOLDS..N_TRAIN * (fold + 1) / N_FOLDS)
            .map(|rows| pipeline.apply(train.slice(rows).unwrap()).unwrap())
            .collect();
        let learn = |len: usize, without: Option<usize>| -> Arc<dyn Model> {
            let kept: Vec<&Prepared> = (0..N_FOLDS)
                .filter(|fold| Some(*fold) != without)
                .map(|fold| &folds[fold])
                .collect();
            let starts: Vec<Vec<usize>> = kept.iter().map(|rows| rows.window_starts(len, 1)).collect();
            let windows: Vec<_> = kept
                .iter()
                .zip(&starts)
                .map(|(rows, starts)| rows.windows(len, starts))
                .collect();
            match len {
                10 => Arc::new(PcaSpec::default().fit(&windows, n, &active).unwrap()),
                _ => Arc::new(VarSpec::default().fit(&windows, n, &active).unwrap()),
            }
        };
        let candidate = |len: usize| Candidate {
            weight: 1.0,
            model: learn(len, None),
            held_out: (0..N_FOLDS).map(|fold| Some(learn(len, Some(fold)))).collect(),
        };
        let spec = CalibrationSpec {
            range_weight: 15.0,
            ..CalibrationSpec::default()
        };
        let candidates = vec![candidate(10), candidate(11)];
        let folds = folds.iter().map(|rows| vec![rows.clone()]).collect();
        let (detector, _) = Detector::calibrate(pipeline, candidates, folds, &spec).unwrap();
        Self {
            detector: Arc::new(detector),
            week,
        }
    }

    /// The rows about one fault of that kind in the second half of the week, and the fault, its places among them.
    pub(crate) fn with_fault(&self, kind: AnomalyKind, seed: u64) -> (Frame, Fault) {
        let (frame, faults) = inject(&self.week, &[AnomalySpec::new(kind)], seed).unwrap();
        let mut fault = faults.into_iter().next().unwrap();
        let first = fault.first_idx - BEFORE;
        let end = (fault.last_idx + 1 + BEHIND).min(frame.n_samples());
        fault.first_idx -= first;
        fault.last_idx -= first;
        (frame.slice(first..end).unwrap(), fault)
    }
}
