//! Mail by SMTP: `letter` writes it, `delivery` hands it to the server.

mod delivery;
mod letter;

use std::time::Duration;

use futures_util::future::BoxFuture;
use lettre::message::Mailbox;
use url::Url;

use self::delivery::Server;
use super::{Channel, SendError, SpecProblem};
use crate::alert::Notice;
use crate::secret::Secret;

/// Who mails whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailSpec {
    /// Its name.
    pub name: String,
    /// `smtp://host:25` (STARTTLS where offered), `smtp+starttls://host:587` (STARTTLS or nothing), `smtps://host:465`.
    pub url: Url,
    /// The user.
    pub username: Option<String>,
    /// The password. It is never sent in the clear, but to this machine itself: with a password, `smtp://` means
    /// STARTTLS or nothing, too.
    pub password: Option<Secret>,
    /// Certificates (PEM) to trust instead of the system's.
    pub ca_file: Option<std::path::PathBuf>,
    /// `bellwether@plant.example`.
    pub from: String,
    /// To whom.
    pub to: Vec<String>,
    /// How long one attempt may take.
    pub timeout: Duration,
}

/// Mails notices.
#[derive(Debug)]
pub struct EmailChannel {
    name: String,
    server: Server,
    from: Mailbox,
    to: Vec<Mailbox>,
    timeout: Duration,
}

impl EmailChannel {
    /// A channel that mails from and to these addresses; nothing is sent yet.
    ///
    /// # Errors
    /// [`SpecProblem`] where the server's address, a mail address, the certificates or the login cannot be used.
    pub fn new(spec: EmailSpec) -> Result<Self, SpecProblem> {
        let server = Server::new(&spec)?;
        if spec.timeout.is_zero() {
            return Err(SpecProblem::at(
                &spec.name,
                "timeout",
                "it must be longer than nothing",
            ));
        }
        if spec.to.is_empty() {
            return Err(SpecProblem::at(
                &spec.name,
                "to",
                "it names nobody: give an address",
            ));
        }
        let mailbox = |key, text: &str| mailbox(text).map_err(|text| SpecProblem::at(&spec.name, key, text));
        Ok(Self {
            from: mailbox("from", &spec.from)?,
            to: spec
                .to
                .iter()
                .map(|to| mailbox("to", to))
                .collect::<Result<_, _>>()?,
            name: spec.name,
            server,
            timeout: spec.timeout,
        })
    }

    async fn mail(&self, notice: &Notice) -> Result<(), SendError> {
        let letter = letter::write(notice, &self.from, &self.to);
        let letter =
            letter.map_err(|error| SendError::refused(format!("the mail cannot be written: {error}")))?;
        let to: Vec<_> = self.to.iter().map(|to| to.email.clone()).collect();
        self.server
            .deliver(&self.from.email, &to, &letter.formatted(), self.timeout)
            .await
    }
}

impl Channel for EmailChannel {
    fn name(&self) -> &str {
        &self.name
    }

    fn send<'a>(&'a self, notice: &'a Notice) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(self.mail(notice))
    }
}

/// `pump@plant.example`, `Pumps <pump@plant.example>`.
fn mailbox(text: &str) -> Result<Mailbox, String> {
    let mailbox: Mailbox = text
        .parse()
        .map_err(|error| format!("{text:?} is no mail address: {error}"))?;
    // Beyond ASCII a mail needs SMTPUTF8 on every server on its way.
    if mailbox.email.to_string().is_ascii() {
        Ok(mailbox)
    } else {
        Err(format!(
            "{text:?} has letters beyond ASCII: write the domain as xn--…"
        ))
    }
}

#[cfg(test)]
mod tests;
