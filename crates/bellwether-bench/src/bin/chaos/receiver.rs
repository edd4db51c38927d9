//! Where alerts are told: a small HTTP server that refuses now and then.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use serde_json::Value;

/// Alerts told so far: for each device and start the ids it was told under, with how often.
type Told = BTreeMap<(String, String), BTreeMap<String, usize>>;

/// The server; it listens as long as the program runs.
#[derive(Debug, Clone)]
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    told: Arc<Mutex<Told>>,
}

/// One request of so many is refused.
const REFUSED: usize = 7;

impl Receiver {
    pub(crate) fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let receiver = Self {
            address: listener.local_addr()?,
            told: Arc::default(),
        };
        let own = receiver.clone();
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                // A peer that is killed in the middle of a request is what this is about.
                let _ = stream
                    .map_err(Into::into)
                    .and_then(|stream| own.answer(stream, number % REFUSED == 0));
            }
        });
        Ok(receiver)
    }

    /// What was told.
    pub(crate) fn told(&self) -> Told {
        self.told.lock().map(|told| told.clone()).unwrap_or_default()
    }

    fn answer(&self, stream: TcpStream, refuse: bool) -> Result<()> {
        stream.set_read_timeout(Some(std::time::Duration::from_secs(5)))?;
        let mut reader = BufReader::new(&stream);
        let mut len = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                len = text.trim().parse()?;
            }
        }
        let mut body = vec![0; len];
        reader.read_exact(&mut body)?;
        let status = if refuse {
            "500 Internal Server Error"
        } else {
            "200 OK"
        };
        if !refuse {
            self.take(&serde_json::from_slice(&body)?)?;
        }
        write!(
            &stream,
            "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )?;
        Ok(())
    }

    fn take(&self, message: &Value) -> Result<()> {
        let mut told = self
            .told
            .lock()
            .map_err(|_| anyhow::anyhow!("another thread has failed"))?;
        for alert in message["alerts"].as_array().context("alerts")? {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let key = (text(&alert["labels"]["device"]), text(&alert["startsAt"]));
            *told
                .entry(key)
                .or_default()
                .entry(text(&alert["labels"]["alert"]))
                .or_default() += 1;
        }
        Ok(())
    }
}
