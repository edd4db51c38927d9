//! The block bootstrap against its reference, and against the truth that its intervals should hold.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use bellwether_core::eval::bootstrap::{Blocks, Judged, block_len, resampled_means};
use bellwether_core::eval::interval::percentile;
use bellwether_core::eval::ranking::Ranking;
use bellwether_core::eval::vus::vus;
use bellwether_core::eval::{evaluate, runs};
use bellwether_core::time::Timestamp;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use serde_json::Value;

#[test]
fn block_lengths_equal_the_reference() {
    let golden: Value = serde_json::from_str(include_str!("golden/bootstrap.json")).unwrap();
    let cases = golden["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 6);
    for case in cases {
        let values: Vec<f64> = case["values"]
            .as_array()
            .unwrap()
            .iter()
            .map(|value| value.as_f64().unwrap())
            .collect();
        let (got, want) = (block_len(&values), case["block_len"].as_f64().unwrap());
        // Relative, for autocovariances summed in another order.
        assert!(
            (got / want - 1.0).abs() < 1e-9,
            "{}: {got}, reference {want}",
            case["name"]
        );
    }
}

#[test]
fn a_series_that_tells_nothing_needs_no_blocks() {
    for values in [vec![], vec![1.0; 3], vec![7.0; 500]] {
        assert!((block_len(&values) - 1.0).abs() < 1e-15);
    }
}

/// Standard normal numbers of a seed.
struct Normal(ChaCha8Rng);

impl Normal {
    fn unit(&mut self) -> f64 {
        ((self.0.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    fn draw(&mut self) -> f64 {
        let (radius, angle) = (
            (-2.0 * self.unit().ln()).sqrt(),
            std::f64::consts::TAU * self.unit(),
        );
        radius * angle.cos()
    }
}

/// Autoregressive scores of variance 1, one higher within events, which come by chance and last 8 samples.
fn judged(seed: u64, n: usize, coefficient: f64) -> Judged {
    let mut normal = Normal(ChaCha8Rng::seed_from_u64(seed));
    let mut labels = vec![false; n];
    let mut at = 0;
    while at + 8 < n {
        at += 8 + (normal.unit() * 64.0) as usize;
        if let Some(event) = labels.get_mut(at..at + 8) {
            event.fill(true);
        }
        at += 8;
    }
    let mut noise = normal.draw();
    let scores: Vec<f64> = labels
        .iter()
        .map(|&label| {
            noise = coefficient * noise + (1.0 - coefficient * coefficient).sqrt() * normal.draw();
            noise + f64::from(u8::from(label))
        })
        .collect();
    Judged {
        predicted: scores.iter().map(|&score| score >= 2.0).collect(),
        time: (0..n as i64).map(Timestamp::from_secs).collect(),
        labels,
        scores,
    }
}

/// Normal distribution at 1/√2: the chance that a score in an event is above one outside.
const TRUE_AUC: f64 = 0.760_249_938_906_523_7;

/// How often in `n_series` the interval of AUC-ROC holds the truth.
fn coverage(coefficient: f64, n_series: u64) -> f64 {
    let held = (0..n_series).filter(|&seed| {
        let judged = judged(seed, 1500, coefficient);
        let blocks = Blocks::new(&judged).unwrap().unwrap();
        let replicates: Vec<f64> = (0..150)
            .map(|idx| {
                let resample = blocks.resample(seed, idx);
                Ranking::new(&resample.labels, &resample.scores).map_or(f64::NAN, |ranking| ranking.auc_roc())
            })
            .collect();
        let interval = percentile(&replicates).unwrap();
        interval.low <= TRUE_AUC && TRUE_AUC <= interval.high
    });
    held.count() as f64 / n_series as f64
}

#[test]
fn intervals_of_autocorrelated_scores_hold_the_truth_about_as_often_as_they_say() {
    // 95 % is aimed at; percentile intervals of a few dozen blocks are known to be a little short. With 100 series the
    // share itself has a standard deviation of 0.03.
    for coefficient in [0.0, 0.8] {
        let held = coverage(coefficient, 100);
        assert!((0.86..=1.0).contains(&held), "coefficient {coefficient}: {held}");
    }
}

#[test]
fn blocks_cut_no_event_and_a_resample_is_made_of_whole_ones() {
    let judged = judged(3, 2000, 0.7);
    let blocks = Blocks::new(&judged).unwrap().unwrap();
    assert!(blocks.n() > 20, "{}", blocks.n());
    for idx in 0..20 {
        let resample = blocks.resample(1, idx);
        assert_eq!(resample, blocks.resample(1, idx));
        assert_ne!(resample, blocks.resample(2, idx));
        let n = resample.labels.len();
        assert!(
            [
                resample.scores.len(),
                resample.predicted.len(),
                resample.time.len()
            ] == [n; 3]
        );
        assert!(resample.time.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(runs(&resample.labels).iter().all(|event| event.len() == 8));
    }
}

#[test]
fn a_resample_of_one_kind_of_block_has_the_figures_of_the_original() {
    // Ten times the same hundred samples with a period of ten: every draw is a repetition of the same pattern.
    let pattern = |idx: usize| (idx % 100 >= 90, f64::from(u8::from(idx % 100 >= 92)));
    let n = 1000;
    let scores: Vec<f64> = (0..n).map(|idx| pattern(idx).1).collect();
    let judged = Judged {
        labels: (0..n).map(|idx| pattern(idx).0).collect(),
        predicted: scores.iter().map(|&score| score >= 1.0).collect(),
        time: (0..n as i64).map(|idx| Timestamp::from_secs(60 * idx)).collect(),
        scores,
    };
    let blocks = Blocks::new(&judged).unwrap().unwrap();
    let figures = |judged: &Judged| {
        let Judged {
            labels,
            scores,
            predicted,
            time,
        } = judged;
        evaluate(labels, scores, predicted, time, 10).unwrap()
    };
    let (want, got) = (figures(&judged), figures(&blocks.resample(7, 0)));
    assert!((got.detection_delay_s.unwrap() - want.detection_delay_s.unwrap()).abs() < 1e-9);
    assert!((got.event_f1 - want.event_f1).abs() < 1e-12 && got.false_alarms_per_week.abs() < 1e-12);
}

#[test]
fn too_short_a_series_has_no_blocks() {
    assert!(Blocks::new(&judged(1, 7, 0.5)).unwrap().is_none());
    let mut broken = judged(1, 200, 0.5);
    broken.predicted.pop();
    assert!(Blocks::new(&broken).is_err());
}

#[test]
fn means_over_series_vary_with_the_series_drawn() {
    let fixed = |value: f64| vec![[value, f64::NAN]; 3];
    let one = resampled_means(&[fixed(1.0)], 200, 1);
    assert_eq!(one.len(), 3);
    // Two series, 0 and 1, without any spread of their own: means of 0, ½ and 1 in the shares ¼, ½, ¼.
    let two = resampled_means(&[fixed(0.0), fixed(1.0)], 2000, 1);
    let share = |value: f64| two.iter().filter(|row| (row[0] - value).abs() < 1e-12).count() as f64 / 2000.0;
    assert!(
        (share(0.5) - 0.5).abs() < 0.05 && (share(0.0) - 0.25).abs() < 0.05,
        "{}",
        share(0.5)
    );
    assert!(two.iter().all(|row| row[1].is_nan()));
}

#[test]
fn resamples_of_a_long_series_differ_little_from_the_whole() {
    let judged = judged(9, 100_000, 0.8);
    let blocks = Blocks::new(&judged).unwrap().unwrap();
    let values: Vec<f64> = (0..3)
        .map(|idx| {
            let resample = blocks.resample(1, idx);
            vus(&resample.labels, &resample.scores, 8).unwrap().pr
        })
        .collect();
    let whole = vus(&judged.labels, &judged.scores, 8).unwrap().pr;
    // A hundred thousand samples leave little to chance.
    assert!(
        values.iter().all(|value| (value - whole).abs() < 0.03),
        "{values:?} {whole}"
    );
}
