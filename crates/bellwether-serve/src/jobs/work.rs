//! The one who does the jobs, one after the other.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bellwether_core::frame::Frame;
use bellwether_store::database::{JobState, NewAuditEntry};
use bellwether_store::registry::NamedRef;
use bellwether_stream::source::Stop;
use bellwether_stream::{chain, clock};
use tokio::sync::oneshot;

use super::record::{EpochLoss, TrainJob};
use super::{Running, Shared, Table, Waiting, data};
use crate::app::{Control, SeamError, TrainProgress, TrainRequest, Trainer};
use crate::audit;

/// How often it is written down how far a job is, and how soon a write that failed is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// How long an end of the process waits for the step that is being done.
const LAST_STEP_WAIT: Duration = Duration::from_secs(5);

/// Seed of trainings that name none: that of `bellwether train`.
const SEED: u64 = 42;

/// The one who does the jobs.
pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) history: PathBuf,
    pub(super) trainer: Arc<dyn Trainer>,
    pub(super) control: Arc<dyn Control>,
}

impl Worker {
    /// Works until `stop` is told.
    pub(super) async fn work(self, mut stop: Stop) {
        while !stop.is_told() {
            match next(&self.shared) {
                Some((job, table, is_cancelled)) => {
                    self.one(job, table, &is_cancelled, &mut stop).await;
                    self.shared.queue().running = None;
                }
                None => tokio::select! {
                    () = self.shared.nudge.notified() => {}
                    () = stop.told() => {}
                },
            }
        }
    }

    async fn one(&self, job: TrainJob, table: Table, is_cancelled: &Arc<AtomicBool>, stop: &mut Stop) {
        let shared = &self.shared;
        if !write(shared, JobState::Waiting, &job, stop).await {
            // It was taken back just as it began.
            return;
        }
        let ended = self.train(job.clone(), table, is_cancelled, stop).await;
        let job = match shared.queue().running.as_ref() {
            Some(running) => running.job.clone(),
            None => job,
        };
        let job = close(job, ended);
        if let Some(model) = &job.detail.model {
            // The first version of a name judges at once. Whoever reads that the job is done can count on it.
            tokio::select! {
                reloaded = self.control.reload() => if let Err(error) = reloaded {
                    tracing::error!(%error, model, "a new version is published, but what judges is as before");
                },
                () = stop.told() => {}
            }
            let entry = NewAuditEntry {
                at: clock::now(),
                actor: job.made_by.clone(),
                action: "publish",
                subject: model.clone(),
                detail: format!("trained by job {}", job.id),
            };
            audit::record(&shared.db, stop.clone(), &entry).await;
        }
        // Written before it leaves the memory, so that nobody ever sees it as it was.
        write(shared, JobState::Running, &job, stop).await;
    }

    async fn train(
        &self,
        job: TrainJob,
        table: Table,
        is_cancelled: &Arc<AtomicBool>,
        stop: &mut Stop,
    ) -> Ended {
        let shared = &self.shared;
        let told_to_end = || is_cancelled.load(Ordering::Relaxed);
        let asked = &job.detail.asked;
        let request = match request(&job) {
            Ok(request) => request,
            Err(problem) => return Ended::Failed(problem),
        };
        let series = match table {
            Some(series) => Ok(series),
            None => data::gather(&shared.db, &self.history, asked, &told_to_end).await,
        };
        let series = match series {
            Ok(_) if told_to_end() => return Ended::Cancelled,
            Ok(series) => series,
            Err(problem) => return Ended::Failed(problem),
        };
        let mut done = match spawn(shared, &self.trainer, request, series, is_cancelled) {
            Ok(done) => done,
            Err(error) => return Ended::Failed(format!("no thread for it: {error}; try again later")),
        };
        let mut n_written = 0;
        let result = loop {
            tokio::select! {
                result = &mut done => break result,
                () = stop.told() => {
                    is_cancelled.store(true, Ordering::Relaxed);
                    let stopped = || "the server was stopped while it ran; ask for it again".to_owned();
                    return match tokio::time::timeout(LAST_STEP_WAIT, &mut done).await {
                        // It was published in that last step.
                        Ok(Ok(Ok(model))) => Ended::Done(model),
                        _ => Ended::Failed(stopped()),
                    };
                }
                () = tokio::time::sleep(PAUSE) => {
                    let current = shared.queue().running.as_ref().map(|running| running.job.clone());
                    if let Some(job) = current.filter(|job| job.detail.epoch != n_written) {
                        n_written = job.detail.epoch;
                        if let Err(error) = shared.db.update_job(JobState::Running, &job.record()).await {
                            tracing::warn!(error = %chain(&error), "how far a job is could not be written");
                        }
                    }
                }
            }
        };
        match result {
            Ok(Ok(model)) => Ended::Done(model),
            Ok(Err(_)) if told_to_end() => Ended::Cancelled,
            Ok(Err(SeamError::Failed(why))) => {
                // What exactly may name places of the machine.
                tracing::error!(error = why, job = job.id, "a training failed");
                Ended::Failed("the server failed; its log says why, under the id of this job".to_owned())
            }
            Ok(Err(error)) => Ended::Failed(error.to_string()),
            Err(_) => Ended::Failed("it ended by a bug; the log of the server says where".to_owned()),
        }
    }
}

/// How a job ended.
enum Ended {
    Done(NamedRef),
    Failed(String),
    Cancelled,
}

/// The job that has waited longest; it runs from now on.
fn next(shared: &Shared) -> Option<(TrainJob, Table, Arc<AtomicBool>)> {
    let mut queue = shared.queue();
    let Waiting { mut job, table, .. } = queue.waiting.pop_front()?;
    job.state = JobState::Running;
    job.started_at = Some(clock::now());
    let is_cancelled = Arc::new(AtomicBool::new(false));
    queue.running = Some(Running {
        job: job.clone(),
        is_cancelled: Arc::clone(&is_cancelled),
    });
    Some((job, table, is_cancelled))
}

fn request(job: &TrainJob) -> Result<TrainRequest, String> {
    let asked = &job.detail.asked;
    let budget = asked.alarm_budget.as_deref().map(str::parse).transpose();
    Ok(TrainRequest {
        name: job.name.parse().map_err(|error| format!("{error}"))?,
        epochs: asked.epochs.and_then(NonZeroUsize::new),
        window: asked.window.and_then(NonZeroUsize::new),
        alarm_budget: budget
            .map_err(|error: bellwether_core::threshold::budget::AlarmBudgetError| error.to_string())?,
        seed: asked.seed.unwrap_or(SEED),
    })
}

/// Trains on a thread of its own: it computes for long. A panic there ends this job alone: nothing is sent then.
fn spawn(
    shared: &Arc<Shared>,
    trainer: &Arc<dyn Trainer>,
    request: TrainRequest,
    series: Vec<(String, Vec<Frame>)>,
    is_cancelled: &Arc<AtomicBool>,
) -> std::io::Result<oneshot::Receiver<Result<NamedRef, SeamError>>> {
    let (tell, done) = oneshot::channel();
    let (shared, trainer, is_cancelled) = (Arc::clone(shared), Arc::clone(trainer), Arc::clone(is_cancelled));
    let train = move || {
        let mut observe = |progress: TrainProgress| {
            note(&shared, progress);
            if is_cancelled.load(Ordering::Relaxed) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let _ = tell.send(trainer.train(&request, series, &mut observe));
    };
    std::thread::Builder::new()
        .name("training".to_owned())
        .spawn(train)?;
    Ok(done)
}

fn note(shared: &Shared, progress: TrainProgress) {
    let mut queue = shared.queue();
    if progress.losses.is_some() {
        queue.last_loss = progress.losses;
    }
    let Some(running) = &mut queue.running else { return };
    let detail = &mut running.job.detail;
    detail.epoch = progress.epoch;
    detail.epochs = Some(progress.n_epochs);
    if let Some((train_loss, val_loss)) = progress.losses {
        let finite = |loss: f64| Some(loss).filter(|loss| loss.is_finite());
        detail.loss.push(EpochLoss {
            epoch: progress.epoch,
            train_loss: finite(train_loss),
            val_loss: finite(val_loss),
        });
    }
}

fn close(mut job: TrainJob, ended: Ended) -> TrainJob {
    match ended {
        Ended::Done(model) => {
            job.detail.model = Some(model.to_string());
            job.end(JobState::Done, None);
        }
        Ended::Failed(problem) => job.end(JobState::Failed, Some(problem)),
        Ended::Cancelled => job.end(JobState::Cancelled, None),
    }
    job
}

/// Writes a job down, trying again for as long as that may help; `false`: it is in another state by now.
async fn write(shared: &Shared, before: JobState, job: &TrainJob, stop: &Stop) -> bool {
    loop {
        match shared.db.update_job(before, &job.record()).await {
            Ok(is_written) => return is_written,
            Err(error) => {
                tracing::warn!(error = %chain(&error), job = job.id, "a job could not be written");
                if stop.is_told() || !error.is_passing() {
                    return true;
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
