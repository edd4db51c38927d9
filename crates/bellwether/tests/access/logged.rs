//! `bellwether serve` with its log in a file.

use std::fs;

/// `bellwether serve`, whose log goes to a file; killed when dropped.
pub(crate) struct Logged {
    pub(crate) child: std::process::Child,
    pub(crate) log: std::path::PathBuf,
    pub(crate) url: String,
}

impl Logged {
    pub(crate) fn start(own: &std::path::Path, args: &str, env: &[(&str, &str)]) -> Self {
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

    pub(crate) fn told(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn end(&mut self) {
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
