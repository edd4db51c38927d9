//! Weights in fewer bits than they were learnt in.

use std::str::FromStr;

use half::f16;

/// In what numbers the weights of a network are kept. Whatever it is, the kernels compute in float32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// 32-bit floats, as they were learnt.
    #[default]
    Float32,
    /// 16-bit floats: half the bytes, three digits.
    Float16,
    /// Whole numbers from -127 to 127 with one scale per row of a matrix: a quarter of the bytes. Vectors stay float32, for
    /// they are few.
    Int8,
}

impl Precision {
    /// All of them, by falling bits.
    pub const ALL: [Self; 3] = [Self::Float32, Self::Float16, Self::Int8];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Float16 => "float16",
            Self::Int8 => "int8",
        }
    }

    /// Puts `values`, row-major in rows of `row_len`, to the nearest numbers that this precision has. Doing so again
    /// changes nothing.
    pub(crate) fn round(self, values: &mut [f32], row_len: usize) {
        match self {
            Self::Float32 => {}
            Self::Float16 => {
                let max = f16::MAX.to_f32();
                for value in values {
                    *value = f16::from_f32(value.clamp(-max, max)).to_f32();
                }
            }
            Self::Int8 => {
                for row in values.chunks_mut(row_len) {
                    let scale = scale(row);
                    for value in row {
                        *value = f32::from(level(*value, scale)) * scale;
                    }
                }
            }
        }
    }
}

impl FromStr for Precision {
    type Err = UnknownPrecision;

    fn from_str(text: &str) -> Result<Self, UnknownPrecision> {
        let named = Self::ALL.into_iter().find(|precision| precision.name() == text);
        named.ok_or(UnknownPrecision)
    }
}

/// No [`Precision`] of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("wanted {}", Precision::ALL.map(Precision::name).join(", "))]
pub struct UnknownPrecision;

/// What one step of a row is worth, so that the greatest number of the row is 127 steps; zero for a row that is as good as
/// zero.
///
/// It has sixteen significant bits, rounded up: a whole number of seven bits times it is then exact, and the scale can be
/// read off the rounded row again.
pub(crate) fn scale(row: &[f32]) -> f32 {
    const SPARE_BITS: u32 = 0xff;
    // Rounded up, 127 steps of a greater number would be beyond all floats.
    const MOST: f32 = 3.4e38;
    let most = row.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    let step = most.min(MOST) / f32::from(i8::MAX);
    if step < f32::MIN_POSITIVE {
        return 0.0;
    }
    match step.to_bits() {
        bits if bits & SPARE_BITS == 0 => step,
        bits => f32::from_bits((bits | SPARE_BITS) + 1),
    }
}

/// How many steps of `scale` come closest to `value`.
pub(crate) fn level(value: f32, scale: f32) -> i8 {
    if scale == 0.0 {
        return 0;
    }
    // At most 127 steps, for which the scale was made.
    (value / scale).round_ties_even() as i8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn int8_rows_are_the_nearest_of_255_levels() {
        let mut values = [1.0, -0.5, 0.004, 0.0, 0.0, 0.0, 3e-42, -2e-41, 0.0];
        Precision::Int8.round(&mut values, 3);
        let step = scale(&[1.0]);
        assert!((step * 127.0 - 1.0).abs() < 4e-5, "{step}");
        let expect = [127.0 * step, -63.0 * step, step, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        assert_eq!(values.map(f32::to_bits), expect.map(f32::to_bits));
    }

    /// Levels of `torch.quantize_per_channel` with scales of max/127 along axis 0, halves of `torch.Tensor.half`; torch 2.15.0.
    #[test]
    fn levels_and_halves_are_those_of_torch() {
        let learnt = [
            0.7312_f32, -0.2511, 0.0333, -1.5, 0.9, 0.4499, 0.01, 0.02, -0.0301,
        ];
        let levels = learnt.chunks(3).flat_map(|row| {
            let scale = scale(row);
            row.iter().map(move |&value| level(value, scale))
        });
        let levels: Vec<i8> = levels.collect();
        assert_eq!(levels, [127, -44, 6, -127, 76, 38, 42, 84, -127]);

        let mut values = learnt;
        Precision::Float16.round(&mut values, 3);
        let halves = values.map(|value| f16::from_f32(value).to_bits());
        assert_eq!(
            halves,
            [
                0x39d9, 0xb405, 0x2843, 0xbe00, 0x3b33, 0x3733, 0x211f, 0x251f, 0xa7b5
            ]
        );
    }

    #[test]
    fn int8_keeps_to_the_range_of_floats() {
        let mut values = [f32::MAX, -f32::MAX, 1.0];
        Precision::Int8.round(&mut values, 3);
        assert!(
            values[0] > 3.39e38 && values[0].is_finite() && values[1] < -3.39e38 && values[1].is_finite()
        );
        let once = values;
        Precision::Int8.round(&mut values, 3);
        assert_eq!(values.map(f32::to_bits), once.map(f32::to_bits));
    }

    #[test]
    fn float16_keeps_to_its_range() {
        let mut values = [1.0 / 3.0, 1e6, -1e6, 1e-9];
        Precision::Float16.round(&mut values, 4);
        // 1/3 in half precision is 0x3555 (IEEE 754-2008).
        let expect = [0.333_251_95_f32, 65504.0, -65504.0, 0.0];
        assert_eq!(values.map(f32::to_bits), expect.map(f32::to_bits));
    }

    proptest! {
        #[test]
        fn to_round_again_changes_nothing(
            values in proptest::collection::vec(any::<f32>().prop_filter("finite", |value| value.is_finite()), 1..40),
            row_len in 1_usize..8,
        ) {
            for precision in Precision::ALL {
                let mut once = values.clone();
                precision.round(&mut once, row_len);
                let mut twice = once.clone();
                precision.round(&mut twice, row_len);
                let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
                prop_assert_eq!(bits(&once), bits(&twice), "{}", precision.name());
                prop_assert!(once.iter().all(|value| value.is_finite()));
            }
        }

        #[test]
        fn int8_is_off_by_half_a_step_at_most(values in proptest::collection::vec(-10.0_f32..10.0, 1..40)) {
            let mut rounded = values.clone();
            Precision::Int8.round(&mut rounded, values.len());
            let step = scale(&values);
            for (value, rounded) in values.iter().zip(rounded) {
                prop_assert!((value - rounded).abs() <= 0.501 * step, "{} {}", value, rounded);
            }
        }
    }
}
