//! One cell as a number: exact, without allocation, and clear about what is not one.

/// Powers of ten that a double holds exactly.
const EXACT_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

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
        if self.markers.is_empty() {
            if let Some(value) = plain_decimal(cell) {
                return Cell::Value(value);
            }
        } else if self.markers.iter().any(|marker| **marker == *cell.trim_ascii()) {
            return Cell::Missing;
        }
        any_cell(cell)
    }
}

/// A number in plain notation (`-12.75`) of at most fifteen digits.
///
/// Its digits make a whole number below 10^15, which a double holds exactly, as it does the power of ten; IEEE
/// division rounds once, so the quotient is the double nearest to the decimal: the bits of `str::parse`
/// (Clinger, "How to read floating point numbers accurately", 1990). Anything else is `None`.
pub(super) fn plain_decimal(cell: &[u8]) -> Option<f64> {
    let (negative, digits) = match cell {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, cell),
    };
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
    let value = whole as f64 / EXACT_POWERS[n_decimals];
    Some(if negative { -value } else { value })
}

/// Whatever [`plain_decimal`] leaves: padding, exponents, many digits, missing values, and what is no number.
#[cold]
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
        fn a_plain_decimal_has_the_bits_of_the_standard_parser(text in "-?[0-9]{0,12}\\.?[0-9]{0,12}") {
            if let Some(value) = plain_decimal(text.as_bytes()) {
                let expect: f64 = text.parse().unwrap();
                prop_assert_eq!(value.to_bits(), expect.to_bits());
            }
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
