//! Wrong keys are few: whoever shows more of them waits.

use std::fmt;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bellwether_stream::clock;
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter, clock::DefaultClock};
use moka::sync::Cache;

use super::Denied;

/// Wrong secrets for one key from one address in a minute.
const OF_KEY: NonZeroU32 = NonZeroU32::new(5).expect("not 0");

/// Wrong keys of any kind from one address in a minute: whoever makes up ids makes us compute no less.
const OF_ADDRESS: NonZeroU32 = NonZeroU32::new(60).expect("not 0");

/// Addresses and keys that are remembered as refused at most.
const REFUSED_MAX: u64 = 100_000;

/// How often counts that are full again are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(60);

/// Counts wrong keys.
#[derive(Debug)]
pub(super) struct Attempts {
    of_key: Bound<(IpAddr, String)>,
    of_address: Bound<IpAddr>,
    forgot: Mutex<Instant>,
}

impl Default for Attempts {
    fn default() -> Self {
        Self {
            of_key: Bound::new(OF_KEY),
            of_address: Bound::new(OF_ADDRESS),
            forgot: Mutex::new(clock::instant()),
        }
    }
}

impl Attempts {
    /// Whether a key may be tried at all.
    pub(super) fn admit(&self, from: IpAddr, id: &str) -> Result<(), Denied> {
        let network = network(from);
        let waits = [
            self.of_key.wait(&(network, id.to_owned())),
            self.of_address.wait(&network),
        ];
        match waits.into_iter().flatten().max() {
            Some(wait) => Err(Denied::TooOften(seconds(wait))),
            None => Ok(()),
        }
    }

    /// Counts a wrong key.
    pub(super) fn failed(&self, from: IpAddr, id: &str) {
        let network = network(from);
        self.of_key.count((network, id.to_owned()));
        self.of_address.count(network);
        let now = clock::instant();
        let mut forgot = self.forgot.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(*forgot) >= FORGET_EVERY {
            *forgot = now;
            drop(forgot);
            self.of_key.limiter.retain_recent();
            self.of_address.limiter.retain_recent();
        }
    }
}

/// So many in a minute of each `K`.
struct Bound<K: Clone + Hash + Eq> {
    limiter: RateLimiter<K, DashMapStateStore<K>, DefaultClock, StateInformationMiddleware>,
    /// Until when those wait who have had all of theirs.
    refused: Cache<K, Instant>,
    /// After this time one more is allowed.
    pause: Duration,
}

impl<K: Clone + Hash + Eq + Send + Sync + 'static> Bound<K> {
    fn new(per_minute: NonZeroU32) -> Self {
        let quota = Quota::per_minute(per_minute);
        let pause = quota.replenish_interval();
        Self {
            limiter: RateLimiter::dashmap(quota).with_middleware(),
            refused: Cache::builder()
                .max_capacity(REFUSED_MAX)
                .time_to_live(pause)
                .build(),
            pause,
        }
    }

    fn wait(&self, key: &K) -> Option<Duration> {
        let until = self.refused.get(key)?;
        let wait = until.saturating_duration_since(clock::instant());
        Some(wait).filter(|wait| !wait.is_zero())
    }

    fn count(&self, key: K) {
        let is_last = match self.limiter.check_key(&key) {
            Ok(state) => state.remaining_burst_capacity() == 0,
            Err(_) => true,
        };
        if is_last {
            self.refused.insert(key, clock::instant() + self.pause);
        }
    }
}

impl<K: Clone + Hash + Eq> fmt::Debug for Bound<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bound")
            .field("pause", &self.pause)
            .finish_non_exhaustive()
    }
}

/// Whom an address stands for: with IPv6 everybody has 2^64 of them.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let bits = address.to_bits() & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from_bits(bits))
        }
        v4 => v4,
    }
}

fn seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_secs())
        .unwrap_or(u32::MAX)
        .saturating_add(u32::from(wait.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sixth_wrong_secret_of_a_key_from_an_address_is_not_tried() {
        let attempts = Attempts::default();
        let [here, there] = ["10.0.0.1", "10.0.0.2"].map(|address| address.parse().unwrap());
        for _ in 0..5 {
            assert_eq!(attempts.admit(here, "k1"), Ok(()));
            attempts.failed(here, "k1");
        }
        let refused = attempts.admit(here, "k1");
        assert!(matches!(refused, Err(Denied::TooOften(1..=12))), "{refused:?}");
        assert_eq!(attempts.admit(here, "k2"), Ok(()), "another key");
        assert_eq!(attempts.admit(there, "k1"), Ok(()), "another address");
    }

    #[test]
    fn made_up_ids_do_not_help() {
        let attempts = Attempts::default();
        // One network.
        let from = |n: u32| format!("2001:db8::{n:x}").parse().unwrap();
        for n in 0..60 {
            assert_eq!(attempts.admit(from(n), &n.to_string()), Ok(()), "{n}");
            attempts.failed(from(n), &n.to_string());
        }
        assert_eq!(attempts.admit(from(99), "other"), Err(Denied::TooOften(1)));
        assert_eq!(
            attempts.admit("2001:db8:0:1::1".parse().unwrap(), "other"),
            Ok(())
        );
        // The same machine under both kinds of address.
        for _ in 0..5 {
            attempts.failed("::ffff:10.0.0.1".parse().unwrap(), "k");
        }
        assert!(attempts.admit("10.0.0.1".parse().unwrap(), "k").is_err());
    }
}
