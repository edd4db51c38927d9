//! How far a channel was from what was expected of it, in its own unit.

use std::ops::Range;

use crate::detect::Expected;

/// Of the rows that were off, so many must be off to one side for the channel to be above or below.
const ONE_SIDED: f64 = 0.8;

/// Usual deviations that the edge of the band is away.
const BAND_SIGMAS: f64 = 3.0;

/// A deviation counts for its side from one usual deviation on.
const OFF: f64 = 1.0;

/// On which side of the expectation a channel was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Above in at least four of five of the rows that were off.
    Above,
    /// Below, likewise.
    Below,
    /// Now above, now below.
    Both,
}

impl Side {
    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Above => "above",
            Self::Below => "below",
            Self::Both => "both",
        }
    }
}

/// Where a channel was furthest from what was expected of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Deviation {
    /// The row.
    pub row_idx: usize,
    /// What was measured there, in the channel's unit.
    pub value: f64,
    /// What was expected, in the channel's unit.
    pub expected: f64,
    /// How many usual deviations (root mean squared held-out residuals) that is off.
    pub times_usual: f64,
    /// On which side the channel was in all rows.
    pub side: Side,
}

/// The largest deviation of a channel within `rows`; `None` where nothing was measured or is expected there.
///
/// # Shapes
/// `values: [expected.rows.len(), n_channels]`, the measured ones of the rows of `expected`.
pub(super) fn largest(
    values: &[f64],
    expected: &Expected,
    rows: Range<usize>,
    channel_idx: usize,
) -> Option<Deviation> {
    let n = expected.n_channels;
    let mut most: Option<Deviation> = None;
    let (mut n_above, mut n_below) = (0_usize, 0_usize);
    for row_idx in rows {
        let at = (row_idx - expected.rows.start) * n + channel_idx;
        let (value, wanted) = (values[at], expected.expected[at]);
        let usual = (expected.upper[at] - wanted) / BAND_SIGMAS;
        let times_usual = (value - wanted).abs() / usual.max(f64::MIN_POSITIVE);
        if times_usual.is_nan() {
            continue;
        }
        if times_usual > OFF {
            n_above += usize::from(value > wanted);
            n_below += usize::from(value < wanted);
        }
        if most.is_none_or(|most| times_usual > most.times_usual) {
            most = Some(Deviation {
                row_idx,
                value,
                expected: wanted,
                times_usual,
                side: Side::Both,
            });
        }
    }
    let n_off = (n_above + n_below) as f64;
    let side = match () {
        () if n_off > 0.0 && n_above as f64 >= ONE_SIDED * n_off => Side::Above,
        () if n_off > 0.0 && n_below as f64 >= ONE_SIDED * n_off => Side::Below,
        () => Side::Both,
    };
    most.map(|most| Deviation { side, ..most })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_testkit::assert_close;

    #[test]
    fn the_largest_deviation_and_its_side_by_hand() {
        // Two channels; the band of the first is 6 wide: usual 1.
        let expected = Expected {
            rows: 10..14,
            n_channels: 2,
            expected: vec![5.0; 8],
            lower: vec![2.0; 8],
            upper: vec![8.0; 8],
        };
        let nan = f64::NAN;
        let values = [5.5, nan, 7.0, nan, 9.0, nan, nan, nan];
        let got = largest(&values, &expected, 10..14, 0).unwrap();
        assert_eq!((got.row_idx, got.side), (12, Side::Above));
        assert_close(got.times_usual, 4.0, 1e-12, "times usual");
        assert_close(got.value - got.expected, 4.0, 1e-12, "off by");
        assert_eq!(largest(&values, &expected, 10..14, 1), None);
        let values = [1.0, 5.0, 9.0, 5.0, 5.0, 5.0, 5.0, 5.0];
        assert_eq!(largest(&values, &expected, 10..14, 0).unwrap().side, Side::Both);
        assert_eq!(largest(&values, &expected, 10..11, 0).unwrap().side, Side::Below);
    }
}
