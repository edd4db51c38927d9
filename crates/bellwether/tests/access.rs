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

/// `bellwether serve`, whose log goes to a file; killed when dropped.
struct Logged {
    child: std::process::Child,
    log: std::path::PathBuf,
    url: String,
}

impl Logged {
    fn start(own: &std::path::Path, args: &str, env: &[(&str, &str)]) -> Self {
        let log = own.join("log");
        let child = std::process::Command::new(assert_cmd::cargo::cargo_bin!("bellwether"))
            .current_dir(own)
            .env("BELLWETHER_HOME", own)
            .envs(env.iter().copied())
            .args(format!("serve --database sqlite:live.db {args}").split_whitespace())
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut started = Self {
            child,
            log,
            url: String::new(),
        };
        bellwether_testkit::peer::wait_until("the server listens", || {
            let text = started.told();
            let url = text.lines().find_map(|line| line.strip_prefix("listening on "));
            started.url = url.unwrap_or_default().to_owned();
            url.is_some()
        });
        started
    }

    fn told(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Asks it to end, and waits until it has.
    fn end(&mut self) {
        let asked = std::process::Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        assert!(asked.unwrap().success());
        self.child.wait().unwrap();
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Takes connections, answers each with `answer`, and keeps what came.
fn listener(answer: &'static [u8]) -> (u16, std::sync::Arc<std::sync::Mutex<Vec<u8>>>) {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = std::sync::Arc::<std::sync::Mutex<Vec<u8>>>::default();
    let hears = std::sync::Arc::clone(&heard);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut bytes = vec![0; 64 << 10];
            let n = stream.read(&mut bytes).unwrap_or(0);
            hears.lock().unwrap().extend(&bytes[..n]);
            let _ = stream.write_all(answer);
        }
    });
    (port, heard)
}

/// Secrets wherever they may be given, and where people put them by mistake; none of them may come out anywhere.
#[test]
fn no_secret_stands_in_a_log_an_answer_or_the_database() {
    let own = tempfile::tempdir().unwrap();
    let canary = |what: &str| format!("canary-{what}-9f31c7");
    let file = |what: &str| fs::write(own.path().join(what), canary(what)).unwrap();
    for what in ["hook-secret", "output-password", "source-password"] {
        file(what);
    }
    let (broker, heard) = listener(b"");
    let (hook, hooked) = listener(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n");
    let config = format!(
        "[[sources]]\ntype = \"mqtt\"\nname = \"in\"\nurl = \"mqtt://127.0.0.1:{broker}\"\ntopics = [\"a/#\"]\n\
         username = \"u\"\npassword = {{ file = \"source-password\" }}\n\
         [[outputs]]\ntype = \"mqtt\"\nname = \"out\"\nurl = \"mqtt://127.0.0.1:{broker}\"\nusername = \"u\"\n\
         password = {{ file = \"output-password\" }}\n\
         [[alerts.channels]]\ntype = \"webhook\"\nurl = \"http://127.0.0.1:{hook}/x?token={}\"\n\
         secret = {{ file = \"hook-secret\" }}\n\
         [[alerts.channels]]\ntype = \"mqtt\"\nname = \"state\"\nurl = \"mqtt://127.0.0.1:{broker}\"\n\
         username = \"u\"\npassword = {{ env = \"STATE_PASSWORD\" }}\n\
         [log]\nlevel = \"trace\"\n",
        canary("hook-url")
    );
    fs::write(own.path().join("live.toml"), &config).unwrap();
    let admin = key(own.path(), "admin");
    let state_password = canary("state-password");
    let env = [("STATE_PASSWORD", state_password.as_str())];
    let mut server = Logged::start(own.path(), "--config live.toml --listen 127.0.0.1:0", &env);
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let at = |path: &str| format!("{}{path}", server.url);
    let whoami = || client.get(at("/api/v1/whoami"));
    let json = |path: &str, body: String| {
        client
            .post(at(path))
            .header("content-type", "application/json")
            .body(body)
    };
    let key_like = |what: &str| format!("bw_0123456789ab_{}", canary(what));
    let changed = config.replace(
        "{ file = \"output-password\" }",
        &format!("\"{}\"", canary("put")),
    );
    let requests = [
        whoami().bearer_auth(key_like("bearer")),
        whoami().header("x-api-key", key_like("x-api-key")),
        whoami().header("cookie", format!("bellwether-session={}", canary("cookie"))),
        whoami().basic_auth("u", Some(canary("basic"))),
        client.get(at(&format!("/api/v1/whoami?access_token={}", key_like("query")))),
        client.get(at(&format!("/nowhere/{}", key_like("path")))),
        client
            .get(at(&format!("/api/v1/detect/stream?key={}", key_like("stream"))))
            .header("last-event-id", canary("event-id")),
        json(
            "/api/v1/sign-in",
            format!("{{\"key\":\"{}\"}}", key_like("sign-in")),
        ),
        json("/api/v1/sign-in", format!("{{\"code\":\"{}\"}}", canary("code"))),
        json("/api/v1/keys", format!("{{\"name\":[\"{}\"]}}", canary("name"))).bearer_auth(&admin),
        client.put(at("/api/v1/config")).body(changed).bearer_auth(&admin),
        client.get(at("/api/v1/config")).bearer_auth(&admin),
        client.get(at("/api/v1/keys")).bearer_auth(&admin),
        client.get(at("/api/v1/audit")).bearer_auth(&admin),
        client.get(at("/metrics")).bearer_auth(&admin),
    ];
    let mut answers = String::new();
    for request in requests {
        answers += &runtime.block_on(async { request.send().await.unwrap().text().await.unwrap() });
    }
    // The one who makes a key sees it; nobody else does.
    let made = json("/api/v1/keys", "{\"name\":\"x\",\"role\":\"viewer\"}".to_owned()).bearer_auth(&admin);
    let made: Value = runtime
        .block_on(async { serde_json::from_str(&made.send().await.unwrap().text().await.unwrap()).unwrap() });
    let entered = json("/api/v1/sign-in", format!("{{\"key\":\"{admin}\"}}"));
    let entered = runtime.block_on(async { entered.send().await.unwrap() });
    let cookie = entered.headers()["set-cookie"].to_str().unwrap().to_owned();
    let cookie = cookie.split(['=', ';']).nth(1).unwrap().to_owned();
    // The peers are reached: what they get is what must not come out elsewhere.
    let tested = std::process::Command::new(assert_cmd::cargo::cargo_bin!("bellwether"))
        .current_dir(own.path())
        .env("BELLWETHER_HOME", own.path())
        .envs(env)
        .args("alerts test --config live.toml --database sqlite:live.db".split(' '))
        .output()
        .unwrap();
    assert!(!hooked.lock().unwrap().is_empty(), "{tested:?}");
    for what in ["source-password", "state-password"] {
        let wanted = canary(what);
        bellwether_testkit::peer::wait_until(what, || {
            let heard = heard.lock().unwrap();
            heard
                .windows(wanted.len())
                .any(|bytes| bytes == wanted.as_bytes())
        });
    }
    server.end();
    let mut seen = fs::read(&server.log).unwrap();
    for more in [answers.into_bytes(), tested.stdout, tested.stderr] {
        seen.extend(more);
    }
    for file in ["live.db", "live.db-wal"] {
        seen.extend(fs::read(own.path().join(file)).unwrap_or_default());
    }
    let is_there = |text: &str| seen.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    assert!(is_there("turned away"), "the log talks");
    // `hook-url` stands in the file itself, which who may configure reads.
    let canaries = [
        "hook-secret",
        "output-password",
        "source-password",
        "state-password",
        "bearer",
        "x-api-key",
        "cookie",
        "basic",
        "query",
        "path",
        "stream",
        "sign-in",
        "code",
        "name",
        "put",
        "event-id",
    ];
    for what in canaries {
        assert!(!is_there(&canary(what)), "{what} came out");
    }
    // What stands behind the ids of keys, and what a cookie holds.
    let behind_id = |key: &str| key.rsplit('_').next().unwrap().to_owned();
    for secret in [
        behind_id(&admin),
        behind_id(made["key"].as_str().unwrap()),
        cookie,
    ] {
        assert!(!is_there(&secret), "a key or a cookie came out");
    }
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
fn what_is_changed_at_the_machine_alone_is_not_changed_from_afar() {
    let own = tempfile::tempdir().unwrap();
    let path = own.path().join("live.toml");
    let original = "[stream]\nlatency = \"20ms\"\n";
    fs::write(&path, original).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let service = Service::start(own.path(), "--auth none --config live.toml");
    let put = |more: &str| {
        let body = Some(("text/plain", format!("{original}{more}").into_bytes()));
        service.ask("put", "/api/v1/config", None, body)
    };
    for (more, key) in [
        // Where the command line says otherwise, too.
        ("[storage]\nurl = \"sqlite:other.db\"\n", "storage"),
        ("[server]\nlisten = \"127.0.0.1:9\"\n", "server"),
        ("[models]\nregistry = \"/\"\n", "models.registry"),
        (
            "[models]\ndefault = \"/etc/passwd.bellwether\"\n",
            "models.default",
        ),
        (
            "[[sources]]\ntype = \"file\"\npath = \"/etc/passwd\"\n",
            "sources",
        ),
        ("[[outputs]]\ntype = \"file\"\npath = \"out.csv\"\n", "outputs"),
        (
            "[alerts]\nlink_base = \"https://elsewhere.example\"\n",
            "alerts.link_base",
        ),
        // Whether there is such a file is not looked at.
        (
            "[[alerts.channels]]\ntype = \"webhook\"\nurl = \"https://elsewhere.example\"\n\
             secret = { file = \"/etc/nothing-there\" }\n",
            "alerts.channels",
        ),
    ] {
        let refused = put(more).is(422).json();
        assert_eq!(refused["type"], "urn:bellwether:problem:protected", "{refused}");
        assert_eq!(refused["keys"], json!([key]), "{refused}");
        assert_eq!(fs::read_to_string(&path).unwrap(), original);
    }
    put("[log]\nlevel = 7\n").is(422);
    put("lateness = \"1m\"\n").is(200);
    assert!(fs::read_to_string(&path).unwrap().contains("lateness"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "nobody else may read it now");
    }
    // What is in force is what was put there, not what somebody wrote into the file since.
    fs::write(&path, "[stream]\nlatency = \"90ms\"\n").unwrap();
    let shown = service.get("/api/v1/config", None).is(200).json();
    let shown = shown["toml"].as_str().unwrap();
    assert!(
        shown.contains("latency = \"20ms\"") && shown.contains("lateness = \"1m\""),
        "{shown}"
    );
    bellwether_testkit::peer::wait_until("the audit has who tried", || {
        let audit = service.get("/api/v1/audit?limit=100", None).is(200).text;
        audit.contains("would change alerts.channels") && audit.contains("\"configure\"")
    });
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

#[cfg(unix)]
#[test]
fn a_reload_that_cannot_be_done_changes_nothing() {
    let own = tempfile::tempdir().unwrap();
    let port = bellwether_testkit::peer::free_port();
    let push = |bytes: u32| {
        format!(
            "[[sources]]\ntype = \"http\"\nname = \"push\"\nlisten = \"127.0.0.1:{port}\"\nbody_bytes_max = {bytes}\n"
        )
    };
    let write = |text: String| fs::write(own.path().join("live.toml"), text).unwrap();
    write(push(100_000));
    let server = Logged::start(
        own.path(),
        "--auth none --config live.toml --listen 127.0.0.1:0",
        &[],
    );
    let reload = || {
        let pid = server.child.id().to_string();
        let told = std::process::Command::new("kill").args(["-HUP", &pid]).status();
        assert!(told.unwrap().success());
    };
    let is_there = || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
    bellwether_testkit::peer::wait_until("the source listens", is_there);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let other = taken.local_addr().unwrap();
    write(push(200_000) + &format!("[[sources]]\ntype = \"http\"\nname = \"other\"\nlisten = \"{other}\"\n"));
    reload();
    bellwether_testkit::peer::wait_until("the reload is refused", || {
        server.told().contains("the old configuration stays in force")
    });
    assert!(is_there(), "the source goes on");
    // The same address, exchanged.
    write(push(200_000));
    reload();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    bellwether_testkit::peer::wait_until("the new one is in force", || {
        let request = client.get(format!("{}/api/v1/config", server.url));
        let shown = runtime.block_on(async { request.send().await.unwrap().text().await.unwrap() });
        shown.contains("200000")
    });
    assert!(is_there());
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
    assert_eq!(
        refused["type"], "urn:bellwether:problem:unprocessable",
        "{refused}"
    );
    assert_eq!(
        fs::read_to_string(own.path().join("live.toml")).unwrap(),
        original
    );
    let audit = service.get("/api/v1/audit", None).is(200).json();
    let details: Vec<&Value> = audit["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["detail"])
        .collect();
    let want = [
        "stream.latency, stream.queue_len_max",
        "stream.latency",
        "stream.latency, stream.queue_len_max",
        "stream.latency",
    ];
    assert_eq!(details, want, "the audit says what was changed");
}

#[test]
fn a_change_keeps_what_people_wrote_and_never_undoes_that_of_another() {
    let own = tempfile::tempdir().unwrap();
    let path = own.path().join("live.toml");
    let original = "# why: the gateway is slow\n[stream]\nlatency = \"20ms\"\n";
    fs::write(&path, original).unwrap();
    let service = Service::start(own.path(), "--auth none --config live.toml");
    let put = |tag: &str, toml: &str| {
        let request = service.request("put", "/api/v1/config");
        let request = request
            .header("content-type", "text/plain")
            .header("if-match", tag);
        service.send(request.body(toml.to_owned()))
    };
    let tag = |answer: &service::Answer| answer.headers["etag"].to_str().unwrap().to_owned();
    let shown = service.get("/api/v1/config", None).is(200);
    let first = tag(&shown);
    assert_eq!(shown.json()["file"], original);
    let mine = original.replace("20ms", "30ms");
    let changed = put(&first, &mine).is(200);
    let second = tag(&changed);
    assert_ne!(first, second);
    assert_eq!(fs::read_to_string(&path).unwrap(), mine);
    // Another, who still looks at the file as it was.
    put(&first, original).is(412);
    assert_eq!(fs::read_to_string(&path).unwrap(), mine);
    put(&second, original).is(200);
}
