//! Crashes after every step of every change, and in the middle of each writing.

use super::super::plan::{self, Step};
use super::*;

/// The steps of a change of this registry.
type PlanOf = fn(&Registry) -> Vec<Step>;

/// All changes, each with whether it starts from [`Fixture::of_three`] or from nothing.
fn plans() -> Vec<(&'static str, bool, PlanOf)> {
    fn publish(registry: &Registry) -> Vec<Step> {
        let bytes = bundle(9).to_bytes().unwrap();
        registry
            .plan_publish(&pump(), bytes, json!(null), now(20))
            .unwrap()
            .steps
    }
    fn change<T>(registry: &Registry, edit: impl FnOnce(&mut Index) -> Result<T, ChangeError>) -> Vec<Step> {
        registry.plan_change(&pump(), edit).unwrap().steps
    }
    vec![
        ("first publication", false, publish),
        ("publication", true, publish),
        ("promotion", true, |registry| {
            change(registry, |index| {
                index.promote(&Pick::Version(version(3)), &Because::default(), now(20))
            })
        }),
        ("rollback", true, |registry| {
            change(registry, |index| index.rollback(&Because::default(), now(20)))
        }),
        ("alias", true, |registry| {
            let pick = Pick::Version(version(1));
            change(registry, |index| {
                index.set_alias(&"canary".parse().unwrap(), &pick, &Because::default(), now(20))
            })
        }),
        ("removal", true, |registry| {
            registry
                .plan_remove(&pump(), version(1), &Because::default(), now(20))
                .unwrap()
                .steps
        }),
    ]
}

fn start(from_three: bool) -> Fixture {
    let fixture = if from_three {
        Fixture::of_three()
    } else {
        Fixture::new()
    };
    fs::create_dir_all(fixture.registry.dir()).unwrap();
    fixture
}

/// Another registry with the same files: cheaper than making them anew, which syncs each.
fn copy_of(original: &Fixture) -> Fixture {
    let copy = start(false);
    for path in entries_of(&original.path("pump")).unwrap() {
        fs::create_dir_all(copy.path("pump")).unwrap();
        fs::copy(&path, copy.path("pump").join(path.file_name().unwrap())).unwrap();
    }
    copy
}

/// Stops each change after each of its steps, and also in the middle of each writing, and opens what is left.
#[test]
fn a_crash_at_any_step_leaves_the_old_state_or_the_new_one() {
    for (what, from_three, plan) in plans() {
        let original = start(from_three);
        let before = original.view();
        let whole = copy_of(&original);
        let steps = plan(&whole.registry);
        plan::carry_out(&steps).unwrap();
        let after = whole.view();
        assert_ne!(before, after, "{what}");
        for n_done in 0..=steps.len() {
            let crash = |is_torn: bool| {
                let crashed = copy_of(&original);
                let steps = plan(&crashed.registry);
                plan::carry_out(&steps[..n_done]).unwrap();
                let mut place = format!("{what}, crash after step {n_done}");
                if is_torn && let Some(Step::WriteBeside { temp, bytes }) = steps.get(n_done) {
                    disk::write_synced(temp, &bytes[..bytes.len() / 2]).unwrap();
                    place.push_str(" and a half");
                }
                check_survivor(&crashed, &[&before, &after], &place);
            };
            crash(false);
            if matches!(steps.get(n_done), Some(Step::WriteBeside { .. })) {
                crash(true);
            }
        }
    }
}

fn check_survivor(crashed: &Fixture, allowed: &[&Vec<Index>], place: &str) {
    let seen = crashed.view();
    assert!(allowed.contains(&&seen), "{place}: {seen:?}");
    let report = crashed.registry.verify(None).unwrap();
    assert!(report.is_sound(), "{place}: {:?}", report.problems);
    // The next publication takes a number that no file and no index ever had, and spoils no file.
    let scan = crashed.registry.scan(&pump()).unwrap();
    let number = crashed.publish(77).unwrap();
    let last_version = seen.first().map(|index| index.last_version);
    assert!(scan.versions.iter().all(|&taken| taken < number), "{place}");
    assert!(last_version.is_none_or(|taken| taken < number), "{place}");
    assert_eq!(crashed.weight(&format!("pump@{number}")), Ok(77), "{place}");
    // What the crash left can be cleared away, and then only what counts is there.
    let leftovers: Vec<PathBuf> = crashed.registry.gc().unwrap();
    assert!(leftovers.iter().all(|path| !path.exists()), "{place}");
    for path in crashed.registry.verify(None).unwrap().orphans {
        let orphan: Version = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        crashed
            .registry
            .remove(&pump(), orphan, &Because::default(), now(20))
            .unwrap();
    }
    let report = crashed.registry.verify(Some(&pump())).unwrap();
    assert!(
        report.is_sound() && report.orphans.is_empty() && report.leftovers.is_empty(),
        "{place}"
    );
    assert_eq!(
        report.n_versions,
        crashed.registry.scan(&pump()).unwrap().versions.len(),
        "{place}"
    );
}

/// What makes the prefixes above all the states that a power cut can leave: names are synced before the next step
/// relies on them.
#[test]
fn every_rename_and_deletion_is_synced_at_once() {
    for (what, from_three, plan) in plans() {
        let fixture = start(from_three);
        let steps = plan(&fixture.registry);
        for (idx, step) in steps.iter().enumerate() {
            if matches!(step, Step::Rename { .. } | Step::Delete(_) | Step::MakeFolder(_)) {
                assert!(
                    matches!(steps.get(idx + 1), Some(Step::SyncFolder(_))),
                    "{what}, step {idx}"
                );
            }
        }
    }
}
