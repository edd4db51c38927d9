//! Faults in rows that are learnt from: what a history that is not clean costs.

use bellwether_core::frame::Frame;
use bellwether_core::synth::{AnomalyKind, AnomalySpec, Start, inject};

/// Samples of one fault, about.
const FAULT_LEN: f64 = 60.0;

/// Fewest faults, so that short frames have several kinds.
const N_FAULTS_MIN: f64 = 4.0;

/// What is put in, in turn. Not all kinds: figures with these have been published.
const KINDS: [AnomalyKind; 6] = [
    AnomalyKind::Spike,
    AnomalyKind::LevelShift,
    AnomalyKind::Drift,
    AnomalyKind::Stuck,
    AnomalyKind::Noise,
    AnomalyKind::CorrelationBreak,
];

/// The frame with faults of these kinds in that share of its rows.
///
/// The rows are cut into equal stretches, and each has one fault somewhere, on one channel and of its kind's own
/// magnitude. The kinds take turns; one that changes nothing in this frame, such as a broken relation where there is one
/// channel, leaves its turn to the next. Where none changes anything, because all channels are constant, the frame stays
/// as it is.
pub(super) fn contaminated(frame: &Frame, share: f64, seed: u64) -> Frame {
    let n = frame.n_samples() as f64;
    let n_faulty = (share * n).floor();
    if n_faulty < 1.0 {
        return frame.clone();
    }
    let n_faults = (n_faulty / FAULT_LEN).ceil().max(N_FAULTS_MIN).min(n_faulty);
    let mut turns = KINDS.into_iter().cycle();
    let mut done = frame.clone();
    let (stretch, length) = (n / n_faults, n_faulty / n_faults);
    for fault_idx in 0..n_faults as u64 {
        // Multiples of the golden ratio are spread evenly and without a period.
        let place = (fault_idx as f64 * 0.618_033_988_749_895).fract();
        let first = fault_idx as f64 * stretch + place * (stretch - length);
        for kind in turns.by_ref().take(KINDS.len()) {
            let spec = AnomalySpec {
                start: Some(Start::Sample(first as usize)),
                length: Some((length as usize).max(kind.length_min())),
                ..AnomalySpec::new(kind)
            };
            if let Ok((frame, _)) = inject(&done, &[spec], seed.wrapping_add(fault_idx)) {
                done = frame;
                break;
            }
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_core::frame::Channel;
    use bellwether_core::synth::{PlantSpec, generate};
    use bellwether_core::time::Timestamp;

    #[test]
    fn faults_lie_in_the_share_asked_for_and_all_over_the_frame() {
        let frame = generate(&PlantSpec::default()).unwrap().remove(0).frame;
        let dirty = contaminated(&frame, 0.05, 1);
        let n_channels = frame.n_channels();
        let rows = |frame: &Frame| {
            frame
                .values()
                .chunks(n_channels)
                .map(<[f64]>::to_vec)
                .collect::<Vec<_>>()
        };
        let differs: Vec<bool> = rows(&frame)
            .iter()
            .zip(rows(&dirty))
            .map(|(a, b)| *a != b)
            .collect();
        let share =
            |rows: &[bool]| rows.iter().filter(|differs| **differs).count() as f64 / rows.len() as f64;
        assert!((0.04..=0.05).contains(&share(&differs)), "{}", share(&differs));
        for quarter in differs.chunks(differs.len() / 4) {
            assert!((0.03..=0.06).contains(&share(quarter)), "{}", share(quarter));
        }
        assert_eq!(contaminated(&frame, 0.05, 1).values(), dirty.values());
        assert_eq!(contaminated(&frame, 0.0, 1).values(), frame.values());
    }

    #[test]
    fn what_never_changes_stays_as_it_is() {
        let time = (0..400).map(Timestamp::from_secs).collect();
        let frame = Frame::new(vec![Channel::new("command")], time, vec![1.0; 400]).unwrap();
        assert_eq!(contaminated(&frame, 0.05, 1).values(), frame.values());
    }
}
