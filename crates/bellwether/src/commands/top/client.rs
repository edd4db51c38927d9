//! Asking a server how it is.

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use bellwether_store::disk;
use bellwether_stream::secret::Secret;
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::failure::{Failure, chain};

/// The environment variable with the key.
const KEY_VARIABLE: &str = "BELLWETHER_KEY";

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Devices that are asked for: those with events, then those with the highest scores.
const DEVICES_MAX: usize = 500;

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Status {
    pub(super) version: String,
    pub(super) is_ready: bool,
    pub(super) uptime_s: f64,
    pub(super) devices: Counts,
    pub(super) samples: Samples,
    pub(super) lag_p50_s: Option<f64>,
    pub(super) lag_p99_s: Option<f64>,
    pub(super) waiting_batches: u64,
    pub(super) failed_commits: u64,
    pub(super) events_open: u64,
    pub(super) models: Vec<String>,
    pub(super) memory_bytes: Option<u64>,
}

/// Devices by state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Counts {
    pub(super) total: u64,
    pub(super) normal: u64,
    pub(super) event: u64,
    pub(super) silent: u64,
    pub(super) warming: u64,
}

/// What became of samples since the start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Samples {
    pub(super) accepted: u64,
    pub(super) duplicate: u64,
    pub(super) late: u64,
    pub(super) quarantined: u64,
    pub(super) judged: u64,
}

/// A device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Device {
    pub(super) device: String,
    pub(super) model: Option<String>,
    pub(super) state: String,
    pub(super) last_time: Option<String>,
    pub(super) score: Option<f64>,
    pub(super) worst: Option<Worst>,
    #[serde(default)]
    pub(super) sparkline: Vec<Option<f64>>,
}

/// The highest score of late.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Worst {
    pub(super) score: f64,
    pub(super) time: String,
}

/// A server at one moment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Look {
    pub(super) status: Status,
    pub(super) devices: Vec<Device>,
}

/// Asks one server.
#[derive(Debug, Clone)]
pub(super) struct Client {
    url: Url,
    key: Option<Secret>,
    http: reqwest::Client,
}

#[derive(Deserialize)]
struct Devices {
    devices: Vec<Device>,
}

impl Client {
    /// A client of the server at `url`, with the key of the environment or of a file.
    ///
    /// # Errors
    /// Where the address is none, or the file with the key cannot be read.
    pub(super) fn new(url: &str, key_file: Option<&Path>) -> Result<Self, Failure> {
        let text = if url.contains("://") {
            url.to_owned()
        } else {
            format!("http://{url}")
        };
        let url: Url = text
            .parse()
            .ok()
            .filter(|url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| {
                Failure::Usage(format!(
                    "{url:?} is no address of a server; wanted such as http://127.0.0.1:8080"
                ))
            })?;
        let key = match key_file {
            Some(path) => {
                let bytes = disk::read_bounded(path, 4096)?;
                Some(String::from_utf8_lossy(&bytes).trim().to_owned())
            }
            None => std::env::var(KEY_VARIABLE).ok(),
        };
        // Another part of the program may have installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self {
            url,
            key: key.filter(|key| !key.is_empty()).map(Secret::new),
            http: reqwest::Client::builder().timeout(PATIENCE).build()?,
        })
    }

    /// Asks once.
    ///
    /// # Errors
    /// Where the server does not answer as it should, in words for people.
    pub(super) async fn look(&self) -> Result<Look, Failure> {
        let status = self.get("api/v1/status").await?;
        let devices: Devices = self
            .get(&format!("api/v1/devices?sort=worst&limit={DEVICES_MAX}"))
            .await?;
        Ok(Look {
            status,
            devices: devices.devices,
        })
    }

    /// Asks again and again; what fails is told, and asked again.
    pub(super) fn follow(
        self,
        runtime: &tokio::runtime::Runtime,
        every: Duration,
    ) -> mpsc::Receiver<Result<Look, String>> {
        let (tell, told) = mpsc::channel();
        runtime.spawn(async move {
            loop {
                let look = self.look().await.map_err(|failure| failure.text());
                if tell.send(look).is_err() {
                    return;
                }
                tokio::time::sleep(every).await;
            }
        });
        told
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let mut request = self.http.get(self.url.join(path)?);
        if let Some(key) = &self.key {
            request = request.bearer_auth(key.reveal());
        }
        let answer = request
            .send()
            .await
            .map_err(|error| Failure::message(format!("{} does not answer: {}", self.url, chain(&error))))?;
        match answer.status() {
            StatusCode::OK => answer.json().await.map_err(|error| {
                Failure::message(format!(
                    "{} is no server of bellwether: {}",
                    self.url,
                    chain(&error)
                ))
            }),
            StatusCode::UNAUTHORIZED => Err(Failure::message(format!(
                "{} asks for a key: set {KEY_VARIABLE} or give --key-file FILE; `bellwether keys create --role viewer` \
                 makes one",
                self.url
            ))),
            status => Err(Failure::message(format!(
                "{} answers {status} to /{path}",
                self.url
            ))),
        }
    }
}
