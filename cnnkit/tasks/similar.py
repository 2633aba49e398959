"""Pictures → the stored ones that look most like them."""

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, get_args

from cnnkit.errors import UnknownName, UsageError
from cnnkit.records import STORE, Index, Metric, Neighbours, Runtime, Unanswered
from cnnkit.search.exact import check
from cnnkit.tasks.collection import Collection, Stores
from cnnkit.tasks.cores import available_cores
from cnnkit.tasks.inputs import Images, Inputs
from cnnkit.tasks.neighbours import Answer, Question, Searched
from cnnkit.tasks.wishes import whole

if TYPE_CHECKING:
    from cnnkit.tasks.showing import Pictured
    from cnnkit.zoo.weights import Reporter

# So many neighbours where nobody says how many, nor how near.
COUNT = 5


def similar(
    queries: Images | None = None,
    *,
    rows: Sequence[int] = (),
    store: Stores = STORE,
    top_n: int | None = None,
    metric: Metric = "l2",
    threshold: float | None = None,
    include_self: bool = False,
    index: Index = "exact",
    weights: str | os.PathLike[str] | None = None,
    engine: Runtime = "auto",
    batch_size: int | None = None,
    threads: int | None = None,
    gallery: str | os.PathLike[str] | None = None,
    contact_sheet: str | os.PathLike[str] | None = None,
    offline: bool = False,
    reporter: "Reporter | None" = None,
) -> Iterator[Neighbours | Unanswered]:
    """Yield the nearest stored pictures of each query, in order; nearest first.

    A query that is stored, and has not changed since, is not read, and no network is loaded for it.
    Any other is turned into a vector as those in the store were.

    Args:
        queries: as `cnnkit.classify` takes images; with neither these nor `rows`, every stored
            picture is a query.
        rows: queries by their place in the (first) store, before all others.
        store: one store or several that were made alike.
        top_n: how many at most; by default 5, or all within `threshold` where one is given.
        metric: "l2", the Euclidean distance, or "cosine", the similarity in −1..1.
        threshold: the largest distance, or the least similarity, of a neighbour.
        include_self: let a stored query be its own neighbour.
        index: "exact", or "usearch" for an approximate index that is kept beside the store.
        weights: a weight file, where the store was made with one of your own.
        gallery: an HTML file for the pictures themselves, queries beside their neighbours.
        contact_sheet: a PNG, JPEG or WebP of them.
        engine, batch_size, threads, offline, reporter: as `cnnkit.classify` takes them.

    Raises `UsageError` and `InputError` at once for stores and wishes that make no sense. A query
    that cannot be read raises nothing: its record is `Unanswered`.
    """
    count = COUNT if top_n is None and threshold is None else top_n
    check(metric, None if count is None else whole("top_n", count, 1), threshold)
    if index not in get_args(Index):
        raise UnknownName("index", index, get_args(Index))
    collection = Collection(store)
    if index == "usearch":
        from cnnkit.tasks.approximate import refuse_several

        refuse_several(collection)
    question = Question(
        collection=collection,
        searched=Searched(collection),
        metric=metric,
        count=count,
        threshold=threshold,
        include_self=include_self,
        threads=available_cores() if threads is None else whole("threads", threads, 1),
        index=index,
        embedding={
            "weights": weights, "engine": engine, "batch_size": batch_size, "threads": threads,
            "offline": offline, "reporter": reporter,
        },
    )  # fmt: skip
    for row in rows:
        count = collection.readers[0].rows
        if not 0 <= row < count:
            expected = f"from 0 to {count - 1}" if count else "of a store that has some"
            raise UsageError(f"Expected a row {expected}. Received: {row}.")
    if queries is None and not rows:
        answers = question.all()
    else:
        answers = question.of(rows, Inputs.of(() if queries is None else queries))
    if gallery is None and contact_sheet is None:
        return answers
    from cnnkit.tasks.showing import shown

    return shown(
        answers,
        lambda answer: _arranged(answer, collection),
        title="Similar pictures",
        gallery=gallery,
        sheet=contact_sheet,
    )


def answers_to_come(queries: Inputs | None, rows: Sequence[int], store: Stores) -> int | None:
    """How many records `similar` yields; None where only reading a stream to its end would tell."""
    if queries is None:
        return len(rows) or Collection(store).matrix.rows
    named = queries.count()
    return None if named is None else len(rows) + named


def _arranged(answer: Answer, collection: Collection) -> "tuple[Pictured, list[Pictured]] | None":
    """How an answer is shown."""
    from cnnkit.tasks.showing import Pictured

    if isinstance(answer, Unanswered):
        return None
    path = answer.query if isinstance(answer.query, str) else None
    others = [
        Pictured(each.path, collection.where(each.path), f"{each.value:.4f}")
        for each in answer.neighbours
    ]
    return Pictured(path, collection.where(path), "query"), others
