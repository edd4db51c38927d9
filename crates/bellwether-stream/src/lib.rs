//! From live samples to alerts: sources, sessions, one commit, channels.
//!
//! # Tour
//! - [`arrival`]: what sources hand over, and the receipt that comes back
//! - [`source`]: stdin and files, HTTP push, MQTT; `decode` turns their messages into arrivals
//! - [`live`]: judges arrivals in cycles, and commits each cycle before anything is acknowledged
//! - [`alert`]: the life of an alert, and what is told to whom
//! - [`channel`]: webhook, Alertmanager, MQTT, mail

#![forbid(unsafe_code)]

pub mod alert;
pub mod arrival;
pub mod channel;
pub mod clock;
pub mod live;
pub mod mqtt;
pub mod patterns;
pub mod secret;
pub mod source;

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
