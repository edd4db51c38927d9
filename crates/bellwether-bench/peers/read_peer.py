"""Measures how fast pandas and polars read the files that `bellwether bench read DIR` has written; JSON on stdout.

    python read_peer.py DIR [--threads N]

The best of five readings by so many threads, from CSV with its times parsed, and from Parquet: what our reader does too.
"""

import argparse
import json
import os
import pathlib
import time

READINGS = 5


def fastest(read):
    """Seconds of the fastest reading, and the frame."""
    best = float("inf")
    for _ in range(READINGS):
        start = time.perf_counter()
        frame = read()
        best = min(best, time.perf_counter() - start)
    return best, frame


def rates(folder, n_threads, readers):
    """Figures of each format in the units of `bellwether bench read`."""
    reads = []
    for name, read in readers.items():
        file = folder / f"rows.{name}"
        secs, frame = fastest(lambda: read(file))
        n_values = frame.shape[0] * (frame.shape[1] - 1)
        mb_per_s = file.stat().st_size / 1e6 / secs
        rate = {"mb_per_s": mb_per_s, "m_values_per_s": n_values / 1e6 / secs}
        reads.append({"format": name, "threads": n_threads, **rate})
    return reads


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    args = parser.parse_args()
    # polars asks when it is imported.
    os.environ["POLARS_MAX_THREADS"] = str(args.threads)
    import pandas
    import polars
    import pyarrow

    pyarrow.set_cpu_count(args.threads)
    pyarrow.set_io_thread_count(args.threads)
    by_pandas = {
        "csv": lambda file: pandas.read_csv(file, parse_dates=["timestamp"]),
        "parquet": lambda file: pandas.read_parquet(file, use_threads=args.threads > 1),
    }
    by_polars = {
        "csv": lambda file: polars.read_csv(file, try_parse_dates=True),
        "parquet": lambda file: polars.read_parquet(file),
    }
    peers = [
        {"peer": name, "version": module.__version__, "reads": rates(args.folder, args.threads, readers)}
        for name, module, readers in (("pandas", pandas, by_pandas), ("polars", polars, by_polars))
    ]
    print(json.dumps({"peers": peers}, indent=2))


if __name__ == "__main__":
    main()
