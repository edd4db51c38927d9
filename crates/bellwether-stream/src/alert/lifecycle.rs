//! How an alert moves: pending, firing, acknowledged, resolved. Pure: what time it is and what people said come in.
//!
//! | from | when | to | told |
//! |---|---|---|---|
//! | pending | held long enough, severe enough, not suppressed | firing | firing |
//! | pending | its cause ends before that | resolved | – |
//! | firing | its cause is over, no latch | resolved | resolved |
//! | firing | suppressed | firing | – |
//! | firing | the suppression is over, or `repeat` has passed | firing | repeat |
//! | acknowledged | its cause is over | resolved | resolved |
//!
//! *Resolved* goes to the channels that were told of the alert before, also where it is suppressed: what was opened
//! there must be closed.

use bellwether_core::event::severity;
use bellwether_core::time::Timestamp;
use bellwether_store::database::{Alert, AlertKind, AlertState, DeliveryKind, Suppression, Verdict};

use super::rules::AlertRules;

/// What stands as the suppression of an alert that was said to be maintenance.
pub const SUPPRESSED_BY_FEEDBACK: &str = "feedback";

/// Steps that an alert can take at one instant at most: it fires and is resolved.
pub const STEPS_MAX: usize = 4;

/// One move of an alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The alert after it.
    pub alert: Alert,
    /// What is to be told.
    pub tell: Option<DeliveryKind>,
}

/// Why somebody's word does not move an alert.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MoveError {
    /// It is over.
    #[error("alert {id} is resolved since {at}: there is nothing to acknowledge")]
    Resolved {
        /// The alert.
        id: String,
        /// Since when.
        at: Timestamp,
    },
    /// Somebody else was faster.
    #[error("alert {id} is acknowledged already, by {by} at {at}")]
    Acknowledged {
        /// The alert.
        id: String,
        /// By whom.
        by: String,
        /// When.
        at: Timestamp,
    },
}

/// The next move of `alert` at `now`; `None`: it stays as it is.
///
/// `suppression` is one that is in force now and means this alert, `verdict` what was last said of the alert. A clock
/// that is set back moves nothing twice: an alert that would have to wait longer than its `hold` fires, and the time
/// until the next repetition begins again.
pub fn step(
    alert: &Alert,
    now: Timestamp,
    rules: &AlertRules,
    suppression: Option<&Suppression>,
    verdict: Option<Verdict>,
) -> Option<Step> {
    let by_feedback = (verdict == Some(Verdict::Maintenance)).then_some(SUPPRESSED_BY_FEEDBACK);
    let quiet = suppression
        .map(|suppression| suppression.id.as_str())
        .or(by_feedback);
    match alert.state {
        AlertState::Pending => pending(alert, now, rules, quiet),
        AlertState::Firing => firing(alert, now, rules, quiet),
        AlertState::Acknowledged if alert.end.is_some() => Some(resolved(alert, now)),
        AlertState::Acknowledged => marked(alert, quiet),
        AlertState::Resolved => None,
    }
}

/// Somebody takes the alert on: it is not repeated any more.
///
/// # Errors
/// [`MoveError`] where it is over, or taken on already.
pub fn acknowledge(alert: &Alert, by: &str, now: Timestamp) -> Result<Step, MoveError> {
    match alert.state {
        AlertState::Pending | AlertState::Firing => Ok(acknowledged(alert, by, now)),
        AlertState::Acknowledged => Err(MoveError::Acknowledged {
            id: alert.id.clone(),
            by: alert.acknowledged_by.clone().unwrap_or_default(),
            at: alert.acknowledged_at.unwrap_or(now),
        }),
        AlertState::Resolved => Err(MoveError::Resolved {
            id: alert.id.clone(),
            at: alert.resolved_at.unwrap_or(now),
        }),
    }
}

/// What a verdict does at once; `None`: the alert stays as it is, as one that is over does.
pub fn judged(alert: &Alert, verdict: Verdict, by: &str, now: Timestamp) -> Option<Step> {
    if alert.state == AlertState::Resolved {
        return None;
    }
    match verdict {
        Verdict::FalseAlarm | Verdict::NewNormal => Some(resolved(alert, now)),
        Verdict::Real => (alert.state != AlertState::Acknowledged).then(|| acknowledged(alert, by, now)),
        Verdict::Maintenance => {
            let mut step = if alert.state == AlertState::Acknowledged {
                quietly(alert.clone())
            } else {
                acknowledged(alert, by, now)
            };
            step.alert.suppressed_by = Some(SUPPRESSED_BY_FEEDBACK.to_owned());
            Some(step)
        }
    }
}

fn pending(alert: &Alert, now: Timestamp, rules: &AlertRules, quiet: Option<&str>) -> Option<Step> {
    let was_quiet = quiet.is_some() || (alert.suppressed_by.is_some() && alert.end.is_some());
    if !was_quiet && is_severe(alert, rules) && is_held(alert, now, rules) {
        return Some(Step {
            alert: Alert {
                state: AlertState::Firing,
                fired_at: Some(now),
                notified_at: Some(now),
                n_notified: alert.n_notified + 1,
                suppressed_by: None,
                ..alert.clone()
            },
            tell: Some(DeliveryKind::Firing),
        });
    }
    match alert.end {
        Some(_) => Some(Step {
            tell: None,
            ..resolved(alert, now)
        }),
        None => marked(alert, quiet),
    }
}

/// Silence has no score.
fn is_severe(alert: &Alert, rules: &AlertRules) -> bool {
    alert.kind == AlertKind::Silence || severity(alert.peak_score) >= rules.severity_min
}

/// Whether the alert has been there for as long as the rules want. Of one that is over, both clocks must say so: it
/// may have begun and ended while nobody looked.
fn is_held(alert: &Alert, now: Timestamp, rules: &AlertRules) -> bool {
    let has_waited = now.since(alert.created_at) >= rules.hold;
    let is_ahead = alert.created_at.since(now) > rules.hold;
    let has_lasted = alert.end.is_none_or(|end| end.since(alert.start) >= rules.hold);
    (has_waited || is_ahead) && has_lasted
}

fn firing(alert: &Alert, now: Timestamp, rules: &AlertRules, quiet: Option<&str>) -> Option<Step> {
    if alert.end.is_some() && !rules.latch {
        return Some(resolved(alert, now));
    }
    if quiet.is_some() {
        return marked(alert, quiet);
    }
    let told = alert.notified_at.unwrap_or(alert.created_at);
    let is_due = rules.repeat.is_some_and(|repeat| now.since(told) >= repeat);
    let again = Alert {
        notified_at: Some(now),
        suppressed_by: None,
        ..alert.clone()
    };
    if alert.suppressed_by.is_some() || is_due {
        Some(Step {
            alert: Alert {
                n_notified: alert.n_notified + 1,
                ..again
            },
            tell: Some(DeliveryKind::Repeat),
        })
    } else if now < told {
        Some(quietly(again))
    } else {
        None
    }
}

/// The alert with the suppression that is in force, if that is another than before.
fn marked(alert: &Alert, quiet: Option<&str>) -> Option<Step> {
    if alert.suppressed_by.as_deref() == quiet {
        return None;
    }
    Some(quietly(Alert {
        suppressed_by: quiet.map(str::to_owned),
        ..alert.clone()
    }))
}

fn acknowledged(alert: &Alert, by: &str, now: Timestamp) -> Step {
    quietly(Alert {
        state: AlertState::Acknowledged,
        acknowledged_at: Some(now),
        acknowledged_by: Some(by.to_owned()),
        ..alert.clone()
    })
}

/// Over, which is told to those who heard of it.
fn resolved(alert: &Alert, now: Timestamp) -> Step {
    Step {
        alert: Alert {
            state: AlertState::Resolved,
            resolved_at: Some(now),
            ..alert.clone()
        },
        tell: (alert.n_notified > 0).then_some(DeliveryKind::Resolved),
    }
}

fn quietly(alert: Alert) -> Step {
    Step { alert, tell: None }
}

#[cfg(test)]
mod tests;
