//! What the fields of a manifest owe each other, beyond what each says for itself.
//!
//! Where a field stands depends on the format version: whoever reads one says so.

use bellwether_core::score::{Norm, Tail};

use super::wire::check_calibration;
use super::{Manifest, ManifestError, ModelManifest, NetworkManifest, TrainingRecord};
use crate::bundle::{MEMBERS_MAX, Sha256};

/// Most samples that a last value may stand for: far beyond any use, it keeps a session's memory bounded.
const FILL_LEN_MAX: usize = 1_000_000;

/// Checks what a manifest must have to be written at all; the rest shows when it is read back.
pub(super) fn check_lens(manifest: &Manifest) -> Result<(), ManifestError> {
    let members = &manifest.detector.members;
    let (n_members, n_models) = (members.len(), manifest.models.len());
    if n_members != n_models {
        let found = format!("a list of {n_members} for {n_models} models");
        return Err(ManifestError::value("detector.members", found, "as many"));
    }
    let n_channels = manifest.detector.pipeline.n_channels();
    for (member_idx, member) in members.iter().enumerate() {
        for (mode, calibrated) in [
            ("causal", &member.causal),
            ("retrospective", &member.retrospective),
        ] {
            let path = format!("detector.members[{member_idx}].{mode}");
            check_calibration(&path, &calibrated.calibration, n_channels)?;
        }
    }
    Ok(())
}

/// Checks what a reader relies on in every format version.
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
    check_training(&manifest.training)
}

pub(super) fn check_n_members(n_members: usize) -> Result<(), ManifestError> {
    if (1..=MEMBERS_MAX).contains(&n_members) {
        return Ok(());
    }
    let found = format!("a list of {n_members}");
    let want = format!("1 to {MEMBERS_MAX} members");
    Err(ManifestError::value("detector.members", found, want))
}

pub(super) fn check_weight(path: &str, weight: f64) -> Result<(), ManifestError> {
    if weight.is_finite() && weight > 0.0 {
        Ok(())
    } else {
        Err(ManifestError::value(path, weight, "a number above zero"))
    }
}

pub(super) fn check_range_weight(weight: f64) -> Result<(), ManifestError> {
    if weight.is_finite() && weight >= 0.0 {
        Ok(())
    } else {
        let want = "a number not below zero";
        Err(ManifestError::value("detector.range_weight", weight, want))
    }
}

pub(super) fn check_tail(path: &str, tail: &Tail) -> Result<(), ManifestError> {
    if tail.is_valid() {
        return Ok(());
    }
    if tail.slope.is_finite() && tail.slope > 0.0 {
        let found = format!("a list of {} that is not usable", tail.knots.len());
        let want = "99 rising numbers not below zero, the last above";
        return Err(ManifestError::value(format!("{path}.knots"), found, want));
    }
    let path = format!("{path}.slope");
    Err(ManifestError::value(path, tail.slope, "a number above zero"))
}

/// Checks what is high for each channel.
pub(super) fn check_norm(path: &str, norm: &Norm, n_channels: usize) -> Result<(), ManifestError> {
    if norm.is_valid(n_channels) {
        return Ok(());
    }
    let found = format!("a list of {} that is not usable", norm.high.len());
    let want = "a finite number above zero for each channel";
    Err(ManifestError::value(format!("{path}.high"), found, want))
}

/// Checks the model at `path`; sizes that only its loader can judge are left to it.
pub(super) fn check_model(path: &str, model: &ModelManifest, n_channels: usize) -> Result<(), ManifestError> {
    check_at_least_1(&format!("{path}.window_len"), model.window_len(), "sample")?;
    check_active(path, model.active(), n_channels)?;
    match model {
        ModelManifest::LstmAe(network) => {
            check_layers(&format!("{path}.encoder"), &network.encoder)?;
            check_layers(&format!("{path}.decoder"), &network.decoder)?;
            check_widths(path, network)
        }
        ModelManifest::LstmForecast(network) => {
            check_layers(&format!("{path}.encoder"), &network.encoder)?;
            if !network.decoder.is_empty() {
                let found = format!("a list of {}", network.decoder.len());
                let want = "no layer in a network that forecasts";
                return Err(ManifestError::value(format!("{path}.decoder"), found, want));
            }
            check_widths(path, network)
        }
        ModelManifest::Network(of) => {
            for (name, stack) in [("encoder", &of.network.encoder), ("decoder", &of.network.decoder)] {
                if !stack.is_empty() {
                    let found = format!("a list of {}", stack.len());
                    let want = "no stack beside its layers";
                    return Err(ManifestError::value(format!("{path}.{name}"), found, want));
                }
            }
            check_widths(path, &of.network)
        }
        ModelManifest::Classic(classic) => {
            let least = classic.kind.settings().iter().zip(&classic.settings);
            for (&(name, least), &(_, n)) in least {
                if n < least {
                    let of = match name.strip_prefix("n_") {
                        Some(of) => of.strip_suffix('s').unwrap_or(of),
                        None => "",
                    };
                    let want = format!("at least {least} {of}");
                    return Err(ManifestError::value(format!("{path}.{name}"), n, want.trim_end()));
                }
            }
            Ok(())
        }
    }
}

fn check_at_least_1(path: &str, n: usize, of: &str) -> Result<(), ManifestError> {
    if n >= 1 {
        Ok(())
    } else {
        Err(ManifestError::value(path, n, format!("at least 1 {of}")))
    }
}

fn check_layers(path: &str, layers: &[usize]) -> Result<(), ManifestError> {
    if layers.is_empty() {
        let want = "the units of at least one layer";
        return Err(ManifestError::value(path, "empty", want));
    }
    for (idx, &units) in layers.iter().enumerate() {
        check_at_least_1(&format!("{path}[{idx}]"), units, "unit")?;
    }
    Ok(())
}

/// A network reads each active channel once, or twice with its level, and answers for each once.
fn check_widths(path: &str, network: &NetworkManifest) -> Result<(), ManifestError> {
    let n_active = network.active.len();
    let n_inputs = if network.with_level {
        2 * n_active
    } else {
        n_active
    };
    let widths = [
        ("n_inputs", network.n_inputs, n_inputs),
        ("n_outputs", network.n_outputs, n_active),
    ];
    for (name, found, want) in widths {
        if found != want {
            let want = format!("{want} for {n_active} active channels");
            return Err(ManifestError::value(format!("{path}.{name}"), found, want));
        }
    }
    Ok(())
}

fn check_active(path: &str, active: &[usize], n_channels: usize) -> Result<(), ManifestError> {
    if active.is_empty() {
        let path = format!("{path}.active");
        return Err(ManifestError::value(path, "empty", "at least one channel"));
    }
    for (idx, &channel_idx) in active.iter().enumerate() {
        let path = || format!("{path}.active[{idx}]");
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
