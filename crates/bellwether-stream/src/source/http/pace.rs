//! How much may wait: who would wait too long is told so before any work is done for them.
//!
//! Little's law: what has been taken and is not done yet, over what is done in a second, is how long a newcomer waits.
//! Both are counted in bytes of bodies, which are known before anything is decoded.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::clock;

/// A newcomer may have to wait for so long.
const WAIT_MAX: Duration = Duration::from_millis(300);

/// So many bytes may wait however slowly they seem to go: a few small requests say nothing of what can be done.
const WAITING_MIN: u64 = 2 << 20;

/// So many may wait where nothing is known of the pace yet.
const WAITING_UNKNOWN: u64 = 4 << 20;

/// The pace is that of the last seconds in which there was work.
const MEMORY: Duration = Duration::from_secs(2);

/// Less work than this says nothing of the pace.
const KNOWN_AFTER: Duration = Duration::from_millis(100);

/// What waits, and how fast it goes.
#[derive(Debug)]
pub(super) struct Pace {
    going: Mutex<Going>,
    /// Told when something no longer waits.
    left: Notify,
}

#[derive(Debug)]
struct Going {
    /// Bytes taken and not done.
    waiting: u64,
    /// Bytes done, older ones counting less.
    done: f64,
    /// Seconds in which something waited, older ones counting less.
    busy: f64,
    at: Instant,
}

/// A body that was taken; it no longer waits once this is dropped.
#[derive(Debug)]
pub(super) struct Taken<'a> {
    pace: &'a Pace,
    bytes: u64,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            going: Mutex::new(Going {
                waiting: 0,
                done: 0.0,
                busy: 0.0,
                at: now,
            }),
            left: Notify::new(),
        }
    }

    /// Takes a body of so many bytes; `None`: it would have to wait for too long. However large it is, it is taken where
    /// nothing waits.
    pub(super) fn take(&self, bytes: usize, now: Instant) -> Option<Taken<'_>> {
        let mut going = self.going();
        going.advance(now);
        if going.waiting > going.waiting_max() {
            return None;
        }
        let bytes = bytes as u64;
        going.waiting += bytes;
        Some(Taken { pace: self, bytes })
    }

    /// Takes a body as soon as it would not have to wait for too long: for senders who can be made to wait.
    pub(super) async fn take_in_turn(&self, bytes: usize) -> Taken<'_> {
        loop {
            // Asked for before the look, so that nothing leaves unseen between look and wait.
            let left = self.left.notified();
            if let Some(taken) = self.take(bytes, clock::instant()) {
                return taken;
            }
            left.await;
        }
    }

    fn going(&self) -> std::sync::MutexGuard<'_, Going> {
        self.going.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken<'_> {
    /// All of it is durable.
    pub(super) fn done(self, now: Instant) {
        let mut going = self.pace.going();
        going.advance(now);
        going.done += self.bytes as f64;
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.pace.going().waiting -= self.bytes;
        self.pace.left.notify_one();
    }
}

impl Going {
    /// Idle time is passed over: it says nothing of the pace.
    fn advance(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at);
        self.at = self.at.max(now);
        if self.waiting > 0 {
            let kept = (-passed.as_secs_f64() / MEMORY.as_secs_f64()).exp();
            self.done *= kept;
            self.busy = self.busy * kept + passed.as_secs_f64();
        }
    }

    fn waiting_max(&self) -> u64 {
        if self.busy < KNOWN_AFTER.as_secs_f64() {
            return WAITING_UNKNOWN;
        }
        let within = self.done / self.busy * WAIT_MAX.as_secs_f64();
        WAITING_MIN.max(within as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn start() -> Instant {
        crate::clock::instant()
    }

    /// A server that does 10 MiB a second, asked for `offered` MiB a second in bodies of 1 MiB: the longest wait of those
    /// who were taken, and how many MiB a second were.
    fn simulate(offered: f64) -> (f64, f64) {
        let start = start();
        let pace = Pace::new(start);
        let mut queue = std::collections::VecDeque::new();
        let (mut longest, mut n_taken, mut free_at) = (0.0_f64, 0, 0.0_f64);
        let n = (offered * 20.0) as usize;
        for nth in 0..n {
            let now = nth as f64 / offered;
            while queue.front().is_some_and(|(done_at, _)| *done_at <= now) {
                let (done_at, taken): (f64, Taken<'_>) = queue.pop_front().unwrap_or_else(|| unreachable!());
                taken.done(start + Duration::from_secs_f64(done_at));
            }
            if let Some(taken) = pace.take(MIB, start + Duration::from_secs_f64(now)) {
                free_at = free_at.max(now) + 0.1;
                queue.push_back((free_at, taken));
                longest = longest.max(free_at - now);
                n_taken += 1;
            }
        }
        (longest, f64::from(n_taken) / 20.0)
    }

    #[test]
    fn ten_times_too_much_keeps_the_wait_short_and_the_server_busy() {
        for offered in [20.0, 100.0, 1000.0] {
            let (longest, taken) = simulate(offered);
            assert!(longest < 0.7, "{offered}: {longest} s");
            assert!(taken > 9.5, "{offered}: {taken} MiB/s");
        }
    }

    #[tokio::test]
    async fn who_can_wait_is_taken_as_soon_as_there_is_room() {
        let pace = Pace::new(start());
        let large = pace.take(64 * MIB, start());
        let mut waiting = std::pin::pin!(pace.take_in_turn(1));
        tokio::select! {
            biased;
            _ = waiting.as_mut() => panic!("there is no room"),
            () = std::future::ready(()) => {}
        }
        drop(large);
        waiting.await;
    }

    #[test]
    fn what_can_be_done_is_taken() {
        let (_, taken) = simulate(9.0);
        assert!(taken > 8.9, "{taken}");
    }

    #[test]
    fn a_large_body_is_taken_where_nothing_waits_and_a_burst_of_small_ones_after_slow_ones() {
        let start = start();
        let pace = Pace::new(start);
        let at = |ms: u64| start + Duration::from_millis(ms);
        let slow = pace.take(100, at(0)).unwrap();
        slow.done(at(1000));
        // A hundred bytes a second so far.
        let burst: Vec<_> = (0..200).map(|_| pace.take(200, at(2000))).collect();
        assert!(burst.iter().all(Option::is_some));
        drop(burst);
        let large = pace.take(64 * MIB, at(3000));
        assert!(large.is_some());
        assert!(pace.take(100, at(3001)).is_none());
        drop(large);
        assert!(pace.take(100, at(3002)).is_some());
    }
}
