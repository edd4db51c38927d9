//! Threads that share pieces of work.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder, Yield};

/// So often the one that asks looks whether its helpers have ended before it sleeps: a few tenths of a millisecond.
const SPINS: u32 = 10_000;
/// So often a helper that has ended looks for more before it sleeps: about as long.
const LOOKS: u32 = 2_000;

/// The thread that asks, and those that help it.
///
/// Every piece goes to whoever is free, and the one that asks begins at once: a core that is busy with something else, or a helper
/// that is slow to wake, holds nobody back for longer than one piece.
#[derive(Debug)]
pub(crate) struct Crew {
    helpers: Option<ThreadPool>,
}

impl Crew {
    /// `n_threads` with the one that asks. A machine that cannot start threads still computes: in place, and the same bits.
    pub(crate) fn new(n_threads: usize) -> Self {
        let helpers = (n_threads > 1).then(|| {
            ThreadPoolBuilder::new()
                .num_threads(n_threads - 1)
                .thread_name(|idx| format!("nn-{idx}"))
                .build()
                .ok()
        });
        Self {
            helpers: helpers.flatten(),
        }
    }

    /// How many threads there are.
    pub(crate) fn n_threads(&self) -> usize {
        1 + self.helpers.as_ref().map_or(0, ThreadPool::current_num_threads)
    }

    /// Does `work` once with each of the pieces, in any order and on any thread.
    pub(crate) fn each<I>(&self, pieces: I, work: impl Fn(I::Item) + Sync)
    where
        I: ExactSizeIterator + Send,
        I::Item: Send,
    {
        self.share(pieces, |_, piece| work(piece));
    }

    /// As [`Crew::each`], with what the thread has of its own: `own` has something for each.
    pub(crate) fn each_with<T, I>(&self, own: &mut [T], pieces: I, work: impl Fn(&mut T, I::Item) + Sync)
    where
        T: Send,
        I: ExactSizeIterator + Send,
        I::Item: Send,
    {
        assert_eq!(own.len(), self.n_threads());
        let own: Vec<_> = own.iter_mut().map(Mutex::new).collect();
        self.share(pieces, |thread, piece| {
            work(
                &mut own[thread].lock().unwrap_or_else(PoisonError::into_inner),
                piece,
            );
        });
    }

    /// Does `work` once with each of the pieces, and says which thread it is: the one that asks is the first.
    fn share<I>(&self, mut pieces: I, work: impl Fn(usize, I::Item) + Sync)
    where
        I: ExactSizeIterator + Send,
        I::Item: Send,
    {
        let Some(helpers) = self.helpers.as_ref().filter(|_| pieces.len() > 1) else {
            return pieces.by_ref().for_each(|piece| work(0, piece));
        };
        let n_helpers = helpers.current_num_threads().min(pieces.len() - 1);
        let pieces = Mutex::new(pieces);
        let next = || pieces.lock().unwrap_or_else(PoisonError::into_inner).next();
        let take = |thread: usize| {
            while let Some(piece) = next() {
                work(thread, piece);
            }
        };
        let n_ended = AtomicUsize::new(0);
        helpers.in_place_scope(|scope| {
            for _ in 0..n_helpers {
                scope.spawn(|_| {
                    let helper = rayon::current_thread_index().expect("a thread of the pool");
                    take(1 + helper);
                    n_ended.fetch_add(1, Ordering::Release);
                    if !IS_ON_WATCH.get() {
                        rayon::spawn(watch);
                    }
                });
            }
            take(0);
            // Helpers end at about the same time: to wait for them awake is shorter than to sleep and be woken.
            for _ in 0..SPINS {
                if n_ended.load(Ordering::Acquire) == n_helpers {
                    break;
                }
                std::hint::spin_loop();
            }
        });
    }
}

thread_local! {
    static IS_ON_WATCH: Cell<bool> = const { Cell::new(false) };
}

/// Does what comes until nothing has come for a while. What lies between two mini-batches is shorter than it takes to wake a thread
/// that has gone to sleep.
fn watch() {
    if IS_ON_WATCH.replace(true) {
        return;
    }
    let mut n_idle = 0;
    while n_idle < LOOKS {
        n_idle = match rayon::yield_now() {
            Some(Yield::Executed) => 0,
            Some(Yield::Idle) | None => n_idle + 1,
        };
        std::hint::spin_loop();
    }
    IS_ON_WATCH.set(false);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::thread;

    use super::*;

    #[test]
    fn every_piece_is_done_once_by_any_number_of_threads() {
        for n_threads in 1..5 {
            let crew = Crew::new(n_threads);
            for n in [0, 1, 2, 3, 100] {
                let mut done = vec![0; n];
                crew.each(done.iter_mut().enumerate(), |(idx, done)| *done += idx + 1);
                assert_eq!(done, (1..=n).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn each_thread_has_its_own() {
        for n_threads in 1..4 {
            let crew = Crew::new(n_threads);
            let mut sums = vec![0; crew.n_threads()];
            for _ in 0..20 {
                crew.each_with(&mut sums, 0..100, |sum, piece| {
                    *sum += piece;
                    thread::yield_now();
                });
            }
            assert_eq!(sums.len(), n_threads);
            assert_eq!(sums.iter().sum::<i32>(), 20 * 4950);
        }
    }

    #[test]
    fn the_one_that_asks_works_too() {
        let crew = Crew::new(3);
        let who = Mutex::new(BTreeSet::new());
        crew.each(0..50, |_| {
            let name = format!("{:?}", thread::current().id());
            who.lock().expect("nobody panics").insert(name);
            thread::yield_now();
        });
        let who = who.into_inner().expect("nobody panics");
        assert!(who.contains(&format!("{:?}", thread::current().id())) && who.len() <= 3);
    }
}
