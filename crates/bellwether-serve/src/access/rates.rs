//! How often each key may ask.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use super::Principal;
use crate::error;

type Limiter = RateLimiter<Arc<str>, DashMapStateStore<Arc<str>>, DefaultClock, StateInformationMiddleware>;

/// So many requests after each other, those keys are forgotten that have not asked for a while.
const TIDY_EVERY: u32 = 100_000;

/// How often each key may ask: a bucket that fills evenly, and holds a minute's worth.
#[derive(Debug)]
pub struct Rates {
    limiter: Limiter,
    per_minute: NonZeroU32,
    since_tidied: AtomicU32,
}

/// What a key has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allowance {
    limit: u32,
    remaining: u32,
}

/// A key has sent too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooOften {
    allowance: Allowance,
    wait_s: u32,
}

impl Rates {
    /// So many requests in a minute for each key.
    pub fn per_minute(n: NonZeroU32) -> Self {
        Self {
            limiter: RateLimiter::keyed(Quota::per_minute(n)).with_middleware(),
            per_minute: n,
            since_tidied: AtomicU32::new(0),
        }
    }

    /// Takes one request off what a key may send.
    ///
    /// # Errors
    /// Where it has sent too many.
    pub(crate) fn take(&self, principal: &Principal) -> Result<Allowance, TooOften> {
        if self.since_tidied.fetch_add(1, Ordering::Relaxed) == TIDY_EVERY {
            self.since_tidied.store(0, Ordering::Relaxed);
            self.limiter.retain_recent();
        }
        // A name is shown to people, and need not be one key's alone.
        let key = principal.key_id.as_ref().unwrap_or(&principal.name);
        let left = |remaining| Allowance {
            limit: self.per_minute.get(),
            remaining,
        };
        match self.limiter.check_key(key) {
            Ok(state) => Ok(left(state.remaining_burst_capacity())),
            Err(until) => {
                let wait = until.wait_time_from(self.limiter.clock().now());
                let seconds = u32::try_from(wait.as_secs())
                    .unwrap_or(u32::MAX)
                    .saturating_add(1);
                Err(TooOften {
                    allowance: left(0),
                    wait_s: seconds,
                })
            }
        }
    }
}

impl IntoResponse for TooOften {
    fn into_response(self) -> Response {
        let mut response = error::too_often(self.wait_s).into_response();
        self.allowance.tell(&mut response);
        response
    }
}

impl Allowance {
    /// Seconds until the key has all again, if it sends nothing.
    fn reset_s(self) -> u32 {
        let taken = u64::from(self.limit.saturating_sub(self.remaining));
        let seconds = (taken * 60).div_ceil(u64::from(self.limit.max(1)));
        u32::try_from(seconds).unwrap_or(u32::MAX)
    }

    /// Tells the client what it has left.
    pub(crate) fn tell(self, response: &mut Response) {
        let headers = response.headers_mut();
        let numbers = [
            ("x-ratelimit-limit", self.limit),
            ("x-ratelimit-remaining", self.remaining),
            ("x-ratelimit-reset", self.reset_s()),
        ];
        for (name, number) in numbers {
            headers.insert(HeaderName::from_static(name), HeaderValue::from(number));
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    #[test]
    fn a_key_that_asks_too_often_is_told_when_to_come_back_and_others_are_not_held_up() {
        let rates = Rates::per_minute(NonZeroU32::new(3).unwrap());
        let of = |key: &str| Principal {
            key_id: Some(key.into()),
            ..Principal::local()
        };
        let left: Vec<(u32, u32)> = (0..3)
            .map(|_| rates.take(&of("a")).unwrap())
            .map(|left| (left.remaining, left.reset_s()))
            .collect();
        assert_eq!(left, [(2, 20), (1, 40), (0, 60)]);
        let refused = rates.take(&of("a")).unwrap_err().into_response();
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        let told = |name: &str| refused.headers()[name].to_str().unwrap().to_owned();
        let told = ["limit", "remaining", "reset"].map(|name| told(&format!("x-ratelimit-{name}")));
        assert_eq!(told, ["3", "0", "60"]);
        assert!(rates.take(&of("b")).is_ok());
    }
}
