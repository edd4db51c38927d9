//! Keys are made: for people at the command line and for the route alike.

use std::time::Duration;

use bellwether_core::time::Timestamp;
use bellwether_store::database::{Database, DatabaseError, NewKey};

use super::{Key, Permission, Role};

/// Characters of a name at most.
const NAME_LEN_MAX: usize = 100;

/// Names of those in the audit who have no key.
const RESERVED: [&str; 3] = ["local", "nobody", "first-start"];

/// A key is good for ten years at most, or until it is revoked.
const GOOD_FOR_MAX: Duration = Duration::from_secs(3660 * 86_400);

/// A key that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRequest {
    /// What it is for.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// What it may, of all that its role may; `None`: all of it.
    pub scopes: Option<Vec<Permission>>,
    /// How long it is good for; `None`: until it is revoked.
    pub expires_in: Option<Duration>,
    /// When it ends at the latest: with the key that makes it.
    pub expires_by: Option<Timestamp>,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The name says nothing, or too much.
    #[error("the name of a key has 1 to {NAME_LEN_MAX} characters on one line, and says what it is for")]
    Name,
    /// The name is one under which the audit tells of others.
    #[error("the audit calls others {0:?}; give the key another name")]
    Reserved(String),
    /// A key that may do nothing.
    #[error("a key without any scope may do nothing; leave the scopes out for all that the role may do")]
    NoScope,
    /// The role may not do what a scope says.
    #[error("the role {} does not have {}; it has {}", role.word(), scope.word(), words(role.permissions()))]
    Scope {
        /// The role.
        role: Role,
        /// What it may not do.
        scope: Permission,
    },
    /// Over at once, or good for too long.
    #[error(
        "a key is good for at least a second and at most ten years; leave the time out for one without end"
    )]
    Time,
    /// It cannot be written down.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl KeyRequest {
    /// All that the key may do.
    pub fn permissions(&self) -> &[Permission] {
        self.scopes.as_deref().unwrap_or_else(|| self.role.permissions())
    }

    /// Makes the key, on behalf of `by`. The key itself is nowhere but in the answer.
    ///
    /// # Errors
    /// Where something wrong is asked for, or the key cannot be written down.
    pub async fn issue(
        &self,
        database: &Database,
        by: &str,
        now: Timestamp,
    ) -> Result<(Key, NewKey), IssueError> {
        let name = self.name.trim();
        let is_plain = !name.chars().any(char::is_control);
        if name.is_empty() || name.chars().count() > NAME_LEN_MAX || !is_plain {
            return Err(IssueError::Name);
        }
        if RESERVED
            .iter()
            .any(|reserved| name.eq_ignore_ascii_case(reserved))
        {
            return Err(IssueError::Reserved(name.to_owned()));
        }
        if self.scopes.as_ref().is_some_and(Vec::is_empty) {
            return Err(IssueError::NoScope);
        }
        if let Some(&scope) = self.permissions().iter().find(|scope| !self.role.may(**scope)) {
            let role = self.role;
            return Err(IssueError::Scope { role, scope });
        }
        let good_for = Duration::from_secs(1)..=GOOD_FOR_MAX;
        if self.expires_in.is_some_and(|time| !good_for.contains(&time)) {
            return Err(IssueError::Time);
        }
        let scopes = self.scopes.as_ref().map(|scopes| {
            let asked = Permission::ALL.into_iter().filter(|scope| scopes.contains(scope));
            asked.map(|scope| scope.word().to_owned()).collect()
        });
        let key = Key::random();
        let hashed = key.clone();
        let hash = crate::beside::beside(move || hashed.hash()).await;
        let made = NewKey {
            id: key.id().to_owned(),
            name: name.to_owned(),
            role: self.role.word().to_owned(),
            scopes,
            hash: hash.expect("hashing does not panic"),
            created_at: now,
            created_by: by.to_owned(),
            expires_at: self
                .expires_in
                .map(|time| now.plus(time))
                .into_iter()
                .chain(self.expires_by)
                .min(),
        };
        database.create_key(&made).await?;
        Ok((key, made))
    }
}

fn words(permissions: &[Permission]) -> String {
    let words: Vec<&str> = permissions.iter().map(|permission| permission.word()).collect();
    words.join(", ")
}
