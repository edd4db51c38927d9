//! HTTP push: `POST /api/v1/data/batch`, acknowledged after the commit.
//!
//! | answer | means |
//! |---|---|
//! | 200 | all of it is durable; the body says what was taken, what was late, what is in quarantine |
//! | 400 | nothing of it could be decoded; it is in quarantine |
//! | 413, 415, 422 | too large, of a kind that is not read, a key used for another body: sending it again is no use |
//! | 503 | not now, or not known in time whether it became durable: send it again after `Retry-After` |
//!
//! Sending again is safe: samples of an instant that was taken are dropped as duplicates, and a request with an
//! `Idempotency-Key` is answered as it was the first time.

mod body;
mod ingest;
mod keys;
mod lines;
mod pace;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use bellwether_store::database::Answer;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::{Source, SourceError, Stop};
use crate::arrival::Inlet;
use crate::bodies::Bodies;
use crate::listen;

pub use ingest::{ANYBODY, Ingest, router};

/// Samples of one request at most.
pub const REQUEST_LEN_MAX: usize = 50_000;

/// Requests that are worked on at once at most.
pub const REQUESTS_MAX: usize = 256;

/// Streams that are open at once at most. They have places of their own: one that is open for days takes none from
/// those who send and go.
pub const STREAMS_MAX: usize = 256;

/// A source that listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSpec {
    /// Its name.
    pub name: String,
    /// Where; loopback only, until there are keys and TLS.
    pub listen: SocketAddr,
    /// Bytes of a body at most.
    pub body_bytes_max: usize,
    /// How long a request may take, from its head to the commit, before it is answered with 503.
    pub timeout: Duration,
    /// How JSON lines are read.
    pub mapping: super::decode::Mapping,
}

/// Looks up what was answered to a request with this idempotency key.
pub type Answers =
    Arc<dyn Fn(String) -> BoxFuture<'static, Result<Option<Answer>, AnswersUnavailable>> + Send + Sync>;

/// Earlier answers cannot be looked up now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("earlier answers cannot be looked up: {problem}")]
pub struct AnswersUnavailable {
    /// What is wrong.
    pub problem: String,
}

/// A server that takes samples.
pub struct HttpSource {
    name: Arc<str>,
    spec: HttpSpec,
    listener: TcpListener,
    address: SocketAddr,
    answers: Answers,
    is_ready: watch::Receiver<bool>,
}

impl std::fmt::Debug for HttpSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpSource")
            .field("spec", &self.spec)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl HttpSource {
    /// Takes the address; requests wait until the source runs. `is_ready` says whether samples can be judged.
    ///
    /// # Errors
    /// Where the address is not of this machine alone, or is taken.
    pub fn bind(
        spec: HttpSpec,
        answers: Answers,
        is_ready: watch::Receiver<bool>,
    ) -> Result<Self, SourceError> {
        let name: Arc<str> = spec.name.as_str().into();
        if !spec.listen.ip().is_loopback() {
            return Err(SourceError::Unusable {
                problem: format!(
                    "it would listen on {}, where other machines can reach it, and senders need no key yet: listen on \
                     127.0.0.1 or [::1], behind a proxy that asks for keys and speaks TLS",
                    spec.listen
                ),
                source_name: name,
            });
        }
        let failed = |action| {
            let source_name = name.clone();
            move |source| SourceError::Io {
                source_name,
                action,
                source,
            }
        };
        let listener = TcpListener::bind(spec.listen).map_err(failed("listen on its address"))?;
        listener
            .set_nonblocking(true)
            .map_err(failed("listen on its address"))?;
        let address = listener.local_addr().map_err(failed("ask for its own address"))?;
        Ok(Self {
            name,
            spec,
            listener,
            address,
            answers,
            is_ready,
        })
    }

    /// Where it listens: the port that was given where port 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

impl Source for HttpSource {
    fn name(&self) -> Arc<str> {
        self.name.clone()
    }

    fn run(
        self: Box<Self>,
        inlet: Inlet,
        _resume: Option<String>,
        stop: Stop,
    ) -> BoxFuture<'static, Result<(), SourceError>> {
        Box::pin(async move {
            let listener =
                tokio::net::TcpListener::from_std(self.listener).map_err(|source| SourceError::Io {
                    source_name: self.name.clone(),
                    action: "listen on its address",
                    source,
                })?;
            let timeout = self.spec.timeout;
            let bodies = Bodies::new(self.spec.body_bytes_max);
            let ingest = Ingest::new(
                &self.spec,
                bodies,
                inlet,
                self.answers,
                self.is_ready,
                stop.clone(),
            );
            listen::serve(listener, None, router(ingest, timeout), timeout, stop).await;
            Ok(())
        })
    }
}
