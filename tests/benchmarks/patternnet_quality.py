"""What patternnet can do, in three tables: ``python -m tests.benchmarks.patternnet_quality``.

1. Held-out drawn pictures, at training strength and beyond it, and the confusions.
2. A linear probe on photographs of five kinds of flower, beside simpler features.
3. Near-duplicates: 200 photographs and 12 edits of each, beside simpler fingerprints.

Tables 2 and 3 need photographs, found through ``CNNKIT_TEST_DATA`` (by default
``../shared/data`` beside the project); without them only the first is printed.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from cnnkit.images.drawn import CLASSES, draw
from tests.benchmarks.edits import EDITS
from tests.benchmarks.features import (
    SHIPPED,
    Array,
    Feature,
    colour_histogram,
    mobilenet,
    phash,
    raw_pixels,
    trained,
    untrained,
)
from tests.benchmarks.linear_probe import print_probe
from tests.conftest import DATA

HELD_OUT_SEED = 770_001


def drawn_scores(model: Any, strength: float, per_class: int) -> NDArray[np.int64]:
    """Return the confusion matrix (classes, classes), rows true, of held-out pictures."""
    matrix = np.zeros((len(CLASSES), len(CLASSES)), np.int64)
    for label, name in enumerate(CLASSES):
        pictures = [draw(name, HELD_OUT_SEED, k, 112, strength) for k in range(per_class)]
        scores = model.predict_on_batch(np.stack(pictures).astype(np.float32) / 127.5 - 1.0)
        np.add.at(matrix[label], scores.argmax(axis=1), 1)
    return matrix


def print_drawn(weights: Path, per_class: int, confusion: Path | None) -> None:
    """Print table 1 and, if asked, draw the confusion matrix."""
    from cnnkit.nets.patternnet import PatternNet

    model = PatternNet(weights=weights)
    print(f"\n1. Held-out drawn pictures, {per_class} of each of {len(CLASSES)} classes\n")
    print("| strength | top-1 | worst class | its recall |\n|---|---|---|---|")
    for strength in (0.0, 0.5, 1.0, 1.5, 2.0):
        matrix = drawn_scores(model, strength, per_class)
        recall = matrix.diagonal() / per_class
        worst = int(recall.argmin())
        print(f"| {strength} | {recall.mean():.3f} | {CLASSES[worst]} | {recall[worst]:.2f} |")
        if strength == 1.0:
            at_one = matrix
    off = at_one - np.diag(at_one.diagonal())
    print("\nMost frequent confusions at strength 1 (true, taken for, share of the true):\n")
    for flat in off.ravel().argsort()[::-1][:12]:
        true, taken = divmod(int(flat), len(CLASSES))
        print(f"- {CLASSES[true]} -> {CLASSES[taken]}: {off[true, taken] / per_class:.2f}")
    if confusion is not None:
        draw_confusion(at_one, per_class, confusion)


def draw_confusion(matrix: NDArray[np.int64], per_class: int, path: Path) -> None:
    """Draw the confusion matrix, rows true, darker for more; the root shows rare confusions."""
    cell, left, top = 13, 78, 78
    side = cell * len(CLASSES)
    sheet = Image.new("RGB", (left + side + 4, top + side + 4), "white")
    pen = ImageDraw.Draw(sheet)
    names = Image.new("RGB", (side, top), "white")
    for k, name in enumerate(CLASSES):
        pen.text((2, top + k * cell), name, fill="black")
        label = Image.new("RGB", (top, cell), "white")
        ImageDraw.Draw(label).text((2, 0), name, fill="black")
        names.paste(label.rotate(90, expand=True), (k * cell, 0))
        for j in range(len(CLASSES)):
            tone = 255 - round(255 * float(matrix[k, j] / per_class) ** 0.5)
            x, y = left + j * cell, top + k * cell
            pen.rectangle((x, y, x + cell - 2, y + cell - 2), fill=(tone, tone, 255))
    sheet.paste(names, (left, 0))
    sheet.save(path, optimize=True)


def recall_at_1(queries: Array, gallery: Array) -> float:
    """Return how often row i of the queries is nearest, by cosine, to row i of the gallery.

    Among equals the right one counts in part: hashes tie often.
    """
    q = queries / (np.linalg.norm(queries, axis=1, keepdims=True) + 1e-9)
    g = gallery / (np.linalg.norm(gallery, axis=1, keepdims=True) + 1e-9)
    likeness = q @ g.T
    best = likeness >= likeness.max(axis=1, keepdims=True) - 1e-6
    return float((best.diagonal() / best.sum(axis=1)).mean())


def print_duplicates(features: dict[str, list[Feature]]) -> None:
    """Print table 3, in per cent; a feature with several versions is averaged over them."""
    paths = sorted((DATA / "photos/imagenet").iterdir())
    pictures = [Image.open(p).convert("RGB") for p in paths]
    print(f"\n3. Near-duplicates: recall@1 in %, {len(pictures)} photographs, 12 edits of each\n")
    print(f"| edit | {' | '.join(features)} |\n|---|{'---|' * len(features)}")
    versions = {name: [(f, f(pictures)) for f in fs] for name, fs in features.items()}
    table = []
    for title, change in EDITS.items():
        edited = [change(p) for p in pictures]
        row = [
            100.0 * float(np.mean([recall_at_1(f(edited), g) for f, g in versions[name]]))
            for name in features
        ]
        table.append(row)
        print(f"| {title} | {' | '.join(f'{v:.1f}' for v in row)} |", flush=True)
    print(f"| **mean** | {' | '.join(f'{v:.1f}' for v in np.mean(table, axis=0))} |")
    print(f"| least | {' | '.join(f'{v:.1f}' for v in np.min(table, axis=0))} |")


def main(arguments: list[str] | None = None) -> int:
    """Print the tables that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--weights", type=Path, default=SHIPPED, help="a weights file instead of the shipped"
    )
    parser.add_argument("--only", choices=("1", "2", "3"), help="print one table")
    parser.add_argument("--per-class", type=int, default=60, help="held-out pictures a class")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of the folds")
    parser.add_argument("--random-nets", type=int, default=3, help="random networks to average")
    parser.add_argument("--confusion", type=Path, help="draw the confusion matrix to this file")
    given = parser.parse_args(arguments)
    began = time.monotonic()
    if (DATA / "keras_home").is_dir():
        # Keras reads this once, when it is imported: so before anything below imports it.
        os.environ["KERAS_HOME"] = str(DATA / "keras_home")
    if given.only in (None, "1"):
        print_drawn(given.weights, given.per_class, given.confusion)
    if not (DATA / "photos").is_dir():
        print(f"no photographs in {DATA}: tables 2 and 3 left out", file=sys.stderr)
        return 0
    nets = {
        "patternnet": [trained(given.weights)],
        "untrained": [untrained(seed) for seed in range(given.random_nets)],
    }
    if given.only in (None, "2"):
        large = mobilenet()
        print_probe(
            nets
            | {"raw 32 x 32": [raw_pixels], "colour histogram": [colour_histogram]}
            | ({"MobileNet 0.25 (ImageNet)": [large]} if large else {}),
            given.seeds,
        )
    if given.only in (None, "3"):
        print_duplicates(nets | {"pHash 64": [phash], "colour histogram": [colour_histogram]})
    print(f"\n{time.monotonic() - began:.0f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
