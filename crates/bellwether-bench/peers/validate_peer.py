"""pandera (on pandas) doing what `bellwether bench validate` does, on rows of the same shape that are in memory already.

    python validate_peer.py [--rows 1000000] [--channels 20]

One JSON document on stdout. Per channel: range, states, missing share, rate of change, longest run of one value, share at
the ends of the values, outliers and jumps by quantiles, constancy. Over all: rising times without repetition, cadence,
longest gap, times in the future, and channels that copy each other. What pandera has is pandera's (ranges, states,
uniqueness, nulls); the rest are checks of its own kind, written with whole columns.
"""

import argparse
import importlib.metadata
import json
import resource
import time

import numpy as np
import pandas as pd
import pandera.pandas as pa


def made_up(n_rows, n_channels, seed):
    """Channels that wander around a level, each tenth a switch, a thousandth of the values missing."""
    n = 20_000
    random = np.random.default_rng(seed)
    steps = random.uniform(-0.5, 0.5, (n, n_channels))
    block = np.empty_like(steps)
    level = np.zeros(n_channels)
    for row in range(n):
        level = 0.95 * level + steps[row]
        block[row] = 50.0 + level
    for idx in range(9, n_channels, 10):
        block[:, idx] = np.arange(n) // (100 + idx) % 2
    block[random.uniform(size=block.shape) < 0.001] = np.nan
    values = np.tile(block, (n_rows // n + 1, 1))[:n_rows]
    frame = pd.DataFrame(values, columns=[f"c{idx}" for idx in range(n_channels)])
    frame.insert(0, "time", pd.date_range("2020-01-01", periods=n_rows, freq="s"))
    return frame


def longest_run(series):
    same = series.diff().eq(0.0)
    runs = same.cumsum() - same.cumsum().where(~same).ffill().fillna(0)
    return runs.max()


def no_outlier(series):
    low, high = series.quantile([0.01, 0.99])
    width = 1.5 * (high - low)
    return series.isna() | series.between(low - width, high + width)


def no_jump(series):
    steps = series.diff().abs()
    return steps.isna() | (steps <= 8 * steps.quantile(0.99))


def no_saturation(series):
    n = series.count()
    return (series.eq(series.min()).sum() < 0.01 * n) and (series.eq(series.max()).sum() < 0.01 * n)


def channel(frame, name):
    values = frame[name]
    missing = pa.Check(lambda of: of.isna().mean() <= 0.01, name="missing")
    if values.nunique() <= 5:
        return pa.Column(float, [pa.Check.isin([0.0, 1.0]), missing], nullable=True)
    return pa.Column(
        float,
        [
            pa.Check.in_range(40.0, 60.0),
            missing,
            pa.Check(lambda of: of.diff().abs().fillna(0.0) <= 5.0, name="rate"),
            pa.Check(lambda of: longest_run(of) <= 20, name="stuck"),
            pa.Check(no_outlier, name="outlier"),
            pa.Check(no_jump, name="jump"),
            pa.Check(no_saturation, name="saturation"),
            pa.Check(lambda of: of.max() > of.min(), name="constant"),
        ],
        nullable=True,
    )


def no_copies(frame):
    values = frame.drop(columns="time")
    close = (values.corr().abs() >= 0.9999) & (values.diff().corr().abs() >= 0.9999)
    return bool(np.triu(close.to_numpy(), 1).sum() == 0)


def schema(frame):
    spacing = lambda of: of.diff().dropna()  # noqa: E731
    times = pa.Column(
        None,
        [
            pa.Check(lambda of: of.is_monotonic_increasing, name="late"),
            pa.Check(lambda of: of < pd.Timestamp("2200-01-01"), name="future"),
            pa.Check(lambda of: spacing(of).max() <= 1.5 * spacing(of).median(), name="gap"),
            pa.Check(lambda of: (spacing(of) - spacing(of).median()).abs().median() <= pd.Timedelta("50ms"), name="jitter"),
        ],
        unique=True,
    )
    columns = {name: channel(frame, name) for name in frame.columns if name != "time"}
    return pa.DataFrameSchema({"time": times, **columns}, checks=pa.Check(no_copies, name="copy"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--channels", type=int, default=20)
    args = parser.parse_args()
    frame = made_up(args.rows, args.channels, 42)
    wanted = schema(frame)
    start = time.perf_counter()
    try:
        wanted.validate(frame, lazy=True)
        n_broken = 0
    except pa.errors.SchemaErrors as errors:
        n_broken = len(errors.schema_errors)
    seconds = time.perf_counter() - start
    print(
        json.dumps(
            {
                "peer": "pandera",
                "version": f"{importlib.metadata.version('pandera')} on pandas {pd.__version__}",
                "rows": args.rows,
                "channels": args.channels,
                "seconds": seconds,
                "rows_per_s": args.rows / seconds,
                "n_broken": n_broken,
                "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
