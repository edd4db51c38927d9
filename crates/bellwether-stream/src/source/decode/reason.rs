//! Why something is in quarantine: one of a few words for counting, and a sentence for who looks at it.

use std::sync::Arc;

use bellwether_store::database::{QUARANTINED_BYTES_MAX, Quarantined};

/// Which kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// More bytes, or more messages in one, than are taken.
    TooLong,
    /// Bytes that are not UTF-8.
    NotUtf8,
    /// Neither JSON nor a number.
    NotJson,
    /// A row that does not fit its header.
    BadRow,
    /// Rows whose header or columns cannot be made out.
    BadTable,
    /// No device is named.
    NoDevice,
    /// A name of a device or channel that is empty, endless, or has characters that cannot be printed.
    BadName,
    /// No time.
    NoTime,
    /// Something that is no time.
    BadTime,
    /// A value, and nothing says of which channel.
    NoChannel,
    /// No value.
    NoValue,
    /// A number that cannot be used.
    BadValue,
    /// A name that stands twice.
    DuplicateName,
    /// More channels than are taken.
    TooManyChannels,
}

impl Reason {
    /// Every kind there is.
    pub const ALL: [Self; 14] = [
        Self::TooLong,
        Self::NotUtf8,
        Self::NotJson,
        Self::BadRow,
        Self::BadTable,
        Self::NoDevice,
        Self::BadName,
        Self::NoTime,
        Self::BadTime,
        Self::NoChannel,
        Self::NoValue,
        Self::BadValue,
        Self::DuplicateName,
        Self::TooManyChannels,
    ];

    /// The word that stands in the quarantine.
    pub const fn word(self) -> &'static str {
        match self {
            Self::TooLong => "too-long",
            Self::NotUtf8 => "not-utf8",
            Self::NotJson => "not-json",
            Self::BadRow => "bad-row",
            Self::BadTable => "bad-table",
            Self::NoDevice => "no-device",
            Self::BadName => "bad-name",
            Self::NoTime => "no-time",
            Self::BadTime => "bad-time",
            Self::NoChannel => "no-channel",
            Self::NoValue => "no-value",
            Self::BadValue => "bad-value",
            Self::DuplicateName => "duplicate-name",
            Self::TooManyChannels => "too-many-channels",
        }
    }

    /// This trouble, told in full.
    pub fn because(self, detail: String) -> Refusal {
        Refusal { reason: self, detail }
    }
}

/// Why a message is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The kind.
    pub reason: Reason,
    /// What exactly, for who looks at it.
    pub detail: String,
}

impl Refusal {
    /// What goes into quarantine: the first bytes of `payload`, which came from `source`.
    pub fn of(self, source: &Arc<str>, payload: &[u8]) -> Quarantined {
        Quarantined {
            source: source.clone(),
            reason: self.reason.word(),
            detail: self.detail,
            payload: payload[..payload.len().min(QUARANTINED_BYTES_MAX)].to_vec(),
        }
    }
}

/// Text for a message: quoted, so that nothing in it disturbs who reads it, and not endless.
pub(super) fn shown(text: &str) -> String {
    const SHOWN_CHARS: usize = 60;
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// A number that cannot be used.
#[cold]
pub(super) fn bad_value(channel: Option<&str>, found: &str) -> Refusal {
    let of = channel.map_or(String::new(), |channel| format!("{}: ", shown(channel)));
    Reason::BadValue.because(format!(
        "{of}{} is not a finite number with a decimal point; send null where a value is missing",
        shown(found)
    ))
}
