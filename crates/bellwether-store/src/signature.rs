//! Signatures of bundles: Ed25519 (RFC 8032) over the SHA-256 of a bundle's file, beside it and never in it.
//!
//! A bundle stays the same bytes whoever signs it. What is signed is the text `bellwether bundle\nsha256 <digits>\n`,
//! so that a signature of something else is never one of a bundle. Keys are PEM files as OpenSSL reads and writes them
//! (RFC 8410): `openssl pkey -in KEY -text`.

mod pem;
mod trust;

use std::fmt;
use std::path::{Path, PathBuf};

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

pub use trust::{Trust, Untrusted};

use crate::bundle::Sha256;
use crate::disk::{self, DiskError};

/// Most bytes of a key file, and of a file of signatures.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// Most signatures in a file.
const SIGNATURES_MAX: usize = 20;

/// A key that verifies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// What people call the key: the first 16 hexadecimal digits of the SHA-256 of its 32 bytes.
    pub fn id(&self) -> String {
        Sha256::of(&self.0).to_string()[..16].to_owned()
    }

    /// The key as a PEM file.
    pub fn to_pem(&self) -> String {
        pem::public(&self.0)
    }

    /// The key in a PEM file; that of the pair where the file holds a signing key.
    ///
    /// # Errors
    /// Where the file cannot be read or holds no Ed25519 key.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let text = read_text(path)?;
        let not_a_key = || KeyError::NotAKey {
            path: path.to_path_buf(),
        };
        match pem::read_public(&text) {
            Some(key) => Ok(Self(key)),
            None => Ok(SigningKey::from_text(&text).ok_or_else(not_a_key)?.public()),
        }
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// A key that signs. It never prints.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    seed: [u8; 32],
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(of {})", self.public())
    }
}

impl SigningKey {
    /// The key that these 32 bytes make: nobody may be able to guess them.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect("every 32 bytes are the seed of a key");
        Self { pair, seed }
    }

    /// The key in a PEM file.
    ///
    /// # Errors
    /// Where the file cannot be read or holds no Ed25519 key that signs.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let text = read_text(path)?;
        Self::from_text(&text).ok_or_else(|| match pem::read_public(&text) {
            Some(_) => KeyError::CannotSign {
                path: path.to_path_buf(),
            },
            None => KeyError::NotAKey {
                path: path.to_path_buf(),
            },
        })
    }

    fn from_text(text: &str) -> Option<Self> {
        pem::read_private(text).map(Self::from_seed)
    }

    /// The key as a PEM file, to be read by nobody else.
    pub fn to_pem(&self) -> String {
        pem::private(&self.seed)
    }

    /// Writes the key into a new file that only its owner may read, and its public half into `PATH.pub`, whose path it
    /// gives.
    ///
    /// # Errors
    /// Where one of the files is there already, or the disk refuses.
    pub fn create_files(&self, path: &Path) -> Result<PathBuf, KeyError> {
        let mut public = path.as_os_str().to_owned();
        public.push(".pub");
        let public = PathBuf::from(public);
        for path in [path, &public] {
            if path.exists() {
                let path = path.to_path_buf();
                return Err(KeyError::Exists { path });
            }
        }
        disk::create_private(path, self.to_pem().as_bytes())?;
        disk::write_atomic(&public, self.public().to_pem().as_bytes())?;
        Ok(public)
    }

    /// The key that verifies what this one signs.
    pub fn public(&self) -> PublicKey {
        let bytes = self.pair.public_key().as_ref();
        PublicKey(bytes.try_into().expect("an Ed25519 key has 32 bytes"))
    }

    /// Signs the bundle of that checksum.
    pub fn sign(&self, bundle: &Sha256) -> Signature {
        let bytes = self.pair.sign(message(bundle).as_bytes());
        Signature {
            key: self.public(),
            bytes: bytes
                .as_ref()
                .try_into()
                .expect("an Ed25519 signature has 64 bytes"),
        }
    }
}

/// What one key says of one bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Whose.
    pub key: PublicKey,
    /// The signature itself.
    pub bytes: [u8; 64],
}

impl Signature {
    /// Whether the key signed the bundle of that checksum.
    pub fn is_of(&self, bundle: &Sha256) -> bool {
        let key = UnparsedPublicKey::new(&ED25519, self.key.0);
        key.verify(message(bundle).as_bytes(), &self.bytes).is_ok()
    }
}

/// What is signed.
fn message(bundle: &Sha256) -> String {
    format!("bellwether bundle\nsha256 {bundle}\n")
}

/// A signature in JSON: 64 and 128 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignatureText {
    /// The public key.
    key: String,
    /// The signature.
    signature: String,
}

impl From<&Signature> for SignatureText {
    fn from(signature: &Signature) -> Self {
        let digits = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
        Self {
            key: digits(&signature.key.0),
            signature: digits(&signature.bytes),
        }
    }
}

impl TryFrom<&SignatureText> for Signature {
    type Error = SignatureTextError;

    fn try_from(text: &SignatureText) -> Result<Self, SignatureTextError> {
        Ok(Self {
            key: PublicKey(bytes(&text.key)?),
            bytes: bytes(&text.signature)?,
        })
    }
}

fn bytes<const N: usize>(digits: &str) -> Result<[u8; N], SignatureTextError> {
    let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(digits.as_bytes());
    let bytes = bytes.ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or(SignatureTextError { n_digits: 2 * N })
}

/// A text is no signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key of a signature has 64 hexadecimal digits, the signature 128; here {n_digits} were wanted")]
pub struct SignatureTextError {
    n_digits: usize,
}

/// The file of signatures beside a bundle file: `pump.bellwether.sig`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureFile {
    format_version: u64,
    /// Of the bundle file.
    sha256: String,
    signatures: Vec<SignatureText>,
}

/// Where the signatures of a bundle file lie.
pub fn beside(bundle: &Path) -> PathBuf {
    let mut path = bundle.as_os_str().to_owned();
    path.push(".sig");
    path.into()
}

/// The signatures beside a bundle file, none where there is no such file. Whether they are of it is not asked here.
///
/// # Errors
/// Where the file cannot be read or is not one of signatures.
pub fn read_beside(bundle: &Path) -> Result<Vec<Signature>, SignatureFileError> {
    let path = beside(bundle);
    let bytes = match disk::read_bounded(&path, FILE_BYTES_MAX) {
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        result => result?,
    };
    let damaged = |problem: String| SignatureFileError::Damaged {
        path: path.clone(),
        problem,
    };
    let file: SignatureFile = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    if file.format_version != 1 {
        return Err(SignatureFileError::Newer {
            path,
            found: file.format_version,
        });
    }
    if file.signatures.len() > SIGNATURES_MAX {
        return Err(damaged(format!("it holds more than {SIGNATURES_MAX} signatures")));
    }
    let signatures = file.signatures.iter().map(Signature::try_from);
    signatures
        .collect::<Result<_, _>>()
        .map_err(|error| damaged(error.to_string()))
}

/// Writes the signatures of a bundle beside its file.
///
/// # Errors
/// Where the disk refuses.
pub fn write_beside(bundle: &Path, sha256: &Sha256, signatures: &[Signature]) -> Result<(), DiskError> {
    let file = SignatureFile {
        format_version: 1,
        sha256: sha256.to_string(),
        signatures: signatures.iter().map(SignatureText::from).collect(),
    };
    let mut bytes = serde_json::to_vec_pretty(&file).expect("text always has a JSON form");
    bytes.push(b'\n');
    disk::write_atomic(&beside(bundle), &bytes)
}

fn read_text(path: &Path) -> Result<String, KeyError> {
    let bytes = disk::read_bounded(path, FILE_BYTES_MAX)?;
    String::from_utf8(bytes).map_err(|_| KeyError::NotAKey {
        path: path.to_path_buf(),
    })
}

/// A key file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// It cannot be read.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// It would be written over.
    #[error("{} is there already: a key is never written over; give another file", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// It holds something else.
    #[error(
        "{} holds no Ed25519 key in PEM form; make one: bellwether models keygen FILE",
        path.display()
    )]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// It holds a key that only verifies.
    #[error(
        "{} holds a public key, which verifies but cannot sign; give the file of the signing key",
        path.display()
    )]
    CannotSign {
        /// The file.
        path: PathBuf,
    },
}

/// A file of signatures cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureFileError {
    /// It cannot be read.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// It is not one.
    #[error(
        "{} is no file of signatures: {problem}; get the original file, or delete it where signatures do not matter",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Its format is not known yet to this version.
    #[error(
        "{} was made by a newer bellwether: format_version {found}, this version reads 1; update bellwether",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format version.
        found: u64,
    },
}

#[cfg(test)]
mod tests;
