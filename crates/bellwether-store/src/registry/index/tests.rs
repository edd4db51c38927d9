//! Champions, rollbacks, aliases and removals, without a disk.

use super::*;

fn at() -> Timestamp {
    Timestamp::from_secs(1)
}

fn version(number: u32) -> Version {
    Version::new(number).unwrap()
}

fn entry(number: u32) -> Entry {
    Entry {
        version: version(number),
        created_at: Timestamp::from_secs(0),
        sha256: Sha256::of(b""),
        bytes: 0,
        summary: serde_json::Value::Null,
        labels: Labels::default(),
    }
}

fn of_versions(n: u32) -> Index {
    let mut index = Index::first("pump".parse().unwrap(), entry(1), Timestamp::from_secs(0));
    (2..=n).for_each(|number| index.add(entry(number)));
    index
}

/// Plays moves, `3` for a promotion, `<` for a rollback, `-2` for a removal, and gives the champion after each.
#[test]
fn rollbacks_walk_back_through_the_promotions() {
    let check = |moves: &str, expect: &str| {
        let mut index = of_versions(4);
        let champions: Vec<String> = moves
            .split_whitespace()
            .map(|step| {
                let result = match step.strip_prefix('-') {
                    Some(number) => index.remove(number.parse().unwrap(), &Because::default(), at()),
                    None if step == "<" => index
                        .rollback(&Because::default(), Timestamp::from_secs(1))
                        .map(drop),
                    None => {
                        let pick = Pick::Version(step.parse().unwrap());
                        index
                            .promote(&pick, &Because::default(), Timestamp::from_secs(1))
                            .map(drop)
                    }
                };
                result.map_or("!".to_owned(), |()| index.champion().to_string())
            })
            .collect();
        assert_eq!(champions.join(" "), expect, "{moves}");
    };
    check("<", "!");
    check("2 <", "2 1");
    check("2 3 < < <", "2 3 2 1 !");
    check("2 2 < <", "2 2 1 !");
    check("2 < 3 < <", "2 1 3 1 !");
    check("2 1 3 < < < <", "2 1 3 1 2 1 !");
    check("2 3 -2 < <", "2 3 3 1 !");
    check("2 -1 <", "2 2 !");
    check("2 3 < -3 4 < <", "2 3 2 2 4 2 1");
    check("-1 5", "! !");
}

#[test]
fn history_is_bounded_and_still_rolls_back() {
    let mut index = of_versions(2);
    for turn in 0..3 * HISTORY_LEN_MAX {
        let pick = Pick::Version(version(2 - u32::from(turn % 2 == 1)));
        index
            .promote(&pick, &Because::default(), Timestamp::from_secs(1))
            .unwrap();
    }
    assert_eq!(index.history().len(), HISTORY_LEN_MAX);
    let before = index.champion();
    let back = index.rollback(&Because::default(), Timestamp::from_secs(2));
    assert_eq!(back.unwrap().from, before);
}

#[test]
fn aliases_are_bounded_and_can_still_be_moved_when_full() {
    let mut index = of_versions(2);
    let alias = |idx: usize| format!("a{idx}").parse::<AliasName>().unwrap();
    for idx in 0..ALIASES_MAX {
        index
            .set_alias(&alias(idx), &Pick::Version(version(1)), &Because::default(), at())
            .unwrap();
    }
    let error = index
        .set_alias(
            &alias(ALIASES_MAX),
            &Pick::Version(version(1)),
            &Because::default(),
            at(),
        )
        .unwrap_err();
    assert!(error.to_string().contains("has 1000 aliases"), "{error}");
    assert_eq!(
        index
            .set_alias(&alias(0), &Pick::Version(version(2)), &Because::default(), at())
            .unwrap(),
        Some(version(1))
    );
}

#[test]
fn a_version_in_use_is_not_removed() {
    let mut index = of_versions(3);
    let canary: AliasName = "canary".parse().unwrap();
    assert_eq!(
        index
            .set_alias(&canary, &Pick::Version(version(2)), &Because::default(), at())
            .unwrap(),
        None
    );
    let check = |result: Result<(), ChangeError>, expect: &str| {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    };
    check(
        index.remove(version(1), &Because::default(), at()),
        "pump@1 is named by champion",
    );
    check(
        index.remove(version(2), &Because::default(), at()),
        "pump@2 is named by canary",
    );
    check(
        index.remove(version(4), &Because::default(), at()),
        "pump has no version 4; it has 1, 2, 3",
    );
    check(
        index
            .set_alias(
                &AliasName::champion(),
                &Pick::Version(version(2)),
                &Because::default(),
                at(),
            )
            .map(drop),
        "promote",
    );
    check(
        index
            .drop_alias(&AliasName::champion(), &Because::default(), at())
            .map(drop),
        "promote",
    );
    check(
        index
            .drop_alias(&"canari".parse().unwrap(), &Because::default(), at())
            .map(drop),
        "did you mean canary?",
    );
    assert_eq!(
        index.drop_alias(&canary, &Because::default(), at()).unwrap(),
        version(2)
    );
    index.remove(version(2), &Because::default(), at()).unwrap();
    assert_eq!(index.versions().len(), 2);
}
