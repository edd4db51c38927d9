//! Figures of the fleet, as it was when it was last looked through.

use bellwether_store::database::Verdict;

use super::gathered::Gathered;
use super::page::{Kind, Page};

pub(super) fn put(page: &mut Page, gathered: &Gathered) {
    let counts = gathered.fleet.counts;
    let mut devices = page.family("bellwether_devices", Kind::Gauge, "Devices, by how they are.");
    for (state, n) in [
        ("normal", counts.normal),
        ("event", counts.event),
        ("silent", counts.silent),
        ("warming", counts.warming),
    ] {
        devices.value(&[("state", state)], n as f64);
    }
    page.gauge(
        "bellwether_episodes_open",
        "Devices with an event that goes on.",
        counts.event as f64,
    );
    page.gauge(
        "bellwether_state_bytes",
        "Bytes that the states of all devices take in the database.",
        gathered.state_bytes as f64,
    );
    let mut lag = page.family(
        "bellwether_event_time_lag_seconds",
        Kind::Gauge,
        "How old the last sample of a device was when it was judged: for half of the devices, for 99 of 100, for all.",
    );
    for (devices, seconds) in &gathered.fleet.lag_s {
        lag.value(&[("devices", devices)], *seconds);
    }
    let mut age = page.family(
        "bellwether_device_silence_seconds",
        Kind::Gauge,
        "How long nothing has come from a device: for half of the devices, for 99 of 100, for all.",
    );
    for (devices, seconds) in &gathered.fleet.silence_s {
        age.value(&[("devices", devices)], *seconds);
    }
    let mut said = page.family(
        "bellwether_feedback_alerts",
        Kind::Gauge,
        "Alerts that people said something of, by what they said last.",
    );
    for verdict in [
        Verdict::Real,
        Verdict::FalseAlarm,
        Verdict::Maintenance,
        Verdict::NewNormal,
    ] {
        said.value(&[("verdict", verdict.word())], gathered.n(verdict) as f64);
    }
    page.gauge(
        "bellwether_feedback_precision",
        "Of the alerts that people called real or false, the share of the real ones; NaN where there are none.",
        gathered.precision(),
    );
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// All series that there can be.
    pub(in super::super) fn put_most(page: &mut Page) {
        let mut gathered = Gathered::default();
        let shares = vec![("p50", 1.0), ("p99", 2.0), ("all", 3.0)];
        (gathered.fleet.lag_s, gathered.fleet.silence_s) = (shares.clone(), shares);
        put(page, &gathered);
    }
}
