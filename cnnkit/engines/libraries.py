"""Native libraries that have to be loaded in a certain order."""

import ctypes
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path


def load_openvino_first() -> None:
    """Load OpenVINO's library, if it is installed, before usearch's: call it before that import.

    usearch brings a C++ library of its own whose unique symbols the loader gives to whoever comes
    later. OpenVINO then opens no network any more; the other way round both work. This takes some
    hundredths of a second, the whole runtime several times that.
    """
    found = find_spec("openvino")
    if found is None or found.origin is None:
        return
    for library in (Path(found.origin).parent / "libs").glob("libopenvino.*"):
        with suppress(OSError):
            ctypes.CDLL(str(library))
