"""The shapes that every peer is measured at, how a rate and a latency are taken, and how a peer takes its turns.

A rate is the best of several repeats: other work on the machine only ever slows one down.

A peer runs as `PEER.py THREADS EXCHANGE` and reads lines `FIGURE SHAPE SECONDS` on stdin, figures being `train`, `score`
and `latency`; for each it answers a line with a number: windows per second, or microseconds. So `cargo xtask bench-peers`
lets all programs take turns, and load on the machine hits them alike. EXCHANGE is a folder: weights that one peer leaves there
are what another is measured with.
"""

import argparse
import dataclasses
import json
import math
import pathlib
import sys
import time


@dataclasses.dataclass(frozen=True)
class Shape:
    """An LSTM autoencoder: windows of `len` x `n_channels`, encoder and decoder layer sizes, training batch."""

    name: str
    len: int
    n_channels: int
    encoder: tuple
    decoder: tuple
    batch: int


SHAPES = (
    Shape("S", 30, 5, (32, 16), (16, 32), 32),
    Shape("M", 64, 25, (64, 32), (32, 64), 64),
    Shape("L", 100, 55, (128, 64), (64, 128), 128),
)
SCORE_BATCH = 256
N_BATCHES = 8  # distinct training batches, taken in turn


def serve(program, version, open_shape):
    """Says what runs, then answers each line. `open_shape(shape, n_threads, exchange)` gives the figures that the peer has:
    a dictionary of functions of the seconds that they may take."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("threads", type=int)
    parser.add_argument("exchange", type=pathlib.Path)
    args = parser.parse_args()
    print(json.dumps({"program": program, "version": version}), flush=True)
    opened = {}
    for line in sys.stdin:
        figure, name, seconds = line.split()
        if name not in opened:
            shape = next(shape for shape in SHAPES if shape.name == name)
            opened[name] = open_shape(shape, args.threads, args.exchange)
        print(opened[name][figure](float(seconds)), flush=True)


def best_rate(step, windows_per_step, seconds, repeats=6):
    """Windows per second of `step`, a function of the step's number: the best of `repeats` in `seconds`."""
    step(0)
    start = time.perf_counter()
    step(1)
    once = time.perf_counter() - start
    n_steps = max(1, math.floor(seconds / repeats / max(once, 1e-6)))
    best = 0.0
    for _ in range(repeats):
        start = time.perf_counter()
        for idx in range(n_steps):
            step(idx)
        best = max(best, n_steps * windows_per_step / (time.perf_counter() - start))
    return best


def best_latency_us(call, seconds, repeats=6):
    """Median of one `call` in microseconds, of the repeat with the lowest."""
    call()
    best = math.inf
    for _ in range(repeats):
        took = []
        end = time.perf_counter() + seconds / repeats
        while len(took) < 30 or time.perf_counter() < end:
            start = time.perf_counter_ns()
            call()
            took.append(time.perf_counter_ns() - start)
        took.sort()
        best = min(best, took[len(took) // 2] / 1e3)
    return best
