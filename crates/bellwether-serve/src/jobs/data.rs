//! What a training learns from, out of the history: judged samples without the trouble that people confirmed.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use bellwether_core::frame::{Channel, Frame};
use bellwether_core::time::Timestamp;
use bellwether_store::database::{Database, EventFilter, Verdict};
use bellwether_store::history::{self, Row};
use bellwether_stream::{chain, clock, patterns};

use super::record::Asked;

/// Rows of one training at most.
const ROWS_MAX: usize = 5_000_000;

/// Devices and events asked of the database at once.
const PAGE_LEN: usize = 1000;

/// The series of the devices that are asked for, each in pieces between what is left out. `is_cancelled` is asked
/// between devices.
pub(super) async fn gather(
    db: &Database,
    folder: &Path,
    asked: &Asked,
    is_cancelled: &impl Fn() -> bool,
) -> Result<Vec<(String, Vec<Frame>)>, String> {
    let from = asked.from.map_or(Timestamp::from_nanos(i64::MIN), |time| time.0);
    let to = asked.to.map_or_else(clock::now, |time| time.0);
    let mut series = Vec::new();
    let mut n_left = ROWS_MAX;
    for device in devices(db, &asked.devices).await? {
        if is_cancelled() {
            return Ok(Vec::new());
        }
        let rows = history::read(db, folder, &device, (from, to), n_left + 1).await;
        let rows = rows.map_err(|error| unreadable(&error))?;
        if rows.len() > n_left {
            return Err(format!(
                "there are more than {ROWS_MAX} rows: name fewer devices, or a shorter time"
            ));
        }
        n_left -= rows.len();
        let left_out = troubles(db, &device, (from, to)).await?;
        let pieces = pieces(rows, &left_out).map_err(|error| format!("{device}: {error}"))?;
        if !pieces.is_empty() {
            series.push((device.to_string(), pieces));
        }
    }
    if series.is_empty() && !is_cancelled() {
        return Err(
            "the history has no row of these devices in that time: look at devices, from and to".to_owned(),
        );
    }
    Ok(series)
}

fn unreadable(error: &dyn std::error::Error) -> String {
    tracing::error!(error = %chain(error), "the data of a training cannot be read");
    "the history cannot be read; the log of the server says why".to_owned()
}

/// Devices that match one of the patterns, in the order of their names.
async fn devices(db: &Database, wanted: &[String]) -> Result<Vec<Arc<str>>, String> {
    let matchers: Result<Vec<_>, _> = wanted.iter().map(|pattern| patterns::matcher(pattern)).collect();
    let matchers = matchers.map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    let mut after: Option<Arc<str>> = None;
    loop {
        let page = db.checkpointed(false, after.as_deref(), PAGE_LEN).await;
        let page = page.map_err(|error| unreadable(&error))?;
        let Some((last, _)) = page.last() else {
            return Ok(found);
        };
        after = Some(Arc::clone(last));
        let names = page.into_iter().map(|(name, _)| name);
        found.extend(names.filter(|name| matchers.iter().any(|matcher| matcher.is_match(&**name))));
    }
}

/// From when until when, both included, people said that something was wrong.
async fn troubles(
    db: &Database,
    device: &Arc<str>,
    (from, to): (Timestamp, Timestamp),
) -> Result<Vec<(Timestamp, Timestamp)>, String> {
    let mut filter = EventFilter {
        series: vec![Arc::clone(device)],
        from: Some(from),
        to: Some(to),
        verdict: Some(Verdict::Real),
        ..EventFilter::default()
    };
    let mut found = Vec::new();
    loop {
        let page = db.events(&filter, PAGE_LEN).await;
        let page = page.map_err(|error| unreadable(&error))?;
        let Some(last) = page.last() else {
            return Ok(found);
        };
        filter.after = Some(last.event.cursor());
        found.extend(
            page.iter()
                .map(|with_alert| (with_alert.event.start, with_alert.event.end)),
        );
    }
}

/// Rows of one device as frames. Channels are those of its newest row; an instant that several model versions judged
/// is one sample.
pub(crate) fn pieces(
    rows: Vec<Row>,
    left_out: &[(Timestamp, Timestamp)],
) -> Result<Vec<Frame>, bellwether_core::frame::FrameError> {
    let Some(newest) = rows.last() else {
        return Ok(Vec::new());
    };
    let names = Arc::clone(&newest.channels);
    let n_channels = names.len();
    let mut places: HashMap<Arc<str>, Vec<Option<usize>>> = HashMap::new();
    let (mut time, mut values) = (
        Vec::with_capacity(rows.len()),
        Vec::with_capacity(rows.len() * n_channels),
    );
    for row in rows {
        if time.last() != Some(&row.time) {
            time.push(row.time);
            values.resize(values.len() + n_channels, f64::NAN);
        }
        let places = places.entry(Arc::clone(&row.model)).or_insert_with(|| {
            let place = |name: &String| names.iter().position(|known| known == name);
            row.channels.iter().map(place).collect()
        });
        let start = values.len() - n_channels;
        for (value, place) in row.values.iter().zip(places) {
            if let Some(cell) = place.and_then(|place| values.get_mut(start + place))
                && cell.is_nan()
            {
                *cell = *value;
            }
        }
    }
    let channels: Vec<Channel> = names.iter().map(|name| Channel::new(name.as_str())).collect();
    let frame = Frame::new(channels, time, values)?;
    Ok(frame.without(|at| left_out.iter().any(|&(from, to)| from <= at && at <= to)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(at: i64, model: &str, channels: &[&str], values: &[f64]) -> Row {
        Row {
            time: Timestamp::from_secs(at),
            model: model.into(),
            channels: channels.iter().map(ToString::to_string).collect(),
            values: values.to_vec(),
            score: 0.0,
            event: None,
            top: None,
        }
    }

    #[test]
    fn rows_of_several_versions_are_one_series_without_confirmed_trouble() {
        let rows = vec![
            row(1, "m@1", &["a"], &[1.0]),
            row(2, "m@1", &["a"], &[2.0]),
            row(2, "m@2", &["b", "a"], &[20.0, 2.0]),
            row(3, "m@2", &["b", "a"], &[30.0, 3.0]),
            row(4, "m@2", &["b", "a"], &[40.0, 4.0]),
        ];
        let trouble = [(Timestamp::from_secs(3), Timestamp::from_secs(3))];
        let pieces = pieces(rows, &trouble).unwrap();
        let [before, after] = pieces.as_slice() else {
            panic!("{} pieces", pieces.len());
        };
        assert!(before.values()[0].is_nan());
        assert_eq!(before.values()[1..], [1.0, 20.0, 2.0]);
        assert_eq!(after.values(), [40.0, 4.0]);
        assert_eq!(after.schema().channels()[0].name(), "b");
    }
}
