"""Converted networks on disk, so that each is converted once and then opened without TensorFlow.

::

    ~/.cache/cnnkit/engines/
        resnet50-4f0c…/         one converted network; its name ends in the hash of what it is
            engine.json         what that is, and the size and CRC-32 of every other file
            model.xml model.bin the network, in float32
            bfloat16-biases.npy its biases where it runs in bfloat16
            verdict.json        how its faster precision compares, once that is known
        .resnet50-4f0c….lock    held by whoever converts it

A folder is filled under another name, synced and renamed: under its own name it is whole. What
turns out to be damaged is put aside and made again.
"""

import hashlib
import json
import logging
import os
import re
import shutil
import stat
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnkit.errors import OutputError

log = logging.getLogger(__name__)
# Fills an empty folder; returns what `engine.json` should say besides.
Build = Callable[[Path], Mapping[str, Any]]
_FACTS, _VERDICT = "engine.json", "verdict.json"
_BLOCK = 1 << 18  # stays in a core's own cache
_LARGEST_JSON = 1 << 20
# What lies in the folder and is ours: a network, or what a process that was killed left of one.
_KEY = r"(?P<{}>[\w.]+-[0-9a-f]{{20}})"
_OURS = re.compile(
    _KEY.format("whole") + r"|\." + _KEY.format("part") + r"\.(lock|building|\w{8}\.old)"
)
# The least recently used go when all together are larger than this many bytes.
LARGEST = 8 << 30


@dataclass(frozen=True, slots=True)
class Entry:
    """One converted network: its folder, and what `engine.json` says of it."""

    folder: Path
    facts: Mapping[str, Any]

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(file.stat().st_size for file in self.folder.iterdir())

    @property
    def used(self) -> float:
        """When it was last opened, in seconds since 1970."""
        return (self.folder / _FACTS).stat().st_mtime

    def intact(self) -> bool:
        """Whether every file still holds what was written; reads them all."""
        return all(
            _checksum(self.folder / name) == checksum
            for name, (_, checksum) in self.facts["files"].items()
        )

    def verdict(self) -> dict[str, Any] | None:
        """What was found out about the faster precision, if it was."""
        return _read(self.folder / _VERDICT)

    def keep_verdict(self, verdict: Mapping[str, Any]) -> None:
        """Write it down; a cache that cannot be written costs finding out again."""
        with suppress(OSError):
            _write(self.folder / _VERDICT, verdict)


def folder() -> Path:
    """Where converted networks lie: `CNNKIT_CACHE_DIR`, or the user's cache folder."""
    from platformdirs import user_cache_path

    own = os.environ.get("CNNKIT_CACHE_DIR")
    return (Path(own).expanduser() if own else user_cache_path("cnnkit")) / "engines"


def key_of(name: str, identity: Mapping[str, Any]) -> str:
    """The name under which the network `name`, with all that makes it what it is, is kept.

    Of a path, the last part is in it.
    """
    text = json.dumps(identity, sort_keys=True)
    plain = re.sub(r"[^\w.]", "_", os.path.basename(name), flags=re.ASCII)[:80]
    return f"{plain}-{hashlib.sha256(text.encode()).hexdigest()[:20]}"


def find(key: str) -> Entry | None:
    """What is kept under `key`, if its files are there in full size. Its time of use is now."""
    entry = _entry(folder() / key)
    if entry:
        with suppress(OSError):
            os.utime(entry.folder / _FACTS)
    return entry


def keep(key: str, facts: Mapping[str, Any], build: Build) -> Entry:
    """What is kept under `key`; `build` fills a folder with it if it is not there.

    Of many processes that want it at once, one builds and the others wait. Raises `OSError` where
    the cache cannot be written.
    """
    from filelock import FileLock

    root = folder()
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / f".{key}.lock"):
        entry = find(key)
        if entry:
            return entry
        _discard(root / key)
        building = root / f".{key}.building"
        # What an earlier process left when it was killed.
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir()
        try:
            entry = fill(building, facts, build)
            building.rename(root / key)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    _sync(root)
    bound(keep=key)
    return Entry(root / key, entry.facts)


def fill(target: Path, facts: Mapping[str, Any], build: Build) -> Entry:
    """Let `build` fill the empty folder `target`, and write down what it holds."""
    said = build(target)
    files = {}
    for path in sorted(target.iterdir()):
        _sync(path)
        files[path.name] = (path.stat().st_size, _checksum(path))
    facts = {**facts, **said, "files": files}
    _write(target / _FACTS, facts)
    _sync(target)
    return Entry(target, facts)


def discard(entry: Entry) -> None:
    """Drop a network, whoever may still be running it: its open files stay readable to them."""
    try:
        _discard(entry.folder)
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"{entry.folder} cannot be removed: {reason}.") from error


def entries() -> Iterator[Entry]:
    """Every network that is kept, by name."""
    root = folder()
    for path in sorted(root.iterdir()) if root.is_dir() else ():
        if not path.name.startswith(".") and (entry := _entry(path)):
            yield entry


def belongings() -> dict[str, list[Path]]:
    """Every key with all that bears it: its network, its lock, what killed processes left of it.

    Raises `OSError` where the folder cannot be read.
    """
    root = folder()
    found: dict[str, list[Path]] = {}
    for path in sorted(root.iterdir()) if root.is_dir() else ():
        if match := _OURS.fullmatch(path.name):
            found.setdefault(match["whole"] or match["part"], []).append(path)
    return found


def clear(key: str) -> bool:
    """Remove all that bears `key`; False, and nothing is touched, while a process converts it.

    Raises `OSError` where it cannot be removed.
    """
    from filelock import FileLock, Timeout

    lock = folder() / f".{key}.lock"
    try:
        with FileLock(lock, timeout=0):
            _discard(folder() / key)
            for path in belongings().get(key, []):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                elif path != lock:
                    path.unlink()
            # Last, and while it is held: whoever waits for it sees that it is another file then.
            lock.unlink()
    except Timeout:
        return False
    return True


def bound(*, keep: str = "", largest: int | None = None) -> None:
    """Drop the least recently used until all together are at most `largest` bytes, but `keep`."""
    most = LARGEST if largest is None else largest
    with suppress(OSError, OutputError):
        known = sorted(entries(), key=lambda entry: (entry.folder.name != keep, -entry.used))
        total = 0
        for entry in known:
            total += entry.size
            if total > most and entry.folder.name != keep:
                log.info("%s makes room in the cache.", entry.folder.name)
                discard(entry)


def _entry(path: Path) -> Entry | None:
    facts = _read(path / _FACTS)
    if facts is None:
        return None
    try:
        whole = all(_holds(path, name, size) for name, (size, _) in facts["files"].items())
    except (OSError, KeyError, TypeError, ValueError, AttributeError):
        return None
    return Entry(path, facts) if whole else None


def _holds(folder: Path, name: str, size: int) -> bool:
    """Whether a plain file of this name and size lies in the folder, and not elsewhere."""
    status = (folder / name).lstat()
    return name == Path(name).name and stat.S_ISREG(status.st_mode) and status.st_size == size


def _discard(path: Path) -> None:
    if not path.exists():
        return
    # Aside first: a folder that is half removed must not stand under its name.
    aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".old", dir=path.parent))
    path.rename(aside / path.name)
    shutil.rmtree(aside, ignore_errors=True)


def _checksum(path: Path) -> int:
    value, block = 0, memoryview(bytearray(_BLOCK))
    try:
        with path.open("rb", buffering=0) as file:
            while length := file.readinto(block):
                value = zlib.crc32(block[:length], value)
    except OSError:
        return -1
    return value


def _read(path: Path) -> dict[str, Any] | None:
    try:
        with path.open("rb") as file:
            value = json.loads(file.read(_LARGEST_JSON))
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _write(path: Path, value: Mapping[str, Any]) -> None:
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".", delete=False) as file:
        try:
            json.dump(value, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
