//! Whether the fleet still looks like what its models learnt from: worked out when somebody asks, and now and then.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bellwether_core::drift::{
    Baseline, ChannelDrift, Drift, N_EFFECTIVE_MIN, cadence_of, compare, compare_scores,
};
use bellwether_core::frame::Frame;
use bellwether_core::time::Timestamp;
use bellwether_store::database::Database;
use bellwether_store::history::{self, Row};
use bellwether_store::registry::{ModelRef, NamedRef, Pick, Registry, Resolved};
use bellwether_stream::clock;
use bellwether_stream::live::{Models, Served};
use bellwether_stream::problem::Problem;
use bellwether_stream::source::Stop;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::board::Board;
use crate::error;
use crate::jobs::pieces;
use crate::newest::{EVER, before};
use crate::room::Room;

/// How long after the start all models in service are looked at first: a start has better things to do.
const FIRST_BEAT: Duration = Duration::from_secs(60);

/// How often from then on. Drift is slow.
const BEAT: Duration = Duration::from_secs(600);

/// How long an answer is good for whoever asks next.
const AGE_MAX: Duration = Duration::from_secs(10);

/// Devices that are looked at, spread evenly over their names; others each time.
const DEVICES_MAX: usize = 32;

/// Rows of all devices together that are compared.
const ROWS_MAX: usize = 20_000;

/// Rows of all devices together that they are chosen from, evenly spaced: as far back as slow channels need, where
/// that can be read in seconds.
const READ_MAX: usize = 1_000_000;

/// Independent rows of the slowest channel that are looked for.
const N_EFFECTIVE: f64 = 5.0 * N_EFFECTIVE_MIN;

/// How much further back is looked each time that there was too little.
const WIDER: u32 = 16;

/// Spacing of samples where no model says.
const CADENCE: Duration = Duration::from_secs(1);

/// How the newest rows of a model's devices differ from what it learnt from.
#[derive(Debug)]
pub(crate) struct Found {
    /// `pump@3`, or the bundle file.
    pub(crate) model: Arc<str>,
    /// The devices whose rows these are.
    pub(crate) devices: Vec<Arc<str>>,
    /// Time of the first and of the last row.
    pub(crate) range: Option<(Timestamp, Timestamp)>,
    /// `None`: there is no row yet.
    pub(crate) drift: Option<Drift>,
    /// Its scores against those of held-out rows; `None`: there are none.
    pub(crate) scores: Option<ChannelDrift>,
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
    /// Looks so far.
    n_looks: AtomicUsize,
}

impl Drifts {
    /// Looks at all models in service a minute after the start and then every ten minutes, until `stop` is told.
    /// `history` is the folder of the history.
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
            n_looks: AtomicUsize::default(),
        });
        tokio::spawn(watch_over(Arc::clone(&drifts), stop));
        drifts
    }

    /// The latest answers for models in service, in the order of their names.
    pub(crate) fn latest(&self) -> Vec<Arc<Found>> {
        self.locked().values().cloned().collect()
    }

    /// The answer for the model in service that is meant: a bundle file as it is named there, a version, an alias, or a
    /// name, which means the newest version of it in service. What is read takes a place in `room`.
    pub(crate) async fn of(&self, wanted: &str, room: &Room) -> Result<Arc<Found>, Problem> {
        let in_service = self.models.borrow().in_service();
        let served = match in_service.get(wanted) {
            Some(served) => Arc::clone(served),
            None => self.find(wanted, &in_service).await?,
        };
        self.look(&served, Some(room)).await
    }

    async fn find(
        &self,
        wanted: &str,
        in_service: &BTreeMap<Arc<str>, Arc<Served>>,
    ) -> Result<Arc<Served>, Problem> {
        let named: NamedRef = wanted
            .parse()
            .map_err(|error| error::bad_request(format!("model: {error}")))?;
        let nothing = || error::not_found(format!("no model {wanted} is in service"));
        match &named.pick {
            Pick::Alias(alias) if alias.is_champion() => {
                let versions = in_service.iter().filter_map(|(reference, served)| {
                    let found: NamedRef = reference.parse().ok()?;
                    let Pick::Version(version) = found.pick else {
                        return None;
                    };
                    (found.name == named.name).then_some((version.number(), served))
                });
                let newest = versions.max_by_key(|(version, _)| *version);
                newest.map(|(_, served)| Arc::clone(served)).ok_or_else(nothing)
            }
            Pick::Alias(_) => {
                let registry = self.registry.clone();
                let resolve = move || registry.resolve(&ModelRef::Named(named));
                let resolved = crate::beside::beside(resolve).await;
                let resolved = resolved.map_err(|error| error::internal(&error))?;
                let exact = match resolved.map_err(error::lookup)? {
                    Resolved::Version { name, entry, .. } => format!("{name}@{}", entry.version),
                    Resolved::File(_) => return Err(nothing()),
                };
                let served = in_service.get(&*exact).cloned();
                served
                    .ok_or_else(|| error::not_found(format!("{wanted} is {exact}, which is not in service")))
            }
            Pick::Version(_) => Err(nothing()),
        }
    }

    async fn look(&self, served: &Arc<Served>, room: Option<&Room>) -> Result<Arc<Found>, Problem> {
        let _turn = self.turn.lock().await;
        let kept = self.locked().get(&served.reference).cloned();
        if let Some(found) = kept.filter(|found| clock::instant().duration_since(found.made) < AGE_MAX) {
            return Ok(found);
        }
        let Some(baseline) = served.baseline.clone() else {
            return Err(error::conflict(format!(
                "the model {} does not say what it learnt from, for an earlier version of bellwether trained it: \
                 train it again",
                served.reference
            )));
        };
        let _place = match room {
            Some(room) => Some(room.read().await?),
            None => None,
        };
        let rows = self.recent_rows(served, &baseline).await?;
        let (devices, rows): (Vec<Arc<str>>, Vec<Vec<Row>>) = rows.into_iter().unzip();
        let judge = Arc::clone(&served.reference);
        let compared = crate::beside::beside(move || compared(&baseline, &judge, rows)).await;
        let (range, drift, scores) = compared.map_err(|error| error::internal(&error))??;
        let found = Arc::new(Found {
            model: Arc::clone(&served.reference),
            devices,
            range,
            drift,
            scores,
            made: clock::instant(),
        });
        self.locked()
            .insert(Arc::clone(&served.reference), Arc::clone(&found));
        Ok(found)
    }

    /// Recent rows of some of the model's devices, evenly spaced.
    async fn recent_rows(
        &self,
        served: &Served,
        baseline: &Baseline,
    ) -> Result<Vec<(Arc<str>, Vec<Row>)>, Problem> {
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
        let looked_at = places(devices.len(), self.n_looks.fetch_add(1, Ordering::Relaxed));
        let cadence = served.detector.pipeline().schema().cadence();
        let cadence = if cadence.is_zero() { CADENCE } else { cadence };
        let reach = Reach::of(baseline, cadence, looked_at.len());
        let mut found = Vec::with_capacity(looked_at.len());
        for place in looked_at {
            let (device, last) = &devices[place];
            let rows = reach.rows(&self.db, &self.history, device, *last, &served.reference);
            let mut rows = rows.await.map_err(error::history)?;
            // What the model learnt from was in operation. What is not has no score.
            if served.detector.pipeline().operation().is_some() {
                rows.retain(|row| !row.score.is_nan());
            }
            found.push((Arc::clone(device), rows));
        }
        Ok(found)
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Arc<Found>>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which of so many devices are looked at: evenly spread, all of them in turn.
fn places(n_devices: usize, n_looks: usize) -> Vec<usize> {
    let n = n_devices.min(DEVICES_MAX);
    let mut places: Vec<usize> = (0..n)
        .map(|idx| (idx * n_devices / n + n_looks) % n_devices)
        .collect();
    places.sort_unstable();
    places
}

/// How far back is looked for rows of a device, and how far apart they are.
#[derive(Debug, PartialEq)]
struct Reach {
    /// Time between two rows.
    spacing: Duration,
    n_rows: usize,
}

impl Reach {
    /// Far enough for a verdict on the slowest channel, where that is not too much to read.
    fn of(baseline: &Baseline, cadence: Duration, n_devices: usize) -> Self {
        let n_devices = n_devices.max(1);
        let n_rows = ROWS_MAX / n_devices;
        let parts = baseline.parts();
        let times = parts.channels.iter().map(|channel| channel.autocorrelation_time);
        let slowest = times.fold(1.0, f64::max);
        // Rows of the model's cadence that are worth one, whatever the cadence of the training was.
        let apart = if parts.cadence.is_zero() {
            slowest
        } else {
            slowest * (parts.cadence.as_secs_f64() / cadence.as_secs_f64())
        };
        let wanted = N_EFFECTIVE * apart / n_devices as f64;
        let n_read = wanted.min((READ_MAX / n_devices) as f64);
        // A float that is too large becomes the largest number.
        let every = ((n_read / n_rows as f64).ceil() as u32).max(1);
        Self {
            spacing: cadence.saturating_mul(every),
            n_rows,
        }
    }

    /// The newest rows of a device up to the one at `last`, in order of time. An instant that several models judged is
    /// told by `judge`, where it is among them.
    async fn rows(
        &self,
        db: &Database,
        folder: &std::path::Path,
        device: &str,
        last: Timestamp,
        judge: &Arc<str>,
    ) -> Result<Vec<Row>, history::HistoryError> {
        let end = last.plus(Duration::from_nanos(1));
        let mut span = self
            .spacing
            .saturating_mul(u32::try_from(self.n_rows).unwrap_or(u32::MAX));
        loop {
            let from = before(last, span);
            let none = Spaced {
                spacing: i64::try_from(self.spacing.as_nanos()).unwrap_or(i64::MAX).max(1),
                judge: Arc::clone(judge),
                rows: BTreeMap::new(),
            };
            let read = history::visit(db, folder, device, (from, end), none, Spaced::take).await;
            let mut rows = read?.rows;
            // A device may pause; one that never sends so often is read to its beginning.
            if rows.len() >= self.n_rows / 2 || from == EVER.0 {
                while rows.len() > self.n_rows {
                    rows.pop_first();
                }
                return Ok(rows.into_values().collect());
            }
            span = span.saturating_mul(WIDER);
        }
    }
}

/// The first row of each of many equal stretches of time.
#[derive(Debug)]
struct Spaced {
    /// Nanoseconds.
    spacing: i64,
    judge: Arc<str>,
    rows: BTreeMap<i64, Row>,
}

impl Spaced {
    fn take(&mut self, row: Row) -> ControlFlow<()> {
        let key = |row: &Row| (row.time, row.model != self.judge);
        let stretch = row.time.as_nanos().div_euclid(self.spacing);
        let is_first = self.rows.get(&stretch).is_none_or(|there| key(&row) < key(there));
        if is_first {
            self.rows.insert(stretch, row);
        }
        ControlFlow::Continue(())
    }
}

/// Time of the first and of the last row.
type Range = Option<(Timestamp, Timestamp)>;

/// Rows device by device against a baseline, and the scores that `judge` gave them. Computes: not to be called where
/// tasks run.
fn compared(
    baseline: &Baseline,
    judge: &str,
    rows: Vec<Vec<Row>>,
) -> Result<(Range, Option<Drift>, Option<ChannelDrift>), Problem> {
    let score = |row: &Row| if *row.model == *judge { row.score } else { f64::NAN };
    let scores: Vec<Vec<f64>> = rows.iter().map(|rows| rows.iter().map(score).collect()).collect();
    let mut frames: Vec<Frame> = Vec::with_capacity(rows.len());
    for rows in rows {
        frames.extend(pieces(rows, &[]).map_err(|error| error::internal(&error))?);
    }
    let times = || frames.iter().flat_map(|frame| frame.time()).copied();
    let range = times().min().zip(times().max());
    if range.is_none() {
        return Ok((None, None, None));
    }
    let drift = compare(baseline, &frames).map_err(|error| error::conflict(error.to_string()))?;
    let scores = compare_scores(baseline, &scores, cadence_of(&frames));
    Ok((range, Some(drift), scores))
}

/// Looks at all models in service, now and then.
async fn watch_over(drifts: Arc<Drifts>, mut stop: Stop) {
    let first = tokio::time::Instant::now() + FIRST_BEAT;
    let mut beat = tokio::time::interval_at(first, BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.told() => return,
            _ = beat.tick() => {}
        }
        let in_service: HashMap<_, _> = drifts.models.borrow().in_service().into_iter().collect();
        drifts.locked().retain(|model, _| in_service.contains_key(model));
        for (model, served) in in_service {
            let looked = tokio::select! {
                () = stop.told() => return,
                looked = drifts.look(&served, None) => looked,
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

#[cfg(test)]
impl Found {
    /// What was found just now.
    pub(crate) fn of(model: &str, drift: Option<Drift>, scores: Option<ChannelDrift>) -> Self {
        Self {
            model: model.into(),
            devices: Vec::new(),
            range: None,
            drift,
            scores,
            made: clock::instant(),
        }
    }
}

#[cfg(test)]
mod tests;
