"""Reference values for thresholds: writes threshold.json beside itself.

    python crates/bellwether-core/tests/golden/threshold.py

Made with Python 3, NumPy and SciPy; the versions stand in the JSON. Nothing of bellwether is used.

- anderson: the Anderson-Darling statistic of excesses against a generalised Pareto distribution, from
  scipy.stats.genpareto and the textbook sum (Choulakian and Stephens 2001, section 3).
- critical: the 99 % point of that statistic where shape and scale are fitted to the same excesses, by simulation. The
  fit is the profile likelihood of Grimshaw (1993) on a fine grid, with the shape held within +-0.5.
- conformal: the threshold of split conformal prediction, the ceil((n + 1)(1 - risk))-th smallest score (Vovk et al.
  2005; Angelopoulos and Bates 2023, section 1).
- dynamic: the threshold and the pruned peaks of Hundman et al. (KDD 2018, sections 3.2 and 3.3).
"""

import json
import math
import pathlib
import sys

import numpy as np
import scipy
from scipy import stats

rng = np.random.default_rng(20240501)


def anderson(x, shape, scale):
    x = np.sort(x)
    n = len(x)
    below = stats.genpareto.logcdf(x, shape, 0, scale)
    above = stats.genpareto.logsf(x, shape, 0, scale)
    weights = 2 * np.arange(1, n + 1) - 1
    return float(-n - np.sum(weights * (below + above[::-1])) / n)


def anderson_cases():
    cases = []
    for shape, scale, n in [(0.3, 2.0, 12), (-0.25, 1.5, 40), (0.0, 1.0, 100), (0.5, 0.1, 25)]:
        x = np.round(stats.genpareto.rvs(0.1, size=n, random_state=rng) * scale, 6) + 1e-6
        if shape < 0:
            x = x * 0.5 * scale / -shape / x.max()
        cases.append({"excesses": x.tolist(), "shape": shape, "scale": scale, "statistic": anderson(x, shape, scale)})
    return cases


def fitted(x):
    """Shapes and scales of many samples, [n_samples, n]."""
    x = x / x.mean(axis=1, keepdims=True)
    largest = x.max(axis=1)
    lo, hi = -(1 - 1e-9) / largest, np.full(len(x), 20.0)
    shape_of = lambda theta: np.log1p(theta[:, None] * x).mean(axis=1)
    bounds = []
    for want, a, b in [(-0.5, lo.copy(), np.zeros(len(x))), (0.5, np.zeros(len(x)), hi.copy())]:
        for _ in range(45):
            middle = 0.5 * (a + b)
            low = shape_of(middle) < want
            a, b = np.where(low, middle, a), np.where(low, b, middle)
        bounds.append(0.5 * (a + b))

    def likelihood(theta):
        shape = shape_of(theta)
        scale = np.where(np.abs(theta) < 1e-9, 1.0, shape / np.where(theta == 0, 1, theta))
        return -np.log(scale) - shape

    best, where = np.full(len(x), -np.inf), np.zeros(len(x))
    for share in np.linspace(-1, 1, 41):
        theta = np.where(share < 0, -share * bounds[0], share * bounds[1])
        value = likelihood(theta)
        better = value > best
        best, where = np.where(better, value, best), np.where(better, theta, where)
    width = (bounds[1] - bounds[0]) / 40
    for _ in range(25):
        for step in (-1, 1):
            theta = np.clip(where + step * width, bounds[0], bounds[1])
            value = likelihood(theta)
            better = value > best
            best, where = np.where(better, value, best), np.where(better, theta, where)
        width /= 1.5
    shape = shape_of(where)
    scale = np.where(np.abs(where) < 1e-9, 1.0, shape / np.where(where == 0, 1, where))
    return x, shape, scale


def critical(shape, n, n_samples=6000):
    x, shapes, scales = fitted(stats.genpareto.rvs(shape, size=(n_samples, n), random_state=rng))
    x = np.sort(x, axis=1)
    above = -np.log1p(np.maximum(shapes[:, None] * x / scales[:, None], -1 + 1e-12)) / shapes[:, None]
    below = np.log(-np.expm1(above))
    weights = 2 * np.arange(1, n + 1) - 1
    a2 = -n - np.sum(weights * (below + above[:, ::-1]), axis=1) / n
    return {"shape": shape, "n": n, "p95": float(np.quantile(a2, 0.95)), "p99": float(np.quantile(a2, 0.99))}


def conformal_cases():
    cases = []
    for n, risk in [(9, 0.1), (9, 0.05), (19, 0.05), (100, 0.01), (99, 0.01), (250, 0.02), (1, 0.5)]:
        scores = np.round(rng.exponential(size=n), 6)
        rank = math.ceil((n + 1) * (1 - risk) - 1e-9)
        level = float(np.sort(scores)[rank - 1]) if rank <= n else None
        cases.append({"scores": scores.tolist(), "risk": risk, "level": level})
    return cases


def dynamic(errors, p):
    """Hundman et al. 2018: equation for epsilon over z in 2.5, 3, ... 12, then pruning by the percent decrease."""
    mean, std = errors.mean(), errors.std()
    best, epsilon = -np.inf, None
    for z in np.arange(2.5, 12.01, 0.5):
        level = mean + z * std
        is_above = errors > level
        n_above = int(is_above.sum())
        if n_above == 0 or n_above == len(errors):
            continue
        starts = is_above & ~np.concatenate(([False], is_above[:-1]))
        quiet = errors[~is_above]
        drop = (mean - quiet.mean()) / mean + (std - quiet.std()) / std
        value = drop / (n_above + int(starts.sum()) ** 2)
        if value > best:
            best, epsilon = value, level
    if epsilon is None:
        return None, []
    is_above = errors > epsilon
    edges = np.flatnonzero(np.diff(np.concatenate(([0], is_above.astype(int), [0]))))
    peaks = sorted((float(errors[a:b].max()) for a, b in zip(edges[::2], edges[1::2])), reverse=True)
    ladder = peaks + [float(errors[~is_above].max())]
    kept = 0
    for i in range(1, len(ladder)):
        if (ladder[i - 1] - ladder[i]) / ladder[i - 1] > p:
            kept = i
    return float(epsilon), peaks[:kept]


def dynamic_cases():
    cases = []
    for n, faults in [(400, [(100, 8, 6.0), (250, 5, 9.0)]), (300, [(40, 3, 2.2)]), (600, [(30, 20, 4.0), (200, 4, 3.9), (420, 1, 12.0)]), (200, [])]:
        errors = np.abs(rng.normal(size=n)) * 0.4 + 0.5
        for start, length, height in faults:
            errors[start:start + length] += height
        errors = np.round(errors, 6)
        epsilon, kept = dynamic(errors, 0.13)
        cases.append({"errors": errors.tolist(), "prune": 0.13, "epsilon": epsilon, "kept": kept})
    return cases


document = {
    "made_by": f"threshold.py, Python {sys.version.split()[0]}, NumPy {np.__version__}, SciPy {scipy.__version__}",
    "anderson": anderson_cases(),
    "critical": [critical(shape, n) for shape in (-0.4, -0.2, 0.0, 0.2, 0.4) for n in (20, 200)],
    "conformal": conformal_cases(),
    "dynamic": dynamic_cases(),
}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(document) + "\n")
