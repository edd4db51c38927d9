//! The database: what must not be lost. SQLite by default, PostgreSQL where several machines share it.

mod alert_record;
mod record;

pub use alert_record::{
    Alert, AlertState, AuditEntry, Delivery, DeliveryKind, DeliveryState, Feedback, Suppression,
    SuppressionKind, Verdict,
};
pub use record::{
    AlertEnd, AlertKind, Answer, ChannelNote, Checkpoint, Commit, EventRecord, JudgedBlock, NewAlert,
    QUARANTINED_BYTES_MAX, Quarantined,
};
