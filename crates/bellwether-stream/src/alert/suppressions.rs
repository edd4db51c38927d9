//! When nobody is to be told: shelves, maintenance windows, new normals; made, ended, and looked up.

use std::collections::HashMap;
use std::time::Duration;

use bellwether_core::time::Timestamp;
use bellwether_store::database::{
    Alert, CONFIGURED, Database, DatabaseError, Decided, Decision, NewSuppression, Suppression,
    SuppressionKind,
};
use globset::GlobMatcher;

use super::feedback::{did_you_mean, nearest};
use crate::patterns::{PatternError, matcher};

/// The longest time for which devices may be shelved: what is to last longer is no exception any more.
pub const SHELF_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// When devices are worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Pattern of device names.
    pub devices: String,
    /// From when, by the clock of this machine,
    pub from: Timestamp,
    /// until when.
    pub until: Timestamp,
    /// What is done.
    pub reason: String,
}

/// Why a suppression was not made, or not ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SuppressError {
    /// Nobody can tell which devices are meant.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// It would last too long.
    #[error("devices are shelved for 30 days at most; for longer, see: bellwether alerts maintain")]
    TooLong,
    /// It would last no time at all.
    #[error("the end {until} is not after the beginning {from}: give a later end")]
    Backwards {
        /// The beginning.
        from: Timestamp,
        /// The end.
        until: Timestamp,
    },
    /// It would be over.
    #[error("{until} is over already: give a later end")]
    Past {
        /// The end.
        until: Timestamp,
    },
    /// There is none of that id.
    #[error("no suppression {id:?} is in force{}; see: bellwether alerts suppressions", did_you_mean(near.as_deref()))]
    Unknown {
        /// What was asked for.
        id: String,
        /// One with a similar id.
        near: Option<String>,
    },
    /// The configuration says so.
    #[error("suppression {id} comes from the configuration: take it out there")]
    Configured {
        /// The suppression.
        id: String,
    },
    /// The database does not do it.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Nobody is told of these devices for a while, at most [`SHELF_MAX`]. Returns the id of the suppression.
///
/// # Errors
/// [`SuppressError`] where the pattern or the time is wrong.
pub async fn shelve(
    database: &Database,
    devices: &str,
    time: Duration,
    reason: &str,
    by: &str,
    now: Timestamp,
) -> Result<String, SuppressError> {
    if time > SHELF_MAX {
        return Err(SuppressError::TooLong);
    }
    let window = Window {
        devices: devices.to_owned(),
        from: now,
        until: now.plus(time),
        reason: reason.to_owned(),
    };
    make(database, SuppressionKind::Shelf, &window, by, now).await
}

/// Nobody is told of these devices while they are worked on. Returns the id of the suppression.
///
/// # Errors
/// [`SuppressError`] where the pattern or the times are wrong.
pub async fn maintain(
    database: &Database,
    window: &Window,
    by: &str,
    now: Timestamp,
) -> Result<String, SuppressError> {
    make(database, SuppressionKind::Maintenance, window, by, now).await
}

/// Ends a suppression of any kind; what still fires is told of now.
///
/// # Errors
/// [`SuppressError`] where none of that id is in force, or it comes from the configuration.
pub async fn unshelve(database: &Database, id: &str, by: &str, now: Timestamp) -> Result<(), SuppressError> {
    if id.starts_with(CONFIGURED) {
        return Err(SuppressError::Configured { id: id.to_owned() });
    }
    if database.end_suppression(id, by, now).await? {
        return Ok(());
    }
    let others = database.suppressions(now).await?;
    Err(SuppressError::Unknown {
        id: id.to_owned(),
        near: nearest(id, others.into_iter().map(|other| other.id)),
    })
}

/// Keeps the windows of the configuration, named `config-1`, `config-2` …, and ends those that it had before.
///
/// # Errors
/// [`SuppressError`] where a pattern or a time is wrong; nothing is written then.
pub async fn configure(database: &Database, windows: &[Window], now: Timestamp) -> Result<(), SuppressError> {
    let suppression = |(n, window): (usize, &Window)| {
        check(window)?;
        Ok(Suppression {
            id: format!("{CONFIGURED}{}", n + 1),
            kind: SuppressionKind::Maintenance,
            devices: window.devices.clone(),
            model: None,
            from: window.from,
            until: Some(window.until),
            reason: window.reason.clone(),
            made_by: "config".to_owned(),
            made_at: now,
        })
    };
    let wanted: Vec<Suppression> = windows
        .iter()
        .enumerate()
        .map(suppression)
        .collect::<Result<_, SuppressError>>()?;
    Ok(database.set_configured(&wanted, now).await?)
}

async fn make(
    database: &Database,
    kind: SuppressionKind,
    window: &Window,
    by: &str,
    now: Timestamp,
) -> Result<String, SuppressError> {
    check(window)?;
    let until = window.until;
    if until <= now {
        return Err(SuppressError::Past { until });
    }
    let decision = Decision {
        actor: by.to_owned(),
        action: match kind {
            SuppressionKind::Maintenance => "maintain",
            SuppressionKind::Shelf => "shelve",
            SuppressionKind::NewNormal => "new-normal",
        },
        subject: window.devices.clone(),
        detail: format!("from {} until {until}: {}", window.from, window.reason),
        at: now,
        moves: None,
        feedback: None,
        suppress: Some(NewSuppression {
            kind,
            devices: window.devices.clone(),
            model: None,
            from: window.from,
            until: Some(until),
            reason: window.reason.clone(),
        }),
    };
    match database.decide(&decision).await? {
        Decided::Done { suppression } => Ok(suppression.unwrap_or_default()),
        Decided::Overtaken => unreachable!("a decision that moves no alert is not overtaken"),
    }
}

fn check(window: &Window) -> Result<(), SuppressError> {
    matcher(&window.devices)?;
    let (from, until) = (window.from, window.until);
    if from < until {
        Ok(())
    } else {
        Err(SuppressError::Backwards { from, until })
    }
}

/// Suppressions that are in force at one instant.
#[derive(Debug)]
pub(super) struct InForce<'p> {
    suppressions: Vec<(Suppression, &'p GlobMatcher)>,
}

/// Patterns that were read before, by their text.
pub(super) type Patterns = HashMap<String, GlobMatcher>;

impl<'p> InForce<'p> {
    /// Those of `all` that are in force at `now`. `patterns` keeps the patterns of these alone.
    pub(super) fn at(now: Timestamp, mut all: Vec<Suppression>, patterns: &'p mut Patterns) -> Self {
        all.retain(|one| one.from <= now && one.until.is_none_or(|until| now < until));
        patterns.retain(|text, _| all.iter().any(|one| one.devices == *text));
        for one in &all {
            if patterns.contains_key(&one.devices) {
                continue;
            }
            match matcher(&one.devices) {
                Ok(pattern) => {
                    patterns.insert(one.devices.clone(), pattern);
                }
                Err(error) => tracing::warn!(suppression = one.id, %error, "suppression without effect"),
            }
        }
        let patterns: &'p Patterns = patterns;
        let read = |one: Suppression| Some((patterns.get(&one.devices)?, one)).map(|(p, one)| (one, p));
        Self {
            suppressions: all.into_iter().filter_map(read).collect(),
        }
    }

    /// One that means this alert: the one that is known to, else the first.
    pub(super) fn of(&self, alert: &Alert) -> Option<&Suppression> {
        let mut meant = self
            .suppressions
            .iter()
            .filter(|(one, _)| one.model.as_ref().is_none_or(|model| *model == alert.model))
            .filter(|(_, pattern)| pattern.is_match(&alert.series))
            .map(|(one, _)| one);
        let first = meant.next()?;
        let is_known = |one: &&Suppression| alert.suppressed_by.as_ref() == Some(&one.id);
        Some(
            std::iter::once(first)
                .chain(meant)
                .find(is_known)
                .unwrap_or(first),
        )
    }
}
