//! Who may do what: every route of the document with every role, and what a server must not let through.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![expect(clippy::disallowed_methods, reason = "the tests look at what is on the disk")]

mod configuration;
#[path = "../fleet/mod.rs"]
mod fleet;
mod logged;
mod secrets;
#[path = "../service/mod.rs"]
mod service;
#[path = "../shared/mod.rs"]
mod shared;

use std::collections::BTreeMap;
use std::fs;

use logged::Logged;
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
        "--listen 0.0.0.0:8443 --tls-cert cert.pem --tls-key key.pem",
        "server.tls_cert: cannot read cert.pem",
    );
    fs::write(
        own.path().join("live.toml"),
        "[server]\ntls_cert = \"cert.pem\"\ntls_key = \"key.pem\"\n",
    )
    .unwrap();
    bellwether(own.path(), "config check live.toml")
        .ends(78)
        .says(&["live.toml:2:12: server.tls_cert: "]);
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
    let service = Service::start_with(own.path(), args, std::slice::from_ref(&first));
    assert!(service.url.starts_with("https://"), "{}", service.url);
    let url = format!("{}/health/live", service.url);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let old = reqwest::Client::builder()
        .no_proxy()
        .add_root_certificate(first)
        .tls_version_max(reqwest::tls::Version::TLS_1_2)
        .build()
        .unwrap();
    let refused = runtime.block_on(async { old.get(&url).send().await });
    assert!(refused.unwrap_err().is_connect(), "TLS 1.2 is not spoken");
    let second = write();
    let client = reqwest::Client::builder()
        .no_proxy()
        .add_root_certificate(second)
        .build()
        .unwrap();
    bellwether_testkit::peer::wait_until("the new certificate is shown", || {
        runtime.block_on(async { client.get(&url).send().await.is_ok() })
    });
}

#[test]
fn the_code_of_a_first_start_is_for_a_terminal_alone() {
    let own = tempfile::tempdir().unwrap();
    let mut server = Logged::start(own.path(), "--listen 127.0.0.1:0", &[]);
    bellwether_testkit::peer::wait_until("the server says what to do", || {
        server.told().contains("bellwether keys create")
    });
    server.end();
    assert!(!server.told().contains("code="), "{}", server.told());
}

#[test]
fn a_proxy_says_where_a_request_comes_from_and_cookies_are_of_this_host_alone() {
    let own = tempfile::tempdir().unwrap();
    fs::write(own.path().join("live.toml"), "[server]\nbehind_proxy = true\n").unwrap();
    let admin = key(own.path(), "admin");
    // Every address of the machine, of both kinds.
    let server = Logged::start(own.path(), "--config live.toml --listen [::]:0", &[]);
    let port = server.url.rsplit(':').next().unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let send = |request: reqwest::RequestBuilder| runtime.block_on(async { request.send().await.unwrap() });
    for host in ["127.0.0.1", "[::1]"] {
        let whoami = client.get(format!("http://{host}:{port}/api/v1/whoami"));
        let refused = send(whoami.header("x-forwarded-for", "198.51.100.1, 203.0.113.7"));
        assert_eq!(refused.status(), 401);
        assert_eq!(refused.headers()["www-authenticate"], "Bearer");
    }
    let url = |path: &str| format!("http://127.0.0.1:{port}/api/v1/{path}");
    let sign_in = |body: String| {
        let request = client
            .post(url("sign-in"))
            .header("content-type", "application/json");
        send(request.body(body))
    };
    assert_eq!(
        sign_in(format!("{{\"key\":\"{}\"}}", "x".repeat(5000))).status(),
        413
    );
    let entered = sign_in(format!("{{\"key\":\"{admin}\"}}"));
    assert_eq!(entered.status(), 200);
    for name in ["limit", "remaining", "reset"] {
        assert!(
            entered.headers().contains_key(format!("x-ratelimit-{name}")),
            "{name}"
        );
    }
    let cookie = entered.headers()["set-cookie"].to_str().unwrap();
    assert!(
        cookie.starts_with("__Host-bellwether-session=") && cookie.contains("Secure"),
        "{cookie}"
    );
    let cookie = cookie.split(';').next().unwrap();
    let known = send(client.get(url("whoami")).header("cookie", cookie));
    assert_eq!(known.status(), 200);
    let plain = cookie.trim_start_matches("__Host-");
    assert_eq!(
        send(client.get(url("whoami")).header("cookie", plain)).status(),
        401
    );
    let mut audit = String::new();
    bellwether_testkit::peer::wait_until("the audit has it", || {
        let answer = send(client.get(url("audit")).bearer_auth(&admin));
        audit = runtime.block_on(async { answer.text().await.unwrap() });
        audit.contains("no valid key, from 203.0.113.7")
    });
    assert!(
        audit.contains("\"sign-in\"") && audit.contains("\"the-admin ("),
        "{audit}"
    );
}

#[test]
fn a_stream_ends_when_its_key_is_revoked() {
    let own = tempfile::tempdir().unwrap();
    let admin = key(own.path(), "admin");
    let line = "keys create --name looker --role viewer --database sqlite:live.db --format json";
    let made: Value = serde_json::from_str(&bellwether(own.path(), line).ends(0).stdout).unwrap();
    let service = Service::start(own.path(), "");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut streams: Vec<reqwest::Response> = ["live", "detect/stream"]
        .iter()
        .map(|path| {
            let request = client
                .get(format!("{}/api/v1/{path}", service.url))
                .bearer_auth(made["key"].as_str().unwrap());
            runtime.block_on(async { request.send().await.unwrap() })
        })
        .collect();
    let path = format!("/api/v1/keys/{}", made["id"].as_str().unwrap());
    service.ask("delete", &path, Some(&admin), None).is(204);
    for stream in &mut streams {
        assert_eq!(stream.status(), 200);
        runtime.block_on(async { while let Ok(Some(_)) = stream.chunk().await {} });
    }
    // An escalation that was refused is in the audit.
    let line = "keys create --name maker --role admin --scope keys --scope audit --database sqlite:live.db";
    let maker = bellwether(own.path(), line).ends(0).stdout.trim().to_owned();
    service
        .post(
            "/api/v1/keys",
            Some(&maker),
            &json!({ "name": "x", "role": "viewer" }),
        )
        .is(403);
    bellwether_testkit::peer::wait_until("the audit has it", || {
        let audit = service.get("/api/v1/audit", Some(&maker)).is(200).text;
        audit.contains("would make a key with read")
    });
}
