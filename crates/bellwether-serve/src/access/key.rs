//! A key: a public part by which it is found, and a secret of which only a hash is kept.

use std::fmt;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use data_encoding::{BASE32_NOPAD, HEXLOWER};

/// What every key begins with, so that searches for leaked secrets find it.
const PREFIX: &str = "bw_";

/// Memory in KiB, passes and lanes of Argon2id: the least that OWASP recommends.
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);

/// A key: `bw_` and its id in 12 hexadecimal digits, `_` and 256 random bits in 52 letters and digits.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    id: String,
    secret: [u8; 32],
}

/// Without the secret.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The hash of a key is none that we made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the hash of the key {id} is damaged: {problem}; revoke the key and make another")]
pub struct DamagedHash {
    id: String,
    problem: String,
}

impl Key {
    /// A key that nobody can guess.
    pub fn random() -> Self {
        let (mut id, mut secret) = ([0; 6], [0; 32]);
        fill(&mut id);
        fill(&mut secret);
        Self {
            id: HEXLOWER.encode(&id),
            secret,
        }
    }

    /// The key that this text is; `None` where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let is_lower = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase();
        if id.len() != 12 || !secret.bytes().all(is_lower) {
            return None;
        }
        HEXLOWER.decode(id.as_bytes()).ok()?;
        let secret = BASE32_NOPAD.decode(secret.to_ascii_uppercase().as_bytes()).ok()?;
        Some(Self {
            id: id.to_owned(),
            secret: secret.try_into().ok()?,
        })
    }

    /// The part by which it is found. No secret.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// All of it, as its owner keeps it.
    pub fn reveal(&self) -> String {
        let secret = BASE32_NOPAD.encode(&self.secret).to_ascii_lowercase();
        format!("{PREFIX}{}_{secret}", self.id)
    }

    /// The hash of the secret, as PHC text. Takes tens of milliseconds.
    pub fn hash(&self) -> String {
        let mut salt = [0; 16];
        fill(&mut salt);
        let hash: PasswordHash = argon2()
            .hash_password_with_salt(&self.secret, &salt)
            .expect("secret and salt have the lengths that Argon2 wants");
        hash.to_string()
    }

    /// Whether this is the hash of its secret; takes as long where it is not. Tens of milliseconds.
    ///
    /// # Errors
    /// Where it is no hash.
    pub fn matches(&self, hash: &str) -> Result<bool, DamagedHash> {
        let parsed = PasswordHash::new(hash).map_err(|error| DamagedHash {
            id: self.id.clone(),
            problem: error.to_string(),
        })?;
        // Compared in constant time.
        Ok(argon2().verify_password(&self.secret, &parsed).is_ok())
    }
}

fn argon2() -> Argon2<'static> {
    let (memory, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, Some(32)).expect("within what Argon2 allows");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the system has random numbers");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_shown() {
        let key = Key::random();
        let text = key.reveal();
        assert_eq!(text.len(), 3 + 12 + 1 + 52);
        assert!(text.starts_with(&format!("bw_{}_", key.id())), "{text}");
        assert_eq!(Key::parse(&text), Some(key.clone()));
        assert_ne!(Key::random(), key);
        assert!(!format!("{key:?}").contains(&text[16..]), "{key:?}");
    }

    #[test]
    fn what_is_no_key_is_none() {
        let text = Key::random().reveal();
        let id = &text[..16];
        for wrong in [
            String::new(),
            "bw_".to_owned(),
            text.to_ascii_uppercase(),
            text[1..].to_owned(),
            text[..67].to_owned(),
            format!("{text}a"),
            format!(" {text}"),
            // Bits beyond the last byte.
            format!("{id}{}b", "a".repeat(51)),
            format!("{id}{}", "1".repeat(52)),
            format!("{id}{}", "é".repeat(26)),
            text.replacen('_', "-", 1),
            format!("bw_{}_{}", "g".repeat(12), &text[16..]),
        ] {
            assert_eq!(Key::parse(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_the_secret_itself_has_its_hash() {
        let key = Key::random();
        let hash = key.hash();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_eq!(key.matches(&hash), Ok(true));
        assert_ne!(hash, key.hash(), "salted");
        let other = Key {
            id: key.id.clone(),
            ..Key::random()
        };
        assert_eq!(other.matches(&hash), Ok(false));
        assert!(key.matches("$argon2id$nonsense").is_err());
    }
}
