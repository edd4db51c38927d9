//! Which signatures are asked for before a model is used.

use std::path::Path;

use super::{KeyError, PublicKey, Signature};
use crate::bundle::Sha256;

/// The keys that are trusted. Where there is none, nothing is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trust {
    keys: Vec<PublicKey>,
}

impl Trust {
    /// Trusts the keys in these files.
    ///
    /// # Errors
    /// Where one cannot be read or holds no key.
    pub fn read<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Result<Self, KeyError> {
        let keys = paths.into_iter().map(PublicKey::read);
        Ok(Self {
            keys: keys.collect::<Result<_, _>>()?,
        })
    }

    /// Whether a signature is asked for at all.
    pub fn asks(&self) -> bool {
        !self.keys.is_empty()
    }

    /// The trusted key that signed the bundle of that checksum; `None` where nothing is asked for.
    ///
    /// # Errors
    /// Where keys are trusted and none of them signed it.
    pub fn check(&self, bundle: &Sha256, signatures: &[Signature]) -> Result<Option<PublicKey>, Untrusted> {
        if !self.asks() {
            return Ok(None);
        }
        let by_trusted = signatures
            .iter()
            .filter(|signature| self.keys.contains(&signature.key));
        // A signature that is not of this bundle counts for nothing; another by the same key may.
        for signature in by_trusted.clone() {
            if signature.is_of(bundle) {
                return Ok(Some(signature.key));
            }
        }
        let ids = |keys: &mut dyn Iterator<Item = PublicKey>| {
            keys.map(|key| key.id()).collect::<Vec<_>>().join(", ")
        };
        let trusted = ids(&mut self.keys.iter().copied());
        Err(if by_trusted.count() > 0 {
            Untrusted::Forged { trusted }
        } else if signatures.is_empty() {
            Untrusted::Unsigned { trusted }
        } else {
            Untrusted::Others {
                by: ids(&mut signatures.iter().map(|signature| signature.key)),
                trusted,
            }
        })
    }
}

/// No trusted key signed a bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Untrusted {
    /// Nobody signed it.
    #[error(
        "it is not signed, and only what the keys {trusted} signed is trusted here; sign it: bellwether models sign REF \
         --key FILE"
    )]
    Unsigned {
        /// The ids of the trusted keys.
        trusted: String,
    },
    /// Others did.
    #[error("it is signed by {by}, and only what the keys {trusted} signed is trusted here")]
    Others {
        /// The ids of the keys that signed.
        by: String,
        /// The ids of the trusted keys.
        trusted: String,
    },
    /// The signature is of something else.
    #[error(
        "it carries a signature in the name of a trusted key ({trusted}) that is not of this bundle: do not use it"
    )]
    Forged {
        /// The ids of the trusted keys.
        trusted: String,
    },
}
