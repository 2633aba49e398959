"""Pictures → embeddings: what one layer of a network says of each, as a vector."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, Never, TypeVar, get_args, overload

import numpy as np
from numpy.typing import NDArray

from cnnkit.engines.base import Answers, Engine
from cnnkit.errors import UnknownName, UsageError
from cnnkit.images.batches import Batch, batched
from cnnkit.images.geometry import Pixels, views
from cnnkit.images.loading import Load, loader
from cnnkit.records import (
    Fit,
    Interpolation,
    Pooling,
    Precision,
    Runtime,
    Skipped,
    Stamp,
    StoredType,
)
from cnnkit.tasks import comparable
from cnnkit.tasks.network import Job
from cnnkit.tasks.pipeline import answered, pictures_at_once
from cnnkit.tasks.pooling import MAP_NAME, pooled, wished
from cnnkit.zoo import weights as store
from cnnkit.zoo.bundles import find
from cnnkit.zoo.catalog import FEATURE_MAP

Vector = NDArray[np.float32]
_Known = TypeVar("_Known")
# A path and its views, uint8 (views, H, W, 3) → other ones.
Change = Callable[[str, Pixels], Pixels]
_LARGEST_FLOAT16 = 65504.0


@dataclass(slots=True)
class Embeddings(Generic[_Known]):
    """Consecutive pictures; `vectors[i]` is float32 (features,), or what stands in its place.

    That is a `Skipped` with the reason, or what is known of the picture already. `precision` is
    the one that the network really runs in, and `stamp` how the vectors were made: "" and None
    before the first one. No paths at all: the next picture is not there yet, and nothing is at
    work any more.
    """

    paths: list[str]
    vectors: "list[Vector | Skipped | _Known]"
    precision: str = ""
    stamp: Stamp | None = None


@dataclass(frozen=True, slots=True)
class Embedder:
    """How pictures become vectors: a network, a layer, a pooling, views; nothing is opened yet.

    `pooling` is None where it hangs on what the layer answers with: a vector is taken as it is, a
    feature map is averaged. `expected` is the stamp that the vectors have to be comparable with.
    `change` makes other pictures of those that were decoded; no stamp tells of it.
    """

    job: Job
    pooling: Pooling | None
    crops: int
    dtype: StoredType
    expected: Stamp | None = None
    change: Change | None = None

    @classmethod
    def of(
        cls,
        model: str,
        *,
        layer: str | None = None,
        pooling: Pooling | None = None,
        crops: int = 1,
        dtype: StoredType = "float32",
        weights: str | os.PathLike[str] = "imagenet",
        fit: Fit | None = None,
        interpolation: Interpolation | None = None,
        engine: Runtime = "auto",
        precision: Precision = "auto",
        batch_size: int | None = None,
        threads: int | None = None,
        seed: int = 0,
        offline: bool = False,
        reporter: store.Reporter | None = None,
    ) -> "Embedder":
        """Check the wishes, and put what is best in the place of those not uttered.

        Args:
            layer: a layer's name, or "feature map" for what flows into the global pooling; by
                default the network's embedding, or the feature map where a pooling is named.
            pooling: "avg" or "max" over a feature map's two spatial axes, "flatten" for all its
                numbers in a row, or "none" for a layer whose output is a vector.
            crops: 1, 5, 10 or 144 views per picture, their vectors averaged.
            dtype: what the vectors will be stored as; float16 holds values up to 65,504.
            precision: "auto" is as `classify` has it for the embedding of a network with its
                classifier, and float32 for everything else, which nothing judges bfloat16 by.
            model, weights, fit, interpolation, engine, batch_size, threads, seed, offline,
            reporter: as `cnnkit.classify` takes them.

        Raises `UsageError` for wishes that make no sense; whether the network has the layer is
        seen when it is opened.
        """
        if dtype not in get_args(StoredType):
            raise UnknownName("dtype", str(dtype), get_args(StoredType))
        wanted, taken = wished(find(model), layer, pooling)
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
            layer=wanted,
        )
        views(1, 1, job.recipe, crops)
        return cls(job, taken, crops, dtype)

    @classmethod
    def for_stamp(
        cls,
        stamp: Stamp,
        *,
        weights: str | os.PathLike[str] | None = None,
        engine: Runtime = "auto",
        batch_size: int | None = None,
        threads: int | None = None,
        offline: bool = False,
        reporter: store.Reporter | None = None,
    ) -> "Embedder":
        """What makes vectors that are comparable with those under a stamp.

        `weights` is where they are looked for; by default among the published files, and made of
        the seed where they were random. What is not here is fetched with the first picture, and
        compared then. Raises `UsageError` where this version or machine cannot make such vectors,
        and `WeightsError` where the weights here are others.
        """
        seed = comparable.seed_of(stamp)
        try:
            network = find(stamp.model)
            fit, interpolation = comparable.fitting_of(network, stamp.recipe)
            made = cls.of(
                network.name,
                layer=stamp.layer,
                pooling=stamp.pooling,
                crops=stamp.crops,
                dtype=stamp.dtype,
                weights=weights or ("imagenet" if seed is None else "none"),
                fit=fit,
                interpolation=interpolation,
                engine=engine,
                precision=comparable.precision_of(stamp),
                batch_size=batch_size,
                threads=threads,
                seed=seed or 0,
                offline=offline,
                reporter=reporter,
            )
        except UsageError as error:
            raise UsageError(
                f"Vectors like the stored ones cannot be made here. {error}"
            ) from error
        made = replace(made, job=made.job.known_as(stamp.weights), expected=stamp)
        if made.job.here:
            comparable.refuse_other_weights(made.job, stamp)
        if made.job.layer == network.embedding:
            comparable.refuse_other_width(network.features, stamp)
        return made

    @property
    def layer(self) -> str:
        """The layer's name as a person reads it."""
        return MAP_NAME if self.job.layer == FEATURE_MAP else str(self.job.layer)

    def continuing(self, stored: Stamp) -> "Embedder":
        """The same wishes; what they leave open is decided as it was for the vectors in a store.

        That is the precision `auto`, which one of the network's two files where both will do, and
        the pooling that hangs on the layer. What was wished for stays, whether it agrees or not:
        `stored.differences` of the `stamp` then says what does not.
        """
        if (stored.model, stored.layer) != (self.job.network.name, self.layer):
            return self
        job = self.job.known_as(stored.weights)
        possible = ("float32", "bfloat16") if job.engine == "openvino" else ("float32",)
        if job.precision == "auto" and stored.precision in possible:
            only = job.only or stored.precision == "bfloat16"
            job = replace(job, precision=comparable.precision_of(stored), only=only)
        pooling = self.pooling
        if pooling is None and stored.pooling in ("avg", "none"):
            pooling = stored.pooling
        return replace(self, job=job, pooling=pooling)

    def stamp(self, precision: str, features: int, pooling: Pooling | None = None) -> Stamp:
        """How the vectors are made, in a precision and with so many numbers each.

        `pooling` is what was found to suit the layer, where that was left open. The weights are
        fetched if they are not here; raises `WeightsError` where they cannot be had.
        """
        return Stamp(
            model=self.job.network.name,
            weights=self.job.identity(),
            layer=self.layer,
            pooling=self.pooling or pooling or "avg",
            crops=self.crops,
            recipe=self.job.recipe.hash,
            precision=precision,
            dtype=self.dtype,
            features=features,
        )

    @overload
    def batches(self, paths: Iterable[str]) -> Iterator[Embeddings[Never]]: ...

    @overload
    def batches(
        self, paths: Iterable[str], load: Callable[[str], _Known | None]
    ) -> Iterator[Embeddings[_Known]]: ...

    def batches(
        self, paths: Iterable[str], load: Callable[[str], Any] | None = None
    ) -> Iterator[Embeddings[Any]]:
        """Yield every picture in order, several at a time, as soon as their vectors are known.

        `load` looks at a path before it is decoded, on one of several threads: what it answers,
        None and arrays apart, stands in the picture's place, which is then neither decoded nor
        computed. The network is opened, and its weights are fetched, for the first picture that
        needs it.

        Raises what `classify` does, and `UsageError` for a layer that the network has not, an
        output that the pooling does not suit, and values beyond what `dtype` holds.
        """
        job = self.job
        whole = loader(job.recipe, self.crops)
        if self.change is not None:
            whole = partial(_changed, self.change, whole)
        looked = whole if load is None else partial(_looked, load, whole)
        size = pictures_at_once(job.batch_size, self.crops)
        loaded = batched(paths, looked, size=size, threads=job.threads)
        run = _Run(self)
        for batch, answers in answered(loaded, run.open, views=self.crops):
            yield run.told(batch, answers)


class _Run:
    """One pass over pictures: what comes to be known with the first that needs the network."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._precision = ""
        self._stamp: Stamp | None = None

    def open(self) -> Engine:
        # From here on, whatever file comes to lie beside this one.
        self._embedder = replace(self._embedder, job=self._embedder.job.settled())
        job, expected = self._embedder.job, self._embedder.expected
        if expected:
            comparable.refuse_other_weights(job, expected)
        engine = job.open()
        self._precision = engine.precision
        return engine

    def told(self, batch: Batch[Any], answers: Answers) -> Embeddings[Any]:
        rows = iter(self._vectors(answers[-1]) if answers else ())
        told = [next(rows) if isinstance(each, np.ndarray) else each for each in batch.pictures]
        return Embeddings(batch.paths, told, self._precision, self._stamp)

    def _vectors(self, answer: Vector) -> Vector:
        """What the layer says of every view → float32 (pictures, features)."""
        embedder = self._embedder
        if not np.isfinite(answer).all():
            raise embedder.job.damaged()
        rows, pooling = pooled(answer, embedder.pooling, embedder.layer)
        views_of_each = rows.reshape(-1, embedder.crops, rows.shape[1])
        vectors: Vector = views_of_each.mean(axis=1, dtype=np.float64).astype(np.float32)
        largest = float(np.abs(vectors).max())
        if embedder.dtype == "float16" and largest > _LARGEST_FLOAT16:
            raise UsageError(
                f"Expected values that float16 holds, up to {_LARGEST_FLOAT16:,.0f}. "
                f"Received: {largest:,.0f}. Type: --dtype float32"
            )
        if self._stamp is None:
            self._stamp = embedder.stamp(self._precision, vectors.shape[1], pooling)
            if embedder.expected:
                comparable.refuse_other_width(vectors.shape[1], embedder.expected)
        return vectors


def _changed(change: Change, load: Load, path: str) -> Pixels | Skipped:
    picture = load(path)
    return picture if isinstance(picture, Skipped) else change(path, picture)


def _looked(
    look: Callable[[str], _Known | None], load: Load, path: str
) -> Pixels | Skipped | _Known:
    known = look(path)
    return load(path) if known is None else known
