//! How a number is written.

use std::fmt::Write as _;

/// Decimals up to which the short way goes, and what shifts the point by as many.
const N_DECIMALS: usize = 6;
const SHIFT: u64 = 1_000_000;

/// Appends the shortest decimal that reads back as `value`: `0.1`, `3.0`, `1e-7`. The one way numbers are written.
///
/// Measured values have few decimals. One with up to six of them and fifteen digits in all is a whole number divided by a
/// million; no other decimal of so many digits reads back as the same double (IEEE 754 holds any fifteen), so that its digits are the
/// shortest. That takes a tenth of the time of the search for them.
pub fn push_real(text: &mut String, value: f64) {
    // To the nearest whole number by the rounding of a sum: doubles of this size have no decimals.
    const WHOLE: f64 = 6_755_399_441_055_744.0;
    const MILLION: f64 = SHIFT as f64;
    let shifted = (value * MILLION + WHOLE) - WHOLE;
    // Below 1e-4 numbers are written with an exponent; zero keeps its sign.
    let is_short = (100.0..1e15).contains(&shifted.abs()) && shifted / MILLION - value == 0.0;
    if is_short {
        push_shifted(text, shifted as i64);
    } else {
        write!(text, "{value:?}").expect("a string takes any text");
    }
}

/// Appends `shifted` millionths, without the zeros behind the last decimal but one.
fn push_shifted(text: &mut String, shifted: i64) {
    let mut digits = [b'0'; POINT + 1 + N_DECIMALS];
    let number = shifted.unsigned_abs();
    let (whole, decimals) = (number / SHIFT, number % SHIFT);
    // Behind the point, then before it.
    let mut end = digits.len();
    put(&mut digits, decimals);
    digits[POINT] = b'.';
    while digits[end - 1] == b'0' && end > POINT + 2 {
        end -= 1;
    }
    let mut start = POINT - put(&mut digits[..POINT], whole).max(1);
    if shifted < 0 {
        start -= 1;
        digits[start] = b'-';
    }
    text.push_str(std::str::from_utf8(&digits[start..end]).expect("digits are ASCII"));
}

/// Where the point stands: before it a sign and nine digits or fewer, for there are fifteen in all.
const POINT: usize = 12;

/// Puts the digits of `number` at the end of `room`; gives how many.
fn put(room: &mut [u8], mut number: u64) -> usize {
    let mut n_digits = 0;
    while number > 0 {
        n_digits += 1;
        room[room.len() - n_digits] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    n_digits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(value: f64) -> String {
        let mut text = String::new();
        push_real(&mut text, value);
        text
    }

    #[test]
    fn numbers_are_written_as_short_as_can_be() {
        for (value, expect) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-1.0, "-1.0"),
            (10.0, "10.0"),
            (0.1, "0.1"),
            (-0.05, "-0.05"),
            (1e-5, "1e-5"),
            (2e-5, "2e-5"),
            (1e-4, "0.0001"),
            (1e-6, "1e-6"),
            (1e-7, "1e-7"),
            (0.000_123, "0.000123"),
            (0.000_012, "1.2e-5"),
            (1234.5, "1234.5"),
            (999_999_999.999_999, "999999999.999999"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e16"),
            (1.0 / 3.0, "0.3333333333333333"),
            (f64::MAX, "1.7976931348623157e308"),
        ] {
            assert_eq!(written(value), format!("{value:?}"));
            assert_eq!(written(value), expect);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        /// The standard library's own way is the reference.
        #[test]
        fn any_number_is_written_as_the_standard_library_does(bits: u64, whole in -10_000_000_000_i64..10_000_000_000, decimals in 0..8_i32) {
            for value in [f64::from_bits(bits), whole as f64 / 10_f64.powi(decimals), whole as f64 * 1e4 + 0.5] {
                prop_assert_eq!(written(value), format!("{value:?}"));
            }
        }
    }
}
