//! A connection that posts samples and reads answers: plain sockets, for a client library would cost more than the
//! server that is measured.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Longer than the server takes for anything.
const ANSWER_WAIT: Duration = Duration::from_secs(60);

/// Bytes of an answer at most.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// A connection that is kept alive.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    address: SocketAddr,
    answer: Vec<u8>,
}

/// What the server said.
#[derive(Debug)]
pub(crate) enum Answer {
    /// All is durable.
    Durable(Receipt),
    /// Nothing was taken: it is to be sent again.
    Refused,
}

/// What the server said to any request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said {
    /// The status.
    pub(crate) status: u16,
    /// The server closes the connection.
    pub(crate) is_last: bool,
    /// It had the answer already.
    pub(crate) is_hit: bool,
}

/// What became of the samples of a request.
#[derive(Debug, Clone, Copy, Default, serde::Deserialize)]
pub(crate) struct Receipt {
    /// Samples taken.
    pub(crate) accepted: u64,
    /// Samples of an instant that was taken already.
    pub(crate) duplicate: u64,
    /// Samples behind what is allowed.
    pub(crate) late: u64,
    /// Samples that cannot be judged.
    pub(crate) quarantined: u64,
}

impl Connection {
    /// Connects.
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("{address} takes no connection"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_WAIT))?;
        stream.set_write_timeout(Some(ANSWER_WAIT))?;
        Ok(Self {
            stream,
            address,
            answer: Vec::new(),
        })
    }

    /// Whether samples can be judged.
    pub(crate) fn is_ready(&mut self) -> Result<bool> {
        let head = format!("GET /health/ready HTTP/1.1\r\nHost: {}\r\n\r\n", self.address);
        self.stream.write_all(head.as_bytes())?;
        Ok(self.read()?.0 == 200)
    }

    /// Posts lines of JSON and waits for the answer.
    pub(crate) fn post(&mut self, body: &[u8]) -> Result<Answer> {
        let head = format!(
            "POST /api/v1/data/batch HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-ndjson\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        self.stream.write_all(head.as_bytes())?;
        self.stream.write_all(body)?;
        match self.read()? {
            (200, body) => Ok(Answer::Durable(
                serde_json::from_slice(body).context("the answer is no receipt")?,
            )),
            (429 | 503, _) => Ok(Answer::Refused),
            (status, body) => bail!("answered {status}: {}", String::from_utf8_lossy(body)),
        }
    }

    /// Posts anything and waits for the answer.
    pub(crate) fn ask(&mut self, path: &str, kind: &str, body: &[u8]) -> Result<Said> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        // A server that refuses may answer and close before it has read all.
        let written = self
            .stream
            .write_all(head.as_bytes())
            .and_then(|()| self.stream.write_all(body));
        let status = match (self.read(), written) {
            (Ok((status, _)), _) => status,
            (Err(error), Ok(())) => return Err(error),
            (Err(_), Err(error)) => return Err(error.into()),
        };
        let head = self
            .answer
            .windows(4)
            .position(|bytes| bytes == b"\r\n\r\n")
            .unwrap_or(0);
        let head = String::from_utf8_lossy(&self.answer[..head]).to_ascii_lowercase();
        Ok(Said {
            status,
            is_last: head.contains("connection: close"),
            is_hit: head.contains("x-cache: hit"),
        })
    }

    /// Status and body of the next answer.
    fn read(&mut self) -> Result<(u16, &[u8])> {
        self.answer.clear();
        let mut wanted = None;
        let mut buffer = [0; 16384];
        loop {
            if let Some((begin, len)) = wanted
                && self.answer.len() >= begin + len
            {
                let status = self
                    .answer
                    .get(9..12)
                    .and_then(|code| std::str::from_utf8(code).ok());
                let status = status.and_then(|code| code.parse().ok()).context("no status")?;
                return Ok((status, &self.answer[begin..begin + len]));
            }
            let n = self.stream.read(&mut buffer).context("no answer came")?;
            if n == 0 || self.answer.len() > ANSWER_BYTES_MAX {
                bail!("the answer broke off");
            }
            self.answer.extend_from_slice(&buffer[..n]);
            if wanted.is_none() {
                wanted = body_place(&self.answer)?;
            }
        }
    }
}

/// Where the body begins and how long it is, once all headers are there.
fn body_place(answer: &[u8]) -> Result<Option<(usize, usize)>> {
    let Some(end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let len = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .and_then(|len| len.trim().parse().ok())
        .context("the answer does not say how long it is")?;
    Ok(Some((end + 4, len)))
}
