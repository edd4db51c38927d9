//! MQTT 3.1.1 and 5: quality of service 1, acknowledged by hand after the commit.
//!
//! Messages come in over a `connection`, wait within a bound in the `intake`, are handed over in batches by `gather` and
//! acknowledged by `settle`, in the order in which they came, once their batch is durable. What a lost connection leaves
//! unacknowledged comes again; the judge drops what it has seen.

mod connection;
mod gather;
mod intake;
mod settle;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use rumqttc_v5::valid_filter;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::decode::{Decoder, Mapping};
use super::{Source, SourceError, Stop};
use crate::arrival::Inlet;
use crate::mqtt::{Backoff, Broker, whole_text};
use connection::{Connection, End};

/// Bytes of a topic filter at most, by the protocol.
const FILTER_BYTES_MAX: usize = 65_535;

/// Topic filters at most.
const FILTERS_MAX: usize = 1000;

/// A source that subscribes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MqttSpec {
    /// Its name.
    pub name: String,
    /// The broker.
    pub broker: Broker,
    /// Topic filters: `plant/+/data`.
    pub topics: Vec<String>,
    /// How messages are read.
    pub mapping: Mapping,
}

/// Subscribes to a broker.
#[derive(Debug)]
pub struct MqttSource {
    name: Arc<str>,
    broker: Broker,
    topics: Arc<[String]>,
    decoder: Decoder,
    /// Bytes of messages at most that are not acknowledged yet.
    unsettled_bytes_max: usize,
}

impl MqttSource {
    /// A source that has not connected yet.
    ///
    /// # Errors
    /// [`SourceError::Unusable`] where a topic filter is wrong, or the broker's address, names or files are.
    pub fn new(spec: MqttSpec) -> Result<Self, SourceError> {
        let name: Arc<str> = spec.name.into();
        let unusable = |problem| SourceError::Unusable {
            source_name: Arc::clone(&name),
            problem,
        };
        if spec.topics.is_empty() || spec.topics.len() > FILTERS_MAX {
            let n_topics = spec.topics.len();
            return Err(unusable(format!(
                "{n_topics} topics: name from 1 to {FILTERS_MAX}"
            )));
        }
        for topic in &spec.topics {
            if !valid_filter(topic) || topic.len() > FILTER_BYTES_MAX || topic.contains('\0') {
                return Err(unusable(format!(
                    "topic {topic:?} is no topic filter: + stands for one whole level, # for all that follow, last"
                )));
            }
        }
        spec.broker
            .check()
            .map_err(|error| unusable(whole_text(&error)))?;
        Ok(Self {
            decoder: Decoder::new(Arc::clone(&name), spec.mapping, None),
            name,
            broker: spec.broker,
            topics: spec.topics.into(),
            unsettled_bytes_max: intake::UNSETTLED_BYTES_MAX,
        })
    }

    async fn stay_connected(mut self, inlet: Inlet, mut stop: Stop) {
        let mut backoff = Backoff::new();
        let mut is_subscribed = false;
        while !stop.is_told() {
            let begun = Instant::now();
            let connection = Connection {
                name: &self.name,
                broker: &self.broker,
                topics: &self.topics,
                unsettled_bytes_max: self.unsettled_bytes_max,
                is_subscribed: &mut is_subscribed,
            };
            let wait = match connection.run(&mut self.decoder, &inlet, &mut stop).await {
                End::Stopped => break,
                // The broker sends again what we could not take; there is room now.
                End::Refill => {
                    info!(source = %self.name, "mqtt connection made anew: more was sent than fits");
                    continue;
                }
                End::Lost(problem) => {
                    let wait = backoff.wait(begun.elapsed());
                    let broker = self.broker.shown_url();
                    warn!(source = %self.name, %broker, %problem, retry_in_ms = wait.as_millis(), "mqtt not connected");
                    wait
                }
            };
            tokio::select! {
                () = sleep(wait) => {}
                () = stop.told() => break,
            }
        }
        info!(source = %self.name, "mqtt source stopped");
    }
}

impl Source for MqttSource {
    fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    /// Ends only when `stop` is told or the live system has stopped. There is no position to resume from: the broker
    /// keeps it.
    fn run(
        self: Box<Self>,
        inlet: Inlet,
        _resume: Option<String>,
        stop: Stop,
    ) -> BoxFuture<'static, Result<(), SourceError>> {
        Box::pin(async move {
            self.stay_connected(inlet, stop).await;
            Ok(())
        })
    }
}
