//! What drives a plant from behind its instruments: duty, weather, condition and flutter.

use std::time::Duration;

use super::random::{Draw, Purpose};
use crate::time::Timestamp;

/// The hidden state that all channels of a plant depend on at one instant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drivers {
    /// Samples since the start of the plant.
    pub(super) sample_idx: u64,
    /// Share of the rated load, usually 0.3 to 1.
    pub(super) duty: f64,
    /// Air around the plant, °C.
    pub(super) ambient_c: f64,
    /// Slow state of the process (hours), mean 0, standard deviation 1.
    pub(super) condition: f64,
    /// Fast state of the process (a minute), mean 0, standard deviation 1.
    pub(super) flutter: f64,
}

/// How the duty of a template moves over day and week; all but the hour are shares of the rated load.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rhythm {
    pub(super) mean: f64,
    /// Amplitude over the day.
    pub(super) daily: f64,
    /// Hour (UTC) of the daily peak.
    pub(super) peak_hour: f64,
    /// Drop on Saturday and Sunday.
    pub(super) weekend: f64,
    /// Standard deviation of swings that last about two hours.
    pub(super) slow: f64,
    /// Standard deviation of swings that last about four minutes.
    pub(super) fast: f64,
}

/// Least and greatest duty: a plant that runs never stands still and is seldom overloaded.
pub(super) const DUTY_RANGE: (f64, f64) = (0.2, 1.1);

/// Makes the drivers of one device, sample after sample.
#[derive(Debug, Clone)]
pub(super) struct DriverStream {
    rhythm: Rhythm,
    ambient_mean_c: f64,
    duty_slow: Ar,
    duty_fast: Ar,
    ambient: Ar,
    condition: Ar,
    flutter: Ar,
    sample_idx: u64,
}

impl DriverStream {
    /// Drivers of a device that differs a little from `rhythm`; the weather is that of the whole fleet.
    pub(super) fn new(
        rhythm: Rhythm,
        seed: u64,
        device_idx: usize,
        cadence: Duration,
        device: &mut Draw,
    ) -> Self {
        let ar = |purpose, device_idx, secs| Ar::new(Draw::new(seed, purpose, device_idx, 0), secs, cadence);
        Self {
            rhythm: Rhythm {
                mean: device.near(rhythm.mean, 0.02),
                daily: device.near(rhythm.daily, 0.05),
                peak_hour: rhythm.peak_hour + 0.3 * device.normal(),
                ..rhythm
            },
            ambient_mean_c: 16.0 + 0.7 * device.normal(),
            duty_slow: ar(Purpose::DutySlow, device_idx, 2.0 * 3600.0),
            duty_fast: ar(Purpose::DutyFast, device_idx, 240.0),
            ambient: ar(Purpose::Ambient, 0, 36.0 * 3600.0),
            condition: ar(Purpose::Condition, device_idx, 6.0 * 3600.0),
            flutter: ar(Purpose::Flutter, device_idx, 60.0),
            sample_idx: 0,
        }
    }

    /// The drivers of the next sample, which is measured at `time`.
    pub(super) fn next_at(&mut self, time: Timestamp) -> Drivers {
        let hours = hours_of_week(time);
        let Rhythm {
            mean,
            daily,
            peak_hour,
            weekend,
            slow,
            fast,
        } = self.rhythm;
        let duty = mean + daily * over_the_day(hours - peak_hour) - weekend * weekend_share(hours)
            + slow * self.duty_slow.advance()
            + fast * self.duty_fast.advance();
        let warmth = libm::cos(HOUR_ANGLE * (hours - 15.0));
        let drivers = Drivers {
            sample_idx: self.sample_idx,
            duty: duty.clamp(DUTY_RANGE.0, DUTY_RANGE.1),
            ambient_c: self.ambient_mean_c + 4.0 * warmth + 2.0 * self.ambient.advance(),
            condition: self.condition.advance(),
            flutter: self.flutter.advance(),
        };
        self.sample_idx += 1;
        drivers
    }
}

/// Angle of one hour on the circle of a day.
const HOUR_ANGLE: f64 = std::f64::consts::TAU / 24.0;

/// Hours since Monday 00:00 UTC, in [0, 168).
fn hours_of_week(time: Timestamp) -> f64 {
    const NANOS_PER_WEEK: i64 = 7 * 86_400 * 1_000_000_000;
    const NANOS_PER_HOUR: f64 = 3.6e12;
    // The epoch was a Thursday; four days later is a Monday.
    const MONDAY: i64 = 4 * 86_400 * 1_000_000_000;
    let since_monday = time.as_nanos().rem_euclid(NANOS_PER_WEEK) - MONDAY;
    since_monday.rem_euclid(NANOS_PER_WEEK) as f64 / NANOS_PER_HOUR
}

/// The shape of a day, about -1 to 1: a broad peak at 0 and a deeper, shorter night.
fn over_the_day(hours_from_peak: f64) -> f64 {
    let angle = HOUR_ANGLE * hours_from_peak;
    libm::cos(angle) - 0.25 * libm::cos(2.0 * angle)
}

/// 1 on Saturday and Sunday, 0 on working days, with ramps of four hours between.
fn weekend_share(hours: f64) -> f64 {
    let ramp = |from: f64| {
        let share = ((hours - from) / 4.0).clamp(0.0, 1.0);
        share * share * (3.0 - 2.0 * share)
    };
    ramp(118.0) - ramp(164.0)
}

/// A first-order autoregression of mean 0 and standard deviation 1 that forgets with a time constant: the same
/// process whatever the cadence. Starts in its stationary distribution.
#[derive(Debug, Clone)]
pub(super) struct Ar {
    keep: f64,
    kick: f64,
    state: f64,
    draw: Draw,
}

impl Ar {
    fn new(mut draw: Draw, time_constant_secs: f64, cadence: Duration) -> Self {
        let keep = libm::exp(-cadence.as_secs_f64() / time_constant_secs);
        Self {
            keep,
            kick: (1.0 - keep * keep).sqrt(),
            state: draw.normal(),
            draw,
        }
    }

    /// The value now; then moves on by one sample.
    fn advance(&mut self) -> f64 {
        let now = self.state;
        self.state = self.keep * now + self.kick * self.draw.normal();
        now
    }
}

/// A quantity that follows another with a delay, as the temperature of a mass follows its heating.
#[derive(Debug, Clone)]
pub(super) struct Lag {
    share: f64,
    state: Option<f64>,
}

impl Lag {
    /// Follows with a time constant; starts settled at the first target.
    pub(super) fn new(time_constant_secs: f64, cadence: Duration) -> Self {
        Self {
            share: 1.0 - libm::exp(-cadence.as_secs_f64() / time_constant_secs),
            state: None,
        }
    }

    /// Moves one sample towards `target`.
    pub(super) fn follow(&mut self, target: f64) -> f64 {
        let before = self.state.unwrap_or(target);
        let after = before + self.share * (target - before);
        self.state = Some(after);
        after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weeks_begin_on_monday() {
        let check = |secs: i64, expect: f64| {
            let got = hours_of_week(Timestamp::from_secs(secs));
            assert!((got - expect).abs() < 1e-9, "{secs}: {got}");
        };
        check(1_704_067_200, 0.0); // Monday 2024-01-01
        check(1_704_067_200 + 5 * 86_400 + 3600, 121.0);
        check(0, 72.0); // a Thursday
        check(-3600, 71.0);
    }

    #[test]
    fn the_weekend_is_saturday_and_sunday() {
        for (hours, expect) in [
            (12.0, 0.0),
            (117.0, 0.0),
            (130.0, 1.0),
            (160.0, 1.0),
            (166.0, 0.5),
        ] {
            let got = weekend_share(hours);
            assert!((got - expect).abs() < 1e-12, "{hours}: {got}");
        }
        assert!(weekend_share(167.999_999) < 1e-9, "continuous into Monday");
    }

    #[test]
    fn an_autoregression_keeps_its_spread_at_any_cadence() {
        for cadence in [1, 60, 86_400] {
            let draw = Draw::new(3, Purpose::Condition, 0, 0);
            let mut ar = Ar::new(draw, 60.0, Duration::from_secs(cadence));
            let n = 400_000;
            let square = (0..n).map(|_| ar.advance()).map(|x| x * x).sum::<f64>() / f64::from(n);
            // At 1 s some 3 300 independent stretches remain: standard error 0.025.
            assert!((square - 1.0).abs() < 0.1, "cadence {cadence} s: {square}");
        }
    }

    #[test]
    fn a_lag_starts_settled_and_follows() {
        let mut lag = Lag::new(10.0, Duration::from_secs(10));
        assert!((lag.follow(5.0) - 5.0).abs() < 1e-12);
        // One time constant closes 1 - 1/e of the distance.
        assert!((lag.follow(6.0) - (6.0 - (-1.0_f64).exp())).abs() < 1e-12);
    }
}
