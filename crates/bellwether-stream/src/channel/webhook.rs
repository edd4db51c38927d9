//! A webhook: the JSON that Alertmanager sends to webhooks (version 4), signed.

use std::time::Duration;

use url::Url;

use crate::secret::Secret;

/// Where to post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookSpec {
    /// Its name.
    pub name: String,
    /// `http://…` or `https://…`.
    pub url: Url,
    /// Signs the body: `X-Bellwether-Signature: sha256=<hex of HMAC-SHA256>`.
    pub secret: Option<Secret>,
    /// How long one attempt may take.
    pub timeout: Duration,
}
