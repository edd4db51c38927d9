//! Alerts, messages, suppressions, feedback and audit as rows.

use bellwether_core::event::{EventKind, severity};
use bellwether_core::time::Timestamp;
use bellwether_core::validate::Fault;
use bellwether_store::database::{Alert, AuditEntry, Delivery, Feedback, Suppression};
use serde_json::{Value, json};

use crate::output::Rows;

pub(super) fn alerts(alerts: &[Alert]) -> Rows {
    let mut rows = Rows::new(&[
        "id",
        "state",
        "kind",
        "device",
        "model",
        "start",
        "end",
        "severity",
        "top_channel",
        "acknowledged_by",
        "suppressed_by",
        "event_kind",
        "fault",
        "confidence",
    ]);
    for alert in alerts {
        rows.push(vec![
            json!(alert.id),
            json!(alert.state.word()),
            json!(alert.kind.word()),
            json!(alert.series),
            json!(alert.model),
            time(Some(alert.start)),
            time(alert.end),
            json!(severity(alert.peak_score)),
            json!(alert.channels.first().map(|top| &top.channel)),
            json!(alert.acknowledged_by),
            json!(alert.suppressed_by),
            json!(alert.event_kind.map(EventKind::name)),
            json!(alert.fault.map(Fault::name)),
            json!(alert.confidence),
        ]);
    }
    rows
}

/// All that is known of one.
pub(super) fn facts(alert: &Alert) -> Vec<(&'static str, Value)> {
    vec![
        ("id", json!(alert.id)),
        ("state", json!(alert.state.word())),
        ("kind", json!(alert.kind.word())),
        ("event", json!(alert.event)),
        ("device", json!(alert.series)),
        ("model", json!(alert.model)),
        ("start", time(Some(alert.start))),
        ("end", time(alert.end)),
        ("peak_score", json!(alert.peak_score)),
        ("severity", json!(severity(alert.peak_score))),
        ("event_kind", json!(alert.event_kind.map(EventKind::name))),
        ("fault", json!(alert.fault.map(Fault::name))),
        ("confidence", json!(alert.confidence)),
        ("created_at", time(Some(alert.created_at))),
        ("fired_at", time(alert.fired_at)),
        ("acknowledged_at", time(alert.acknowledged_at)),
        ("acknowledged_by", json!(alert.acknowledged_by)),
        ("resolved_at", time(alert.resolved_at)),
        ("notified_at", time(alert.notified_at)),
        ("notified", json!(alert.n_notified)),
        ("suppressed_by", json!(alert.suppressed_by)),
        ("channels", json!(alert.channels)),
    ]
}

pub(super) fn deliveries(deliveries: &[Delivery]) -> Rows {
    let mut rows = Rows::new(&[
        "alert", "channel", "n", "kind", "state", "attempts", "since", "sent_at", "error",
    ]);
    for delivery in deliveries {
        rows.push(vec![
            json!(delivery.alert),
            json!(delivery.channel),
            json!(delivery.n),
            json!(delivery.kind.word()),
            json!(delivery.state.word()),
            json!(delivery.n_attempts),
            time(Some(delivery.created_at)),
            time(delivery.sent_at),
            json!(delivery.error),
        ]);
    }
    rows
}

pub(super) fn suppressions(suppressions: &[Suppression], now: Timestamp) -> Rows {
    let mut rows = Rows::new(&[
        "id", "kind", "devices", "model", "from", "until", "in_force", "reason", "by",
    ]);
    for one in suppressions {
        rows.push(vec![
            json!(one.id),
            json!(one.kind.word()),
            json!(one.devices),
            json!(one.model),
            time(Some(one.from)),
            time(one.until),
            json!(one.from <= now),
            json!(one.reason),
            json!(one.made_by),
        ]);
    }
    rows
}

pub(super) fn feedback(said: &[Feedback]) -> Rows {
    let mut rows = Rows::new(&["verdict", "note", "by", "at"]);
    for one in said {
        rows.push(vec![
            json!(one.verdict.word()),
            json!(one.note),
            json!(one.made_by),
            time(Some(one.made_at)),
        ]);
    }
    rows
}

pub(super) fn audit(entries: &[AuditEntry]) -> Rows {
    let mut rows = Rows::new(&["n", "at", "actor", "action", "subject", "detail"]);
    for entry in entries {
        rows.push(vec![
            json!(entry.n),
            time(Some(entry.at)),
            json!(entry.actor),
            json!(entry.action),
            json!(entry.subject),
            json!(entry.detail),
        ]);
    }
    rows
}

fn time(time: Option<Timestamp>) -> Value {
    json!(time.map(|time| time.to_string()))
}
