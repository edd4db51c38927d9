//! Windows of many requests in one call of a model.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bellwether_core::model::{Answers, Model, ModelError};
use bellwether_core::window::{WindowSpec, Windows};

/// Windows that are computed together at most; calls of more go straight to the model.
const WINDOWS_MAX: usize = 256;

/// A model whose small calls are put together.
///
/// Who calls while a core is free computes at once: nobody waits for company. While all cores compute, calls queue; the
/// next core that is free takes all that wait, up to [`WINDOWS_MAX`]. The answer for a window is its own
/// ([`Model`]), so the bits do not depend on the company. Where a call together fails, each is computed alone: a
/// window that has no answer takes none from its neighbours.
#[derive(Debug)]
pub(crate) struct Batched {
    inner: Arc<dyn Model>,
    leaders_max: usize,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    /// Calls that compute.
    n_leaders: usize,
    waiting: VecDeque<Arc<Call>>,
}

/// What is asked of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    Expected,
    Errors,
}

/// A call that waits.
#[derive(Debug)]
struct Call {
    ask: Ask,
    n_windows: usize,
    /// `[n_windows, len, n_channels]`
    values: Vec<f64>,
    observed: Option<Vec<bool>>,
    state: Mutex<State>,
    told: Condvar,
}

#[derive(Debug)]
enum State {
    Waiting,
    /// It is the turn of this call to compute, for those behind it as well.
    Lead,
    /// Somebody computed it.
    Done(Vec<f64>),
    /// Together it went wrong.
    Alone,
}

impl Batched {
    /// Puts the calls of a model together; `n_cores` compute at once.
    pub(crate) fn new(inner: Arc<dyn Model>, n_cores: usize) -> Self {
        Self {
            inner,
            leaders_max: n_cores.max(1),
            queue: Mutex::default(),
        }
    }

    fn call(&self, ask: Ask, windows: Windows<'_>, out: &mut [f64]) -> Result<(), ModelError> {
        if windows.n_windows() > WINDOWS_MAX {
            return self.compute(ask, windows, out);
        }
        let mut queue = lock(&self.queue);
        if queue.n_leaders < self.leaders_max {
            queue.n_leaders += 1;
            drop(queue);
            let _lead = Lead(self);
            return self.compute(ask, windows, out);
        }
        let call = Arc::new(Call::new(ask, windows));
        queue.waiting.push_back(Arc::clone(&call));
        drop(queue);
        match call.wait() {
            State::Done(answer) => {
                out.copy_from_slice(&answer);
                Ok(())
            }
            State::Alone => self.compute(ask, windows, out),
            State::Lead | State::Waiting => {
                let _lead = Lead(self);
                self.lead(&call, windows, out)
            }
        }
    }

    /// Computes a call and those that wait behind it.
    fn lead(&self, own: &Call, windows: Windows<'_>, out: &mut [f64]) -> Result<(), ModelError> {
        let others = Others(self.take(own));
        if others.0.is_empty() {
            return self.compute(own.ask, windows, out);
        }
        let all = || std::iter::once(own).chain(others.0.iter().map(|call| &**call));
        let values: Vec<f64> = all().flat_map(|call| call.values.iter().copied()).collect();
        let observed: Option<Vec<bool>> = own.observed.is_some().then(|| {
            let marks = all().filter_map(|call| call.observed.as_deref());
            marks.flatten().copied().collect()
        });
        let (len, n_channels) = (windows.window_len(), windows.n_channels());
        let n_windows: usize = all().map(|call| call.n_windows).sum();
        let starts: Vec<usize> = (0..n_windows).map(|idx| idx * len).collect();
        let together = Windows::new(&values, observed.as_deref(), n_channels, len, &starts);
        let n_cells = self.inner.n_answers() * n_channels;
        let mut answer = vec![0.0; n_windows * n_cells];
        if self.compute(own.ask, together, &mut answer).is_err()
            || !answer.iter().all(|value| value.is_finite())
        {
            drop(others);
            return self.compute(own.ask, windows, out);
        }
        let (mine, mut rest) = answer.split_at(own.n_windows * n_cells);
        out.copy_from_slice(mine);
        for call in &others.0 {
            let (theirs, behind) = rest.split_at(call.n_windows * n_cells);
            call.tell(State::Done(theirs.to_vec()));
            rest = behind;
        }
        Ok(())
    }

    /// The calls that wait and can be computed with this one, in order.
    fn take(&self, own: &Call) -> Vec<Arc<Call>> {
        let mut room = WINDOWS_MAX - own.n_windows;
        let mut queue = lock(&self.queue);
        let mut taken = Vec::new();
        // Marks or none is told apart by models: calls of one kind go together.
        let fits = |call: &Call| {
            call.ask == own.ask
                && call.observed.is_some() == own.observed.is_some()
                && call.values.len() * own.n_windows == own.values.len() * call.n_windows
        };
        while let Some(call) = queue
            .waiting
            .front()
            .filter(|call| fits(call) && call.n_windows <= room)
        {
            room -= call.n_windows;
            taken.push(Arc::clone(call));
            queue.waiting.pop_front();
        }
        taken
    }

    fn compute(&self, ask: Ask, windows: Windows<'_>, out: &mut [f64]) -> Result<(), ModelError> {
        match ask {
            Ask::Expected => self.inner.expected(windows, out),
            Ask::Errors => self.inner.errors(windows, out),
        }
    }
}

impl Model for Batched {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn window(&self) -> WindowSpec {
        self.inner.window()
    }

    fn n_channels(&self) -> usize {
        self.inner.n_channels()
    }

    fn answers(&self) -> Answers {
        self.inner.answers()
    }

    fn expected(&self, windows: Windows<'_>, out: &mut [f64]) -> Result<(), ModelError> {
        self.call(Ask::Expected, windows, out)
    }

    fn errors(&self, windows: Windows<'_>, out: &mut [f64]) -> Result<(), ModelError> {
        self.call(Ask::Errors, windows, out)
    }

    /// Asked for rarely, and one window in many shapes: there is nothing to join.
    fn derivatives(
        &self,
        windows: Windows<'_>,
        weights: &[f64],
        out: &mut [f64],
    ) -> Result<bool, ModelError> {
        self.inner.derivatives(windows, weights, out)
    }
}

impl Call {
    fn new(ask: Ask, windows: Windows<'_>) -> Self {
        let all = 0..windows.n_windows();
        let marks = all.clone().map(|idx| windows.observed(idx));
        let observed: Option<Vec<&[bool]>> = marks.collect();
        Self {
            ask,
            n_windows: windows.n_windows(),
            values: all.flat_map(|idx| windows.values(idx)).copied().collect(),
            observed: observed.map(|marks| marks.concat()),
            state: Mutex::new(State::Waiting),
            told: Condvar::new(),
        }
    }

    fn wait(&self) -> State {
        let state = lock(&self.state);
        let mut state = self
            .told
            .wait_while(state, |state| matches!(state, State::Waiting))
            .unwrap_or_else(PoisonError::into_inner);
        // A call that leads is over for the others.
        std::mem::replace(&mut *state, State::Alone)
    }

    fn tell(&self, told: State) {
        *lock(&self.state) = told;
        self.told.notify_one();
    }
}

/// The right to compute: passed on when it ends, in whatever way.
struct Lead<'a>(&'a Batched);

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let mut queue = lock(&self.0.queue);
        match queue.waiting.pop_front() {
            Some(next) => next.tell(State::Lead),
            None => queue.n_leaders -= 1,
        }
    }
}

/// Calls taken from the queue: whoever has no answer in the end computes alone.
struct Others(Vec<Arc<Call>>);

impl Drop for Others {
    fn drop(&mut self) {
        for call in &self.0 {
            let mut state = lock(&call.state);
            if matches!(*state, State::Waiting) {
                *state = State::Alone;
                call.told.notify_one();
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "batching_tests.rs"]
mod tests;
