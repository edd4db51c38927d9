//! Which windows a fit rests on, and why a fit fails.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use super::layout::{Layout, PartsError};
use crate::window::Windows;

/// What a classic detector learns from.
#[derive(Debug, Clone, Copy)]
pub struct Training<'a> {
    /// Windows of any number of series, each `[n_windows, window_len, n_channels]`.
    pub windows: &'a [Windows<'a>],
    /// Channels of a window, active or not.
    pub n_channels: usize,
    /// The channels that are to be read, rising.
    pub active: &'a [usize],
    /// How much the square of a channel counts where cells of several are added up to a distance, `[n_channels]`:
    /// positive.
    pub weights: &'a [f64],
    /// Seed of whatever is drawn.
    pub seed: u64,
}

/// Why a classic detector cannot be fitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FitClassicError {
    /// The sizes are unusable.
    #[error(transparent)]
    Layout(#[from] PartsError),
    /// The windows are not those of the spec.
    #[error("the fit wants windows of {want_len} samples × {want_channels} channels, got {len} × {channels}")]
    Shape {
        /// Samples wanted.
        want_len: usize,
        /// Channels wanted.
        want_channels: usize,
        /// Samples given.
        len: usize,
        /// Channels given.
        channels: usize,
    },
    /// Nothing to learn from.
    #[error("no window to learn from: the training part needs at least {len} rows without a gap")]
    NoWindows {
        /// Rows of a window.
        len: usize,
    },
    /// Nothing observed to learn from.
    #[error("none of {n_windows} windows has any value: nothing to learn from")]
    NotObserved {
        /// Windows given.
        n_windows: usize,
    },
    /// An option of the spec is out of range.
    #[error("{name} must be {want}")]
    Spec {
        /// Name of the option.
        name: &'static str,
        /// What it must be.
        want: &'static str,
    },
    /// A weight is unusable.
    #[error("weights must be {n_channels} positive finite numbers, one per channel")]
    Weights {
        /// Channels of a window.
        n_channels: usize,
    },
    /// More cells than the fit can decompose.
    #[error(
        "{n} active channels are too many: at most {n_max} can be learnt together; leave out channels, or choose a model \
         that judges each by itself, such as robust-z"
    )]
    TooWide {
        /// Active channels.
        n: usize,
        /// Most of them.
        n_max: usize,
    },
    /// Too few channels for what is to be learnt.
    #[error(
        "want at least {want} channels that vary: choose a model that judges each by itself, such as var or pca"
    )]
    TooNarrow {
        /// Fewest of them.
        want: usize,
    },
    /// Windows too short for what is to be learnt.
    #[error("windows of {len} rows are too short for {what}: want at least {want}")]
    TooShort {
        /// Rows of a window.
        len: usize,
        /// What it is that needs more.
        what: &'static str,
        /// Rows wanted.
        want: usize,
    },
    /// The arithmetic left the finite numbers.
    #[error("the fit left the finite numbers: scale the channels to about [0, 1] first")]
    NotFinite,
}

/// Position of a window: which view, and where in it.
pub(super) type Place = (usize, usize);

/// The windows worth learning from, in order: those of which half was observed, or where there is none, all of which
/// anything was.
pub(super) fn places(windows: &[Windows<'_>], layout: &Layout<'_>) -> Result<Vec<Place>, FitClassicError> {
    for view in windows {
        if view.window_len() != layout.len || view.n_channels() != layout.n_channels {
            return Err(FitClassicError::Shape {
                want_len: layout.len,
                want_channels: layout.n_channels,
                len: view.window_len(),
                channels: view.n_channels(),
            });
        }
    }
    let with_share = |share: f64| {
        let mut kept = Vec::new();
        for (view_idx, view) in windows.iter().enumerate() {
            let observed = (0..view.n_windows()).filter(|&at| {
                let n_observed = layout.n_observed(view, at);
                n_observed > 0 && n_observed as f64 >= share * layout.n_cells() as f64
            });
            kept.extend(observed.map(|at| (view_idx, at)));
        }
        kept
    };
    let mut kept = with_share(0.5);
    if kept.is_empty() {
        // Command bits that are told on change alone leave most cells empty, and the rest may well be enough.
        kept = with_share(0.0);
    }
    let n_windows: usize = windows.iter().map(Windows::n_windows).sum();
    match (n_windows, kept.len()) {
        (0, _) => Err(FitClassicError::NoWindows { len: layout.len }),
        (_, 0) => Err(FitClassicError::NotObserved { n_windows }),
        _ => Ok(kept),
    }
}

/// At most `n_max` of the places, evenly spaced from the first on.
pub(super) fn evenly(places: Vec<Place>, n_max: usize) -> Vec<Place> {
    let n = places.len();
    if n <= n_max {
        return places;
    }
    // u128: the product of two sizes cannot overflow.
    let at = |i: usize| (i as u128 * n as u128 / n_max as u128) as usize;
    (0..n_max).map(|i| places[at(i)]).collect()
}

/// `n_max` of the places in their order, each set of that size as likely as any other (selection sampling: Knuth,
/// The Art of Computer Programming 2, 3.4.2, algorithm S).
pub(super) fn drawn(places: Vec<Place>, n_max: usize, seed: u64) -> Vec<Place> {
    if places.len() <= n_max {
        return places;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut left, mut wanted) = (places.len(), n_max);
    let mut drawn = Vec::with_capacity(n_max);
    for place in places {
        if below(&mut rng, left) < wanted {
            drawn.push(place);
            wanted -= 1;
        }
        left -= 1;
    }
    drawn
}

/// What values are multiplied by before cells of several channels are added up to a distance: roots of the weights of
/// the active channels, `[n_active]`.
pub(super) fn scales(weights: &[f64], layout: &Layout<'_>) -> Result<Vec<f64>, FitClassicError> {
    let is_usable = |&channel: &usize| is_scale(weights[channel]);
    if weights.len() != layout.n_channels || !layout.active.iter().all(is_usable) {
        let n_channels = layout.n_channels;
        return Err(FitClassicError::Weights { n_channels });
    }
    Ok(layout
        .active
        .iter()
        .map(|&channel| weights[channel].sqrt())
        .collect())
}

/// Neither so small nor so large that dividing by it, or by its root, leaves what f32 can hold.
pub(super) fn is_scale(scale: f64) -> bool {
    (1e-12..=1e12).contains(&scale)
}

/// A whole number below `n`, which is above 0.
pub(super) fn below(rng: &mut ChaCha8Rng, n: usize) -> usize {
    // The high word of a 128-bit product: even but for parts in 2⁶⁴ / n.
    ((u128::from(rng.next_u64()) * n as u128) >> 64) as usize
}

/// A number in [0, 1).
pub(super) fn unit(rng: &mut ChaCha8Rng) -> f64 {
    // The upper 53 bits are the mantissa.
    (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// The active cells of the last rows of the windows at `places`, `[n_places, n_active]`.
pub(super) fn last_rows(windows: &[Windows<'_>], layout: &Layout<'_>, places: &[Place]) -> Vec<f64> {
    let mut rows = vec![0.0; places.len() * layout.active.len()];
    for (&(view_idx, at), row) in places.iter().zip(rows.chunks_exact_mut(layout.active.len())) {
        let values = windows[view_idx].values(at);
        layout.gather(&values[values.len() - layout.n_channels..], row);
    }
    rows
}

/// The values of each active channel in the last rows of the windows at `places`; what was not observed is left out.
pub(super) fn columns(windows: &[Windows<'_>], layout: &Layout<'_>, places: &[Place]) -> Vec<Vec<f64>> {
    let mut columns = vec![Vec::with_capacity(places.len()); layout.active.len()];
    let first = (layout.len - 1) * layout.n_channels;
    for &(view_idx, at) in places {
        let (values, observed) = (windows[view_idx].values(at), windows[view_idx].observed(at));
        for (column, &channel) in columns.iter_mut().zip(layout.active) {
            if observed.is_none_or(|observed| observed[first + channel]) {
                column.push(values[first + channel]);
            }
        }
    }
    columns
}

/// The active cells of the windows at `places`, `[n_places, len, n_active]`.
pub(super) fn gather(windows: &[Windows<'_>], layout: &Layout<'_>, places: &[Place]) -> Vec<f64> {
    let mut cells = vec![0.0; places.len() * layout.n_cells()];
    for (&(view_idx, at), cells) in places.iter().zip(cells.chunks_exact_mut(layout.n_cells())) {
        layout.gather(windows[view_idx].values(at), cells);
    }
    cells
}

/// Subtracts the mean of every column of `rows: [n_rows, width]` and returns the means, `[width]`.
pub(super) fn centre(rows: &mut [f64], width: usize) -> Vec<f64> {
    let mut means = vec![0.0; width];
    centre_into(rows, &mut means);
    means
}

/// The same with room for the means, `[width]`.
pub(super) fn centre_into(rows: &mut [f64], means: &mut [f64]) {
    let n_rows = (rows.len() / means.len()) as f64;
    means.fill(0.0);
    for row in rows.chunks_exact(means.len()) {
        for (mean, value) in means.iter_mut().zip(row) {
            *mean += value;
        }
    }
    for mean in means.iter_mut() {
        *mean /= n_rows;
    }
    for row in rows.chunks_exact_mut(means.len()) {
        for (value, mean) in row.iter_mut().zip(means.iter()) {
            *value -= mean;
        }
    }
}

pub(super) fn check_finite(numbers: &[f64]) -> Result<(), FitClassicError> {
    if numbers.iter().all(|number| number.is_finite()) {
        Ok(())
    } else {
        Err(FitClassicError::NotFinite)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_places_start_at_the_first_and_keep_their_distance() {
        let all: Vec<Place> = (0..10).map(|at| (0, at)).collect();
        let at = |n_max| -> Vec<usize> {
            let chosen = evenly(all.clone(), n_max);
            chosen.into_iter().map(|(_, at)| at).collect()
        };
        assert_eq!(at(10), (0..10).collect::<Vec<_>>());
        assert_eq!(at(5), [0, 2, 4, 6, 8]);
        assert_eq!(at(4), [0, 2, 5, 7]);
        assert_eq!(at(1), [0]);
    }

    #[test]
    fn windows_mostly_filled_are_left_out() {
        let values = [0.0; 8];
        let observed = [true, false, false, false, true, true, false, true];
        let views = [Windows::new(&values, Some(&observed), 2, 2, &[0, 1, 2])];
        let layout = Layout::new(2, 2, &[0, 1]).unwrap();
        // One, two and three of four cells.
        assert_eq!(places(&views, &layout).unwrap(), [(0, 1), (0, 2)]);
        // Where no window is better it has to do; one without any value never does.
        let first = [views[0].subset(0..1)];
        assert_eq!(places(&first, &layout).unwrap(), [(0, 0)]);
        let nothing = [Windows::new(&values, Some(&[false; 8]), 2, 2, &[0])];
        assert_eq!(
            places(&nothing, &layout),
            Err(FitClassicError::NotObserved { n_windows: 1 })
        );
        assert_eq!(places(&[], &layout), Err(FitClassicError::NoWindows { len: 2 }));
        let layout = Layout::new(3, 2, &[0]).unwrap();
        assert!(matches!(
            places(&views, &layout),
            Err(FitClassicError::Shape {
                want_len: 3,
                len: 2,
                ..
            })
        ));
    }
}
