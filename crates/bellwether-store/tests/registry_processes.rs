//! A registry that several processes change at once, and that processes are killed in the midst of changing.
//!
//! The workers are this test program itself, started again for the one test that is a worker.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bellwether_core::time::Timestamp;
use bellwether_store::bundle::Bundle;
use bellwether_store::registry::{
    Because, ChangeError, Label, ModelName, NamedRef, Pick, Registry, Retention, Version,
};

/// What a worker is told: the registry's folder, its number, how many rounds.
const TASK: &str = "BELLWETHER_TEST_WORKER";

/// Names of versions' tags: who published which.
const TAG: &str = "worker";

fn pump() -> ModelName {
    "pump".parse().unwrap()
}

fn bundle(worker: u32, round: u32) -> Bundle {
    Bundle {
        manifest: br#"{"format_version":1}"#.to_vec(),
        weights: [worker.to_le_bytes(), round.to_le_bytes()].concat(),
    }
}

fn said(bundle: &Bundle) -> (u32, u32) {
    let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap());
    (number(&bundle.weights[..4]), number(&bundle.weights[4..]))
}

fn start(dir: &Path, worker: u32, n_rounds: u32) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "worker", "--nocapture"])
        .env(TASK, format!("{worker} {n_rounds} {}", dir.display()))
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Does nothing but where it is started as a worker: publishes, promotes, labels, and removes every other version of its
/// own.
#[test]
fn worker() {
    let Ok(task) = std::env::var(TASK) else {
        return;
    };
    let mut words = task.splitn(3, ' ');
    let mut number = || words.next().unwrap().parse::<u32>().unwrap();
    let (worker, n_rounds) = (number(), number());
    let registry = Registry::open(words.next().unwrap()).unwrap();
    let because = Because {
        by: format!("worker {worker}"),
        reason: "it is its turn".to_owned(),
    };
    let at = Timestamp::from_secs(i64::from(worker));
    for round in 0..n_rounds {
        let version = registry
            .publish(&pump(), &bundle(worker, round), serde_json::Value::Null, at)
            .unwrap();
        let reference = NamedRef {
            name: pump(),
            pick: Pick::Version(version),
        };
        let tag = Label::Tag(TAG.parse().unwrap(), worker.to_string());
        registry.label(&reference, &tag, &because, at).unwrap();
        registry.promote(&reference, &because, at).unwrap();
        let alias = format!("of-{worker}").parse().unwrap();
        registry.set_alias(&alias, &reference, &because, at).unwrap();
        if round % 2 == 1 {
            registry.drop_alias(&pump(), &alias, &because, at).unwrap();
            match registry.remove(&pump(), version, &because, at) {
                // Unless nobody else has promoted since: the champion stays.
                Ok(()) | Err(ChangeError::InUse { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        // Readers take no lock, and what they see is whole.
        let report = registry.verify(None).unwrap();
        // A version that is removed between the index and its file is gone, and nothing else is ever wrong.
        for problem in &report.problems {
            assert!(problem.to_string().contains("is gone"), "{problem}");
        }
    }
}

#[test]
fn processes_at_once_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let registry_dir = dir.path().join("models");
    let (n_workers, n_rounds) = (4, 10);
    let mut workers: Vec<Child> = (0..n_workers)
        .map(|worker| start(&registry_dir, worker, n_rounds))
        .collect();
    for worker in &mut workers {
        assert!(worker.wait().unwrap().success());
    }
    let registry = Registry::open(&registry_dir).unwrap();
    let report = registry.verify(None).unwrap();
    assert!(report.is_sound(), "{:?}", report.problems);
    assert!(
        report.orphans.is_empty() && report.leftovers.is_empty(),
        "{report:?}"
    );
    let index = registry.show(&pump()).unwrap();
    // Every publication got a number of its own: those that are left and those of the log are all there were.
    let mut versions: BTreeMap<Version, (u32, u32)> = BTreeMap::new();
    for entry in index.versions() {
        let reference = format!("pump@{}", entry.version).parse().unwrap();
        versions.insert(entry.version, said(&registry.load(&reference).unwrap().bundle));
        let (worker, _) = versions[&entry.version];
        assert_eq!(entry.labels.tags[&TAG.parse().unwrap()], worker.to_string());
    }
    let removed: BTreeSet<Version> = index
        .log()
        .iter()
        .filter(|change| change.deed.name() == "removed")
        .map(|change| change.version)
        .collect();
    let all: BTreeSet<Version> = versions.keys().copied().chain(removed.iter().copied()).collect();
    assert_eq!(all.len(), (n_workers * n_rounds) as usize);
    assert_eq!(all.last().unwrap().number(), n_workers * n_rounds);
    assert_eq!(versions.len() + removed.len(), all.len());
    // No even round was removed, and no content is there twice.
    let kept: BTreeSet<(u32, u32)> = versions.values().copied().collect();
    assert_eq!(kept.len(), versions.len());
    for worker in 0..n_workers {
        for round in (0..n_rounds).step_by(2) {
            assert!(kept.contains(&(worker, round)), "worker {worker}, round {round}");
        }
    }
    // A champion was named by each promotion, one after the other.
    assert_eq!(
        index.history().len() as u32,
        1 + promotions(&index.history()[1..])
    );
    assert!(index.history().len() as u32 >= n_workers * n_rounds);
}

fn promotions(of: &[bellwether_store::registry::Promotion]) -> u32 {
    of.iter()
        .filter(|change| change.because.by.starts_with("worker "))
        .count() as u32
}

/// Kills workers at moments that a seed chooses, again and again, and looks at what they leave.
#[test]
fn a_killed_process_leaves_the_registry_whole() {
    let dir = tempfile::tempdir().unwrap();
    let registry_dir = dir.path().join("models");
    let registry = Registry::open(&registry_dir).unwrap();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let (mut n_left, mut highest) = (0, 0);
    for worker in 0..20 {
        let mut child = start(&registry_dir, worker, u32::MAX);
        // Xorshift (Marsaglia, 2003): moments of 20 to 150 ms, the same in each run.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        std::thread::sleep(Duration::from_millis(20 + random % 130));
        child.kill().unwrap();
        child.wait().unwrap();

        let report = registry.verify(None).unwrap();
        assert!(report.is_sound(), "kill {worker}: {:?}", report.problems);
        let Ok(index) = registry.show(&pump()) else {
            // It was killed before its first publication.
            continue;
        };
        let last = index.versions().last().unwrap().version.number();
        assert!(last >= highest || n_left > 0, "kill {worker}: versions went back");
        highest = last;
        n_left += report.orphans.len() + report.leftovers.len();
        registry.gc().unwrap();
        for orphan in report.orphans {
            let number = orphan.file_stem().unwrap().to_str().unwrap().parse().unwrap();
            let nobody = Because::default();
            registry
                .remove(&pump(), number, &nobody, Timestamp::from_secs(0))
                .unwrap();
        }
        let swept = registry.verify(None).unwrap();
        assert!(
            swept.orphans.is_empty() && swept.leftovers.is_empty(),
            "kill {worker}"
        );
        // The lock died with the process: the next change does not wait.
        let retention = Retention {
            n_newest: 8,
            since: None,
        };
        let impatient = registry.clone().with_lock_wait(Duration::from_secs(1));
        impatient
            .prune(&pump(), &retention, &Because::default(), Timestamp::from_secs(0))
            .unwrap();
    }
    assert!(highest > 0, "no worker came to publish anything");
}
