//! Rules on errors whose thresholds are known.

use super::*;
use crate::classic::baseline::random;
use crate::quantile::{quantile_sorted, sorted_finite};
use bellwether_testkit::assert_close;

const NAN: f64 = f64::NAN;

fn fit(rule: &str, errors: &[f64], cadence_secs: u64) -> FittedThreshold {
    let held_out = HeldOut {
        errors,
        segment_starts: &[0],
        cadence: Duration::from_secs(cadence_secs),
        labels: None,
    };
    let events = EventRule::new(1, 1, 0.8, 5, 1).unwrap();
    rule.parse::<ThresholdRule>()
        .unwrap()
        .fit(&held_out, &events)
        .unwrap()
}

fn of_budget(fitted: &FittedThreshold) -> BudgetSupport {
    match fitted.support {
        Some(Support::Budget(support)) => support,
        other => panic!("{other:?}"),
    }
}

#[test]
fn rules_read_and_print_alike() {
    let check = |text: &str, expect: &str| {
        let rule: ThresholdRule = text.parse().unwrap();
        assert_eq!(rule.to_string(), expect);
        assert_eq!(expect.parse(), Ok(rule));
    };
    check("budget", "budget:1/week");
    check("budget:0.5/month", "budget:0.5/month");
    check("budget: 20 / hour", "budget:20/hour");
    check("quantile:0.99", "quantile:0.99");
    check("mad", "mad:6");
    check("sigma:3", "sigma:3");
    check("pot:1e-4", "pot:0.0001");
    check("value:2.5", "value:2.5");
    check("conformal", "conformal:0.01");
    check("conformal:1e-3", "conformal:0.001");
    check("conformal: 2/day", "conformal:2/day");
    check("best-f1", "best-f1:event");
    check("best-f1:point", "best-f1:point");
    let refuse = |text: &str| {
        assert!(
            text.parse::<ThresholdRule>()
                .unwrap_err()
                .to_string()
                .contains(text)
        )
    };
    for text in [
        "",
        "value",
        "value:0",
        "quantile:1",
        "quantile:NaN",
        "pot:0",
        "sigma:-1",
        "budget:1",
        "conformal:0",
        "conformal:1",
        "conformal:0/day",
        "best-f1:range",
        "dynamic",
        "3",
    ] {
        refuse(text);
    }
    for text in ["budget:0/week", "budget:inf/day", "budget:1/fortnight", "mad:x"] {
        refuse(text);
    }
}

#[test]
fn simple_rules_on_a_hundred_errors() {
    let mut errors: Vec<f64> = (0..=100).map(f64::from).collect();
    errors.insert(3, NAN);
    let check = |rule: &str, expect: f64| {
        let fitted = fit(rule, &errors, 60);
        assert_close(fitted.threshold.error(), expect, 1e-12, rule);
        assert_eq!((fitted.support, fitted.fallback), (None, None));
    };
    check("quantile:0.9", 90.0);
    check("mad:2", 50.0 + 2.0 * 25.0 * crate::quantile::MAD_TO_SIGMA);
    // Population variance of 0..=100 is (101² − 1) / 12 = 850.
    check("sigma:2", 50.0 + 2.0 * 850.0_f64.sqrt());
    check("value:2.5", 2.5);
}

#[test]
fn errors_that_say_nothing_give_a_threshold_apart_from_them() {
    let check = |errors: &[f64], level: f64, fallback: Fallback| {
        for rule in ["budget", "conformal", "quantile", "mad", "sigma", "pot"] {
            let fitted = fit(rule, errors, 60);
            assert_close(fitted.threshold.error(), level, 1e-12, rule);
            assert_eq!(fitted.fallback, Some(fallback), "{rule}");
        }
    };
    check(&[], 1.0, Fallback::FewErrors { n: 0 });
    check(&[NAN; 50], 1.0, Fallback::FewErrors { n: 0 });
    check(&[0.5, 3.0, 1.0], 6.0, Fallback::FewErrors { n: 3 });
    check(&[0.0; 50], 1.0, Fallback::NoSpread);
    check(&[2.0; 50], 4.0, Fallback::NoSpread);
}

#[test]
fn a_budget_that_the_rows_cover_is_counted() {
    // A thousand hours of noise below 1 and fourteen spikes 50 h apart, 1.1 to 2.4 high: 41.7 days.
    let mut errors: Vec<f64> = random(1000, 1).iter().map(|error| 0.5 * error).collect();
    for spike in 1..=14 {
        errors[spike * 50] = 1.0 + 0.1 * spike as f64;
    }
    let check = |budget: &str, between: (f64, f64)| {
        let fitted = fit(budget, &errors, 3600);
        let (level, support) = (fitted.threshold.error(), of_budget(&fitted));
        assert!(between.0 <= level && level <= between.1, "{budget}: {level}");
        assert!(support.is_met() && support.tail.is_none());
        assert!(
            support
                .to_string()
                .ends_with("counted on 41.7 days of held-out data"),
            "{support}"
        );
    };
    // 11.9 allowed, 10.8 of held-out rows: ten events, so half way between the eleventh and the tenth highest.
    check("budget:2/week", (1.448, 1.451));
    // 42 in all would let noise in: the 95 % quantile ends it.
    check("budget:1/hour", (0.4, 0.5));
}

#[test]
fn a_budget_beyond_the_rows_is_extrapolated_ten_times_at_most() {
    // Exponential noise, a sample a minute for 5.6 days.
    let errors: Vec<f64> = random(8000, 1).iter().map(|u| -(1.0 - u).ln()).collect();
    let largest = errors.iter().fold(0.0, |one: f64, other| one.max(*other));
    let check = |budget: &str, is_met: bool, words: &str| {
        let fitted = fit(budget, &errors, 60);
        let support = of_budget(&fitted);
        assert!(fitted.threshold.error() > largest);
        assert!(support.tail.is_some() && support.n_peaks >= 10, "{support:?}");
        assert_eq!(support.is_met(), is_met);
        assert!(support.to_string().contains(words), "{support}");
        fitted.threshold.error()
    };
    let week = check("budget:1/week", true, "peaks in 5.6 days");
    let month = check(
        "budget:1/month",
        true,
        "so few rows know that rate to a factor of",
    );
    let year = check("budget:1/year", false, "bear out no less than 6.57/year");
    let decade = check("budget:0.1/year", false, "6.57/year");
    assert!(largest < week && week <= month && month <= year && (year - decade).abs() < 1e-9);
}

#[test]
fn a_hundred_rows_give_a_sensible_threshold() {
    let errors: Vec<f64> = random(100, 1).iter().map(|error| 0.5 + error).collect();
    let sorted = sorted_finite(errors.iter().copied());
    let held_out = HeldOut {
        errors: &errors,
        segment_starts: &[0],
        cadence: Duration::from_secs(1),
        labels: None,
    };
    let rule = EventRule::for_window(30);
    let fitted = ThresholdRule::default().fit(&held_out, &rule).unwrap();
    assert!(
        matches!(fitted.fallback, Some(Fallback::FewPeaks { .. })),
        "{fitted:?}"
    );
    assert_close(
        fitted.threshold.error(),
        FEW_PEAKS_FACTOR * quantile_sorted(&sorted, 0.99),
        1e-9,
        "threshold",
    );
    let text = fitted.support.unwrap().to_string();
    assert!(
        text.contains("but 100 s of held-out data bear out no less than 6048/week"),
        "{text}"
    );
}

#[test]
fn pot_falls_back_where_ties_leave_no_tail() {
    let mut errors = vec![1.0; 1000];
    errors.push(5.0);
    let fitted = fit("pot:1e-4", &errors, 60);
    // Just above what was seen.
    assert_close(fitted.threshold.error(), 5.0, 1e-8, "threshold");
    assert!(fitted.fallback.is_some() && fitted.threshold.error() > 5.0);
}

fn golden() -> serde_json::Value {
    serde_json::from_str(include_str!("../../tests/golden/threshold.json")).unwrap()
}

fn numbers(value: &serde_json::Value) -> Vec<f64> {
    let numbers = value.as_array().unwrap().iter();
    numbers.map(|number| number.as_f64().unwrap()).collect()
}

#[test]
fn conformal_ranks_are_those_of_the_formula() {
    for case in golden()["conformal"].as_array().unwrap() {
        let sorted = sorted_finite(numbers(&case["scores"]));
        let rank = conformal::conformal_rank(sorted.len(), case["risk"].as_f64().unwrap());
        let level = rank.map(|rank| sorted[rank - 1].to_bits());
        assert_eq!(
            level,
            case["level"].as_f64().map(f64::to_bits),
            "{}",
            case["risk"]
        );
    }
}

#[test]
fn a_conformal_threshold_says_where_there_are_too_few_stretches() {
    let errors = random(600, 1);
    // Rows that are independent make stretches of the merge gap, 5 rows.
    let check = |rule: &str, n: usize, is_met: bool, words: &str| {
        let fitted = fit(rule, &errors[..n], 60);
        let Some(Support::Conformal(support)) = fitted.support else {
            panic!("{fitted:?}")
        };
        assert_eq!(
            (support.stretch_len, support.n_stretches),
            (5, n / 5),
            "{support:?}"
        );
        assert_eq!(support.is_met(), is_met);
        assert!(support.to_string().contains(words), "{support}");
        fitted.threshold.error()
    };
    let level = check(
        "conformal:0.05",
        600,
        true,
        "a normal stretch of 5 min raises an alarm",
    );
    let above = errors
        .chunks(5)
        .filter(|five| five.iter().any(|error| *error >= level))
        .count();
    // ⌈121 · 0.95⌉ = 115 of 120.
    assert_eq!(above, 5);
    let most = check("conformal:0.001", 600, false, "vouch for no less than 8.26e-3");
    assert!(errors.iter().all(|error| *error < most));
    check(
        "conformal:1/day",
        600,
        false,
        "1/day was asked for, a chance of 3.47e-3",
    );
    check("conformal:3/day", 600, true, "3/day: a normal stretch");
}

#[test]
fn the_best_f1_is_that_of_the_evaluation() {
    let n = 400;
    let (noise, wobble) = (random(n, 1), random(n, 2));
    let labels: Vec<bool> = (0..n)
        .map(|row| (50..60).contains(&row) || (200..203).contains(&row))
        .collect();
    let errors: Vec<f64> = (0..n)
        .map(|row| noise[row] + if labels[row] { wobble[row] } else { 0.0 })
        .collect();
    let events = EventRule::new(1, 1, 0.8, 5, 1).unwrap();
    let fit = |rule: &str, labels: Option<&[bool]>| {
        let held_out = HeldOut {
            errors: &errors,
            segment_starts: &[0],
            cadence: Duration::from_secs(1),
            labels,
        };
        rule.parse::<ThresholdRule>().unwrap().fit(&held_out, &events)
    };
    for (rule, of) in [("best-f1:event", F1Of::Event), ("best-f1:point", F1Of::Point)] {
        let fitted = fit(rule, Some(&labels)).unwrap();
        let Some(Support::BestF1(support)) = fitted.support else {
            panic!("{fitted:?}")
        };
        let f1_at = |level: f64| {
            let predicted: Vec<bool> = errors.iter().map(|error| *error >= level).collect();
            match of {
                F1Of::Event => crate::eval::event::event_f1(&labels, &predicted).unwrap().f1,
                F1Of::Point => crate::eval::point::point_f1(&labels, &predicted).unwrap().f1,
            }
        };
        assert_close(support.f1, f1_at(fitted.threshold.error()), 1e-9, rule);
        let best = errors.iter().map(|level| f1_at(*level)).fold(0.0, f64::max);
        assert_close(support.f1, best, 1e-9, rule);
        assert_eq!((support.n_labelled, support.n_events), (13, 2));
        assert!(support.to_string().contains("13 labelled rows in 2 events"));
    }
    assert_eq!(fit("best-f1", None), Err(ThresholdError::NoLabels));
    let none = vec![false; n];
    let error = fit("best-f1", Some(&none)).unwrap_err();
    assert!(
        error.to_string().contains("none of the 400 held-out rows"),
        "{error}"
    );
}

#[test]
fn the_dynamic_threshold_is_that_of_the_paper() {
    for case in golden()["dynamic"].as_array().unwrap() {
        let errors = numbers(&case["errors"]);
        let held_out = HeldOut {
            errors: &errors,
            segment_starts: &[0],
            cadence: Duration::from_secs(1),
            labels: None,
        };
        let found = dynamic_threshold(&held_out, case["prune"].as_f64().unwrap()).unwrap();
        assert_close(found.epsilon, case["epsilon"].as_f64().unwrap(), 1e-9, "epsilon");
        assert_eq!(found.peaks, numbers(&case["kept"]));
        // What is kept is above the threshold, what is pruned below.
        let level = found.threshold.error();
        assert!(found.peaks.iter().all(|peak| *peak >= level) && level >= found.epsilon);
        let n_above = errors.iter().filter(|error| **error >= level).count();
        assert_eq!(n_above == 0, found.peaks.is_empty());
    }
    let quiet = [1.0; 50];
    let held_out = |errors| HeldOut {
        errors,
        segment_starts: &[0],
        cadence: Duration::from_secs(1),
        labels: None,
    };
    assert_eq!(dynamic_threshold(&held_out(&quiet), dynamic::PRUNE), None);
    assert_eq!(dynamic_threshold(&held_out(&[]), dynamic::PRUNE), None);
}

/// exp(x / 2) of a Gaussian autoregression of unit variance: rows that depend on each other over (1 + φ)/(1 − φ) rows.
fn autoregression(phi: f64, n_rows: usize, seed: u64) -> Vec<f64> {
    let uniform = random(2 * n_rows, seed);
    let normal = uniform
        .chunks_exact(2)
        .map(|pair| (-2.0 * (1.0 - pair[0]).ln()).sqrt() * (std::f64::consts::TAU * pair[1]).cos());
    let mut x = 0.0;
    normal
        .map(|noise| {
            x = phi * x + (1.0 - phi * phi).sqrt() * noise;
            (0.5 * x).exp()
        })
        .collect()
}

#[test]
fn shares_of_rows_hold_on_rows_that_depend_on_each_other() {
    const N_HELD_OUT: usize = 40_000;
    let events = EventRule::for_window(16);
    for phi in [0.0, 0.9] {
        let mut share = 0.0;
        for seed in 1..=4 {
            let rows = autoregression(phi, 5 * N_HELD_OUT, seed);
            let held_out = HeldOut {
                errors: &rows[..N_HELD_OUT],
                segment_starts: &[0],
                cadence: Duration::from_secs(60),
                labels: None,
            };
            let fitted = ThresholdRule::Pot(1e-3).fit(&held_out, &events).unwrap();
            let Some(Support::Pot(support)) = fitted.support else {
                panic!("{fitted:?}")
            };
            assert!(
                support.xi.is_some() && support.n_peaks <= support.n_above,
                "{support}"
            );
            let later = &rows[N_HELD_OUT..];
            let above = later
                .iter()
                .filter(|error| **error >= fitted.threshold.error())
                .count();
            share += above as f64 / later.len() as f64 / 4.0;
        }
        assert!((0.5e-3..2e-3).contains(&share), "{share} at {phi}");
    }
}

#[test]
fn budgets_hold_on_rows_that_depend_on_each_other() {
    // A row a minute: two weeks held out, sixteen weeks realised, eight seeds.
    const N_HELD_OUT: usize = 20_160;
    const N_LATER: usize = 161_280;
    let events = EventRule::for_window(16).clearing_at(1.0);
    for phi in [0.0, 0.9, 0.99] {
        for (rule, weekly, is_exact) in [
            ("budget:1/day", 7.0, true),
            ("budget:1/week", 1.0, true),
            ("budget:1/month", 7.0 / 30.0, true),
            ("conformal:1/day", 7.0, false),
        ] {
            let mut realised = 0.0;
            for seed in 1..=8 {
                let rows = autoregression(phi, N_HELD_OUT + N_LATER, seed);
                let held_out = HeldOut {
                    errors: &rows[..N_HELD_OUT],
                    segment_starts: &[0],
                    cadence: Duration::from_secs(60),
                    labels: None,
                };
                let fitted = rule
                    .parse::<ThresholdRule>()
                    .unwrap()
                    .fit(&held_out, &events)
                    .unwrap();
                assert_eq!(fitted.fallback, None, "{rule} at {phi}");
                let level = fitted.threshold.error();
                realised += events.count(&rows[N_HELD_OUT..], level, |row| row == 0) as f64 / 16.0 / 8.0;
            }
            let ratio = realised / weekly;
            assert!(ratio <= 2.0, "{rule} at {phi}: {ratio} of the budget");
            assert!(
                !is_exact || ratio >= 0.5,
                "{rule} at {phi}: {ratio} of the budget"
            );
        }
    }
}
