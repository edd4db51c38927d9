//! What processes took, from /proc.

use std::path::Path;
use std::time::Duration;

/// Linux counts CPU time for programs in hundredths of a second, whatever the kernel's own clock.
const TICK: Duration = Duration::from_millis(10);

/// CPU time that a process took so far, its threads together; zero where it is gone.
pub(crate) fn cpu(pid: u32) -> Duration {
    let fields = stat(pid).unwrap_or_default();
    let ticks = |idx: usize| {
        fields
            .get(idx)
            .and_then(|field| field.parse::<u32>().ok())
            .unwrap_or(0)
    };
    TICK * (ticks(11) + ticks(12))
}

/// CPU time so far of all PostgreSQL processes below this one.
pub(crate) fn postgres_cpu() -> Duration {
    let own = std::process::id();
    let pids = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| text(*pid, "comm").trim() == "postgres" && is_below(*pid, own))
        .map(|pid| {
            // Those of a server that have ended are counted by their parent.
            let fields = stat(pid).unwrap_or_default();
            let ticks = |idx: usize| {
                fields
                    .get(idx)
                    .and_then(|field| field.parse::<u32>().ok())
                    .unwrap_or(0)
            };
            cpu(pid) + TICK * (ticks(13) + ticks(14))
        })
        .sum()
}

/// The most memory that a process had at once, in bytes; zero where it is gone.
pub(crate) fn peak_bytes(pid: u32) -> u64 {
    memory(pid, "VmHWM:")
}

/// Memory that a process has now, in bytes; zero where it is gone.
pub(crate) fn resident_bytes(pid: u32) -> u64 {
    memory(pid, "VmRSS:")
}

fn memory(pid: u32, field: &str) -> u64 {
    text(pid, "status")
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())
        .map_or(0, |kib| kib * 1024)
}

/// Processes that want to run, averaged over the last minute: other work slows what is measured.
pub(crate) fn machine_load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = text.split(' ').next().and_then(|load| load.parse().ok());
    first.unwrap_or(f64::NAN)
}

fn is_below(mut pid: u32, ancestor: u32) -> bool {
    while pid > 1 {
        if pid == ancestor {
            return true;
        }
        pid = stat(pid)
            .and_then(|fields| fields.get(1)?.parse().ok())
            .unwrap_or(0);
    }
    false
}

/// Fields of `stat` from the third on: the second, a name, may hold spaces.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = text(pid, "stat");
    let (_, rest) = text.rsplit_once(") ")?;
    Some(rest.split(' ').map(str::to_owned).collect())
}

fn text(pid: u32, name: &str) -> String {
    std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join(name)).unwrap_or_default()
}
