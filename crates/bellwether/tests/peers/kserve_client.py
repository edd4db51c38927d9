"""Speaks to a running server as Triton's own client does, and prints the scores it was given as bits, a line each.

    python kserve_client.py HOST:PORT MODEL CSV [KEY]

The table has a header, a time in its first column and the model's channels behind it, in order. Asks for health and
metadata, unloads and loads the model, and has all rows judged. Written for tritonclient[http] 2.x; the times are read
with the standard library. Exits with 1 where an answer is not what the protocol says.
"""

import csv
import struct
import sys
from datetime import datetime, timezone

import numpy
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException


def nanos(text):
    time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if time.tzinfo is None:
        time = time.replace(tzinfo=timezone.utc)
    since = time - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000


def check(holds, what):
    if not holds:
        sys.exit(f"not as the protocol says: {what}")


def main():
    address, model, path, *key = sys.argv[1:]
    headers = {"X-API-Key": key[0]} if key else {}
    client = InferenceServerClient(address)
    check(client.is_server_live(headers), "live")
    check(client.is_server_ready(headers), "ready")
    check(client.get_server_metadata(headers)["name"] == "bellwether", "metadata of the server")
    about = client.get_model_metadata(model, headers=headers)
    check(about["name"] == model, "metadata of the model")
    n_channels = about["inputs"][0]["shape"][1]

    client.unload_model(model, headers=headers)
    check(not client.is_model_ready(model, headers=headers), "an unloaded model is not ready")
    client.load_model(model, headers=headers)
    check(client.is_model_ready(model, headers=headers), "a loaded model is ready")
    check(model in [entry["name"] for entry in client.get_model_repository_index(headers)], "index")

    with open(path, newline="", encoding="utf-8") as table:
        rows = list(csv.reader(table))[1:]
    values = numpy.array([[float(cell) for cell in row[1:]] for row in rows], dtype=numpy.float64)
    check(values.shape[1] == n_channels, "channels of the table")
    times = numpy.array([nanos(row[0]) for row in rows], dtype=numpy.int64)
    inputs = [
        InferInput("values", values.shape, "FP64").set_data_from_numpy(values, binary_data=False),
        InferInput("timestamp", times.shape, "INT64").set_data_from_numpy(times, binary_data=False),
    ]
    names = ["score", "is_anomaly", "top_channel", "top_share"]
    outputs = [InferRequestedOutput(name, binary_data=False) for name in names]
    answer = client.infer(
        model, inputs, outputs=outputs, request_id="peer", headers=headers, parameters={"mode": "causal"}
    )
    check(answer.get_response()["id"] == "peer", "id")
    for name in names:
        check(answer.as_numpy(name).shape == (len(rows),), name)
    for score in answer.as_numpy("score"):
        bits = struct.unpack("<Q", struct.pack("<d", score))[0]
        print("none" if score != score else f"{bits:016x}")

    wrong = InferInput("values", [1, 1 + n_channels], "FP64")
    wrong.set_data_from_numpy(numpy.zeros((1, 1 + n_channels)), binary_data=False)
    try:
        client.infer(model, [wrong], headers=headers)
    except InferenceServerException as error:
        check("channels" in error.message(), "text of an error")
    else:
        check(False, "a row of too many channels is refused")


if __name__ == "__main__":
    main()
