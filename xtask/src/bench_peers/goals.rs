//! What is promised of the speed of our networks, and whether it was held.

use super::figures::{Comparison, Figure, OURS, OURS_IN_TILES, Row};

/// A promise and what was measured of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Judged {
    pub(super) what: &'static str,
    pub(super) shape: &'static str,
    pub(super) threads: usize,
    /// At least.
    pub(super) wanted: f64,
    pub(super) found: Option<f64>,
}

impl Judged {
    /// What was not measured was not held.
    pub(super) fn is_held(&self) -> bool {
        self.found.is_some_and(|found| found >= self.wanted)
    }
}

/// Million operations of the products to train on a window: three times those of the way forward.
fn train_megaflops(shape: &str) -> Option<f64> {
    match shape {
        "M" => Some(3.0 * 8.89),
        "L" => Some(3.0 * 56.2),
        _ => None,
    }
}

/// Every promise in turn.
pub(super) fn judge(found: &Comparison) -> Vec<Judged> {
    let row = |shape, threads, figure| Row {
        shape,
        threads,
        figure,
    };
    let mut judged = Vec::new();
    let mut say = |what, shape, threads, wanted, found| {
        judged.push(Judged {
            what,
            shape,
            threads,
            wanted,
            found,
        });
    };
    for (shape, threads, wanted) in [
        ("S", 1, 5.5),
        ("M", 1, 2.0),
        ("L", 1, 1.8),
        ("S", 2, 9.0),
        ("M", 2, 3.0),
        ("L", 2, 2.2),
    ] {
        let over = found.advantage("PyTorch", row(shape, threads, Figure::Train));
        say("training, times PyTorch", shape, threads, wanted, over);
    }
    let over_keras = found.advantage("Keras", row("M", 1, Figure::Train));
    say("training, times Keras", "M", 1, 5.5, over_keras);
    for (shape, wanted) in [("S", 2.6), ("M", 1.9), ("L", 1.6)] {
        let over = |peer| found.advantage(peer, row(shape, 2, Figure::Score));
        let over_both = over("PyTorch").zip(over("ONNX Runtime")).map(|(a, b)| a.min(b));
        say("scoring, times the better peer", shape, 2, wanted, over_both);
    }
    let in_tiles = row("M", 2, Figure::Score);
    if let Some(ours) = found.best(OURS_IN_TILES, in_tiles) {
        let best = |peer| found.best(peer, in_tiles);
        let over_both = best("PyTorch")
            .zip(best("ONNX Runtime"))
            .map(|(a, b)| ours / a.max(b));
        say("scoring in tiles, times the better peer", "M", 2, 4.0, over_both);
    }
    for (shape, wanted) in [("S", 2.0), ("M", 2.0), ("L", 1.0 / 0.65)] {
        let over = found.advantage("ONNX Runtime", row(shape, 1, Figure::Latency));
        say("one window, times ONNX Runtime", shape, 1, wanted, over);
    }
    for (what, figure) in [
        ("training, times one thread", Figure::Train),
        ("scoring, times one thread", Figure::Score),
    ] {
        for shape in ["S", "M", "L"] {
            let of = |threads| found.best(OURS, row(shape, threads, figure));
            say(what, shape, 2, 1.85, of(2).zip(of(1)).map(|(two, one)| two / one));
        }
    }
    for shape in ["M", "L"] {
        let of = |figure| found.best(OURS, row(shape, 1, figure));
        let share = of(Figure::Train)
            .zip(of(Figure::Peak))
            .zip(train_megaflops(shape))
            .map(|((rate, peak), megaflops)| rate * megaflops * 1e-3 / peak);
        say("training, share of the core's peak", shape, 1, 0.6, share);
    }
    judged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_is_held_by_what_was_measured() {
        let mut found = Comparison::default();
        let train = Row {
            shape: "M",
            threads: 1,
            figure: Figure::Train,
        };
        found.take(OURS, train, 3000.0);
        found.take("PyTorch", train, 1500.0);
        found.take("Keras", train, 1000.0);
        let judged = judge(&found);
        let of = |what: &str, shape: &str| {
            let judged = judged.iter().find(|of| (of.what, of.shape) == (what, shape));
            let judged = judged.expect("a promise");
            (judged.found, judged.is_held())
        };
        assert_eq!(of("training, times PyTorch", "M"), (Some(2.0), true));
        assert_eq!(of("training, times Keras", "M"), (Some(3.0), false));
        assert_eq!(of("scoring, times the better peer", "M"), (None, false));
        // Who has no tiles has not promised anything of them.
        let in_tiles = |found: &Comparison| {
            let judged = judge(found);
            let judged = judged.iter().find(|of| of.what.starts_with("scoring in tiles"));
            judged.map(|judged| (judged.found, judged.is_held()))
        };
        assert_eq!(in_tiles(&found), None);
        let score = Row {
            threads: 2,
            figure: Figure::Score,
            ..train
        };
        for (program, rate) in [
            (OURS_IN_TILES, 8400.0),
            ("PyTorch", 1500.0),
            ("ONNX Runtime", 2000.0),
        ] {
            found.take(program, score, rate);
        }
        assert_eq!(in_tiles(&found), Some((Some(4.2), true)));
    }
}
