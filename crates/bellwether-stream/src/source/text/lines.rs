//! Bytes cut into lines.

use crate::source::MESSAGE_BYTES_MAX;

/// Bytes shown of a line that is too long.
const SHOWN_BYTES: usize = 4096;

/// Cuts chunks of bytes into lines of at most [`MESSAGE_BYTES_MAX`] bytes.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The beginning of a line whose end has not come.
    begun: Vec<u8>,
    /// How much of a line that is too long has been passed over.
    n_passed_over: usize,
}

/// A line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// All of it, with its line feed, if it has one.
    Whole(&'a [u8]),
    /// The beginning of a line that is too long.
    TooLong {
        /// Its first bytes.
        head: &'a [u8],
        /// How long it is.
        n_bytes: usize,
    },
}

impl Line<'_> {
    /// How many bytes it takes.
    pub(super) fn n_bytes(&self) -> usize {
        match self {
            Self::Whole(line) => line.len(),
            Self::TooLong { n_bytes, .. } => *n_bytes,
        }
    }
}

impl Lines {
    /// Gives each line that `chunk` completes.
    ///
    /// # Errors
    /// What `each` fails with; the rest of the chunk is lost then.
    pub(super) fn cut<E>(
        &mut self,
        chunk: &[u8],
        mut each: impl FnMut(Line<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        for piece in chunk.split_inclusive(|&byte| byte == b'\n') {
            let is_end = piece.ends_with(b"\n");
            if is_end && self.begun.is_empty() {
                // The usual case: the line lies within the chunk, whose length is bounded.
                each(Line::Whole(piece))?;
                continue;
            }
            self.keep(piece);
            if is_end {
                self.end(&mut each)?;
            }
        }
        Ok(())
    }

    /// Gives the last line, where it has no line feed.
    ///
    /// # Errors
    /// What `each` fails with.
    pub(super) fn end<E>(&mut self, mut each: impl FnMut(Line<'_>) -> Result<(), E>) -> Result<(), E> {
        let line = std::mem::take(&mut self.begun);
        let n_bytes = line.len() + std::mem::take(&mut self.n_passed_over);
        match n_bytes {
            0 => Ok(()),
            _ if n_bytes > MESSAGE_BYTES_MAX => each(Line::TooLong { head: &line, n_bytes }),
            _ => each(Line::Whole(&line)),
        }
    }

    fn keep(&mut self, piece: &[u8]) {
        let n_bytes = self.begun.len() + self.n_passed_over + piece.len();
        if n_bytes <= MESSAGE_BYTES_MAX {
            self.begun.extend_from_slice(piece);
            return;
        }
        self.begun
            .extend_from_slice(&piece[..piece.len().min(SHOWN_BYTES)]);
        self.begun.truncate(SHOWN_BYTES);
        self.n_passed_over = n_bytes - self.begun.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &[u8], chunk_len: usize) -> Vec<(usize, Vec<u8>)> {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        let mut each = |line: Line<'_>| -> Result<(), ()> {
            let bytes = match line {
                Line::Whole(bytes) => bytes,
                Line::TooLong { head, .. } => head,
            };
            found.push((line.n_bytes(), bytes.to_vec()));
            Ok(())
        };
        for chunk in text.chunks(chunk_len) {
            lines.cut(chunk, &mut each).unwrap();
        }
        lines.end(each).unwrap();
        found
    }

    #[test]
    fn lines_do_not_depend_on_the_chunks() {
        let text = b"a,b\r\n1,2\n\n3,4";
        for chunk_len in 1..=text.len() {
            let lines: Vec<_> = cut(text, chunk_len).into_iter().map(|(_, line)| line).collect();
            assert_eq!(lines, [&b"a,b\r\n"[..], b"1,2\n", b"\n", b"3,4"], "{chunk_len}");
        }
    }

    #[test]
    fn a_line_without_end_is_passed_over_and_the_next_is_read() {
        let mut text = vec![b'x'; 3 * MESSAGE_BYTES_MAX];
        text.extend_from_slice(b"\n1,2\n");
        let lines = cut(&text, 1 << 16);
        assert_eq!(lines[0], (3 * MESSAGE_BYTES_MAX + 1, vec![b'x'; SHOWN_BYTES]));
        assert_eq!(lines[1], (4, b"1,2\n".to_vec()));
    }
}
