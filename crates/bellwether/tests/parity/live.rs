//! The program under way, as a child of the test.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use bellwether_testkit::peer::wait_until;

/// The live system as a process, ready to take samples.
pub(crate) struct Live(Child);

impl Live {
    pub(crate) fn start(folder: &Path, line: &str, address: &str) -> Self {
        let child = Command::new(assert_cmd::cargo::cargo_bin!("bellwether"))
            .current_dir(folder)
            .args(line.split_whitespace())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut live = Self(child);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let client = client();
        let url: Arc<str> = format!("{address}/health/ready").into();
        wait_until("the live system is ready", || {
            assert!(live.0.try_wait().unwrap().is_none(), "it ended by itself");
            let asked = client.get(&*url).send();
            runtime.block_on(async { asked.await.is_ok_and(|answer| answer.status() == 200) })
        });
        live
    }

    /// Sends a signal: `-HUP`, `-TERM`.
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([signal, &self.0.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end and says the exit code.
    pub(crate) fn ends(mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }

    /// As when the power goes.
    pub(super) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn client() -> reqwest::Client {
    // Only one provider is ever installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}
