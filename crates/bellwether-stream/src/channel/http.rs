//! Posting a body to an address, and what its answer means for whoever may try again.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use url::Url;

use super::text::{cut, plain};
use super::{SendError, SpecProblem};
use crate::chain;

/// Bytes of an answer that are read, for the error text.
const ANSWER_BYTES_MAX: usize = 1024;
/// Characters of it that are told.
const ANSWER_CHARS_MAX: usize = 200;

/// One address, and a client for it. Proxies are taken from the environment, but never for this machine itself.
#[derive(Debug)]
pub(super) struct Poster {
    client: Client,
    url: Url,
}

impl Poster {
    /// Will post to `url`; one attempt takes `timeout` at most.
    pub(super) fn new(channel: &str, url: Url, timeout: Duration) -> Result<Self, SpecProblem> {
        let problem = |text: &str| Err(SpecProblem::at(channel, "url", text));
        if !matches!(url.scheme(), "http" | "https") {
            return problem("it must begin with http:// or https://");
        }
        if timeout.is_zero() {
            return Err(SpecProblem::at(
                channel,
                "timeout",
                "it must be longer than nothing",
            ));
        }
        // Refused where there is one already: that is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .timeout(timeout)
            .redirect(Policy::none())
            // Alerts are rare: a connection kept for the next one would be dead by then.
            .pool_max_idle_per_host(0)
            .user_agent(concat!("bellwether/", env!("CARGO_PKG_VERSION")));
        if url.scheme() == "http" {
            // A machine without certificates can do this.
            builder = builder.tls_certs_only([]);
        }
        if url.host_str().is_some_and(is_this_machine) {
            builder = builder.no_proxy();
        }
        match builder.build() {
            Ok(client) => Ok(Self { client, url }),
            Err(error) => problem(&format!(
                "no client for it: {}",
                plain(&chain(&error.without_url()))
            )),
        }
    }

    /// Posts JSON. Taken is what is answered with a status of 200 to 299.
    pub(super) async fn post(&self, headers: HeaderMap, body: Vec<u8>) -> Result<(), SendError> {
        let request = self
            .client
            .post(self.url.clone())
            .header("Content-Type", "application/json")
            .headers(headers)
            .body(body);
        match request.send().await {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(response) => Err(self.refusal(response).await),
            Err(error) => Err(SendError::passing(format!(
                "{} does not answer: {}",
                self.place(),
                plain(&chain(&error.without_url()))
            ))),
        }
    }

    async fn refusal(&self, mut response: Response) -> SendError {
        let status = response.status();
        let mut problem = format!("{} answers {status}", self.place());
        if let Some(wait) = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|wait| wait.to_str().ok())
        {
            problem += &format!(" (try again after {})", cut(&plain(wait), ANSWER_CHARS_MAX));
        }
        if status.is_redirection() {
            problem += ": redirects are not followed, give the address it leads to";
        }
        let mut answer = Vec::new();
        while answer.len() < ANSWER_BYTES_MAX
            && let Ok(Some(bytes)) = response.chunk().await
        {
            answer.extend_from_slice(&bytes[..bytes.len().min(ANSWER_BYTES_MAX - answer.len())]);
        }
        let answer = plain(&String::from_utf8_lossy(&answer));
        if !answer.trim().is_empty() {
            problem += &format!(": {}", cut(answer.trim(), ANSWER_CHARS_MAX));
        }
        SendError {
            problem,
            is_passing: is_passing(status),
        }
    }

    /// Whom an error names: never a path, a query or a user, which may hold secrets.
    fn place(&self) -> String {
        self.url.origin().ascii_serialization()
    }
}

/// Whether the same request may be taken later.
fn is_passing(status: StatusCode) -> bool {
    let later = [
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::TOO_EARLY,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    status.is_server_error() || later.contains(&status)
}

/// Whether a host is the machine that we run on.
pub(super) fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_refusals_pass() {
        let check = |status: u16, expect: bool| {
            assert_eq!(
                is_passing(StatusCode::from_u16(status).unwrap()),
                expect,
                "{status}"
            );
        };
        for status in [408, 425, 429, 500, 502, 503, 504] {
            check(status, true);
        }
        for status in [301, 308, 400, 401, 403, 404, 410, 422] {
            check(status, false);
        }
    }

    #[test]
    fn this_machine_has_many_names() {
        let check = |host: &str, expect: bool| assert_eq!(is_this_machine(host), expect, "{host}");
        check("localhost", true);
        check("127.0.0.1", true);
        check("127.9.9.9", true);
        check("[::1]", true);
        check("localhost.example", false);
        check("10.0.0.1", false);
    }
}
