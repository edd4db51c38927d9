//! What people do with a plant, and time to it: stops, changed set-points, ageing. None of it is a fault.

use std::time::Duration;

use super::drivers::{Drivers, Lag};
use super::random::{Draw, Purpose};
use crate::time::Timestamp;

/// How a plant is run. By default without interruption, at the duty of its day and week, and always as good as new.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Operation {
    /// Stops in a week, on average; they come by chance and last from half an hour to eight hours.
    pub stops_per_week: f64,
    /// Changes of the set-point in a week, on average. Each moves the duty to a level of its own, 0.08 of the rated load
    /// (standard deviation) around that of the template, until the next one.
    pub set_points_per_week: f64,
    /// The time after which a new plant is worn out; it wears evenly. `None`: it does not age.
    pub ageing: Option<Duration>,
}

/// Most stops, or changes of a set-point, in a week: one every ten minutes.
pub const CHANGES_PER_WEEK_MAX: f64 = 1008.0;

impl Operation {
    /// Whether all numbers make sense.
    pub(super) fn is_sound(&self) -> bool {
        let rates = [self.stops_per_week, self.set_points_per_week];
        rates
            .iter()
            .all(|rate| (0.0..=CHANGES_PER_WEEK_MAX).contains(rate))
            && self.ageing.is_none_or(|ageing| !ageing.is_zero())
    }
}

/// How one channel behaves where the plant stands still, and how it changes as the plant wears.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conduct {
    rest: Rest,
    /// Time constant with which it comes to rest and back, s.
    secs: f64,
    /// Change at the end of the plant's life, in the channel's unit.
    wear: f64,
}

/// What a channel shows where the plant stands still.
#[derive(Debug, Clone, Copy)]
enum Rest {
    /// That value.
    At(f64),
    /// The temperature around.
    Ambient,
    /// What it would show anyway.
    Unmoved,
}

impl Conduct {
    pub(super) const fn rests_at(value: f64, secs: f64) -> Self {
        Self {
            rest: Rest::At(value),
            secs,
            wear: 0.0,
        }
    }

    pub(super) const fn cools(secs: f64) -> Self {
        Self {
            rest: Rest::Ambient,
            secs,
            wear: 0.0,
        }
    }

    pub(super) const fn unmoved() -> Self {
        Self {
            rest: Rest::Unmoved,
            secs: 1.0,
            wear: 0.0,
        }
    }

    pub(super) const fn wears(self, wear: f64) -> Self {
        Self { wear, ..self }
    }
}

/// Follows one device through its stops, set-points and years.
#[derive(Debug)]
pub(super) struct OperationStream {
    stops: Option<Phases>,
    set_points: Option<Phases>,
    ageing: Option<Duration>,
    channels: Vec<(Conduct, Lag)>,
    start: Timestamp,
    /// 1 while it runs, else 0.
    running: f64,
    wear: f64,
}

impl OperationStream {
    /// `None` where nothing is asked for: the plant of the template, bit for bit.
    pub(super) fn new(
        operation: Operation,
        conduct: impl Iterator<Item = Conduct>,
        seed: u64,
        device_idx: usize,
        cadence: Duration,
        start: Timestamp,
    ) -> Option<Self> {
        if operation == Operation::default() {
            return None;
        }
        let phases = |purpose, per_week: f64| {
            (per_week > 0.0).then(|| Phases::new(Draw::new(seed, purpose, device_idx, 0), per_week))
        };
        Some(Self {
            stops: phases(Purpose::Stops, operation.stops_per_week),
            set_points: phases(Purpose::SetPoints, operation.set_points_per_week),
            ageing: operation.ageing,
            channels: conduct
                .map(|conduct| (conduct, Lag::new(conduct.secs, cadence)))
                .collect(),
            start,
            running: 1.0,
            wear: 0.0,
        })
    }

    /// Moves on to the sample at `time`: what the duty becomes, and whether the plant runs.
    pub(super) fn advance(&mut self, time: Timestamp, drivers: &mut Drivers) {
        let hours = time.since(self.start).as_secs_f64() / 3600.0;
        if let Some(set_points) = &mut self.set_points {
            let level = set_points.at(hours, |draw| {
                (f64::INFINITY, 0.08 * draw.normal().clamp(-3.0, 3.0))
            });
            drivers.duty =
                (drivers.duty + level).clamp(super::drivers::DUTY_RANGE.0, super::drivers::DUTY_RANGE.1);
        }
        if let Some(stops) = &mut self.stops {
            let stopped = stops.at(hours, |draw| (draw.between(0.5, 8.0), 1.0));
            self.running = 1.0 - stopped;
        }
        if let Some(ageing) = self.ageing {
            self.wear = hours * 3600.0 / ageing.as_secs_f64();
        }
    }

    /// Turns the true values of a plant that is new and runs into those of this one.
    pub(super) fn apply(&mut self, drivers: &Drivers, truth: &mut [f64]) {
        for (value, (conduct, lag)) in truth.iter_mut().zip(&mut self.channels) {
            let worn = *value + conduct.wear * self.wear;
            let rest = match conduct.rest {
                Rest::At(rest) => rest,
                Rest::Ambient => drivers.ambient_c,
                Rest::Unmoved => worn,
            };
            *value = rest + lag.follow(self.running) * (worn - rest);
        }
    }
}

/// Something that begins by chance, a Poisson process, has a level for a while, and ends.
#[derive(Debug)]
struct Phases {
    draw: Draw,
    mean_gap_hours: f64,
    /// When the next one begins, in hours.
    next: f64,
    /// When the present one ends.
    until: f64,
    level: f64,
}

impl Phases {
    fn new(draw: Draw, per_week: f64) -> Self {
        let mut phases = Self {
            draw,
            mean_gap_hours: 168.0 / per_week,
            next: 0.0,
            until: 0.0,
            level: 0.0,
        };
        phases.next = phases.gap();
        phases
    }

    /// Exponentially distributed.
    fn gap(&mut self) -> f64 {
        -self.mean_gap_hours * libm::log(1.0 - self.draw.unit())
    }

    /// The level at that hour, which never goes back; 0 outside. `begin` draws how many hours a phase lasts, and its level.
    fn at(&mut self, hours: f64, begin: impl Fn(&mut Draw) -> (f64, f64)) -> f64 {
        while self.next <= hours {
            let (length, level) = begin(&mut self.draw);
            (self.until, self.level) = (self.next + length, level);
            // The next one begins after this one's end, where it has one.
            let from = if length.is_finite() { self.until } else { self.next };
            // A cadence of years would otherwise walk through every phase between two samples.
            self.next = from + self.gap().max(1.0 / 360.0);
        }
        if hours < self.until { self.level } else { 0.0 }
    }
}
