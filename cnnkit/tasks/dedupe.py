"""A store → groups of pictures that are nearly the same."""

import logging
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from cnnkit.errors import InputError, UnknownName, UsageError
from cnnkit.records import STORE, Group, Keep, Redundant
from cnnkit.search.duplicates import groups
from cnnkit.tasks.collection import Collection, Place, Stores
from cnnkit.tasks.cores import available_cores
from cnnkit.tasks.products import product_for
from cnnkit.tasks.wishes import whole

if TYPE_CHECKING:
    from cnnkit.tasks.showing import Pictured

log = logging.getLogger(__name__)
# Measured with three networks on 350 photographs: different ones stay below it; most copies that
# were brightened, captioned, mirrored or made smaller lie above it.
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

    Nothing is deleted. Groups are in the order of the pictures to keep. So that whoever deletes
    the redundant ones loses nothing: one file under two paths counts once, under the first of
    them, and a file that has changed since its vector was made not at all. Pictures that are gone
    are passed over too, unless all of them are: then the store alone is asked.

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
    if not all(reader.paths is not None for reader in collection.readers):
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
        order=_considered(collection, keep, threads),
        threads=threads,
        product=product_for(matrix.rows, matrix.rows, matrix.features, threads),
    )
    number = 0
    for group in sorted(found, key=lambda each: each.kept):
        if group.redundant:
            number += 1
            kept = collection.place(group.kept)
            redundant = tuple(_redundant(collection, *each) for each in group.redundant)
            yield Group(number, kept.path or "", kept.row, redundant, collection.store_of(kept))


def _redundant(collection: Collection, row: int, similarity: float) -> Redundant:
    place = collection.place(row)
    told = round(similarity, 6)
    return Redundant(place.path or "", place.row, told, collection.store_of(place))


@dataclass(frozen=True, slots=True)
class _Picture:
    """What has become of a stored picture: `file` is None where it is gone."""

    row: int
    file: tuple[int, int] | None = None
    changed: bool = False
    pixels: int = 0
    size: int = 0


def _considered(collection: Collection, keep: Keep, threads: int) -> Sequence[int]:
    """The rows of pictures that may be kept or be redundant, those to keep rather first."""

    def look(row: int) -> _Picture:
        return _looked(row, collection.place(row), collection, count_pixels=keep == "best")

    with ThreadPoolExecutor(threads, thread_name_prefix="sizes") as pool:
        pictures = list(pool.map(look, range(collection.matrix.rows)))
    here = [each for each in pictures if each.file]
    if gone := len(pictures) - len(here):
        log.warning("%d of %d stored pictures are gone.", gone, len(pictures))
    if not here:
        return [each.row for each in pictures]
    files: dict[tuple[int, int], _Picture] = {}
    for each in here:
        if each.file and not each.changed:
            # Where the system does not number its files, all of them are different.
            files.setdefault(each.file if each.file[1] else (-1, each.row), each)
    if changed := sum(each.changed for each in here):
        log.warning(
            "%d pictures have changed since they were stored, and are passed over. "
            "Type: cnnkit extract-features",
            changed,
        )
    best_first = list(files.values())
    if keep == "best":
        best_first.sort(key=lambda each: (-each.pixels, -each.size, each.row))
    return [each.row for each in best_first]


def _looked(row: int, place: Place, collection: Collection, *, count_pixels: bool) -> _Picture:
    from cnnkit.images.decode import pixel_count
    from cnnkit.tasks.content import is_another

    path = collection.where(place.path) or ""
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # a path of others' making may be no path at all
        return _Picture(row)
    changed = False
    if place.reader.files is not None:
        changed = is_another(path, status, place.reader.files[place.row])
    pixels = pixel_count(path) if count_pixels and not changed else 0
    return _Picture(row, (status.st_dev, status.st_ino), changed, pixels, status.st_size)


def _arranged(group: Group, collection: Collection) -> "tuple[Pictured, list[Pictured]]":
    """How a group is shown."""
    from cnnkit.tasks.showing import Pictured

    others = [
        Pictured(each.path, collection.where(each.path), f"{each.similarity:.4f}")
        for each in group.redundant
    ]
    return Pictured(group.path, collection.where(group.path), "keep"), others
