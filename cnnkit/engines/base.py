"""The one face that every runtime shows: uint8 pixels in, float32 arrays out."""

import logging
from abc import ABC, abstractmethod
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cnnkit.errors import CnnkitError, UnknownName, UsageError
from cnnkit.records import Precision, Recipe, Runtime
from cnnkit.zoo.catalog import FEATURE_MAP as FEATURE_MAP
from cnnkit.zoo.catalog import Network

if TYPE_CHECKING:
    from cnnkit.engines.fidelity import Trial
    from cnnkit.engines.openvino_engine import OpenvinoEngine

log = logging.getLogger(__name__)
ENGINES: tuple[str, ...] = tuple(name for name in get_args(Runtime) if name != "auto")
# Pictures per run that suit each runtime on a processor, measured.
BATCH_SIZES = {"keras": 32, "openvino": 4}
# Stands for the network's own last layer among the names of layers.
SCORES = ""
Answers = tuple[NDArray[np.float32], ...]


@dataclass(frozen=True, slots=True)
class Source:
    """What an engine runs: a network, its weights (None: random by `seed`) and its recipe.

    `layers` names the layers whose outputs are the answers, `SCORES` for the last one and
    `FEATURE_MAP` for the last feature map. Without `top` the last one is the mean of that map.
    """

    network: Network
    recipe: Recipe
    weights: Path | None = None
    seed: int = 0
    layers: tuple[str, ...] = (SCORES,)
    top: bool = True


class RuntimeUnfit(CnnkitError):
    """A compiled runtime cannot run this network as Keras does; Keras itself still can."""


class Engine(ABC):
    """A network ready to run on some runtime."""

    name: str
    # What compares two precisions while this engine works, where that is still to be done.
    trial: "Trial | None" = None

    def __init__(
        self, *, precision: Literal["float32", "bfloat16"], batch_size: int, in_flight: int
    ) -> None:
        """`batch_size` is the larger of the two batch shapes that the network ever sees.

        `in_flight` is how many batches are worked on at once.
        """
        self.precision = precision
        self.batch_size = batch_size
        self.in_flight = in_flight
        self._workers = ThreadPoolExecutor(in_flight, thread_name_prefix=self.name)

    @abstractmethod
    def run(self, pixels: NDArray[np.uint8]) -> Answers:
        """One batch of 1 or `batch_size`: uint8 RGB (n, H, W, 3) → float32 (n, …) per layer.

        Called from several threads at once.
        """

    def predict(self, pixels: NDArray[np.uint8]) -> Answers:
        """Any number of pictures: uint8 RGB (n, H, W, 3) → float32 (n, …) per layer.

        Only the shapes 1 and `batch_size` reach the network, so its graph is made once: a rest
        below half a batch runs one by one, a longer one is filled up.
        """
        outputs = []
        for start in range(0, len(pixels), self.batch_size):
            part = pixels[start : start + self.batch_size]
            if len(part) <= self.batch_size // 2:
                outputs += [self.run(part[i : i + 1]) for i in range(len(part))]
            else:
                outputs.append(tuple(a[: len(part)] for a in self.run(self._filled(part))))
        return tuple(np.concatenate(arrays) for arrays in zip(*outputs, strict=True))

    def start(self, pixels: NDArray[np.uint8]) -> Future[Answers]:
        """Begin to `predict`; at most `in_flight` of those begun are worked on at once."""
        return self._workers.submit(self.predict, pixels)

    def close(self) -> None:
        """Begin nothing more; what is worked on is finished."""
        self._workers.shutdown(wait=False, cancel_futures=True)

    def _filled(self, part: NDArray[np.uint8]) -> NDArray[np.uint8]:
        missing = self.batch_size - len(part)
        return np.concatenate([part, np.repeat(part[-1:], missing, axis=0)]) if missing else part


def choose(name: Runtime, precision: Precision) -> str:
    """The runtime that a wish stands for: OpenVINO on a processor, Keras on a graphics card.

    Nothing is imported. Raises `UsageError` for a wish that no runtime here can grant.
    """
    if name not in get_args(Runtime):
        raise UnknownName("engine", name, get_args(Runtime))
    if precision not in get_args(Precision):
        raise UnknownName("precision", precision, get_args(Precision))
    compiled = find_spec("openvino") is not None
    if name == "openvino" and not compiled:
        raise UsageError("The engine openvino is not installed. Type: pip install openvino")
    if precision == "bfloat16" and (name == "keras" or not compiled):
        raise UsageError(
            "The engine keras runs in float32. Expected --precision float32, or the engine "
            f"openvino{'' if compiled else ' (pip install openvino)'}. Received: bfloat16."
        )
    if name != "auto":
        return name
    return "openvino" if compiled and (precision == "bfloat16" or not _has_graphics()) else "keras"


def open_engine(
    name: str,
    source: Source,
    *,
    precision: Precision = "auto",
    batch_size: int | None = None,
    threads: int,
    only: bool = False,
) -> Engine:
    """Open the runtime called `name`, one of `ENGINES`; it is imported only here.

    Where a compiled runtime cannot do as Keras does, Keras runs, and one line says so; with
    `only`, because a person has asked for that runtime, it is an error: `RuntimeUnfit`.
    """
    size = batch_size or BATCH_SIZES[name]
    if name == "openvino":
        try:
            return _openvino()(source, precision=precision, batch_size=size, threads=threads)
        except RuntimeUnfit as reason:
            if only:
                raise RuntimeUnfit(f"{reason} Type: --engine keras --precision float32") from reason
            log.warning("%s Keras runs instead.", reason)
    from cnnkit.engines.keras_engine import KerasEngine

    return KerasEngine(source, batch_size=size, threads=threads)


def _openvino() -> "type[OpenvinoEngine]":
    try:
        from cnnkit.engines.openvino_engine import OpenvinoEngine
    except Exception as error:  # half an installation fails in any way it likes
        raise RuntimeUnfit(
            f"The engine openvino is installed and cannot be imported ({error}). "
            "Mend it by: pip install --force-reinstall openvino."
        ) from error
    return OpenvinoEngine


def _has_graphics() -> bool:
    """Whether TensorFlow would find a graphics card: a driver's, and the libraries for it."""
    if not any(Path("/proc/driver/nvidia/gpus").glob("*")):
        return False
    try:
        return find_spec("nvidia.cudnn") is not None
    except ModuleNotFoundError:  # there is no package `nvidia` at all
        from ctypes.util import find_library

        return find_library("cudnn") is not None
