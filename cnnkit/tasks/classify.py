"""Pictures → what a network sees in them."""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cnnkit.engines.base import Answers
from cnnkit.errors import InputError, OutputError, UsageError
from cnnkit.images.batches import Batch, batched
from cnnkit.images.decode import decode
from cnnkit.images.geometry import Pixels, views
from cnnkit.images.loading import loader
from cnnkit.outputs.pictures import annotate, annotated_path, save_picture
from cnnkit.records import (
    Classification,
    Fit,
    Interpolation,
    Precision,
    Prediction,
    Runtime,
    Skipped,
)
from cnnkit.tasks.inputs import Images, Inputs
from cnnkit.tasks.network import Job
from cnnkit.tasks.pipeline import answered, pictures_at_once
from cnnkit.tasks.wishes import whole
from cnnkit.zoo import weights as store
from cnnkit.zoo.catalog import DEFAULT_MODEL
from cnnkit.zoo.labels import Labels


@dataclass(frozen=True, slots=True)
class _Plan:
    """All that one run needs to know, checked."""

    job: Job
    top: int
    min_score: float
    crops: int
    annotate: str | None


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
    engine: Runtime = "auto",
    precision: Precision = "auto",
    batch_size: int | None = None,
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
        engine: the runtime; by default OpenVINO on a processor, Keras on a graphics card.
        precision: by default bfloat16 where it was seen to answer as float32 does, on the first
            64 pictures of an earlier run, and float32 otherwise.
        batch_size: pictures per run of the network; by default what suits the engine.
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
    job = Job.of(
        model,
        weights=weights,
        fit=fit,
        interpolation=interpolation,
        engine=engine,
        precision=precision,
        batch_size=batch_size,
        threads=threads,
        seed=seed,
        offline=offline,
        reporter=reporter,
    )
    plan = _Plan(
        job=job,
        top=whole("top", top, 1),
        min_score=min_score,
        crops=crops,
        annotate=os.fspath(annotate_in) if annotate_in else None,
    )
    _check(plan)
    inputs = Inputs.of(images)
    if plan.annotate:  # the copies are no new pictures, wherever they lie
        inputs = replace(inputs, closed=(*inputs.closed, plan.annotate))
    paths = inputs.paths()
    if skip_done is not None:
        done = answered_before(skip_done, job.network.name)
        paths = (path for path in paths if path not in done)
    return _records(paths, plan)


def answered_before(path: str | os.PathLike[str], model: str) -> set[str]:
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
    views(1, 1, plan.job.recipe, plan.crops)
    if not 0 <= plan.min_score <= 1:
        raise UsageError(f"Expected min_score from 0 to 1. Received: {plan.min_score!r}.")
    if plan.annotate:
        _make_folder(plan.annotate)


def _make_folder(folder: str) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {folder!r} cannot be made: {error.strerror}.") from error


def _records(paths: Iterator[str], plan: _Plan) -> Iterator[Classification | Skipped]:
    job = plan.job
    labels: Labels = ()
    size = pictures_at_once(job.batch_size, plan.crops)
    batches = batched(paths, loader(job.recipe, plan.crops), size=size, threads=job.threads)
    with ThreadPoolExecutor(job.threads, thread_name_prefix="annotate") as painters:
        for batch, answers in answered(batches, job.open, views=plan.crops):
            if answers and not labels:
                labels = job.labels()
            told = _told(batch, answers, labels, plan)
            if plan.annotate:
                told = painters.map(partial(_annotated, plan.annotate), told)
            yield from told


def _told(
    batch: Batch[Pixels | Skipped], answers: Answers, labels: Labels, plan: _Plan
) -> Iterator[Classification | Skipped]:
    scores = iter(_averaged(answers[0], plan) if answers else ())
    for path, picture in zip(batch.paths, batch.pictures, strict=True):
        if isinstance(picture, Skipped):
            yield picture
            continue
        best = _best(next(scores), labels, plan)
        yield Classification(path, plan.job.network.name, best)


def _averaged(scores: NDArray[np.float32], plan: _Plan) -> NDArray[np.float32]:
    """Probabilities (views, classes) → (pictures, classes), averaged over each picture's views."""
    if not np.isfinite(scores).all():
        raise plan.job.damaged()
    averaged: NDArray[np.float32] = scores.reshape(-1, plan.crops, scores.shape[1]).mean(axis=1)
    return averaged


def _best(scores: NDArray[np.float32], labels: Labels, plan: _Plan) -> tuple[Prediction, ...]:
    order = np.argsort(-scores, kind="stable")[: plan.top]
    return tuple(
        Prediction(rank, labels[index][0], labels[index][1], round(float(scores[index]), 6))
        for rank, index in enumerate(order, 1)
        if scores[index] >= plan.min_score
    )


def _annotated(folder: str, answer: Classification | Skipped) -> Classification | Skipped:
    """The answer, once it is drawn on a copy of its picture; what kept it from that otherwise."""
    if isinstance(answer, Skipped):
        return answer
    image = decode(answer.path)
    if isinstance(image, Skipped):  # it was there a moment ago
        return image
    lines = [(p.label, p.score) for p in answer.predictions]
    try:
        save_picture(annotate(image, lines), annotated_path(folder, answer.path), answer.path)
    except OutputError as error:
        return Skipped(answer.path, "annotation", str(error))
    return answer
