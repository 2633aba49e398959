"""What works on this machine, what is missing, and the command that mends it."""

import os
import platform
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cnnkit.engines.base import ENGINES
from cnnkit.errors import CnnkitError
from cnnkit.records import Classification, Finding
from cnnkit.tasks.classify import classify
from cnnkit.tasks.cores import available_cores
from cnnkit.zoo import ledger
from cnnkit.zoo import weights as store
from cnnkit.zoo.catalog import DEFAULT_MODEL, PACKAGED_MODEL, catalog, find

_PACKAGES = ("cnnkit", "tensorflow", "keras", "numpy", "pillow", "h5py", "click")
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
    yield Finding("engines", "ok", " ".join(ENGINES))
    yield _graphics()
    yield from _folders()
    yield from _weights()
    yield _main_job()


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


def _graphics() -> Finding:
    cards = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    if not cards:
        return Finding("gpu", "ok", "none: networks run on the processor")
    return Finding("gpu", "ok", f"{len(cards)} from NVIDIA; the engine keras uses it")


def _folders() -> Iterator[Finding]:
    for matter, folder in (("weights folder", store.folder()), ("state folder", ledger.folder())):
        there = folder
        while not there.exists() and there != there.parent:
            there = there.parent
        if there.is_dir() and os.access(there, os.W_OK):
            yield Finding(matter, "ok", str(folder))
        else:
            mend = "export KERAS_HOME=FOLDER" if matter == "weights folder" else ""
            yield Finding(matter, "missing", f"{folder} cannot be written to", mend)


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


def _main_job() -> Finding:
    """Classify a picture that comes with the package, by the network that comes with it."""
    matter = f"{PACKAGED_MODEL} on the engine keras"
    pictures = sorted(store.packaged_folder().glob("pictures/*/*.jpg"))
    try:
        (record,) = classify(pictures[:1], model=PACKAGED_MODEL, top=1, offline=True)
    except Exception as error:  # whatever it is, it is what the person came to hear
        return Finding(matter, "broken", str(error), "pip install --force-reinstall cnnkit")
    if not isinstance(record, Classification):
        return Finding(matter, "broken", "the picture in the package cannot be read")
    best = record.predictions[0]
    return Finding(matter, "ok", f"{pictures[0].name}: {best.label} {best.score:.2f}")
