//! Another configuration from afar: what may be changed, what is protected, and what becomes of the file.

use std::fs;

use serde_json::{Value, json};

use crate::logged::Logged;
use crate::service::{Answer, Service};

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
    let tag = |answer: &Answer| answer.headers["etag"].to_str().unwrap().to_owned();
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
