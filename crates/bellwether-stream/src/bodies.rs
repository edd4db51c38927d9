//! Bodies of requests within bounds: each for itself, and all that are held at once.

use std::ops::Deref;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::Problem;

/// Bodies of the largest size that are held at once at most.
const LARGEST_AT_ONCE: usize = 16;

/// Bytes that may be held at once, however small the largest body is: small ones are many.
const BYTES_MIN: usize = 64 << 20;

/// Bytes that may be held at once, by whoever shares this.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Semaphore>);

/// A part of a budget, given back when this is dropped.
#[derive(Debug)]
pub struct Share {
    budget: Budget,
    held: Option<OwnedSemaphorePermit>,
}

impl Budget {
    /// So many bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes_max.min(Semaphore::MAX_PERMITS))))
    }

    /// A share of nothing, which can grow.
    pub fn share(&self) -> Share {
        Share {
            budget: self.clone(),
            held: None,
        }
    }
}

impl Share {
    /// Takes so many bytes more; false, at once, where there are not so many left.
    #[must_use]
    pub fn grow(&mut self, bytes: usize) -> bool {
        let taken = u32::try_from(bytes)
            .ok()
            .and_then(|bytes| Arc::clone(&self.budget.0).try_acquire_many_owned(bytes).ok());
        let Some(taken) = taken else { return false };
        match &mut self.held {
            Some(held) => held.merge(taken),
            None => self.held = Some(taken),
        }
        true
    }
}

/// Takes bodies: none is larger than one may be, and all that are held are not larger together than all may be.
#[derive(Debug, Clone)]
pub struct Bodies {
    bytes_max: usize,
    budget: Budget,
}

/// The bytes of a body; they count as long as this lives.
#[derive(Debug)]
pub struct Held {
    bytes: Vec<u8>,
    _share: Share,
}

impl Deref for Held {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<Held> for Body {
    /// The same bytes once more, for who reads a body; they count until they have been read.
    fn from(held: Held) -> Self {
        Bytes::from_owner(held).into()
    }
}

impl Bodies {
    /// Bodies of at most so many bytes each; of sixteen times as many together, and at least 64 MiB.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            budget: Budget::new(bytes_max.saturating_mul(LARGEST_AT_ONCE).max(BYTES_MIN)),
        }
    }

    /// The same, for bodies that are smaller still.
    #[must_use]
    pub fn at_most(&self, bytes_max: usize) -> Self {
        Self {
            bytes_max: self.bytes_max.min(bytes_max),
            budget: self.budget.clone(),
        }
    }

    /// Bytes of a body at most.
    pub fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// All bytes of a body. Where its length is told it finds room before its first byte is read, else as it comes.
    ///
    /// # Errors
    /// 413 where it is too large, 503 `busy` at once where others hold too much, 400 where it breaks off.
    pub async fn read(&self, body: Body, headers: &HeaderMap) -> Result<Held, Problem> {
        let told = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|len| len.to_str().ok()?.parse::<u64>().ok());
        let told = match told.map(usize::try_from) {
            None => 0,
            Some(Ok(told)) if told <= self.bytes_max => told,
            Some(_) => return Err(self.too_large()),
        };
        let mut share = self.budget.share();
        let mut n_granted = told;
        if !share.grow(told) {
            return Err(busy());
        }
        let mut bytes = Vec::with_capacity(told.min(1 << 16));
        let mut chunks = body.into_data_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| {
                Problem::new(
                    StatusCode::BAD_REQUEST,
                    "broken-off",
                    "The body broke off",
                    error.to_string(),
                )
            })?;
            let n_bytes = bytes.len() + chunk.len();
            if n_bytes > self.bytes_max {
                return Err(self.too_large());
            }
            if n_bytes > n_granted {
                if !share.grow(n_bytes - n_granted) {
                    return Err(busy());
                }
                n_granted = n_bytes;
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Held { bytes, _share: share })
    }

    fn too_large(&self) -> Problem {
        too_large(format!(
            "at most {} bytes are taken: send it in parts",
            self.bytes_max
        ))
    }
}

/// 413: more bytes or samples than are taken.
pub(crate) fn too_large(detail: impl Into<String>) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too-large",
        "The request is too large",
        detail,
    )
}

fn busy() -> Problem {
    let detail = "the bodies of requests that are being worked on take all the memory they may";
    Problem::later("busy", "Too many requests at once", detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn of_len(len: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_LENGTH, HeaderValue::from_static(len))])
    }

    #[tokio::test]
    async fn all_bodies_together_are_bounded_and_what_is_dropped_makes_room() {
        let bodies = Bodies {
            bytes_max: 10,
            budget: Budget::new(25),
        };
        let mut held = Vec::new();
        for headers in [of_len("10"), HeaderMap::new()] {
            let body = bodies.read(Body::from("0123456789"), &headers).await.unwrap();
            assert_eq!(&*body, b"0123456789");
            held.push(body);
        }
        // Whether it says its length or not.
        for headers in [of_len("6"), HeaderMap::new()] {
            let refused = bodies.read(Body::from("012345"), &headers).await.unwrap_err();
            assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        }
        held.pop();
        assert!(bodies.read(Body::from("012345"), &of_len("6")).await.is_ok());
    }

    #[tokio::test]
    async fn a_body_larger_than_one_may_be_is_refused_whatever_it_says() {
        let bodies = Bodies::new(4);
        for headers in [of_len("5"), of_len("99999999999999999999"), HeaderMap::new()] {
            let refused = bodies.read(Body::from("01234"), &headers).await.unwrap_err();
            assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE, "{headers:?}");
        }
    }
}
