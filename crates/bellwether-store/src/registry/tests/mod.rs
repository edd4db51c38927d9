//! The registry against the disk: everyday use here, what goes wrong in the modules.

mod crash;
mod damage;
mod labels;

use serde_json::json;

use super::*;
use crate::disk::tests::told;

struct Fixture {
    dir: tempfile::TempDir,
    registry: Registry,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // One level below, so that the registry's own folder is made too.
        let registry = Registry::open(dir.path().join("models")).unwrap();
        Self { dir, registry }
    }

    /// `pump` with three versions, the second champion, the third also `canary`.
    fn of_three() -> Self {
        let fixture = Self::new();
        (1..=3).for_each(|number| assert_eq!(fixture.publish(number).unwrap().number(), number));
        fixture
            .registry
            .promote(&named("pump@2"), &Because::default(), now(10))
            .unwrap();
        fixture
            .registry
            .set_alias(
                &"canary".parse().unwrap(),
                &named("pump@3"),
                &Because::default(),
                now(20),
            )
            .unwrap();
        fixture
    }

    fn publish(&self, weight: u32) -> Result<Version, PublishError> {
        let at = now(i64::from(weight));
        self.registry
            .publish(&pump(), &bundle(weight), json!({ "weight": weight }), at)
    }

    /// The weight in the bundle that a reference leads to, or the error.
    fn weight(&self, reference: &str) -> Result<u32, String> {
        let loaded = self
            .registry
            .load(&reference.parse().unwrap())
            .map_err(|error| told(&error))?;
        Ok(u32::from_le_bytes(loaded.bundle.weights.try_into().unwrap()))
    }

    /// All that a user can see.
    fn view(&self) -> Vec<Index> {
        let listing = self.registry.list().unwrap();
        assert!(listing.damaged.is_empty(), "{:?}", listing.damaged);
        listing.models
    }

    fn path(&self, below: &str) -> PathBuf {
        self.registry.dir.join(below)
    }
}

fn bundle(weight: u32) -> Bundle {
    Bundle {
        manifest: br#"{"format_version":1}"#.to_vec(),
        weights: weight.to_le_bytes().to_vec(),
    }
}

fn pump() -> ModelName {
    "pump".parse().unwrap()
}

fn named(text: &str) -> NamedRef {
    text.parse().unwrap()
}

fn version(number: u32) -> Version {
    Version::new(number).unwrap()
}

fn now(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs)
}

#[test]
fn the_first_version_serves_until_another_is_promoted() {
    let fixture = Fixture::new();
    assert_eq!(fixture.view(), []);
    for weight in 1..=3 {
        fixture.publish(weight).unwrap();
        assert_eq!(fixture.weight("pump"), Ok(1));
    }
    let registry = &fixture.registry;
    let moved = registry
        .promote(&named("pump@3"), &Because::default(), now(9))
        .unwrap();
    assert_eq!((moved.from, moved.to), (version(1), version(3)));
    assert_eq!(fixture.weight("pump"), Ok(3));
    registry
        .promote(&named("pump@2"), &Because::default(), now(10))
        .unwrap();
    assert_eq!(
        registry
            .rollback(&pump(), &Because::default(), now(11))
            .unwrap()
            .to,
        version(3)
    );
    assert_eq!(
        registry
            .rollback(&pump(), &Because::default(), now(12))
            .unwrap()
            .to,
        version(1)
    );
    assert!(
        registry
            .rollback(&pump(), &Because::default(), now(13))
            .unwrap_err()
            .to_string()
            .contains("no champion before")
    );
    assert_eq!(fixture.weight("pump@champion"), Ok(1));

    let canary: AliasName = "canary".parse().unwrap();
    assert_eq!(
        registry
            .set_alias(&canary, &named("pump@2"), &Because::default(), now(20))
            .unwrap(),
        None
    );
    assert_eq!(
        registry
            .set_alias(&canary, &named("pump"), &Because::default(), now(20))
            .unwrap(),
        Some(version(2))
    );
    assert_eq!(fixture.weight("pump@canary"), Ok(1));
    assert_eq!(
        registry
            .drop_alias(&pump(), &canary, &Because::default(), now(20))
            .unwrap(),
        version(1)
    );

    let index = registry.show(&pump()).unwrap();
    assert_eq!(index.versions()[2].summary, json!({ "weight": 3 }));
    assert_eq!(index.versions()[2].created_at, now(3));
    let actions: Vec<Action> = index.history().iter().map(|promotion| promotion.action).collect();
    use Action::{Promoted, Published, RolledBack};
    assert_eq!(actions, [Published, Promoted, Promoted, RolledBack, RolledBack]);
    // The same is seen by whoever opens the folder next.
    assert_eq!(
        Registry::open(registry.dir()).unwrap().list().unwrap().models,
        [index]
    );
}

#[test]
fn references_that_lead_nowhere_name_what_is_near() {
    let fixture = Fixture::of_three();
    let check = |reference: &str, expect: &str| {
        let error = fixture.weight(reference).unwrap_err();
        assert!(error.contains(expect), "{error:?} does not say {expect:?}");
    };
    check("pumps", "no model pumps in");
    check("pumps", "did you mean pump?");
    check("turbine", "it has pump");
    check("pump@4", "pump has no version 4; it has 1, 2, 3");
    check("pump@canry", "pump has no alias canry; did you mean canary?");
    check("./none.bellwether", "none.bellwether");
    assert!(
        Fixture::new()
            .weight("pump")
            .unwrap_err()
            .contains("it is empty: train a model first")
    );
}

#[test]
fn a_bundle_file_needs_no_registry() {
    let fixture = Fixture::new();
    let path = fixture.dir.path().join("free.bellwether");
    bundle(7).write(&path).unwrap();
    assert_eq!(fixture.weight(path.to_str().unwrap()), Ok(7));
    assert!(!fixture.registry.dir().exists());
}

#[test]
fn removed_versions_are_gone_and_their_numbers_are_not_given_again() {
    let fixture = Fixture::of_three();
    let registry = &fixture.registry;
    let in_use = |number: u32| {
        registry
            .remove(&pump(), version(number), &Because::default(), now(20))
            .unwrap_err()
            .to_string()
    };
    assert!(in_use(2).contains("pump@2 is named by champion"));
    assert!(in_use(3).contains("pump@3 is named by canary"));
    registry
        .drop_alias(&pump(), &"canary".parse().unwrap(), &Because::default(), now(20))
        .unwrap();
    registry
        .remove(&pump(), version(3), &Because::default(), now(20))
        .unwrap();
    assert!(!fixture.path("pump/3.bellwether").exists());
    assert!(
        registry
            .remove(&pump(), version(3), &Because::default(), now(20))
            .unwrap_err()
            .to_string()
            .contains("no version 3")
    );
    assert_eq!(fixture.publish(4).unwrap(), version(4));
    assert!(registry.verify(None).unwrap().is_sound());
}
