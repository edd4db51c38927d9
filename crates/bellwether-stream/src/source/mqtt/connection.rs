//! One connection of the source: from its first word to its goodbye.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::info;

use super::gather::{GatherEnd, Gatherer, HANDED_MAX};
use super::intake::{Intake, Taken};
use super::settle::{SettleEnd, settle};
use crate::arrival::Inlet;
use crate::mqtt::link::{Client, Link, LinkError, Session, open};
use crate::mqtt::{Broker, whole_text};
use crate::source::Stop;
use crate::source::decode::Decoder;

/// How long a stop waits for batches that the judge has.
const LAST_RECEIPTS: Duration = Duration::from_secs(5);

/// How long the goodbye may take.
const GOODBYE_MAX: Duration = Duration::from_secs(2);

/// Why a connection ended.
#[derive(Debug)]
pub(super) enum End {
    /// The source is to stop, or the live system has.
    Stopped,
    /// More came than fits: a new connection brings the rest.
    Refill,
    /// It is lost, or was never there.
    Lost(String),
}

/// What a connection needs to know.
pub(super) struct Connection<'a> {
    pub(super) name: &'a Arc<str>,
    pub(super) broker: &'a Broker,
    pub(super) topics: &'a [String],
    pub(super) unsettled_bytes_max: usize,
    /// This process has subscribed: the broker's session holds these topics.
    pub(super) is_subscribed: &'a mut bool,
}

/// The task that polls the connection, ended with it.
struct Driver(JoinSet<LinkError>);

impl Connection<'_> {
    pub(super) async fn run(mut self, decoder: &mut Decoder, inlet: &Inlet, stop: &mut Stop) -> End {
        let (client, link) = match open(self.broker, Session::Kept) {
            Ok(opened) => opened,
            Err(error) => return End::Lost(whole_text(&error)),
        };
        let (intake, mut take, load) = Intake::new(Arc::clone(self.name), self.unsettled_bytes_max);
        let mut driver = Driver::start(link, intake);
        let begun = tokio::select! {
            begun = self.begin(&client, &mut take) => begun,
            reason = driver.ended() => Err(reason),
            () = stop.told() => return End::Stopped,
        };
        if let Err(reason) = begun {
            return End::Lost(reason);
        }

        let (handed, settled) = mpsc::channel(HANDED_MAX);
        let mut settling = pin!(settle(settled, &client, &load));
        let gatherer = Gatherer {
            source: self.name,
            topics: self.topics,
            decoder,
            inlet,
            handed,
            is_subscribed: self.is_subscribed,
        };
        // What is not handed over by the end of this is not waited for.
        let gathered = tokio::select! {
            reason = driver.ended() => return End::Lost(reason),
            gathered = gatherer.run(take) => gathered,
            settled = &mut settling => match settled {
                SettleEnd::Over => return End::Lost(driver.ended().await),
                SettleEnd::Done | SettleEnd::NoReceipt => {
                    goodbye(&client, driver).await;
                    return End::Stopped;
                }
            },
            () = stop.told() => GatherEnd::Stopped,
        };
        let (end, wait_max) = match gathered {
            GatherEnd::Over => return End::Lost(driver.ended().await),
            GatherEnd::Stopped => (End::Stopped, LAST_RECEIPTS),
            // Asked again over the next connection.
            GatherEnd::NoTopic(reason) => (End::Lost(reason), LAST_RECEIPTS),
            // The judge takes the time it needs; then there is room for what was let go.
            GatherEnd::Full => (End::Refill, Duration::MAX),
        };
        let end = tokio::select! {
            reason = driver.ended() => return End::Lost(reason),
            // What is durable by then is acknowledged; all else comes again.
            settled = timeout(wait_max, &mut settling) => match settled {
                Ok(SettleEnd::NoReceipt) => End::Stopped,
                _ => end,
            },
            () = stop.told(), if matches!(end, End::Refill) => End::Stopped,
        };
        goodbye(&client, driver).await;
        end
    }

    /// Waits until the broker takes us, and subscribes where it does not know us (or we do not know what it knows).
    async fn begin(
        &mut self,
        client: &Client,
        take: &mut mpsc::UnboundedReceiver<Taken>,
    ) -> Result<(), String> {
        let has_session = match take.recv().await {
            Some(Taken::Connected { has_session }) => has_session,
            _ => return Err("the broker began without a greeting".to_owned()),
        };
        info!(source = %self.name, broker = %self.broker.shown_url(), has_session, "mqtt connected");
        *self.is_subscribed &= has_session;
        if !*self.is_subscribed {
            client
                .subscribe(self.topics)
                .await
                .map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

/// Writes what is ordered, then ends the connection; what the broker keeps for us stays there.
async fn goodbye(client: &Client, mut driver: Driver) {
    client.disconnect().await;
    // A broker that does not listen is left without it.
    let _ = timeout(GOODBYE_MAX, driver.ended()).await;
}

impl Driver {
    fn start(mut link: Link, mut intake: Intake) -> Self {
        let mut task = JoinSet::new();
        task.spawn(async move {
            loop {
                match link.next().await {
                    Ok(happening) => intake.put(happening),
                    Err(error) => return error,
                }
            }
        });
        Self(task)
    }

    /// Waits for the end of the connection, and says why.
    async fn ended(&mut self) -> String {
        match self.0.join_next().await {
            Some(Ok(error)) => whole_text(&error),
            _ => "its task ended".to_owned(),
        }
    }
}
