"""What patternnet can do, in three tables: ``python -m tests.benchmarks.patternnet_quality``.

1. Held-out drawn pictures, at training strength and beyond it, and the confusions.
2. A linear probe on photographs of five kinds of flower, beside simpler features.
3. Near-duplicates: 200 photographs and 12 edits of each, beside simpler fingerprints.

Tables 2 and 3 need photographs, found through ``CNNKIT_TEST_DATA`` (by default
``../shared/data`` beside the project); without them only the first is printed.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from cnnkit.images.drawn import CLASSES, draw
from cnnkit.zoo import weights as store
from cnnkit.zoo.catalog import find
from tests.conftest import DATA

SHIPPED = store.path_of(find("patternnet").top)
HELD_OUT_SEED = 770_001
DECAYS = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
Array = NDArray[np.float32]
Feature = Callable[[list[Image.Image]], Array]


# --- features: pictures -> rows ---------------------------------------------------------------


def stack(pictures: list[Image.Image], size: int) -> Array:
    """Return pictures stretched to a square, float32 (N, size, size, 3) in [-1, 1]."""
    small = [p.resize((size, size), Image.Resampling.BILINEAR) for p in pictures]
    return np.stack([np.asarray(p, np.float32) for p in small]) / 127.5 - 1.0


def network_feature(model, size: int) -> Feature:  # type: ignore[no-untyped-def]
    """Return a feature: the output of a network that takes pixels in [-1, 1]."""

    def feature(pictures: list[Image.Image]) -> Array:
        parts = [
            np.asarray(model.predict_on_batch(stack(pictures[k : k + 50], size)))
            for k in range(0, len(pictures), 50)
        ]
        return np.concatenate(parts)

    return feature


def trained(weights: Path = SHIPPED) -> Feature:
    """Return patternnet's embedding."""
    from cnnkit.nets.patternnet import PatternNet

    return network_feature(PatternNet(include_top=False, weights=weights), 112)


def untrained(seed: int) -> Feature:
    """Return the embedding of patternnet with random weights and calibrated BatchNorm.

    Calibrated means that the moving statistics are those of drawn pictures, as training would
    leave them: else the random network is handicapped for no reason.
    """
    import keras

    from cnnkit.nets.patternnet import PatternNet

    keras.utils.set_random_seed(seed)
    model = PatternNet(include_top=False)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.8
    for k in range(30):
        batch = [draw(name, 550_000 + seed, k, 112, 1.0) for name in CLASSES]
        model(np.stack(batch).astype(np.float32) / 127.5 - 1.0, training=True)
    return network_feature(model, 112)


def mobilenet() -> Feature | None:
    """Return MobileNet 0.25's pooled feature (ImageNet weights), or None where it is not here."""
    if not (DATA / "keras_home").is_dir():
        return None
    import keras

    model = keras.applications.MobileNet(
        alpha=0.25, include_top=False, pooling="avg", input_shape=(224, 224, 3)
    )
    return network_feature(model, 224)


def raw_pixels(pictures: list[Image.Image]) -> Array:
    """Return 32 x 32 pixels, (N, 3072)."""
    return stack(pictures, 32).reshape(len(pictures), -1)


def colour_histogram(pictures: list[Image.Image]) -> Array:
    """Return the square roots of a joint histogram of 8 x 8 x 8 colours, (N, 512)."""
    rows = []
    for picture in pictures:
        bins = np.asarray(picture.resize((112, 112), Image.Resampling.BILINEAR)) // 32
        flat = bins.reshape(-1, 3) @ np.array([64, 8, 1])
        rows.append(np.sqrt(np.bincount(flat, minlength=512) / len(flat)))
    return np.array(rows, np.float32)


def phash(pictures: list[Image.Image]) -> Array:
    """Return 64-bit perceptual hashes as +-1, (N, 64): their product is 64 - 2 x Hamming."""
    from scipy.fft import dctn

    rows = []
    for picture in pictures:
        grey = np.asarray(picture.convert("L").resize((32, 32), Image.Resampling.LANCZOS), float)
        low = dctn(grey)[:8, :8].ravel()
        rows.append(np.where(low > np.median(low), 1.0, -1.0))
    return np.array(rows, np.float32)


# --- 1. drawn pictures ------------------------------------------------------------------------


def drawn_scores(model, strength: float, per_class: int) -> NDArray[np.int64]:  # type: ignore[no-untyped-def]
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


# --- 2. linear probe --------------------------------------------------------------------------


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


# --- 3. near-duplicates -----------------------------------------------------------------------


def resave(picture: Image.Image, quality: int) -> Image.Image:
    """Return the picture after a JPEG file of that quality."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def crop(picture: Image.Image, side: float) -> Image.Image:
    """Return the middle, ``side`` of either side."""
    w, h = picture.size
    dx, dy = round(w * (1 - side) / 2), round(h * (1 - side) / 2)
    return picture.crop((dx, dy, w - dx, h - dy))


def shrink(picture: Image.Image, factor: float) -> Image.Image:
    """Return a smaller copy."""
    w, h = picture.size
    return picture.resize((max(1, round(w * factor)), max(1, round(h * factor))))


def blur(picture: Image.Image) -> Image.Image:
    """Return the picture blurred by 1 % of its longer side (a standard deviation)."""
    return picture.filter(ImageFilter.GaussianBlur(0.01 * max(picture.size)))


def grainy(picture: Image.Image) -> Image.Image:
    """Return the picture with noise of standard deviation 12."""
    pixels = np.asarray(picture, np.float32)
    pixels = pixels + 12.0 * np.random.default_rng(0).standard_normal(pixels.shape, np.float32)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def captioned(picture: Image.Image) -> Image.Image:
    """Return the picture with a black bar over its lowest tenth and a line of text in it."""
    copy = picture.copy()
    w, h = copy.size
    pen = ImageDraw.Draw(copy)
    pen.rectangle((0, int(0.9 * h), w, h), fill="black")
    pen.text((0.05 * w, 0.92 * h), "a caption under a picture", fill="white")
    return copy


EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "crop to 80 %": lambda p: crop(p, 0.8),
    "turn by 10 degrees": lambda p: p.rotate(10, Image.Resampling.BILINEAR),
    "half size": lambda p: shrink(p, 0.5),
    "size 64 px wide": lambda p: shrink(p, 64 / p.size[0]),
    "JPEG quality 30": lambda p: resave(p, 30),
    "JPEG quality 10": lambda p: resave(p, 10),
    "brightness x 1.3": lambda p: ImageEnhance.Brightness(p).enhance(1.3),
    "contrast x 0.6": lambda p: ImageEnhance.Contrast(p).enhance(0.6),
    "blur, 1 % of the side": blur,
    "mirrored": ImageOps.mirror,
    "grain, sd 12": grainy,
    "caption bar": captioned,
}


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


def main() -> int:
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
    given = parser.parse_args()
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
