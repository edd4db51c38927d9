//! `bellwether serve` as a process, and somebody who asks it.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};

use bellwether_testkit::peer::wait_until;
use serde_json::Value;

use crate::shared::bellwether;

/// A server; killed when dropped.
pub(crate) struct Service {
    child: Child,
    pub(crate) url: String,
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
    log: Arc<Mutex<Vec<String>>>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Service {
    /// Starts `bellwether serve ARGS` in `folder` on a free port, and waits until it is ready. All that it keeps is in
    /// that folder.
    pub(crate) fn start(folder: &Path, args: &str) -> Self {
        Self::start_with(folder, args, &[])
    }

    /// The same, with the certificates of an authority that the client trusts.
    pub(crate) fn start_with(folder: &Path, args: &str, trusted: &[reqwest::Certificate]) -> Self {
        let line = format!("serve --listen 127.0.0.1:0 --database sqlite:live.db {args}");
        Self::run(folder, &line, trusted)
    }

    /// Starts a command that serves, and waits until it is ready.
    pub(crate) fn start_line(folder: &Path, line: &str) -> Self {
        Self::run(folder, line, &[])
    }

    fn run(folder: &Path, line: &str, trusted: &[reqwest::Certificate]) -> Self {
        let mut child = Command::new(assert_cmd::cargo::cargo_bin!("bellwether"))
            .current_dir(folder)
            .env("BELLWETHER_HOME", folder)
            .args(line.split_whitespace())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = child.stderr.take().unwrap();
        let (tell, told) = mpsc::channel();
        let log = Arc::<Mutex<Vec<String>>>::default();
        let lines = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some(url) = line.strip_prefix("listening on ") {
                    let _ = tell.send(url.to_owned());
                }
                eprintln!("serve: {line}");
                lines.lock().unwrap().push(line);
            }
        });
        let url = told.recv().expect("the server listens");
        // Only one provider is ever installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Between two requests nothing runs here: that a kept connection was closed would be seen by the next request
        // alone, which it would fail.
        let mut client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0);
        for certificate in trusted {
            client = client.add_root_certificate(certificate.clone());
        }
        let service = Self {
            child,
            url,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
            client: client.build().unwrap(),
            log,
        };
        wait_until("the server is ready", || {
            service.get("/health/ready", None).status == 200
        });
        service
    }

    /// Asks anything.
    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: Option<(&str, Vec<u8>)>,
    ) -> Answer {
        let method = method.to_uppercase().parse().unwrap();
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        if let Some((kind, body)) = body {
            request = request.header("content-type", kind).body(body);
        }
        self.send(request)
    }

    pub(crate) fn get(&self, path: &str, key: Option<&str>) -> Answer {
        self.ask("get", path, key, None)
    }

    pub(crate) fn post(&self, path: &str, key: Option<&str>, body: &Value) -> Answer {
        self.ask(
            "post",
            path,
            key,
            Some(("application/json", body.to_string().into_bytes())),
        )
    }

    /// A request to be filled in.
    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.to_uppercase().parse().unwrap();
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// Sends a request. Only the head is read of an answer that never ends.
    pub(crate) fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        self.runtime.block_on(async {
            let answer = request.send().await.unwrap();
            let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
            let kind = headers.get("content-type").and_then(|kind| kind.to_str().ok());
            let is_endless = kind.is_some_and(|kind| kind.starts_with("text/event-stream"));
            let text = if is_endless {
                String::new()
            } else {
                answer.text().await.unwrap()
            };
            Answer {
                status,
                headers,
                text,
            }
        })
    }

    /// What it has written to stderr.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, and says with which code it did.
    pub(crate) fn ends(self) -> Option<i32> {
        self.told("-TERM")
    }

    /// The same as by Ctrl-C.
    pub(crate) fn interrupted(self) -> Option<i32> {
        self.told("-INT")
    }

    fn told(mut self, signal: &str) -> Option<i32> {
        let asked = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status();
        assert!(asked.unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts the status.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

/// Makes a key for the server of that folder.
pub(crate) fn key(folder: &Path, role: &str) -> String {
    let line = format!("keys create --name the-{role} --role {role} --database sqlite:live.db");
    let ran = bellwether(folder, &line).ends(0);
    ran.stdout.trim().to_owned()
}
