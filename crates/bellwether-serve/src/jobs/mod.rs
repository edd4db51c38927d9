//! Training jobs: one runs at a time, some wait, and all are written down, so that a restart forgets none.

mod data;
mod record;
mod work;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bellwether_core::frame::Frame;
use bellwether_store::database::{Database, DatabaseError, JobState};
use bellwether_stream::clock;
use bellwether_stream::problem::Problem;
use bellwether_stream::source::Stop;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::app::{Control, Trainer};
use crate::beside::beside;
use crate::error;
pub(crate) use data::pieces;
pub(crate) use record::{Asked, TrainJob};
use work::Worker;

/// Jobs that wait at most.
const WAITING_MAX: usize = 16;

/// Bytes of the tables of jobs that wait at most: some more than the largest table that is read.
const TABLE_BYTES_MAX: usize = 512 << 20;

/// Permits are for so many bytes.
const PERMIT_BYTES: usize = 1024;

/// Jobs told at most, the newest first.
pub(crate) const LISTED_MAX: u32 = 200;

/// The training jobs of this process.
#[derive(Debug)]
pub struct Jobs {
    shared: Arc<Shared>,
    places: Arc<Semaphore>,
    table_room: Arc<Semaphore>,
    /// Held by who reads a table.
    reading: tokio::sync::Mutex<()>,
}

/// A place among the jobs that wait.
#[derive(Debug)]
pub(crate) struct Place(OwnedSemaphorePermit);

/// What routes and the one who works share.
#[derive(Debug)]
struct Shared {
    db: Database,
    queue: Mutex<Queue>,
    /// Told of each new job.
    nudge: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    running: Option<Running>,
    /// Losses of the last epoch of the last job: on what is learnt from, and on what decides.
    last_loss: Option<(f64, f64)>,
}

#[derive(Debug)]
struct Waiting {
    job: TrainJob,
    table: Table,
    /// What it holds of the bounds.
    _held: Vec<OwnedSemaphorePermit>,
}

/// Series by name, where they were sent.
type Table = Option<Vec<(String, Vec<Frame>)>>;

#[derive(Debug)]
struct Running {
    job: TrainJob,
    is_cancelled: Arc<AtomicBool>,
}

/// Why a job was not taken.
#[derive(Debug)]
pub(crate) enum NotTaken {
    /// As many wait as may.
    Full,
    /// The tables that wait are as large as they may be.
    TablesFull,
    /// It cannot be written down.
    Database(DatabaseError),
}

/// Why a job was not cancelled.
#[derive(Debug)]
pub(crate) enum NotCancelled {
    /// There is none of that id.
    Unknown,
    /// It was over before.
    Over(JobState),
    /// It cannot be written down.
    Database(DatabaseError),
}

impl Jobs {
    /// Goes on with the jobs that wait, says of those that ran that they failed, and works until it is told to stop.
    /// To be called within the async runtime, by the process that judges.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn start(
        db: Database,
        history: PathBuf,
        trainer: Arc<dyn Trainer>,
        control: Arc<dyn Control>,
        stop: Stop,
    ) -> Result<Self, DatabaseError> {
        let reason = "the server was stopped while it ran; ask for it again";
        db.fail_running(reason, clock::now()).await?;
        let mut queue = Queue::default();
        let places = Arc::new(Semaphore::new(WAITING_MAX));
        for record in db.waiting_jobs().await? {
            let mut job = TrainJob::read(record);
            if job.detail.asked.is_table {
                let reason = "the server was restarted while it waited, and its table is gone; send it again";
                job.end(JobState::Failed, Some(reason.to_owned()));
                db.update_job(JobState::Waiting, &job.record()).await?;
            } else {
                queue.waiting.push_back(Waiting {
                    job,
                    table: None,
                    _held: Arc::clone(&places).try_acquire_owned().into_iter().collect(),
                });
            }
        }
        let shared = Arc::new(Shared {
            db,
            queue: Mutex::new(queue),
            nudge: Notify::new(),
        });
        let worker = Worker {
            shared: Arc::clone(&shared),
            history,
            trainer,
            control,
        };
        tokio::spawn(worker.work(stop));
        Ok(Self {
            shared,
            places,
            reading: tokio::sync::Mutex::default(),
            table_room: Arc::new(Semaphore::new(TABLE_BYTES_MAX / PERMIT_BYTES)),
        })
    }

    /// A place for a job that is about to be taken: before any of its table is read.
    ///
    /// # Errors
    /// Where as many wait as may.
    pub(crate) fn place(&self) -> Result<Place, NotTaken> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        place.map(Place).map_err(|_| NotTaken::Full)
    }

    /// Reads a table beside the tasks, one at a time: one may take as much memory as all that wait.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let _turn = self.reading.lock().await;
        beside(read)
            .await
            .unwrap_or_else(|error| Err(error::internal(&error)))
    }

    /// Takes a job, to be done after those before it; of a table, where one was sent, else of the history.
    pub(crate) async fn submit(
        &self,
        Place(place): Place,
        name: String,
        asked: Asked,
        table: Table,
        made_by: &str,
    ) -> Result<TrainJob, NotTaken> {
        let mut held = vec![place];
        if let Some(table) = &table {
            let n_permits = u32::try_from(bytes_of(table) / PERMIT_BYTES).unwrap_or(u32::MAX);
            let room = Arc::clone(&self.table_room).try_acquire_many_owned(n_permits);
            held.push(room.map_err(|_| NotTaken::TablesFull)?);
        }
        let job = TrainJob::new(crate::edge::random_id(), name, asked, made_by);
        let written = self.shared.db.insert_job(&job.record()).await;
        written.map_err(NotTaken::Database)?;
        self.shared.queue().waiting.push_back(Waiting {
            job: job.clone(),
            table,
            _held: held,
        });
        self.shared.nudge.notify_one();
        Ok(job)
    }

    /// The newest jobs, those that run as far as they are.
    pub(crate) async fn list(&self) -> Result<Vec<TrainJob>, DatabaseError> {
        let stored = self.shared.db.jobs(LISTED_MAX).await?;
        Ok(stored.into_iter().map(|record| self.current(record)).collect())
    }

    /// One job.
    pub(crate) async fn one(&self, id: &str) -> Result<Option<TrainJob>, DatabaseError> {
        let stored = self.shared.db.job(id).await?;
        Ok(stored.map(|record| self.current(record)))
    }

    /// Takes a job back: one that waits at once, one that runs at its next step.
    pub(crate) async fn cancel(&self, id: &str) -> Result<TrainJob, NotCancelled> {
        let db = &self.shared.db;
        loop {
            let waiting = {
                let queue = self.shared.queue();
                if let Some(running) = queue.running.as_ref().filter(|running| running.job.id == id) {
                    running.is_cancelled.store(true, Ordering::Relaxed);
                    return Ok(running.job.clone());
                }
                let waiting = queue.waiting.iter().find(|waiting| waiting.job.id == id);
                waiting.map(|waiting| waiting.job.clone())
            };
            let Some(mut job) = waiting else {
                return match db.job(id).await.map_err(NotCancelled::Database)? {
                    Some(job) => Err(NotCancelled::Over(job.state)),
                    None => Err(NotCancelled::Unknown),
                };
            };
            job.end(JobState::Cancelled, None);
            // Written before it leaves the queue: where that fails, it waits as before. Where it begins meanwhile, one
            // of the two finds it in another state than it took it to be in.
            let written = db.update_job(JobState::Waiting, &job.record()).await;
            if written.map_err(NotCancelled::Database)? {
                self.shared.queue().waiting.retain(|waiting| waiting.job.id != id);
                return Ok(job);
            }
        }
    }

    /// Losses of the last epoch of the last job: on what is learnt from, and on what decides.
    pub(crate) fn last_loss(&self) -> Option<(f64, f64)> {
        self.shared.queue().last_loss
    }

    fn current(&self, record: bellwether_store::database::Job) -> TrainJob {
        let queue = self.shared.queue();
        match queue
            .running
            .as_ref()
            .filter(|running| running.job.id == record.id)
        {
            Some(running) => running.job.clone(),
            None => TrainJob::read(record),
        }
    }
}

impl Shared {
    /// Never held across a wait; what it guards is whole at any moment.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a table takes in memory, about: its values and its times.
fn bytes_of(table: &[(String, Vec<Frame>)]) -> usize {
    let frames = table.iter().flat_map(|(_, frames)| frames);
    frames
        .map(|frame| (frame.values().len() + frame.n_samples()) * size_of::<f64>())
        .sum()
}
