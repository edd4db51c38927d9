//! The database: what must not be lost. SQLite by default, PostgreSQL where several machines share it.

mod record;

pub use record::{
    AlertEnd, AlertKind, Answer, ChannelNote, Checkpoint, Commit, EventRecord, JudgedBlock, NewAlert,
    QUARANTINED_BYTES_MAX, Quarantined,
};
