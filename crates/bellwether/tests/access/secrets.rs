//! What must stand nowhere: keys, passwords, addresses with tokens.

use std::fs;

use serde_json::Value;

use crate::logged::Logged;
use crate::service::key;

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
