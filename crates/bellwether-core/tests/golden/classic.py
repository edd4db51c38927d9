"""Writes classic.json: reference answers that tests/classic holds the classic detectors to.

The reference is scikit-learn 1.9 (PCA, Ridge, NearestNeighbors) on NumPy; the versions used are written into the file.
To run it again:

    python3 -m venv /tmp/classic && /tmp/classic/bin/pip install numpy scikit-learn
    /tmp/classic/bin/python classic.py

The rows are synthetic and seeded: waves of three periods shared by the channels, and noise. They are rounded to six
digits so that every JSON reader parses the same numbers; the reference values are written with all 17 digits.
"""

import json
import pathlib
from importlib.metadata import version

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.neighbors import NearestNeighbors


def rows(seed, n_rows, n_channels):
    rng = np.random.default_rng(seed)
    time = np.arange(n_rows)[:, None]
    waves = np.sin(2 * np.pi * (time / np.array([7.3, 19.1, 41.7]) + rng.uniform(size=3)))
    mixed = waves @ rng.normal(size=(3, n_channels)) + 0.3 * rng.normal(size=(n_rows, n_channels))
    return np.round(0.5 + 0.2 * mixed, 6)


def windows(values, length, active):
    """[n_windows, length, n_active], one window from every row on."""
    return np.stack([values[at : at + length, active] for at in range(len(values) - length + 1)])


def pca(train, test, active, length, share):
    flat = windows(train, length, active).reshape(len(train) - length + 1, -1)
    fitted = PCA(n_components=share, svd_solver="full").fit(flat)
    tested = windows(test, length, active).reshape(len(test) - length + 1, -1)
    expected = fitted.inverse_transform(fitted.transform(tested))
    return {"rank": int(fitted.n_components_), "expected": expected.ravel().tolist()}


def var(train, test, active, lags):
    def split(values):
        cut = windows(values, lags + 1, active)
        return cut[:, :-1].reshape(len(cut), -1), cut[:, -1]

    before, last = split(train)
    centred = before - before.mean(axis=0)
    penalty = 0.01 * np.sum(centred**2) / before.shape[1] + 1e-6
    fitted = Ridge(alpha=penalty, solver="svd").fit(before, last)
    return {"expected": fitted.predict(split(test)[0]).ravel().tolist()}


def cross(train, test, active, length):
    """Each channel's deviation from its window's mean, by a ridge regression of its own on those of the other channels."""
    last = length - 1
    rows_read = sorted({0, last - last // 4, last})
    n = len(active)

    def cut(values):
        shapes = windows(values, length, active)
        means = shapes.mean(axis=1)
        read = shapes[:, rows_read] - means[:, None]
        return read.reshape(len(read), -1), means

    (read, _), (tested, means) = cut(train), cut(test)
    penalty = 0.001 * np.sum((read - read.mean(axis=0)) ** 2) / read.shape[1] + 1e-6
    told = np.empty((len(tested), n))
    for channel in range(n):
        others = [cell for cell in range(read.shape[1]) if cell % n != channel]
        target = read[:, (len(rows_read) - 1) * n + channel]
        fitted = Ridge(alpha=penalty, solver="svd").fit(read[:, others], target)
        told[:, channel] = fitted.predict(tested[:, others])
    return {"expected": (told + means).ravel().tolist()}


def knn(train, test, active, length, weights):
    def shapes(values):
        cut = windows(values, length, active)
        means = cut.mean(axis=1, keepdims=True)
        return cut - means, means

    def scaled(shape):
        return (shape * np.sqrt(weights[active])).reshape(len(shape), -1)

    memory, (tested, means) = shapes(train)[0], shapes(test)
    n_neighbours = min(3, len(memory))
    fitted = NearestNeighbors(n_neighbors=n_neighbours, algorithm="brute").fit(scaled(memory))
    found = memory[fitted.kneighbors(scaled(tested), return_distance=False)]
    return {
        "errors": np.mean((tested[:, None] - found) ** 2, axis=1).ravel().tolist(),
        "expected": (means + found.mean(axis=1)).ravel().tolist(),
    }


def cases():
    # name, training rows, channels, active, window length, lags: "few_rows" has fewer windows than cells.
    shapes = [
        ("many_rows", 120, 4, [0, 1, 3], 5, 4),
        ("few_rows", 16, 5, [0, 1, 2, 3, 4], 8, 6),
        ("one_channel", 60, 3, [2], 6, 3),
        ("wide", 90, 11, [0, 2, 3, 4, 5, 6, 8, 9, 10], 20, 10),
    ]
    for seed, (name, n_rows, n_channels, active, length, lags) in enumerate(shapes):
        train, test = rows(2 * seed, n_rows, n_channels), rows(2 * seed + 1, length + 5, n_channels)
        weights = np.round(np.random.default_rng(100 + seed).uniform(0.2, 2, size=n_channels), 3)
        yield {
            "name": name,
            "n_channels": n_channels,
            "active": active,
            "window_len": length,
            "lags": lags,
            "weights": weights.tolist(),
            "train": train.ravel().tolist(),
            "test": test.ravel().tolist(),
            "pca": pca(train, test, active, length, 0.9),
            "var": var(train, test, active, lags),
            # A channel alone has no others.
            "cross": cross(train, test, active, length) if len(active) > 1 else None,
            "knn": knn(train, test, active, length, weights),
        }


def main():
    versions = {name: version(name) for name in ["scikit-learn", "numpy"]}
    lines = ",\n".join(json.dumps(case) for case in cases())
    text = f'{{"generator": "classic.py", "versions": {json.dumps(versions)}, "cases": [\n{lines}\n]}}\n'
    pathlib.Path(__file__).with_name("classic.json").write_text(text)


if __name__ == "__main__":
    main()
