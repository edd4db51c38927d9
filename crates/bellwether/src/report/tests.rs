//! What a report promises, and samples of it to look at.

use std::io::Write;
use std::time::Duration;

use super::metrics::{Metric, Unit};
use super::*;

/// Names that try to be markup.
const HOSTILE: &str = "</script><img src=x onerror=alert(1)>&\"'{{data}}";

/// A made-up machine: daily rhythm, noise, and an excursion of some channels in each span.
struct Machine {
    name: &'static str,
    time: Vec<Timestamp>,
    /// Rising, apart from each other.
    spans: Vec<std::ops::Range<usize>>,
    strength: f64,
}

impl Machine {
    fn new(
        name: &'static str,
        n_samples: usize,
        spans: &[std::ops::Range<usize>],
        strength: f64,
        seed: i64,
    ) -> Self {
        let start = Timestamp::from_secs(1_709_251_200 + seed * 37);
        let time = (0..n_samples)
            .map(|idx| start.plus(Duration::from_secs(60) * idx as u32))
            .collect();
        Self {
            name,
            time,
            spans: spans.to_vec(),
            strength,
        }
    }

    /// 0 outside every span, rising to 1 in the middle of one.
    fn excursion(&self, idx: usize) -> f64 {
        let next = self.spans.partition_point(|span| span.end <= idx);
        match self.spans.get(next) {
            Some(span) if span.contains(&idx) => {
                let along = (idx - span.start) as f64 / span.len() as f64;
                (std::f64::consts::PI * along).sin().sqrt()
            }
            _ => 0.0,
        }
    }

    fn score(&self) -> Vec<f64> {
        (0..self.time.len())
            .map(|idx| {
                let quiet = 0.35 + 0.1 * (idx as f64 / 700.0).sin() + 0.12 * noise(idx, 1).abs();
                if idx < 64 {
                    f64::NAN
                } else {
                    quiet + self.strength * self.excursion(idx)
                }
            })
            .collect()
    }

    fn events(&self, channels: &[&str]) -> Vec<Event> {
        let score = self.score();
        let first_and_last = |span: &std::ops::Range<usize>| {
            let mut above = span.clone().filter(|&idx| score[idx] >= 1.0);
            above
                .next()
                .map(|first| (first, above.next_back().unwrap_or(first)))
        };
        let spans = self.spans.iter().filter_map(first_and_last);
        spans
            .enumerate()
            .map(|(n, (start, end))| {
                let peak = (start..=end)
                    .max_by(|&a, &b| score[a].total_cmp(&score[b]))
                    .unwrap();
                let severity = ["low", "medium", "high", "critical"][(score[peak] as usize).min(3)];
                let mut shares: Vec<f64> = (0..channels.len())
                    .map(|c| 1.0 / (1.0 + ((c + n) % 5) as f64).powi(2))
                    .collect();
                let total: f64 = shares.iter().sum();
                shares.iter_mut().for_each(|share| *share /= total);
                Event {
                    id: format!("{}-{}", self.name, n + 1),
                    start: self.time[start],
                    end: self.time[end],
                    peak_time: self.time[peak],
                    peak_score: score[peak],
                    severity: severity.to_owned(),
                    kind: Some(["level-shift", "drift", "noise"][n % 3].to_owned()),
                    fault: (n % 3 == 2).then_some("sensor"),
                    confidence: Some(0.75),
                    members: vec![("pca", 0.75), ("ranges", 0.25)],
                    channels: channels.iter().map(|&c| c.to_owned()).zip(shares).collect(),
                }
            })
            .collect()
    }

    fn report(&self, channels: &[&str], resolution: Resolution) -> SeriesReport {
        let labels: Vec<bool> = (0..self.time.len())
            .map(|idx| self.excursion(idx) > 0.2)
            .collect();
        let mut series = SeriesReport::new(
            SeriesInput {
                name: self.name,
                channels,
                time: &self.time,
                score: &self.score(),
                events: self.events(channels),
                labels: Some(&labels),
            },
            resolution,
        );
        for idx in series.channels_to_chart() {
            let level = 10.0 * (idx + 1) as f64;
            let expected: Vec<f64> = (0..self.time.len())
                .map(|t| level + 2.0 * (t as f64 / 1440.0 * std::f64::consts::TAU + idx as f64).sin())
                .collect();
            let values: Vec<f64> = (0..self.time.len())
                .map(|t| expected[t] + 0.4 * noise(t, idx + 2) + 2.5 * self.excursion(t) / (idx + 1) as f64)
                .collect();
            let lower: Vec<f64> = expected.iter().map(|e| e - 0.9).collect();
            let upper: Vec<f64> = expected.iter().map(|e| e + 0.9).collect();
            let expected = Expected {
                expected: &expected,
                lower: &lower,
                upper: &upper,
            };
            series.chart_channel(idx, channels[idx], &values, Some(expected));
        }
        series
    }
}

/// Repeatable noise in [-1, 1].
fn noise(idx: usize, channel: usize) -> f64 {
    let mut bits = (idx as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (channel as u64) << 40;
    bits = (bits ^ bits >> 31).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (bits >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

const CHANNELS: [&str; 8] = [
    "vibration_rms",
    "motor_current",
    "bearing_temperature",
    "pressure",
    "flow",
    "speed",
    "oil_level",
    "humidity",
];

fn one_series() -> Report {
    let spans = [3_100..3_190, 9_000..9_400, 15_500..15_520];
    let mut report = Report::new("press-01, first half of March", "bellwether 0.1.0");
    report.model = Some("press@3".to_owned());
    report.threshold = Some(0.021_345_6);
    report.sweep = Some(Sweep {
        thresholds: vec![0.25, 0.5, 1.0, 2.0, 10.0],
        alarms_per_week: vec![40.0, 12.0, 1.5, 0.5, 0.0],
        asked_per_week: Some(1.0),
        predicted_per_week: Some(0.8),
        weeks: 2.0,
    });
    report.notes =
        vec!["The channel humidity was missing for 2 h and was held at its last value.".to_owned()];
    report.push(Machine::new("press-01", 20_160, &spans, 2.4, 0).report(&CHANNELS, Resolution::for_fleet(1)));
    let keys = [
        "vus_pr",
        "vus_roc",
        "auc_pr",
        "auc_roc",
        "f1_best",
        "f1",
        "event_f1",
        "range_f1",
        "affiliation_f1",
        "detection_delay_s",
        "false_alarms_per_week",
    ];
    let row = |model: &str, is_baseline: bool, values: [f64; 11]| MetricsRow {
        model: model.to_owned(),
        is_baseline,
        values: values.to_vec(),
        intervals: vec![None; 11],
    };
    report.metrics = Some(MetricsTable::new(
        &keys,
        vec![
            row(
                "press@3",
                false,
                [0.81, 0.97, 0.79, 0.98, 0.84, 0.8, 1.0, 0.77, 0.95, 180.0, 0.0],
            ),
            row(
                "robust-z",
                true,
                [0.42, 0.88, 0.4, 0.9, 0.51, 0.44, 0.67, 0.35, 0.81, 1260.0, 2.5],
            ),
            row(
                "random",
                true,
                [
                    0.03,
                    0.5,
                    0.026,
                    0.501,
                    0.05,
                    0.04,
                    0.0,
                    0.02,
                    0.5,
                    f64::NAN,
                    31.0,
                ],
            ),
        ],
    ));
    report
}

fn fleet() -> Report {
    let names = [
        "pump-01", "pump-02", "pump-03", "pump-04", "pump-05", "pump-06", "pump-07", "pump-08", "pump-09",
        "pump-10", "pump-11", "pump-12", "pump-13", "pump-14",
    ];
    let mut report = Report::new("Pumps of hall B", "bellwether 0.1.0");
    report.model = Some("pump@champion".to_owned());
    for (n, name) in names.into_iter().enumerate() {
        let from = 1000 + n * 200;
        let spans = [from..from + 120, 6000..6000 + 10 * (n + 1)];
        let strength = [0.2, 1.5, 30.0, 0.3][n % 4] + n as f64 / 100.0;
        let machine = Machine::new(name, 8_000, &spans, strength, n as i64);
        report.push(machine.report(&CHANNELS, Resolution::for_fleet(names.len())));
    }
    report
}

fn html(report: &Report) -> String {
    let mut out = Vec::new();
    report.write_html(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The JSON inside the page.
fn embedded(html: &str) -> serde_json::Value {
    let (_, after) = html
        .split_once("<script type=\"application/json\" id=\"data\">")
        .unwrap();
    serde_json::from_str(after.split_once("</script>").unwrap().0).unwrap()
}

/// Writes `report` where it can be looked at: into `BELLWETHER_KEEP_REPORTS` if set, else into a folder that goes away.
fn keep(report: &Report, name: &str) -> u64 {
    let temporary = tempfile::tempdir().unwrap();
    let folder = std::env::var_os("BELLWETHER_KEEP_REPORTS")
        .map_or_else(|| temporary.path().to_owned(), std::path::PathBuf::from);
    let mut file = tempfile::NamedTempFile::new_in(&folder).unwrap();
    report
        .write_html(&mut std::io::BufWriter::new(file.as_file_mut()))
        .unwrap();
    file.flush().unwrap();
    let n_bytes = file.as_file().metadata().unwrap().len();
    file.persist(folder.join(name)).unwrap();
    n_bytes
}

#[test]
fn a_page_is_written_and_needs_no_other_file() {
    for (report, name) in [(one_series(), "one.html"), (fleet(), "fleet.html")] {
        assert!(keep(&report, name) < 1_500_000);
        let page = html(&report);
        for foreign in [
            "http:",
            "https:",
            "src=",
            "@import",
            "url(",
            "eval(",
            "new Function",
            "innerHTML",
            "{{",
        ] {
            assert!(!page.contains(foreign), "{name} contains {foreign:?}");
        }
    }
}

#[test]
fn a_million_samples_of_fifty_channels_make_a_small_page() {
    let names: Vec<String> = (0..50).map(|idx| format!("channel_{idx:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let spans: Vec<_> = (1..=300).map(|n| n * 3_300..n * 3_300 + 30 + n).collect();
    let machine = Machine::new("line-7", 1_000_000, &spans, 40.0, 0);
    let mut report = Report::new("A large one", "bellwether 0.1.0");
    report.push(machine.report(&names, Resolution::for_fleet(1)));
    let n_bytes = keep(&report, "large.html");
    assert!(n_bytes < 1_500_000, "{n_bytes} bytes");
}

#[test]
fn a_large_fleet_keeps_its_worst_and_counts_all() {
    let mut report = Report::new("Many", "bellwether 0.1.0");
    for n in 0..600_i64 {
        let time: Vec<_> = (0..50).map(Timestamp::from_secs).collect();
        let mut score = vec![0.5; 50];
        score[7] = 0.6 + n as f64 / 1000.0;
        let input = SeriesInput {
            name: &format!("device-{n}"),
            channels: &["a"],
            time: &time,
            score: &score,
            events: Vec::new(),
            labels: None,
        };
        report.push(SeriesReport::new(input, Resolution::for_fleet(600)));
    }
    let json = report.to_json().unwrap();
    let series = json["series"].as_array().unwrap();
    assert_eq!((series.len(), &json["totals"]["n_series"]), (500, &600.into()));
    let charted: Vec<_> = series
        .iter()
        .filter(|one| !one["charts"].is_null())
        .map(|one| &one["name"])
        .collect();
    assert_eq!(charted.len(), 12);
    assert!(charted.iter().all(|name| {
        let name = name.as_str().unwrap();
        name["device-".len()..].parse::<u32>().unwrap() >= 588
    }));
}

#[test]
fn no_name_can_break_out_of_the_page() {
    let time: Vec<_> = (0..100).map(Timestamp::from_secs).collect();
    let score = vec![0.5; 100];
    let input = SeriesInput {
        name: HOSTILE,
        channels: &[HOSTILE],
        time: &time,
        score: &score,
        events: Vec::new(),
        labels: None,
    };
    let mut series = SeriesReport::new(input, Resolution::for_fleet(1));
    series.chart_channel(0, HOSTILE, &score, None);
    let mut report = Report::new(HOSTILE, HOSTILE);
    report.model = Some(HOSTILE.to_owned());
    report.notes = vec![HOSTILE.to_owned()];
    report.push(series);
    let page = html(&report);
    let plain = html(&Report::new("plain", "plain"));
    for tag in ["</script", "<img", "<script"] {
        assert_eq!(
            page.matches(tag).count(),
            plain.matches(tag).count(),
            "{tag} was smuggled in"
        );
    }
    let data = embedded(&page);
    assert_eq!(data["series"][0]["charts"]["channels"][0]["name"], HOSTILE);
    assert_eq!(data["title"], HOSTILE);
}

#[test]
fn the_page_and_the_json_hold_the_same_facts() {
    let report = fleet();
    let mut json = report.to_json().unwrap();
    assert!(json["summary"].as_str().unwrap().contains("14 series"));
    json.as_object_mut().unwrap().remove("summary");
    assert_eq!(embedded(&html(&report)), json);
}

#[test]
fn the_summary_says_what_happened_in_words() {
    let check = |report: &Report, expect: &[&str]| {
        let summary = report.summary();
        for part in expect {
            assert!(summary.contains(part), "{part:?} not in: {summary}");
        }
    };
    check(
        &one_series(),
        &[
            "press-01 was watched from 2024-03-01 00:00:00 to 2024-03-14 23:59:00 UTC (14 days) with model press@3: 20,160 samples of 8 channels, one every 60 s.",
            "3 events were found above the alarm threshold (score 1.0, a raw error of 0.021346)",
            "The strongest, press-01-",
            "No score for 0.3 % of the samples",
        ],
    );
    let quiet = |score: f64| {
        let mut report = Report::new("Quiet", "bellwether 0.1.0");
        let input = SeriesInput {
            name: "a",
            channels: &["x"],
            time: &[Timestamp::from_secs(0)],
            score: &[score],
            events: Vec::new(),
            labels: None,
        };
        report.push(SeriesReport::new(input, Resolution::for_fleet(1)));
        report
    };
    check(
        &quiet(0.4),
        &[
            "1 sample of 1 channel",
            "No event was found",
            "highest score was 0.40",
        ],
    );
    check(&quiet(f64::NAN), &["No sample could be scored."]);
    assert_eq!(Report::new("Empty", "x").summary(), "");
}

#[test]
fn an_event_outside_the_data_or_in_one_sample_does_no_harm() {
    let time: Vec<_> = (0..100).map(Timestamp::from_secs).collect();
    let event = |start, end| Event {
        id: "e".to_owned(),
        start: Timestamp::from_secs(start),
        end: Timestamp::from_secs(end),
        peak_time: Timestamp::from_secs(start),
        peak_score: 2.0,
        severity: "high".to_owned(),
        kind: None,
        fault: None,
        confidence: None,
        members: Vec::new(),
        channels: vec![("x".to_owned(), 1.0)],
    };
    for (start, end) in [(-50, -10), (200, 300), (99, 99), (0, 99), (50, 20)] {
        let input = SeriesInput {
            name: "a",
            channels: &["x"],
            time: &time,
            score: &[1.5; 100],
            events: vec![event(start, end)],
            labels: Some(&[true; 100]),
        };
        let mut report = Report::new("Odd", "x");
        report.push(SeriesReport::new(input, Resolution::for_fleet(1)));
        assert!(!html(&report).is_empty());
    }
}

#[test]
fn the_known_metrics_say_what_they_mean() {
    for key in ["vus_pr", "event_f1", "detection_delay_s", "false_alarms_per_week"] {
        assert!(!Metric::of(key).meaning.is_empty(), "{key}");
    }
    assert!(!Metric::of("detection_delay_s").higher_is_better);
    assert_eq!(Metric::of("my_own").unit, Unit::Plain);
}
