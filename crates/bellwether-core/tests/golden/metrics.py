"""Writes metrics.json: reference values that tests/eval.rs holds the Rust metrics to, at 1e-9.

The reference is TSB-AD 1.5 (its evaluation module) on scikit-learn 1.9.1 and numpy 2.4.6; the versions used are
written into the file. To run it again:

    python3 -m venv /tmp/tsb && /tmp/tsb/bin/pip install numpy scipy scikit-learn pandas
    /tmp/tsb/bin/pip install --no-deps TSB-AD==1.5 && /tmp/tsb/bin/python metrics.py

The cases are synthetic and seeded. Scores are rounded to six digits so that every JSON reader parses the same
numbers; the reference values are written with all 17 digits. An affiliation value is null where the reference has
NaN because nothing is predicted.
"""

import json
import math
import pathlib
import warnings
from importlib.metadata import version

import numpy as np
from sklearn.metrics import precision_recall_curve, precision_score, recall_score
from TSB_AD.evaluation.affiliation.generics import convert_vector_to_events
from TSB_AD.evaluation.affiliation.metrics import pr_from_events
from TSB_AD.evaluation.basic_metrics import basic_metricor, generate_curve

warnings.simplefilter("ignore")
GRADER = basic_metricor()


def labels_of(n, *events):
    """n labels, 1 in each half-open event."""
    label = np.zeros(n, dtype=int)
    for start, end in events:
        label[start:end] = 1
    return label


def noisy(seed, label, lift, spread=1.0):
    """Noise, lifted where labelled."""
    rng = np.random.default_rng(seed)
    return rng.normal(0, spread, len(label)) + lift * label


def smooth(x, span):
    """Centred moving average, as a detector with a window would give."""
    return np.convolve(x, np.ones(span) / span, mode="same")


def cases():
    """(name, vus_window, label, score, threshold or None for a quantile that marks as many as are labelled)."""
    rng = np.random.default_rng
    three = labels_of(200, (30, 50), (90, 95), (150, 162))
    yield "perfect_binary_scores", 10, labels_of(60, (20, 30)), labels_of(60, (20, 30)).astype(float), 0.5
    yield "inverted", 10, labels_of(60, (20, 30)), 1.0 - labels_of(60, (20, 30)) + np.arange(60) / 6000, 0.5
    yield "random_uniform", 20, three, rng(1).uniform(size=200), None
    yield "noisy_good", 20, three, noisy(2, three, 3.0), None
    yield "shifted_early", 20, three, np.roll(three, -8) + 0.2 * rng(3).uniform(size=200), 0.5
    yield "shifted_late", 20, three, np.roll(three, 8) + 0.2 * rng(4).uniform(size=200), 0.5
    yield "window_zero", 0, three, noisy(5, three, 1.2), None
    yield "window_one", 1, three, noisy(6, three, 1.2), None
    yield "window_two", 2, three, noisy(7, three, 1.2), None
    yield "window_three", 3, three, noisy(8, three, 1.2), None
    yield "ties_at_one_digit", 25, three, np.round(noisy(9, three, 1.5), 1), None
    yield "ties_two_values", 12, three, (noisy(10, three, 1.5) > 1).astype(float), 0.5
    yield "constant_scores", 12, three, np.full(200, 0.25), 0.1
    both_ends = labels_of(150, (0, 10), (70, 75), (142, 150))
    yield "anomaly_at_start_and_end", 15, both_ends, noisy(11, both_ends, 1.5), None
    points = labels_of(150, (20, 21), (75, 76), (140, 141))
    yield "single_point_anomalies", 12, points, noisy(12, points, 2.0), None
    near = labels_of(150, (40, 46), (50, 54), (60, 64))
    yield "adjacent_segments_merge", 30, near, noisy(13, near, 2.0), None
    touching = labels_of(120, (30, 35), (43, 48), (90, 93))
    yield "buffers_touch_without_overlap", 9, touching, noisy(14, touching, 1.5), None
    dense = np.array([1, 0, 0, 1, 0] * 30)
    yield "dense_segments_saturate_buffers", 24, dense, noisy(15, dense, 1.0), None
    one = labels_of(120, (50, 60))
    yield "window_larger_than_series_part", 100, one, noisy(16, one, 3.0), None
    yield "window_as_long_as_the_series", 120, one, noisy(17, one, 1.0), None
    yield "window_longer_than_the_series", 151, one, noisy(27, one, 1.0), None
    spike = noisy(18, three, 2.0, 0.3)
    spike[120] = 1000.0
    yield "heavy_tail_one_spike", 20, three, spike, None
    yield "fragmented_detection", 20, three, three * (np.arange(200) % 3 == 0), 0.5
    yield "nothing_predicted", 20, three, noisy(19, three, 1.0), 100.0
    yield "everything_predicted", 20, three, noisy(20, three, 1.0), -100.0
    first = labels_of(40, (0, 1))
    yield "only_first_sample_labelled", 6, first, noisy(21, first, 1.0), None
    last = labels_of(40, (39, 40))
    yield "only_last_sample_labelled", 6, last, noisy(22, last, 1.0), None
    most = 1 - labels_of(80, (33, 34))
    yield "one_normal_sample", 7, most, noisy(23, most, 1.0), None
    yield "two_samples", 1, np.array([0, 1]), np.array([0.3, 0.7]), 0.5
    yield "negative_and_tiny_scores", 20, three, noisy(24, three, 1.0) * 1e-3 - 5, None
    for n in (249, 250, 251, 499):
        label = labels_of(n, (60, 80), (200, 230))
        yield f"length_{n}_about_the_threshold_count", 16, label, noisy(n, label, 1.0), None
    waves = labels_of(600, (50, 90), (200, 280), (430, 457))
    yield "smooth", 48, waves, smooth(noisy(25, waves, 1.0), 9), None
    long = labels_of(1500, (100, 130), (400, 520), (700, 703), (900, 960), (1400, 1402))
    yield "long", 100, long, np.abs(smooth(noisy(26, long, 0.6), 5)), None


def or_null(x):
    return None if math.isnan(x) else float(x)


def of_scores(label, score, window):
    """Metrics that need no prediction, and the best of those that do."""
    *_, vus_roc, vus_pr = generate_curve(label, score, window, "opt", 250)
    precision, recall, thresholds = precision_recall_curve(label, score)
    f1 = 2 * precision * recall / (precision + recall + 1e-5)
    return {
        "auc_pr": float(GRADER.metric_PR(label, score)),
        "auc_roc": float(GRADER.metric_ROC(label, score)),
        "vus_pr": float(vus_pr),
        "vus_roc": float(vus_roc),
        "f1_best": float(GRADER.metric_PointF1(label, score)),
        "f1_best_threshold": float(thresholds[np.argmax(f1)]),
        "event_f1_best": float(GRADER.metric_EventF1PA(label, score)),
        "range_f1_best": float(GRADER.metric_RF1(label, score)),
        "affiliation_f1_best": or_null(GRADER.metric_Affiliation(label, score)),
    }


def of_predictions(label, score, threshold):
    """Metrics of the predictions score > threshold."""
    pred = (score > threshold).astype(int)
    affiliation = pr_from_events(
        convert_vector_to_events(pred), convert_vector_to_events(label), (0, len(pred))
    )
    return {
        "threshold": float(threshold),
        "precision": float(precision_score(label, pred)),
        "recall": float(recall_score(label, pred)),
        "f1": float(GRADER.metric_PointF1(label, score, preds=pred)),
        "event_f1": float(GRADER.metric_EventF1PA(label, score, preds=pred)),
        "range_f1": float(GRADER.metric_RF1(label, score, preds=pred)),
        "affiliation_precision": or_null(affiliation["Affiliation_Precision"]),
        "affiliation_recall": or_null(affiliation["Affiliation_Recall"]),
        "affiliation_f1": or_null(GRADER.metric_Affiliation(label, score, preds=pred)),
    }


def main():
    lines = []
    for name, window, label, score, threshold in cases():
        score = np.round(score.astype(float), 6)
        if threshold is None:
            threshold = np.sort(score)[::-1][label.sum()]
        case = {
            "name": name,
            "vus_window": window,
            "labels": "".join(map(str, label)),
            "scores": score.tolist(),
            "of_scores": of_scores(label, score, window),
            "of_predictions": of_predictions(label, score, threshold),
        }
        lines.append(json.dumps(case))
    versions = {package: version(package) for package in ("TSB-AD", "scikit-learn", "numpy")}
    text = '{"generator": "metrics.py", "versions": %s, "cases": [\n%s\n]}\n' % (
        json.dumps(versions),
        ",\n".join(lines),
    )
    pathlib.Path(__file__).with_suffix(".json").write_text(text)


if __name__ == "__main__":
    main()
