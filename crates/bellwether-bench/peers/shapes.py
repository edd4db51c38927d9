"""The shapes that every peer is measured at, and how a rate and a latency are taken.

A rate is the best of several repeats: other work on the machine only ever slows one down.
"""

import dataclasses
import math
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


def named(names):
    """The shapes of these comma-separated names, in the order of `SHAPES`."""
    wanted = names.split(",")
    unknown = [name for name in wanted if name not in {shape.name for shape in SHAPES}]
    if unknown:
        raise SystemExit(f"unknown shape {', '.join(unknown)}: have S, M, L")
    return [shape for shape in SHAPES if shape.name in wanted]


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


def best_latency_us(call, seconds, repeats=6, n_calls_max=2000):
    """Median and 99th percentile of one `call` in microseconds, of the repeat with the lowest median."""
    for _ in range(20):
        call()
    best = None
    for _ in range(repeats):
        took = []
        end = time.perf_counter() + seconds / repeats
        while len(took) < n_calls_max and (len(took) < 30 or time.perf_counter() < end):
            start = time.perf_counter_ns()
            call()
            took.append(time.perf_counter_ns() - start)
        took.sort()
        found = {"p50": took[len(took) // 2] / 1e3, "p99": took[int(len(took) * 0.99)] / 1e3}
        if best is None or found["p50"] < best["p50"]:
            best = found
    return best
