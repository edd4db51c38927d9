//! An S3-compatible store: the server of Python's moto, which keeps objects in memory.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;

use crate::peer::{Peer, program, serving};

/// A server of its own on the loopback, with a bucket `models`. It takes any key.
#[derive(Debug)]
pub struct S3 {
    port: u16,
    _peer: Peer,
}

impl S3 {
    /// Starts one.
    ///
    /// `None`, with a line on stderr naming `test`, where moto is not installed.
    ///
    /// # Panics
    /// Where it cannot be started, or where it is not installed and `CI` is set.
    pub fn start(test: &str) -> Option<Self> {
        let server = program(test, "moto_server")?;
        let (peer, port) = serving(|port| {
            Peer::start(Command::new(&server).args(["-H", "127.0.0.1", "-p", &port.to_string()]))
        });
        let s3 = Self { port, _peer: peer };
        s3.make_bucket();
        Some(s3)
    }

    /// `http://127.0.0.1:PORT`
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn make_bucket(&self) {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("it takes connections");
        let request =
            "PUT /models HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).expect("it reads requests");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        assert!(answer.starts_with("HTTP/1.1 200"), "no bucket: {answer}");
    }
}
