"""What works on this machine, what is missing, and the command that mends it."""

import os
import platform
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from cnnkit.errors import CnnkitError
from cnnkit.records import Classification, Finding
from cnnkit.tasks.cache import cache_folder, cache_info, summary
from cnnkit.tasks.classify import classify
from cnnkit.tasks.cores import available_cores
from cnnkit.tasks.network import Job
from cnnkit.zoo import ledger
from cnnkit.zoo import weights as store
from cnnkit.zoo.catalog import DEFAULT_MODEL, PACKAGED_MODEL, catalog, find

_PACKAGES = ("cnnkit", "tensorflow", "keras", "numpy", "pillow", "h5py", "click")
_REINSTALL = "pip install --force-reinstall {}"
# What makes a network fast, in the words of /proc/cpuinfo.
_FEATURES = (
    "avx2",
    "fma",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "amx_tile",
    "amx_bf16",
    "asimd",
)


def examine() -> Iterator[Finding]:
    """Yield one finding per matter, the decisive one last: a picture classified for real."""
    yield from _versions()
    yield Finding("processor", "ok", _processor())
    compiled = _openvino()
    yield compiled
    yield _graphics()
    yield from _folders()
    yield from _weights()
    yield _converted()
    # Keras should run in the place of what is half installed; if not, that is what to mend.
    half = compiled.mend == _REINSTALL.format("openvino")
    yield _main_job(compiled.mend if half else _REINSTALL.format("cnnkit"))


def raise_if_ill(findings: Iterable[Finding]) -> None:
    """Raise `CnnkitError`, exit code 1, where pictures cannot be classified."""
    broken = [finding for finding in findings if finding.state == "broken"]
    if broken:
        raise CnnkitError(
            "Pictures cannot be classified here: "
            + "; ".join(f"{finding.matter}: {finding.detail}" for finding in broken)
        )


def _versions() -> Iterator[Finding]:
    yield Finding("python", "ok", f"{platform.python_version()} on {platform.platform()}")
    for name in _PACKAGES:
        try:
            yield Finding(name, "ok", version(name))
        except PackageNotFoundError:
            yield Finding(name, "broken", "not installed", f"pip install {name}")


def _processor() -> str:
    try:
        flags = set(Path("/proc/cpuinfo").read_text("utf-8").split())
    except OSError:
        flags = set()
    features = " ".join(feature for feature in _FEATURES if feature in flags)
    return f"{platform.machine()}, {available_cores()} cores, {features or 'features unknown'}"


def _openvino() -> Finding:
    """The compiled engine; keras, the other one, needs no word beside its version."""
    matter = "engine openvino"
    if not find_spec("openvino"):
        return Finding(matter, "missing", "not installed: keras runs", "pip install openvino")
    try:
        from cnnkit.engines import openvino_engine  # noqa: F401, I001 — first: no telemetry
        from openvino import Core

        fast = "BF16" in Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    except Exception as error:  # a library that does not fit this system may raise anything
        detail = f"installed, but cannot be loaded ({error}): keras runs"
        return Finding(matter, "missing", detail, _REINSTALL.format("openvino"))
    precisions = "float32 and bfloat16" if fast else "float32; this processor has no bfloat16"
    return Finding(matter, "ok", f"{version('openvino')}, in {precisions}")


def _converted() -> Finding:
    """What is kept of converted networks, and in which precision each runs by default."""
    matter = "converted networks"
    try:
        rows = cache_info()
    except CnnkitError as error:
        return Finding(matter, "missing", str(error), "export CNNKIT_CACHE_DIR=FOLDER")
    told = [f"{row.model}: {row.note}" for row in rows if row.verdict or row.state == "unfit"]
    return Finding(matter, "ok", "; ".join((summary(rows), *told)))


def _graphics() -> Finding:
    cards = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    if not cards:
        return Finding("gpu", "ok", "none: networks run on the processor")
    return Finding("gpu", "ok", f"{len(cards)} from NVIDIA; the engine keras uses it")


def _folders() -> Iterator[Finding]:
    for matter, folder, mend in (
        ("weights folder", store.folder(), "export KERAS_HOME=FOLDER"),
        ("state folder", ledger.folder(), ""),
        ("cache folder", cache_folder(), "export CNNKIT_CACHE_DIR=FOLDER"),
    ):
        if _writable(folder):
            yield Finding(matter, "ok", str(folder))
        else:
            yield Finding(matter, "missing", f"{folder} cannot be written to", mend)


def _writable(folder: Path) -> bool:
    """Whether the folder takes files, or can be made."""
    there = folder
    while not os.path.lexists(there) and there != there.parent:
        there = there.parent
    return there.is_dir() and os.access(there, os.W_OK)


def _weights() -> Iterator[Finding]:
    here = [n.name for n in catalog().values() if store.path_of(n.top).is_file()]
    yield Finding("weights", "ok", " ".join(here))
    if DEFAULT_MODEL not in here:
        yield Finding(
            DEFAULT_MODEL,
            "missing",
            "the default network's weights are not here",
            f"cnnkit weights pull {DEFAULT_MODEL}",
        )
    labels = find(DEFAULT_MODEL).labels
    if not store.path_of(labels).is_file():
        yield Finding(
            "labels", "missing", "ImageNet's class names are not here", "cnnkit weights pull labels"
        )


def _main_job(mend: str) -> Finding:
    """Classify a picture that comes with the package, by the network that comes with it.

    `mend` is what to type where that fails.
    """
    matter = PACKAGED_MODEL
    pictures = sorted(store.packaged_folder().glob("pictures/*/*.jpg"))
    try:
        # What `classify` opens by default, which may be another than the one that it prefers.
        engine = Job.of(PACKAGED_MODEL, offline=True).open()
        engine.close()
        matter = f"{PACKAGED_MODEL} on the engine {engine.name}"
        (record,) = classify(pictures[:1], model=PACKAGED_MODEL, top=1, offline=True)
    except Exception as error:  # whatever it is, it is what the person came to hear
        return Finding(matter, "broken", str(error), mend)
    if not isinstance(record, Classification):
        return Finding(matter, "broken", "the picture in the package cannot be read")
    best = record.predictions[0]
    seen = f"{pictures[0].name}: {best.label} {best.score:.2f}"
    return Finding(matter, "ok", f"{seen}, in {engine.precision}")
