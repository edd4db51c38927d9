//! Which windows train and which judge.

use bellwether_core::window::Windows;

use crate::network::trainer::WindowLoss;

/// Most windows that judge an epoch.
const VAL_LEN_MAX: usize = 1000;

/// A window of one of the series.
#[derive(Debug, Clone, Copy)]
pub(super) struct At {
    pub(super) series: usize,
    pub(super) window: usize,
}

/// The last `val_share` of each series' windows judges; windows that overlap them do not train.
pub(super) fn split(series: &[Windows<'_>], val_share: f64) -> (Vec<At>, Vec<At>) {
    let (mut train, mut val) = (Vec::new(), Vec::new());
    for (idx, windows) in series.iter().enumerate() {
        let n = windows.n_windows();
        let n_val = (n as f64 * val_share) as usize;
        // Windows are views of the same rows: one that ends where the first judge begins shares nothing with it.
        let n_before = match n_val {
            0 => n,
            _ => {
                let judged_from = windows.values(n - n_val).as_ptr();
                let is_before = |&window: &usize| windows.values(window).as_ptr_range().end <= judged_from;
                (0..n - n_val).take_while(is_before).count()
            }
        };
        // Too short to leave a gap: then all of it trains.
        let (n_train, n_val) = if n_before == 0 { (n, 0) } else { (n_before, n_val) };
        train.extend((0..n_train).map(|window| At { series: idx, window }));
        val.extend((n - n_val..n).map(|window| At { series: idx, window }));
    }
    (train, thin(val, VAL_LEN_MAX))
}

/// At most `most` of `windows`, evenly spaced.
fn thin(windows: Vec<At>, most: usize) -> Vec<At> {
    let step = windows.len().div_ceil(most.max(1)).max(1);
    windows.into_iter().step_by(step).collect()
}

/// Places of the windows that are left, in their order, where those with the highest mean loss are left out: `share` of all,
/// rounded down.
pub(super) fn least(losses: &[WindowLoss], share: f64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..losses.len()).collect();
    let n_out = (losses.len() as f64 * share) as usize;
    if n_out > 0 {
        let mean = |idx: &usize| WindowLoss::mean([&losses[*idx]]);
        order.sort_by(|one, other| mean(one).total_cmp(&mean(other)));
        order.truncate(losses.len() - n_out);
        order.sort_unstable();
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_mean_losses_are_left_out() {
        let losses = [(6.0, 3.0), (5.0, 1.0), (0.0, 0.0), (2.0, 2.0), (f64::NAN, 1.0)]
            .map(|(sum, n_observed)| WindowLoss { sum, n_observed });
        assert_eq!(least(&losses, 0.0), [0, 1, 2, 3, 4]);
        assert_eq!(least(&losses, 0.19), [0, 1, 2, 3, 4]);
        assert_eq!(least(&losses, 0.2), [0, 1, 2, 3]);
        assert_eq!(least(&losses, 0.4), [0, 2, 3]);
        assert_eq!(least(&[], 0.4), [0_usize; 0]);
    }
}
