//! Output that is packed as its name says.

use std::io::{self, Write};
use std::path::Path;

use flate2::write::GzEncoder;

use super::{AtomicFile, WriteError};

/// How a file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    Plain,
    /// As gzip.
    Gzip,
    /// As zstd.
    Zstd,
}

impl Packing {
    /// The packing that the ending of `path` names, `.gz` or `.zst`, and the path without it.
    pub fn of_path(path: &Path) -> (Self, &Path) {
        let packing = match path.extension().and_then(|ending| ending.to_str()) {
            Some(ending) if ending.eq_ignore_ascii_case("gz") => Self::Gzip,
            Some(ending) if ending.eq_ignore_ascii_case("zst") => Self::Zstd,
            _ => return (Self::Plain, path),
        };
        let stem = path.file_stem().map_or(path, Path::new);
        (packing, stem)
    }
}

/// Packs what is written to it.
pub struct Packed<W: Write>(Form<W>);

enum Form<W: Write> {
    Plain(W),
    Gzip(Box<GzEncoder<W>>),
    Zstd(zstd::stream::write::Encoder<'static, W>),
}

impl<W: Write> std::fmt::Debug for Packed<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match &self.0 {
            Form::Plain(_) => "Plain",
            Form::Gzip(_) => "Gzip",
            Form::Zstd(_) => "Zstd",
        };
        f.debug_tuple("Packed").field(&name).finish()
    }
}

impl<W: Write> Packed<W> {
    /// Begins on `out`.
    ///
    /// # Errors
    /// Where the packing cannot begin.
    pub fn new(out: W, packing: Packing) -> io::Result<Self> {
        Ok(Self(match packing {
            Packing::Plain => Form::Plain(out),
            Packing::Gzip => Form::Gzip(Box::new(GzEncoder::new(out, flate2::Compression::default()))),
            Packing::Zstd => Form::Zstd(zstd::stream::write::Encoder::new(out, 0)?),
        }))
    }

    /// Ends the packing and gives the output back.
    ///
    /// # Errors
    /// Where the output fails.
    pub fn finish(self) -> io::Result<W> {
        match self.0 {
            Form::Plain(out) => Ok(out),
            Form::Gzip(gzip) => gzip.finish(),
            Form::Zstd(zstd) => zstd.finish(),
        }
    }
}

impl Packed<AtomicFile> {
    /// Ends the packing and puts the file in its place.
    ///
    /// # Errors
    /// Where a step fails; what stood at the path before is then untouched.
    pub fn commit(self) -> Result<(), WriteError> {
        let file = self.finish().map_err(WriteError::Table)?;
        Ok(file.commit()?)
    }
}

impl<W: Write> Write for Packed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Form::Plain(out) => out.write(bytes),
            Form::Gzip(gzip) => gzip.write(bytes),
            Form::Zstd(zstd) => zstd.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Form::Plain(out) => out.flush(),
            Form::Gzip(gzip) => gzip.flush(),
            Form::Zstd(zstd) => zstd.flush(),
        }
    }
}
