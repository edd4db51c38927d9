//! Inputs that cannot be read line by line as they are written: binary formats, and what is packed.

use std::io::{Cursor, Read};
use std::path::Path;

use super::ReadOptions;
use super::error::ReadError;
use super::format::BINARY;
use super::source::{self, GZIP, Source, ZSTD};
use super::visit::{RowVisitor, visit_one};

/// Whether an input that begins with `head` is such; `None`: more of it must be seen.
pub fn is_whole(head: &[u8]) -> Option<bool> {
    let marks = BINARY.iter().map(|(mark, _, _)| *mark).chain([GZIP, ZSTD]);
    let mut is_open = false;
    for mark in marks {
        if head.starts_with(mark) {
            return Some(true);
        }
        is_open |= mark.starts_with(head);
    }
    (!is_open).then_some(false)
}

/// An input from its beginning, opened and unpacked.
pub struct Whole(Source);

impl std::fmt::Debug for Whole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Whole").field(&self.0.file).finish()
    }
}

impl Whole {
    /// The file as it stands.
    ///
    /// # Errors
    /// Where it cannot be read or unpacked.
    pub fn open(file: &Path) -> Result<Self, ReadError> {
        source::open(file).map(Self)
    }

    /// What `rest` brings behind `head`, called `file` in messages. What a format must be able to read at any place is
    /// kept: 64 MiB in memory, up to 1 GiB in a temporary file.
    ///
    /// # Errors
    /// Where it cannot be read or unpacked.
    pub fn of(file: &Path, head: Vec<u8>, rest: Box<dyn Read>) -> Result<Self, ReadError> {
        let is_packed = head.starts_with(GZIP) || head.starts_with(ZSTD);
        let bytes = Box::new(Cursor::new(head.clone()).chain(rest));
        if is_packed {
            return source::unpack(file, bytes, None).map(Self);
        }
        // The mark says what it is: nobody waits for more of a stream that may be slow.
        Ok(Self(Source {
            file: file.to_owned(),
            head,
            is_whole: false,
            n_bytes: None,
            bytes,
        }))
    }

    /// The bytes of what is text once it is unpacked: lines, which [`TableRows`](super::TableRows) and others read.
    /// Otherwise it comes back.
    pub fn into_text(self) -> Result<Box<dyn Read>, Self> {
        if is_whole(&self.0.head) == Some(true) {
            return Err(self);
        }
        Ok(self.0.bytes)
    }

    /// Hands over all rows; without a series column they are the series called `name`.
    ///
    /// # Errors
    /// As [`visit`](super::visit()).
    pub fn visit(
        self,
        name: &str,
        options: &ReadOptions,
        visitor: &mut dyn RowVisitor,
    ) -> Result<(), ReadError> {
        visit_one(self.0, name, options, visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_say_whether_lines_can_be_read() {
        let check = |head: &[u8], expect| assert_eq!(is_whole(head), expect, "{head:?}");
        check(b"", None);
        check(b"PA", None);
        check(b"PAR1", Some(true));
        check(b"PARTY,a\n", Some(false));
        check(b"ARROW", None);
        check(b"ARROW1\0\0", Some(true));
        check(b"\xff\xff", None);
        check(b"\xff\xff\xff\xff\x10", Some(true));
        check(b"\x1f", None);
        check(b"\x1f\x8b\x08", Some(true));
        check(b"\x28\xb5\x2f\xfd", Some(true));
        check(b"t,a\n", Some(false));
        check(b"{", Some(false));
    }
}
