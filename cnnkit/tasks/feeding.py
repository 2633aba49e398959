"""Training pictures → the batches of every epoch, each a function of (seed, epoch, step) alone."""

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cnnkit.nets.train import Shown

Floats = NDArray[np.float32]
Places = NDArray[np.int64]
# Bytes of inputs that are handed over at once where they are small, and batches at most.
_AT_ONCE, _MOST_BATCHES = 4 << 20, 64
_AHEAD = 3


class Source(Protocol):
    """Where the inputs of training pictures lie."""

    @property
    def bytes_each(self) -> int:
        """How large one input is."""

    def inputs(self, places: Places, epoch: int | None) -> NDArray[Any]:
        """The inputs (n, …) of these pictures, as that epoch shows them; None for unchanged."""


@dataclass(frozen=True, slots=True)
class Order:
    """Which picture comes when.

    `truth` is the class of each picture, (n,), of `classes`. With `balanced`, an epoch draws as
    many pictures as there are, no class more than once more often than another; otherwise it
    shows each once.
    """

    truth: Places
    classes: int
    batch_size: int
    seed: int
    balanced: bool = False

    @property
    def steps(self) -> int:
        """Batches in an epoch; a rest of one picture joins the batch before it."""
        whole, rest = divmod(len(self.truth), self.batch_size)
        return max(1, whole + (rest > 1))

    def batches(self, epoch: int) -> list[Places]:
        """The places of the pictures of each batch."""
        rng = np.random.default_rng((self.seed, epoch))
        places = self._drawn(rng) if self.balanced else rng.permutation(len(self.truth))
        cuts = [self.batch_size * step for step in range(1, self.steps)]
        return np.split(places, cuts)

    def _drawn(self, rng: np.random.Generator) -> Places:
        present = np.unique(self.truth)
        each, rest = divmod(len(self.truth), len(present))
        lucky = rng.permutation(len(present)) < rest
        drawn = [
            _cycled(rng, np.flatnonzero(self.truth == label), each + int(one_more))
            for label, one_more in zip(present, lucky, strict=True)
        ]
        return rng.permutation(np.concatenate(drawn))

    def one_hot(self, places: Places) -> Floats:
        """The classes of these pictures, (n, classes)."""
        made = np.zeros((len(places), self.classes), np.float32)
        made[np.arange(len(places)), self.truth[places]] = 1
        return made


def _cycled(rng: np.random.Generator, members: Places, wanted: int) -> Places:
    """So many members of a class: all of them before any comes again."""
    rounds = [rng.permutation(members) for _ in range(math.ceil(wanted / len(members)))]
    return np.concatenate(rounds)[:wanted]


class Fed:
    """A source in an order: what a trainer takes its batches from, read ahead of it."""

    def __init__(
        self,
        source: Source,
        order: Order,
        *,
        class_weights: Floats | None = None,
        ahead: int = 0,
        paired: bool = False,
    ) -> None:
        """`class_weights` (classes,) multiply losses; `ahead` threads prepare coming batches.

        Where `paired`, each batch of b pictures has 2 b rows: all of them, then all of them again
        as another epoch would show them.
        """
        self._source, self._order, self._ahead = source, order, ahead
        self._copies = 1 + paired
        weights = np.ones(order.classes, np.float32) if class_weights is None else class_weights
        self._weights = weights[order.truth]

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return self._order.steps

    def shown(self, epoch: int, first: int) -> "Iterator[Shown]":
        """The batches of an epoch from step `first` on, several at once where they are small."""
        batches = self._order.batches(epoch)[first:]
        groups = list(self._grouped(batches))
        yield from _ahead(lambda group: self._made(group, epoch), groups, self._ahead)

    def _grouped(self, batches: Sequence[Places]) -> Iterator[list[Places]]:
        """Batches of one length that follow each other."""
        fit = _AT_ONCE // max(1, self._source.bytes_each * self._order.batch_size)
        most = max(1, min(_MOST_BATCHES, fit))
        group: list[Places] = []
        for batch in batches:
            if group and (len(group) >= most or len(batch) != len(group[0])):
                yield group
                group = []
            group.append(batch)
        if group:
            yield group

    def _made(self, group: list[Places], epoch: int) -> "Shown":
        if self._copies == 1:
            return self._once(group, epoch)
        copies = [self._once(group, self._copies * epoch + copy) for copy in range(self._copies)]
        return type(copies[0])(
            *(np.concatenate(part, axis=1) for part in zip(*copies, strict=True))
        )

    def _once(self, group: list[Places], showing: int) -> "Shown":
        from cnnkit.nets.train import Shown

        places = np.concatenate(group)
        shape = (len(group), len(group[0]))
        inputs = self._source.inputs(places, showing)
        return Shown(
            inputs.reshape(*shape, *inputs.shape[1:]),
            self._order.one_hot(places).reshape(*shape, -1),
            self._weights[places].reshape(shape),
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """Pictures held out: what a trainer looks at between epochs."""

    source: Source
    truth: Places
    batch_size: int
    ahead: int = 0

    def inputs(self) -> Iterator[NDArray[Any]]:
        """Consecutive batches (b, …), unchanged."""
        fit = max(1, _AT_ONCE // max(1, self.source.bytes_each))
        size = max(self.batch_size, min(fit, 4096)) if not self.ahead else self.batch_size
        places = np.arange(len(self.truth))
        batches = [places[at : at + size] for at in range(0, len(places), size)]
        yield from _ahead(lambda batch: self.source.inputs(batch, None), batches, self.ahead)


def _ahead(make: Callable[[Any], Any], wanted: Sequence[Any], threads: int) -> Iterator[Any]:
    """What `make` makes of each, in order; prepared on a thread before it is asked for."""
    if not threads:
        yield from map(make, wanted)
        return
    pending: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(1, thread_name_prefix="feed") as pool:
        try:
            for each in wanted:
                pending.append(pool.submit(make, each))
                if len(pending) > _AHEAD:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


@dataclass(frozen=True, slots=True)
class Rows:
    """Inputs that lie in memory, or in a memory map: (n, …) for each of v views, `views[v]`.

    Every epoch shows each picture in one of its views; the first is the unchanged one.
    """

    views: Sequence[Any]
    seed: int = 0

    @property
    def bytes_each(self) -> int:
        """How large one input is."""
        return int(np.prod(self.views[0].shape[1:])) * 4

    def inputs(self, places: Places, epoch: int | None) -> NDArray[Any]:
        """The inputs (n, …) of these pictures."""
        if epoch is None or len(self.views) == 1:
            return np.asarray(self.views[0][places], np.float32)
        rng = np.random.default_rng((self.seed, epoch, 1))
        view = rng.integers(0, len(self.views), self.views[0].shape[0])[places]
        rows = [self.views[v][place] for v, place in zip(view, places, strict=True)]
        return np.asarray(rows, np.float32)
