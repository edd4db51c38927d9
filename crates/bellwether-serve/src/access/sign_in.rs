//! People sign in with a key, or once with a code, and are known by a cookie from then on.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bellwether_stream::clock;
use futures_util::future::BoxFuture;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

use super::{Authenticator, Credentials, Denied, Principal, Role};

/// How long a cookie is good for.
pub(crate) const GOOD_FOR: Duration = Duration::from_secs(12 * 3600);

/// How long the code of a first start is good for.
const CODE_GOOD_FOR: Duration = Duration::from_secs(3600);

/// People signed in at once at most; who signed in first is signed out first.
const SIGNED_IN_MAX: usize = 1000;

/// How often the key of somebody who is signed in is looked at again: it may have been revoked.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

type Hash = [u8; 32];

/// Asks nobody for a key: for a machine of one's own.
#[derive(Debug, Clone, Copy, Default)]
pub struct Everybody;

impl Authenticator for Everybody {
    fn authenticate(&self, _: Credentials, _: IpAddr) -> BoxFuture<'_, Result<Principal, Denied>> {
        Box::pin(std::future::ready(Ok(Principal::local())))
    }

    fn asks_for_keys(&self) -> bool {
        false
    }

    fn revoked(&self, _: &str) {}
}

/// People who are signed in. Cookies are kept as hashes, in memory: a restart signs everybody out.
#[derive(Debug, Default)]
pub struct SignIns(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    people: HashMap<Hash, Person>,
    code: Option<(Hash, Instant)>,
}

#[derive(Debug, Clone)]
struct Person {
    principal: Principal,
    since: Instant,
    looked: Instant,
}

/// Somebody who shows a cookie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// They are signed in.
    Here(Principal),
    /// They are, if their key is still good.
    LookAgain(Principal),
}

impl SignIns {
    /// Makes the code of a first start: whoever shows it is an admin, once.
    pub fn new_code(&self) -> String {
        let code = secret();
        self.inner().code = Some((hash(&code), clock::instant() + CODE_GOOD_FOR));
        code
    }

    /// Takes the code, once.
    pub fn take_code(&self, code: &str) -> Option<Principal> {
        let mut inner = self.inner();
        let (known, until) = inner.code?;
        if !bool::from(known.ct_eq(&hash(code))) || clock::instant() > until {
            return None;
        }
        inner.code = None;
        Some(Principal {
            name: "first-start".into(),
            key_id: None,
            role: Role::Admin,
            scopes: None,
        })
    }

    /// Lets somebody in; returns what their cookie holds.
    pub fn enter(&self, principal: Principal) -> String {
        let cookie = secret();
        let now = clock::instant();
        let mut inner = self.inner();
        inner
            .people
            .retain(|_, person| now.saturating_duration_since(person.since) < GOOD_FOR);
        if inner.people.len() >= SIGNED_IN_MAX {
            let first = inner.people.iter().min_by_key(|(_, person)| person.since);
            if let Some(first) = first.map(|(hash, _)| *hash) {
                inner.people.remove(&first);
            }
        }
        let person = Person {
            principal,
            since: now,
            looked: now,
        };
        inner.people.insert(hash(&cookie), person);
        cookie
    }

    /// Who shows this cookie.
    pub fn find(&self, cookie: &str) -> Option<Known> {
        let now = clock::instant();
        let inner = self.inner();
        let person = inner.people.get(&hash(cookie))?;
        if now.saturating_duration_since(person.since) >= GOOD_FOR {
            return None;
        }
        let principal = person.principal.clone();
        let is_recent = now.saturating_duration_since(person.looked) < LOOK_AGAIN;
        if principal.key_id.is_none() || is_recent {
            return Some(Known::Here(principal));
        }
        Some(Known::LookAgain(principal))
    }

    /// The key behind this cookie is still good.
    pub fn looked(&self, cookie: &str) {
        if let Some(person) = self.inner().people.get_mut(&hash(cookie)) {
            person.looked = clock::instant();
        }
    }

    /// Signs out who shows this cookie.
    pub fn leave(&self, cookie: &str) {
        self.inner().people.remove(&hash(cookie));
    }

    /// Signs out everybody who came with this key.
    pub fn leave_all(&self, key_id: &str) {
        let is_other = |_: &Hash, person: &mut Person| person.principal.key_id.as_deref() != Some(key_id);
        self.inner().people.retain(is_other);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keys for programs, cookies for people who showed one.
#[derive(Debug)]
pub struct Keyed<K> {
    keys: K,
    sign_ins: Arc<SignIns>,
}

/// Tells whether a key that was good still is.
pub trait KeyStanding: Authenticator {
    /// Whether the key is there, in force and not revoked.
    fn is_good<'a>(&'a self, key_id: &'a str) -> BoxFuture<'a, Result<bool, Denied>>;
}

impl<K: KeyStanding> Keyed<K> {
    /// Asks for keys of `keys`, and knows who is signed in.
    pub fn new(keys: K, sign_ins: Arc<SignIns>) -> Self {
        Self { keys, sign_ins }
    }

    async fn of_cookie(&self, cookie: &str) -> Result<Principal, Denied> {
        match self.sign_ins.find(cookie) {
            None => Err(Denied::Unknown),
            Some(Known::Here(principal)) => Ok(principal),
            Some(Known::LookAgain(principal)) => {
                let key_id = principal.key_id.as_deref().unwrap_or_default();
                if self.keys.is_good(key_id).await? {
                    self.sign_ins.looked(cookie);
                    Ok(principal)
                } else {
                    self.sign_ins.leave_all(key_id);
                    Err(Denied::Unknown)
                }
            }
        }
    }
}

impl<K: KeyStanding> Authenticator for Keyed<K> {
    fn authenticate(&self, shown: Credentials, from: IpAddr) -> BoxFuture<'_, Result<Principal, Denied>> {
        Box::pin(async move {
            match shown {
                Credentials::Cookie(cookie) => self.of_cookie(&cookie).await,
                Credentials::None => Err(Denied::Unknown),
                key @ Credentials::Key(_) => self.keys.authenticate(key, from).await,
            }
        })
    }

    fn asks_for_keys(&self) -> bool {
        true
    }

    fn revoked(&self, key_id: &str) {
        self.keys.revoked(key_id);
        self.sign_ins.leave_all(key_id);
    }
}

/// 256 random bits as text.
fn secret() -> String {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the system has random numbers");
    data_encoding::BASE64URL_NOPAD.encode(&bytes)
}

fn hash(text: &str) -> Hash {
    Sha256::digest(text.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_good_once() {
        let sign_ins = SignIns::default();
        let code = sign_ins.new_code();
        assert!(sign_ins.take_code("another").is_none());
        assert_eq!(sign_ins.take_code(&code).map(|who| who.role), Some(Role::Admin));
        assert!(sign_ins.take_code(&code).is_none());
    }

    #[test]
    fn a_cookie_is_good_until_its_owner_or_the_key_leaves() {
        let sign_ins = SignIns::default();
        let with_key = Principal {
            key_id: Some("k1".into()),
            ..Principal::local()
        };
        let (first, second) = (sign_ins.enter(with_key.clone()), sign_ins.enter(with_key.clone()));
        assert_eq!(sign_ins.find(&first), Some(Known::Here(with_key)));
        assert!(sign_ins.find("guessed").is_none());
        sign_ins.leave(&first);
        assert!(sign_ins.find(&first).is_none());
        sign_ins.leave_all("k1");
        assert!(sign_ins.find(&second).is_none());
    }
}
