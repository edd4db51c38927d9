//! What goes on for long ends with the key that began it.

use std::io;
use std::sync::Arc;
use std::task::Poll;

use axum::body::{Body, HttpBody as _};
use futures_util::future::BoxFuture;
use futures_util::{StreamExt as _, stream};
use tokio::sync::broadcast;

/// Words that wait for a stream at most; one that has missed some ends, and its client comes in anew.
const WORDS_MAX: usize = 256;

/// Tells whose time is over: those of a key, or those who came without one.
#[derive(Debug, Clone)]
pub(super) struct Farewells(broadcast::Sender<Option<Arc<str>>>);

impl Default for Farewells {
    fn default() -> Self {
        Self(broadcast::Sender::new(WORDS_MAX))
    }
}

impl Farewells {
    pub(super) fn tell(&self, key_id: Option<&str>) {
        // Nobody may be listening.
        let _ = self.0.send(key_id.map(Arc::from));
    }

    pub(super) fn listen(&self) -> Listening {
        Listening(self.0.subscribe())
    }
}

/// The ear of one who goes on for long.
pub(super) struct Listening(broadcast::Receiver<Option<Arc<str>>>);

impl Listening {
    /// Waits until those of that key are told that their time is over, or may have been.
    pub(super) async fn told(&mut self, key_id: Option<&str>) {
        while let Ok(whose) = self.0.recv().await {
            if whose.as_deref() == key_id {
                return;
            }
        }
    }
}

/// The body, broken off once `over` is there. A body that is whole already goes out as it is.
pub(super) fn until(body: Body, over: impl FnOnce() -> BoxFuture<'static, ()>) -> Body {
    if body.size_hint().exact().is_some() {
        return body;
    }
    let mut over = Some(over());
    let mut parts = body.into_data_stream();
    Body::from_stream(stream::poll_fn(move |context| {
        match over.as_mut().map(|over| over.as_mut().poll(context)) {
            Some(Poll::Pending) => parts.poll_next_unpin(context).map_err(io::Error::other),
            Some(Poll::Ready(())) => {
                over = None;
                Poll::Ready(Some(Err(io::Error::other("the key lets nobody in any more"))))
            }
            None => Poll::Ready(None),
        }
    }))
}
