//! Models as they are told.

use bellwether_store::bundle::manifest::Manifest;
use bellwether_store::registry::{Action, Index, NamedRef, Pick, Version};
use bellwether_stream::live::Models;
use serde::Serialize;
use utoipa::ToSchema;

use crate::wire::Time;

/// A model with all its versions.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ModelBody {
    /// Its name.
    #[schema(example = "pump")]
    name: String,
    /// The version that the name stands for.
    champion: u32,
    /// All versions, the oldest first.
    versions: Vec<VersionBody>,
    /// Changes of champion, the oldest first.
    history: Vec<ChangeBody>,
}

/// All models.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ModelsBody {
    /// By name.
    pub(super) models: Vec<ModelBody>,
}

/// A version of a model.
#[derive(Debug, Serialize, ToSchema)]
struct VersionBody {
    /// Its number.
    version: u32,
    /// When it was published.
    created_at: Time,
    /// Names that stand for it.
    aliases: Vec<String>,
    /// What kind of network it is.
    architecture: Option<String>,
    /// Size of its file.
    size_bytes: u64,
    /// Checksum of its file.
    sha256: String,
    /// Whether it judges devices now.
    is_in_service: bool,
}

/// A change of champion.
#[derive(Debug, Serialize, ToSchema)]
struct ChangeBody {
    /// When.
    at: Time,
    /// `publish`, `promote` or `rollback`.
    action: &'static str,
    /// The champion before.
    from: Option<u32>,
    /// The champion since.
    to: u32,
    /// Why; empty where nobody said.
    reason: String,
    /// Who; empty where nobody said.
    by: String,
}

/// Everything about a version.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FactsBody {
    /// Of the model.
    name: String,
    /// Its number.
    version: u32,
    /// What it watches.
    channels: Vec<String>,
    /// Samples in a window.
    window_len: usize,
    /// Time between samples.
    cadence_s: f64,
    /// What kind of network it is.
    architecture: String,
    /// Units of each encoder layer.
    encoder: Vec<usize>,
    /// Units of each decoder layer.
    decoder: Vec<usize>,
    /// Trainable numbers.
    n_weights: usize,
    /// The error at which a score is 1.
    threshold: f64,
    /// Alarms that one device may raise while all is well.
    alarm_budget: Option<String>,
    /// What it learnt from.
    trained: TrainedBody,
    /// How the training went.
    epochs: Vec<EpochBody>,
}

/// What a version learnt from.
#[derive(Debug, Serialize, ToSchema)]
struct TrainedBody {
    /// When.
    at: Time,
    /// Samples.
    n_rows: usize,
    /// The first.
    from: Option<Time>,
    /// The last.
    to: Option<Time>,
}

/// One pass over the data.
#[derive(Debug, Serialize, ToSchema)]
struct EpochBody {
    /// From 1.
    epoch: usize,
    /// On what is learnt from.
    train_loss: f64,
    /// On what decides when to stop.
    val_loss: f64,
}

pub(super) fn body(index: &Index, models: &Models) -> ModelBody {
    let in_service = |version: Version| {
        let reference = format!("{}@{version}", index.name());
        models.find(&reference).is_some()
    };
    let versions = index.versions().iter().map(|entry| VersionBody {
        version: entry.version.number(),
        created_at: entry.created_at.into(),
        aliases: index
            .aliases_of(entry.version)
            .iter()
            .map(ToString::to_string)
            .collect(),
        architecture: entry
            .summary
            .get("architecture")
            .and_then(|text| text.as_str())
            .map(str::to_owned),
        size_bytes: entry.bytes,
        sha256: entry.sha256.to_string(),
        is_in_service: in_service(entry.version),
    });
    let mut before = None;
    let history = index.history().iter().map(|change| ChangeBody {
        at: change.at.into(),
        action: match change.action {
            Action::Published => "publish",
            Action::Promoted => "promote",
            Action::RolledBack => "rollback",
        },
        from: before.replace(change.version.number()),
        to: change.version.number(),
        reason: change.because.reason.clone(),
        by: change.because.by.clone(),
    });
    ModelBody {
        name: index.name().to_string(),
        champion: index.champion().number(),
        versions: versions.collect(),
        history: history.collect(),
    }
}

pub(super) fn facts_of(reference: &NamedRef, manifest: Manifest) -> FactsBody {
    let training = &manifest.training;
    let schema = manifest.detector.pipeline.schema();
    let epochs = training.epochs.iter().map(|epoch| EpochBody {
        epoch: epoch.epoch + 1,
        train_loss: epoch.train_loss,
        val_loss: epoch.val_loss,
    });
    FactsBody {
        name: reference.name.to_string(),
        version: match reference.pick {
            Pick::Version(version) => version.number(),
            Pick::Alias(_) => 0,
        },
        channels: schema
            .channels()
            .iter()
            .map(|channel| channel.name().to_owned())
            .collect(),
        window_len: manifest.window_len(),
        cadence_s: schema.cadence().as_secs_f64(),
        architecture: manifest.architecture(),
        encoder: manifest
            .networks()
            .next()
            .map(|of| of.encoder.clone())
            .unwrap_or_default(),
        decoder: manifest
            .networks()
            .next()
            .map(|of| of.decoder.clone())
            .unwrap_or_default(),
        n_weights: manifest.n_weights(),
        threshold: manifest.detector.causal.error(),
        alarm_budget: manifest
            .calibration
            .rule
            .strip_prefix("budget:")
            .map(str::to_owned),
        trained: TrainedBody {
            at: manifest.created_at.into(),
            n_rows: training.n_samples,
            from: training
                .series
                .iter()
                .map(|series| series.start)
                .min()
                .map(Time::from),
            to: training
                .series
                .iter()
                .map(|series| series.end)
                .max()
                .map(Time::from),
        },
        epochs: epochs.collect(),
    }
}
