//! Connections: so many at once, each with little time to say what it wants.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::source::Stop;

/// Connections at once at most; more wait to be accepted.
const CONNECTIONS_MAX: usize = 1024;

/// How long the head of a request may be in coming; also how long a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// A pause where no connection can be accepted, for want of file handles mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop` is told; then lets requests under way end, for at most `timeout`.
pub(super) async fn serve(listener: TcpListener, router: Router, timeout: Duration, mut stop: Stop) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let (stream, place) = tokio::select! {
            biased;
            () = stop.told() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        connections.spawn(connection(stream, router.clone(), stop.clone(), place));
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    // What has not ended by then is broken off with the set.
    let _ = tokio::time::timeout(timeout, async {
        while connections.join_next().await.is_some() {}
    })
    .await;
}

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> (TcpStream, OwnedSemaphorePermit) {
    let place = places
        .clone()
        .acquire_owned()
        .await
        .expect("the places are never closed");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, place),
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, router: Router, mut stop: Stop, place: OwnedSemaphorePermit) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stop.told() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection broke off");
    }
    drop(place);
}
