"""Writes bootstrap.json: block lengths that tests/bootstrap.rs holds the block bootstrap to.

Written from the papers (Politis and White 2004; Patton, Politis and White 2009), not from other code: autocovariances by
NumPy's FFT, the flat-top window by its definition. The version of NumPy is written into the file. To run it again:

    python3 -m venv /tmp/bootstrap && /tmp/bootstrap/bin/pip install numpy
    /tmp/bootstrap/bin/python bootstrap.py

The series are seeded autoregressions, rounded to six digits so that every JSON reader parses the same numbers.
"""

import json
import math
import pathlib

import numpy as np


def autoregression(seed, n, coefficients):
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=n + 200)
    values = np.zeros(n + 200)
    for at in range(len(coefficients), n + 200):
        values[at] = noise[at] + sum(c * values[at - 1 - lag] for lag, c in enumerate(coefficients))
    return np.round(values[200:], 6)


def autocovariance(values, lag_max):
    n = len(values)
    spectrum = np.fft.rfft(values - values.mean(), 2 * n)
    return np.fft.irfft(np.abs(spectrum) ** 2)[: lag_max + 1] / n


def flat_top(share):
    return np.where(np.abs(share) <= 0.5, 1.0, 2 * (1 - np.abs(share)))


def block_len(values):
    n = len(values)
    in_a_row = max(5, math.ceil(math.sqrt(math.log10(n))))
    lag_max = math.ceil(math.sqrt(n)) + in_a_row
    covariance = autocovariance(values, lag_max)
    small = np.abs(covariance / covariance[0]) < 2 * math.sqrt(math.log10(n) / n)
    reach = None
    for m in range(0, lag_max - in_a_row + 1):
        if small[m + 1 : m + 1 + in_a_row].all():
            reach = max(m, 1)
            break
    if reach is None:
        reach = int(np.nonzero(~small)[0].max())
    bandwidth = min(2 * reach, lag_max)
    lags = np.arange(-bandwidth, bandwidth + 1)
    window = flat_top(lags / bandwidth)
    both = covariance[np.abs(lags)]
    slope = np.sum(window * np.abs(lags) * both)
    level = np.sum(window * both)
    length = (2 * slope**2 / (2 * level**2)) ** (1 / 3) * n ** (1 / 3)
    return float(np.clip(length, 1, math.ceil(min(3 * math.sqrt(n), n / 3))))


CASES = [
    ("white noise", 1, 500, []),
    ("autoregression 0.5", 2, 500, [0.5]),
    ("autoregression 0.9", 3, 1000, [0.9]),
    ("autoregression 0.99, never small", 4, 300, [0.99]),
    ("alternating", 5, 400, [-0.7]),
    ("two lags", 6, 800, [0.4, 0.3]),
]

cases = []
for name, seed, n, coefficients in CASES:
    values = autoregression(seed, n, coefficients)
    cases.append({"name": name, "values": values.tolist(), "block_len": block_len(values)})

out = pathlib.Path(__file__).with_name("bootstrap.json")
out.write_text(json.dumps({"generator": f"bootstrap.py, NumPy {np.__version__}", "cases": cases}) + "\n")
