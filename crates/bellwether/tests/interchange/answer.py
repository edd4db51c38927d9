"""Answers for windows by an ONNX file, as many times as it is asked.

    python answer.py FILE.onnx

First it says what an answer counts, as the file has it. Each line of stdin is the number of windows; their values (float64) follow in the file `window`, what of them was observed
(uint8) in `observed`, both in the folder it runs in. It writes the answers (float64) to `expected` and a line to stdout.
"""

import sys

import numpy
import onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
shape = session.get_inputs()[0].shape[1:]
print(session.get_modelmeta().custom_metadata_map["bellwether.answer_weights"], flush=True)
for line in sys.stdin:
    n = int(line)
    window = numpy.fromfile("window", "<f8").reshape(n, *shape)
    observed = numpy.fromfile("observed", "u1").reshape(n, *shape).astype(bool)
    session.run(["expected"], {"window": window, "observed": observed})[0].tofile("expected")
    print("answered", flush=True)
