//! What all routes share, and the seams to the process around them.

use std::fmt::Debug;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bellwether_core::detect::Detector;
use bellwether_core::frame::Frame;
use bellwether_core::model::Model;
use bellwether_core::threshold::budget::AlarmBudget;
use bellwether_core::time::Timestamp;
use bellwether_store::bundle::manifest::Manifest;
use bellwether_store::database::Database;
use bellwether_store::registry::{ModelName, NamedRef, Registry};
use bellwether_stream::bodies::Bodies;
use bellwether_stream::live::{Committed, Models, Stats};
use bellwether_stream::source::http::Ingest;
use futures_util::future::BoxFuture;
use sha2::{Digest as _, Sha256};
use tokio::sync::{broadcast, watch};

use crate::Judging;
use crate::access::{AuditLooks, Authenticator, Denials, Rates, SignIns};
use crate::board::Board;
use crate::changes::Changes;
use crate::drift::Drifts;
use crate::jobs::Jobs;
use crate::metrics::Gatherer;
use crate::room::Room;

/// What all routes share.
#[derive(Debug)]
pub struct App {
    /// What must not be lost.
    pub db: Database,
    /// Folder of the Parquet history.
    pub history: PathBuf,
    /// Models by name and version.
    pub registry: Registry,
    /// Takes the bodies of requests.
    pub bodies: Bodies,
    /// Way in for samples.
    pub ingest: Ingest,
    /// Counters of the live system.
    pub stats: Arc<Stats>,
    /// Whether samples are being made durable.
    pub is_ready: watch::Receiver<bool>,
    /// Which model judges which device.
    pub models: watch::Receiver<Arc<Models>>,
    /// What was committed, as it happens.
    pub committed: broadcast::Sender<Arc<Committed>>,
    /// The fleet as it is now.
    pub board: Arc<Board>,
    /// Figures that take looking through the database.
    pub gatherer: Gatherer,
    /// Whether the fleet still looks like what its models learnt from.
    pub drifts: Arc<Drifts>,
    /// How much may go on at once.
    pub room: Room,
    /// Changes of events, as they happen.
    pub changes: Arc<Changes>,
    /// Judges what requests bring.
    pub judging: Judging,
    /// Trainings that wait and run.
    pub jobs: Jobs,
    /// The process.
    pub control: Arc<dyn Control>,
    /// Tells who somebody is.
    pub authenticator: Arc<dyn Authenticator>,
    /// People who are signed in.
    pub sign_ins: Arc<SignIns>,
    /// Writes down who was turned away.
    pub denials: Denials,
    /// Whether the audit is as it was written.
    pub audit: AuditLooks,
    /// How often each key may ask.
    pub rates: Rates,
    /// Bounds.
    pub limits: Limits,
    /// When the process started, by the clock of this machine.
    pub started_at: Timestamp,
    /// The same, for how long it runs.
    pub started: Instant,
}

/// Bounds of requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How long an answer may take.
    pub timeout: std::time::Duration,
    /// Bytes of models and of answers that caches keep.
    pub cache_bytes_max: u64,
    /// Names under which the server is known besides `localhost` and its addresses; others are refused, so that no
    /// page of another origin can speak to it under a name of its own. Empty: any name, where others than this machine
    /// reach it.
    pub hosts: Vec<String>,
    /// Only this machine reaches the server.
    pub is_loopback: bool,
    /// Connections are encrypted, here or by a proxy in front.
    pub is_encrypted: bool,
    /// A proxy is in front, and tells whom it speaks for.
    pub is_behind_proxy: bool,
}

/// A model, ready to judge.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// `pump@3`.
    pub reference: Arc<str>,
    /// What judges.
    pub detector: Arc<Detector>,
    /// What it is.
    pub manifest: Arc<Manifest>,
    /// Bytes it takes, about.
    pub bytes: u64,
}

/// Something that did not work, in words for who asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SeamError {
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// It cannot be done as asked.
    #[error("{0}")]
    Refused(String),
    /// It failed.
    #[error("{0}")]
    Failed(String),
}

/// Makes a detector of a bundle. Reads files: not to be called where tasks run.
pub trait Loader: Send + Sync + Debug {
    /// Loads a model; `wrap` is put around what the network computes.
    ///
    /// # Errors
    /// [`SeamError`] where there is no such model, or it cannot be used.
    fn load(
        &self,
        reference: &NamedRef,
        wrap: &dyn Fn(Arc<dyn Model>) -> Arc<dyn Model>,
    ) -> Result<Loaded, SeamError>;
}

/// What a training is asked for; `None`: as `bellwether train` does.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainRequest {
    /// The model that gets a new version.
    pub name: ModelName,
    /// Passes over the data.
    pub epochs: Option<NonZeroUsize>,
    /// Samples in a window.
    pub window: Option<NonZeroUsize>,
    /// Alarms that normal operation may cost.
    pub alarm_budget: Option<AlarmBudget>,
    /// Seed of weights and order.
    pub seed: u64,
}

/// How far a training is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainProgress {
    /// Passes done.
    pub epoch: usize,
    /// Passes at most.
    pub n_epochs: usize,
    /// Losses of the pass that has just been done: on what is learnt from, and on what decides.
    pub losses: Option<(f64, f64)>,
}

/// Makes a model of data. Computes for long: not to be called where tasks run.
pub trait Trainer: Send + Sync + Debug {
    /// Trains and publishes; says which version it became. `observe` may break it off: then nothing is published.
    ///
    /// # Errors
    /// [`SeamError`] where the data are not enough, or the version cannot be published.
    fn train(
        &self,
        request: &TrainRequest,
        series: Vec<(String, Vec<Frame>)>,
        observe: &mut dyn FnMut(TrainProgress) -> ControlFlow<()>,
    ) -> Result<NamedRef, SeamError>;
}

/// The configuration in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigText {
    /// As TOML, defaults included, secrets by reference.
    pub toml: String,
    /// As it stands in the file; `None`: there is none, and nothing can be changed.
    pub file: Option<String>,
    /// Keys whose change waits for a restart.
    pub needs_restart: Vec<String>,
}

/// A configuration that was taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigChanged {
    /// As it is now.
    pub text: ConfigText,
    /// Keys that are other than before.
    pub keys: Vec<String>,
}

/// The entity tag of a file of configuration, quotes included.
pub fn tag_of(file: &[u8]) -> String {
    let digest = Sha256::digest(file);
    let hex = digest[..16].iter().map(|byte| format!("{byte:02x}"));
    format!("\"{}\"", hex.collect::<String>())
}

/// A mistake in a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigMistake {
    /// Line in the file, from 1.
    pub line: Option<usize>,
    /// Column, from 1.
    pub column: Option<usize>,
    /// Path of the key.
    pub key: String,
    /// What is wrong and what to do.
    pub problem: String,
}

/// Why a configuration was not taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigRefused {
    /// It is wrong.
    Mistakes(Vec<ConfigMistake>),
    /// The file is another than the one that was changed.
    Stale,
    /// It changes what can be changed at the machine alone: paths, addresses, secrets.
    Protected(Vec<String>),
    /// It is right in itself, but cannot be put in force: it names a model that is not there, say.
    Unusable(String),
    /// There is no file to change.
    NoFile,
    /// It could not be written or put in force.
    Failed(String),
}

/// The process: its configuration, and the models in service.
pub trait Control: Send + Sync + Debug {
    /// Reads configuration and registry again and puts them in force, as SIGHUP does.
    fn reload(&self) -> BoxFuture<'_, Result<(), SeamError>>;

    /// What is in force.
    fn config(&self) -> BoxFuture<'_, Result<ConfigText, SeamError>>;

    /// Writes another configuration into the file and puts it in force; all or nothing. Where `seen` is told, only
    /// if the file still has that [`tag_of`].
    fn change_config(
        &self,
        toml: String,
        seen: Option<String>,
    ) -> BoxFuture<'_, Result<ConfigChanged, ConfigRefused>>;
}
