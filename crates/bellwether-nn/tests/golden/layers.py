"""Writes golden values of layers, losses and optimisers: what PyTorch makes of fixed weights and windows.

    python layers.py        made with torch 2.15.0, numpy 2.4.6; writes layers.json beside it

Each case is a network of a few layers, batch-first, in training mode: its tensors in our order and PyTorch's layout, one
batch, the outputs, the mean loss, and the gradient of it with respect to every tensor. A case may have an `eval`: the outputs
in evaluation mode after one training pass (batch norm). All in float64, rounded to 9 digits: our side computes in float32.

`optimisers`: weights after five steps on one batch of the case `dense`, mse, learning rate 1e-2.
`losses`: value and gradient of the mean loss of given outputs and targets.
"""

import json
import pathlib

import numpy
import torch

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
RANDOM = numpy.random.default_rng(23)
BATCH, LEN, N_IN, N_OUT = 5, 6, 4, 3


def normal(*shape, deviation=0.5):
    return torch.nn.Parameter(torch.from_numpy(RANDOM.standard_normal(shape) * deviation))


def flat(value):
    return [float(f"{x:.9g}") for x in value.detach().reshape(-1).tolist()]


def rnn(kind, n_in, units, bidirectional, last):
    """A recurrent layer and its tensors in our order."""
    net = (torch.nn.LSTM if kind == "lstm" else torch.nn.GRU)(n_in, units, batch_first=True, bidirectional=bidirectional)
    tensors = []
    for suffix in ["", "_reverse"] if bidirectional else [""]:
        w_ih, w_hh = getattr(net, f"weight_ih_l0{suffix}"), getattr(net, f"weight_hh_l0{suffix}")
        b_ih, b_hh = getattr(net, f"bias_ih_l0{suffix}"), getattr(net, f"bias_hh_l0{suffix}")
        for parameter in (w_ih, w_hh, b_ih, b_hh):
            parameter.data = normal(*parameter.shape).data
        if kind == "lstm":
            # PyTorch has two biases per gate; only their sum means anything, and we have that.
            b_hh.data.zero_()
            b_hh.requires_grad_(False)
            tensors += [w_ih, w_hh, b_ih]
        else:
            tensors += [w_ih, b_ih, w_hh, b_hh]

    def forward(x):
        states, final = net(x)
        if not last:
            return states
        final = final[0] if kind == "lstm" else final
        return torch.cat(list(final), dim=1)[:, None, :]

    return forward, tensors


def product(n_in, n_out):
    w, b = normal(n_out, n_in), normal(n_out)
    return (lambda x: x @ w.T + b), [w, b]


def conv(n_in, n_out, kernel, dilation, causal):
    w, b = normal(n_out, n_in, kernel), normal(n_out)
    reach = (kernel - 1) * dilation
    before = reach if causal else reach // 2

    def forward(x):
        padded = torch.nn.functional.pad(x.transpose(1, 2), (before, reach - before))
        return torch.nn.functional.conv1d(padded, w, b, dilation=dilation).transpose(1, 2)

    return forward, [w, b]


def attention(width, heads):
    net = torch.nn.MultiheadAttention(width, heads, batch_first=True)
    net.in_proj_weight.data = normal(3 * width, width).data
    net.in_proj_bias.data = normal(3 * width).data
    net.out_proj.weight.data = normal(width, width).data
    net.out_proj.bias.data = normal(width).data
    return net, lambda x: net(x, x, x, need_weights=False)[0]


def run(name, spec, forward, tensors, gradients=None, after=None):
    """A case: `tensors` are what our network has but for the head, which comes last."""
    x, target = normal(BATCH, LEN, N_IN, deviation=1.0).detach(), normal(BATCH, LEN, N_OUT, deviation=1.0).detach()
    width = forward(x).shape[2]
    head, head_tensors = product(width, N_OUT)
    output = head(forward(x))
    loss = ((output - target) ** 2).mean()
    loss.backward()
    gradients = gradients or (lambda: [tensor.grad for tensor in tensors])
    case = {
        "name": name,
        "spec": spec,
        "tensors": [flat(tensor) for tensor in [*tensors, *head_tensors]],
        "x": flat(x),
        "target": flat(target),
        "output": flat(output),
        "loss": loss.item(),
        "gradients": [flat(gradient) for gradient in [*gradients(), *(tensor.grad for tensor in head_tensors)]],
    }
    if after:
        case["eval"] = flat(head(after(x)))
    return case


def cases():
    for kind in ["lstm", "gru"]:
        for both in [False, True]:
            forward, tensors = rnn(kind, N_IN, 5, both, False)
            yield run(f"{kind}{' both ways' if both else ''}", {"kind": kind, "units": 5, "both": both}, forward, tensors)
            first, first_tensors = rnn(kind, N_IN, 5, both, True)
            width = 10 if both else 5
            second, second_tensors = rnn(kind, width, 4, False, False)

            def bottleneck(x, first=first, second=second):
                return second(first(x).expand(-1, LEN, -1))

            spec = {"kind": f"{kind}-bottleneck", "units": 5, "both": both}
            yield run(f"{kind} bottleneck{' both ways' if both else ''}", spec, bottleneck, first_tensors + second_tensors)
    for kernel, dilation, causal in [(3, 1, True), (3, 2, True), (3, 1, False), (4, 1, False), (2, 3, False)]:
        forward, tensors = conv(N_IN, 7, kernel, dilation, causal)
        spec = {"kind": "conv", "units": 7, "kernel": kernel, "dilation": dilation, "causal": causal}
        yield run(f"conv {kernel} {dilation} {causal}", spec, forward, tensors)
    functions = {
        "linear": lambda x: x,
        "relu": torch.relu,
        "leaky-relu": torch.nn.functional.leaky_relu,
        "elu": torch.nn.functional.elu,
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
    }
    for name, function in functions.items():
        forward, tensors = product(N_IN, 7)
        spec = {"kind": "dense", "units": 7, "activation": name}
        yield run(f"dense {name}", spec, lambda x, f=forward, g=function: g(f(x)), tensors)
    forward, tensors = product(N_IN, 7)
    norm = torch.nn.BatchNorm1d(7)
    norm.weight.data, norm.bias.data = normal(7).data, normal(7).data
    start = [torch.zeros(7), torch.ones(7)]

    def normed(x):
        return norm(forward(x).transpose(1, 2)).transpose(1, 2)

    def evaluated(x):
        # What one pass in training has left: `run` passes twice, so the statistics start afresh.
        norm.running_mean.data, norm.running_var.data = start[0].clone(), start[1].clone()
        norm.train()
        normed(x)
        norm.eval()
        return normed(x)

    learnt = [*tensors, norm.weight, norm.bias]

    def with_statistics():
        return [*(tensor.grad for tensor in learnt), torch.zeros(7), torch.zeros(7)]

    yield run("batch norm", {"kind": "batch-norm", "units": 7}, normed, [*learnt, *start], with_statistics, evaluated)
    forward, tensors = product(N_IN, 7)
    layer_norm = torch.nn.LayerNorm(7)
    layer_norm.weight.data, layer_norm.bias.data = normal(7).data, normal(7).data
    yield run(
        "layer norm",
        {"kind": "layer-norm", "units": 7},
        lambda x, f=forward: layer_norm(f(x)),
        [*tensors, layer_norm.weight, layer_norm.bias],
    )
    for heads in [1, 2, 4]:
        forward, tensors = product(N_IN, 8)
        net, attend = attention(8, heads)

        def parts(value):
            return list(value.chunk(3))

        def split(of_grad, net=net):
            w = net.in_proj_weight.grad if of_grad else net.in_proj_weight
            b = net.in_proj_bias.grad if of_grad else net.in_proj_bias
            out = [net.out_proj.weight, net.out_proj.bias]
            out = [tensor.grad for tensor in out] if of_grad else out
            return [part for pair in zip(parts(w), parts(b)) for part in pair] + out

        yield run(
            f"attention {heads}",
            {"kind": "attention", "units": 8, "heads": heads},
            lambda x, f=forward, a=attend: a(f(x)),
            [*tensors, *split(False)],
            lambda tensors=tensors, split=split: [*(tensor.grad for tensor in tensors), *split(True)],
        )


def optimisers(case):
    made = {
        "adam": lambda p: torch.optim.Adam(p, lr=1e-2),
        "adamw": lambda p: torch.optim.AdamW(p, lr=1e-2, weight_decay=0.1),
        "rmsprop": lambda p: torch.optim.RMSprop(p, lr=1e-2),
        "sgd": lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9),
        "adagrad": lambda p: torch.optim.Adagrad(p, lr=1e-2),
    }
    x = torch.tensor(case["x"]).reshape(BATCH, LEN, N_IN)
    target = torch.tensor(case["target"]).reshape(BATCH, LEN, N_OUT)
    for name, make in made.items():
        shapes = [(7, N_IN), (7,), (N_OUT, 7), (N_OUT,)]
        w, b, head_w, head_b = parameters = [
            torch.nn.Parameter(torch.tensor(values).reshape(shape)) for values, shape in zip(case["tensors"], shapes)
        ]
        optimiser = make(parameters)
        for _ in range(5):
            optimiser.zero_grad()
            loss = ((torch.tanh(x @ w.T + b) @ head_w.T + head_b - target) ** 2).mean()
            loss.backward()
            optimiser.step()
        yield {"name": name, "tensors": [flat(parameter) for parameter in parameters]}


def losses():
    functional = torch.nn.functional
    of = {
        "mse": lambda o, t: (o - t) ** 2,
        "mae": lambda o, t: (o - t).abs(),
        "huber": lambda o, t: functional.huber_loss(o, t, reduction="none", delta=0.5),
        "log-cosh": lambda o, t: torch.log(torch.cosh(o - t)),
        "quantile": lambda o, t: torch.maximum(0.9 * (t - o), (0.9 - 1.0) * (t - o)),
    }
    target = normal(BATCH, LEN, N_OUT, deviation=2.0).detach()
    observed = torch.from_numpy((RANDOM.random((BATCH, LEN, N_OUT)) < 0.7).astype(numpy.float64))
    # The outputs of a network of zeros are its head's bias.
    bias = normal(N_OUT)
    for name, function in of.items():
        bias.grad = None
        loss = (function(bias.expand(BATCH, LEN, N_OUT), target) * observed).sum() / observed.sum()
        loss.backward()
        yield {"name": name, "loss": loss.item(), "bias_gradient": flat(bias.grad)}
    yield {"name": "given", "bias": flat(bias), "target": flat(target), "observed": flat(observed)}


def main():
    made = list(cases())
    dense = next(case for case in made if case["name"] == "dense tanh")
    about = f"layers.py, torch {torch.__version__.split('+')[0]}, numpy {numpy.__version__}"
    answer = {"about": about, "cases": made, "optimisers": list(optimisers(dense)), "losses": list(losses())}
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(answer, indent=None, separators=(",", ":")) + "\n")
    print(f"{path.name}: {path.stat().st_size} bytes, {about}")


if __name__ == "__main__":
    main()
