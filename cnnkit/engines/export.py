"""A Keras network → a file that a runtime reads, and that file at work in its own runtime."""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnkit.engines.base import Answers, Engine
from cnnkit.engines.conversion import TOLERANCE, differences, probes
from cnnkit.engines.quiet import quiet
from cnnkit.errors import CnnkitError, GateFailed, OutputError

log = logging.getLogger(__name__)
# uint8 (n, H, W, 3) → float32 (n, classes).
_Predict = Callable[[NDArray[np.uint8]], Any]
_BATCH = 8


@dataclass(frozen=True, slots=True)
class Kind:
    """One format: the file or folder to open, what Keras calls it, and who opens it.

    `packages` are needed to write the file and to compare it; `install` brings them.
    """

    file: str
    keras: str
    runtime: str
    opened: Callable[[Path, int], _Predict]
    packages: tuple[str, ...] = ()
    install: str = ""


def require(format: str) -> None:
    """Raise `CnnkitError` with what to type where a package for the format is missing."""
    kind = KINDS[format]
    missing = [name for name in kind.packages if find_spec(name) is None]
    if missing:
        raise CnnkitError(
            f"Expected the packages {', '.join(kind.packages)} for the format {format}. "
            f"Received: no {', '.join(missing)}. Type: {kind.install}"
        )


def export_model(model: Any, format: str, folder: Path) -> Path:
    """Write a `keras.Model` into `folder` in a runtime's own format; the file to open."""
    kind = KINDS[format]
    if format == "openvino":
        _openvino_module()
    path = folder / kind.file
    with _silence():
        model.export(str(path), format=kind.keras, verbose=False)
        if format == "onnx":
            _drop_idle_inputs(path)
    return path


def export_scores(model: Any, format: str, folder: Path) -> Path:
    """`export_model` of the network's first answer alone.

    Raises `OutputError` where the disk refuses, `CnnkitError` where the converter does.
    """
    import keras

    scores = keras.Model(model.inputs, model.outputs[0], name=model.name)
    try:
        return export_model(scores, format, folder)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}.") from error
    except Exception as error:  # converters raise anything for what they do not know
        log.debug("%s", error, exc_info=True)
        raise CnnkitError(
            f"{model.name} cannot be converted ({_reason(error)}). Expected a network that the "
            f"format can hold. Received: {format}. Type: --format {_another(format)}"
        ) from error


class Exported(Engine):
    """An exported file at work in its own runtime, in float32."""

    def __init__(self, format: str, path: Path, *, threads: int) -> None:
        """Open the file. Raises `GateFailed` where its runtime cannot."""
        super().__init__(precision="float32", batch_size=_BATCH, in_flight=1)
        self.name = KINDS[format].runtime
        self._file = path.name
        self._format = format
        with self._blamed("opened by"), _silence():
            self._predict = KINDS[format].opened(path, threads)

    def run(self, pixels: NDArray[np.uint8]) -> Answers:
        """One batch: uint8 RGB (n, H, W, 3) → float32 (n, classes).

        Raises `GateFailed` where the runtime cannot.
        """
        with self._blamed("run by"):
            return (np.asarray(self._predict(np.ascontiguousarray(pixels)), np.float32),)

    @contextmanager
    def _blamed(self, deed: str) -> Iterator[None]:
        try:
            yield
        except (KeyboardInterrupt, MemoryError):
            raise
        except Exception as error:  # runtimes raise anything for what they do not know
            log.debug("%s", error, exc_info=True)
            raise GateFailed(
                f"Expected {self._file} to be {deed} {self.name}. Received: {_reason(error)}. "
                f"Nothing is kept. Type: --format {_another(self._format)}"
            ) from error


def refuse_if_astray(exported: Exported, reference: Callable[[Any], Answers]) -> float:
    """Compare an exported file with Keras on the probes; the largest difference found.

    It is relative to the largest score. Raises `GateFailed` where it is beyond `TOLERANCE`.
    """
    height, width = exported.size(reference)
    pixels = probes(height, width)
    strays = max(differences(reference(pixels)[:1], exported.predict(pixels)))
    if strays > TOLERANCE:
        raise GateFailed(
            f"Expected {exported.name} to answer as Keras does, within {TOLERANCE:.0e} of the "
            f"largest score. Received: {strays:.1e} on pictures of noise. Nothing is kept."
        )
    return strays
