//! Publishes messages over one connection that is kept open, and says of each whether the broker has it.

use std::collections::VecDeque;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

pub use super::link::Quality;
use super::link::{Client, Happening, LinkError, NotSent, Session, open};
use super::{Backoff, Broker, BrokerError, whole_text};

/// Messages that wait for the connection at most; whoever publishes waits then.
const QUEUE_LEN_MAX: usize = 256;

/// Messages at most that are written and not yet acknowledged.
const IN_FLIGHT_MAX: usize = 256;

/// How long one message may take.
const PUBLISH_MAX: Duration = Duration::from_secs(10);

/// How long messages under way are waited for after the publisher is dropped.
const FAREWELL_MAX: Duration = Duration::from_secs(2);

/// A connection to a broker for messages that go out.
///
/// It connects with the first message and reconnects for ever. When dropped, it waits a moment for what is under way.
#[derive(Debug)]
pub struct Publisher {
    broker: Broker,
    quality: Quality,
    running: OnceLock<Running>,
}

/// Why a message was not published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The broker was not there, or did not answer.
    #[error("{broker} did not take the message within {waited_secs} s{}", because(problem.as_deref()))]
    Late {
        /// Its address.
        broker: String,
        /// How long we waited.
        waited_secs: u64,
        /// What was wrong with the connection, if something was.
        problem: Option<String>,
    },
    /// The broker does not take this message.
    #[error("{broker} refuses the message to {topic}: {reason}")]
    Refused {
        /// Its address.
        broker: String,
        /// Where the message was to go.
        topic: String,
        /// What the broker said.
        reason: String,
        /// It may take it later.
        is_passing: bool,
    },
}

impl Publisher {
    /// A publisher that has not connected yet.
    ///
    /// # Errors
    /// [`BrokerError`] where the broker is not described well.
    pub fn new(broker: Broker, quality: Quality) -> Result<Self, BrokerError> {
        broker.check()?;
        Ok(Self {
            broker,
            quality,
            running: OnceLock::new(),
        })
    }

    /// Publishes one message; over when the broker has it (quality of service 1) or it is written (0).
    ///
    /// Many calls may wait at the same time; messages go out in the order of calls. A message whose connection is lost
    /// goes out again over the next one.
    ///
    /// # Errors
    /// [`PublishError`]; after [`PublishError::Late`] the broker has the message or not.
    pub async fn publish(&self, topic: String, payload: Vec<u8>, retain: bool) -> Result<(), PublishError> {
        let running = self.running.get_or_init(|| self.start());
        let (done, told) = oneshot::channel();
        let order = Order {
            topic: topic.clone(),
            payload: payload.into(),
            retain,
            done,
        };
        let published = async {
            // Neither can fail while this publisher is there: its task lives as long.
            running.orders.send(order).await.ok()?;
            told.await.ok()
        };
        match timeout(PUBLISH_MAX, published).await {
            Ok(Some(Ok(()))) => Ok(()),
            Ok(Some(Err(Refusal { reason, is_passing }))) => Err(PublishError::Refused {
                broker: self.broker.shown_url(),
                topic,
                reason,
                is_passing,
            }),
            Ok(None) | Err(_) => Err(PublishError::Late {
                broker: self.broker.shown_url(),
                waited_secs: PUBLISH_MAX.as_secs(),
                problem: running.problem.borrow().clone(),
            }),
        }
    }

    fn start(&self) -> Running {
        let (orders, ordered) = mpsc::channel(QUEUE_LEN_MAX);
        let (said, problem) = watch::channel(None);
        let worker = Worker {
            broker: self.broker.clone(),
            quality: self.quality,
            ordered,
            again: VecDeque::new(),
            problem: said,
        };
        tokio::spawn(worker.run());
        Running { orders, problem }
    }
}

impl PublishError {
    /// Trying again can help.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Late { .. } => true,
            Self::Refused { is_passing, .. } => *is_passing,
        }
    }
}

fn because(problem: Option<&str>) -> String {
    problem.map_or_else(String::new, |problem| format!(": {problem}"))
}

/// The task's ends on this side.
#[derive(Debug)]
struct Running {
    orders: mpsc::Sender<Order>,
    problem: watch::Receiver<Option<String>>,
}

/// A message to publish.
struct Order {
    topic: String,
    payload: Bytes,
    retain: bool,
    done: oneshot::Sender<Result<(), Refusal>>,
}

struct Refusal {
    reason: String,
    is_passing: bool,
}

/// The task that owns the connection.
struct Worker {
    broker: Broker,
    quality: Quality,
    ordered: mpsc::Receiver<Order>,
    /// Messages of a lost connection, to go out before all others.
    again: VecDeque<Order>,
    /// What is wrong with the connection.
    problem: watch::Sender<Option<String>>,
}

/// Messages under way, and what became of them; numbered, so that their order survives a lost connection.
type UnderWay = FuturesUnordered<BoxFuture<'static, (u64, Order, Result<(), NotSent>)>>;

/// Why a connection ended.
enum End {
    /// Lost, or never there.
    Lost(String),
    /// Nobody publishes any more.
    Farewell,
}

impl Worker {
    async fn run(mut self) {
        let mut backoff = Backoff::new();
        loop {
            let begun = Instant::now();
            let reason = match self.connection().await {
                End::Farewell => return,
                End::Lost(reason) => reason,
            };
            let wait = backoff.wait(begun.elapsed());
            warn!(broker = %self.broker.shown_url(), problem = %reason, retry_in_ms = wait.as_millis(), "mqtt publisher not connected");
            self.problem.send_replace(Some(reason));
            sleep(wait).await;
            self.again.retain(|order| !order.done.is_closed());
            if self.again.is_empty() && self.ordered.is_closed() && self.ordered.is_empty() {
                return;
            }
        }
    }

    /// One connection, from its beginning to its end.
    async fn connection(&mut self) -> End {
        let (client, mut link) = match open(&self.broker, Session::Clean) {
            Ok(opened) => opened,
            Err(error) => return End::Lost(whole_text(&error)),
        };
        let (connected, mut is_connected) = watch::channel(false);
        let mut driver = tokio::task::JoinSet::new();
        driver.spawn(async move {
            loop {
                match link.next().await {
                    Ok(Happening::Connected { .. }) => drop(connected.send_replace(true)),
                    Ok(_) => {}
                    Err(error) => return error,
                }
            }
        });
        tokio::select! {
            Ok(_) = is_connected.wait_for(|is_connected| *is_connected) => {}
            ended = driver.join_next() => return End::Lost(reason_of(ended)),
        }
        info!(broker = %self.broker.shown_url(), "mqtt publisher connected");
        self.problem.send_replace(None);
        let mut under_way = UnderWay::new();
        let mut n_sent = 0;
        let lost = loop {
            tokio::select! {
                ended = driver.join_next() => break reason_of(ended),
                Some((_, order, outcome)) = under_way.next() => if let Some(order) = settle(order, outcome) {
                    // The driver is about to say why.
                    self.again.push_back(order);
                },
                order = next_order(&mut self.again, &mut self.ordered), if under_way.len() < IN_FLIGHT_MAX => {
                    let Some(order) = order else {
                        farewell(&client, under_way, driver).await;
                        return End::Farewell;
                    };
                    if !order.done.is_closed() {
                        let sent = send(&client, n_sent, order, self.quality).await;
                        under_way.push(sent);
                        n_sent += 1;
                    }
                }
            }
        };
        // Its link is gone, so each of them is settled now.
        let mut rest: Vec<(u64, Order)> = Vec::new();
        while let Some((number, order, outcome)) = under_way.next().await {
            rest.extend(settle(order, outcome).map(|order| (number, order)));
        }
        rest.sort_by_key(|(number, _)| *number);
        for (_, order) in rest.into_iter().rev() {
            self.again.push_front(order);
        }
        End::Lost(lost)
    }
}

async fn next_order(again: &mut VecDeque<Order>, ordered: &mut mpsc::Receiver<Order>) -> Option<Order> {
    match again.pop_front() {
        Some(order) => Some(order),
        None => ordered.recv().await,
    }
}

/// Writes a message; what comes back is over when the broker has it.
async fn send(
    client: &Client,
    number: u64,
    order: Order,
    quality: Quality,
) -> BoxFuture<'static, (u64, Order, Result<(), NotSent>)> {
    let sent = client
        .publish(&order.topic, order.payload.clone(), quality, order.retain)
        .await;
    Box::pin(async move {
        let outcome = match sent {
            Ok(sent) => sent.arrived().await,
            Err(error) => Err(error),
        };
        (number, order, outcome)
    })
}

/// Tells whoever waits; gives the order back if it is to go out again.
fn settle(order: Order, outcome: Result<(), NotSent>) -> Option<Order> {
    let outcome = match outcome {
        Ok(()) => Ok(()),
        Err(NotSent::Refused { reason, is_passing }) => Err(Refusal { reason, is_passing }),
        Err(NotSent::Lost) => return Some(order),
    };
    // Whoever has stopped waiting need not know.
    let _ = order.done.send(outcome);
    None
}

async fn farewell(client: &Client, mut under_way: UnderWay, mut driver: tokio::task::JoinSet<LinkError>) {
    let ended = async {
        while let Some((_, order, outcome)) = under_way.next().await {
            settle(order, outcome);
        }
        client.disconnect().await;
        driver.join_next().await;
    };
    // Whoever does not answer is left without a goodbye.
    let _ = timeout(FAREWELL_MAX, ended).await;
}

fn reason_of(ended: Option<Result<LinkError, tokio::task::JoinError>>) -> String {
    match ended {
        Some(Ok(error)) => whole_text(&error),
        _ => "its task ended".to_owned(),
    }
}
