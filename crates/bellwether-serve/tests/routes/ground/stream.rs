//! A stream that somebody follows.

use axum::Router;
use axum::body::{Body, BodyDataStream};
use axum::http::{Request, header};
use bellwether_testkit::peer::PATIENCE;
use futures_util::StreamExt as _;
use tower::ServiceExt as _;

/// A stream that is open: what happens from now on comes.
pub(crate) struct Stream {
    body: BodyDataStream,
    text: String,
}

/// A message of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// Empty where it has none.
    pub(crate) id: String,
    /// What it is.
    pub(crate) kind: String,
    /// What it says.
    pub(crate) data: String,
}

impl Message {
    /// What it says, as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Stream {
    pub(crate) async fn open(router: &Router, path: &str, last_id: Option<&str>) -> Self {
        let mut request = Request::builder()
            .uri(path)
            .header(header::HOST, "localhost")
            .header("x-api-key", "viewer");
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        let request = request.body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        Self {
            body: response.into_body().into_data_stream(),
            text: String::new(),
        }
    }

    /// The next message; comments are passed over.
    pub(crate) async fn next(&mut self) -> Message {
        let next = tokio::time::timeout(PATIENCE, self.message()).await;
        next.expect("a message comes")
    }

    /// The next message for which something holds.
    pub(crate) async fn next_where(&mut self, holds: impl Fn(&Message) -> bool) -> Message {
        loop {
            let message = self.next().await;
            if holds(&message) {
                return message;
            }
        }
    }

    /// The same, to be given up by who waits.
    pub(crate) async fn message(&mut self) -> Message {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let message: String = self.text.drain(..end + 2).collect();
                let field = |name: &str| {
                    let lines = message
                        .lines()
                        .filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                    lines.collect::<Vec<_>>().join("\n")
                };
                if !message.starts_with(':') {
                    return Message {
                        id: field("id"),
                        kind: field("event"),
                        data: field("data"),
                    };
                }
                continue;
            }
            let bytes = self.body.next().await.expect("a stream goes on").unwrap();
            self.text += std::str::from_utf8(&bytes).unwrap();
        }
    }
}
