//! Handing a mail to an SMTP server.

use std::time::Duration;

use bellwether_store::disk::read_bounded;
use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;

use super::EmailSpec;
use crate::chain;
use crate::channel::http::is_this_machine;
use crate::channel::text::{cut, plain};
use crate::channel::{SendError, SpecProblem};

/// Bytes of a file of certificates.
const CA_BYTES_MAX: u64 = 1 << 20;
/// Characters of a server's answer that are told.
const ANSWER_CHARS_MAX: usize = 200;
/// How long a server may take over a goodbye; the mail is taken by then.
const GOODBYE: Duration = Duration::from_secs(1);

/// A server, and how it is spoken to.
pub(super) struct Server {
    host: String,
    port: u16,
    security: Security,
    tls: TlsParameters,
    login: Option<Credentials>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Security {
    /// STARTTLS where the server offers it.
    Offered,
    /// STARTTLS or nothing.
    Required,
    /// TLS from the first byte.
    Wrapped,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("security", &self.security)
            .finish_non_exhaustive()
    }
}

impl Server {
    pub(super) fn new(spec: &EmailSpec) -> Result<Self, SpecProblem> {
        let problem = |key, text: String| SpecProblem::at(&spec.name, key, text);
        let url = &spec.url;
        let (security, port) = match url.scheme() {
            "smtp" => (Security::Offered, 25),
            "smtp+starttls" => (Security::Required, 587),
            "smtps" => (Security::Wrapped, 465),
            _ => {
                let text = "it must begin with smtp://, smtp+starttls:// or smtps://";
                return Err(problem("url", text.to_owned()));
            }
        };
        let Some(host) = url.host_str().filter(|host| !host.is_empty()) else {
            return Err(problem("url", "it names no host".to_owned()));
        };
        if !url.username().is_empty() || url.password().is_some() {
            let text = "it holds a login: give username and password by their own keys";
            return Err(problem("url", text.to_owned()));
        }
        let login = match (&spec.username, &spec.password) {
            (Some(user), Some(password)) => {
                Some(Credentials::new(user.clone(), password.reveal().to_owned()))
            }
            (None, None) => None,
            (Some(_), None) => return Err(problem("password", "a username needs one".to_owned())),
            (None, Some(_)) => return Err(problem("username", "a password needs one".to_owned())),
        };
        let security = match security {
            Security::Offered if login.is_some() && !is_this_machine(host) => Security::Required,
            security => security,
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self {
            tls: tls(spec, &host, security)?,
            host,
            port: url.port().unwrap_or(port),
            security,
            login,
        })
    }

    /// Delivers to all; taken where the server took it for one of them at least.
    pub(super) async fn deliver(
        &self,
        from: &Address,
        to: &[Address],
        mail: &[u8],
        timeout: Duration,
    ) -> Result<(), SendError> {
        let delivered = tokio::time::timeout(timeout, async {
            let mut connection = self.connect(timeout).await?;
            let handed = self.hand_over(&mut connection, from, to, mail).await;
            Ok((connection, handed))
        });
        let late = |_| SendError::passing(format!("{} did not answer within {timeout:?}", self.place()));
        let (mut connection, handed) = delivered.await.map_err(late)??;
        // Whatever becomes of the goodbye, the mail has been taken or not.
        let _ = tokio::time::timeout(GOODBYE, connection.abort()).await;
        handed
    }

    async fn connect(&self, timeout: Duration) -> Result<AsyncSmtpConnection, SendError> {
        let wrapped = (self.security == Security::Wrapped).then(|| self.tls.clone());
        let (server, me) = ((self.host.as_str(), self.port), ClientId::default());
        let mut connection = AsyncSmtpConnection::connect_tokio1(server, Some(timeout), &me, wrapped, None)
            .await
            .map_err(|error| self.failed("cannot be reached", &error))?;
        if connection.can_starttls() {
            connection
                .starttls(self.tls.clone(), &me)
                .await
                .map_err(|error| self.failed("fails at STARTTLS", &error))?;
        }
        if !connection.is_encrypted() && self.security != Security::Offered {
            // Passing: a server that is being set up anew, or somebody in between, is no reason to drop an alert.
            let text = format!(
                "{} does not offer STARTTLS, and nothing is sent in the clear",
                self.place()
            );
            return Err(SendError::passing(text));
        }
        if let Some(login) = &self.login {
            connection
                .auth(&[Mechanism::Plain, Mechanism::Login], login)
                .await
                .map_err(|error| self.failed("refuses the login", &error))?;
        }
        Ok(connection)
    }

    async fn hand_over(
        &self,
        connection: &mut AsyncSmtpConnection,
        from: &Address,
        to: &[Address],
        mail: &[u8],
    ) -> Result<(), SendError> {
        let sender = Mail::new(Some(from.clone()), Vec::new());
        connection
            .command(sender)
            .await
            .map_err(|error| self.failed("refuses the sender", &error))?;
        let mut refusals = Vec::new();
        for to in to {
            if let Err(error) = connection.command(Rcpt::new(to.clone(), Vec::new())).await {
                let refusal = self.failed(&format!("refuses {to}"), &error);
                if error.status().is_none() {
                    return Err(refusal); // the connection is gone
                }
                refusals.push(refusal);
            }
        }
        if refusals.len() == to.len() {
            let is_passing = refusals.iter().any(|refusal| refusal.is_passing);
            let problems: Vec<_> = refusals.into_iter().map(|refusal| refusal.problem).collect();
            return Err(SendError {
                problem: problems.join("; "),
                is_passing,
            });
        }
        // One mailbox that is full must not keep the alert from everybody else.
        for refusal in refusals {
            tracing::warn!(problem = refusal.problem, "a recipient of a mail is left out");
        }
        let refused = |error: Error| self.failed("refuses the mail", &error);
        connection.command(Data).await.map_err(refused)?;
        connection.message(mail).await.map_err(refused)?;
        Ok(())
    }

    /// Only a reply of 500 and more is final.
    fn failed(&self, how: &str, error: &Error) -> SendError {
        SendError {
            problem: format!(
                "{} {how}: {}",
                self.place(),
                cut(&plain(&chain(error)), ANSWER_CHARS_MAX)
            ),
            is_passing: !error.is_permanent(),
        }
    }

    fn place(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

fn tls(spec: &EmailSpec, host: &str, security: Security) -> Result<TlsParameters, SpecProblem> {
    let problem = |text: String| SpecProblem::at(&spec.name, "ca_file", text);
    let mut tls = TlsParameters::builder(host.to_owned());
    if let Some(path) = &spec.ca_file {
        let pem = read_bounded(path, CA_BYTES_MAX).map_err(|error| problem(chain(&error)))?;
        let is_pem = pem.windows(11).any(|bytes| bytes == b"-----BEGIN ");
        let trusted = Certificate::from_pem(&pem).ok().filter(|_| is_pem);
        let trusted =
            trusted.ok_or_else(|| problem(format!("{}: no certificates in PEM", path.display())))?;
        tls = tls
            .certificate_store(CertificateStore::None)
            .add_root_certificate(trusted);
    } else if security == Security::Offered {
        // Whoever stands in between could as well hide the offer. So any certificate will do: it keeps listeners out
        // (RFC 7435), and relays on this machine have none that anybody has signed.
        tls = tls
            .dangerous_accept_invalid_certs(true)
            .dangerous_accept_invalid_hostnames(true);
    }
    tls.build()
        .map_err(|error| problem(format!("TLS cannot be set up: {}", chain(&error))))
}
