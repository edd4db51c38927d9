"""Reference values for the threshold that follows drift: writes dspot.json beside itself.

    python crates/bellwether-core/tests/golden/dspot.py

Made with Python 3, NumPy and SciPy; the versions stand in the JSON. Nothing of bellwether is used. The algorithm is DSPOT
(Siffer, Fouque, Termier and Largouet, KDD 2017, section 4.3 and equation 1), with the two changes that docs/scores.md
names: the tail is not updated, and rows count as normal by the threshold without drift.

- errors, depth, risk: what is learnt from. usual: the mean of the errors.
- base: usual + z_q. X_i = e_i - M_i with M_i the mean of the last `depth` normal errors, those that are not there yet taken as usual;
  z_q by equation 1 from a generalised Pareto tail above the 98 % quantile of X, fitted by scipy.stats.genpareto.fit. All
  rows are normal at first; then those below the base of the first round.
- stream, thresholds: errors that drift, with a fault in them, and the threshold of each row: base + M_i - usual, held within half and
  twice the base. followed: the share of the rows behind row 1500 that are alarms, with drift and without.
"""

import json
import pathlib
import sys

import numpy as np
import scipy
from scipy import optimize, stats

rng = np.random.default_rng(20261129)


def levels(errors, depth, usual, base):
    """The mean of the last normal rows before each row."""
    means = np.empty(len(errors))
    for i in range(len(errors)):
        before = errors[max(0, i - depth) : i]
        normal = before[before < base]
        means[i] = (normal.sum() + (depth - len(normal)) * usual) / depth
    return means


def exact(func, x0, args=(), disp=0):
    return optimize.fmin(func, x0, args=args, xtol=1e-11, ftol=1e-13, maxiter=20000, maxfun=40000, disp=disp)


def learn(errors, depth, risk):
    usual = errors.mean()
    base = np.inf
    for _ in range(2):
        x = errors - (levels(errors, depth, usual, base) - usual)
        start = np.quantile(x, 0.98)
        excesses = x[x > start] - start
        shape, _, scale = stats.genpareto.fit(excesses, floc=0, optimizer=exact)
        assert abs(shape) < 0.4, "well within the bounds of the search"
        base = start + scale / shape * ((risk * len(x) / len(excesses)) ** -shape - 1)
    return usual, base, shape


def moved(errors, depth, usual, base):
    return np.clip(base + levels(errors, depth, usual, base) - usual, base / 2, 2 * base)


def case(depth, risk, n, drift):
    # A level that wanders, and a tail about it.
    wander = 1.0 + 0.2 * np.sin(np.arange(n) / 150.0)
    errors = np.round(wander + rng.gamma(2.0, 0.35, n), 5)
    usual, base, shape = learn(errors, depth, risk)
    m = 2500
    stream = 1.0 + drift * np.minimum(np.arange(m) / 1500.0, 1.0) + rng.gamma(2.0, 0.35, m)
    stream[1000:1040] += 2 * base
    stream = np.round(stream, 5)
    thresholds = moved(stream, depth, usual, base)
    late = slice(1500, m)
    return {
        "errors": errors.tolist(), "depth": depth, "risk": risk, "usual": usual, "base": base, "shape": shape,
        "stream": stream.tolist(), "thresholds": thresholds.tolist(),
        "followed": [float(np.mean(stream[late] >= thresholds[late])), float(np.mean(stream[late] >= base))],
    }


def main():
    cases = [case(50, 1e-3, 2500, 1.0), case(200, 1e-4, 2500, 1.5)]
    about = {"python": sys.version.split()[0], "numpy": np.__version__, "scipy": scipy.__version__}
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps({"about": about, "cases": cases}) + "\n")
    for of in cases:
        print(of["depth"], of["usual"], of["base"], of["shape"], of["followed"])


if __name__ == "__main__":
    main()
