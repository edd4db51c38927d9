//! Whether the fleet still looks like what its models learnt from: worked out when somebody asks, and now and then.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bellwether_core::drift::{Baseline, Drift, compare};
use bellwether_core::frame::Frame;
use bellwether_core::time::Timestamp;
use bellwether_store::bundle::manifest::Manifest;
use bellwether_store::database::Database;
use bellwether_store::history::Row;
use bellwether_store::registry::{LoadError, ModelRef, NamedRef, Pick, Registry};
use bellwether_stream::clock;
use bellwether_stream::live::{Models, Served};
use bellwether_stream::problem::Problem;
use bellwether_stream::source::Stop;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::board::Board;
use crate::error;
use crate::jobs::pieces;
use crate::newest::newest;

/// How often all models in service are looked at. Drift is slow.
const BEAT: Duration = Duration::from_secs(600);

/// How long an answer is good for whoever asks next.
const AGE_MAX: Duration = Duration::from_secs(10);

/// Devices that are looked at, spread evenly over their names.
const DEVICES_MAX: usize = 32;

/// Rows of all devices together.
const ROWS_MAX: usize = 20_000;

/// Spacing of samples where no model says.
const CADENCE: Duration = Duration::from_secs(1);

/// How the newest rows of a model's devices differ from what it learnt from.
#[derive(Debug)]
pub(crate) struct Found {
    /// `pump@3`.
    pub(crate) model: Arc<str>,
    /// The devices whose rows these are.
    pub(crate) devices: Vec<Arc<str>>,
    /// Time of the first and of the last row.
    pub(crate) range: Option<(Timestamp, Timestamp)>,
    /// `None`: there is no row yet.
    pub(crate) drift: Option<Drift>,
    made: Instant,
}

/// Whether the fleet still looks like what its models learnt from, and the latest answers.
#[derive(Debug)]
pub struct Drifts {
    db: Database,
    history: PathBuf,
    registry: Registry,
    board: Arc<Board>,
    models: watch::Receiver<Arc<Models>>,
    /// By model version.
    latest: Mutex<BTreeMap<Arc<str>, Arc<Found>>>,
    /// One looks at a time: whoever comes next mostly finds the answer there.
    turn: tokio::sync::Mutex<()>,
}

impl Drifts {
    /// Looks at all models in service every ten minutes until `stop` is told. `history` is the folder of the history.
    pub fn start(
        db: Database,
        history: PathBuf,
        registry: Registry,
        board: Arc<Board>,
        models: watch::Receiver<Arc<Models>>,
        stop: Stop,
    ) -> Arc<Self> {
        let drifts = Arc::new(Self {
            db,
            history,
            registry,
            board,
            models,
            latest: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        });
        tokio::spawn(watch_over(Arc::clone(&drifts), stop));
        drifts
    }

    /// The latest answers for models in service, in the order of their names.
    pub(crate) fn latest(&self) -> Vec<Arc<Found>> {
        self.locked().values().cloned().collect()
    }

    /// The answer for the model in service that is meant; of several versions for the newest.
    pub(crate) async fn of(&self, wanted: &NamedRef) -> Result<Arc<Found>, Problem> {
        let mut served: Vec<(NamedRef, Arc<Served>)> = self.in_service().into_values().collect();
        served.retain(|(reference, _)| {
            reference.name == wanted.name
                && (reference.pick == wanted.pick || matches!(wanted.pick, Pick::Alias(_)))
        });
        let newest = served
            .into_iter()
            .max_by_key(|(reference, _)| match &reference.pick {
                Pick::Version(version) => version.number(),
                Pick::Alias(_) => 0,
            });
        let (reference, served) =
            newest.ok_or_else(|| error::not_found(format!("no model {wanted} is in service")))?;
        self.look(&reference, &served).await
    }

    /// The models in service that are in the registry.
    fn in_service(&self) -> BTreeMap<Arc<str>, (NamedRef, Arc<Served>)> {
        let served = self.models.borrow().in_service().into_iter();
        served
            .filter_map(|(name, served)| Some((Arc::clone(&name), (name.parse().ok()?, served))))
            .collect()
    }

    async fn look(&self, reference: &NamedRef, served: &Served) -> Result<Arc<Found>, Problem> {
        let _turn = self.turn.lock().await;
        let kept = self.locked().get(&served.reference).cloned();
        if let Some(found) = kept.filter(|found| clock::instant().duration_since(found.made) < AGE_MAX) {
            return Ok(found);
        }
        let baseline = self.baseline(reference).await?;
        let rows = self.newest_rows(served).await?;
        let (devices, rows): (Vec<Arc<str>>, Vec<Vec<Row>>) = rows.into_iter().unzip();
        let compared = crate::beside::beside(move || compared(&baseline, rows)).await;
        let (range, drift) = compared.map_err(|error| error::internal(&error))??;
        let found = Arc::new(Found {
            model: Arc::clone(&served.reference),
            devices,
            range,
            drift,
            made: clock::instant(),
        });
        self.locked()
            .insert(Arc::clone(&served.reference), Arc::clone(&found));
        Ok(found)
    }

    /// What the model learnt from.
    async fn baseline(&self, reference: &NamedRef) -> Result<Baseline, Problem> {
        let (registry, reference) = (self.registry.clone(), reference.clone());
        let read = move || {
            let model = ModelRef::Named(reference.clone());
            let loaded = registry.load(&model).map_err(|error| match error {
                LoadError::Lookup(error) => error::lookup(error),
                other => error::internal(&other),
            })?;
            let manifest = Manifest::from_json_bytes(&loaded.bundle.manifest)
                .map_err(|error| error::internal(&error))?;
            manifest.baseline.ok_or_else(|| {
                error::conflict(format!(
                    "the model {reference} does not say what it learnt from, for an earlier version of bellwether \
                     trained it: train it again"
                ))
            })
        };
        let read = crate::beside::beside(read).await;
        read.map_err(|error| error::internal(&error))?
    }

    /// The newest rows of some of the model's devices.
    async fn newest_rows(&self, served: &Served) -> Result<Vec<(Arc<str>, Vec<Row>)>, Problem> {
        let models = Arc::clone(&self.models.borrow());
        let judges = |device: &str| {
            let judge = models.of(device).as_ref();
            judge.is_some_and(|judge| judge.reference == served.reference)
        };
        let mut devices: Vec<(Arc<str>, Timestamp)> = self
            .board
            .all()
            .iter()
            .filter(|entry| judges(&entry.name))
            .filter_map(|entry| Some((Arc::clone(&entry.name), entry.last_time?)))
            .collect();
        devices.sort();
        let cadence = served.detector.pipeline().schema().cadence();
        let cadence = if cadence.is_zero() { CADENCE } else { cadence };
        let n_devices = devices.len().min(DEVICES_MAX);
        let mut found = Vec::with_capacity(n_devices);
        for idx in 0..n_devices {
            let (device, last) = &devices[idx * devices.len() / n_devices];
            let n_rows = ROWS_MAX / n_devices;
            let rows = newest(&self.db, &self.history, device, *last, cadence, n_rows).await;
            found.push((Arc::clone(device), rows.map_err(error::history)?));
        }
        Ok(found)
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Arc<Found>>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Time of the first and of the last row.
type Range = Option<(Timestamp, Timestamp)>;

/// Rows device by device against a baseline. Computes: not to be called where tasks run.
fn compared(baseline: &Baseline, rows: Vec<Vec<Row>>) -> Result<(Range, Option<Drift>), Problem> {
    let mut frames: Vec<Frame> = Vec::with_capacity(rows.len());
    for rows in rows {
        frames.extend(pieces(rows, &[]).map_err(|error| error::internal(&error))?);
    }
    let times = || frames.iter().flat_map(|frame| frame.time()).copied();
    let range = times().min().zip(times().max());
    if range.is_none() {
        return Ok((None, None));
    }
    let drift = compare(baseline, &frames).map_err(|error| error::conflict(error.to_string()))?;
    Ok((range, Some(drift)))
}

/// Looks at all models in service, now and then.
async fn watch_over(drifts: Arc<Drifts>, mut stop: Stop) {
    let mut beat = tokio::time::interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first beat comes at once: a start has better things to do.
    beat.tick().await;
    loop {
        tokio::select! {
            () = stop.told() => return,
            _ = beat.tick() => {}
        }
        let in_service: HashMap<_, _> = drifts.in_service().into_iter().collect();
        drifts.locked().retain(|model, _| in_service.contains_key(model));
        for (model, (reference, served)) in in_service {
            let looked = tokio::select! {
                () = stop.told() => return,
                looked = drifts.look(&reference, &served) => looked,
            };
            match looked {
                Ok(found) => {
                    if let Some(drift) = found.drift.as_ref().filter(|drift| drift.is_drift()) {
                        tracing::warn!(%model, advice = drift.advice(), "data drift");
                    }
                }
                Err(problem) => {
                    tracing::warn!(%model, problem = %problem.to_json(), "nothing can be said of drift");
                }
            }
        }
    }
}
