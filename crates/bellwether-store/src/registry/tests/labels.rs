//! What people say of versions, which of them stay, and what is remembered of it.

use super::*;
use crate::signature::SigningKey;

fn because(reason: &str) -> Because {
    Because {
        by: "anna".to_owned(),
        reason: reason.to_owned(),
    }
}

fn label(fixture: &Fixture, reference: &str, label: &Label) -> Result<Version, ChangeError> {
    fixture
        .registry
        .label(&named(reference), label, &because(""), now(30))
}

fn tag(key: &str, value: &str) -> Label {
    Label::Tag(key.parse().unwrap(), value.to_owned())
}

#[test]
fn labels_are_set_changed_and_taken_off_and_leave_the_bundle_alone() {
    let fixture = Fixture::of_three();
    let bytes = || disk::read_bounded(&fixture.path("pump/1.bellwether"), 9999).unwrap();
    let before = bytes();
    let own = SigningKey::from_seed([1; 32]).sign(&Sha256::of(&before));
    for of in [
        tag("plant", "north"),
        tag("plant", "south"),
        tag("line", "4"),
        Label::Untag("line".parse().unwrap()),
        Label::Note("after the overhaul".to_owned()),
        Label::Pin,
        Label::Sign(own.clone()),
        Label::Sign(own.clone()),
    ] {
        assert_eq!(label(&fixture, "pump@1", &of).unwrap(), version(1));
    }
    let index = fixture.registry.show(&pump()).unwrap();
    let labels = &index.versions()[0].labels;
    let tags: Vec<_> = labels
        .tags
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    assert_eq!(tags, [("plant", "south")]);
    assert_eq!(
        (labels.note.as_str(), labels.is_pinned),
        ("after the overhaul", true)
    );
    assert_eq!(labels.signatures, [own]);
    assert_eq!(bytes(), before);
    // What changed nothing is not in the log.
    let log: Vec<&str> = index.log().iter().map(|change| change.deed.name()).collect();
    let expect = [
        "aliased", "tagged", "tagged", "tagged", "untagged", "noted", "pinned", "signed",
    ];
    assert_eq!(log, expect);
    assert_eq!(index.log()[2].detail, "plant=south");
    assert_eq!(index.log()[2].because.by, "anna");
    assert!(fixture.registry.verify(None).unwrap().is_sound());
}

#[test]
fn a_signature_of_something_else_is_a_problem() {
    let fixture = Fixture::of_three();
    let foreign = SigningKey::from_seed([1; 32]).sign(&Sha256::of(b"something else"));
    label(&fixture, "pump@1", &Label::Sign(foreign)).unwrap();
    let report = fixture.registry.verify(None).unwrap();
    let problems: Vec<String> = report.problems.iter().map(|problem| told(problem)).collect();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].contains("signature of pump@1"), "{problems:?}");
}

#[test]
fn too_much_is_refused_and_changes_nothing() {
    let fixture = Fixture::of_three();
    for idx in 0..50 {
        label(&fixture, "pump@1", &tag(&format!("k{idx}"), "v")).unwrap();
    }
    let before = fixture.view();
    let check = |of: &Label, expect: &str| {
        let error = told(&label(&fixture, "pump@1", of).unwrap_err());
        assert!(error.contains(expect), "{error}");
        assert_eq!(fixture.view(), before);
    };
    check(&tag("other", "v"), "at most 50 tags");
    check(&tag("k0", &"x".repeat(501)), "at most 500 characters");
    check(&Label::Note("x".repeat(5001)), "at most 5000 characters");
    for bad in ["", "Key", "9k", "a b", "../k", &"k".repeat(64)] {
        assert!(bad.parse::<TagKey>().is_err(), "{bad}");
    }
}

/// A model with `n` versions, published a second apart, the first of them champion.
fn of_versions(n: u32) -> Fixture {
    let fixture = Fixture::new();
    (1..=n).for_each(|number| assert_eq!(fixture.publish(number).unwrap().number(), number));
    fixture
}

fn left(fixture: &Fixture) -> Vec<u32> {
    let index = fixture.registry.show(&pump()).unwrap();
    index
        .versions()
        .iter()
        .map(|entry| entry.version.number())
        .collect()
}

#[test]
fn pruning_never_takes_what_an_alias_a_pin_or_a_rollback_holds() {
    let fixture = of_versions(10);
    let registry = &fixture.registry;
    registry.promote(&named("pump@4"), &because(""), now(20)).unwrap();
    registry.promote(&named("pump@5"), &because(""), now(20)).unwrap();
    registry
        .set_alias(
            &"canary".parse().unwrap(),
            &named("pump@2"),
            &because(""),
            now(20),
        )
        .unwrap();
    label(&fixture, "pump@3", &Label::Pin).unwrap();
    let retention = |n_newest, since| Retention { n_newest, since };
    let gone = |of: &Retention| -> Vec<u32> {
        let gone = registry
            .prune(&pump(), of, &because("too many"), now(40))
            .unwrap();
        gone.into_iter().map(Version::number).collect()
    };
    // 5 is champion, 4 where a rollback leads, 2 canary, 3 pinned; those from 8 on are young enough.
    let young = retention(1, Some(now(8)));
    let dispensable = registry.show(&pump()).unwrap().dispensable(&young);
    assert_eq!(dispensable, [version(1), version(6), version(7)]);
    assert_eq!(gone(&young), [1, 6, 7]);
    assert_eq!(left(&fixture), [2, 3, 4, 5, 8, 9, 10]);
    assert_eq!(gone(&retention(2, None)), [8]);
    assert_eq!(gone(&retention(2, None)), [0; 0]);
    assert_eq!(gone(&retention(0, None)), [9, 10]);
    assert_eq!(left(&fixture), [2, 3, 4, 5]);
    // Files went with their versions, the others are sound, numbers are not given again.
    let report = registry.verify(None).unwrap();
    assert!(report.is_sound() && report.orphans.is_empty() && report.leftovers.is_empty());
    assert_eq!(report.n_versions, 4);
    assert_eq!(
        registry.rollback(&pump(), &because(""), now(50)).unwrap().to,
        version(4)
    );
    assert_eq!(fixture.publish(11).unwrap(), version(11));
    let index = registry.show(&pump()).unwrap();
    let last = index.log().last().unwrap();
    assert_eq!(
        (last.deed, last.version, last.because.reason.as_str()),
        (Deed::Pruned, version(10), "too many")
    );
    assert!(last.detail.starts_with("sha256 "));
}

#[test]
fn a_pinned_version_is_not_removed() {
    let fixture = of_versions(3);
    label(&fixture, "pump@2", &Label::Pin).unwrap();
    let remove = || {
        fixture
            .registry
            .remove(&pump(), version(2), &because("old"), now(20))
    };
    assert!(remove().unwrap_err().to_string().contains("models unpin pump@2"));
    assert_eq!(left(&fixture), [1, 2, 3]);
    label(&fixture, "pump@2", &Label::Unpin).unwrap();
    remove().unwrap();
    assert_eq!(left(&fixture), [1, 3]);
}
