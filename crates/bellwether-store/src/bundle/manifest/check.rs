//! What the fields of a manifest owe each other, beyond what each says for itself.

use super::{Manifest, ManifestError, ModelManifest, TrainingRecord};
use crate::bundle::Sha256;

/// Most samples that a last value may stand for: far beyond any use, it keeps a session's memory bounded.
const FILL_LEN_MAX: usize = 1_000_000;

/// Checks what a reader relies on; sizes that only the loader of the network can judge are left to it.
pub(super) fn check(manifest: &Manifest) -> Result<(), ManifestError> {
    let pipeline = &manifest.detector.pipeline;
    let fill_len_max = pipeline.parts().fill_len_max;
    if fill_len_max > FILL_LEN_MAX {
        let want = format!("at most {FILL_LEN_MAX} samples");
        return Err(ManifestError::value(
            "detector.pipeline.fill_len_max",
            fill_len_max,
            want,
        ));
    }
    check_model(&manifest.model, pipeline.n_channels())?;
    check_training(&manifest.training)
}

fn check_model(model: &ModelManifest, n_channels: usize) -> Result<(), ManifestError> {
    if model.window_len == 0 {
        return Err(ManifestError::value("model.window_len", 0, "at least 1 sample"));
    }
    for (path, stack) in [
        ("model.encoder", &model.encoder),
        ("model.decoder", &model.decoder),
    ] {
        if stack.is_empty() {
            return Err(ManifestError::value(
                path,
                "empty",
                "the units of at least one layer",
            ));
        }
        if let Some(idx) = stack.iter().position(|&units| units == 0) {
            return Err(ManifestError::value(
                format!("{path}[{idx}]"),
                0,
                "at least 1 unit",
            ));
        }
    }
    check_active(&model.active, n_channels)?;
    let n_active = model.active.len();
    let n_inputs = if model.with_level { 2 * n_active } else { n_active };
    let widths = [
        ("model.n_inputs", model.n_inputs, n_inputs),
        ("model.n_outputs", model.n_outputs, n_active),
    ];
    for (path, found, want) in widths {
        if found != want {
            let want = format!("{want} for {n_active} active channels");
            return Err(ManifestError::value(path, found, want));
        }
    }
    Ok(())
}

fn check_active(active: &[usize], n_channels: usize) -> Result<(), ManifestError> {
    if active.is_empty() {
        return Err(ManifestError::value(
            "model.active",
            "empty",
            "at least one channel",
        ));
    }
    for (idx, &channel_idx) in active.iter().enumerate() {
        let path = || format!("model.active[{idx}]");
        if channel_idx >= n_channels {
            let want = format!("the position of one of {n_channels} channels, counted from 0");
            return Err(ManifestError::value(path(), channel_idx, want));
        }
        if idx > 0 && channel_idx <= active[idx - 1] {
            let want = format!("more than {} before it", active[idx - 1]);
            return Err(ManifestError::value(path(), channel_idx, want));
        }
    }
    Ok(())
}

fn check_training(training: &TrainingRecord) -> Result<(), ManifestError> {
    let digits = &training.data_fingerprint;
    if digits.parse::<Sha256>().is_err() {
        let found = format!("{digits:?}");
        return Err(ManifestError::value(
            "training.data_fingerprint",
            found,
            "64 hexadecimal digits",
        ));
    }
    for (idx, series) in training.series.iter().enumerate() {
        if series.end < series.start {
            let want = format!("not before its start {}", series.start);
            let path = format!("training.series[{idx}].end");
            return Err(ManifestError::value(path, series.end, want));
        }
    }
    // In 128 bits no list of 64-bit counts that fits a manifest overflows.
    let n_samples: u128 = training
        .series
        .iter()
        .map(|series| series.n_samples as u128)
        .sum();
    if training.n_samples as u128 != n_samples {
        let want = format!("{n_samples}, the sum over training.series");
        return Err(ManifestError::value(
            "training.n_samples",
            training.n_samples,
            want,
        ));
    }
    check_epochs(training)
}

fn check_epochs(training: &TrainingRecord) -> Result<(), ManifestError> {
    let epochs = &training.epochs;
    if let Some(idx) = (1..epochs.len()).find(|&idx| epochs[idx].epoch <= epochs[idx - 1].epoch) {
        let path = format!("training.epochs[{idx}].epoch");
        let want = format!("more than {} before it", epochs[idx - 1].epoch);
        return Err(ManifestError::value(path, epochs[idx].epoch, want));
    }
    let best = training.best_epoch;
    if !epochs.is_empty() && !epochs.iter().any(|epoch| epoch.epoch == best) {
        return Err(ManifestError::value(
            "training.best_epoch",
            best,
            "one of training.epochs",
        ));
    }
    match training.seconds {
        Some(seconds) if seconds < 0.0 => Err(ManifestError::value(
            "training.seconds",
            seconds,
            "a number not below zero",
        )),
        _ => Ok(()),
    }
}
