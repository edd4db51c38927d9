"""Writes causes.json: reference figures that tests/causes.rs holds the rankings of causes to.

NDCG is that of scikit-learn (ndcg_score, binary relevance, no ties). Hit rates are the definition of OmniAnomaly (Su et al.,
KDD 2019, section 4.4) in plain Python. The versions used are written into the file. To run it again:

    python3 -m venv /tmp/causes && /tmp/causes/bin/pip install numpy scikit-learn
    /tmp/causes/bin/python causes.py
"""

import json
import math
import pathlib
from importlib.metadata import version

import numpy as np
from sklearn.metrics import ndcg_score

rng = np.random.default_rng(7)
cases = []
for _ in range(60):
    n_channels = int(rng.integers(2, 40))
    n_causes = int(rng.integers(1, min(n_channels, 7) + 1))
    ranking = rng.permutation(n_channels)
    causes = sorted(int(c) for c in rng.choice(n_channels, n_causes, replace=False))
    relevance = np.zeros((1, n_channels))
    relevance[0, causes] = 1
    score = np.zeros((1, n_channels))
    score[0, ranking] = np.arange(n_channels, 0, -1)
    case = {"ranking": [int(c) for c in ranking], "causes": causes}
    for k in (1, 3, 5):
        top = set(case["ranking"][:k])
        case[f"hit_rate_{k}"] = len(top & set(causes)) / min(k, n_causes)
        case[f"ndcg_{k}"] = float(ndcg_score(relevance, score, k=k, ignore_ties=True))
    for percent in (100, 150):
        top = set(case["ranking"][: math.floor(percent / 100 * n_causes)])
        case[f"hit_rate_{percent}_percent"] = len(top & set(causes)) / n_causes
    cases.append(case)

made_by = {name: version(name) for name in ("numpy", "scikit-learn")}
out = pathlib.Path(__file__).with_suffix(".json")
lines = ",\n".join(json.dumps(case) for case in cases)
out.write_text(f'{{"made_by": {json.dumps(made_by)}, "cases": [\n{lines}\n]}}\n')
