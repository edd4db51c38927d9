//! Who may do what: every route of the document with every role, and what a server must not let through.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![expect(clippy::disallowed_methods, reason = "the tests look at what is on the disk")]

mod fleet;
mod service;
mod shared;

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};
use service::{Service, key};
use shared::bellwether;

/// What each role may do, written down a second time on purpose: the table of the program must not change by accident.
const ROLES: [(&str, &[&str]); 4] = [
    ("viewer", &["read"]),
    ("operator", &["read", "ingest", "detect", "decide"]),
    (
        "engineer",
        &["read", "ingest", "detect", "decide", "train", "publish"],
    ),
    (
        "admin",
        &[
            "read",
            "ingest",
            "detect",
            "decide",
            "train",
            "publish",
            "configure",
            "keys",
            "audit",
        ],
    ),
];

const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

/// `/models/{name}` with something in place of each parameter that leads nowhere.
fn filled_in(path: &str) -> String {
    let mut filled = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        filled.push_str("nowhere");
        rest = after.split_once('}').unwrap().1;
    }
    filled + rest
}

#[test]
fn every_route_asks_every_role_for_its_permission() {
    let own = tempfile::tempdir().unwrap();
    let keys: BTreeMap<&str, String> = ROLES
        .iter()
        .map(|(role, _)| (*role, key(own.path(), role)))
        .collect();
    let registry = fleet::folder().join("models");
    let service = Service::start(own.path(), &format!("--registry {}", registry.display()));
    let document = service.get("/openapi.json", None).is(200).json();
    let mut n_cells = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(METHODS.contains(&method.as_str()), "{method} {path}");
            let permission = operation["x-permission"].as_str();
            let permission = permission.unwrap_or_else(|| panic!("{method} {path} says no permission"));
            // A body that no route takes: nothing is changed by asking.
            let ask = |key: Option<&str>| {
                let body = Some(("application/json", b"\"nothing\"".to_vec()));
                let body = body.filter(|_| method != "get");
                service.ask(method, &filled_in(path), key, body)
            };
            if permission == "none" {
                assert_ne!(ask(None).status, 403, "{method} {path}");
                continue;
            }
            let answer = ask(None).is(401);
            assert_eq!(answer.json()["type"], "urn:bellwether:problem:not-signed-in");
            for (role, permissions) in ROLES {
                let status = ask(Some(&keys[role])).status;
                let may = permissions.contains(&permission);
                assert_eq!(status == 403, !may, "{method} {path} as {role}: {status}");
                assert_ne!(status, 401, "{method} {path} as {role}");
                n_cells += 1;
            }
        }
    }
    assert!(n_cells > 100, "{n_cells} cells");
    // Whoever was turned away is in the audit log.
    let audit = service
        .get("/api/v1/audit?limit=1000", Some(&keys["admin"]))
        .is(200)
        .json();
    assert!(audit.to_string().contains("denied"), "{audit}");
}

#[test]
fn a_key_is_limited_by_its_scopes_and_good_until_it_is_revoked() {
    let own = tempfile::tempdir().unwrap();
    let made = bellwether(
        own.path(),
        "keys create --name sender --role operator --scope ingest --expires 90d --database sqlite:live.db \
         --format json",
    )
    .ends(0);
    let made: Value = serde_json::from_str(&made.stdout).unwrap();
    let sender = made["key"].as_str().unwrap();
    let admin = key(own.path(), "admin");
    let service = Service::start(own.path(), "");
    service.get("/api/v1/devices", Some(sender)).is(403);
    let sample = json!({ "device": "a", "timestamp": "2024-01-01T00:00:00Z", "values": { "x": 1.0 } });
    // There is no model: the sample goes to quarantine, and whoever sends it learns why.
    let answer = service.post("/api/v1/data/ingest", Some(sender), &sample).is(400);
    assert!(answer.text.contains("no-model"), "{answer:?}");
    service
        .get("/api/v1/whoami", Some("bw_000000000000_wrong"))
        .is(401);
    let id = made["id"].as_str().unwrap();
    service
        .ask("delete", &format!("/api/v1/keys/{id}"), Some(&admin), None)
        .is(204);
    service.post("/api/v1/data/ingest", Some(sender), &sample).is(401);
}

#[test]
fn people_sign_in_with_a_cookie_that_other_pages_cannot_use() {
    let own = tempfile::tempdir().unwrap();
    let admin = key(own.path(), "admin");
    let service = Service::start(own.path(), "");
    service
        .post("/api/v1/sign-in", None, &json!({ "key": "bw_wrong" }))
        .is(401);
    let entered = service
        .post("/api/v1/sign-in", None, &json!({ "key": admin }))
        .is(200);
    let cookie = entered.headers["set-cookie"].to_str().unwrap().to_owned();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
        "{cookie}"
    );
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let with = |request: reqwest::RequestBuilder| request.header("cookie", &cookie);
    assert_eq!(
        service
            .send(with(service.request("get", "/api/v1/whoami")))
            .json()["role"],
        "admin"
    );
    let from = |origin: &str| {
        let request = service
            .request("post", "/api/v1/sign-out")
            .header("origin", origin);
        service.send(with(request)).status
    };
    assert_eq!(from("https://elsewhere.example"), 403);
    assert_eq!(from(&service.url), 204);
    assert_eq!(
        service
            .send(with(service.request("get", "/api/v1/whoami")))
            .status,
        401
    );
    // A name that somebody else made up for this machine.
    let rebound = service
        .request("get", "/api/v1/whoami")
        .header("host", "evil.example");
    assert_eq!(service.send(rebound).status, 421);
}

#[test]
fn a_public_address_takes_tls_and_keys() {
    let own = tempfile::tempdir().unwrap();
    let refused = |args: &str, says: &str| {
        let line = format!("serve --database sqlite:live.db {args}");
        bellwether(own.path(), &line).ends(78).says(&[says]);
    };
    refused("--listen 0.0.0.0:8443", "open to other machines");
    refused("--listen 0.0.0.0:8443 --tls-cert cert.pem", "give server.tls_key");
    refused(
        "--listen 0.0.0.0:8443 --tls-cert cert.pem --tls-key key.pem --auth none",
        "would let everybody in",
    );
}

#[test]
fn a_certificate_is_exchanged_while_the_server_runs() {
    let own = tempfile::tempdir().unwrap();
    let write = || {
        let made =
            rcgen::generate_simple_self_signed(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        fs::write(own.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        fs::write(own.path().join("cert.pem"), made.cert.pem()).unwrap();
        reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).unwrap()
    };
    let first = write();
    let args = "--auth none --tls-cert cert.pem --tls-key key.pem";
    let service = Service::start_with(own.path(), args, &[first]);
    assert!(service.url.starts_with("https://"), "{}", service.url);
    let second = write();
    let client = reqwest::Client::builder()
        .no_proxy()
        .add_root_certificate(second)
        .build()
        .unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let url = format!("{}/health/live", service.url);
    bellwether_testkit::peer::wait_until("the new certificate is shown", || {
        runtime.block_on(async { client.get(&url).send().await.is_ok() })
    });
}

/// Secrets where they may be given; none of them may come out anywhere.
#[test]
fn no_secret_stands_in_a_log_an_answer_or_the_database() {
    let own = tempfile::tempdir().unwrap();
    let canaries: Vec<String> = (0..6).map(|idx| format!("canary-{idx}-9f31c7")).collect();
    fs::write(own.path().join("hook-secret"), &canaries[0]).unwrap();
    fs::write(own.path().join("broker-secret"), &canaries[1]).unwrap();
    let config = "[[alerts.channels]]\ntype = \"webhook\"\nurl = \"http://127.0.0.1:9/x\"\n\
                  secret = { file = \"hook-secret\" }\n\
                  [[outputs]]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:9\"\nusername = \"u\"\n\
                  password = { file = \"broker-secret\" }\n[log]\nlevel = \"trace\"\n";
    fs::write(own.path().join("live.toml"), config).unwrap();
    let admin = key(own.path(), "admin");
    let log = own.path().join("log");
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin!("bellwether"))
        .current_dir(own.path())
        .env("BELLWETHER_HOME", own.path())
        .args("serve --config live.toml --listen 127.0.0.1:0 --database sqlite:live.db".split(' '))
        .stdin(std::process::Stdio::null())
        .stderr(fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let mut url = None;
    bellwether_testkit::peer::wait_until("the server listens", || {
        let text = fs::read_to_string(&log).unwrap();
        url = text
            .lines()
            .find_map(|line| line.strip_prefix("listening on ").map(str::to_owned));
        url.is_some()
    });
    let url = url.unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut answers = String::new();
    let wrong_key = format!("bw_0123456789ab_{}", canaries[2]);
    let requests = [
        client.get(format!("{url}/api/v1/whoami")).bearer_auth(&wrong_key),
        client
            .get(format!("{url}/api/v1/whoami"))
            .header("x-api-key", &wrong_key),
        client
            .get(format!("{url}/api/v1/whoami"))
            .header("cookie", format!("bellwether-session={}", canaries[3])),
        client
            .post(format!("{url}/api/v1/sign-in"))
            .header("content-type", "application/json")
            .body(format!("{{\"key\":\"{}\"}}", canaries[4])),
        client
            .post(format!("{url}/api/v1/sign-in"))
            .header("content-type", "application/json")
            .body(format!("{{\"code\":\"{}\"}}", canaries[5])),
        client.get(format!("{url}/api/v1/config")).bearer_auth(&admin),
        client.get(format!("{url}/api/v1/keys")).bearer_auth(&admin),
        client.get(format!("{url}/api/v1/audit")).bearer_auth(&admin),
        client.get(format!("{url}/metrics")).bearer_auth(&admin),
    ];
    for request in requests {
        answers += &runtime.block_on(async { request.send().await.unwrap().text().await.unwrap() });
    }
    let asked = std::process::Command::new("kill")
        .arg(child.id().to_string())
        .status();
    assert!(asked.unwrap().success());
    child.wait().unwrap();
    let mut seen = fs::read(&log).unwrap();
    seen.extend(answers.into_bytes());
    for file in ["live.db", "live.db-wal"] {
        seen.extend(fs::read(own.path().join(file)).unwrap_or_default());
    }
    // What stands behind the id of the key.
    let admin_secret = admin.rsplit('_').next().unwrap().to_owned();
    for canary in canaries.iter().chain([&admin_secret]) {
        let is_there = seen.windows(canary.len()).any(|bytes| bytes == canary.as_bytes());
        assert!(!is_there, "{canary} came out");
    }
}

#[test]
fn a_change_says_what_of_it_waits_for_a_restart() {
    let own = tempfile::tempdir().unwrap();
    let original = "[stream]\nlatency = \"20ms\"\n";
    fs::write(own.path().join("live.toml"), original).unwrap();
    let service = Service::start(own.path(), "--auth none --config live.toml");
    let put = |toml: &str| {
        let body = Some(("text/plain", toml.as_bytes().to_vec()));
        let changed = service.ask("put", "/api/v1/config", None, body).is(200).json();
        changed["needs_restart"].clone()
    };
    let shown = || service.get("/api/v1/config", None).is(200).json()["needs_restart"].clone();
    assert_eq!(shown(), json!([]));
    assert_eq!(put("[stream]\nlatency = \"30ms\"\n"), json!([]));
    let waits = json!(["stream.queue_len_max"]);
    assert_eq!(put("[stream]\nqueue_len_max = 32\n"), waits);
    assert_eq!(
        put("[stream]\nqueue_len_max = 32\nlatency = \"30ms\"\n"),
        waits,
        "it waits however often the rest changes"
    );
    assert_eq!(shown(), waits);
    assert_eq!(put(original), json!([]));
    // Right in itself, but it cannot be put in force: all stays as it was.
    let body = Some(("text/plain", b"[models]\ndefault = \"nobody\"\n".to_vec()));
    let refused = service.ask("put", "/api/v1/config", None, body).is(422).json();
    assert_eq!(refused["type"], "urn:bellwether:problem:unprocessable", "{refused}");
    assert_eq!(fs::read_to_string(own.path().join("live.toml")).unwrap(), original);
    let audit = service.get("/api/v1/audit", None).is(200).json();
    let details: Vec<&Value> = audit["entries"].as_array().unwrap().iter().map(|entry| &entry["detail"]).collect();
    let want = [
        "stream.latency, stream.queue_len_max",
        "stream.latency",
        "stream.latency, stream.queue_len_max",
        "stream.latency",
    ];
    assert_eq!(details, want, "the audit says what was changed");
}
