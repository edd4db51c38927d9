//! Samples of one device, wherever they are, one after the other: for who keeps less than all of them.

use std::cmp::Reverse;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use bellwether_core::time::Timestamp;

use super::layout::bucket_of;
use super::read::Row;
use super::{HistoryError, file, on_disk};
use crate::database::{Database, JudgedBlock};

/// Shows the judged samples of `device` in `[from, to)` to `step`, until it breaks off; gives back what `step` made of
/// `state`. Samples of one file, and those of one block, come in order of time; files and blocks come in any order.
///
/// `step` runs where disks are waited for, and may compute a little. Memory holds some blocks, or one row group of one
/// file, at a time.
///
/// # Errors
/// Where the database fails, or a listed file cannot be read.
pub async fn visit<T: Send + 'static>(
    database: &Database,
    folder: &Path,
    device: &str,
    (from, to): (Timestamp, Timestamp),
    mut state: T,
    step: fn(&mut T, Row) -> ControlFlow<()>,
) -> Result<T, HistoryError> {
    let name: Arc<str> = device.into();
    let mut places = database.places(bucket_of(device), from, to).await?;
    // Blocks first: all places are those of one instant, which ends with the last block.
    loop {
        let blocks = places.next_blocks().await?;
        if blocks.is_empty() {
            break;
        }
        let device = Arc::clone(&name);
        let work = move || {
            for block in blocks {
                if visit_block(&block.decode()?, &device, (from, to), &mut |row| {
                    step(&mut state, row)
                })
                .is_break()
                {
                    return Ok((state, ControlFlow::Break(())));
                }
            }
            Ok((state, ControlFlow::Continue(())))
        };
        let flow;
        (state, flow) = on_disk(work).await?;
        if flow.is_break() {
            return Ok(state);
        }
    }
    for listed in places.into_files() {
        let (path, device) = (folder.join(&listed.path), Arc::clone(&name));
        let model: Arc<str> = listed.model.as_str().into();
        let work = move || {
            let flow = file::visit(&path, &model, &device, (from, to), &mut |row| {
                step(&mut state, row)
            })?;
            Ok((state, flow))
        };
        let flow;
        (state, flow) = on_disk(work).await?;
        if flow.is_break() {
            break;
        }
    }
    Ok(state)
}

/// When the first judged sample of `device` was measured; `None`: there is none.
///
/// # Errors
/// Where the database fails, or a listed file cannot be read.
pub async fn first_time(
    database: &Database,
    folder: &Path,
    device: &str,
) -> Result<Option<Timestamp>, HistoryError> {
    let name: Arc<str> = device.into();
    let everything = (Timestamp::from_nanos(i64::MIN), Timestamp::from_nanos(i64::MAX));
    let mut places = database
        .places(bucket_of(device), everything.0, everything.1)
        .await?;
    let mut first: Option<Timestamp> = None;
    loop {
        let blocks = places.next_blocks().await?;
        if blocks.is_empty() {
            break;
        }
        let device = Arc::clone(&name);
        let of_blocks = on_disk(move || {
            let mut first: Option<Timestamp> = None;
            for block in blocks {
                let block = block.decode()?;
                let own = block.series.iter().zip(&block.time);
                let times = own
                    .filter(|(series, _)| **series == device)
                    .map(|(_, &time)| time);
                first = first.into_iter().chain(times).min();
            }
            Ok(first)
        })
        .await?;
        first = first.into_iter().chain(of_blocks).min();
    }
    // In the order of their first sample, of whatever device: those that begin later cannot hold an earlier one.
    for listed in places.into_files() {
        if first.is_some_and(|first| first <= listed.first_time) {
            break;
        }
        let (path, device) = (folder.join(&listed.path), Arc::clone(&name));
        let of_file = on_disk(move || file::first_time(&path, &device)).await?;
        first = first.into_iter().chain(of_file).min();
    }
    Ok(first)
}

/// The newest judged sample of `device`; `None`: there is none.
///
/// # Errors
/// Where the database fails, or a listed file cannot be read.
pub async fn last_row(database: &Database, folder: &Path, device: &str) -> Result<Option<Row>, HistoryError> {
    let name: Arc<str> = device.into();
    let everything = (Timestamp::from_nanos(i64::MIN), Timestamp::from_nanos(i64::MAX));
    let mut places = database
        .places(bucket_of(device), everything.0, everything.1)
        .await?;
    let mut last = None;
    loop {
        let blocks = places.next_blocks().await?;
        if blocks.is_empty() {
            break;
        }
        let device = Arc::clone(&name);
        last = on_disk(move || {
            for block in blocks {
                let _ = visit_block(&block.decode()?, &device, everything, &mut |row| {
                    later(&mut last, row)
                });
            }
            Ok(last)
        })
        .await?;
    }
    // Those that end last come first: those that end before what is known cannot hold a later one.
    let mut files = places.into_files();
    files.sort_by_key(|listed| Reverse(listed.last_time));
    for listed in files {
        if last
            .as_ref()
            .is_some_and(|last: &Row| listed.last_time <= last.time)
        {
            break;
        }
        let (path, device) = (folder.join(&listed.path), Arc::clone(&name));
        let model: Arc<str> = listed.model.as_str().into();
        last = on_disk(move || {
            let _ = file::visit(&path, &model, &device, everything, &mut |row| {
                later(&mut last, row)
            })?;
            Ok(last)
        })
        .await?;
    }
    Ok(last)
}

fn later(last: &mut Option<Row>, row: Row) -> ControlFlow<()> {
    if last.as_ref().is_none_or(|last| last.time < row.time) {
        *last = Some(row);
    }
    ControlFlow::Continue(())
}

fn visit_block(
    block: &JudgedBlock,
    device: &str,
    (from, to): (Timestamp, Timestamp),
    step: &mut dyn FnMut(Row) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let n_channels = block.channels.len();
    let model: Arc<str> = block.model.as_str().into();
    let channels: Arc<[String]> = block.channels.as_slice().into();
    for (idx, &time) in block.time.iter().enumerate() {
        if *block.series[idx] == *device && from <= time && time < to {
            step(Row {
                time,
                model: Arc::clone(&model),
                channels: Arc::clone(&channels),
                values: block.values[idx * n_channels..(idx + 1) * n_channels].to_vec(),
                score: block.score[idx],
                event: block.event[idx],
                top: block.top[idx],
            })?;
        }
    }
    ControlFlow::Continue(())
}
