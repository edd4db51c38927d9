//! People sign in with a key, or once with a code, and are known by a cookie from then on.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bellwether_stream::clock;
use futures_util::future::BoxFuture;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

use super::standing::Farewells;
use super::verifier::LOOK_AGAIN;
use super::{Authenticator, Credentials, Denied, Permission, Principal};

/// How long a cookie is good for.
pub(crate) const GOOD_FOR: Duration = Duration::from_secs(12 * 3600);

/// How long the code of a first start is good for.
const CODE_GOOD_FOR: Duration = Duration::from_secs(3600);

/// People signed in at once at most; who signed in first is signed out first.
const SIGNED_IN_MAX: usize = 1000;

/// Those of them with the same key at most: whoever signs in again and again signs nobody out but themselves.
const OF_KEY_MAX: usize = 50;

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
        Some(Principal::first_start())
    }

    /// There is a key that makes others: the first start is over. Whoever made it goes on with that key, so that they
    /// leave when it does; without it they are signed out.
    pub(super) fn end_first_start(&self, with: Option<&Principal>) {
        let mut inner = self.inner();
        inner.code = None;
        match with {
            Some(key) => {
                let without_key = |person: &&mut Person| person.principal.key_id.is_none();
                for person in inner.people.values_mut().filter(without_key) {
                    person.principal = key.clone();
                }
            }
            None => inner.people.retain(|_, person| person.principal.key_id.is_some()),
        }
    }

    /// Lets somebody in; returns what their cookie holds.
    pub fn enter(&self, principal: Principal) -> String {
        let cookie = secret();
        let now = clock::instant();
        let mut inner = self.inner();
        inner
            .people
            .retain(|_, person| now.saturating_duration_since(person.since) < GOOD_FOR);
        let first_of = |is_meant: &dyn Fn(&Person) -> bool| {
            let meant = inner.people.iter().filter(|(_, person)| is_meant(person));
            meant
                .min_by_key(|(_, person)| person.since)
                .map(|(hash, _)| *hash)
        };
        let same_key = |person: &Person| person.principal.key_id == principal.key_id;
        let n_same = inner.people.values().filter(|person| same_key(person)).count();
        let leaves = if n_same >= OF_KEY_MAX {
            first_of(&same_key)
        } else if inner.people.len() >= SIGNED_IN_MAX {
            first_of(&|_| true)
        } else {
            None
        };
        if let Some(first) = leaves {
            inner.people.remove(&first);
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
        if principal.is_over(clock::now()) {
            return None;
        }
        Some(match is_recent {
            true => Known::Here(principal),
            false => Known::LookAgain(principal),
        })
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
    keys: Arc<K>,
    sign_ins: Arc<SignIns>,
    farewells: Farewells,
}

/// Tells whether a key that was good still is.
pub trait KeyStanding: Authenticator {
    /// Whether the key is there, in force and not revoked.
    fn is_good<'a>(&'a self, key_id: &'a str) -> BoxFuture<'a, Result<bool, Denied>>;
}

impl<K: KeyStanding> Keyed<K> {
    /// Asks for keys of `keys`, and knows who is signed in.
    pub fn new(keys: K, sign_ins: Arc<SignIns>) -> Self {
        Self {
            keys: Arc::new(keys),
            sign_ins,
            farewells: Farewells::default(),
        }
    }

    async fn of_cookie(&self, cookie: &str) -> Result<Principal, Denied> {
        match self.sign_ins.find(cookie) {
            None => Err(Denied::Unknown),
            Some(Known::Here(principal)) => Ok(principal),
            Some(Known::LookAgain(principal)) => {
                if is_still_good(&*self.keys, &principal).await? {
                    self.sign_ins.looked(cookie);
                    return Ok(principal);
                }
                match &principal.key_id {
                    Some(key_id) => self.sign_ins.leave_all(key_id),
                    None => self.sign_ins.end_first_start(None),
                }
                Err(Denied::Unknown)
            }
        }
    }
}

/// Whether somebody who was let in still would be: their key is good, or they have none and nobody has one yet.
async fn is_still_good(keys: &impl KeyStanding, principal: &Principal) -> Result<bool, Denied> {
    match &principal.key_id {
        Some(key_id) => keys.is_good(key_id).await,
        None => keys.is_first_start().await,
    }
}

impl<K: KeyStanding + 'static> Authenticator for Keyed<K> {
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
        self.farewells.tell(Some(key_id));
    }

    fn made(&self, key: &Principal) {
        if key.may(Permission::Keys) {
            self.sign_ins.end_first_start(Some(key));
            self.farewells.tell(None);
        }
    }

    fn is_first_start(&self) -> BoxFuture<'_, Result<bool, Denied>> {
        self.keys.is_first_start()
    }

    fn over(&self, principal: &Principal) -> BoxFuture<'static, ()> {
        let (keys, principal) = (Arc::clone(&self.keys), principal.clone());
        let mut farewells = self.farewells.listen();
        Box::pin(async move {
            // Another process may have revoked it. A database that does not answer says nothing of that.
            while !principal.is_over(clock::now()) && is_still_good(&*keys, &principal).await != Ok(false) {
                let left = principal
                    .expires_at
                    .map_or(LOOK_AGAIN, |end| end.since(clock::now()));
                tokio::select! {
                    () = farewells.told(principal.key_id.as_deref()) => return,
                    () = tokio::time::sleep(left.min(LOOK_AGAIN)) => {}
                }
            }
        })
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
    use super::super::Role;
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
    fn a_first_start_ends_with_the_key_that_makes_others() {
        let sign_ins = SignIns::default();
        let code = sign_ins.new_code();
        let first = sign_ins.enter(sign_ins.take_code(&code).unwrap());
        let later = sign_ins.new_code();
        let key = Principal {
            key_id: Some("k1".into()),
            ..Principal::local()
        };
        sign_ins.end_first_start(Some(&key));
        assert!(sign_ins.take_code(&later).is_none());
        assert_eq!(
            sign_ins.find(&first),
            Some(Known::Here(key)),
            "they are known by the key"
        );
        sign_ins.leave_all("k1");
        assert!(sign_ins.find(&first).is_none());
        let second = sign_ins.enter(Principal::first_start());
        sign_ins.end_first_start(None);
        assert!(sign_ins.find(&second).is_none());
    }

    #[test]
    fn whoever_signs_in_again_and_again_signs_nobody_else_out() {
        let sign_ins = SignIns::default();
        let of = |key: &str| Principal {
            key_id: Some(key.into()),
            ..Principal::local()
        };
        let other = sign_ins.enter(of("other"));
        let cookies: Vec<String> = (0..2 * SIGNED_IN_MAX).map(|_| sign_ins.enter(of("k1"))).collect();
        assert!(sign_ins.find(&other).is_some());
        let n_in = cookies
            .iter()
            .filter(|cookie| sign_ins.find(cookie).is_some())
            .count();
        assert_eq!(n_in, OF_KEY_MAX);
        assert!(sign_ins.find(&cookies[cookies.len() - 1]).is_some());
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
