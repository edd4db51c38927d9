//! The decompositions that the fits need, by nalgebra, on one thread.

use nalgebra::{Cholesky, DMatrix, DMatrixView, SymmetricEigen};

/// Most rows of a decomposed matrix: what is decomposed is as wide as the fewer of windows and cells, and beyond this
/// its cubic cost is minutes.
pub(super) const DECOMPOSED_MAX: usize = 1536;

/// How many windows may be fitted on, given the cells of each: all that were asked for, unless both are many.
pub(super) fn n_windows_max(n_cells: usize, asked: usize) -> usize {
    if n_cells > DECOMPOSED_MAX {
        asked.min(DECOMPOSED_MAX)
    } else {
        asked
    }
}

/// The leading principal directions of centred rows: as many as hold `share` of the variance, at most `rank_max`.
///
/// Where rows are fewer than cells, the eigenvectors u of X Xᵀ are taken and Xᵀ u normalised: the same directions.
///
/// # Shapes
/// `rows: [n_rows, n_cells]`; returns `[rank, n_cells]` of unit length, the one with most variance first.
pub(super) fn principal(rows: &[f64], n_cells: usize, share: f64, rank_max: usize) -> Option<Vec<f64>> {
    let n_rows = rows.len() / n_cells;
    // Column-major: a column is one of our rows.
    let columns = DMatrixView::from_slice(rows, n_cells, n_rows);
    let is_dual = n_rows < n_cells;
    let transposed = columns.transpose();
    let gram = if is_dual {
        &transposed * columns
    } else {
        columns * &transposed
    };
    if !gram.iter().all(|value| value.is_finite()) {
        return None;
    }
    let eigen = SymmetricEigen::try_new(gram, f64::EPSILON, 0)?;
    let mut order: Vec<usize> = (0..eigen.eigenvalues.len()).collect();
    order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
    let variances: Vec<f64> = order.iter().map(|&at| eigen.eigenvalues[at].max(0.0)).collect();
    let rank = rank(&variances, share, rank_max);
    let mut components = Vec::with_capacity(rank * n_cells);
    for &at in &order[..rank] {
        let vector = eigen.eigenvectors.column(at);
        let direction = if is_dual {
            columns * vector
        } else {
            vector.into_owned()
        };
        components.extend(direction.normalize().iter());
    }
    Some(components)
}

/// How many of the falling `variances` hold more than `share` of their sum.
fn rank(variances: &[f64], share: f64, rank_max: usize) -> usize {
    let total: f64 = variances.iter().sum();
    // Below this a direction is the rounding of the others.
    let least = variances.first().map_or(0.0, |first| first * 1e-12);
    let mut held = 0.0;
    let mut rank = 0;
    for &variance in variances.iter().take(rank_max) {
        if held > share * total || variance <= least {
            break;
        }
        held += variance;
        rank += 1;
    }
    rank
}

/// Ridge coefficients (XᵀX + penalty · I)⁻¹ XᵀY; where rows are fewer than cells by the equal Xᵀ(XXᵀ + penalty · I)⁻¹Y.
///
/// # Shapes
/// `x: [n_rows, n_cells]`, `y: [n_rows, n_out]`; returns `[n_cells, n_out]`.
pub(super) fn ridge(x: &[f64], y: &[f64], n_cells: usize, n_out: usize, penalty: f64) -> Option<Vec<f64>> {
    let n_rows = x.len() / n_cells;
    let columns = DMatrixView::from_slice(x, n_cells, n_rows);
    let targets = DMatrixView::from_slice(y, n_out, n_rows).transpose();
    let is_dual = n_rows < n_cells;
    let transposed = columns.transpose();
    let mut gram: DMatrix<f64> = if is_dual {
        &transposed * columns
    } else {
        columns * &transposed
    };
    for at in 0..gram.nrows() {
        gram[(at, at)] += penalty;
    }
    let coefficients = if is_dual {
        columns * Cholesky::new(gram)?.solve(&targets)
    } else {
        Cholesky::new(gram)?.solve(&(columns * targets))
    };
    // Row-major is the transposed column-major.
    Some(coefficients.transpose().as_slice().to_vec())
}

/// Ridge coefficients of each of `n_channels` columns of the last of `n_rows_read` rows from the columns of all other
/// channels, whatever their row.
///
/// With P = (XᵀX + penalty · I)⁻¹ and E the columns of a channel, the coefficients from the others C are
/// −P_CE (P_EE)⁻¹, of which the column of the last row is the one wanted (inverse of a block matrix): one inversion serves all
/// channels.
///
/// # Shapes
/// `x: [n_rows, n_rows_read · n_channels]`; returns `[n_rows_read · n_channels, n_channels]`, 0 from a channel to itself.
pub(super) fn without_own(
    x: &[f64],
    n_channels: usize,
    n_rows_read: usize,
    penalty: f64,
) -> Option<Vec<f64>> {
    let n_cells = n_rows_read * n_channels;
    let columns = DMatrixView::from_slice(x, n_cells, x.len() / n_cells);
    let mut gram: DMatrix<f64> = columns * columns.transpose();
    for at in 0..n_cells {
        gram[(at, at)] += penalty;
    }
    let precision = Cholesky::new(gram)?.inverse();
    let mut coefficients = vec![0.0; n_cells * n_channels];
    for channel in 0..n_channels {
        let own = |row: usize| row * n_channels + channel;
        let among = DMatrix::from_fn(n_rows_read, n_rows_read, |a, b| precision[(own(a), own(b))]);
        let of_last = Cholesky::new(among)?
            .inverse()
            .column(n_rows_read - 1)
            .into_owned();
        for other in (0..n_cells).filter(|other| other % n_channels != channel) {
            let sum: f64 = (0..n_rows_read)
                .map(|row| precision[(other, own(row))] * of_last[row])
                .sum();
            coefficients[other * n_channels + channel] = -sum;
        }
    }
    Some(coefficients)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rank_is_the_fewest_directions_that_hold_the_share() {
        let check = |variances: &[f64], share: f64, rank_max: usize, expect: usize| {
            assert_eq!(rank(variances, share, rank_max), expect);
        };
        check(&[6.0, 3.0, 1.0], 0.5, 100, 1);
        check(&[6.0, 3.0, 1.0], 0.7, 100, 2);
        check(&[6.0, 3.0, 1.0], 0.95, 100, 3);
        check(&[6.0, 3.0, 1.0], 0.95, 2, 2);
        check(&[6.0, 3.0, 0.0], 1.0, 100, 2);
        check(&[0.0, 0.0], 0.9, 100, 0);
        check(&[], 0.9, 100, 0);
    }
}
