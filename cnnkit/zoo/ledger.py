"""What was seen of each weight file: its sha256 on first sight, kept and compared ever after.

One small JSON file in the user's state folder. A file whose size and time have not changed is not
read again; a ledger that cannot be written (a read-only machine) only costs that reading.
"""

import hashlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from cnnkit.errors import WeightsError

Verdict = Literal["verified", "recorded", "unpublished", "changed"]
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Sight:
    """One file as it was when it was last read.

    `sha256` is the trusted one, of the first sight; `verdict` is what the last reading said of
    the file and of the hash `published` for it; `now` is the sha256 of that reading.
    """

    sha256: str
    verdict: Verdict
    seen: tuple[int, int, int]
    published: str = ""
    now: str = ""


def check(path: Path, published: str, *, anew: bool = False) -> Verdict:
    """Compare a file with the hash published for it ("" for none) and with its first sight.

    verified: the published hash holds. recorded: none is published, and this is the first sight
    or equal to it. unpublished: it is not the published file. changed: not the one first seen.
    With `anew` the file is read even if it looks untouched. Raises `WeightsError` where it cannot
    be read.
    """
    known = _read().get(_key(path))
    if known and (known.seen, known.published) == (_stamp(path), published) and not anew:
        return known.verdict
    return _look(path, published, known).verdict


def identity(path: Path) -> str:
    """The sha256 of the file as it is now; an untouched file is not read again.

    Raises `WeightsError` where it cannot be read.
    """
    known = _read().get(_key(path))
    if known and known.seen == _stamp(path) and known.now:
        return known.now
    return _look(path, known.published if known else "", known).now


def _look(path: Path, published: str, known: Sight | None) -> Sight:
    """Read the file, compare it with what is known, and write down what was seen."""
    stamp = _stamp(path)
    sha256, md5 = digests(path)
    if published:
        verdict: Verdict = "verified" if published in (sha256, md5) else "unpublished"
    else:
        verdict = "changed" if known and known.sha256 != sha256 else "recorded"
    trusted = known.sha256 if known and verdict == "changed" else sha256
    sight = Sight(trusted, verdict, stamp, published, sha256)
    _write(path, sight)
    return sight


def trust(path: Path) -> None:
    """Take the file as it is now for the one first seen."""
    stamp = _stamp(path)
    sha256, _ = digests(path)
    _write(path, Sight(sha256, "recorded", stamp, now=sha256))


def forget(path: Path) -> None:
    """Drop what is known of a file that is being replaced or removed."""
    _write(path, None)


def digests(path: Path) -> tuple[str, str]:
    """The file's (sha256, md5), read once. Raises `WeightsError` where it cannot be read."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                sha256.update(block)
                md5.update(block)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}.") from error
    return sha256.hexdigest(), md5.hexdigest()


def folder() -> Path:
    """Where the ledger lies: the user's state folder."""
    from platformdirs import user_state_path

    return user_state_path("cnnkit")


def _file() -> Path:
    return folder() / "weights.json"


def _key(path: Path) -> str:
    """A file's name in the ledger, which is the same from whatever folder it is called."""
    return os.path.abspath(path)


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}.") from error
    return (status.st_size, status.st_mtime_ns, status.st_ino)


def _read() -> dict[str, Sight]:
    try:
        stored = json.loads(_file().read_text("utf-8"))
        return {
            path: Sight(
                entry["sha256"],
                entry["verdict"],
                tuple(entry["seen"]),
                entry.get("published", ""),
                entry.get("now", ""),
            )
            for path, entry in stored.items()
            if entry["verdict"] in get_args(Verdict)
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _write(path: Path, sight: Sight | None) -> None:
    from filelock import FileLock

    ledger = _file()
    try:
        ledger.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(ledger.with_suffix(".lock"), timeout=10):
            sights = _read()
            sights.pop(_key(path), None)
            if sight:
                sights[_key(path)] = sight
            _replace(ledger, json.dumps({name: asdict(s) for name, s in sights.items()}, indent=1))
    except OSError:
        return


def _replace(ledger: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile(
        "w", dir=ledger.parent, delete=False, encoding="utf-8"
    ) as file:
        try:
            file.write(text)
            file.flush()
            os.replace(file.name, ledger)
        except BaseException:
            os.unlink(file.name)
            raise
