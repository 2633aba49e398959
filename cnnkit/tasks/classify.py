"""Pictures → what a network sees in them."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnkit.engines.base import Engine, Source, open_engine
from cnnkit.errors import InputError, OutputError, UsageError, WeightsError
from cnnkit.images.batches import Batch, Load, batched
from cnnkit.images.decode import decode
from cnnkit.images.geometry import CROPS, Pixels, render, views, wanted_size
from cnnkit.outputs.pictures import annotate, annotated_path, save_picture
from cnnkit.records import Classification, Fit, Interpolation, Prediction, Recipe, Skipped
from cnnkit.tasks.cores import available_cores
from cnnkit.tasks.inputs import Images, Inputs
from cnnkit.tasks.tensors import refuse_unsafe
from cnnkit.zoo import weights as store
from cnnkit.zoo.catalog import DEFAULT_MODEL, Network, find
from cnnkit.zoo.labels import Labels, numbered_labels


@dataclass(frozen=True, slots=True)
class _Plan:
    """All that one run needs to know, checked."""

    network: Network
    recipe: Recipe
    weights: str
    seed: int
    top: int
    min_score: float
    crops: int
    batch_size: int
    threads: int
    annotate: str | None
    offline: bool
    reporter: store.Reporter | None


def classify(
    images: Images,
    *,
    model: str = DEFAULT_MODEL,
    weights: str | os.PathLike[str] = "imagenet",
    top: int = 5,
    min_score: float = 0.0,
    crops: int = 1,
    fit: Fit | None = None,
    interpolation: Interpolation | None = None,
    batch_size: int = 32,
    threads: int | None = None,
    seed: int = 0,
    annotate_in: str | os.PathLike[str] | None = None,
    skip_done: str | os.PathLike[str] | None = None,
    offline: bool = False,
    reporter: store.Reporter | None = None,
) -> Iterator[Classification | Skipped]:
    """Yield one record per picture, in order, as soon as it is known.

    Parameters
    ----------
    images: a path, paths, folders, globs, a stream of them, or `Inputs`.
    model: a name from the catalog.
    weights: "imagenet", "none" for random values drawn from `seed`, or a weight file's path.
    top, min_score: the best `top` classes with a probability of at least `min_score` (0..1).
    crops: 1, 5, 10 or 144 views per picture, their probabilities averaged.
    fit, interpolation: instead of the network's own.
    batch_size, threads: pictures per run of the network, and cores (default: all allowed).
    annotate_in: a folder for copies of the pictures with their labels on them.
    skip_done: a jsonl file of an earlier run; pictures that it answers are passed over.
    offline: never try to fetch weights.
    reporter: is told how downloads go.

    Raises `UsageError` at once for arguments that make no sense, `InputError` for a folder
    without pictures, `OutputError` for a folder that cannot be made; `WeightsError` when the
    network is first needed. A picture that cannot be read raises nothing: its record is a
    `Skipped`.
    """
    network = find(model)
    changes = {"fit": fit, "interpolation": interpolation}
    recipe = replace(network.recipe, **{k: v for k, v in changes.items() if v})  # type: ignore[arg-type]
    plan = _Plan(
        network, recipe, os.fspath(weights), seed, top, min_score, crops, batch_size,
        threads or available_cores(), os.fspath(annotate_in) if annotate_in else None,
        offline, reporter,
    )  # fmt: skip
    _check(plan)
    paths = Inputs.of(images).paths()
    if skip_done is not None:
        done = answered(skip_done, network.name)
        paths = (path for path in paths if path not in done)
    return _records(paths, plan)


def answered(path: str | os.PathLike[str], model: str) -> set[str]:
    """The paths that a jsonl file of an earlier run holds answers for, by this model.

    A last line that an interruption cut off counts for nothing, and a file that does not exist
    yet answers nothing. Raises `InputError` for a file that is no jsonl of ours.
    """
    done = set()
    try:
        with open(path, encoding="utf-8") as lines:  # noqa: PTH123
            for number, line in enumerate(lines, 1):
                record = _parsed(line, f"{os.fspath(path)}, line {number}")
                if record.get("status") == "ok" and record.get("model") == model:
                    done.add(str(record.get("path")))
    except FileNotFoundError:
        return set()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{os.fspath(path)!r} cannot be read as jsonl: {error}.") from error
    return done


def _parsed(line: str, place: str) -> dict[str, object]:
    if not line.endswith("\n") or not line.strip():
        return {}
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    if not isinstance(record, dict):
        raise InputError(f"{place}: expected a jsonl record. Received: {line.strip()[:60]!r}.")
    return record


def _check(plan: _Plan) -> None:
    if plan.crops not in CROPS:
        raise UsageError(f"Expected {', '.join(map(str, CROPS))} crops. Received: {plan.crops}.")
    if plan.crops == 144 and plan.recipe.fit != "crop":
        views(1, 1, plan.recipe, 144)
    for name, value, least in (("top", plan.top, 1), ("batch_size", plan.batch_size, 1)):
        if value < least:
            raise UsageError(f"Expected {name} of at least {least}. Received: {value}.")
    if not 0 <= plan.min_score <= 1:
        raise UsageError(f"Expected min_score from 0 to 1. Received: {plan.min_score}.")
    if plan.annotate:
        _make_folder(plan.annotate)
    if plan.weights not in ("imagenet", "none") and not os.path.isfile(plan.weights):
        raise UsageError(
            f"Expected weights 'imagenet', 'none' or a weight file. "
            f"Received: {plan.weights!r}, and there is no such file."
        )


def _make_folder(folder: str) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {folder!r} cannot be made: {error.strerror}.") from error


def _records(paths: Iterator[str], plan: _Plan) -> Iterator[Classification | Skipped]:
    engine: Engine | None = None
    labels: Labels = ()
    # Pictures with many views fill a batch of the network by few.
    size = max(1, plan.batch_size // plan.crops)
    for batch in batched(paths, _loader(plan), size=size, threads=plan.threads):
        if engine is None and any(not isinstance(p, Skipped) for p in batch.pictures):
            engine = _open(plan)
            labels = _labels(plan)
        yield from _answers(batch, engine, labels, plan)


def _loader(plan: _Plan) -> Load:
    wanted = wanted_size(plan.recipe, plan.crops)

    def load(path: str) -> Pixels | Skipped:
        image = decode(path, wanted)
        if isinstance(image, Skipped):
            return image
        try:
            return render(image, views(*image.size, plan.recipe, plan.crops), plan.recipe)
        except MemoryError:
            return Skipped(path, "too_large", "there is not enough memory for the picture")

    return load


def _open(plan: _Plan) -> Engine:
    path: Path | None = None
    if plan.weights == "imagenet":
        path = store.obtain(plan.network, offline=plan.offline, reporter=plan.reporter)
    elif plan.weights != "none":
        path = Path(plan.weights)
    if path:
        refuse_unsafe(path)
    source = Source(plan.network, plan.recipe, path, plan.seed)
    return open_engine("keras", source, batch_size=plan.batch_size, threads=plan.threads)


def _labels(plan: _Plan) -> Labels:
    # Random weights see nothing that has a name: not worth a download.
    if plan.weights == "none" and not store.path_of(plan.network.labels).is_file():
        return numbered_labels(plan.network.classes)
    return store.obtain_labels(plan.network, offline=plan.offline, reporter=plan.reporter)


def _answers(
    batch: Batch, engine: Engine | None, labels: Labels, plan: _Plan
) -> Iterator[Classification | Skipped]:
    scores = iter(_scores(engine, batch, plan) if engine else ())
    for path, picture in zip(batch.paths, batch.pictures, strict=True):
        if isinstance(picture, Skipped):
            yield picture
            continue
        answer = Classification(path, plan.network.name, _best(next(scores), labels, plan))
        yield _annotated(answer, plan.annotate) if plan.annotate else answer


def _scores(engine: Engine, batch: Batch, plan: _Plan) -> NDArray[np.float32]:
    """Probabilities (pictures, classes), averaged over each picture's views."""
    if all(isinstance(picture, Skipped) for picture in batch.pictures):
        return np.empty((0, 0), np.float32)
    scores = engine.predict(batch.pixels())
    if not np.isfinite(scores).all():
        raise WeightsError(
            f"{plan.network.name} answers with values that are no numbers: its weights "
            f"({plan.weights}) are damaged. Type: cnnkit weights verify {plan.network.name}"
        )
    averaged: NDArray[np.float32] = scores.reshape(-1, plan.crops, scores.shape[1]).mean(axis=1)
    return averaged


def _best(scores: NDArray[np.float32], labels: Labels, plan: _Plan) -> tuple[Prediction, ...]:
    order = np.argsort(-scores, kind="stable")[: plan.top]
    return tuple(
        Prediction(rank, labels[index][0], labels[index][1], round(float(scores[index]), 6))
        for rank, index in enumerate(order, 1)
        if scores[index] >= plan.min_score
    )


def _annotated(answer: Classification, folder: str) -> Classification | Skipped:
    """The answer, once it is drawn on a copy of its picture; what kept it from that otherwise."""
    image = decode(answer.path)
    if isinstance(image, Skipped):  # it was there a moment ago
        return image
    lines = [(p.label, p.score) for p in answer.predictions]
    try:
        save_picture(annotate(image, lines), annotated_path(folder, answer.path), answer.path)
    except OutputError as error:
        return Skipped(answer.path, "annotation", str(error))
    return answer
