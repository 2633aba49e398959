"""What the figures were measured on, in words that name no machine."""

import os
import platform
import subprocess
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# Parts of a processor that decide how fast networks run.
FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
OURS = ("tensorflow", "keras", "openvino", "pillow", "numpy")
PEERS = ("torch", "timm", "onnxruntime")
_ASK = "import sys, importlib.metadata as m; print(*(m.version(n) for n in sys.argv[1:]))"


def described(cores: int, peers: Path) -> list[str]:
    """Lines on the processor, the versions and the day."""
    ours = [f"Python {platform.python_version()}", *map(_version, OURS)]
    model, flags = _processor(Path("/proc/cpuinfo"))
    return [
        f"{model}, {cores} cores; {flags}",
        ", ".join([*ours, *_peer_versions(peers)]),
        f"{date.today().isoformat()}",
    ]


def _processor(file: Path) -> tuple[str, str]:
    """The model and those of its flags that matter here."""
    if not file.is_file():  # not Linux
        return platform.processor() or platform.machine(), "flags unknown"
    lines = [line.partition(":") for line in file.read_text().splitlines()]
    facts = {key.strip(): value.strip() for key, _, value in lines}
    present = set(facts.get("flags", facts.get("Features", "")).split())
    has = [flag for flag in FLAGS if flag in present]
    lacks = [flag for flag in FLAGS if flag not in present]
    words = f"has {', '.join(has) or 'no flag of note'}"
    model = facts.get("model name", platform.machine())
    return model, words + (f"; lacks {', '.join(lacks)}" if lacks else "")


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"no {package}"


def _peer_versions(python: Path) -> list[str]:
    if not os.access(python, os.X_OK):
        return []
    done = subprocess.run([python, "-c", _ASK, *PEERS], capture_output=True, text=True)
    found = done.stdout.split() if done.returncode == 0 else []
    return [f"{package} {number}" for package, number in zip(PEERS, found, strict=False)]
