"""Measures PyTorch: training, scoring and the latency of one window, at one number of threads.

Training takes the better of plain and fused Adam. The weights, with an input and what PyTorch makes of it, go to
the exchange folder, so that ONNX Runtime is measured on the same network and checked against it.
"""

import sys

import numpy
import torch

import shapes


class Autoencoder(torch.nn.Module):
    """Windows `[batch, len, n_channels]` to reconstructions of the same shape."""

    def __init__(self, shape):
        super().__init__()
        sizes = (shape.n_channels, *shape.encoder)
        self.encoder = torch.nn.ModuleList(
            torch.nn.LSTM(before, after, batch_first=True) for before, after in zip(sizes, sizes[1:])
        )
        sizes = (shape.encoder[-1], *shape.decoder)
        self.decoder = torch.nn.ModuleList(
            torch.nn.LSTM(before, after, batch_first=True) for before, after in zip(sizes, sizes[1:])
        )
        self.head = torch.nn.Linear(shape.decoder[-1], shape.n_channels)

    def forward(self, x):
        len_ = x.shape[1]
        for layer in self.encoder:
            x, _ = layer(x)
        x = x[:, -1:, :].expand(-1, len_, -1)
        for layer in self.decoder:
            x, _ = layer(x)
        return self.head(x)


def fresh(shape):
    """The network of `shape`, the same weights on every call."""
    torch.manual_seed(7)
    return Autoencoder(shape)


def windows(n_windows, shape, seed):
    """Uniform random windows in [0, 1), float32 `[n_windows, len, n_channels]`."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n_windows, shape.len, shape.n_channels, generator=generator)


def training(shape, fused):
    """A training step, a function of its number: forward, mean squared error, backward, one step of Adam."""
    net = fresh(shape).train()
    adam = torch.optim.Adam(net.parameters(), lr=1e-3, fused=fused)
    batches = windows(shape.batch * shapes.N_BATCHES, shape, 1).split(shape.batch)

    def step(idx):
        x = batches[idx % len(batches)]
        adam.zero_grad(set_to_none=True)
        torch.nn.functional.mse_loss(net(x), x).backward()
        adam.step()

    return step


def save_exchange(net, shape, folder):
    """Leaves the weights, three windows and their reconstructions for the other peer."""
    x = windows(3, shape, 3)
    with torch.inference_mode():
        arrays = {"x": x, "output": net(x), **net.state_dict()}
    numpy.savez(folder / f"{shape.name}.npz", **{name: value.numpy() for name, value in arrays.items()})


def open_shape(shape, n_threads, exchange):
    """The figures of one shape."""
    steps = [training(shape, fused) for fused in (False, True)]
    net = fresh(shape).eval()
    save_exchange(net, shape, exchange)
    many, one = windows(shapes.SCORE_BATCH, shape, 2), windows(1, shape, 2)

    def answering(measured):
        """Without what only training needs."""
        with torch.inference_mode():
            return measured()

    return {
        "train": lambda seconds: max(shapes.best_rate(step, shape.batch, seconds) for step in steps),
        "score": lambda seconds: answering(
            lambda: shapes.best_rate(lambda _: net(many), shapes.SCORE_BATCH, seconds)
        ),
        "latency": lambda seconds: answering(lambda: shapes.best_latency_us(lambda: net(one), seconds)),
    }


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[1]))
    torch.set_flush_denormal(True)
    shapes.serve("PyTorch", torch.__version__, open_shape)
