//! Where live samples go: stdout, the ingest of a server over HTTP, or a broker over MQTT.
//!
//! Nothing is lost that a receiver does not take at once: what it refuses for the moment, or does not answer, is sent again
//! until it is taken or somebody presses Ctrl-C. A receiver of ours drops what it has seen already.

use std::io::{self, BufWriter, Stdout, Write};
use std::ops::{ControlFlow, Range};
use std::time::Duration;

use bellwether_stream::mqtt::publisher::{Publisher, Quality};
use bellwether_stream::mqtt::{Broker, MqttVersion};
use bellwether_stream::secret::Secret;
use futures_util::future::join_all;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use serde_json::Value;
use tokio::runtime::Runtime;
use url::Url;

use super::live::Clock;
use crate::failure::{Failure, chain};

/// Rows that go out together at most.
pub(super) const BATCH_ROWS_MAX: usize = 1000;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the ingest of a server is, if the address names only the server.
const INGEST: &str = "/api/v1/data/batch";

/// The environment variable with the key of the server.
const KEY_VARIABLE: &str = "BELLWETHER_KEY";

/// What stands for the name of the device in a topic.
const DEVICE: &str = "{device}";

const WANTED: &str = "wanted - (stdout), http[s]://HOST:PORT (the ingest of `serve` or `stream`), or mqtt[s]://[USER@]HOST[:PORT]/TOPIC, \
                      in which {device} stands for the name of the device";

/// Rows that are due.
#[derive(Debug)]
pub(super) struct Batch {
    text: String,
    /// Of each row its device and its place in the text.
    rows: Vec<(usize, Range<usize>)>,
}

impl Batch {
    /// A batch of no rows whose text begins with `head`.
    pub(super) fn headed(head: String) -> Self {
        Self {
            text: head,
            rows: Vec::new(),
        }
    }

    /// Adds a row that `write` appends to the text, its end of line included.
    pub(super) fn add(&mut self, device_idx: usize, write: impl FnOnce(&mut String)) {
        let begin = self.text.len();
        write(&mut self.text);
        self.rows.push((device_idx, begin..self.text.len()));
    }

    pub(super) fn n_rows(&self) -> usize {
        self.rows.len()
    }

    fn clear(&mut self) {
        self.text.clear();
        self.rows.clear();
    }
}

/// Where rows go.
pub(super) enum Sink {
    Stdout(BufWriter<Stdout>),
    Http(Http),
    Mqtt(Mqtt),
}

impl Sink {
    /// The sink at an address of the command line.
    pub(super) fn open(address: &str, devices: Vec<String>) -> Result<Self, Failure> {
        if address == "-" {
            return Ok(Self::Stdout(BufWriter::new(io::stdout())));
        }
        // The address is not quoted: people put passwords where they should not.
        let refuse = |problem: &str| Failure::Usage(format!("--to: {problem}"));
        let url: Url = address
            .parse()
            .ok()
            .filter(Url::has_host)
            .ok_or_else(|| refuse(WANTED))?;
        match url.scheme() {
            "http" | "https" => Ok(Self::Http(Http::new(url)?)),
            "mqtt" | "mqtts" => Ok(Self::Mqtt(Mqtt::new(&url, devices)?)),
            _ => Err(refuse(WANTED)),
        }
    }

    /// How it is called in messages.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Stdout(_) => "stdout".to_owned(),
            Self::Http(http) => http.shown.clone(),
            Self::Mqtt(mqtt) => mqtt.shown.clone(),
        }
    }

    /// Whether it takes rows as JSON alone.
    pub(super) fn wants_json(&self) -> bool {
        !matches!(self, Self::Stdout(_))
    }

    /// Hands over the rows and forgets them; breaks where Ctrl-C, or a reader that has gone, came first.
    pub(super) fn send(&mut self, batch: &mut Batch, clock: &Clock) -> Result<ControlFlow<()>, Failure> {
        if batch.text.is_empty() {
            return Ok(ControlFlow::Continue(()));
        }
        let flow = match self {
            Self::Stdout(out) => match out.write_all(batch.text.as_bytes()).and_then(|()| out.flush()) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
                Err(error) => Err(error.into()),
                Ok(()) => Ok(ControlFlow::Continue(())),
            },
            Self::Http(http) => http.send(&batch.text, clock),
            Self::Mqtt(mqtt) => mqtt.send(batch, clock),
        };
        batch.clear();
        flow
    }
}

/// What became of one try.
enum Tried {
    Taken,
    /// Not now; again after so long.
    Later(Duration),
    Refused(String),
}

/// The ingest of a server.
pub(super) struct Http {
    url: Url,
    shown: String,
    key: Option<Secret>,
    client: reqwest::Client,
    runtime: Runtime,
}

impl Http {
    fn new(mut url: Url) -> Result<Self, Failure> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Failure::Usage(format!(
                "--to: an address holds no key: set {KEY_VARIABLE} to the key of the server"
            )));
        }
        if matches!(url.path(), "" | "/") {
            url.set_path(INGEST);
        }
        // Installing a second time is refused, and the first will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .build()
            .map_err(|error| Failure::message(format!("no client for HTTP: {}", chain(&error))))?;
        let key = std::env::var(KEY_VARIABLE).ok().filter(|key| !key.is_empty());
        Ok(Self {
            shown: url.to_string(),
            url,
            key: key.map(Secret::new),
            client,
            runtime: runtime()?,
        })
    }

    fn send(&self, text: &str, clock: &Clock) -> Result<ControlFlow<()>, Failure> {
        until_taken(clock, || self.runtime.block_on(self.try_once(text)), &self.shown)
    }

    async fn try_once(&self, text: &str) -> Tried {
        let mut request = self.client.post(self.url.clone());
        if let Some(key) = &self.key {
            request = request.bearer_auth(key.reveal());
        }
        let request = request
            .header(CONTENT_TYPE, "application/x-ndjson")
            .body(text.to_owned());
        let answer = match request.send().await {
            Ok(answer) => answer,
            // Whether it was taken is not known; sending it again does no harm.
            Err(_) => return Tried::Later(Duration::from_secs(1)),
        };
        let status = answer.status();
        if status.is_success() {
            return Tried::Taken;
        }
        let wait = answer
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let is_passing = matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS
                | StatusCode::REQUEST_TIMEOUT
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT
        );
        if is_passing {
            return Tried::Later(Duration::from_secs(wait.unwrap_or(1)));
        }
        let body = answer.text().await.unwrap_or_default();
        let problem: Option<String> = serde_json::from_str::<Value>(&body).ok().and_then(|problem| {
            let said = problem.get("detail").or_else(|| problem.get("title"))?;
            Some(format!(": {}", said.as_str()?))
        });
        let hint = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                format!("; set {KEY_VARIABLE} to a key that may send data")
            }
            _ => String::new(),
        };
        Tried::Refused(format!("{status}{}{hint}", problem.unwrap_or_default()))
    }
}

/// A broker.
pub(super) struct Mqtt {
    publisher: Publisher,
    shown: String,
    /// The topic of each device.
    topics: Vec<String>,
    runtime: Runtime,
}

impl Mqtt {
    fn new(url: &Url, devices: Vec<String>) -> Result<Self, Failure> {
        let refuse = |problem: String| Failure::Usage(format!("--to: {problem}"));
        if url.password().is_some() {
            return Err(refuse(
                "an address holds no password: write password_env=NAME behind a ?".to_owned(),
            ));
        }
        // Braces come back from an address as percent signs.
        let topic = url
            .path()
            .trim_start_matches('/')
            .replace("%7B", "{")
            .replace("%7D", "}");
        if topic.is_empty() || topic.contains(['+', '#']) {
            return Err(refuse(format!(
                "a topic is wanted behind the host, without + and #: {}://HOST/plant/{DEVICE}/data",
                url.scheme()
            )));
        }
        let mut version = MqttVersion::V5;
        let mut password = None;
        for (key, value) in url.query_pairs() {
            match (key.as_ref(), value.as_ref()) {
                ("password_env", name) => {
                    let set = std::env::var(name).map_err(|_| {
                        refuse(format!(
                            "the variable {name} of password_env is not set, or is no text"
                        ))
                    })?;
                    password = Some(Secret::new(set));
                }
                ("version", "3.1.1") => version = MqttVersion::V4,
                ("version", "5") => version = MqttVersion::V5,
                _ => {
                    return Err(refuse(
                        "behind the ? stand version=3.1.1 or 5, and password_env=NAME; nothing else"
                            .to_owned(),
                    ));
                }
            }
        }
        let username = Some(url.username().to_owned()).filter(|name| !name.is_empty());
        let mut place = url.clone();
        place.set_path("");
        place.set_query(None);
        place.set_fragment(None);
        // Fails only for addresses without a host.
        let _ = place.set_username("");
        let shown = format!("{place}/{topic}");
        let broker = Broker {
            url: place,
            version,
            client_id: format!("bellwether-generate-{}", std::process::id()),
            username,
            password,
            ca_file: None,
            client_cert: None,
        };
        let publisher =
            Publisher::new(broker, Quality::AtLeastOnce).map_err(|error| refuse(chain(&error)))?;
        Ok(Self {
            publisher,
            shown,
            topics: devices
                .iter()
                .map(|device| topic.replace(DEVICE, device))
                .collect(),
            runtime: runtime()?,
        })
    }

    fn send(&self, batch: &Batch, clock: &Clock) -> Result<ControlFlow<()>, Failure> {
        // Those that the broker has already are not sent again.
        let mut left: Vec<&(usize, Range<usize>)> = batch.rows.iter().collect();
        let publish = || {
            let all = left.iter().map(|(device_idx, place)| {
                let payload = batch.text[place.clone()].trim_end().as_bytes().to_vec();
                self.publisher
                    .publish(self.topics[*device_idx].clone(), payload, false)
            });
            // Without the scheduler's limit on how much one task may do at a time, which would let a message overtake another.
            let outcomes = self.runtime.block_on(tokio::task::unconstrained(join_all(all)));
            let mut outcomes = outcomes.into_iter();
            let mut refusal = None;
            left.retain(|_| match outcomes.next() {
                Some(Err(error)) => {
                    if !error.is_passing() {
                        refusal = Some(chain(&error));
                    }
                    true
                }
                _ => false,
            });
            match refusal {
                Some(problem) => Tried::Refused(problem),
                None if left.is_empty() => Tried::Taken,
                None => Tried::Later(Duration::from_secs(1)),
            }
        };
        until_taken(clock, publish, &self.shown)
    }
}

/// Tries until the receiver has it or will never take it; breaks on Ctrl-C.
fn until_taken(
    clock: &Clock,
    mut try_once: impl FnMut() -> Tried,
    receiver: &str,
) -> Result<ControlFlow<()>, Failure> {
    /// A receiver that asks for more patience is asked again all the same.
    const WAIT_MAX: Duration = Duration::from_secs(60);
    loop {
        match try_once() {
            Tried::Taken => return Ok(ControlFlow::Continue(())),
            Tried::Refused(problem) => {
                return Err(Failure::message(format!(
                    "{receiver} does not take the samples: {problem}"
                )));
            }
            Tried::Later(wait) => {
                if clock.pause(wait.min(WAIT_MAX)).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
    }
}

/// One thread beside ours: the connection lives on while we wait for the next sample.
fn runtime() -> Result<Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    runtime.map_err(|error| Failure::message(format!("cannot start threads: {error}")))
}
