"""Measures every peer at every shape and number of threads; one JSON document on stdout.

    python measure.py [--shapes S,M,L] [--threads 1,2] [--seconds 3]

Each peer runs in a process of its own for each number of threads: waiting threads of one would slow down the other.
About two minutes with the defaults.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

FOLDER = pathlib.Path(__file__).resolve().parent


def run(script, threads, args, exchange):
    """One peer in its own process: the document it printed."""
    command = [sys.executable, FOLDER / script, "--shapes", args.shapes, "--threads", str(threads)]
    command += ["--seconds", str(args.seconds), "--exchange", exchange]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    print(f"{script}, {threads} thread(s)", file=sys.stderr)
    done = subprocess.run(command, stdout=subprocess.PIPE, env=environment, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{script} failed with {done.returncode} at {threads} thread(s): see above")
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", default="S,M,L")
    parser.add_argument("--threads", default="1,2", help="numbers of threads, comma-separated")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each figure")
    args = parser.parse_args()
    peers = {}
    with tempfile.TemporaryDirectory() as exchange:
        for threads in (int(text) for text in args.threads.split(",")):
            for script in ("pytorch_peer.py", "onnx_peer.py"):
                found = run(script, threads, args, exchange)
                peers.setdefault(found["peer"], {**found, "shapes": []})["shapes"] += found["shapes"]
    print(json.dumps({"peers": list(peers.values())}, indent=2))


if __name__ == "__main__":
    main()
