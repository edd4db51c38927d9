//! Labels as the Server Machine Dataset keeps them in `interpretation_label`: a line per anomaly, `4629-4688:9,10,11`.
//!
//! Rows are counted from 0 and the second number is the row behind the last: so its ranges agree with its own labels per row.
//! Channels are counted from 1 there, and from 0 here.

use std::path::Path;

use super::{Labels, RowSpan};
use crate::read::error::{Place, Problem, ReadError};

/// Whether the first line of a file that begins so is a stretch of rows.
pub(super) fn is_it(head: &[u8]) -> bool {
    let lines = head.split(|&byte| byte == b'\n');
    let first = lines.map(<[u8]>::trim_ascii).find(|line| !line.is_empty());
    let first = first.and_then(|line| std::str::from_utf8(line).ok());
    // The bounds alone: a line that is long may be cut where the head ends.
    first
        .and_then(|line| line.split_once(':'))
        .is_some_and(|(rows, _)| bounds(rows).is_some())
}

/// The stretches in it.
pub(super) fn parse(file: &Path, bytes: &[u8]) -> Result<Labels, ReadError> {
    let mut spans = Vec::new();
    for (idx, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let text = String::from_utf8_lossy(line);
        let text = text.trim();
        if text.is_empty() {
            continue;
        }
        let wrong = || {
            let found = text.chars().take(60).collect();
            Place::file(file)
                .at_line(idx as u64 + 1)
                .error(Problem::BadRowSpan { found })
        };
        spans.push(span(text).ok_or_else(wrong)?);
    }
    Ok(Labels::Rows(spans))
}

fn span(line: &str) -> Option<RowSpan> {
    let (rows, channels) = line.split_once(':')?;
    let (start, end) = bounds(rows)?;
    let channel = |text: &str| text.trim().parse::<usize>().ok()?.checked_sub(1);
    let channels = channels.split(',').filter(|text| !text.trim().is_empty());
    Some(RowSpan {
        rows: start..end,
        channels: channels.map(channel).collect::<Option<_>>()?,
    })
}

/// `4629-4688`, the first before the second.
fn bounds(text: &str) -> Option<(usize, usize)> {
    let (start, end) = text.split_once('-')?;
    let (start, end) = (start.trim().parse().ok()?, end.trim().parse().ok()?);
    (start < end).then_some((start, end))
}
