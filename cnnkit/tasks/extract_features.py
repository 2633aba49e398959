"""Pictures → their embeddings in a store, each computed once."""

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from cnnkit.errors import UsageError
from cnnkit.outputs.store.rows import NewRow
from cnnkit.outputs.store.upkeep import refuse_other_stamp
from cnnkit.outputs.store.writing import Writer
from cnnkit.records import (
    STORE,
    Embedded,
    Fit,
    Interpolation,
    Pooling,
    Precision,
    Recipe,
    Runtime,
    Skipped,
    Stamp,
    StoredType,
)
from cnnkit.tasks import comparable
from cnnkit.tasks.content import (
    Cached,
    Desk,
    Known,
    Vector,
    plain,
    pruned,
    renames_told,
    touched,
)
from cnnkit.tasks.embedding import Change, Embedder, Embeddings
from cnnkit.tasks.inputs import Images, Inputs
from cnnkit.tasks.pipeline import grouped
from cnnkit.zoo import weights as weight_store
from cnnkit.zoo.bundles import find
from cnnkit.zoo.catalog import DEFAULT_MODEL

log = logging.getLogger(__name__)
# A commit costs some milliseconds.
_ROWS_PER_COMMIT = 64
_CHANGED = "the file changed while it was read"


def extract_features(
    images: Images,
    *,
    store: str | os.PathLike[str] = STORE,
    model: str | None = None,
    layer: str | None = None,
    pooling: Pooling | None = None,
    crops: int | None = None,
    dtype: StoredType | None = None,
    weights: str | os.PathLike[str] | None = None,
    fit: Fit | None = None,
    interpolation: Interpolation | None = None,
    engine: Runtime = "auto",
    precision: Precision = "auto",
    batch_size: int | None = None,
    threads: int | None = None,
    seed: int | None = None,
    prune: bool = False,
    rehash: bool = False,
    offline: bool = False,
    reporter: weight_store.Reporter | None = None,
) -> Iterator[Embedded | Skipped]:
    """Yield one record per picture, in order, once its embedding is durable in the store.

    A picture whose size and time have not changed is not read, and one whose content is in the
    store, under whatever name, is not computed. What changed is replaced. The row of a file that
    is gone becomes that of another of the same content, and a warning says how many did.

    Args:
        images: as `cnnkit.classify` takes them.
        store: an HDF5 file; made if it is not there. Its directory is, too.
        model: a name from the catalog; by default the store's, or resnet50.
        layer, pooling, crops, dtype, weights, fit, interpolation, precision, seed: what is left
            open is as it was for the rows in the store. By default the network's embedding, of one
            view, in float32; see `Embedder.of`.
        prune: drop rows of files that are gone from the folders among `images`; of relative paths,
            only what is not beside the store either.
        rehash: read every picture, even if its size and time have not changed; rows that are
            damaged are made again.
        engine, batch_size, threads, offline, reporter: as `cnnkit.classify` takes them.

    Raises what `classify` does, and at the first record `UsageError` where the store's rows were
    made in another way, `OutputError` where it cannot be written, `InputError` where it is none.
    Closing the iterator, and every error, commits what is done.
    """
    wishes = {
        "model": model, "layer": layer, "pooling": pooling, "crops": crops, "dtype": dtype,
        "weights": weights, "fit": fit, "interpolation": interpolation, "seed": seed,
        "precision": None if precision == "auto" else precision,
    }  # fmt: skip
    means = {
        "engine": engine, "batch_size": batch_size, "threads": threads, "offline": offline,
        "reporter": reporter,
    }  # fmt: skip
    plan = _Plan(
        wishes={name: wish for name, wish in wishes.items() if wish is not None},
        means=means,
        rehash=rehash,
        gone_from=_folders(Inputs.of(images)) if prune else (),
    )
    plan.embedder(None)  # what makes no sense is said at once
    return _records(Inputs.of(images).paths(), Path(store), plan)


def extract_to_cache(
    paths: Iterator[str],
    store: Path,
    change: Change | None,
    wishes: Mapping[str, Any],
    means: Mapping[str, Any],
) -> Iterator[Embedded | Skipped]:
    """As `extract_features`, into a store of this program's own, of pictures that are all there.

    With `change`, of what that makes of the pictures; the store is kept for it alone.
    """
    wished = {name: wish for name, wish in wishes.items() if wish is not None}
    plan = _Plan(wished, dict(means), rehash=False, change=change, cache=True)
    return _records(paths, store, plan)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What was wished for, and by what means."""

    wishes: dict[str, Any]
    means: dict[str, Any]
    rehash: bool
    gone_from: Sequence[str] = ()
    change: Change | None = None
    # Whether the store is this program's own: where its pictures lie is nobody's concern.
    cache: bool = False

    def embedder(self, stored: Stamp | None) -> Embedder:
        """What makes the vectors; for a store that has some, like them in all that was left open.

        Raises `UsageError` where they would be others.
        """
        if stored is None:
            return Embedder.of(**{"model": DEFAULT_MODEL, **self.wishes, **self.means})
        if not self.wishes:
            return Embedder.for_stamp(stored, **self.means)
        known = self._left_open(stored)
        return Embedder.of(**{**known, **self.wishes, **self.means}).continuing(stored)

    def _left_open(self, stored: Stamp) -> dict[str, Any]:
        """What may be taken from a store where nothing was wished for; of another network, less."""
        known: dict[str, Any] = {"crops": stored.crops, "dtype": stored.dtype}
        if not self._agrees("model", stored.model):
            return known
        known["model"] = stored.model
        if self._agrees("pooling", stored.pooling):
            known["layer"] = stored.layer
        if self._agrees("layer", stored.layer):
            known["pooling"] = stored.pooling
        seed = comparable.seed_of(stored)
        if seed is not None and self._agrees("weights", "none"):
            known |= {"weights": "none", "seed": seed}
        with suppress(UsageError):  # what comes of it is refused, and shown, as the recipe
            fit, interpolation = comparable.fitting_of(find(stored.model), stored.recipe)
            known |= {"fit": fit, "interpolation": interpolation}
        return known

    def _agrees(self, name: str, value: object) -> bool:
        return bool(self.wishes.get(name, value) == value)


def _folders(inputs: Inputs) -> tuple[str, ...]:
    named = inputs.arguments if isinstance(inputs.arguments, Sequence) else ()
    folders = tuple(plain(each) for each in named if os.path.isdir(each))
    if not folders:
        raise UsageError("--prune is about folders: expected one among the pictures.")
    return folders


def _records(paths: Iterator[str], store: Path, plan: _Plan) -> Iterator[Embedded | Skipped]:
    with Writer(store) as writer, nullcontext() if plan.cache else renames_told(writer):
        if writer.recovered:
            log.warning("%s: %s.", store, writer.recovered)
        embedder = replace(plan.embedder(writer.stamp), change=plan.change)
        if writer.stamp:
            _refuse_other_wishes(embedder, writer.stamp, store)
        desk = Desk(writer, plan.rehash, pruned(writer, plan.gone_from))
        rest: Iterable[str] = ()
        for path in paths:
            row = desk.row_at_once(path)
            if row is None:
                rest = chain((path,), paths)
                break
            yield Embedded(path, row, cached=True)
        yield from _committed(embedder.batches(rest, desk.look), desk, embedder)


def _refuse_other_wishes(embedder: Embedder, stored: Stamp, store: Path) -> None:
    """Say before anything is computed what can be said by then; the rest, at the first vector."""
    job = embedder.job
    if job.network.name == stored.model and job.recipe.hash != stored.recipe:
        _refuse_other_fitting(job.recipe, stored, store)
    wished = Stamp(
        model=job.network.name,
        weights=job.identity() if job.here else stored.weights,
        layer=embedder.layer,
        pooling=embedder.pooling or stored.pooling,
        crops=embedder.crops,
        recipe=job.recipe.hash,
        precision=stored.precision if job.precision == "auto" else job.precision,
        dtype=embedder.dtype,
        features=stored.features,
    )
    refuse_other_stamp(stored, wished, str(store), "asked for")


def _refuse_other_fitting(wished: Recipe, stored: Stamp, store: Path) -> None:
    """Say in words what the hashes of two recipes only say to each other, where that is known."""
    try:
        fit, interpolation = comparable.fitting_of(find(stored.model), stored.recipe)
    except UsageError:
        return
    pairs = (("fit", fit, wished.fit), ("interpolation", interpolation, wished.interpolation))
    told = "\n".join(f"  {name:<13}  {one}  |  {two}" for name, one, two in pairs if one != two)
    raise UsageError(
        f"Vectors that were made differently cannot be compared: {store} | asked for\n{told}"
    )


Looked = Vector | Skipped | Cached | Known


def _committed(
    batches: Iterator[Embeddings[Any]], desk: Desk, embedder: Embedder
) -> Iterator[Embedded | Skipped]:
    """The records of what was looked up or computed, each after the commit that made it durable."""
    groups = grouped(
        batches, most=_ROWS_PER_COMMIT, each=lambda batch: _settle_stamp(desk.writer, batch.stamp)
    )
    for group in groups:
        yield from _stored(group, desk, embedder)


def _settle_stamp(writer: Writer, stamp: Stamp | None) -> None:
    if stamp is None:
        return
    if writer.stamp is None:
        writer.stamp = stamp
    refuse_other_stamp(writer.stamp, stamp, str(writer.path), "asked for")


def _stored(
    told: Sequence[tuple[str, Looked]], desk: Desk, embedder: Embedder
) -> Iterator[Embedded | Skipped]:
    """Commit what is new among these, then yield their records."""
    rows: list[NewRow] = []
    answers: list[Embedded | Skipped | None] = []
    for path, looked in told:
        answer, row = _answer(path, looked, desk, embedder)
        answers.append(answer)
        if row:
            rows.append(row)
    places = iter(desk.writer.put(rows))
    for (path, looked), answer in zip(told, answers, strict=True):
        yield answer or Embedded(path, next(places), cached=isinstance(looked, Known))


def _answer(
    path: str, looked: Looked, desk: Desk, embedder: Embedder
) -> tuple[Embedded | Skipped | None, NewRow | None]:
    """The record, if it is known already; otherwise the row that has to be stored first."""
    if isinstance(looked, Skipped):
        desk.taken_back(path)
        return looked, None
    if isinstance(looked, Cached):
        return Embedded(path, looked.row, cached=True), None
    if isinstance(looked, Known):
        vector = looked.vector
        if vector is None and not desk.writer.knows(looked.facts.sha256):
            # The row that had this content got another one meanwhile: two files swapped names.
            again = next(embedder.batches([path])).vectors[0]
            if isinstance(again, Skipped):
                return again, None
            if touched(path, looked.facts):
                return Skipped(path, "changed", _CHANGED), None
            vector = again
        return None, NewRow(plain(path), looked.facts, vector)
    facts = desk.taken_back(path)
    if facts is None or touched(path, facts):
        return Skipped(path, "changed", _CHANGED), None
    return None, NewRow(plain(path), facts, looked)
