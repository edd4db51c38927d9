//! What is ordinary for each channel, as every format version has it.

use bellwether_core::score::{Calibration, CalibrationError, Smoothing};
use serde::{Deserialize, Serialize};

use crate::bundle::manifest::ManifestError;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChannelCalibrationV1 {
    weight: f64,
    scale: f64,
    prior: f64,
    residual: f64,
}

/// In the order of the pipeline's channels.
pub(super) fn channels(of: &Calibration) -> Vec<ChannelCalibrationV1> {
    // Their lengths are alike: the calibration was checked before it came here.
    let numbers = of.weights.iter().zip(&of.scale).zip(&of.prior).zip(&of.residual);
    numbers
        .map(|(((&weight, &scale), &prior), &residual)| ChannelCalibrationV1 {
            weight,
            scale,
            prior,
            residual,
        })
        .collect()
}

/// The reverse; `path` is where they stand.
pub(super) fn calibration(
    path: &str,
    channels: &[ChannelCalibrationV1],
    n_channels: usize,
) -> Result<Calibration, ManifestError> {
    let column = |number: fn(&ChannelCalibrationV1) -> f64| channels.iter().map(number).collect();
    let calibration = Calibration {
        weights: column(|channel| channel.weight),
        scale: column(|channel| channel.scale),
        prior: column(|channel| channel.prior),
        residual: column(|channel| channel.residual),
    };
    check_calibration(path, &calibration, n_channels)?;
    Ok(calibration)
}

/// How neighbouring rows are joined; `path` is where the span stands.
pub(super) fn smoothing(path: &str, span: f64) -> Result<Smoothing, ManifestError> {
    let smoothing = Smoothing { span };
    if smoothing.is_valid() {
        Ok(smoothing)
    } else {
        let path = format!("{path}.smoothing_span");
        Err(ManifestError::value(path, span, "1 to 1000000 samples"))
    }
}

/// Whether the calibration at `path` is usable, or else which field makes it not so.
pub(in super::super) fn check_calibration(
    path: &str,
    calibration: &Calibration,
    n_channels: usize,
) -> Result<(), ManifestError> {
    let Err(error) = calibration.check(n_channels) else {
        return Ok(());
    };
    Err(match error {
        CalibrationError::Len {
            n_values, n_channels, ..
        } => ManifestError::value(
            format!("{path}.channels"),
            format!("a list of {n_values}"),
            format!("{n_channels}: one for each channel of detector.pipeline"),
        ),
        CalibrationError::Value {
            name,
            channel_idx,
            got,
        } => {
            let path = format!("{path}.channels[{channel_idx}].{name}");
            let want = match name {
                "scale" => "a number above zero",
                _ => "a number not below zero",
            };
            ManifestError::value(path, got, want)
        }
        CalibrationError::NoWeight => ManifestError::value(
            format!("{path}.channels"),
            "without any weight above zero",
            "at least one",
        ),
        other => ManifestError::value(format!("{path}.channels"), other, "usable numbers"),
    })
}
