//! One connection to a broker, in either protocol. Lost is lost: a connection is never repaired, the next one is a link
//! of its own, so that nothing of the old one (packet numbers above all) can reach the broker through it.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::{Broker, BrokerError, MqttVersion, v4, v5};

/// Seconds after which a silent connection is asked whether it is alive.
pub(super) const KEEP_ALIVE_SECS: u16 = if cfg!(test) { 2 } else { 30 };

/// Without any sign of life for this long, our own questions included, a connection counts as lost.
const SILENCE_MAX: Duration = Duration::from_secs(90);

/// Messages at most that a broker sends before we acknowledge one; MQTT 5 only, 3.1.1 cannot say it.
pub(super) const RECEIVE_MAX: u16 = 2048;

/// Seconds for which the broker keeps the place of a source that is gone: a week.
pub(super) const SESSION_KEPT_SECS: u32 = 7 * 24 * 3600;

/// Acknowledgements or messages that wait to be written.
pub(super) const REQUESTS_MAX: usize = 1024;

/// Packets written at most before they are flushed.
pub(super) const WRITES_MAX: usize = 256;

/// How long a goodbye waits for what is under way.
pub(super) const GOODBYE: Duration = Duration::from_secs(1);

/// What the broker is to remember of us between connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Session {
    /// Subscriptions, and messages that we have not acknowledged.
    Kept,
    /// Nothing.
    Clean,
}

/// Writes to a connection.
#[derive(Debug, Clone)]
pub(crate) enum Client {
    V4(rumqttc_v4::AsyncClient),
    V5(rumqttc_v5::AsyncClient),
}

/// Drives a connection: must be asked for what happens all the time, else nothing is written, not even a sign of life.
pub(crate) enum Link {
    V4(Box<rumqttc_v4::EventLoop>),
    V5(Box<rumqttc_v5::EventLoop>),
}

/// What happens on a connection.
#[derive(Debug)]
pub(crate) enum Happening {
    /// The broker has taken us, and remembers us or not.
    Connected { has_session: bool },
    /// The broker has answered a subscription: for each topic filter in order, why it was refused.
    Subscribed(Vec<Option<String>>),
    /// A message.
    Message(Message),
    /// The rest of the protocol.
    Other,
}

/// A message that came.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) payload: Bytes,
    /// What takes it off the broker; `None`: quality of service 0, nobody waits for that.
    pub(crate) ack: Option<Ack>,
}

/// The broker's number for a message, by which it is acknowledged; good for the connection on which it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ack(pub(super) u16);

/// How safely a message is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Quality {
    /// Quality of service 0: written, and forgotten.
    AtMostOnce,
    /// Quality of service 1: the broker says that it has it.
    #[default]
    AtLeastOnce,
}

/// A message on its way to the broker.
pub(crate) enum Sent {
    V4(rumqttc_v4::PublishNotice),
    V5(rumqttc_v5::PublishNotice),
}

/// Why a connection is over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// The broker does not want us.
    #[error("the broker refuses us: {reason}")]
    Refused { reason: String },
    /// It was there, or might have been, and is not.
    #[error("{reason}")]
    Lost { reason: String },
    /// Not a word, not even an answer to ours.
    #[error("no sign of life for {} s", SILENCE_MAX.as_secs())]
    Silent,
    /// We said goodbye.
    #[error("disconnected")]
    Over,
}

/// The connection took no more orders.
#[derive(Debug, thiserror::Error)]
#[error("the connection is over")]
pub(crate) struct Closed;

/// Why a message did not arrive.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotSent {
    /// The connection was lost before the broker said that it has the message: perhaps it has.
    #[error("the connection was lost")]
    Lost,
    /// The broker does not take it.
    #[error("the broker refuses the message: {reason}")]
    Refused { reason: String, is_passing: bool },
}

/// Prepares a connection; the first [`Link::next`] connects.
///
/// # Errors
/// [`BrokerError`] where the broker is not described well, or a file of certificates is gone.
pub(crate) fn open(broker: &Broker, session: Session) -> Result<(Client, Link), BrokerError> {
    let target = broker.target()?;
    Ok(match broker.version {
        MqttVersion::V4 => {
            let (client, link) = v4::open(broker, target, session);
            (Client::V4(client), Link::V4(Box::new(link)))
        }
        MqttVersion::V5 => {
            let (client, link) = v5::open(broker, target, session);
            (Client::V5(client), Link::V5(Box::new(link)))
        }
    })
}

#[cfg(test)]
impl Ack {
    pub(crate) fn test(number: u16) -> Self {
        Self(number)
    }
}

impl Link {
    /// The next thing that happens.
    ///
    /// # Errors
    /// [`LinkError`]: the connection is over, and this link with it.
    pub(crate) async fn next(&mut self) -> Result<Happening, LinkError> {
        let next = async {
            match self {
                Self::V4(link) => v4::next(link).await,
                Self::V5(link) => v5::next(link).await,
            }
        };
        timeout(SILENCE_MAX, next).await.map_err(|_| LinkError::Silent)?
    }
}

impl Client {
    /// Asks for messages; the answer is [`Happening::Subscribed`].
    pub(crate) async fn subscribe(&self, topics: &[String]) -> Result<(), Closed> {
        match self {
            Self::V4(client) => client
                .subscribe_many(topics.iter().map(|topic| v4::filter(topic)))
                .await
                .ok(),
            Self::V5(client) => client
                .subscribe_many(topics.iter().map(|topic| v5::filter(topic)))
                .await
                .ok(),
        }
        .ok_or(Closed)
    }

    /// Takes a message off the broker; written a moment later.
    pub(crate) async fn acknowledge(&self, ack: Ack) -> Result<(), Closed> {
        match self {
            Self::V4(client) => client.manual_ack(v4::puback(ack)).await.ok(),
            Self::V5(client) => client.manual_ack(v5::puback(ack)).await.ok(),
        }
        .ok_or(Closed)
    }

    /// Publishes; waits only for room among what waits to be written.
    pub(crate) async fn publish(
        &self,
        topic: &str,
        payload: Bytes,
        quality: Quality,
        retain: bool,
    ) -> Result<Sent, NotSent> {
        match self {
            Self::V4(client) => v4::publish(client, topic, payload, quality, retain)
                .await
                .map(Sent::V4),
            Self::V5(client) => v5::publish(client, topic, payload, quality, retain)
                .await
                .map(Sent::V5),
        }
    }

    /// Says goodbye after all that was ordered before; what the broker keeps for us stays there.
    pub(crate) async fn disconnect(&self) {
        // Fails only where the connection is over.
        match self {
            Self::V4(client) => drop(client.disconnect_with_timeout(GOODBYE).await),
            Self::V5(client) => drop(client.disconnect_with_timeout(GOODBYE).await),
        }
    }
}

impl Sent {
    /// Waits until the broker has it (quality of service 1) or it is written (0).
    pub(crate) async fn arrived(self) -> Result<(), NotSent> {
        match self {
            Self::V4(notice) => v4::arrived(notice).await,
            Self::V5(notice) => v5::arrived(notice).await,
        }
    }
}

impl LinkError {
    /// Something failed on the way; says what to do where the reason alone does not.
    pub(super) fn lost(reason: String) -> Self {
        let hint = if reason.contains("UnknownIssuer") || reason.contains("BadSignature") {
            " (the broker's certificate is signed by nobody we trust: check ca_file)"
        } else if reason.contains("NotValidForName") {
            " (the broker's certificate is for another host name)"
        } else if reason.contains("CertificateRequired") || reason.contains("HandshakeFailure") {
            " (the broker may want a certificate of ours: check client_cert)"
        } else {
            ""
        };
        Self::Lost {
            reason: reason + hint,
        }
    }
}
