//! Models through a store that two sites share: a folder, and an S3-compatible server.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod shared;

use std::path::Path;

use bellwether_core::time::Timestamp;
use bellwether_store::bundle::Bundle;
use bellwether_store::registry::Registry;
use bellwether_testkit::s3::S3;
use serde_json::Value;
use shared::{Ran, bellwether, bellwether_amid, registry_of_pump};

fn show(folder: &Path, reference: &str, registry: &str) -> Value {
    let line = format!("models show {reference} --format json --registry {registry}");
    serde_json::from_str(&bellwether(folder, &line).ends(0).stdout).unwrap()
}

/// From one site to another, and what is refused on the way.
fn travels(url: &str, models: &dyn Fn(&Path, &str) -> Ran) {
    let dir = registry_of_pump("here", 2);
    let at = dir.path();
    models(at, "models keygen site.key").ends(0);
    models(at, "models sign pump@2 --key site.key --registry here").ends(0);
    models(at, &format!("models pull pump {url} --registry there"))
        .ends(1)
        .says(&["no pump in", "none of that name"]);
    models(at, &format!("models push pump@1 {url} --registry here"))
        .ends(0)
        .says(&["pump@1 is in"]);
    models(at, &format!("models push pump@2 {url} --registry here")).ends(0);
    models(at, &format!("models push pump@2 {url} --registry here"))
        .ends(0)
        .says(&["already"]);

    // What nobody trusted has signed stays out; the newest comes with its signature.
    let trust = "--trust site.key.pub --registry there";
    models(at, &format!("models pull pump@1 {url} {trust}"))
        .ends(1)
        .says(&["refused"]);
    assert!(!at.join("there/pump").exists());
    models(at, &format!("models pull pump {url} {trust}"))
        .ends(0)
        .says(&["pump@1 is published and the champion"]);
    models(
        at,
        &format!("models pull pump@1 {url} --name old --registry there"),
    )
    .ends(0);
    let (sent, came) = (show(at, "pump@2", "here"), show(at, "pump", "there"));
    assert_eq!(came["sha256"], sent["sha256"]);
    assert_eq!(
        show(at, "old", "there")["sha256"],
        show(at, "pump@1", "here")["sha256"]
    );
    models(at, &format!("models verify pump {trust}")).ends(0);

    // Another model under a number that is taken.
    let other = registry_of_pump("here", 0);
    let registry = Registry::open(other.path().join("here")).unwrap();
    let bundle = Bundle {
        manifest: br#"{"format_version":1}"#.to_vec(),
        weights: vec![9; 9],
    };
    let now = Timestamp::from_secs(9);
    registry
        .publish(&"pump".parse().unwrap(), &bundle, Value::Null, now)
        .unwrap();
    models(other.path(), &format!("models push pump {url} --registry here"))
        .ends(1)
        .says(&["another pump@1", "never replaced"]);
    models(at, &format!("models pull pump@7 {url} --registry there"))
        .ends(1)
        .says(&["no pump@7", "pump@1, pump@2"]);
    models(at, &format!("models pull pump@challenger {url} --registry there"))
        .ends(2)
        .says(&["no aliases"]);
}

#[test]
fn a_folder_carries_models_between_sites() {
    let store = tempfile::tempdir().unwrap();
    let url = store.path().join("shared/models");
    travels(url.to_str().unwrap(), &bellwether);
}

#[test]
fn an_s3_compatible_store_carries_models_between_sites() {
    let Some(s3) = S3::start("an_s3_compatible_store_carries_models_between_sites") else {
        return;
    };
    let endpoint = s3.endpoint();
    let environment = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_ACCESS_KEY_ID", "a-site"),
        ("AWS_SECRET_ACCESS_KEY", "a-secret-that-nobody-sees"),
        ("AWS_REGION", "eu-north-1"),
    ];
    travels("s3://models/plant/north", &|folder, line| {
        let ran = bellwether_amid(folder, line, &environment);
        assert!(!ran.stderr.contains("a-secret"), "{}", ran.stderr);
        ran
    });
}

#[test]
fn a_bucket_wants_somebody_who_asks() {
    let dir = registry_of_pump("here", 1);
    let ran = bellwether_amid(
        dir.path(),
        "models push pump s3://models --registry here",
        &[("AWS_ACCESS_KEY_ID", "")],
    );
    ran.ends(1).says(&["nothing says who asks", "AWS_ACCESS_KEY_ID"]);
    bellwether(
        dir.path(),
        "models push pump https://store/models --registry here",
    )
    .ends(1)
    .says(&["only s3:// and file://"]);
}
