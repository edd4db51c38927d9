//! One cell as a number: exact, without allocation, and clear about what is not one.

/// Powers of ten, all of which a double holds exactly.
const EXACT_POWERS: [f64; 16] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];

/// Bytes of a number that are looked at in one go.
const WORD_BYTES: usize = 8;

/// What a cell of a channel says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell {
    /// A finite number.
    Value(f64),
    /// Nothing was measured.
    Missing,
    /// A number too large for a double, or written as infinite.
    Infinite,
    /// A number with a comma inside.
    DecimalComma,
    /// Something else.
    Text,
}

/// Reads cells; knows the caller's own markers of missing values.
#[derive(Debug, Clone, Default)]
pub struct Numbers {
    markers: Vec<Box<[u8]>>,
}

impl Numbers {
    /// `markers` stand for a missing value beside the usual ones, even where they look like numbers (`-999`).
    pub fn new(markers: &[String]) -> Self {
        Self {
            markers: markers
                .iter()
                .map(|marker| marker.trim().as_bytes().into())
                .collect(),
        }
    }

    /// Whether the caller has markers.
    pub(super) fn has_markers(&self) -> bool {
        !self.markers.is_empty()
    }

    /// Whether the number `value`, which was never text, is a marker: `-999` is, however it is written.
    pub(super) fn marks(&self, value: f64) -> bool {
        let number = |marker: &[u8]| std::str::from_utf8(marker).ok()?.parse::<f64>().ok();
        let mut markers = self.markers.iter().filter_map(|marker| number(marker));
        markers.any(|marker| marker.total_cmp(&value).is_eq())
    }

    /// What `cell` says.
    #[inline]
    pub fn read(&self, cell: &[u8]) -> Cell {
        self.read_in(cell, 0, cell.len())
    }

    /// What the cell says that is the part of `text` from `start` to `end`: faster where there is text before it.
    #[inline]
    pub(super) fn read_in(&self, text: &[u8], start: usize, end: usize) -> Cell {
        let cell = &text[start..end];
        if self.markers.is_empty() {
            let is_negative = cell.first() == Some(&b'-');
            let n_bytes = cell.len() - usize::from(is_negative);
            let value = match text[..end].last_chunk::<WORD_BYTES>() {
                Some(word) if n_bytes <= WORD_BYTES => short_decimal(*word, n_bytes),
                _ => plain_decimal(&cell[cell.len() - n_bytes..]),
            };
            if let Some(value) = value {
                let sign = u64::from(is_negative) << 63;
                return Cell::Value(f64::from_bits(value.to_bits() | sign));
            }
        }
        self.read_other(cell)
    }

    /// Whatever is not a number in plain notation, and all cells where there are markers.
    #[cold]
    #[inline(never)]
    fn read_other(&self, cell: &[u8]) -> Cell {
        if self.markers.iter().any(|marker| **marker == *cell.trim_ascii()) {
            return Cell::Missing;
        }
        any_cell(cell)
    }
}

/// A number in plain notation without a sign (`12.75`) of at most fifteen digits.
///
/// Its digits make a whole number below 10^15, which a double holds exactly, as it does the power of ten; IEEE
/// division rounds once, so the quotient is the double nearest to the decimal: the bits of `str::parse`
/// (Clinger, "How to read floating point numbers accurately", 1990). Anything else is `None`.
#[inline(never)]
fn plain_decimal(digits: &[u8]) -> Option<f64> {
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    let mut whole = 0_u64;
    let mut point = None;
    for (idx, &byte) in digits.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            whole = whole * 10 + u64::from(digit);
        } else if byte == b'.' && point.is_none() {
            point = Some(idx);
        } else {
            return None;
        }
    }
    let n_digits = digits.len() - usize::from(point.is_some());
    if n_digits == 0 || n_digits > 15 {
        return None;
    }
    let n_decimals = point.map_or(0, |idx| digits.len() - 1 - idx);
    Some(whole as f64 / EXACT_POWERS[n_decimals])
}

/// The same for the last `n_bytes` of `word`, at most all.
///
/// All bytes are looked at together, as one integer whose highest byte is the last: without a loop there is little that
/// a processor could guess wrong.
#[inline]
fn short_decimal(word: [u8; WORD_BYTES], n_bytes: usize) -> Option<f64> {
    const EACH: u64 = u64::from_le_bytes([1; WORD_BYTES]);
    if n_bytes == 0 {
        return None;
    }
    // Digits become their values, and what stands before the number becomes digits of nought.
    let bytes = (u64::from_le_bytes(word) ^ (EACH * 0x30)) & (u64::MAX << (8 * (WORD_BYTES - n_bytes)));
    // The highest bit of each byte that is no digit: those above 9 reach it, or have it.
    let others = (((bytes & (EACH * 0x7f)) + EACH * 0x76) | bytes) & (EACH * 0x80);
    let (digits, n_decimals) = if others == 0 {
        (bytes, 0)
    } else {
        let at = others.trailing_zeros() & !7; // bits below that byte
        if others & (others - 1) != 0 || (bytes >> at) as u8 != b'.' ^ b'0' || n_bytes == 1 {
            return None;
        }
        let before = bytes & ((1 << at) - 1);
        let behind = (bytes >> at >> 8) << at << 8;
        (behind | before << 8, WORD_BYTES - 1 - at as usize / 8)
    };
    // Eight digits fit; of a signed number the processor makes a double in one step.
    Some(eight_digits(digits) as i64 as f64 / EXACT_POWERS[n_decimals])
}

/// Eight digits, the first in the lowest byte, as a number: pairs, then pairs of pairs.
#[inline]
fn eight_digits(digits: u64) -> u64 {
    const LOW: u64 = 0x0000_00ff_0000_00ff;
    let pairs = digits.wrapping_mul(10) + (digits >> 8);
    let first = (pairs & LOW).wrapping_mul(100 + (1_000_000 << 32));
    let second = (pairs >> 16 & LOW).wrapping_mul(1 + (10_000 << 32));
    first.wrapping_add(second) >> 32
}

/// Whatever [`plain_decimal`] leaves: padding, exponents, many digits, missing values, and what is no number.
fn any_cell(cell: &[u8]) -> Cell {
    let cell = cell.trim_ascii();
    if is_missing(cell) {
        return Cell::Missing;
    }
    match std::str::from_utf8(cell)
        .ok()
        .and_then(|text| text.parse::<f64>().ok())
    {
        Some(value) if value.is_finite() => Cell::Value(value),
        Some(_) => Cell::Infinite,
        None if has_inner_comma(cell) => Cell::DecimalComma,
        None => Cell::Text,
    }
}

/// Whether a trimmed cell says that nothing was measured: empty, `NA`, `N/A`, `#N/A`, `NaN`, `-nan`, `null`, `None`
/// in any case, and the lone `-` and `?` of spreadsheets and old collections, which cannot begin a number.
pub(super) fn is_missing(cell: &[u8]) -> bool {
    const WORDS: [&[u8]; 9] = [
        b"na", b"n/a", b"#n/a", b"nan", b"-nan", b"null", b"none", b"-", b"?",
    ];
    cell.is_empty() || (cell.len() <= 4 && WORDS.iter().any(|word| cell.eq_ignore_ascii_case(word)))
}

/// Whether `cell` is made of a number's characters and a comma between digits.
fn has_inner_comma(cell: &[u8]) -> bool {
    cell.iter()
        .all(|byte| byte.is_ascii_digit() || b"+-.,eE".contains(byte))
        && cell
            .windows(3)
            .any(|three| three[0].is_ascii_digit() && three[1] == b',' && three[2].is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cells_are_numbers_or_say_why_not() {
        let check = |cell: &str, expect: Cell| {
            assert_eq!(Numbers::default().read(cell.as_bytes()), expect, "{cell:?}")
        };
        check("12.5", Cell::Value(12.5));
        check(" 12.5 ", Cell::Value(12.5));
        check("-.5", Cell::Value(-0.5));
        check("5.", Cell::Value(5.0));
        check("+3", Cell::Value(3.0));
        check("1.5e-3", Cell::Value(0.0015));
        check("0.12345678901234567", Cell::Value(0.123_456_789_012_345_67));
        for missing in [
            "", " ", "NA", "n/a", "#N/A", "nan", "NaN", "-nan", "null", "NULL", "None", "-", "?",
        ] {
            check(missing, Cell::Missing);
        }
        for infinite in ["inf", "-inf", "Infinity", "1e999"] {
            check(infinite, Cell::Infinite);
        }
        for comma in ["3,14", "1,234.5", "-0,5"] {
            check(comma, Cell::DecimalComma);
        }
        for text in ["on", "1.2.3", "--1", "-.", ".", "0x10", "12 V", "1 2", ","] {
            check(text, Cell::Text);
        }
    }

    #[test]
    fn the_callers_markers_are_missing_values() {
        let numbers = Numbers::new(&["-999".to_owned(), "Bad".to_owned()]);
        assert_eq!(numbers.read(b"-999"), Cell::Missing);
        assert_eq!(numbers.read(b" Bad"), Cell::Missing);
        assert_eq!(numbers.read(b"-99"), Cell::Value(-99.0));
    }

    proptest! {
        #[test]
        fn a_plain_decimal_has_the_bits_of_the_standard_parser(text in "[0-9]{0,12}\\.?[0-9]{0,12}") {
            let n_digits = text.bytes().filter(u8::is_ascii_digit).count();
            let expect = text.parse::<f64>().ok().filter(|_| n_digits <= 15);
            let found = plain_decimal(text.as_bytes());
            prop_assert_eq!(found.map(f64::to_bits), expect.map(f64::to_bits));
        }

        #[test]
        fn a_short_decimal_is_a_plain_one(before in "[0-9.,-]{8}", text in "[0-9.,]{0,8}|[0-9]{1,4}\\.[0-9]{0,3}") {
            let within = format!("{before}{text}");
            let word = within.as_bytes().last_chunk().unwrap();
            let found = short_decimal(*word, text.len());
            prop_assert_eq!(found.map(f64::to_bits), plain_decimal(text.as_bytes()).map(f64::to_bits));
        }

        #[test]
        fn what_stands_before_a_cell_does_not_matter(before in proptest::collection::vec(any::<u8>(), 0..20), cell in "[-+0-9.,eE a\u{e9}]{0,18}") {
            let within = [before.as_slice(), cell.as_bytes()].concat();
            let numbers = Numbers::default();
            prop_assert_eq!(numbers.read_in(&within, before.len(), within.len()), any_cell(cell.as_bytes()));
        }

        #[test]
        fn a_printed_double_is_read_back(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            if value.is_finite() {
                prop_assert_eq!(Numbers::default().read(format!("{value:?}").as_bytes()), Cell::Value(value));
            }
        }
    }
}
