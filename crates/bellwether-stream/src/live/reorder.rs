//! Event time of one device: samples in order, within the lateness that is allowed.
//!
//! What comes out depends on what came in and in which order, on no clock: a replay gives the same.

use std::collections::BTreeMap;
use std::time::Duration;

use bellwether_core::time::Timestamp;

/// Samples that wait at most; beyond, the oldest goes early.
const WAITING_MAX: usize = 65_536;

/// Samples of one device that wait until nothing can come before them.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Reorder {
    /// The newest time seen.
    pub(super) newest: Option<Timestamp>,
    /// The last sample that went out: nothing before it is accepted any more.
    pub(super) released: Option<Timestamp>,
    pub(super) waiting: BTreeMap<Timestamp, Waiting>,
}

/// A sample, or what has come of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Waiting {
    /// `[n_channels]` of the model, NaN where missing or not come yet.
    pub(super) values: Vec<f64>,
    /// Which channels have come, where not all at once.
    pub(super) given: Option<Vec<bool>>,
    /// The time as the sender wrote it, where that is not how bellwether writes it.
    pub(super) time_text: Option<Box<str>>,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    Accepted,
    Duplicate,
    Late,
}

impl Reorder {
    /// Takes a message whose values stand at `places` of a sample of `n_channels`.
    pub(super) fn push(&mut self, message: Message<'_>, n_channels: usize) -> Entry {
        match self.released {
            Some(released) if message.time == released => return Entry::Duplicate,
            Some(released) if message.time < released => return Entry::Late,
            _ => {}
        }
        let entry = match self.waiting.entry(message.time) {
            std::collections::btree_map::Entry::Occupied(mut there) => there.get_mut().merge(&message),
            std::collections::btree_map::Entry::Vacant(place) => {
                let mut sample = Waiting {
                    values: vec![f64::NAN; n_channels],
                    given: (!message.is_whole).then(|| vec![false; n_channels]),
                    time_text: message.time_text.map(Box::from),
                };
                if message.is_whole {
                    sample.fill(&message);
                } else {
                    sample.merge(&message);
                }
                place.insert(sample);
                Entry::Accepted
            }
        };
        self.newest = self.newest.max(Some(message.time));
        entry
    }

    /// The next sample that nothing can come before any more.
    pub(super) fn release(&mut self, lateness: Duration) -> Option<(Timestamp, Waiting)> {
        let (time, sample) = self.waiting.first_key_value()?;
        let age = self.newest?.since(*time);
        let is_due = age > lateness || (age == lateness && sample.given.is_none());
        if is_due || self.waiting.len() > WAITING_MAX {
            return self.release_any();
        }
        None
    }

    /// The next sample, whatever may still come before it.
    pub(super) fn release_any(&mut self) -> Option<(Timestamp, Waiting)> {
        let (time, sample) = self.waiting.pop_first()?;
        self.released = Some(time);
        Some((time, sample))
    }
}

/// A message of a device, with its values placed for the device's model.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message<'a> {
    pub(super) time: Timestamp,
    pub(super) time_text: Option<&'a str>,
    pub(super) values: &'a [f64],
    pub(super) places: &'a [Option<usize>],
    pub(super) is_whole: bool,
}

impl Waiting {
    fn fill(&mut self, message: &Message<'_>) {
        for (place, value) in message.places.iter().zip(message.values) {
            if let Some(place) = place {
                self.values[*place] = *value;
            }
        }
    }

    /// Adds channels that have not come yet; a duplicate where there are none.
    fn merge(&mut self, message: &Message<'_>) -> Entry {
        let Some(given) = &mut self.given else {
            return Entry::Duplicate;
        };
        let mut entry = Entry::Duplicate;
        for (place, value) in message.places.iter().zip(message.values) {
            if let Some(place) = *place
                && !given[place]
            {
                given[place] = true;
                self.values[place] = *value;
                entry = Entry::Accepted;
            }
        }
        if message.is_whole || given.iter().all(|given| *given) {
            self.given = None;
        }
        entry
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn whole(secs: i64) -> Message<'static> {
        Message {
            time: at(secs),
            time_text: None,
            values: &[1.0],
            places: &[Some(0)],
            is_whole: true,
        }
    }

    /// Pushes whole samples of these seconds; says for each what became of it and which seconds went out.
    fn run(lateness: u64, secs: &[i64]) -> String {
        let mut reorder = Reorder::default();
        let mut told = Vec::new();
        for &sec in secs {
            let entry = reorder.push(whole(sec), 1);
            let mut out = String::new();
            while let Some((time, _)) = reorder.release(Duration::from_secs(lateness)) {
                out.push_str(&(time.as_nanos() / 1_000_000_000).to_string());
            }
            let letter = match entry {
                Entry::Accepted => "",
                Entry::Duplicate => "d",
                Entry::Late => "l",
            };
            told.push(format!("{letter}{out}"));
        }
        let mut rest = String::new();
        while let Some((time, _)) = reorder.release_any() {
            rest.push_str(&(time.as_nanos() / 1_000_000_000).to_string());
        }
        format!("{} | {rest}", told.join(","))
    }

    #[test]
    fn samples_come_out_in_order_within_the_lateness() {
        let check =
            |lateness, secs: &[i64], expect: &str| assert_eq!(run(lateness, secs), expect, "{secs:?}");
        check(0, &[1, 2, 3], "1,2,3 | ");
        check(0, &[1, 3, 2, 3, 4], "1,3,l,d,4 | ");
        check(2, &[1, 2, 3, 4], ",,1,2 | 34");
        check(2, &[3, 1, 2, 5, 4], ",1,,23, | 45");
        // Behind the lateness, yet nothing after it has gone out: still in order.
        check(2, &[5, 1, 6], ",1, | 56");
        // A repeated instant, before and after it went out.
        check(1, &[1, 1, 2, 1, 3], ",d,1,d,2 | 3");
    }

    #[test]
    fn channels_of_one_instant_are_put_together() {
        let mut reorder = Reorder::default();
        let part = |secs, place: usize, value: &'static [f64]| Message {
            time: at(secs),
            time_text: None,
            values: value,
            places: if place == 0 { &[Some(0)] } else { &[Some(1)] },
            is_whole: false,
        };
        assert_eq!(reorder.push(part(1, 0, &[1.0]), 2), Entry::Accepted);
        assert_eq!(reorder.push(part(1, 0, &[9.0]), 2), Entry::Duplicate);
        assert_eq!(
            reorder.release(Duration::ZERO),
            None,
            "its other channel may still come"
        );
        assert_eq!(reorder.push(part(1, 1, &[2.0]), 2), Entry::Accepted);
        let (_, sample) = reorder.release(Duration::ZERO).unwrap();
        assert_eq!(sample.values, [1.0, 2.0]);
        assert_eq!(reorder.push(part(2, 1, &[3.0]), 2), Entry::Accepted);
        assert_eq!(reorder.release(Duration::ZERO), None);
        assert_eq!(reorder.push(part(3, 1, &[4.0]), 2), Entry::Accepted);
        let (_, sample) = reorder.release(Duration::ZERO).unwrap();
        assert!(sample.values[0].is_nan());
        bellwether_testkit::assert_close(sample.values[1], 3.0, 1e-12, "channel");
    }
}
