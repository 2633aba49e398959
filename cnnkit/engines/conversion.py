"""A network as OpenVINO reads it: kept from an earlier run, or converted by Keras and compared.

What is kept is the graph in float32, which serves every precision, batch shape and processor.
Compiling it anew takes a tenth of a second; to keep compiled graphs would save a third of that.
"""

import dataclasses
import errno
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnkit.engines import cache
from cnnkit.engines.base import Answers, RuntimeUnfit, Source
from cnnkit.engines.disk import takes
from cnnkit.engines.rounding import corrected_biases
from cnnkit.errors import CnnkitError, OutputError
from cnnkit.records import Recipe
from cnnkit.zoo import ledger

log = logging.getLogger(__name__)
# Of the graph that `nets/build.py` makes of a network: to be raised when that changes.
_GRAPH = 1
# How far float32 may be from Keras, over the largest value of an answer.
TOLERANCE = 1e-3
# Pictures over which the means for bfloat16 are taken: noise does as well as photographs.
_CALIBRATION = 16
_BIASES = "bfloat16-biases.npy"


@dataclass(frozen=True, slots=True)
class Converted:
    """A network in float32, an `openvino.Model`, and where it is kept, if it can be kept.

    `biases` are those with which bfloat16 strays least: see `rounding`.
    """

    model: Any
    biases: NDArray[np.float32]
    entry: cache.Entry | None


def converted(core: Any, source: Source, threads: int) -> Converted:
    """The network, read or converted by the `openvino.Core`.

    Raises `RuntimeUnfit` where it cannot be converted, or does not answer as Keras does; only the
    latter is remembered, for it cannot be a passing failure.
    """
    identity = _identity(source)
    facts = {"model": source.network.name, **identity}
    key = cache.key_of(source.network.name, identity)

    def build(folder: Path) -> Mapping[str, Any]:
        return _convert(core, source, threads, folder)

    try:
        return _stored(core, key, facts, build)
    except (OSError, OutputError) as error:
        log.warning(
            "The converted network cannot be kept in %s: %s. Each run converts it anew; "
            "CNNKIT_CACHE_DIR=FOLDER names another folder.", cache.folder(), error,
        )  # fmt: skip
        # Its files stay readable to this process after they are gone.
        with TemporaryDirectory() as folder:
            passing = _read(core, cache.fill(Path(folder), facts, build))
            return dataclasses.replace(passing, entry=None)


def _stored(core: Any, key: str, facts: Mapping[str, Any], build: cache.Build) -> Converted:
    """The network from the cache, built into it if it is not there or not whole."""
    entry = cache.find(key)
    if entry and not entry.intact():
        log.info("%s is damaged; it is made again.", entry.folder)
        cache.discard(entry)
        entry = None
    entry = entry or cache.keep(key, facts, build)
    with suppress(OSError, RuntimeError):
        return _read(core, entry)
    # Between the check and the reading another process has cleared it, or it was never a network.
    cache.discard(entry)
    return _read(core, cache.keep(key, facts, build))


def differences(expected: Answers, received: Answers) -> list[float]:
    """Per answer, the largest difference over the largest value expected; infinite for NaN."""
    found = []
    for one, two in zip(expected, received, strict=True):
        if one.shape != two.shape:
            return [float("inf")]
        scale = max(float(np.abs(one).max()), 1e-30)
        largest = float(np.abs(one - two).max()) / scale
        found.append(largest if np.isfinite(largest) else float("inf"))
    return found


def probes(height: int, width: int, number: int = 4) -> NDArray[np.uint8]:
    """Pictures on which runtimes are compared: half noise, half smooth; uint8 (n, H, W, 3)."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (number, height, width, 3))
    across = np.linspace(0, 255, width)[None, None, :, None]
    down = np.linspace(255, 0, height)[None, :, None, None]
    smooth = (across * rng.random((number, 1, 1, 3)) + down * rng.random((number, 1, 1, 3))) / 2
    amount = np.linspace(0, 1, number)[:, None, None, None]
    return (noise * amount + smooth * (1 - amount)).astype(np.uint8)


def _identity(source: Source) -> dict[str, Any]:
    """All that makes the graph what it is; how pictures are fitted, for one, does not."""
    network, keras = source.network, version("keras")
    random = f"random, seed {source.seed}, keras {keras}"
    return {
        "weights": ledger.identity(source.weights) if source.weights else random,
        "network": (network.builder, dict(network.arguments), network.extra_stddev),
        "pixels": _scaling(source.recipe),
        "layers": source.layers,
        # Said only where it is so: with top, keys are as they were before there was a choice.
        **({} if source.top else {"top": False}),
        "graph": _GRAPH,
        "openvino": version("openvino"),
    }


def _scaling(recipe: Recipe) -> dict[str, Any]:
    """The part of a recipe that is in the graph."""
    names = ("height", "width", "channels", "scale", "mean", "std")
    return {name: getattr(recipe, name) for name in names}


def _convert(core: Any, source: Source, threads: int, folder: Path) -> Mapping[str, Any]:
    """Put the graph into `folder`; what there is to say of it: why it is unfit, if it is."""
    from cnnkit.engines.export import export_model
    from cnnkit.engines.keras_engine import KerasEngine

    log.info("Converting %s for openvino; that is done once.", source.network.name)
    keras = KerasEngine(source, batch_size=1, threads=threads)
    try:
        path = export_model(keras.model, "openvino", folder)
        model = core.read_model(path)
        strays = max(_strays(core, model, keras, source.recipe))
        pixels = probes(source.recipe.height, source.recipe.width, _CALIBRATION)
        np.save(folder / _BIASES, corrected_biases(core, model, pixels))
    except (CnnkitError, OSError, MemoryError):
        raise
    except Exception as error:  # converters raise anything, for a full disk too
        log.debug("%s", error, exc_info=True)
        if not takes(folder, 4 * source.network.parameters):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        name = source.network.name
        raise RuntimeUnfit(
            f"{name} cannot be converted for openvino ({type(error).__name__})."
        ) from error
    if strays > TOLERANCE:
        return {"unfit": f"strays from Keras by {strays:.1e}"}
    return {"strays": strays}


def _strays(core: Any, model: Any, keras: Any, recipe: Recipe) -> list[float]:
    pixels = probes(recipe.height, recipe.width)
    fixed = model.clone()
    fixed.reshape(list(pixels.shape))
    run = core.compile_model(fixed, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    received = run(pixels)
    return differences(keras.run(pixels), tuple(received[i] for i in range(len(received))))


def _read(core: Any, entry: cache.Entry) -> Converted:
    if "unfit" in entry.facts:
        raise RuntimeUnfit(f"On openvino {entry.facts.get('model')} {entry.facts['unfit']}.")
    biases = np.load(entry.folder / _BIASES, allow_pickle=False)
    return Converted(core.read_model(entry.folder / "model.xml"), biases, entry)
