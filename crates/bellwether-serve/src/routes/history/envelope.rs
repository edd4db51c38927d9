//! Fewer points than samples, losing no peak, in one pass over samples in any order.
//!
//! A point stands for the samples of an interval of time. All intervals are equally long, a power of two in
//! nanoseconds, and twice as long as soon as there would be too many points: so a short stretch keeps a point for each
//! sample, and a long one ends with at least half as many points as are allowed where its samples are spread evenly.

use std::collections::BTreeMap;
use std::sync::Arc;

use bellwether_core::time::Timestamp;
use bellwether_store::history::Row;

use super::numbers;

/// Lowest and highest values of intervals.
#[derive(Debug)]
pub(super) struct Envelope {
    points_max: usize,
    /// Instants of an interval: two to this power.
    shift: u32,
    points: BTreeMap<u128, Point>,
    /// In the order in which they came up.
    channels: Vec<String>,
    /// Places of the channels of the last row.
    layout: (Arc<[String]>, Vec<usize>),
    n_samples: usize,
    newest: Option<(Timestamp, Arc<str>)>,
    /// The samples, as long as they are few.
    rows: Option<Vec<Row>>,
    rows_max: usize,
}

#[derive(Debug, Clone)]
struct Point {
    first: Timestamp,
    last: Timestamp,
    score: Span,
    values: Vec<Span>,
}

/// Lowest and highest; NaN: no value.
#[derive(Debug, Clone, Copy)]
struct Span {
    min: f64,
    max: f64,
}

const NO_SPAN: Span = Span {
    min: f64::NAN,
    max: f64::NAN,
};

impl Envelope {
    /// An envelope of at most `points_max` points, which keeps the samples themselves while they are at most
    /// `rows_max`.
    pub(super) fn new(points_max: usize, rows_max: usize) -> Self {
        Self {
            points_max: points_max.max(1),
            shift: 0,
            points: BTreeMap::new(),
            channels: Vec::new(),
            layout: (Arc::new([]), Vec::new()),
            n_samples: 0,
            newest: None,
            rows: Some(Vec::new()),
            rows_max,
        }
    }

    pub(super) fn add(&mut self, row: Row) {
        self.n_samples += 1;
        self.place_channels(&row.channels);
        let point = self
            .points
            .entry(key(row.time, self.shift))
            .or_insert_with(|| Point::at(row.time));
        (point.first, point.last) = (point.first.min(row.time), point.last.max(row.time));
        point.score.take(row.score);
        for (&place, &value) in self.layout.1.iter().zip(&row.values) {
            point.value(place).take(value);
        }
        while self.points.len() > self.points_max {
            self.coarsen();
        }
        if self.newest.as_ref().is_none_or(|(time, _)| *time <= row.time) {
            self.newest = Some((row.time, Arc::clone(&row.model)));
        }
        if let Some(rows) = &mut self.rows {
            rows.push(row);
            if rows.len() > self.rows_max {
                self.rows = None;
            }
        }
    }

    fn place_channels(&mut self, names: &Arc<[String]>) {
        if Arc::ptr_eq(&self.layout.0, names) {
            return;
        }
        let mut place = |name: &String| match self.channels.iter().position(|known| known == name) {
            Some(place) => place,
            None => {
                self.channels.push(name.clone());
                self.channels.len() - 1
            }
        };
        self.layout = (Arc::clone(names), names.iter().map(&mut place).collect());
    }

    /// Makes intervals longer: twice as long, or more where that would still be far too short.
    fn coarsen(&mut self) {
        let (Some((_, first)), Some((_, last))) =
            (self.points.first_key_value(), self.points.last_key_value())
        else {
            return;
        };
        let span = last.last.since(first.first).as_nanos() / self.points_max as u128;
        let wanted = u128::BITS - span.leading_zeros();
        self.shift = (self.shift + 1).max(wanted.saturating_sub(1));
        for (_, point) in std::mem::take(&mut self.points) {
            let there = self
                .points
                .entry(key(point.first, self.shift))
                .or_insert_with(|| Point::at(point.first));
            there.absorb(&point);
        }
    }

    /// The samples, where they were few.
    pub(super) fn take_rows(&mut self) -> Option<Vec<Row>> {
        let mut rows = self.rows.take()?;
        rows.sort_by(|a, b| (a.time, &a.model).cmp(&(b.time, &b.model)));
        Some(rows)
    }

    pub(super) fn channels(&self) -> &[String] {
        &self.channels
    }

    /// The model version that judged the newest sample.
    pub(super) fn model(&self) -> Option<&str> {
        self.newest.as_ref().map(|(_, model)| &**model)
    }

    pub(super) fn n_samples(&self) -> usize {
        self.n_samples
    }

    pub(super) fn is_decimated(&self) -> bool {
        self.shift > 0
    }

    pub(super) fn first(&self) -> Option<Timestamp> {
        self.points.first_key_value().map(|(_, point)| point.first)
    }

    pub(super) fn last(&self) -> Option<Timestamp> {
        self.points.last_key_value().map(|(_, point)| point.last)
    }

    /// The first sample of each point.
    pub(super) fn times(&self) -> impl Iterator<Item = Timestamp> {
        self.points.values().map(|point| point.first)
    }

    pub(super) fn scores(&self) -> (Vec<Option<f64>>, Vec<Option<f64>>) {
        let of = |pick: fn(&Point) -> f64| numbers(self.points.values().map(pick));
        (of(|point| point.score.min), of(|point| point.score.max))
    }

    /// Lowest and highest values of a channel.
    pub(super) fn line(&self, channel: usize) -> (Vec<Option<f64>>, Vec<Option<f64>>) {
        let of = |pick: fn(Span) -> f64| {
            let spans = self.points.values();
            numbers(spans.map(|point| pick(point.values.get(channel).copied().unwrap_or(NO_SPAN))))
        };
        (of(|span| span.min), of(|span| span.max))
    }

    /// Which point an instant is of, where there is one.
    pub(super) fn point_of(&self, keys: &[u128], time: Timestamp) -> Option<usize> {
        keys.binary_search(&key(time, self.shift)).ok()
    }

    /// What [`Envelope::point_of`] looks in.
    pub(super) fn keys(&self) -> Vec<u128> {
        self.points.keys().copied().collect()
    }
}

impl Point {
    fn at(time: Timestamp) -> Self {
        Self {
            first: time,
            last: time,
            score: NO_SPAN,
            values: Vec::new(),
        }
    }

    fn value(&mut self, place: usize) -> &mut Span {
        if self.values.len() <= place {
            self.values.resize(place + 1, NO_SPAN);
        }
        &mut self.values[place]
    }

    fn absorb(&mut self, other: &Self) {
        (self.first, self.last) = (self.first.min(other.first), self.last.max(other.last));
        self.score.absorb(other.score);
        for (place, span) in other.values.iter().enumerate() {
            self.value(place).absorb(*span);
        }
    }
}

impl Span {
    fn take(&mut self, value: f64) {
        // Of a number and NaN both are the number.
        (self.min, self.max) = (self.min.min(value), self.max.max(value));
    }

    fn absorb(&mut self, other: Self) {
        (self.min, self.max) = (self.min.min(other.min), self.max.max(other.max));
    }
}

/// The interval of an instant, in order of time.
fn key(time: Timestamp, shift: u32) -> u128 {
    let since_ever = i128::from(time.as_nanos()) - i128::from(i64::MIN);
    since_ever.unsigned_abs() >> shift
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(time: i64, score: f64, value: f64) -> Row {
        Row {
            time: Timestamp::from_nanos(time),
            model: "pump@1".into(),
            channels: ["flow".to_owned()].into(),
            values: vec![value],
            score,
            event: None,
            top: None,
        }
    }

    #[test]
    fn few_samples_stand_for_themselves() {
        let mut envelope = Envelope::new(3, 2);
        for time in [20, 10, 30] {
            envelope.add(row(time, f64::NAN, time as f64));
        }
        assert!(!envelope.is_decimated());
        let times: Vec<i64> = envelope.times().map(Timestamp::as_nanos).collect();
        assert_eq!(times, [10, 20, 30]);
        let line = vec![Some(10.0), Some(20.0), Some(30.0)];
        assert_eq!(envelope.line(0), (line.clone(), line));
        assert_eq!(envelope.scores().0, [None, None, None]);
        // Three samples are more than two.
        assert!(envelope.take_rows().is_none());
    }

    proptest! {
        #[test]
        fn no_peak_is_lost_and_the_order_does_not_matter(
            times in prop::collection::vec(any::<i64>(), 1..300),
            points_max in 1_usize..40,
        ) {
            let mut times = times;
            times.sort_unstable();
            times.dedup();
            let (mut forward, mut backward) = (Envelope::new(points_max, 0), Envelope::new(points_max, 0));
            let values: Vec<f64> = times.iter().map(|time| (time % 1000) as f64).collect();
            for (&time, &value) in times.iter().zip(&values) {
                forward.add(row(time, value, -value));
            }
            for (&time, &value) in times.iter().zip(&values).rev() {
                backward.add(row(time, value, -value));
            }
            for envelope in [&forward, &backward] {
                let n_points = envelope.times().count();
                prop_assert!((1..=points_max).contains(&n_points));
                prop_assert_eq!(envelope.n_samples(), times.len());
                let (min, max) = envelope.scores();
                let lowest = min.into_iter().flatten().fold(f64::INFINITY, f64::min);
                let highest = max.into_iter().flatten().fold(f64::NEG_INFINITY, f64::max);
                let want = values.iter().copied().fold(f64::INFINITY, f64::min);
                prop_assert_eq!(lowest.to_bits(), want.to_bits());
                let want = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                prop_assert_eq!(highest.to_bits(), want.to_bits());
                prop_assert_eq!(envelope.first().map(Timestamp::as_nanos), times.first().copied());
                prop_assert_eq!(envelope.last().map(Timestamp::as_nanos), times.last().copied());
            }
            let told = |envelope: &Envelope| (envelope.shift, envelope.scores(), envelope.line(0));
            if forward.shift == backward.shift {
                prop_assert_eq!(told(&forward), told(&backward));
            }
        }
    }

    #[test]
    fn even_samples_use_at_least_half_of_the_points() {
        let mut envelope = Envelope::new(600, 0);
        for idx in 0..100_000 {
            envelope.add(row(1_700_000_000_000_000_000 + idx * 1_000_000_000, 0.5, 1.0));
        }
        assert!(envelope.is_decimated());
        let n_points = envelope.times().count();
        assert!((300..=600).contains(&n_points), "{n_points}");
    }
}
