//! Mail by SMTP.

use std::time::Duration;

use url::Url;

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
    /// The password.
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
