//! What people say of alerts. It is stored, audited and in effect once these return.

use bellwether_core::time::Timestamp;
use bellwether_store::database::{
    Alert, AlertMove, Database, DatabaseError, Decided, Decision, DeliveryKind, NewSuppression,
    SuppressionKind, Tell, Verdict,
};

use super::lifecycle::{self, MoveError, Step};

/// Alerts that are looked through for one with a similar id.
const SIMILAR_LEN_MAX: u32 = 500;

/// How often an alert that moves while it is decided on is read again.
const TRIES: usize = 10;

/// Why a decision about an alert was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecideError {
    /// There is no such alert.
    #[error("there is no alert {id:?}{}; see: bellwether alerts list", did_you_mean(near.as_deref()))]
    Unknown {
        /// What was asked for.
        id: String,
        /// One with a similar id.
        near: Option<String>,
    },
    /// There are several such alerts.
    #[error("{id:?} may be {first}, {second} or others: give more of the id")]
    Ambiguous {
        /// What was asked for.
        id: String,
        /// An alert that begins like that.
        first: String,
        /// Another.
        second: String,
    },
    /// The alert is where this cannot be done.
    #[error(transparent)]
    Move(#[from] MoveError),
    /// The alert does not stand still.
    #[error("alert {id} changed {TRIES} times while this was to be written: try again")]
    Restless {
        /// The alert.
        id: String,
    },
    /// The database does not do it.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// A verdict that was given.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// The alert after it.
    pub alert: Alert,
    /// Id of the suppression that begins with it.
    pub suppression: Option<String>,
}

/// The alert of that id, or whose id alone begins like that.
///
/// # Errors
/// [`DecideError`] where there is none, or several.
pub async fn find(database: &Database, id: &str) -> Result<Alert, DecideError> {
    let mut found = database.alerts_like(id, 2).await?.into_iter();
    match (found.next(), found.next()) {
        (Some(alert), None) => Ok(alert),
        (Some(alert), Some(_)) if alert.id == id => Ok(alert),
        (Some(first), Some(second)) => Err(DecideError::Ambiguous {
            id: id.to_owned(),
            first: first.id,
            second: second.id,
        }),
        (None, _) => {
            let others = database.alerts(None, None, SIMILAR_LEN_MAX).await?;
            Err(DecideError::Unknown {
                id: id.to_owned(),
                near: nearest(id, others.into_iter().map(|alert| alert.id)),
            })
        }
    }
}

/// `by` takes an alert on: it is not repeated any more.
///
/// # Errors
/// [`DecideError`] where there is no such alert, it is over, or taken on already.
pub async fn acknowledge(
    database: &Database,
    id: &str,
    by: &str,
    now: Timestamp,
) -> Result<Alert, DecideError> {
    for _ in 0..TRIES {
        let alert = find(database, id).await?;
        let step = lifecycle::acknowledge(&alert, by, now)?;
        let after = step.alert.clone();
        let decision = Decision {
            actor: by.to_owned(),
            action: "acknowledge",
            subject: alert.id.clone(),
            detail: format!("device {}", alert.series),
            at: now,
            moves: Some(moving(alert, step)),
            feedback: None,
            suppress: None,
        };
        if let Decided::Done { .. } = database.decide(&decision).await? {
            return Ok(after);
        }
    }
    Err(DecideError::Restless { id: id.to_owned() })
}

/// `by` says what an alert was. Of an alert that is over this is kept too, and changes it no more; a new normal is
/// in force for its device and model version in any case.
///
/// # Errors
/// [`DecideError`] where there is no such alert.
pub async fn give(
    database: &Database,
    id: &str,
    verdict: Verdict,
    note: &str,
    by: &str,
    now: Timestamp,
) -> Result<Given, DecideError> {
    for _ in 0..TRIES {
        let alert = find(database, id).await?;
        let step = lifecycle::judged(&alert, verdict, by, now);
        let after = step.as_ref().map_or(&alert, |step| &step.alert).clone();
        let decision = Decision {
            actor: by.to_owned(),
            action: "feedback",
            subject: alert.id.clone(),
            detail: [verdict.word(), note].join(" ").trim_end().to_owned(),
            at: now,
            feedback: Some((verdict, note.to_owned())),
            suppress: (verdict == Verdict::NewNormal).then(|| new_normal(&alert, note, now)),
            moves: step.map(|step| moving(alert, step)),
        };
        if let Decided::Done { suppression } = database.decide(&decision).await? {
            return Ok(Given {
                alert: after,
                suppression,
            });
        }
    }
    Err(DecideError::Restless { id: id.to_owned() })
}

/// Alerts of this device are not told as long as this model version judges it.
fn new_normal(alert: &Alert, note: &str, now: Timestamp) -> NewSuppression {
    NewSuppression {
        kind: SuppressionKind::NewNormal,
        devices: globset::escape(&alert.series),
        model: Some(alert.model.clone()),
        from: now,
        until: None,
        reason: if note.is_empty() {
            format!("alert {}", alert.id)
        } else {
            note.to_owned()
        },
    }
}

fn moving(before: Alert, step: Step) -> AlertMove {
    AlertMove {
        before,
        after: step.alert,
        tell: match step.tell {
            Some(DeliveryKind::Resolved) => vec![Tell::Resolved],
            // Nobody's word makes an alert fire.
            _ => Vec::new(),
        },
    }
}

/// The most similar of the names, if it is similar at all.
pub(super) fn nearest(wanted: &str, names: impl Iterator<Item = String>) -> Option<String> {
    names
        .map(|name| (strsim::jaro_winkler(wanted, &name), name))
        .filter(|(similarity, _)| *similarity > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

/// `; did you mean …?`, or nothing.
pub(super) fn did_you_mean(near: Option<&str>) -> String {
    near.map(|near| format!("; did you mean {near}?"))
        .unwrap_or_default()
}
