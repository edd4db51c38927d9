//! Template `server`: a web server whose load follows the day of its users.

use std::time::Duration;

use super::drivers::{Drivers, Lag, Rhythm};
use super::operation::Conduct;
use super::random::Draw;
use super::template::{Instrument, Physics};

pub(super) static INSTRUMENTS: [Instrument; 10] = [
    Instrument::new("requests_per_s", "1/s", 4.0, 1.0, (0.0, 1e5)),
    Instrument::new("cpu_percent", "%", 0.8, 10.0, (0.0, 100.0)),
    Instrument::new("load_1m", "1", 0.08, 100.0, (0.0, 1e3)),
    Instrument::new("memory_percent", "%", 0.2, 10.0, (0.0, 100.0)),
    Instrument::new("latency_ms", "ms", 0.5, 10.0, (0.0, 1e5)),
    Instrument::new("network_in_mbps", "Mbit/s", 0.4, 100.0, (0.0, 1e4)),
    Instrument::new("network_out_mbps", "Mbit/s", 3.0, 10.0, (0.0, 1e4)),
    Instrument::new("disk_write_mbps", "MB/s", 0.4, 100.0, (0.0, 1e4)),
    Instrument::new("cpu_temp_c", "°C", 0.25, 10.0, (0.0, 120.0)),
    Instrument::new("fan_rpm", "1/min", 12.0, 1.0, (0.0, 2e4)),
];

pub(super) static CONDUCT: [Conduct; 10] = [
    Conduct::rests_at(0.0, 5.0),
    Conduct::rests_at(1.0, 10.0).wears(4.0),
    Conduct::rests_at(0.05, 60.0).wears(0.5),
    Conduct::rests_at(8.0, 60.0).wears(12.0),
    Conduct::rests_at(0.0, 5.0).wears(3.0),
    Conduct::rests_at(0.0, 5.0),
    Conduct::rests_at(0.0, 5.0),
    Conduct::rests_at(0.0, 30.0),
    // Dust in the heat sink.
    Conduct::rests_at(24.0, 300.0).wears(8.0),
    Conduct::rests_at(1200.0, 60.0).wears(900.0),
];

/// Users come in the evening and stay at the weekend.
pub(super) const RHYTHM: Rhythm = Rhythm {
    mean: 0.55,
    daily: 0.20,
    peak_hour: 19.0,
    weekend: -0.04,
    slow: 0.04,
    fast: 0.03,
};

#[derive(Debug)]
pub(super) struct Server {
    peak_requests_per_s: f64,
    n_cores: f64,
    base_latency_ms: f64,
    answer_kbit: f64,
    base_memory_percent: f64,
    load: Lag,
    memory: Lag,
    disk: Lag,
    heat: Lag,
}

impl Server {
    pub(super) fn new(device: &mut Draw, cadence: Duration) -> Self {
        Self {
            peak_requests_per_s: device.near(1200.0, 0.03),
            n_cores: 16.0,
            base_latency_ms: device.near(11.0, 0.04),
            answer_kbit: device.near(310.0, 0.03),
            base_memory_percent: device.near(34.0, 0.03),
            load: Lag::new(60.0, cadence),
            memory: Lag::new(2400.0, cadence),
            disk: Lag::new(300.0, cadence),
            heat: Lag::new(150.0, cadence),
        }
    }
}

impl Physics for Server {
    fn advance(&mut self, drivers: &Drivers, truth: &mut [f64]) {
        let Drivers {
            duty,
            ambient_c,
            condition,
            flutter,
            ..
        } = *drivers;
        let requests = (self.peak_requests_per_s * duty * (1.0 + 0.03 * flutter)).max(0.0);
        // The condition is how cold the cache is: a cold cache costs work for each answer.
        let utilisation =
            (0.78 * requests / self.peak_requests_per_s * (1.0 + 0.05 * condition)).clamp(0.0, 0.97);
        let cpu = 4.0 + 92.0 * utilisation;
        let load = self.load.follow(self.n_cores * utilisation);
        let memory = self
            .memory
            .follow(self.base_memory_percent + 38.0 * utilisation - 1.5 * condition);
        // Waiting time of a single queue, M/M/1.
        let latency = self.base_latency_ms / (1.0 - utilisation);
        let network_in = requests * 0.021;
        let network_out = requests * self.answer_kbit / 1000.0 * (1.0 + 0.01 * flutter);
        let disk = self.disk.follow(3.0 + 0.028 * requests + 1.5 * condition);
        // Air conditioning hides most of the weather.
        let inlet_c = 22.0 + 0.12 * (ambient_c - 16.0);
        let cpu_temp = self.heat.follow(inlet_c + 12.0 + 0.42 * cpu);
        let fan = 2400.0 + 75.0 * (cpu_temp - 35.0).max(0.0);
        truth.copy_from_slice(&[
            requests,
            cpu,
            load,
            memory,
            latency,
            network_in,
            network_out,
            disk,
            cpu_temp,
            fan,
        ]);
    }
}
