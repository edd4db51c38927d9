//! `serve`: the live system with a server around it.

use std::path::Path;
use std::sync::Arc;

use bellwether_serve::App;
use bellwether_serve::access::{Denials, Everybody, Rates};
use bellwether_serve::app::Limits;
use bellwether_serve::jobs::Jobs;
use bellwether_stream::clock;
use bellwether_stream::listen::{self, Tls};
use bellwether_stream::source::http::{HttpSpec, Ingest};
use tokio::net::TcpListener;

use crate::cli::{RegistryArgs, ServeArgs};
use crate::commands::live::{Plan, Server, Shared};
use crate::config::checked::{Checked, ServerSpec};
use crate::failure::Failure;
use crate::output::Output;
use crate::seams::{Bundles, Fitter, Process};
use crate::wiring::{self, Purpose};

/// What samples that come in by the server are counted as.
const SOURCE: &str = "rest";

pub(crate) fn run(args: &ServeArgs, output: &Output) -> Result<(), Failure> {
    let server_flags = args.server_flags();
    let plan = Plan {
        config: args.config.as_deref(),
        flags: &args.flags,
        server_flags: &server_flags,
        purpose: Purpose::Serve,
        output,
    };
    let checked = plan.load()?;
    plan.run(checked, async |checked, shared| {
        start(checked, shared, &plan).await.map(Some)
    })
}

/// Starts the server: it takes its address before anything else begins to work.
pub(crate) async fn start(checked: &Checked, shared: Shared, plan: &Plan<'_>) -> Result<Server, Failure> {
    let spec = &checked.server;
    let address = |error: std::io::Error| {
        Failure::message(format!(
            "cannot listen on {}: {error}; give another --listen ADDR:PORT",
            spec.listen
        ))
    };
    let listener = TcpListener::bind(spec.listen).await.map_err(address)?;
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
    let (timeout, stop) = (spec.timeout, shared.stop.clone());
    Ok(tokio::spawn(async move {
        listen::serve(listener, tls, router, timeout, stop).await;
        app.ingest.close();
    }))
}

async fn app(checked: &Checked, shared: &Shared, plan: &Plan<'_>) -> Result<App, Failure> {
    let spec = &checked.server;
    let registry = RegistryArgs {
        registry: checked.registry.clone(),
    };
    let ingest_spec = HttpSpec {
        name: SOURCE.to_owned(),
        listen: spec.listen,
        body_bytes_max: spec.body_bytes_max,
        timeout: spec.timeout,
        mapping: Default::default(),
    };
    let ingest = Ingest::new(
        &ingest_spec,
        shared.inlet.clone(),
        wiring::answers(&shared.db),
        shared.ready.clone(),
    );
    let history = checked.settings.history.clone();
    let history = history.ok_or_else(|| Failure::message("a server keeps a history"))?;
    let models = crate::commands::registry(&registry)?;
    let trainer = Arc::new(Fitter {
        registry: models.clone(),
        n_threads: checked.settings.n_threads,
    });
    let (db, stop) = (shared.db.clone(), shared.stop.clone());
    let jobs = Jobs::start(db, history.clone(), trainer.clone(), stop).await?;
    Ok(App {
        db: shared.db.clone(),
        history,
        registry: models,
        ingest,
        stats: Arc::clone(&shared.stats),
        is_ready: shared.ready.clone(),
        models: shared.models.clone(),
        committed: shared.committed.clone(),
        loader: Arc::new(Bundles { registry }),
        trainer,
        jobs,
        control: Arc::new(Process {
            reloader: shared.reloader.clone(),
            file: plan.config.map(Path::to_owned),
            flags: plan.overrides(),
            turn: Default::default(),
        }),
        authenticator: Arc::new(Everybody),
        sign_ins: Arc::default(),
        denials: Denials::default(),
        rates: Rates::default(),
        limits: limits(spec),
        started_at: clock::now(),
        started: clock::instant(),
    })
}

fn limits(spec: &ServerSpec) -> Limits {
    Limits {
        body_bytes_max: spec.body_bytes_max,
        timeout: spec.timeout,
        cache_bytes_max: spec.cache_bytes_max,
        hosts: spec.hosts.clone(),
        is_loopback: spec.listen.ip().is_loopback(),
        is_encrypted: spec.is_encrypted,
    }
}
