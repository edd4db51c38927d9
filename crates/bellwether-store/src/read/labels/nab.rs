//! Labels as the Numenta Anomaly Benchmark keeps them: an object with a list for each data file, of windows (`[start, end]`,
//! both included) or of single instants. A list alone is taken for the only series.

use std::path::Path;

use bellwether_core::time::Timestamp;
use bellwether_core::zone::Zone;
use serde_json::Value;

use super::{Interval, Labels, time_of};
use crate::read::error::{Place, Problem, ReadError};
use crate::read::listing;

/// Whether a file that begins so is one of JSON.
pub(super) fn is_it(head: &[u8]) -> bool {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    matches!(text.trim_ascii_start().first(), Some(b'{' | b'['))
}

/// The intervals in it. A series is named as its file is, without folders and ending.
pub(super) fn parse(file: &Path, bytes: &[u8], zone: Option<&Zone>) -> Result<Labels, ReadError> {
    let wrong = |found: String| Place::file(file).error(Problem::LabelJson { found });
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let document: Value = serde_json::from_slice(text).map_err(|error| wrong(error.to_string()))?;
    let mut spans = Vec::new();
    match &document {
        Value::Array(list) => read_list(list, None, zone, &mut spans).map_err(wrong)?,
        Value::Object(by_file) => {
            for (name, list) in by_file {
                let list = list.as_array();
                let list = list.ok_or_else(|| wrong(format!("what stands under {name:?} is no list")))?;
                read_list(list, Some(listing::stem(Path::new(name))), zone, &mut spans).map_err(wrong)?;
            }
        }
        _ => return Err(wrong("neither an object nor a list".to_owned())),
    }
    Ok(Labels::Intervals(spans))
}

fn read_list(
    list: &[Value],
    series: Option<String>,
    zone: Option<&Zone>,
    spans: &mut Vec<Interval>,
) -> Result<(), String> {
    let instant = |value| instant(value, zone);
    for entry in list {
        let (start, end) = match entry {
            Value::Array(pair) => match pair.as_slice() {
                [start, end] => (instant(start)?, instant(end)?),
                _ => return Err(format!("{entry} is no pair of times")),
            },
            single => (instant(single)?, instant(single)?),
        };
        if end < start {
            return Err(format!("the interval {entry} ends before it starts"));
        }
        spans.push(Interval {
            start,
            end,
            kind: None,
            channels: Vec::new(),
            shares: Vec::new(),
            series: series.clone(),
        });
    }
    Ok(())
}

fn instant(value: &Value, zone: Option<&Zone>) -> Result<Timestamp, String> {
    let time = value.as_str().and_then(|text| time_of(text, zone));
    time.ok_or_else(|| format!("{value} is no time"))
}
