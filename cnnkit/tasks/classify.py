"""Pictures → what a network sees in them."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from cnnkit.engines.base import Engine, Source, open_engine
from cnnkit.errors import InputError, OutputError, UsageError, WeightsError
from cnnkit.images.batches import Batch, Load, batched
from cnnkit.images.decode import decode
from cnnkit.images.geometry import Pixels, render, views, wanted_size
from cnnkit.outputs.pictures import annotate, annotated_path, save_picture
from cnnkit.records import Classification, Fit, Interpolation, Prediction, Recipe, Skipped
from cnnkit.tasks.cores import available_cores
from cnnkit.tasks.inputs import Images, Inputs
from cnnkit.zoo import weights as store
from cnnkit.zoo.catalog import DEFAULT_MODEL, Network, find
from cnnkit.zoo.labels import Labels, numbered_labels

_Word = TypeVar("_Word", bound=str)


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

    Nothing is read before the first record is asked for; then pictures are read a little ahead
    of it, on threads, and a stream of `images` is taken from on one of them.

    Args:
        images: a path, paths, folders, globs, a stream of them, or `Inputs`.
        model: a name from the catalog.
        weights: "imagenet", "none" for random values drawn from `seed`, or a weight file's path.
        top: how many classes to name.
        min_score: the least probability, 0 to 1, of a class that is named.
        crops: 1, 5, 10 or 144 views per picture, their probabilities averaged.
        fit: instead of the network's own.
        interpolation: instead of the network's own.
        batch_size: pictures per run of the network.
        threads: cores to use; by default all that this process may.
        seed: of the random weights.
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
    own = network.recipe
    recipe = replace(
        own,
        fit=_one_of("fit", fit, get_args(Fit), own.fit),
        interpolation=_one_of(
            "interpolation", interpolation, get_args(Interpolation), own.interpolation
        ),
    )
    plan = _Plan(
        network=network,
        recipe=recipe,
        weights=os.fspath(weights),
        seed=_whole("seed", seed, 0),
        top=_whole("top", top, 1),
        min_score=min_score,
        crops=crops,
        batch_size=_whole("batch_size", batch_size, 1),
        threads=available_cores() if threads is None else _whole("threads", threads, 1),
        annotate=os.fspath(annotate_in) if annotate_in else None,
        offline=offline,
        reporter=reporter,
    )
    _check(plan)
    inputs = Inputs.of(images)
    if plan.annotate:  # the copies are no new pictures, wherever they lie
        inputs = replace(inputs, closed=(*inputs.closed, plan.annotate))
    paths = inputs.paths()
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


def _one_of(name: str, value: _Word | None, known: Sequence[_Word], own: _Word) -> _Word:
    if value is not None and value not in known:
        raise UsageError(f"Expected {name} to be one of {', '.join(known)}. Received: {value!r}.")
    return value or own


def _whole(name: str, value: int, least: int) -> int:
    if not isinstance(value, int) or value < least:
        raise UsageError(f"Expected {name} as a whole number from {least} on. Received: {value!r}.")
    return value


def _check(plan: _Plan) -> None:
    views(1, 1, plan.recipe, plan.crops)
    if not 0 <= plan.min_score <= 1:
        raise UsageError(f"Expected min_score from 0 to 1. Received: {plan.min_score!r}.")
    if plan.weights not in ("imagenet", "none"):
        _check_file(plan.weights)
    if plan.annotate:
        _make_folder(plan.annotate)


def _check_file(path: str) -> None:
    if not os.path.isfile(path):
        raise UsageError(
            f"Expected weights 'imagenet', 'none' or a weight file. "
            f"Received: {path!r}, and there is no such file."
        )
    if not path.endswith(".h5"):  # Keras goes by the suffix
        raise UsageError(f"Expected a weight file that ends in .h5. Received: {path!r}.")


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
    source = Source(plan.network, plan.recipe, path, plan.seed)
    try:
        return open_engine("keras", source, batch_size=plan.batch_size, threads=plan.threads)
    except WeightsError as error:
        raise WeightsError(f"{error} {_advice(plan)}") from error


def _advice(plan: _Plan) -> str:
    """What to type where the weights are not fit for use."""
    if plan.weights == "imagenet":
        return f"Fetch them anew: cnnkit weights pull --force {plan.network.name}"
    return f"Expected weights for {plan.network.name} that Keras has saved."


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
            f"({plan.weights}) are damaged. {_advice(plan)}"
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
