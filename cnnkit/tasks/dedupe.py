"""A store → groups of pictures that are nearly the same."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, get_args

from cnnkit.errors import InputError, UnknownName, UsageError
from cnnkit.records import STORE, Group, Keep, Redundant
from cnnkit.search.duplicates import groups
from cnnkit.tasks.collection import Collection, Stores
from cnnkit.tasks.cores import available_cores
from cnnkit.tasks.products import product_for
from cnnkit.tasks.wishes import whole

if TYPE_CHECKING:
    from cnnkit.tasks.showing import Pictured

# Measured with three networks on 350 photographs: different ones stay below it, copies that were
# saved again, brightened, captioned or mirrored lie above it.
THRESHOLD = 0.95


def dedupe(
    *,
    store: Stores = STORE,
    threshold: float = THRESHOLD,
    keep: Keep = "best",
    threads: int | None = None,
    gallery: str | os.PathLike[str] | None = None,
    contact_sheet: str | os.PathLike[str] | None = None,
) -> Iterator[Group]:
    """Yield groups of near-duplicates: in each, every picture is as near to the one to keep.

    Nothing is deleted. Groups are in the order of the pictures to keep.

    Args:
        store: one store or several that were made alike.
        threshold: the least cosine similarity, 0 to 1, of a redundant picture and the kept one.
        keep: "best" for the one with most pixels (of equal ones the larger file, then the one
            stored first), "first" for the one stored first.
        gallery, contact_sheet: files for the pictures themselves, as `similar` writes them.

    Raises `InputError` for a store that has no paths, `UsageError` for wishes that make no sense.
    """
    if not 0 <= threshold <= 1:
        raise UsageError(f"Expected a threshold from 0 to 1. Received: {threshold!r}.")
    if keep not in get_args(Keep):
        raise UnknownName("choice", keep, get_args(Keep))
    cores = available_cores() if threads is None else whole("threads", threads, 1)
    collection = Collection(store)
    if not all(reader.has_paths for reader in collection.readers):
        raise InputError("A store without paths cannot say which pictures are redundant.")
    answers = _groups(collection, threshold, keep, cores)
    if gallery is None and contact_sheet is None:
        return answers
    from cnnkit.tasks.showing import shown

    return shown(
        answers,
        lambda group: _arranged(group, collection),
        title="Near-duplicates",
        gallery=gallery,
        sheet=contact_sheet,
    )


def _groups(collection: Collection, threshold: float, keep: Keep, threads: int) -> Iterator[Group]:
    matrix = collection.matrix
    found = groups(
        matrix,
        threshold=threshold,
        order=_best_first(collection, threads) if keep == "best" else None,
        threads=threads,
        product=product_for(matrix.rows, matrix.rows, matrix.features, threads),
    )
    number = 0
    for group in sorted(found, key=lambda each: each.kept):
        if group.redundant:
            number += 1
            kept = collection.place(group.kept)
            yield Group(
                number,
                kept.path or "",
                kept.row,
                tuple(_redundant(collection, *each) for each in group.redundant),
            )


def _redundant(collection: Collection, row: int, similarity: float) -> Redundant:
    place = collection.place(row)
    return Redundant(place.path or "", place.row, round(similarity, 6))


def _best_first(collection: Collection, threads: int) -> Sequence[int]:
    """The rows, the pictures with most pixels first; those that cannot be read last."""
    from cnnkit.images.decode import pixel_count

    def worth(row: int) -> tuple[int, int, int]:
        place = collection.place(row)
        files = place.reader.files
        size = 0 if files is None else int(files[place.row]["size"])
        return (-pixel_count(collection.where(place.path) or ""), -size, row)

    with ThreadPoolExecutor(threads, thread_name_prefix="sizes") as pool:
        return [row for *_, row in sorted(pool.map(worth, range(collection.matrix.rows)))]


def _arranged(group: Group, collection: Collection) -> "tuple[Pictured, list[Pictured]]":
    """How a group is shown."""
    from cnnkit.tasks.showing import Pictured

    others = [
        Pictured(each.path, collection.where(each.path), f"{each.similarity:.4f}")
        for each in group.redundant
    ]
    return Pictured(group.path, collection.where(group.path), "keep"), others
