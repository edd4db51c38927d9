//! When an alert fires, and how often it is told.

use std::time::Duration;

use url::Url;

/// When and how alerts are told; one for each device pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertRules {
    /// An alert is pending for this long, by the clock of this machine, before it fires; an event that ends before is
    /// never told.
    pub hold: Duration,
    /// Events below this severity, from 0 to 100, stay pending.
    pub severity_min: f64,
    /// The alert stays until it is acknowledged, also where its cause is over.
    pub latch: bool,
    /// A firing alert that nobody acknowledged is told again after this time.
    pub repeat: Option<Duration>,
    /// Channels that are told; `None`: all.
    pub channels: Option<Vec<String>>,
}

/// How messages are sent.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryRules {
    /// First wait after a failure; doubles up to `backoff_max`.
    pub backoff_min: Duration,
    /// Longest wait between attempts.
    pub backoff_max: Duration,
    /// A message that has not arrived after this time is a dead letter.
    pub give_up_after: Duration,
    /// Address of links for feedback: `<base>/alerts/<id>/feedback/<verdict>`.
    pub link_base: Option<Url>,
}

impl Default for AlertRules {
    fn default() -> Self {
        Self {
            hold: Duration::ZERO,
            severity_min: 0.0,
            latch: false,
            repeat: Some(Duration::from_secs(4 * 3600)),
            channels: None,
        }
    }
}

impl Default for DeliveryRules {
    fn default() -> Self {
        Self {
            backoff_min: Duration::from_secs(1),
            backoff_max: Duration::from_secs(60),
            give_up_after: Duration::from_secs(3 * 24 * 3600),
            link_base: None,
        }
    }
}
