//! What a live system must not lose: one database, SQLite or PostgreSQL, with the same statements for both.
//!
//! [`Database`] opens it. One process at a time becomes its [`Writer`] and makes group commits of [`record`]s; any
//! number of processes read, and may change what people decide (alerts, suppressions, feedback).

mod address;
mod alert_record;
mod alerts;
mod audit;
mod block;
mod chain;
mod commit;
mod connection;
mod decisions;
mod deliveries;
mod error;
mod events;
mod figures;
mod files;
mod jobs;
mod keys;
mod read;
mod recent;
pub mod record;
mod schema;
mod statement;
mod suppressions;
#[cfg(test)]
pub(crate) mod tests;
mod writer;

pub use alert_record::{
    Alert, AlertState, AuditEntry, Delivery, DeliveryKind, DeliveryState, Feedback, Suppression,
    SuppressionKind, Verdict,
};
pub use alerts::{AlertMove, Open};
pub use audit::NewAuditEntry;
pub use chain::{AuditCheck, AuditFault};
pub use connection::Database;
use connection::Transaction;
pub use decisions::{Decided, Decision, NewSuppression};
pub use deliveries::{Attempt, Revived, Tell};
pub use error::{Cause, DatabaseError};
pub use events::{
    AlertOfEvent, ChangeCursor, EventCursor, EventFilter, EventOrder, EventWithAlert, StoredEvent,
};
pub(crate) use files::{ListedFile, Unrolled};
pub use jobs::{Job, JobState};
pub use keys::{NewKey, StoredKey};
pub use read::{Counts, GivenAnswer, StoredQuarantined, StoredState};
pub use recent::RecentBlock;
pub use record::*;
pub use suppressions::CONFIGURED;
pub use writer::{Bounds, Writer};
