"""Logistic regression on frozen features, over folds of photographs of flowers."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.benchmarks.features import Array, Feature
from tests.conftest import DATA

DECAYS = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)


def fit_logistic(x: Array, y: NDArray[np.int64], decay: float) -> NDArray[np.float64]:
    """Return weights (d + 1, classes) of multinomial logistic regression with an L2 penalty."""
    from scipy.optimize import minimize

    rows, classes = len(x), int(y.max()) + 1
    ones = np.concatenate([x, np.ones((rows, 1))], axis=1).astype(np.float64)
    target = np.eye(classes)[y]

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        w = flat.reshape(-1, classes)
        logits = ones @ w
        logits -= logits.max(axis=1, keepdims=True)
        share = np.exp(logits)
        share /= share.sum(axis=1, keepdims=True)
        penalty = w.copy()
        penalty[-1] = 0.0
        value = -np.log(np.maximum((share * target).sum(axis=1), 1e-30)).mean()
        slope = ones.T @ (share - target) / rows + decay * penalty
        return float(value + 0.5 * decay * (penalty * penalty).sum()), slope.ravel()

    start = np.zeros(ones.shape[1] * classes)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 150})
    return np.asarray(found.x).reshape(-1, classes)


def score_logistic(
    x: Array,
    y: NDArray[np.int64],
    train: NDArray[np.int64],
    test: NDArray[np.int64],
    decays: tuple[float, ...],
) -> list[float]:
    """Return, for each penalty, the share of test rows named rightly after the training rows."""
    mean, spread = x[train].mean(axis=0), x[train].std(axis=0) + 1e-6
    # One scale for all widths: rows of norm about 1, so that one grid of penalties suits all.
    z = (x - mean) / spread / np.sqrt(x.shape[1])
    # With an L2 penalty the weights lie in the span of the rows: rotate into it, exactly.
    base, _ = np.linalg.qr(z[train].T)
    z = z @ base
    shares = []
    for decay in decays:
        w = fit_logistic(z[train], y[train], decay)
        guess = (z[test] @ w[:-1] + w[-1]).argmax(axis=1)
        shares.append(float((guess == y[test]).mean()))
    return shares


def probe(
    x: Array, y: NDArray[np.int64], train: NDArray[np.int64], test: NDArray[np.int64]
) -> float:
    """Return the test share of a probe whose penalty a fifth of the training rows picks."""
    order = np.random.default_rng(0).permutation(train)
    cut = len(order) // 5
    inner = score_logistic(x, y, order[cut:], order[:cut], DECAYS)
    return score_logistic(x, y, train, test, (DECAYS[int(np.argmax(inner))],))[0]


def folds(y: NDArray[np.int64], count: int, seed: int) -> list[NDArray[np.int64]]:
    """Return ``count`` disjoint sets of rows with every class alike in each."""
    rng = np.random.default_rng(seed)
    fold = np.zeros(len(y), np.int64)
    for label in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == label))
        fold[rows] = np.arange(len(rows)) % count
    return [np.flatnonzero(fold == k) for k in range(count)]


def flowers() -> tuple[list[Image.Image], NDArray[np.int64], NDArray[np.bool_]]:
    """Return the photographs, their classes and which belong to the given training part."""
    pictures, labels, parts = [], [], []
    for part in ("train", "val"):
        for label, folder in enumerate(sorted((DATA / "photos/flowers" / part).iterdir())):
            for path in sorted(folder.iterdir()):
                pictures.append(Image.open(path).convert("RGB"))
                labels.append(label)
                parts.append(part == "train")
    return pictures, np.array(labels), np.array(parts)


def print_probe(features: dict[str, list[Feature]], seeds: int) -> None:
    """Print table 2; a feature with several versions is averaged over them."""
    pictures, y, part = flowers()
    given = np.flatnonzero(part), np.flatnonzero(~part)
    print(f"\n2. Linear probe on {len(y)} photographs of flowers, {y.max() + 1} classes\n")
    print(f"| feature | width | {seeds} x 5 folds: mean | sd over seeds | given split |")
    print("|---|---|---|---|---|")
    for name, versions in features.items():
        rows = [version(pictures) for version in versions]
        means, split = [], [probe(x, y, *given) for x in rows]
        for x in rows:
            for seed in range(seeds):
                parts = folds(y, 5, seed)
                shares = [
                    probe(x, y, np.concatenate(parts[:k] + parts[k + 1 :]), parts[k])
                    for k in range(5)
                ]
                means.append(100.0 * float(np.mean(shares)))
        print(
            f"| {name} | {rows[0].shape[1]} | {np.mean(means):.1f} | {np.std(means):.1f} "
            f"| {100.0 * float(np.mean(split)):.1f} |",
            flush=True,
        )
