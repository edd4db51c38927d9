//! How often each key may ask.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use bellwether_stream::problem::Problem;
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
    /// 429 where it has sent too many.
    pub(super) fn take(&self, principal: &Principal) -> Result<Allowance, Problem> {
        if self.since_tidied.fetch_add(1, Ordering::Relaxed) == TIDY_EVERY {
            self.since_tidied.store(0, Ordering::Relaxed);
            self.limiter.retain_recent();
        }
        // A name is shown to people, and need not be one key's alone.
        let key = principal.key_id.as_ref().unwrap_or(&principal.name);
        match self.limiter.check_key(key) {
            Ok(state) => Ok(Allowance {
                limit: self.per_minute.get(),
                remaining: state.remaining_burst_capacity(),
            }),
            Err(until) => {
                let wait = until.wait_time_from(self.limiter.clock().now());
                let seconds = u32::try_from(wait.as_secs())
                    .unwrap_or(u32::MAX)
                    .saturating_add(1);
                Err(error::too_often(seconds))
            }
        }
    }
}

impl Allowance {
    /// Tells the client what it has left.
    pub(super) fn tell(self, response: &mut Response) {
        let headers = response.headers_mut();
        let numbers = [
            ("x-ratelimit-limit", self.limit),
            ("x-ratelimit-remaining", self.remaining),
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
        let left: Vec<u32> = (0..3).map(|_| rates.take(&of("a")).unwrap().remaining).collect();
        assert_eq!(left, [2, 1, 0]);
        let refused = rates.take(&of("a")).unwrap_err();
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(rates.take(&of("b")).is_ok());
    }
}
