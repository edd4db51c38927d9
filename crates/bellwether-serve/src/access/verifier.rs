//! Keys against the hashes in the database: slow for who guesses, fast for who is known.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bellwether_core::time::Timestamp;
use bellwether_store::database::{Database, StoredKey};
use bellwether_stream::clock;
use futures_util::future::BoxFuture;
use moka::sync::Cache;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use super::attempts::Attempts;
use super::{Authenticator, Credentials, Denied, Key, KeyStanding, Permission, Principal, Role};

/// Secrets hashed at once: each takes 19 MiB and tens of milliseconds of a processor.
const HASHED_AT_ONCE: usize = 2;

/// Requests that wait to be hashed at most.
const WAITING_MAX: usize = 64;

/// How long a key that was good is taken for good without looking: as late as this it is noticed that another process
/// revoked it.
const GOOD_FOR: Duration = Duration::from_secs(60);

/// Keys remembered as good at most.
const GOOD_MAX: u64 = 10_000;

/// How long it is remembered that a key was revoked here: longer than one can be remembered as good.
const REVOKED_FOR: Duration = Duration::from_secs(600);

/// Looks keys up.
#[derive(Debug)]
pub struct Verifier {
    database: Database,
    turns: Arc<Semaphore>,
    queue: Semaphore,
    /// By SHA-256 of the key as it was shown.
    good: Cache<[u8; 32], Good>,
    revoked: Cache<String, ()>,
    attempts: Attempts,
    /// What is compared with where there is no key of that id.
    nobody: Arc<str>,
}

/// A key that was good a moment ago.
#[derive(Debug, Clone)]
struct Good {
    principal: Principal,
    expires_at: Option<Timestamp>,
}

impl Verifier {
    /// Looks keys up in this database. Takes tens of milliseconds.
    pub fn new(database: Database) -> Self {
        Self {
            database,
            turns: Arc::new(Semaphore::new(HASHED_AT_ONCE)),
            queue: Semaphore::new(WAITING_MAX),
            good: Cache::builder()
                .max_capacity(GOOD_MAX)
                .time_to_live(GOOD_FOR)
                .build(),
            revoked: Cache::builder().time_to_live(REVOKED_FOR).build(),
            attempts: Attempts::default(),
            nobody: Key::random().hash().into(),
        }
    }

    async fn verify(&self, shown: &str, from: IpAddr) -> Result<Principal, Denied> {
        let digest = Sha256::digest(shown.as_bytes()).into();
        if let Some(principal) = self.remembered(&digest) {
            return Ok(principal);
        }
        let Some(key) = Key::parse(shown) else {
            self.attempts.admit(from, "")?;
            self.attempts.failed(from, "");
            return Err(Denied::Unknown);
        };
        self.attempts.admit(from, key.id())?;
        let Ok(_place) = self.queue.try_acquire() else {
            return Err(Denied::Unavailable(
                "too many keys are being looked at".to_owned(),
            ));
        };
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|_| Denied::Unavailable("the server stops".to_owned()))?;
        // Others may have shown the same while this one waited.
        if let Some(principal) = self.remembered(&digest) {
            return Ok(principal);
        }
        self.attempts.admit(from, key.id())?;
        let stored = self.stored(key.id()).await?;
        let hash: Arc<str> = match &stored {
            Some(stored) => stored.key.hash.as_str().into(),
            None => Arc::clone(&self.nobody),
        };
        let (id, hashed) = (key.id().to_owned(), move || {
            let is_right = key.matches(&hash);
            // Also where nobody waits for the answer any more, the turn ends with the work.
            drop(turn);
            is_right
        });
        let is_right = match crate::beside::beside(hashed).await {
            Ok(Ok(is_right)) => is_right,
            Ok(Err(damaged)) => {
                tracing::error!(error = %damaged, "a key cannot be used");
                false
            }
            Err(error) => {
                tracing::error!(%error, "a key could not be looked at");
                return Err(Denied::Unavailable("keys cannot be looked at now".to_owned()));
            }
        };
        let stored = stored.filter(|stored| is_right && self.is_in_force(stored));
        match stored.as_ref().and_then(principal) {
            Some(principal) => {
                let good = Good {
                    principal: principal.clone(),
                    expires_at: stored.and_then(|stored| stored.key.expires_at),
                };
                self.good.insert(digest, good);
                self.note_use(id);
                Ok(principal)
            }
            None => {
                self.attempts.failed(from, &id);
                Err(Denied::Unknown)
            }
        }
    }

    fn remembered(&self, digest: &[u8; 32]) -> Option<Principal> {
        let good = self.good.get(digest)?;
        let id = good.principal.key_id.as_deref().unwrap_or_default();
        let is_over = good.expires_at.is_some_and(|end| clock::now() >= end);
        (!is_over && !self.revoked.contains_key(id)).then_some(good.principal)
    }

    async fn stored(&self, id: &str) -> Result<Option<StoredKey>, Denied> {
        self.database.key(id).await.map_err(|error| {
            tracing::warn!(error = %bellwether_stream::chain(&error), "a key cannot be looked up");
            Denied::Unavailable("keys cannot be looked up: the database does not answer".to_owned())
        })
    }

    fn is_in_force(&self, stored: &StoredKey) -> bool {
        let is_over = stored.key.expires_at.is_some_and(|end| clock::now() >= end);
        stored.revoked_at.is_none() && !is_over && !self.revoked.contains_key(&stored.key.id)
    }

    /// Nobody waits for that. A key is remembered as good for as long as one note is enough.
    fn note_use(&self, id: String) {
        let database = self.database.clone();
        tokio::spawn(async move {
            if let Err(error) = database.touch_key(&id, clock::now()).await {
                tracing::warn!(error = %bellwether_stream::chain(&error), "the use of a key is not noted");
            }
        });
    }
}

impl Authenticator for Verifier {
    fn authenticate(&self, shown: Credentials, from: IpAddr) -> BoxFuture<'_, Result<Principal, Denied>> {
        Box::pin(async move {
            match shown {
                Credentials::Key(key) => self.verify(&key, from).await,
                Credentials::Cookie(_) | Credentials::None => Err(Denied::Unknown),
            }
        })
    }

    fn asks_for_keys(&self) -> bool {
        true
    }

    fn revoked(&self, key_id: &str) {
        self.revoked.insert(key_id.to_owned(), ());
    }
}

impl KeyStanding for Verifier {
    fn is_good<'a>(&'a self, key_id: &'a str) -> BoxFuture<'a, Result<bool, Denied>> {
        Box::pin(async move {
            let stored = self.stored(key_id).await?;
            Ok(stored.is_some_and(|stored| self.is_in_force(&stored)))
        })
    }
}

/// Whom a key stands for; `None` where its row has words that nobody writes there.
fn principal(stored: &StoredKey) -> Option<Principal> {
    let key = &stored.key;
    let scopes = key.scopes.as_ref().map(|scopes| {
        let permissions = scopes.iter().map(|word| Permission::from_word(word));
        permissions.collect::<Option<Arc<[Permission]>>>()
    });
    let known = Role::from_word(&key.role).zip(scopes.map_or(Some(None), |scopes| scopes.map(Some)));
    let Some((role, scopes)) = known else {
        tracing::error!(
            id = key.id,
            "a key has a role or a scope that is not known: it lets nobody in"
        );
        return None;
    };
    Some(Principal {
        name: key.name.as_str().into(),
        key_id: Some(key.id.as_str().into()),
        role,
        scopes,
    })
}
