//! Samples of one device, wherever they are.

use std::path::Path;
use std::sync::Arc;

use bellwether_core::event::EventId;
use bellwether_core::time::Timestamp;

use super::layout::bucket_of;
use super::{HistoryError, file, on_disk};
use crate::database::{Database, JudgedBlock};

/// A judged sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// When it was measured.
    pub time: Timestamp,
    /// The model version that judged it.
    pub model: Arc<str>,
    /// Channels of the model.
    pub channels: Arc<[String]>,
    /// One for each channel, NaN where missing. `[n_channels]`
    pub values: Vec<f64>,
    /// NaN: no score.
    pub score: f64,
    /// The event it lies in.
    pub event: Option<EventId>,
    /// Channel with the largest share, and that share.
    pub top: Option<(u32, f64)>,
}

/// The judged samples of `device` in `[from, to)`, at most the first `rows_max`, in order of time and model
/// version. `folder` is that of the history.
///
/// # Errors
/// Where the database fails, or a listed file cannot be read.
pub async fn read(
    database: &Database,
    folder: &Path,
    device: &str,
    (from, to): (Timestamp, Timestamp),
    rows_max: usize,
) -> Result<Vec<Row>, HistoryError> {
    let (files, blocks) = database.places(bucket_of(device), from, to).await?;
    let mut rows = Vec::new();
    for listed in files {
        let (path, device) = (folder.join(&listed.path), device.to_owned());
        let model = listed.model.as_str().into();
        let more = move || file::read(&path, &model, &device, (from, to), rows_max);
        rows.extend(on_disk(more).await?);
        keep_first(&mut rows, rows_max);
    }
    for block in &blocks {
        append(&mut rows, block, device, (from, to));
    }
    keep_first(&mut rows, rows_max);
    Ok(rows)
}

fn keep_first(rows: &mut Vec<Row>, rows_max: usize) {
    // By the model version, too: an instant may have been judged by several, and the order must not tell where from.
    rows.sort_by(|a, b| (a.time, &a.model).cmp(&(b.time, &b.model)));
    rows.truncate(rows_max);
}

fn append(rows: &mut Vec<Row>, block: &JudgedBlock, device: &str, (from, to): (Timestamp, Timestamp)) {
    let n_channels = block.channels.len();
    let model: Arc<str> = block.model.as_str().into();
    let channels: Arc<[String]> = block.channels.as_slice().into();
    for (idx, &time) in block.time.iter().enumerate() {
        if *block.series[idx] == *device && from <= time && time < to {
            rows.push(Row {
                time,
                model: Arc::clone(&model),
                channels: Arc::clone(&channels),
                values: block.values[idx * n_channels..(idx + 1) * n_channels].to_vec(),
                score: block.score[idx],
                event: block.event[idx],
                top: block.top[idx],
            });
        }
    }
}
