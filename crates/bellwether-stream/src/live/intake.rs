//! What arrives for a cycle: what is refused, what goes on to the devices, and what is told of both.

use std::collections::HashMap;
use std::sync::Arc;

use bellwether_core::time::Timestamp;
use bellwether_store::database::{Commit, Quarantined};

use super::models::Models;
use super::run::LiveRules;
use super::shard::StepEntry;
use super::wire::Step;
use crate::arrival::{Arrival, Batch, Receipt};
use crate::clock;

/// Reasons told to a sender at most.
const REASONS_MAX: usize = 10;

/// The batches of a cycle as steps to judge.
#[derive(Debug)]
pub(super) struct Intake {
    pub(super) batches: Vec<Batch>,
    pub(super) steps: Vec<Step>,
    /// Which batch each step is of; flushes are of none.
    of_batch: Vec<Option<usize>>,
    /// What cannot be judged, and the batch it is of.
    refused: Vec<(usize, Quarantined)>,
}

impl Intake {
    pub(super) fn new(mut batches: Vec<Batch>, flushes: Vec<Step>, rules: &LiveRules) -> Self {
        let mut intake = Self {
            batches: Vec::new(),
            steps: Vec::new(),
            of_batch: Vec::new(),
            refused: Vec::new(),
        };
        let latest = clock::now().plus(rules.settings.ahead_max);
        for (batch_idx, batch) in batches.iter_mut().enumerate() {
            for arrival in std::mem::take(&mut batch.arrivals) {
                match refusal(&arrival, latest, &rules.models) {
                    None => {
                        intake.steps.push(Step::Arrival(arrival));
                        intake.of_batch.push(Some(batch_idx));
                    }
                    Some((reason, detail)) => {
                        let refused = quarantined(&batch.source, &arrival, reason, detail);
                        intake.refused.push((batch_idx, refused));
                    }
                }
            }
        }
        intake.of_batch.resize(intake.steps.len() + flushes.len(), None);
        intake.steps.extend(flushes);
        intake.batches = batches;
        intake
    }

    /// What each batch is told, and what the batches add to the commit.
    pub(super) fn receipts(&self, entries: &[StepEntry], commit: &mut Commit) -> Vec<Receipt> {
        let mut receipts = vec![Receipt::default(); self.batches.len()];
        let mut refuse = |batch_idx: usize, entry: Quarantined| {
            let receipt: &mut Receipt = &mut receipts[batch_idx];
            receipt.quarantined += 1;
            if receipt.reasons.len() < REASONS_MAX {
                receipt
                    .reasons
                    .push(format!("{}: {}", entry.reason, entry.detail));
            }
            commit.quarantine.push(entry);
        };
        for (batch_idx, batch) in self.batches.iter().enumerate() {
            batch
                .quarantined
                .iter()
                .for_each(|entry| refuse(batch_idx, entry.clone()));
        }
        self.refused
            .iter()
            .for_each(|(batch_idx, entry)| refuse(*batch_idx, entry.clone()));
        for ((step, entry), batch_idx) in self.steps.iter().zip(entries).zip(&self.of_batch) {
            if let (Step::Arrival(arrival), StepEntry::Unknown, Some(batch_idx)) = (step, entry, batch_idx) {
                let detail = "the model of the device knows none of its channels".to_owned();
                let source = &self.batches[*batch_idx].source;
                refuse(
                    *batch_idx,
                    quarantined(source, arrival, "no-known-channel", detail),
                );
            }
        }
        for (entry, batch_idx) in entries.iter().zip(&self.of_batch) {
            if let Some(batch_idx) = batch_idx {
                let receipt = &mut receipts[*batch_idx];
                match entry {
                    StepEntry::Accepted => receipt.accepted += 1,
                    StepEntry::Duplicate => receipt.duplicate += 1,
                    StepEntry::Late => receipt.late += 1,
                    StepEntry::Unknown => {}
                }
            }
        }
        let mut offsets: HashMap<&str, &str> = HashMap::new();
        for (batch, receipt) in self.batches.iter().zip(&receipts) {
            if let Some(position) = &batch.position {
                offsets.insert(&batch.source, position);
            }
            commit.answers.extend(batch.answer(receipt));
        }
        commit.offsets = offsets
            .into_iter()
            .map(|(source, at)| (source.to_owned(), at.to_owned()))
            .collect();
        receipts
    }
}

/// Why an arrival cannot be judged.
fn refusal(arrival: &Arrival, latest: Timestamp, models: &Models) -> Option<(&'static str, String)> {
    if models.of(&arrival.series).is_none() {
        let detail = format!("no model judges the device {:?}", arrival.series);
        return Some(("no-model", detail));
    }
    if arrival.time > latest {
        let detail = format!(
            "its time {} lies too far ahead of the clock of this machine",
            arrival.time
        );
        return Some(("from-the-future", detail));
    }
    let infinite = arrival.values.iter().position(|value| value.is_infinite())?;
    let channel = &arrival.layout.channels[infinite];
    Some(("bad-value", format!("channel {channel:?} is infinite")))
}

/// A decoded arrival in quarantine: as JSON, for the bytes it came in are gone.
fn quarantined(source: &Arc<str>, arrival: &Arrival, reason: &'static str, detail: String) -> Quarantined {
    let values: serde_json::Map<String, serde_json::Value> = arrival
        .layout
        .channels
        .iter()
        .zip(&arrival.values)
        .map(|(channel, value)| (channel.clone(), serde_json::json!(value)))
        .collect();
    let payload = serde_json::json!({
        "timestamp": arrival.time.to_string(),
        "device": &*arrival.series,
        "values": values,
    });
    let mut payload = payload.to_string().into_bytes();
    payload.truncate(bellwether_store::database::QUARANTINED_BYTES_MAX);
    Quarantined {
        source: Arc::clone(source),
        reason,
        detail,
        payload,
    }
}
