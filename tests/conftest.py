"""Fixtures that the whole tree shares."""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("CNNKIT_TEST_DATA", ROOT.parent / "shared" / "data")).resolve()
# A loaded machine must not fail a test: seconds are for hangs, ratios for speed.
PATIENCE = 240

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


def pytest_configure() -> None:
    """Have Ctrl-C mean something, here and in the programs that tests start.

    What a shell starts in the background ignores it, and hands that on.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs data that is not here, and what takes long, saying why."""
    missing = f"no real weights and photographs in {DATA}; CNNKIT_TEST_DATA names their folder"
    absent = pytest.mark.skip(reason=missing)
    long = pytest.mark.skip(reason="takes long: `make soak` runs it")
    for item in items:
        if "real" in item.keywords and not (DATA / "photos").is_dir():
            item.add_marker(absent)
        if "soak" in item.keywords and not os.environ.get("CNNKIT_SOAK"):
            item.add_marker(long)


@pytest.fixture(scope="session")
def converted_networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of converted networks, one for all tests: a conversion takes seconds."""
    return tmp_path_factory.mktemp("converted")


@pytest.fixture(autouse=True)
def _own_world(tmp_path: Path, converted_networks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the user's settings, weights or state, or reaches the network by accident."""
    for name in [n for n in os.environ if n.startswith("CNNKIT_") and n != "CNNKIT_TEST_DATA"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CNNKIT_CACHE_DIR", str(converted_networks))
    # What a test answers must not hang on the verdict that an earlier one came to.
    monkeypatch.setenv("CNNKIT_CLASSIFY_PRECISION", "float32")
    monkeypatch.setenv("CNNKIT_EXTRACT_FEATURES_PRECISION", "float32")
    # A program that ran within an earlier test has set these.
    logger = logging.getLogger("cnnkit")
    monkeypatch.setattr(logger, "propagate", True)
    logger.setLevel(logging.NOTSET)
    monkeypatch.setenv("CNNKIT_WEIGHTS_URL", "http://127.0.0.1:9/nothing-listens-here")


@pytest.fixture
def data() -> Path:
    """The folder of real weights and photographs; for tests marked `real`."""
    return DATA


@pytest.fixture
def keras_home(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Real MobileNet weights under Keras's own names; for tests marked `real`."""
    home = DATA / "keras_home"
    monkeypatch.setenv("KERAS_HOME", str(home))
    return home


@pytest.fixture
def photos() -> Path:
    """200 photographs, one per ImageNet class; for tests marked `real`."""
    return DATA / "photos" / "imagenet"


@pytest.fixture
def cnnkit(tmp_path: Path) -> Iterator[Run]:
    """Run the program as a process of its own: `cnnkit("classify", "-", stdin=b"a.jpg")`."""

    def run(*arguments: str | Path, stdin: bytes = b"", **options: object) -> object:
        command = [sys.executable, "-m", "cnnkit", *map(str, arguments)]
        options = {"capture_output": True, "timeout": PATIENCE, "cwd": tmp_path} | options
        return subprocess.run(command, input=stdin, **options)  # type: ignore[call-overload]

    yield run  # type: ignore[misc]


def picture(width: int = 64, height: int = 48, seed: int = 0) -> Image.Image:
    """A smooth, colourful RGB picture with no symmetry; a function of its arguments."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 5, 3), np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
