"""A network as a verb runs it: which weights, on which engine, and what to say if that fails."""

import math
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
from cnnkit.errors import UnknownName, UsageError, WeightsError
from cnnkit.records import Fit, Interpolation, Precision, Recipe, Runtime
from cnnkit.tasks.cores import available_cores
from cnnkit.tasks.wishes import whole
from cnnkit.zoo import bundles, ledger
from cnnkit.zoo import weights as store
from cnnkit.zoo.catalog import FEATURE_MAP, Network
from cnnkit.zoo.labels import Labels, numbered_labels
from cnnkit.zoo.tensors import tensor_shapes

_Word = TypeVar("_Word", bound=str)
# What may stand for weights beside the path of a file.
WEIGHT_WORDS = ("imagenet", "none")


@dataclass(frozen=True, slots=True)
class Job:
    """One network at work, every wish checked; nothing is opened yet.

    `engine` is the runtime's name, and `only` whether no other one will do; `batch_size` the
    pictures per run of the network. `layer` is the one that answers last: None for the classifier
    and the embedding, both. `top` is whether the weights are those with the classifier; None for
    those that are here, where both will do.
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
    layer: str | None = None
    top: bool | None = None

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
        layer: str | None = None,
    ) -> "Job":
        """Check the wishes, and put what is best in the place of those not uttered.

        Raises `UsageError` for wishes that make no sense.
        """
        network = bundles.find(model)
        own = network.recipe
        _check_weights(os.fspath(weights))
        if bundles.is_bundle(network) and weights != "imagenet":
            raise UsageError(
                f"{network.name} is a training run, and has its own weights. "
                f"Received: --weights {os.fspath(weights)}."
            )
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
            layer=layer,
        )

    @property
    def with_top(self) -> bool:
        """Whether the weights are those with the classifier; nothing is fetched to find out.

        Where both files would do: the one that is here. Of two, or none, it is the file with the
        classifier, which serves every verb and layer; and for the feature map the other, a tenth
        of it for VGG.
        """
        network = self.network
        if self.top is not None:
            return self.top
        if network.top == network.no_top or not self._does_without_top():
            return True
        first = self.layer != FEATURE_MAP
        if self.weights == "none":
            return first
        if self.weights != "imagenet":
            return not _lacks_top(network, Path(self.weights))
        return first if self._has(first) or not self._has(not first) else not first

    @property
    def here(self) -> bool:
        """Whether the weights need not be fetched."""
        return self.weights != "imagenet" or self._has(self.with_top)

    def settled(self) -> "Job":
        """The same for good, whatever else is fetched meanwhile."""
        return replace(self, top=self.with_top)

    def identity(self) -> str:
        """The sha256 of the weights, fetched if they are not here, or "random, seed N"."""
        path = self.weights_path()
        return ledger.identity(path) if path else f"random, seed {self.seed}"

    def known_as(self, identity: str) -> "Job":
        """The same with that one of the network's files which has this identity, if it is here."""
        if self.weights == "imagenet":
            for top in (True, False) if self._does_without_top() else (True,):
                if self._has(top) and ledger.identity(self._published(top)) == identity:
                    return replace(self, top=top)
        return self

    def open(self) -> Engine:
        """Open the engine; it answers with scores, then embeddings, or with `layer` last.

        Raises `WeightsError` with what to type where the weights cannot be had or used, and
        `UsageError` for a layer that is none.
        """
        top = self.with_top
        path = self.weights_path()
        source = Source(self.network, self.recipe, path, self.seed, self._layers(top), top)
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
        except UnknownName as error:
            if top:
                raise
            raise UsageError(
                f"{error} The weights here are those without the classifier; with its layers: "
                f"cnnkit weights pull {self.network.name}"
            ) from error

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

    def _layers(self, top: bool) -> tuple[str, ...]:
        """The layers that answer, the wanted one last."""
        if self.layer not in (None, self.network.embedding):
            return (str(self.layer),)
        # With scores beside it, as everywhere: the converted network is kept once, and what is
        # found out about its precisions serves all verbs.
        return (SCORES, self.network.embedding) if top else (SCORES,)

    def _does_without_top(self) -> bool:
        """Whether a file without the classifier may have the layer."""
        if self.layer == self.network.embedding:
            return self.network.pooled
        return self.layer is not None

    def _published(self, top: bool) -> Path:
        return store.path_of(self.network.top if top else self.network.no_top)

    def _has(self, top: bool) -> bool:
        return self._published(top).is_file()

    def weights_path(self) -> Path | None:
        """The weight file, fetched if it is not here; None for random values."""
        if self.weights == "none":
            return None
        if self.weights != "imagenet":
            return Path(self.weights)
        return store.obtain(
            self.network, top=self.with_top, offline=self.offline, reporter=self.reporter
        )

    def _advice(self) -> str:
        """What to type where the weights are not fit for use."""
        if bundles.is_bundle(self.network):
            return "Train anew: cnnkit finetune DATA"
        if self.weights == "imagenet":
            which = "" if self.with_top else "--no-top "
            return f"Fetch them anew: cnnkit weights pull --force {which}{self.network.name}"
        return f"Expected weights for {self.network.name} that Keras has saved."


def _lacks_top(network: Network, path: Path) -> bool:
    """Whether a weight file has fewer numbers than halfway between with top and without."""
    numbers = sum(math.prod(shape) for shape in tensor_shapes(path))
    return 8 * numbers < network.top.size + network.no_top.size


def _one_of(name: str, value: _Word | None, known: Sequence[_Word], own: _Word) -> _Word:
    if value is not None and value not in known:
        raise UsageError(f"Expected {name} to be one of {', '.join(known)}. Received: {value!r}.")
    return value or own


def _check_weights(weights: str) -> None:
    if weights in WEIGHT_WORDS:
        return
    if not os.path.isfile(weights):
        raise UsageError(
            f"Expected weights 'imagenet', 'none' or a weight file. "
            f"Received: {weights!r}, and there is no such file."
        )
    if not weights.endswith(".h5"):  # Keras goes by the suffix
        raise UsageError(f"Expected a weight file that ends in .h5. Received: {weights!r}.")
