"""A network as a verb runs it: which weights, on which engine, and what to say if that fails."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar, get_args

from cnnkit.engines.base import (
    BATCH_SIZES,
    SCORES,
    Engine,
    Source,
    choose,
    open_engine,
)
from cnnkit.errors import UsageError, WeightsError
from cnnkit.records import Fit, Interpolation, Precision, Recipe, Runtime
from cnnkit.tasks.cores import available_cores
from cnnkit.zoo import weights as store
from cnnkit.zoo.catalog import Network, find
from cnnkit.zoo.labels import Labels, numbered_labels

_Word = TypeVar("_Word", bound=str)


@dataclass(frozen=True, slots=True)
class Job:
    """One network at work, every wish checked; nothing is opened yet.

    `engine` is the runtime's name, and `only` whether no other one will do; `batch_size` the
    pictures per run of the network.
    """

    network: Network
    recipe: Recipe
    weights: str
    seed: int
    engine: str
    only: bool
    precision: Precision
    batch_size: int
    threads: int
    offline: bool
    reporter: store.Reporter | None

    @classmethod
    def of(
        cls,
        model: str,
        *,
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
    ) -> "Job":
        """Check the wishes, and put what is best in the place of those not uttered.

        Raises `UsageError` for wishes that make no sense.
        """
        network = find(model)
        own = network.recipe
        _check_weights(os.fspath(weights))
        chosen = choose(engine, precision)
        return cls(
            network=network,
            recipe=replace(
                own,
                fit=_one_of("fit", fit, get_args(Fit), own.fit),
                interpolation=_one_of(
                    "interpolation", interpolation, get_args(Interpolation), own.interpolation
                ),
            ),
            weights=os.fspath(weights),
            seed=whole("seed", seed, 0),
            engine=chosen,
            only=engine != "auto" or precision == "bfloat16",
            precision=precision,
            batch_size=BATCH_SIZES[chosen]
            if batch_size is None
            else whole("batch_size", batch_size, 1),
            threads=available_cores() if threads is None else whole("threads", threads, 1),
            offline=offline,
            reporter=reporter,
        )

    def open(self) -> Engine:
        """Open the engine; it answers with scores, then embeddings.

        Raises `WeightsError` with what to type where the weights cannot be had or used.
        """
        path: Path | None = None
        if self.weights == "imagenet":
            path = store.obtain(self.network, offline=self.offline, reporter=self.reporter)
        elif self.weights != "none":
            path = Path(self.weights)
        layers = (SCORES, self.network.embedding)
        source = Source(self.network, self.recipe, path, self.seed, layers)
        try:
            return open_engine(
                self.engine,
                source,
                precision=self.precision,
                batch_size=self.batch_size,
                threads=self.threads,
                only=self.only,
            )
        except WeightsError as error:
            raise WeightsError(f"{error} {self._advice()}") from error

    def labels(self) -> Labels:
        """The names of the network's classes."""
        # Random weights see nothing that has a name: not worth a download.
        if self.weights == "none" and not store.path_of(self.network.labels).is_file():
            return numbered_labels(self.network.classes)
        return store.obtain_labels(self.network, offline=self.offline, reporter=self.reporter)

    def damaged(self) -> WeightsError:
        """The error for weights that make the network answer with no numbers."""
        return WeightsError(
            f"{self.network.name} answers with values that are no numbers: its weights "
            f"({self.weights}) are damaged. {self._advice()}"
        )

    def _advice(self) -> str:
        """What to type where the weights are not fit for use."""
        if self.weights == "imagenet":
            return f"Fetch them anew: cnnkit weights pull --force {self.network.name}"
        return f"Expected weights for {self.network.name} that Keras has saved."


def whole(name: str, value: int, least: int) -> int:
    """The value, if it is a whole number from `least` on; `UsageError` otherwise."""
    if not isinstance(value, int) or value < least:
        raise UsageError(f"Expected {name} as a whole number from {least} on. Received: {value!r}.")
    return value


def _one_of(name: str, value: _Word | None, known: Sequence[_Word], own: _Word) -> _Word:
    if value is not None and value not in known:
        raise UsageError(f"Expected {name} to be one of {', '.join(known)}. Received: {value!r}.")
    return value or own


def _check_weights(weights: str) -> None:
    if weights in ("imagenet", "none"):
        return
    if not os.path.isfile(weights):
        raise UsageError(
            f"Expected weights 'imagenet', 'none' or a weight file. "
            f"Received: {weights!r}, and there is no such file."
        )
    if not weights.endswith(".h5"):  # Keras goes by the suffix
        raise UsageError(f"Expected a weight file that ends in .h5. Received: {weights!r}.")
