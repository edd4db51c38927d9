//! What the system says of this process; nothing where it does not say.

use bellwether_store::disk::read_bounded;

use super::page::{Kind, Page};

/// Ticks of a second in `/proc`: the same for all programs on Linux.
const TICKS: f64 = 100.0;

/// Bytes read of a file in `/proc` at most.
const BYTES_MAX: u64 = 1 << 16;

pub(super) fn put(page: &mut Page, started_s: f64) {
    if let Some((cpu_s, virtual_bytes)) = stat() {
        page.family(
            "process_cpu_seconds_total",
            Kind::Counter,
            "Time that the process has computed, on all cores.",
        )
        .value(&[], cpu_s);
        page.gauge(
            "process_virtual_memory_bytes",
            "Addresses that the process has.",
            virtual_bytes,
        );
    }
    if let Some(bytes) = resident_bytes() {
        page.gauge(
            "process_resident_memory_bytes",
            "Memory that the process holds.",
            bytes as f64,
        );
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        // One of them is that folder.
        let n_open = open.count().saturating_sub(1);
        page.gauge(
            "process_open_fds",
            "Files and connections that are open.",
            n_open as f64,
        );
    }
    if let Some(n_max) = fds_max() {
        page.gauge(
            "process_max_fds",
            "Files and connections that may be open.",
            n_max,
        );
    }
    page.gauge(
        "process_start_time_seconds",
        "When the process started, in seconds since 1970.",
        started_s,
    );
}

fn text(path: &str) -> Option<String> {
    String::from_utf8(read_bounded(path.as_ref(), BYTES_MAX).ok()?).ok()
}

/// Seconds computed, and bytes of addresses.
fn stat() -> Option<(f64, f64)> {
    let stat = text("/proc/self/stat")?;
    // The name before it may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let field = |idx: usize| fields.get(idx)?.parse::<f64>().ok();
    Some(((field(11)? + field(12)?) / TICKS, field(20)?))
}

/// Memory that the process holds.
pub(crate) fn resident_bytes() -> Option<u64> {
    let status = text("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

fn fds_max() -> Option<f64> {
    let limits = text("/proc/self/limits")?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(f64::INFINITY),
        limit => limit.parse().ok(),
    }
}
