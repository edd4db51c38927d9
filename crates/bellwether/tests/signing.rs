//! Labels, pins, pruning and signatures of models, as people use them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![expect(clippy::disallowed_methods, reason = "the tests look at what is on the disk")]

mod fleet;
mod shared;

use std::fs;
use std::path::Path;

use serde_json::Value;
use shared::{Ran, bellwether, bellwether_fed, bellwether_with, registry_of_pump};

fn models(folder: &Path, line: &str) -> Ran {
    bellwether(folder, &format!("models {line} --registry models"))
}

fn show(folder: &Path, reference: &str) -> Value {
    let ran = models(folder, &format!("show {reference} --format json"));
    serde_json::from_str(&ran.ends(0).stdout).unwrap()
}

#[test]
fn versions_are_labelled_and_the_log_says_by_whom() {
    let dir = registry_of_pump("models", 3);
    let here = dir.path();
    models(here, "alias pump@2 challenger --by anna --reason shadow")
        .ends(0)
        .says(&["pump@challenger is now pump@2"]);
    models(here, "alias pump@3 challenger --by anna")
        .ends(0)
        .says(&["pump@challenger is now pump@3, before pump@2"]);
    models(here, "alias pump@2 champion")
        .ends(1)
        .says(&["promote and rollback"]);
    models(here, "tag pump@challenger plant=north line=4 --by ben")
        .ends(0)
        .says(&["2 tags: line=4, plant=north"]);
    models(here, "tag pump@3 line= --by ben")
        .ends(0)
        .says(&["1 tag: plant=north"]);
    models(here, "tag pump@3 Line=4")
        .ends(2)
        .says(&["no key of a tag"]);
    bellwether_with(
        here,
        "models --registry models note pump@3",
        &["after the overhaul", "--by", "ben"],
    )
    .ends(0);
    models(here, "pin pump@3").ends(0).says(&["is pinned"]);
    let facts = show(here, "pump@challenger");
    assert_eq!(facts["version"], 3);
    assert_eq!(facts["tags"]["plant"], "north");
    assert_eq!(facts["note"], "after the overhaul");
    assert_eq!(facts["is_pinned"], true);
    let log = facts["log"].as_array().unwrap();
    let actions: Vec<&str> = log
        .iter()
        .map(|change| change["action"].as_str().unwrap())
        .collect();
    assert_eq!(
        actions,
        [
            "aliased", "aliased", "tagged", "tagged", "untagged", "noted", "pinned"
        ]
    );
    assert_eq!(
        (&log[0]["by"], &log[0]["reason"]),
        (&"anna".into(), &"shadow".into())
    );
    models(here, "unalias pump challenger")
        .ends(0)
        .says(&["it was pump@3"]);
    models(here, "unalias pump challenger")
        .ends(1)
        .says(&["no alias challenger"]);
    models(here, "remove pump@3")
        .ends(1)
        .says(&["is pinned", "models unpin pump@3"]);
    models(here, "unpin pump@3").ends(0);
    models(here, "remove pump@3 --reason old").ends(0);
}

#[test]
fn pruning_says_what_would_go_before_it_goes() {
    let dir = registry_of_pump("models", 6);
    let here = dir.path();
    models(here, "pin pump@2").ends(0);
    let dry = models(here, "prune --keep 2 --dry-run --format json")
        .ends(0)
        .says(&["2 versions would go"]);
    assert_eq!(
        serde_json::from_str::<Value>(&dry.stdout).unwrap()["would_remove"],
        serde_json::json!(["pump@3", "pump@4"])
    );
    assert!(here.join("models/pump/3.bellwether").exists());
    models(here, "prune pump --keep 2 --younger-than 36500d")
        .ends(0)
        .says(&["0 versions removed"]);
    models(here, "prune pump --keep 2")
        .ends(0)
        .says(&["2 versions removed"]);
    for (number, stays) in [(1, true), (2, true), (3, false), (4, false), (5, true), (6, true)] {
        assert_eq!(
            here.join(format!("models/pump/{number}.bellwether")).exists(),
            stays,
            "{number}"
        );
    }
    models(here, "prune").ends(2).says(&["--keep"]);
    models(here, "prune fan --keep 1").ends(1).says(&["no model fan"]);
}

#[test]
fn what_no_trusted_key_signed_judges_nothing() {
    let own = tempfile::tempdir().unwrap();
    let here = own.path();
    fleet::copy(fleet::folder(), here);
    let run = |line: &str| bellwether(here, &format!("{line} --registry models"));
    run("models keygen plant.key").ends(0).says(&["plant.key.pub"]);
    run("models keygen plant.key")
        .ends(1)
        .says(&["never written over"]);
    run("models keygen other.key").ends(0);
    let detect = |trust: &str, model: &str| {
        run(&format!(
            "detect fleet.csv --model {model} --trust {trust} --format json"
        ))
    };
    detect("plant.key.pub", "pump")
        .ends(1)
        .says(&["pump@1 is refused", "it is not signed", "models sign"]);
    run("models sign pump --key plant.key.pub")
        .ends(1)
        .says(&["cannot sign"]);
    run("models sign pump --key plant.key --by anna --reason checked")
        .ends(0)
        .says(&["pump@1 is signed by"]);
    detect("plant.key.pub", "pump").ends(0);
    detect("plant.key", "pump").ends(0);
    detect("other.key.pub", "pump")
        .ends(1)
        .says(&["is signed by", "only what the keys"]);
    detect("other.key.pub,plant.key.pub", "pump").ends(0);
    detect("none.pub", "pump").ends(1).says(&["none.pub"]);
    run("models verify --trust plant.key.pub")
        .ends(0)
        .says(&["all as published and signed"]);
    run("models verify --trust other.key.pub")
        .ends(3)
        .says(&["1 problem"]);

    // It travels with its signature, and is no other model's.
    run("models export pump loose.bellwether")
        .ends(0)
        .says(&["loose.bellwether.sig"]);
    detect("plant.key.pub", "loose.bellwether").ends(0);
    run("models import loose.bellwether --name imported --trust plant.key.pub").ends(0);
    run("models import loose.bellwether --name imported --trust other.key.pub")
        .ends(1)
        .says(&["is refused"]);
    detect("plant.key.pub", "imported").ends(0);
    fs::remove_file(here.join("loose.bellwether.sig")).unwrap();
    detect("plant.key.pub", "loose.bellwether")
        .ends(1)
        .says(&["it is not signed"]);
    run("models sign loose.bellwether --key other.key").ends(0);
    detect("other.key.pub", "loose.bellwether").ends(0);

    // The live system asks the same, by flag and by file.
    let rows = fs::read(here.join("fleet.csv")).unwrap();
    let stream =
        |how: &str| bellwether_fed(here, &format!("stream {how} --from - --to - --format csv"), &rows);
    let by_flag = |trust: &str| stream(&format!("--model pump --registry models --trust {trust}"));
    by_flag("other.key.pub").ends(1).says(&["pump@1 is refused"]);
    by_flag("plant.key.pub").ends(0);
    fs::write(
        here.join("live.toml"),
        "[models]\ndefault = \"pump\"\nregistry = \"models\"\ntrust = [\"other.key.pub\"]\n\n[storage]\nurl = \"sqlite:live.db\"\n",
    )
    .unwrap();
    stream("--config live.toml").ends(1).says(&["pump@1 is refused"]);
}
