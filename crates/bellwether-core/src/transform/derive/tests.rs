//! Features by hand and by definition, and what the row step owes to them.

use std::num::NonZeroUsize;

use bellwether_testkit::assert_close;
use proptest::prelude::*;

use super::*;
use crate::transform::{Pipeline, PipelineSpec};

const NAN: f64 = f64::NAN;

fn frame(names: &[&str], secs: &[i64], values: &[f64]) -> Frame {
    let channels: Vec<Channel> = names.iter().map(|&name| Channel::new(name)).collect();
    let time = secs.iter().map(|&s| Timestamp::from_secs(s)).collect();
    Frame::new(channels, time, values.to_vec()).unwrap()
}

fn spec(features: &[&str]) -> PipelineSpec {
    PipelineSpec {
        derivation: DerivationSpec {
            features: features.iter().map(|text| text.parse().unwrap()).collect(),
            ..DerivationSpec::default()
        },
        ..PipelineSpec::for_window(NonZeroUsize::new(3).unwrap())
    }
}

/// What a feature of channel a, a sample a second, makes of rows; all training rows are these.
fn of(feature: &str, values: &[f64]) -> Vec<f64> {
    let secs: Vec<i64> = (0..values.len() as i64).collect();
    of_at(feature, &secs, values)
}

fn of_at(feature: &str, secs: &[i64], values: &[f64]) -> Vec<f64> {
    let data = frame(&["a"], secs, values);
    let pipeline = spec(&[feature]).fit(std::slice::from_ref(&data)).unwrap();
    let derived = pipeline.derive(&data).unwrap().frame;
    let n = derived.n_channels();
    derived.values().iter().skip(n - 1).step_by(n).copied().collect()
}

fn check(got: &[f64], want: &[f64]) {
    assert_eq!(got.len(), want.len());
    for (idx, (got, want)) in got.iter().zip(want).enumerate() {
        if want.is_nan() {
            assert!(got.is_nan(), "row {idx}: {got}");
        } else {
            assert_close(*got, *want, 1e-12, &format!("row {idx}"));
        }
    }
}

#[test]
fn features_by_hand() {
    let x = [1.0, 2.0, 4.0, NAN, 8.0, 16.0];
    check(&of("f = diff(a)", &x), &[NAN, 1.0, 2.0, NAN, NAN, 8.0]);
    check(&of("f = diff(a, 2)", &x), &[NAN, NAN, 3.0, NAN, 4.0, NAN]);
    check(&of("f = lag(a, 2)", &x), &[NAN, NAN, 1.0, 2.0, 4.0, NAN]);
    // At least half of three are two.
    check(&of("f = mean(a, 3)", &x), &[NAN, NAN, 7.0 / 3.0, 3.0, 6.0, 12.0]);
    check(&of("f = min(a, 2s)", &x), &[NAN, 1.0, 2.0, 4.0, 8.0, 8.0]);
    check(&of("f = max(a, 2)", &x), &[NAN, 2.0, 4.0, 4.0, 8.0, 16.0]);
    check(&of("f = std(a, 2)", &x), &[NAN, 0.5, 1.0, 0.0, 0.0, 4.0]);
    // α = 1/2: (4 + 2/2 + 1/4) / (1 + 1/2 + 1/4) in row 2.
    check(
        &of("f = ewma(a, 3)", &x)[..4],
        &[1.0, (2.0 + 0.5) / 1.5, (4.0 + 1.0 + 0.25) / 1.75, NAN],
    );
    check(
        &of("f = log(a)", &[1.0, 0.0, -1.0, 4.0]),
        &[0.0, NAN, NAN, 4.0_f64.ln()],
    );
    check(&of("f = boxcox(a, 2)", &[1.0, 3.0, 0.0]), &[0.0, 4.0, NAN]);
    check(&of("f = absent(a)", &x), &[0.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
    // The state of the last one: 16.
    check(&of("f = onehot(a)", &x), &[0.0, 0.0, 0.0, NAN, 0.0, 1.0]);
}

#[test]
fn two_channels_make_a_ratio_and_a_difference() {
    let data = frame(&["a", "b"], &[0, 1, 2], &[6.0, 3.0, 1.0, 0.0, NAN, 2.0]);
    let pipeline = spec(&["r = ratio(a, b)", "m = minus(a, b)"])
        .fit(std::slice::from_ref(&data))
        .unwrap();
    let derived = pipeline.derive(&data).unwrap().frame;
    let names: Vec<&str> = derived.schema().channels().iter().map(Channel::name).collect();
    assert_eq!(names, ["a", "b", "r", "m"]);
    check(
        derived.values(),
        &[6.0, 3.0, 2.0, 3.0, 1.0, 0.0, NAN, 1.0, NAN, 2.0, NAN, NAN],
    );
    assert_eq!(pipeline.inputs().n_channels(), 2);
}

#[test]
fn a_feature_called_as_a_channel_takes_its_place() {
    let data = frame(&["a", "b"], &[0, 1, 2], &[1.0, 5.0, 2.0, 6.0, 4.0, 7.0]);
    let pipeline = spec(&["a = diff(a)"]).fit(std::slice::from_ref(&data)).unwrap();
    let derived = pipeline.derive(&data).unwrap().frame;
    check(derived.values(), &[NAN, 5.0, 1.0, 6.0, 2.0, 7.0]);
    let inputs: Vec<&str> = pipeline.inputs().channels().iter().map(Channel::name).collect();
    assert_eq!(inputs, ["b", "a"]);
}

#[test]
fn gaps_and_rows_outside_end_what_is_looked_back_at() {
    let train = frame(&["a"], &[0, 1, 2, 3, 4, 5], &[1.0; 6]);
    let pipeline = spec(&["a = lag(a, 1)"]).fit(&[train]).unwrap();
    let data = frame(&["a"], &[0, 1, 2, 100, 101, 102], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    check(
        pipeline.derive(&data).unwrap().frame.values(),
        &[NAN, 1.0, 2.0, NAN, 4.0, 5.0],
    );
    let mut spec = spec(&["f = lag(a, 1)"]);
    spec.derivation.mode_when = Some(crate::condition::Condition::parse("a != 3").unwrap());
    let data = frame(&["a"], &[0, 1, 2, 3, 4], &[1.0, 2.0, 3.0, 4.0, 5.0]);
    let derived = spec
        .fit(std::slice::from_ref(&data))
        .unwrap()
        .derive(&data)
        .unwrap();
    check(
        derived.frame.values(),
        &[1.0, NAN, 2.0, 1.0, 3.0, NAN, 4.0, NAN, 5.0, 4.0],
    );
    let rows: Vec<usize> = derived.pieces().iter().map(Frame::n_samples).collect();
    assert_eq!(rows, [2, 2]);
}

#[test]
fn a_missing_value_of_the_mode_is_taken_from_the_rows_before() {
    let mut spec = spec(&[]);
    spec.derivation.mode_when = Some(crate::condition::Condition::parse("on == 1").unwrap());
    let train = frame(&["on", "x"], &[0, 1, 2], &[1.0, 1.0, 1.0, 2.0, 1.0, 3.0]);
    let pipeline = spec.fit(&[train]).unwrap();
    // Windows of three rows: for three rows a value stands.
    let on = [NAN, 1.0, NAN, NAN, NAN, NAN, 0.0, NAN, 1.0];
    let values: Vec<f64> = on.iter().flat_map(|on| [*on, 1.0]).collect();
    let derived = pipeline
        .derive(&frame(&["on", "x"], &[0, 1, 2, 3, 4, 5, 6, 7, 8], &values))
        .unwrap();
    use Outside::{Mode, Unknown};
    assert_eq!(
        derived.outside,
        [
            Some(Unknown),
            None,
            None,
            None,
            None,
            Some(Unknown),
            Some(Mode),
            Some(Mode),
            None
        ]
    );
}

#[test]
fn bands_hold_the_mean_square_of_their_waves() {
    let tau = std::f64::consts::TAU;
    let wave = |row: usize| 5.0 + 3.0 * (tau * row as f64 / 8.0).sin() + 2.0 * (tau * row as f64 / 3.2).cos();
    let values: Vec<f64> = (0..64).map(wave).collect();
    // 32 rows hold four waves of 8 rows and ten of 3.2.
    let last = |feature: &str| *of(feature, &values).last().unwrap();
    assert_close(last("f = band(a, 32, 8)"), 4.5, 1e-9, "period 8");
    assert_close(last("f = band(a, 32, 3, 4)"), 2.0, 1e-9, "period 3.2");
    assert_close(last("f = band(a, 32, 2, 32)"), 6.5, 1e-9, "all");
    assert_close(last("f = band(a, 32, 16)"), 0.0, 1e-9, "period 16");
    // All frequencies together are the population variance (Parseval).
    let ramp: Vec<f64> = (0..16).map(|row| f64::from(row * row % 7)).collect();
    let std = *of("f = std(a, 16)", &ramp).last().unwrap();
    let all = *of("f = band(a, 16, 2, 16)", &ramp).last().unwrap();
    assert_close(all, std * std, 1e-9, "variance");
}

#[test]
fn clocks_go_by_their_zone_and_seasons_by_theirs() {
    // 2024-03-31 01:00 UTC: clocks in Berlin go from 2 to 3.
    let spring = 1_711_846_800;
    let secs = [spring - 3600, spring];
    let sines = of_at("f = daily(Europe/Berlin)", &secs, &[1.0, 2.0]);
    let hour = |hour: f64| (std::f64::consts::TAU * hour / 24.0).cos();
    check(&sines, &[hour(1.0), hour(3.0)]);
    // A Sunday, the last day of the week.
    let week = of_at("f = weekly()", &secs, &[1.0, 2.0]);
    let phase = |hours: f64| (std::f64::consts::TAU * hours / 168.0).cos();
    check(&week, &[phase(144.0), phase(145.0)]);
    // Two days of hours: medians of two are their means.
    let secs: Vec<i64> = (0..48).map(|row| row * 3600).collect();
    let values: Vec<f64> = (0..48)
        .map(|row| f64::from(row % 24) + if row < 24 { 0.0 } else { 1.0 })
        .collect();
    let rest = of_at("f = season(a, 1d)", &secs, &values);
    assert!(
        rest[..24].iter().all(|rest| (rest + 0.5).abs() < 1e-9),
        "{rest:?}"
    );
    assert!(rest[24..].iter().all(|rest| (rest - 0.5).abs() < 1e-9));
}

/// scipy 1.17 `stats.boxcox`, its λ of the greatest likelihood, by `tests/golden/boxcox.py`.
#[test]
fn lambda_is_that_of_the_greatest_likelihood() {
    let values: Vec<f64> = (1..=200)
        .map(|k| (f64::from(k * 37 % 200) / 100.0 + 0.05).powi(2))
        .collect();
    assert_close(fit::lambda_of(&values), BOX_COX_LAMBDA, 1e-5, "λ");
}

const BOX_COX_LAMBDA: f64 = 0.363_311_765_920_536_8;

#[test]
fn what_cannot_be_is_refused_with_its_name() {
    let data = frame(
        &["flow", "p"],
        &[0, 1, 2, 3],
        &[1.0, -1.0, 2.0, -2.0, 3.0, -3.0, 4.0, -4.0],
    );
    let refused = |features: &[&str], expect: &str| {
        let error = spec(features)
            .fit(std::slice::from_ref(&data))
            .unwrap_err()
            .to_string();
        assert!(error.contains(expect), "{error}");
    };
    refused(
        &["f = diff(flwo)"],
        "no channel \"flwo\" (did you mean \"flow\"?)",
    );
    refused(&["f = lag(flow, 1w)"], "604800 rows at the cadence of the data");
    refused(&["f = boxcox(p)"], "0 values above 0 of 4");
    refused(&["f = band(flow, 8, 1)"], "none below 2 rows");
    refused(&["f = season(flow, 1s)"], "shorter than two rows");
    refused(&["f = diff(flow)", "f = log(flow)"], "wished for twice");
    let mut never = spec(&[]);
    never.derivation.mode_when = Some(crate::condition::Condition::parse("flow > 9").unwrap());
    let error = never.fit(std::slice::from_ref(&data)).unwrap_err().to_string();
    assert!(
        error.contains("no training row is in operation (while flow > 9)"),
        "{error}"
    );
    never.derivation.mode_when = Some(crate::condition::Condition::parse("rpm > 9").unwrap());
    assert!(never.fit(&[data]).unwrap_err().to_string().contains("mode"));
}

fn all_kinds() -> Pipeline {
    let spec = PipelineSpec {
        derivation: crate::detect::tests::derivation(),
        ..PipelineSpec::for_window(NonZeroUsize::new(3).unwrap())
    };
    let plant = crate::detect::tests::Plant {
        n_rows: 600,
        missing: 0.0,
        gaps: 0.0,
        fault: false,
    };
    spec.fit(&[plant.rows(1)]).unwrap()
}

/// The last `rows` values of the segment that ends with a row: the definition, without any state.
fn looked_back_at(
    pipeline: &Pipeline,
    data: &Frame,
    derived: &Derived,
    row: usize,
    input: usize,
    rows: usize,
) -> Vec<f64> {
    let is_gap = |row: usize| data.time()[row].since(data.time()[row - 1]) > pipeline.parts().gap_max;
    let mut first = row;
    while first > 0
        && row + 1 - first < rows
        && !is_gap(first)
        && derived.outside.get(first - 1).is_none_or(Option::is_none)
    {
        first -= 1;
    }
    (first..=row).map(|row| data.sample(row).values[input]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_row_step_equals_its_definition(
        seed in any::<u64>(), missing in 0.0..0.4_f64, gaps in 0.0..0.05_f64,
    ) {
        let pipeline = all_kinds();
        let data = crate::detect::tests::Plant { n_rows: 120, missing, gaps, fault: true }.rows(seed);
        let derived = pipeline.derive(&data).unwrap();
        let n = pipeline.n_channels();
        for row in (0..120).filter(|row| derived.outside.get(*row).is_none_or(Option::is_none)) {
            for feature in &pipeline.parts().derivation.features {
                let places: Vec<usize> = feature.inputs.iter()
                    .map(|channel| data.schema().channel_idx(channel.name()).unwrap())
                    .collect();
                let now: Vec<f64> = places.iter().map(|&place| data.sample(row).values[place]).collect();
                let back = places.first().map_or(Vec::new(), |&place| {
                    looked_back_at(&pipeline, &data, &derived, row, place, feature.kind.rows())
                });
                let want = value::value(&feature.kind, data.time()[row], &now, &back);
                let place = pipeline.schema().channel_idx(feature.channel.name()).unwrap();
                let got = derived.frame.values()[row * n + place];
                prop_assert!(got.to_bits() == want.to_bits() || (got.is_nan() && want.is_nan()), "{:?}", feature);
            }
        }
    }

    #[test]
    fn permuting_channels_permutes_what_is_derived(seed in any::<u64>(), missing in 0.0..0.4_f64) {
        let plant = |seed| crate::detect::tests::Plant { n_rows: 150, missing, gaps: 0.01, fault: false }.rows(seed);
        let data = plant(seed);
        let order = [2, 0, 3, 1];
        let permuted = |data: &Frame| {
            let names: Vec<Channel> = order.iter().map(|&idx: &usize| data.schema().channels()[idx].clone()).collect();
            let values = data.values().chunks_exact(4).flat_map(|row| order.map(|idx| row[idx]));
            Frame::new(names, data.time().to_vec(), values.collect()).unwrap()
        };
        let spec = PipelineSpec {
            derivation: crate::detect::tests::derivation(),
            ..PipelineSpec::for_window(NonZeroUsize::new(3).unwrap())
        };
        let (one, other) = (spec.fit(std::slice::from_ref(&data)), spec.fit(&[permuted(&data)]));
        let (Ok(one), Ok(other)) = (one, other) else { return Ok(()) };
        let (a, b) = (one.derive(&data).unwrap(), other.derive(&permuted(&data)).unwrap());
        prop_assert_eq!(a.outside, b.outside);
        let n = one.n_channels();
        prop_assert_eq!(n, other.n_channels());
        for (from, channel) in one.schema().channels().iter().enumerate() {
            let to = other.schema().channel_idx(channel.name()).unwrap();
            for row in 0..data.n_samples() {
                let (got, want) = (b.frame.values()[row * n + to], a.frame.values()[row * n + from]);
                prop_assert!(got.to_bits() == want.to_bits() || (got.is_nan() && want.is_nan()), "{:?}", channel);
            }
        }
    }
}
