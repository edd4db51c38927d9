//! SHA-256 checksums, and the list of them that `sha256sum -c` reads.

use std::fmt;
use std::str::FromStr;

use sha2::Digest;

/// A SHA-256 checksum; prints as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// The checksum of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// The checksum of all that `hash` was fed.
    pub(crate) fn finish(hash: sha2::Sha256) -> Self {
        Self(hash.finalize().into())
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256({self})")
    }
}

/// A text is not 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 checksum is 64 hexadecimal digits")]
pub struct NotSha256;

impl FromStr for Sha256 {
    type Err = NotSha256;

    fn from_str(text: &str) -> Result<Self, NotSha256> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(NotSha256);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

fn digit(ascii: u8) -> Result<u8, NotSha256> {
    let value = char::from(ascii).to_digit(16).ok_or(NotSha256)?;
    u8::try_from(value).map_err(|_| NotSha256)
}

/// The list of checksums as `sha256sum` writes it: one line `<digits>  <name>` for each file.
pub(super) fn list<'a>(parts: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> String {
    parts
        .into_iter()
        .map(|(name, bytes)| format!("{}  {name}\n", Sha256::of(bytes)))
        .collect()
}

/// The checksum that a list gives for `name`; `None` where no line or more than one does, or it cannot be read.
pub(super) fn listed(list: &str, name: &str) -> Option<Sha256> {
    let mut of_name = list.lines().filter_map(|line| {
        let (digits, rest) = line.split_once(' ')?;
        // The second character is a space for text mode and a star for binary mode.
        (rest.strip_prefix([' ', '*'])? == name).then_some(digits)
    });
    let digits = of_name.next()?;
    if of_name.next().is_some() {
        return None;
    }
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The checksum of no bytes at all (FIPS 180-4 examples).
    const OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_checksum_prints_as_the_digits_it_is_read_from() {
        assert_eq!(Sha256::of(b"").to_string(), OF_NOTHING);
        assert_eq!(OF_NOTHING.to_uppercase().parse(), Ok(Sha256::of(b"")));
        for bad in [
            "",
            &OF_NOTHING[1..],
            &OF_NOTHING.replace('e', "g"),
            &"é".repeat(32),
        ] {
            assert_eq!(bad.parse::<Sha256>(), Err(NotSha256), "{bad}");
        }
    }

    #[test]
    fn a_list_is_read_as_sha256sum_reads_it() {
        let check = |list: &str, expect: Option<Sha256>| assert_eq!(listed(list, "a"), expect, "{list}");
        let nothing = Sha256::of(b"");
        check(&list([("a", &b""[..]), ("b", b"x")]), Some(nothing));
        check(&format!("{OF_NOTHING} *a\n"), Some(nothing));
        check(&format!("{OF_NOTHING}  b\n"), None);
        check(&format!("{OF_NOTHING} a\n"), None);
        check(&format!("{OF_NOTHING}  a\n").repeat(2), None);
        check("xyz  a\n", None);
    }
}
