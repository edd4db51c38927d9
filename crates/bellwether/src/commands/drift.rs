//! `drift`: whether recent data still look like those that a model learnt from, and what to do about it.

use bellwether_core::drift::{
    Baseline, ChannelDrift, CompareError, Drift, RelationChange, Severity, compare,
};
use bellwether_core::frame::Frame;
use bellwether_core::time::Timestamp;
use bellwether_core::transform::Pipeline;
use bellwether_store::bundle::manifest::Manifest;
use bellwether_store::read::Recording;
use serde_json::{Value, json};

use crate::artifact;
use crate::cli::drift::DriftArgs;
use crate::commands::{read, read_for, read_from};
use crate::failure::Failure;
use crate::output::{Output, Rows};

/// Keys of a channel, in order.
const CHANNEL_KEYS: [&str; 11] = [
    "channel",
    "psi",
    "ks",
    "p_value",
    "q_value",
    "wasserstein",
    "n_effective",
    "missing_rise",
    "missing_q_value",
    "severity",
    "is_drift",
];

pub(crate) fn run(args: &DriftArgs, output: &Output) -> Result<(), Failure> {
    let Known {
        model,
        baseline,
        manifest,
    } = known(args, output)?;
    let recordings = match &manifest {
        Some(manifest) => read_for(manifest, &args.data, output)?,
        None => read(&args.data, output)?,
    };
    let mut frames = recent(&recordings, args.from, args.to)?;
    if let Some(manifest) = manifest {
        frames = in_operation(&manifest.detector.pipeline, frames)?;
    }
    if frames.is_empty() {
        return Err(Failure::message(
            "no row of the data lies between --from and --to and in operation: give another time",
        ));
    }
    let drift = compare(&baseline, &frames).map_err(|error| match error {
        CompareError::NoChannel { .. } => Failure::misfit(error),
        other => other.into(),
    })?;
    let channels = rows(&drift);
    let document = document(model.as_deref(), &drift, &frames, &channels);
    output.answer(&document, &with_joint(channels, &drift))?;
    if drift.is_drift() {
        return Err(Failure::Gate(drift.advice()));
    }
    output.note(&drift.advice());
    Ok(())
}

/// What the recent data are held against.
struct Known {
    /// The model that it is of, and what is known of that.
    model: Option<String>,
    manifest: Option<Manifest>,
    baseline: Baseline,
}

/// The stretches of frames that a pipeline counts as operation, as they were measured: what its baseline was made of.
fn in_operation(pipeline: &Pipeline, frames: Vec<Frame>) -> Result<Vec<Frame>, Failure> {
    if pipeline.operation().is_none() {
        return Ok(frames);
    }
    let mut inside = Vec::new();
    for frame in frames {
        let stretches = pipeline.derive(&frame).map_err(Failure::misfit)?.stretches();
        inside.extend(stretches.into_iter().filter_map(|rows| frame.slice(rows).ok()));
    }
    Ok(inside)
}

fn known(args: &DriftArgs, output: &Output) -> Result<Known, Failure> {
    let Some(model) = &args.model else {
        let recordings = read_from(&args.baseline, &args.data.reading, None, output)?;
        let frames: Vec<Frame> = recordings.into_iter().map(|recording| recording.frame).collect();
        return Ok(Known {
            model: None,
            manifest: None,
            baseline: Baseline::of(&frames),
        });
    };
    let (reference, manifest) = artifact::manifest(model, &args.registry)?;
    let baseline = manifest.baseline.clone().ok_or_else(|| {
        Failure::message(format!(
            "the model {reference} does not say what it learnt from, for an earlier version of bellwether trained it: \
             train it again, or give the data that it learnt from with --baseline in place of --model"
        ))
    })?;
    Ok(Known {
        model: Some(reference),
        manifest: Some(manifest),
        baseline,
    })
}

/// The samples in `[from, to)`, series by series.
fn recent(
    recordings: &[Recording],
    from: Option<Timestamp>,
    to: Option<Timestamp>,
) -> Result<Vec<Frame>, Failure> {
    let mut frames = Vec::with_capacity(recordings.len());
    for Recording { frame, .. } in recordings {
        let first = from.map_or(0, |from| frame.time().partition_point(|&at| at < from));
        let end = to.map_or(frame.n_samples(), |to| {
            frame.time().partition_point(|&at| at < to)
        });
        if first < end {
            frames.push(frame.slice(first..end)?);
        }
    }
    Ok(frames)
}

fn document(model: Option<&str>, drift: &Drift, frames: &[Frame], rows: &Rows) -> Value {
    let times = || frames.iter().flat_map(|frame| frame.time());
    json!({
        "model": model,
        "from": times().min().map(ToString::to_string),
        "to": times().max().map(ToString::to_string),
        "n_rows": drift.n_rows,
        "is_drift": drift.is_drift(),
        "is_judged": drift.is_judged(),
        "advice": drift.advice(),
        "channels": rows.objects(),
        "missing_channels": drift.missing_channels,
        "joint": drift.relation.as_ref().map(|relation| joint(relation, drift)),
    })
}

fn joint(relation: &RelationChange, drift: &Drift) -> Value {
    json!({
        "pair": relation.pair,
        "correlation_change": relation.change(),
        "q_value": relation.q_value,
        "is_drift": relation.is_drift,
        "share_of_channels": drift.share_of_channels(),
    })
}

/// A row for each channel of the baseline; one that is gone has no numbers. What is not defined becomes null.
fn rows(drift: &Drift) -> Rows {
    let mut rows = Rows::new(&CHANNEL_KEYS);
    for channel in &drift.channels {
        let ChannelDrift {
            channel: name,
            psi,
            ks,
            p_value,
            q_value,
            wasserstein,
            n_effective,
            missing_rise,
            missing_q_value,
            severity,
            missing_p_value: _,
            effect: _,
        } = channel;
        rows.push(vec![
            json!(name),
            json!(psi),
            json!(ks),
            json!(p_value),
            json!(q_value),
            json!(wasserstein),
            json!(n_effective),
            json!(missing_rise),
            json!(missing_q_value),
            json!(severity.name()),
            json!(channel.is_drift()),
        ]);
    }
    for name in &drift.missing_channels {
        let mut row = vec![Value::Null; CHANNEL_KEYS.len()];
        row[0] = json!(name);
        row[9] = json!(Severity::Critical.name());
        row[10] = json!(true);
        rows.push(row);
    }
    rows
}

/// The channels, and below them the relation that changed most: what a table has in place of `joint`.
fn with_joint(mut rows: Rows, drift: &Drift) -> Rows {
    if let Some(relation) = &drift.relation {
        let mut row = vec![Value::Null; CHANNEL_KEYS.len()];
        let RelationChange {
            pair: [first, second],
            baseline,
            recent,
            q_value,
            is_drift,
        } = relation;
        row[0] = json!(format!(
            "{first} ~ {second} (correlation {recent:.2}, was {baseline:.2})"
        ));
        row[4] = json!(q_value);
        row[10] = json!(is_drift);
        rows.push(row);
    }
    rows
}
