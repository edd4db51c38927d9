//! What `cargo xtask bench-peers` asks of us: one figure of one shape at a time, as often as it likes, so that ours and
//! the peers take turns.
//!
//! `turns THREADS [KERNELS]`, then lines `FIGURE SHAPE SECONDS` on stdin, figures being `train`, `score`, `latency` and `peak`; for
//! each a line with a number: windows per second, microseconds, GF/s of one core. The first line says what runs; there is none
//! where the processor does not run those kernels.
#![expect(clippy::print_stdout, reason = "the answers are what it is for")]

use std::collections::BTreeMap;
use std::io::{self, BufRead, Error, ErrorKind, Write};
use std::time::Duration;

use bellwether_nn::Kernels;

#[path = "../../bellwether/src/bench/kernels.rs"]
#[expect(dead_code, reason = "the report belongs to `bellwether bench kernels`")]
mod kernels;

use kernels::{Ready, SHAPES, peak_gflops};

fn main() -> io::Result<()> {
    let wrong = |what: &str| Error::new(ErrorKind::InvalidInput, what.to_owned());
    let n_threads = std::env::args().nth(1).and_then(|text| text.parse().ok());
    let n_threads = n_threads.ok_or_else(|| wrong("wanted: a number of threads"))?;
    let (kernels, program) = match std::env::args().nth(2) {
        None => (Kernels::detect(), "bellwether".to_owned()),
        Some(name) => {
            let Some(kernels) = Kernels::by_name(&name) else {
                return Ok(());
            };
            (kernels, format!("bellwether {name}"))
        }
    };
    println!(r#"{{"program": "{program}", "version": "{}"}}"#, kernels.name());
    io::stdout().flush()?;
    let mut ready = BTreeMap::new();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let [figure, shape, seconds] = words[..] else {
            return Err(wrong("wanted: FIGURE SHAPE SECONDS"));
        };
        let seconds: f64 = seconds.parse().map_err(|_| wrong("no number of seconds"))?;
        let time = Duration::try_from_secs_f64(seconds).map_err(|_| wrong("no number of seconds"))?;
        let shape = SHAPES.iter().find(|known| known.name == shape);
        let shape = shape.ok_or_else(|| wrong("no such shape"))?;
        let of = ready
            .entry(shape.name)
            .or_insert_with(|| Ready::new(shape, kernels, n_threads));
        let found = match figure {
            "train" => of.train(time),
            "score" => of.score(time),
            "latency" => of.latency(time).p50,
            "peak" => peak_gflops(kernels, time),
            _ => return Err(wrong("no such figure")),
        };
        println!("{found}");
        io::stdout().flush()?;
    }
    Ok(())
}
