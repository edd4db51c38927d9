"""Writes the weights of one network in each precision that a bundle may have.

    python precision.py     made with numpy 2.4.6, safetensors 0.8.0; writes precision_*.safetensors

Stacks of LSTM layers of 3 and 2, and of 2 units, which read 2 and answer with 1 number. `float16` are numpy's. Matrices of `int8` are
steps of a scale for each row: the greatest number of the row over 127, rounded up to 16 significant bits.
"""

import pathlib

import numpy
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).parent
SHAPES = {
    "encoder.0.w_ih": (12, 2), "encoder.0.w_hh": (12, 3), "encoder.0.b": (12,),
    "encoder.1.w_ih": (8, 3), "encoder.1.w_hh": (8, 2), "encoder.1.b": (8,),
    "decoder.0.w_ih": (8, 2), "decoder.0.w_hh": (8, 2), "decoder.0.b": (8,),
    "head.w": (1, 2), "head.b": (1,),
}
draw = numpy.random.default_rng(11)
learnt = {name: draw.normal(0, 0.5, shape).astype(numpy.float32) for name, shape in SHAPES.items()}
# A row of nothing, and one that only a wide range can hold.
learnt["encoder.1.w_ih"][3] = 0
learnt["encoder.0.w_hh"][5] = [3e4, -1e-3, 12.0]


def scales(matrix):
    steps = numpy.abs(matrix).max(axis=1) / numpy.float32(127)
    mantissa, exponent = numpy.frexp(steps.astype(numpy.float64))
    return numpy.ldexp(numpy.ceil(mantissa * 2**16) / 2**16, exponent).astype(numpy.float32)


int8 = {}
for name, values in learnt.items():
    if values.ndim == 1:
        int8[name] = values
        continue
    scale = scales(values)
    steps = values / numpy.where(scale == 0, 1, scale)[:, None]
    int8[name] = numpy.rint(steps).astype(numpy.int8)
    int8[f"{name}.scale"] = scale

save_file(learnt, HERE / "precision_float32.safetensors")
save_file({name: values.astype(numpy.float16) for name, values in learnt.items()}, HERE / "precision_float16.safetensors")
save_file(int8, HERE / "precision_int8.safetensors")
