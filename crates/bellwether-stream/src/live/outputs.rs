//! Where judged samples go besides the database: stdout, files, MQTT. They are told after the commit.

use std::io::{Stdout, stdout};
use std::path::PathBuf;

use bellwether_core::detect::Mode;
use bellwether_store::write::{
    AppendedFile, TableFormat, VerdictColumns, VerdictRow, VerdictWriter, WriteError,
};
use futures_util::{StreamExt, stream};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::LiveError;
use super::shard::Row;
use super::stats::Stats;
use crate::mqtt::publisher::Publisher;
use crate::mqtt::topic;

/// Messages that wait for a broker at most; rows beyond are shed and counted, they are in the database.
const QUEUE_LEN_MAX: usize = 16_384;

/// Messages to a broker at the same time.
const IN_FLIGHT_MAX: usize = 64;

/// An output of judged samples.
#[derive(Debug)]
pub enum OutputTo {
    /// Stdout, as a table in that format.
    Stdout(TableFormat),
    /// The end of that file, in the format that its ending names.
    File(PathBuf),
    /// A message for each sample at `<prefix>/<device>/verdict`.
    Mqtt {
        /// The connection.
        publisher: Box<Publisher>,
        /// First levels of the topic.
        prefix: String,
    },
}

/// All outputs of judged samples.
#[derive(Debug, Default)]
pub struct Outputs {
    /// Tables that begin with the first row, which tells whether devices have names.
    planned: Vec<OutputTo>,
    tables: Vec<Table>,
    brokers: Vec<BrokerQueue>,
    unnamed: Option<String>,
}

#[derive(Debug)]
enum Table {
    Stdout(VerdictWriter<Stdout>),
    File(VerdictWriter<AppendedFile>),
}

#[derive(Debug)]
struct BrokerQueue {
    prefix: String,
    messages: mpsc::Sender<(String, Vec<u8>)>,
    task: JoinHandle<()>,
}

impl Outputs {
    /// These outputs; `unnamed` is what a device is called where its input does not name it: tables of such a device
    /// have no column for it. To be called within the async runtime.
    pub fn new(outputs: Vec<OutputTo>, unnamed: Option<String>) -> Self {
        let mut made = Self {
            unnamed,
            ..Self::default()
        };
        for output in outputs {
            match output {
                OutputTo::Mqtt { publisher, prefix } => {
                    made.brokers.push(BrokerQueue::start(*publisher, prefix))
                }
                table => made.planned.push(table),
            }
        }
        made
    }

    /// Puts out what a cycle judged.
    ///
    /// # Errors
    /// [`LiveError::Output`] where stdout or a file cannot be written.
    pub(super) async fn rows(&mut self, rows: &[Row], stats: &Stats) -> Result<(), LiveError> {
        let Some(first) = rows.first() else {
            return Ok(());
        };
        if !(self.planned.is_empty() && self.tables.is_empty()) {
            let columns = VerdictColumns {
                with_series: self.unnamed.as_deref() != Some(&*first.series),
                with_reason: rows
                    .iter()
                    .any(|row| row.served.detector.pipeline().operation().is_some()),
                with_p_value: rows
                    .iter()
                    .any(|row| row.served.detector.parts().rarity.is_some()),
            };
            tokio::task::block_in_place(|| self.write(rows, columns)).map_err(LiveError::Output)?;
        }
        for broker in &self.brokers {
            let n_shed = rows.iter().filter(|row| !broker.take(row)).count();
            stats.shed(n_shed);
        }
        Ok(())
    }

    /// Waits for what is under way.
    pub(super) async fn finish(&mut self) {
        for broker in self.brokers.drain(..) {
            drop(broker.messages);
            if broker.task.await.is_err() {
                tracing::error!("the task that publishes verdicts has failed");
            }
        }
    }

    fn write(&mut self, rows: &[Row], columns: VerdictColumns) -> Result<(), WriteError> {
        for planned in self.planned.drain(..) {
            self.tables.push(match planned {
                OutputTo::Stdout(format) => Table::Stdout(VerdictWriter::new(stdout(), format, columns)?),
                OutputTo::File(path) => Table::File(VerdictWriter::append(&path, columns)?),
                OutputTo::Mqtt { .. } => continue,
            });
        }
        for row in rows {
            let time = time_text(row);
            let reason = reason(row);
            let verdict = VerdictRow {
                time: &time,
                series: &row.series,
                score: row.score,
                event: row.event,
                top: top(row),
                reason: reason.as_deref(),
                p_value: row.served.detector.p_value(Mode::Causal, row.score),
            };
            for table in &mut self.tables {
                match table {
                    Table::Stdout(table) => table.row(&verdict)?,
                    Table::File(table) => table.row(&verdict)?,
                }
            }
        }
        for table in &mut self.tables {
            match table {
                Table::Stdout(table) => table.flush()?,
                Table::File(table) => table.flush()?,
            }
        }
        Ok(())
    }
}

impl BrokerQueue {
    fn start(publisher: Publisher, prefix: String) -> Self {
        let (messages, mut waiting) = mpsc::channel::<(String, Vec<u8>)>(QUEUE_LEN_MAX);
        let task = tokio::spawn(async move {
            let publisher = &publisher;
            // A stream of publications, polled in order: messages of a device stay in order.
            let waiting = stream::poll_fn(|context| waiting.poll_recv(context));
            let publish = |(topic, payload)| async move {
                if let Err(error) = publisher.publish(topic, payload, false).await {
                    tracing::warn!(error = %crate::chain(&error), "a verdict was not published");
                }
            };
            waiting
                .map(publish)
                .buffered(IN_FLIGHT_MAX)
                .for_each(|()| async {})
                .await;
        });
        Self {
            prefix,
            messages,
            task,
        }
    }

    /// Whether there is room for the row.
    fn take(&self, row: &Row) -> bool {
        let Ok(place) = self.messages.try_reserve() else {
            return false;
        };
        let score = Some(row.score).filter(|score| !score.is_nan());
        let mut message = json!({
            "timestamp": time_text(row),
            "device": &*row.series,
            "score": score,
            "is_anomaly": score.map(|score| score >= 1.0),
            "event": row.event.map(|event| event.to_string()),
            "top_channel": top(row).map(|(channel, _)| channel),
            "top_share": top(row).map(|(_, share)| share),
            "model": &*row.served.reference,
        });
        if let Some(reason) = reason(row) {
            message["reason"] = reason.into();
        }
        let topic = format!("{}/{}/verdict", self.prefix, topic::level(&row.series));
        place.send((topic, message.to_string().into_bytes()));
        true
    }
}

/// The time as it came in.
fn time_text(row: &Row) -> String {
    row.time_text
        .as_deref()
        .map_or_else(|| row.time.to_string(), str::to_owned)
}

/// Why the sample does not count as operation.
fn reason(row: &Row) -> Option<String> {
    let operation = row.served.detector.pipeline().operation()?;
    row.outside.map(|outside| operation.reason(outside))
}

fn top(row: &Row) -> Option<(&str, f64)> {
    row.top
        .map(|(idx, share)| (&*row.served.channels()[idx as usize], share))
}
