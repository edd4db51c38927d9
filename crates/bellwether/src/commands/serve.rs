//! `serve`: the live system with a server around it.

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bellwether_serve::access::{Authenticator, Denials, Everybody, Keyed, Rates, SignIns, Verifier};
use bellwether_serve::app::{Control, Limits, Loader, Trainer};
use bellwether_serve::jobs::Jobs;
use bellwether_serve::{App, Board, Changes, Drifts, Gatherer, Judging, Room};
use bellwether_stream::bodies::Bodies;
use bellwether_stream::clock;
use bellwether_stream::listen::{self, Tls};
use bellwether_stream::source::decode::Mapping;
use bellwether_stream::source::http::{HttpSpec, Ingest};
use tokio::net::TcpListener;

use crate::cli::{RegistryArgs, ServeArgs};
use crate::commands;
use crate::commands::live::{Plan, Server, Shared};
use crate::config;
use crate::config::checked::{Checked, ServerSpec};
use crate::failure::Failure;
use crate::output::Output;
use crate::seams::{Bundles, ConfigOrigin, Fitter, Process};
use crate::wiring::{self, Purpose};

/// What samples that come in by the server are counted as.
const SOURCE: &str = "rest";

/// How long the end waits until the audit has who was turned away.
const LAST_WORDS_MAX: Duration = Duration::from_secs(5);

pub(crate) fn run(args: &ServeArgs, output: &Output) -> Result<(), Failure> {
    let server_flags = args.server_flags();
    let plan = Plan {
        config: args.config.as_deref(),
        flags: &args.flags,
        server_flags: &server_flags,
        purpose: Purpose::Serve,
        output,
    };
    let loaded = plan.load()?;
    config::check_certificate(&loaded).map_err(Failure::Configuration)?;
    let place = Place::take(&loaded.checked)?;
    plan.run(loaded, async |checked, shared| {
        start(place, checked, shared, &plan).await.map(Some)
    })
}

/// The address of a server, taken before anything begins to work.
pub(crate) struct Place(std::net::TcpListener);

impl Place {
    /// Takes it.
    ///
    /// # Errors
    /// Where another program has it, or it is none of this machine.
    pub(crate) fn take(checked: &Checked) -> Result<Self, Failure> {
        let listen = checked.server.listen;
        let address = |error: std::io::Error| {
            Failure::message(format!(
                "cannot listen on {listen}: {error}; give another --listen ADDR:PORT"
            ))
        };
        let listener = std::net::TcpListener::bind(listen).map_err(address)?;
        listener.set_nonblocking(true)?;
        Ok(Self(listener))
    }
}

/// Starts the server.
pub(crate) async fn start(
    place: Place,
    checked: &Checked,
    shared: Shared,
    plan: &Plan<'_>,
) -> Result<Server, Failure> {
    let spec = &checked.server;
    let listener = TcpListener::from_std(place.0)?;
    let bound = listener.local_addr()?;
    let tls = match &spec.tls {
        Some(files) => Some(Tls::start(files.clone(), shared.stop.clone())?),
        None => None,
    };
    let app = Arc::new(app(checked, &shared, plan).await?);
    let router = bellwether_serve::router(&app);
    let scheme = if tls.is_some() { "https" } else { "http" };
    tracing::info!(address = %bound, tls = tls.is_some(), keys = spec.has_keys, "listening");
    plan.output.note(&format!("listening on {scheme}://{bound}"));
    if app.authenticator.is_first_start().await.unwrap_or_default() {
        let make = "make a key here, with the --config or --database of the server: \
                    bellwether keys create --name NAME --role admin";
        // The code is for a person at a terminal. What is no terminal is kept, and read by others.
        plan.output.note(&if std::io::stderr().is_terminal() {
            let code = app.sign_ins.new_code();
            format!(
                "nobody can make keys yet; sign in once at {scheme}://{bound}/#code={code} within an hour, or {make}"
            )
        } else {
            format!("nobody can make keys yet; {make}")
        });
    }
    let (timeout, stop) = (spec.timeout, shared.stop.clone());
    Ok(tokio::spawn(async move {
        listen::serve(listener, tls, router, timeout, stop).await;
        app.ingest.close();
        if tokio::time::timeout(LAST_WORDS_MAX, app.denials.written())
            .await
            .is_err()
        {
            tracing::warn!("not all who were turned away are in the audit: the database does not answer");
        }
    }))
}

async fn app(checked: &Checked, shared: &Shared, plan: &Plan<'_>) -> Result<App, Failure> {
    let spec = &checked.server;
    let registry = RegistryArgs {
        registry: checked.registry.clone(),
        trust: checked.trust.clone(),
    };
    let registered = commands::registry(&registry)?;
    let history = checked.settings.history.clone();
    let history = history.ok_or_else(|| Failure::message("a server keeps a history"))?;
    let ingest_spec = HttpSpec {
        name: SOURCE.to_owned(),
        listen: spec.listen,
        body_bytes_max: spec.body_bytes_max,
        timeout: spec.timeout,
        mapping: Mapping {
            timezone: checked.timezone.clone(),
            ..Mapping::default()
        },
    };
    let bodies = Bodies::new(spec.body_bytes_max);
    let ingest = Ingest::new(
        &ingest_spec,
        bodies.clone(),
        shared.inlet.clone(),
        wiring::answers(&shared.db),
        shared.ready.clone(),
        shared.stop.clone(),
    );
    let sign_ins = Arc::<SignIns>::default();
    let authenticator: Arc<dyn Authenticator> = if spec.has_keys {
        Arc::new(Keyed::new(
            Verifier::new(shared.db.clone()),
            Arc::clone(&sign_ins),
        ))
    } else {
        Arc::new(Everybody)
    };
    let loader: Arc<dyn Loader> = Arc::new(Bundles { registry });
    let n_cores = std::thread::available_parallelism().map_or(1, usize::from);
    let judging = Judging::new(registered.clone(), loader, spec.cache_bytes_max, n_cores);
    let trainer: Arc<dyn Trainer> = Arc::new(Fitter {
        registry: registered.clone(),
        n_threads: checked.settings.n_threads,
    });
    let (db, stop) = (shared.db.clone(), shared.stop.clone());
    let control: Arc<dyn Control> = Arc::new(Process {
        reloader: shared.reloader.clone(),
        origin: Arc::new(ConfigOrigin {
            file: plan.config.map(Path::to_owned),
            flags: plan.overrides(),
            in_force: shared.in_force.clone(),
            started: checked.clone(),
        }),
        turn: Default::default(),
    });
    let jobs = Jobs::start(
        db.clone(),
        history.clone(),
        trainer,
        Arc::clone(&control),
        stop.clone(),
    );
    let jobs = jobs.await?;
    let board = Board::start(
        db.clone(),
        history.clone(),
        &shared.committed,
        shared.models.clone(),
        stop.clone(),
    )
    .await?;
    let drifts = Drifts::start(
        db.clone(),
        history.clone(),
        registered.clone(),
        Arc::clone(&board),
        shared.models.clone(),
        stop.clone(),
    );
    Ok(App {
        history,
        registry: registered,
        bodies,
        ingest,
        stats: Arc::clone(&shared.stats),
        is_ready: shared.ready.clone(),
        models: shared.models.clone(),
        committed: shared.committed.clone(),
        gatherer: Gatherer::start(db.clone(), Arc::clone(&board), stop.clone()),
        board,
        drifts,
        changes: Changes::start(db.clone(), &shared.committed, stop.clone()),
        room: Room::new(stop),
        judging,
        jobs,
        control,
        authenticator,
        sign_ins,
        denials: Denials::kept(db.clone()),
        audit: Default::default(),
        rates: Rates::per_minute(spec.rate_per_minute),
        limits: limits(spec),
        started_at: clock::now(),
        started: clock::instant(),
        db,
    })
}

fn limits(spec: &ServerSpec) -> Limits {
    Limits {
        timeout: spec.timeout,
        cache_bytes_max: spec.cache_bytes_max,
        hosts: spec.hosts.clone(),
        is_loopback: spec.listen.ip().is_loopback(),
        is_encrypted: spec.is_encrypted,
        is_behind_proxy: spec.is_behind_proxy,
    }
}
