//! Channels that have stopped: an alarm, and no more than that.

use crate::threshold::Threshold;

/// Beyond rounding of the sum of parts.
const JUST_ABOVE: f64 = 1.0 + 1e-9;

/// Raises a row's error to the threshold where `channels` have stopped, in equal parts for each of them. Returns what was added:
/// nothing where the row is an alarm already.
///
/// How bad it is that nothing comes nobody knows, so that it ranks below whatever the members are sure of.
///
/// # Shapes
/// `parts: [n_channels]`.
pub(crate) fn add_stopped(
    channels: impl Iterator<Item = usize> + Clone,
    threshold: Threshold,
    parts: &mut [f64],
) -> f64 {
    let n = channels.clone().count();
    let lacking = threshold.error() * JUST_ABOVE - parts.iter().sum::<f64>();
    if n == 0 || lacking <= 0.0 {
        return 0.0;
    }
    for channel_idx in channels {
        parts[channel_idx] += lacking / n as f64;
    }
    lacking
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_testkit::assert_close;

    #[test]
    fn what_lacks_to_the_threshold_is_shared_by_those_that_stopped() {
        let threshold = Threshold::new(4.0).unwrap();
        let check = |channels: &[usize], parts: [f64; 3], expect: [f64; 3]| {
            let mut raised = parts;
            let added = add_stopped(channels.iter().copied(), threshold, &mut raised);
            for (got, want) in raised.iter().zip(expect) {
                assert_close(*got, want, 1e-8, "part");
            }
            assert_close(
                added,
                raised.iter().sum::<f64>() - parts.iter().sum::<f64>(),
                1e-12,
                "added",
            );
        };
        check(&[], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]);
        check(&[1], [1.0, 0.5, 0.0], [1.0, 3.0, 0.0]);
        check(&[1, 2], [1.0, 0.0, 0.0], [1.0, 1.5, 1.5]);
        check(&[1], [3.0, 0.5, 2.0], [3.0, 0.5, 2.0]);
    }
}
