//! Plants that are stopped, set otherwise, and grow old.

use super::*;

fn operated(template: Template, operation: Operation) -> Frame {
    let plant = PlantSpec {
        template,
        operation,
        n_channels: Some(template.instruments(None).len() + 1),
        ..PlantSpec::default()
    };
    one(&plant).frame
}

#[test]
fn a_stopped_plant_comes_to_rest_and_back() {
    let stops = Operation {
        stops_per_week: 6.0,
        ..Operation::default()
    };
    for template in Template::ALL {
        let (plain, stopped) = (
            operated(template, Operation::default()),
            operated(template, stops),
        );
        let n_channels = plain.n_channels();
        let is_same = |idx: usize| plain.sample(idx).values == stopped.sample(idx).values;
        assert!(is_same(0), "{template}: begins as it would");
        // Six stops of 4.25 hours on average are 15 % of a week; cooling and heating take longer.
        let n_other = (0..plain.n_samples()).filter(|&idx| !is_same(idx)).count();
        assert!(
            (500..9_500).contains(&n_other),
            "{template}: {n_other} samples differ"
        );
        assert!(
            stopped.values().iter().all(|value| value.is_finite()),
            "{template}"
        );
        assert_eq!(stopped.n_channels(), n_channels);
    }
    let frame = operated(Template::Pump, stops);
    let (flow, bearing) = (column(&frame, "flow_m3h"), column(&frame, "bearing_temp_c"));
    let at_rest: Vec<usize> = (0..flow.len()).filter(|&idx| flow[idx] < 3.0).collect();
    assert!((200..4000).contains(&at_rest.len()), "{} at rest", at_rest.len());
    // After 100 minutes at rest the bearing has cooled: its heat above the air, some 40 K, fell to a fifth.
    let long = at_rest
        .iter()
        .find(|&&idx| idx >= 100 && (idx - 100..idx).all(|idx| flow[idx] < 3.0));
    let long = *long.expect("a stop of more than 100 minutes");
    assert!(
        bearing[long] < bearing[long - 100] - 10.0,
        "{} after {}",
        bearing[long],
        bearing[long - 100]
    );
}

#[test]
fn set_points_move_the_duty_for_a_while() {
    let set = Operation {
        set_points_per_week: 7.0,
        ..Operation::default()
    };
    let flow = |operation| column(&operated(Template::Pump, operation), "flow_m3h");
    let (plain, set) = (flow(Operation::default()), flow(set));
    let change: Vec<f64> = set.iter().zip(&plain).map(|(set, plain)| set - plain).collect();
    // Levels of the rated load with a standard deviation of 0.08 are some 4 m³/h; noise cancels.
    let std = moments(&change).1;
    assert!((1.0..12.0).contains(&std), "{std}");
    let smooth: Vec<f64> = change.chunks(60).map(|hour| moments(hour).0).collect();
    let n_steps = smooth
        .windows(2)
        .filter(|pair| (pair[1] - pair[0]).abs() > 1.5)
        .count();
    assert!((1..=30).contains(&n_steps), "{n_steps} steps in 168 hours");
}

#[test]
fn a_plant_wears_evenly() {
    let days = |days: u64| Operation {
        ageing: Some(Duration::from_secs(86_400 * days)),
        ..Operation::default()
    };
    for template in Template::ALL {
        let plain = operated(template, Operation::default());
        let worn = operated(template, days(7));
        let last = plain.n_samples() - 1;
        let n_other = (plain.sample(last).values.iter())
            .zip(worn.sample(last).values)
            .filter(|(plain, worn)| (*plain - *worn).abs() > 1e-9)
            .count();
        assert!(n_other >= 3, "{template}: {n_other} channels wear");
    }
    let vibration = |operation| column(&operated(Template::Pump, operation), "vibration_mm_s");
    let (plain, worn) = (vibration(Operation::default()), vibration(days(7)));
    // 3.5 mm/s at the end of its life, read to 0.01.
    for (idx, want) in [(0, 0.0), (2520, 0.875), (5040, 1.75), (10_079, 3.5)] {
        let got = worn[idx] - plain[idx];
        assert!((got - want).abs() < 0.011, "{idx}: {got}, want {want}");
    }
}

#[test]
fn operation_out_of_range_is_refused() {
    let check = |operation: Operation| {
        let plant = PlantSpec {
            operation,
            ..PlantSpec::default()
        };
        assert!(matches!(generate(&plant), Err(GenerateError::Operation)));
    };
    let plain = Operation::default;
    for rate in [-1.0, f64::NAN, f64::INFINITY, 1e9] {
        check(Operation {
            stops_per_week: rate,
            ..plain()
        });
        check(Operation {
            set_points_per_week: rate,
            ..plain()
        });
    }
    check(Operation {
        ageing: Some(Duration::ZERO),
        ..plain()
    });
}
