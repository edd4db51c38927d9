//! One series of a report: its score, labels, events and channels, decimated as they come in.

use std::time::Duration;

use bellwether_core::time::{Spacing, Timestamp};
use serde::Serialize;

use super::decimate::{Envelope, Grid, round_line, round5};
use super::wire;

/// Series with charts; the others keep their row in the fleet table and their worst events.
pub(super) const N_CHARTED_MAX: usize = 12;
/// Numbers in all charts of a report: what keeps the file near 1 MB however much data there is.
const N_VALUES_MAX: usize = 130_000;
/// Events listed per series with charts, the worst of them.
const N_EVENTS_MAX: usize = 200;
/// Events listed per series without charts.
const N_EVENTS_UNCHARTED_MAX: usize = 5;
/// Channels listed per event.
const N_SHARES_MAX: usize = 5;
/// Labelled spans kept per series, the longest of them.
const N_LABELS_MAX: usize = 500;
/// Bars of the small score picture in the fleet table.
const N_SPARK: usize = 48;
/// Samples shown on each side of an event, at least.
const N_MARGIN_MIN: usize = 40;

/// How finely each series is drawn: one report of one series gets the detail that twelve must share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resolution {
    n_buckets: usize,
    n_detailed_events: usize,
    n_channels: usize,
}

impl Resolution {
    /// The resolution for a report of `n_series`.
    pub(crate) fn for_fleet(n_series: usize) -> Self {
        let n_charted = n_series.clamp(1, N_CHARTED_MAX);
        let (n_channels, n_detailed_events) = match n_charted {
            1..=2 => (6, 60),
            3..=6 => (4, 12),
            _ => (3, 8),
        };
        // Score: lowest, highest. Channel: lowest, highest, expected, lower, upper.
        let n_values = n_charted * (2 + 5 * n_channels);
        Self {
            n_buckets: N_VALUES_MAX / n_values,
            n_detailed_events,
            n_channels,
        }
    }
}

/// What [`SeriesReport::new`] is made from.
#[derive(Debug, Clone)]
pub(crate) struct SeriesInput<'a> {
    /// Name of the series.
    pub(crate) name: &'a str,
    /// Names of its channels.
    pub(crate) channels: &'a [&'a str],
    /// When each sample was measured, strictly rising: `[n_samples]`.
    pub(crate) time: &'a [Timestamp],
    /// Anomaly score per sample, NaN where there is none: `[n_samples]`.
    pub(crate) score: &'a [f64],
    /// What was found, in any order.
    pub(crate) events: Vec<Event>,
    /// Ground truth per sample where it is known: `[n_samples]`.
    pub(crate) labels: Option<&'a [bool]>,
}

/// A detected event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    /// Its id, as in the events file.
    pub(crate) id: String,
    /// First anomalous sample.
    pub(crate) start: Timestamp,
    /// Last anomalous sample.
    pub(crate) end: Timestamp,
    /// Where the score was highest.
    pub(crate) peak_time: Timestamp,
    /// The highest score.
    pub(crate) peak_score: f64,
    /// How bad, in a word.
    pub(crate) severity: String,
    /// What sort of change, where known.
    pub(crate) kind: Option<String>,
    /// Whether one sensor or the device is at fault, where known.
    pub(crate) fault: Option<&'static str>,
    /// How far the members of the model agree, in [0, 1], where known.
    pub(crate) confidence: Option<f64>,
    /// Each channel's share of the score, in [0, 1], in any order.
    pub(crate) channels: Vec<(String, f64)>,
    /// Each member's share of the score, in [0, 1].
    pub(crate) members: Vec<(&'static str, f64)>,
}

/// What the model expected of a channel, `[n_samples]` each; NaN where it expected nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected<'a> {
    /// The expected value.
    pub(crate) expected: &'a [f64],
    /// Lower end of the band.
    pub(crate) lower: &'a [f64],
    /// Upper end of the band.
    pub(crate) upper: &'a [f64],
}

/// One series, ready to be written: holds buckets, not samples.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct SeriesReport {
    pub(super) name: String,
    #[serde(serialize_with = "wire::instant")]
    pub(super) start: Timestamp,
    #[serde(serialize_with = "wire::instant")]
    pub(super) end: Timestamp,
    /// Start in whole ms since the epoch; every `_ms` below that is not a length counts from here.
    base_ms: i64,
    #[serde(serialize_with = "wire::millis")]
    pub(super) cadence_ms: Duration,
    pub(super) n_samples: usize,
    pub(super) n_unscored: usize,
    pub(super) n_channels: usize,
    pub(super) n_events: usize,
    #[serde(serialize_with = "wire::millis")]
    pub(super) in_events_ms: Duration,
    #[serde(serialize_with = "wire::number")]
    pub(super) worst_score: f64,
    is_labelled: bool,
    #[serde(serialize_with = "wire::spans")]
    labels_ms: Vec<[f64; 2]>,
    pub(super) events: Vec<EventRow>,
    /// So many of the events, the worst, have finer charts around them.
    n_detailed: usize,
    #[serde(serialize_with = "wire::numbers")]
    spark: Vec<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) charts: Option<Charts>,
    #[serde(skip)]
    ranked: Vec<(usize, f64)>,
    #[serde(skip)]
    grid: Grid,
}

/// A row of the event table.
#[derive(Debug, Clone, Serialize)]
pub(super) struct EventRow {
    pub(super) id: String,
    #[serde(serialize_with = "wire::instant")]
    pub(super) start: Timestamp,
    #[serde(serialize_with = "wire::instant")]
    pub(super) end: Timestamp,
    #[serde(serialize_with = "wire::instant")]
    pub(super) peak_time: Timestamp,
    #[serde(serialize_with = "wire::number")]
    pub(super) peak_score: f64,
    pub(super) severity: String,
    pub(super) kind: Option<String>,
    pub(super) fault: Option<&'static str>,
    pub(super) confidence: Option<f64>,
    /// The event, first to last sample.
    #[serde(serialize_with = "wire::span")]
    span_ms: [f64; 2],
    /// What to zoom to: the event and its surroundings, where the charts have their detail.
    #[serde(serialize_with = "wire::span")]
    view_ms: [f64; 2],
    pub(super) channels: Vec<Share>,
    members: Vec<MemberShare>,
}

/// A member's part in an event.
#[derive(Debug, Clone, Serialize)]
struct MemberShare {
    member: &'static str,
    share: f64,
}

/// A channel's part in an event.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Share {
    pub(super) name: String,
    #[serde(serialize_with = "wire::number")]
    pub(super) share: f64,
}

/// The lines of a series over one shared time axis.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Charts {
    /// Middle of the first bucket, then the distance of each next middle: `[n_buckets]`.
    #[serde(serialize_with = "wire::numbers")]
    step_ms: Vec<f64>,
    /// Buckets before which a line breaks.
    breaks: Vec<usize>,
    score: Band,
    channels: Vec<ChannelChart>,
}

/// Lowest and highest per bucket.
#[derive(Debug, Clone, Serialize)]
struct Band {
    #[serde(serialize_with = "wire::numbers")]
    lo: Vec<f64>,
    #[serde(serialize_with = "wire::numbers")]
    hi: Vec<f64>,
}

/// A channel, and what was expected of it.
#[derive(Debug, Clone, Serialize)]
struct ChannelChart {
    name: String,
    /// Mean share of the events' scores.
    #[serde(serialize_with = "wire::number")]
    share: f64,
    value: Band,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<ExpectedChart>,
}

/// The expected value (mean per bucket) with its band (widest per bucket), and the buckets with values outside it.
#[derive(Debug, Clone, Serialize)]
struct ExpectedChart {
    #[serde(serialize_with = "wire::numbers")]
    mean: Vec<f64>,
    #[serde(serialize_with = "wire::numbers")]
    lower: Vec<f64>,
    #[serde(serialize_with = "wire::numbers")]
    upper: Vec<f64>,
    outside: Vec<[usize; 2]>,
}

impl SeriesReport {
    /// Decimates a series. Add the channels that [`SeriesReport::channels_to_chart`] names with
    /// [`SeriesReport::chart_channel`].
    ///
    /// # Panics
    /// Where `time` is empty or another slice has not its length: a bug of the caller.
    pub(crate) fn new(input: SeriesInput<'_>, resolution: Resolution) -> Self {
        let SeriesInput {
            name,
            channels,
            time,
            score,
            mut events,
            labels,
        } = input;
        assert!(!time.is_empty(), "a series has at least one sample");
        assert_eq!(time.len(), score.len(), "one score per sample");
        let (start, end) = (time[0], time[time.len() - 1]);
        let cadence = Spacing::infer(time).map_or(Duration::ZERO, |spacing| spacing.cadence);
        let clock = Offsets::from_start(start);

        let n_events = events.len();
        let in_events: Duration = events
            .iter()
            .map(|event| event.end.since(event.start) + cadence)
            .sum();
        let ranked = rank_channels(channels, &events, resolution.n_channels);
        events.sort_by(|a, b| b.peak_score.total_cmp(&a.peak_score));
        events.truncate(N_EVENTS_MAX);
        let views: Vec<_> = events.iter().map(|event| surroundings(time, event)).collect();
        let focus = &views[..views.len().min(resolution.n_detailed_events)];
        let n_detailed = focus.len();
        let grid = Grid::new(time, cadence, resolution.n_buckets, focus);

        let mut band = Band::from(grid.envelope(score));
        round_line(&mut [&mut band.lo, &mut band.hi]);
        let spark = Grid::new(time, cadence, N_SPARK, &[]).envelope(score).hi;
        let worst_score = score.iter().copied().fold(f64::NAN, f64::max);
        let events = events
            .into_iter()
            .zip(views)
            .map(|(event, view)| EventRow {
                span_ms: [clock.at(event.start), clock.at(event.end)],
                view_ms: [clock.at(time[view.start]), clock.at(time[view.end - 1])],
                id: event.id,
                start: event.start,
                end: event.end,
                peak_time: event.peak_time,
                peak_score: event.peak_score,
                severity: event.severity,
                kind: event.kind,
                fault: event.fault,
                confidence: event.confidence,
                channels: largest_shares(event.channels),
                members: event
                    .members
                    .into_iter()
                    .map(|(member, share)| MemberShare { member, share })
                    .collect(),
            })
            .collect();
        Self {
            name: name.to_owned(),
            start,
            end,
            base_ms: clock.base_ms,
            cadence_ms: cadence,
            n_samples: time.len(),
            n_unscored: score.iter().filter(|score| score.is_nan()).count(),
            n_channels: channels.len(),
            n_events,
            in_events_ms: in_events,
            worst_score,
            is_labelled: labels.is_some(),
            labels_ms: labels.map_or_else(Vec::new, |labels| labelled_spans(time, labels, clock)),
            events,
            n_detailed,
            spark: spark.into_iter().map(round5).collect(),
            charts: Some(Charts {
                step_ms: middles(&grid, time, clock),
                breaks: grid.breaks().to_vec(),
                score: band,
                channels: Vec::new(),
            }),
            ranked,
            grid,
        }
    }

    /// Indices of the channels worth a chart: by their share of all events, then in the data's order.
    pub(crate) fn channels_to_chart(&self) -> Vec<usize> {
        self.ranked.iter().map(|&(idx, _)| idx).collect()
    }

    /// Adds the chart of the channel at `channel_idx`, one of [`SeriesReport::channels_to_chart`]; others are not drawn.
    ///
    /// # Shapes
    /// `values` and what is expected: `[n_samples]`.
    ///
    /// # Panics
    /// Where a slice is shorter than the series.
    pub(crate) fn chart_channel(
        &mut self,
        channel_idx: usize,
        name: &str,
        values: &[f64],
        expected: Option<Expected<'_>>,
    ) {
        let Some(&(_, share)) = self.ranked.iter().find(|(idx, _)| *idx == channel_idx) else {
            return;
        };
        let grid = &self.grid;
        let mut value = Band::from(grid.envelope(values));
        let mut expected = expected.map(|expected| ExpectedChart {
            mean: grid.mean(expected.expected),
            lower: grid.envelope(expected.lower).lo,
            upper: grid.envelope(expected.upper).hi,
            outside: grid
                .marked(|idx| values[idx] < expected.lower[idx] || values[idx] > expected.upper[idx]),
        });
        match &mut expected {
            Some(e) => round_line(&mut [
                &mut value.lo,
                &mut value.hi,
                &mut e.mean,
                &mut e.lower,
                &mut e.upper,
            ]),
            None => round_line(&mut [&mut value.lo, &mut value.hi]),
        }
        if let Some(charts) = &mut self.charts {
            charts.channels.push(ChannelChart {
                name: name.to_owned(),
                share,
                value,
                expected,
            });
        }
    }

    /// Gives up the charts and all but the worst events, keeping the row of the fleet table.
    pub(super) fn drop_charts(&mut self) {
        self.charts = None;
        self.labels_ms.clear();
        self.events.truncate(N_EVENTS_UNCHARTED_MAX);
    }

    /// How bad it is, for ordering: the highest score, below everything where nothing was scored.
    pub(super) fn badness(&self) -> f64 {
        if self.worst_score.is_nan() {
            f64::NEG_INFINITY
        } else {
            self.worst_score
        }
    }
}

impl From<Envelope> for Band {
    fn from(Envelope { lo, hi }: Envelope) -> Self {
        Self { lo, hi }
    }
}

/// Milliseconds since the start of a series: small numbers that JavaScript holds to the nanosecond.
#[derive(Debug, Clone, Copy)]
struct Offsets {
    base_ms: i64,
}

impl Offsets {
    fn from_start(start: Timestamp) -> Self {
        Self {
            base_ms: start.as_nanos().div_euclid(1_000_000),
        }
    }

    fn at(self, time: Timestamp) -> f64 {
        let base = self.base_ms.saturating_mul(1_000_000);
        time.as_nanos().saturating_sub(base) as f64 / 1e6
    }
}

/// Sample indices of an event with as much again on both sides; never empty for a time that is not.
fn surroundings(time: &[Timestamp], event: &Event) -> std::ops::Range<usize> {
    let start = time
        .partition_point(|&instant| instant < event.start)
        .min(time.len() - 1);
    let end = time
        .partition_point(|&instant| instant <= event.end)
        .max(start + 1);
    let margin = (end - start).max(N_MARGIN_MIN);
    start.saturating_sub(margin)..(end + margin).min(time.len())
}

/// The `n` channels with the largest mean share of the events, as (index, share), filled up in the data's order.
fn rank_channels(channels: &[&str], events: &[Event], n: usize) -> Vec<(usize, f64)> {
    let mut total = std::collections::HashMap::<&str, f64>::new();
    for (name, share) in events.iter().flat_map(|event| &event.channels) {
        *total.entry(name).or_default() += share;
    }
    let n_events = events.len().max(1) as f64;
    let mut ranked: Vec<(usize, f64)> = channels
        .iter()
        .enumerate()
        .map(|(idx, name)| (idx, round5(total.get(name).copied().unwrap_or(0.0) / n_events)))
        .collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    ranked.truncate(n);
    ranked
}

/// The largest shares, largest first.
fn largest_shares(mut channels: Vec<(String, f64)>) -> Vec<Share> {
    channels.sort_by(|a, b| b.1.total_cmp(&a.1));
    channels.truncate(N_SHARES_MAX);
    channels
        .into_iter()
        .map(|(name, share)| Share { name, share })
        .collect()
}

/// First and last instant of each run of true labels, the longest of them, in time order.
fn labelled_spans(time: &[Timestamp], labels: &[bool], clock: Offsets) -> Vec<[f64; 2]> {
    assert_eq!(time.len(), labels.len(), "one label per sample");
    let mut spans = Vec::new();
    let mut idx = 0;
    for run in labels.chunk_by(|a, b| a == b) {
        if run[0] {
            spans.push([clock.at(time[idx]), clock.at(time[idx + run.len() - 1])]);
        }
        idx += run.len();
    }
    if spans.len() > N_LABELS_MAX {
        spans.sort_by(|a, b| (b[1] - b[0]).total_cmp(&(a[1] - a[0])));
        spans.truncate(N_LABELS_MAX);
        spans.sort_by(|a, b| a[0].total_cmp(&b[0]));
    }
    spans
}

/// Middle of the first bucket, then the distance from each middle to the next.
fn middles(grid: &Grid, time: &[Timestamp], clock: Offsets) -> Vec<f64> {
    let mut last = clock.base_ms.saturating_mul(1_000_000);
    grid.buckets()
        .map(|bucket| {
            let middle = i64::midpoint(time[bucket.start].as_nanos(), time[bucket.end - 1].as_nanos());
            // Whole nanoseconds until the last step: the numbers stay short, and their sum exact.
            let step = middle.saturating_sub(last) as f64 / 1e6;
            last = middle;
            step
        })
        .collect()
}
