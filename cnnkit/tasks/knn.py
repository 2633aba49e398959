"""Pictures → classes, by the classes of the stored pictures that look most like them."""

import csv
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from cnnkit.errors import InputError, UsageError
from cnnkit.records import Classification, Metric, Neighbours, Prediction, Runtime, Skipped
from cnnkit.search.exact import check
from cnnkit.tasks.collection import Collection, Stores
from cnnkit.tasks.cores import available_cores
from cnnkit.tasks.inputs import Images, Inputs
from cnnkit.tasks.neighbours import Answer, Question, Searched
from cnnkit.tasks.wishes import whole

if TYPE_CHECKING:
    from cnnkit.zoo.weights import Reporter

NEIGHBOURS = 10


def classify_by_neighbours(
    images: Images,
    *,
    store: Stores,
    neighbours: int = NEIGHBOURS,
    labels: str | os.PathLike[str] | None = None,
    metric: Metric = "cosine",
    top: int = 5,
    min_score: float = 0.0,
    weights: str | os.PathLike[str] | None = None,
    engine: Runtime = "auto",
    batch_size: int | None = None,
    threads: int | None = None,
    offline: bool = False,
    reporter: "Reporter | None" = None,
) -> Iterator[Classification | Skipped]:
    """Yield one record per picture: a class's score is its share of the nearest stored pictures.

    A picture that is stored itself is not its own neighbour.

    Args:
        images: as `cnnkit.classify` takes them.
        store: one embedding store or several that were made alike.
        neighbours: how many of the nearest vote; of classes with as many votes, the nearer first.
        labels: a CSV of path and label; by default a picture's class is the folder that it is in.
            Stored pictures without a label have no vote.
        metric: what is near; see `similar`.
        top, min_score: as `cnnkit.classify` takes them.
        weights, engine, batch_size, threads, offline, reporter: as `similar` takes them.

    Raises what `similar` does, and `InputError` where no stored picture has a label.
    """
    whole("top", top, 1)
    if not 0 <= min_score <= 1:
        raise UsageError(f"Expected min_score from 0 to 1. Received: {min_score!r}.")
    check(metric, whole("neighbours", neighbours, 1), None)
    collection = Collection(store)
    label_of = _by_folder(collection) if labels is None else _listed(labels, collection)
    if not label_of:
        in_file = f"; {os.fspath(labels)!r} names none of them" if labels is not None else ""
        raise InputError(
            f"No stored picture has a label{in_file}. Expected pictures in folders that are their "
            "classes, or --labels FILE.csv with the columns path and label."
        )
    question = Question(
        collection=collection,
        searched=Searched(collection, None if len(label_of) == collection.matrix.rows
                          else sorted(label_of)),
        metric=metric,
        count=neighbours,
        threshold=None,
        include_self=False,
        threads=available_cores() if threads is None else whole("threads", threads, 1),
        index="exact",
        embedding={
            "weights": weights, "engine": engine, "batch_size": batch_size, "threads": threads,
            "offline": offline, "reporter": reporter,
        },
    )  # fmt: skip
    name = f"knn:{','.join(str(reader.path) for reader in collection.readers)}"
    answers = question.of((), Inputs.of(images))
    return (_voted(each, label_of, collection, name, top, min_score) for each in answers)


def _voted(
    answer: Answer,
    label_of: Mapping[int, str],
    collection: Collection,
    name: str,
    top: int,
    min_score: float,
) -> Classification | Skipped:
    if not isinstance(answer, Neighbours):
        return Skipped(answer.query, answer.kind, answer.message)
    places = defaultdict[str, list[int]](list)
    for each in answer.neighbours:
        row = collection.row_at(each.row, each.store)
        places[label_of[row]].append(each.rank)
    order = sorted(places, key=lambda label: (-len(places[label]), sum(places[label]), label))
    shares = ((label, len(places[label]) / len(answer.neighbours)) for label in order[:top])
    return Classification(
        str(answer.query),
        name,
        tuple(
            Prediction(rank, label, label, round(share, 6))
            for rank, (label, share) in enumerate(shares, 1)
            if share >= min_score
        ),
    )


def _by_folder(collection: Collection) -> dict[int, str]:
    """Row → the name of the folder that its picture is in."""
    paths = ((row, collection.place(row).path) for row in range(collection.matrix.rows))
    folders = ((row, os.path.basename(os.path.dirname(path or ""))) for row, path in paths)
    return {row: folder for row, folder in folders if folder not in ("", os.curdir, os.pardir)}


def _listed(file: str | os.PathLike[str], collection: Collection) -> dict[int, str]:
    """Row → label, as a CSV says; paths that are not stored are passed over."""
    try:
        with open(file, newline="", encoding="utf-8-sig", errors="surrogateescape") as lines:  # noqa: PTH123
            table = list(csv.reader(lines))
    except (OSError, ValueError, csv.Error) as error:  # ValueError: NUL in the name
        raise InputError(f"{os.fspath(file)!r} cannot be read: {error}.") from error
    header = [cell.strip().lower() for cell in table[0]] if table else []
    named = "path" in header and "label" in header
    if header[:1] == ["path"] and not named:
        raise InputError(
            f"{os.fspath(file)}: expected the columns path and label. "
            f"Received: {', '.join(header)[:60]}."
        )
    path, label = (header.index("path"), header.index("label")) if named else (0, 1)
    found: dict[int, str] = {}
    for number, cells in enumerate(table[named:], 1 + named):
        if not cells:
            continue
        if len(cells) <= max(path, label):
            raise InputError(
                f"{os.fspath(file)}, line {number}: expected a path and a label. "
                f"Received: {','.join(cells)[:60]!r}."
            )
        row = collection.find(cells[path])
        if row is not None and cells[label]:
            found[row] = cells[label]
    return found
