"""Writes drift.json: reference values that tests/drift holds the statistics of drift to, at 1e-9.

The reference is SciPy 1.17 (ks_2samp, kstwobign, wasserstein_distance, norm), statsmodels 0.15 (multipletests) and
NumPy; the versions used are written into the file. The stability index is written out here once more. To run it again:

    python3 -m venv /tmp/drift && /tmp/drift/bin/pip install numpy scipy statsmodels
    /tmp/drift/bin/python drift.py

The cases are synthetic and seeded. Values are rounded to six digits so that every JSON reader parses the same numbers;
the reference values are written with all 17 digits.
"""

import json
import pathlib
from importlib.metadata import version

import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests


def samples():
    """(name, baseline, recent): at most 257 different baseline values, so that a summary is exact."""
    rng = np.random.default_rng
    yield "same_law", rng(1).normal(size=200), rng(2).normal(size=300)
    yield "shift_of_one_sigma", rng(3).normal(size=256), rng(4).normal(1, 1, size=180)
    yield "wider", rng(5).normal(size=200), rng(6).normal(0, 3, size=90)
    yield "heavy_tails", rng(7).standard_t(1.5, size=250), rng(8).standard_t(1.5, size=250)
    yield "two_states", rng(9).integers(0, 2, size=5000), rng(10).random(3000) < 0.3
    yield "five_states_with_a_new_one", rng(11).integers(0, 5, size=900), rng(12).integers(0, 6, size=700)
    yield "one_heavy_value", np.maximum(rng(13).normal(size=240), 0), np.maximum(rng(14).normal(-0.3, 1, size=200), 0)
    yield "rounded_with_ties", np.round(rng(15).normal(size=4000), 1), np.round(rng(16).normal(0.2, 1, size=1000), 1)
    yield "out_of_range_on_both_sides", rng(17).uniform(size=100), rng(18).uniform(-1, 2, size=100)
    yield "apart", rng(19).uniform(size=100), 10 + rng(20).uniform(size=50)
    yield "large_offset", 1e6 + rng(21).normal(size=150), 1e6 + 0.5 + rng(22).normal(size=150)
    yield "identical", np.arange(60.0), np.arange(60.0)
    yield "few_rows", rng(23).normal(size=5), rng(24).normal(size=3)
    yield "one_row_each", np.array([1.0]), np.array([2.0])


def psi(baseline, recent):
    """Bins end at the smallest values with a tenth, two tenths, ... of the baseline at or below them."""
    ordered = np.sort(baseline)
    n, m = len(baseline), len(recent)
    # The smallest value with n_at_or_below / n >= j / 10 is that of rank ceil(j n / 10), counted from 1.
    ends = sorted({ordered[-(-j * n // 10) - 1] for j in range(1, 10)})
    if ends[0] == ordered[0]:
        ends.insert(0, np.nextafter(ends[0], -np.inf))
    of_baseline = np.bincount(np.searchsorted(ends, baseline, side="left"), minlength=len(ends) + 1)
    of_recent = np.bincount(np.searchsorted(ends, recent, side="left"), minlength=len(ends) + 1)
    kept = (of_baseline > 0) | (of_recent > 0)
    p = (of_baseline[kept] + 0.5) / (n + 0.5 * kept.sum())
    q = (of_recent[kept] + 0.5) / (m + 0.5 * kept.sum())
    return float(np.sum((q - p) * np.log(q / p)))


def of_samples():
    for name, baseline, recent in samples():
        baseline, recent = (np.round(values.astype(float), 6) for values in (baseline, recent))
        statistic = stats.ks_2samp(baseline, recent, method="asymp").statistic
        n, m = len(baseline), len(recent)
        yield {
            "name": name,
            "baseline": baseline.tolist(),
            "recent": recent.tolist(),
            "ks": float(statistic),
            "p_value": float(stats.kstwobign.sf(statistic * np.sqrt(n * m / (n + m)))),
            "wasserstein": float(stats.wasserstein_distance(baseline, recent)),
            "std": float(np.std(baseline)),
            "psi": psi(baseline, recent),
        }


def of_p_values():
    rng = np.random.default_rng
    lists = [rng(31).uniform(size=1), rng(32).uniform(size=12), rng(33).uniform(size=40) ** 4, np.array([0.02] * 5)]
    lists.append(np.array([0.0, 1.0, 0.5, 1e-12, 0.049, 0.05, 0.5]))
    for p_values in lists:
        q_values = multipletests(p_values, method="fdr_bh")[1]
        yield {"p_values": p_values.tolist(), "q_values": q_values.tolist()}


def of_kolmogorov():
    for x in (0.05, 0.19, 0.21, 0.4, 0.7, 0.99, 1.0, 1.01, 1.36, 2.0, 3.5, 6.0):
        yield {"x": x, "sf": float(stats.kstwobign.sf(x))}


def of_correlations():
    """Fisher's z of two correlations, and Pearson's correlations of a table."""
    for first, second, n, m in ((0.9, 0.1, 50, 40), (0.5, 0.45, 300.5, 77.25), (-0.99, -0.2, 20, 21), (0.3, 0.3, 30, 30)):
        z = (np.arctanh(first) - np.arctanh(second)) / np.sqrt(1 / (n - 3) + 1 / (m - 3))
        yield {"first": first, "second": second, "n": n, "m": m, "p_value": float(2 * stats.norm.sf(abs(z)))}


def table():
    rng = np.random.default_rng(41)
    common = rng.normal(size=(120, 1))
    rows = np.round(common * [1.0, -2.0, 0.5, 0.0] + rng.normal(size=(120, 4)), 6)
    corr = np.corrcoef(rows.T)
    return {"rows": rows.tolist(), "correlations": [float(corr[i, j]) for i in range(4) for j in range(i + 1, 4)]}


def main():
    lines = lambda items: ",\n".join(json.dumps(item) for item in items)
    versions = {package: version(package) for package in ("scipy", "statsmodels", "numpy")}
    text = (
        '{"generator": "drift.py", "versions": %s, "samples": [\n%s\n], "p_values": [\n%s\n], "kolmogorov": [\n%s\n],'
        ' "fisher": [\n%s\n], "table": %s}\n'
        % (
            json.dumps(versions),
            lines(of_samples()),
            lines(of_p_values()),
            lines(of_kolmogorov()),
            lines(of_correlations()),
            json.dumps(table()),
        )
    )
    pathlib.Path(__file__).with_suffix(".json").write_text(text)


if __name__ == "__main__":
    main()
