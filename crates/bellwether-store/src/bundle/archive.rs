//! The zip archive around a bundle's parts: written bit for bit the same each time, read with suspicion.

use std::io::{Cursor, Read, Write};

use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipArchive, ZipWriter};

use super::{BundleError, FRAME_BYTES_MAX, Part, check_size};

/// The first bytes of an archive whose first entry starts at once.
const MAGIC: [u8; 4] = *b"PK\x03\x04";

/// An archive of these parts, in this order.
pub(super) fn pack(parts: [(Part, &[u8]); 3]) -> Result<Vec<u8>, BundleError> {
    // All that could differ between machines or moments is pinned: 1980-01-01 is the oldest time zip knows.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default())
        .system(System::Unix)
        .unix_permissions(0o644);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (part, bytes) in parts {
        writer
            .start_file(part.name(), options)
            .map_err(BundleError::Archive)?;
        writer
            .write_all(bytes)
            .map_err(|source| BundleError::Archive(ZipError::Io(source)))?;
    }
    let cursor = writer.finish().map_err(BundleError::Archive)?;
    Ok(cursor.into_inner())
}

/// The parts of an archive, not yet read.
pub(super) struct Parts<'a> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
    n_bytes: u64,
}

impl<'a> Parts<'a> {
    /// Reads the archive's frame, insisting that its two copies (local headers, directory) agree.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, BundleError> {
        if !bytes.starts_with(&MAGIC) {
            let found = bytes[..bytes.len().min(MAGIC.len())].to_vec();
            return Err(BundleError::NotABundle { found });
        }
        let config = zip::read::Config {
            archive_offset: zip::read::ArchiveOffset::Known(0),
        };
        let mut archive =
            ZipArchive::with_config(config, Cursor::new(bytes)).map_err(BundleError::Archive)?;
        archive
            .validate_header_consistency()
            .map_err(BundleError::Archive)?;
        Ok(Self {
            archive,
            n_bytes: bytes.len() as u64,
        })
    }

    /// The content of a part, checked against the archive's own checksum.
    pub(super) fn read(&mut self, part: Part) -> Result<Vec<u8>, BundleError> {
        let idx = self
            .archive
            .index_for_name(part.name())
            .ok_or(BundleError::Missing { part })?;
        let mut file = self.archive.by_index(idx).map_err(|error| match error {
            ZipError::CompressionMethodNotSupported(_) | ZipError::UnsupportedArchive(_) => {
                BundleError::NotStored { part }
            }
            other => BundleError::Archive(other),
        })?;
        check_size(part, file.size())?;
        if file.compression() != CompressionMethod::Stored || file.encrypted() {
            return Err(BundleError::NotStored { part });
        }
        let damaged = |source| BundleError::Damaged { part, source };
        let mut bytes = Vec::new();
        // Bounded by the size checked above, and in any case by the archive itself, since it is stored.
        let n_bytes = file.size();
        file.read_to_end(&mut bytes).map_err(damaged)?;
        if bytes.len() as u64 != n_bytes {
            let text = format!("it has {} bytes, the archive says {n_bytes}", bytes.len());
            return Err(damaged(std::io::Error::other(text)));
        }
        Ok(bytes)
    }

    /// Checks that the archive has no other entries and hides nothing between, before or behind them.
    pub(super) fn check_that_nothing_else_is_there(&self) -> Result<(), BundleError> {
        let mut n_bytes_of_parts = 0;
        for idx in 0..self.archive.len() {
            let entry = self.archive.by_index_data(idx).map_err(BundleError::Archive)?;
            if !Part::ALL
                .iter()
                .any(|part| part.name().as_bytes() == entry.name_raw())
            {
                let name = String::from_utf8_lossy(entry.name_raw())
                    .chars()
                    .take(80)
                    .collect();
                return Err(BundleError::Foreign { name });
            }
            n_bytes_of_parts += entry.compressed_size();
        }
        let rest = self.n_bytes.saturating_sub(n_bytes_of_parts);
        if rest > FRAME_BYTES_MAX {
            return Err(BundleError::Stowaway { bytes: rest });
        }
        Ok(())
    }
}
