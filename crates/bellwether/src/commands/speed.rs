//! `bench kernels`: the figures of [`crate::bench::kernels`], shown.

use std::num::NonZeroUsize;

use bellwether_nn::Kernels;
use serde_json::json;

use crate::bench::kernels::measure;
use crate::failure::Failure;
use crate::output::{Output, Rows};

pub(crate) fn run(threads: &[NonZeroUsize], kernels: Option<&str>, output: &Output) -> Result<(), Failure> {
    let kernels = match kernels {
        None => Kernels::detect(),
        Some(name) => Kernels::by_name(name).ok_or_else(|| unknown(&format!("--kernels {name}")))?,
    };
    let threads: Vec<usize> = threads.iter().map(|n| n.get()).collect();
    let report = measure(kernels, &threads, |what| {
        output.note(&format!("measuring {what}"))
    });
    let mut rows = Rows::new(&[
        "shape",
        "threads",
        "train_windows_per_s",
        "score_windows_per_s",
        "latency_us_p50",
        "latency_us_p99",
        "train_gflops",
        "score_gflops",
        "peak_gflops",
    ]);
    for shape in &report.shapes {
        rows.push(vec![
            json!(shape.name),
            json!(shape.threads),
            json!(shape.train_windows_per_s),
            json!(shape.score_windows_per_s),
            json!(shape.latency_us.p50),
            json!(shape.latency_us.p99),
            json!(shape.gflops.train),
            json!(shape.gflops.score),
            json!(shape.peak_gflops),
        ]);
    }
    output.note(&format!("kernels: {}", report.kernels));
    output.answer(&report, &rows)
}

/// Makes the kernels that `BELLWETHER_KERNELS` names those of this process.
///
/// # Errors
/// Where the processor does not run them.
pub(crate) fn choose_kernels() -> Result<(), Failure> {
    let Some(name) = std::env::var_os(KERNELS_VARIABLE).filter(|name| !name.is_empty()) else {
        return Ok(());
    };
    let name = name.to_string_lossy();
    if Kernels::choose(&name) {
        return Ok(());
    }
    Err(unknown(&format!("{KERNELS_VARIABLE}={name}")))
}

const KERNELS_VARIABLE: &str = "BELLWETHER_KERNELS";

fn unknown(said: &str) -> Failure {
    let all = Kernels::available().into_iter().chain(Kernels::by_name("amx"));
    let names: Vec<_> = all.map(Kernels::name).collect();
    Failure::Usage(format!("{said}: this machine runs {}", names.join(", ")))
}
