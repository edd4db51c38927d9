"""Writes the golden files of the LSTM autoencoder and forecaster: what PyTorch makes of fixed weights and windows.

    python lstm.py [FOLDER]        made with torch 2.15.0, numpy 2.4.6, safetensors 0.8.0

The autoencoder: batch-first windows through a stack of LSTM layers; the last state of the last one, repeated once per
time step, through a second stack; a linear head per time step. The forecaster (cases without a decoder): one stack,
and the head on its last state alone; T is what it sees, A = 1 what it answers, else A = T. One bias per gate. Each
case is one safetensors file:

    init/P            parameters before, P in encoder.0.{w_ih,w_hh,b} … decoder.N.b, head.{w,b}; of a forecaster
                      lstm.0.{w_ih,w_hh,b} … head.{w,b};
                      gate rows in the order i, f, g, o; w_ih [4H, I], w_hh [4H, H], b [4H], head.w [F, H], head.b [F]
    x, target         [batch, T, n_inputs], [batch, A, n_outputs]
    mask              in some cases: 1 where target was observed; every loss is then the mean over observed cells
    output            [batch, A, n_outputs]
    loss/L            scalar, L of mse and in some cases also mae and huber (delta 1)
    output_grad/L     d loss / d output
    grad/P            d mse / d P
    adam5/P           parameters after five steps of Adam on the mse of this one batch (lr 1e-3, betas 0.9 and 0.999,
                      eps 1e-8); adam5_clip/P the same, each gradient first clipped to a joint norm of 1
    adam5_loss, adam5_clip_loss, adam5_clip_norm   [5], taken before each step; the norm before clipping
    grad_clip/P       the clipped gradient of the first step: Adam all but cancels a scaled gradient, so look here

All of it is float32 on one thread, without fused kernels. The metadata `about` tells how far each group is from the same
computation in float64 (largest difference over largest value): what a tolerance may be held against.
"""

import json
import pathlib
import sys

import numpy
import torch
from safetensors.torch import save_file

N_STEPS = 5
LOSSES = {
    "mse": lambda output, target: torch.nn.functional.mse_loss(output, target, reduction="none"),
    "mae": lambda output, target: torch.nn.functional.l1_loss(output, target, reduction="none"),
    "huber": lambda output, target: torch.nn.functional.huber_loss(output, target, reduction="none", delta=1.0),
}

# `n_inputs` is wider than `n_outputs` where a window carries more than is to be reconstructed.
CASES = {
    "odd_sizes": dict(
        seed=11, batch=7, len=6, n_inputs=3, n_outputs=3, encoder=(5, 4), decoder=(4, 5),
        losses=("mse", "mae", "huber"), target_deviation=2.0, masked=False, clipped=True,
    ),
    "one_layer_masked": dict(
        seed=12, batch=20, len=8, n_inputs=4, n_outputs=2, encoder=(16,), decoder=(16,),
        losses=("mse",), target_deviation=0.5, masked=True, clipped=False,
    ),
    "shape_s": dict(
        seed=13, batch=32, len=30, n_inputs=5, n_outputs=5, encoder=(32, 16), decoder=(16, 32),
        losses=("mse",), target_deviation=0.5, masked=False, clipped=False,
    ),
    "shape_m": dict(
        seed=14, batch=8, len=64, n_inputs=25, n_outputs=25, encoder=(64, 32), decoder=(32, 64),
        losses=("mse",), target_deviation=0.5, masked=False, clipped=False,
    ),
    "forecaster": dict(
        seed=15, batch=20, len=16, n_inputs=6, n_outputs=3, encoder=(20,), decoder=(),
        losses=("mse",), target_deviation=0.5, masked=True, clipped=False,
    ),
    "forecaster_two_layers": dict(
        seed=16, batch=7, len=5, n_inputs=3, n_outputs=3, encoder=(9, 5), decoder=(),
        losses=("mse", "mae", "huber"), target_deviation=2.0, masked=False, clipped=False,
    ),
}


def stacks_of(case):
    """The name in the file and the sizes of each stack of layers."""
    if not case["decoder"]:
        return {"lstm": case["encoder"]}
    return {"encoder": case["encoder"], "decoder": case["decoder"]}


class Network(torch.nn.Module):
    """The network with parameters `init`, named as in the file."""

    def __init__(self, case, init):
        super().__init__()
        self.stacks = torch.nn.ModuleDict()
        n_last = case["n_inputs"]
        for name, sizes in stacks_of(case).items():
            self.stacks[name] = self._stack(name, n_last, sizes, init)
            n_last = sizes[-1]
        self.head = torch.nn.Linear(n_last, case["n_outputs"])
        self._set(self.head.weight, init["head.w"])
        self._set(self.head.bias, init["head.b"])

    def _stack(self, name, n_inputs, sizes, init):
        layers = torch.nn.ModuleList()
        for idx, size in enumerate(sizes):
            layer = torch.nn.LSTM(n_inputs, size, batch_first=True)
            self._set(layer.weight_ih_l0, init[f"{name}.{idx}.w_ih"])
            self._set(layer.weight_hh_l0, init[f"{name}.{idx}.w_hh"])
            self._set(layer.bias_ih_l0, init[f"{name}.{idx}.b"])
            self._set(layer.bias_hh_l0, torch.zeros(4 * size))
            layer.bias_hh_l0.requires_grad_(False)  # PyTorch has two biases per gate; only their sum means anything
            layers.append(layer)
            n_inputs = size
        return layers

    @staticmethod
    def _set(parameter, value):
        with torch.no_grad():
            parameter.copy_(value)

    def forward(self, x):
        len_ = x.shape[1]
        first, *second = self.stacks.values()
        for layer in first:
            x, _ = layer(x)
        x = x[:, -1:, :]
        for stack in second:
            x = x.expand(-1, len_, -1)
            for layer in stack:
                x, _ = layer(x)
        return self.head(x)

    def named(self):
        """The parameters by their names in the file."""
        found = {}
        for name, stack in self.stacks.items():
            for idx, layer in enumerate(stack):
                found[f"{name}.{idx}.w_ih"] = layer.weight_ih_l0
                found[f"{name}.{idx}.w_hh"] = layer.weight_hh_l0
                found[f"{name}.{idx}.b"] = layer.bias_ih_l0
        return {**found, "head.w": self.head.weight, "head.b": self.head.bias}

    def snapshot(self):
        """Copies of the parameters by name."""
        return {name: value.detach().clone() for name, value in self.named().items()}


def inputs_of(case):
    """Parameters, windows, target and mask (or None), drawn once in float32.

    Weights are wider than the usual initialisation, so that gates leave their linear middle and errors show.
    """
    random = numpy.random.default_rng(case["seed"])

    def normal(shape, deviation):
        return torch.from_numpy((random.standard_normal(shape) * deviation).astype(numpy.float32))

    init = {}
    last = case["n_inputs"]
    for stack, sizes in stacks_of(case).items():
        for idx, size in enumerate(sizes):
            before, last = last, size
            init[f"{stack}.{idx}.w_ih"] = normal((4 * size, before), 1.2 / before**0.5)
            init[f"{stack}.{idx}.w_hh"] = normal((4 * size, size), 1.0 / size**0.5)
            init[f"{stack}.{idx}.b"] = normal(4 * size, 0.3)
    init["head.w"] = normal((case["n_outputs"], last), 1.5 / last**0.5)
    init["head.b"] = normal(case["n_outputs"], 0.3)
    x = normal((case["batch"], case["len"], case["n_inputs"]), 1.0)
    n_answers = case["len"] if case["decoder"] else 1
    # Targets beyond 1 from the output reach the linear part of the Huber loss.
    noise = normal((case["batch"], n_answers, case["n_outputs"]), case["target_deviation"])
    target = x[:, -n_answers:, : case["n_outputs"]] + noise
    mask = None
    if case["masked"]:
        mask = torch.from_numpy((random.random(tuple(target.shape)) < 0.7).astype(numpy.float32))
    return init, x, target.contiguous(), mask


def mean_loss(name, output, target, mask):
    """The mean of the loss over all cells, or over those observed."""
    cells = LOSSES[name](output, target)
    return cells.mean() if mask is None else (cells * mask).sum() / mask.sum()


def adam_steps(case, init, x, target, mask, clipped):
    """Parameters after the steps, the losses and gradient norms before each, and the first step's gradients."""
    net = Network(case, init).to(x.dtype)
    parameters = list(net.named().values())
    adam = torch.optim.Adam(parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, foreach=False, fused=False)
    losses, norms, first = [], [], None
    for _ in range(N_STEPS):
        adam.zero_grad()
        loss = mean_loss("mse", net(x), target, mask)
        loss.backward()
        if clipped:
            norms.append(torch.nn.utils.clip_grad_norm_(parameters, 1.0, foreach=False).detach())
        first = first or {name: value.grad.clone() for name, value in net.named().items()}
        adam.step()
        losses.append(loss.detach())
    return net.snapshot(), losses, norms, first


def compute(case, dtype):
    """Every tensor of the case's file, computed in `dtype`."""
    init, x, target, mask = inputs_of(case)
    init = {name: value.to(dtype) for name, value in init.items()}
    x, target, mask = (None if value is None else value.to(dtype) for value in (x, target, mask))
    tensors = {f"init/{name}": value for name, value in init.items()} | {"x": x, "target": target}
    if mask is not None:
        tensors["mask"] = mask
    net = Network(case, init).to(dtype)
    for loss_name in case["losses"]:
        net.zero_grad()
        output = net(x)
        output.retain_grad()
        loss = mean_loss(loss_name, output, target, mask)
        loss.backward()
        tensors[f"loss/{loss_name}"] = loss.detach()
        tensors[f"output_grad/{loss_name}"] = output.grad
        if loss_name == "mse":
            tensors["output"] = output.detach()
            tensors |= {f"grad/{name}": value.grad.clone() for name, value in net.named().items()}
    for prefix, clipped in (("adam5", False), ("adam5_clip", True)):
        if clipped and not case["clipped"]:
            continue
        after, losses, norms, first = adam_steps(case, init, x, target, mask, clipped)
        tensors |= {f"{prefix}/{name}": value for name, value in after.items()}
        tensors[f"{prefix}_loss"] = torch.stack(losses)
        if clipped:
            tensors[f"{prefix}_norm"] = torch.stack(norms)
            tensors |= {f"grad_clip/{name}": value for name, value in first.items()}
            assert min(norms) > 1.0, f"clipping must bite in every step: norms {norms}"
    return {name: value.contiguous() for name, value in tensors.items()}


def distances(narrow, wide):
    """Largest difference over largest value, for each group of tensors (the part of the name before `/`)."""
    found = {}
    for name in narrow:
        off = (narrow[name].double() - wide[name]).abs().max() / wide[name].abs().max()
        group = name.split("/")[0]
        found[group] = max(found.get(group, 0.0), float(off))
    return {group: f"{off:.1e}" for group, off in found.items() if off > 0.0}


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch._C._set_mkldnn_enabled(False)  # the plain float32 path: no fused LSTM, no approximated activations
    for name, case in CASES.items():
        narrow = compute(case, torch.float32)
        off = distances(narrow, compute(case, torch.float64))
        about = {
            "generator": f"lstm.py, torch {torch.__version__.split('+')[0]}, numpy {numpy.__version__}",
            "case": case,
            "float32_off_float64": off,
        }
        path = folder / f"{name}.safetensors"
        # One key, since the order of several is not kept: the same run must give the same bytes.
        save_file(narrow, path, metadata={"about": json.dumps(about)})
        spread = narrow["output"].std()
        print(f"{path.name}: {path.stat().st_size} bytes, mse {narrow['loss/mse']:.6f}, output sd {spread:.3f}, {off}")


if __name__ == "__main__":
    main()
