//! The ground that tests of routes stand on: a whole service on a temporary folder, its live system running, with toy
//! models in place of networks.
//!
//! A [`Ground`] is made by [`Ground::new`]. Requests go through the router without a socket: [`Ground::send`].

mod answer;
mod seams;
mod stream;
mod toy;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, header};
use bellwether_core::frame::Frame;
use bellwether_serve::access::{Denials, Permission, Rates, SignIns};
use bellwether_serve::app::Limits;
use bellwether_serve::jobs::Jobs;
use bellwether_serve::{App, Board, Changes, Drifts, Gatherer, Judging, Room};
use bellwether_store::bundle::Bundle;
use bellwether_store::database::{Answer as Stored, Database};
use bellwether_store::registry::{Registry, Version};
use bellwether_stream::arrival::Inlet;
use bellwether_stream::bodies::Bodies;
use bellwether_stream::clock;
use bellwether_stream::live::{DeviceRules, Live, LiveError, LiveRules, Models, Outputs, Served, Settings};
use bellwether_stream::patterns::ByDevice;
use bellwether_stream::source::Stop;
use bellwether_stream::source::decode::Mapping;
use bellwether_stream::source::http::{Answers, AnswersUnavailable, HttpSpec, Ingest};
use bellwether_testkit::peer::PATIENCE;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::{Notify, broadcast, mpsc, watch};
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

pub(crate) use answer::Answer;
pub(crate) use seams::{Keys, ToyControl, ToyLoader, ToyTrainer};
pub(crate) use stream::{Message, Stream};
pub(crate) use toy::{CHANNELS, baseline, bundle, csv, detector, plant};

/// Bytes of a body at most.
pub(crate) const BODY_BYTES_MAX: usize = 16 << 20;

/// A service, all of it.
pub(crate) struct Ground {
    /// What the routes share.
    pub(crate) app: Arc<App>,
    /// The routes.
    pub(crate) router: Router,
    /// Makes detectors of bundles; counts how often.
    pub(crate) loader: Arc<ToyLoader>,
    /// Trains toys.
    pub(crate) trainer: Arc<ToyTrainer>,
    /// The process, as far as routes ask for it.
    pub(crate) control: Arc<ToyControl>,
    /// Without it the live system would take no other rules.
    _reload: mpsc::Sender<LiveRules>,
    /// Which model judges which device, as the routes see it.
    pub(crate) models: watch::Sender<Arc<Models>>,
    /// Ends the live system.
    pub(crate) stop: watch::Sender<bool>,
    live: JoinHandle<Result<(), LiveError>>,
    folder: TempDir,
}

impl Ground {
    /// A service with the model `pump@1` in its registry and in service for all devices.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// The same with other bounds.
    pub(crate) async fn with(change: impl FnOnce(&mut Limits)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(folder.path().join("models")).unwrap();
        publish(&registry, "pump", &bundle("pump", 0.99));
        Self::over(folder, registry, change).await
    }

    async fn over(folder: TempDir, registry: Registry, change: impl FnOnce(&mut Limits)) -> Self {
        let url = folder.path().join("live.db").display().to_string();
        let db = Database::open(&url, "default").await.unwrap();

        let (inlet, batches) = Inlet::new(64);
        let (ready, is_ready) = watch::channel(false);
        let (committed, _) = broadcast::channel(256);
        let (reload, reloaded) = mpsc::channel(1);
        let (stop, stopped) = Stop::new();
        let stats = Arc::default();
        let history = folder.path().join("history");
        let served = Served::new("pump@1", Arc::new(detector(0.99))).with_baseline(baseline());
        let rules = LiveRules {
            settings: Settings {
                latency: Duration::from_millis(1),
                history: Some(history.clone()),
                // The plant runs in a time of its own.
                ahead_max: Duration::from_secs(100 * 366 * 86_400),
                ..Settings::default()
            },
            models: Arc::new(ByDevice::all(Some(Arc::new(served)))),
            devices: Arc::new(ByDevice::all(DeviceRules::default())),
        };
        let (models, models_seen) = watch::channel(Arc::clone(&rules.models));
        let live = Live {
            db: db.clone(),
            rules,
            reload: reloaded,
            batches,
            outputs: Outputs::new(Vec::new(), None),
            committed: committed.clone(),
            alerts: Arc::new(Notify::new()),
            ready,
            stats: Arc::clone(&stats),
            stop: stopped.clone(),
        };
        let board = Board::start(
            db.clone(),
            history.clone(),
            &committed,
            models_seen.clone(),
            stopped.clone(),
        )
        .await
        .unwrap();
        let gatherer = Gatherer::start(db.clone(), Arc::clone(&board), stopped.clone());
        let changes = Changes::start(db.clone(), &committed, stopped.clone());
        let drifts = Drifts::start(
            db.clone(),
            history.clone(),
            registry.clone(),
            Arc::clone(&board),
            models_seen.clone(),
            stopped.clone(),
        );
        let live = tokio::spawn(live.run());

        let mut limits = Limits {
            timeout: Duration::from_secs(30),
            cache_bytes_max: 64 << 20,
            hosts: Vec::new(),
            is_loopback: true,
            is_encrypted: false,
            is_behind_proxy: false,
        };
        change(&mut limits);
        let spec = HttpSpec {
            name: "rest".to_owned(),
            listen: ([127, 0, 0, 1], 0).into(),
            body_bytes_max: BODY_BYTES_MAX,
            timeout: limits.timeout,
            mapping: Mapping::default(),
        };
        let loader = Arc::new(ToyLoader::new(registry.clone()));
        let control = Arc::new(ToyControl::default());
        let judging = Judging::new(
            registry.clone(),
            Arc::clone(&loader) as _,
            limits.cache_bytes_max,
            2,
        );
        let trainer = Arc::new(ToyTrainer::new(registry.clone()));
        let jobs = Jobs::start(
            db.clone(),
            history.clone(),
            Arc::clone(&trainer) as _,
            Arc::clone(&control) as _,
            stopped.clone(),
        );
        let jobs = jobs.await.unwrap();
        let bodies = Bodies::new(BODY_BYTES_MAX);
        let app = Arc::new(App {
            ingest: Ingest::new(
                &spec,
                bodies.clone(),
                inlet,
                answers(&db),
                is_ready.clone(),
                stopped.clone(),
            ),
            bodies,
            db,
            history,
            registry: registry.clone(),
            stats,
            is_ready: is_ready.clone(),
            models: models_seen,
            committed,
            board,
            drifts,
            changes,
            gatherer,
            room: Room::new(stopped),
            judging,
            jobs,
            control: Arc::clone(&control) as _,
            authenticator: Arc::new(Keys),
            sign_ins: Arc::new(SignIns::default()),
            denials: Denials::default(),
            audit: Default::default(),
            rates: Rates::per_minute(std::num::NonZeroU32::MAX),
            limits,
            started_at: clock::now(),
            started: clock::instant(),
        });
        let mut is_ready = is_ready;
        is_ready.wait_for(|ready| *ready).await.unwrap();
        Self {
            router: bellwether_serve::router(&app),
            app,
            loader,
            trainer,
            control,
            _reload: reload,
            models,
            stop,
            live,
            folder,
        }
    }

    /// Where everything of this service is kept.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Publishes another version of a model; the first of its name becomes champion.
    pub(crate) fn publish(&self, name: &str, quantile: f64) -> Version {
        publish(&self.app.registry, name, &bundle(name, quantile))
    }

    /// A request as `admin`; a body that is JSON is sent as such.
    pub(crate) async fn send(&self, method: Method, path: &str, body: impl Into<Body>) -> Answer {
        self.send_as("admin", method, path, "application/json", body)
            .await
    }

    /// `GET` as `admin`.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, Body::empty()).await
    }

    /// `POST` of JSON as `admin`.
    pub(crate) async fn post(&self, path: &str, body: &serde_json::Value) -> Answer {
        self.send(Method::POST, path, body.to_string()).await
    }

    /// A request with a key of [`Keys`]: the name of a role, or `NAME:ROLE`.
    pub(crate) async fn send_as(
        &self,
        key: &str,
        method: Method,
        path: &str,
        content_type: &str,
        body: impl Into<Body>,
    ) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "localhost")
            .header("x-api-key", key)
            .header(header::CONTENT_TYPE, content_type)
            .body(body.into())
            .unwrap();
        self.call(request).await
    }

    /// Any request.
    pub(crate) async fn call(&self, request: Request<Body>) -> Answer {
        Answer::of(self.router.clone().oneshot(request).await.unwrap()).await
    }

    /// Sends samples of a device, durable once this returns.
    pub(crate) async fn ingest(&self, device: &str, frame: &Frame) {
        let samples = (0..frame.n_samples()).map(|row| {
            let sample = frame.sample(row);
            let values: serde_json::Map<_, _> = CHANNELS
                .iter()
                .zip(sample.values)
                .map(|(name, value)| ((*name).to_owned(), (*value).into()))
                .collect();
            serde_json::json!({ "device": device, "timestamp": sample.time.to_string(), "values": values })
        });
        let body = serde_json::Value::Array(samples.collect());
        let answer = self.post("/api/v1/data/batch", &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// Ends the live system and waits until it has.
    pub(crate) async fn end(self) {
        self.ended().await;
    }

    /// Ends, and begins again with what it kept.
    pub(crate) async fn restart(self) -> Self {
        let registry = self.app.registry.clone();
        let folder = self.ended().await;
        Self::over(folder, registry, |_| {}).await
    }

    async fn ended(self) -> TempDir {
        let _ = self.stop.send(true);
        self.live.abort();
        let _ = self.live.await;
        self.folder
    }
}

fn publish(registry: &Registry, name: &str, bundle: &Bundle) -> Version {
    let summary = serde_json::json!({ "architecture": "toy", "channels": CHANNELS });
    let name = name.parse().unwrap();
    registry.publish(&name, bundle, summary, clock::now()).unwrap()
}

fn answers(db: &Database) -> Answers {
    let db = db.clone();
    Arc::new(move |key: String| {
        let db = db.clone();
        Box::pin(async move {
            let found = db.answer(&key).await.map_err(|error| AnswersUnavailable {
                problem: error.to_string(),
            })?;
            Ok(found.map(|given| Stored {
                key,
                body_hash: given.body_hash,
                answer: given.answer,
            }))
        })
    })
}

/// That a role without `permission` is refused, and one with it is not.
pub(crate) async fn assert_guarded(ground: &Ground, permission: Permission, method: Method, path: &str) {
    for role in bellwether_serve::access::Role::ALL {
        let answer = ground
            .send_as(
                role.word(),
                method.clone(),
                path,
                "application/json",
                Body::empty(),
            )
            .await;
        assert_eq!(
            answer.status != 403,
            role.may(permission),
            "{role:?} {method} {path}"
        );
    }
    let answer = ground
        .send_as("", method.clone(), path, "application/json", Body::empty())
        .await;
    assert_eq!(answer.status, 401, "{method} {path} without a key");
}

/// Rows `from..to` of a frame.
pub(crate) fn part(frame: &Frame, from: usize, to: usize) -> Frame {
    frame.slice(from..to).unwrap()
}

/// Waits until what is at a path is so.
pub(crate) async fn eventually(ground: &Ground, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let asked = async {
        loop {
            let answer = ground.get(path).await;
            if answer.status == 200 && is_so(&answer.json()) {
                return answer.json();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(found) => found,
        Err(_) => panic!("{path} never was so: {}", ground.get(path).await.text()),
    }
}
