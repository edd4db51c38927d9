"""Measures ONNX Runtime: scoring and the latency of one window, at one number of threads.

The graph is built by hand from the weights that PyTorch left in `--exchange`, with a dynamic batch, and must give
PyTorch's output before anything is timed.
"""

import numpy
import onnx
import onnxruntime
from onnx import helper, numpy_helper

import shapes

TOLERANCE = 1e-5  # float32 sums taken in another order, over at most a hundred steps


def in_onnx_order(gates):
    """Rows of the gates i, f, g, o (PyTorch) as i, o, f, c (ONNX)."""
    i, f, g, o = numpy.split(gates, 4)
    return numpy.concatenate([i, o, f, g])


class Graph:
    """Nodes and constants as they are added, in the order in which they are computed."""

    def __init__(self):
        self.nodes = []
        self.constants = []

    def constant(self, name, value):
        self.constants.append(numpy_helper.from_array(numpy.ascontiguousarray(value), name))
        return name

    def node(self, op, inputs, outputs, **attributes):
        self.nodes.append(helper.make_node(op, inputs, outputs, **attributes))
        return outputs[-1]

    def lstm(self, weights, name, x, last_only):
        """An LSTM over `x` `[len, batch, n_inputs]`: its last state `[1, batch, size]`, or all `[len, batch, size]`."""
        w = in_onnx_order(weights[f"{name}.weight_ih_l0"])[None]
        r = in_onnx_order(weights[f"{name}.weight_hh_l0"])[None]
        b = [in_onnx_order(weights[f"{name}.bias_{side}_l0"]) for side in ("ih", "hh")]
        inputs = [
            x,
            self.constant(f"{name}.w", w),
            self.constant(f"{name}.r", r),
            self.constant(f"{name}.b", numpy.concatenate(b)[None]),
        ]
        size = r.shape[-1]
        if last_only:
            return self.node("LSTM", inputs, ["", f"{name}.last"], hidden_size=size)
        # All states come as [len, 1, batch, size], the 1 being the number of directions.
        states = self.node("LSTM", inputs, [f"{name}.states"], hidden_size=size)
        axis = self.constant(f"{name}.axis", numpy.array([1], dtype=numpy.int64))
        return self.node("Squeeze", [states, axis], [f"{name}.all"])


def build(shape, weights):
    """The autoencoder of `shape` as ONNX bytes: `x` to `output`, both `[batch, len, n_channels]`."""
    graph = Graph()
    x = graph.node("Transpose", ["x"], ["x.by_time"], perm=[1, 0, 2])
    for idx in range(len(shape.encoder)):
        x = graph.lstm(weights, f"encoder.{idx}", x, last_only=idx + 1 == len(shape.encoder))
    repeat = graph.constant("repeat", numpy.array([shape.len, 1, 1], dtype=numpy.int64))
    x = graph.node("Expand", [x, repeat], ["repeated"])
    for idx in range(len(shape.decoder)):
        x = graph.lstm(weights, f"decoder.{idx}", x, last_only=False)
    x = graph.node("MatMul", [x, graph.constant("head.w", weights["head.weight"].T)], ["head.product"])
    x = graph.node("Add", [x, graph.constant("head.b", weights["head.bias"])], ["head.sum"])
    graph.node("Transpose", [x], ["output"], perm=[1, 0, 2])
    dims = ["batch", shape.len, shape.n_channels]
    made = helper.make_graph(
        graph.nodes,
        f"autoencoder-{shape.name}",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, dims)],
        [helper.make_tensor_value_info("output", onnx.TensorProto.FLOAT, dims)],
        graph.constants,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def session(model, n_threads):
    """A session with every graph optimisation, on `n_threads`."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    # Constants may be folded, never the float32 arithmetic; denormals are flushed, as for the other peer.
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def open_shape(shape, n_threads, exchange):
    """The figures of one shape."""
    with numpy.load(exchange / f"{shape.name}.npz") as kept:
        weights = dict(kept)
    runtime = session(build(shape, weights), n_threads)
    run = lambda x: runtime.run(["output"], {"x": x})[0]
    off = float(numpy.abs(run(weights["x"]) - weights["output"]).max())
    if not off <= TOLERANCE:
        raise SystemExit(f"shape {shape.name}: output is {off:.1e} off PyTorch's, want at most {TOLERANCE:.0e}")
    random = numpy.random.default_rng(2)
    many = random.random((shapes.SCORE_BATCH, shape.len, shape.n_channels), dtype=numpy.float32)
    one = many[:1].copy()
    return {
        "score": lambda seconds: shapes.best_rate(lambda _: run(many), shapes.SCORE_BATCH, seconds),
        "latency": lambda seconds: shapes.best_latency_us(lambda: run(one), seconds),
    }


if __name__ == "__main__":
    shapes.serve("ONNX Runtime", onnxruntime.__version__, open_shape)
