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
    /// Seconds until a request is let through again, where this one is not.
    wait_s: Option<u32>,
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
    pub(super) fn take(&self, principal: &Principal) -> Allowance {
        if self.since_tidied.fetch_add(1, Ordering::Relaxed) == TIDY_EVERY {
            self.since_tidied.store(0, Ordering::Relaxed);
            self.limiter.retain_recent();
        }
        // A name is shown to people, and need not be one key's alone.
        let key = principal.key_id.as_ref().unwrap_or(&principal.name);
        let (remaining, wait_s) = match self.limiter.check_key(key) {
            Ok(state) => (state.remaining_burst_capacity(), None),
            Err(until) => {
                let wait = until.wait_time_from(self.limiter.clock().now()).as_secs();
                let seconds = u32::try_from(wait).unwrap_or(u32::MAX).saturating_add(1);
                (0, Some(seconds))
            }
        };
        Allowance {
            limit: self.per_minute.get(),
            remaining,
            wait_s,
        }
    }
}

impl Allowance {
    /// 429 where the key has sent too many.
    pub(super) fn refusal(self) -> Option<Problem> {
        self.wait_s.map(error::too_often)
    }

    /// Tells the client what it has left, and in how many seconds it has all of it again.
    pub(super) fn tell(self, response: &mut Response) {
        let used = u64::from(self.limit - self.remaining.min(self.limit));
        let reset = (used * 60).div_ceil(u64::from(self.limit));
        let headers = response.headers_mut();
        let numbers = [
            ("x-ratelimit-limit", u64::from(self.limit)),
            ("x-ratelimit-remaining", u64::from(self.remaining)),
            ("x-ratelimit-reset", reset),
        ];
        for (name, number) in numbers {
            headers.insert(HeaderName::from_static(name), HeaderValue::from(number));
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use axum::response::IntoResponse;

    use super::*;

    #[test]
    fn a_key_that_asks_too_often_is_told_when_to_come_back_and_others_are_not_held_up() {
        let rates = Rates::per_minute(NonZeroU32::new(3).unwrap());
        let of = |key: &str| Principal {
            key_id: Some(key.into()),
            ..Principal::local()
        };
        let told = |allowance: Allowance| {
            let refusal = allowance.refusal();
            let mut response =
                refusal.map_or_else(|| StatusCode::OK.into_response(), IntoResponse::into_response);
            allowance.tell(&mut response);
            let number = |name: &str| {
                response
                    .headers()
                    .get(name)
                    .and_then(|value| value.to_str().ok()?.parse().ok())
            };
            let names = [
                "x-ratelimit-limit",
                "x-ratelimit-remaining",
                "x-ratelimit-reset",
                "retry-after",
            ];
            (response.status().as_u16(), names.map(|name| number(name)))
        };
        // One comes back every 20 s.
        for (want, reset) in [(2, 20), (1, 40), (0, 60)] {
            let numbers = [Some(3_u32), Some(want), Some(reset), None];
            assert_eq!(told(rates.take(&of("a"))), (200, numbers));
        }
        let refused = [Some(3), Some(0), Some(60), Some(20)];
        assert_eq!(told(rates.take(&of("a"))), (429, refused));
        assert!(rates.take(&of("b")).refusal().is_none());
    }
}
