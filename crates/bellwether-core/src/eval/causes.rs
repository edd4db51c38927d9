//! How good a ranking of channels is where the causes are known: how many of them stand at its front.
//!
//! A ranking names channels, the most suspected first; the truth is a set of channels, at least one.

/// Share of the causes that stand among the first `k`, of those that could: hits / min(k, causes), in [0, 1].
///
/// With one cause it is 1 where the cause is among the first `k`, else 0.
pub fn hit_rate(ranking: &[usize], causes: &[usize], k: usize) -> f64 {
    let could = k.min(causes.len());
    if could == 0 {
        return 0.0;
    }
    hits(ranking, causes, k) as f64 / could as f64
}

/// HitRate@P% of OmniAnomaly (Su et al., KDD 2019, section 4.4): hits among the first ⌊P · causes⌋ over the causes;
/// P is usually 1 or 1.5.
pub fn hit_rate_of_share(ranking: &[usize], causes: &[usize], share: f64) -> f64 {
    if causes.is_empty() {
        return 0.0;
    }
    let k = (share * causes.len() as f64).floor() as usize;
    hits(ranking, causes, k) as f64 / causes.len() as f64
}

/// Normalised discounted cumulative gain of the first `k` (Järvelin and Kekäläinen, TOIS 20, 2002): a cause at place i
/// gains 1 / log2(i + 1); over what the best ranking gains. In [0, 1].
pub fn ndcg(ranking: &[usize], causes: &[usize], k: usize) -> f64 {
    let gain = |place: usize| 1.0 / libm::log2(place as f64 + 2.0);
    let best: f64 = (0..k.min(causes.len())).map(gain).sum();
    if best <= 0.0 {
        return 0.0;
    }
    let first = ranking.iter().take(k).enumerate();
    let gained = first
        .filter(|(_, channel)| causes.contains(channel))
        .map(|(place, _)| gain(place));
    gained.sum::<f64>() / best
}

fn hits(ranking: &[usize], causes: &[usize], k: usize) -> usize {
    ranking
        .iter()
        .take(k)
        .filter(|channel| causes.contains(channel))
        .count()
}
