"""Writes classic_more.json: reference answers for the classic detectors beside those of classic.py.

To run it again:

    python3 -m venv /tmp/classic && /tmp/classic/bin/pip install numpy scipy scikit-learn stumpy rrcf ruptures statsmodels
    /tmp/classic/bin/python classic_more.py

What stands for what; the versions used are written into the file:

- robust z: scipy.stats.median_abs_deviation
- Mahalanobis: sklearn.covariance.LedoitWolf on standardised rows; the parts by scipy.linalg.sqrtm
- T² and Q: sklearn.decomposition.PCA
- k-means: sklearn.cluster.KMeans from given centroids, and the best of ten runs
- isolation forest: the trees of sklearn.ensemble.IsolationForest and its scores; a second forest to compare ranks with
- random cut forest: a tree of rrcf.RCTree and the mean displacement over many random insertions, with its standard error
- matrix profile: stumpy.stump of test rows joined with training rows, channel by channel
- spectral residual: the equations of Ren et al. (2019) on numpy.fft
- seasonal naive: the highest peak of statsmodels.tsa.stattools.acf
- change point: ruptures.costs.CostNormal, which adds 1e-6 to each variance

Rows are on a grid of 1/1024, so that 32-bit floats (scikit-learn's trees) hold them exactly.
"""

import json
import pathlib
from importlib.metadata import version

import numpy as np
import rrcf
import scipy.linalg
import scipy.stats
import stumpy
from ruptures.costs import CostNormal
from sklearn.cluster import KMeans
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from statsmodels.tsa.stattools import acf

from classic import rows, windows

N_CHANNELS, LENGTH = 4, 12
# Channel 2 is not read.
ACTIVE = [0, 1, 3]


def on_grid(values):
    return np.round(values * 1024) / 1024


def data():
    train, test = on_grid(rows(31, 300, N_CHANNELS)), on_grid(rows(32, 60, N_CHANNELS))
    # A channel that stands still for a while, in both.
    train[100:130, 1] = 0.25
    test[20:34, 1] = 0.5
    # Outliers of all sizes.
    test[40, 0] += 2
    test[45, 3] -= 1
    test[50] += 0.5
    return train, test


def robust_z(train, test):
    spread = scipy.stats.median_abs_deviation(train, scale=1 / 1.482602218505602)
    return {"errors": (((test - np.median(train, axis=0)) / spread) ** 2).ravel().tolist()}


def mahalanobis(train, test):
    mean, std = train.mean(axis=0), train.std(axis=0)
    fitted = LedoitWolf(assume_centered=True).fit((train - mean) / std)
    z = (test - mean) / std
    parts = (z @ scipy.linalg.sqrtm(np.linalg.inv(fitted.covariance_)).real) ** 2
    return {"distances": fitted.mahalanobis(z).tolist(), "errors": parts.ravel().tolist()}


def pca_t2(train, test):
    flat = windows(train, LENGTH, range(3)).reshape(len(train) - LENGTH + 1, -1)
    tested = windows(test, LENGTH, range(3)).reshape(len(test) - LENGTH + 1, -1)
    fitted = PCA(n_components=0.9, svd_solver="full").fit(flat)
    # The library divides by one less than the rows.
    variances = fitted.explained_variance_ * (len(flat) - 1) / len(flat)

    def beside(values):
        return values - fitted.inverse_transform(fitted.transform(values))

    mean_q = np.mean(np.sum(beside(flat) ** 2, axis=1))
    scores = fitted.transform(tested)
    along = (scores / np.sqrt(variances)) @ fitted.components_
    errors = along**2 / len(variances) + beside(tested) ** 2 / mean_q
    return {
        "rank": len(variances),
        "t2": np.sum(scores**2 / variances, axis=1).tolist(),
        "q": np.sum(beside(tested) ** 2, axis=1).tolist(),
        "mean_q": mean_q,
        "errors": errors.ravel().tolist(),
    }


def kmeans(train):
    shapes = windows(train, LENGTH, range(3))
    shapes = (shapes - shapes.mean(axis=1, keepdims=True)).reshape(len(shapes), -1)
    starts = [0, 50, 100, 150, 200]
    fitted = KMeans(5, init=shapes[starts], n_init=1, tol=0, max_iter=50).fit(shapes)
    best = KMeans(64, n_init=10, random_state=0).fit(shapes)
    return {
        "starts": starts,
        "centroids": fitted.cluster_centers_.ravel().tolist(),
        "inertia_of_64": best.inertia_,
    }


def isolation_forest(train, test):
    fitted = IsolationForest(n_estimators=10, max_samples=64, random_state=0).fit(train)
    forest = {"roots": [], "n_rows": [], "channel": [], "threshold": [], "children": []}
    for estimator in fitted.estimators_:
        tree, first = estimator.tree_, len(forest["n_rows"])
        forest["roots"].append(first)
        is_leaf = tree.children_left < 0
        forest["n_rows"] += tree.n_node_samples.tolist()
        forest["channel"] += np.where(is_leaf, 0, tree.feature).tolist()
        forest["threshold"] += np.where(is_leaf, 0.0, tree.threshold).tolist()
        children = np.stack([tree.children_left, tree.children_right], axis=1) + first
        forest["children"] += np.where(is_leaf[:, None], 0, children).ravel().tolist()
    other = IsolationForest(n_estimators=100, random_state=1).fit(train)
    return {
        **forest,
        "scores": (-fitted.score_samples(test)).tolist(),
        "scores_of_another": (-other.score_samples(test)).tolist(),
    }


def random_cut_forest(train, test):
    points = train[::6].copy()
    # Two rows that are alike.
    points[7] = points[3]
    tree = rrcf.RCTree(points, random_state=0)
    forest = {"roots": [0], "n_rows": [], "channel": [], "threshold": [], "children": [], "points": []}

    def visit(node):
        at = len(forest["n_rows"])
        forest["n_rows"].append(int(node.n))
        forest["channel"].append(0)
        forest["threshold"].append(0.0)
        forest["children"] += [0, 0]
        if isinstance(node, rrcf.Leaf):
            forest["points"] += node.x.tolist()
            return at
        forest["channel"][at], forest["threshold"][at] = int(node.q), float(node.p)
        forest["children"][2 * at] = visit(node.l)
        forest["children"][2 * at + 1] = visit(node.r)
        return at

    visit(tree.root)
    judged = [*test[[0, 10, 30, 40, 45, 50]], points[3], points[20]]
    means, errors = [], []
    for row in judged:
        found = []
        for _ in range(4000):
            tree.insert_point(row, index="new")
            found.append(tree.codisp("new"))
            tree.forget_point("new")
        means.append(float(np.mean(found)))
        errors.append(float(np.std(found) / np.sqrt(len(found))))
    return {**forest, "rows": np.ravel(judged).tolist(), "means": means, "standard_errors": errors}


def matrix_profile(train, test):
    channels = range(train.shape[1])
    joined = [stumpy.stump(test[:, at], LENGTH, train[:, at], ignore_trivial=False)[:, 0] for at in channels]
    # [n_windows, n_active]
    return {"distances": np.stack(joined, axis=1).astype(float).ravel().tolist()}


def spectral_residual(test):
    def last(values):
        n, m = len(values), 5
        # As in the authors' program, the guess rests on the rows before the last.
        seen = values[:-1]
        slope = np.mean([(seen[-1] - seen[-1 - i]) / i for i in range(1, m + 1)])
        longer = np.concatenate([values, [seen[len(seen) - m] + slope * m] * 5])
        spectrum = np.fft.fft(longer)
        amplitude = np.abs(spectrum)
        log = np.log(np.maximum(amplitude, 1e-8))
        mean = (np.roll(log, 1) + log + np.roll(log, -1)) / 3
        saliency = np.abs(np.fft.ifft(np.exp(log - mean) * spectrum / amplitude))
        usual = np.mean(saliency[max(0, n - 22) : n - 1])
        return max(0.0, (saliency[n - 1] - usual) / usual) ** 2

    lengths = [12, 30, 41]
    errors = []
    for length in lengths:
        cut = windows(test, length, [0, 2])
        errors.append([last(window[:, at]) for window in cut for at in range(2)])
    return {"lengths": lengths, "errors": errors}


def seasonal_naive():
    rng = np.random.default_rng(5)
    time = np.arange(400)
    waves = [np.sin(2 * np.pi * time / period) for period in [12, 17]]
    channels = [0.5 + 0.3 * waves[0], 0.5 + 0.3 * np.sign(waves[1] + 0.01), 0.5 * np.ones(400)]
    train = on_grid(np.stack(channels, axis=1) + 0.05 * rng.normal(size=(400, 3)))

    def period(values):
        found = acf(values, nlags=40)
        peaks = [lag for lag in range(2, 40) if found[lag - 1] < found[lag] >= found[lag + 1]]
        best = max(peaks, key=lambda lag: found[lag])
        return best if found[best] >= 0.3 else 1

    return {"train": train.ravel().tolist(), "periods": [period(channel) for channel in train.T]}


def changepoint(test):
    def gain(values):
        cost = CostNormal(add_small_diag=True).fit(values)
        n, middle = len(values), len(values) - len(values) // 2
        return cost.error(0, n) - cost.error(0, middle) - cost.error(middle, n)

    cut = windows(test, LENGTH, range(3))
    return {"errors": [gain(window[:, at]) for window in cut for at in range(3)]}


def main():
    train, test = data()
    names = ["numpy", "scipy", "scikit-learn", "stumpy", "rrcf", "ruptures", "statsmodels"]
    read, judged = train[:, ACTIVE], test[:, ACTIVE]
    golden = {
        "generator": "classic_more.py",
        "versions": {name: version(name) for name in names},
        "n_channels": N_CHANNELS,
        "active": ACTIVE,
        "window_len": LENGTH,
        "train": train.ravel().tolist(),
        "test": test.ravel().tolist(),
        "robust_z": robust_z(read, judged),
        "mahalanobis": mahalanobis(read, judged),
        "pca_t2": pca_t2(read, judged),
        "kmeans": kmeans(read),
        "isolation_forest": isolation_forest(read, judged),
        "rrcf": random_cut_forest(read, judged),
        "matrix_profile": matrix_profile(read, judged),
        "spectral_residual": spectral_residual(judged),
        "seasonal_naive": seasonal_naive(),
        "changepoint": changepoint(judged),
    }
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in golden.items())
    pathlib.Path(__file__).with_name("classic_more.json").write_text(f"{{{lines}}}\n")


if __name__ == "__main__":
    main()
