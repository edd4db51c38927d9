"""Loads a folder as MLflow does and holds its answers against those of the ONNX file in it.

    python mlflow_model.py FOLDER
"""

import sys

import mlflow.pyfunc
import numpy
import onnxruntime

folder = sys.argv[1]
model = mlflow.pyfunc.load_model(folder)
inputs = {spec.name: spec for spec in model.metadata.get_input_schema().inputs}
shape = inputs["window"].shape[1:]
window = numpy.linspace(0.0, 1.0, 7 * int(numpy.prod(shape))).reshape(7, *shape)
observed = numpy.ones(window.shape, bool)
answers = model.predict({"window": window, "observed": observed})
got = answers["expected"] if isinstance(answers, dict) else numpy.asarray(answers)
session = onnxruntime.InferenceSession(folder + "/model.onnx", providers=["CPUExecutionProvider"])
want = session.run(["expected"], {"window": window, "observed": observed})[0]
assert numpy.array_equal(got, want), numpy.abs(got - want).max()
print(model.metadata.metadata["bellwether"], len(got))
