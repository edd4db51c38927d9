//! Contracts as files: what is written is read, and every mistake has its line.

use std::path::Path;
use std::time::Duration;

use bellwether_core::condition::Condition;
use bellwether_core::validate::{ChannelTerms, Contract, ContractRule, TimeTerms};

use super::read::of_bytes;
use super::write;

fn read(text: &str) -> Result<Contract, String> {
    of_bytes(Path::new("c.toml"), text.as_bytes()).map_err(|error| error.to_string())
}

#[test]
fn what_is_written_is_read() {
    let contract = Contract {
        time: TimeTerms {
            cadence: Some(Duration::from_secs(60)),
            jitter: Some(0.05),
            max_gap: Some(Duration::from_millis(150_500)),
        },
        channels: vec![
            ChannelTerms {
                name: "a \"b\"\u{7}°".to_owned(),
                unit: Some("°C".to_owned()),
                is_optional: true,
                min: Some(-1e-7),
                max: Some(1e30),
                max_rate: Some(0.25),
                max_stuck: Some(Duration::from_secs(600)),
                max_missing: Some(0.01),
                states: None,
            },
            ChannelTerms {
                name: "pump_on".to_owned(),
                states: Some(vec![0.0, 1.0]),
                ..ChannelTerms::default()
            },
        ],
        allows_extra: true,
        rules: vec![ContractRule {
            name: "flows".to_owned(),
            condition: Condition::parse("\"a b\" > 0.1 => pump_on == 1").unwrap(),
        }],
    };
    assert_eq!(read(&write(&contract)), Ok(contract));
    assert_eq!(read(&write(&Contract::default())), Ok(Contract::default()));
}

#[test]
fn every_mistake_has_its_line() {
    let check = |text: &str, expect: &str| {
        let error = read(&format!("version = 1\n{text}")).unwrap_err();
        assert!(error.contains(expect), "{error}");
    };
    check(
        "[chanels.a]\n",
        "c.toml:2:2: there is no key \"chanels\" here; did you mean \"channels\"?",
    );
    check(
        "[channels.a]\nmaximum = 3\n",
        "c.toml:3:1: channels.a: there is no key \"maximum\" here",
    );
    check("[channels.a]\nmax_stuk = \"3m\"\n", "did you mean \"max_stuck\"?");
    check(
        "[channels.a]\nmin = \"3\"\n",
        "c.toml:3:7: channels.a.min: a number is wanted",
    );
    check(
        "[channels.a]\nmax_stuck = 3\n",
        "c.toml:3:13: channels.a.max_stuck: a span of time",
    );
    check(
        "[channels.a]\nmin = 3\nmax = 2\n",
        "channels.a: channel \"a\": 3 to 2 is no range",
    );
    check(
        "[channels.a]\nstates = [1, \"on\"]\n",
        "a list of numbers is wanted",
    );
    check("[channels.a]\noptional = 1\n", "true or false is wanted");
    check(
        "extra = \"maybe\"\n",
        "c.toml:2:9: extra: one of refused, allowed is wanted",
    );
    check("channels = 3\n", "c.toml:2:12: channels: a table is wanted");
    check("[time]\njitter = 2\ncadence = \"1m\"\n", "a share from 0 to 1");
    check("[time]\njitter = 0.2\n", "give one");
    check(
        "[time]\ncadence = \"0s\"\n",
        "c.toml:3:11: time.cadence: a span of time",
    );
    check("[[rules]]\nname = \"x\"\n", "rules[0]: condition is missing");
    check(
        "[[rules]]\ncondition = \"a > 1 && b > 1\"\n",
        "c.toml:3:13: rules[0].condition: condition \"a > 1 && b > 1\", at character 7: write and instead of &&",
    );
    check("[channels.a\n", "c.toml:2:");
    assert!(read("[time]\n").unwrap_err().contains("version is missing"));
    assert!(read("version = 2\n").unwrap_err().contains("only version 1"));
    // All in one go, by line.
    let all = read("version = 1\n[channels.a]\nmin = \"x\"\nmx = 3\n").unwrap_err();
    assert_eq!(all.lines().count(), 2, "{all}");
}
