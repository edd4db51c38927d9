//! Events as they are stored, each with its alert and what was last said of it.

use std::sync::Arc;

use bellwether_core::event::{self, EventId, EventKind};
use bellwether_core::time::Timestamp;
use bellwether_core::validate::Fault;
use sqlx::any::AnyRow;

use super::connection::Database;
use super::error::DatabaseError;
use super::record::{ChannelNote, MemberNote};
use super::statement::{Statement, text};
use super::{AlertState, Verdict};

/// An event as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    /// The event.
    pub id: EventId,
    /// The model version that found it.
    pub model: String,
    /// The device.
    pub series: Arc<str>,
    /// As of [`Event`](bellwether_core::event::Event).
    pub start: Timestamp,
    /// The last sample that belongs to it, so far.
    pub end: Timestamp,
    /// When the score was highest.
    pub peak_time: Timestamp,
    /// The highest score.
    pub peak_score: f64,
    /// Samples from start to end.
    pub n_samples: u64,
    /// It goes on.
    pub is_open: bool,
    /// What its channels say, largest share first.
    pub channels: Vec<ChannelNote>,
    /// What kind of trouble it is; `None`: it was written before that was kept, like those below.
    pub kind: Option<EventKind>,
    /// Whether one sensor or the device is at fault, as far as that is known.
    pub fault: Option<Fault>,
    /// How far the members of the model agree, in [0, 1].
    pub confidence: Option<f64>,
    /// What each member of the model says, and last the training ranges.
    pub members: Vec<MemberNote>,
    /// The commit that last changed it; 0 where it was last changed before that was kept.
    pub seq: i64,
}

/// An event, and what is made of it.
#[derive(Debug, Clone, PartialEq)]
pub struct EventWithAlert {
    /// The event.
    pub event: StoredEvent,
    /// The alert that it made, where it made one.
    pub alert: Option<AlertOfEvent>,
    /// What was last said of that alert.
    pub verdict: Option<Verdict>,
}

/// What a list of events tells of an alert; all of it: [`Database::alert_of_event`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertOfEvent {
    /// Its name for ever.
    pub id: String,
    /// Where it is in its life.
    pub state: AlertState,
    /// Who took it on,
    pub acknowledged_by: Option<String>,
    /// and when, by the clock of the machine.
    pub acknowledged_at: Option<Timestamp>,
    /// Why nobody is told now: id of the suppression, or `feedback`.
    pub suppressed_by: Option<String>,
}

/// Which events are asked for, and in which order.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Of these devices alone; empty: of all.
    pub series: Vec<Arc<str>>,
    /// That end at this time or later.
    pub from: Option<Timestamp>,
    /// That start before this time.
    pub to: Option<Timestamp>,
    /// That go on, or that are over.
    pub is_open: Option<bool>,
    /// Of at least this severity, from 0 to 100.
    pub severity_min: Option<f64>,
    /// Of whose alert this was said last.
    pub verdict: Option<Verdict>,
    /// Of whose alert something was said, or nothing yet.
    pub is_judged: Option<bool>,
    /// Which come first.
    pub order: EventOrder,
    /// That come after this one, where the answers before ended.
    pub after: Option<EventCursor>,
}

/// Which events come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EventOrder {
    /// Those that started first.
    #[default]
    Oldest,
    /// Those that started last.
    Newest,
}

/// A place in the order of events: start, id, model version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventCursor {
    /// Start of the event.
    pub start: Timestamp,
    /// The event.
    pub id: EventId,
    /// The model version that found it.
    pub model: String,
}

/// A place in the order in which events change: commit, id, model version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeCursor {
    /// The commit.
    pub seq: i64,
    /// The event.
    pub id: EventId,
    /// The model version that found it.
    pub model: String,
}

impl StoredEvent {
    /// Its place in the order of events.
    pub fn cursor(&self) -> EventCursor {
        EventCursor {
            start: self.start,
            id: self.id,
            model: self.model.clone(),
        }
    }

    /// Its place in the order in which events change.
    pub fn change_cursor(&self) -> ChangeCursor {
        ChangeCursor {
            seq: self.seq,
            id: self.id,
            model: self.model.clone(),
        }
    }
}

const SELECT: &str = "SELECT e.id, e.model, e.series, e.start_time, e.end_time, e.peak_time, e.peak_score, \
     e.n_samples, e.is_open, e.channels, e.seq, a.id, a.state, a.acknowledged_by, a.acknowledged_at, \
     a.suppressed_by, (SELECT f.verdict FROM feedback f WHERE f.tenant = a.tenant AND f.alert = a.id \
     ORDER BY f.n DESC LIMIT 1), e.kind, e.confidence, e.members, e.fault \
     FROM events e LEFT JOIN alerts a ON a.tenant = e.tenant AND a.event = e.id AND a.model = e.model \
     WHERE e.tenant = ";

const LAST_VERDICT_IS: &str = " AND (SELECT f.verdict FROM feedback f WHERE f.tenant = a.tenant AND f.alert = a.id \
     ORDER BY f.n DESC LIMIT 1) = ";

const SAID: &str = " (SELECT 1 FROM feedback f WHERE f.tenant = a.tenant AND f.alert = a.id)";

impl Database {
    /// At most `limit` events, in the order of their start that is asked for.
    ///
    /// # Errors
    /// Where the database fails, or an event is not as we wrote it.
    pub async fn events(
        &self,
        filter: &EventFilter,
        limit: usize,
    ) -> Result<Vec<EventWithAlert>, DatabaseError> {
        let mut query = Statement::new(SELECT);
        query.bind(self.tenant().to_owned());
        if !filter.series.is_empty() {
            let names = filter.series.iter().map(|name| text(name));
            query.push(" AND e.series IN ").list(names);
        }
        if let Some(from) = filter.from {
            query.push(" AND e.end_time >= ").bind(from.as_nanos());
        }
        if let Some(to) = filter.to {
            query.push(" AND e.start_time < ").bind(to.as_nanos());
        }
        match filter.is_open {
            Some(true) => query.push(" AND e.is_open = 1"),
            Some(false) => query.push(" AND e.is_open = 0"),
            None => &mut query,
        };
        if let Some(severity) = filter.severity_min {
            query
                .push(" AND e.peak_score >= ")
                .bind(event::peak_score(severity));
        }
        if let Some(verdict) = filter.verdict {
            query.push(LAST_VERDICT_IS).bind(verdict.word());
        }
        match filter.is_judged {
            Some(true) => query.push(" AND EXISTS").push(SAID),
            Some(false) => query.push(" AND NOT EXISTS").push(SAID),
            None => &mut query,
        };
        let (beyond, order) = match filter.order {
            EventOrder::Oldest => (
                " AND (e.start_time, e.id, e.model) > (",
                " ORDER BY e.start_time, e.id, e.model LIMIT ",
            ),
            EventOrder::Newest => (
                " AND (e.start_time, e.id, e.model) < (",
                " ORDER BY e.start_time DESC, e.id DESC, e.model DESC LIMIT ",
            ),
        };
        if let Some(after) = &filter.after {
            query.push(beyond).bind(after.start.as_nanos());
            query.push(", ").bind(after.id.to_string());
            query.push(", ").bind(text(&after.model)).push(")");
        }
        query.push(order).bind(bound(limit));
        self.read_events(query).await
    }

    /// What every model version found under this id, in the order of the versions' names.
    ///
    /// # Errors
    /// Where the database fails, or an event is not as we wrote it.
    pub async fn event(&self, id: EventId) -> Result<Vec<EventWithAlert>, DatabaseError> {
        let mut query = Statement::new(SELECT);
        query.bind(self.tenant().to_owned());
        query.push(" AND e.id = ").bind(id.to_string());
        query.push(" ORDER BY e.model");
        self.read_events(query).await
    }

    /// At most `limit` events in the order in which they last changed, after a place in it; of one device, where that
    /// is given.
    ///
    /// Commits come one after the other, so nothing is ever put before a place that was read: who goes on from the
    /// last place misses no event, and meets one again only where it has changed since.
    ///
    /// # Errors
    /// Where the database fails, or an event is not as we wrote it.
    pub async fn events_changed(
        &self,
        after: Option<&ChangeCursor>,
        series: Option<&str>,
        limit: usize,
    ) -> Result<Vec<EventWithAlert>, DatabaseError> {
        let mut query = Statement::new(SELECT);
        query.bind(self.tenant().to_owned());
        if let Some(series) = series {
            query.push(" AND e.series = ").bind(text(series));
        }
        if let Some(after) = after {
            query.push(" AND (e.seq, e.id, e.model) > (").bind(after.seq);
            query.push(", ").bind(after.id.to_string());
            query.push(", ").bind(text(&after.model)).push(")");
        }
        query
            .push(" ORDER BY e.seq, e.id, e.model LIMIT ")
            .bind(bound(limit));
        self.read_events(query).await
    }

    /// The last place in the order in which events change; `None`: there is no event.
    ///
    /// # Errors
    /// Where the database fails, or an event is not as we wrote it.
    pub async fn last_change(&self) -> Result<Option<ChangeCursor>, DatabaseError> {
        let query = "SELECT seq, id, model FROM events WHERE tenant = $1 \
                     ORDER BY seq DESC, id DESC, model DESC LIMIT 1";
        let query = sqlx::query(query).bind(self.tenant());
        let rows = self.all("read the last change", query).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let id: String = self.get(row, 1)?;
        let damaged = || self.damaged("events", format!("{id:?} is no id of an event"));
        Ok(Some(ChangeCursor {
            seq: self.get(row, 0)?,
            id: EventId::from_hex(&id).ok_or_else(damaged)?,
            model: self.get(row, 2)?,
        }))
    }

    async fn read_events(&self, query: Statement) -> Result<Vec<EventWithAlert>, DatabaseError> {
        let rows = self.all("read events", query.query()).await?;
        let with_alert = |row| {
            let verdict: Option<String> = self.get(row, 16)?;
            let verdict = verdict.map(|word| self.word("feedback", &word, Verdict::from_word));
            Ok(EventWithAlert {
                event: self.stored_event(row)?,
                alert: self.alert_of(row)?,
                verdict: verdict.transpose()?,
            })
        };
        rows.iter().map(with_alert).collect()
    }

    fn stored_event(&self, row: &AnyRow) -> Result<StoredEvent, DatabaseError> {
        let damaged = |problem: String| self.damaged("events", problem);
        let time = |column| self.get(row, column).map(Timestamp::from_nanos);
        let id: String = self.get(row, 0)?;
        let (channels, members): (String, String) = (self.get(row, 9)?, self.get(row, 19)?);
        let of_json = |error: serde_json::Error| damaged(format!("event {id}: {error}"));
        Ok(StoredEvent {
            id: EventId::from_hex(&id).ok_or_else(|| damaged(format!("{id:?} is no id of an event")))?,
            model: self.get(row, 1)?,
            series: self.get::<String>(row, 2)?.into(),
            start: time(3)?,
            end: time(4)?,
            peak_time: time(5)?,
            peak_score: self.get(row, 6)?,
            n_samples: self.get::<i64>(row, 7)?.max(0).unsigned_abs(),
            is_open: self.get::<i64>(row, 8)? != 0,
            channels: serde_json::from_str(&channels).map_err(of_json)?,
            seq: self.get(row, 10)?,
            kind: self.event_kind(self.get(row, 17)?)?,
            fault: self.event_fault(self.get(row, 20)?)?,
            confidence: self.get(row, 18)?,
            members: serde_json::from_str(&members).map_err(of_json)?,
        })
    }

    /// The kind that stands in a row; `None`: the row is older than kinds are, or there is no event.
    pub(super) fn event_kind(&self, word: Option<String>) -> Result<Option<EventKind>, DatabaseError> {
        let word = word.filter(|word| !word.is_empty());
        word.map(|word| self.word("events", &word, EventKind::from_name))
            .transpose()
    }

    /// Whose fault it is, as it stands in a row.
    pub(super) fn event_fault(&self, word: Option<String>) -> Result<Option<Fault>, DatabaseError> {
        let word = word.filter(|word| !word.is_empty());
        word.map(|word| self.word("events", &word, Fault::from_name))
            .transpose()
    }

    fn alert_of(&self, row: &AnyRow) -> Result<Option<AlertOfEvent>, DatabaseError> {
        let Some(id) = self.get(row, 11)? else {
            return Ok(None);
        };
        let acknowledged_at: Option<i64> = self.get(row, 14)?;
        Ok(Some(AlertOfEvent {
            id,
            state: self.word("alerts", &self.get::<String>(row, 12)?, AlertState::from_word)?,
            acknowledged_by: self.get(row, 13)?,
            acknowledged_at: acknowledged_at.map(Timestamp::from_nanos),
            suppressed_by: self.get(row, 15)?,
        }))
    }
}

/// How many rows are asked for, as databases count.
fn bound(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
