//! Bundles: one file per model version, holding all that scoring needs. Nothing in it can execute.
//!
//! A bundle is a zip archive of exactly three parts, each stored as it is (no compression, hence no decompression
//! bombs): `manifest.json`, `weights.safetensors` and `SHA256SUMS`, the list of checksums that
//! `unzip model.bellwether && sha256sum -c SHA256SUMS` verifies. Timestamps and modes are fixed, so equal contents
//! give equal bytes. Here both are bytes, but for the manifest's `format_version`; what it says is read and written
//! by [`manifest`]. Format version 2 brought detectors of several members, whose weights lie in one file
//! ([`join_weights`]); version 1, with one, is read for ever.

mod archive;
mod checksum;
pub mod manifest;
mod weights;

use std::fmt;
use std::path::{Path, PathBuf};

pub use checksum::{NotSha256, Sha256};
pub use weights::{MEMBERS_MAX, WeightsError, join_weights, split_weights};

use crate::disk::{self, DiskError};

/// Extension of bundle files, without the dot.
pub const EXTENSION: &str = "bellwether";

/// The newest `format_version` of a manifest that this version of bellwether reads, and the one that it writes.
pub const FORMAT_VERSION: u64 = 2;

/// Most bytes a bundle file may have: its parts at their largest and their names.
pub const FILE_BYTES_MAX: u64 =
    Part::Manifest.bytes_max() + Part::Weights.bytes_max() + Part::Sums.bytes_max() + FRAME_BYTES_MAX;

/// Most bytes of a bundle file that belong to no part: headers, names and the archive's directory.
const FRAME_BYTES_MAX: u64 = 4096;

/// One version of a model: what it is (JSON) and its weights (safetensors), both as bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Bundle {
    /// A JSON object with a `format_version`; at most 16 MiB.
    pub manifest: Vec<u8>,
    /// Named tensors in the safetensors format; at most 1 GiB.
    pub weights: Vec<u8>,
}

/// Sizes only: weights are megabytes.
impl fmt::Debug for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bundle")
            .field("manifest_bytes", &self.manifest.len())
            .field("weights_bytes", &self.weights.len())
            .finish()
    }
}

impl Bundle {
    /// The bundle as the bytes of its file; the same for equal bundles.
    ///
    /// # Errors
    /// Where [`from_bytes`](Self::from_bytes) would refuse the result: a part too large, a manifest without a
    /// `format_version` that this version of bellwether reads.
    pub fn to_bytes(&self) -> Result<Vec<u8>, BundleError> {
        check_size(Part::Manifest, self.manifest.len() as u64)?;
        check_size(Part::Weights, self.weights.len() as u64)?;
        format_version(&self.manifest)?;
        let sums = checksum::list([
            (Part::Manifest.name(), &self.manifest[..]),
            (Part::Weights.name(), &self.weights[..]),
        ]);
        archive::pack([
            (Part::Manifest, &self.manifest),
            (Part::Weights, &self.weights),
            (Part::Sums, sums.as_bytes()),
        ])
    }

    /// The bundle in these bytes.
    ///
    /// # Errors
    /// Where they are not a whole and unchanged bundle, saying which part is wrong and what to do.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BundleError> {
        let mut parts = archive::Parts::open(bytes)?;
        let manifest = parts.read(Part::Manifest)?;
        // Before anything else is judged: a newer format may have other parts.
        format_version(&manifest)?;
        parts.check_that_nothing_else_is_there()?;
        let weights = parts.read(Part::Weights)?;
        let sums = parts.read(Part::Sums)?;
        let sums = str::from_utf8(&sums).map_err(|_| BundleError::Sums { part: Part::Manifest })?;
        for (part, bytes) in [(Part::Manifest, &manifest), (Part::Weights, &weights)] {
            let want = checksum::listed(sums, part.name()).ok_or(BundleError::Sums { part })?;
            let got = Sha256::of(bytes);
            if got != want {
                return Err(BundleError::Checksum { part, want, got });
            }
        }
        Ok(Self { manifest, weights })
    }

    /// The bundle in a file.
    ///
    /// # Errors
    /// Where the file cannot be read or [`from_bytes`](Self::from_bytes) refuses it.
    pub fn read(path: &Path) -> Result<Self, BundleFileError> {
        let bytes = disk::read_bounded(path, FILE_BYTES_MAX)?;
        Self::from_bytes(&bytes).map_err(|source| BundleFileError::Bundle {
            path: path.to_path_buf(),
            source,
        })
    }

    /// Writes the bundle to a file, atomically, replacing one of that name.
    ///
    /// # Errors
    /// Where [`to_bytes`](Self::to_bytes) refuses it or the disk does; an old file is then untouched.
    pub fn write(&self, path: &Path) -> Result<(), BundleFileError> {
        let bytes = self.to_bytes().map_err(|source| BundleFileError::Bundle {
            path: path.to_path_buf(),
            source,
        })?;
        Ok(disk::write_atomic(path, &bytes)?)
    }
}

fn check_size(part: Part, bytes: u64) -> Result<(), BundleError> {
    let bytes_max = part.bytes_max();
    if bytes <= bytes_max {
        Ok(())
    } else {
        Err(BundleError::TooLarge {
            part,
            bytes,
            bytes_max,
        })
    }
}

/// The one thing known here of a manifest: a JSON object with a `format_version` that we read.
fn format_version(manifest: &[u8]) -> Result<u64, BundleError> {
    #[derive(serde::Deserialize)]
    struct Head {
        format_version: u64,
    }
    let head: Head = serde_json::from_slice(manifest).map_err(BundleError::Manifest)?;
    match head.format_version {
        known @ 1..=FORMAT_VERSION => Ok(known),
        0 => Err(BundleError::FormatZero),
        found => Err(BundleError::Newer { found }),
    }
}

/// A part of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What the model is: JSON.
    Manifest,
    /// Its weights: safetensors.
    Weights,
    /// The checksums of the other two.
    Sums,
}

impl Part {
    const ALL: [Self; 3] = [Self::Manifest, Self::Weights, Self::Sums];

    /// Name of the part in the archive.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Manifest => "manifest.json",
            Self::Weights => "weights.safetensors",
            Self::Sums => "SHA256SUMS",
        }
    }

    /// Most bytes the part may have.
    pub const fn bytes_max(self) -> u64 {
        match self {
            Self::Manifest => 16 << 20,
            Self::Weights => 1 << 30,
            Self::Sums => 4096,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Bytes are not a whole and unchanged bundle.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// Not even a zip archive.
    #[error(
        "not a bellwether bundle: a bundle starts with the bytes 50 4b 03 04, this with {}; \
         check that it is the file you meant",
        hex(found)
    )]
    NotABundle {
        /// Its first bytes, at most four.
        found: Vec<u8>,
    },
    /// The archive's frame (headers, directory) cannot be read or contradicts itself.
    #[error("the bundle's archive is cut short or damaged; copy the file again or restore it from a backup")]
    Archive(#[source] zip::result::ZipError),
    /// Bytes that belong to no part.
    #[error(
        "the bundle holds {bytes} bytes that belong to none of its parts; it was damaged or made by another \
         program: copy the file again or restore it from a backup"
    )]
    Stowaway {
        /// How many, headers included.
        bytes: u64,
    },
    /// A part is not there.
    #[error("the bundle has no {part}: it was not made by bellwether or was repacked; get the original file")]
    Missing {
        /// Which.
        part: Part,
    },
    /// A part that no bundle has.
    #[error(
        "the bundle holds {name:?}, which is no part of a bundle; it was not made by bellwether or was repacked: \
         get the original file"
    )]
    Foreign {
        /// Its name, cut after 80 characters.
        name: String,
    },
    /// A part is larger than allowed.
    #[error("{part} has {bytes} bytes, at most {bytes_max} are allowed; train a smaller network")]
    TooLarge {
        /// Which.
        part: Part,
        /// How large it is.
        bytes: u64,
        /// How large it may be.
        bytes_max: u64,
    },
    /// A part is compressed or encrypted.
    #[error(
        "{part} is compressed or encrypted, bundles store their parts as they are; get the original file"
    )]
    NotStored {
        /// Which.
        part: Part,
    },
    /// A part's content fails the archive's own check.
    #[error("{part} is damaged; copy the file again or restore it from a backup")]
    Damaged {
        /// Which.
        part: Part,
        /// What the archive said.
        #[source]
        source: std::io::Error,
    },
    /// `SHA256SUMS` has no readable line for a part.
    #[error("SHA256SUMS has not exactly one checksum for {part}; get the original file")]
    Sums {
        /// Which.
        part: Part,
    },
    /// A part's content is not what `SHA256SUMS` says.
    #[error(
        "{part} was changed: its SHA-256 is {got}, SHA256SUMS says {want}; copy the file again or restore it \
         from a backup"
    )]
    Checksum {
        /// Which.
        part: Part,
        /// As listed.
        want: Sha256,
        /// As computed.
        got: Sha256,
    },
    /// The manifest is not a JSON object with an integer `format_version`.
    #[error("manifest.json is not a JSON object with a whole number `format_version`; get the original file")]
    Manifest(#[source] serde_json::Error),
    /// There is no format version 0.
    #[error("manifest.json says format_version 0, formats count from 1; get the original file")]
    FormatZero,
    /// The bundle's format is not known yet to this version.
    #[error(
        "made by a newer bellwether: manifest.json has format_version {found}, this version reads up to \
         {FORMAT_VERSION}; update bellwether or export the model again with the older one"
    )]
    Newer {
        /// Its format version.
        found: u64,
    },
}

fn hex(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "nothing (it is empty)".to_owned();
    }
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.join(" ")
}

/// A bundle file cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleFileError {
    /// The disk says no.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Its content is not a bundle, or not one that may be written.
    #[error("cannot use the bundle {}", path.display())]
    Bundle {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: BundleError,
    },
}

#[cfg(test)]
mod tests;
