//! Events to compare with: the others of the data, and those of a history.

use std::path::Path;

use bellwether_core::event::EventId;
use bellwether_core::explain::similar::Past;
use bellwether_core::frame::SeriesId;
use bellwether_store::database::{Database, EventFilter, EventWithAlert};
use bellwether_store::read::{Labels, labels_file};

use super::document::named;
use crate::cli::alerts::LiveArgs;
use crate::cli::explain::History;
use crate::commands::at_database::{self, Missing};
use crate::commands::detect::{channel_names, time_text};
use crate::commands::judge::Judged;
use crate::failure::Failure;

/// All events but the one that is explained.
pub(super) fn past(
    judged: &[Judged],
    history: Option<&History>,
    explained: Option<EventId>,
) -> Result<Vec<Past>, Failure> {
    let mut past = match history {
        Some(History::File(path)) => of_file(path)?,
        Some(History::Database(url)) => of_database(url)?,
        None => Vec::new(),
    };
    for Judged {
        recording,
        scores,
        detector,
        ..
    } in judged
    {
        let names = channel_names(detector);
        past.extend(scores.events.iter().map(|event| Past {
            event: event.id.to_string(),
            series: recording.name.clone(),
            start: time_text(recording, event.start).to_owned(),
            end: time_text(recording, event.end).to_owned(),
            kind: Some(event.kind.name().to_owned()),
            shares: named(&names, &event.shares),
        }));
    }
    // An event may stand in the history and in the data; what the data say of it comes last and holds.
    let explained = explained.map(|id| id.to_string());
    let ids: Vec<String> = past.iter().map(|event| event.event.clone()).collect();
    let mut idx = 0;
    past.retain(|event| {
        idx += 1;
        Some(&event.event) != explained.as_ref() && !ids[idx..].contains(&event.event)
    });
    Ok(past)
}

/// Events read in one go.
const PAGE_LEN: usize = 500;

/// What `stream` and `serve` found, the oldest first.
fn of_database(url: &str) -> Result<Vec<Past>, Failure> {
    let live = LiveArgs {
        config: None,
        database: Some(url.to_owned()),
    };
    let mut past = Vec::new();
    at_database::run(
        &at_database::checked(&live)?,
        Missing::IsRefused,
        async |database| read_all(database, &mut past).await,
    )?;
    Ok(past)
}

async fn read_all(database: &Database, past: &mut Vec<Past>) -> Result<(), Failure> {
    let mut filter = EventFilter::default();
    loop {
        let page = database.events(&filter, PAGE_LEN).await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        filter.after = Some(last.event.cursor());
        past.extend(page.into_iter().map(|EventWithAlert { event, .. }| {
            Past {
                event: event.id.to_string(),
                series: event.series.to_string(),
                start: event.start.to_string(),
                end: event.end.to_string(),
                kind: event.kind.map(|kind| kind.name().to_owned()),
                shares: event
                    .channels
                    .into_iter()
                    .map(|note| (note.channel, note.share))
                    .collect(),
            }
        }));
    }
}

/// Events as `detect --events FILE.csv` writes them.
fn of_file(path: &Path) -> Result<Vec<Past>, Failure> {
    let Labels::Intervals(intervals) = labels_file(path, None)? else {
        return Err(Failure::message(format!(
            "--history {}: these are labels of rows; give events, as detect --events FILE.csv writes them",
            path.display()
        )));
    };
    if let Some(bare) = intervals.iter().find(|interval| interval.channels.is_empty()) {
        return Err(Failure::message(format!(
            "--history {}: the event from {} names no channels; give events, as detect --events FILE.csv writes them",
            path.display(),
            bare.start
        )));
    }
    let past = intervals.into_iter().map(|interval| {
        let series = interval.series.unwrap_or_default();
        Past {
            event: EventId::new(&SeriesId::new(series.as_str()), interval.start).to_string(),
            series,
            start: interval.start.to_string(),
            end: interval.end.to_string(),
            kind: interval.kind,
            shares: interval.channels.into_iter().zip(interval.shares).collect(),
        }
    });
    Ok(past.collect())
}
