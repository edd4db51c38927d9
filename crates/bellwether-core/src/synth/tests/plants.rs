//! Healthy plants: the same bits, believable physics.

use super::*;

/// FNV-1a over the bits of all values.
fn fingerprint(frame: &Frame) -> u64 {
    let bytes = frame
        .values()
        .iter()
        .flat_map(|value| value.to_bits().to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Pinned when first written (x86-64, Linux). A mismatch on another platform breaks the promise of equal bits; a
/// mismatch after a change of a template is a new plant under an old name, and must be said in the changelog.
#[test]
fn plants_are_pinned_bits() {
    let mut wrong = Vec::new();
    let mut check = |template: Template, want: u64| {
        let plant = PlantSpec {
            template,
            n_samples: 2_000,
            n_channels: Some(12),
            anomalies: vec![spec("spike"), spec("noise"), spec("correlation-break")],
            ..PlantSpec::default()
        };
        let got = fingerprint(&one(&plant).frame);
        if got != want {
            wrong.push(format!("{template}: {got:#018x}"));
        }
    };
    check(Template::Pump, 0x0bc3_be9e_4fe0_8a6c);
    check(Template::Server, 0xb6e0_7546_b737_92a8);
    check(Template::Boiler, 0xbca4_4e61_ba56_1454);
    check(Template::Turbine, 0xe907_ded7_0a17_09f0);
    check(Template::Compressor, 0xc585_de6f_d44a_52ba);
    check(Template::Motor, 0x481e_3966_3fad_ac8e);
    check(Template::Hvac, 0x7f4c_651b_bab4_506e);
    check(Template::Sine, 0xc91e_fce1_53b8_9e2f);
    check(Template::WindTurbine, 0x1520_07a5_ecb2_d3ff);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn another_seed_or_device_gives_other_values() {
    let fleet = PlantSpec {
        n_devices: 2,
        n_samples: 100,
        ..PlantSpec::default()
    };
    let devices = generate(&fleet).unwrap();
    assert_eq!(devices, generate(&fleet).unwrap());
    assert_eq!(
        (devices[0].name.as_str(), devices[1].name.as_str()),
        ("pump-01", "pump-02")
    );
    assert_eq!(devices[0].frame.schema(), devices[1].frame.schema());
    assert_ne!(devices[0].frame, devices[1].frame);
    let other = generate(&PlantSpec {
        seed: 43,
        ..fleet.clone()
    })
    .unwrap();
    assert_ne!(devices[0].frame, other[0].frame);
    // A device does not depend on how many others there are.
    let alone = generate(&PlantSpec {
        n_devices: 1,
        ..fleet
    })
    .unwrap();
    assert_eq!(alone[0].frame, devices[0].frame);
}

#[test]
fn every_template_is_alive_and_believable() {
    for template in Template::ALL {
        let plant = PlantSpec {
            template,
            n_channels: Some(template.instruments(None).len() + 3),
            ..PlantSpec::default()
        };
        let instruments = template.instruments(plant.n_channels);
        let frame = one(&plant).frame;
        let columns: Vec<Vec<f64>> = instruments
            .iter()
            .map(|instrument| column(&frame, &instrument.name))
            .collect();
        for (instrument, values) in instruments.iter().zip(&columns) {
            let what = format!("{template} {}", instrument.name);
            let (_, std) = moments(values);
            assert!(
                std > 2.0 * instrument.noise,
                "{what}: more noise than signal, std {std}"
            );
            let at_stop = values
                .iter()
                .filter(|&&value| value <= instrument.range.0 || value >= instrument.range.1);
            assert!(
                at_stop.count() < values.len() / 100,
                "{what}: stuck at the end of its range"
            );
        }
        // The grid holds a turbine's speed and the cycle a compressor's pressure; every other channel goes with one.
        for (idx, instrument) in instruments.iter().enumerate() {
            let partners = columns.iter().enumerate().filter(|&(other, _)| other != idx);
            let most = partners
                .map(|(_, other)| correlation(&columns[idx], other).abs())
                .fold(0.0, f64::max);
            let is_held = matches!(
                (template, instrument.name.as_ref()),
                (Template::Turbine, "speed_rpm") | (Template::Compressor, "receiver_pressure_bar")
            );
            assert!(
                most > 0.3 || is_held,
                "{template} {}: goes with nothing, {most}",
                instrument.name
            );
        }
    }
}

#[test]
fn a_pump_knows_day_week_and_thermal_lag() {
    let frame = one(&PlantSpec::default()).frame;
    let flow = column(&frame, "flow_m3h");
    let mean_of = |day: usize, hours: std::ops::Range<usize>| {
        moments(&flow[day * 1440 + hours.start * 60..day * 1440 + hours.end * 60]).0
    };
    for day in 0..5 {
        assert!(
            mean_of(day, 10..16) > mean_of(day, 0..5) + 8.0,
            "day {day} above night"
        );
    }
    assert!(
        mean_of(2, 8..18) > mean_of(5, 8..18) + 2.0,
        "Wednesday above Saturday"
    );

    // Changes of the current reach the bearing's temperature later: the best match is some 10 to 90 minutes behind.
    let (current, bearing) = (
        column(&frame, "motor_current_a"),
        column(&frame, "bearing_temp_c"),
    );
    let change = |values: &[f64]| -> Vec<f64> { values.windows(31).map(|w| w[30] - w[0]).collect() };
    let (current, bearing) = (change(&current), change(&bearing));
    let at = |lag: usize| correlation(&current[..current.len() - lag], &bearing[lag..]);
    let best = (0..180).max_by(|&a, &b| at(a).total_cmp(&at(b))).unwrap();
    assert!((10..=90).contains(&best), "lag {best} min");
}

#[test]
fn a_wind_turbine_gives_what_the_wind_offers_and_no_more_than_it_may() {
    let frame = one(&PlantSpec {
        template: Template::WindTurbine,
        n_samples: 40_320,
        ..PlantSpec::default()
    })
    .frame;
    let [wind, power, rotor, pitch] =
        ["wind_speed_m_s", "power_kw", "rotor_speed_rpm", "pitch_deg"].map(|name| column(&frame, name));
    let mean = |of: &[f64], from: f64, to: f64| {
        let within = wind.iter().zip(of).filter(|(wind, _)| (from..to).contains(*wind));
        let values: Vec<f64> = within.map(|(_, &value)| value).collect();
        assert!(
            values.len() > 100,
            "{} samples of {from} to {to} m/s",
            values.len()
        );
        moments(&values).0
    };
    // Between cut-in and rated, power goes with the cube of the wind, and the rotor keeps pace.
    let (slow, fast) = (mean(&power, 6.35, 6.65), mean(&power, 8.35, 8.65));
    let cube = (8.5_f64 / 6.5).powi(3);
    assert!((fast / slow / cube - 1.0).abs() < 0.08, "{slow} kW, {fast} kW");
    let pace = mean(&rotor, 7.35, 7.65) / mean(&rotor, 6.35, 6.65);
    assert!((pace / (7.5 / 6.5) - 1.0).abs() < 0.05, "{pace}");
    // Beyond, blades turn away what the generator may not take.
    let (at_12, at_15) = (mean(&power, 11.9, 12.1), mean(&power, 14.9, 15.1));
    assert!(at_15 < 1.04 * at_12 && at_15 < 2020.0, "{at_12} kW, {at_15} kW");
    assert!(mean(&pitch, 14.9, 15.1) > mean(&pitch, 8.9, 9.1) + 5.0);
    let most = rotor.iter().copied().fold(0.0, f64::max);
    assert!(most < 17.3, "{most} 1/min");
}

#[test]
fn a_sine_is_the_classic_one() {
    let plant = PlantSpec {
        template: Template::Sine,
        n_channels: Some(5),
        ..PlantSpec::default()
    };
    let frame = one(&plant).frame;
    let mut residuals = Vec::new();
    for (t, row) in frame.values().chunks_exact(5).enumerate() {
        residuals.extend(
            row.iter()
                .enumerate()
                .map(|(i, value)| value - (0.02 * t as f64 + i as f64).sin()),
        );
    }
    let (mean, std) = moments(&residuals);
    // 50 400 residuals: standard errors 0.00045 and 0.0003; allowed: four and more.
    assert!(mean.abs() < 0.002 && (std - 0.1).abs() < 0.0015, "{mean} {std}");
}
