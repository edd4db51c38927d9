//! From numbers to one sentence: what somebody should do.

use super::{ChannelDrift, Drift, N_EFFECTIVE_MIN};

/// The action to take, the most certain cause first.
pub(super) fn advice(drift: &Drift) -> String {
    if let [first, others @ ..] = drift.missing_channels.as_slice() {
        return format!(
            "Check the sensor {first}{}: the data have no such channel.",
            and_more(others.len())
        );
    }
    let mut moved: Vec<&ChannelDrift> = drift
        .channels
        .iter()
        .filter(|channel| channel.is_drift())
        .collect();
    moved.sort_by(|a, b| b.effect.total_cmp(&a.effect));
    let silent: Vec<&&ChannelDrift> = moved.iter().filter(|channel| channel.is_silent()).collect();
    let n_channels = drift.channels.len();
    match (moved.as_slice(), silent.as_slice(), &drift.relation) {
        (_, [first, others @ ..], _) => format!(
            "Check the sensor {}{}: {:.0} % more of its values are missing than in training.",
            first.channel,
            and_more(others.len()),
            first.missing_rise * 100.0
        ),
        ([only], ..) if n_channels > 1 => format!(
            "Check the sensor {}: it alone of {n_channels} channels no longer looks as in training.",
            only.channel
        ),
        ([only], ..) => format!(
            "Check the sensor {}; retrain if what it shows now is the new normal.",
            only.channel
        ),
        ([most, ..], ..) => format!(
            "Retrain if this is the new normal, because {} of {n_channels} channels moved, {} most.",
            moved.len(),
            most.channel
        ),
        (_, _, Some(relation)) if relation.is_drift => format!(
            "Look at {} and {}: each looks as in training, but the relation between them broke \
             (correlation {:.2}, was {:.2}).",
            relation.pair[0], relation.pair[1], relation.recent, relation.baseline
        ),
        _ if !drift.is_judged() => too_few(drift),
        _ => "Nothing to do: the data look as in training.".to_owned(),
    }
}

fn and_more(n: usize) -> String {
    if n == 0 {
        String::new()
    } else {
        format!(" and {n} more")
    }
}

fn too_few(drift: &Drift) -> String {
    let n_effective = drift
        .channels
        .iter()
        .map(|channel| channel.n_effective)
        .fold(0.0, f64::max);
    if n_effective >= N_EFFECTIVE_MIN {
        return "No verdict: the baseline rests on too few independent rows; train on a longer stretch."
            .to_owned();
    }
    format!(
        "No verdict: {} rows are worth at most {n_effective:.0} independent ones, {N_EFFECTIVE_MIN:.0} are needed; \
         give a longer stretch.",
        drift.n_rows
    )
}
