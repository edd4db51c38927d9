//! From live samples to alerts: sources, sessions, one commit, channels.
//!
//! # Tour
//! - [`arrival`]: what sources hand over, and the receipt that comes back
//! - [`source`]: stdin and files, HTTP push, MQTT; `decode` turns their messages into arrivals
//! - [`live`]: judges arrivals in cycles, and commits each cycle before anything is acknowledged
//! - [`alert`]: the life of an alert, and what is told to whom
//! - [`channel`]: webhook, Alertmanager, MQTT, mail
//! - [`listen`]: connections of HTTP, plain or with TLS; [`bodies`] and [`media`]: what their requests bring;
//!   [`problem`]: what their answers say when they say no

#![forbid(unsafe_code)]

pub mod alert;
pub mod arrival;
pub mod bodies;
pub mod channel;
pub mod clock;
pub mod listen;
pub mod live;
pub mod media;
pub mod mqtt;
pub mod patterns;
pub mod problem;
pub mod secret;
pub mod source;

/// An error and its causes in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
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
