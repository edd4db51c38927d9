"""Writes inputs.json: how the summed squared error of each window changes with its inputs, by PyTorch's autograd.

    python inputs.py        made with torch 2.15.0, numpy 2.4.6

Networks, windows, targets and masks are those of lstm.py, whose small cases are taken. For each: d (sum of mask (output - target)^2) / d x,
[batch, T, n_inputs], in float32 on one thread, flattened; `off` says how far that is from the same computation in
float64 (largest difference over largest value).
"""

import json
import pathlib

import torch
from lstm import CASES, Network, inputs_of

NAMES = ["odd_sizes", "one_layer_masked", "forecaster", "forecaster_two_layers"]


def gradient(case, dtype):
    init, x, target, mask = inputs_of(case)
    net = Network(case, {name: value.to(dtype) for name, value in init.items()}).to(dtype)
    x = x.to(dtype).requires_grad_(True)
    squares = (net(x) - target.to(dtype)) ** 2
    (squares if mask is None else squares * mask.to(dtype)).sum().backward()
    return x.grad


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch._C._set_mkldnn_enabled(False)
    cases = {}
    for name in NAMES:
        narrow, wide = (gradient(CASES[name], dtype) for dtype in (torch.float32, torch.float64))
        off = float((narrow.double() - wide).abs().max() / wide.abs().max())
        cases[name] = {"off": f"{off:.1e}", "gradient": [float(f"{value:.9g}") for value in narrow.flatten().tolist()]}
        print(name, off)
    about = {"torch": torch.__version__.split("+")[0]}
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps({"about": about, "cases": cases}) + "\n")


if __name__ == "__main__":
    main()
