//! Calls together give the bits of calls alone, and one that fails takes nobody with it.

use std::num::NonZeroUsize;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::*;

const LEN: usize = 3;
const N: usize = 2;

/// Something that is not linear, and fails on large values; counts its calls, and takes its time over them.
#[derive(Debug, Default)]
struct Slow {
    n_calls: AtomicUsize,
    /// It foresees the last row and says nothing of the others.
    foresees: bool,
}

impl Slow {
    fn new(foresees: bool) -> Self {
        Self {
            foresees,
            ..Self::default()
        }
    }
}

impl Model for Slow {
    fn window(&self) -> WindowSpec {
        WindowSpec {
            len: NonZeroUsize::new(LEN).unwrap(),
            stride: NonZeroUsize::MIN,
        }
    }

    fn n_channels(&self) -> usize {
        N
    }

    fn answers(&self) -> Answers {
        if self.foresees {
            Answers::LastRow
        } else {
            Answers::Window
        }
    }

    fn expected(&self, windows: Windows<'_>, out: &mut [f64]) -> Result<(), ModelError> {
        self.n_calls.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(std::time::Duration::from_micros(300));
        let n_cells = self.n_answers() * N;
        for (window_idx, out) in out.chunks_exact_mut(n_cells).enumerate() {
            let values = windows.values(window_idx);
            let marks = windows.observed(window_idx);
            let sum: f64 = values.iter().map(|value| value.sin()).sum();
            if values.iter().any(|value| *value > 1e6) {
                return Err(ModelError::NotFinite { window_idx });
            }
            for (cell, out) in (LEN * N - n_cells..).zip(out) {
                let factor = if marks.is_some_and(|marks| !marks[cell]) {
                    0.5
                } else {
                    0.7
                };
                *out = (sum + values[cell]).tanh() * factor;
            }
        }
        Ok(())
    }
}

/// A request: rows, which of its values are marked, whether it asks for errors.
#[derive(Debug, Clone)]
struct Request {
    values: Vec<f64>,
    with_marks: bool,
    errors: bool,
}

fn request() -> impl Strategy<Value = Request> {
    let value = prop_oneof![20 => -3.0..3.0_f64, 1 => Just(1e9)];
    let rows = (LEN..LEN + 12).prop_flat_map(move |rows| proptest::collection::vec(value.clone(), rows * N));
    (rows, any::<bool>(), any::<bool>()).prop_map(|(values, with_marks, errors)| Request {
        values,
        with_marks,
        errors,
    })
}

/// The bits of the answer.
fn ask(model: &dyn Model, request: &Request) -> Result<Vec<u64>, ModelError> {
    let marks: Vec<bool> = request.values.iter().map(|value| *value > -1.0).collect();
    let marks = request.with_marks.then_some(&marks[..]);
    let starts: Vec<usize> = (0..=request.values.len() / N - LEN).collect();
    let windows = Windows::new(&request.values, marks, N, LEN, &starts);
    let mut out = vec![0.0; starts.len() * model.n_answers() * N];
    if request.errors {
        model.errors(windows, &mut out)?;
    } else {
        model.expected(windows, &mut out)?;
    }
    Ok(out.iter().map(|value| value.to_bits()).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn requests_at_once_get_the_bits_that_each_gets_alone(
        requests in proptest::collection::vec(request(), 1..24), n_cores in 1_usize..4,
        foresees in any::<bool>(),
    ) {
        let batched = Batched::new(Arc::new(Slow::new(foresees)), n_cores);
        let start = Barrier::new(requests.len());
        let got: Vec<_> = std::thread::scope(|scope| {
            let asked: Vec<_> = requests.iter().map(|request| {
                let (batched, start) = (&batched, &start);
                scope.spawn(move || {
                    start.wait();
                    ask(batched, request)
                })
            }).collect();
            asked.into_iter().map(|asked| asked.join().unwrap()).collect()
        });
        let alone = Slow::new(foresees);
        for (request, got) in requests.iter().zip(got) {
            prop_assert_eq!(got, ask(&alone, request));
        }
        prop_assert_eq!(lock(&batched.queue).n_leaders, 0);
    }
}

#[test]
fn calls_that_wait_are_computed_together() {
    let model = Arc::new(Slow::default());
    let batched = Batched::new(Arc::clone(&model) as _, 1);
    let request = Request {
        values: vec![0.5; LEN * N],
        with_marks: false,
        errors: true,
    };
    // The right to compute is taken: all that come have to wait.
    lock(&batched.queue).n_leaders = 1;
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| ask(&batched, &request).unwrap());
        }
        while lock(&batched.queue).waiting.len() < 20 {
            std::thread::yield_now();
        }
        drop(Lead(&batched));
    });
    assert_eq!(model.n_calls.load(Ordering::SeqCst), 1);
}
