"""Runs an ONNX file on windows and says how far its answers are from ours.

    python judge.py FILE.onnx FOLDER

The folder holds `window` and `expected` (float64) and `observed` (uint8), all little-endian and row-major, of the shapes
that the file's ports say. Prints the number of windows and the largest absolute difference.
"""

import pathlib
import sys

import numpy
import onnxruntime


def main():
    file, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    ports = {port.name: port for port in session.get_inputs()}
    assert list(ports) == ["window", "observed"], list(ports)
    assert [port.name for port in session.get_outputs()] == ["expected"]
    metadata = session.get_modelmeta()
    assert metadata.producer_name == "bellwether", metadata.producer_name
    notes = dict(metadata.custom_metadata_map)
    counts = numpy.array(notes.pop("bellwether.answer_weights").split(","), float)
    assert notes == {"note": "what the caller says"}, notes

    def read(name, dtype, port):
        return numpy.fromfile(folder / name, dtype).reshape(-1, *port.shape[1:])

    window = read("window", "<f8", ports["window"])
    observed = read("observed", "u1", ports["observed"]).astype(bool)
    want = read("expected", "<f8", session.get_outputs()[0])
    got = session.run(["expected"], {"window": window, "observed": observed})[0]
    assert got.shape == want.shape, (got.shape, want.shape)
    assert got.dtype == numpy.float64
    assert counts.shape == got.shape[1:2] and abs(counts.mean() - 1) < 1e-12, counts
    # One window alone and all together are the same to a runtime that batches.
    alone = session.run(["expected"], {"window": window[:1], "observed": observed[:1]})[0]
    assert numpy.abs(alone - got[:1]).max() < 1e-6
    try:
        import onnx
    except ImportError:
        pass
    else:
        onnx.checker.check_model(file, full_check=True)
    print(len(window), numpy.abs(got - want).max())


main()
