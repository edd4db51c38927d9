//! Contracts: learnt, held and refused.

use super::*;

#[test]
fn what_a_contract_learnt_from_passes_and_what_is_shifted_does_not() {
    let plant = Plant::clean(N);
    let contract = Contract::learn(&[plant.profile(None)]).unwrap();
    assert_eq!(contract.check(), Ok(()));
    assert_eq!(plant.profile(Some(&contract)).findings(Level::Strict), []);
    let switch = contract.channel("pump_on").unwrap();
    assert_eq!(
        (switch.states.as_deref(), switch.min),
        (Some(&[0.0, 1.0][..]), None)
    );
    assert_eq!(contract.channel("temp_c").unwrap().unit.as_deref(), Some("°C"));

    let check = |change: fn(&mut [f64; 4], usize), check: Check, channel: &str| {
        let plant = Plant::clean(N).with(|_, rows| {
            for (idx, row) in rows.iter_mut().enumerate() {
                change(row, idx);
            }
        });
        let findings = plant.profile(Some(&contract)).findings(Level::Permissive);
        assert_eq!(find(&findings, check, Some(channel)).severity, Severity::Error);
        assert_eq!(SeriesProfile::verdict(&findings, channel), Verdict::Bad);
    };
    check(|row, _| row[0] += 4.0, Check::Range, "temp_c");
    check(|row, _| row[1] -= 1.0, Check::Range, "pressure_bar");
    check(
        |row, idx| row[0] += f64::from(u8::from(idx == 70)) * 4.0,
        Check::Rate,
        "temp_c",
    );
    check(
        |row, idx| {
            if (70..80).contains(&idx) {
                row[2] = 100.0
            }
        },
        Check::StuckLimit,
        "flow",
    );
    check(
        |row, idx| {
            if idx < 200 {
                row[2] = f64::NAN
            }
        },
        Check::MissingLimit,
        "flow",
    );
    check(|row, _| row[3] = 2.0, Check::State, "pump_on");
    let late = plant.with(|time, _| time[50..].iter_mut().for_each(|time| *time += 600));
    let findings = late.profile(Some(&contract)).findings(Level::Permissive);
    assert_eq!(find(&findings, Check::GapLimit, None).count, 1);
}

#[test]
fn rules_and_channels_of_a_contract_are_held() {
    let rule = |text: &str| ContractRule {
        name: text.to_owned(),
        condition: Condition::parse(text).unwrap(),
    };
    let contract = Contract {
        channels: vec![
            ChannelTerms {
                name: "temp_c".to_owned(),
                ..ChannelTerms::default()
            },
            ChannelTerms {
                name: "speed".to_owned(),
                ..ChannelTerms::default()
            },
            ChannelTerms {
                name: "extra".to_owned(),
                is_optional: true,
                ..ChannelTerms::default()
            },
        ],
        rules: vec![
            rule("pump_on == 1 => flow > 100"),
            rule("temp_c < 1000"),
            rule("speed > 3"),
        ],
        ..Contract::default()
    };
    let plant = Plant::clean(N);
    let findings = plant.profile(Some(&contract)).findings(Level::Moderate);
    find(&findings, Check::AbsentChannel, Some("speed"));
    for extra in ["pressure_bar", "flow", "pump_on"] {
        find(&findings, Check::ExtraChannel, Some(extra));
    }
    let n_broken = plant
        .rows
        .iter()
        .filter(|row| row[3] > 0.5 && row[2] <= 100.0)
        .count();
    let of_rules: Vec<_> = findings
        .iter()
        .filter(|finding| finding.check == Check::Rule)
        .collect();
    assert_eq!(of_rules.len(), 2, "{of_rules:#?}");
    assert!(of_rules.iter().any(|finding| finding.count == n_broken as u64));
    assert!(
        of_rules
            .iter()
            .any(|finding| finding.message.contains("no channel \"speed\""))
    );
}

#[test]
fn a_contract_that_cannot_be_is_refused() {
    let check = |change: fn(&mut ChannelTerms), expect: &str| {
        let mut terms = ChannelTerms {
            name: "a".to_owned(),
            ..ChannelTerms::default()
        };
        change(&mut terms);
        let contract = Contract {
            channels: vec![terms],
            ..Contract::default()
        };
        let error = contract.check().unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    };
    check(
        |terms| (terms.min, terms.max) = (Some(3.0), Some(2.0)),
        "3 to 2 is no range",
    );
    check(|terms| terms.max = Some(f64::NAN), "is no range");
    check(|terms| terms.max_rate = Some(-1.0), "a number from 0");
    check(|terms| terms.max_missing = Some(1.5), "a share from 0 to 1");
    check(|terms| terms.states = Some(Vec::new()), "states is empty");
}
