"""Labelled pictures → how well a network names them."""

import logging
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cnnkit.datasets.notices import shown
from cnnkit.datasets.reading import read
from cnnkit.engines.base import Answers
from cnnkit.errors import UnknownName, UsageError
from cnnkit.images.batches import batched
from cnnkit.images.geometry import views
from cnnkit.images.loading import loader
from cnnkit.outputs.whole import save_whole
from cnnkit.records import (
    Dataset,
    Evaluation,
    Example,
    Fit,
    Interpolation,
    Judged,
    Precision,
    Runtime,
    Skipped,
)
from cnnkit.records import bundle as names
from cnnkit.tasks.network import Job
from cnnkit.tasks.overlap import learnt_from
from cnnkit.tasks.pipeline import answered, pictures_at_once
from cnnkit.tasks.tally import Tally
from cnnkit.tasks.truths import truths
from cnnkit.zoo import weights as store
from cnnkit.zoo.bundles import is_bundle
from cnnkit.zoo.catalog import Network

log = logging.getLogger(__name__)
Side = Literal["test", "val", "train", "all"]
# What a file of predictions may end in where there is one already.
_SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".txt")
Counted = Callable[[int, int], object]


def evaluate(
    data: str | os.PathLike[str],
    *,
    model: str,
    split: Side | None = None,
    weights: str | os.PathLike[str] = "imagenet",
    crops: int = 1,
    fit: Fit | None = None,
    interpolation: Interpolation | None = None,
    engine: Runtime = "auto",
    precision: Precision = "float32",
    batch_size: int | None = None,
    threads: int | None = None,
    seed: int = 0,
    predictions: str | os.PathLike[str] | None = None,
    offline: bool = False,
    reporter: store.Reporter | None = None,
    told: Callable[[Judged | Skipped], object] = lambda record: None,
    counted: Counted = lambda done, total: None,
) -> Evaluation:
    """Hold a network's answers against the truth.

    Classes are matched by name (`cnnkit.tasks.truths`). Pictures that cannot be read are logged,
    and count for nothing.

    Args:
        data: a folder of class folders, one with `train/`, `val/` and `test/` of them, or a list.
        model: a name from the catalog, or the folder of a training run.
        split: which part of the data; by default test where there is one, else val, else all.
        weights, crops, fit, interpolation, engine, batch_size, threads: as `classify` takes them.
        precision: as `classify` takes it; float32, so that a figure can be had again.
        seed: of the intervals, and of random weights.
        predictions: a file for what is said of each picture: jsonl, or what its suffix names. It
            is there whole at the end, or not at all.
        offline: never try to fetch weights.
        reporter: is told how downloads go.
        told: is told what is said of each picture, in order.
        counted: is told of how many pictures that is done, and how many there are.

    Raises `UsageError` for arguments that make no sense and data of which the network knows no
    class, `InputError` for data that cannot be read, `OutputError` for predictions that cannot be
    written, `WeightsError` for weights that cannot be had.
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
    views(1, 1, job.recipe, crops)
    if split is not None and split not in get_args(Side):
        raise UnknownName("split", split, get_args(Side))
    if predictions is not None:
        _refuse_overwriting((data, *_own_files(job.network)), predictions)
    examples = _part(read(data), split)
    learnt = learnt_from(job.network, [each.path for each in examples], threads=job.threads)
    if learnt:
        log.warning(
            "%d of the %d pictures are among those that the network has learnt from: "
            "on others it will do worse.", learnt, len(examples),
        )  # fmt: skip
    tally = Tally(truths(job.network.name, job.labels(), (each.label for each in examples)))
    skipped: list[Skipped] = []
    records = _judged(job, examples, tally, crops)
    records = _watched(records, len(examples), skipped, told, counted)
    if predictions is None:
        deque(records, maxlen=0)
    else:
        save_whole(records, predictions, columns=Judged.columns())
    for each in skipped:
        log.warning("left out: %s: %s", shown(each.path), each.message)
    return tally.evaluation(seed)


def _own_files(network: Network) -> list[str]:
    """What a training run's folder holds, and must hold on to."""
    return [os.path.join(network.name, name) for name in names.FILES] if is_bundle(network) else []


def _refuse_overwriting(
    read: Iterable[str | os.PathLike[str]], predictions: str | os.PathLike[str]
) -> None:
    suffix = os.path.splitext(os.fspath(predictions))[1].lower()
    if os.path.lexists(predictions) and suffix not in _SUFFIXES:
        raise UsageError(
            f"Expected a file for predictions that is new, or ends in {' '.join(_SUFFIXES)}. "
            f"Received: {os.fspath(predictions)!r}."
        )
    for path in read:
        if os.path.realpath(path) == os.path.realpath(predictions):
            raise UsageError(
                f"Expected a new file for predictions. Received: {predictions}, which is read here."
            )


def _part(dataset: Dataset, split: Side | None) -> Sequence[Example]:
    """The examples of the split; logs what is odd about the data, and what was chosen."""
    for notice in dataset.notices:
        log.warning("%s", notice)
    sides = Counter(example.split for example in dataset.examples)
    chosen = split or next((side for side in ("test", "val") if sides[side]), "all")
    part = [each for each in dataset.examples if chosen in (each.split, "all")]
    if not part:
        there = ", ".join(f"{n:,} of {side or 'no split'}" for side, n in sides.items())
        raise UsageError(
            f"Expected pictures of {chosen} in {dataset.name}. Received: {there or 'no picture'}. "
            "Type: --split all"
        )
    if split is None and set(sides) - {""}:
        log.warning("evaluating on the %d pictures of %s (--split)", len(part), chosen)
    return part


def _judged(
    job: Job, examples: Sequence[Example], tally: Tally, crops: int
) -> Iterator[Judged | Skipped]:
    """What is said of each picture, in order, once it is in the tally."""
    batches = batched(
        (example.path for example in examples),
        loader(job.recipe, crops),
        size=pictures_at_once(job.batch_size, crops),
        threads=job.threads,
    )
    rest = iter(examples)
    for batch, answers in answered(batches, job.open, views=crops):
        own = list(islice(rest, len(batch.paths)))
        pairs = list(zip(own, batch.pictures, strict=True))
        seen = [example for example, picture in pairs if not isinstance(picture, Skipped)]
        verdicts = iter(tally.add(seen, _averaged(answers, job, crops)) if seen else ())
        for _, picture in pairs:
            yield picture if isinstance(picture, Skipped) else next(verdicts)


def _averaged(answers: Answers, job: Job, crops: int) -> NDArray[np.float32]:
    """Probabilities (pictures, classes): the means over each picture's views."""
    scores = answers[0]
    if not np.isfinite(scores).all():
        raise job.damaged()
    averaged: NDArray[np.float32] = scores.reshape(-1, crops, scores.shape[1]).mean(axis=1)
    return averaged


def _watched(
    records: Iterator[Judged | Skipped],
    total: int,
    skipped: list[Skipped],
    told: Callable[[Judged | Skipped], object],
    counted: Counted,
) -> Iterator[Judged | Skipped]:
    for done, record in enumerate(records, 1):
        if isinstance(record, Skipped):
            skipped.append(record)
        told(record)
        counted(done, total)
        yield record
