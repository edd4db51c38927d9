//! Keys against the hashes in the database: slow for who guesses, fast for who is known.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bellwether_store::database::{Database, DatabaseError, StoredKey};
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

/// How long a key that was good is taken for good without looking at its row: as late as this it is noticed that
/// another process revoked it.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Keys that are looked through for one that makes others.
const KEYS_MAX: u32 = 10_000;

/// Keys remembered as good at most.
const GOOD_MAX: u64 = 10_000;

/// How long it is remembered that a key was revoked here: longer than one is taken for good without looking.
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

/// A key whose secret was right: it stays so for as long as the hash in its row is the same.
#[derive(Clone)]
struct Good {
    principal: Principal,
    hash: Arc<str>,
    looked: Instant,
}

/// Without the hash.
impl fmt::Debug for Good {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Good")
            .field("principal", &self.principal)
            .finish_non_exhaustive()
    }
}

impl Verifier {
    /// Looks keys up in this database. Takes tens of milliseconds.
    pub fn new(database: Database) -> Self {
        Self {
            database,
            turns: Arc::new(Semaphore::new(HASHED_AT_ONCE)),
            queue: Semaphore::new(WAITING_MAX),
            good: Cache::builder().max_capacity(GOOD_MAX).build(),
            revoked: Cache::builder().time_to_live(REVOKED_FOR).build(),
            attempts: Attempts::default(),
            nobody: Key::random().hash().into(),
        }
    }

    /// Who shows this key, at `now`.
    pub(super) async fn verify(&self, shown: &str, from: IpAddr, now: Instant) -> Result<Principal, Denied> {
        let digest = Sha256::digest(shown.as_bytes()).into();
        if let Some(principal) = self.remembered(&digest, now).await? {
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
        if let Some(principal) = self.remembered(&digest, now).await? {
            return Ok(principal);
        }
        self.attempts.admit(from, key.id())?;
        let stored = self.stored(key.id()).await?;
        let hash: Arc<str> = match &stored {
            Some(stored) => stored.key.hash.as_str().into(),
            None => Arc::clone(&self.nobody),
        };
        let known = Arc::clone(&hash);
        let (id, hashed) = (key.id().to_owned(), move || {
            let is_right = key.matches(&known);
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
                    hash,
                    looked: now,
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

    /// Who showed this key before, if it still is one. Costs a look at its row from time to time, and no hashing:
    /// however many wrong keys come from the same address, whoever is known stays in.
    async fn remembered(&self, digest: &[u8; 32], now: Instant) -> Result<Option<Principal>, Denied> {
        let Some(good) = self.good.get(digest) else {
            return Ok(None);
        };
        let id = good.principal.key_id.as_deref().unwrap_or_default();
        if good.principal.is_over(clock::now()) || self.revoked.contains_key(id) {
            self.good.invalidate(digest);
            return Ok(None);
        }
        if now.saturating_duration_since(good.looked) < LOOK_AGAIN {
            return Ok(Some(good.principal));
        }
        let stored = self.stored(id).await?;
        let stored = stored.filter(|stored| self.is_in_force(stored) && stored.key.hash == *good.hash);
        let Some(principal) = stored.as_ref().and_then(principal) else {
            self.good.invalidate(digest);
            return Ok(None);
        };
        self.note_use(id.to_owned());
        let good = Good {
            principal: principal.clone(),
            looked: now,
            ..good
        };
        self.good.insert(*digest, good);
        Ok(Some(principal))
    }

    async fn stored(&self, id: &str) -> Result<Option<StoredKey>, Denied> {
        self.database.key(id).await.map_err(unavailable)
    }

    fn is_in_force(&self, stored: &StoredKey) -> bool {
        let is_over = stored.key.expires_at.is_some_and(|end| clock::now() >= end);
        stored.revoked_at.is_none() && !is_over && !self.revoked.contains_key(&stored.key.id)
    }

    /// Nobody waits for that. It is done as often as the row is looked at, which is enough.
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
                Credentials::Key(key) => self.verify(&key, from, clock::instant()).await,
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

    fn is_first_start(&self) -> BoxFuture<'_, Result<bool, Denied>> {
        Box::pin(async {
            let stored = self.database.keys(KEYS_MAX).await.map_err(unavailable)?;
            let makes_keys = |stored: &StoredKey| {
                self.is_in_force(stored) && principal(stored).is_some_and(|who| who.may(Permission::Keys))
            };
            Ok(!stored.iter().any(makes_keys))
        })
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

fn unavailable(error: DatabaseError) -> Denied {
    tracing::warn!(error = %bellwether_stream::chain(&error), "keys cannot be looked up");
    Denied::Unavailable("keys cannot be looked up: the database does not answer".to_owned())
}

/// Whom a key stands for; `None` where its row has words that nobody writes there.
pub(crate) fn principal(stored: &StoredKey) -> Option<Principal> {
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
        expires_at: key.expires_at,
    })
}
