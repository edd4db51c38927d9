//! placeholder
mod bench;
#[expect(dead_code, reason = "wired next")]
mod report;
fn main() {
    let threads: Vec<usize> = std::env::args().nth(1).map_or(vec![1, 2], |t| vec![t.parse().unwrap_or(1)]);
    let r = bench::kernels::measure(bellwether_nn::Kernels::detect(), &threads, |_| {});
    println!("{}", serde_json::to_string_pretty(&r).unwrap_or_default());
}
