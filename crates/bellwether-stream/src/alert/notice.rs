//! A notice from an alert: what people are told.

use bellwether_core::event::severity;
use bellwether_core::time::Timestamp;
use bellwether_store::database::{Alert, AlertKind, DeliveryKind, Verdict};
use url::Url;

use super::Notice;

impl Notice {
    /// What is told of an alert as it is now. `link_base` is where feedback goes.
    pub fn of(alert: &Alert, kind: DeliveryKind, link_base: Option<&Url>) -> Self {
        let is_firing = kind != DeliveryKind::Resolved;
        Self {
            id: alert.id.clone(),
            kind: alert.kind,
            is_firing,
            device: alert.series.clone(),
            model: alert.model.clone(),
            start: alert.start,
            end: if is_firing {
                None
            } else {
                alert.end.or(alert.resolved_at)
            },
            peak_score: alert.peak_score,
            severity: severity(alert.peak_score),
            channels: alert.channels.clone(),
            links: links(link_base, &alert.id),
            event_kind: alert.event_kind,
            confidence: alert.confidence,
            fault: alert.fault,
            is_test: false,
        }
    }

    /// A test, which says that it is one.
    pub fn test(now: Timestamp) -> Self {
        Self {
            id: "test".to_owned(),
            kind: AlertKind::Event,
            is_firing: true,
            device: "test".to_owned(),
            model: "test".to_owned(),
            start: now,
            end: None,
            peak_score: 1.0,
            severity: 0.0,
            channels: Vec::new(),
            links: Vec::new(),
            event_kind: None,
            confidence: None,
            fault: None,
            is_test: true,
        }
    }
}

fn links(base: Option<&Url>, id: &str) -> Vec<(String, String)> {
    let Some(base) = base else { return Vec::new() };
    let base = base.as_str().trim_end_matches('/');
    let link = |verdict: &Verdict| {
        let word = verdict.word();
        (word.to_owned(), format!("{base}/alerts/{id}/feedback/{word}"))
    };
    Verdict::ALL.iter().map(link).collect()
}
