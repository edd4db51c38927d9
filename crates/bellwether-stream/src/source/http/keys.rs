//! Idempotency keys of requests that are under way.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderMap, StatusCode};

use crate::problem::Problem;

/// Bytes of a key at most.
const KEY_BYTES_MAX: usize = 255;

/// Under which name the answer to a key is kept. Two senders who never met take the same keys, and a batch is no piece
/// of a stream: each has names of its own. Neither the name of a caller nor a key has blanks.
pub(super) fn kept_as(caller: &str, key: &str, piece: Option<usize>) -> String {
    match piece {
        None => format!("{caller} {key}"),
        Some(nth) => format!("{caller} {key} {nth}"),
    }
}

/// The key that a request carries, if it does.
pub(super) fn key_of(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut keys = headers.get_all("idempotency-key").iter();
    let Some(key) = keys.next() else {
        return Ok(None);
    };
    let is_key = |text: &&str| {
        (1..=KEY_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    match (key.to_str().ok().filter(is_key), keys.next()) {
        (Some(key), None) => Ok(Some(key.to_owned())),
        _ => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "bad-idempotency-key",
            "The idempotency key cannot be used",
            "one Idempotency-Key of 1 to 255 printable ASCII characters without blanks is wanted",
        )),
    }
}

/// Keys of requests whose outcome is not known yet: two of one key would both be taken.
#[derive(Debug, Clone, Default)]
pub(super) struct KeysUnderWay(Arc<Mutex<HashSet<String>>>);

/// A key that nobody else has as long as this lives.
#[derive(Debug)]
pub(super) struct HeldKey {
    keys: KeysUnderWay,
    key: String,
}

impl KeysUnderWay {
    /// Takes a key; `None` where another request has it.
    pub(super) fn hold(&self, key: &str) -> Option<HeldKey> {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.insert(key.to_owned()).then(|| HeldKey {
            keys: self.clone(),
            key: key.to_owned(),
        })
    }
}

impl Drop for HeldKey {
    fn drop(&mut self) {
        let mut keys = self.keys.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.remove(&self.key);
    }
}
