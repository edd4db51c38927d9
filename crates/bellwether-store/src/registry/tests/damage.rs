//! Full disks, foreign files, many writers at once, damaged files.

use super::*;

#[test]
fn an_orphan_above_the_last_version_can_be_removed_and_its_number_stays_taken() {
    let fixture = Fixture::of_three();
    fs::copy(
        fixture.path("pump/1.bellwether"),
        fixture.path("pump/8.bellwether"),
    )
    .unwrap();
    assert_eq!(
        fixture.registry.verify(None).unwrap().orphans,
        [fixture.path("pump/8.bellwether")]
    );
    assert!(fixture.weight("pump@8").unwrap_err().contains("no version 8"));
    fixture
        .registry
        .remove(&pump(), version(8), &Because::default(), now(20))
        .unwrap();
    assert!(!fixture.path("pump/8.bellwether").exists());
    assert_eq!(fixture.publish(9).unwrap(), version(9));
}

/// `/dev/full` takes no byte: the real thing where there is no small file system to fill.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named_and_leaves_the_old_state() {
    for temp in ["pump/4.bellwether.tmp", "pump/index.json.tmp"] {
        let fixture = Fixture::of_three();
        let before = fixture.view();
        std::os::unix::fs::symlink("/dev/full", fixture.path(temp)).unwrap();
        let error = told(&fixture.publish(4).unwrap_err());
        assert!(
            error.contains(temp) && error.contains("the disk is full: free some space"),
            "{error}"
        );
        assert_eq!(fixture.view(), before);
        let report = fixture.registry.verify(None).unwrap();
        assert!(
            report.is_sound() && report.orphans.is_empty() && report.leftovers.is_empty(),
            "{report:?}"
        );
        assert_eq!(fixture.publish(4).unwrap(), version(4));
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_named_and_nothing_changes() {
    let fixture = Fixture::of_three();
    let before = fixture.view();
    // A folder in the place of the file to write: it cannot be written, whoever runs the test.
    fs::create_dir(fixture.path("pump/index.json.tmp")).unwrap();
    let check = |result: Result<(), String>| {
        let error = result.unwrap_err();
        assert!(
            error.contains("cannot write") && error.contains("index.json.tmp"),
            "{error}"
        );
        assert_eq!(fixture.view(), before);
        assert!(
            !fixture.path("pump/4.bellwether").exists() && !fixture.path("pump/4.bellwether.tmp").exists()
        );
    };
    let registry = &fixture.registry;
    check(fixture.publish(4).map(drop).map_err(|error| told(&error)));
    check(
        registry
            .promote(&named("pump@1"), &Because::default(), now(20))
            .map(drop)
            .map_err(|error| told(&error)),
    );
    check(
        registry
            .rollback(&pump(), &Because::default(), now(20))
            .map(drop)
            .map_err(|error| told(&error)),
    );
    check(
        registry
            .remove(&pump(), version(1), &Because::default(), now(20))
            .map_err(|error| told(&error)),
    );
    assert_eq!(fixture.weight("pump@1"), Ok(1));
}

#[test]
fn a_registry_where_no_folder_can_be_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    disk::write_atomic(&file, b"").unwrap();
    for path in [file.clone(), file.join("below")] {
        let error = told(&Registry::open(&path).unwrap_err());
        let expect = format!("cannot open the registry {}", path.display());
        assert!(error.contains(&expect), "{error}");
    }
    // A file in the place of the model's folder.
    let fixture = Fixture::new();
    fs::create_dir(fixture.registry.dir()).unwrap();
    disk::write_atomic(&fixture.path("pump"), b"").unwrap();
    let error = told(&fixture.publish(1).unwrap_err());
    assert!(error.contains("cannot read") && error.contains("pump"), "{error}");
}

#[test]
fn writers_at_once_get_versions_of_their_own() {
    let fixture = Fixture::new();
    let (n_writers, n_each) = (4, 5);
    let fixture = &fixture;
    let mut given: Vec<(u32, u32)> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..n_writers)
            .map(|writer| {
                scope.spawn(move || {
                    // Each opens the registry itself, as another process would: the lock is per opened file.
                    let own = Registry::open(fixture.registry.dir()).unwrap();
                    let publish = |round| {
                        let weight = writer * n_each + round;
                        let version = own
                            .publish(&pump(), &bundle(weight), json!(null), now(0))
                            .unwrap();
                        own.promote(&named(&format!("pump@{version}")), &Because::default(), now(1))
                            .unwrap();
                        // Reading goes on meanwhile, without a lock.
                        assert!(own.verify(None).unwrap().is_sound());
                        (version.number(), weight)
                    };
                    (0..n_each).map(publish).collect::<Vec<_>>()
                })
            })
            .collect();
        writers
            .into_iter()
            .flat_map(|writer| writer.join().unwrap())
            .collect()
    });
    given.sort_unstable();
    let numbers: Vec<u32> = given.iter().map(|&(number, _)| number).collect();
    assert_eq!(numbers, (1..=n_writers * n_each).collect::<Vec<_>>());
    for (number, weight) in given {
        assert_eq!(fixture.weight(&format!("pump@{number}")), Ok(weight));
    }
    assert_eq!(
        fixture.registry.verify(None).unwrap().leftovers,
        [""; 0].map(PathBuf::from)
    );
}

#[test]
fn a_change_does_not_wait_for_ever() {
    let fixture = Fixture::of_three();
    let _held = fixture.registry.lock().unwrap();
    let impatient = fixture.registry.clone().with_lock_wait(Duration::ZERO);
    let error = told(
        &impatient
            .promote(&named("pump@1"), &Because::default(), now(20))
            .unwrap_err(),
    );
    assert!(
        error.contains("another process") && error.contains(".lock"),
        "{error}"
    );
    // Reading needs no lock.
    assert_eq!(fixture.weight("pump"), Ok(2));
}

#[test]
fn every_damaged_or_missing_file_is_reported_and_not_loaded() {
    let fixture = Fixture::of_three();
    let other: ModelName = "fan".parse().unwrap();
    fixture
        .registry
        .publish(&other, &bundle(1), json!(null), now(0))
        .unwrap();
    let mut bytes = disk::read_bounded(&fixture.path("pump/1.bellwether"), 9999).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    disk::write_atomic(&fixture.path("pump/1.bellwether"), &bytes).unwrap();
    fs::remove_file(fixture.path("pump/2.bellwether")).unwrap();
    disk::write_atomic(&fixture.path("fan/index.json"), b"{").unwrap();
    let report = fixture.registry.verify(None).unwrap();
    let problems: Vec<String> = report.problems.iter().map(|problem| told(problem)).collect();
    let expect = [
        "fan/index.json: it is damaged",
        "1.bellwether was changed since pump@1",
        "pump@2 is gone",
    ];
    assert_eq!(problems.len(), expect.len(), "{problems:?}");
    for (problem, expect) in problems.iter().zip(expect) {
        assert!(problem.contains(expect), "{problem:?} does not say {expect:?}");
    }
    // Without its index, nothing can be said of the bundle of fan.
    assert_eq!((report.n_versions, report.orphans.len()), (3, 0));
    assert!(
        fixture
            .weight("pump@1")
            .unwrap_err()
            .contains("was changed since pump@1 was published")
    );
    assert!(
        fixture
            .weight("pump")
            .unwrap_err()
            .contains("the file of pump@2 is gone")
    );
    assert_eq!(fixture.weight("pump@3"), Ok(3));
    // A damaged index loses its own model only, and is not written over.
    let listing = fixture.registry.list().unwrap();
    assert_eq!((listing.models.len(), listing.damaged.len()), (1, 1));
    assert!(
        fixture
            .registry
            .publish(&other, &bundle(2), json!(null), now(0))
            .is_err()
    );
    assert!(fixture.registry.verify(Some(&"none".parse().unwrap())).is_err());
}

#[test]
fn what_could_not_be_read_again_is_not_published() {
    let fixture = Fixture::new();
    let mut deep = json!(0);
    for _ in 0..126 {
        deep = json!([deep]);
    }
    for summary in [json!("x".repeat(SUMMARY_BYTES_MAX)), deep] {
        let error = fixture
            .registry
            .publish(&pump(), &bundle(1), summary, now(0))
            .unwrap_err();
        assert!(matches!(error, PublishError::Summary { .. }), "{error}");
    }
    let newer = Bundle {
        manifest: br#"{"format_version":99}"#.to_vec(),
        weights: vec![],
    };
    let error = told(
        &fixture
            .registry
            .publish(&pump(), &newer, json!(null), now(0))
            .unwrap_err(),
    );
    assert!(
        error.contains("cannot be published: made by a newer bellwether"),
        "{error}"
    );
    assert!(!fixture.registry.dir().exists());
}
