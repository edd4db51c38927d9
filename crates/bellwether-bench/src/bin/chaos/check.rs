//! What must hold in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use bellwether_core::time::Timestamp;
use bellwether_store::database::{Database, EventFilter, EventWithAlert};
use bellwether_store::history;

use crate::ground::{Ground, Truth};
use crate::receiver::Receiver;

const ALL: (Timestamp, Timestamp) = (Timestamp::from_nanos(i64::MIN), Timestamp::from_nanos(i64::MAX));

/// Judged samples of each device: time as written, bits of the score.
pub(crate) type Kept = BTreeMap<Arc<str>, Vec<(String, Option<u64>)>>;

/// Reads what was kept of these devices.
pub(crate) fn kept(ground: &Ground, database: &str) -> Result<(Kept, Vec<[String; 4]>)> {
    let history = ground.path("history");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let db = Database::open(database, "default").await?;
        let mut kept = Kept::new();
        for device in ground.devices.keys() {
            let rows = history::read(&db, &history, device, ALL, usize::MAX).await?;
            let rows = rows.into_iter().map(|row| {
                let bits = (!row.score.is_nan()).then(|| row.score.to_bits());
                (row.time.to_string(), bits)
            });
            kept.insert(Arc::clone(device), rows.collect());
        }
        let events = db.events(&EventFilter::default(), 100_000).await?;
        let mut events: Vec<[String; 4]> = events
            .iter()
            .map(|EventWithAlert { event, .. }| {
                [
                    event.series.to_string(),
                    event.id.to_string(),
                    event.start.to_string(),
                    event.end.to_string(),
                ]
            })
            .collect();
        events.sort();
        db.close().await;
        Ok((kept, events))
    })
}

/// How many samples were judged so far.
pub(crate) fn n_judged(database: &str) -> Result<usize> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let db = Database::open(database, "default").await?;
        let counts = db.counts().await?;
        db.close().await;
        Ok(counts.judged as usize)
    })
}

/// Every sample that was sent is judged once, in order, and as `detect` judges it.
pub(crate) fn all_is_judged(ground: &Ground, truth: &Truth, kept: &Kept) -> Result<usize> {
    let mut n_samples = 0;
    for (device, sent) in &ground.devices {
        let rows = kept
            .get(device)
            .with_context(|| format!("{device}: nothing was kept"))?;
        is_prefix(device, sent, rows, sent.len())?;
        for (time, bits) in rows {
            let want = &truth.scores[&(device.to_string(), time.clone())];
            ensure!(want == bits, "{device} at {time}: another score than detect");
        }
        n_samples += rows.len();
    }
    Ok(n_samples)
}

/// At least the first `n_acknowledged` samples are judged, each once, and nothing that was not sent.
pub(crate) fn is_prefix(
    device: &str,
    sent: &[(String, String)],
    rows: &[(String, Option<u64>)],
    n_acknowledged: usize,
) -> Result<()> {
    let missing = sent
        .iter()
        .zip(rows)
        .position(|((sent, _), (kept, _))| sent != kept);
    ensure!(
        missing.is_none(),
        "{device}: row {} is lost or doubled",
        missing.unwrap_or_default()
    );
    ensure!(
        (n_acknowledged..=sent.len()).contains(&rows.len()),
        "{device}: {} rows were acknowledged, {} are kept",
        n_acknowledged,
        rows.len()
    );
    Ok(())
}

/// The events are those of `detect`, and each was told under one id, all of them different.
pub(crate) fn all_is_told(truth: &Truth, events: &[[String; 4]], receiver: &Receiver) -> Result<usize> {
    ensure!(
        events == truth.events,
        "{} events, detect finds {}",
        events.len(),
        truth.events.len()
    );
    let told = receiver.told();
    let mut ids = BTreeSet::new();
    for [series, id, start, _] in events {
        let under = told.get(&(series.clone(), start.clone()));
        let under = under.with_context(|| format!("event {id} of {series} was not told"))?;
        ensure!(
            under.len() == 1,
            "event {id} of {series} was told under {} ids",
            under.len()
        );
        ensure!(
            under.keys().all(|id| ids.insert(id.clone())),
            "two events were told under one id"
        );
    }
    ensure!(
        told.len() == events.len(),
        "{} alerts were told of {} events",
        told.len(),
        events.len()
    );
    Ok(told.values().flat_map(BTreeMap::values).sum())
}
