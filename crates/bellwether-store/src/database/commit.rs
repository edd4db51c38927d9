//! The statements of a group commit.

use bellwether_core::time::Timestamp;

use super::block;
use super::connection::Transaction;
use super::error::DatabaseError;
use super::record::{
    AlertEnd, AlertKind, Answer, ChannelNote, Checkpoint, Commit, EventRecord, JudgedBlock, MemberNote,
    NewAlert, QUARANTINED_BYTES_MAX, Quarantined,
};
use super::statement::{List, Statement, text};
use super::writer::{Bounds, last_of_each};

/// Rows of one statement. With at most 15 columns this stays below the 32 766 values that SQLite takes in one and
/// the 65 535 of PostgreSQL.
const ROWS_MAX: usize = 500;

/// Writes everything of `commit`, as number `seq`.
pub(super) async fn write(
    transaction: &mut Transaction,
    tenant: &str,
    seq: i64,
    commit: &Commit,
    bounds: &Bounds,
) -> Result<(), DatabaseError> {
    journal(transaction, tenant, seq, commit).await?;
    for block in commit.judged.iter().filter(|block| !block.time.is_empty()) {
        judged(transaction, tenant, seq, block, commit.now).await?;
    }
    checkpoints(transaction, tenant, seq, &commit.checkpoints).await?;
    offsets(transaction, tenant, &commit.offsets).await?;
    events(transaction, tenant, seq, &commit.events).await?;
    alerts(transaction, tenant, &commit.alerts, commit.now).await?;
    for end in &commit.ended {
        alert_end(transaction, tenant, end).await?;
    }
    quarantine(transaction, tenant, seq, commit, bounds.quarantined_max).await?;
    answers(transaction, tenant, &commit.answers, commit.now).await
}

async fn journal(
    transaction: &mut Transaction,
    tenant: &str,
    seq: i64,
    commit: &Commit,
) -> Result<(), DatabaseError> {
    if !commit.arrivals.is_empty() {
        let insert = sqlx::query("INSERT INTO journal (tenant, seq, arrivals) VALUES ($1, $2, $3)")
            .bind(tenant)
            .bind(seq)
            .bind(commit.arrivals.as_slice());
        transaction.run(insert).await?;
    }
    if let Some(from) = commit.journal_from {
        let covered = sqlx::query("DELETE FROM journal WHERE tenant = $1 AND seq < $2")
            .bind(tenant)
            .bind(from);
        transaction.run(covered).await?;
    }
    Ok(())
}

async fn judged(
    transaction: &mut Transaction,
    tenant: &str,
    seq: i64,
    block: &JudgedBlock,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    let times = || block.time.iter().map(|time| time.as_nanos());
    let insert = "INSERT INTO judged (tenant, seq, model, n_rows, first_time, last_time, made_at, samples) \
                  VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let insert = sqlx::query(insert)
        .bind(tenant)
        .bind(seq)
        .bind(text(&block.model))
        .bind(block.time.len() as i64)
        .bind(times().min())
        .bind(times().max())
        .bind(now.as_nanos())
        .bind(block::encode(block));
    transaction.run(insert).await.map(drop)
}

async fn checkpoints(
    transaction: &mut Transaction,
    tenant: &str,
    seq: i64,
    checkpoints: &[Checkpoint],
) -> Result<(), DatabaseError> {
    let rows = last_of_each(checkpoints, |checkpoint| &checkpoint.series);
    let insert = "INSERT INTO checkpoints (tenant, series, seq, is_waiting, state) ";
    let clash = " ON CONFLICT (tenant, series) DO UPDATE SET seq = excluded.seq, \
                 is_waiting = excluded.is_waiting, state = excluded.state";
    insert_all(transaction, insert, clash, &rows, |row, checkpoint| {
        row.bind(tenant.to_owned())
            .bind(text(&checkpoint.series))
            .bind(seq)
            .bind(i64::from(checkpoint.is_waiting))
            .bind(checkpoint.state.clone());
    })
    .await
}

async fn offsets(
    transaction: &mut Transaction,
    tenant: &str,
    offsets: &[(String, String)],
) -> Result<(), DatabaseError> {
    let rows = last_of_each(offsets, |(source, _)| source);
    let insert = "INSERT INTO offsets (tenant, source, position) ";
    let clash = " ON CONFLICT (tenant, source) DO UPDATE SET position = excluded.position";
    insert_all(transaction, insert, clash, &rows, |row, (source, position)| {
        row.bind(tenant.to_owned())
            .bind(text(source))
            .bind(text(position));
    })
    .await
}

async fn events(
    transaction: &mut Transaction,
    tenant: &str,
    seq: i64,
    events: &[EventRecord],
) -> Result<(), DatabaseError> {
    let rows = last_of_each(events, |record| (record.event.id, &record.model));
    let insert = "INSERT INTO events (tenant, id, model, series, start_time, end_time, peak_time, peak_score, \
                  n_samples, is_open, channels, seq, kind, confidence, members, fault) ";
    let clash = " ON CONFLICT (tenant, id, model) DO UPDATE SET end_time = excluded.end_time, \
                 peak_time = excluded.peak_time, peak_score = excluded.peak_score, \
                 n_samples = excluded.n_samples, is_open = excluded.is_open, channels = excluded.channels, \
                 seq = excluded.seq, kind = excluded.kind, confidence = excluded.confidence, \
                 members = excluded.members, fault = excluded.fault";
    insert_all(transaction, insert, clash, &rows, |row, record| {
        let event = &record.event;
        row.bind(tenant.to_owned())
            .bind(event.id.to_string())
            .bind(text(&record.model))
            .bind(text(&record.series))
            .bind(event.start.as_nanos())
            .bind(event.end.as_nanos())
            .bind(event.peak_time.as_nanos())
            .bind(number(event.peak_score))
            .bind(event.n_samples as i64)
            .bind(i64::from(event.is_open))
            .bind(json(&record.channels))
            .bind(seq)
            .bind(event.kind.name())
            .bind(number(event.confidence))
            .bind(members_json(&record.members))
            .bind(event.fault.map_or("", |fault| fault.fault.name()));
    })
    .await
}

async fn alerts(
    transaction: &mut Transaction,
    tenant: &str,
    alerts: &[NewAlert],
    now: Timestamp,
) -> Result<(), DatabaseError> {
    let rows = last_of_each(alerts, |alert| &alert.id);
    let insert = "INSERT INTO alerts (tenant, id, kind, event, series, model, state, start_time, peak_score, \
                  channels, created_at, n_notified) ";
    let clash = " ON CONFLICT (tenant, id) DO NOTHING";
    insert_all(transaction, insert, clash, &rows, |row, alert| {
        let kind = match alert.kind {
            AlertKind::Event => "event",
            AlertKind::Silence => "silence",
        };
        row.bind(tenant.to_owned())
            .bind(text(&alert.id))
            .bind(kind)
            .bind(alert.event.map(|id| id.to_string()))
            .bind(text(&alert.series))
            .bind(text(&alert.model))
            .bind("pending")
            .bind(alert.start.as_nanos())
            .bind(number(alert.peak_score))
            .bind(json(&alert.channels))
            .bind(now.as_nanos())
            .bind(0_i64);
    })
    .await
}

async fn alert_end(transaction: &mut Transaction, tenant: &str, end: &AlertEnd) -> Result<(), DatabaseError> {
    let channels = (!end.channels.is_empty()).then(|| json(&end.channels));
    let update = "UPDATE alerts SET end_time = $1, peak_score = $2, channels = COALESCE($3, channels) \
                  WHERE tenant = $4 AND id = $5";
    let update = sqlx::query(update)
        .bind(end.end.as_nanos())
        .bind(number(end.peak_score))
        .bind(channels)
        .bind(tenant)
        .bind(text(&end.id));
    transaction.run(update).await.map(drop)
}

async fn quarantine(
    transaction: &mut Transaction,
    tenant: &str,
    seq: i64,
    commit: &Commit,
    rows_max: usize,
) -> Result<(), DatabaseError> {
    let n_over = commit.quarantine.len().saturating_sub(rows_max);
    let rows: Vec<(i64, &Quarantined)> = (0..).zip(&commit.quarantine[n_over..]).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let insert = "INSERT INTO quarantine (tenant, seq, n, source, reason, detail, payload, taken_at) ";
    insert_all(transaction, insert, "", &rows, |row, (n, quarantined)| {
        let n_bytes = quarantined.payload.len().min(QUARANTINED_BYTES_MAX);
        row.bind(tenant.to_owned())
            .bind(seq)
            .bind(*n)
            .bind(text(&quarantined.source))
            .bind(quarantined.reason)
            .bind(text(&quarantined.detail))
            .bind(quarantined.payload[..n_bytes].to_vec())
            .bind(commit.now.as_nanos());
    })
    .await?;
    // The newest of those that are too many.
    let beyond =
        "SELECT seq, n FROM quarantine WHERE tenant = $1 ORDER BY seq DESC, n DESC LIMIT 1 OFFSET $2";
    let beyond = sqlx::query(beyond).bind(tenant).bind(rows_max as i64);
    if let Some(row) = transaction.all(beyond).await?.first() {
        let (seq, n): (i64, i64) = (transaction.get(row, 0)?, transaction.get(row, 1)?);
        let delete = "DELETE FROM quarantine WHERE tenant = $1 AND (seq < $2 OR (seq = $2 AND n <= $3))";
        transaction
            .run(sqlx::query(delete).bind(tenant).bind(seq).bind(n))
            .await?;
    }
    Ok(())
}

async fn answers(
    transaction: &mut Transaction,
    tenant: &str,
    answers: &[Answer],
    now: Timestamp,
) -> Result<(), DatabaseError> {
    let rows = last_of_each(answers, |answer| &answer.key);
    let insert = "INSERT INTO idempotency_keys (tenant, id, body_hash, answer, made_at) ";
    let clash = " ON CONFLICT (tenant, id) DO NOTHING";
    insert_all(transaction, insert, clash, &rows, |row, answer| {
        row.bind(tenant.to_owned())
            .bind(text(&answer.key))
            .bind(text(&answer.body_hash))
            .bind(text(&answer.answer))
            .bind(now.as_nanos());
    })
    .await
}

/// Inserts rows, many with one statement.
async fn insert_all<T>(
    transaction: &mut Transaction,
    insert: &'static str,
    clash: &'static str,
    rows: &[T],
    bind: impl Fn(&mut List<'_>, &T),
) -> Result<(), DatabaseError> {
    for rows in rows.chunks(ROWS_MAX) {
        let mut statement = Statement::new(insert);
        statement.rows(rows, &bind).push(clash);
        transaction.run(statement.query()).await?;
    }
    Ok(())
}

/// A number as both databases take it: SQLite keeps NaN as NULL, which these columns refuse.
fn number(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value }
}

/// JSON has no NaN and no infinity: a measured value of that kind is a missing one.
fn json(channels: &[ChannelNote]) -> String {
    let plain = channels.iter().cloned().map(|note| ChannelNote {
        share: finite_or_zero(note.share),
        ..note
    });
    as_text(&plain.collect::<Vec<_>>())
}

/// The same of members.
fn members_json(members: &[MemberNote]) -> String {
    let plain = members.iter().cloned().map(|note| MemberNote {
        share: finite_or_zero(note.share),
        ..note
    });
    as_text(&plain.collect::<Vec<_>>())
}

fn finite_or_zero(share: f64) -> f64 {
    if share.is_finite() { share } else { 0.0 }
}

fn as_text<T: serde::Serialize>(notes: &T) -> String {
    // The character NUL is written as an escape, so nothing is to be replaced.
    serde_json::to_string(notes).expect("numbers and text")
}
